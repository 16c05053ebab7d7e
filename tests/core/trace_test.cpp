#include "convmixer/core/trace.hpp"

#include "convmixer/core/thread_pool.hpp"
#include "support/error_of.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

namespace convmixer {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::StartsWith;

const TraceName kOuter("outer");
const TraceName kInner("inner");

void spin_for(std::chrono::microseconds time) {
  const auto until = std::chrono::steady_clock::now() + time;
  while (std::chrono::steady_clock::now() < until) {
  }
}

/// "outer 3" or, without a number, "outer".
std::vector<std::string> texts(const TraceTrack& track) {
  std::vector<std::string> all;
  for (const TraceSpan& span : track.spans) {
    all.push_back(span.name.text() + (span.number < 0 ? "" : " " + std::to_string(span.number)));
  }
  return all;
}

/// Spans in order of their begin, each inside of those that are open, all within the recording.
void expect_valid(const Trace& trace) {
  for (const TraceTrack& track : trace.tracks) {
    std::vector<TraceSpan> open;
    std::int64_t last_begin = 0;
    for (const TraceSpan& span : track.spans) {
      EXPECT_GE(span.begin, last_begin);
      EXPECT_LE(span.begin, span.end);
      EXPECT_LE(span.end, trace.duration);
      last_begin = span.begin;
      while (!open.empty() && open.back().end <= span.begin) open.pop_back();
      if (!open.empty()) {
        EXPECT_LE(span.end, open.back().end) << span.name.text() << " in " << open.back().name.text();
      }
      open.push_back(span);
    }
  }
}

TEST(TraceName, OfEqualTextsIsTheSame) {
  const TraceName name("a", "kind");
  EXPECT_EQ(name, TraceName("a", "kind"));
  EXPECT_FALSE(name == TraceName("b", "kind"));
  EXPECT_FALSE(name == TraceName("a", "other kind"));
  EXPECT_EQ(name.text(), "a");
  EXPECT_EQ(name.operation(), "kind");
}

TEST(TraceName, IsItsOwnOperationByDefault) {
  EXPECT_EQ(TraceName("alone").operation(), "alone");
  EXPECT_EQ(TraceName("alone"), TraceName("alone", "alone"));
}

TEST(TraceScope, RecordsNothingWhenNobodyAsks) {
  { const TraceScope before(kOuter); }
  TraceRecording recording(2, 10);
  const Trace trace = recording.finish();
  { const TraceScope after(kOuter); }
  EXPECT_THAT(trace.tracks, IsEmpty());
  EXPECT_EQ(trace.dropped, 0);
  TraceRecording next(2, 10);
  EXPECT_THAT(next.finish().tracks, IsEmpty());
}

TEST(TraceScope, NestsInTheOrderOfItsBegin) {
  TraceRecording recording(1, 10);
  {
    const TraceScope outer(kOuter, 7);
    { const TraceScope inner(kInner); }
    { const TraceScope inner(kInner, 0); }
  }
  { const TraceScope outer(kOuter); }
  const Trace trace = recording.finish();
  ASSERT_EQ(trace.tracks.size(), 1U);
  EXPECT_THAT(texts(trace.tracks[0]), ElementsAre("outer 7", "inner", "inner 0", "outer"));
  expect_valid(trace);
}

TEST(TraceScope, LastsAsLongAsTheClockSays) {
  const auto began = std::chrono::steady_clock::now();
  TraceRecording recording(1, 10);
  spin_for(std::chrono::microseconds(200));
  {
    const TraceScope scope(kOuter);
    spin_for(std::chrono::microseconds(300));
  }
  const Trace trace = recording.finish();
  const std::chrono::nanoseconds most = std::chrono::steady_clock::now() - began;
  const TraceSpan& span = trace.tracks.at(0).spans.at(0);
  EXPECT_GE(span.begin, 200'000);
  EXPECT_GE(span.end - span.begin, 300'000);
  EXPECT_GE(trace.duration, span.end);
  EXPECT_LE(trace.duration, most.count());
}

TEST(TraceRecording, BeginsWhenItHasMetOthers) {
  std::chrono::steady_clock::time_point met;
  TraceRecording recording(1, 10, [&] {
    const TraceScope scope(kInner);
    spin_for(std::chrono::microseconds(500));
    met = std::chrono::steady_clock::now();
  });
  { const TraceScope scope(kOuter); }
  const Trace trace = recording.finish();
  EXPECT_LE(trace.duration, std::chrono::nanoseconds(std::chrono::steady_clock::now() - met).count());
  EXPECT_THAT(texts(trace.tracks.at(0)), ElementsAre("outer"));
}

TEST(TraceScope, EndsWithTheRecordingIfItIsStillOpen) {
  TraceRecording recording(1, 10);
  Trace trace;
  {
    const TraceScope scope(kOuter);
    trace = recording.finish();
  }
  ASSERT_EQ(trace.tracks.size(), 1U);
  ASSERT_EQ(trace.tracks[0].spans.size(), 1U);
  EXPECT_EQ(trace.tracks[0].spans[0].end, trace.duration);
}

TEST(TraceScope, ThatWasOpenWhenTheRecordingBeganIsNotInIt) {
  std::optional<TraceRecording> recording;
  {
    const TraceScope early(kOuter);
    recording.emplace(1, 10);
    const TraceScope inner(kInner);
  }
  const Trace trace = recording->finish();
  EXPECT_THAT(texts(trace.tracks.at(0)), ElementsAre("inner"));
}

TEST(TraceScope, MayOutliveItsRecordingAndTheNext) {
  std::optional<TraceScope> old;
  {
    TraceRecording first(1, 10);
    old.emplace(kOuter);
    EXPECT_EQ(first.finish().tracks.size(), 1U);
  }
  TraceRecording second(1, 10);
  { const TraceScope scope(kInner); }
  old.reset();
  EXPECT_THAT(texts(second.finish().tracks.at(0)), ElementsAre("inner"));
}

TEST(TraceRecording, CountsWhatFindsNoRoom) {
  TraceRecording recording(1, 3);
  for (int i = 0; i < 5; ++i) const TraceScope scope(kOuter, i);
  std::thread([] {
    for (int i = 0; i < 4; ++i) const TraceScope scope(kInner, i);
  }).join();
  const Trace trace = recording.finish();
  ASSERT_EQ(trace.tracks.size(), 1U);
  EXPECT_THAT(texts(trace.tracks[0]), ElementsAre("outer 0", "outer 1", "outer 2"));
  EXPECT_EQ(trace.dropped, 2 + 4);
}

TEST(TraceRecording, IsRefusedWithinAnother) {
  TraceRecording first(1, 3);
  EXPECT_THAT(testing_support::error_of([] { TraceRecording second(1, 3); }).what(),
              StartsWith("a trace is being recorded already"));
  { const TraceScope scope(kOuter); }
  EXPECT_EQ(first.finish().tracks.size(), 1U);
}

TEST(TraceRecording, NeedsRoomAndEndsOnce) {
  EXPECT_THAT(testing_support::error_of([] { const TraceRecording recording(0, 10); }).what(),
              StartsWith("recording of a trace"));
  EXPECT_THAT(testing_support::error_of([] { const TraceRecording recording(1, 0); }).what(),
              StartsWith("recording of a trace"));
  EXPECT_THAT(testing_support::error_of([] { const TraceRecording recording(2, std::int64_t{1} << 62); }).what(),
              StartsWith("recording of a trace"));
  TraceRecording recording(1, 10);
  (void)recording.finish();
  EXPECT_THAT(testing_support::error_of([&] { (void)recording.finish(); }).what(),
              StartsWith("a recording of a trace"));
}

TEST(TraceRecording, EndsWhenItIsDestroyed) {
  { const TraceRecording abandoned(1, 3); }
  TraceRecording next(1, 3);
  EXPECT_THAT(next.finish().tracks, IsEmpty());
}

TEST(TraceRecording, HasATrackForEveryThreadNamedOnesFirst) {
  TraceRecording recording(5, 10);
  const auto record = [](const char* name, int order) {
    std::thread([=] {
      if (order >= 0) name_traced_thread(name, order);
      const TraceScope scope(kOuter, order);
    }).join();
  };
  record("", -1);
  record("second", 2);
  record("first", 1);
  record("", -1);
  const Trace trace = recording.finish();
  std::vector<std::string> threads;
  for (const TraceTrack& track : trace.tracks) threads.push_back(track.thread);
  EXPECT_THAT(threads, ElementsAre("first", "second", "thread 1", "thread 2"));
  for (const TraceTrack& track : trace.tracks) EXPECT_EQ(track.spans.size(), 1U);
  EXPECT_EQ(trace.tracks[0].spans.at(0).number, 1);
}

// What ThreadSanitizer is to see: threads that record while recordings begin and end.
TEST(TraceRecording, MayBeginAndEndAtAnyMomentOfOtherThreads) {
  constexpr int kThreads = 3;
  std::atomic<bool> stop = false;
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&stop] {
      while (!stop) {
        const TraceScope outer(kOuter);
        const TraceScope inner(kInner, 1);
        std::this_thread::yield();
      }
    });
  }
  std::size_t spans = 0;
  for (int round = 0; round < 200 || spans == 0; ++round) {
    TraceRecording recording(kThreads, 50);
    std::this_thread::sleep_for(std::chrono::microseconds(50));
    const Trace trace = recording.finish();
    expect_valid(trace);
    for (const TraceTrack& track : trace.tracks) spans += track.spans.size();
  }
  stop = true;
  for (std::thread& thread : threads) thread.join();
}

TEST(TraceRecording, SeesThePoolsWorkersByName) {
  std::atomic<int> enqueued = 0;
  ThreadPool pool(3);
  name_traced_thread("caller", 0);
  TraceRecording recording(8, 1000);
  constexpr int kTasks = 64;
  for (int i = 0; i < kTasks; ++i) {
    pool.enqueue([&enqueued, i] {
      {
        const TraceScope scope(kInner, i);
        spin_for(std::chrono::microseconds(20));
      }
      ++enqueued;
    });
  }
  pool.parallel_for(kTasks, [](std::int64_t i) {
    const TraceScope scope(kOuter, i);
    spin_for(std::chrono::microseconds(20));
  });
  while (enqueued < kTasks) std::this_thread::yield();
  const Trace trace = recording.finish();
  expect_valid(trace);
  std::set<std::int64_t> outer;
  std::set<std::int64_t> inner;
  std::set<std::string> names;
  for (const TraceTrack& track : trace.tracks) {
    EXPECT_TRUE(names.insert(track.thread).second) << track.thread << " twice";
    EXPECT_THAT(track.thread, testing::AnyOf("caller", StartsWith("worker ")));
    for (const TraceSpan& span : track.spans) {
      EXPECT_TRUE((span.name == kOuter ? outer : inner).insert(span.number).second);
      EXPECT_TRUE(span.name == kOuter || track.thread != "caller");
    }
  }
  EXPECT_EQ(outer.size(), std::size_t{kTasks});
  EXPECT_EQ(inner.size(), std::size_t{kTasks});
}

}  // namespace
}  // namespace convmixer
