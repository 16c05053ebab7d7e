#include "data/sources/class_folders.hpp"

#include "convmixer/core/error.hpp"
#include "convmixer/data/sources/packed.hpp"
#include "core/ascii.hpp"
#include "core/path_kind.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <string_view>
#include <sys/stat.h>
#include <system_error>

namespace convmixer {

namespace {

namespace fs = std::filesystem;

constexpr std::array<std::string_view, 18> kImageEndings{
    ".png", ".jpg", ".jpeg", ".jpe",  ".jfif", ".ppm",  ".pgm",  ".pnm", ".gif",  // the first eight are read
    ".bmp", ".tif", ".tiff", ".webp", ".heic", ".heif", ".avif", ".jxl", ".jp2"};
constexpr std::array<std::string_view, 5> kFoldersOfSystems{"__MACOSX", "@eaDir", "lost+found", "$RECYCLE.BIN",
                                                            "System Volume Information"};
constexpr int kDeepestRuns = 16;

bool is_hidden(const fs::path& path) { return path.filename().string().starts_with('.'); }

enum class Content { images, runs, others };

/// Looks into folders, into each again only where it may go deeper than before: links may go in circles.
class ContentSearch {
 public:
  /// What there is most reason to name a folder after. Only until an image is found: that is usually the first entry.
  Content look(const fs::path& folder, int deepest) {
    if (is_run_folder(folder)) return Content::runs;
    const auto [before, is_new] = looked_at_.try_emplace(folder_id(folder), deepest);
    if (!is_new && before->second >= deepest) return Content::others;  // its runs were found, or will be
    before->second = deepest;
    bool runs = is_there(folder / ".lock");  // a run that ended before it wrote anything else
    std::error_code error;
    for (fs::directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error)) {
      const fs::path& path = entry->path();
      if (is_hidden(path)) continue;
      if (is_folder(path)) {
        const Content below = deepest > 0 ? look(path, deepest - 1) : Content::others;
        if (below == Content::images) return below;
        runs |= below == Content::runs;
      } else if (is_image_name(path)) {
        return Content::images;
      } else {
        runs |= path.extension() == ".safetensors" && looks_like_packed(path);
      }
    }
    return runs ? Content::runs : Content::others;
  }

 private:
  std::map<FolderId, int> looked_at_;  // how deep below each
};

Content content_of(const fs::path& folder, int deepest) { return ContentSearch().look(folder, deepest); }

bool is_class_folder(const fs::path& path) {
  return is_folder(path) && std::ranges::find(kFoldersOfSystems, path.filename().string()) == kFoldersOfSystems.end() &&
         content_of(path, kDeepestRuns) != Content::runs;
}

}  // namespace

bool is_folder(const fs::path& path) {
  std::error_code ignored;
  return fs::is_directory(path, ignored);
}

FolderId folder_id(const fs::path& folder) {
  struct stat status {};
  if (::stat(folder.c_str(), &status) != 0) return {};
  return {status.st_dev, status.st_ino};
}

std::vector<fs::path> entries(const fs::path& folder) {
  std::vector<fs::path> found;
  try {
    for (const auto& entry : fs::directory_iterator(folder))
      if (!is_hidden(entry.path())) found.push_back(entry.path());
  } catch (const fs::filesystem_error& error) {
    fail("{}: can't be listed: {}", folder.string(), error.code().message());
  }
  std::ranges::sort(found, {}, [](const fs::path& path) { return path.filename().string(); });
  return found;
}

bool is_image_name(const fs::path& path) {
  std::string ending = path.extension().string();
  std::ranges::transform(ending, ending.begin(), ascii_lower);
  return std::ranges::find(kImageEndings, ending) != kImageEndings.end();
}

bool is_run_folder(const fs::path& folder) {
  // train/run_folder.hpp has these names; a run writes its configuration first.
  return is_there(folder / "config.ini") && (is_there(folder / ".lock") || is_there(folder / "metrics.jsonl") ||
                                             is_there(folder / "last.state.safetensors"));
}

bool holds_images(const fs::path& folder, int deepest) { return content_of(folder, deepest) == Content::images; }

std::vector<fs::path> class_folders(const fs::path& folder) {
  std::vector<fs::path> folders = entries(folder);
  std::erase_if(folders, [](const fs::path& path) { return !is_class_folder(path); });
  return folders;
}

std::vector<std::string> class_names(const fs::path& folder) {
  std::vector<std::string> names;
  for (const fs::path& of_class : class_folders(folder)) names.push_back(of_class.filename().string());
  return names;
}

}  // namespace convmixer
