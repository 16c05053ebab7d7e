/// The folder of one training run: its files, and the lock that keeps a second process out.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace convmixer {

/// Where a run's files are.
struct RunFolder {
  std::filesystem::path path;

  [[nodiscard]] std::filesystem::path config() const { return path / "config.ini"; }
  [[nodiscard]] std::filesystem::path metrics() const { return path / "metrics.jsonl"; }
  /// Its classes, how many images they have, and fingerprints of both splits, for people and other programs.
  [[nodiscard]] std::filesystem::path data() const { return path / "data.json"; }
  [[nodiscard]] std::filesystem::path best() const { return path / "best.safetensors"; }
  [[nodiscard]] std::filesystem::path last() const { return path / "last.safetensors"; }
  /// What a run goes on from. The other files follow from it (trainer.hpp).
  [[nodiscard]] std::filesystem::path state() const { return path / "last.state.safetensors"; }

  /// Locked by who writes into the folder: RunFolderLock.
  [[nodiscard]] std::filesystem::path lock() const { return path / ".lock"; }

  [[nodiscard]] bool holds_state() const;
};

/// What is wanted of a run folder.
enum class FolderUse {
  write,
  look,  ///< only to see whether it could be written to: nothing is made
};

/// The right to write into a run folder, held until destruction or the end of the process, however it ends. Where the
/// folder's file system has no locks, nothing keeps a second process out, and `missing` says so.
class RunFolderLock {
 public:
  /// Makes the folder if need be; where nothing is put into it, it goes with the lock. Throws Error naming it when
  /// another process holds the right, and when it can't be made or written to; so it does when it is only to be looked
  /// at, and then holds nothing.
  explicit RunFolderLock(const RunFolder& folder, FolderUse use = FolderUse::write);
  ~RunFolderLock();
  /// Why there is no lock; empty if there is one.
  [[nodiscard]] const std::string& missing() const noexcept { return missing_; }
  RunFolderLock(const RunFolderLock&) = delete;
  RunFolderLock& operator=(const RunFolderLock&) = delete;

 private:
  /// False where it is only to be looked at, and there is none.
  bool open(bool look);
  void lock();
  void take_away_what_was_made() noexcept;
  [[nodiscard]] bool holds_nothing_else() const;

  RunFolder folder_;
  std::vector<std::filesystem::path> made_;  ///< folders, the lowest first
  bool has_made_file_ = false;
  int descriptor_ = -1;
  std::string missing_;
};

/// Whether a process holds the right to write into a run folder, found out without taking it for a moment: a training
/// that starts meanwhile isn't kept out. Nothing where it can't be told. One of a release that has no run_history.hpp
/// is not seen.
[[nodiscard]] std::optional<bool> is_locked(const RunFolder& folder);

/// Removes what a killed process left of files that it was writing, known by their names; whatever else is in the
/// folder is somebody's. Only for who holds the lock.
void remove_unfinished_files(const RunFolder& folder);

/// Renames a folder to the first free of path.1, path.2, ... and returns the new path. Throws Error when that fails.
std::filesystem::path move_aside(const RunFolder& folder);

}  // namespace convmixer
