/// What torch.save writes, since PyTorch 1.6: a zip archive with a pickle and the bytes of each storage.
/// https://github.com/pytorch/pytorch/blob/main/torch/serialization.py
#pragma once

#include "convmixer/io/tensor_file.hpp"

#include <filesystem>

namespace convmixer {

/// Whether a file begins as such an archive does. Throws Error naming a file that can't be read.
[[nodiscard]] bool is_pytorch_file(const std::filesystem::path& path);

/// The tensors of a state_dict that torch.save wrote (.pt, .pth), read without running any of the pickle's code: of all
/// that it may ask for, tensors of f32, f16, bf16, i64, i32 and u8 and the containers that hold them are made,
/// everything else is passed over. A checkpoint that holds its state_dict beside other things, under "state_dict",
/// "model", "model_state_dict", "model_state" or "net", is looked into. Tensors are (row-major) copies; there is no
/// metadata.
///
/// Throws Error naming the file: one that is no such archive or is damaged, a tensor that doesn't fit its storage, and
/// a file without a state_dict; files of PyTorch before 1.6 and TorchScript archives are named as such.
class PytorchFile : public TensorFile {
 public:
  explicit PytorchFile(const std::filesystem::path& path);
};

}  // namespace convmixer
