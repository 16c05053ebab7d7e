#include "run_document.hpp"

#include "convmixer/core/error.hpp"
#include "convmixer/core/printable.hpp"
#include "convmixer/model/registry.hpp"
#include "convmixer/train/config.hpp"
#include "convmixer/train/thinning.hpp"
#include "run_clock.hpp"
#include "run_log.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cmath>
#include <map>
#include <set>
#include <span>
#include <string_view>
#include <utility>

namespace convmixer::tool {
namespace {

constexpr std::size_t kMostPoints = 1000;  // of a curve: more than a wide screen has pixels for

/// Accuracies whose times are told. Those of the second list are for runs that come no further.
constexpr std::array kThresholds{0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.92, 0.94, 0.95, 0.96, 0.97, 0.98, 0.99};
constexpr std::array kLowThresholds{0.1, 0.2, 0.3, 0.4};

/// Seven digits, as integers where they are some; null where it isn't a number.
Json number_json(double number) {
  constexpr double kMostWhole = 9e15;  // doubles below hold every integer
  if (!std::isfinite(number)) return nullptr;
  if (number == std::floor(number) && std::abs(number) < kMostWhole) return static_cast<std::int64_t>(number);
  const std::string text = fmt::format("{:.7g}", number);
  double rounded = 0.0;
  std::from_chars(text.data(), text.data() + text.size(), rounded);
  return rounded;
}

Json numbers_json(std::span<const double> numbers) {
  Json list = Json::array();
  for (const double number : numbers) list.push_back(number_json(number));
  return list;
}

/// One word for the document, another for the record.
struct Name {
  std::string document;
  std::string record;
};

const std::vector<Name>& step_names() {
  static const std::vector<Name> names{{"loss", "loss"},
                                       {"accuracy", "accuracy"},
                                       {"learning_rate", "learning_rate"},
                                       {"gradient_norm", "gradient_norm"},
                                       {"images_per_second", "images_per_s"}};
  return names;
}

std::vector<Name> epoch_names(std::string_view of) {
  const std::string images(of);
  return {{"loss", "loss"},
          {"accuracy", "accuracy"},
          {"eval_loss", images + "_loss"},
          {"eval_accuracy", images + "_accuracy"},
          {"eval_top5", images + "_top5"},
          {"averaged_loss", "ema_" + images + "_loss"},
          {"averaged_accuracy", "ema_" + images + "_accuracy"},
          {"best_accuracy", "best_" + images + "_accuracy"},
          {"learning_rate", "learning_rate"},
          {"images_per_second", "images_per_s"},
          {"train_seconds", "train_s"},
          {"eval_seconds", images + "_s"},
          {"image_size", "image_size"}};
}

/// Rows from `first` on that say where they are.
std::vector<std::size_t> placed_rows(const RecordTable& table, std::size_t first) {
  std::vector<std::size_t> rows;
  for (std::size_t row = first; row < table.rows(); ++row)
    if (std::isfinite(table.number("step", row)) && std::isfinite(table.number("epoch", row))) rows.push_back(row);
  return rows;
}

std::vector<double> take(const RecordTable& table, const std::string& name, std::span<const std::size_t> rows) {
  std::vector<double> numbers;
  numbers.reserve(rows.size());
  for (const std::size_t row : rows) numbers.push_back(table.number(name, row));
  return numbers;
}

template <typename Value>
std::vector<Value> pick(std::span<const Value> values, std::span<const std::size_t> which) {
  std::vector<Value> picked;
  for (const std::size_t i : which) picked.push_back(values[i]);
  return picked;
}

Json curve_json(std::span<const double> steps, std::span<const double> values) {
  const std::vector<std::size_t> kept = thinned(values, kMostPoints);
  Json curve{{"step", numbers_json(pick(steps, kept))}, {"value", numbers_json(pick(values, kept))}};
  if (kept.size() < values.size()) curve["mean"] = numbers_json(means_between(values, kept));
  return curve;
}

Json steps_json(const RunHistory& run, std::size_t first) {
  Json curves = Json::object();
  const RecordTable& table = run.steps();
  const std::vector<std::size_t> rows = placed_rows(table, first);
  if (rows.empty()) return curves;
  const std::vector<double> steps = take(table, "step", rows);
  for (const Name& name : step_names())
    if (table.find(name.record) != nullptr) curves[name.document] = curve_json(steps, take(table, name.record, rows));
  return curves;
}

Json epochs_json(const RunHistory& run, std::size_t first) {
  const RecordTable& table = run.epochs();
  const std::vector<std::size_t> rows = placed_rows(table, first);
  std::vector<double> seconds = take(table, "total_s", rows);
  double last = 0.0;
  for (double& one : seconds) last = one = std::isfinite(one) ? one : last;
  Json columns{{"epoch", numbers_json(take(table, "epoch", rows))},
               {"step", numbers_json(take(table, "step", rows))},
               {"seconds", numbers_json(seconds)}};
  for (const Name& name : epoch_names(run.epoch_images()))
    columns[name.document] = numbers_json(take(table, name.record, rows));
  return columns;
}

Json clock_json(const RunHistory& run) {
  const RunClock clock = run_clock(run);
  return {{"step", numbers_json(clock.steps)},
          {"epoch", numbers_json(clock.epochs)},
          {"seconds", numbers_json(clock.seconds)}};
}

std::vector<double> thresholds() {
  std::vector<double> all(kLowThresholds.begin(), kLowThresholds.end());
  all.insert(all.end(), kThresholds.begin(), kThresholds.end());
  return all;
}

/// The first epochs as good as each threshold.
Json reached_json(const RunHistory& run) {
  const RecordTable& table = run.epochs();
  const std::string best = fmt::format("best_{}_accuracy", run.epoch_images());
  Json reached = Json::array();
  for (const double threshold : thresholds()) {
    reached.push_back(nullptr);
    for (std::size_t row = 0; row < table.rows() && reached.back().is_null(); ++row)
      if (table.number(best, row) >= threshold)
        reached.back() = {{"epoch", number_json(table.number("epoch", row))},
                          {"seconds", number_json(table.number("total_s", row))}};
  }
  return reached;
}

/// What a page shows of a run as it is now.
void add_present(Json& json, const RunHistory& run) {
  json["state"] = to_string(run.state());
  json["error"] = printable(run.error());
  if (const std::string updated = utc_time(run.modified()); !updated.empty()) json["updated"] = updated;
  json["progress"] = {{"epoch", run.epochs_done()}};
  if (run.epochs_planned() > 0) json["progress"]["epochs"] = run.epochs_planned();
  json["clock"] = clock_json(run);
  if (const auto best = run.best()) json["best"] = {{"epoch", best->epoch}, {"accuracy", number_json(best->accuracy)}};
  if (const auto& test = run.test())
    json["test"] = {{"epoch", test->epoch},
                    {"loss", number_json(test->loss)},
                    {"accuracy", number_json(test->accuracy)},
                    {"top5", number_json(test->accuracy_top5)}};
  json["reached"] = reached_json(run);
}

/// The headings of settings, as help has them.
std::map<std::string, std::string> setting_groups() {
  TrainConfig config;
  std::map<std::string, std::string> groups;
  for (const OptionGroup& group : config_options(config))
    for (const Option& option : group.options) groups.emplace(option.name, group.title);
  return groups;
}

Json settings_json(const RunHistory& run) {
  static const std::map<std::string, std::string> groups = setting_groups();
  Json settings = Json::array();
  for (const RunSetting& setting : run.settings()) {
    const auto group = groups.find(setting.key);
    settings.push_back({{"group", group == groups.end() ? "Others" : group->second},
                        {"name", printable(setting.key)},
                        {"value", printable(setting.text)}});
  }
  return settings;
}

Json machine_json(const RunHistory& run) {
  Json rows = Json::array();
  if (run.sessions().empty()) return rows;
  const SessionRecord& last = run.sessions().back().start;
  const auto add = [&](const char* name, const std::string& value) {
    if (!value.empty()) rows.push_back({{"name", name}, {"value", printable(value)}});
  };
  add("Processor", last.cpu);
  add("Threads",
      last.ranks > 1 ? fmt::format("{} ranks of {}", last.ranks, last.threads) : fmt::format("{}", last.threads));
  add("Instructions", last.instruction_set);
  add("Precision", last.precision);
  add("Plan", last.plan);
  add("oneDNN", last.onednn);
  add("convmixer", last.version);
  return rows;
}

/// Model and size, of settings that this release reads; nothing otherwise.
void add_model(Json& json, const RunHistory& run) {
  try {
    const TrainConfig config = read_config(run.folder().config());
    constexpr int kColours = 3;
    const auto classes = static_cast<int>(std::min<std::size_t>(std::max<std::size_t>(run.classes().size(), 2), 10000));
    const ModelConfig model = model_config(config, kColours, classes);
    json["model"] = describe_with_task(model);
    json["parameters"] = parameter_count(make_graph(model));
  } catch (const Error&) {
    json["model"] = printable(run.setting("model"));
  }
}

}  // namespace

Json run_summary_json(const RunHistory& run, const std::string& id) {
  Json json{{"id", id}, {"name", printable(run.name())}, {"folder", printable(run.folder().path.native())}};
  Json tags = Json::array();
  for (const std::string& tag : run.tags()) tags.push_back(printable(tag));
  if (!tags.empty()) json["tags"] = tags;
  if (!run.note().empty()) json["note"] = printable(run.note());
  if (!run.sessions().empty()) json["started"] = utc_time(run.sessions().front().start.unix_seconds);
  if (!run.settings().empty()) add_model(json, run);
  Json classes = Json::array();
  for (const RecordedClass& one : run.classes()) classes.push_back(printable(one.name));
  if (!classes.empty()) json["classes"] = classes;
  json["evaluated_on"] = run.epoch_images();
  json["settings"] = settings_json(run);
  json["machine"] = machine_json(run);
  add_present(json, run);
  return json;
}

Json run_json(const RunHistory& run, const std::string& id) {
  Json json = run_summary_json(run, id);
  json["steps"] = steps_json(run, 0);
  json["epochs"] = epochs_json(run, 0);
  json["log"] = run_log(run);
  return json;
}

Json increment_json(const RunHistory& run, const std::string& id, const RunRows& told) {
  Json json{{"id", id}};
  if (run.steps().rows() > told.steps) json["steps"] = steps_json(run, told.steps);
  const bool has_epochs = run.epochs().rows() > told.epochs;
  if (has_epochs) json["epochs"] = epochs_json(run, told.epochs);
  // How it ended has no epoch after it; how it began, or went on, may have been told before the epochs that follow.
  const bool began_since = told.epochs == 0 || (!run.sessions().empty() && run.sessions().back().start.epoch >=
                                                                               static_cast<std::int64_t>(told.epochs));
  if (run.state() != RunState::running || (has_epochs && began_since))
    json["whole_log"] = run_log(run);
  else if (has_epochs)
    json["log"] = run_log(run, told.epochs);
  add_present(json, run);
  if (!json.contains("test")) json["test"] = nullptr;  // that of weights which are the best no more goes
  return json;
}

Json document_json(std::vector<Json> runs) {
  std::map<std::string, int> names;
  for (const Json& run : runs) ++names[run["name"]];
  for (Json& run : runs)
    if (names[run["name"]] > 1) run["name"] = run["folder"];
  const double now = std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
  return {{"format", "convmixer-runs"},
          {"version", 1},
          {"made_by", "convmixer " CONVMIXER_VERSION},
          {"made_at", utc_time(now)},
          {"thresholds", thresholds()},
          {"runs", std::move(runs)}};
}

}  // namespace convmixer::tool
