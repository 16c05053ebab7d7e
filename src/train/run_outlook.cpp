#include "train/run_outlook.hpp"

#include "convmixer/graph/work.hpp"
#include "convmixer/train/run_length.hpp"
#include "train/step_rate.hpp"

#include <algorithm>

namespace convmixer {

std::vector<ImageCost> image_costs(const Network& network, std::span<const ImageSizeStretch> stretches) {
  const Shape& whole = network.graph().tensors().front();
  const auto work = static_cast<double>(training_work(network.graph()).total());
  std::vector<ImageCost> costs;
  for (const ImageSizeStretch& stretch : stretches) {
    const Graph& graph = network.graph({whole[0], stretch.image_size, stretch.image_size});
    costs.push_back(
        {stretch.first_epoch, stretch.image_size, static_cast<double>(training_work(graph).total()) / work});
  }
  return costs;
}

void RunOutlook::trained(std::int64_t epoch, std::int64_t images, double seconds) noexcept {
  estimate_.trained(cost_in(epoch).cost * static_cast<double>(images), seconds);
}

void RunOutlook::evaluated(std::int64_t images, double seconds) noexcept {
  estimate_.evaluated(static_cast<double>(images), seconds);
}

ImageCost RunOutlook::cost_in(std::int64_t epoch) const noexcept {
  ImageCost found;
  for (const ImageCost& cost : size_.costs)
    if (cost.first_epoch <= epoch) found = cost;
  return found;
}

double RunOutlook::training_from(std::int64_t epoch) const noexcept {
  double epochs = 0.0;
  std::int64_t end = size_.epochs;
  for (auto cost = size_.costs.rbegin(); cost != size_.costs.rend() && end > epoch; ++cost) {
    const std::int64_t first = std::max(epoch, cost->first_epoch);
    if (first < end) epochs += cost->cost * static_cast<double>(end - first);
    end = std::min(end, first);
  }
  if (end > epoch) epochs += static_cast<double>(end - epoch);
  return epochs * static_cast<double>(size_.images_per_epoch);
}

std::int64_t RunOutlook::evaluation_after(std::int64_t epochs_done) const noexcept {
  const EvaluatedEpochs evaluated{.epochs = size_.epochs, .interval = size_.eval_interval};
  const std::int64_t evaluations = evaluated.left_after(epochs_done);
  const std::int64_t others = std::max<std::int64_t>(0, size_.epochs - epochs_done) - evaluations;
  return evaluations * size_.test_images + others * size_.statistics_images + size_.final_images;
}

bool RunOutlook::is_at_limit(double seconds) const noexcept {
  return size_.max_seconds > 0.0 && seconds >= size_.max_seconds;
}

bool RunOutlook::is_at_limit_with_evaluation(double seconds) const noexcept {
  return is_at_limit(seconds + estimate_.seconds(0.0, static_cast<double>(size_.test_images)));
}

ProgressView RunOutlook::training_view(const TrainingPosition& position) const {
  const EpochSums& sums = position.sums;
  const ImageCost cost = cost_in(position.epoch);
  const std::int64_t images_left = std::max<std::int64_t>(0, size_.images_per_epoch - sums.images);  // data may shrink
  const double training_left = cost.cost * static_cast<double>(images_left);
  const std::int64_t evaluation_left = evaluation_after(position.epoch);
  const std::int64_t later_evaluation = evaluation_after(position.epoch + 1);
  return {
      .evaluating = false,
      .epoch = position.epoch + 1,
      .epochs = size_.epochs,
      .done = position.step_in_epoch,
      .total = size_.steps_per_epoch,
      .image_size = cost.image_size,
      .images_per_second = estimate_.training_rate() / cost.cost,
      .wait_share = sums.wait_seconds / std::max(sums.seconds, kLeastSeconds),
      .loss = sums.loss(),
      .accuracy = sums.accuracy(),
      .epoch_seconds_left = estimate_.seconds(training_left, static_cast<double>(evaluation_left - later_evaluation)),
      .run_seconds_left = seconds_left(position, training_left + training_from(position.epoch + 1), evaluation_left),
      .curves = &curves_};
}

ProgressView RunOutlook::evaluation_view(const TrainingPosition& position, std::int64_t images_done) const {
  return view_after_epoch(position, images_done, size_.test_images);
}

ProgressView RunOutlook::statistics_view(const TrainingPosition& position, std::int64_t images_done) const {
  return view_after_epoch(position, images_done, size_.statistics_images);
}

ProgressView RunOutlook::view_after_epoch(const TrainingPosition& position, std::int64_t images_done,
                                          std::int64_t images) const {
  const std::int64_t images_left = images - images_done;
  // At the time limit; an epoch that is evaluated in its turn is counted afterwards.
  const bool between_epochs = position.step_in_epoch == 0;
  const std::int64_t epochs_done = position.epoch + (between_epochs ? 0 : 1);
  return {.evaluating = true,
          .holdout = size_.holdout,
          .between_epochs = between_epochs,
          .epoch = epochs_done,
          .epochs = size_.epochs,
          .done = images_done,
          .total = images,
          .image_size = 0,  // tests are on whole images
          .images_per_second = estimate_.evaluation_rate(),
          .wait_share = 0.0,
          .loss = position.sums.loss(),
          .accuracy = position.sums.accuracy(),
          .epoch_seconds_left = estimate_.seconds(0.0, static_cast<double>(images_left)),
          .run_seconds_left =
              seconds_left(position, training_from(epochs_done), images_left + evaluation_after(epochs_done)),
          .curves = &curves_};
}

ProgressView RunOutlook::final_view(const TrainingPosition& position, std::int64_t images_done) const {
  const double left = estimate_.seconds(0.0, static_cast<double>(size_.final_images - images_done));
  return {.evaluating = true,
          .between_epochs = true,
          .epoch = position.epoch,
          .epochs = size_.epochs,
          .done = images_done,
          .total = size_.final_images,
          .images_per_second = estimate_.evaluation_rate(),
          .epoch_seconds_left = left,
          .run_seconds_left = left,
          .curves = &curves_};
}

double RunOutlook::seconds_left(const TrainingPosition& position) const {
  if (position.epoch == size_.epochs) return -1.0;
  return seconds_left(position, training_from(position.epoch), evaluation_after(position.epoch));
}

double RunOutlook::seconds_left(const TrainingPosition& position, double training_images,
                                std::int64_t evaluation_images) const {
  const double left = estimate_.seconds(training_images, static_cast<double>(evaluation_images));
  if (size_.max_seconds == 0.0) return left;
  return std::min(left, std::max(0.0, size_.max_seconds - position.seconds));
}

}  // namespace convmixer
