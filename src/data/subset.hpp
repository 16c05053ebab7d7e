/// Some of the images of a data set.
#pragma once

#include "convmixer/data/dataset.hpp"

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace convmixer {

/// The images at these indices; `all` is borrowed.
[[nodiscard]] std::unique_ptr<Dataset> images_at(const Dataset& all, std::vector<std::int64_t> indices);

/// The first `limit` images: for data sets whose order is random.
[[nodiscard]] std::unique_ptr<Dataset> first_images(std::unique_ptr<Dataset> all, std::int64_t limit);

/// `limit` images, each class's first ones, as many as class_shares says, in the order of `all`. For data sets whose
/// order is by class. More images are these and others.
[[nodiscard]] std::unique_ptr<Dataset> share_of_each_class(std::unique_ptr<Dataset> all, std::int64_t limit);

/// What is left of a class when its share is taken.
enum class ClassLeft { nothing, one_image };

/// How many images of each class make `limit` of them: its share by the method of Sainte-Lague (within one of the exact
/// one but for very uneven classes), but at least one as far as they go round. Fewer than `limit` where there are no
/// more to take.
[[nodiscard]] std::vector<std::int64_t> class_shares(std::span<const std::int64_t> class_sizes, std::int64_t limit,
                                                     ClassLeft left);

}  // namespace convmixer
