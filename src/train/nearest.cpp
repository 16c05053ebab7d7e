#include "convmixer/train/nearest.hpp"

#include "core/ascii.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

namespace convmixer {
namespace {

std::string normalised(std::string_view word) {
  std::string result(word);
  for (char& letter : result) {
    letter = letter == '_' ? '-' : ascii_lower(letter);
  }
  return result;
}

}  // namespace

std::size_t edit_distance(std::string_view a, std::string_view b) {
  const std::size_t width = b.size() + 1;
  std::vector<std::size_t> distance((a.size() + 1) * width);
  for (std::size_t i = 0; i <= a.size(); ++i) distance[i * width] = i;
  for (std::size_t j = 0; j <= b.size(); ++j) distance[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t substitution = distance[(i - 1) * width + j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      std::size_t best = std::min({distance[(i - 1) * width + j] + 1, distance[i * width + j - 1] + 1, substitution});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        best = std::min(best, distance[(i - 2) * width + j - 2] + 1);
      }
      distance[i * width + j] = best;
    }
  }
  return distance.back();
}

std::string nearest(std::string_view word, std::span<const std::string> candidates) {
  const std::string wanted = normalised(word);
  std::string best;
  std::size_t best_distance = 0;
  for (const std::string& candidate : candidates) {
    const std::size_t distance = edit_distance(wanted, candidate);
    const bool prefix = wanted.size() >= 3 && (candidate.starts_with(wanted) || wanted.starts_with(candidate));
    if (!prefix && distance * 3 > std::max(wanted.size(), candidate.size())) continue;
    if (best.empty() || distance < best_distance) {
      best = candidate;
      best_distance = distance;
    }
  }
  return best;
}

std::string suggestion(std::string_view word, std::span<const std::string> candidates) {
  const std::string found = nearest(word, candidates);
  return found.empty() ? std::string() : fmt::format("; did you mean '{}'?", found);
}

}  // namespace convmixer
