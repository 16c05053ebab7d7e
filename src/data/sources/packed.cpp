#include "convmixer/data/sources/packed.hpp"

#include "convmixer/core/error.hpp"
#include "convmixer/core/printable.hpp"
#include "convmixer/data/dataset_options.hpp"
#include "convmixer/io/safetensors.hpp"
#include "data/colour_statistics.hpp"
#include "data/decode/decoded_image.hpp"
#include "data/sources/scratch_file.hpp"

#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <fstream>
#include <limits>
#include <system_error>
#include <utility>
#include <xxhash.h>

namespace convmixer {

namespace {

constexpr const char* kFormat = "convmixer-images-1";

std::string_view name_of(Split split) { return split == Split::train ? "train" : "test"; }

std::string checksum(std::span<const std::byte> labels, std::span<const std::byte> images) {
  const std::unique_ptr<XXH3_state_t, decltype(&XXH3_freeState)> state(XXH3_createState(), XXH3_freeState);
  XXH3_64bits_reset(state.get());
  XXH3_64bits_update(state.get(), labels.data(), labels.size());
  XXH3_64bits_update(state.get(), images.data(), images.size());
  return fmt::format("{:016x}", XXH3_64bits_digest(state.get()));
}

std::vector<std::string> parse_strings(const SafetensorsFile& file, const std::string& key) {
  const nlohmann::json value = nlohmann::json::parse(file.metadata(key), nullptr, false);
  std::vector<std::string> strings;
  bool good = value.is_array();
  for (std::size_t i = 0; good && i < value.size(); ++i) {
    good = value[i].is_string();
    if (good) strings.push_back(value[i].get<std::string>());
  }
  if (!good) fail("{}: its '{}' is not a list of texts", file.path().string(), key);
  return strings;
}

std::vector<float> parse_colours(const SafetensorsFile& file, const std::string& key) {
  const std::string& text = file.metadata(key);
  std::vector<float> values;
  const char* at = text.data();
  const char* const end = text.data() + text.size();
  for (bool more = true; more;) {
    float value = 0.0F;
    const auto [rest, error] = std::from_chars(at, end, value);
    if (error != std::errc{} || !std::isfinite(value)) {
      values.clear();
      break;
    }
    values.push_back(value);
    more = rest != end && *rest == ',';
    at = more ? rest + 1 : rest;
  }
  if (at != end || values.size() != kColours)
    fail("{}: its '{}' is '{}', expected {} numbers with commas between them", file.path().string(), key, text,
         kColours);
  return values;
}

void check_format(const SafetensorsFile& file) {
  const auto format = file.metadata().find("format");
  if (format == file.metadata().end() || format->second != kFormat)
    fail("{}: no file of packed images: its format is {}, expected '{}'", file.path().string(),
         format == file.metadata().end() ? "not given" : "'" + format->second + "'", kFormat);
}

/// Texts with a zero byte after each, which no name of a file has within it.
std::string joined(const std::vector<std::string>& texts) {
  std::string bytes;
  for (const std::string& text : texts) (bytes += text) += '\0';
  return bytes;
}

/// Where each of joined texts ends.
std::vector<std::size_t> ends_of(std::string_view bytes) {
  std::vector<std::size_t> ends;
  for (std::size_t end = bytes.find('\0'); end != std::string_view::npos; end = bytes.find('\0', end + 1))
    ends.push_back(end);
  return ends;
}

class Packed : public Dataset {
 public:
  Packed(const std::filesystem::path& path, Split split, const std::vector<std::string>& files) : file_(path) {
    check_format(file_);
    class_names_ = parse_strings(file_, "classes");
    left_out_ = parse_strings(file_, "left_out");
    normalisation_ = {parse_colours(file_, "mean"), parse_colours(file_, "std")};
    const std::string name(name_of(split));
    if (!file_.contains(name + ".images"))
      fail("{}: has no images for the {}", path.string(), split == Split::train ? "training" : "test");
    const SafetensorsFile::Entry& labels = file_.tensor(name + ".labels");
    const SafetensorsFile::Entry& images = file_.tensor(name + ".images");
    check_shapes(labels, images, name);
    image_size_ = static_cast<int>(images.shape[2]);
    images_ = {reinterpret_cast<const std::uint8_t*>(images.bytes.data()), images.bytes.size()};
    if (const std::string found = checksum(labels.bytes, images.bytes); found != file_.metadata("checksum." + name))
      fail("{}: damaged: the checksum of its {} images is {}, expected {}", path.string(), name, found,
           file_.metadata("checksum." + name));
    labels_.resize(static_cast<std::size_t>(labels.shape[0]));
    std::memcpy(labels_.data(), labels.bytes.data(), labels.bytes.size());
    for (std::size_t i = 0; i < labels_.size(); ++i) {
      if (labels_[i] < 0 || labels_[i] >= classes())
        fail("{}: label {} of {}.labels is {}, expected 0 to {}", path.string(), i, name, labels_[i], classes() - 1);
    }
    read_files(name, files);
  }

  [[nodiscard]] std::int64_t size() const override { return static_cast<std::int64_t>(labels_.size()); }
  [[nodiscard]] int channels() const override { return kColours; }
  [[nodiscard]] int image_size() const override { return image_size_; }
  [[nodiscard]] const std::vector<std::string>& class_names() const override { return class_names_; }
  [[nodiscard]] Normalisation normalisation() const override { return normalisation_; }

  [[nodiscard]] const std::vector<std::string>& left_out() const override { return left_out_; }

  [[nodiscard]] std::span<const std::uint8_t> image(std::int64_t index) const override {
    check_index(index);
    const std::size_t bytes = images_.size() / labels_.size();
    return images_.subspan(static_cast<std::size_t>(index) * bytes, bytes);
  }
  [[nodiscard]] std::int32_t label(std::int64_t index) const override {
    check_index(index);
    return labels_[static_cast<std::size_t>(index)];
  }
  [[nodiscard]] std::string file_name(std::int64_t index) const override {
    check_index(index);
    if (file_ends_.empty()) return {};
    const auto i = static_cast<std::size_t>(index);
    const std::size_t begin = i == 0 ? 0 : file_ends_[i - 1] + 1;
    return std::string(files_.substr(begin, file_ends_[i] - begin));
  }

 private:
  void read_files(const std::string& name, const std::vector<std::string>& otherwise) {
    if (!file_.contains(name + ".files")) {
      if (otherwise.size() != labels_.size()) return;
      own_files_ = joined(otherwise);
      files_ = own_files_;
      file_ends_ = ends_of(files_);
      return;
    }
    const SafetensorsFile::Entry& files = file_.tensor(name + ".files");
    files_ = {reinterpret_cast<const char*>(files.bytes.data()), files.bytes.size()};
    file_ends_ = ends_of(files_);
    const std::string& expected = file_.metadata("checksum." + name + ".files");
    if (const std::string found = checksum(files.bytes, {}); found != expected)
      fail("{}: damaged: the checksum of its {} names of files is {}, expected {}", file_.path().string(), name, found,
           expected);
    if (files.dtype != DType::u8 || file_ends_.size() != labels_.size() || file_ends_.back() + 1 != files_.size())
      fail("{}: {}.files is not the names of {} files", file_.path().string(), name, labels_.size());
  }
  void check_shapes(const SafetensorsFile::Entry& labels, const SafetensorsFile::Entry& images,
                    const std::string& name) const {
    const std::string path = file_.path().string();
    if (labels.dtype != DType::i32 || labels.shape.rank() != 1)
      fail("{}: {}.labels is not a vector of I32", path, name);
    const Shape& shape = images.shape;
    if (images.dtype != DType::u8 || shape.rank() != 4 || shape[0] != labels.shape[0] || shape[0] < 1 ||
        shape[0] > std::numeric_limits<std::uint32_t>::max() || shape[1] != kColours || shape[2] != shape[3] ||
        shape[2] < 1 || shape[2] > kLargestImageSize)
      fail("{}: {}.images is not a tensor of U8 with a shape of ({}, {}, S, S)", path, name, labels.shape[0], kColours);
  }

  SafetensorsFile file_;
  std::vector<std::string> class_names_;
  std::vector<std::string> left_out_;
  Normalisation normalisation_;
  std::vector<std::int32_t> labels_;
  std::span<const std::uint8_t> images_;
  std::string own_files_;               // where the file has none
  std::string_view files_;              // joined
  std::vector<std::size_t> file_ends_;  // by index; none if the files aren't known
  int image_size_ = 0;
};

std::string as_json(const std::vector<std::string>& strings) {
  nlohmann::json list = nlohmann::json::array();
  for (const std::string& string : strings) list.push_back(to_utf8(string));  // file names are bytes
  return list.dump();
}

/// Throws Error unless the split's labels and images can be read again.
void check_split(const std::filesystem::path& path, const PackedImages& images, Split split) {
  const PackedSplit& part = images.splits[static_cast<std::size_t>(split)];
  const auto side = static_cast<std::size_t>(images.image_size);
  if (part.images.size() != part.labels.size() * kColours * side * side)
    fail("{}: {}: found {} bytes of images, expected {} x {} x {} for each of {} labels", path.string(), name_of(split),
         part.images.size(), kColours, side, side, part.labels.size());
  if (!part.files.empty() && part.files.size() != part.labels.size())
    fail("{}: {}: found {} names of files, expected one for each of {} labels", path.string(), name_of(split),
         part.files.size(), part.labels.size());
  for (const std::int32_t label : part.labels) {
    if (label < 0 || label >= std::ssize(images.class_names))
      fail("{}: {}: found label {}, expected 0 to {}", path.string(), name_of(split), label,
           std::ssize(images.class_names) - 1);
  }
}

}  // namespace

void write_packed(const std::filesystem::path& path, const PackedImages& images) {
  const PackedSplit& train = images.splits[static_cast<std::size_t>(Split::train)];
  if (train.labels.empty()) fail("{}: there are no training images to pack", path.string());
  if (images.image_size < 1 || images.image_size > kLargestImageSize)
    fail("{}: image size: found {}, expected 1 to {}", path.string(), images.image_size, kLargestImageSize);
  for (const Split split : {Split::train, Split::test}) check_split(path, images, split);
  ColourStatistics statistics(kColours);
  statistics.add(train.images, images.image_size);
  const Normalisation normalisation = statistics.normalisation();
  std::map<std::string, std::string> metadata{{"format", kFormat},
                                              {"classes", as_json(images.class_names)},
                                              {"mean", fmt::format("{}", fmt::join(normalisation.mean, ","))},
                                              {"std", fmt::format("{}", fmt::join(normalisation.std, ","))},
                                              {"source", images.source},
                                              {"left_out", as_json(images.left_out)}};
  std::vector<TensorView> tensors;  // labels first: the format allows no gaps, and they want to be aligned
  for (const Split split : {Split::train, Split::test}) {
    const PackedSplit& part = images.splits[static_cast<std::size_t>(split)];
    if (part.labels.empty()) continue;
    const std::string name(name_of(split));
    const auto labels = std::as_bytes(std::span(part.labels));
    metadata["checksum." + name] = checksum(labels, std::as_bytes(part.images));
    tensors.push_back({name + ".labels", DType::i32, Shape{std::ssize(part.labels)}, labels});
  }
  for (const Split split : {Split::train, Split::test}) {
    const PackedSplit& part = images.splits[static_cast<std::size_t>(split)];
    if (part.labels.empty()) continue;
    tensors.push_back({std::string(name_of(split)) + ".images", DType::u8,
                       Shape{std::ssize(part.labels), kColours, images.image_size, images.image_size},
                       std::as_bytes(part.images)});
  }
  const std::array<std::string, 2> files{joined(images.splits[0].files), joined(images.splits[1].files)};
  for (const Split split : {Split::train, Split::test}) {
    const std::string& names = files[static_cast<std::size_t>(split)];
    if (names.empty()) continue;
    const std::string name = std::string(name_of(split)) + ".files";
    const auto bytes = std::as_bytes(std::span(names));
    metadata["checksum." + name] = checksum(bytes, {});
    tensors.push_back({name, DType::u8, Shape{std::ssize(names)}, bytes});
  }
  write_safetensors(path, tensors, metadata);
}

void pack(const std::filesystem::path& path, const Dataset& train, const Dataset& test) {
  check_dataset(train);
  if (train.channels() != kColours) fail("{}: images of {} channels can't be packed", path.string(), train.channels());
  if (train.class_names() != test.class_names() || train.image_size() != test.image_size() ||
      train.channels() != test.channels())
    fail("{}: the training images have other classes or sizes than the test images", path.string());
  const std::size_t bytes = image_bytes(train);
  const std::filesystem::path folder = path.has_parent_path() ? path.parent_path() : ".";
  const ScratchFile scratch(folder, bytes * static_cast<std::size_t>(train.size() + test.size()));
  PackedImages images{.image_size = train.image_size(),
                      .class_names = train.class_names(),
                      .splits = {},
                      .source = {},
                      .left_out = train.left_out()};
  for (const std::string& line : test.left_out()) {
    if (std::ranges::find(images.left_out, line) == images.left_out.end()) images.left_out.push_back(line);
  }
  std::span<std::uint8_t> rest = scratch.bytes();
  for (const Split which : {Split::train, Split::test}) {
    const Dataset* const dataset = which == Split::train ? &train : &test;
    PackedSplit& split = images.splits[static_cast<std::size_t>(which)];
    split.images = rest.first(bytes * static_cast<std::size_t>(dataset->size()));
    for (std::int64_t i = 0; i < dataset->size(); ++i) {
      std::ranges::copy(checked_image(*dataset, i, bytes), rest.begin());
      rest = rest.subspan(bytes);
      split.labels.push_back(checked_label(*dataset, i, train.classes()));
      split.files.push_back(dataset->file_name(i));
    }
    const auto is_known = [](const std::string& name) { return !name.empty(); };
    if (std::ranges::none_of(split.files, is_known)) split.files.clear();
  }
  write_packed(path, images);
}

bool looks_like_packed(const std::filesystem::path& path) {
  std::error_code error;
  if (!std::filesystem::is_regular_file(path, error)) return false;  // a pipe would be waited for
  std::ifstream file(path, std::ios::binary);
  std::array<char, 9> begin{};
  return file.read(begin.data(), begin.size()) && begin[7] == '\0' && begin[6] == '\0' && begin[8] == '{';
}

PackedInfo read_packed_info(const std::filesystem::path& path) {
  const SafetensorsFile file(path);
  check_format(file);
  return {file.metadata("source"), parse_strings(file, "left_out")};
}

std::unique_ptr<Dataset> open_packed(const std::filesystem::path& path, Split split,
                                     const std::vector<std::string>& files) {
  return std::make_unique<Packed>(path, split, files);
}

}  // namespace convmixer
