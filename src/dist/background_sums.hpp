/// Sums over ranks that a thread of its own makes, one after the other.
#pragma once

#include "convmixer/dist/communicator.hpp"
#include "dist/transport.hpp"

#include <condition_variable>
#include <deque>
#include <exception>
#include <memory>
#include <mutex>
#include <span>
#include <thread>
#include <variant>

namespace convmixer {

/// All ranks start the same sums in the same order.
class BackgroundSums {
 public:
  /// `transport` is this thread's alone: what it carries doesn't meet other messages.
  explicit BackgroundSums(std::unique_ptr<Transport> transport);
  /// After all sums that were begun: the other ranks make them, too.
  ~BackgroundSums();
  BackgroundSums(const BackgroundSums&) = delete;
  BackgroundSums& operator=(const BackgroundSums&) = delete;

  /// Starts the thread, unless it runs.
  void run();

  /// Values that nobody else touches until finish().
  using Values = std::variant<std::span<float>, std::span<double>>;
  void start(Values values);
  /// Returns when all sums that were begun are there. Throws the Error of the first that met one; those after it were
  /// left.
  void finish();
  /// Returns when the one under way, if any, is there or has failed; those after it are left.
  void drop() noexcept;

  /// While nothing is under way. Its seconds are the thread's.
  [[nodiscard]] CommunicationTotals totals() const noexcept { return ranks_->totals(); }

 private:
  void work();

  Transport& transport_;
  std::unique_ptr<Communicator> ranks_;
  std::mutex mutex_;
  std::condition_variable begun_;  // or ends_
  std::condition_variable done_;   // nothing is under way
  std::deque<Values> queue_;       // the first is under way
  std::exception_ptr error_;
  bool ends_ = false;
  std::thread thread_;
};

}  // namespace convmixer
