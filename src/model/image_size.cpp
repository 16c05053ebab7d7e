#include "convmixer/model/image_size.hpp"

#include "convmixer/core/error.hpp"
#include "convmixer/model/registry.hpp"

#include <cstddef>

namespace convmixer {

std::string parameter_of_image_size(const ModelConfig& model, int image_size) {
  ClassificationTask task = task_of(model);
  if (task.image_size == image_size) return "";
  const Graph own = make_graph(model);
  task.image_size = image_size;
  const Graph other = make_graph(with_task(model, task));
  for (std::size_t id = 0; id < own.parameters().size(); ++id) {
    const Parameter& parameter = own.parameters()[id];
    if (parameter.shape != other.parameters()[id].shape) return parameter.name;
  }
  return "";
}

void require_image_size(const std::filesystem::path& weights, const ModelConfig& model, int image_size) {
  const std::string parameter = parameter_of_image_size(model, image_size);
  if (parameter.empty()) return;
  fail_usage("image-size = {0}: {1} is for images of {2} x {2} pixels alone: the shape of {3}'s {4} depends on it",
             image_size, weights.string(), task_of(model).image_size, entry_of(model).name, parameter);
}

}  // namespace convmixer
