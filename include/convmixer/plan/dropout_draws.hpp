/// Which random numbers dropout and stochastic depth take.
#pragma once

#include <cstdint>

namespace convmixer {

/// What a forward pass in training drops is a function of these, of the node, and of an image's place in the batch
/// alone: the same for any number of threads, however a batch is cut into micro-batches, and in a training that goes
/// on.
///
/// The numbers of a node, whose output is tensor t, come from a seed of its own: of Rng(seed, RandomStream::dropout, t)
/// the first number is the upper half, the second the lower half. Image i of the batch then has
/// Rng(that seed, RandomStream::dropout, update, i): Dropout takes a number for each of the image's values, row by row
/// of (C, H, W), DropPath one; what gets a number below rate * 2^32 is dropped.
struct DropoutDraws {
  std::uint64_t seed = 0;
  std::int64_t update = 0;       ///< of the training, from 0
  std::int64_t first_image = 0;  ///< place in the batch of the first image that forward is given
  bool drops = true;             ///< false: nothing is dropped, as in evaluation
};

}  // namespace convmixer
