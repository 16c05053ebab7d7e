/// Labelled images, held in memory or mapped from a file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace convmixer {

enum class Split { train, test };

/// Mean and standard deviation per channel, for pixels scaled to 0..1.
struct Normalisation {
  std::vector<float> mean;
  std::vector<float> std;
};

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
  /// What its images are usually normalised by: those of the training split, for either split. Measured on its own
  /// images where a data set doesn't know better.
  [[nodiscard]] virtual Normalisation normalisation() const;

  [[nodiscard]] int classes() const { return static_cast<int>(class_names().size()); }
};

/// How an image that isn't square is made square; see data/sources/packed.hpp for what becomes of it then.
enum class Fit {
  crop,     ///< shorter side to the image size, the middle of the longer one
  stretch,  ///< both sides to the image size
};

/// What to do about image files that can't be decoded.
enum class BrokenFiles { refuse, skip };

/// Which data set, and how much of it.
struct DatasetOptions {
  std::string name = "auto";     ///< "cifar10", "cifar100", "folder", "packed", "shapes"; "auto": see recognise_dataset
  std::filesystem::path path{};  ///< the files: a folder or a file
  std::int64_t limit = 0;        ///< > 0: only the first so many images

  // Of folders of images alone:
  int image_size = 0;  ///< what they are resized to; 0: they have one size, which stays
  Fit fit = Fit::crop;
  BrokenFiles broken_files = BrokenFiles::refuse;
  std::filesystem::path cache{};                   ///< where decoded images are kept; empty: ~/.cache/convmixer
  int threads = 0;                                 ///< that decode; 0: see choose_thread_count
  std::function<void(const std::string&)> note{};  ///< told what takes time or was left out, a line each
};

/// The name of the data set at a path, told by what is in it: CIFAR's archives and folders (cifar.hpp), a folder of
/// class folders with PNG and JPEG files (train/CLASS/... and test/CLASS/..., or CLASS/... of which a tenth is set
/// aside for the test), a packed file (packed.hpp); "shapes" for no path at all. Throws Error when it is none of these.
[[nodiscard]] std::string recognise_dataset(const std::filesystem::path& path);

/// Opens a split. Every record and image is checked; a folder of images is decoded once and kept as a packed file.
/// Throws Error naming the file, what was found and what was expected; Error (usage) for an unknown name or a missing
/// path.
[[nodiscard]] std::unique_ptr<Dataset> open_dataset(const DatasetOptions& options, Split split);

/// The usual constants of a data set by its name.
[[nodiscard]] Normalisation default_normalisation(const std::string& name);

}  // namespace convmixer
