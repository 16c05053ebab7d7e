/// Sums over the chunks of a batch, for each channel: what fused norms make of the sums that tasks have left. Chunks
/// are added up in their order, whatever part of the channels a call is for.
#pragma once

#include <cstddef>

namespace convmixer::kernels {

/// Of each chunk and channel, rows of `stride` channels: see MomentSums.
struct ChunkMomentSums {
  const float* origin;
  const double* sum;
  const double* square;
  const std::size_t* values;  ///< per channel, by chunk
  std::size_t chunks;
  std::size_t stride;
};

/// For `channels` channels, the mean of all values and the sum of their squared distances from it:
///     mean   = sum over chunks of (n origin + sum) / N
///     square = sum over chunks of (square - 2 d sum + n d^2), d = mean - origin
void chunk_moments(const ChunkMomentSums& sums, std::size_t channels, double* mean, double* square);

/// total[c] = the sum of rows[chunk * stride + c], for `channels` channels; `total` may be the first row.
void chunk_total(const double* rows, std::size_t chunks, std::size_t stride, std::size_t channels, double* total);

}  // namespace convmixer::kernels
