#include "convmixer/data/image_file_loader.hpp"

#include "convmixer/core/error.hpp"
#include "support/error_of.hpp"
#include "support/image_bytes.hpp"
#include "support/temporary_folder.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

namespace convmixer {
namespace {

using testing::StartsWith;
using namespace testing_support;

/// Files of one pixel, whose red is their place.
class ImageFileLoaderTest : public testing::Test {
 protected:
  void write(int count) {
    for (int i = 0; i < count; ++i) {
      paths_.push_back(
          folder_.write("i" + std::to_string(i) + ".png", plain_png(1, 1, static_cast<std::uint8_t>(i), 7, 9))
              .string());
    }
  }
  /// The reds of all images, -1 for a broken file, after checking that batches have the sizes that they should.
  [[nodiscard]] std::vector<int> load(int threads, std::size_t batch_size, int prefetch) {
    ThreadPool pool(threads);
    ImageFileLoader loader(reader_, paths_, pool, static_cast<std::int64_t>(batch_size), prefetch);
    std::vector<int> reds;
    while (const ImageFileBatch* batch = loader.next()) {
      EXPECT_EQ(batch->paths.size(), std::min(batch_size, paths_.size() - reds.size()));
      EXPECT_EQ(batch->paths.data(), paths_.data() + reds.size());
      EXPECT_EQ(batch->images.size(), 3 * batch->paths.size());
      EXPECT_EQ(batch->broken.size(), batch->paths.size());
      for (std::size_t i = 0; i < batch->paths.size(); ++i) {
        const bool broken = !batch->broken[i].empty();
        reds.push_back(broken ? -1 : static_cast<int>(batch->images[3 * i] * 255.0F + 0.5F));
        if (broken) {
          EXPECT_THAT(batch->broken[i], StartsWith(batch->paths[i] + ": "));
          EXPECT_EQ(batch->images[3 * i + 1], 0.0F) << "an earlier image shows";
        }
      }
    }
    EXPECT_EQ(loader.next(), nullptr);
    return reds;
  }

  TemporaryFolder folder_;
  std::vector<std::string> paths_;
  ImageReader reader_{{.image_size = 1, .normalisation = {{0.0F, 0.0F, 0.0F}, {1.0F, 1.0F, 1.0F}}}};
};

TEST_F(ImageFileLoaderTest, GivesAllFilesInTheirOrderWhateverTheThreadsAndBatches) {
  write(67);
  std::vector<int> expected;
  for (int i = 0; i < 67; ++i) expected.push_back(i);
  for (const int threads : {1, 2, 5}) {
    for (const std::size_t batch_size : {1U, 8U, 67U, 500U}) {
      for (const int prefetch : {1, 4}) EXPECT_EQ(load(threads, batch_size, prefetch), expected);
    }
  }
}

TEST_F(ImageFileLoaderTest, NamesBrokenFilesInTheirPlaces) {
  write(20);
  for (const int i : {3, 10, 17}) folder_.write("i" + std::to_string(i) + ".png", "no image");
  std::vector<int> expected;
  for (int i = 0; i < 20; ++i) expected.push_back(i == 3 || i == 10 || i == 17 ? -1 : i);
  EXPECT_EQ(load(2, 4, 1), expected);
}

TEST_F(ImageFileLoaderTest, HasNoBatchWithoutFiles) { EXPECT_EQ(load(2, 4, 1), std::vector<int>()); }

TEST_F(ImageFileLoaderTest, MayBeLeftBeforeItsEnd) {
  write(40);
  ThreadPool pool(3);
  for (int i = 0; i < 20; ++i) {
    ImageFileLoader loader(reader_, paths_, pool, 4, 3);
    EXPECT_NE(loader.next(), nullptr);
  }
}

TEST_F(ImageFileLoaderTest, RefusesBatchesOfNothing) {
  ThreadPool pool(1);
  EXPECT_STREQ(error_of([&] { const ImageFileLoader loader(reader_, paths_, pool, 0); }).what(),
               "batch size: found 0, expected at least 1");
  EXPECT_STREQ(error_of([&] { const ImageFileLoader loader(reader_, paths_, pool, 1, 0); }).what(),
               "prefetched batches: found 0, expected at least 1");
}

}  // namespace
}  // namespace convmixer
