/// TensorBoard's events as protocol buffers: what the records of an event file hold.
/// Fields: tensorboard/compat/proto/{event,summary,tensor}.proto and
/// tensorboard/plugins/hparams/{api,plugin_data}.proto of https://github.com/tensorflow/tensorboard. Texts are to be
/// UTF-8. The functions that end in _value give a Summary.Value, of which an event takes any number.
#pragma once

#include "io/protobuf_writer.hpp"
#include "io/value_histogram.hpp"

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <variant>

namespace convmixer {

/// When something happened.
struct EventTime {
  double wall_seconds = 0.0;  ///< since 1970
  std::int64_t step = 0;      ///< updates made
};

/// A setting, as TensorBoard's HPARAMS compares them.
using Hyperparameter = std::variant<bool, double, std::string>;

[[nodiscard]] ProtobufMessage scalar_value(std::string_view tag, double value);
[[nodiscard]] ProtobufMessage histogram_value(std::string_view tag, const ValueHistogram& histogram);
/// `png` is a file of so many pixels.
[[nodiscard]] ProtobufMessage image_value(std::string_view tag, int width, int height, std::string_view png);
/// The start of a run with these settings. A run has one, and at most one end.
[[nodiscard]] ProtobufMessage session_start_value(double wall_seconds,
                                                  const std::map<std::string, Hyperparameter>& settings);
[[nodiscard]] ProtobufMessage session_end_value(double wall_seconds, bool success);

/// The tags of the last two.
inline constexpr std::string_view kSessionStartTag = "_hparams_/session_start_info";
inline constexpr std::string_view kSessionEndTag = "_hparams_/session_end_info";

/// The first event of a file, which names the program that writes it.
[[nodiscard]] std::string version_event(double wall_seconds, std::string_view writer);
/// A writer begins: readers forget what they have read of this step and later ones.
[[nodiscard]] std::string start_event(const EventTime& time);
[[nodiscard]] std::string summary_event(const EventTime& time, std::span<const ProtobufMessage> values);

/// What tells where in a training an event belongs.
struct EventContent {
  std::string writer;  ///< of a first event
  std::int64_t step = 0;
  std::map<std::string, float, std::less<>> values;  ///< of a summary, by tag; 0 for what is no scalar
};

/// Of any event; what can't be read is left out.
[[nodiscard]] EventContent read_event(std::string_view event);

}  // namespace convmixer
