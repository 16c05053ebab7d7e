/// An exponential moving average of a network's weights, which is evaluated and saved in their place.
#pragma once

#include "convmixer/core/aligned_buffer.hpp"
#include "convmixer/core/thread_pool.hpp"
#include "convmixer/graph/parameters.hpp"
#include "convmixer/optim/optimizer.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace convmixer {

/// Where the running statistics that go with averaged weights come from.
enum class AverageStatistics {
  averaged,    ///< they are averaged like weights
  recomputed,  ///< updates leave them alone: they are computed anew for the average (model/norm_statistics.hpp)
};

struct WeightAverageOptions {
  float decay = 0.0F;  ///< what an update keeps of the average, from 0 to below 1; 0: no averaging
  bool warmup = true;  ///< the first updates keep less, see average_decay
  AverageStatistics statistics = AverageStatistics::averaged;

  [[nodiscard]] bool is_on() const noexcept { return decay > 0.0F; }
};

/// What the update of this number, counted from 1, keeps of the average: with s = number - 1,
///     0                                  for s = 0: the first update copies,
///     min(decay, 1 - (1 + s)^(-2/3))     with warm-up,
///     decay                              without.
/// timm's ModelEmaV3 (timm/utils/model_ema.py, get_decay) with warmup_gamma 1 and warmup_power 2/3.
[[nodiscard]] double average_decay(const WeightAverageOptions& options, std::int64_t number);

/// The averages of all weights and running statistics that aren't frozen: average = decay * average + (1 - decay) *
/// value after every update. They begin with the values as they are. Used from one thread at a time; results are the
/// same for any number of the pool's threads.
class WeightAverage {
 public:
  /// `parameters` and `pool` must outlive it. Throws Error (usage) for a decay that isn't from 0 to below 1.
  WeightAverage(Parameters& parameters, const WeightAverageOptions& options, ThreadPool& pool);

  [[nodiscard]] const WeightAverageOptions& options() const noexcept { return options_; }

  /// After the optimiser's update of this number, counted from 1.
  void update(std::int64_t number);

  /// Every average, by the name of what it is of ("stem.0.weight", "stem.2.running_mean"), in a fixed order; writing to
  /// the spans restores them.
  [[nodiscard]] std::vector<OptimizerState> state();
  [[nodiscard]] std::size_t bytes() const noexcept { return averages_.size(); }

 private:
  friend class AveragedWeights;

  struct Tensor {
    OptimizerState average;
    std::span<float> values;  // of the network
  };
  /// Of one tensor, what a task takes at a time.
  struct Part {
    const float* values;
    float* averages;
    std::size_t count;
  };

  void add(const std::string& name, const Shape& shape, std::span<float> values);
  void place();
  /// Cuts the first tensors, so many, into tasks.
  void cut_into_tasks(std::size_t tensors);
  void exchange() noexcept;

  WeightAverageOptions options_;
  ThreadPool& pool_;
  std::vector<Tensor> tensors_;
  AlignedBuffer averages_;
  std::vector<Part> parts_;
  std::vector<std::size_t> task_ends_;  // one past each task's last part
  bool exchanged_ = false;
};

/// While it exists, the network has the averages in place of its values, for an evaluation or to be saved; they are
/// exchanged back to the bit when it is gone, after an exception too.
class AveragedWeights {
 public:
  /// Throws Error (usage) where the averages are in place already. Updates are refused meanwhile.
  explicit AveragedWeights(WeightAverage& average);
  ~AveragedWeights();
  AveragedWeights(const AveragedWeights&) = delete;
  AveragedWeights& operator=(const AveragedWeights&) = delete;

 private:
  WeightAverage& average_;
};

}  // namespace convmixer
