/// What became of the images of a rank's share of a batch, by which batch_result.cpp scores a whole one.
#pragma once

#include "core/batch_chunks.hpp"

#include <cstdint>
#include <span>

namespace convmixer {

struct BatchResult;
struct Targets;

/// As score, but by cross_entropy_sum (share_loss.hpp). Receives and throws what that does.
[[nodiscard]] BatchResult score_share(std::span<const float> logits, std::int64_t classes, const Targets& targets,
                                      const BatchChunks& share, std::span<float> gradient = {});

}  // namespace convmixer
