#include "io/event_messages.hpp"

#include "io/protobuf_reader.hpp"

namespace convmixer {
namespace {

namespace event_field {
constexpr int kWallTime = 1;
constexpr int kStep = 2;
constexpr int kFileVersion = 3;
constexpr int kSummary = 5;
constexpr int kSessionLog = 7;
constexpr int kSourceMetadata = 10;
constexpr int kWriter = 1;         // of SourceMetadata
constexpr int kSessionStatus = 1;  // of SessionLog
constexpr int kSessionStarts = 1;  // a status
}  // namespace event_field

namespace value_field {
constexpr int kInSummary = 1;
constexpr int kTag = 1;
constexpr int kScalar = 2;
constexpr int kImage = 4;
constexpr int kHistogram = 5;
constexpr int kTensor = 8;
constexpr int kMetadata = 9;
}  // namespace value_field

ProtobufMessage event(const EventTime& time) {
  ProtobufMessage message;
  message.add_double(event_field::kWallTime, time.wall_seconds);
  message.add_int(event_field::kStep, time.step);
  return message;
}

ProtobufMessage tagged(std::string_view tag) {
  ProtobufMessage value;
  value.add_text(value_field::kTag, tag);
  return value;
}

/// google.protobuf.Value
ProtobufMessage json_value(const Hyperparameter& setting) {
  ProtobufMessage message;
  if (const auto* number = std::get_if<double>(&setting)) message.add_double(2, *number);
  if (const auto* text = std::get_if<std::string>(&setting)) message.add_text(3, *text);
  if (const auto* yes = std::get_if<bool>(&setting)) message.add_int(4, *yes ? 1 : 0);
  return message;
}

/// A value that is nothing but metadata: a tensor of no floats, and in SummaryMetadata.plugin_data the message
/// HParamsPluginData, of which `data` is field `field`.
ProtobufMessage hyperparameters_value(std::string_view tag, int field, const ProtobufMessage& data) {
  constexpr int kFloat = 1;            // DataType
  constexpr int kTensorDataClass = 2;  // DataClass
  constexpr int kVersion = 0;          // of HParamsPluginData
  ProtobufMessage content;
  content.add_int(1, kVersion);
  content.add_message(field, data);
  ProtobufMessage plugin_data;
  plugin_data.add_text(1, "hparams");
  plugin_data.add_message(2, content);
  ProtobufMessage metadata;
  metadata.add_message(1, plugin_data);
  metadata.add_int(4, kTensorDataClass);
  ProtobufMessage dimension;
  dimension.add_int(1, 0);
  ProtobufMessage shape;
  shape.add_message(2, dimension);
  ProtobufMessage tensor;
  tensor.add_int(1, kFloat);
  tensor.add_message(2, shape);
  ProtobufMessage value = tagged(tag);
  value.add_message(value_field::kMetadata, metadata);
  value.add_message(value_field::kTensor, tensor);
  return value;
}

/// Adds a Summary.Value to what is known of its event.
void read_value(std::string_view value, EventContent& content) {
  std::string tag;
  float scalar = 0.0F;
  while (const auto field = take_field(value)) {
    if (field->number == value_field::kTag) tag = field->bytes;
    if (field->number == value_field::kScalar) scalar = field->as_float();
  }
  content.values.emplace(tag, scalar);
}

}  // namespace

ProtobufMessage scalar_value(std::string_view tag, double value) {
  ProtobufMessage message = tagged(tag);
  message.add_float(value_field::kScalar, static_cast<float>(value));
  return message;
}

ProtobufMessage histogram_value(std::string_view tag, const ValueHistogram& histogram) {
  ProtobufMessage content;
  content.add_double(1, histogram.minimum);
  content.add_double(2, histogram.maximum);
  content.add_double(3, static_cast<double>(histogram.count));
  content.add_double(4, histogram.sum);
  content.add_double(5, histogram.sum_squares);
  content.add_doubles(6, histogram.limits);
  content.add_doubles(7, histogram.counts);
  ProtobufMessage message = tagged(tag);
  message.add_message(value_field::kHistogram, content);
  return message;
}

ProtobufMessage image_value(std::string_view tag, int width, int height, std::string_view png) {
  constexpr int kRgb = 3;
  ProtobufMessage content;
  content.add_int(1, height);
  content.add_int(2, width);
  content.add_int(3, kRgb);
  content.add_text(4, png);
  ProtobufMessage message = tagged(tag);
  message.add_message(value_field::kImage, content);
  return message;
}

ProtobufMessage session_start_value(double wall_seconds, const std::map<std::string, Hyperparameter>& settings) {
  ProtobufMessage info;
  for (const auto& [name, setting] : settings) {
    ProtobufMessage entry;
    entry.add_text(1, name);
    entry.add_message(2, json_value(setting));
    info.add_message(1, entry);
  }
  info.add_double(5, wall_seconds);
  return hyperparameters_value(kSessionStartTag, 3, info);
}

ProtobufMessage session_end_value(double wall_seconds, bool success) {
  constexpr int kSuccess = 1;  // Status
  constexpr int kFailure = 2;
  ProtobufMessage info;
  info.add_int(1, success ? kSuccess : kFailure);
  info.add_double(2, wall_seconds);
  return hyperparameters_value(kSessionEndTag, 4, info);
}

std::string version_event(double wall_seconds, std::string_view writer) {
  ProtobufMessage message;
  message.add_double(event_field::kWallTime, wall_seconds);
  message.add_text(event_field::kFileVersion, "brain.Event:2");
  ProtobufMessage source;
  source.add_text(event_field::kWriter, writer);
  message.add_message(event_field::kSourceMetadata, source);
  return message.bytes();
}

std::string start_event(const EventTime& time) {
  ProtobufMessage log;
  log.add_int(event_field::kSessionStatus, event_field::kSessionStarts);
  ProtobufMessage message = event(time);
  message.add_message(event_field::kSessionLog, log);
  return message.bytes();
}

std::string summary_event(const EventTime& time, std::span<const ProtobufMessage> values) {
  ProtobufMessage summary;
  for (const ProtobufMessage& value : values) summary.add_message(value_field::kInSummary, value);
  ProtobufMessage message = event(time);
  message.add_message(event_field::kSummary, summary);
  return message.bytes();
}

EventContent read_event(std::string_view event) {
  EventContent content;
  while (const auto field = take_field(event)) {
    if (field->number == event_field::kStep) content.step = static_cast<std::int64_t>(field->bits);
    std::string_view inner = field->bytes;
    if (field->number == event_field::kSourceMetadata) {
      while (const auto writer = take_field(inner))
        if (writer->number == event_field::kWriter) content.writer = writer->bytes;
    }
    if (field->number == event_field::kSummary) {
      while (const auto value = take_field(inner))
        if (value->number == value_field::kInSummary) read_value(value->bytes, content);
    }
  }
  return content;
}

}  // namespace convmixer
