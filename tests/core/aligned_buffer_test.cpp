#include "convmixer/core/aligned_buffer.hpp"

#include "convmixer/core/error.hpp"
#include "support/error_of.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <limits>
#include <sys/mman.h>
#include <utility>
#include <vector>

namespace convmixer {
namespace {

using testing::HasSubstr;
using testing_support::error_of;

class AlignedBufferOfSize : public testing::TestWithParam<std::size_t> {};

TEST_P(AlignedBufferOfSize, IsAlignedAndZeroEvenOnUsedMemory) {
  for (int i = 0; i < 3; ++i) {  // freed blocks are handed out again
    AlignedBuffer buffer(GetParam());
    ASSERT_EQ(buffer.size(), GetParam());
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(buffer.data()) % AlignedBuffer::kAlignment, 0U);
    EXPECT_TRUE(std::ranges::all_of(buffer.as<std::byte>(), [](std::byte value) { return value == std::byte{0}; }));
    std::memset(buffer.data(), 0xff, buffer.size());
  }
}

INSTANTIATE_TEST_SUITE_P(Sizes, AlignedBufferOfSize,
                         testing::Values(1, 4095, 4096, 4097, (std::size_t{2} << 20) - 1, std::size_t{2} << 20,
                                         (std::size_t{5} << 20) + 3),
                         testing::PrintToStringParamName());

TEST(AlignedBuffer, IsEmptyByDefaultAndForNoBytes) {
  EXPECT_EQ(AlignedBuffer().size(), 0U);
  EXPECT_EQ(AlignedBuffer(0).size(), 0U);
  EXPECT_TRUE(AlignedBuffer(0).as<float>().empty());
}

TEST(AlignedBuffer, LeavesOutAnIncompleteLastElement) { EXPECT_EQ(AlignedBuffer(15).as<float>().size(), 3U); }

TEST(AlignedBuffer, KeepsItsMemoryWhenMoved) {
  AlignedBuffer buffer(8);
  buffer.as<float>()[1] = 3.0F;
  const std::byte* data = buffer.data();
  AlignedBuffer moved = std::move(buffer);
  EXPECT_EQ(moved.data(), data);
  EXPECT_EQ(moved.as<float>()[1], 3.0F);
  AlignedBuffer assigned(16);
  assigned = std::move(moved);
  EXPECT_EQ(assigned.data(), data);
  EXPECT_EQ(assigned.size(), 8U);
}

TEST(AlignedBuffer, IsEmptyOnceItWasMovedFrom) {
  AlignedBuffer buffer(8);
  AlignedBuffer moved = std::move(buffer);
  AlignedBuffer assigned;
  assigned = std::move(moved);
  for (const AlignedBuffer* const empty : {&buffer, &moved}) {  // NOLINT(bugprone-use-after-move): as is meant
    EXPECT_EQ(empty->size(), 0U);
    EXPECT_EQ(empty->data(), nullptr);
    EXPECT_TRUE(empty->as<float>().empty());
  }
}

TEST(AlignedBuffer, ComesIntoBeingWhereItIsTouched) {
  constexpr std::size_t kPage = AlignedBuffer::kAlignment;
  AlignedBuffer buffer(8 * kPage + 1);
  const auto pages_there = [&] {
    std::vector<unsigned char> pages(9);
    EXPECT_EQ(::mincore(buffer.data(), buffer.size(), pages.data()), 0);
    for (unsigned char& page : pages) page &= 1U;
    return pages;
  };
  EXPECT_THAT(pages_there(), testing::Each(0));
  touch_pages(buffer.as<std::byte>().subspan(kPage + 5, 2 * kPage));  // the end of one page, one, a part of another
  EXPECT_THAT(pages_there(), testing::ElementsAre(0, 1, 1, 1, 0, 0, 0, 0, 0));
  touch_pages({});
  touch_pages(buffer.as<std::byte>());
  EXPECT_THAT(pages_there(), testing::Each(1));
}

TEST(AlignedBufferDeathTest, EndsTheProgramForAWriteBehindTheLastPage) {
  AlignedBuffer buffer(AlignedBuffer::kAlignment);
  EXPECT_DEATH(*static_cast<volatile std::byte*>(buffer.data() + buffer.size()) = std::byte{1}, "");
}

TEST(AlignedBuffer, RefusesMoreMemoryThanThereIs) {
  constexpr std::size_t kLargest = std::numeric_limits<std::size_t>::max();
  for (const std::size_t bytes : {std::size_t{1} << 60, kLargest / 2, kLargest - 4096, kLargest}) {
    EXPECT_THAT(error_of([bytes] { AlignedBuffer{bytes}; }).what(), HasSubstr("out of memory")) << bytes;
  }
}

}  // namespace
}  // namespace convmixer
