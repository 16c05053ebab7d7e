/// CIFAR-10 and CIFAR-100 as they are published: https://www.cs.toronto.edu/~kriz/cifar.html
#pragma once

#include "convmixer/data/dataset.hpp"

#include <filesystem>
#include <functional>
#include <memory>
#include <string>

namespace convmixer {

// `path` is an archive as downloaded, of the binary or the Python version (cifar-10-binary.tar.gz,
// cifar-10-python.tar.gz; any tar or zip that holds the same files), or a folder: the one with the files, one above it,
// or one with such an archive in it. Unpacked binary files are mapped, all others are held in memory. Pickles are read
// without running them. Throws Error naming the file: every record's size and label range is checked, the checksums of
// an archive, and that each file has as many images as the published one.

struct CifarOptions {
  bool allow_partial = false;  ///< files may have other numbers of images than the published ones, which are exact else
  /// Told in a line, if set, when a split's files are not the published ones by their MD5, which takes 0.1 s on two
  /// cores for the largest split.
  std::function<void(const std::string&)> note{};
};

/// CIFAR-10. Binary: records of 1 label byte and 3 x 32 x 32 pixel bytes (R, G, B planes, row-major) in
/// data_batch_1.bin ... data_batch_5.bin and test_batch.bin. Python: dictionaries with 'labels' and 'data', the numpy
/// array of the same pixel bytes, in data_batch_1 ... data_batch_5 and test_batch.
[[nodiscard]] std::unique_ptr<Dataset> open_cifar10(const std::filesystem::path& path, Split split,
                                                    const CifarOptions& options = {});

/// CIFAR-100. Binary: a coarse and a fine label byte, then the pixels, in train.bin and test.bin. Python: dictionaries
/// with 'coarse_labels' and 'fine_labels' in train and test. The fine label is used.
[[nodiscard]] std::unique_ptr<Dataset> open_cifar100(const std::filesystem::path& path, Split split,
                                                     const CifarOptions& options = {});

/// The same by the coarse label: 20 classes of five each.
[[nodiscard]] std::unique_ptr<Dataset> open_cifar100_coarse(const std::filesystem::path& path, Split split,
                                                            const CifarOptions& options = {});

}  // namespace convmixer
