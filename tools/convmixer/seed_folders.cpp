#include "seed_folders.hpp"

#include "convmixer/train/find_runs.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>

namespace convmixer::tool {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kPrefix = "seed-";

std::optional<std::uint64_t> seed_of(std::string_view name) {
  if (!name.starts_with(kPrefix)) return std::nullopt;
  name.remove_prefix(kPrefix.size());
  std::uint64_t seed = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), seed);
  if (error != std::errc{} || end != name.data() + name.size()) return std::nullopt;
  return seed;
}

}  // namespace

RunFolder seed_folder(const fs::path& all, std::uint64_t seed) { return {all / fmt::format("{}{}", kPrefix, seed)}; }

std::vector<SeedFolder> seed_folders(const fs::path& all) {
  std::vector<SeedFolder> found;
  std::error_code error;
  fs::directory_iterator entry(all, error);
  for (; !error && entry != fs::directory_iterator(); entry.increment(error)) {
    const auto seed = seed_of(entry->path().filename().native());
    if (seed && seed_folder(all, *seed).holds_state()) found.push_back({*seed, seed_folder(all, *seed)});
  }
  std::ranges::sort(found, {}, &SeedFolder::seed);
  return found;
}

bool holds_files_of_seeds(const fs::path& all) {
  std::error_code error;
  fs::directory_iterator entry(all, error);
  for (; !error && entry != fs::directory_iterator(); entry.increment(error))
    if (seed_of(entry->path().filename().native()) && holds_files_of_run({entry->path()})) return true;
  return false;
}

}  // namespace convmixer::tool
