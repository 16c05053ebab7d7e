#include "convmixer/model/model_config.hpp"

namespace convmixer {

ClassificationTask task_of(const ModelConfig& model) {
  return std::visit(
      [](const auto& config) -> ClassificationTask {
        return {.image_size = config.image_size, .channels = config.channels, .classes = config.classes};
      },
      model);
}

ModelConfig with_task(ModelConfig model, const ClassificationTask& task) {
  std::visit(
      [&task](auto& config) {
        config.image_size = task.image_size;
        config.channels = task.channels;
        config.classes = task.classes;
      },
      model);
  return model;
}

}  // namespace convmixer
