#include "data/sources/walk_images.hpp"

#include "convmixer/core/error.hpp"
#include "convmixer/core/plural.hpp"
#include "convmixer/core/printable.hpp"
#include "data/sources/class_folders.hpp"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <set>
#include <string_view>
#include <vector>

namespace convmixer {

namespace {

namespace fs = std::filesystem;

constexpr int kDeepest = 16;
constexpr std::size_t kMostKinds = 10;
constexpr std::array<std::string_view, 2> kFilesOfSystems{"Thumbs.db", "desktop.ini"};

struct Walk {
  const std::function<void(const fs::path&, const std::string&)>& found;
  OtherFiles& others;
  std::set<FolderId> without_images{};

  /// Returns whether there was an image. Where there is none, it looks once, however many links lead there.
  bool folder(const fs::path& path, const std::string& name, int depth) {
    const FolderId id = folder_id(path);
    if (is_run_folder(path) || without_images.contains(id)) return false;
    bool has_images = false;
    for (const fs::path& entry : entries(path)) {
      const std::string own_name = entry.filename().string();
      const std::string full_name = name.empty() ? own_name : fmt::format("{}/{}", name, own_name);
      if (is_folder(entry)) {
        if (depth == kDeepest) fail("{}: more than {} folders deep", entry.string(), kDeepest);
        has_images |= folder(entry, full_name, depth + 1);
      } else if (is_image_name(entry)) {
        found(entry, full_name);
        has_images = true;
      } else if (std::ranges::find(kFilesOfSystems, own_name) == kFilesOfSystems.end()) {
        ++others[entry.extension().string()];
      }
    }
    if (!has_images) without_images.insert(id);
    return has_images;
  }
};

}  // namespace

void walk_images(const fs::path& folder, const std::string& name,
                 const std::function<void(const fs::path&, const std::string&)>& found, OtherFiles& others) {
  Walk{found, others}.folder(folder, name, 0);
}

std::string describe(const OtherFiles& others) {
  std::int64_t total = 0;
  std::vector<std::string> kinds;
  for (const auto& [ending, count] : others) {
    total += count;
    kinds.push_back(fmt::format("{} {}", count, ending.empty() ? "without an ending" : printable(ending)));
  }
  if (kinds.size() > kMostKinds) {
    kinds.resize(kMostKinds);
    kinds.emplace_back("...");
  }
  return fmt::format("left out {}, no {} by {}: {}", counted(total, "file"), plural(total, "image"),
                     plural(total, "its name", "their names"), fmt::join(kinds, ", "));
}

}  // namespace convmixer
