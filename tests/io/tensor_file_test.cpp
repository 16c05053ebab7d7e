#include "convmixer/io/tensor_file.hpp"

#include "convmixer/core/error.hpp"
#include "support/error_of.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>

namespace convmixer {
namespace {

using testing_support::error_of;

/// A file with one tensor of so many zero bytes.
TensorFile file_with(DType dtype, const Shape& shape, std::size_t bytes) {
  const auto memory = std::make_shared<std::array<std::byte, 64>>();
  return {"a.file", {{"w", {dtype, shape, std::span(*memory).first(bytes)}}}, {}, memory};
}

TEST(TensorFile, HasTensorsOfAsManyBytesAsTheirElementsTake) {
  for (const auto& [dtype, bytes] : {std::pair(DType::f32, 24), std::pair(DType::i32, 24), std::pair(DType::f16, 12),
                                     std::pair(DType::bf16, 12), std::pair(DType::i64, 48), std::pair(DType::u8, 6)}) {
    const auto right = static_cast<std::size_t>(bytes);
    EXPECT_EQ(file_with(dtype, {2, 3}, right).tensor("w").bytes.size(), right);
    for (const std::size_t wrong : {right - 1, right + 1, std::size_t{0}}) {
      const Error error = error_of([&, type = dtype] { (void)file_with(type, {2, 3}, wrong); });
      EXPECT_EQ(error.kind(), ErrorKind::failure);
      EXPECT_EQ(std::string(error.what()).find("a.file: tensor \"w\": " + std::to_string(wrong) + " bytes, expected "),
                0U)
          << error.what();
    }
  }
  EXPECT_STREQ(error_of([] {
                 (void)file_with(DType::f32, {2, 3}, 20);
               }).what(),
               "a.file: tensor \"w\": 20 bytes, expected 24: shape (2, 3), 4 bytes each");
}

TEST(TensorFile, RefusesAShapeOfMoreBytesThanThereCanBe) {
  EXPECT_EQ(error_of([] { (void)file_with(DType::i64, {std::int64_t{1} << 61}, 0); }).kind(), ErrorKind::failure);
}

TEST(TensorFile, ListsTensorsOfOtherTypes) {
  EXPECT_EQ(file_with(DType::other, {2, 3}, 7).tensor("w").bytes.size(), 7U);
}

}  // namespace
}  // namespace convmixer
