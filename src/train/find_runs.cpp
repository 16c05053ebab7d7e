#include "convmixer/train/find_runs.hpp"

#include "convmixer/core/error.hpp"

#include <algorithm>
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
