#include "convmixer/train/run_history.hpp"

#include "convmixer/core/error.hpp"
#include "convmixer/train/option_parser.hpp"
#include "train/growing_file.hpp"
#include "train/record_line.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <system_error>
#include <utility>

namespace convmixer {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kMostConfigBytes = 1 << 20;
constexpr std::int64_t kMostDataBytes = 1 << 24;

std::vector<RunSetting> read_settings(const fs::path& file) {
  std::vector<RunSetting> settings;
  for (Assignment& line : parse_ini_text(read_small_file(file, kMostConfigBytes), file.string()))
    settings.push_back({std::move(line.key), std::move(line.value)});
  return settings;
}

/// What isn't as it should be is left out: people look at data.json, no training reads it.
std::vector<RecordedClass> read_classes(const fs::path& file) {
  std::vector<RecordedClass> classes;
  const auto content = nlohmann::json::parse(read_small_file(file, kMostDataBytes), nullptr, false);
  const auto list = content.is_object() ? content.find("classes") : content.end();
  if (!content.is_object() || list == content.end() || !list->is_array()) return classes;
  for (const auto& item : *list) {
    RecordedClass& one = classes.emplace_back();
    if (!item.is_object()) continue;
    if (const auto name = item.find("name"); name != item.end() && name->is_string()) one.name = *name;
    const auto read = [&](const char* key, std::int64_t& count) {
      if (const auto found = item.find(key); found != item.end() && found->is_number_integer()) count = *found;
    };
    read("train_images", one.train_images);
    read("test_images", one.test_images);
    read("holdout_images", one.holdout_images);
  }
  return classes;
}

/// A number of a setting; 0 if it is none.
double number_in(std::string_view text) {
  double number = 0.0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return std::isfinite(number) ? number : 0.0;
}

/// Finite, or 0.
double finite(double number) { return std::isfinite(number) ? number : 0.0; }

double in_seconds(const std::optional<FileStamp>& stamp) {
  return stamp ? static_cast<double>(stamp->modified) / 1e9 : 0.0;
}

/// A file that is read as a whole whenever it has become another.
template <typename Value>
struct WatchedFile {
  std::optional<FileStamp> stamp{};
  Value value{};

  template <typename Read>
  bool update(const fs::path& file, const Read& read) {
    const std::optional<FileStamp> now = stamp_of(file);
    if (now == stamp) return false;
    value = now ? read(file) : Value{};
    stamp = now;
    return true;
  }
};

}  // namespace

std::string to_string(RunState state) {
  switch (state) {
    case RunState::running:
      return "running";
    case RunState::stopped:
      return "stopped";
    case RunState::finished:
      return "finished";
    case RunState::failed:
      return "failed";
    case RunState::died:
      return "died";
  }
  return {};
}

struct RunHistory::Content {
  explicit Content(fs::path path) : folder{std::move(path)}, metrics(folder.metrics()) {}

  void clear_records();
  void add(std::string_view line, std::int64_t number);
  [[nodiscard]] std::string_view setting(std::string_view key) const noexcept;
  [[nodiscard]] bool has_holdout() const noexcept;
  [[nodiscard]] std::optional<EpochAccuracy> accuracy_of(std::size_t row) const;
  [[nodiscard]] std::optional<EpochAccuracy> best() const;
  [[nodiscard]] std::optional<TestRecord> test_of_best() const;
  [[nodiscard]] bool has_ended() const;

  RunFolder folder;
  WatchedFile<std::vector<RunSetting>> config;
  WatchedFile<std::vector<RecordedClass>> data;
  GrowingFile metrics;
  double metrics_modified = 0.0;
  RecordTable steps;
  RecordTable epochs;
  std::optional<TestRecord> test;
  std::vector<RunSession> sessions;
  std::optional<bool> locked = false;
  std::int64_t first_broken = 0;  ///< line; 0: none
  std::int64_t broken = 0;
  std::int64_t schema = 0;  ///< the highest of those that sessions say they write
};

void RunHistory::Content::clear_records() {
  steps.clear();
  epochs.clear();
  test.reset();
  sessions.clear();
  first_broken = 0;
  broken = 0;
  schema = 0;
}

void RunHistory::Content::add(std::string_view line, std::int64_t number) {
  std::optional<RecordLine> record = parse_record(line);
  if (!record) {
    if (broken++ == 0) first_broken = number;
  } else if (record->type == "step") {
    steps.append(std::move(record->fields));
  } else if (record->type == "epoch") {
    epochs.append(std::move(record->fields));
  } else if (record->type == "test") {
    test = test_record(*record);
  } else if (record->type == "session") {
    sessions.push_back({session_record(*record)});
    schema = std::max(schema, record->whole("schema"));
  } else if (record->type == "end" && !sessions.empty()) {
    sessions.back().end = end_record(*record);
  }
}

std::string_view RunHistory::Content::setting(std::string_view key) const noexcept {
  const auto found = std::ranges::find(config.value, key, &RunSetting::key);
  return found == config.value.end() ? std::string_view() : found->text;
}

bool RunHistory::Content::has_holdout() const noexcept {
  if (epochs.find("holdout_accuracy") != nullptr || epochs.find("best_holdout_accuracy") != nullptr) return true;
  return number_in(setting("holdout")) > 0.0;
}

std::optional<EpochAccuracy> RunHistory::Content::accuracy_of(std::size_t row) const {
  const bool holdout = has_holdout();
  const double averaged = epochs.number(holdout ? "ema_holdout_accuracy" : "ema_test_accuracy", row);
  const double raw = epochs.number(holdout ? "holdout_accuracy" : "test_accuracy", row);
  const double accuracy = std::isfinite(averaged) ? averaged : raw;
  if (!std::isfinite(accuracy)) return std::nullopt;
  return EpochAccuracy{static_cast<std::int64_t>(finite(epochs.number("epoch", row))), accuracy};
}

std::optional<EpochAccuracy> RunHistory::Content::best() const {
  std::optional<EpochAccuracy> best;
  for (std::size_t row = 0; row < epochs.rows(); ++row) {
    const auto accuracy = accuracy_of(row);
    if (accuracy && (!best || accuracy->accuracy > best->accuracy)) best = accuracy;
  }
  // The weights that it began with may have been better than any epoch's: the first record tells.
  if (epochs.rows() == 0 || epochs.number("epoch", 0) != 1.0) return best;
  const double with_them = epochs.number(has_holdout() ? "best_holdout_accuracy" : "best_test_accuracy", 0);
  const auto first = accuracy_of(0);
  const bool were_evaluated = std::isfinite(with_them) && (!first || with_them > first->accuracy);
  if (were_evaluated && (!best || with_them >= best->accuracy)) best = EpochAccuracy{0, with_them};
  return best;
}

/// A run that trains on may have found better weights since.
std::optional<TestRecord> RunHistory::Content::test_of_best() const {
  const auto best_epoch = best();
  return test && best_epoch && test->epoch != best_epoch->epoch ? std::nullopt : test;
}

/// As reached_end() of train_end.hpp, by what the folder tells without its state. A run of a release that didn't record
/// its sessions evaluated the test set only when it had ended for good.
bool RunHistory::Content::has_ended() const {
  if (test && sessions.empty()) return true;
  if (has_holdout() && !test_of_best()) return false;
  const double done = epochs.rows() == 0 ? 0.0 : epochs.number("epoch", epochs.rows() - 1);
  const double planned = number_in(setting("epochs")) + number_in(setting("cooldown-epochs"));
  if (planned > 0.0 && done >= planned) return true;
  const auto best_epoch = best();
  if (!best_epoch) return false;
  const double until = number_in(setting("until-accuracy"));
  if (until > 0.0 && best_epoch->accuracy >= until) return true;
  const double patience = number_in(setting("patience"));
  return patience > 0.0 && done - static_cast<double>(best_epoch->epoch) >= patience &&
         accuracy_of(epochs.rows() - 1).has_value();
}

RunHistory::RunHistory(const fs::path& folder) : content_(std::make_unique<Content>(folder)) {
  std::error_code error;
  if (!fs::is_directory(folder, error)) fail("{}: no such folder: expected that of a run", folder.string());
  (void)read_more();
  if (!content_->config.stamp && content_->metrics_modified == 0.0)
    fail("{}: holds no run: expected config.ini and metrics.jsonl", folder.string());
}

RunHistory::~RunHistory() = default;
RunHistory::RunHistory(RunHistory&&) noexcept = default;
RunHistory& RunHistory::operator=(RunHistory&&) noexcept = default;

HistoryChange RunHistory::read_more() {
  Content& c = *content_;
  bool changed = c.config.update(c.folder.config(), read_settings);
  changed = c.data.update(c.folder.data(), read_classes) || changed;
  changed = std::exchange(c.locked, is_locked(c.folder)) != c.locked || changed;
  const GrowingFile::Change change =
      c.metrics.read([&] { c.clear_records(); }, [&](std::string_view line, auto number) { c.add(line, number); });
  c.metrics_modified = in_seconds(c.metrics.stamp());
  if (change == GrowingFile::Change::anew) return HistoryChange::anew;
  return changed || change == GrowingFile::Change::grown ? HistoryChange::grown : HistoryChange::none;
}

const RunFolder& RunHistory::folder() const noexcept { return content_->folder; }

const std::vector<RunSetting>& RunHistory::settings() const noexcept { return content_->config.value; }

std::string_view RunHistory::setting(std::string_view key) const noexcept { return content_->setting(key); }

std::string RunHistory::name() const {
  if (const std::string_view name = setting("name"); !name.empty()) return std::string(name);
  std::error_code ignored;
  const fs::path whole = (fs::absolute(content_->folder.path, ignored) / "").lexically_normal().parent_path();
  return whole.filename().string();
}

std::vector<std::string> RunHistory::tags() const {
  std::vector<std::string> tags;
  std::string_view rest = setting("tag");
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find(','), rest.size());
    if (end > 0) tags.emplace_back(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return tags;
}

std::string_view RunHistory::note() const noexcept { return setting("note"); }

const std::vector<RecordedClass>& RunHistory::classes() const noexcept { return content_->data.value; }

const RecordTable& RunHistory::steps() const noexcept { return content_->steps; }

const RecordTable& RunHistory::epochs() const noexcept { return content_->epochs; }

std::optional<TestRecord> RunHistory::test() const { return content_->test_of_best(); }

const std::vector<RunSession>& RunHistory::sessions() const noexcept { return content_->sessions; }

std::string_view RunHistory::epoch_images() const noexcept { return content_->has_holdout() ? "holdout" : "test"; }

std::optional<EpochAccuracy> RunHistory::best() const { return content_->best(); }

std::optional<EpochAccuracy> RunHistory::last() const {
  for (std::size_t row = epochs().rows(); row-- > 0;)
    if (const auto accuracy = content_->accuracy_of(row)) return accuracy;
  return std::nullopt;
}

std::int64_t RunHistory::epochs_done() const noexcept {
  return epochs().rows() == 0 ? 0 : static_cast<std::int64_t>(finite(epochs().number("epoch", epochs().rows() - 1)));
}

std::int64_t RunHistory::epochs_planned() const noexcept {
  constexpr double kMost = 1e9;
  return static_cast<std::int64_t>(
      std::clamp(number_in(setting("epochs")) + number_in(setting("cooldown-epochs")), 0.0, kMost));
}

double RunHistory::seconds() const noexcept {
  double seconds = 0.0;
  for (const RecordTable* table : {&epochs(), &steps()})
    if (table->rows() > 0) seconds = std::max(seconds, finite(table->number("total_s", table->rows() - 1)));
  for (const RunSession& session : sessions())
    if (session.end) seconds = std::max(seconds, session.end->total_seconds);
  return seconds;
}

RunState RunHistory::state() const {
  const Content& c = *content_;
  if (c.locked == true) return RunState::running;
  const std::optional<EndRecord> end = c.sessions.empty() ? std::nullopt : c.sessions.back().end;
  if (end && end->end == kEndedByError) return RunState::failed;  // also where all its records are there
  if (c.has_ended()) return RunState::finished;
  if (c.sessions.empty()) return RunState::stopped;
  if (!end) return c.locked ? RunState::died : RunState::running;  // where nothing can be locked, it may still run
  const bool for_good = end->end != "signal" && end->end != "time_limit";
  return for_good ? RunState::finished : RunState::stopped;
}

std::string_view RunHistory::error() const {
  if (state() != RunState::failed) return {};
  return content_->sessions.back().end->error;
}

double RunHistory::modified() const noexcept {
  return std::max({content_->metrics_modified, in_seconds(content_->config.stamp), in_seconds(content_->data.stamp)});
}

std::string RunHistory::problem() const {
  const Content& c = *content_;
  if (c.schema > kMetricsSchema) {
    return fmt::format(
        "{}: written by a later release: schema {}, expected {} at most: its records may mean other things",
        c.folder.metrics().string(), c.schema, kMetricsSchema);
  }
  if (c.broken == 0) return {};
  return fmt::format("{}:{}: no record: expected a JSON object with its type, epoch and step{}",
                     c.folder.metrics().string(), c.first_broken,
                     c.broken == 1 ? "" : fmt::format(" (and {} more such lines)", c.broken - 1));
}

}  // namespace convmixer
