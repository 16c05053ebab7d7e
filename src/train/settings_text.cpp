#include "train/settings_text.hpp"

#include "convmixer/core/error.hpp"
#include "convmixer/train/option_parser.hpp"

namespace convmixer {

bool assign_known(std::span<const OptionGroup> options, std::span<const RunSetting> settings, TrainConfig& config) {
  config.test_choice = TestChoice::path;  // every release that had another one writes it
  std::vector<Assignment> assignments;
  for (const RunSetting& setting : settings) assignments.push_back({setting.key, setting.text, setting.key});
  try {
    assign(options, assignments);
  } catch (const Error&) {
    return false;
  }
  return true;
}

}  // namespace convmixer
