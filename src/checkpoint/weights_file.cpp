#include "checkpoint/weights_file.hpp"

#include "convmixer/io/pytorch_file.hpp"
#include "convmixer/io/safetensors.hpp"
#include "io/metadata.hpp"
#include "model/weight_names.hpp"

namespace convmixer {

TensorFile open_weights(const std::filesystem::path& path) {
  const TensorFile file = is_pytorch_file(path) ? TensorFile(PytorchFile(path)) : TensorFile(SafetensorsFile(path));
  return is_own(file) ? file : file.renamed(names_here(file));
}

}  // namespace convmixer
