#include "dist/overlapped_communicator.hpp"

#include "convmixer/core/trace.hpp"
#include "dist/background_sums.hpp"

#include <chrono>
#include <utility>

namespace convmixer {

namespace {

class OverlappedCommunicator final : public Communicator {
 public:
  OverlappedCommunicator(std::unique_ptr<Communicator> first_tag, std::unique_ptr<Transport> second_tag)
      : ranks_(std::move(first_tag)), background_(std::move(second_tag)) {}

  [[nodiscard]] int rank() const noexcept override { return ranks_->rank(); }
  [[nodiscard]] int size() const noexcept override { return ranks_->size(); }

  void sum(std::span<float> values) override { ranks_->sum(values); }
  void sum(std::span<double> values) override { ranks_->sum(values); }
  void combine(std::span<double> values, const Merge& merge) override { ranks_->combine(values, merge); }
  void barrier() override { ranks_->barrier(); }

  void start_sum(std::span<float> values) override { background_.start(values); }
  void start_sum(std::span<double> values) override { background_.start(values); }
  void finish_sums() override {
    static const TraceName kWait("wait for sums over ranks");
    const TraceScope scope(kWait);
    const auto begin = std::chrono::steady_clock::now();
    background_.finish();
    waited_ += std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  }
  void drop_sums() noexcept override { background_.drop(); }
  void prepare_background() override { background_.run(); }

  [[nodiscard]] CommunicationTotals totals() const noexcept override {
    CommunicationTotals all = ranks_->totals();
    const CommunicationTotals background = background_.totals();
    all.messages += background.messages;
    all.bytes += background.bytes;
    all.seconds += waited_;
    return all;
  }

 private:
  void broadcast_from(std::span<std::byte> bytes, int root) override { ranks_->broadcast(bytes, root); }

  std::unique_ptr<Communicator> ranks_;
  BackgroundSums background_;
  double waited_ = 0.0;  // seconds
};

}  // namespace

std::unique_ptr<Communicator> make_overlapped_communicator(std::unique_ptr<Communicator> first_tag,
                                                           std::unique_ptr<Transport> second_tag) {
  return std::make_unique<OverlappedCommunicator>(std::move(first_tag), std::move(second_tag));
}

}  // namespace convmixer
