#include "convmixer/data/known_class_names.hpp"

#include "convmixer/data/dataset_names.hpp"
#include "convmixer/data/sources/shapes.hpp"
#include "data/sources/cifar_format.hpp"

namespace convmixer {

std::vector<std::string> known_class_names(std::string_view dataset) {
  if (dataset == kShapesDataset) return make_shapes(Split::test, 1)->class_names();
  for (const CifarFormat* format : {&cifar10_format(), &cifar100_format(), &cifar100_coarse_format()})
    if (dataset == format->dataset) return format->class_names;
  return {};
}

}  // namespace convmixer
