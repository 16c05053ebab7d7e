/// The safetensors file format: https://github.com/huggingface/safetensors (8-byte little-endian header length,
/// JSON header with dtype, shape and data_offsets of each tensor, then the data).
#pragma once

#include "convmixer/core/file.hpp"
#include "convmixer/core/shape.hpp"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <vector>

namespace convmixer {

/// Element types this project reads; `other` stands for those that are only listed (F64, BOOL, ...).
enum class DType { f32, f16, bf16, i64, i32, u8, other };

/// A tensor to write: borrowed row-major little-endian bytes.
struct TensorView {
  std::string name;
  DType dtype;
  Shape shape;
  std::span<const std::byte> bytes;
};

/// Writes whole or not at all (core/file.hpp), tensors in the order given. The data begins at a multiple of 8 bytes and
/// the format allows no gaps in it: put wide elements first, as readers that map the file expect each tensor aligned.
/// Throws Error naming file and tensor for names or metadata that aren't UTF-8, for two tensors of one name, for bytes
/// that don't fit the shape, for DType::other, and if the file can't be written.
void write_safetensors(const std::filesystem::path& path, std::span<const TensorView> tensors,
                       const std::map<std::string, std::string>& metadata);

/// A mapped file, checked completely on opening: header length, JSON, every dtype, shape (up to Shape::kMaxRank) and
/// offset (the tensors' data, sizes matching, side by side from the first to the last byte). Throws Error naming the
/// file and what is wrong.
class SafetensorsFile {
 public:
  explicit SafetensorsFile(const std::filesystem::path& path);

  struct Entry {
    DType dtype;
    Shape shape;
    std::span<const std::byte> bytes;
  };

  [[nodiscard]] const std::filesystem::path& path() const noexcept { return path_; }
  [[nodiscard]] const std::map<std::string, Entry>& tensors() const noexcept { return tensors_; }
  [[nodiscard]] const std::map<std::string, std::string>& metadata() const noexcept { return metadata_; }
  [[nodiscard]] bool contains(const std::string& name) const { return tensors_.contains(name); }

  /// The tensor of this name; throws Error naming file and tensor when it is missing.
  [[nodiscard]] const Entry& tensor(const std::string& name) const;
  /// Throws Error naming file and tensor when it is missing, has another shape, or is not F32, F16 or BF16.
  void require_floats(const std::string& name, const Shape& shape) const;
  /// Copies a floating-point tensor to `out`, widened to f32; throws as require_floats, and
  /// for an `out` of another size.
  void read(const std::string& name, const Shape& shape, std::span<float> out) const;
  /// An I64 tensor of any shape. Throws Error naming file and tensor when it is missing or of another type.
  [[nodiscard]] std::vector<std::int64_t> read_int64(const std::string& name) const;
  /// Metadata value; throws Error naming the file when the key is missing.
  [[nodiscard]] const std::string& metadata(const std::string& key) const;

 private:
  std::filesystem::path path_;
  MappedFile file_;
  std::map<std::string, Entry> tensors_;
  std::map<std::string, std::string> metadata_;
};

}  // namespace convmixer
