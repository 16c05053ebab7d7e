#include "data/sources/split_folders.hpp"

#include "convmixer/core/error.hpp"
#include "convmixer/core/printable.hpp"
#include "core/ascii.hpp"
#include "data/sources/class_folders.hpp"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <span>
#include <string_view>
#include <system_error>

namespace convmixer {

namespace {

namespace fs = std::filesystem;

constexpr std::array<std::string_view, 3> kTrainNames{"train", "training", "trn"};
constexpr std::array<std::string_view, 4> kValNames{"val", "valid", "validation", "eval"};
constexpr std::array<std::string_view, 2> kTestNames{"test", "testing"};

std::string lower(std::string text) {
  std::ranges::transform(text, text.begin(), ascii_lower);
  return text;
}

std::vector<std::string> folder_names(const fs::path& folder) {
  std::vector<std::string> names;
  for (const fs::path& entry : entries(folder))
    if (is_folder(entry)) names.push_back(entry.filename().string());
  return names;
}

/// The folder that has one of these names, the first of which goes before the others; empty if there is none.
std::string first_present(const std::vector<std::string>& folders, std::span<const std::string_view> names) {
  for (const std::string_view name : names) {
    if (std::ranges::find(folders, name) != folders.end()) return std::string(name);
    const auto found = std::ranges::find(folders, name, lower);
    if (found != folders.end()) return *found;
  }
  return {};
}

std::string named(const fs::path& folder, const std::string& name, const char* option) {
  if (is_folder(folder / name)) return fs::path(name).lexically_normal() == "." ? std::string() : name;
  const auto there = folder_names(folder);
  fail_usage("--{} {}: {} has no such folder; it has {}", option, printable(name), folder.string(),
             there.empty() ? "none" : printable(fmt::format("{}", fmt::join(there, ", "))));
}

/// Whether a split has a class of the training images.
bool is_labelled(const fs::path& folder, const std::string& split, const std::vector<std::string>& classes) {
  return !split.empty() &&
         std::ranges::any_of(classes, [&](const std::string& name) { return is_folder(folder / split / name); });
}

SplitFolders choose_test(const fs::path& folder, const std::string& train, const std::string& val,
                         const std::string& test, bool prefer_test) {
  std::vector<std::string> classes = class_names(folder / train);
  if (train.empty()) std::erase_if(classes, [&](const std::string& name) { return name == val || name == test; });
  const bool val_is_labelled = is_labelled(folder, val, classes);
  const bool test_is_labelled = is_labelled(folder, test, classes);
  const auto note = [&](const std::string& text) { return fmt::format("{}: {}", folder.string(), text); };
  if (val_is_labelled && test_is_labelled) {
    if (prefer_test) return {train, test};
    return {train,
            val,
            {note(fmt::format("the test images are those of {0}; {1} is left alone until --test-folder {1} asks for it",
                              val, test))}};
  }
  if (val_is_labelled || test_is_labelled) {
    const std::string& labelled = val_is_labelled ? val : test;
    const std::string& other = val_is_labelled ? test : val;
    if (other.empty()) return {train, labelled};
    return {train,
            labelled,
            {note(fmt::format("the test images are those of {}; {} has no folders of {} classes", labelled, other,
                              train.empty() ? "the" : train + "'s"))}};
  }
  for (const std::string& split : {test, val})  // with classes of its own: refused by their names later
    if (!split.empty() && !class_folders(folder / split).empty()) return {train, split};
  return {train,
          "",
          {note(fmt::format("{} no class folders: a tenth of {} is set aside for the test",
                            val.empty() || test.empty() ? val + test + " has" : val + " and " + test + " have",
                            train.empty() ? "the others" : train))}};
}

}  // namespace

SplitFolders split_folders(const DatasetOptions& options) {
  const fs::path& folder = options.path;
  auto there = folder_names(folder);
  const bool is_train_given = !options.train_folder.empty();
  const bool is_test_given = !options.test_folder.empty();
  const std::string train =
      is_train_given ? named(folder, options.train_folder, "train-folder") : first_present(there, kTrainNames);
  if (is_test_given && train.empty() && !is_train_given)
    fail_usage("{}: which folder is the training images'? --train-folder names it", folder.string());
  if (!train.empty()) {
    std::error_code ignored;
    std::erase_if(there, [&](const auto& name) { return fs::equivalent(folder / name, folder / train, ignored); });
  }
  const std::string val = first_present(there, kValNames);
  const std::string test = first_present(there, kTestNames);
  const auto with_others = [&](SplitFolders split) {
    for (const std::string& name : {val, test}) {
      const bool is_class = is_test_given && is_folder(folder / split.test / name);
      if (!name.empty() && name != split.test && !is_class) split.others.push_back(name);
    }
    return split;
  };
  if (is_test_given) return with_others({train, named(folder, options.test_folder, "test-folder")});
  if ((!train.empty() || is_train_given) && (!val.empty() || !test.empty()))
    return with_others(choose_test(folder, train, val, test, options.test_choice == TestChoice::path));
  if (is_train_given) return {train, ""};
  return {train.empty() || class_folders(folder).size() > 1 ? "" : train, ""};
}

}  // namespace convmixer
