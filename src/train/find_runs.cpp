#include "convmixer/train/find_runs.hpp"

#include "convmixer/core/error.hpp"
#include "convmixer/train/run_evaluation.hpp"
#include "train/event_files.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <system_error>

namespace convmixer {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMostFolders = 100'000;

/// Looks through folders, each counted.
class RunSearch {
 public:
  explicit RunSearch(fs::path top) : top_(std::move(top)) {}

  void look(const fs::path& folder, int depth) {
    if (++folders_ > kMostFolders)
      fail("{}: more than {} folders are below it: expected a folder of runs", top_.string(), kMostFolders);
    if (holds_run({folder})) {
      found_.push_back(folder);
      return;
    }
    if (depth == 0) return;
    std::error_code error;
    fs::directory_iterator entry(folder, fs::directory_options::skip_permission_denied, error);
    for (; !error && entry != fs::directory_iterator(); entry.increment(error)) {
      std::error_code unknown;
      const bool is_folder = entry->symlink_status(unknown).type() == fs::file_type::directory;
      if (is_folder && !entry->path().filename().native().starts_with('.')) look(entry->path(), depth - 1);
    }
  }

  [[nodiscard]] std::vector<fs::path> found() && {
    std::ranges::sort(found_);
    return std::move(found_);
  }

 private:
  fs::path top_;
  std::size_t folders_ = 0;
  std::vector<fs::path> found_;
};

}  // namespace

bool holds_run(const RunFolder& folder) {
  std::error_code ignored;
  return fs::is_regular_file(folder.config(), ignored) &&
         (fs::is_regular_file(folder.metrics(), ignored) || folder.holds_state());
}

bool is_name_in_run(const fs::path& name) {
  const RunFolder here;
  const std::array names{here.config(), here.metrics(), here.data(), here.best(),
                         here.last(),   here.state(),   here.lock(), evaluation_file(here)};
  return std::ranges::find(names, name) != names.end() || is_event_file_name(name.string());
}

bool holds_files_of_run(const RunFolder& folder) {
  std::error_code error;
  fs::directory_iterator entry(folder.path, error);
  for (; !error && entry != fs::directory_iterator(); entry.increment(error)) {
    const fs::path name = entry->path().filename();
    if (is_name_in_run(name) && name != folder.lock().filename()) return true;
  }
  return false;
}

bool is_file_of_run(const fs::path& file) {
  std::error_code ignored;
  const RunFolder folder{file.parent_path()};
  return is_name_in_run(file.filename()) && fs::exists(file, ignored) && fs::exists(folder.config(), ignored) &&
         (holds_run(folder) || fs::exists(folder.best(), ignored));
}

std::vector<fs::path> find_runs(const fs::path& folder, int depth) {
  std::error_code error;
  if (!fs::is_directory(folder, error)) {
    fail("{}: {}: expected a folder of runs", folder.string(),
         error && error != std::errc::no_such_file_or_directory ? error.message()
         : fs::exists(folder, error)                            ? "a file"
                                                                : "no such folder");
  }
  RunSearch search(folder);
  search.look(folder, depth);
  return std::move(search).found();
}

}  // namespace convmixer
