/// How good a network is on a data set.
#pragma once

#include "convmixer/data/loader.hpp"
#include "convmixer/model/network.hpp"

#include <cstdint>
#include <functional>
#include <vector>

namespace convmixer {

struct Evaluation {
  BatchResult total;
  std::vector<std::int64_t> class_images;   ///< by class: how many there are,
  std::vector<std::int64_t> class_correct;  ///< and how many of them were recognised
  bool complete = true;                     ///< false: `go_on` ended it early
};

/// Throws Error (usage) unless the loader's images have the shape that the network takes, and its labels are classes of
/// the network.
void check_fits(const Network& network, const Loader& loader);

/// Loss (without label smoothing), top-1, top-5 and accuracy of each class over the loader's images, in its order, with
/// the running statistics. `go_on`, when given, is asked after each batch with the number of images done. Throws Error
/// (usage) as check_fits does.
[[nodiscard]] Evaluation evaluate(Network& network, Loader& loader,
                                  const std::function<bool(std::int64_t images_done)>& go_on = {});

}  // namespace convmixer
