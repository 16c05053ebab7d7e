/// A graph with its parameters and the plans it has been run with: training and evaluation for any batch size.
#pragma once

#include "convmixer/core/aligned_buffer.hpp"
#include "convmixer/graph/graph.hpp"
#include "convmixer/graph/parameters.hpp"
#include "convmixer/model/loss.hpp"
#include "convmixer/plan/plan.hpp"

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <utility>

namespace convmixer {

/// Sums over the images of a batch, so that batches add up.
struct BatchResult {
  std::int64_t images = 0;
  double loss_sum = 0.0;  ///< mean loss times images
  std::int64_t correct = 0;
  std::int64_t correct_top5 = 0;  ///< among the five largest logits (all, if there are fewer classes)

  BatchResult& operator+=(const BatchResult& other) noexcept;
  [[nodiscard]] double loss() const noexcept { return images == 0 ? 0.0 : loss_sum / static_cast<double>(images); }
  [[nodiscard]] double accuracy() const noexcept { return ratio(correct); }
  [[nodiscard]] double accuracy_top5() const noexcept { return ratio(correct_top5); }

 private:
  [[nodiscard]] double ratio(std::int64_t part) const noexcept {
    return images == 0 ? 0.0 : static_cast<double>(part) / static_cast<double>(images);
  }
};

/// Owns graph, parameters and plans. Plans are made at the first batch of a size and kept; make the largest first.
class Network {
 public:
  Network(Graph graph, Precision precision, Engine& engine, LayoutPolicy layout = LayoutPolicy::automatic,
          PlanKind kind = PlanKind::automatic);

  [[nodiscard]] const Graph& graph() const noexcept { return *graph_; }
  [[nodiscard]] Parameters& parameters() noexcept { return *parameters_; }
  [[nodiscard]] const Parameters& parameters() const noexcept { return *parameters_; }
  [[nodiscard]] Precision precision() const noexcept { return precision_; }
  [[nodiscard]] std::int64_t classes() const noexcept;

  /// Forward, loss and backward of one batch, (N, C, H, W) f32: overwrites the gradients, moves the running
  /// statistics. Accuracy counts against targets.labels when given (0 otherwise). Throws Error (usage) for a batch
  /// whose norms would see a single value per channel.
  BatchResult train_batch(std::span<const float> images, const Targets& targets);

  /// Forward with running statistics.
  BatchResult evaluate_batch(std::span<const float> images, const Targets& targets);
  /// The logits of the last batch, (N, classes).
  [[nodiscard]] std::span<const float> logits() const noexcept { return logits_; }

  /// The plan for a batch size, made if needed: for reports and for making memory before the first step.
  Plan& plan(std::int64_t batch_size, PlanMode mode);

  /// Memory of all plans so far. Smaller plans run in a larger one's.
  [[nodiscard]] PlannedMemory memory() const;

 private:
  BatchResult score(const Targets& targets, std::span<float> gradient) const;

  std::unique_ptr<Graph> graph_;
  std::unique_ptr<Parameters> parameters_;
  Precision precision_;
  Engine* engine_;
  LayoutPolicy layout_;
  PlanKind kind_;
  std::map<std::pair<PlanMode, std::int64_t>, Plan> plans_;
  std::span<const float> logits_;
  AlignedBuffer logits_gradient_;
};

}  // namespace convmixer
