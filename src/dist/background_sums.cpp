#include "dist/background_sums.hpp"

#include "convmixer/core/trace.hpp"
#include "dist/tree_communicator.hpp"

#include <utility>

namespace convmixer {

namespace {

constexpr int kTrack = 10'000;  // in a trace: below the pool's workers

}  // namespace

BackgroundSums::BackgroundSums(std::unique_ptr<Transport> transport)
    : transport_(*transport), ranks_(make_tree_communicator(std::move(transport))) {}

BackgroundSums::~BackgroundSums() {
  {
    const std::lock_guard lock(mutex_);
    ends_ = true;
  }
  begun_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void BackgroundSums::run() {
  if (!thread_.joinable()) thread_ = std::thread([this] { work(); });
}

void BackgroundSums::start(Values values) {
  run();
  {
    const std::lock_guard lock(mutex_);
    if (error_) return;
    queue_.push_back(values);
    if (queue_.size() > 1) return;  // the thread is awake
  }
  begun_.notify_one();
}

void BackgroundSums::finish() {
  std::unique_lock lock(mutex_);
  transport_.hurry(true);
  done_.wait(lock, [this] { return queue_.empty(); });
  transport_.hurry(false);
  if (error_) std::rethrow_exception(error_);
}

void BackgroundSums::drop() noexcept {
  std::unique_lock lock(mutex_);
  if (queue_.size() > 1) queue_.erase(queue_.begin() + 1, queue_.end());
  transport_.hurry(true);
  done_.wait(lock, [this] { return queue_.empty(); });
  transport_.hurry(false);
}

void BackgroundSums::work() {
  name_traced_thread("sums over ranks", kTrack);
  std::unique_lock lock(mutex_);
  while (true) {
    begun_.wait(lock, [this] { return ends_ || !queue_.empty(); });
    if (queue_.empty()) return;
    const Values values = queue_.front();
    lock.unlock();
    std::exception_ptr error;
    try {
      std::visit([this](const auto& span) { ranks_->sum(span); }, values);
    } catch (...) {
      error = std::current_exception();
    }
    lock.lock();
    if (error) {
      error_ = error;
      queue_.clear();
    } else {
      queue_.pop_front();
    }
    if (queue_.empty()) done_.notify_all();
  }
}

}  // namespace convmixer
