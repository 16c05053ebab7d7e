#include "given_weights.hpp"

#include "convmixer/core/error.hpp"
#include "convmixer/core/printable.hpp"
#include "convmixer/core/standard_streams.hpp"
#include "convmixer/model/registry.hpp"
#include "convmixer/train/find_runs.hpp"

#include <fmt/format.h>

#include <cstdio>
#include <string>
#include <system_error>
#include <variant>

namespace convmixer::tool {
namespace {

namespace fs = std::filesystem;

fs::path weights_of(const RunFolder& folder, const fs::path& checkpoint) {
  if (checkpoint != "best" && checkpoint != "last") return checkpoint;
  fs::path weights = checkpoint == "best" ? folder.best() : folder.last();
  std::error_code ignored;  // what is wrong with the path shows when it is read
  if (fs::exists(weights, ignored) || ignored) return weights;
  const bool wants_best = checkpoint == "best";
  const fs::path other = wants_best ? folder.last() : folder.best();
  if (!fs::exists(other, ignored)) {
    fail(
        "{}: not there, nor is {}: a run writes its weights at the end of an epoch; convmixer train --resume {} goes "
        "on with it",
        weights.string(), other.filename().string(), folder.path.string());
  }
  // The last are also written at a time limit within the first epoch, the best are not.
  const bool finished_epoch = read_checkpoint_info(other).epoch > 0;
  fail("{}: not there: {}; --checkpoint {} takes {}", weights.string(),
       finished_epoch ? "it was removed" : "no epoch of the run is finished", wants_best ? "last" : "best",
       other.string());
}

/// What weights of a run folder say; if they can't be read, others of the folder are a way out.
CheckpointInfo read_info(const RunFolder& folder, const fs::path& weights) {
  try {
    return read_checkpoint_info(weights);
  } catch (const Error& error) {
    const bool is_best = weights == folder.best();
    const fs::path other = is_best ? folder.last() : folder.best();
    std::error_code ignored;
    if (!fs::exists(other, ignored)) throw;
    fail("{}; --checkpoint {} takes {}", error.what(), is_best ? "last" : "best", other.string());
  }
}

/// The published weights of this size (timm's convmixer_768_32, arXiv 2201.09792, table 1) are of a network with ReLU,
/// which their tensors don't show. Ours say that they are ours.
bool may_be_for_relu(const CheckpointInfo& info) {
  const auto* model = std::get_if<ConvMixerConfig>(&info.model);
  return info.dataset.empty() && model != nullptr && model->dim == 768 && model->depth == 32 &&
         model->kernel_size == 7 && model->patch_size == 7;
}

}  // namespace

GivenWeights find_weights(const fs::path& argument, const fs::path& checkpoint) {
  std::error_code ignored;  // what is wrong with the path shows when it is read
  const bool is_folder = fs::is_directory(argument, ignored);
  const RunFolder folder{is_folder ? argument : argument.parent_path()};
  const bool has_config = fs::exists(folder.config(), ignored);
  GivenWeights weights{argument, {}, {}};
  if (!is_folder && checkpoint != "best" && fs::exists(argument, ignored))
    fail_usage("--checkpoint {}: chooses from a run folder, which {} is not", checkpoint.string(), argument.string());
  if (is_folder) {
    if (!has_config) fail("{}: no run folder: it has no config.ini", argument.string());
    weights.path = weights_of(folder, checkpoint);
  }
  weights.info = is_folder ? read_info(folder, weights.path) : read_checkpoint_info(weights.path);
  if (has_config && (is_folder || is_file_of_run(argument) || holds_run(folder))) weights.run = folder;
  if (may_be_for_relu(weights.info)) {
    const std::string warning = fmt::format(
        "warning: {}: the published weights of {} are for ReLU, this program's networks have GELU: with those, results "
        "are wrong\n",
        printable(weights.path.native()), describe(weights.info.model));
    write_text(stderr, warning, true);
  }
  return weights;
}

}  // namespace convmixer::tool
