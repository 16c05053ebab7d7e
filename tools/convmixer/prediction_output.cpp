#include "prediction_output.hpp"

#include "convmixer/core/error.hpp"
#include "convmixer/core/printable.hpp"
#include "csv.hpp"
#include "output.hpp"

#include <nlohmann/json.hpp>

#include <array>
#include <cerrno>
#include <system_error>

namespace convmixer::tool {
namespace {

using Json = nlohmann::ordered_json;  // keys in the order in which a reader wants them

const std::string& name_of(const Prediction& prediction, std::span<const std::string> class_names) {
  return class_names[static_cast<std::size_t>(prediction.label)];
}

[[noreturn]] void fail_held_back() {
  fail("a temporary file for what goes to standard output can't be written: {}",
       std::generic_category().message(errno));
}

}  // namespace

std::string prediction_line(const ClassifiedImage& image, std::span<const std::string> class_names) {
  std::string line = printable(image.path) + ":";
  const char* separator = " ";
  for (const Prediction& prediction : image.top) {
    line += fmt::format("{}{} {:.1f}%", separator, printable(name_of(prediction, class_names)),
                        100.0 * prediction.probability);
    separator = ", ";
  }
  return line;
}

WholeOutput::WholeOutput(const std::filesystem::path& path) {
  if (path != "-") {
    file_.emplace(path);
    return;
  }
  held_back_.reset(std::tmpfile());
  if (!held_back_) fail_held_back();
}

void WholeOutput::write(std::string_view text) {
  if (file_) return file_->write(text);
  if (std::fwrite(text.data(), 1, text.size(), held_back_.get()) != text.size()) fail_held_back();
}

void WholeOutput::finish() {
  if (file_) return file_->finish();
  if (std::fflush(held_back_.get()) != 0) fail_held_back();
  std::rewind(held_back_.get());
  std::array<char, 65536> part{};
  while (const std::size_t count = std::fread(part.data(), 1, part.size(), held_back_.get()))
    print({part.data(), count});
  if (std::ferror(held_back_.get()) != 0) fail_held_back();
}

JsonPredictions::JsonPredictions(const std::filesystem::path& path,
                                 std::span<const std::pair<std::string, std::string>> facts,
                                 std::span<const std::string> class_names)
    : output_(path), class_names_(class_names) {
  output_.write("{");
  for (const auto& [key, value] : facts) output_.write(fmt::format("\n  {}: {},", Json(key).dump(), value));
  output_.write("\n  \"images\": [");
}

void JsonPredictions::add(const ClassifiedImage& image) {
  Json entry{{"path", to_utf8(image.path)}, {"predictions", Json::array()}};
  for (const Prediction& prediction : image.top) {
    entry["predictions"].push_back({{"class", to_utf8(name_of(prediction, class_names_))},
                                    {"label", prediction.label},
                                    {"probability", prediction.probability}});
  }
  if (!image.logits.empty()) entry["logits"] = image.logits;
  output_.write(fmt::format("{}\n    {}", any_ ? "," : "", entry.dump()));
  any_ = true;
}

void JsonPredictions::finish(std::span<const LeftOut> left_out) {
  Json broken = Json::array();
  for (const LeftOut& file : left_out)
    broken.push_back({{"path", to_utf8(file.path)}, {"reason", to_utf8(file.reason)}});
  output_.write(fmt::format("\n  ],\n  \"left_out\": {}\n}}\n", broken.dump()));
  output_.finish();
}

CsvPredictions::CsvPredictions(const std::filesystem::path& path, std::size_t top,
                               std::span<const std::string> class_names)
    : output_(path), class_names_(class_names) {
  output_.write("file,prediction,probability");
  for (std::size_t i = 2; i <= top; ++i) output_.write(fmt::format(",prediction_{0},probability_{0}", i));
  output_.write("\n");
}

void CsvPredictions::add(const ClassifiedImage& image) {
  std::string line = csv_field(image.path);
  for (const Prediction& prediction : image.top)
    line += fmt::format(",{},{:.7g}", csv_field(name_of(prediction, class_names_)), prediction.probability);
  output_.write(line + "\n");
}

}  // namespace convmixer::tool
