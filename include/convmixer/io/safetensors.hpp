/// The safetensors file format: https://github.com/huggingface/safetensors (8-byte little-endian header length,
/// JSON header with dtype, shape and data_offsets of each tensor, then the data).
#pragma once

#include "convmixer/core/shape.hpp"
#include "convmixer/io/tensor_file.hpp"

#include <cstddef>
#include <filesystem>
#include <map>
#include <span>
#include <string>

namespace convmixer {

/// A tensor to write: borrowed row-major little-endian bytes.
struct TensorView {
  std::string name;
  DType dtype;
  Shape shape;
  std::span<const std::byte> bytes;
};

/// Writes whole or not at all (core/file.hpp), tensors in the order given. The data begins at a multiple of 8 bytes and
/// the format allows no gaps in it: put wide elements first, as readers that map the file expect each tensor aligned.
/// Throws Error naming file and tensor for names that aren't UTF-8, for two tensors of one name, for bytes that don't
/// fit the shape and for DType::other; and naming the file for metadata that isn't UTF-8 and if it can't be written.
void write_safetensors(const std::filesystem::path& path, std::span<const TensorView> tensors,
                       const std::map<std::string, std::string>& metadata);

/// A mapped file, checked completely on opening: header length, JSON, every dtype, shape (up to Shape::kMaxRank) and
/// offset (the tensors' data, sizes matching, side by side from the first to the last byte). Throws Error naming the
/// file and what is wrong.
class SafetensorsFile : public TensorFile {
 public:
  explicit SafetensorsFile(const std::filesystem::path& path);
};

}  // namespace convmixer
