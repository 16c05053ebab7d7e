/// How long what is left will take, from how long the last of it took.
#pragma once

namespace convmixer {

/// Rates of training and evaluation over about the last half minute, the older the less they count.
class TimeEstimate {
 public:
  /// Images that cost less than others count for less: their number needn't be whole.
  void trained(double images, double seconds) noexcept { training_.add(images, seconds); }
  void evaluated(double images, double seconds) noexcept { evaluation_.add(images, seconds); }

  /// 0 before anything was trained.
  [[nodiscard]] double training_rate() const noexcept { return training_.rate(); }
  [[nodiscard]] double evaluation_rate() const noexcept;

  /// Seconds for so many images; infinite before anything was trained. Until the first evaluation it is taken for three
  /// times as fast as training: a forward pass is a third of a step's arithmetic.
  [[nodiscard]] double seconds(double training_images, double evaluation_images) const noexcept;

 private:
  class Rate {
   public:
    void add(double images, double seconds) noexcept;
    [[nodiscard]] double rate() const noexcept { return seconds_ > 0.0 ? images_ / seconds_ : 0.0; }

   private:
    double images_ = 0.0;
    double seconds_ = 0.0;
  };

  Rate training_;
  Rate evaluation_;
};

}  // namespace convmixer
