#include "convmixer/data/dataset_names.hpp"

#include "convmixer/core/error.hpp"

namespace convmixer {

std::optional<int> known_classes(std::string_view name) {
  if (name == kCifar10Dataset || name == kShapesDataset) return 10;
  if (name == kCifar100Dataset) return 100;
  if (name == kCifar100CoarseDataset) return 20;
  return std::nullopt;
}

std::optional<DatasetSize> known_size(std::string_view name) {
  const bool is_cifar = name == kCifar10Dataset || name == kCifar100Dataset || name == kCifar100CoarseDataset;
  return is_cifar ? std::optional(DatasetSize{50'000, 10'000}) : std::nullopt;
}

Normalisation default_normalisation(std::string_view name) {
  if (name == kCifar10Dataset) return {{0.4914F, 0.4822F, 0.4465F}, {0.2471F, 0.2435F, 0.2616F}};
  if (name == kCifar100Dataset || name == kCifar100CoarseDataset)
    return {{0.5071F, 0.4865F, 0.4409F}, {0.2673F, 0.2564F, 0.2762F}};
  if (name == kShapesDataset) return {{0.4637F, 0.4258F, 0.4855F}, {0.2842F, 0.2772F, 0.2879F}};
  fail_usage("data set '{}' has no usual normalisation: expected {}, {}, {} or {}", name, kCifar10Dataset,
             kCifar100Dataset, kCifar100CoarseDataset, kShapesDataset);
}

}  // namespace convmixer
