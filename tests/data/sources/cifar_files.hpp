/// Small files in the binary formats of CIFAR-10 and CIFAR-100.
#pragma once

#include "convmixer/data/sources/cifar.hpp"
#include "support/temporary_folder.hpp"

#include <filesystem>
#include <string>
#include <vector>

namespace convmixer::testing_support {

/// For opening them: they have fewer images than the published ones.
inline const CifarOptions kFewImages{.allow_partial = true};

/// Byte `i` of the pixels of the record with these labels: tells planes, rows and records apart.
inline char pixel_byte(const std::vector<int>& labels, int i) {
  return static_cast<char>((i / 1024 * 70 + i % 1024 / 32 * 3 + i % 32 * 5 + labels.back() * 11) & 255);
}

/// A record: the label bytes, then three planes of 32 x 32.
inline std::string cifar_record(const std::vector<int>& labels) {
  std::string record;
  for (const int label : labels) record.push_back(static_cast<char>(label));
  for (int i = 0; i < 3072; ++i) record.push_back(pixel_byte(labels, i));
  return record;
}

/// Files of CIFAR-10 in `under`, two records each: labels 0 1, 2 3, ... 8 9 in the training files, 4 7 in the test's.
inline void write_cifar10(const TemporaryFolder& folder, const std::filesystem::path& under) {
  for (int part = 0; part < 5; ++part)
    folder.write(under / ("data_batch_" + std::to_string(part + 1) + ".bin"),
                 cifar_record({2 * part}) + cifar_record({2 * part + 1}));
  folder.write(under / "test_batch.bin", cifar_record({4}) + cifar_record({7}));
}

/// Files of CIFAR-100 in `under`: fine labels 99, 0, 53 for training and 20 for the test.
inline void write_cifar100(const TemporaryFolder& folder, const std::filesystem::path& under) {
  folder.write(under / "train.bin", cifar_record({13, 99}) + cifar_record({4, 0}) + cifar_record({19, 53}));
  folder.write(under / "test.bin", cifar_record({11, 20}));
}

}  // namespace convmixer::testing_support
