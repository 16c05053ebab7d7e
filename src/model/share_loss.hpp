/// The loss of a rank's share of a batch, by which loss.cpp computes that of a whole one.
#pragma once

#include "core/batch_chunks.hpp"

#include <cstdint>
#include <span>

namespace convmixer {

struct Targets;

/// As softmax_cross_entropy, but the sum over the share's images, and with a gradient that is that of the mean over the
/// batch of all ranks. The sums of 2^n ranks, added up in a tree, are the batch's to the last bit. Throws Error (usage)
/// as that does, and unless the logits are of as many images as the share has.
double cross_entropy_sum(std::span<const float> logits, std::int64_t classes, const Targets& targets,
                         const BatchChunks& share, std::span<float> gradient = {});

}  // namespace convmixer
