#include "convmixer/io/tensor_file.hpp"

#include "convmixer/core/error.hpp"
#include "convmixer/core/plural.hpp"
#include "convmixer/core/precision.hpp"
#include "io/half_precision.hpp"
#include "io/quoted.hpp"
#include "io/tensor_place.hpp"

#include <cstring>
#include <limits>
#include <utility>

namespace convmixer {

namespace {

/// Widens 16-bit elements; `bytes` need not be aligned.
template <typename Convert>
void widen(std::span<const std::byte> bytes, std::span<float> out, Convert convert) {
  for (std::size_t i = 0; i < out.size(); ++i) {
    std::uint16_t bits = 0;
    std::memcpy(&bits, bytes.data() + i * sizeof(bits), sizeof(bits));
    out[i] = convert(bits);
  }
}

/// 0 for DType::other, of which nobody knows.
std::int64_t bytes_per_element(DType dtype) {
  switch (dtype) {
    case DType::f32:
    case DType::i32:
      return 4;
    case DType::f16:
    case DType::bf16:
      return 2;
    case DType::i64:
      return 8;
    case DType::u8:
      return 1;
    case DType::other:
      break;
  }
  return 0;
}

/// What is read of a tensor is as much as its shape says.
void check_bytes(const std::filesystem::path& path, const std::string& name, const TensorFile::Entry& entry) {
  const std::int64_t each = bytes_per_element(entry.dtype);
  if (each == 0) return;
  std::int64_t expected = 0;
  if (__builtin_mul_overflow(entry.shape.count(), each, &expected)) expected = std::numeric_limits<std::int64_t>::max();
  if (static_cast<std::int64_t>(entry.bytes.size()) != expected)
    fail("{}: {} bytes, expected {}: shape {}, {} each", tensor_place(path, name), entry.bytes.size(), expected,
         entry.shape.to_string(), counted(each, "byte"));
}

}  // namespace

TensorFile::TensorFile(std::filesystem::path path, std::map<std::string, Entry> tensors,
                       std::map<std::string, std::string> metadata, std::shared_ptr<const void> memory)
    : path_(std::move(path)), tensors_(std::move(tensors)), metadata_(std::move(metadata)), memory_(std::move(memory)) {
  for (const auto& [name, entry] : tensors_) check_bytes(path_, name, entry);
}

const TensorFile::Entry& TensorFile::tensor(const std::string& name) const {
  const auto found = tensors_.find(name);
  if (found == tensors_.end()) fail("{}: has no tensor {}", path_.string(), quoted(name));
  return found->second;
}

void TensorFile::require_floats(const std::string& name, const Shape& shape) const {
  const Entry& entry = tensor(name);
  if (entry.dtype != DType::f32 && entry.dtype != DType::f16 && entry.dtype != DType::bf16) {
    fail("{}: expected elements of type F32, F16 or BF16", tensor_place(path_, name));
  }
  if (entry.shape != shape) {
    fail("{}: shape {}, expected {}", tensor_place(path_, name), entry.shape.to_string(), shape.to_string());
  }
}

void TensorFile::read(const std::string& name, const Shape& shape, std::span<float> out) const {
  require_floats(name, shape);
  if (static_cast<std::int64_t>(out.size()) != shape.count())
    fail("{}: {} values to read it into, expected {} for shape {}", tensor_place(path_, name), out.size(),
         shape.count(), shape.to_string());
  const Entry& entry = tensor(name);
  if (entry.dtype == DType::f16) {
    widen(entry.bytes, out, from_f16);
  } else if (entry.dtype == DType::bf16) {
    widen(entry.bytes, out, from_bf16);
  } else if (!entry.bytes.empty()) {
    std::memcpy(out.data(), entry.bytes.data(), entry.bytes.size());
  }
}

std::vector<std::int64_t> TensorFile::read_int64(const std::string& name) const {
  const Entry& entry = tensor(name);
  if (entry.dtype != DType::i64) fail("{}: expected elements of type I64", tensor_place(path_, name));
  std::vector<std::int64_t> values(static_cast<std::size_t>(entry.shape.count()));
  if (!values.empty()) std::memcpy(values.data(), entry.bytes.data(), entry.bytes.size());
  return values;
}

const std::string& TensorFile::metadata(const std::string& key) const {
  const auto found = metadata_.find(key);
  if (found == metadata_.end()) fail("{}: has no metadata {}", path_.string(), quoted(key));
  return found->second;
}

TensorFile TensorFile::renamed(const std::map<std::string, std::string>& names) const {
  std::map<std::string, Entry> tensors;
  for (const auto& [name, entry] : tensors_) {
    const auto other = names.find(name);
    const std::string& as = other == names.end() ? name : other->second;
    if (!tensors.emplace(as, entry).second) fail("{}: there are two of it", tensor_place(path_, as));
  }
  return {path_, std::move(tensors), metadata_, memory_};
}

}  // namespace convmixer
