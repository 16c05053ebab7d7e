#include "data/sources/cached_folder.hpp"

#include "convmixer/core/error.hpp"
#include "convmixer/data/sources/packed.hpp"
#include "core/temporary_file.hpp"
#include "data/sources/decode_folder.hpp"
#include "data/sources/image_folder.hpp"
#include "data/sources/left_out.hpp"

#include <fmt/ranges.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <system_error>
#include <xxhash.h>

namespace convmixer {

namespace {

namespace fs = std::filesystem;

constexpr int kSourceVersion = 2;          // raised when listing, decoding or resizing changes what comes out
constexpr std::size_t kLongestName = 230;  // bytes: with the rest, a file's name then has the 255 that it may have
constexpr std::chrono::hours kSurelyAbandoned(24);

/// $XDG_CACHE_HOME/convmixer, usually ~/.cache/convmixer.
fs::path default_cache_folder() {
  if (const char* cache = std::getenv("XDG_CACHE_HOME"); cache != nullptr && *cache != '\0')
    return fs::path(cache) / "convmixer";
  if (const char* home = std::getenv("HOME"); home != nullptr && *home != '\0')
    return fs::path(home) / ".cache" / "convmixer";
  fail_usage("no folder for decoded images: neither XDG_CACHE_HOME nor HOME is set; give --data-cache");
}

/// Those that have a cached file of their own. Its name says nothing of versions: a new release's takes its place.
std::string settings_of(const DatasetOptions& options) {
  std::string folders;
  if (!options.train_folder.empty() || !options.test_folder.empty())
    folders = fmt::format(", train {}, test {}", options.train_folder, options.test_folder);
  return fmt::format("version 1, size {}, fit {}, broken {}{}{}", options.image_size,
                     options.fit == Fit::crop ? "crop" : "stretch",
                     options.broken_files == BrokenFiles::refuse ? "refuse" : "skip",
                     options.test_choice == TestChoice::path ? ", test by path" : "", folders);
}

std::string hash_of(std::string_view text) {
  const XXH128_hash_t hash = XXH3_128bits(text.data(), text.size());
  return fmt::format("{:016x}{:016x}", hash.high64, hash.low64);
}

/// Changes with everything that the packed file depends on.
std::string source_of(const ImageListing& listing, const DatasetOptions& options) {
  std::string text = fmt::format("{}, source {}\n", settings_of(options), kSourceVersion);
  for (const std::string& name : listing.class_names) text += name + '\0';
  for (const Split split : {Split::train, Split::test}) {
    text += '\n';
    for (const ListedImage& image : listing.of(split)) {
      text += image.path;  // no path holds a 0 byte
      text += fmt::format("{:c}{} {} {} {}\n", '\0', image.label, image.size, image.modified, image.changed);
    }
  }
  return hash_of(text);
}

void make_folder(const fs::path& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) fail("{}: can't be made for decoded images: {}; give --data-cache", folder.string(), error.message());
}

/// What decodings that were killed have left in the cache folder. Earlier releases named it after their process and
/// locked nothing: that goes once it is old.
void remove_abandoned_caches(const fs::path& file) {
  remove_abandoned_files(file.parent_path());
  std::error_code error;
  fs::directory_iterator entry(file.parent_path(), error);
  for (; !error && entry != fs::directory_iterator(); entry.increment(error)) {
    if (!is_old_temporary_name(entry->path().filename().native(), file.filename().native())) continue;
    std::error_code ignored;
    const auto written = entry->last_write_time(ignored);
    if (!ignored && fs::file_time_type::clock::now() - written > kSurelyAbandoned) fs::remove(entry->path(), ignored);
  }
}

/// A folder's name as part of a file's: cut, between characters, where it is so long that no file could have it.
std::string shortened(std::string name) {
  if (name.size() <= kLongestName) return name;
  std::size_t end = kLongestName;
  while (end > 0 && (static_cast<unsigned char>(name[end]) & 0xC0) == 0x80) --end;  // within a character of UTF-8
  return name.substr(0, end);
}

void make_cache(const fs::path& file, const ImageListing& listing, const std::string& source,
                const DatasetOptions& options) {
  const int image_size = decoded_side(listing, options);  // refused before anything is made or said
  make_folder(file.parent_path());
  if (options.note)
    options.note(fmt::format("decoding the {} images of {} into {}, this once",
                             listing.train.size() + listing.test.size(), options.path.string(), file.string()));
  DecodedFolder decoded(listing, options, image_size, file.parent_path());
  write_packed(file, {.image_size = image_size,
                      .class_names = listing.class_names,
                      .splits = {decoded.split(Split::train), decoded.split(Split::test)},
                      .source = source,
                      .left_out = decoded.left_out()});
}

/// The files of a split, for caches of earlier releases that don't name them.
std::vector<std::string> files_of(const ImageListing& listing, Split split) {
  std::vector<std::string> files;
  for (const ListedImage& image : listing.of(split)) files.push_back(image.path);
  return files;
}

/// Opens the cached file if it was made of this source; nullptr if it is not there, out of date or damaged.
std::unique_ptr<Dataset> open_cache(const fs::path& file, const ImageListing& listing, const std::string& source,
                                    Split split) {
  std::error_code ignored;
  if (!fs::exists(file, ignored)) return nullptr;
  try {
    const PackedInfo info = read_packed_info(file);
    if (info.source != source) return nullptr;
    return open_packed(file, split, files_of(listing, split));
  } catch (const Error&) {
    return nullptr;
  }
}

/// The file that was made when no size was asked for, if the images have the one that is asked for now, as a run that
/// goes on does; else nullptr.
std::unique_ptr<Dataset> open_unresized(const ImageListing& listing, const DatasetOptions& options, Split split) {
  if (options.image_size == 0) return nullptr;
  DatasetOptions unresized = options;
  unresized.image_size = 0;
  std::unique_ptr<Dataset> images = open_cache(cache_file(unresized), listing, source_of(listing, unresized), split);
  if (images == nullptr || images->image_size() != options.image_size) return nullptr;
  return images;
}

}  // namespace

std::filesystem::path cache_file(const DatasetOptions& options) {
  std::error_code error;
  const fs::path folder = fs::canonical(options.path, error);
  if (error) fail("{}: {}", options.path.string(), error.message());
  const std::string hash = hash_of(folder.string() + '\0' + settings_of(options)).substr(0, 12);
  const fs::path cache = options.cache.empty() ? default_cache_folder() : options.cache;
  return cache / fmt::format("{}-{}.safetensors", shortened(folder.filename().string()), hash);
}

std::unique_ptr<Dataset> open_image_folder(const DatasetOptions& options, Split split) {
  const ImageListing listing = list_image_folder(options);
  if (options.note)
    for (const std::string& note : listing.notes) options.note(note);
  if (listing.of(split).empty())
    fail("{}: has no images for the {}", options.path.string(), split == Split::train ? "training" : "test");
  const fs::path file = cache_file(options);
  const std::string source = source_of(listing, options);
  remove_abandoned_caches(file);
  std::unique_ptr<Dataset> images = open_cache(file, listing, source, split);
  if (images == nullptr) images = open_unresized(listing, options, split);
  if (images == nullptr) {
    make_cache(file, listing, source, options);
    images = open_packed(file, split);
  }
  note_left_out(options, *images);
  return images;
}

}  // namespace convmixer
