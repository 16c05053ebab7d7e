#include "convmixer/model/network.hpp"

#include "convmixer/core/error.hpp"
#include "convmixer/core/plural.hpp"

#include <algorithm>
#include <utility>

namespace convmixer {

namespace {

/// Looks no further than the first value that isn't 0.
bool all_zero(const Parameters& parameters) {
  const auto count = static_cast<ParameterId>(parameters.graph().parameters().size());
  for (ParameterId id = 0; id < count; ++id) {
    if (std::ranges::any_of(parameters.value(id), [](float value) { return value != 0.0F; })) return false;
  }
  return count > 0;
}

}  // namespace

Network::Network(Graph graph, Precision precision, Engine& engine, LayoutPolicy layout, PlanKind kind)
    : graph_(std::make_unique<Graph>(std::move(graph))),
      parameters_(std::make_unique<Parameters>(*graph_)),
      precision_(precision),
      engine_(&engine),
      layout_(layout),
      kind_(kind) {
  if (graph_->nodes().empty()) fail_usage("network: its graph has no operations, expected at least one");
  const Shape& output = graph_->tensors()[static_cast<std::size_t>(graph_->output())];
  if (output.rank() != 1) {
    fail_usage("network: its output has shape {}, expected (classes): a linear layer or a pooling comes last",
               output.to_string());
  }
}

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

std::int64_t Network::count_images(std::span<const float> images) const {
  const Shape& image = graph_->tensors()[static_cast<std::size_t>(graph_->input())];
  const auto count = static_cast<std::int64_t>(images.size());
  if (count == 0 || count % image.count() != 0) {
    fail_usage("images: {} given, expected N x {} for N images of shape {}, N at least 1", counted(count, "number"),
               image.count(), image.to_string());
  }
  return count / image.count();
}

void Network::check_initialised() {
  if (!initialised_ && all_zero(*parameters_)) {
    fail_usage("network: all of its parameters are 0, expected parameters().initialise(seed) or load_weights() first");
  }
  initialised_ = true;
}

std::int64_t Network::check_batch(std::span<const float> images, const Targets& targets) {
  const std::int64_t batch = count_images(images);
  check_targets(targets, batch, classes());
  check_initialised();
  return batch;
}

BatchResult Network::train_batch(std::span<const float> images, const Targets& targets) {
  const std::int64_t batch = check_batch(images, targets);
  Plan& training = plan(batch, PlanMode::training);
  logits_ = training.forward(images);
  const std::size_t bytes = logits_.size_bytes();
  if (logits_gradient_.size() < bytes) logits_gradient_ = AlignedBuffer(bytes);
  const std::span<float> gradient = logits_gradient_.as<float>().first(logits_.size());
  const BatchResult result = score(logits_, classes(), targets, gradient);
  training.backward(gradient);
  return result;
}

BatchResult Network::evaluate_batch(std::span<const float> images, const Targets& targets) {
  check_batch(images, targets);
  infer(images);
  return score(logits_, classes(), targets);
}

std::span<const float> Network::infer(std::span<const float> images) {
  const std::int64_t batch = count_images(images);
  check_initialised();
  logits_ = plan(batch, PlanMode::inference).forward(images);
  return logits_;
}

}  // namespace convmixer
