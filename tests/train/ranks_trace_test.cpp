#include "train/ranks_trace.hpp"

#include "support/error_of.hpp"
#include "support/thread_ranks.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <chrono>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace convmixer {
namespace {

using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;
using testing_support::run_ranks;

const TraceName kStep("a step");

/// A trace that tells a rank from others.
Trace trace_of(int rank) {
  return {.duration = 1000 * (rank + 1),
          .tracks = {{"training", {{kStep, rank, 10 * rank, 10 * rank + 5}}}, {"worker 1", {}}},
          .dropped = rank};
}

/// What each rank gets.
std::vector<std::string> traces_of(int ranks) {
  std::vector<std::string> texts(static_cast<std::size_t>(ranks));
  run_ranks(ranks, [&](Communicator& communicator) {
    const int rank = communicator.rank();
    texts[static_cast<std::size_t>(rank)] =
        trace_of_ranks(communicator, trace_of(rank), {{"note", fmt::format("of rank {}", rank)}});
  });
  return texts;
}

TEST(RanksTrace, HasAProcessForEachRankOnRankZeroAlone) {
  for (const int ranks : {2, 3, 4}) {
    SCOPED_TRACE(ranks);
    const std::vector<std::string> texts = traces_of(ranks);
    for (std::size_t rank = 1; rank < texts.size(); ++rank) EXPECT_EQ(texts[rank], "");
    const json trace = json::parse(texts[0]);
    std::map<int, std::string> processes;
    std::map<int, std::vector<std::string>> threads;
    std::map<int, int> spans;
    for (const json& event : trace.at("traceEvents")) {
      const int process = event.at("pid");
      if (event.at("name") == "process_name") processes[process] = event.at("args").at("name");
      if (event.at("name") == "thread_name") threads[process].push_back(event.at("args").at("name"));
      if (event.at("ph") != "X") continue;
      ++spans[process];
      const int rank = process - 1;
      EXPECT_EQ(event.at("args").at("number"), rank);
      EXPECT_DOUBLE_EQ(event.at("ts").get<double>(), 0.01 * rank);
      EXPECT_DOUBLE_EQ(event.at("dur").get<double>(), 0.005);
    }
    ASSERT_EQ(processes.size(), texts.size());
    for (int rank = 0; rank < ranks; ++rank) {
      EXPECT_EQ(processes[rank + 1], fmt::format("rank {}", rank));
      EXPECT_THAT(threads[rank + 1], ElementsAre("training", "worker 1"));
      EXPECT_EQ(spans[rank + 1], 1);
    }
    EXPECT_EQ(trace.at("otherData").at("note"), "of rank 0");
    EXPECT_EQ(trace.at("otherData").at("duration_ms"), "0.001000");
    EXPECT_EQ(trace.at("otherData").at("dropped_spans"), fmt::format("{}", ranks * (ranks - 1) / 2));
  }
}

TEST(RanksTrace, OfOneProcessIsNamedAfterTheProgram) {
  const std::string text = traces_of(1).front();
  EXPECT_THAT(text, HasSubstr(R"("convmixer train")"));
  EXPECT_THAT(text, testing::Not(HasSubstr(R"("name":"rank)")));
}

// The recording is the process's own: the others only meet it here.
TEST(RanksTrace, BeginsWhenAllRanksAreThereAndWithoutThatMeeting) {
  using Clock = std::chrono::steady_clock;
  Clock::time_point last_came;
  run_ranks(3, [&](Communicator& communicator) {
    if (communicator.rank() == 0) {
      const auto recording = record_on_all(communicator, 1, 100);
      const Trace trace = recording->finish();
      EXPECT_LE(trace.duration, std::chrono::nanoseconds(Clock::now() - last_came).count());
      EXPECT_TRUE(trace.tracks.empty());
      return;
    }
    if (communicator.rank() == 2) {
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
      last_came = Clock::now();
    }
    communicator.barrier();
    communicator.barrier();
  });
}

TEST(RanksTrace, IsRefusedOnAllIfARankHasNoRoom) {
  EXPECT_EQ(testing_support::error_of([] {
              run_ranks(2, [](Communicator& communicator) {
                if (communicator.rank() == 0) (void)record_on_all(communicator, 0, 1);
                communicator.barrier();
              });
            }).kind(),
            ErrorKind::usage);
}

}  // namespace
}  // namespace convmixer
