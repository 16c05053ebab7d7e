#include "train/initial_weights_options.hpp"

#include "convmixer/core/error.hpp"
#include "core/ascii.hpp"

#include <algorithm>
#include <string>
#include <string_view>

namespace convmixer {
namespace {

Option freeze_option(std::string& parts) {
  return {"freeze",
          "PARTS",
          "parts of init's network that stay as they are, of stem, blocks.0, blocks.1, ... and head: stem,blocks.0-3; "
          "their norms normalise with their running statistics",
          "names of parts with commas between them",
          [&parts](const std::string& text) {
            const auto is_name = [](char c) {
              return (ascii_lower(c) >= 'a' && ascii_lower(c) <= 'z') || (c >= '0' && c <= '9') ||
                     std::string_view("_.,-").find(c) != std::string_view::npos;
            };
            if (!std::ranges::all_of(text, is_name)) return false;
            parts = text;
            return true;
          },
          [&parts] { return parts; }};
}

}  // namespace

OptionGroup initial_weights_options(TrainConfig& config) {
  return {"Initial weights",
          {// What the weights are is compared by the file's content.
           changeable(path_option("init", config.init, "FILE",
                                  "begin with these weights: safetensors or torch.save's, under the names of timm, "
                                  "locuslab, the paper's code or labml.ai, or a run folder's best; sizes, mean and std "
                                  "are theirs unless given")),
           choice_option("init-head", config.init_head,
                         {{"keep", InitHead::keep}, {"match", InitHead::match}, {"new", InitHead::fresh}},
                         "its classifier: keep, for the same classes; match, for those of the same names; new"),
           choice_option("stem-init", config.stem_init,
                         {{"default", StemInitialisation::standard}, {"whitened", StemInitialisation::whitened}},
                         "first convolution, without init: random; whitened: its outputs uncorrelated, of mean 0 and "
                         "variance 1, measured on 5000 training images"),
           choice_option("depthwise-init", config.depthwise_init,
                         {{"default", DepthwiseInitialisation::standard},
                          {"gaussian", DepthwiseInitialisation::gaussian},
                          {"impulse", DepthwiseInitialisation::impulse}},
                         "depthwise filters, without init: random; gaussian: random bumps, strong in the middle, "
                         "neighbours alike; impulse: a single random tap"),
           number_option("depthwise-sigma", config.depthwise_filters.sigma, 0.01F, 100.0F,
                         "gaussian: width of the bumps, in shares of kernel-size"),
           number_option("depthwise-length", config.depthwise_filters.length, 0.01F, 100.0F,
                         "gaussian: distance over which taps are alike, likewise"),
           freeze_option(config.freeze)}};
}

void check_initial_weights_options(const TrainConfig& config) {
  const GaussianFilters usual;
  const GaussianFilters& filters = config.depthwise_filters;
  if (config.depthwise_init != DepthwiseInitialisation::gaussian) {
    if (filters.sigma != usual.sigma) fail_usage("depthwise-sigma has no effect without depthwise-init = gaussian");
    if (filters.length != usual.length) fail_usage("depthwise-length has no effect without depthwise-init = gaussian");
  }
  if (!config.init.empty()) {
    const bool is_standard = config.stem_init == StemInitialisation::standard;
    if (is_standard && config.depthwise_init == DepthwiseInitialisation::standard) return;
    fail_usage("{} has no effect with init, which gives all weights", is_standard ? "depthwise-init" : "stem-init");
  }
  if (config.init_head != InitHead::keep) fail_usage("init-head has no effect without init");
  if (!config.freeze.empty()) fail_usage("freeze has no effect on random weights: expected init as well");
}

}  // namespace convmixer
