#include "convmixer/data/dataset.hpp"

#include "data/colour_statistics.hpp"

namespace convmixer {

Normalisation Dataset::normalisation() const {
  ColourStatistics statistics(channels());
  for (std::int64_t i = 0; i < size(); ++i) statistics.add(image(i), image_size());
  return statistics.normalisation();
}

}  // namespace convmixer
