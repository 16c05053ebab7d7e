// When and in which pieces gradients are added up.
#include "plan/gradient_exchange.hpp"

#include "convmixer/core/error.hpp"
#include "convmixer/plan/plan.hpp"
#include "support/block_graph.hpp"
#include "support/error_of.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <functional>
#include <span>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace convmixer {
namespace {

/// Keeps what it is asked for; sums double each value, those in the background once they are waited for.
class RecordedRanks : public Communicator {
 public:
  explicit RecordedRanks(std::chrono::milliseconds foreground = {}, std::chrono::milliseconds background = {})
      : foreground_(foreground), background_(background) {}

  [[nodiscard]] int rank() const noexcept override { return 0; }
  [[nodiscard]] int size() const noexcept override { return 2; }
  void sum(std::span<float> values) override {
    record("sum", values.size(), foreground_);
    double_all(values);
  }
  void sum(std::span<double> values) override {
    record("sum", values.size(), foreground_);
    double_all(values);
  }
  void start_sum(std::span<float> values) override {
    record("start", values.size(), background_);
    started_.emplace_back([values] { double_all(values); });
  }
  void start_sum(std::span<double> values) override {
    record("start", values.size(), background_);
    started_.emplace_back([values] { double_all(values); });
  }
  void finish_sums() override {
    calls.emplace_back("finish");
    for (const auto& sum : std::exchange(started_, {})) sum();
  }
  void combine(std::span<double> /*values*/, const Merge& /*merge*/) override {}
  void barrier() override {}

  std::vector<std::string> calls;

 private:
  void broadcast_from(std::span<std::byte> /*bytes*/, int /*root*/) override {}

  template <typename T>
  static void double_all(std::span<T> values) {
    for (T& value : values) value *= 2;
  }
  void record(const char* call, std::size_t values, std::chrono::milliseconds time) {
    calls.push_back(std::string(call) + " " + std::to_string(values));
    std::this_thread::sleep_for(time);
  }

  std::vector<std::function<void()>> started_;
  std::chrono::milliseconds foreground_;
  std::chrono::milliseconds background_;
};

using Calls = std::vector<std::string>;

TEST(GradientExchange, StartsEachSumAfterItsStep) {
  RecordedRanks ranks;
  GradientExchange exchange(ranks, ExchangeTime::during);
  std::vector<float> first(100'000, 1.0F);
  std::vector<double> second(30, 1.0);
  std::vector<float> third(70'000, 1.0F);
  float made_of_second = 0.0F;
  exchange.add(2, std::span(first));
  exchange.add(3, std::span(second), [&] { made_of_second = static_cast<float>(second[0]); });
  exchange.add(5, std::span(third));
  exchange.begin();
  exchange.step_ended(1);
  EXPECT_EQ(ranks.calls, Calls());
  exchange.step_ended(2);
  EXPECT_EQ(ranks.calls, Calls({"start 100000"}));
  exchange.step_ended(3);
  EXPECT_EQ(ranks.calls, Calls({"start 100000", "start 30"}));
  EXPECT_EQ(made_of_second, 0.0F);
  exchange.step_ended(5);
  exchange.finish();
  EXPECT_EQ(ranks.calls, Calls({"start 100000", "start 30", "start 70000", "finish"}));
  EXPECT_EQ(made_of_second, 2.0F);
}

TEST(GradientExchange, SumsAllAfterTheLastStep) {
  RecordedRanks ranks;
  GradientExchange exchange(ranks, ExchangeTime::after);
  std::vector<float> first(10, 1.0F);
  std::vector<double> second(30, 1.0);
  double made_of_second = 0.0;
  exchange.add(2, std::span(first));
  exchange.add(3, std::span(second), [&] { made_of_second = second[0]; });
  exchange.begin();
  exchange.step_ended(2);
  exchange.step_ended(3);
  EXPECT_EQ(ranks.calls, Calls());
  exchange.finish();
  EXPECT_EQ(ranks.calls, Calls({"sum 10", "sum 30"}));
  EXPECT_EQ(made_of_second, 2.0);
}

/// Of a pass whose last steps have nothing to train.
TEST(GradientExchange, LeavesOutStepsThatDidNotRun) {
  for (const ExchangeTime when : {ExchangeTime::during, ExchangeTime::after}) {
    RecordedRanks ranks;
    GradientExchange exchange(ranks, when);
    std::vector<float> first(10, 1.0F);
    std::vector<double> second(30, 1.0);
    bool finished = false;
    exchange.add(2, std::span(first));
    exchange.add(3, std::span(second), [&] { finished = true; });
    for (int pass = 0; pass < 2; ++pass) {
      exchange.begin();
      exchange.step_ended(2);
      exchange.finish();
    }
    EXPECT_EQ(first, std::vector<float>(10, 4.0F));
    EXPECT_EQ(second, std::vector<double>(30, 1.0));
    EXPECT_FALSE(finished);
  }
}

/// Laid out as Parameters does it: each on cache lines of its own. The last ones are final first.
TEST(GradientExchange, PutsSmallGradientsThatLieSideBySideIntoOneMessage) {
  constexpr std::size_t kLine = 16;
  const std::vector<std::size_t> sizes{7, 90'000, 5, 64, 16, 9, 40'000, 30'000};
  std::vector<std::size_t> begins{0};
  for (const std::size_t size : sizes) begins.push_back(begins.back() + (size + kLine - 1) / kLine * kLine);
  std::vector<float> all(begins.back());
  RecordedRanks ranks;
  GradientExchange exchange(ranks, ExchangeTime::during);
  for (std::size_t i = sizes.size(); i-- > 0;) {
    std::fill_n(all.begin() + static_cast<std::ptrdiff_t>(begins[i]), sizes[i], 1.0F);
    if (i != 3) exchange.add(10 - i, std::span(all).subspan(begins[i], sizes[i]));  // that is a frozen parameter's
  }
  exchange.begin();
  for (std::size_t step = 0; step <= 10; ++step) exchange.step_ended(step);
  exchange.finish();
  // Two that are too long together; 4 to 6, 32 values before the last; what lies between a frozen and a long one; and
  // so on.
  EXPECT_EQ(ranks.calls, Calls({"start 30000", "start 40032", "start 5", "start 90000", "start 7", "finish"}));
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    EXPECT_EQ(all[begins[i]], i == 3 ? 1.0F : 2.0F) << i;
    EXPECT_EQ(all[begins[i] + sizes[i] - 1], i == 3 ? 1.0F : 2.0F) << i;
  }
}

/// The lower one first, or the upper one; between them as many zeros as a cache line leaves, and together as long as a
/// message may be.
TEST(GradientExchange, PutsThemIntoOneMessageInEitherOrder) {
  struct Case {
    std::size_t lower;
    std::size_t begin_of_upper;
    std::size_t upper;
  };
  for (const auto& [lower, begin, upper] : {Case{17, 32, 5}, Case{16, 16, 1}, Case{32'768, 32'768, 32'768}}) {
    for (const bool lower_first : {true, false}) {
      std::vector<float> all(begin + upper + 16, 1.0F);
      RecordedRanks ranks;
      GradientExchange exchange(ranks, ExchangeTime::during);
      const std::span<float> of_lower = std::span(all).first(lower);
      const std::span<float> of_upper = std::span(all).subspan(begin, upper);
      exchange.add(1, lower_first ? of_lower : of_upper);
      exchange.add(2, lower_first ? of_upper : of_lower);
      exchange.begin();
      exchange.step_ended(1);
      EXPECT_EQ(ranks.calls, Calls()) << "not before both are final";
      exchange.step_ended(2);
      exchange.finish();
      EXPECT_EQ(ranks.calls, Calls({"start " + std::to_string(begin + upper), "finish"}));
      std::vector<float> expected(all.size(), 1.0F);
      std::fill_n(expected.begin(), begin + upper, 2.0F);
      EXPECT_EQ(all, expected);
    }
  }
}

/// Passes until it has decided, and what it does from then on.
Calls calls_after_measuring(RecordedRanks& ranks) {
  GradientExchange exchange(ranks, ExchangeTime::measured);
  std::vector<float> gradient(10, 1.0F);
  exchange.add(1, std::span(gradient));
  Calls last;
  for (int pass = 0; pass < 12; ++pass) {
    ranks.calls.clear();
    exchange.begin();
    exchange.step_ended(1);
    exchange.finish();
    const bool during = ranks.calls.front() == "start 10";
    if (pass < 8) {
      EXPECT_EQ(during, pass % 2 == 0) << "both are tried, pass " << pass;
    } else if (pass > 8) {
      EXPECT_EQ(ranks.calls, last);
    }
    last = ranks.calls;
  }
  return last;
}

TEST(GradientExchange, KeepsTheFasterWay) {
  RecordedRanks slow_foreground(std::chrono::milliseconds(20), {});
  EXPECT_EQ(calls_after_measuring(slow_foreground), Calls({"start 10", "finish"}));
  RecordedRanks slow_background({}, std::chrono::milliseconds(20));
  EXPECT_EQ(calls_after_measuring(slow_background), Calls({"sum 10"}));
}

/// Neither the first two passes count, nor those of the others that something has delayed.
TEST(GradientExchange, KeepsTheWayWhoseFastestPassIsFaster) {
  using Milliseconds = std::array<int, 8>;  // of each pass: during and after backward in turns
  class RanksInPasses final : public RecordedRanks {
   public:
    explicit RanksInPasses(const Milliseconds& times) : times_(times) {}
    void sum(std::span<float> values) override {
      wait();
      RecordedRanks::sum(values);
    }
    void start_sum(std::span<float> values) override {
      wait();
      RecordedRanks::start_sum(values);
    }

   private:
    void wait() {
      if (pass_ < times_.size()) std::this_thread::sleep_for(std::chrono::milliseconds(times_[pass_++]));
    }
    Milliseconds times_;
    std::size_t pass_ = 0;
  };
  const Calls during{"start 10", "finish"};
  const Calls after{"sum 10"};
  for (const auto& [times, expected] : {std::pair(Milliseconds{0, 60, 120, 60, 120, 60, 120, 60}, after),
                                        std::pair(Milliseconds{60, 0, 60, 120, 60, 120, 60, 120}, during),
                                        std::pair(Milliseconds{60, 60, 0, 60, 120, 60, 120, 60}, during),
                                        std::pair(Milliseconds{60, 60, 60, 120, 60, 120, 60, 0}, after)}) {
    RanksInPasses ranks(times);
    EXPECT_EQ(calls_after_measuring(ranks), expected);
  }
}

/// For this rank the background is slower by some 20 ms a step, for the other one faster by a second.
TEST(GradientExchange, KeepsTheWayThatIsFasterForAllRanksTogether) {
  class WithAnotherRank final : public RecordedRanks {
   public:
    using RecordedRanks::RecordedRanks;
    void sum(std::span<double> seconds) override {
      ASSERT_EQ(seconds.size(), 2U);
      EXPECT_GT(seconds[0], seconds[1] + 0.015);
      seconds[1] += 1.0;
    }
  };
  WithAnotherRank ranks({}, std::chrono::milliseconds(20));
  EXPECT_EQ(calls_after_measuring(ranks), Calls({"start 10", "finish"}));
}

/// The second sum that is begun in the background fails, as another operation of backward might.
class RanksThatFail final : public RecordedRanks {
 public:
  void start_sum(std::span<float> values) override {
    require_first();
    RecordedRanks::start_sum(values);
  }
  void start_sum(std::span<double> values) override {
    require_first();
    RecordedRanks::start_sum(values);
  }
  void drop_sums() noexcept override { calls.emplace_back("drop"); }

 private:
  void require_first() const {
    if (std::ranges::any_of(calls, [](const std::string& call) { return call.starts_with("start"); }))
      fail("no second sum");
  }
};

TEST(GradientExchange, EndsWithABackwardThatFails) {
  const Graph graph = testing_support::block_graph(32, 8, 3);
  RanksThatFail ranks;
  ThreadPool pool(1);
  Engine engine(pool, &ranks);
  Parameters parameters(graph);
  parameters.initialise(1);
  Plan plan(graph, parameters, engine,
            {.batch_size = 4,
             .images_of_all_ranks = 8,
             .exchange = ExchangeTime::during,
             .mode = PlanMode::training,
             .kind = PlanKind::fused});
  const std::vector<float> images(std::size_t{4} * 3 * 8 * 8, 0.5F);
  plan.forward(images);
  const std::vector<float> gradient(std::size_t{4} * 5, 0.1F);
  EXPECT_STREQ(testing_support::error_of([&] { plan.backward(gradient); }).what(), "no second sum");
  EXPECT_EQ(ranks.calls.back(), "drop") << "before anybody can free what is added up";
}

}  // namespace
}  // namespace convmixer
