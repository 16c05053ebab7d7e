#include "watch/run_watch.hpp"

#include "convmixer/core/error.hpp"
#include "convmixer/core/printable.hpp"
#include "convmixer/train/find_runs.hpp"
#include "convmixer/train/run_evaluation.hpp"
#include "watch/run_id.hpp"
#include "watch/time_left.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <system_error>
#include <utility>

namespace convmixer::tool {
namespace {

namespace fs = std::filesystem;

struct FileStamp {
  std::uintmax_t bytes = 0;
  fs::file_time_type written = fs::file_time_type::min();

  bool operator==(const FileStamp&) const = default;
  [[nodiscard]] bool is_there() const { return written != fs::file_time_type::min(); }
};

FileStamp stamp_of(const fs::path& file) {
  FileStamp stamp;
  std::error_code none;
  stamp.bytes = fs::file_size(file, none);
  if (none) return {};
  stamp.written = fs::last_write_time(file, none);
  return none ? FileStamp{} : stamp;
}

/// Of a run's files: where it is the same, nothing has come to the run.
struct FolderStamp {
  FileStamp metrics;
  FileStamp config;
  FileStamp data;
  FileStamp best;
  FileStamp last;
  FileStamp evaluation;
  std::optional<bool> locked{};

  bool operator==(const FolderStamp&) const = default;

  [[nodiscard]] fs::file_time_type last_written() const {
    return std::max({metrics.written, config.written, data.written, best.written, last.written, evaluation.written});
  }
};

FolderStamp stamp_of(const RunFolder& folder) {
  return {.metrics = stamp_of(folder.metrics()),
          .config = stamp_of(folder.config()),
          .data = stamp_of(folder.data()),
          .best = stamp_of(folder.best()),
          .last = stamp_of(folder.last()),
          .evaluation = stamp_of(evaluation_file(folder)),
          .locked = is_locked(folder)};
}

/// Of what figures are drawn from; empty without weights.
std::string figures_text(const FolderStamp& stamp) {
  const FileStamp& weights = stamp.best.is_there() ? stamp.best : stamp.last;
  if (!weights.is_there()) return {};
  const auto number = [](const FileStamp& file) { return file.written.time_since_epoch().count(); };
  return fmt::format("{}.{}.{}.{}", weights.bytes, number(weights), stamp.evaluation.bytes, number(stamp.evaluation));
}

std::size_t numbers_in(const RunHistory& history) {
  return history.steps().rows() * history.steps().columns().size() +
         history.epochs().rows() * history.epochs().columns().size();
}

/// Only what a list shows: the rest comes with the curves.
void shorten(Json& json) {
  for (const char* key : {"settings", "machine", "classes"}) json.erase(key);
  for (Json& corners : json["clock"])
    if (corners.size() > 1) corners = Json::array({corners.back()});
}

/// The next whole number of a text, and the dot after it; false if it hasn't one.
bool take_number(std::string_view& text, std::uint64_t& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end == text.data() + text.size() || *end != '.') return false;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()) + 1);
  return true;
}

}  // namespace

std::string Told::text(const RunRows& rows, std::uint64_t reading) {
  return fmt::format("{}.{}.{}", rows.steps, rows.epochs, reading);
}

std::optional<Told> Told::parse(const std::string& text) {
  Told told;
  std::string_view rest = text;
  std::uint64_t steps = 0;
  std::uint64_t epochs = 0;
  if (!take_number(rest, steps) || !take_number(rest, epochs) || !take_number(rest, told.reading)) return std::nullopt;
  told.rows = {.steps = steps, .epochs = epochs};
  told.id = rest;
  return told;
}

struct RunWatch::Run {
  std::string id;
  RunFolder folder;
  FolderStamp stamp{};
  std::optional<RunHistory> history{};
  std::string problem{};  ///< why it can't be read
  std::uint64_t reading = 0;
  std::uint64_t changed = 0;
  std::uint64_t used = 0;
  RunState state = RunState::stopped;
  Json summary{};
};

RunWatch::RunWatch(fs::path folder, RunWatchOptions options) : folder_(std::move(folder)), options_(options) {}

RunWatch::~RunWatch() = default;

fs::path RunWatch::place_of(const fs::path& folder) const { return folder.lexically_relative(folder_); }

void RunWatch::search() {
  const auto now = std::chrono::steady_clock::now();
  if (next_search_ && now < *next_search_) return;
  std::error_code none;
  std::vector<fs::path> folders;
  if (fs::is_directory(folder_, none)) folders = find_runs(folder_, options_.depth);
  if (folders.size() > options_.most_runs) {
    std::ranges::sort(folders, std::greater(),
                      [](const fs::path& one) { return stamp_of(RunFolder{one}).last_written(); });
    folders.resize(options_.most_runs);
  }
  std::map<std::string, std::unique_ptr<Run>> found;
  bool is_other = false;
  for (const fs::path& folder : folders) {
    const std::string id = run_id(place_of(folder));
    const auto before = runs_.find(id);
    is_other |= before == runs_.end();
    found[id] =
        before != runs_.end() ? std::move(before->second) : std::make_unique<Run>(Run{.id = id, .folder = {folder}});
  }
  if (is_other || found.size() != runs_.size()) list_changed_ = ++changes_;
  runs_ = std::move(found);
  const auto took = std::chrono::steady_clock::now() - now;
  constexpr int kRest = 20;  // a twentieth of the time at most goes into searches
  const auto pause = std::chrono::duration<double>(options_.seconds_between_searches);
  if (pause.count() > 0)
    next_search_ = now + std::max(std::chrono::duration_cast<std::chrono::nanoseconds>(pause), kRest * took);
}

void RunWatch::read(Run& run) {
  run.used = ++uses_;
  try {
    const bool anew = !run.history || run.history->read_more() == HistoryChange::anew;
    if (!run.history) run.history.emplace(run.folder.path);
    if (anew) run.reading = ++readings_;
    run.problem = run.history->problem();
    run.state = run.history->state();
  } catch (const Error& error) {
    run.history.reset();
    run.problem = error.what();
    run.state = RunState::stopped;
  }
}

void RunWatch::look_at(Run& run) {
  FolderStamp stamp = stamp_of(run.folder);
  if (run.changed != 0 && stamp == run.stamp) return;
  run.stamp = stamp;
  read(run);
  run.changed = ++changes_;
  run.summary = make_summary(run);
}

void RunWatch::refresh() {
  search();
  for (auto& [id, run] : runs_) look_at(*run);
  forget();
}

void RunWatch::forget() {
  std::size_t numbers = 0;
  std::vector<Run*> kept;
  for (auto& [id, run] : runs_)
    if (run->history) {
      numbers += numbers_in(*run->history);
      kept.push_back(run.get());
    }
  if (numbers <= options_.most_numbers) return;
  std::ranges::sort(kept, {}, &Run::used);
  for (Run* run : kept) {
    if (numbers <= options_.most_numbers) break;
    numbers -= numbers_in(*run->history);
    run->history.reset();
  }
}

std::string RunWatch::name_of(const Run& run) const {
  const fs::path below = place_of(run.folder.path);
  const std::string place = below == "." ? fs::weakly_canonical(folder_).filename().string() : below.string();
  if (!run.history) return printable(place);
  const std::string_view given = run.history->setting("name");
  if (given.empty()) return printable(place);
  const bool is_taken = std::ranges::any_of(runs_, [&](const auto& other) {
    return other.second->history && other.second.get() != &run && other.second->history->setting("name") == given;
  });
  return printable(is_taken ? fmt::format("{} ({})", given, place) : std::string(given));
}

void RunWatch::add_rest(Json& json, const Run& run) const {
  json["name"] = name_of(run);
  json["told"] =
      Told::text({.steps = run.history->steps().rows(), .epochs = run.history->epochs().rows()}, run.reading);
  if (const auto last = run.history->last()) json["last"] = {{"epoch", last->epoch}, {"accuracy", last->accuracy}};
  if (const std::optional<double> seconds = seconds_left(*run.history)) json["progress"]["seconds_left"] = *seconds;
  if (const std::string figures = figures_text(run.stamp); !figures.empty()) json["figures_of"] = figures;
  if (run.problem.empty()) return;
  const std::string note = json.value("note", std::string());
  json["note"] = note + (note.empty() ? "" : "; ") + printable(run.problem);
}

Json RunWatch::make_summary(const Run& run) const {
  if (!run.history)
    return {{"id", run.id},
            {"name", name_of(run)},
            {"folder", printable(run.folder.path.native())},
            {"note", printable(run.problem)}};
  Json json = run_summary_json(*run.history, run.id);
  shorten(json);
  add_rest(json, run);
  return json;
}

std::vector<std::string> RunWatch::ids() const {
  std::vector<const Run*> all;
  for (const auto& [id, run] : runs_) all.push_back(run.get());
  std::ranges::stable_sort(all, std::greater(), [](const Run* run) {
    return std::pair(run->state == RunState::running, run->stamp.last_written());
  });
  std::vector<std::string> ids;
  for (const Run* run : all) ids.push_back(run->id);
  return ids;
}

bool RunWatch::is_running(const std::string& id) const {
  const auto found = runs_.find(id);
  return found != runs_.end() && found->second->state == RunState::running;
}

std::optional<RunFolder> RunWatch::folder_of(const std::string& id) const {
  const auto found = runs_.find(id);
  return found == runs_.end() ? std::nullopt : std::optional(found->second->folder);
}

Json RunWatch::summary(const std::string& id) const {
  const auto found = runs_.find(id);
  return found == runs_.end() ? Json() : found->second->summary;
}

std::vector<std::string> RunWatch::changed_since(std::uint64_t changes) const {
  std::vector<std::string> ids;
  for (const auto& [id, run] : runs_)
    if (run->changed > changes) ids.push_back(id);
  return ids;
}

std::optional<Json> RunWatch::whole(const std::string& id) {
  const auto found = runs_.find(id);
  if (found == runs_.end()) return std::nullopt;
  Run& run = *found->second;
  read(run);
  if (!run.history) return std::nullopt;
  Json json = run_json(*run.history, id);
  add_rest(json, run);
  return json;
}

RunWatch::News RunWatch::news(const Told& told) {
  const auto found = runs_.find(told.id);
  if (found == runs_.end()) return {};
  Run& run = *found->second;
  if (!run.history) read(run);
  if (!run.history) return {};
  run.used = ++uses_;
  if (run.reading != told.reading || run.history->steps().rows() < told.rows.steps ||
      run.history->epochs().rows() < told.rows.epochs)
    return {.whole = whole(told.id)};
  Json json = increment_json(*run.history, told.id, told.rows);
  add_rest(json, run);
  return {.increment = std::move(json)};
}

}  // namespace convmixer::tool
