#include "io/named_tensors.hpp"

#include "convmixer/core/error.hpp"
#include "convmixer/core/plural.hpp"
#include "io/tensor_list.hpp"

#include <cstdint>
#include <cstring>
#include <set>
#include <string_view>

namespace convmixer {
namespace {

bool is_float(DType dtype) { return dtype == DType::f32 || dtype == DType::f16 || dtype == DType::bf16; }

/// How many elements have all bits of the exponent set: infinities, and what is no number.
template <typename Bits>
std::int64_t count_not_finite(std::span<const std::byte> bytes, Bits exponent) {
  std::int64_t count = 0;
  for (std::size_t at = 0; at + sizeof(Bits) <= bytes.size(); at += sizeof(Bits)) {
    Bits bits = 0;
    std::memcpy(&bits, bytes.data() + at, sizeof(Bits));
    count += (bits & exponent) == exponent ? 1 : 0;
  }
  return count;
}

std::int64_t count_not_finite(const TensorFile::Entry& entry) {
  if (entry.dtype == DType::f16) return count_not_finite<std::uint16_t>(entry.bytes, 0x7C00);
  if (entry.dtype == DType::bf16) return count_not_finite<std::uint16_t>(entry.bytes, 0x7F80);
  return count_not_finite<std::uint32_t>(entry.bytes, 0x7F800000);
}

/// What is wrong with a file's tensors.
struct Differences {
  TensorList missing;
  TensorList unexpected;
  TensorList shape;
  TensorList type;
  TensorList not_finite;

  void compare(const NamedTensor<float>& expected, const TensorFile::Entry& found, FileValues values) {
    if (found.shape != expected.shape) {
      shape.add(expected.name,
                fmt::format(" (found {}, expected {})", found.shape.to_string(), expected.shape.to_string()));
    } else if (!is_float(found.dtype)) {
      type.add(expected.name);
    } else if (const std::int64_t bad = values == FileValues::finite ? count_not_finite(found) : 0; bad > 0) {
      not_finite.add(expected.name, fmt::format(" ({} of {})", bad, counted(found.shape.count(), "value")));
    }
  }

  [[nodiscard]] std::string text() const {
    std::string all;
    const auto append = [&](const char* what, const TensorList& tensors) {
      if (!tensors.empty()) all += fmt::format("{}{}: {}", all.empty() ? "" : "; ", what, tensors.text());
    };
    append("missing", missing);
    append("unexpected", unexpected);
    append("of another shape", shape);
    append("of another type than F32, F16 and BF16", type);
    append("not finite numbers", not_finite);
    return all;
  }
};

}  // namespace

TensorView view_of(const NamedTensor<const float>& tensor) {
  return {tensor.name, DType::f32, tensor.shape, std::as_bytes(tensor.values)};
}

void require_tensors(const TensorFile& file, std::span<const NamedTensor<float>> tensors,
                     const std::function<bool(const std::string& name, const TensorFile::Entry&)>& may_remain,
                     FileValues values) {
  Differences differences;
  std::set<std::string_view> names;
  for (const NamedTensor<float>& tensor : tensors) {
    names.insert(tensor.name);
    const auto found = file.tensors().find(tensor.name);
    if (found == file.tensors().end()) {
      differences.missing.add(tensor.name);
    } else {
      differences.compare(tensor, found->second, values);
    }
  }
  for (const auto& [name, entry] : file.tensors()) {
    if (!names.contains(name) && !may_remain(name, entry))
      differences.unexpected.add(name, fmt::format(" {}", entry.shape.to_string()));
  }
  if (const std::string text = differences.text(); !text.empty())
    fail("{}: doesn't fit its model: {}", file.path().string(), text);
}

void fill_from(const TensorFile& file, std::span<const NamedTensor<float>> tensors,
               const std::function<bool(const std::string& name, const TensorFile::Entry&)>& may_remain,
               FileValues values) {
  require_tensors(file, tensors, may_remain, values);
  for (const NamedTensor<float>& tensor : tensors) file.read(tensor.name, tensor.shape, tensor.values);
}

}  // namespace convmixer
