/// Gradients that several ranks add up while the backward pass goes on.
#pragma once

#include "convmixer/dist/communicator.hpp"
#include "convmixer/plan/plan_options.hpp"

#include <array>
#include <chrono>
#include <cstddef>
#include <functional>
#include <span>
#include <vector>

namespace convmixer {

/// Says what a plan's steps leave of their rank's share of a batch, and makes of it the sum over all ranks. All ranks
/// have the same steps.
class GradientExchange {
 public:
  GradientExchange(Communicator& ranks, ExchangeTime when) : ranks_(ranks), when_(when) {}

  /// What is final once step `step` has ended. Gradients that lie side by side (Parameters) go together as long as they
  /// are small: each message takes a while however short it is.
  void add(std::size_t step, std::span<float> gradient);
  /// `finish` makes f32 gradients of sums that are kept in double, so that they are rounded once.
  void add(std::size_t step, std::span<double> sums, std::function<void()> finish);

  /// Of a backward pass.
  void begin();
  /// After each of its steps; some may be left out.
  void step_ended(std::size_t step);
  /// After the last one: returns when all sums are there, of the steps that have ended.
  void finish();
  /// Instead, after an error: returns when nothing is being added up any more.
  void give_up() noexcept { ranks_.drop_sums(); }

  /// In this pass.
  [[nodiscard]] bool during_backward() const noexcept;

 private:
  using Clock = std::chrono::steady_clock;

  struct Bucket {
    std::size_t step;  ///< the last of those that make it final
    std::span<float> floats;
    std::span<double> doubles;
    std::function<void()> finish;
  };

  void choose();

  Communicator& ranks_;
  ExchangeTime when_;
  std::vector<Bucket> buckets_;  // in the order in which they are added up
  std::vector<Bucket*> ready_;   // of this pass
  int pass_ = 0;                 // while when_ is measured
  Clock::time_point begin_;
  std::array<double, 2> fastest_{};  // seconds of a pass, during and after backward
};

}  // namespace convmixer
