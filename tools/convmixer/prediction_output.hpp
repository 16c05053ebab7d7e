/// Predictions as lines for people, JSON and CSV.
#pragma once

#include "convmixer/core/whole_file.hpp"
#include "convmixer/model/prediction.hpp"
#include "given_images.hpp"

#include <cstdio>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace convmixer::tool {

/// What was said of an image.
struct ClassifiedImage {
  std::string_view path;
  std::span<const Prediction> top;     ///< the most probable classes, in falling order
  std::span<const float> logits = {};  ///< of all classes, if they are wanted
};

/// "cat.png: cat 97.1%, dog 2.2%, fox 0.4%".
[[nodiscard]] std::string prediction_line(const ClassifiedImage& image, std::span<const std::string> class_names);

/// Text that is there whole or not at all: in a file, or on standard output ("-"), where it comes at the end.
class WholeOutput {
 public:
  explicit WholeOutput(const std::filesystem::path& path);
  void write(std::string_view text);
  void finish();

 private:
  struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  std::optional<WholeFile> file_;
  std::unique_ptr<std::FILE, Close> held_back_;
};

/// A JSON object with facts about the network, "images" with an object each, and "left_out".
class JsonPredictions {
 public:
  /// `facts` are keys with JSON values; `class_names` is borrowed.
  JsonPredictions(const std::filesystem::path& path, std::span<const std::pair<std::string, std::string>> facts,
                  std::span<const std::string> class_names);
  void add(const ClassifiedImage& image);
  void finish(std::span<const LeftOut> left_out);

 private:
  WholeOutput output_;
  std::span<const std::string> class_names_;
  bool any_ = false;
};

/// A line for each image: its file, then class and probability of each of the `top` most probable; eval's table of
/// predictions has the same names.
class CsvPredictions {
 public:
  CsvPredictions(const std::filesystem::path& path, std::size_t top, std::span<const std::string> class_names);
  void add(const ClassifiedImage& image);
  void finish() { output_.finish(); }

 private:
  WholeOutput output_;
  std::span<const std::string> class_names_;
};

}  // namespace convmixer::tool
