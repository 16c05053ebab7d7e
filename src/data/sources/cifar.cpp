#include "convmixer/data/sources/cifar.hpp"

#include "convmixer/core/error.hpp"
#include "convmixer/core/file.hpp"
#include "convmixer/core/printable.hpp"
#include "convmixer/core/thread_pool.hpp"
#include "convmixer/core/threads.hpp"
#include "convmixer/data/dataset_names.hpp"
#include "core/path_kind.hpp"
#include "data/sources/cifar_batch.hpp"
#include "data/sources/cifar_format.hpp"
#include "data/sources/cifar_md5.hpp"
#include "io/archive.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <string_view>
#include <system_error>
#include <utility>

namespace convmixer {

namespace {

namespace fs = std::filesystem;

/// More than twice the largest file in any of the archives, CIFAR-100's pickled training images.
constexpr std::size_t kMostArchivedBytes = std::size_t{400} << 20;

std::span<const std::uint8_t> bytes_of(const auto& storage) {
  return {reinterpret_cast<const std::uint8_t*>(storage.data()), storage.size()};
}

struct CifarFile {
  std::string_view name;
  std::span<const std::uint8_t> bytes;
  std::shared_ptr<const void> storage;  ///< holds the bytes
  CifarBatch batch;
};

class Cifar : public Dataset {
 public:
  Cifar(std::vector<CifarBatch> batches, const CifarFormat& format) : batches_(std::move(batches)), format_(format) {
    for (const CifarBatch& batch : batches_) size_ += batch.size();
  }

  [[nodiscard]] std::int64_t size() const override { return size_; }
  [[nodiscard]] int channels() const override { return kCifarChannels; }
  [[nodiscard]] int image_size() const override { return kCifarImageSize; }
  [[nodiscard]] const std::vector<std::string>& class_names() const override { return format_.class_names; }
  [[nodiscard]] Normalisation normalisation() const override { return default_normalisation(format_.dataset); }

  [[nodiscard]] std::span<const std::uint8_t> image(std::int64_t index) const override {
    const auto [batch, within] = find(index);
    return batch->image(within);
  }
  [[nodiscard]] std::int32_t label(std::int64_t index) const override {
    const auto [batch, within] = find(index);
    return batch->labels[static_cast<std::size_t>(within)];
  }

 private:
  [[nodiscard]] std::pair<const CifarBatch*, std::int64_t> find(std::int64_t index) const {
    check_index(index);
    const CifarBatch* batch = batches_.data();
    for (; index >= batch->size(); ++batch) index -= batch->size();
    return {batch, index};
  }

  std::vector<CifarBatch> batches_;
  const CifarFormat& format_;
  std::int64_t size_ = 0;
};

/// What reading a split of one CIFAR needs to know, and what it found out about its files.
struct Reading {
  Split split;
  const CifarFormat& format;
  const CifarOptions& options;
  std::vector<CifarFile> files{};
};

/// Adds a file's images. `where` names it in messages.
void read_file(Reading& reading, std::string_view name, std::span<const std::uint8_t> bytes,
               std::shared_ptr<const void> storage, CifarVersion version, const std::string& where) {
  CifarBatch batch = read_cifar_batch(bytes, storage, version, reading.format, where);
  const std::int64_t expected = reading.format.images_of(reading.split);
  if (!reading.options.allow_partial && batch.size() != expected)
    fail("{}: found {} images, expected {} as {} has them; --allow-partial takes what is there", where, batch.size(),
         expected, reading.format.name);
  reading.files.push_back({name, bytes, std::move(storage), std::move(batch)});
}

void read_folder(const fs::path& folder, const CifarFiles& files, Reading& reading) {
  for (const std::string_view name : files.of(reading.split)) {
    const fs::path path = folder / name;
    if (!is_file(path)) fail("{}: no such file; {} has it beside the others", path.string(), reading.format.name);
    const auto file = std::make_shared<const MappedFile>(path);
    read_file(reading, name, bytes_of(file->bytes()), file, files.version, path.string());
  }
}

std::string_view without_folders(std::string_view name) { return name.substr(name.rfind('/') + 1); }

bool is_among(std::string_view name, const std::vector<std::string_view>& names) {
  return std::ranges::find(names, name) != names.end();
}

/// The file of this name among those of an archive; nullptr if it isn't there.
const ArchiveFile* find_file(const std::vector<ArchiveFile>& files, std::string_view name) {
  const auto found =
      std::ranges::find_if(files, [&](const ArchiveFile& file) { return without_folders(file.name) == name; });
  return found == files.end() ? nullptr : &*found;
}

void read_archived(const fs::path& path, Reading& reading) {
  const Split split = reading.split;
  const CifarFormat& format = reading.format;
  const MappedFile archive(path);
  std::vector<std::string> seen;
  std::vector<ArchiveFile> files =
      read_archive(archive.bytes(), path.string(), kMostArchivedBytes, [&](const std::string& name) {
        const std::string_view file = without_folders(name);
        if (seen.size() < 5) seen.push_back(printable(file));
        const bool wanted = is_among(file, format.binary.of(split)) || is_among(file, format.python.of(split));
        return wanted ? ArchiveChoice::take : ArchiveChoice::skip;
      });
  if (files.empty())
    fail("{}: no archive of {}: found {}, expected {} or {} among its files", path.string(), format.name,
         seen.empty() ? "no file" : fmt::format("{}", fmt::join(seen, ", ")), format.binary.of(split).front(),
         format.python.of(split).front());
  const bool is_binary = is_among(without_folders(files.front().name), format.binary.of(split));
  const CifarFiles& version = is_binary ? format.binary : format.python;
  const auto storage = std::make_shared<const std::vector<ArchiveFile>>(std::move(files));
  for (const std::string_view name : version.of(split)) {
    const std::string where = fmt::format("{}: {}", path.string(), name);
    const ArchiveFile* file = find_file(*storage, name);
    if (file == nullptr) fail("{} is not in it; {} has it beside the others", where, format.name);
    read_file(reading, name, bytes_of(file->bytes), storage, version.version, where);
  }
}

void read(const fs::path& path, Reading& reading) {
  const auto& [split, format, options, read] = reading;
  std::error_code ignored;
  if (!fs::exists(path, ignored))
    fail("{}: no such file or folder; expected an archive of {} or the folder of its files", path.string(),
         format.name);
  if (!fs::is_directory(path, ignored)) return read_archived(path, reading);
  for (const CifarFiles* files : {&format.binary, &format.python}) {
    for (const fs::path& folder : {path, path / files->subfolder})
      if (is_file(folder / files->of(split).front())) return read_folder(folder, *files, reading);
  }
  for (const CifarFiles* files : {&format.binary, &format.python})
    if (is_file(path / files->archive)) return read_archived(path / files->archive, reading);
  fail("{}: {} is not there: expected {} or {}, in it or in {} or {}, or one of the archives {} and {}", path.string(),
       format.name, format.binary.of(split).front(), format.python.of(split).front(), format.binary.subfolder,
       format.python.subfolder, format.binary.archive, format.python.archive);
}

/// Says which files are not the published ones, if there are any.
void note_unpublished(const fs::path& path, const Reading& reading) {
  std::vector<std::string> found(reading.files.size());
  ThreadPool pool(choose_thread_count(0).count);
  pool.parallel_for(std::ssize(found), [&](std::int64_t i) {
    const CifarFile& file = reading.files[static_cast<std::size_t>(i)];
    if (!published_md5(file.name).empty()) found[static_cast<std::size_t>(i)] = md5_of(std::as_bytes(file.bytes));
  });
  std::vector<std::string_view> others;
  std::string sums;
  for (std::size_t i = 0; i < found.size(); ++i) {
    const std::string_view published = published_md5(reading.files[i].name);
    if (found[i] == published) continue;
    others.push_back(reading.files[i].name);
    sums = fmt::format(" {}, published {}", found[i], published);
  }
  if (others.empty()) return;
  const bool one = others.size() == 1;
  reading.options.note(fmt::format("{}: {} {} not as {} was published, by {} MD5{}", path.string(),
                                   fmt::join(others, ", "), one ? "is" : "are", reading.format.name,
                                   one ? "its" : "their", one ? sums : ""));
}

std::unique_ptr<Dataset> open_cifar(const fs::path& path, Split split, const CifarFormat& format,
                                    const CifarOptions& options) {
  Reading reading{split, format, options};
  read(path, reading);
  if (options.note) note_unpublished(path, reading);
  std::vector<CifarBatch> batches;
  for (CifarFile& file : reading.files) batches.push_back(std::move(file.batch));
  return std::make_unique<Cifar>(std::move(batches), format);
}

}  // namespace

std::unique_ptr<Dataset> open_cifar10(const std::filesystem::path& path, Split split, const CifarOptions& options) {
  return open_cifar(path, split, cifar10_format(), options);
}

std::unique_ptr<Dataset> open_cifar100(const std::filesystem::path& path, Split split, const CifarOptions& options) {
  return open_cifar(path, split, cifar100_format(), options);
}

std::unique_ptr<Dataset> open_cifar100_coarse(const std::filesystem::path& path, Split split,
                                              const CifarOptions& options) {
  return open_cifar(path, split, cifar100_coarse_format(), options);
}

}  // namespace convmixer
