// Trainings that several ranks share: the same files as of one process, bit for bit. The ranks are threads here.
#include "support/environment_variable.hpp"
#include "support/error_of.hpp"
#include "train/ranks_fixture.hpp"

#include <gmock/gmock.h>

#include <csignal>
#include <functional>

namespace convmixer {
namespace {

using testing::HasSubstr;
using testing_support::error_of;
using testing_support::run_ranks;

struct Variation {
  std::string name;
  std::function<void(TrainConfig&)> set = [](TrainConfig&) {};
};

class TrainerRanks : public RanksFixture, public testing::WithParamInterface<Variation> {
 protected:
  [[nodiscard]] TrainConfig config_of(const std::string& folder) const {
    TrainConfig config = small_config(folder);
    GetParam().set(config);
    return config;
  }
};

TEST_P(TrainerRanks, WriteWhatOneProcessWrites) {
  ASSERT_EQ(train_on(1, config_of("alone")), TrainEnd::finished);
  for (const int ranks : {2, 4}) {
    SCOPED_TRACE(ranks);
    const TrainConfig config = config_of(fmt::format("ranks{}", ranks));
    ASSERT_EQ(train_on(ranks, config), TrainEnd::finished);
    expect_equal_runs(config.out, parent_.path() / "alone");
  }
}

INSTANTIATE_TEST_SUITE_P(
    Variations, TrainerRanks,
    testing::Values(Variation{"usual"}, Variation{"mixup", [](TrainConfig& config) { config.mix.mixup = 1.0F; }},
                    Variation{"cutmix", [](TrainConfig& config) { config.mix.cutmix = 1.0F; }},
                    Variation{"micro_batches", [](TrainConfig& config) { config.micro_batch = 6; }},
                    Variation{"averaged", [](TrainConfig& config) { config.average.decay = 0.9F; }},
                    Variation{"recomputed",
                              [](TrainConfig& config) {
                                config.average.decay = 0.9F;
                                config.average.statistics = AverageStatistics::recomputed;
                              }},
                    Variation{"holdout", [](TrainConfig& config) { config.holdout.images = 20; }},
                    // 40 images: no rank but the last has a part in the last batch, of one image.
                    Variation{"short_evaluation", [](TrainConfig& config) { config.eval_batch_size = 13; }},
                    Variation{"muon", [](TrainConfig& config) { config.optimizer.kind = OptimizerKind::muon; }},
                    Variation{"clipped", [](TrainConfig& config) { config.optimizer.clip_norm = 0.5F; }},
                    Variation{"tensorboard", [](TrainConfig& config) { config.tensorboard = true; }}),
    [](const auto& instance) { return instance.param.name; });

class RanksOfARun : public RanksFixture {};

TEST_F(RanksOfARun, StopTogetherWhenOneGetsASignalAndGoOnInAnyNumber) {
  ASSERT_EQ(train_on(1, small_config("alone")), TrainEnd::finished);
  for (const int looks : {0, 3, 7, 9, 12}) {
    SCOPED_TRACE(looks);
    const TrainConfig config = small_config(fmt::format("stopped{}", looks));
    const auto one_is_stopped = [&](int rank) { return rank == 1 ? stopped_after(looks) : undisturbed(); };
    ASSERT_EQ(train_on(4, config, one_is_stopped), TrainEnd::signal);
    ASSERT_EQ(train_on(2, config, [&](int rank) { return rank == 0 ? stopped_after(2) : undisturbed(); }),
              TrainEnd::signal);
    ASSERT_EQ(train_on(looks % 2 == 0 ? 1 : 4, config), TrainEnd::finished);
    expect_equal_runs(config.out, parent_.path() / "alone");
  }
}

TEST_F(RanksOfARun, SayThatTheyAreOthersWhereEachHasNormsOfItsOwn) {
  for (const NormRanks norms : {NormRanks::sync, NormRanks::local}) {
    TrainConfig config = small_config(norms == NormRanks::sync ? "sync" : "local");
    config.batch_norm = norms;
    const auto at_rank_zero = [&](int rank) { return rank == 0 ? stopped_after(3) : undisturbed(); };
    ASSERT_EQ(train_on(2, config, at_rank_zero), TrainEnd::signal);
    const auto changes = [&] {
      Engine engine(pool_);
      const TrainControls controls = default_controls();
      Progress progress(nullptr, {}, controls.clock);
      return Trainer(config, *train_, *test_, engine, progress, controls).changed_circumstances();
    };
    EXPECT_EQ(changes(), norms == NormRanks::sync
                             ? ""
                             : "so far this run was trained by 2 ranks, now by 1: with batch-norm = local, not what it "
                               "would be");
  }
}

TEST_F(RanksOfARun, EndAtTheTimeLimitByTheClockOfRankZero) {
  TrainConfig config = small_config("limited");
  config.max_time = 1000;
  const auto at = [](double step) {
    TrainControls controls = undisturbed();
    controls.clock = [seconds = std::make_shared<double>(0.0), step] { return *seconds += step; };
    return controls;
  };
  EXPECT_EQ(train_on(2, config, [&](int rank) { return at(rank == 0 ? 200.0 : 0.0); }), TrainEnd::time_limit);
}

TEST_F(RanksOfARun, HaveNormsOfTheirOwnImagesIfAsked) {
  TrainConfig config = small_config("local");
  config.batch_norm = NormRanks::local;
  ASSERT_EQ(train_on(2, config), TrainEnd::finished);
  ASSERT_EQ(train_on(1, small_config("alone")), TrainEnd::finished);
  const auto local = timeless_metrics(config.out);
  const auto alone = timeless_metrics(parent_.path() / "alone");
  ASSERT_EQ(local.size(), alone.size());
  EXPECT_NE(local[0]["loss"], alone[0]["loss"]);
  EXPECT_NEAR(local[0]["loss"].get<double>(), alone[0]["loss"].get<double>(), 0.3);
}

TEST_F(RanksOfARun, TellHowMuchAnEpochExchanged) {
  ASSERT_EQ(train_on(1, small_config("alone")), TrainEnd::finished);
  for (const auto& epoch : epoch_records(parent_.path() / "alone")) {
    EXPECT_FALSE(epoch.contains("communication_s"));
    EXPECT_FALSE(epoch.contains("communication_bytes"));
  }
  ASSERT_EQ(train_on(2, small_config("together")), TrainEnd::finished);
  const auto together = epoch_records(parent_.path() / "together");
  ASSERT_EQ(together.size(), 2U);
  const std::int64_t parameters = parameter_count(make_graph(model_config(small_config("together"), 3, 10)));
  for (const auto& epoch : together) {
    EXPECT_GT(epoch["communication_s"], 0.0);
    EXPECT_LE(epoch["communication_s"], epoch["train_s"]);
    // Each of two ranks sends at least as much as the gradients of each of six steps take.
    EXPECT_GT(epoch["communication_bytes"], 6 * parameters * static_cast<std::int64_t>(sizeof(float)));
  }
  EXPECT_NEAR(together[0]["communication_bytes"].get<double>(), together[1]["communication_bytes"].get<double>(), 16.0)
      << "but for the times by which ranks choose when to add up gradients (kExchangeTrialSteps)";
}

// The clock of a run stands still while its process is stopped; that of exchanges doesn't know.
TEST_F(RanksOfARun, CountNoExchangeLongerThanItsStep) {
  const auto standing = [](int) {
    TrainControls controls = undisturbed();
    controls.clock = [] { return 1.0; };
    return controls;
  };
  ASSERT_EQ(train_on(2, small_config("standing"), standing), TrainEnd::finished);
  for (const auto& epoch : epoch_records(parent_.path() / "standing")) {
    EXPECT_EQ(epoch["communication_s"], 0.0);
    EXPECT_GT(epoch["communication_bytes"], 0);
  }
}

TEST_F(RanksOfARun, TellWhatAnEpochExchangedInAllItsSessions) {
  ASSERT_EQ(train_on(2, small_config("whole")), TrainEnd::finished);
  const auto stopped = [](int) { return stopped_after(4); };  // in the first epoch, of six steps
  ASSERT_EQ(train_on(2, small_config("parts"), stopped), TrainEnd::signal);
  ASSERT_EQ(train_on(2, small_config("parts")), TrainEnd::finished);
  const auto bytes = [&](const char* run) {
    return epoch_records(parent_.path() / run)[0]["communication_bytes"].get<double>();
  };
  EXPECT_NEAR(bytes("parts"), bytes("whole"), 100.0) << "but for some questions whether to stop";
  ASSERT_EQ(train_on(2, small_config("alone"), stopped), TrainEnd::signal);
  ASSERT_EQ(train_on(1, small_config("alone")), TrainEnd::finished);
  EXPECT_LT(bytes("alone"), bytes("whole"));
  EXPECT_GT(bytes("alone"), 0.0);
  EXPECT_FALSE(epoch_records(parent_.path() / "alone")[1].contains("communication_bytes"));
}

/// Of so small a rate that no image is told otherwise after the second epoch: the first one's weights are the best.
TEST_F(RanksOfARun, TestTheWeightsOfAnEarlierEpochTogether) {
  const auto config_of = [&](const std::string& folder) {
    TrainConfig config = small_config(folder);
    config.holdout.images = 20;
    config.lr = 1e-5F;
    return config;
  };
  ASSERT_EQ(train_on(1, config_of("alone")), TrainEnd::finished);
  for (const int ranks : {2, 4}) {
    const TrainConfig config = config_of(fmt::format("ranks{}", ranks));
    ASSERT_EQ(train_on(ranks, config), TrainEnd::finished);
    const auto records = timeless_metrics(config.out);
    ASSERT_EQ(records.back()["type"], "test");
    EXPECT_EQ(records.back()["epoch"], 1);
    expect_equal_runs(config.out, parent_.path() / "alone");
  }
}

// Of evaluations too, of which ranks have shares of 6 and 7 images, and of 0 and 1.
TEST_F(RanksOfARun, PlanAllTheirMemoryBeforeTheFirstStep) {
  TrainConfig config = small_config("planned");
  config.eval_batch_size = 13;
  run_ranks(2, [&](Communicator& communicator) {
    ThreadPool pool(1);
    Engine engine(pool, &communicator);
    Progress progress(nullptr, {}, undisturbed().clock);
    Trainer trainer(config, *train_, *test_, engine, progress, undisturbed());
    const PlannedMemory before = trainer.network().memory();
    ASSERT_EQ(trainer.run(), TrainEnd::finished);
    EXPECT_EQ(trainer.network().memory().unshared, before.unshared) << "on rank " << communicator.rank();
  });
}

TEST_F(RanksOfARun, LeaveNoTemporaryFolders) {
  const testing_support::TemporaryFolder temporary;
  const testing_support::EnvironmentVariable variable("TMPDIR", temporary.path().string());
  ASSERT_EQ(train_on(2, small_config("run")), TrainEnd::finished);
  EXPECT_TRUE(std::filesystem::is_empty(temporary.path()));
}

TEST_F(RanksOfARun, WithOtherDataAreRefused) {
  const auto other = open_dataset({.name = "shapes", .path = {}, .limit = kTrainImages - 10}, Split::train);
  const TrainConfig config = small_config("other");
  for (const bool may_change : {false, true}) {  // from what the run was saved with, not from rank 0's
    TrainControls controls = undisturbed();
    controls.may_change_data = may_change;
    const Error error = error_of([&] {
      run_ranks(2, [&](Communicator& communicator) {
        ThreadPool pool(1);
        Engine engine(pool, &communicator);
        Progress progress(nullptr, {}, undisturbed().clock);
        Trainer(config, communicator.rank() == 0 ? *train_ : *other, *test_, engine, progress, controls).run();
      });
    });
    EXPECT_EQ(error.kind(), ErrorKind::usage);
    EXPECT_THAT(error.what(), HasSubstr("this rank has other data than rank 0: 82 training images instead of 92"));
  }
}

TEST_F(RanksOfARun, ForWhichABatchIsTooSmallAreRefused) {
  TrainConfig config = small_config("small");
  config.batch_size = 15;  // 92 = 6 x 15 + 2
  const Error error = error_of([&] { (void)train_on(4, config); });
  EXPECT_EQ(error.kind(), ErrorKind::usage);
  EXPECT_THAT(error.what(), HasSubstr("a batch of 2 images: expected at least one for each of the 4 ranks"));
}

}  // namespace
}  // namespace convmixer
