/// What readers and writers of PyTorch's files have to agree on.
#pragma once

#include "convmixer/io/tensor_file.hpp"

#include <array>
#include <cstdint>
#include <string_view>

namespace convmixer {

struct PytorchStorageType {
  std::string_view name;  ///< of the class in module torch
  DType dtype;
  std::int64_t bytes;  ///< of an element
};

inline constexpr std::array kPytorchStorageTypes{
    PytorchStorageType{"FloatStorage", DType::f32, 4},     PytorchStorageType{"HalfStorage", DType::f16, 2},
    PytorchStorageType{"BFloat16Storage", DType::bf16, 2}, PytorchStorageType{"LongStorage", DType::i64, 8},
    PytorchStorageType{"IntStorage", DType::i32, 4},       PytorchStorageType{"ByteStorage", DType::u8, 1}};

/// The record, within the archive's folder, of our own metadata: a JSON object of texts. torch.load doesn't look at
/// records that the pickle doesn't name.
inline constexpr std::string_view kPytorchMetadataRecord = "convmixer.json";

}  // namespace convmixer
