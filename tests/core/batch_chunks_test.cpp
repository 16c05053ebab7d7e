// The cut of a batch into chunks.
#include "core/batch_chunks.hpp"

#include <gtest/gtest.h>

#include <cstddef>
#include <utility>

namespace convmixer {
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

TEST(BatchChunks, OfRanksTogetherAreThoseOfTheBatch) {
  for (std::size_t images = 1; images < 300; ++images) {
    const BatchChunks all(images);
    for (const int ranks : {2, 3, 4, 5, 8}) {
      std::size_t chunk_of_all = 0;
      for (int rank = 0; rank < ranks; ++rank) {
        const BatchChunks share(images, rank, ranks);
        EXPECT_EQ(share.images_of_all_ranks(), images);
        std::size_t sum = 0;
        for (std::size_t chunk = 0; chunk < share.count(); ++chunk, ++chunk_of_all) {
          EXPECT_EQ(share.begin(chunk) + share.first_image(), all.begin(chunk_of_all));
          EXPECT_EQ(share.size(chunk), all.size(chunk_of_all));
          sum += share.size(chunk);
        }
        EXPECT_EQ(share.images(), sum);
      }
      EXPECT_EQ(chunk_of_all, all.count()) << images << " on " << ranks;
    }
  }
}

/// The leaves of the left and right subtrees, as core/summation_tree.hpp cuts them.
TEST(BatchChunks, OfTwoToTheNRanksAreSubtrees) {
  for (std::size_t images = 1; images < 1100; ++images) {
    const std::size_t count = BatchChunks(images).count();
    const std::size_t half = count / 2;
    EXPECT_EQ(BatchChunks(images, 0, 2).count(), half);
    EXPECT_EQ(BatchChunks(images, 0, 4).count(), half / 2);
    EXPECT_EQ(BatchChunks(images, 1, 4).count(), half - half / 2);
    EXPECT_EQ(BatchChunks(images, 2, 4).count(), (half + count) / 2 - half);
  }
}

}  // namespace
}  // namespace convmixer
