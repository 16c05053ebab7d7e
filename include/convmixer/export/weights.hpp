/// Weights for other programs to load: safetensors and what torch.save writes.
#pragma once

#include "convmixer/checkpoint/checkpoint.hpp"
#include "convmixer/graph/parameters.hpp"
#include "convmixer/io/tensor_file.hpp"
#include "convmixer/model/weight_naming.hpp"

#include <filesystem>

namespace convmixer {

enum class WeightsContainer { safetensors, pytorch };

struct WeightsFormat {
  WeightsContainer container = WeightsContainer::safetensors;
  DType elements = DType::f32;  ///< f32, f16 or bf16
  WeightNaming names = WeightNaming::timm;
};

/// Writes a network's parameters and statistics, rounded to the nearest number of the format, ties to even, with its
/// norms' counters (I64) and what `info` says, whole or not at all. load_state_dict(strict=True) takes them in the
/// program whose names they have; load_weights and read_checkpoint_info read all of it back, whatever the format. As
/// safetensors, F32 and with timm's names it is the file that save_weights writes.
///
/// Throws Error naming file and tensor for a value that isn't finite or not in the format's range; Error (usage) for
/// other elements, for names that aren't known for this network, and for parameters and an `info` that save_weights
/// refuses; and as write_safetensors and write_pytorch_file do.
void export_weights(const std::filesystem::path& path, const Parameters& parameters, const CheckpointInfo& info,
                    const WeightsFormat& format);

}  // namespace convmixer
