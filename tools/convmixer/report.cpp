#include "report.hpp"

#include "augmentation_text.hpp"
#include "convmixer/core/cpu.hpp"
#include "convmixer/core/micro_batches.hpp"
#include "convmixer/core/plural.hpp"
#include "convmixer/core/printable.hpp"
#include "convmixer/graph/work.hpp"
#include "convmixer/optim/optimizer_memory.hpp"
#include "convmixer/plan/engine.hpp"
#include "convmixer/train/image_size_schedule.hpp"
#include "convmixer/train/run_length.hpp"

#include <fmt/ranges.h>

#include <algorithm>
#include <string>
#include <vector>

namespace convmixer::tool {
namespace {

double megaflop(std::int64_t multiply_adds) { return 2e-6 * static_cast<double>(multiply_adds); }

std::string describe_muon(const TrainConfig& config) {
  const MuonRule& muon = config.optimizer.muon;
  const char* const scaling = muon.scaling == MuonScaling::original          ? "original scaling"
                              : muon.scaling == MuonScaling::match_rms_adamw ? "updates as large as AdamW's"
                                                                             : "renewed norms";
  return fmt::format("Muon for hidden matrices, {}momentum {}, {}, {}",
                     config.muon_lr > 0.0F ? fmt::format("learning rate up to {}, ", config.muon_lr) : "",
                     muon.momentum, counted(muon.steps, "Newton-Schulz step"), scaling);
}

std::string describe_optimizer(const TrainConfig& config, std::int64_t train_images) {
  const OptimizerOptions& o = config.optimizer;
  std::string text;
  if (o.kind == OptimizerKind::sgd) {
    text = fmt::format("SGD, momentum {}{}", o.momentum, o.nesterov ? " (Nesterov)" : "");
  } else {
    if (o.kind == OptimizerKind::muon) text = describe_muon(config) + "; for all else ";
    text += fmt::format("{}, betas {} and {}, epsilon {}", o.kind == OptimizerKind::adam ? "Adam" : "AdamW", o.beta1,
                        o.beta2, o.epsilon);
  }
  text += fmt::format(", weight decay {}", o.weight_decay);
  if (o.weight_decay > 0.0F && !o.decay_norm_and_bias) text += " (not of norms and biases)";
  if (o.clip_norm > 0.0F) text += fmt::format(", gradients clipped to norm {}", o.clip_norm);
  if (config.label_smoothing > 0.0F) text += fmt::format(", label smoothing {}", config.label_smoothing);
  if (config.average.is_on()) {
    text += fmt::format("; weights averaged, decay {}{}", config.average.decay,
                        config.average.warmup ? " after warm-up" : "");
    if (config.average.statistics == AverageStatistics::recomputed)
      text += fmt::format(", statistics of {} images", with_commas(statistics_images(config, train_images)));
  }
  return text;
}

std::string describe_bends(const TrainConfig& config) {
  const PiecewiseLinear& bends = config.bends;
  const std::string where = bends.peak_at == PiecewiseLinear{}.peak_at && bends.knee_at == PiecewiseLinear{}.knee_at
                                ? ""
                                : fmt::format(", bent at {} and {} of the way", bends.peak_at, bends.knee_at);
  std::string rates = fmt::format("{}{}", bends.peak_at > 0.0 ? "0 to " : "", config.lr);
  if (bends.peak_at < 1.0) rates += fmt::format(" to {:.4g}", static_cast<double>(config.lr) * bends.knee_share);
  if (bends.knee_at < 1.0) rates += fmt::format(" to {}", config.min_lr);
  return fmt::format("learning rate {}, piecewise linear{}", rates, where);
}

std::string describe_schedule(const TrainConfig& config) {
  const std::string warmup =
      config.warmup_epochs == 0.0F ? "" : fmt::format(" after {} of warm-up", counted(config.warmup_epochs, "epoch"));
  const bool is_warmup_alone = config.warmup_epochs >= static_cast<float>(config.epochs);
  switch (config.schedule) {
    case ScheduleKind::constant:
      return fmt::format("constant learning rate {}{}", config.lr, warmup);
    case ScheduleKind::piecewise_linear:
      return describe_bends(config);
    case ScheduleKind::one_cycle:
      return fmt::format("learning rate {:.4g} to {} in {}{}, one cycle", config.lr / 25.0F, config.lr,
                         counted(config.warmup_epochs, "epoch"),
                         is_warmup_alone ? "" : fmt::format(", then to {:.4g}", final_learning_rate(config)));
    case ScheduleKind::cosine:
    case ScheduleKind::linear:
      break;
  }
  if (is_warmup_alone && config.epochs > 0)
    return fmt::format("learning rate 0 to {}: {} of warm-up alone", config.lr, counted(config.epochs, "epoch"));
  return fmt::format("learning rate {} to {}, {}{}", config.lr, config.min_lr,
                     config.schedule == ScheduleKind::cosine ? "cosine" : "linear", warmup);
}

/// "2 (2 physical cores in the affinity mask)", with a warning if there is one.
std::string thread_text(const ThreadCount& threads) {
  const std::string warning = threads.warning.empty() ? "" : "; " + threads.warning;
  return fmt::format("{} ({}{})", threads.count, threads.reason, warning);
}

}  // namespace

Rows model_rows(const ModelConfig& model, const Graph& graph) {
  return {{"model", describe_with_task(model)},
          {"size", fmt::format("{} {}; an image takes {:.1f} MFLOP forward, {:.1f} in training",
                               with_commas(parameter_count(graph)), plural(parameter_count(graph), "parameter"),
                               megaflop(inference_work(graph).total()), megaflop(training_work(graph).total()))}};
}

Rows data_rows(const TrainConfig& config, const RunImages& images) {
  const std::string folder = config.data.empty() ? "" : fmt::format(", in {}", printable(config.data.native()));
  const std::string held_out =
      images.holdout == 0 ? std::string() : fmt::format(", {} held-out", with_commas(images.holdout));
  Rows rows{{"data", fmt::format("{}: {} training{} and {} test {}{}", config.dataset, with_commas(images.train),
                                 held_out, with_commas(images.test), plural(images.test, "image"), folder)}};
  const auto all = [](const char* option, std::int64_t wanted, std::int64_t found) {
    return wanted > found ? fmt::format("; all there are: fewer than {} {}", option, with_commas(wanted))
                          : std::string();
  };
  rows.front().second += all("train-images", config.train_images, images.train + images.holdout) +
                         all("test-images", config.test_images, images.test);
  if (images.holdout > 0) {
    rows.emplace_back("holdout",
                      fmt::format("epochs go by the held-out images (holdout-seed {}); the test images are evaluated "
                                  "once, at the end, with the best weights",
                                  config.holdout_seed.value_or(config.seed)));
  }
  rows.emplace_back("augmentation", describe(config.augmentation));
  rows.emplace_back("mixing", describe(config.mix));
  return rows;
}

Rows image_size_rows(const TrainConfig& config, const ModelConfig& model) {
  const ClassificationTask task = task_of(model);
  const auto work_at = [&](int size) {
    return training_work(make_graph(with_task(model, {size, task.channels, task.classes}))).total();
  };
  std::vector<std::string> stretches;
  double work = 0.0;
  for (const ImageSizeStretch& stretch : image_size_stretches(config)) {
    const std::int64_t epochs = stretch.end_epoch - stretch.first_epoch;
    const std::string last = epochs > 1 ? fmt::format("s {}-{}", stretch.first_epoch + 1, stretch.end_epoch)
                                        : fmt::format(" {}", stretch.end_epoch);
    stretches.push_back(fmt::format("{} px in epoch{}", stretch.image_size, last));
    work += static_cast<double>(epochs) * static_cast<double>(work_at(stretch.image_size));
  }
  if (stretches.empty()) return {};
  const double whole = static_cast<double>(config.epochs) * static_cast<double>(work_at(task.image_size));
  return {{"image sizes", fmt::format("{}: {:.0f}% of the arithmetic of {} px throughout", fmt::join(stretches, ", "),
                                      100.0 * work / whole, task.image_size)}};
}

Rows optimizer_rows(const TrainConfig& config, std::int64_t steps_per_epoch, std::int64_t train_images) {
  const std::string batch = train_images < config.batch_size ? fmt::format("{} (all images: fewer than batch-size {})",
                                                                           train_images, config.batch_size)
                                                             : fmt::format("{}", config.batch_size);
  const std::string cooldown =
      config.cooldown_epochs == 0
          ? ""
          : fmt::format(", then {} at {}", counted(config.cooldown_epochs, "epoch"), final_learning_rate(config));
  return {{"optimiser", describe_optimizer(config, train_images)},
          {"schedule",
           fmt::format("{} of {} {}, batch {}; {}{}", counted(config.epochs, "epoch"), with_commas(steps_per_epoch),
                       plural(steps_per_epoch, "step"), batch, describe_schedule(config), cooldown)}};
}

Rows micro_batch_rows(const TrainConfig& config, std::int64_t train_images) {
  const MicroBatches parts(std::min(config.batch_size, train_images), config.micro_batch);
  if (parts.count() == 1) return {};
  const auto images = [](const MicroBatches& of) {
    return of.smallest() == of.largest() ? fmt::format("{}", of.largest())
                                         : fmt::format("{} to {}", of.smallest(), of.largest());
  };
  std::string text = fmt::format("{} of {} {} a step", parts.count(), images(parts), plural(parts.largest(), "image"));
  if (parts.largest() < config.micro_batch)
    text += fmt::format(" (of at most {}, as equal as can be)", config.micro_batch);
  const std::int64_t left = train_images % parts.images();
  if (left > 0 && !config.drop_last) {
    const MicroBatches last(left, config.micro_batch);
    text += fmt::format(", an epoch's last {} of {}", last.count(), images(last));
  }
  return {{"micro-batches", text + "; batch norms take each one's own mean and variance"}};
}

Rows machine_rows(const ThreadCount& threads, Engine& engine) {
  const std::span<const int> cpus = engine.pool().cpus();
  const std::string pinned = cpus.empty() ? "" : fmt::format(", pinned to CPUs {}", fmt::join(cpus, " "));
  const OnednnInfo onednn = Engine::onednn_info();
  const std::string why_fewer = engine.why_fewer_plain_threads();
  const std::string fewer =
      why_fewer.empty() ? "" : fmt::format(", {} of {} threads: {}", engine.plain_threads(), threads.count, why_fewer);
  return {
      {"cpu", fmt::format("{} ({})", cpu_info().model, fmt::join(cpu_info().instructions, " "))},
      {"threads", thread_text(threads) + pinned},
      {"oneDNN", fmt::format("{}, runtime {}, instructions {}{}{}", onednn.version, onednn.runtime, onednn.instructions,
                             onednn.caches_assumed ? ", caches assumed: the CPU reports none" : "", fewer)}};
}

std::int64_t values_in_training(const Graph& graph, const TrainConfig& config) {
  const OptimizerOptions& options = config.optimizer;
  const std::int64_t parameters = parameter_count(graph);
  const bool accumulates = MicroBatches(config.batch_size, config.micro_batch).count() > 1;
  const int averages = config.average.is_on() ? 1 : 0;
  const std::int64_t with_gradients = (2 + averages + (accumulates ? 1 : 0)) * parameters;
  if (options.kind == OptimizerKind::sgd) return with_gradients + (options.momentum > 0.0F ? parameters : 0);
  std::int64_t moments = 2 * parameters;
  if (options.kind == OptimizerKind::muon) {  // which has one
    for (const ParameterId id : hidden_matrices(graph)) {
      moments -= graph.parameters()[static_cast<std::size_t>(id)].shape.count();
    }
  }
  return with_gradients + moments;
}

std::string describe_precision(Precision precision) {
  if (Engine::has_instructions(precision)) return std::string(to_string(precision));
  return fmt::format("{}, by the instructions for f32: not as fast as f32, in less memory", to_string(precision));
}

std::string describe_plan(const Plan& plan) {
  std::string text = to_string(plan.kind());
  if (!plan.why_plain().empty()) text += ": " + plan.why_plain();
  return text;
}

std::int64_t optimizer_bytes(const Network& network, const TrainConfig& config, int threads) {
  OptimizerOptions options = config.optimizer;
  options.muon.precision = network.precision();
  return static_cast<std::int64_t>(optimizer_working_bytes(network.graph(), options, threads));
}

std::string describe(const PlannedMemory& memory, std::int64_t values, std::int64_t optimizer_bytes) {
  const std::int64_t parameters = values * static_cast<std::int64_t>(sizeof(float));
  const std::string unshared =
      memory.unshared == memory.arena ? "" : fmt::format(" ({} if none were shared)", byte_size(memory.unshared));
  const std::string working =
      memory.scratchpad == 0 ? "" : fmt::format(", {} working memory", byte_size(memory.scratchpad));
  const std::string optimizer =
      optimizer_bytes == 0 ? "" : fmt::format(", {} for the optimiser to work in", byte_size(optimizer_bytes));
  return fmt::format("{} planned: {} activations{}{}, {} parameters{}",
                     byte_size(memory.total() + parameters + optimizer_bytes), byte_size(memory.arena), unshared,
                     working, byte_size(parameters), optimizer);
}

}  // namespace convmixer::tool
