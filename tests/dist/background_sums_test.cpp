// What sums in the background ask of the transport that carries them, which is a record here, not another rank.
#include "convmixer/core/error.hpp"
#include "convmixer/core/trace.hpp"
#include "dist/overlapped_communicator.hpp"
#include "dist/tree_communicator.hpp"
#include "support/error_of.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace convmixer {
namespace {

using testing::Contains;
using testing_support::error_of;

/// Of rank 0 of 2: what it sends comes back.
class Echo final : public Transport {
 public:
  struct Record {
    std::atomic<int> exchanges = 0;
    std::atomic<bool> hurries = false;
    std::function<void()> during;  // an exchange
  };

  explicit Echo(Record& record) : record_(record) {}

  [[nodiscard]] int rank() const noexcept override { return 0; }
  [[nodiscard]] int size() const noexcept override { return 2; }
  void exchange(int /*other*/, std::span<const std::byte> sent, std::span<std::byte> received) override {
    ++record_.exchanges;
    if (record_.during) record_.during();
    std::copy_n(sent.begin(), std::min(sent.size(), received.size()), received.begin());
  }
  void hurry(bool whether) override { record_.hurries = whether; }

 private:
  Record& record_;
};

struct Records {
  Echo::Record own;         ///< of the caller's calls
  Echo::Record background;  ///< of the sums that it starts

  [[nodiscard]] std::unique_ptr<Communicator> communicator() {
    return make_overlapped_communicator(make_tree_communicator(std::make_unique<Echo>(own)),
                                        std::make_unique<Echo>(background));
  }
};

TEST(BackgroundSums, HaveATransportOfTheirOwn) {
  Records records;
  const auto ranks = records.communicator();
  std::vector<float> floats(10, 1.0F);
  std::vector<double> doubles(10, 1.0);
  int own = 0;
  const auto expect_exchanged = [&](int of_background) {
    EXPECT_GT(records.own.exchanges, own);
    own = records.own.exchanges;
    EXPECT_EQ(records.background.exchanges, of_background);
  };
  ranks->sum(std::span(floats));
  expect_exchanged(0);
  ranks->sum(std::span(doubles));
  expect_exchanged(0);
  ranks->combine(doubles, [](std::span<double>, std::span<const double>) {});
  expect_exchanged(0);
  ranks->broadcast(std::as_writable_bytes(std::span(floats)), 0);
  expect_exchanged(0);
  ranks->barrier();
  expect_exchanged(0);
  ranks->start_sum(std::span(floats));
  ranks->finish_sums();
  EXPECT_EQ(records.background.exchanges, 1);
  ranks->start_sum(std::span(doubles));
  ranks->finish_sums();
  EXPECT_EQ(records.background.exchanges, 2);
  EXPECT_EQ(records.own.exchanges, own);
  EXPECT_EQ(floats, std::vector<float>(10, 4.0F));
  EXPECT_EQ(doubles, std::vector<double>(10, 4.0));
}

/// After one that has failed, until the communicator ends: the transport can't be used any more.
TEST(BackgroundSums, AreLeftAfterTheFirstThatFailed) {
  Records records;
  std::atomic<bool> all_started = false;
  records.background.during = [&] {
    while (!all_started) std::this_thread::yield();
    fail("exchange {} failed", records.background.exchanges.load());
  };
  const auto ranks = records.communicator();
  std::vector<std::vector<float>> values(4, std::vector<float>(10, 1.0F));
  for (std::vector<float>& one : values) ranks->start_sum(std::span(one));
  all_started = true;
  for (int time = 0; time < 2; ++time) {
    EXPECT_STREQ(error_of([&] { ranks->finish_sums(); }).what(), "exchange 1 failed");
    ranks->start_sum(std::span(values[0]));
    EXPECT_STREQ(error_of([&] { ranks->finish_sums(); }).what(), "exchange 1 failed");
  }
  EXPECT_EQ(records.background.exchanges, 1);
}

TEST(BackgroundSums, AreDroppedButForTheOneUnderWay) {
  Records records;
  std::atomic<bool> dropped = false;
  std::atomic<bool> ended = false;
  records.background.during = [&] {
    while (!dropped) std::this_thread::yield();
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    ended = true;
  };
  const auto ranks = records.communicator();
  std::vector<std::vector<float>> values(4, std::vector<float>(10, 1.0F));
  for (std::vector<float>& one : values) ranks->start_sum(std::span(one));
  while (records.background.exchanges == 0) std::this_thread::yield();
  dropped = true;  // all are begun
  ranks->drop_sums();
  EXPECT_TRUE(ended);
  EXPECT_LE(records.background.exchanges, 2) << "one may have begun before the others were dropped";
  const int exchanges = records.background.exchanges;
  ranks->drop_sums();  // nothing is under way
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  EXPECT_EQ(records.background.exchanges, exchanges);
}

TEST(BackgroundSums, HurryAsLongAsSomebodyWaitsForThem) {
  Records records;
  std::atomic<bool> hurried_at_once = false;
  records.background.during = [&] {
    if (records.background.exchanges == 1) hurried_at_once = records.background.hurries.load();
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (!records.background.hurries && std::chrono::steady_clock::now() < end) std::this_thread::yield();
    EXPECT_TRUE(records.background.hurries);
  };
  const auto ranks = records.communicator();
  std::vector<float> values(10, 1.0F);
  ranks->start_sum(std::span(values));
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (records.background.exchanges == 0 && std::chrono::steady_clock::now() < end) std::this_thread::yield();
  EXPECT_FALSE(records.background.hurries);
  ranks->finish_sums();
  EXPECT_FALSE(records.background.hurries);
  EXPECT_FALSE(hurried_at_once);
}

/// Not those in which it computed.
TEST(BackgroundSums, TakeOfTheCallersTimeWhatItWaitsForThem) {
  constexpr auto kLong = std::chrono::milliseconds(200);
  Records records;
  std::atomic<bool> waited_for = false;
  records.background.during = [&] {
    while (!waited_for) std::this_thread::yield();
    std::this_thread::sleep_for(kLong);
  };
  const auto ranks = records.communicator();
  std::vector<float> values(10, 1.0F);
  ranks->start_sum(std::span(values));
  std::this_thread::sleep_for(2 * kLong);
  const auto begin = std::chrono::steady_clock::now();
  waited_for = true;
  ranks->finish_sums();
  const double elapsed = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  EXPECT_GE(ranks->totals().seconds, 0.9 * std::chrono::duration<double>(kLong).count());
  EXPECT_LE(ranks->totals().seconds, elapsed);
}

std::ptrdiff_t threads() { return std::distance(std::filesystem::directory_iterator("/proc/self/task"), {}); }

TEST(BackgroundSums, HaveTheirThreadOnceTheyArePrepared) {
  Records records;
  const auto ranks = records.communicator();
  const std::ptrdiff_t before = threads();
  ranks->prepare_background();
  EXPECT_EQ(threads(), before + 1);
  ranks->prepare_background();
  std::vector<float> values(10, 1.0F);
  ranks->start_sum(std::span(values));
  ranks->finish_sums();
  EXPECT_EQ(threads(), before + 1);
}

TEST(BackgroundSums, AreInTracesOnAThreadOfTheirOwnAndWaitedForOnTheCallers) {
  Records records;
  name_traced_thread("the caller", 64);  // a worker of the pool, the 64th
  TraceRecording recording(8, 100);
  {
    const auto ranks = records.communicator();
    std::vector<float> values(10, 1.0F);
    ranks->start_sum(std::span(values));
    ranks->finish_sums();
  }
  const Trace trace = recording.finish();
  std::vector<std::string> spans;
  for (const TraceTrack& track : trace.tracks) {
    for (const TraceSpan& span : track.spans) spans.push_back(track.thread + ": " + span.name.text());
  }
  EXPECT_EQ(trace.tracks.back().thread, "sums over ranks");
  EXPECT_THAT(spans, Contains("sums over ranks: exchange with a rank"));
  EXPECT_THAT(spans, Contains("the caller: wait for sums over ranks"));
}

}  // namespace
}  // namespace convmixer
