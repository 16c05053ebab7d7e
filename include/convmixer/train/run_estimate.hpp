/// How long a training will take, and how much memory: measured by doing some of its steps and evaluations.
#pragma once

#include "convmixer/checkpoint/checkpoint.hpp"
#include "convmixer/data/dataset.hpp"
#include "convmixer/plan/engine.hpp"
#include "convmixer/plan/plan_options.hpp"
#include "convmixer/train/config.hpp"
#include "convmixer/train/precision_choice.hpp"
#include "convmixer/train/run_images.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace convmixer {

/// Training images that are reduced to a size.
struct ReducedImages {
  int image_size = 0;
  std::int64_t images = 0;
};

/// What a training has to do, or what is left of it.
struct RunWork {
  std::int64_t training_images = 0;  ///< all that steps take at the data set's size, over all epochs
  std::int64_t test_images = 0;      ///< all that are evaluated, for averaged weights once more
  std::vector<ReducedImages> reduced{};
};

/// The images of an epoch at the data set's size.
[[nodiscard]] RunWork epoch_work(const TrainConfig& config, const RunImages& images);
/// What a run has to do from a position on, the evaluation at its end included.
[[nodiscard]] RunWork work_left(const TrainConfig& config, const RunImages& images, const TrainingPosition& position);

/// What the steps of an estimate are done with.
struct EstimateData {
  ClassificationTask task;        ///< of the images
  std::int64_t train_images = 0;  ///< how many there are, the held-out ones included
  std::int64_t test_images = 0;
  const Dataset* train = nullptr;  ///< both: batches are loaded and augmented as in the training;
  const Dataset* test = nullptr;   ///< null: the same random batch is used over and over
};

/// How fast a training goes on images reduced to a size.
struct SizeEstimate {
  int image_size = 0;
  double training_rate = 0.0;  ///< images/s of steps, waiting for batches included
  double wait_share = 0.0;     ///< of the steps' time, for batches to be loaded
};

/// How fast a training goes, at what cost, in one precision. Training rate, spread, steps and waiting are those at the
/// data set's size.
struct PrecisionEstimate {
  Precision precision = Precision::f32;
  std::string failure;  ///< why no training can be made of it; then all else is 0
  PlanKind plan = PlanKind::plain;

  double training_rate = 0.0;           ///< images/s of steps, waiting for batches included
  double training_spread = 0.0;         ///< median distance of a step from that, as a share
  std::size_t steps = 0;                ///< measured
  double evaluation_rate = 0.0;         ///< images/s
  double wait_share = 0.0;              ///< of the steps' time, for batches to be loaded
  double supply = 0.0;                  ///< images/s that one thread doing nothing else would load; 0: there is no data
  std::vector<SizeEstimate> reduced{};  ///< of all smaller sizes of config.image_sizes, the largest first

  std::int64_t planned_bytes = 0;  ///< of plans, parameters, gradients, averages and the optimiser's state
  std::int64_t peak_bytes = 0;     ///< of the whole process, measured; the data and its batches included

  /// Throws Error for images of a size that wasn't measured.
  [[nodiscard]] double seconds(const RunWork& work) const;
};

struct RunEstimate {
  PrecisionChoice choice;                     ///< what a training will take
  std::vector<PrecisionEstimate> precisions;  ///< f32, then bf16 where any plan can be computed in it here
  double seconds = 0.0;                       ///< that measuring took

  /// Of `precisions`, that of choice.precision. Throws Error (usage) if it isn't among them.
  [[nodiscard]] const PrecisionEstimate& chosen() const;
};

/// Time for measuring.
struct EstimateLimits {
  float seconds = 12.0F;  ///< two thirds of it for the chosen precision; more where a step takes so long
};

/// Measures in every precision that any plan can be computed in here (Engine::supports), first in the chosen one, which
/// must work; of another in which this training can't be made it says why. `config` is resolved; its precision doesn't
/// count. Nothing is written. Throws Error as Network, its plans and Loader do.
[[nodiscard]] RunEstimate estimate_run(const TrainConfig& config, const PrecisionChoice& choice,
                                       const EstimateData& data, Engine& engine, const EstimateLimits& limits = {});

}  // namespace convmixer
