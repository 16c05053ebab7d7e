#include "convmixer/train/run_differences.hpp"

#include "convmixer/train/config.hpp"
#include "convmixer/train/option_parser.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace convmixer {
namespace {

using testing::ElementsAre;
using testing::Optional;

using Settings = std::vector<RunSetting>;

Settings settings_of(const TrainConfig& config) {
  Settings settings;
  for (const Assignment& line : parse_ini_text(to_ini(config), "config.ini"))
    settings.push_back({line.key, line.value});
  return settings;
}

std::vector<std::string> keys(const SettingDifferences& differences) {
  std::vector<std::string> found;
  for (const SettingDifference& one : differences.differing) found.push_back(one.key);
  return found;
}

TEST(RunDifferences, AreTheSettingsThatDifferInTheirOrder) {
  TrainConfig first;
  TrainConfig second;
  second.batch_size = 64;
  second.model = ConvMixerConfig{.dim = 128};
  const auto found = setting_differences(std::vector<Settings>{settings_of(first), settings_of(second)});
  EXPECT_THAT(keys(found), ElementsAre("dim", "batch-size"));
  EXPECT_THAT(found.differing[1].values, ElementsAre(Optional(std::string("128")), Optional(std::string("64"))));
  EXPECT_EQ(found.equal + 2, settings_of(first).size() - 5) << "out, name, tag, note and quiet are a run's own";
}

TEST(RunDifferences, LeaveOutWhatIsARunsOwn) {
  const auto found = setting_differences(std::vector<Settings>{
      {{"out", "a"}, {"name", "x"}, {"tag", "t"}, {"note", "n"}, {"quiet", "true"}}, {{"out", "b"}, {"name", "y"}}});
  EXPECT_THAT(keys(found), ElementsAre());
}

TEST(RunDifferences, TakeADefaultForASettingThatAnEarlierReleaseDidNotHave) {
  TrainConfig config;
  Settings old = settings_of(config);
  std::erase_if(
      old, [](const RunSetting& setting) { return setting.key == "eval-interval" || setting.key == "test-choice"; });
  EXPECT_THAT(keys(setting_differences(std::vector<Settings>{old, settings_of(config)})), ElementsAre("test-choice"));
  config.eval_interval = 3;
  const auto found = setting_differences(std::vector<Settings>{old, settings_of(config)});
  EXPECT_THAT(keys(found), ElementsAre("test-choice", "eval-interval"));
  EXPECT_THAT(found.differing[1].values, ElementsAre(Optional(std::string("1")), Optional(std::string("3"))));
}

TEST(RunDifferences, SayNothingForASettingThatARunCanNotHave) {
  const Settings known = settings_of({});
  Settings later = known;
  later.push_back({"of-a-later-release", "7"});
  const auto found = setting_differences(std::vector<Settings>{known, later});
  ASSERT_THAT(keys(found), ElementsAre("of-a-later-release"));
  EXPECT_THAT(found.differing[0].values, ElementsAre(std::nullopt, Optional(std::string("7"))));
  EXPECT_THAT(keys(setting_differences(std::vector<Settings>{{}, {{"dim", "16"}}})), ElementsAre("dim"));
}

TEST(RunDifferences, CompareTextsThatNoReleaseKnows) {
  const auto found = setting_differences(std::vector<Settings>{{{"dim", "<b>"}}, {{"dim", "16"}}, {{"dim", "16"}}});
  ASSERT_THAT(keys(found), ElementsAre("dim"));
  EXPECT_THAT(found.differing[0].values.front(), Optional(std::string("<b>")));
}

}  // namespace
}  // namespace convmixer
