/// Which data set to open, and how.
#pragma once

#include "convmixer/data/dataset_names.hpp"

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>

namespace convmixer {

/// How an image that isn't square is made square (data/sources/fit_image.hpp).
enum class Fit {
  crop,     ///< shorter side to the image size, the middle of the longer one
  stretch,  ///< both sides to the image size
};

/// Height and width that no image of files is resized beyond, in pixels.
inline constexpr int kLargestImageSize = 4096;

/// What to do about image files that can't be decoded.
enum class BrokenFiles { refuse, skip };

/// By what the images are chosen that a folder without test images sets aside for the test.
enum class TestChoice {
  name,  ///< each file's name below its class's folder: a class may be renamed
  path,  ///< its path with the class's name, and test/ before val/, as earlier releases did: for runs that they began
};

/// Which data set, and how much of it.
struct DatasetOptions {
  std::string name{kAutoDataset};                  ///< one of kDatasetNames
  std::filesystem::path path{};                    ///< the files: a folder or a file
  std::int64_t limit = 0;                          ///< > 0: only so many images, see data/open_dataset.hpp
  std::function<void(const std::string&)> note{};  ///< told what takes time, was left out or is odd, a line each

  bool allow_partial = false;  ///< CIFAR: files may have other numbers of images than the published ones

  // Of folders of images alone:
  int image_size = 0;  ///< what they are resized to, pixels in each direction; 0: they have one size, which stays
  Fit fit = Fit::crop;
  BrokenFiles broken_files = BrokenFiles::refuse;
  std::string train_folder{};  ///< in which the class folders of a split are; empty: by the usual names
  std::string test_folder{};
  TestChoice test_choice = TestChoice::name;
  std::filesystem::path cache{};  ///< where decoded images are kept; empty: ~/.cache/convmixer
  int threads = 0;                ///< that decode; 0: see choose_thread_count
};

}  // namespace convmixer
