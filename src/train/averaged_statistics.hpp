/// The running statistics of averaged weights, computed anew for an evaluation.
#pragma once

#include "convmixer/data/loader.hpp"
#include "convmixer/model/network.hpp"

#include <cstdint>
#include <functional>

namespace convmixer {

/// Runs the network, which has the averaged weights in place, on the first batches of an epoch until it has seen so
/// many images of all ranks, and gives it their statistics (NormStatistics). False, with the statistics as they were,
/// if `go_on`, told after each batch how many images are done, ended it.
bool recompute_statistics(Network& network, Loader& loader, std::int64_t epoch, std::int64_t images,
                          const std::function<bool(std::int64_t images_done)>& go_on);

}  // namespace convmixer
