#include "data/sources/left_out.hpp"

#include "convmixer/core/plural.hpp"

#include <fmt/ranges.h>

#include <algorithm>
#include <span>

namespace convmixer {

void note_left_out(const DatasetOptions& options, const Dataset& dataset) {
  constexpr std::size_t kMostNamed = 10;
  const std::vector<std::string>& left_out = dataset.left_out();
  if (left_out.empty() || !options.note) return;
  const auto named = std::span(left_out).first(std::min(left_out.size(), kMostNamed));
  options.note(fmt::format("left out {} of {}: {}{}", counted(left_out.size(), "broken file"), options.path.string(),
                           fmt::join(named, "; "), named.size() < left_out.size() ? "; ..." : ""));
}

}  // namespace convmixer
