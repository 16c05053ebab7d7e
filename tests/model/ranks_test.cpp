// Networks that ranks train together, each on its share of a batch: 2^n of them have the bits of one.
#include "convmixer/core/rng.hpp"
#include "convmixer/model/convmixer.hpp"
#include "convmixer/model/freeze.hpp"
#include "convmixer/model/network.hpp"
#include "convmixer/model/vit.hpp"
#include "core/batch_chunks.hpp"
#include "support/error_of.hpp"
#include "support/relative_error.hpp"
#include "support/thread_ranks.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <mutex>
#include <span>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace convmixer {
namespace {

using testing::HasSubstr;
using testing_support::error_of;
using testing_support::relative_error;
using testing_support::run_ranks;

constexpr std::int64_t kClasses = 5;
constexpr int kSteps = 3;

struct Batches {
  std::int64_t size;
  std::vector<float> images;
  std::vector<std::int32_t> labels;
};

Batches make_batches(std::int64_t size) {
  Batches batches{size, std::vector<float>(static_cast<std::size_t>(size) * 3 * 8 * 8),
                  std::vector<std::int32_t>(static_cast<std::size_t>(size))};
  Rng rng(5, RandomStream::synthetic_data);
  for (float& value : batches.images) value = rng.normal();
  for (std::int32_t& label : batches.labels) label = static_cast<std::int32_t>(rng.below(kClasses));
  return batches;
}

Graph small_convmixer(ConvMixerConfig::Residual residual = ConvMixerConfig::Residual::depthwise) {
  ConvMixerConfig config{
      .dim = 40, .depth = 2, .kernel_size = 3, .patch_size = 2, .image_size = 8, .channels = 3, .classes = kClasses};
  config.residual = residual;
  return make_convmixer(config);
}

/// Everything that training leaves.
struct Outcome {
  std::vector<float> numbers;  // weights, gradients, statistics
  std::vector<double> losses;
  std::vector<std::int64_t> correct;

  bool operator==(const Outcome&) const = default;
};

struct Training {
  std::function<Graph()> graph = [] { return small_convmixer(); };
  Precision precision = Precision::f32;
  PlanKind kind = PlanKind::automatic;
  NormRanks norms = NormRanks::sync;
  std::int64_t micro_batch = 0;
};

/// A few steps of plain gradient descent on this rank's share of the same images.
Outcome train(const Training& training, const Batches& batches, Communicator* ranks) {
  ThreadPool pool(1);
  Engine engine(pool, ranks);
  Network network(training.graph(), training.precision, engine, LayoutPolicy::automatic, training.kind);
  network.parameters().initialise(1);
  network.set_norm_ranks(training.norms);
  network.set_micro_batch(training.micro_batch);
  std::vector<float> images;
  std::vector<std::int32_t> labels;
  std::size_t first = 0;
  const MicroBatches parts = network.micro_batches(batches.size);
  for (std::int64_t part = 0; part < parts.count(); ++part) {
    const BatchChunks share(static_cast<std::size_t>(parts.size(part)), engine.ranks().rank(), engine.ranks().size());
    const std::size_t begin = first + share.first_image();
    for (std::size_t i = begin; i < begin + share.images(); ++i) {
      labels.push_back(batches.labels[i]);
      images.insert(images.end(), batches.images.begin() + static_cast<std::ptrdiff_t>(i * 192),
                    batches.images.begin() + static_cast<std::ptrdiff_t>((i + 1) * 192));
    }
    first += static_cast<std::size_t>(parts.size(part));
  }
  Outcome outcome;
  Parameters& parameters = network.parameters();
  const auto count = static_cast<ParameterId>(network.graph().parameters().size());
  for (int step = 0; step < kSteps; ++step) {
    const BatchResult result =
        network.train_share(images, {3, 8, 8}, {.labels = labels, .label_smoothing = 0.1F}, batches.size);
    EXPECT_EQ(result.images, batches.size);
    outcome.losses.push_back(result.loss_sum);
    outcome.correct.push_back(result.correct);
    for (ParameterId id = 0; id < count; ++id) {
      const std::span<float> value = parameters.value(id);
      const std::span<const float> gradient = parameters.gradient(id);
      outcome.numbers.insert(outcome.numbers.end(), gradient.begin(), gradient.end());
      for (std::size_t i = 0; i < value.size(); ++i) value[i] -= 0.1F * gradient[i];
    }
  }
  for (StatisticId id = 0; id < static_cast<StatisticId>(network.graph().statistics().size()); ++id) {
    const std::span<const float> statistic = parameters.statistic(id);
    outcome.numbers.insert(outcome.numbers.end(), statistic.begin(), statistic.end());
  }
  return outcome;
}

void expect_the_bits_of_one(const Training& training, std::int64_t batch) {
  const Batches batches = make_batches(batch);
  const Outcome expected = train(training, batches, nullptr);
  for (const int ranks : {2, 4, 8}) {
    run_ranks(ranks, [&](Communicator& communicator) {
      EXPECT_TRUE(train(training, batches, &communicator) == expected)
          << "rank " << communicator.rank() << " of " << ranks;
    });
  }
}

TEST(NetworkOfRanks, HasTheBitsOfOneProcess) { expect_the_bits_of_one({}, 32); }

TEST(NetworkOfRanks, HasThemForBatchesThatCannotBeDivided) {
  expect_the_bits_of_one({}, 37);
  expect_the_bits_of_one({}, 11);
}

TEST(NetworkOfRanks, HasThemWithMicroBatches) { expect_the_bits_of_one({.micro_batch = 16}, 40); }

/// Of the first parts, whose gradients aren't computed; and of a later one, whose are and of no use.
TEST(NetworkOfRanks, HasThemWithFrozenParts) {
  for (const char* const parts : {"stem,blocks.0", "blocks.1"}) {
    expect_the_bits_of_one({.graph =
                                [parts] {
                                  Graph graph = small_convmixer();
                                  freeze(graph, parts);
                                  return graph;
                                }},
                           32);
  }
}

TEST(NetworkOfRanks, HasThemWithBothResiduals) {
  expect_the_bits_of_one({.graph = [] { return small_convmixer(ConvMixerConfig::Residual::both); }}, 32);
}

TEST(NetworkOfRanks, HasThemInBf16) {
  if (!Engine::supports(Precision::bf16)) GTEST_SKIP() << "nothing is computed in bf16 on this CPU";
  expect_the_bits_of_one({.precision = Precision::bf16}, 32);
}

/// The largest difference, as a part of the largest number; infinite if any isn't finite.
double distance(const Outcome& found, const Outcome& expected) {
  return relative_error(std::span(found.numbers), std::span(expected.numbers));
}

TEST(NetworkOfRanks, OfAnyOtherNumberAreWithinRoundingOfOneAndTheSameEveryTime) {
  const Batches batches = make_batches(32);
  const Outcome expected = train({}, batches, nullptr);
  for (const int ranks : {3, 6}) {
    Outcome first;
    run_ranks(ranks, [&](Communicator& communicator) {
      const Outcome outcome = train({}, batches, &communicator);
      EXPECT_LT(distance(outcome, expected), 1e-5) << ranks;
      if (communicator.rank() == 0) first = outcome;
    });
    run_ranks(ranks, [&](Communicator& communicator) { EXPECT_TRUE(train({}, batches, &communicator) == first); });
  }
}

Graph small_vit(float dropped) {
  VitConfig config;
  config.dim = 16;
  config.depth = 1;
  config.heads = 2;
  config.patch_size = 4;
  config.image_size = 8;
  config.channels = 3;
  config.classes = kClasses;
  config.dropout = dropped;
  config.drop_path = dropped;
  return make_vit(config);
}

TEST(NetworkOfRanks, WithoutBatchNormsIsWithinRoundingInPlainPlansAndDropsTheSame) {
  const Batches batches = make_batches(16);
  for (const float dropped : {0.0F, 0.4F}) {
    const auto vit = [dropped] { return small_vit(dropped); };
    const Outcome expected = train({.graph = vit}, batches, nullptr);
    run_ranks(2, [&](Communicator& communicator) {
      EXPECT_LT(distance(train({.graph = vit}, batches, &communicator), expected), 1e-5) << dropped;
    });
  }
}

/// Gradients are those of the mean over all ranks' images, with norms of each rank's own.
TEST(NetworkOfRanks, WithNormsOfTheirOwnHasTheGradientsOfMicroBatches) {
  const Batches batches = make_batches(32);
  for (const PlanKind kind : {PlanKind::fused, PlanKind::plain}) {
    // Micro-batches see norms of their own, too: of 16 images each.
    const Outcome expected = train({.kind = kind, .micro_batch = 16}, batches, nullptr);
    run_ranks(2, [&](Communicator& communicator) {
      const Outcome found = train({.kind = kind, .norms = NormRanks::local}, batches, &communicator);
      EXPECT_NEAR(found.losses[0], expected.losses[0], 1e-6 * expected.losses[0]);
      ASSERT_EQ(found.numbers.size(), expected.numbers.size());
      const std::size_t gradients = found.numbers.size() / kSteps / 2;  // some of the first step's
      EXPECT_LT(relative_error(std::span(found.numbers).first(gradients), std::span(expected.numbers).first(gradients)),
                1e-5);
    });
  }
}

TEST(NetworkOfRanks, WithNormsOfTheirOwnHasTheSameStatisticsOnAll) {
  const Batches batches = make_batches(37);  // 18 and 19 images
  std::mutex mutex;
  std::vector<Outcome> outcomes;
  run_ranks(2, [&](Communicator& communicator) {
    Outcome outcome = train({.norms = NormRanks::local}, batches, &communicator);
    const std::lock_guard lock(mutex);
    outcomes.push_back(std::move(outcome));
  });
  EXPECT_TRUE(outcomes[0] == outcomes[1]);
}

TEST(NetworkOfRanks, LeavesFrozenNormsAsTheyAreWithNormsOfTheirOwn) {
  const Batches batches = make_batches(32);  // 10, 11 and 11 images: shares that don't add up to 1 in f32
  Graph graph = small_convmixer();
  freeze(graph, "stem,blocks.0");
  const auto* const frozen = std::get_if<BatchNorm>(&graph.nodes()[2].operation);
  ASSERT_TRUE(frozen != nullptr && frozen->frozen) << graph.nodes()[2].name;
  const auto statistics = [](const Parameters& parameters, StatisticId id) {
    const std::span<const float> values = parameters.statistic(id);
    return std::vector<float>(values.begin(), values.end());
  };
  run_ranks(3, [&](Communicator& communicator) {
    ThreadPool pool(1);
    Engine engine(pool, &communicator);
    Network network(graph, Precision::f32, engine);
    network.set_norm_ranks(NormRanks::local);
    Parameters& parameters = network.parameters();
    parameters.initialise(1);
    Rng rng(9, RandomStream::synthetic_data);
    for (float& value : parameters.statistics()) value = 1.0F + std::abs(rng.normal());
    const std::vector<float> before = statistics(parameters, frozen->running_var);
    const std::vector<float> trained_before(parameters.statistics().begin(), parameters.statistics().end());
    const BatchChunks share(static_cast<std::size_t>(batches.size), communicator.rank(), communicator.size());
    const std::size_t pixels = batches.images.size() / static_cast<std::size_t>(batches.size);
    for (int step = 0; step < 10; ++step) {
      network.train_share(
          std::span(batches.images).subspan(share.first_image() * pixels, share.images() * pixels), {3, 8, 8},
          {.labels = std::span(batches.labels).subspan(share.first_image(), share.images()), .soft = {}}, batches.size);
    }
    EXPECT_EQ(statistics(parameters, frozen->running_var), before);
    EXPECT_FALSE(std::ranges::equal(parameters.statistics(), trained_before));
  });
}

TEST(NetworkOfRanks, RefusesWhatItCannotShare) {
  const Batches batches = make_batches(3);
  run_ranks(4, [&](Communicator& communicator) {
    const Error error = error_of([&] { (void)train({}, batches, &communicator); });
    EXPECT_EQ(error.kind(), ErrorKind::usage);
    const bool has_images = BatchChunks(3, communicator.rank(), communicator.size()).images() > 0;
    EXPECT_THAT(error.what(), HasSubstr(has_images ? "a batch of 3 images: expected at least one for each of the 4 "
                                                     "ranks that share it"
                                                   : "images: 0 numbers given"))
        << communicator.rank();
  });
  const Batches more = make_batches(16);
  const Error plain = error_of([&] {
    run_ranks(2, [&](Communicator& communicator) { (void)train({.kind = PlanKind::plain}, more, &communicator); });
  });
  EXPECT_EQ(plain.kind(), ErrorKind::usage);
  EXPECT_THAT(plain.what(),
              HasSubstr("batch norms of all ranks' images need fused stages; expected --batch-norm local"));
}

TEST(NetworkOfRanks, RefusesAShareOfAnotherSize) {
  run_ranks(2, [&](Communicator& communicator) {
    ThreadPool pool(1);
    Engine engine(pool, &communicator);
    Network network(small_convmixer(), Precision::f32, engine);
    network.parameters().initialise(1);
    const Batches batches = make_batches(16);
    const Targets targets{.labels = batches.labels};
    EXPECT_THAT(error_of([&] {
                  network.train_share(batches.images, {3, 8, 8}, targets, 16);
                }).what(),
                HasSubstr("16 images given, expected 8 of 16"));
    EXPECT_THAT(error_of([&] { network.train_batch(batches.images, targets); }).what(),
                HasSubstr("expected train_share"));
  });
}

}  // namespace
}  // namespace convmixer
