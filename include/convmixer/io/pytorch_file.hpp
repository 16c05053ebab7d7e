/// What torch.save writes, since PyTorch 1.6: a zip archive with a pickle and the bytes of each storage.
/// https://github.com/pytorch/pytorch/blob/main/torch/serialization.py
#pragma once

#include "convmixer/io/safetensors.hpp"
#include "convmixer/io/tensor_file.hpp"

#include <filesystem>
#include <map>
#include <span>
#include <string>

namespace convmixer {

/// Whether a file begins as torch.save's do, of whichever release. Throws Error naming a file that can't be read.
[[nodiscard]] bool is_pytorch_file(const std::filesystem::path& path);

/// The tensors of a state_dict that torch.save wrote (.pt, .pth), read without running any of the pickle's code: of all
/// that it may ask for, tensors of f32, f16, bf16, i64, i32 and u8 and the containers that hold them are made,
/// everything else is passed over. A checkpoint that holds its state_dict beside other things, under "state_dict",
/// "model", "model_state_dict", "model_state" or "net", is looked into. Tensors are row-major; there is no
/// metadata but what write_pytorch_file wrote.
///
/// Throws Error naming the file: one that is no such archive or is damaged, a tensor that doesn't fit its storage,
/// tensors that would have to be copied out of a storage again and again (strided_views.hpp), contents that unpack to
/// over 8 times the file and over 16 MiB, and a file without a state_dict; whole modules, files of PyTorch before 1.6
/// and TorchScript archives are named as such.
class PytorchFile : public TensorFile {
 public:
  explicit PytorchFile(const std::filesystem::path& path);
};

/// Writes tensors as torch.save writes a state_dict, in the order given: torch.load(PATH, weights_only=True) gives an
/// OrderedDict of them. The metadata goes into a record of its own, which PytorchFile reads and PyTorch passes over.
/// The same arguments give the same bytes, whole or not at all. Throws Error naming file and tensor for names or
/// metadata that aren't UTF-8, for two tensors of one name, for bytes that don't fit the shape, for DType::other, for
/// 2^31 elements or more, and if the file can't be written: it is one of 4 GiB at most.
void write_pytorch_file(const std::filesystem::path& path, std::span<const TensorView> tensors,
                        const std::map<std::string, std::string>& metadata);

}  // namespace convmixer
