/// Ranks as threads of one process: what MPI does between processes, for tests.
#pragma once

#include "convmixer/core/error.hpp"
#include "dist/overlapped_communicator.hpp"
#include "dist/transport.hpp"
#include "dist/tree_communicator.hpp"

#include <algorithm>
#include <array>
#include <condition_variable>
#include <cstddef>
#include <exception>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <span>
#include <thread>
#include <utility>
#include <vector>

namespace convmixer::testing_support {

/// What each rank has sent to each other and that hasn't received it yet.
class Mailboxes {
 public:
  void send(int from, int to, std::span<const std::byte> bytes) {
    const std::lock_guard lock(mutex_);
    box_[{from, to}].emplace_back(bytes.begin(), bytes.end());
    changed_.notify_all();
  }
  std::vector<std::byte> receive(int from, int to) {
    std::unique_lock lock(mutex_);
    std::vector<std::vector<std::byte>>& box = box_[{from, to}];
    changed_.wait(lock, [&] { return !box.empty() || failed_ || gone_.contains(from); });
    if (box.empty()) fail("rank {} is gone", from);
    std::vector<std::byte> bytes = std::move(box.front());
    box.erase(box.begin());
    return bytes;
  }
  /// A rank has ended: nobody waits for more of it.
  void leave(int rank) {
    const std::lock_guard lock(mutex_);
    gone_.insert(rank);
    changed_.notify_all();
  }
  /// One has ended with an error: nobody waits any longer.
  void give_up() {
    const std::lock_guard lock(mutex_);
    failed_ = true;
    changed_.notify_all();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::pair<int, int>, std::vector<std::vector<std::byte>>> box_;
  std::set<int> gone_;
  bool failed_ = false;
};

class ThreadTransport final : public Transport {
 public:
  ThreadTransport(Mailboxes& boxes, int rank, int size) : boxes_(boxes), rank_(rank), size_(size) {}

  [[nodiscard]] int rank() const noexcept override { return rank_; }
  [[nodiscard]] int size() const noexcept override { return size_; }
  void exchange(int other, std::span<const std::byte> sent, std::span<std::byte> received) override {
    if (!sent.empty()) boxes_.send(rank_, other, sent);
    if (received.empty()) return;
    const std::vector<std::byte> bytes = boxes_.receive(other, rank_);
    if (bytes.size() != received.size())
      fail("rank {} sent {} bytes, expected {}", other, bytes.size(), received.size());
    std::ranges::copy(bytes, received.begin());
  }

 private:
  Mailboxes& boxes_;
  int rank_;
  int size_;
};

/// Runs body(communicator) on each of so many ranks at once. Rethrows what the first one threw that had an error:
/// others may then have missed it.
template <typename Body>
void run_ranks(int size, const Body& body) {
  std::array<Mailboxes, 2> tags;
  std::mutex mutex;
  std::exception_ptr first;
  std::vector<std::thread> threads;
  for (int rank = 0; rank < size; ++rank) {
    threads.emplace_back([&, rank] {
      // Outside: its thread may wait for a rank that waits for this one's message, until they are told.
      auto communicator =
          make_overlapped_communicator(make_tree_communicator(std::make_unique<ThreadTransport>(tags[0], rank, size)),
                                       std::make_unique<ThreadTransport>(tags[1], rank, size));
      try {
        body(*communicator);
      } catch (...) {
        const std::lock_guard lock(mutex);
        if (!first) first = std::current_exception();
        for (Mailboxes& boxes : tags) boxes.give_up();
      }
      communicator.reset();  // which ends the sums that it has begun
      for (Mailboxes& boxes : tags) boxes.leave(rank);
    });
  }
  for (std::thread& thread : threads) thread.join();
  if (first) std::rethrow_exception(first);
}

}  // namespace convmixer::testing_support
