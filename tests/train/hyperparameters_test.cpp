#include "train/hyperparameters.hpp"

#include <gtest/gtest.h>

namespace convmixer {
namespace {

TEST(Hyperparameters, AreTheSettingsByTheirTypes) {
  TrainConfig config;
  config.lr = 0.02F;
  config.dataset = "shapes";
  config.drop_last = true;
  const auto settings = hyperparameters(config);
  EXPECT_EQ(std::get<double>(settings.at("lr")), 0.02);  // not 0.019999999552965164
  EXPECT_EQ(std::get<std::string>(settings.at("dataset")), "shapes");
  EXPECT_TRUE(std::get<bool>(settings.at("drop-last")));
  EXPECT_FALSE(std::get<bool>(settings.at("alternating-flip")));
}

TEST(Hyperparameters, LeaveOutWhatDoesNotApplyAndWhatHasNoSayInTheResult) {
  const auto settings = hyperparameters(TrainConfig{});
  for (const char* name : {"out", "tensorboard", "threads", "data", "quiet", "init"})
    EXPECT_FALSE(settings.contains(name)) << name;
}

TEST(Hyperparameters, AreUtf8) {
  TrainConfig config;
  config.freeze =
      "st\xff"
      "em";
  config.init = "weights";  // without which nothing can be frozen
  EXPECT_EQ(std::get<std::string>(hyperparameters(config).at("freeze")), "st\\xffem");
}

}  // namespace
}  // namespace convmixer
