// The cut of a batch into chunks.
#include "plan/fused/batch_chunks.hpp"

#include <gtest/gtest.h>

#include <cstddef>
#include <utility>

namespace convmixer::fused {
namespace {

TEST(BatchChunks, AreOfAboutFourImagesFromSixteenToTwoHundredAndFiftySix) {
  for (const auto& [images, count] :
       {std::pair{1, 1}, std::pair{15, 15}, std::pair{64, 16}, std::pair{127, 32}, std::pair{256, 64},
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

TEST(BatchChunks, CanBeDividedByEightFromSixteenImagesOn) {
  for (std::size_t images = 1; images <= 1100; ++images) {
    const std::size_t count = BatchChunks(images).count();
    if (images < 16) {
      EXPECT_EQ(count, images);
    } else {
      EXPECT_EQ(count % 8, 0U) << images;
      EXPECT_GE(count, 16U) << images;
    }
  }
}

TEST(BatchChunks, BeginWhereHalvesQuartersAndEighthsOfABatchBegin) {
  for (std::size_t images = 128; images <= 1100; ++images) {
    const BatchChunks chunks(images);
    for (const std::size_t parts : {2U, 4U, 8U}) {
      if (images % parts != 0) continue;
      for (std::size_t part = 0; part < parts; ++part) {
        EXPECT_EQ(chunks.begin(chunks.count() / parts * part), images / parts * part) << images << " in " << parts;
      }
    }
  }
}

}  // namespace
}  // namespace convmixer::fused
