#include "train/event_files.hpp"

#include "convmixer/core/error.hpp"
#include "convmixer/core/file.hpp"
#include "core/ascii.hpp"
#include "core/descriptor.hpp"
#include "io/event_messages.hpp"
#include "io/record_file.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <optional>
#include <string>
#include <system_error>
#include <unistd.h>
#include <vector>

namespace convmixer {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kPrefix = "events.out.tfevents.";

std::vector<fs::path> event_files(const RunFolder& folder) {
  std::vector<fs::path> files;
  std::error_code error;
  fs::directory_iterator entry(folder.path, error);
  for (; !error && entry != fs::directory_iterator(); entry.increment(error)) {
    const bool is_file = fs::is_regular_file(entry->symlink_status(error));
    if (is_file && is_event_file_name(entry->path().filename().native())) files.push_back(entry->path());
  }
  if (error) fail("{}: can't be read: {}", folder.path.string(), error.message());
  return files;
}

/// Whether an event is one of those that every file begins with.
bool is_heading(const EventContent& event) { return event.values.empty() || event.values.contains(kSessionStartTag); }

/// Whether an event is no later than a position.
bool belongs(const EventContent& event, const TrainingPosition& position) {
  if (event.values.contains(kSessionEndTag)) return false;
  const auto is_after = [&](std::string_view tag, std::int64_t epoch) {
    const auto value = event.values.find(tag);
    return value != event.values.end() && value->second > static_cast<float>(epoch);
  };
  const std::int64_t tested_epoch = position.test.accuracy < 0.0 ? -1 : position.test.epoch;
  return event.step <= position.step && !is_after(kEpochTag, position.epoch) &&
         !is_after(kTestedEpochTag, tested_epoch);
}

/// How far a file is to be kept; nothing if it isn't ours.
struct Kept {
  std::size_t bytes = 0;
  bool is_whole = false;
  bool has_values = false;
};

std::optional<Kept> find_kept(const fs::path& path, const TrainingPosition& position) {
  const MappedFile file(path);
  RecordReader records({reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size()});
  const auto first = records.next();
  if (!first || read_event(*first).writer != kEventWriter) return std::nullopt;
  Kept kept;
  do {
    kept.bytes = records.end();
    const auto record = records.next();
    if (!record) break;
    const EventContent event = read_event(*record);
    if (is_heading(event)) continue;
    if (!belongs(event, position)) break;
    kept.has_values = true;
  } while (true);
  kept.is_whole = kept.bytes == file.bytes().size();
  return kept;
}

/// The seconds in a file's name, if there are ten digits of them, as there are until the year 2286.
std::int64_t seconds_of(const fs::path& file) {
  constexpr std::size_t kDigits = 10;
  const std::string name = file.filename().string();
  const std::string_view number = std::string_view(name).substr(kPrefix.size());
  const std::string_view digits = number.substr(0, number.find('.'));
  std::int64_t seconds = 0;
  if (digits.size() == kDigits) std::from_chars(digits.data(), digits.data() + digits.size(), seconds);
  return seconds;
}

/// As it may stand in a file's name.
std::string host_name() {
  std::array<char, 65> buffer{};  // the last one stays 0
  if (::gethostname(buffer.data(), buffer.size() - 1) != 0) return "localhost";
  std::string name(buffer.data());
  for (char& letter : name) {
    const bool is_usual = (letter >= 'a' && letter <= 'z') || (letter >= 'A' && letter <= 'Z') ||
                          (letter >= '0' && letter <= '9') || letter == '-' || letter == '.';
    if (!is_usual) letter = '_';
  }
  return name.empty() ? "localhost" : name;
}

}  // namespace

bool is_event_file_name(std::string_view name) { return name.starts_with(kPrefix); }

bool cut_event_files(const RunFolder& folder, const TrainingPosition& position) {
  bool any = false;
  for (const fs::path& file : event_files(folder)) {
    const std::optional<Kept> kept = find_kept(file, position);
    if (!kept) continue;
    std::error_code error;
    if (!kept->has_values) {
      fs::remove(file, error);
    } else if (!kept->is_whole) {
      fs::resize_file(file, kept->bytes, error);
    }
    if (error) fail("{}: can't be written: {}", file.string(), error.message());
    any |= kept->has_values;
  }
  return any;
}

std::unique_ptr<AppendedFile> new_event_file(const RunFolder& folder, std::int64_t unix_seconds) {
  for (const fs::path& file : event_files(folder)) unix_seconds = std::max(unix_seconds, seconds_of(file) + 1);
  for (int number = 0;; ++number) {
    const fs::path path =
        folder.path / fmt::format("{}{:010}.{}.{}.{}", kPrefix, unix_seconds, host_name(), ::getpid(), number);
    auto file = std::make_unique<AppendedFile>(path, AppendedFile::Open::anew);
    if (file->valid()) return file;
    if (errno != EEXIST) fail("{}: can't be written: {}", path.string(), system_reason(errno));
  }
}

}  // namespace convmixer
