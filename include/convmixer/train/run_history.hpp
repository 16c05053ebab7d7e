/// What a run folder tells of its run: settings, classes, every record of metrics.jsonl, and whether it is being
/// trained. It is read while the training goes on, which isn't disturbed; README.md describes the records' fields.
#pragma once

#include "convmixer/train/metrics_file.hpp"
#include "convmixer/train/record_table.hpp"
#include "convmixer/train/run_folder.hpp"

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace convmixer {

/// A line of config.ini, as text.
struct RunSetting {
  std::string key;
  std::string text;

  bool operator==(const RunSetting&) const = default;
};

/// data.json's: the run's classes by label and their images. Held-out images are training images as well.
struct RecordedClass {
  std::string name;
  std::int64_t train_images = 0;
  std::int64_t test_images = 0;
  std::int64_t holdout_images = 0;
};

/// A start of the training, and its end unless it goes on or was cut short.
struct RunSession {
  SessionRecord start;
  std::optional<EndRecord> end{};
};

enum class RunState {
  running,   ///< a process is training into the folder
  stopped,   ///< goes on when started again
  finished,  ///< has ended for good
  failed,    ///< an error ended it, see error(); goes on when started again
  died,      ///< neither ended nor is there a process: killed, or the power was cut
};
/// "running", "stopped", "finished", "failed", "died".
[[nodiscard]] std::string to_string(RunState state);

/// How good the weights of an epoch are that are saved of it: averaged ones where there are any.
struct EpochAccuracy {
  std::int64_t epoch = 0;
  double accuracy = 0.0;  ///< 0..1
};

/// What became of a run's files since they were read before.
enum class HistoryChange {
  none,
  grown,  ///< rows were appended to the tables; or settings, classes or the state are others
  anew,   ///< the run went on from an earlier position: all tables were read again
};

class RunHistory {
 public:
  /// Reads all that there is. Throws Error naming folder or file when the folder holds no run, for config.ini that is
  /// none, and for files that are links out of the folder, no files at all or too large. What is wrong with lines of
  /// metrics.jsonl is a problem() instead; a last line that isn't complete yet is left out.
  explicit RunHistory(const std::filesystem::path& folder);
  ~RunHistory();
  RunHistory(RunHistory&&) noexcept;
  RunHistory& operator=(RunHistory&&) noexcept;

  /// Reads what has been appended since, and what has changed. Throws Error likewise.
  HistoryChange read_more();

  [[nodiscard]] const RunFolder& folder() const noexcept;

  /// Of config.ini, in its order; empty where there is none.
  [[nodiscard]] const std::vector<RunSetting>& settings() const noexcept;
  /// The text of a setting; empty if there is none.
  [[nodiscard]] std::string_view setting(std::string_view key) const noexcept;
  /// As it was called, or else the folder's name.
  [[nodiscard]] std::string name() const;
  [[nodiscard]] std::vector<std::string> tags() const;
  [[nodiscard]] std::string_view note() const noexcept;
  /// Of data.json; empty where there is none.
  [[nodiscard]] const std::vector<RecordedClass>& classes() const noexcept;

  /// Records by type, each row's fields but "type". Every record has an "epoch" and a "step"; a table without records
  /// has no columns, and one whose records have more fields than a table may have columns leaves out those that come
  /// later.
  [[nodiscard]] const RecordTable& steps() const noexcept;
  [[nodiscard]] const RecordTable& epochs() const noexcept;
  /// The test set at the end of a run with held-out images, if it came to that, by the weights that are the best now.
  [[nodiscard]] std::optional<TestRecord> test() const;
  /// The oldest first; empty for runs of releases that didn't record them.
  [[nodiscard]] const std::vector<RunSession>& sessions() const noexcept;

  /// What epochs are evaluated on: "holdout" or "test", with which the fields of that begin.
  [[nodiscard]] std::string_view epoch_images() const noexcept;
  [[nodiscard]] std::optional<EpochAccuracy> best() const;
  [[nodiscard]] std::optional<EpochAccuracy> last() const;
  [[nodiscard]] std::int64_t epochs_done() const noexcept;
  /// By its settings; 0 if they don't say.
  [[nodiscard]] std::int64_t epochs_planned() const noexcept;
  /// Of training and evaluation up to the last record, pauses left out.
  [[nodiscard]] double seconds() const noexcept;
  [[nodiscard]] RunState state() const;
  /// What ended its last session, of one that failed; empty for all others.
  [[nodiscard]] std::string_view error() const;
  /// When the folder's files were last written to, in seconds since 1970.
  [[nodiscard]] double modified() const noexcept;

  /// One line on a metrics.jsonl whose `schema` this release doesn't know yet (kMetricsSchema); else on its lines that
  /// are no records: "runs/a/metrics.jsonl:17: no record: expected a JSON object with its type, epoch and step (and 3
  /// more such lines)". Empty if there is neither.
  [[nodiscard]] std::string problem() const;

 private:
  struct Content;
  std::unique_ptr<Content> content_;
};

}  // namespace convmixer
