/// Some of the images of a data set.
#pragma once

#include "convmixer/data/dataset.hpp"

#include <cstdint>
#include <memory>

namespace convmixer {

/// The first `limit` images: for data sets whose order is random.
[[nodiscard]] std::unique_ptr<Dataset> first_images(std::unique_ptr<Dataset> all, std::int64_t limit);

/// `limit` images, each class's first ones: as many as its share (by the method of Sainte-Lague, within one of it but
/// for very uneven classes) but at least one as far as they go round, in the order of `all`. For data sets whose order
/// is by class. More images are these and others.
[[nodiscard]] std::unique_ptr<Dataset> share_of_each_class(std::unique_ptr<Dataset> all, std::int64_t limit);

}  // namespace convmixer
