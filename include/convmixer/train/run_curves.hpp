/// The course of a run so far, in little memory: what a terminal draws of its loss and accuracy.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace convmixer {

/// Values by position, from 0: means over stretches of positions, which double in length when there are too many.
class Curve {
 public:
  /// Throws Error (usage) for a negative position.
  void add(std::int64_t position, double value);
  /// Adds a value for the positions from `first` to before `end`, as far as nothing is there yet. Throws likewise.
  void fill(std::int64_t first, std::int64_t end, double value);

  /// At most so many points, each the mean over an equal share of the positions so far; one without a value has that of
  /// the point before.
  [[nodiscard]] std::vector<double> points(std::size_t most) const;

 private:
  struct Stretch {
    double sum = 0.0;
    std::int64_t count = 0;
  };

  /// The stretch of a position, after the others have been made as long as that takes.
  Stretch& stretch_of(std::int64_t position) noexcept;

  static constexpr std::size_t kStretches = 128;
  std::array<Stretch, kStretches> stretches_{};
  std::size_t used_ = 0;  ///< up to the last that has a value
  std::int64_t length_ = 1;
};

/// The loss by step, and the accuracy by evaluation.
class RunCurves {
 public:
  /// `accuracy_name` says which it is: "test acc".
  explicit RunCurves(std::string accuracy_name) : accuracy_name_(std::move(accuracy_name)) {}

  /// Of an update, counted from 1. Throws Error (usage) for one before that.
  void add_loss(std::int64_t step, double loss) { loss_.add(step - 1, loss); }
  /// Of the updates after `before` up to `step`, as far as no loss of them is known.
  void fill_loss(std::int64_t before, std::int64_t step, double loss) { loss_.fill(before, step, loss); }
  void add_accuracy(double accuracy);

  [[nodiscard]] const Curve& loss() const noexcept { return loss_; }
  [[nodiscard]] const Curve& accuracy() const noexcept { return accuracy_; }
  [[nodiscard]] const std::string& accuracy_name() const noexcept { return accuracy_name_; }
  [[nodiscard]] std::int64_t evaluations() const noexcept { return evaluations_; }
  /// 0..1, of the first and of the last evaluation.
  [[nodiscard]] double first_accuracy() const noexcept { return first_accuracy_; }
  [[nodiscard]] double last_accuracy() const noexcept { return last_accuracy_; }

 private:
  std::string accuracy_name_;
  Curve loss_;
  Curve accuracy_;
  std::int64_t evaluations_ = 0;
  double first_accuracy_ = 0.0;
  double last_accuracy_ = 0.0;
};

}  // namespace convmixer
