#include "train/tensorboard_log.hpp"

#include "convmixer/figures/filters.hpp"
#include "io/record_file.hpp"
#include "io/value_histogram.hpp"
#include "train/event_files.hpp"

#include <chrono>
#include <utility>
#include <vector>

namespace convmixer {
namespace {

double unix_seconds() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

/// Adds "loss/test", "accuracy/test_ema" and so on.
void add_evaluation(std::vector<ProtobufMessage>& values, const EvaluationRecord& record, const std::string& of) {
  values.push_back(scalar_value("loss/" + of, record.loss));
  values.push_back(scalar_value("accuracy/" + of, record.accuracy));
  values.push_back(scalar_value("accuracy/" + of + "_top5", record.accuracy_top5));
}

}  // namespace

TensorboardLog::TensorboardLog(const RunFolder& folder, const TrainingPosition& position,
                               const std::map<std::string, Hyperparameter>& settings)
    : is_first_(!cut_event_files(folder, position)) {
  const double now = unix_seconds();
  file_ = new_event_file(folder, static_cast<std::int64_t>(now));
  const ProtobufMessage start = session_start_value(now, settings);
  file_->append(to_record(version_event(now, kEventWriter)) +
                to_record(start_event({.wall_seconds = now, .step = position.step + 1})) +
                to_record(summary_event({.wall_seconds = now, .step = 0}, std::span(&start, 1))));
}

void TensorboardLog::append(std::int64_t step, std::span<const ProtobufMessage> values) {
  file_->append(to_record(summary_event({.wall_seconds = unix_seconds(), .step = step}, values)));
}

void TensorboardLog::append(const StepRecord& r) {
  std::vector<ProtobufMessage> values{scalar_value("loss/train", r.loss),
                                      scalar_value("accuracy/train", r.accuracy),
                                      scalar_value("optimizer/learning_rate", r.learning_rate),
                                      scalar_value("optimizer/gradient_norm", r.gradient_norm),
                                      scalar_value("speed/images_per_second", r.images_per_second),
                                      scalar_value("speed/data_wait_seconds", r.wait_seconds)};
  if (r.image_size > 0) values.push_back(scalar_value("data/image_size", r.image_size));
  append(r.step, values);
}

void TensorboardLog::append(const EpochRecord& r) {
  const std::string of = r.holdout ? "holdout" : "test";
  std::vector<ProtobufMessage> values{scalar_value(kEpochTag, static_cast<double>(r.epoch)),
                                      scalar_value("loss/train_epoch", r.loss),
                                      scalar_value("accuracy/train_epoch", r.accuracy)};
  if (r.test) add_evaluation(values, *r.test, of);
  if (r.averaged) add_evaluation(values, *r.averaged, of + "_ema");
  if (r.best_test_accuracy >= 0.0) values.push_back(scalar_value("accuracy/" + of + "_best", r.best_test_accuracy));
  values.push_back(scalar_value("optimizer/learning_rate_epoch", r.learning_rate));
  values.push_back(scalar_value("speed/images_per_second_epoch", r.images_per_second));
  values.push_back(scalar_value("speed/data_wait_seconds_epoch", r.wait_seconds));
  if (r.communication_bytes > 0)
    values.push_back(scalar_value("speed/communication_seconds_epoch", r.communication_seconds));
  values.push_back(scalar_value("speed/train_seconds_epoch", r.train_seconds));
  values.push_back(scalar_value("speed/" + of + "_seconds_epoch", r.test_seconds));
  append(r.step, values);
}

void TensorboardLog::append(const TestRecord& r, std::int64_t step) {
  std::vector<ProtobufMessage> values{scalar_value(kTestedEpochTag, static_cast<double>(r.epoch))};
  add_evaluation(values, {r.loss, r.accuracy, r.accuracy_top5}, "final_test");
  append(step, values);
}

void TensorboardLog::append_parameters(std::int64_t step, const Parameters& parameters, bool with_gradients,
                                       ThreadPool& pool) {
  struct Tensor {
    std::string tag;
    std::span<const float> values;
  };
  std::vector<Tensor> tensors;
  const std::vector<Parameter>& known = parameters.graph().parameters();
  for (ParameterId id = 0; id < static_cast<ParameterId>(known.size()); ++id) {
    const Parameter& parameter = known[static_cast<std::size_t>(id)];
    tensors.push_back({"weights/" + parameter.name, parameters.value(id)});
    if (with_gradients && !parameter.frozen)
      tensors.push_back({"gradients/" + parameter.name, parameters.gradient(id)});
  }
  std::vector<ProtobufMessage> values(tensors.size());
  pool.for_each_task(static_cast<std::int64_t>(tensors.size()), [&](std::int64_t task, int) {
    const Tensor& tensor = tensors[static_cast<std::size_t>(task)];
    values[static_cast<std::size_t>(task)] = histogram_value(tensor.tag, histogram_of(tensor.values));
  });
  for (const FilterImage& image : draw_filters(parameters)) {
    values.push_back(image_value("filters/" + image.node, image.png.width, image.png.height, image.png.bytes));
  }
  append(step, values);
}

void TensorboardLog::append_image(const std::string& tag, std::int64_t step, const PngImage& image) {
  const ProtobufMessage value = image_value(tag, image.width, image.height, image.bytes);
  append(step, std::span(&value, 1));
}

void TensorboardLog::append_end(std::int64_t step, bool success) {
  const ProtobufMessage value = session_end_value(unix_seconds(), success);
  append(step, std::span(&value, 1));
}

}  // namespace convmixer
