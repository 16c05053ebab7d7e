#include "convmixer/data/relabel.hpp"

#include "convmixer/data/data_identity.hpp"
#include "data/pixel_dataset.hpp"
#include "support/error_of.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace convmixer {
namespace {

using testing::HasSubstr;
using testing_support::error_of;

std::vector<std::int32_t> labels_of(const Dataset& dataset) {
  std::vector<std::int32_t> labels;
  for (std::int64_t i = 0; i < dataset.size(); ++i) labels.push_back(dataset.label(i));
  return labels;
}

TEST(Relabel, FollowsTheNamesInAnyOrder) {
  const Pixels images({{1, 0}, {2, 1}, {3, 2}}, {"leaf", "apple", "sea"});
  const std::vector<std::string> names{"apple", "leaf", "sea"};
  const auto relabelled = relabel(images, names);
  EXPECT_EQ(labels_of(*relabelled), (std::vector<std::int32_t>{1, 0, 2}));
  EXPECT_EQ(relabelled->class_names(), names);
  EXPECT_EQ(relabelled->image(2)[0], 3);
  EXPECT_EQ(relabelled->file_name(2), "2.png");
  EXPECT_EQ(relabelled->normalisation().mean, images.normalisation().mean);
}

TEST(Relabel, TakesAPartOfTheClasses) {
  const auto relabelled = relabel(Pixels({{1, 0}}, {"sea"}), {"apple", "leaf", "sea"});
  EXPECT_EQ(relabelled->classes(), 3);
}

TEST(Relabel, LeavesEqualListsAloneEvenWithANameTwice) {
  const Pixels images({{1, 0}, {2, 1}}, {"a", "a"});
  EXPECT_EQ(labels_of(*relabel(images, {"a", "a"})), (std::vector<std::int32_t>{0, 1}));
}

TEST(Relabel, RefusesOtherNamesWithBothLists) {
  const Pixels images({{1, 0}}, {"leaf", "red", "sea"});
  const Error error = error_of([&] { (void)relabel(images, {"apple", "leaf", "sea"}); });
  EXPECT_EQ(error.kind(), ErrorKind::usage);
  EXPECT_STREQ(error.what(),
               "the data's classes are leaf, red, sea, expected apple, leaf, sea: 'red' is none of these");
  EXPECT_THAT(error_of([] {
                (void)relabel(Pixels({{1, 0}}, {"a", "a"}), {"a", "b"});
              }).what(),
              HasSubstr("a name is there twice"));
}

TEST(Relabel, NamesTheClassAtFaultAmongNamesThatAreNoText) {
  const std::vector<std::string> stored = storable_names({"caf\xe9", "leaf"});
  EXPECT_EQ(labels_of(*relabel(Pixels({{1, 0}, {2, 1}}, {"leaf", "caf\xe9"}), stored)),
            (std::vector<std::int32_t>{1, 0}));
  EXPECT_THAT(error_of([&] {
                (void)relabel(Pixels({{1, 0}}, {"caf\xe9", "red"}), stored);
              }).what(),
              HasSubstr(": 'red' is none of these"));
  EXPECT_THAT(error_of([&] {
                (void)relabel(Pixels({{1, 0}}, {"caf\xe9", "caf\xe9"}), stored);
              }).what(),
              HasSubstr("a name is there twice"));
}

TEST(Relabel, ShortensLongListsAndNamesTheClassAtFault) {
  std::vector<std::string> names;
  for (int i = 0; i < 100; ++i) names.push_back("class" + std::to_string(i));
  std::vector<std::string> others = names;
  others.back() = "new";
  const std::string message = error_of([&] { (void)relabel(Pixels({{1, 0}}, others), names); }).what();
  EXPECT_THAT(message, HasSubstr("class19 and 80 more: 'new' is none of these"));
  EXPECT_LT(message.size(), 500U);
}

}  // namespace
}  // namespace convmixer
