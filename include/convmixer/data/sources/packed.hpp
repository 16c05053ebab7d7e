/// Decoded images of one size in one file, both splits: what a folder of image files is cached as.
///
/// A safetensors file (any reader of that format opens it) with
///   train.labels  I32 (N)            and  test.labels
///   train.images  U8  (N, 3, S, S)   and  test.images    red, green and blue planes
///   train.files   U8  (bytes)        and  test.files     where each image comes from, below the data set's folder, a
///                                                        zero byte after each; only where that is known
/// a split without images being left out, and metadata
///   format        "convmixer-images-1"
///   classes       the class names, a JSON array of strings
///   mean, std     of each colour over the training images, pixels being 0 to 1: "0.49,0.48,0.45"
///   checksum.train, checksum.test    XXH3 (64 bits, hexadecimal) of a split's labels, then its images
///   checksum.train.files, ...        of the names of its files
///   source        what it was made of: a hash of paths, sizes, times and settings; empty if it stands for itself
///   left_out      broken files, a JSON array of lines
#pragma once

#include "convmixer/data/dataset.hpp"

#include <array>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace convmixer {

struct PackedSplit {
  std::vector<std::int32_t> labels;
  std::span<const std::uint8_t> images;  ///< borrowed
  std::vector<std::string> files{};      ///< one for each label, or none
};

struct PackedImages {
  int image_size = 0;
  std::vector<std::string> class_names;
  std::array<PackedSplit, 2> splits;  ///< by Split
  std::string source;
  std::vector<std::string> left_out;
};

/// Writes the file whole or not at all. Throws Error naming it for no training images, for images, labels and names of
/// files that don't fit each other, the image size or the classes, and if it can't be written.
void write_packed(const std::filesystem::path& path, const PackedImages& images);

/// Packs the two splits of any data set of three colours, with what was left out of them. Throws Error as write_packed
/// does, and for splits of other channels, classes or image sizes than each other's.
void pack(const std::filesystem::path& path, const Dataset& train, const Dataset& test);

/// What a packed file says about itself.
struct PackedInfo {
  std::string source;
  std::vector<std::string> left_out;
};

/// True for a file that begins as a packed one does; it may still be damaged.
[[nodiscard]] bool looks_like_packed(const std::filesystem::path& path);

/// Reads the metadata alone. Throws Error naming the file if it isn't one.
[[nodiscard]] PackedInfo read_packed_info(const std::filesystem::path& path);

/// Opens a split, mapped. Shapes, labels and checksum are checked. Throws Error naming the file and what is wrong.
/// Earlier releases wrote no names of files: `files` are taken then, if there is one for each image.
[[nodiscard]] std::unique_ptr<Dataset> open_packed(const std::filesystem::path& path, Split split,
                                                   const std::vector<std::string>& files = {});

}  // namespace convmixer
