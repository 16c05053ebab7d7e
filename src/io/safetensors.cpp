#include "convmixer/io/safetensors.hpp"

#include "convmixer/core/error.hpp"
#include "convmixer/core/file.hpp"
#include "convmixer/core/printable.hpp"
#include "io/quoted.hpp"
#include "io/tensor_place.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <limits>
#include <memory>
#include <optional>
#include <set>
#include <string_view>
#include <utility>
#include <vector>

namespace convmixer {

namespace {

static_assert(std::endian::native == std::endian::little, "the format is little-endian and is read as it lies");

using nlohmann::json;
using nlohmann::ordered_json;

constexpr std::size_t kLengthBytes = 8;
constexpr std::size_t kAlignment = 8;
// The reference implementation's limit: no honest header is longer, and a wrong length shows before memory is spent.
constexpr std::uint64_t kMaxHeaderBytes = 100'000'000;
constexpr const char* kMetadataKey = "__metadata__";

struct ElementType {
  std::string_view name;
  DType dtype;
  std::int64_t bytes;
};

// The names of https://github.com/huggingface/safetensors, safetensors/src/tensor.rs. Types of less than a byte are
// left out.
constexpr std::array kElementTypes{
    ElementType{"F32", DType::f32, 4},       ElementType{"F16", DType::f16, 2},
    ElementType{"BF16", DType::bf16, 2},     ElementType{"I64", DType::i64, 8},
    ElementType{"I32", DType::i32, 4},       ElementType{"U8", DType::u8, 1},
    ElementType{"F64", DType::other, 8},     ElementType{"C64", DType::other, 8},
    ElementType{"U64", DType::other, 8},     ElementType{"U32", DType::other, 4},
    ElementType{"U16", DType::other, 2},     ElementType{"I16", DType::other, 2},
    ElementType{"I8", DType::other, 1},      ElementType{"BOOL", DType::other, 1},
    ElementType{"F8_E5M2", DType::other, 1}, ElementType{"F8_E4M3", DType::other, 1},
    ElementType{"F8_E8M0", DType::other, 1},
};

/// The header's bytes, without its length.
std::string_view header_text(const std::filesystem::path& path, std::span<const std::byte> bytes) {
  if (bytes.size() < kLengthBytes) {
    fail("{}: not a safetensors file: {} bytes long, expected at least {}", path.string(), bytes.size(), kLengthBytes);
  }
  std::uint64_t length = 0;
  std::memcpy(&length, bytes.data(), kLengthBytes);
  if (length > kMaxHeaderBytes) {
    fail("{}: not a safetensors file: a header of {} bytes, expected at most {}", path.string(), length,
         kMaxHeaderBytes);
  }
  if (length > bytes.size() - kLengthBytes) {
    fail("{}: the file ends within its header: {} bytes long, the header takes {}", path.string(), bytes.size(),
         kLengthBytes + length);
  }
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()) + kLengthBytes,
                              static_cast<std::size_t>(length));
  if (!text.starts_with('{')) fail("{}: not a safetensors file: the header does not begin with '{{'", path.string());
  return text;
}

/// Parses the header. Of two equal keys JSON parsers keep either one, so they are refused; and so is nesting deeper
/// than the format's, before it costs memory.
json parse_header(const std::filesystem::path& path, std::string_view text) {
  constexpr int kDeepest = 2;  // an array within a tensor's object within the header
  std::vector<std::set<std::string>> keys;
  const auto watch = [&](int depth, json::parse_event_t event, json& parsed) {
    if ((event == json::parse_event_t::object_start || event == json::parse_event_t::array_start) && depth > kDeepest) {
      fail("{}: the header is nested too deeply", path.string());
    }
    if (event == json::parse_event_t::object_start) keys.emplace_back();
    if (event == json::parse_event_t::object_end) keys.pop_back();
    if (event == json::parse_event_t::key && !keys.back().insert(parsed.get<std::string>()).second) {
      fail("{}: the header has {} twice", path.string(), quoted(parsed.get<std::string>()));
    }
    return true;
  };
  try {
    return json::parse(text.begin(), text.end(), watch);
  } catch (const json::parse_error& error) {
    fail("{}: the header is not valid JSON at byte {}", path.string(), kLengthBytes + error.byte);
  } catch (const json::exception&) {
    fail("{}: the header is not valid JSON", path.string());
  }
}

const json& member(const std::string& where, const json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end()) fail("{} has no {}", where, key);
  return *found;
}

/// A number from 0 to the largest signed 64-bit one.
std::optional<std::int64_t> natural(const json& value) {
  if (!value.is_number_unsigned()) return std::nullopt;
  const auto number = value.get<std::uint64_t>();
  if (number > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) return std::nullopt;
  return static_cast<std::int64_t>(number);
}

const ElementType& parse_dtype(const std::string& where, const json& object) {
  const json& value = member(where, object, "dtype");
  const auto* name = value.get_ptr<const std::string*>();
  if (name == nullptr) fail("{}: its dtype is not a string", where);
  const auto found = std::ranges::find(kElementTypes, *name, &ElementType::name);
  if (found == kElementTypes.end()) fail("{}: unknown dtype {}", where, quoted(*name));
  return *found;
}

Shape parse_shape(const std::string& where, const json& object) {
  const json& value = member(where, object, "shape");
  if (!value.is_array()) fail("{}: its shape is not an array", where);
  if (value.size() > static_cast<std::size_t>(Shape::kMaxRank)) {
    fail("{}: a shape of {} dimensions, expected at most {}", where, value.size(), Shape::kMaxRank);
  }
  Shape shape;
  std::int64_t count = 1;
  for (const json& element : value) {
    const std::optional<std::int64_t> extent = natural(element);
    if (!extent) fail("{}: its shape has an extent that is not a number of at least 0", where);
    if (__builtin_mul_overflow(count, *extent, &count)) fail("{}: its shape has too many elements", where);
    shape.push_back(*extent);
  }
  return shape;
}

/// Bytes [begin, end) of the data.
struct Range {
  std::int64_t begin;
  std::int64_t end;
  std::string name;
};

Range parse_range(const std::string& where, const json& object, const std::string& name, std::size_t data_bytes) {
  const json& value = member(where, object, "data_offsets");
  if (!value.is_array() || value.size() != 2) fail("{}: its data_offsets are not an array of two", where);
  const std::optional<std::int64_t> begin = natural(value[0]);
  const std::optional<std::int64_t> end = natural(value[1]);
  if (!begin || !end || *begin > *end) fail("{}: its data_offsets are not two ascending numbers of at least 0", where);
  if (static_cast<std::uint64_t>(*end) > data_bytes) {
    fail("{}: its data ends at byte {}, the file has {} bytes of data", where, *end, data_bytes);
  }
  return {*begin, *end, name};
}

/// The tensors' data must cover the file's without gaps or overlaps, as the reference implementation asks.
void check_coverage(const std::filesystem::path& path, std::vector<Range> ranges, std::size_t data_bytes) {
  std::ranges::sort(
      ranges, [](const Range& a, const Range& b) { return a.begin != b.begin ? a.begin < b.begin : a.end < b.end; });
  std::int64_t position = 0;
  for (const Range& range : ranges) {
    if (range.begin != position) {
      fail("{}: its data begins at byte {}, expected {}, where the one before it ends", tensor_place(path, range.name),
           range.begin, position);
    }
    position = range.end;
  }
  if (static_cast<std::uint64_t>(position) != data_bytes) {
    fail("{}: {} bytes of data, its tensors have {}", path.string(), data_bytes, position);
  }
}

std::map<std::string, std::string> parse_metadata(const std::filesystem::path& path, const json& object) {
  if (!object.is_object()) fail("{}: {} is not an object", path.string(), kMetadataKey);
  std::map<std::string, std::string> metadata;
  for (const auto& [key, value] : object.items()) {
    if (!value.is_string()) fail("{}: metadata {} is not a string", path.string(), quoted(key));
    metadata[key] = value.get<std::string>();
  }
  return metadata;
}

/// Throws Error unless the tensor can be written: of a type that this project reads, as many bytes as its shape says.
const ElementType& checked_type(const std::string& where, const TensorView& tensor) {
  const auto found = std::ranges::find(kElementTypes, tensor.dtype, &ElementType::dtype);
  if (found == kElementTypes.end() || tensor.dtype == DType::other)
    fail("{}: can't be written: expected elements of a type that is read, too", where);
  const ElementType& type = *found;
  std::int64_t expected = 0;
  if (__builtin_mul_overflow(tensor.shape.count(), type.bytes, &expected))
    expected = std::numeric_limits<std::int64_t>::max();
  if (static_cast<std::int64_t>(tensor.bytes.size()) != expected)
    fail("{}: can't be written: found {} bytes, expected {} for shape {} of {}", where, tensor.bytes.size(), expected,
         tensor.shape.to_string(), type.name);
  return type;
}

ordered_json header_entry(const TensorView& tensor, const ElementType& type, std::size_t begin) {
  ordered_json shape = ordered_json::array();
  for (int axis = 0; axis < tensor.shape.rank(); ++axis) shape.push_back(tensor.shape[axis]);
  ordered_json entry;
  entry["dtype"] = type.name;
  entry["shape"] = std::move(shape);
  entry["data_offsets"] = ordered_json::array({begin, begin + tensor.bytes.size()});
  return entry;
}

}  // namespace

void write_safetensors(const std::filesystem::path& path, std::span<const TensorView> tensors,
                       const std::map<std::string, std::string>& metadata) {
  ordered_json header = ordered_json::object();
  if (!metadata.empty()) header[kMetadataKey] = metadata;
  std::size_t end = 0;
  for (const TensorView& tensor : tensors) {
    const std::string where = tensor_place(path, tensor.name);
    if (to_utf8(tensor.name) != tensor.name) fail("{}: can't be written: its name is not UTF-8", where);
    if (tensor.name == kMetadataKey) fail("{}: can't be written: the name is that of the metadata", where);
    if (header.contains(tensor.name)) fail("{}: can't be written: there are two tensors of this name", where);
    header[tensor.name] = header_entry(tensor, checked_type(where, tensor), end);
    end += tensor.bytes.size();
  }

  std::string text;
  try {
    text = header.dump();
  } catch (const json::exception&) {
    fail("{}: can't be written: the metadata is not UTF-8", path.string());
  }
  text.append((kAlignment - text.size() % kAlignment) % kAlignment, ' ');
  const std::uint64_t length = text.size();
  std::vector<std::span<const std::byte>> parts{std::as_bytes(std::span(&length, 1)), std::as_bytes(std::span(text))};
  for (const TensorView& tensor : tensors) parts.push_back(tensor.bytes);
  write_file_atomically(path, parts);
}

namespace {

TensorFile read_safetensors(const std::filesystem::path& path) {
  const auto file = std::make_shared<const MappedFile>(path);
  const std::string_view text = header_text(path, file->bytes());
  const std::span<const std::byte> data = file->bytes().subspan(kLengthBytes + text.size());
  const json header = parse_header(path, text);

  std::map<std::string, TensorFile::Entry> tensors;
  std::map<std::string, std::string> metadata;
  std::vector<Range> ranges;
  for (const auto& [name, object] : header.items()) {
    if (name == kMetadataKey) {
      metadata = parse_metadata(path, object);
      continue;
    }
    const std::string where = tensor_place(path, name);
    if (!object.is_object()) fail("{}: its entry in the header is not an object", where);
    const ElementType& type = parse_dtype(where, object);
    const Shape shape = parse_shape(where, object);
    const Range range = parse_range(where, object, name, data.size());
    const std::int64_t bytes = range.end - range.begin;
    if (bytes % type.bytes != 0 || bytes / type.bytes != shape.count()) {
      fail("{}: {} bytes of data, expected {} elements of {} for shape {} of {}", where, bytes, shape.count(),
           type.bytes, shape.to_string(), type.name);
    }
    tensors[name] = {type.dtype, shape,
                     data.subspan(static_cast<std::size_t>(range.begin), static_cast<std::size_t>(bytes))};
    ranges.push_back(range);
  }
  check_coverage(path, std::move(ranges), data.size());
  return {path, std::move(tensors), std::move(metadata), file};
}

}  // namespace

SafetensorsFile::SafetensorsFile(const std::filesystem::path& path) : TensorFile(read_safetensors(path)) {}

}  // namespace convmixer
