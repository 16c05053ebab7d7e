/// CIFAR-10 and CIFAR-100, binary versions, memory-mapped.
#pragma once

#include "convmixer/data/dataset.hpp"

namespace convmixer {

/// CIFAR-10: records of 1 label byte and 3 x 32 x 32 pixel bytes (R, G, B planes, row-major) in
/// data_batch_1.bin ... data_batch_5.bin and test_batch.bin; the folder itself or its child cifar-10-batches-bin.
[[nodiscard]] std::unique_ptr<Dataset> open_cifar10(const std::filesystem::path& folder, Split split);

/// CIFAR-100: a coarse and a fine label byte, then the pixels, in train.bin and test.bin; the folder itself or its
/// child cifar-100-binary. The fine label is used.
[[nodiscard]] std::unique_ptr<Dataset> open_cifar100(const std::filesystem::path& folder, Split split);

}  // namespace convmixer
