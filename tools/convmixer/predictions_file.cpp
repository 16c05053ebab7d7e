#include "predictions_file.hpp"

#include "convmixer/core/file.hpp"
#include "convmixer/model/prediction.hpp"
#include "csv.hpp"

#include <fmt/format.h>

#include <cmath>
#include <iterator>

namespace convmixer::tool {

PredictionsFile::PredictionsFile(const Dataset& images, std::size_t top)
    : images_(&images), top_(top), text_("index,file,label,prediction,probability,label_probability,label_rank") {
  for (const std::string& name : images.class_names()) class_names_.push_back(csv_field(name));
  for (std::size_t k = 2; k <= top; ++k) text_ += fmt::format(",prediction_{},probability_{}", k, k);
  text_ += '\n';
}

void PredictionsFile::add(std::span<const float> logits, std::span<const std::int32_t> labels) {
  const std::size_t classes = logits.size() / labels.size();
  for (std::size_t i = 0; i < labels.size(); ++i)
    add_line(logits.subspan(i * classes, classes), static_cast<std::size_t>(labels[i]));
}

void PredictionsFile::add_line(std::span<const float> logits, std::size_t label) {
  const auto out = std::back_inserter(text_);
  fmt::format_to(out, "{},{},{},", index_, csv_field(images_->file_name(index_)), class_names_[label]);
  ++index_;
  const std::vector<Prediction> top = predict_top(logits, top_);
  if (top.empty()) {
    text_ += ",nan,nan,";
    for (std::size_t k = 2; k <= top_; ++k) text_ += ",,nan";
    text_ += '\n';
    return;
  }
  std::size_t rank = 1;
  for (std::size_t j = 0; j < logits.size(); ++j)
    if (logits[j] > logits[label] || (logits[j] == logits[label] && j < label)) ++rank;
  const auto name = [&](const Prediction& one) -> const std::string& {
    return class_names_[static_cast<std::size_t>(one.label)];
  };
  fmt::format_to(out, "{},{:.7g},{:.7g},{}", name(top.front()), top.front().probability, probability_of(logits, label),
                 rank);
  for (std::size_t k = 2; k <= top_; ++k) {
    if (k <= top.size())
      fmt::format_to(out, ",{},{:.7g}", name(top[k - 1]), top[k - 1].probability);
    else
      text_ += ",,";  // there are fewer classes
  }
  text_ += '\n';
}

void PredictionsFile::write(const std::filesystem::path& path) const { write_file_atomically(path, text_); }

}  // namespace convmixer::tool
