#include "convmixer/train/metrics_file.hpp"

#include "convmixer/core/error.hpp"
#include "convmixer/core/file.hpp"
#include "convmixer/core/printable.hpp"
#include "core/appended_file.hpp"

#include <nlohmann/json.hpp>

#include <cerrno>
#include <cmath>
#include <cstring>
#include <string_view>

namespace convmixer {
namespace {

using Json = nlohmann::ordered_json;  // keys in the order in which a reader wants them

/// A position in a run.
struct Position {
  std::int64_t finished_epochs = 0;
  std::int64_t steps = 0;
  std::int64_t tested_epoch = -1;
};

/// Whether a line is a record of a position not after the one given.
bool belongs(std::string_view line, const Position& position) {
  const Json record = Json::parse(line, nullptr, false);
  if (!record.is_object()) return false;
  const auto type = record.find("type");
  if (type == record.end()) return false;
  const auto at_most = [&](const char* key, std::int64_t limit) {
    const auto value = record.find(key);
    return value != record.end() && value->is_number_integer() && value->get<std::int64_t>() <= limit;
  };
  if (*type == "step" || *type == "session" || *type == "end") return at_most("step", position.steps);
  if (*type == "test") return at_most("epoch", position.tested_epoch);
  return *type == "epoch" && at_most("epoch", position.finished_epochs);
}

/// Text without the records that don't belong; a last line without its line break is torn.
std::string records_up_to(std::string_view text, const Position& position) {
  std::string kept;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    if (end == std::string_view::npos) break;
    const std::string_view line = text.substr(0, end);
    if (belongs(line, position)) kept.append(line).append("\n");
    text.remove_prefix(end + 1);
  }
  return kept;
}

/// A time to come: not before a step of this session was timed, nor after the last.
bool is_known(double seconds) { return std::isfinite(seconds) && seconds >= 0.0; }

/// Whether an error ended the last session that there are records of.
bool last_ended_by_error(std::string_view text) {
  while (!text.empty()) {
    text.remove_suffix(1);  // its line break
    const std::size_t begin = text.rfind('\n') + 1;
    const Json record = Json::parse(text.substr(begin), nullptr, false);
    text = text.substr(0, begin);
    const std::string type = record.value("type", "");
    if (type == "end") return record.value("end", "") == kEndedByError;
    if (type == "session") return false;
  }
  return false;
}

double ratio(double part, double whole) { return whole > 0.0 ? part / whole : 0.0; }

}  // namespace

MetricsFile::MetricsFile(const std::filesystem::path& path, std::int64_t finished_epochs, std::int64_t steps,
                         std::int64_t tested_epoch) {
  std::error_code ignored;  // what is wrong with the path shows below
  if (std::filesystem::exists(path, ignored)) {
    const std::string text = read_text_file(path);
    const std::string kept = records_up_to(text, {finished_epochs, steps, tested_epoch});
    if (kept != text) write_file_atomically(path, kept);
    ended_by_error_ = last_ended_by_error(kept);
  }
  file_ = std::make_unique<AppendedFile>(path, AppendedFile::Open::at_end);
  if (!file_->valid()) fail("{}: can't be written: {}", path.string(), std::strerror(errno));
}

MetricsFile::~MetricsFile() = default;

void MetricsFile::append(const StepRecord& r) {
  Json record{{"type", "step"},
              {"epoch", r.epoch},
              {"step", r.step},
              {"loss", r.loss},
              {"accuracy", r.accuracy},
              {"learning_rate", r.learning_rate},
              {"gradient_norm", r.gradient_norm},
              {"images_per_s", r.images_per_second},
              {"data_wait_s", r.wait_seconds},
              {"total_s", r.total_seconds}};
  if (is_known(r.seconds_left)) record["left_s"] = r.seconds_left;
  if (r.image_size > 0) record["image_size"] = r.image_size;
  append_line(record.dump());
}

void MetricsFile::append(const EpochRecord& r) {
  const std::string of = r.holdout ? "holdout" : "test";
  Json record{{"type", "epoch"}, {"epoch", r.epoch}, {"step", r.step}, {"loss", r.loss}, {"accuracy", r.accuracy}};
  if (r.test) {
    record[of + "_loss"] = r.test->loss;
    record[of + "_accuracy"] = r.test->accuracy;
    record[of + "_top5"] = r.test->accuracy_top5;
  }
  if (r.averaged) {
    record["ema_" + of + "_loss"] = r.averaged->loss;
    record["ema_" + of + "_accuracy"] = r.averaged->accuracy;
  }
  if (r.best_test_accuracy >= 0.0) record["best_" + of + "_accuracy"] = r.best_test_accuracy;
  record.update(Json{{"learning_rate", r.learning_rate},
                     {"images_per_s", r.images_per_second},
                     {"data_wait_s", r.wait_seconds},
                     {"data_wait_share", ratio(r.wait_seconds, r.train_seconds)},
                     {"data_supply_images_per_s", r.supply},
                     {"data_cpu_share", r.data_share}});
  if (r.communication_bytes > 0)
    record.update(Json{{"communication_s", r.communication_seconds}, {"communication_bytes", r.communication_bytes}});
  record.update(Json{{"train_s", r.train_seconds}, {of + "_s", r.test_seconds}, {"total_s", r.total_seconds}});
  if (is_known(r.seconds_left)) record["left_s"] = r.seconds_left;
  if (r.image_size > 0) record["image_size"] = r.image_size;
  append_line(record.dump());
}

void MetricsFile::append(const TestRecord& r) {
  const Json record{{"type", "test"},
                    {"epoch", r.epoch},
                    {"test_loss", r.loss},
                    {"test_accuracy", r.accuracy},
                    {"test_top5", r.accuracy_top5},
                    {"test_s", r.seconds}};
  append_line(record.dump());
}

void MetricsFile::append(const SessionRecord& r) {
  const Json record{{"type", "session"},
                    {"schema", kMetricsSchema},
                    {"epoch", r.epoch},
                    {"step", r.step},
                    {"unix_s", r.unix_seconds},
                    {"version", r.version},
                    {"cpu", to_utf8(r.cpu)},
                    {"instruction_set", r.instruction_set},
                    {"onednn", r.onednn},
                    {"threads", r.threads},
                    {"ranks", r.ranks},
                    {"precision", r.precision},
                    {"plan", r.plan}};
  append_line(record.dump());
}

void MetricsFile::append(const EndRecord& r) {
  Json record{
      {"type", "end"}, {"epoch", r.epoch}, {"step", r.step}, {"unix_s", r.unix_seconds}, {"total_s", r.total_seconds},
      {"end", r.end}};
  if (!r.error.empty()) record["error"] = to_utf8(r.error);
  append_line(record.dump());
}

void MetricsFile::sync() { file_->sync(); }

void MetricsFile::append_line(const std::string& line) { file_->append(line + "\n"); }

}  // namespace convmixer
