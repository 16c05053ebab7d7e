#include "convmixer/model/network.hpp"

#include "convmixer/core/trace.hpp"

#include <algorithm>
#include <utility>

namespace convmixer {

BatchResult& BatchResult::operator+=(const BatchResult& other) noexcept {
  images += other.images;
  loss_sum += other.loss_sum;
  correct += other.correct;
  correct_top5 += other.correct_top5;
  return *this;
}

Network::Network(Graph graph, Precision precision, Engine& engine, LayoutPolicy layout, PlanKind kind)
    : graph_(std::make_unique<Graph>(std::move(graph))),
      parameters_(std::make_unique<Parameters>(*graph_)),
      precision_(precision),
      engine_(&engine),
      layout_(layout),
      kind_(kind) {}

std::int64_t Network::classes() const noexcept {
  return graph_->tensors()[static_cast<std::size_t>(graph_->output())].count();
}

Plan& Network::plan(std::int64_t batch_size, PlanMode mode) {
  const std::pair key(mode, batch_size);
  auto found = plans_.find(key);
  if (found == plans_.end()) {
    const PlanOptions options{.batch_size = batch_size,
                              .precision = precision_,
                              .mode = mode,
                              .layout = layout_,
                              .kind = kind_,
                              .input_gradient = false};
    // Plans run one at a time: the largest one's memory serves all that fit into it.
    const auto largest = std::ranges::max_element(
        plans_, {}, [](const auto& entry) { return entry.second.owns_memory() ? entry.second.memory().total() : 0; });
    const Plan* const lender = largest == plans_.end() ? nullptr : &largest->second;
    found = plans_.emplace(key, Plan(*graph_, *parameters_, *engine_, options, lender)).first;
  }
  return found->second;
}

PlannedMemory Network::memory() const {
  PlannedMemory sum;
  for (const auto& [key, plan] : plans_) {
    const PlannedMemory memory = plan.memory();
    sum.unshared += memory.unshared;
    if (!plan.owns_memory()) continue;
    sum.arena += memory.arena;
    sum.scratchpad += memory.scratchpad;
  }
  return sum;
}

BatchResult Network::train_batch(std::span<const float> images, const Targets& targets) {
  const std::int64_t batch = static_cast<std::int64_t>(images.size()) / graph_->tensors()[0].count();
  Plan& training = plan(batch, PlanMode::training);
  logits_ = training.forward(images);
  const std::size_t bytes = logits_.size_bytes();
  if (logits_gradient_.size() < bytes) logits_gradient_ = AlignedBuffer(bytes);
  const std::span<float> gradient = logits_gradient_.as<float>().first(logits_.size());
  const BatchResult result = score(targets, gradient);
  training.backward(gradient);
  return result;
}

BatchResult Network::evaluate_batch(std::span<const float> images, const Targets& targets) {
  const std::int64_t batch = static_cast<std::int64_t>(images.size()) / graph_->tensors()[0].count();
  logits_ = plan(batch, PlanMode::inference).forward(images);
  return score(targets, {});
}

BatchResult Network::score(const Targets& targets, std::span<float> gradient) const {
  static const TraceName kLoss("loss");
  static const TraceName kInferenceLoss("loss inference");
  const TraceScope scope(gradient.empty() ? kInferenceLoss : kLoss);
  BatchResult result;
  result.images = static_cast<std::int64_t>(logits_.size()) / classes();
  result.loss_sum = softmax_cross_entropy(logits_, classes(), targets, gradient) * static_cast<double>(result.images);
  result.correct = count_in_top(logits_, classes(), targets.labels, 1);
  result.correct_top5 = count_in_top(logits_, classes(), targets.labels, 5);
  return result;
}

}  // namespace convmixer
