#include "train/run_data.hpp"

#include "convmixer/core/file.hpp"
#include "convmixer/data/relabel.hpp"
#include "support/error_of.hpp"
#include "train/trainer_fixture.hpp"

#include <gmock/gmock.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>

namespace convmixer {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing_support::error_of;

/// A data set whose pixels, numbers of images or names of classes have become others.
class Changed : public Dataset {
 public:
  struct Change {
    std::int64_t images = 0;           ///< that are left; 0: all
    bool inverted = false;             ///< pixels
    std::vector<std::string> names{};  ///< empty: as they were
  };
  Changed(std::unique_ptr<Dataset> dataset, Change change) : dataset_(std::move(dataset)), change_(std::move(change)) {
    if (change_.images == 0) change_.images = dataset_->size();
    if (change_.names.empty()) change_.names = dataset_->class_names();
    for (std::int64_t i = 0; i < change_.images; ++i) {
      const auto pixels = dataset_->image(i);
      images_.emplace_back(pixels.begin(), pixels.end());
      if (change_.inverted) images_.back().front() ^= 1U;
    }
  }
  [[nodiscard]] std::int64_t size() const override { return change_.images; }
  [[nodiscard]] int channels() const override { return dataset_->channels(); }
  [[nodiscard]] int image_size() const override { return dataset_->image_size(); }
  [[nodiscard]] const std::vector<std::string>& class_names() const override { return change_.names; }
  [[nodiscard]] Normalisation normalisation() const override { return dataset_->normalisation(); }
  [[nodiscard]] std::span<const std::uint8_t> image(std::int64_t index) const override {
    return images_[static_cast<std::size_t>(index)];
  }
  [[nodiscard]] std::int32_t label(std::int64_t index) const override { return dataset_->label(index); }

 private:
  std::unique_ptr<Dataset> dataset_;
  Change change_;
  std::vector<std::vector<std::uint8_t>> images_;
};

/// A run stopped after the fifth of its first epoch's six steps.
class RunDataTest : public TrainerFixture {
 protected:
  void SetUp() override { ASSERT_EQ(train(small_config("run"), stopped_after(5)), TrainEnd::signal); }

  [[nodiscard]] TrainConfig config() const { return small_config("run"); }
  [[nodiscard]] static TrainControls with_changed_data() {
    TrainControls controls = undisturbed();
    controls.may_change_data = true;
    return controls;
  }
  void change_training(Changed::Change change) {
    train_ = std::make_unique<Changed>(std::move(train_), std::move(change));
  }
  std::string refusal() {
    const TrainConfig settings = config();
    const auto before = timeless_state(settings.out);
    const Error error = error_of([&] { train(settings); });
    EXPECT_EQ(error.kind(), ErrorKind::usage);
    EXPECT_TRUE(timeless_state(settings.out) == before);
    return error.what();
  }
  /// What is said when a run with other data is opened.
  std::string note(const TrainConfig& settings) {
    char* text = nullptr;
    std::size_t size = 0;
    std::FILE* const file = ::open_memstream(&text, &size);
    {
      Progress progress(file, {}, undisturbed().clock);
      const Trainer trainer(settings, *train_, *test_, engine_, progress, with_changed_data());
    }
    std::fclose(file);
    const std::string said(text, size);
    std::free(text);
    return said;
  }
  /// As an earlier release left it.
  void forget_the_data() const {
    for (const char* key :
         {"class_names", "train.class_images", "train.fingerprint", "test.class_images", "test.fingerprint"}) {
      remove_metadata(RunFolder{config().out}.state(), std::string("fingerprint.data.") + key);
    }
  }
};

TEST_F(RunDataTest, InAnotherOrderOfClassesGoesOnBitForBit) {
  ASSERT_EQ(train(small_config("whole")), TrainEnd::finished);
  std::vector<std::string> reversed(train_->class_names().rbegin(), train_->class_names().rend());
  const std::unique_ptr<Dataset> train_as_it_was = std::move(train_);
  const std::unique_ptr<Dataset> test_as_it_was = std::move(test_);
  train_ = relabel(*train_as_it_was, reversed);
  test_ = relabel(*test_as_it_was, reversed);
  ASSERT_EQ(train(config()), TrainEnd::finished);
  expect_equal_runs(config().out, small_config("whole").out);
}

TEST_F(RunDataTest, OfOtherClassesIsRefusedWithBothLists) {
  std::vector<std::string> names = train_->class_names();
  const std::string known = list_class_names(names);
  names[3] = "red";
  change_training({.names = names});
  EXPECT_THAT(refusal(), AllOf(HasSubstr(known), HasSubstr(list_class_names(names)), HasSubstr("'red'"),
                               HasSubstr("--out"), HasSubstr("--fresh")));
}

TEST_F(RunDataTest, WithoutOneOfTheClassesIsRefused) {
  auto names = train_->class_names();
  names.pop_back();
  change_training({.names = names});
  EXPECT_THAT(refusal(), AllOf(HasSubstr(list_class_names(names)), HasSubstr("this run's are")));
}

TEST_F(RunDataTest, OfOtherImagesIsRefusedUnlessAllowed) {
  change_training({.inverted = true});
  EXPECT_THAT(refusal(), AllOf(HasSubstr("the 92 training images have other pixels or another order"),
                               HasSubstr("--allow-changed-data"), HasSubstr("--fresh")));
  EXPECT_EQ(train(config(), with_changed_data()), TrainEnd::finished);
  EXPECT_EQ(position_.step, 12);
  EXPECT_EQ(train(config()), TrainEnd::finished);  // it is the run's data now
}

TEST_F(RunDataTest, OfOtherImagesIsNotedWithWhatItMakesOfTheAccuracies) {
  TrainConfig held = small_config("held");
  held.holdout = {.images = 23};
  ASSERT_EQ(train(held, stopped_after(5)), TrainEnd::signal);
  change_training({.images = 90});
  EXPECT_THAT(note(config()), AllOf(HasSubstr("90 training images instead of 92"), HasSubstr("what is there now\n")));
  EXPECT_THAT(note(held), HasSubstr("what is held out may now hold images that it has trained on"));
  test_ = std::make_unique<Changed>(std::move(test_), Changed::Change{.inverted = true});
  EXPECT_THAT(note(config()), HasSubstr("its best accuracy so far is of the test images before"));
  EXPECT_THAT(note(held), Not(HasSubstr("of the test images before")));
}

TEST_F(RunDataTest, ThatIsLessEndsEpochsAndScheduleWithIt) {
  change_training({.images = 40});  // 3 steps
  EXPECT_THAT(refusal(), HasSubstr("40 training images instead of 92"));
  ASSERT_EQ(train(config(), with_changed_data()), TrainEnd::finished);
  EXPECT_EQ(position_.epoch, 2);
  EXPECT_EQ(position_.step, 5 + 3);
  const auto records = timeless_metrics(config().out);
  const float last = learning_rate(make_schedule(config(), 3), 5);
  EXPECT_NEAR(records.back()["learning_rate"].get<double>(), static_cast<double>(last), 1e-9);
}

TEST_F(RunDataTest, OfAnEarlierReleaseIsTakenAsItIsAndKnownFromThenOn) {
  forget_the_data();
  const TrainConfig settings = config();
  EXPECT_EQ(train(settings, stopped_after(0)), TrainEnd::signal);
  change_training({.inverted = true});
  EXPECT_THAT(refusal(), HasSubstr("other pixels"));
}

TEST_F(RunDataTest, OfAnEarlierReleaseThatIsLessThanItsEpochWasIsRefusedUnlessAllowed) {
  forget_the_data();
  change_training({.images = 40});
  EXPECT_THAT(refusal(), AllOf(HasSubstr("stopped after step 5 of an epoch, which has 3 steps now"),
                               HasSubstr("--allow-changed-data")));
  EXPECT_EQ(train(config(), with_changed_data()), TrainEnd::finished);
  EXPECT_EQ(position_.step, 5 + 3);
}

TEST_F(RunDataTest, IsInTheWeightsAndInAFileOfItsOwn) {
  ASSERT_EQ(train(config()), TrainEnd::finished);
  const RunFolder folder{config().out};
  const CheckpointInfo info = read_checkpoint_info(folder.best());
  EXPECT_EQ(info.class_names, train_->class_names());
  EXPECT_EQ(info.fit, "crop");
  EXPECT_EQ(info.data.at("test.fingerprint"), identify(*test_).fingerprint);
  const auto data = nlohmann::json::parse(read_text_file(folder.data()));
  EXPECT_EQ(data["train"]["images"], 92);
  EXPECT_EQ(data["train"]["fingerprint"], identify(*train_).fingerprint);
  ASSERT_EQ(data["classes"].size(), train_->class_names().size());
  EXPECT_EQ(data["classes"][1]["name"], train_->class_names()[1]);
}

TEST_F(RunDataTest, IsComparedAfterTheSettings) {
  TrainConfig settings = config();
  settings.train_images = 40;
  change_training({.images = 40});
  EXPECT_THAT(error_of([&] { train(settings); }).what(),
              AllOf(HasSubstr("\"train-images\""), Not(HasSubstr("changed"))));
}

/// An option that came after the release that saved the state.
TEST_F(RunDataTest, ASettingThatTheStateDoesNotKnowIsItsDefault) {
  remove_metadata(RunFolder{config().out}.state(), "fingerprint.cutout");
  TrainConfig settings = config();
  settings.augmentation.cutout = 4;
  EXPECT_THAT(error_of([&] { train(settings); }).what(), HasSubstr("\"cutout\" was nothing"));
  EXPECT_EQ(train(config()), TrainEnd::finished);
}

TEST_F(RunDataTest, AnEmptyStateNamesTheWaysOut) {
  write_file_atomically(RunFolder{config().out}.state(), "");
  EXPECT_THAT(error_of([&] { train(config()); }).what(),
              AllOf(HasSubstr("0 bytes long"), HasSubstr("a copy of the file"), HasSubstr("--fresh")));
}

}  // namespace
}  // namespace convmixer
