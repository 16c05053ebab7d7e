/// How a plan's weights follow the parameters.
#pragma once

#include "convmixer/core/thread_pool.hpp"
#include "kernels/onednn/matrix_product.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

namespace convmixer::fused {

/// Tasks that read the parameters as they are now into the layouts and types that stages read, in one loop over all
/// stages' weights.
struct RefreshTasks {
  std::vector<std::function<void()>> padding;  ///< come first: copies with padding channels, which packings read
  std::vector<std::function<void()>> packing;

  void run(ThreadPool& pool, const kernels::Runtime& runtime) const {
    for (const auto& task : padding) task();
    pool.for_each_task(static_cast<std::int64_t>(packing.size()), [&](std::int64_t task, int /*worker*/) {
      const kernels::OneThread one_thread(runtime);
      packing[static_cast<std::size_t>(task)]();
    });
  }
};

}  // namespace convmixer::fused
