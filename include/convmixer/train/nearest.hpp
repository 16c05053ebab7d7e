/// "Did you mean ...?"
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace convmixer {

/// Number of insertions, deletions, substitutions and swaps of neighbours that turn one text into the other
/// (Damerau-Levenshtein, optimal string alignment).
[[nodiscard]] std::size_t edit_distance(std::string_view a, std::string_view b);

/// The candidate nearest to `word`, the first of equals; empty if none comes near: more edits than a third of the
/// longer word's letters, and neither begins with the other. '_' counts as '-', capitals as small letters.
[[nodiscard]] std::string nearest(std::string_view word, std::span<const std::string> candidates);

/// "; did you mean 'kernel-size'?", or nothing when no candidate comes near.
[[nodiscard]] std::string suggestion(std::string_view word, std::span<const std::string> candidates);

}  // namespace convmixer
