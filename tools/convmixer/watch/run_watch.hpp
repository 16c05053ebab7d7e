/// The runs below a folder as a page shows them, kept up to date whenever somebody asks.
#pragma once

#include "convmixer/train/run_history.hpp"
#include "run_page/run_document.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace convmixer::tool {

struct RunWatchOptions {
  int depth = 6;                       ///< levels below the folder in which runs are looked for
  std::size_t most_runs = 1000;        ///< the last written to, if there are more
  std::size_t most_numbers = 8 << 20;  ///< of records kept in memory; runs that nobody looked at lately are read again
  double seconds_between_searches = 1.0;  ///< for new runs; more where that takes long; 0: always
};

/// What of a run a page has been told; it comes back with its next question.
struct Told {
  std::string id;
  RunRows rows;
  std::uint64_t reading = 0;  ///< since when the run is read without having gone back to an earlier position

  /// "steps.epochs.reading"
  [[nodiscard]] static std::string text(const RunRows& rows, std::uint64_t reading);
  /// "steps.epochs.reading.id"; nothing for what isn't that.
  [[nodiscard]] static std::optional<Told> parse(const std::string& text);
};

class RunWatch {
 public:
  /// Nothing is read yet. A folder that isn't there has no runs so far.
  explicit RunWatch(std::filesystem::path folder, RunWatchOptions options = {});
  ~RunWatch();
  RunWatch(const RunWatch&) = delete;
  RunWatch& operator=(const RunWatch&) = delete;

  /// Looks at the disk. Throws Error where there is far too much to look through.
  void refresh();

  [[nodiscard]] const std::filesystem::path& folder() const noexcept { return folder_; }
  /// Counts changes: what changed after a page's number is what the page doesn't know.
  [[nodiscard]] std::uint64_t changes() const noexcept { return changes_; }
  /// The ids (run_id.hpp) of all runs, the last written to first: those that are being trained come before all others.
  [[nodiscard]] std::vector<std::string> ids() const;
  /// Those that were found or lost after that many changes.
  [[nodiscard]] bool has_other_runs_since(std::uint64_t changes) const noexcept { return list_changed_ > changes; }
  [[nodiscard]] bool is_running(const std::string& id) const;
  [[nodiscard]] bool has(const std::string& id) const { return runs_.contains(id); }
  [[nodiscard]] std::optional<RunFolder> folder_of(const std::string& id) const;

  /// A run without its curves (document.md), with its last accuracy, what its figures would be of, and while it is
  /// trained the time left.
  [[nodiscard]] Json summary(const std::string& id) const;
  /// The ids of runs that changed after that many changes.
  [[nodiscard]] std::vector<std::string> changed_since(std::uint64_t changes) const;
  /// A run with its curves; nothing if there is no such run, or it can't be read.
  [[nodiscard]] std::optional<Json> whole(const std::string& id);
  /// What came to a run since: an increment; the whole run where it isn't what the page was told of.
  struct News {
    std::optional<Json> increment{};
    std::optional<Json> whole{};
  };
  [[nodiscard]] News news(const Told& told);

 private:
  struct Run;

  void search();
  void look_at(Run& run);
  /// Reads a run, or what came to it; a problem becomes its note.
  void read(Run& run);
  [[nodiscard]] Json make_summary(const Run& run) const;
  void add_rest(Json& json, const Run& run) const;
  /// Of a run's folder, below the one that is watched; "." of that itself.
  [[nodiscard]] std::filesystem::path place_of(const std::filesystem::path& folder) const;
  [[nodiscard]] std::string name_of(const Run& run) const;
  /// Lets go of what was not asked for the longest.
  void forget();

  std::filesystem::path folder_;
  RunWatchOptions options_;
  std::map<std::string, std::unique_ptr<Run>> runs_;
  std::uint64_t changes_ = 0;
  std::uint64_t list_changed_ = 0;
  std::uint64_t readings_ = 0;
  std::uint64_t uses_ = 0;
  std::optional<std::chrono::steady_clock::time_point> next_search_;
};

}  // namespace convmixer::tool
