/// Labelled images, held in memory or mapped from a file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace convmixer {

enum class Split { train, test };

/// A finite list of labelled uint8 images of one size. Reading is thread-safe.
class Dataset {
 public:
  virtual ~Dataset() = default;

  [[nodiscard]] virtual std::int64_t size() const = 0;
  [[nodiscard]] virtual int channels() const = 0;
  /// Height and width.
  [[nodiscard]] virtual int image_size() const = 0;
  [[nodiscard]] virtual const std::vector<std::string>& class_names() const = 0;

  /// Pixels of image `index` as (C, H, W) planes, valid as long as the data set; 0 <= index < size().
  [[nodiscard]] virtual std::span<const std::uint8_t> image(std::int64_t index) const = 0;
  [[nodiscard]] virtual std::int32_t label(std::int64_t index) const = 0;

  [[nodiscard]] int classes() const { return static_cast<int>(class_names().size()); }
};

/// Which data set, and how much of it.
struct DatasetOptions {
  std::string name = "shapes";     ///< "cifar10", "cifar100", "shapes"
  std::filesystem::path folder{};  ///< where the binary files are, or the folder that holds cifar-10-batches-bin
  std::int64_t limit = 0;          ///< > 0: only the first so many images
};

/// Opens a split. CIFAR files are mapped and checked whole: size and label range of every record. Throws Error naming
/// the file, what was found and what was expected; Error (usage) for an unknown name or a missing folder option.
[[nodiscard]] std::unique_ptr<Dataset> open_dataset(const DatasetOptions& options, Split split);

/// Mean and standard deviation per channel, for pixels scaled to 0..1.
struct Normalisation {
  std::vector<float> mean;
  std::vector<float> std;
};

/// The usual constants of a data set by its name.
[[nodiscard]] Normalisation default_normalisation(const std::string& name);

}  // namespace convmixer
