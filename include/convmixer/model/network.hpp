/// A graph with its parameters and the plans it has been run with: training and evaluation for any batch size.
#pragma once

#include "convmixer/core/aligned_buffer.hpp"
#include "convmixer/core/micro_batches.hpp"
#include "convmixer/graph/graph.hpp"
#include "convmixer/graph/parameters.hpp"
#include "convmixer/model/batch_result.hpp"
#include "convmixer/model/gradient_accumulator.hpp"
#include "convmixer/plan/plan.hpp"

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <tuple>
#include <vector>

namespace convmixer {

class BatchChunks;

/// Owns graph, parameters and plans. Plans are made at the first batch of a size and kept; make the largest first.
/// Parameters are 0, which no batch is accepted with, until parameters().initialise(seed) or load_weights(). Used from
/// one thread at a time.
class Network {
 public:
  /// `engine` must outlive the network. Throws Error (usage) for a graph without operations, and for one whose output
  /// is not of shape (classes).
  Network(Graph graph, Precision precision, Engine& engine, LayoutPolicy layout = LayoutPolicy::automatic,
          PlanKind kind = PlanKind::automatic);

  /// Trains on images of another shape as well from now on, with the same parameters: `graph` is the same network for
  /// them. Throws Error (usage), naming what differs, for one of other operations or parameters, or whose input has a
  /// shape that there is already.
  void add_image_shape(Graph graph);

  [[nodiscard]] const Graph& graph() const noexcept { return *graphs_.front(); }
  /// That of an image shape that was added; throws Error (usage) for one that wasn't.
  [[nodiscard]] const Graph& graph(const Shape& image) const { return *graphs_[graph_for(image)]; }
  [[nodiscard]] Parameters& parameters() noexcept { return *parameters_; }
  [[nodiscard]] const Parameters& parameters() const noexcept { return *parameters_; }
  [[nodiscard]] Precision precision() const noexcept { return precision_; }
  /// The engine's.
  [[nodiscard]] Communicator& ranks() noexcept { return engine_->ranks(); }
  /// K: numbers that the network puts out for an image.
  [[nodiscard]] std::int64_t classes() const noexcept;

  /// From now on train_batch takes at most so many images of a batch at a time, in micro_batches() of it, and adds up
  /// their gradients: for batches that don't fit in memory, or would fit in a cache in parts. Loss and gradients are
  /// still the mean over all images, but each batch norm normalises a micro-batch with that one's own mean and variance
  /// ("ghost batch norm", arXiv 1705.08741), and moves its running statistics for each. 0, as at the beginning: all
  /// images at once. Throws Error (usage) for a number below 0.
  void set_micro_batch(std::int64_t images);
  [[nodiscard]] MicroBatches micro_batches(std::int64_t batch_size) const noexcept {
    return {batch_size, micro_batch_};
  }

  /// What the next train_batch drops, of a network with Dropout or DropPath: a function of the seed and of the update's
  /// number (see DropoutDraws). From then on each train_batch counts one further; without, from seed 0 and update 0 on.
  void set_dropout(std::uint64_t seed, std::int64_t update) noexcept;

  /// Forward, loss and backward of one batch of images, (N, C, H, W) f32 row-major of the graph's input shape (C, H, W)
  /// and any N of at least 1: overwrites the gradients, moves the running statistics. The loss is of targets.soft if
  /// given, else of targets.labels; accuracy counts against targets.labels if given and is 0 otherwise.
  ///
  /// Throws Error (usage), with nothing changed, for images that aren't a whole number of them, for targets that
  /// check_targets refuses, for a network that was never initialised, and for a batch, or micro-batch, whose norms
  /// would see a single value per channel.
  BatchResult train_batch(std::span<const float> images, const Targets& targets);
  /// The same for images of a shape (C, H, W) that was added; throws Error (usage) for one that wasn't.
  BatchResult train_batch(std::span<const float> images, const Shape& image, const Targets& targets);
  /// The same where the engine has several ranks: `images` and `targets` are this rank's share of a batch of
  /// `images_of_all_ranks` (data/loader_options.hpp: `ranks`), all ranks make the same call, and each is left with the
  /// gradients and gets the result of the whole batch. Throws Error (usage) for a share of another size, and where one
  /// would be empty.
  BatchResult train_share(std::span<const float> images, const Shape& image, const Targets& targets,
                          std::int64_t images_of_all_ranks);
  /// From now on, what batch norms have their statistics of in train_share.
  void set_norm_ranks(NormRanks norm_ranks) noexcept { norm_ranks_ = norm_ranks; }
  /// Of plans made from now on: for measurements, as it changes nothing but the time that steps take.
  void set_exchange_time(ExchangeTime exchange) noexcept { exchange_ = exchange; }

  /// Forward with running statistics, and loss; changes nothing. Takes and throws what train_batch does, and a single
  /// value per channel.
  BatchResult evaluate_batch(std::span<const float> images, const Targets& targets);

  /// The same forward for images of which nobody knows what they show: their logits, as logits() also gives them then.
  /// Throws what evaluate_batch does, targets aside.
  std::span<const float> infer(std::span<const float> images);

  /// Forward of all images at once in training mode, without backward: moves the running statistics alone, on every
  /// rank alike. Nothing is dropped: they are those of the network as it is evaluated. The images, of image_shape(),
  /// are this rank's share of all together, whatever the micro-batch. Throws as train_share, targets aside.
  void move_statistics(std::span<const float> images, std::int64_t images_of_all_ranks);

  /// The logits of the last batch, (N, classes) f32 row-major, valid until the next; empty before the first.
  [[nodiscard]] std::span<const float> logits() const noexcept { return logits_; }

  /// The plan for a batch size, made if needed: for reports and for making memory before the first step. Throws Error
  /// naming what can't be planned.
  Plan& plan(std::int64_t batch_size, PlanMode mode);
  /// The same for images of a shape that was added.
  Plan& plan(std::int64_t batch_size, PlanMode mode, const Shape& image);

  /// Makes everything that train_batch needs for a batch of this size, or train_share for one of all ranks, and returns
  /// the plan of its largest micro-batch. Throws as plan() does.
  Plan& plan_training(std::int64_t batch_size);
  Plan& plan_training(std::int64_t batch_size, const Shape& image);

  /// Memory of all plans so far. Smaller plans run in a larger one's.
  [[nodiscard]] PlannedMemory memory() const;

 private:
  /// The place of a shape's graph; throws for one that there is none for.
  [[nodiscard]] std::size_t graph_for(const Shape& image) const;
  [[nodiscard]] const Shape& image_shape() const noexcept { return graph().tensors().front(); }
  /// The number of images; throws unless it is a whole one.
  [[nodiscard]] static std::int64_t count_images(std::span<const float> images, const Shape& image);
  /// Throws unless there are weights to run with.
  void check_initialised();
  /// The number of images; throws unless there are that many targets, and weights to run with.
  std::int64_t check_batch(std::span<const float> images, const Shape& image, const Targets& targets);
  /// Throws unless this rank has so many images as its share.
  void check_share(std::int64_t found, std::int64_t expected, std::int64_t images_of_all_ranks) const;
  /// Makes statistics that each rank has of its share of a batch those of all ranks.
  void share_statistics(const BatchChunks& share);
  /// This rank's part of so many images of all ranks.
  [[nodiscard]] BatchChunks share_of(std::int64_t images_of_all_ranks) const;
  /// Of its share.
  Plan& training_plan(std::int64_t images_of_all_ranks, const Shape& image);
  /// Forward, loss and backward of a share of all images together, of which the first has this place in the batch.
  BatchResult train_at_once(std::span<const float> images, const Targets& targets, const BatchChunks& share,
                            std::int64_t first, Plan& training);
  BatchResult train_in_parts(std::span<const float> images, const Shape& image, const Targets& targets,
                             const MicroBatches& parts);
  [[nodiscard]] Plan& plan_of(PlanOptions options, const Shape& image);

  std::vector<std::unique_ptr<Graph>> graphs_;  // of all image shapes, its own first
  std::unique_ptr<Parameters> parameters_;
  Precision precision_;
  Engine* engine_;
  LayoutPolicy layout_;
  PlanKind kind_;
  std::int64_t micro_batch_ = 0;
  NormRanks norm_ranks_ = NormRanks::sync;
  ExchangeTime exchange_ = ExchangeTime::measured;
  DropoutDraws dropout_;      // of the next batch
  bool initialised_ = false;  // that parameters aren't all 0 was seen once
  /// By mode, batch size, that of all ranks, norms' ranks, and graph.
  std::map<std::tuple<PlanMode, std::int64_t, std::int64_t, NormRanks, std::size_t>, Plan> plans_;
  std::span<const float> logits_;
  AlignedBuffer logits_gradient_;
  std::unique_ptr<GradientAccumulator> accumulator_;  // these two: once a batch was cut into micro-batches
  AlignedBuffer logits_of_parts_;
};

}  // namespace convmixer
