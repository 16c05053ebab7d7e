#include "given_images.hpp"

#include "convmixer/core/error.hpp"
#include "convmixer/data/image_files.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <iterator>
#include <system_error>
#include <utility>

namespace convmixer::tool {
namespace {

namespace fs = std::filesystem;

constexpr const char* kStandardInput = "-";

std::string read_standard_input() {
  std::string text;
  std::array<char, 65536> part{};
  while (const std::size_t count = std::fread(part.data(), 1, part.size(), stdin)) text.append(part.data(), count);
  if (std::ferror(stdin) != 0) fail("standard input can't be read: {}", std::generic_category().message(errno));
  return text;
}

std::vector<std::string> paths_of_standard_input(bool null_separated) {
  const std::string text = read_standard_input();
  const char end = null_separated ? '\0' : '\n';
  if (!null_separated && text.find('\0') != std::string::npos)
    fail_usage("the paths on standard input have null bytes between them: --null reads such");
  std::vector<std::string> paths;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t length = std::min(text.find(end, begin), text.size()) - begin;
    std::string path = text.substr(begin, length);
    if (!null_separated && path.ends_with('\r')) path.pop_back();  // a list made on Windows
    if (!path.empty()) paths.push_back(std::move(path));
    begin += length + 1;
  }
  if (paths.empty()) fail("no path on standard input, expected one in each line");
  return paths;
}

/// What the words stand for, "-" put in place.
std::vector<std::string> all_paths(const ImageArguments& arguments) {
  if (std::ranges::count(arguments.words, kStandardInput) > 1) fail_usage("'-' is given twice");
  std::vector<std::string> paths;
  for (const std::string& word : arguments.words) {
    if (word.empty()) fail_usage("an empty path, expected a file, a folder or '-'");
    if (word != kStandardInput) {
      paths.push_back(word);
    } else {
      std::ranges::move(paths_of_standard_input(arguments.null_separated), std::back_inserter(paths));
    }
  }
  return paths;
}

}  // namespace

GivenImages list_given_images(const ImageArguments& arguments, const std::function<void(const std::string&)>& note) {
  GivenImages images;
  for (std::string& path : all_paths(arguments)) {
    try {
      std::error_code ignored;  // what is wrong with the path shows when it is read
      if (fs::is_directory(path, ignored)) {
        ImageFolder folder = list_images(path);
        std::ranges::move(folder.paths, std::back_inserter(images.paths));
        if (!folder.left_out.empty()) note(folder.left_out);
      } else {
        require_file(path);
        images.paths.push_back(std::move(path));
      }
    } catch (const Error& error) {
      if (arguments.broken == BrokenFiles::refuse) throw;
      note(fmt::format("left out: {}", error.what()));
      images.left_out.push_back({path, error.what()});
    }
  }
  return images;
}

}  // namespace convmixer::tool
