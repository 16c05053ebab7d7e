/// Random numbers as a pure function of (seed, purpose, where): the same for any thread count.
#pragma once

#include <array>
#include <cstdint>

namespace convmixer {

/// What random numbers are for. Each purpose has its own streams, so that adding draws to one
/// never shifts another. The values are part of the reproducibility contract: never renumber.
enum class RandomStream : std::uint32_t {
  initialisation = 1,    ///< where = (parameter index, 0)
  shuffle = 2,           ///< where = (epoch, 0)
  augmentation = 3,      ///< where = (epoch, image index)
  synthetic_data = 4,    ///< where = (split, image index)
  mixing = 5,            ///< where = (epoch, batch of the epoch)
  alternating_flip = 6,  ///< where = (0, image index)
  erasing = 7,           ///< where = (epoch, image index)
  holdout = 8,           ///< where = (0, image index)
  dropout = 9,           ///< where = (update, place of the image in the batch), by a seed of the node's own
};

/// Philox4x32-10: Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
/// Maps a 128-bit counter under a 64-bit key to 128 random bits.
[[nodiscard]] std::array<std::uint32_t, 4> philox4x32(std::array<std::uint32_t, 4> counter,
                                                      std::array<std::uint32_t, 2> key) noexcept;

/// The stream of random numbers at (seed, stream, a, b): counter-based, cheap to make, no shared state.
class Rng {
 public:
  Rng(std::uint64_t seed, RandomStream stream, std::uint32_t a = 0, std::uint32_t b = 0) noexcept;

  /// 32 random bits.
  std::uint32_t next() noexcept;
  /// Uniform in [0, 1), 24 bits.
  float uniform() noexcept;
  /// Uniform in [low, high).
  float uniform(float low, float high) noexcept;
  /// Uniform integer in [0, bound), without modulo bias (Lemire 2019); 0 for a bound of 0.
  std::uint32_t below(std::uint32_t bound) noexcept;
  /// Standard normal (Box-Muller, one value of each pair used).
  float normal() noexcept;

 private:
  std::array<std::uint32_t, 2> key_;
  std::array<std::uint32_t, 4> counter_;
  std::array<std::uint32_t, 4> block_{};
  unsigned used_ = 4;
};

}  // namespace convmixer
