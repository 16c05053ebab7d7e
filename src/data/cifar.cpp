#include "convmixer/data/cifar.hpp"

#include "convmixer/core/error.hpp"
#include "convmixer/core/file.hpp"

#include <fmt/format.h>

#include <cassert>
#include <string_view>
#include <system_error>
#include <utility>

namespace convmixer {

namespace {

namespace fs = std::filesystem;

/// What tells one CIFAR from the other.
struct Format {
  std::string_view name;
  std::string_view subfolder;      ///< what its archive unpacks to
  std::string_view archive;        ///< the binary version's, as published
  std::string_view python_folder;  ///< what the Python version's archive unpacks to
  std::string_view python_file;    ///< and a file in it
  std::vector<int> label_ranges;   ///< one label byte for each, below this; the last is used
  std::vector<std::string> class_names;
};

constexpr int kChannels = 3;
constexpr int kImageSize = 32;
constexpr std::size_t kImageBytes = std::size_t{kChannels} * kImageSize * kImageSize;

Format cifar10_format() {
  return {"CIFAR-10",
          "cifar-10-batches-bin",
          "cifar-10-binary.tar.gz",
          "cifar-10-batches-py",
          "data_batch_1",
          {10},
          {"airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"}};
}

Format cifar100_format() {
  return {"CIFAR-100",
          "cifar-100-binary",
          "cifar-100-binary.tar.gz",
          "cifar-100-python",
          "train",
          {20, 100},
          {"apple",      "aquarium_fish", "baby",         "bear",       "beaver",      "bed",         "bee",
           "beetle",     "bicycle",       "bottle",       "bowl",       "boy",         "bridge",      "bus",
           "butterfly",  "camel",         "can",          "castle",     "caterpillar", "cattle",      "chair",
           "chimpanzee", "clock",         "cloud",        "cockroach",  "couch",       "crab",        "crocodile",
           "cup",        "dinosaur",      "dolphin",      "elephant",   "flatfish",    "forest",      "fox",
           "girl",       "hamster",       "house",        "kangaroo",   "keyboard",    "lamp",        "lawn_mower",
           "leopard",    "lion",          "lizard",       "lobster",    "man",         "maple_tree",  "motorcycle",
           "mountain",   "mouse",         "mushroom",     "oak_tree",   "orange",      "orchid",      "otter",
           "palm_tree",  "pear",          "pickup_truck", "pine_tree",  "plain",       "plate",       "poppy",
           "porcupine",  "possum",        "rabbit",       "raccoon",    "ray",         "road",        "rocket",
           "rose",       "sea",           "seal",         "shark",      "shrew",       "skunk",       "skyscraper",
           "snail",      "snake",         "spider",       "squirrel",   "streetcar",   "sunflower",   "sweet_pepper",
           "table",      "tank",          "telephone",    "television", "tiger",       "tractor",     "train",
           "trout",      "tulip",         "turtle",       "wardrobe",   "whale",       "willow_tree", "wolf",
           "woman",      "worm"}};
}

bool present(const fs::path& path) {
  std::error_code ignored;
  return fs::exists(path, ignored);
}

/// What the user may have instead of the unpacked binary version, as a clause that ends the message.
std::string hint(const fs::path& folder, const Format& format) {
  std::error_code ignored;
  if (present(folder / format.archive)) return fmt::format("; unpack {} there first", format.archive);
  if (present(folder / format.python_folder) || fs::is_regular_file(folder / format.python_file, ignored))
    return fmt::format("; that is the Python version, the binary version ({}) is needed", format.archive);
  return "";
}

/// The folder that holds `first_file`: `folder` itself or its child that the archive makes.
fs::path find_files(const fs::path& folder, std::string_view first_file, const Format& format) {
  if (!present(folder)) fail("{}: no such folder; expected the binary files of {}", folder.string(), format.name);
  std::error_code ignored;
  if (!fs::is_directory(folder, ignored))
    fail("{}: found a file, expected the folder with the unpacked binary files of {}", folder.string(), format.name);
  for (fs::path place : {folder, folder / format.subfolder})
    if (present(place / first_file)) return place;
  fail("{}: {} of {} is neither there nor in {}{}", folder.string(), first_file, format.name, format.subfolder,
       hint(folder, format));
}

std::span<const std::uint8_t> bytes_of(const MappedFile& file) {
  return {reinterpret_cast<const std::uint8_t*>(file.bytes().data()), file.bytes().size()};
}

class Cifar : public Dataset {
 public:
  Cifar(const fs::path& folder, Format format, std::span<const std::string_view> files)
      : format_(std::move(format)), record_bytes_(format_.label_ranges.size() + kImageBytes) {
    const fs::path place = find_files(folder, files.front(), format_);
    for (const std::string_view name : files) add(place / name);
  }

  [[nodiscard]] std::int64_t size() const override { return size_; }
  [[nodiscard]] int channels() const override { return kChannels; }
  [[nodiscard]] int image_size() const override { return kImageSize; }
  [[nodiscard]] const std::vector<std::string>& class_names() const override { return format_.class_names; }

  [[nodiscard]] std::span<const std::uint8_t> image(std::int64_t index) const override {
    return record(index).subspan(label_bytes());
  }
  [[nodiscard]] std::int32_t label(std::int64_t index) const override { return record(index)[label_bytes() - 1]; }

 private:
  struct Part {
    MappedFile file;
    std::int64_t records;
  };

  void add(const fs::path& path) {
    if (!present(path)) fail("{}: no such file; {} has it beside the others", path.string(), format_.name);
    MappedFile file(path);
    const std::span<const std::uint8_t> bytes = bytes_of(file);
    if (bytes.empty() || bytes.size() % record_bytes_ != 0)
      fail("{}: found {} bytes, expected a multiple of {} (records of {} label and {} pixel bytes) of {}",
           path.string(), bytes.size(), record_bytes_, label_bytes(), kImageBytes, format_.name);
    const std::size_t records = bytes.size() / record_bytes_;
    for (std::size_t i = 0; i < records; ++i) {
      for (std::size_t j = 0; j < label_bytes(); ++j) {
        const int found = bytes[i * record_bytes_ + j];
        if (found >= format_.label_ranges[j])
          fail("{}: found label {} in byte {} of record {}, expected 0 to {}", path.string(), found, j, i,
               format_.label_ranges[j] - 1);
      }
    }
    parts_.push_back({std::move(file), static_cast<std::int64_t>(records)});
    size_ += parts_.back().records;
  }

  [[nodiscard]] std::size_t label_bytes() const { return format_.label_ranges.size(); }

  [[nodiscard]] std::span<const std::uint8_t> record(std::int64_t index) const {
    assert(index >= 0 && index < size_);
    auto part = parts_.begin();
    for (; index >= part->records; ++part) index -= part->records;
    return bytes_of(part->file).subspan(static_cast<std::size_t>(index) * record_bytes_, record_bytes_);
  }

  Format format_;
  std::size_t record_bytes_;
  std::vector<Part> parts_;
  std::int64_t size_ = 0;
};

}  // namespace

std::unique_ptr<Dataset> open_cifar10(const std::filesystem::path& folder, Split split) {
  static constexpr std::string_view kTrain[] = {"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin",
                                                "data_batch_4.bin", "data_batch_5.bin"};
  static constexpr std::string_view kTest[] = {"test_batch.bin"};
  return std::make_unique<Cifar>(folder, cifar10_format(),
                                 split == Split::train ? std::span<const std::string_view>(kTrain) : kTest);
}

std::unique_ptr<Dataset> open_cifar100(const std::filesystem::path& folder, Split split) {
  static constexpr std::string_view kTrain[] = {"train.bin"};
  static constexpr std::string_view kTest[] = {"test.bin"};
  return std::make_unique<Cifar>(folder, cifar100_format(),
                                 split == Split::train ? std::span<const std::string_view>(kTrain) : kTest);
}

}  // namespace convmixer
