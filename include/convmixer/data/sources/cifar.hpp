/// CIFAR-10 and CIFAR-100 as they are published: https://www.cs.toronto.edu/~kriz/cifar.html
#pragma once

#include "convmixer/data/dataset.hpp"

#include <filesystem>
#include <memory>

namespace convmixer {

// `path` is an archive as downloaded, of the binary or the Python version (cifar-10-binary.tar.gz,
// cifar-10-python.tar.gz; any tar or zip that holds the same files), or a folder: the one with the files, one above it,
// or one with such an archive in it. Unpacked binary files are mapped, all others are held in memory. Pickles are read
// without running them. Every record's size and label range is checked. Throws Error naming the file.

/// CIFAR-10. Binary: records of 1 label byte and 3 x 32 x 32 pixel bytes (R, G, B planes, row-major) in
/// data_batch_1.bin ... data_batch_5.bin and test_batch.bin. Python: dictionaries with 'labels' and 'data', the numpy
/// array of the same pixel bytes, in data_batch_1 ... data_batch_5 and test_batch.
[[nodiscard]] std::unique_ptr<Dataset> open_cifar10(const std::filesystem::path& path, Split split);

/// CIFAR-100. Binary: a coarse and a fine label byte, then the pixels, in train.bin and test.bin. Python: dictionaries
/// with 'coarse_labels' and 'fine_labels' in train and test. The fine label is used.
[[nodiscard]] std::unique_ptr<Dataset> open_cifar100(const std::filesystem::path& path, Split split);

}  // namespace convmixer
