#include "convmixer/train/step_profiler.hpp"

#include "convmixer/core/file.hpp"
#include "support/error_of.hpp"
#include "train/trainer_fixture.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstdio>
#include <map>
#include <set>
#include <string>
#include <vector>

namespace convmixer {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using testing::AnyOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;
using testing_support::error_of;

struct Event {
  std::string name;
  double begin;  // microseconds
  double end;
  std::int64_t number;  // -1: none
};

/// What is in a file that a viewer opens; fails the test where it isn't as the format and the viewers want it.
struct TraceFile {
  explicit TraceFile(const fs::path& path) : content(json::parse(read_text_file(path))) {
    std::map<int, std::string> names;
    std::map<std::string, double> last;
    const double duration = 1e3 * std::stod(content.at("otherData").at("duration_ms").get<std::string>());
    for (const json& event : content.at("traceEvents")) {
      const int thread = event.at("tid").get<int>();
      EXPECT_EQ(event.at("pid"), 1);
      if (event.at("name") == "thread_name") names[thread] = event.at("args").at("name").get<std::string>();
      if (event.at("ph") != "X") continue;
      EXPECT_TRUE(names.contains(thread));
      const double begin = event.at("ts").get<double>();
      const double end = begin + event.at("dur").get<double>();
      EXPECT_GE(begin, last[names[thread]]);
      EXPECT_GE(end, begin);
      EXPECT_LE(end, duration + 1e-3);
      last[names[thread]] = begin;
      threads[names[thread]].push_back(
          {event.at("name"), begin, end, event.contains("args") ? event["args"].value("number", -1) : -1});
    }
    for (const auto& [name, events] : threads) expect_nested(events);
  }

  static void expect_nested(const std::vector<Event>& events) {
    constexpr double kRounding = 1e-4;  // the format has nanoseconds, in decimal
    std::vector<Event> open;
    for (const Event& event : events) {
      while (!open.empty() && open.back().end <= event.begin + kRounding) open.pop_back();
      if (!open.empty()) {
        EXPECT_LE(event.end, open.back().end + kRounding) << event.name << " within " << open.back().name;
      }
      open.push_back(event);
    }
  }

  [[nodiscard]] std::vector<Event> named(const std::string& thread, const std::string& name) const {
    std::vector<Event> found;
    if (!threads.contains(thread)) return found;
    std::ranges::copy_if(threads.at(thread), std::back_inserter(found),
                         [&](const Event& event) { return event.name == name; });
    return found;
  }
  [[nodiscard]] std::vector<std::int64_t> numbers(const std::string& thread, const std::string& name) const {
    std::vector<std::int64_t> found;
    for (const Event& event : named(thread, name)) found.push_back(event.number);
    return found;
  }
  [[nodiscard]] std::string note(const std::string& key) const { return content.at("otherData").at(key); }

  json content;
  std::map<std::string, std::vector<Event>> threads;
};

class StepProfilerTest : public TrainerFixture {
 protected:
  ~StepProfilerTest() override { std::fclose(output_); }

  /// Trains with a profiler; what it prints can be had by printed().
  TrainEnd train_profiled(const TrainConfig& config, const ProfileOptions& options, TrainControls controls) {
    Progress progress(output_, {}, controls.clock);
    StepProfiler profiler(options, 8, {{"precision", config.precision}}, progress, engine_.ranks());
    controls.profiler = &profiler;
    Progress silent(nullptr, {}, controls.clock);
    Trainer trainer(config, *train_, *test_, engine_, silent, std::move(controls));
    profiler.require_within(trainer.steps_left());
    const TrainEnd end = trainer.run();
    profiler.finish();
    return end;
  }
  [[nodiscard]] ProfileOptions window(std::int64_t skip, std::int64_t steps) const {
    return {.file = trace_, .skip = skip, .steps = steps};
  }
  [[nodiscard]] std::string printed() const {
    std::fflush(output_);
    return read_text_file(parent_.path() / "output");
  }

  fs::path trace_ = parent_.path() / "trace.json";
  std::FILE* output_ = std::fopen((parent_.path() / "output").c_str(), "w");
};

TEST_F(StepProfilerTest, RecordsTheWindowOfATraining) {
  TrainConfig config = small_config("run");
  config.layout = LayoutPolicy::channels_last;  // a plain plan: one span for each of its steps
  EXPECT_EQ(train_profiled(config, window(2, 3), undisturbed()), TrainEnd::finished);
  const TraceFile trace(trace_);
  EXPECT_THAT(trace.numbers("training", "training step"), ElementsAre(3, 4, 5));
  EXPECT_EQ(trace.note("first_step"), "3");
  EXPECT_EQ(trace.note("last_step"), "5");
  EXPECT_EQ(trace.note("precision"), "f32");
  EXPECT_EQ(trace.note("dropped_spans"), "0");
  const std::vector<Event> steps = trace.named("training", "training step");
  for (const char* part : {"forward", "loss", "backward", "optimiser", "blocks.0.0.fn.0 depthwise convolution forward",
                           "blocks.0.0.fn.0 depthwise convolution backward weights"}) {
    const std::vector<Event> events = trace.named("training", part);
    ASSERT_EQ(events.size(), 3U) << part;
    for (std::size_t i = 0; i < 3; ++i) {
      EXPECT_GE(events[i].begin, steps[i].begin) << part;
      EXPECT_LE(events[i].end, steps[i].end) << part;
    }
  }
}

TEST_F(StepProfilerTest, ShowsTheLoadersTasks) {
  TrainConfig config = small_config("run");
  config.prefetch = 1;  // or all batches are ready before the window
  train_profiled(config, window(1, 4), undisturbed());
  const TraceFile trace(trace_);
  const std::vector<Event> steps = trace.named("training", "training step");
  std::set<std::int64_t> prepared;
  for (const auto& [thread, events] : trace.threads) {
    EXPECT_THAT(thread, AnyOf("training", StartsWith("worker ")));
    const std::vector<std::int64_t> numbers = trace.numbers(thread, "prepare batch");
    prepared.insert(numbers.begin(), numbers.end());
    for (const Event& event : trace.named(thread, "prepare batch")) {
      const auto step = std::ranges::find(steps, event.number, &Event::number);
      EXPECT_TRUE(step == steps.end() || event.end <= step->begin) << "batch " << event.number << " was late";
    }
  }
  // The task of the first may have begun before the window, that of the last may come after it.
  for (const std::int64_t step : {4, 5}) EXPECT_TRUE(prepared.contains(step)) << step;
}

TEST_F(StepProfilerTest, RecordsAnEvaluationBetweenTwoSteps) {
  train_profiled(small_config("run"), window(5, 2), undisturbed());
  const TraceFile trace(trace_);
  EXPECT_THAT(trace.numbers("training", "training step"), ElementsAre(6, 7));
  EXPECT_EQ(trace.named("training", "evaluation").size(), 1U);
  EXPECT_EQ(trace.named("training", "inference").size(), 2U);  // batches of the test set
  EXPECT_EQ(trace.named("training", "save state").size(), 1U);
}

TEST_F(StepProfilerTest, RecordsNoEvaluationBeforeTheFirstStep) {
  train_profiled(small_config("run"), window(6, 2), undisturbed());
  const TraceFile trace(trace_);
  EXPECT_THAT(trace.numbers("training", "training step"), ElementsAre(7, 8));
  EXPECT_TRUE(trace.named("training", "evaluation").empty());
}

TEST_F(StepProfilerTest, ChangesNothingInARun) {
  train(small_config("plain"));
  train_profiled(small_config("profiled"), window(0, 12), undisturbed());
  expect_equal_runs(parent_.path() / "profiled", parent_.path() / "plain");
}

TEST_F(StepProfilerTest, CountsFromWhereARunGoesOn) {
  train(small_config("run"), stopped_after(4));
  ASSERT_GT(position_.step, 0);
  const std::int64_t done = position_.step;
  train_profiled(small_config("run"), window(1, 2), undisturbed());
  EXPECT_THAT(TraceFile(trace_).numbers("training", "training step"), ElementsAre(done + 2, done + 3));
  train(small_config("whole"));
  expect_equal_runs(parent_.path() / "run", parent_.path() / "whole");
}

TEST_F(StepProfilerTest, WritesWhatThereIsWhenTheTrainingEndsWithinTheWindow) {
  EXPECT_EQ(train_profiled(small_config("run"), window(1, 9), stopped_after(4)), TrainEnd::signal);
  EXPECT_EQ(TraceFile(trace_).numbers("training", "training step").front(), 2);
  EXPECT_THAT(printed(), HasSubstr("(the training ended)"));
}

TEST_F(StepProfilerTest, SaysThatTheTrainingEndedBeforeTheWindow) {
  EXPECT_THAT(error_of([&] { train_profiled(small_config("run"), window(9, 1), stopped_after(2)); }).what(),
              HasSubstr("no profile was written: the training ended after "));
  EXPECT_FALSE(fs::exists(trace_));
}

TEST_F(StepProfilerTest, RefusesAWindowBeyondTheTrainingsEnd) {
  const Error error = error_of([&] { train_profiled(small_config("run"), window(5, 8), undisturbed()); });
  EXPECT_EQ(error.kind(), ErrorKind::usage);
  EXPECT_THAT(error.what(), HasSubstr("8 steps after 5"));
  EXPECT_THAT(error.what(), HasSubstr("at most 12 together"));
  train_profiled(small_config("run"), window(5, 7), undisturbed());
  const Error finished = error_of([&] { train_profiled(small_config("run"), window(0, 1), undisturbed()); });
  EXPECT_THAT(finished.what(), HasSubstr("the training is finished"));
}

TEST_F(StepProfilerTest, RefusesAWindowOfNoStepsOrOfNegativeOnes) {
  for (const auto& [skip, steps] : {std::pair{-1, 1}, std::pair{0, 0}, std::pair{0, -5}}) {
    const Error error = error_of([&] { train_profiled(small_config("run"), window(skip, steps), undisturbed()); });
    EXPECT_THAT(error.what(), HasSubstr("expected 1 to 1000000000 after 0 to 1000000000"));
  }
}

TEST_F(StepProfilerTest, TrainsOnWhenTheFileCantBeWrittenLater) {
  TrainControls controls = undisturbed();
  fs::create_directory(parent_.path() / "traces");
  ProfileOptions options = window(0, 2);
  options.file = parent_.path() / "traces" / "trace.json";
  controls.stop_signal = [this] {
    fs::remove(parent_.path() / "traces");
    return 0;
  };
  EXPECT_THAT(error_of([&] { train_profiled(small_config("run"), options, controls); }).what(),
              HasSubstr("traces/trace.json: can't be created: "));
  EXPECT_EQ(read_checkpoint_info(RunFolder{parent_.path() / "run"}.last()).epoch, 2);
  EXPECT_THAT(printed(), HasSubstr("traces/trace.json"));
}

TEST_F(StepProfilerTest, RecordsTheTasksOfFusedStages) {
  EXPECT_EQ(train_profiled(small_config("run"), window(2, 3), undisturbed()), TrainEnd::finished);
  const TraceFile trace(trace_);
  for (const char* stage : {"stem.0 stem stage forward", "blocks.0.0.fn.0 depthwise stage backward"}) {
    EXPECT_GE(trace.named("training", stage).size(), 3U) << stage;
  }
}

TEST_F(StepProfilerTest, PrintsTheTable) {
  TrainConfig config = small_config("run");
  config.layout = LayoutPolicy::channels_last;
  train_profiled(config, window(1, 2), undisturbed());
  const std::string text = printed();
  EXPECT_THAT(
      text,
      StartsWith("profile of steps 2 to 3; trace for ui.perfetto.dev and chrome://tracing: " + trace_.string() + "\n"));
  for (const char* operation : {"\n  depthwise convolution backward weights ", "\n  loss ", "\n  optimiser ",
                                "\n  in no operation ", "\n  step ", "\n  training "}) {
    EXPECT_THAT(text, HasSubstr(operation));
  }
}

TEST(ProfileTable, GivesMillisecondsAStepAndShares) {
  const TraceName step("training step");
  const TraceName conv("conv");
  const TraceName prepare("prepare batch");
  const Trace trace{.duration = 20'000'000,
                    .tracks = {{"training",
                                {{step, 1, 0, 9'000'000},
                                 {conv, -1, 1'000'000, 8'000'000},
                                 {step, 2, 10'000'000, 19'000'000},
                                 {conv, -1, 11'000'000, 18'000'000}}},
                               {"worker 1", {{prepare, 3, 2'000'000, 7'000'000}}}}};
  EXPECT_EQ(format_profile(trace, 2),
            "  operation, without those inside of it  calls a step  ms a step   share  ms on other threads\n"
            "  conv                                              1      7.000   70.0%\n"
            "  training step                                     1      2.000   20.0%\n"
            "  prepare batch                                   0.5      0.000    0.0%                2.500\n"
            "  in no operation                                          1.000   10.0%\n"
            "  step                                                    10.000  100.0%                2.500\n"
            "\n"
            "  thread    share of its time in operations\n"
            "  training   90.0%\n"
            "  worker 1   25.0%\n");
}

TEST(ProfileTable, SaysWhatFoundNoRoom) {
  EXPECT_THAT(format_profile({.duration = 10, .tracks = {}, .dropped = 4}, 1), HasSubstr("4 spans found no room"));
}

}  // namespace
}  // namespace convmixer
