/// The images of a listed folder, decoded and made square on all cores.
#pragma once

#include "convmixer/data/dataset.hpp"
#include "convmixer/data/dataset_options.hpp"
#include "convmixer/data/sources/packed.hpp"
#include "data/sources/image_folder.hpp"
#include "data/sources/scratch_file.hpp"

#include <array>
#include <filesystem>
#include <string>
#include <vector>

namespace convmixer {

class DecodedFolder {
 public:
  /// Decodes both splits of options.path to options.image_size (0: the images' own, which must then all be the same
  /// square), into an unnamed file in `scratch_folder`. Throws Error as open_image_folder says.
  DecodedFolder(const ImageListing& listing, const DatasetOptions& options,
                const std::filesystem::path& scratch_folder);

  [[nodiscard]] int image_size() const noexcept { return image_size_; }
  /// Borrowed from this object.
  [[nodiscard]] const PackedSplit& split(Split split) const { return splits_[static_cast<std::size_t>(split)]; }
  /// A line for each broken file, with its path and the reason.
  [[nodiscard]] const std::vector<std::string>& left_out() const noexcept { return left_out_; }

 private:
  int image_size_;
  ScratchFile scratch_;
  std::array<PackedSplit, 2> splits_;
  std::vector<std::string> left_out_;
};

}  // namespace convmixer
