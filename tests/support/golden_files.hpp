/// The golden files: what PyTorch, torchvision and PIL computed.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

namespace convmixer::testing_support {

/// True if CONVMIXER_GOLDEN_DIR names a folder with further cases, which then stand for those of tests/golden.
inline bool golden_folder_is_given() { return std::getenv("CONVMIXER_GOLDEN_DIR") != nullptr; }

/// The safetensors files in the golden folder whose names begin like this, by name; none if there is no such folder.
inline std::vector<std::filesystem::path> golden_files(const std::string& beginning) {
  const std::filesystem::path folder =
      golden_folder_is_given() ? std::getenv("CONVMIXER_GOLDEN_DIR") : CONVMIXER_SOURCE_DIR "/tests/golden";
  std::vector<std::filesystem::path> files;
  std::error_code missing;
  for (const auto& entry : std::filesystem::directory_iterator(folder, missing)) {
    if (entry.path().filename().string().starts_with(beginning) && entry.path().extension() == ".safetensors")
      files.push_back(entry.path());
  }
  std::ranges::sort(files);
  return files;
}

/// Their names, to be compared with those that must be there.
inline std::vector<std::string> golden_names(const std::string& beginning) {
  std::vector<std::string> names;
  for (const std::filesystem::path& path : golden_files(beginning)) names.push_back(path.stem().string());
  return names;
}

}  // namespace convmixer::testing_support
