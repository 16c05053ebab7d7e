#include "convmixer/model/image_size.hpp"

#include "support/error_of.hpp"

#include <gtest/gtest.h>

namespace convmixer {
namespace {

using testing_support::error_of;

TEST(ImageSize, ChangesNoWeightOfConvolutions) {
  EXPECT_EQ(parameter_of_image_size(ConvMixerConfig{}, 48), "");
  EXPECT_EQ(parameter_of_image_size(ResNetConfig{}, 48), "");
  require_image_size("a.safetensors", ResNetConfig{}, 48);
}

TEST(ImageSize, ChangesWhatHasAWeightForEveryPatch) {
  EXPECT_EQ(parameter_of_image_size(VitConfig{}, 48), "pos_embed");
  EXPECT_EQ(parameter_of_image_size(MlpMixerConfig{}, 16), "blocks.0.mlp_tokens.fc1.weight");
  EXPECT_EQ(parameter_of_image_size(VitConfig{}, 32), "");
  EXPECT_EQ(parameter_of_image_size(VitConfig{}, 35), "");  // no further patch of 4 pixels
}

TEST(ImageSize, IsRefusedWhereWeightsDontGoWithIt) {
  const Error error = error_of([] { require_image_size("a.safetensors", VitConfig{}, 48); });
  EXPECT_EQ(error.kind(), ErrorKind::usage);
  EXPECT_STREQ(error.what(),
               "image-size = 48: a.safetensors is for images of 32 x 32 pixels alone: the shape of vit's pos_embed "
               "depends on it");
}

TEST(ImageSize, IsOneThatTheModelCanHave) {
  EXPECT_EQ(error_of([] { (void)parameter_of_image_size(VitConfig{}, 3); }).kind(), ErrorKind::usage);
}

}  // namespace
}  // namespace convmixer
