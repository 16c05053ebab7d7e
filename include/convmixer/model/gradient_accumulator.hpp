/// Gradients added up over several backward passes, for a step whose images don't go through the network together.
#pragma once

#include "convmixer/core/aligned_buffer.hpp"
#include "convmixer/core/thread_pool.hpp"
#include "convmixer/graph/parameters.hpp"

#include <cstddef>
#include <vector>

namespace convmixer {

/// A weighted sum of the gradients that backward passes leave in `parameters`, of those parameters that aren't frozen.
/// Each value is added up by itself, in the order of the calls: any number of threads gives the same bits.
class GradientAccumulator {
 public:
  /// Empty, in memory as large as the gradients. `parameters` and `pool` must outlive it.
  GradientAccumulator(Parameters& parameters, ThreadPool& pool);

  /// Adds `weight` times the gradients as they are now. With the mean gradients of parts of a batch, a weight is the
  /// part's share of the images.
  void add(float weight);

  /// Puts the sum in the gradients' place, and is empty afterwards. Does nothing if it is empty.
  void move_to_gradients();

  /// Forgets what was added.
  void clear() noexcept { empty_ = true; }

 private:
  /// Values [begin, begin + count) of a parameter, and where their sum is.
  struct Part {
    ParameterId id;
    std::size_t begin;
    std::size_t count;
    std::size_t sum;
  };

  /// Calls body(sum, gradient, count) for every part, on the pool's threads.
  template <typename Body>
  void for_each_part(const Body& body);

  Parameters& parameters_;
  ThreadPool& pool_;
  std::vector<Part> parts_;
  AlignedBuffer sums_;
  bool empty_ = true;
};

}  // namespace convmixer
