/// The smallest data set there can be.
#pragma once

#include "convmixer/data/dataset.hpp"

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace convmixer {

/// Images of one pixel, given by its colour and label.
class Pixels : public Dataset {
 public:
  explicit Pixels(std::vector<std::pair<std::uint8_t, std::int32_t>> pixels,
                  std::vector<std::string> names = {"a", "b"})
      : names_(std::move(names)) {
    for (const auto& [colour, label] : pixels) {
      images_.push_back({colour, static_cast<std::uint8_t>(colour + 1), 7});
      labels_.push_back(label);
    }
  }
  [[nodiscard]] std::int64_t size() const override { return std::ssize(labels_); }
  [[nodiscard]] int channels() const override { return 3; }
  [[nodiscard]] int image_size() const override { return 1; }
  [[nodiscard]] const std::vector<std::string>& class_names() const override { return names_; }
  [[nodiscard]] std::span<const std::uint8_t> image(std::int64_t index) const override {
    return images_[static_cast<std::size_t>(index)];
  }
  [[nodiscard]] std::int32_t label(std::int64_t index) const override {
    return labels_[static_cast<std::size_t>(index)];
  }
  [[nodiscard]] std::string file_name(std::int64_t index) const override { return std::to_string(index) + ".png"; }

 private:
  std::vector<std::array<std::uint8_t, 3>> images_;
  std::vector<std::int32_t> labels_;
  std::vector<std::string> names_;
};

}  // namespace convmixer
