// Sums that are made in the background, between ranks that are threads.
#include "dist/overlapped_communicator.hpp"

#include "convmixer/core/rng.hpp"
#include "dist/tree_communicator.hpp"
#include "support/error_of.hpp"
#include "support/thread_ranks.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <thread>
#include <vector>

namespace convmixer {
namespace {

using testing::HasSubstr;
using testing_support::error_of;
using testing_support::Mailboxes;
using testing_support::run_ranks;
using testing_support::ThreadTransport;

std::vector<float> values_of(int rank, int number, std::size_t count) {
  Rng rng(static_cast<std::uint64_t>(rank * 100 + number), RandomStream::synthetic_data);
  std::vector<float> values(count);
  for (float& value : values) value = rng.normal() * static_cast<float>(1 + rng.below(1000));
  return values;
}

class OverlappedCommunicator : public testing::TestWithParam<int> {};

/// As the same calls of sum() would leave them, whatever comes in between.
TEST_P(OverlappedCommunicator, HasTheBitsOfSumsInTheForeground) {
  constexpr int kSums = 12;
  const auto count = [](int number) { return static_cast<std::size_t>(number % 3 == 0 ? 20'011 : 7 * number); };
  run_ranks(GetParam(), [&](Communicator& communicator) {
    for (int round = 0; round < 3; ++round) {
      std::vector<std::vector<float>> in_turn;
      std::vector<std::vector<float>> started;
      for (int number = 0; number < kSums; ++number) {
        in_turn.push_back(values_of(communicator.rank(), number, count(number)));
        started.push_back(in_turn.back());
      }
      std::vector<double> doubles{0.1 * (communicator.rank() + 1), 3.0};
      const double small = communicator.rank() + 1.0;
      for (int number = 0; number < kSums; ++number) {
        communicator.start_sum(std::span(started[static_cast<std::size_t>(number)]));
        communicator.sum(std::span(in_turn[static_cast<std::size_t>(number)]));
        EXPECT_EQ(largest_of_ranks(communicator, small), communicator.size());
      }
      communicator.start_sum(std::span(doubles));
      communicator.barrier();
      communicator.finish_sums();
      EXPECT_EQ(started, in_turn);
      EXPECT_EQ(doubles[1], 3.0 * communicator.size());
      EXPECT_NEAR(doubles[0], 0.05 * communicator.size() * (communicator.size() + 1), 1e-12);
      communicator.finish_sums();  // nothing is under way
    }
  });
}

TEST_P(OverlappedCommunicator, CountsMessagesOfBothTags) {
  run_ranks(GetParam(), [&](Communicator& communicator) {
    std::vector<float> values(100, 1.0F);
    communicator.sum(std::span(values));
    const CommunicationTotals first = communicator.totals();
    communicator.start_sum(std::span(values));
    communicator.finish_sums();
    const CommunicationTotals both = communicator.totals();
    EXPECT_EQ(both.messages, 2 * first.messages);
    EXPECT_EQ(both.bytes, 2 * first.bytes);
    EXPECT_GE(both.seconds, first.seconds);
  });
}

TEST_P(OverlappedCommunicator, CopiesWhatAnyRankHas) {
  run_ranks(GetParam(), [&](Communicator& communicator) {
    for (int root = 0; root < communicator.size(); ++root)
      EXPECT_EQ(broadcast_number(communicator, communicator.rank(), root), root);
  });
}

INSTANTIATE_TEST_SUITE_P(Ranks, OverlappedCommunicator, testing::Values(1, 2, 3, 4, 8),
                         testing::PrintToStringParamName());

/// A rank that computes for long doesn't hold up the sums that it has started: another one's are there meanwhile.
TEST(OverlappedCommunicator, SumsWhileTheCallerComputes) {
  std::atomic<bool> other_has_it = false;
  run_ranks(2, [&](Communicator& communicator) {
    std::vector<float> values(1000, 1.0F);
    communicator.start_sum(std::span(values));
    if (communicator.rank() == 1) {
      communicator.finish_sums();
      other_has_it = true;
    } else {
      const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
      while (!other_has_it && std::chrono::steady_clock::now() < end) std::this_thread::yield();
      EXPECT_TRUE(other_has_it);
      communicator.finish_sums();
    }
    EXPECT_EQ(values, std::vector<float>(1000, 2.0F));
  });
}

/// Of a tag under which the other rank is gone.
TEST(OverlappedCommunicator, ThrowsTheErrorOfABackgroundSumWhereItIsWaitedFor) {
  Mailboxes first_tag;
  Mailboxes second_tag;
  second_tag.give_up();
  const auto ranks =
      make_overlapped_communicator(make_tree_communicator(std::make_unique<ThreadTransport>(first_tag, 0, 2)),
                                   std::make_unique<ThreadTransport>(second_tag, 0, 2));
  std::vector<float> values(10, 1.0F);
  ranks->start_sum(std::span(values));
  ranks->start_sum(std::span(values));
  EXPECT_THAT(error_of([&] { ranks->finish_sums(); }).what(), HasSubstr("rank 1 is gone"));
  ranks->start_sum(std::span(values));
  EXPECT_THAT(error_of([&] { ranks->finish_sums(); }).what(), HasSubstr("rank 1 is gone"));
}

TEST(OverlappedCommunicator, EndsAfterSumsThatNobodyWaitsFor) {
  std::vector<std::vector<float>> values(2, std::vector<float>(1000, 1.0F));
  run_ranks(2, [&](Communicator& communicator) {
    for (int i = 0; i < 20; ++i)
      communicator.start_sum(std::span(values[static_cast<std::size_t>(communicator.rank())]));
  });
  EXPECT_EQ(values[0], std::vector<float>(1000, 0x1p20F));
  EXPECT_EQ(values[1], values[0]);
}

}  // namespace
}  // namespace convmixer
