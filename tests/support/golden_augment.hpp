/// The golden files augment*.safetensors: what torchvision and PIL make of images.
#pragma once

#include "convmixer/io/safetensors.hpp"
#include "data/augment/image.hpp"

#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace convmixer::testing_support {

/// Images of one shape, as planes.
struct ImageStack {
  ImageShape shape;
  std::vector<std::vector<std::uint8_t>> images;
};

/// A file holds `images` (N, H, W, C) u8 and, under the name of an operation, what it makes of them, of the same or
/// another height and width; the metadata says with what.
class GoldenAugment {
 public:
  explicit GoldenAugment(const std::filesystem::path& path) : file_(path) {}

  [[nodiscard]] const SafetensorsFile& file() const { return file_; }
  [[nodiscard]] ImageStack images() const { return stack("images"); }
  [[nodiscard]] ImageStack stack(const std::string& name) const;
  /// Names of the operations with that prefix.
  [[nodiscard]] std::vector<std::string> names(const std::string& prefix) const;
  /// The metadata of an operation, "key=value" words.
  [[nodiscard]] std::map<std::string, std::string> settings(const std::string& name) const;
  [[nodiscard]] double number(const std::string& name, const std::string& key) const;

 private:
  SafetensorsFile file_;
};

/// Number of bytes that differ.
[[nodiscard]] int differences(const std::vector<std::uint8_t>& found, const std::vector<std::uint8_t>& expected);

}  // namespace convmixer::testing_support
