#include "train/run_outlook.hpp"

#include <algorithm>

namespace convmixer {
namespace {

constexpr double kLeastSeconds = 1e-9;  // so that nothing is divided by none

}  // namespace

bool RunOutlook::is_at_limit(double seconds) const noexcept {
  return size_.max_seconds > 0.0 && seconds >= size_.max_seconds;
}

bool RunOutlook::is_at_limit_with_evaluation(double seconds) const noexcept {
  return is_at_limit(seconds + estimate_.seconds(0, size_.test_images));
}

ProgressView RunOutlook::training_view(const TrainingPosition& position) const {
  const EpochSums& sums = position.sums;
  const std::int64_t images_left = std::max<std::int64_t>(0, size_.images_per_epoch - sums.images);  // data may shrink
  const std::int64_t epochs_left = size_.epochs - position.epoch - 1;
  return {.evaluating = false,
          .epoch = position.epoch + 1,
          .epochs = size_.epochs,
          .done = position.step_in_epoch,
          .total = size_.steps_per_epoch,
          .images_per_second = estimate_.training_rate(),
          .wait_share = sums.wait_seconds / std::max(sums.seconds, kLeastSeconds),
          .loss = sums.loss(),
          .accuracy = sums.accuracy(),
          .epoch_seconds_left = estimate_.seconds(images_left, size_.test_images),
          .run_seconds_left = seconds_left(position, images_left + epochs_left * size_.images_per_epoch,
                                           (epochs_left + 1) * size_.test_images)};
}

ProgressView RunOutlook::evaluation_view(const TrainingPosition& position, std::int64_t images_done) const {
  const std::int64_t images_left = size_.test_images - images_done;
  const std::int64_t epochs_left = size_.epochs - position.epoch - 1;
  return {.evaluating = true,
          .epoch = position.epoch + 1,
          .epochs = size_.epochs,
          .done = images_done,
          .total = size_.test_images,
          .images_per_second = estimate_.evaluation_rate(),
          .wait_share = 0.0,
          .loss = position.sums.loss(),
          .accuracy = position.sums.accuracy(),
          .epoch_seconds_left = estimate_.seconds(0, images_left),
          .run_seconds_left = seconds_left(position, epochs_left * size_.images_per_epoch,
                                           images_left + epochs_left * size_.test_images)};
}

double RunOutlook::seconds_left(const TrainingPosition& position) const {
  const std::int64_t epochs_left = size_.epochs - position.epoch;
  if (epochs_left == 0) return -1.0;
  return seconds_left(position, epochs_left * size_.images_per_epoch, epochs_left * size_.test_images);
}

double RunOutlook::seconds_left(const TrainingPosition& position, std::int64_t training_images,
                                std::int64_t evaluation_images) const {
  const double left = estimate_.seconds(training_images, evaluation_images);
  if (size_.max_seconds == 0.0) return left;
  return std::min(left, std::max(0.0, size_.max_seconds - position.seconds));
}

}  // namespace convmixer
