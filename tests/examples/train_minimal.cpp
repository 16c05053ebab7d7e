// Trains a small ConvMixer on the set of drawn shapes that comes with the library, saves it, and loads it into a second
// network. Ends with 0 if it has learned and both say the same of the test images.
#include <convmixer/checkpoint/checkpoint.hpp>
#include <convmixer/core/error.hpp>
#include <convmixer/core/thread_pool.hpp>
#include <convmixer/core/threads.hpp>
#include <convmixer/data/loader.hpp>
#include <convmixer/data/sources/shapes.hpp>
#include <convmixer/model/convmixer.hpp>
#include <convmixer/model/network.hpp>
#include <convmixer/optim/make_optimizer.hpp>
#include <convmixer/optim/schedule.hpp>
#include <convmixer/plan/engine.hpp>
#include <convmixer/train/evaluate.hpp>
#include <cstdio>

using namespace convmixer;

int main() try {
  constexpr int kEpochs = 4;
  constexpr double kAccuracyToReach = 0.8;

  // The machine: a thread on each physical core that this process may use, bf16 where the CPU has it.
  ThreadPool pool(choose_thread_count(0).count);
  Engine engine(pool);
  const Precision precision = choose_precision("auto");

  // The data: 6,000 images of ten classes to learn from, 1,000 others to test; both normalised alike.
  const auto train_set = make_shapes(Split::train, 6000);
  const auto test_set = make_shapes(Split::test, 1000);
  const Normalisation normalisation = train_set->normalisation();
  Loader train_loader(*train_set, {.batch_size = 32, .shuffle = true, .normalisation = normalisation}, pool);
  Loader test_loader(*test_set, {.batch_size = 200, .normalisation = normalisation}, pool);

  // The model, its optimiser, and the learning rate over all steps.
  const ConvMixerConfig model{.dim = 32, .depth = 4, .kernel_size = 5, .patch_size = 2, .image_size = 32};
  Network network(make_convmixer(model), precision, engine);
  network.parameters().initialise(/*seed=*/1);
  const auto optimizer = make_optimizer(network.parameters(), {.weight_decay = 0.05F}, pool);
  const std::int64_t steps = kEpochs * train_loader.batches_per_epoch();
  const Schedule schedule{.kind = ScheduleKind::piecewise_linear, .peak = 0.02F, .total_steps = steps};

  for (int epoch = 0; epoch < kEpochs; ++epoch) {
    BatchResult sum;
    train_loader.start(epoch);
    while (const Batch* batch = train_loader.next()) {
      sum += network.train_batch(batch->images, {.labels = batch->labels});
      optimizer->step(learning_rate(schedule, optimizer->steps()));
    }
    std::printf("epoch %d: loss %.4f, accuracy %.2f%%\n", epoch + 1, sum.loss(), 100.0 * sum.accuracy());
  }
  const BatchResult result = evaluate(network, test_loader).total;
  std::printf("test: loss %.4f, accuracy %.2f%%\n", result.loss(), 100.0 * result.accuracy());

  // The weights, under timm's names, and what is needed to use them.
  save_weights("shapes.safetensors", network.parameters(),
               {.model = model, .dataset = "shapes", .mean = normalisation.mean, .std = normalisation.std});
  Network loaded(make_convmixer(model), precision, engine);
  load_weights("shapes.safetensors", loaded.parameters());
  const BatchResult again = evaluate(loaded, test_loader).total;
  const bool same = again.loss_sum == result.loss_sum && again.correct == result.correct;
  std::printf("loaded again: %s\n", same ? "the same" : "other results");
  return same && result.accuracy() >= kAccuracyToReach ? 0 : 1;
} catch (const Error& error) {
  std::fprintf(stderr, "train_minimal: %s\n", error.what());
  return 1;
}
