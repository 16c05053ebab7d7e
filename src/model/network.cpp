#include "convmixer/model/network.hpp"

#include "convmixer/core/error.hpp"
#include "convmixer/core/plural.hpp"
#include "convmixer/core/trace.hpp"
#include "core/batch_chunks.hpp"
#include "model/share_score.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <utility>
#include <variant>

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

const Shape& output_shape(const Graph& graph) { return graph.tensors()[static_cast<std::size_t>(graph.output())]; }

std::string describe(const Parameter& parameter) {
  return fmt::format("{} {}{}", parameter.name, parameter.shape.to_string(), parameter.frozen ? ", frozen" : "");
}

/// Tokens of the node's input.
std::int64_t tokens_into(const Node& node, const Graph& graph) {
  return graph.tensors()[static_cast<std::size_t>(node.inputs.front())][0];
}

/// But for the number of tokens that a mean is over: to the last of them is the same for each.
bool have_same_settings(const Node& node, const Graph& graph, const Node& expected, const Graph& other) {
  const auto* const mean = std::get_if<TokenMean>(&node.operation);
  const auto* const other_mean = std::get_if<TokenMean>(&expected.operation);
  if (mean == nullptr || other_mean == nullptr) return node.operation == expected.operation;
  return mean->begin == other_mean->begin &&
         tokens_into(node, graph) - mean->end == tokens_into(expected, other) - other_mean->end;
}

/// In what a graph isn't the same network as another for images of another size; empty if it is.
std::string first_difference(const Graph& graph, const Graph& other) {
  const std::size_t parameters = graph.parameters().size();
  if (parameters != other.parameters().size())
    return fmt::format("it has {}, expected {}", counted(parameters, "parameter"), other.parameters().size());
  for (std::size_t id = 0; id < parameters; ++id) {
    const std::string found = describe(graph.parameters()[id]);
    const std::string expected = describe(other.parameters()[id]);
    if (found != expected) return fmt::format("it has the parameter {}, expected {}", found, expected);
  }
  if (graph.nodes().size() != other.nodes().size())
    return fmt::format("it has {}, expected {}", counted(graph.nodes().size(), "operation"), other.nodes().size());
  for (std::size_t i = 0; i < graph.nodes().size(); ++i) {
    const Node& node = graph.nodes()[i];
    const Node& expected = other.nodes()[i];
    if (node.name != expected.name || node.operation.index() != expected.operation.index() ||
        node.inputs != expected.inputs)
      return fmt::format("its operation {} is another", node.name);
    if (!have_same_settings(node, graph, expected, other))
      return fmt::format("its operation {} has other settings", node.name);
  }
  if (output_shape(graph) != output_shape(other))
    return fmt::format("its output has shape {}, expected {}", output_shape(graph).to_string(),
                       output_shape(other).to_string());
  return "";
}

/// Of the images from `first` on; of these there are `all`.
Targets targets_of(const Targets& targets, std::size_t first, std::size_t count, std::size_t all) {
  const auto part = [&](auto values) {
    const std::size_t per_image = values.size() / all;
    return values.subspan(first * per_image, count * per_image);
  };
  return {part(targets.labels), part(targets.soft), targets.label_smoothing};
}

/// Of norms that have seen a share of the batch each: the mean, in which each image counts alike. Frozen ones, which
/// are the same on all ranks, are rank 0's: as shares needn't add up to 1 in f32, their mean might be another.
void average_statistics(const Graph& graph, Parameters& parameters, const BatchChunks& share, Communicator& ranks) {
  const float of_images = static_cast<float>(share.images()) / static_cast<float>(share.images_of_all_ranks());
  const float of_frozen = ranks.rank() == 0 ? 1.0F : 0.0F;
  for (const Node& node : graph.nodes()) {
    const auto* const norm = std::get_if<BatchNorm>(&node.operation);
    if (norm == nullptr) continue;
    for (const StatisticId id : {norm->running_mean, norm->running_var}) {
      for (float& value : parameters.statistic(id)) value *= norm->frozen ? of_frozen : of_images;
    }
  }
  ranks.sum(parameters.statistics());
}

}  // namespace

Network::Network(Graph graph, Precision precision, Engine& engine, LayoutPolicy layout, PlanKind kind)
    : precision_(precision), engine_(&engine), layout_(layout), kind_(kind) {
  graphs_.push_back(std::make_unique<Graph>(std::move(graph)));
  parameters_ = std::make_unique<Parameters>(*graphs_.front());
  if (graphs_.front()->nodes().empty()) fail_usage("network: its graph has no operations, expected at least one");
  const Shape& output = output_shape(*graphs_.front());
  if (output.rank() != 1) {
    fail_usage("network: its output has shape {}, expected (classes): a linear layer or a pooling comes last",
               output.to_string());
  }
}

std::int64_t Network::classes() const noexcept { return output_shape(graph()).count(); }

void Network::add_image_shape(Graph graph) {
  const Shape& image = graph.tensors().front();
  if (const std::string difference = first_difference(graph, this->graph()); !difference.empty())
    fail_usage("network for images of shape {}: {}", image.to_string(), difference);
  if (std::ranges::any_of(graphs_, [&](const auto& other) { return other->tensors().front() == image; }))
    fail_usage("network for images of shape {}: there is one already", image.to_string());
  graphs_.push_back(std::make_unique<Graph>(std::move(graph)));
}

std::size_t Network::graph_for(const Shape& image) const {
  const auto found =
      std::ranges::find_if(graphs_, [&](const auto& graph) { return graph->tensors().front() == image; });
  if (found == graphs_.end())
    fail_usage("images of shape {}: the network expects {}", image.to_string(), image_shape().to_string());
  return static_cast<std::size_t>(found - graphs_.begin());
}

Plan& Network::plan(std::int64_t batch_size, PlanMode mode) { return plan(batch_size, mode, image_shape()); }

Plan& Network::plan(std::int64_t batch_size, PlanMode mode, const Shape& image) {
  return plan_of({.batch_size = batch_size, .mode = mode}, image);
}

Plan& Network::plan_of(PlanOptions options, const Shape& image) {
  const std::tuple key(options.mode, options.batch_size, options.images_of_all_ranks, options.norm_ranks,
                       graph_for(image));
  auto found = plans_.find(key);
  if (found == plans_.end()) {
    options.precision = precision_;
    options.layout = layout_;
    options.kind = kind_;
    // Plans run one at a time: the largest one's memory serves all that fit into it.
    const auto largest = std::ranges::max_element(
        plans_, {}, [](const auto& entry) { return entry.second.owns_memory() ? entry.second.memory().total() : 0; });
    const Plan* const lender = largest == plans_.end() ? nullptr : &largest->second;
    found = plans_.emplace(key, Plan(*graphs_[std::get<4>(key)], *parameters_, *engine_, options, lender)).first;
  }
  return found->second;
}

void Network::set_dropout(std::uint64_t seed, std::int64_t update) noexcept {
  dropout_.seed = seed;
  dropout_.update = update;
}

void Network::set_micro_batch(std::int64_t images) {
  if (images < 0) fail_usage("micro-batch = {}: expected a number of images, or 0 for the whole batch", images);
  micro_batch_ = images;
}

Plan& Network::plan_training(std::int64_t batch_size) { return plan_training(batch_size, image_shape()); }

Plan& Network::plan_training(std::int64_t batch_size, const Shape& image) {
  const MicroBatches parts = micro_batches(batch_size);
  Plan& largest = training_plan(parts.largest(), image);
  if (parts.smallest() != parts.largest()) (void)training_plan(parts.smallest(), image);
  if (parts.count() > 1 && !accumulator_)
    accumulator_ = std::make_unique<GradientAccumulator>(*parameters_, engine_->pool());
  return largest;
}

BatchChunks Network::share_of(std::int64_t images_of_all_ranks) const {
  return BatchChunks(static_cast<std::size_t>(images_of_all_ranks), engine_->ranks().rank(), engine_->ranks().size());
}

Plan& Network::training_plan(std::int64_t images_of_all_ranks, const Shape& image) {
  const int ranks = engine_->ranks().size();
  if (ranks == 1) return plan(images_of_all_ranks, PlanMode::training, image);
  for (int rank = 0; rank < ranks; ++rank) {  // the same answer on all of them
    if (BatchChunks(static_cast<std::size_t>(images_of_all_ranks), rank, ranks).images() == 0)
      fail_usage("a batch of {}: expected at least one for each of the {} ranks that share it",
                 counted(images_of_all_ranks, "image"), ranks);
  }
  return plan_of({.batch_size = static_cast<std::int64_t>(share_of(images_of_all_ranks).images()),
                  .images_of_all_ranks = images_of_all_ranks,
                  .norm_ranks = norm_ranks_,
                  .exchange = exchange_,
                  .mode = PlanMode::training},
                 image);
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

std::int64_t Network::count_images(std::span<const float> images, const Shape& image) {
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

std::int64_t Network::check_batch(std::span<const float> images, const Shape& image, const Targets& targets) {
  const std::int64_t batch = count_images(images, image);
  check_targets(targets, batch, classes());
  check_initialised();
  return batch;
}

void Network::check_share(std::int64_t found, std::int64_t expected, std::int64_t images_of_all_ranks) const {
  if (found == expected) return;
  fail_usage("share of a batch: {} given, expected {} of {}, of rank {} of {}", counted(found, "image"), expected,
             images_of_all_ranks, engine_->ranks().rank(), engine_->ranks().size());
}

BatchResult Network::train_batch(std::span<const float> images, const Targets& targets) {
  return train_batch(images, image_shape(), targets);
}

BatchResult Network::train_batch(std::span<const float> images, const Shape& image, const Targets& targets) {
  (void)graph_for(image);
  if (engine_->ranks().size() > 1) {
    fail_usage("train_batch with {} ranks: expected train_share", engine_->ranks().size());
  }
  return train_share(images, image, targets, count_images(images, image));
}

BatchResult Network::train_share(std::span<const float> images, const Shape& image, const Targets& targets,
                                 std::int64_t images_of_all_ranks) {
  (void)graph_for(image);
  const std::int64_t count = check_batch(images, image, targets);
  const MicroBatches parts = micro_batches(images_of_all_ranks);
  std::int64_t expected = 0;
  for (std::int64_t part = 0; part < parts.count(); ++part)
    expected += static_cast<std::int64_t>(share_of(parts.size(part)).images());
  check_share(count, expected, images_of_all_ranks);
  Plan& training = plan_training(images_of_all_ranks, image);  // all of it, before anything changes
  const BatchResult result = parts.count() == 1
                                 ? train_at_once(images, targets, share_of(images_of_all_ranks), 0, training)
                                 : train_in_parts(images, image, targets, parts);
  ++dropout_.update;
  return result;
}

BatchResult Network::train_at_once(std::span<const float> images, const Targets& targets, const BatchChunks& share,
                                   std::int64_t first, Plan& training) {
  dropout_.first_image = first + static_cast<std::int64_t>(share.first_image());
  training.set_dropout_draws(dropout_);
  logits_ = training.forward(images);
  const std::size_t bytes = logits_.size_bytes();
  if (logits_gradient_.size() < bytes) logits_gradient_ = AlignedBuffer(bytes);
  const std::span<float> gradient = logits_gradient_.as<float>().first(logits_.size());
  const BatchResult result = score_share(logits_, classes(), targets, share, gradient);
  training.backward(gradient);
  share_statistics(share);
  return sum_over_ranks(result, engine_->ranks());
}

void Network::share_statistics(const BatchChunks& share) {
  Communicator& ranks = engine_->ranks();
  if (ranks.size() > 1 && norm_ranks_ == NormRanks::local) average_statistics(graph(), *parameters_, share, ranks);
}

BatchResult Network::train_in_parts(std::span<const float> images, const Shape& image, const Targets& targets,
                                    const MicroBatches& parts) {
  static const TraceName kMicroBatch("micro-batch");
  const auto pixels = static_cast<std::size_t>(image.count());
  const auto outputs = static_cast<std::size_t>(classes());
  const std::size_t bytes = images.size() / pixels * outputs * sizeof(float);
  if (logits_of_parts_.size() < bytes) logits_of_parts_ = AlignedBuffer(bytes);
  accumulator_->clear();  // of a batch that ended with an error
  BatchResult sum;
  std::size_t first = 0;  // of the share
  for (std::int64_t part = 0; part < parts.count(); ++part) {
    const TraceScope scope(kMicroBatch, part);
    const BatchChunks share = share_of(parts.size(part));
    const std::size_t count = share.images();
    sum += train_at_once(images.subspan(first * pixels, count * pixels),
                         targets_of(targets, first, count, images.size() / pixels), share, sum.images,
                         training_plan(parts.size(part), image));
    std::ranges::copy(logits_, logits_of_parts_.as<float>().begin() + static_cast<std::ptrdiff_t>(first * outputs));
    accumulator_->add(static_cast<float>(parts.size(part)) / static_cast<float>(parts.images()));
    first += count;
  }
  accumulator_->move_to_gradients();
  logits_ = logits_of_parts_.as<float>().first(bytes / sizeof(float));
  return sum;
}

void Network::move_statistics(std::span<const float> images, std::int64_t images_of_all_ranks) {
  const std::int64_t count = count_images(images, image_shape());
  check_initialised();
  const BatchChunks share = share_of(images_of_all_ranks);
  check_share(count, static_cast<std::int64_t>(share.images()), images_of_all_ranks);
  Plan& training = training_plan(images_of_all_ranks, image_shape());
  training.set_dropout_draws({.drops = false});
  logits_ = training.forward(images);
  share_statistics(share);
}

BatchResult Network::evaluate_batch(std::span<const float> images, const Targets& targets) {
  check_batch(images, image_shape(), targets);
  infer(images);
  return score(logits_, classes(), targets);
}

std::span<const float> Network::infer(std::span<const float> images) {
  const std::int64_t batch = count_images(images, image_shape());
  check_initialised();
  logits_ = plan(batch, PlanMode::inference).forward(images);
  return logits_;
}

}  // namespace convmixer
