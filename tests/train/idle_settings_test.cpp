#include "convmixer/train/idle_settings.hpp"

#include "convmixer/core/error.hpp"
#include "convmixer/train/config.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace convmixer {
namespace {

using SettingList = std::vector<std::pair<std::string, std::string>>;

/// What is said of these settings, the last of them being given now; empty if they are taken.
std::string refusal_of_last(const SettingList& settings) {
  TrainConfig config;
  std::vector<Assignment> assignments;
  for (const auto& [key, value] : settings) assignments.push_back({key, value, "--" + key + " " + value});
  assign(config_options(config), assignments);
  try {
    refuse_idle_settings(config, std::span(assignments).last(1));
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::usage);
    return error.what();
  }
  return "";
}

struct IdleCase {
  const char* setting;
  const char* value;
  SettingList idle;    ///< with which it does nothing
  SettingList active;  ///< with which it does something
  const char* needs;
};

class IdleSettings : public testing::TestWithParam<IdleCase> {};

TEST_P(IdleSettings, AreRefusedUntilTheyDoSomething) {
  const IdleCase& c = GetParam();
  SettingList idle = c.idle;
  idle.emplace_back(c.setting, c.value);
  EXPECT_EQ(refusal_of_last(idle),
            std::string("--") + c.setting + " " + c.value + ": has no effect without " + c.needs);
  SettingList active = c.active;
  active.emplace_back(c.setting, c.value);
  EXPECT_EQ(refusal_of_last(active), "");
}

const SettingList kOfShapes{{"dataset", "shapes"}};
const SettingList kOfFolder{{"dataset", "folder"}};
constexpr const char* kFolderOfImages = "a folder of images";

INSTANTIATE_TEST_SUITE_P(
    Each, IdleSettings,
    testing::Values(
        IdleCase{"min-lr", "1e-05", {{"knee-at", "1"}}, {{"knee-at", "0.9"}}, "knee-at below 1"},
        IdleCase{"momentum", "0.8", {}, {{"optimizer", "sgd"}}, "optimizer = sgd"},
        IdleCase{"beta1", "0.8", {{"optimizer", "sgd"}}, {{"optimizer", "muon"}}, "optimizer = adamw, adam or muon"},
        IdleCase{"beta2", "0.8", {{"optimizer", "sgd"}}, {{"optimizer", "adam"}}, "optimizer = adamw, adam or muon"},
        IdleCase{"epsilon", "0.5", {{"optimizer", "sgd"}}, {}, "optimizer = adamw, adam or muon"},
        IdleCase{"decay-norm-and-bias", "false", {{"weight-decay", "0"}}, {}, "weight-decay"},
        IdleCase{"drop-path",
                 "0.1",
                 {{"model", "vit"}, {"depth", "1"}},
                 {{"model", "mlp-mixer"}, {"depth", "2"}},
                 "depth above 1: it grows from 0 at the first block"},
        IdleCase{"pad-mode", "reflect", {{"pad-crop", "0"}}, {}, "pad-crop"},
        IdleCase{"resized-crop-ratio", "1,2", {}, {{"resized-crop", "0.5,1"}}, "resized-crop"},
        IdleCase{"resized-crop-filter", "bicubic", {}, {{"resized-crop", "0.5,1"}}, "resized-crop"},
        IdleCase{"random-erasing-scale", "0.1,0.2", {}, {{"random-erasing", "0.1"}}, "random-erasing"},
        IdleCase{"random-erasing-ratio", "1,2", {}, {{"random-erasing", "0.1"}}, "random-erasing"},
        IdleCase{"random-erasing-fill", "noise", {}, {{"random-erasing", "0.1"}}, "random-erasing"},
        IdleCase{"allow-partial", "true", kOfShapes, {{"dataset", "cifar100"}}, "CIFAR's files"},
        IdleCase{"train-folder", "a", kOfShapes, kOfFolder, kFolderOfImages},
        IdleCase{"test-folder", "a", kOfShapes, kOfFolder, kFolderOfImages},
        IdleCase{"test-choice", "path", {{"dataset", "packed"}}, kOfFolder, kFolderOfImages},
        IdleCase{"fit", "stretch", {{"dataset", "cifar10"}}, kOfFolder, kFolderOfImages},
        IdleCase{"broken-files", "skip", kOfShapes, {}, kFolderOfImages},
        IdleCase{"data-cache", "/c", kOfShapes, kOfFolder, kFolderOfImages}),
    [](const auto& instance) {
      std::string name = instance.param.setting;
      std::erase(name, '-');
      return name;
    });

TEST(IdleSettingsAtTheirDefaults, MayStand) {
  EXPECT_EQ(refusal_of_last({{"momentum", "0.9"}}), "");
  EXPECT_EQ(refusal_of_last({{"model", "vit"}, {"depth", "1"}, {"drop-path", "0"}}), "");
  EXPECT_EQ(refusal_of_last({{"dataset", "shapes"}, {"fit", "crop"}}), "");
}

}  // namespace
}  // namespace convmixer
