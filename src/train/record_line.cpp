#include "train/record_line.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <cmath>

namespace convmixer {
namespace {

using Json = nlohmann::ordered_json;

const RecordField* find(const RecordLine& line, std::string_view name) {
  const auto found = std::ranges::find(line.fields, name, &RecordField::name);
  return found == line.fields.end() ? nullptr : &*found;
}

bool is_whole(const RecordLine& line, std::string_view name) {
  constexpr double kMost = 9e15;  // all whole numbers up to it are doubles
  const double value = line.number(name, -1.0);
  return value >= 0.0 && value <= kMost && value == std::floor(value);
}

}  // namespace

double RecordLine::number(std::string_view name, double otherwise) const noexcept {
  const RecordField* const field = find(*this, name);
  const double* const value = field == nullptr ? nullptr : std::get_if<double>(&field->value);
  return value == nullptr ? otherwise : *value;
}

std::int64_t RecordLine::whole(std::string_view name) const noexcept {
  return is_whole(*this, name) ? static_cast<std::int64_t>(number(name)) : 0;
}

std::string RecordLine::text(std::string_view name) const {
  const RecordField* const field = find(*this, name);
  const std::string* const value = field == nullptr ? nullptr : std::get_if<std::string>(&field->value);
  return value == nullptr ? std::string() : *value;
}

std::optional<RecordLine> parse_record(std::string_view line) {
  const Json record = Json::parse(line, nullptr, false);
  if (!record.is_object()) return std::nullopt;
  RecordLine result;
  for (const auto& [name, value] : record.items()) {
    if (name == "type" && value.is_string()) {
      result.type = value.get<std::string>();
    } else if (value.is_number()) {
      result.fields.push_back({name, value.get<double>()});
    } else if (value.is_boolean()) {
      result.fields.push_back({name, value.get<bool>() ? 1.0 : 0.0});
    } else if (value.is_string()) {
      result.fields.push_back({name, value.get<std::string>()});
    }
  }
  if (result.type.empty()) return std::nullopt;
  constexpr std::array<std::string_view, 4> kWithStep{"step", "epoch", "session", "end"};
  const bool has_step = std::ranges::find(kWithStep, result.type) != kWithStep.end();
  if (has_step && !is_whole(result, "step")) return std::nullopt;
  if ((has_step || result.type == "test") && !is_whole(result, "epoch")) return std::nullopt;
  return result;
}

TestRecord test_record(const RecordLine& line) {
  return {.epoch = line.whole("epoch"),
          .loss = line.number("test_loss"),
          .accuracy = line.number("test_accuracy"),
          .accuracy_top5 = line.number("test_top5"),
          .seconds = line.number("test_s")};
}

SessionRecord session_record(const RecordLine& line) {
  return {.epoch = line.whole("epoch"),
          .step = line.whole("step"),
          .unix_seconds = line.number("unix_s"),
          .version = line.text("version"),
          .cpu = line.text("cpu"),
          .instruction_set = line.text("instruction_set"),
          .onednn = line.text("onednn"),
          .threads = static_cast<int>(std::clamp(line.number("threads"), 0.0, 1e6)),
          .ranks = static_cast<int>(std::clamp(line.number("ranks"), 1.0, 1e6)),
          .precision = line.text("precision"),
          .plan = line.text("plan")};
}

EndRecord end_record(const RecordLine& line) {
  return {.epoch = line.whole("epoch"),
          .step = line.whole("step"),
          .unix_seconds = line.number("unix_s"),
          .total_seconds = line.number("total_s"),
          .end = line.text("end"),
          .error = line.text("error")};
}

}  // namespace convmixer
