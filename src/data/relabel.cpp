#include "convmixer/data/relabel.hpp"

#include "convmixer/core/error.hpp"
#include "convmixer/core/printable.hpp"
#include "convmixer/data/data_identity.hpp"

#include <fmt/ranges.h>

#include <algorithm>
#include <numeric>
#include <optional>
#include <span>
#include <unordered_map>
#include <utility>

namespace convmixer {

namespace {

constexpr std::size_t kMostListed = 20;

class Relabelled : public Dataset {
 public:
  Relabelled(const Dataset& dataset, std::vector<std::int32_t> labels, std::vector<std::string> class_names)
      : dataset_(dataset), labels_(std::move(labels)), class_names_(std::move(class_names)) {}

  [[nodiscard]] std::int64_t size() const override { return dataset_.size(); }
  [[nodiscard]] int channels() const override { return dataset_.channels(); }
  [[nodiscard]] int image_size() const override { return dataset_.image_size(); }
  [[nodiscard]] const std::vector<std::string>& class_names() const override { return class_names_; }
  [[nodiscard]] Normalisation normalisation() const override { return dataset_.normalisation(); }
  [[nodiscard]] const std::vector<std::string>& left_out() const override { return dataset_.left_out(); }
  [[nodiscard]] std::span<const std::uint8_t> image(std::int64_t index) const override { return dataset_.image(index); }
  [[nodiscard]] std::string file_name(std::int64_t index) const override { return dataset_.file_name(index); }
  [[nodiscard]] std::int32_t label(std::int64_t index) const override {
    const std::int32_t label = dataset_.label(index);
    // What isn't a label of the data set is none here either.
    if (label < 0 || label >= std::ssize(labels_)) return -1;
    return labels_[static_cast<std::size_t>(label)];
  }

 private:
  const Dataset& dataset_;
  std::vector<std::int32_t> labels_;  // by the data set's
  std::vector<std::string> class_names_;
};

/// For each of the names its place among the classes; nothing if one has none, or several have one.
std::optional<std::vector<std::int32_t>> places(const std::vector<std::string>& names,
                                                const std::vector<std::string>& among) {
  std::vector<std::int32_t> found(names.size());
  std::iota(found.begin(), found.end(), 0);
  if (names == among) return found;
  std::unordered_map<std::string, std::int32_t> place;
  for (const std::string& name : among)
    if (!place.emplace(name, static_cast<std::int32_t>(place.size())).second) return std::nullopt;
  for (std::size_t i = 0; i < names.size(); ++i) {
    const auto at = place.find(names[i]);
    if (at == place.end()) return std::nullopt;
    found[i] = at->second;
    place.erase(at);
  }
  return found;
}

}  // namespace

std::unique_ptr<Dataset> relabel(const Dataset& dataset, const std::vector<std::string>& class_names) {
  const std::vector<std::string>& names = dataset.class_names();
  const std::vector<std::string> storable = storable_names(names);
  const std::vector<std::string> expected = storable_names(class_names);
  auto labels = places(storable, expected);
  if (!labels) {
    const auto unknown = std::ranges::find_if(
        storable, [&](const std::string& name) { return std::ranges::find(expected, name) == expected.end(); });
    fail_usage("the data's classes are {}, expected {}: {}", list_class_names(names), list_class_names(class_names),
               unknown == storable.end() ? "a name is there twice"
                                         : fmt::format("'{}' is none of these", printable(*unknown)));
  }
  return std::make_unique<Relabelled>(dataset, std::move(*labels), class_names);
}

std::string list_class_names(const std::vector<std::string>& names) {
  std::vector<std::string> listed;
  for (const std::string& name : std::span(names).first(std::min(names.size(), kMostListed)))
    listed.push_back(printable(name));
  const std::string rest =
      names.size() > kMostListed ? fmt::format(" and {} more", names.size() - kMostListed) : std::string();
  return fmt::format("{}{}", fmt::join(listed, ", "), rest);
}

}  // namespace convmixer
