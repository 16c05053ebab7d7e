/// The letters that a Canvas draws.
#pragma once

namespace convmixer {

/// Pixels of a letter, between which one is left.
inline constexpr int kLetterWidth = 5;
inline constexpr int kLetterHeight = 7;

}  // namespace convmixer
