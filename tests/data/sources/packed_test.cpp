#include "convmixer/data/sources/packed.hpp"

#include "convmixer/core/file.hpp"
#include "convmixer/data/open_dataset.hpp"
#include "convmixer/io/safetensors.hpp"
#include "support/error_of.hpp"
#include "support/temporary_folder.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <string>

namespace convmixer {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing_support::error_of;
using testing_support::TemporaryFolder;

std::vector<std::uint8_t> counting(std::size_t count) {
  std::vector<std::uint8_t> bytes(count);
  for (std::size_t i = 0; i < count; ++i) bytes[i] = static_cast<std::uint8_t>(i);
  return bytes;
}

/// Two training images and one for the test, 2 x 2.
class PackedFile : public testing::Test {
 protected:
  PackedFile() {
    images_.image_size = 2;
    images_.class_names = {"a", "b \"quoted\""};
    images_.splits = {PackedSplit{{1, 0}, std::span(pixels_).first(24)}, PackedSplit{{1}, std::span(pixels_).last(12)}};
    images_.source = "somewhere";
    images_.left_out = {"x.png: broken"};
    write_packed(path_, images_);
  }

  /// Writes the file with changed tensors or metadata; what opening it says.
  [[nodiscard]] std::string refusal_with(const std::map<std::string, std::string>& changed_metadata) {
    const std::string written = rewrite(changed_metadata, {}, Shape{2, 3, 2, 2});
    return error_of([&] { (void)open_packed(written, Split::train); }).what();
  }
  [[nodiscard]] std::string refusal_with_tensors(const std::vector<std::int32_t>& labels, const Shape& shape) {
    const std::string written = rewrite({}, labels, shape);
    return error_of([&] { (void)open_packed(written, Split::train); }).what();
  }

  TemporaryFolder folder_;
  std::filesystem::path path_ = folder_.path() / "images.safetensors";
  std::vector<std::uint8_t> pixels_ = counting(36);
  PackedImages images_;

 private:
  std::filesystem::path rewrite(const std::map<std::string, std::string>& changed, std::vector<std::int32_t> labels,
                                const Shape& shape) {
    const SafetensorsFile file(path_);
    auto metadata = file.metadata();
    for (const auto& [key, value] : changed) metadata[key] = value;
    if (labels.empty()) labels = {1, 0};
    std::filesystem::path other = folder_.path() / "other.safetensors";
    const auto pixels = std::as_bytes(std::span(pixels_)).first(static_cast<std::size_t>(shape.count()));
    const std::vector<TensorView> tensors{
        {"train.labels", DType::i32, Shape{std::ssize(labels)}, std::as_bytes(std::span(labels))},
        {"train.images", DType::u8, shape, pixels}};
    write_safetensors(other, tensors, metadata);
    return other;
  }
};

TEST_F(PackedFile, GivesBackWhatWasPacked) {
  const auto train = open_packed(path_, Split::train);
  ASSERT_EQ(train->size(), 2);
  EXPECT_EQ(train->channels(), 3);
  EXPECT_EQ(train->image_size(), 2);
  EXPECT_THAT(train->class_names(), ElementsAre("a", "b \"quoted\""));
  EXPECT_EQ(train->label(0), 1);
  EXPECT_EQ(train->label(1), 0);
  EXPECT_EQ(train->image(1)[0], 12);
  EXPECT_EQ(train->image(1)[11], 23);
  const auto test = open_packed(path_, Split::test);
  ASSERT_EQ(test->size(), 1);
  EXPECT_EQ(test->image(0)[0], 24);
  EXPECT_EQ(test->normalisation().mean, train->normalisation().mean);
  const PackedInfo info = read_packed_info(path_);
  EXPECT_EQ(info.source, "somewhere");
  EXPECT_THAT(info.left_out, ElementsAre("x.png: broken"));
}

TEST_F(PackedFile, KnowsTheFilesThatItsImagesComeFrom) {
  images_.splits[0].files = {"train/b/1, 2.png", "train/a/\xff.png"};
  write_packed(path_, images_);
  const auto train = open_packed(path_, Split::train, {"other", "names"});
  EXPECT_EQ(train->file_name(0), "train/b/1, 2.png");
  EXPECT_EQ(train->file_name(1), "train/a/\xff.png");
  EXPECT_EQ(error_of([&] { (void)train->file_name(2); }).kind(), ErrorKind::usage);
  EXPECT_EQ(open_packed(path_, Split::test)->file_name(0), "") << "of which no files were known";
}

TEST_F(PackedFile, OfAnEarlierReleaseTakesTheNamesItIsGivenIfThereAreAsMany) {
  EXPECT_EQ(open_packed(path_, Split::train, {"one", "two"})->file_name(1), "two");
  EXPECT_EQ(open_packed(path_, Split::train, {"one"})->file_name(0), "");
}

TEST_F(PackedFile, WithNamesOfOtherFilesThanItsImagesIsRefused) {
  images_.splits[0].files = {"one"};
  EXPECT_THAT(error_of([&] { write_packed(path_, images_); }).what(),
              HasSubstr("train: found 1 names of files, expected one for each of 2 labels"));
  images_.splits[0].files = {"one", "two"};
  write_packed(path_, images_);
  std::string damaged = read_text_file(path_);
  damaged.back() = 'x';
  folder_.write(path_.filename(), damaged);
  EXPECT_THAT(error_of([&] { (void)open_packed(path_, Split::train); }).what(),
              HasSubstr("damaged: the checksum of its train names of files is "));
}

TEST_F(PackedFile, IsOpenedByItsContent) {
  EXPECT_EQ(recognise_dataset(path_), "packed");
  EXPECT_EQ(open_dataset({.path = path_, .limit = 1}, Split::train)->size(), 1);
}

TEST_F(PackedFile, KeepsTheMeanOfEveryColour) {
  const Normalisation normalisation = open_packed(path_, Split::train)->normalisation();
  // Red is 0..3 and 12..15.
  EXPECT_FLOAT_EQ(normalisation.mean[0], 7.5F / 255.0F);
  EXPECT_FLOAT_EQ(normalisation.mean[2], 15.5F / 255.0F);
  EXPECT_FLOAT_EQ(normalisation.std[0], std::sqrt(37.25F) / 255.0F);
}

TEST_F(PackedFile, OfOneColourHasADeviationToDivideBy) {
  const std::vector<std::uint8_t> grey(12, 128);
  images_.splits = {PackedSplit{{1}, grey}, PackedSplit{}};
  write_packed(path_, images_);
  EXPECT_FLOAT_EQ(open_packed(path_, Split::train)->normalisation().std[1], 1.0F / 255.0F);
}

TEST_F(PackedFile, MayHaveNoTest) {
  images_.splits[1] = {};
  write_packed(path_, images_);
  EXPECT_EQ(open_packed(path_, Split::train)->size(), 2);
  EXPECT_THAT(error_of([&] { (void)open_packed(path_, Split::test); }).what(), HasSubstr("has no images for the test"));
}

TEST_F(PackedFile, NeedsTrainingImages) {
  images_.splits[0] = {};
  EXPECT_THAT(error_of([&] { write_packed(path_, images_); }).what(), HasSubstr("no training images"));
}

TEST_F(PackedFile, WithAChangedPixelOrLabelIsRefused) {
  const std::string whole = read_text_file(path_);
  for (const std::size_t from_end : {36U, 13U, 44U}) {
    std::string damaged = whole;
    damaged[whole.size() - from_end] = static_cast<char>(damaged[whole.size() - from_end] ^ 4);
    folder_.write(path_.filename(), damaged);
    EXPECT_THAT(error_of([&] { (void)open_packed(path_, Split::train); }).what(), HasSubstr("damaged: the checksum"));
  }
}

TEST_F(PackedFile, CutOffAnywhereIsRefused) {
  const std::string whole = read_text_file(path_);
  for (std::size_t size = 0; size < whole.size(); ++size) {
    folder_.write(path_.filename(), whole.substr(0, size));
    EXPECT_THAT(error_of([&] { (void)open_packed(path_, Split::train); }).what(), HasSubstr(path_.string())) << size;
  }
}

TEST_F(PackedFile, IsNotWrittenFromImagesAndLabelsThatDontFit) {
  const auto refusal = [&](const std::function<void(PackedImages&)>& change) {
    PackedImages changed = images_;
    change(changed);
    return std::string(error_of([&] { write_packed(folder_.path() / "other", changed); }).what());
  };
  EXPECT_THAT(refusal([](PackedImages& images) { images.image_size = 3; }),
              HasSubstr("train: found 24 bytes of images"));
  EXPECT_THAT(refusal([](PackedImages& images) { images.image_size = 0; }), HasSubstr("image size: found 0"));
  EXPECT_THAT(refusal([](PackedImages& images) { images.splits[1].labels.push_back(0); }),
              HasSubstr("test: found 12 bytes of images, expected 3 x 2 x 2 for each of 2 labels"));
  EXPECT_THAT(refusal([](PackedImages& images) { images.splits[0].labels[1] = 2; }),
              HasSubstr("train: found label 2, expected 0 to 1"));
  EXPECT_FALSE(std::filesystem::exists(folder_.path() / "other"));
}

TEST_F(PackedFile, OfAnotherFormatIsRefused) {
  EXPECT_THAT(refusal_with({{"format", "pt"}}), HasSubstr("its format is 'pt', expected 'convmixer-images-1'"));
  write_safetensors(path_, {}, {});
  EXPECT_THAT(error_of([&] { (void)open_packed(path_, Split::train); }).what(), HasSubstr("its format is not given"));
}

TEST_F(PackedFile, WithMetadataThatIsNoneIsRefused) {
  EXPECT_THAT(refusal_with({{"classes", "[1]"}}), HasSubstr("its 'classes' is not a list of texts"));
  EXPECT_THAT(refusal_with({{"classes", "{"}}), HasSubstr("its 'classes' is not a list of texts"));
  for (const char* mean : {"", "1", "1,2", "1,2,x", "1,2,3,4", "1,2,3,", "nan,1,1", "1,2,3 "})
    EXPECT_THAT(refusal_with({{"mean", mean}}), HasSubstr("expected 3 numbers")) << mean;
  EXPECT_THAT(refusal_with({{"classes", "[\"a\"]"}}), HasSubstr("label 0 of train.labels is 1, expected 0 to 0"));
}

TEST_F(PackedFile, WithShapesThatDontFitIsRefused) {
  for (const Shape& shape :
       {Shape{1, 3, 2, 2}, Shape{2, 1, 2, 2}, Shape{2, 3, 2, 1}, Shape{2, 3, 2}, Shape{2, 3, 0, 0}})
    EXPECT_THAT(refusal_with_tensors({1, 0}, shape), HasSubstr("with a shape of (2, 3, S, S)")) << shape.to_string();
}

}  // namespace
}  // namespace convmixer
