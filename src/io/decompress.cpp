#include "io/decompress.hpp"

#include "convmixer/core/error.hpp"
#include "io/archive_reader.hpp"

#include <algorithm>
#include <array>
#include <exception>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>
#include <zlib.h>

namespace convmixer {

namespace {

constexpr std::size_t kChunk = std::size_t{256} << 10;
constexpr std::size_t kMostInput = std::size_t{1} << 30;  // zlib counts in 32 bits
constexpr int kMostLayers = 3;

bool begins_with(std::span<const std::byte> bytes, std::string_view begin) {
  return bytes.size() >= begin.size() &&
         std::string_view(reinterpret_cast<const char*>(bytes.data()), begin.size()) == begin;
}

bool is_gzip(std::span<const std::byte> bytes) { return begins_with(bytes, "\x1f\x8b"); }

/// RFC 1952: members one after the other, each with the CRC and the length of its content.
class Gzip {
 public:
  Gzip(ByteStream input, std::string where) : input_(std::move(input)), where_(std::move(where)), buffer_(kChunk) {
    constexpr int kLargestWindow = 15;
    constexpr int kExpectGzip = 16;
    if (inflateInit2(&zlib_, kLargestWindow + kExpectGzip) != Z_OK) fail("{}: out of memory", where_);
  }
  ~Gzip() { inflateEnd(&zlib_); }
  Gzip(const Gzip&) = delete;
  Gzip& operator=(const Gzip&) = delete;

  std::span<const std::byte> next() {
    zlib_.next_out = reinterpret_cast<Bytef*>(buffer_.data());
    zlib_.avail_out = static_cast<uInt>(buffer_.size());
    while (zlib_.avail_out > 0 && has_input()) {
      if (between_members_ && !begin_member()) continue;
      const int code = inflate(&zlib_, Z_NO_FLUSH);
      between_members_ = code == Z_STREAM_END;
      if (code != Z_OK && code != Z_STREAM_END)
        fail("{}: damaged gzip: {}", where_, zlib_.msg != nullptr ? zlib_.msg : "it can't be decompressed");
    }
    return std::span(buffer_).first(buffer_.size() - zlib_.avail_out);
  }

 private:
  /// False at the end, which must not be within a member.
  bool has_input() {
    if (zlib_.avail_in > 0) return true;
    if (rest_.empty()) rest_ = input_();
    const auto part = rest_.first(std::min(rest_.size(), kMostInput));
    rest_ = rest_.subspan(part.size());
    zlib_.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(part.data()));  // zlib doesn't write there
    zlib_.avail_in = static_cast<uInt>(part.size());
    if (part.empty() && !between_members_) fail("{}: the gzip file is cut off", where_);
    return !part.empty();
  }

  /// After the last member there may be zeros, which tapes are filled up with: false, and they are passed over.
  bool begin_member() {
    if (*zlib_.next_in != 0 && !padded_) {
      inflateReset(&zlib_);
      return true;
    }
    padded_ = true;
    if (std::any_of(zlib_.next_in, zlib_.next_in + zlib_.avail_in, [](Bytef byte) { return byte != 0; }))
      fail("{}: damaged gzip: something else follows after its end", where_);
    zlib_.avail_in = 0;
    return false;
  }

  ByteStream input_;
  std::string where_;
  std::vector<std::byte> buffer_;
  z_stream zlib_{};
  std::span<const std::byte> rest_;
  bool between_members_ = false;
  bool padded_ = false;
};

/// bzip2, xz and zstd: libarchive's libraries verify what they decompress.
class Decompressor {
 public:
  Decompressor(ByteStream input, std::string where) : where_(std::move(where)), reader_(where_) {
    archive_read_support_filter_bzip2(reader_.get());
    archive_read_support_filter_xz(reader_.get());
    archive_read_support_filter_zstd(reader_.get());
    archive_read_support_format_raw(reader_.get());
    reader_.open(std::move(input));
    archive_entry* entry = nullptr;
    if (archive_read_next_header(reader_.get(), &entry) != ARCHIVE_OK) reader_.give_up("can't be decompressed");
  }

  std::span<const std::byte> next() {
    const void* bytes = nullptr;
    std::size_t size = 0;
    la_int64_t offset = 0;
    const int status = archive_read_data_block(reader_.get(), &bytes, &size, &offset);
    if (status == ARCHIVE_EOF) return {};
    if (status != ARCHIVE_OK) reader_.give_up("can't be decompressed");
    return {static_cast<const std::byte*>(bytes), size};
  }

 private:
  std::string where_;
  ArchiveReader reader_;
};

template <typename Layer>
ByteStream stream_of(ByteStream input, const std::string& where) {
  return [layer = std::make_shared<Layer>(std::move(input), where)] { return layer->next(); };
}

ByteStream once(std::span<const std::byte> bytes, ByteStream then = nullptr) {
  return [bytes, then = std::move(then), given = false]() mutable -> std::span<const std::byte> {
    if (!std::exchange(given, true)) return bytes;
    return then ? then() : std::span<const std::byte>{};
  };
}

ByteStream limited(ByteStream input, const std::string& where) {
  return [input = std::move(input), where, total = std::int64_t{0}]() mutable {
    const auto bytes = input();
    total += std::ssize(bytes);
    if (total > kMostUnpacked) fail_unpacks_to_too_much(where);
    return bytes;
  };
}

}  // namespace

bool is_compressed(std::span<const std::byte> bytes) {
  constexpr std::array<std::string_view, 3> kOthers{"BZh",
                                                    "\xfd"
                                                    "7zXZ",
                                                    "\x28\xb5\x2f\xfd"};
  return is_gzip(bytes) || std::ranges::any_of(kOthers, [&](auto begin) { return begins_with(bytes, begin); });
}

ByteStream decompress(std::span<const std::byte> bytes, const std::string& where) {
  std::span<const std::byte> first = bytes;
  ByteStream stream = once(bytes);
  for (int layer = 0; layer < kMostLayers && is_compressed(first); ++layer) {
    stream = limited(
        is_gzip(first) ? stream_of<Gzip>(std::move(stream), where) : stream_of<Decompressor>(std::move(stream), where),
        where);
    first = stream();
    stream = once(first, std::move(stream));
  }
  return stream;
}

}  // namespace convmixer
