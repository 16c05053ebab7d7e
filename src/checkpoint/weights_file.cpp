#include "checkpoint/weights_file.hpp"

#include "checkpoint/weights_content.hpp"
#include "convmixer/core/error.hpp"
#include "convmixer/io/pytorch_file.hpp"
#include "convmixer/io/safetensors.hpp"
#include "io/metadata.hpp"
#include "model/weight_names.hpp"

namespace convmixer {

TensorFile open_weights(const std::filesystem::path& path) {
  const TensorFile file = is_pytorch_file(path) ? TensorFile(PytorchFile(path)) : TensorFile(SafetensorsFile(path));
  if (file.metadata().contains(kStateVersionKey))
    fail("{}: what a training goes on from, expected weights, such as best.safetensors beside it", path.string());
  const bool has_own_names = is_own(file) && !file.metadata().contains(kNamesKey);
  return has_own_names ? file : file.renamed(names_here(file));
}

}  // namespace convmixer
