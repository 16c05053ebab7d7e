#include "support/golden_augment.hpp"

#include "convmixer/core/error.hpp"

#include <algorithm>
#include <sstream>

namespace convmixer::testing_support {

ImageStack GoldenAugment::stack(const std::string& name) const {
  const SafetensorsFile::Entry& entry = file_.tensor(name);
  if (entry.dtype != DType::u8 || entry.shape.rank() != 4)
    fail("{}: {} is not (N, H, W, C) u8", file_.path().string(), name);
  ImageStack stack;
  stack.shape = {.channels = static_cast<int>(entry.shape[3]),
                 .height = static_cast<int>(entry.shape[1]),
                 .width = static_cast<int>(entry.shape[2])};
  const auto channels = static_cast<std::size_t>(stack.shape.channels);
  const auto* from = reinterpret_cast<const std::uint8_t*>(entry.bytes.data());
  for (std::int64_t n = 0; n < entry.shape[0]; ++n, from += stack.shape.bytes()) {
    std::vector<std::uint8_t> planes(stack.shape.bytes());
    for (std::size_t i = 0; i < planes.size(); ++i) planes[i % channels * stack.shape.plane() + i / channels] = from[i];
    stack.images.push_back(std::move(planes));
  }
  return stack;
}

std::vector<std::string> GoldenAugment::names(const std::string& prefix) const {
  std::vector<std::string> names;
  for (const auto& [name, entry] : file_.tensors())
    if (name.starts_with(prefix)) names.push_back(name);
  return names;
}

std::map<std::string, std::string> GoldenAugment::settings(const std::string& name) const {
  std::istringstream words(file_.metadata(name));
  std::map<std::string, std::string> settings;
  for (std::string word; words >> word;) {
    const std::size_t equals = word.find('=');
    if (equals != std::string::npos) settings[word.substr(0, equals)] = word.substr(equals + 1);
  }
  return settings;
}

double GoldenAugment::number(const std::string& name, const std::string& key) const {
  const auto values = settings(name);
  const auto found = values.find(key);
  if (found == values.end()) fail("{}: {} says nothing of {}", file_.path().string(), name, key);
  return std::stod(found->second);
}

int differences(const std::vector<std::uint8_t>& found, const std::vector<std::uint8_t>& expected) {
  int count = std::abs(static_cast<int>(found.size()) - static_cast<int>(expected.size()));
  for (std::size_t i = 0; i < std::min(found.size(), expected.size()); ++i) count += found[i] != expected[i] ? 1 : 0;
  return count;
}

}  // namespace convmixer::testing_support
