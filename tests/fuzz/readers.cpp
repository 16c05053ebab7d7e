#include "fuzz/readers.hpp"

#include "convmixer/checkpoint/checkpoint.hpp"
#include "convmixer/core/error.hpp"
#include "convmixer/data/image_reader.hpp"
#include "convmixer/data/open_dataset.hpp"
#include "convmixer/data/sources/cifar.hpp"
#include "convmixer/data/sources/packed.hpp"
#include "convmixer/io/pytorch_file.hpp"
#include "convmixer/io/safetensors.hpp"
#include "convmixer/model/registry.hpp"
#include "convmixer/train/config.hpp"
#include "convmixer/train/option_parser.hpp"
#include "data/decode/image_file.hpp"
#include "data/sources/cifar_batch.hpp"
#include "io/event_messages.hpp"
#include "io/pickle.hpp"
#include "io/record_file.hpp"
#include "support/stored_zip.hpp"

#include <array>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <string_view>
#include <sys/mman.h>
#include <unistd.h>
#include <utility>

namespace convmixer::fuzz {

namespace {

[[noreturn]] void give_up(const char* what) {
  std::fprintf(stderr, "fuzz: %s\n", what);
  std::abort();
}

/// A file in memory that readers of paths can open.
class MemoryFile {
 public:
  explicit MemoryFile(Bytes bytes) : descriptor_(::memfd_create("fuzz", MFD_CLOEXEC)) {
    if (descriptor_ < 0) give_up("memfd_create failed");
    while (!bytes.empty()) {
      const ssize_t written = ::write(descriptor_, bytes.data(), bytes.size());
      if (written <= 0) give_up("a file in memory can't be written");
      bytes = bytes.subspan(static_cast<std::size_t>(written));
    }
  }
  ~MemoryFile() { ::close(descriptor_); }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;

  [[nodiscard]] std::filesystem::path path() const { return "/proc/self/fd/" + std::to_string(descriptor_); }

 private:
  int descriptor_;
};

/// Runs a reader; what it refuses must be said in one line. True if it refused nothing.
template <typename Body>
bool is_read(Body&& body) {
  try {
    body();
    return true;
  } catch (const Error& error) {
    const std::string message = error.what();
    if (message.empty() || message.find('\n') != std::string::npos) give_up("a refusal is not one line");
    return false;
  }
}

/// Touches everything that training would.
void look_at(const Dataset& dataset) {
  std::uint64_t sum = 0;
  for (std::int64_t i = 0; i < dataset.size(); ++i) {
    if (dataset.label(i) < 0 || dataset.label(i) >= dataset.classes()) give_up("a label out of range");
    for (const std::uint8_t pixel : dataset.image(i)) sum += pixel;
  }
  volatile std::uint64_t sink = sum;
  (void)sink;
}

void look_at(const CifarBatch& batch) {
  std::uint64_t sum = 0;
  for (std::int64_t i = 0; i < batch.size(); ++i)
    for (const std::uint8_t pixel : batch.image(i)) sum += pixel;
  volatile std::uint64_t sink = sum;
  (void)sink;
}

bool read_batch(Bytes bytes, CifarVersion version) {
  bool any = false;
  for (const CifarFormat* format : {&cifar10_format(), &cifar100_format()})
    any |= is_read([&] { look_at(read_cifar_batch(bytes, nullptr, version, *format, "fuzz")); });
  return any;
}

/// As eval and train --init do.
bool load(const MemoryFile& file) {
  return is_read([&] {
    const CheckpointInfo info = read_checkpoint_info(file.path());
    const Graph graph = make_graph(info.model);
    Parameters parameters(graph);
    load_weights(file.path(), parameters);
  });
}

bool decode(Bytes bytes) {
  return is_read([&] {
    const DecodedImage image = decode_image(std::as_bytes(bytes));
    if (image.pixels.size() != 3 * static_cast<std::size_t>(image.width) * static_cast<std::size_t>(image.height))
      give_up("an image of another size than it says");
  });
}

}  // namespace

bool cifar_records(Bytes bytes) { return read_batch(bytes, CifarVersion::binary); }

bool cifar_pickle(Bytes bytes) { return read_batch(bytes, CifarVersion::python); }

bool archive(Bytes bytes) {
  const MemoryFile file(bytes);
  bool any = is_read([&] { (void)recognise_dataset(file.path()); });
  for (const Split split : {Split::train, Split::test}) {
    any |= is_read([&] { look_at(*open_cifar10(file.path(), split, {.allow_partial = true})); });
    any |= is_read([&] { look_at(*open_cifar100(file.path(), split, {.allow_partial = true})); });
  }
  return any;
}

bool png(Bytes bytes) { return decode(bytes); }

bool jpeg(Bytes bytes) { return decode(bytes); }

bool pnm(Bytes bytes) { return decode(bytes); }

/// As an image that a network is to classify.
bool predict_image(Bytes bytes) {
  static const std::array readers{
      ImageReader({.image_size = 24, .fit = Fit::crop, .normalisation = {{0.5F, 0.5F, 0.5F}, {0.25F, 0.25F, 0.25F}}}),
      ImageReader({.image_size = 8, .channels = 1, .fit = Fit::stretch, .normalisation = {{0.5F}, {0.25F}}})};
  bool any = false;
  for (const ImageReader& reader : readers) {
    std::vector<float> values(reader.shape().bytes(), std::numeric_limits<float>::quiet_NaN());
    any |= is_read([&] {
      reader.decode(std::as_bytes(bytes), values);
      for (const float value : values)
        if (!(value >= -2.0F && value <= 2.0F)) give_up("a value that no pixel is normalised to");
    });
  }
  return any;
}

bool packed(Bytes bytes) {
  const MemoryFile file(bytes);
  const bool has_info = is_read([&] { (void)read_packed_info(file.path()); });
  bool any = false;
  for (const Split split : {Split::train, Split::test})
    any |= is_read([&] { look_at(*open_packed(file.path(), split)); });
  return has_info && any;
}

bool safetensors(Bytes bytes) {
  const MemoryFile file(bytes);
  const bool any = is_read([&] { (void)SafetensorsFile(file.path()); });
  return load(file) || any;
}

bool pytorch(Bytes bytes) {
  const MemoryFile file(bytes);
  const bool any = is_read([&] { (void)PytorchFile(file.path()); });
  return load(file) || any;
}

bool pytorch_pickle(Bytes bytes) {
  std::vector<std::pair<std::string, std::string>> files{
      {"x/data.pkl", std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size())}};
  for (int key = 0; key < 32; ++key)
    files.emplace_back("x/data/" + std::to_string(key), std::string(200, static_cast<char>(key)));
  const std::string whole = testing_support::stored_zip(files);
  const bool loaded = pytorch({reinterpret_cast<const std::uint8_t*>(whole.data()), whole.size()});
  return is_read([&] { (void)Pickle(bytes, "fuzz"); }) || loaded;
}

bool events(Bytes bytes) {
  const std::string_view file(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  RecordReader records(file);
  while (const auto record = records.next()) (void)read_event(*record);
  if (records.end() > file.size()) give_up("records end after their file");
  return records.end() > 0 || !read_event(file).values.empty();
}

bool options(Bytes bytes) {
  const MemoryFile file(bytes);
  const bool is_configuration = is_read([&] {
    // What was read must read the same again once written down.
    const std::string text = to_ini(read_config(file.path()));
    const MemoryFile again({reinterpret_cast<const std::uint8_t*>(text.data()), text.size()});
    if (to_ini(read_config(again.path())) != text) give_up("a configuration changes when it is written and read again");
  });
  std::vector<std::string> words(1);
  for (const std::uint8_t byte : bytes) {
    if (byte == '\n' || byte == '\0') {
      words.emplace_back();
    } else {
      words.back().push_back(static_cast<char>(byte));
    }
  }
  const bool is_command_line = is_read([&] {
    TrainConfig config;
    const std::vector<OptionGroup> groups = config_options(config);
    assign(groups, parse_command_line(groups, words).settings);
  });
  return is_configuration || is_command_line;
}

const std::vector<Reader>& readers() {
  static const std::vector<Reader> all{{"cifar_records", cifar_records},
                                       {"cifar_pickle", cifar_pickle},
                                       {"archive", archive},
                                       {"png", png},
                                       {"jpeg", jpeg},
                                       {"pnm", pnm},
                                       {"predict_image", predict_image},
                                       {"packed", packed},
                                       {"safetensors", safetensors},
                                       {"pytorch", pytorch},
                                       {"pytorch_pickle", pytorch_pickle},
                                       {"events", events},
                                       {"options", options}};
  return all;
}

}  // namespace convmixer::fuzz
