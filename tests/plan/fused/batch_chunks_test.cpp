// The cut of a batch into chunks.
#include "plan/fused/batch_chunks.hpp"

#include <gtest/gtest.h>

#include <cstddef>
#include <utility>

namespace convmixer::fused {
namespace {

TEST(BatchChunks, AreOfAboutFourImagesFromSixteenToTwoHundredAndFiftySix) {
  for (const auto& [images, count] :
       {std::pair{1, 1}, std::pair{15, 15}, std::pair{64, 16}, std::pair{127, 31}, std::pair{256, 64},
        std::pair{512, 128}, std::pair{1024, 256}, std::pair{4096, 256}}) {
    EXPECT_EQ(BatchChunks(static_cast<std::size_t>(images)).count(), static_cast<std::size_t>(count)) << images;
  }
}

TEST(BatchChunks, CoverTheBatchInOrderAndAreAtMostOneImageApart) {
  for (std::size_t images = 1; images < 1500; ++images) {
    const BatchChunks chunks(images);
    ASSERT_GE(chunks.count(), 1U);
    EXPECT_LE(chunks.count(), 256U);
    EXPECT_EQ(chunks.begin(0), 0U);
    EXPECT_EQ(chunks.end(chunks.count() - 1), images);
    for (std::size_t chunk = 0; chunk < chunks.count(); ++chunk) {
      EXPECT_GE(chunks.size(chunk), images / chunks.count());
      EXPECT_LE(chunks.size(chunk), images / chunks.count() + 1);
    }
  }
}

}  // namespace
}  // namespace convmixer::fused
