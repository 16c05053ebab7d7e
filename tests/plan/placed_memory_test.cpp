#include "plan/placed_memory.hpp"

#include "convmixer/core/aligned_buffer.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <sys/mman.h>
#include <thread>
#include <vector>

namespace convmixer {
namespace {

/// Whether each page of a block, of which no huge page fits into, is there.
std::vector<bool> present(AlignedBuffer& block) {
  std::vector<unsigned char> pages((block.size() + 4095) / 4096);
  EXPECT_EQ(::mincore(block.data(), block.size(), pages.data()), 0);
  std::vector<bool> result;
  for (const unsigned char page : pages) result.push_back((page & 1U) != 0);
  return result;
}

TEST(PlacedMemory, PutsArraysOneBehindTheOtherOnCacheLines) {
  float* first = nullptr;
  std::uint8_t* second = nullptr;
  double* large = nullptr;
  PlacedMemory memory;
  memory.add(first, 3);
  memory.add(second, 70);
  memory.add(large, 512);
  EXPECT_EQ(memory.bytes(), 4096U + 4096U);
  AlignedBuffer block(memory.bytes());
  memory.place(block.data());
  EXPECT_EQ(static_cast<void*>(first), block.data());
  EXPECT_EQ(static_cast<void*>(second), block.data() + 64);
  EXPECT_EQ(static_cast<void*>(large), block.data() + 4096);
}

TEST(ArrayUser, OfTasksIsTheWorkerThatBeginsWithThem) {
  constexpr int kWorkers = 2;  // as many as other tests' pools leave to this one
  ThreadPool pool(kWorkers);
  for (const std::size_t tasks : {std::size_t{3}, std::size_t{16}, std::size_t{17}}) {
    const std::size_t bytes = 1000 * tasks;
    std::vector<std::int64_t> first(kWorkers, -1);
    std::atomic<int> begun = 0;
    pool.for_each_task(static_cast<std::int64_t>(tasks), [&](std::int64_t task, int worker) {
      std::int64_t& mine = first[static_cast<std::size_t>(worker)];
      if (mine >= 0) return;
      mine = task;
      ++begun;
      while (begun < kWorkers) std::this_thread::yield();  // before anybody helps anybody
    });
    for (std::size_t worker = 0; worker < kWorkers; ++worker) {
      const auto [begin, end] = ArrayUser::tasks(tasks).part_of(worker, kWorkers, bytes);
      EXPECT_EQ(begin, 1000 * static_cast<std::size_t>(first[worker])) << "worker " << worker << ", " << tasks;
      EXPECT_EQ(end, worker + 1 == kWorkers ? bytes : 1000 * static_cast<std::size_t>(first[worker + 1]));
    }
  }
}

TEST(ArrayUser, OfAWorkersArrayIsThatWorkerAlone) {
  const ArrayUser user = ArrayUser::worker(1);
  EXPECT_EQ(user.part_of(1, 2, 100).end, 100U);
  EXPECT_EQ(user.part_of(0, 2, 100).end, 0U);
}

TEST(PlacedMemory, TouchesWhatHasAUserAndNothingElse) {
  constexpr std::size_t kPage = 4096;
  std::uint8_t* anyones = nullptr;
  std::uint8_t* of_tasks = nullptr;
  std::uint8_t* unused = nullptr;
  std::uint8_t* of_worker = nullptr;
  PlacedMemory memory;
  memory.add(anyones, 2 * kPage);
  memory.add(of_tasks, 5 * kPage, ArrayUser::tasks(3));
  memory.add(unused, kPage);
  memory.add(of_worker, 2 * kPage, ArrayUser::worker(1));
  AlignedBuffer block(memory.bytes());
  EXPECT_THAT(present(block), testing::Each(false)) << "untouched memory is there already";
  ThreadPool pool(2);
  memory.touch(block.data(), pool);
  EXPECT_THAT(present(block), testing::ElementsAre(false, false, true, true, true, true, true, false, true, true));
  EXPECT_TRUE(std::ranges::all_of(block.as<std::uint8_t>(), [](std::uint8_t value) { return value == 0; }));
}

}  // namespace
}  // namespace convmixer
