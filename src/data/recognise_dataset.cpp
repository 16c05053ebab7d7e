#include "convmixer/core/error.hpp"
#include "convmixer/core/file.hpp"
#include "convmixer/data/open_dataset.hpp"
#include "convmixer/data/sources/packed.hpp"
#include "core/path_kind.hpp"
#include "data/sources/cifar_format.hpp"
#include "data/sources/image_folder.hpp"
#include "io/archive.hpp"

#include <algorithm>
#include <array>
#include <fstream>
#include <system_error>

namespace convmixer {

namespace {

namespace fs = std::filesystem;

std::array<const CifarFormat*, 2> cifar_formats() { return {&cifar10_format(), &cifar100_format()}; }

/// Whether it begins as pickles do since protocol 2: names such as "train" alone say little. One that can't be read is
/// taken for one: who opens it says why.
bool is_pickle(const fs::path& path) {
  constexpr int kProtocol = 0x80;
  if (!is_file(path)) return false;
  std::ifstream file(path, std::ios::binary);
  return !file.is_open() || file.get() == kProtocol;
}

bool has_files(const fs::path& folder, const CifarFiles& files) {
  const auto is_one = files.version == CifarVersion::python ? is_pickle : is_file;
  return std::ranges::any_of(std::array{Split::train, Split::test}, [&](Split split) {
    return is_one(folder / files.of(split).front()) || is_one(folder / files.subfolder / files.of(split).front());
  });
}

bool has_files(const fs::path& folder, const CifarFormat& format) {
  return has_files(folder, format.binary) || has_files(folder, format.python);
}

bool has_archive(const fs::path& folder, const CifarFormat& format) {
  return is_file(folder / format.binary.archive) || is_file(folder / format.python.archive);
}

/// The CIFAR in a folder; unpacked files before archives, as they are opened. nullptr if there is none.
const CifarFormat* recognise_folder(const fs::path& folder) {
  for (const CifarFormat* format : cifar_formats())
    if (has_files(folder, *format)) return format;
  for (const CifarFormat* format : cifar_formats())
    if (has_archive(folder, *format)) return format;
  return nullptr;
}

const CifarFormat* format_with_file(std::string_view name) {
  for (const CifarFormat* format : cifar_formats()) {
    for (const CifarFiles* files : {&format->binary, &format->python}) {
      for (const Split split : {Split::train, Split::test})
        if (std::ranges::find(files->of(split), name) != files->of(split).end()) return format;
    }
  }
  return nullptr;
}

const CifarFormat* recognise_archive(const fs::path& path) {
  const CifarFormat* found = nullptr;
  const MappedFile archive(path);
  (void)read_archive(archive.bytes(), path.string(), 0, [&found](const std::string& name) {
    found = format_with_file(std::string_view(name).substr(name.rfind('/') + 1));
    return found == nullptr ? ArchiveChoice::skip : ArchiveChoice::stop;
  });
  return found;
}

bool holds_cifar(const CifarFormat& format, const fs::path& path) {
  if (is_file(path)) return !looks_like_packed(path) && recognise_archive(path) == &format;
  return has_files(path, format) || has_archive(path, format);
}

}  // namespace

bool holds_dataset(const std::string& name, const fs::path& path) {
  std::error_code ignored;
  if (name == kFolderDataset) return fs::is_directory(path, ignored) && looks_like_image_folder(path);
  if (name == kPackedDataset) return is_file(path) && looks_like_packed(path);
  if (name == kCifar10Dataset) return holds_cifar(cifar10_format(), path);
  if (name == kCifar100Dataset || name == kCifar100CoarseDataset) return holds_cifar(cifar100_format(), path);
  return false;
}

std::string recognise_dataset(const DatasetOptions& options) {
  const bool has_split = !options.train_folder.empty() || !options.test_folder.empty();
  std::error_code ignored;
  if (has_split && fs::is_directory(options.path, ignored)) return std::string(kFolderDataset);
  return recognise_dataset(options.path);
}

std::string recognise_dataset(const std::filesystem::path& path) {
  if (path.empty()) return std::string(kShapesDataset);
  std::error_code error;
  if (!fs::exists(path, error)) fail("{}: {}", path.string(), error ? error.message() : "no such file or folder");
  const bool is_folder = fs::is_directory(path, error);
  if (!is_folder && looks_like_packed(path)) return std::string(kPackedDataset);
  if (const CifarFormat* cifar = is_folder ? recognise_folder(path) : recognise_archive(path); cifar != nullptr)
    return std::string(cifar->dataset);
  if (is_folder && looks_like_image_folder(path)) return std::string(kFolderDataset);
  fail(
      "{}: no data set that is known: expected CIFAR-10 or CIFAR-100, the archive as downloaded or the folder of its "
      "files, or a folder of class folders with PNG, JPEG or PPM files",
      path.string());
}

}  // namespace convmixer
