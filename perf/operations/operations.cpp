#include "operation.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace convmixer::perf {

std::string benchmark_name(const Setting& setting, const Operation& operation) {
  std::string name = fmt::format("{}/{}/{}/{}/{}", setting.network, setting.precision(), operation.name,
                                 operation.direction, operation.by);
  std::ranges::replace(name, ' ', '-');
  return name;
}

std::vector<Operation> all_operations() {
  std::vector<Operation> all;
  for (const auto& part : {image_operations(), reorder_operations(), convolution_operations(), elementwise_operations(),
                           batch_norm_operations(), head_operations(), stage_product_operations(),
                           stage_depthwise_operations(), stage_norm_operations(), optimizer_operations()}) {
    all.insert(all.end(), part.begin(), part.end());
  }
  return all;
}

std::vector<Operation> operations_of(const Setting& setting) {
  std::vector<Operation> operations = all_operations();
  std::erase_if(operations, [&setting](const Operation& operation) {
    return operation.applies != nullptr && !operation.applies(setting);
  });
  return operations;
}

}  // namespace convmixer::perf
