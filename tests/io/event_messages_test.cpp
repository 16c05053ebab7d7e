#include "io/event_messages.hpp"

#include "support/protobuf_reader.hpp"

#include <gtest/gtest.h>

#include <array>

namespace convmixer {
namespace {

using testing_support::ProtobufReader;

/// The only value of an event's summary.
ProtobufReader value_of(const ProtobufMessage& value) {
  return ProtobufReader(summary_event({.wall_seconds = 1.5, .step = 7}, std::array{value})).message(5).message(1);
}

TEST(EventMessages, SayWhenTheyHappened) {
  const ProtobufReader event(summary_event({.wall_seconds = 1.5, .step = 7}, {}));
  EXPECT_EQ(event.real(1), 1.5);
  EXPECT_EQ(event.number(2), 7);
}

TEST(EventMessages, HaveScalarsUnderTheirTags) {
  const ProtobufReader value = value_of(scalar_value("loss/train", 2.25));
  EXPECT_EQ(value.text(1), "loss/train");
  EXPECT_EQ(value.floats(2), std::vector{2.25F});
}

TEST(EventMessages, HaveHistograms) {
  const ProtobufReader value = value_of(histogram_value("weights/a", histogram_of(std::array{-2.0F, 0.5F, 0.5F})));
  const ProtobufReader histogram = value.message(5);
  EXPECT_EQ(histogram.real(1), -2.0);
  EXPECT_EQ(histogram.real(2), 0.5);
  EXPECT_EQ(histogram.real(3), 3.0);
  EXPECT_EQ(histogram.real(4), -1.0);
  EXPECT_EQ(histogram.real(5), 4.5);
  EXPECT_EQ(histogram.packed_doubles(6).size(), 4U);
  EXPECT_EQ(histogram.packed_doubles(7), (std::vector{0.0, 1.0, 0.0, 2.0}));
}

TEST(EventMessages, HaveImagesWithTheirSizes) {
  const ProtobufReader image = value_of(image_value("filters/a", 4, 3, "a PNG file")).message(4);
  EXPECT_EQ(image.number(1), 3);  // height
  EXPECT_EQ(image.number(2), 4);  // width
  EXPECT_EQ(image.text(4), "a PNG file");
}

TEST(EventMessages, HaveSettingsByNameAndType) {
  const ProtobufReader value = value_of(session_start_value(9.5, {{"lr", 0.01}, {"model", "m"}, {"nesterov", true}}));
  EXPECT_EQ(value.text(1), "_hparams_/session_start_info");
  const ProtobufReader plugin = value.message(9).message(1);
  EXPECT_EQ(plugin.text(1), "hparams");
  const ProtobufReader start = plugin.message(2).message(3);
  EXPECT_EQ(start.real(5), 9.5);
  const std::vector<ProtobufReader> settings = start.messages(1);
  ASSERT_EQ(settings.size(), 3U);
  EXPECT_EQ(settings[0].text(1), "lr");
  EXPECT_EQ(settings[0].message(2).real(2), 0.01);
  EXPECT_EQ(settings[1].message(2).text(3), "m");
  EXPECT_EQ(settings[2].message(2).number(4), 1);
}

TEST(EventMessages, SayHowARunEnded) {
  for (const bool success : {false, true}) {
    const ProtobufReader value = value_of(session_end_value(9.5, success));
    EXPECT_EQ(value.text(1), "_hparams_/session_end_info");
    const ProtobufReader end = value.message(9).message(1).message(2).message(4);
    EXPECT_EQ(end.number(1), success ? 1 : 2);
    EXPECT_EQ(end.real(2), 9.5);
  }
}

TEST(EventMessages, SayWhichFormatAFileHasAndWhoWritesIt) {
  const ProtobufReader version(version_event(1.5, "me"));
  EXPECT_EQ(version.text(3), "brain.Event:2");
  EXPECT_EQ(version.message(10).text(1), "me");
  const ProtobufReader start(start_event({.wall_seconds = 1.5, .step = 7}));
  EXPECT_EQ(start.number(2), 7);
  EXPECT_EQ(start.message(7).number(1), 1);
}

TEST(ReadEvent, GivesBackWhatTellsWhereAnEventBelongs) {
  EXPECT_EQ(read_event(version_event(1.5, "me")).writer, "me");
  const std::array values{scalar_value("epoch", 3.0), image_value("filters/a", 4, 3, "png"),
                          histogram_value("weights/a", histogram_of(std::array{1.0F}))};
  const EventContent content = read_event(summary_event({.wall_seconds = 1.5, .step = 7}, values));
  EXPECT_EQ(content.writer, "");
  EXPECT_EQ(content.step, 7);
  EXPECT_EQ(content.values.size(), 3U);
  EXPECT_EQ(content.values.at("epoch"), 3.0F);
  EXPECT_TRUE(content.values.contains("filters/a"));
}

TEST(ReadEvent, LeavesOutWhatIsCutShort) {
  const std::string event = summary_event({.wall_seconds = 1.5, .step = 7}, std::array{scalar_value("epoch", 3.0)});
  for (std::size_t size = 0; size < event.size(); ++size)
    EXPECT_TRUE(read_event(event.substr(0, size)).values.empty()) << size;
}

}  // namespace
}  // namespace convmixer
