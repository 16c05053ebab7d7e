#include "convmixer/data/data_identity.hpp"

#include "convmixer/core/error.hpp"
#include "convmixer/core/plural.hpp"
#include "convmixer/core/printable.hpp"

#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <charconv>
#include <memory>
#include <numeric>
#include <string_view>
#include <xxhash.h>

namespace convmixer {

namespace {

constexpr std::int64_t kMostBytes = std::int64_t{1} << 30;
constexpr std::size_t kMostChangesNamed = 3;

using Text = std::map<std::string, std::string>;

std::string names_text(const std::vector<std::string>& names) {
  return nlohmann::json(names).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::optional<std::vector<std::string>> names_from(const std::string& text) {
  const nlohmann::json value = nlohmann::json::parse(text, nullptr, false);
  if (!value.is_array()) return std::nullopt;
  std::vector<std::string> names;
  for (const nlohmann::json& name : value) {
    if (!name.is_string()) return std::nullopt;
    names.push_back(name.get<std::string>());
  }
  return names;
}

std::optional<std::vector<std::int64_t>> counts_from(std::string_view text) {
  std::vector<std::int64_t> counts;
  while (!text.empty()) {
    std::int64_t count = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
    if (error != std::errc{} || count < 0) return std::nullopt;
    counts.push_back(count);
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    if (text.starts_with(' ')) text.remove_prefix(1);
  }
  return counts;
}

void write(const SplitIdentity& split, const std::string& name, Text& text) {
  text[name + ".class_images"] = fmt::format("{}", fmt::join(split.class_images, " "));
  text[name + ".fingerprint"] = split.fingerprint;
}

std::optional<SplitIdentity> split_from(const Text& text, const std::string& name, std::size_t classes) {
  const auto images = text.find(name + ".class_images");
  const auto fingerprint = text.find(name + ".fingerprint");
  if (images == text.end() || fingerprint == text.end()) return std::nullopt;
  auto counts = counts_from(images->second);
  if (!counts || counts->size() != classes) return std::nullopt;
  return SplitIdentity{std::move(*counts), fingerprint->second};
}

/// " (leaf: 9 instead of 30, ...)"
std::string describe_classes(const SplitIdentity& before, const SplitIdentity& now,
                             const std::vector<std::string>& class_names) {
  std::vector<std::string> changes;
  for (std::size_t i = 0; i < std::min(before.class_images.size(), now.class_images.size()); ++i) {
    if (before.class_images[i] == now.class_images[i]) continue;
    changes.push_back(i < class_names.size() ? fmt::format("{}: {} instead of {}", printable(class_names[i]),
                                                           now.class_images[i], before.class_images[i])
                                             : std::string("another class"));
  }
  if (changes.size() > kMostChangesNamed) {
    changes.resize(kMostChangesNamed);
    changes.emplace_back("...");
  }
  return changes.empty() ? "" : fmt::format(" ({})", fmt::join(changes, ", "));
}

}  // namespace

std::int64_t SplitIdentity::images() const {
  return std::accumulate(class_images.begin(), class_images.end(), std::int64_t{0});
}

SplitIdentity identify(const Dataset& dataset) {
  SplitIdentity identity;
  identity.class_images.assign(dataset.class_names().size(), 0);
  std::vector<std::int32_t> labels(static_cast<std::size_t>(dataset.size()));
  for (std::int64_t i = 0; i < dataset.size(); ++i) {
    const std::int32_t label = dataset.label(i);
    if (label < 0 || label >= dataset.classes())
      fail("image {} of the data set: found label {}, expected 0 to {}", i, label, dataset.classes() - 1);
    ++identity.class_images[static_cast<std::size_t>(label)];
    labels[static_cast<std::size_t>(i)] = label;
  }
  const std::unique_ptr<XXH3_state_t, decltype(&XXH3_freeState)> state(XXH3_createState(), XXH3_freeState);
  XXH3_64bits_reset(state.get());
  const auto add = [&](const auto& values) {
    const auto bytes = std::as_bytes(std::span(values));
    XXH3_64bits_update(state.get(), bytes.data(), bytes.size());
  };
  const std::int64_t image_bytes = std::int64_t{dataset.channels()} * dataset.image_size() * dataset.image_size();
  add(std::vector<std::int64_t>{dataset.size(), dataset.channels(), dataset.image_size()});
  add(labels);
  const std::int64_t step = std::max<std::int64_t>(1, (dataset.size() * image_bytes + kMostBytes - 1) / kMostBytes);
  for (std::int64_t i = 0; i < dataset.size(); i += step) add(dataset.image(i));
  identity.fingerprint = fmt::format("{:016x}", XXH3_64bits_digest(state.get()));
  return identity;
}

DataIdentity identify(const Dataset& train, const Dataset& test) {
  return {storable_names(train.class_names()), identify(train), identify(test)};
}

std::vector<std::string> storable_names(const std::vector<std::string>& names) {
  std::vector<std::string> storable;
  for (const std::string& name : names) storable.push_back(to_utf8(name));
  return storable;
}

std::map<std::string, std::string> to_text(const DataIdentity& identity) {
  Text text{{"class_names", names_text(identity.class_names)}};
  write(identity.train, "train", text);
  write(identity.test, "test", text);
  return text;
}

std::optional<DataIdentity> identity_from(const std::map<std::string, std::string>& text) {
  const auto found = text.find("class_names");
  if (found == text.end()) return std::nullopt;
  auto names = names_from(found->second);
  if (!names) return std::nullopt;
  auto train = split_from(text, "train", names->size());
  auto test = split_from(text, "test", names->size());
  if (!train || !test) return std::nullopt;
  return DataIdentity{std::move(*names), std::move(*train), std::move(*test)};
}

std::string describe_change(const SplitIdentity& before, const SplitIdentity& now,
                            const std::vector<std::string>& class_names, const std::string& kind) {
  if (before == now) return "";
  const std::string classes = describe_classes(before, now, class_names);
  if (before.images() != now.images())
    return fmt::format("{} {} {} instead of {}{}", now.images(), kind, plural(now.images(), "image"), before.images(),
                       classes);
  if (!classes.empty()) return fmt::format("other {} images, {} as before{}", kind, now.images(), classes);
  return fmt::format("the {} {} images have other pixels or another order", now.images(), kind);
}

std::string describe_change(const DataIdentity& before, const DataIdentity& now) {
  const std::string train = describe_change(before.train, now.train, now.class_names, "training");
  const std::string test = describe_change(before.test, now.test, now.class_names, "test");
  return train + (train.empty() || test.empty() ? "" : "; ") + test;
}

}  // namespace convmixer
