// Trainings whose images have other sizes in other epochs.
#include "convmixer/data/relabel.hpp"
#include "convmixer/model/registry.hpp"
#include "convmixer/optim/make_optimizer.hpp"
#include "convmixer/train/config.hpp"
#include "data/augment/reduction.hpp"
#include "support/error_of.hpp"
#include "train/trainer_fixture.hpp"

#include <gmock/gmock.h>

#include <string_view>

namespace convmixer {
namespace {

using testing::HasSubstr;
using testing_support::error_of;

/// All images of another data set, reduced.
class Reduced : public Dataset {
 public:
  Reduced(const Dataset& all, int image_size) : all_(all), image_size_(image_size) {
    const Reduction reduction({all.channels(), all.image_size(), all.image_size()}, image_size);
    std::vector<std::uint8_t> working(reduction.working_bytes());
    for (std::int64_t i = 0; i < all.size(); ++i) {
      std::vector<std::uint8_t>& image = images_.emplace_back(reduction.shape().bytes());
      reduction.reduce(all.image(i), working, image);
    }
  }
  [[nodiscard]] std::int64_t size() const override { return all_.size(); }
  [[nodiscard]] int channels() const override { return all_.channels(); }
  [[nodiscard]] int image_size() const override { return image_size_; }
  [[nodiscard]] const std::vector<std::string>& class_names() const override { return all_.class_names(); }
  [[nodiscard]] std::span<const std::uint8_t> image(std::int64_t index) const override {
    return images_[static_cast<std::size_t>(index)];
  }
  [[nodiscard]] std::int32_t label(std::int64_t index) const override { return all_.label(index); }

 private:
  const Dataset& all_;
  int image_size_;
  std::vector<std::vector<std::uint8_t>> images_;
};

class TrainerSizes : public TrainerFixture {
 protected:
  /// An epoch at 16 pixels, one at 24, one at 32.
  [[nodiscard]] TrainConfig sized_config(const std::string& folder, const std::string& precision = "f32") const {
    TrainConfig config = small_config(folder, precision);
    config.epochs = 3;
    config.image_sizes = {{16, 0.4}, {24, 0.3}, {32, 0.3}};
    return config;
  }
};

TEST_F(TrainerSizes, TrainStretchByStretchAsByHand) {
  for (const char* precision : {"f32", "bf16"}) {
    if (std::string_view(precision) == "bf16" && !Engine::supports(Precision::bf16)) continue;
    if (!Engine::supports(choose_precision(precision))) continue;
    TrainConfig config = sized_config(fmt::format("run-{}", precision), precision);
    config.augmentation = {};
    ASSERT_EQ(train(config), TrainEnd::finished);

    ModelConfig model = model_config(config, 3, 10);
    const Graph whole = make_graph(model);
    Parameters parameters(whole);
    parameters.initialise(config.seed);
    const auto optimizer = make_optimizer(parameters, config.optimizer, pool_);
    const Schedule schedule = make_schedule(config, 6);
    TrainConfig plain = config;
    plain.image_sizes.clear();
    std::int64_t step = 0;
    for (const int size : {16, 24, 32}) {
      const Reduced images(*train_, size);
      Loader loader(images, loader_options(plain, Split::train), pool_);
      const Graph graph = make_graph(with_task(model, {size, 3, 10}));
      loader.start(step / 6);
      while (const Batch* batch = loader.next()) {
        Plan plan(graph, parameters, engine_,
                  {.batch_size = batch->size, .precision = choose_precision(precision), .mode = PlanMode::training});
        const std::span<const float> logits = plan.forward(batch->images);
        std::vector<float> gradient(logits.size());
        (void)score(logits, 10, {.labels = batch->labels, .soft = {}}, gradient);
        plan.backward(gradient);
        optimizer->step(learning_rate(schedule, step++));
      }
    }
    ASSERT_EQ(step, 18);
    Parameters trained(whole);
    load_weights(RunFolder{config.out}.last(), trained);
    for (ParameterId id = 0; id < static_cast<ParameterId>(whole.parameters().size()); ++id)
      EXPECT_TRUE(std::ranges::equal(trained.value(id), parameters.value(id))) << precision << id;
    for (StatisticId id = 0; id < static_cast<StatisticId>(whole.statistics().size()); ++id)
      EXPECT_TRUE(std::ranges::equal(trained.statistic(id), parameters.statistic(id))) << precision << id;
  }
}

TEST_F(TrainerSizes, AreToldInEveryRecordAndOnlyThere) {
  const TrainConfig config = sized_config("run");
  ASSERT_EQ(train(config), TrainEnd::finished);
  for (const auto& record : timeless_metrics(config.out))
    EXPECT_EQ(record.at("image_size"), std::vector<int>({16, 24, 32}).at(record.at("epoch").get<std::size_t>() - 1));
  const TrainConfig usual = small_config("usual");
  ASSERT_EQ(train(usual), TrainEnd::finished);
  for (const auto& record : timeless_metrics(usual.out)) EXPECT_FALSE(record.contains("image_size"));
}

TEST_F(TrainerSizes, GiveTheSameBitsForAnyNumberOfThreads) {
  const TrainConfig two = sized_config("two");
  ASSERT_EQ(train(two), TrainEnd::finished);
  const TrainConfig three = sized_config("three");
  ThreadPool pool(3);
  Engine engine(pool);
  const TrainControls controls = undisturbed();
  Progress progress(nullptr, {}, controls.clock);
  EXPECT_EQ(Trainer(three, *train_, *test_, engine, progress, controls).run(), TrainEnd::finished);
  EXPECT_TRUE(read_text_file(RunFolder{three.out}.last()) == read_text_file(RunFolder{two.out}.last()));
  EXPECT_EQ(timeless_metrics(three.out), timeless_metrics(two.out));
}

TEST_F(TrainerSizes, AllPlanIntoTheMemoryOfTheLargest) {
  Progress progress(nullptr, {}, [] { return 0.0; });
  Trainer sized(sized_config("sized"), *train_, *test_, engine_, progress, undisturbed());
  Trainer usual(small_config("usual"), *train_, *test_, engine_, progress, undisturbed());
  EXPECT_EQ(sized.planned_memory().total(), usual.planned_memory().total());
  EXPECT_GT(sized.planned_memory().unshared, usual.planned_memory().unshared);
}

TEST_F(TrainerSizes, StayTheRunsOwn) {
  TrainConfig config = sized_config("run");
  ASSERT_EQ(train(config, stopped_after(4)), TrainEnd::signal);
  config.image_sizes = {{16, 0.3}, {24, 0.4}, {32, 0.3}};
  EXPECT_THAT(error_of([&] { train(config); }).what(), HasSubstr("image-sizes"));
}

}  // namespace
}  // namespace convmixer
