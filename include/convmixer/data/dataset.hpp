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
  std::string name = "auto";     ///< "cifar10", "cifar100", "shapes"; "auto": see recognise_dataset
  std::filesystem::path path{};  ///< the files: a folder or an archive (cifar.hpp)
  std::int64_t limit = 0;        ///< > 0: only the first so many images
};

/// The name of the data set in a folder or an archive, told by the files in it; "shapes" for no path at all. Throws
/// Error when it is none of those known.
[[nodiscard]] std::string recognise_dataset(const std::filesystem::path& path);

/// Opens a split. Every record is checked. Throws Error naming the file, what was found and what was expected; Error
/// (usage) for an unknown name or a missing path.
[[nodiscard]] std::unique_ptr<Dataset> open_dataset(const DatasetOptions& options, Split split);

/// Mean and standard deviation per channel, for pixels scaled to 0..1.
struct Normalisation {
  std::vector<float> mean;
  std::vector<float> std;
};

/// The usual constants of a data set by its name.
[[nodiscard]] Normalisation default_normalisation(const std::string& name);

}  // namespace convmixer
