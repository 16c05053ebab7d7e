/// Named tensors of a file, whichever its format.
#pragma once

#include "convmixer/core/shape.hpp"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace convmixer {

/// Element types this project reads; `other` stands for those that are only listed (F64, BOOL, ...).
enum class DType { f32, f16, bf16, i64, i32, u8, other };

/// What a file says: tensors by name, and texts by key. Copies share the file's bytes.
class TensorFile {
 public:
  /// Row-major little-endian bytes, as many as the shape's elements take.
  struct Entry {
    DType dtype;
    Shape shape;
    std::span<const std::byte> bytes;
  };

  /// `memory` keeps the bytes that the entries borrow. Throws Error naming file and tensor for one that hasn't as many
  /// bytes as its elements take, DType::other aside.
  TensorFile(std::filesystem::path path, std::map<std::string, Entry> tensors,
             std::map<std::string, std::string> metadata, std::shared_ptr<const void> memory);

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

  /// The same with other names: those that `names` has as keys become what it has for them.
  [[nodiscard]] TensorFile renamed(const std::map<std::string, std::string>& names) const;

 private:
  std::filesystem::path path_;
  std::map<std::string, Entry> tensors_;
  std::map<std::string, std::string> metadata_;
  std::shared_ptr<const void> memory_;
};

}  // namespace convmixer
