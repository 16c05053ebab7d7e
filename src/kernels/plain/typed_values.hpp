/// Arrays whose elements are f32 or bf16, as kernels take them that read or write either.
#pragma once

#include "kernels/onednn/onednn.hpp"

#include <cstddef>
#include <cstdint>

namespace convmixer::kernels {

/// An array that is read.
struct ReadValues {
  const void* values;
  ElementType type;

  [[nodiscard]] ReadValues from(std::size_t first) const {
    return {static_cast<const char*>(values) + first * (type == ElementType::f32 ? 4 : 2), type};
  }
};

/// An array that is written.
struct WrittenValues {
  void* values;
  ElementType type;

  [[nodiscard]] WrittenValues from(std::size_t first) const {
    return {static_cast<char*>(values) + first * (type == ElementType::f32 ? 4 : 2), type};
  }
};

/// Calls body(pointer to the elements).
template <typename Body>
void with_elements(const ReadValues& array, const Body& body) {
  if (array.type == ElementType::f32) {
    body(static_cast<const float*>(array.values));
  } else {
    body(static_cast<const std::uint16_t*>(array.values));
  }
}
template <typename Body>
void with_elements(const WrittenValues& array, const Body& body) {
  if (array.type == ElementType::f32) {
    body(static_cast<float*>(array.values));
  } else {
    body(static_cast<std::uint16_t*>(array.values));
  }
}

}  // namespace convmixer::kernels
