#include "convmixer/data/data_identity.hpp"

#include "convmixer/data/sources/shapes.hpp"
#include "data/pixel_dataset.hpp"
#include "support/error_of.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace convmixer {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing_support::error_of;

using Images = std::vector<std::pair<std::uint8_t, std::int32_t>>;

std::string fingerprint_of(const Images& images, std::vector<std::string> names = {"a", "b"}) {
  return identify(Pixels(images, std::move(names))).fingerprint;
}

TEST(DataIdentity, CountsTheImagesOfEachClass) {
  const SplitIdentity split = identify(Pixels({{1, 0}, {2, 1}, {3, 1}}, {"a", "b", "c"}));
  EXPECT_THAT(split.class_images, ElementsAre(1, 2, 0));
  EXPECT_EQ(split.images(), 3);
}

TEST(DataIdentity, HasAnotherFingerprintForEveryChangeButThatOfNames) {
  const Images images{{1, 0}, {2, 1}, {3, 1}};
  const std::string fingerprint = fingerprint_of(images);
  EXPECT_EQ(fingerprint_of(images), fingerprint);
  EXPECT_EQ(fingerprint_of(images, {"b", "a"}), fingerprint);
  EXPECT_NE(fingerprint_of({{1, 0}, {2, 1}}), fingerprint);
  EXPECT_NE(fingerprint_of({{1, 0}, {2, 1}, {4, 1}}), fingerprint);
  EXPECT_NE(fingerprint_of({{1, 0}, {2, 0}, {3, 1}}), fingerprint);
  EXPECT_NE(fingerprint_of({{1, 0}, {3, 1}, {2, 1}}), fingerprint);
}

TEST(DataIdentity, IsTheSameEverywhere) {
  EXPECT_EQ(identify(*make_shapes(Split::test, 20)).fingerprint, "b8690e6f5dad6d95");
}

/// One plane of zeros for every image: far more of them than there is memory for.
class ManyImages : public Pixels {
 public:
  explicit ManyImages(std::int64_t size) : Pixels({}), size_(size) {}
  [[nodiscard]] std::int64_t size() const override { return size_; }
  [[nodiscard]] int image_size() const override { return kSide; }
  [[nodiscard]] std::int32_t label(std::int64_t) const override { return 0; }
  [[nodiscard]] std::span<const std::uint8_t> image(std::int64_t index) const override {
    read_.push_back(index);
    return plane_;
  }
  [[nodiscard]] const std::vector<std::int64_t>& read() const { return read_; }

 private:
  static constexpr int kSide = 10'000;
  std::int64_t size_;
  std::vector<std::uint8_t> plane_;  // the pixels themselves don't matter here
  mutable std::vector<std::int64_t> read_;
};

TEST(DataIdentity, ReadsAboutAGibibyteOfPixelsAtFixedPlaces) {
  const ManyImages three(3);  // 0.3 GB each
  (void)identify(three);
  EXPECT_THAT(three.read(), ElementsAre(0, 1, 2));
  const ManyImages ten(10);
  (void)identify(ten);
  EXPECT_THAT(ten.read(), ElementsAre(0, 3, 6, 9));
}

TEST(DataIdentity, IsReadBackFromItsText) {
  const DataIdentity identity =
      identify(Pixels({{1, 0}, {2, 1}}, {"a \"b\"", "f\xC3\xBC"}), Pixels({{9, 1}}, {"a \"b\"", "f\xC3\xBC"}));
  EXPECT_EQ(identity_from(to_text(identity)), identity);
  for (const auto& [key, value] : to_text(identity)) {
    auto text = to_text(identity);
    text.erase(key);
    EXPECT_EQ(identity_from(text), std::nullopt) << key;
  }
  auto text = to_text(identity);
  for (const char* damaged : {"", "1", "1 x", "1 -2", "1 2 3"}) {
    text["train.class_images"] = damaged;
    EXPECT_EQ(identity_from(text), std::nullopt) << damaged;
  }
}

TEST(DataIdentity, HoldsNamesThatAreNoUtf8) {
  const Pixels images({{1, 0}}, {"caf\xE9", "b"});
  const DataIdentity identity = identify(images, images);
  EXPECT_EQ(identity.class_names, storable_names({"caf\xE9", "b"}));
  EXPECT_EQ(identity_from(to_text(identity)), identity);
}

TEST(DataIdentity, RefusesALabelThatIsNone) {
  EXPECT_THAT(error_of([] { (void)identify(Pixels({{1, 2}})); }).what(), HasSubstr("found label 2, expected 0 to 1"));
}

TEST(DataIdentity, SaysWhatChanged) {
  const auto identity = [](const Images& train, const Images& test) { return identify(Pixels(train), Pixels(test)); };
  const DataIdentity before = identity({{1, 0}, {2, 1}, {3, 1}}, {{4, 0}});
  EXPECT_EQ(describe_change(before, before), "");
  EXPECT_EQ(describe_change(before, identity({{1, 0}, {2, 1}}, {{4, 0}})),
            "2 training images instead of 3 (b: 1 instead of 2)");
  EXPECT_EQ(describe_change(before, identity({{1, 0}, {2, 1}, {3, 1}}, {{4, 1}})),
            "other test images, 1 as before (a: 0 instead of 1, b: 1 instead of 0)");
  EXPECT_EQ(describe_change(before, identity({{1, 0}, {2, 1}, {7, 1}}, {{4, 0}, {5, 0}})),
            "the 3 training images have other pixels or another order; 2 test images instead of 1 (a: 2 instead of 1)");
}

}  // namespace
}  // namespace convmixer
