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

/// The pixels of a side that both splits of options.path are decoded to: options.image_size, or, if that is 0, those of
/// the first image that isn't broken. Error if that one is no square, or none can be decoded.
[[nodiscard]] int decoded_side(const ImageListing& listing, const DatasetOptions& options);

class DecodedFolder {
 public:
  /// Decodes both splits of options.path to `image_size`, their decoded_side (if options.image_size is 0, all must have
  /// it), into an unnamed file in `scratch_folder`. Throws Error as open_image_folder says.
  DecodedFolder(const ImageListing& listing, const DatasetOptions& options, int image_size,
                const std::filesystem::path& scratch_folder);

  /// Borrowed from this object.
  [[nodiscard]] const PackedSplit& split(Split split) const { return splits_[static_cast<std::size_t>(split)]; }
  /// A line for each broken file, with its path and the reason.
  [[nodiscard]] const std::vector<std::string>& left_out() const noexcept { return left_out_; }

 private:
  ScratchFile scratch_;
  std::array<PackedSplit, 2> splits_;
  std::vector<std::string> left_out_;
};

}  // namespace convmixer
