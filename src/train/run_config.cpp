#include "convmixer/train/run_config.hpp"

#include "convmixer/core/error.hpp"
#include "convmixer/core/file.hpp"
#include "convmixer/data/open_dataset.hpp"
#include "convmixer/train/option_parser.hpp"
#include "core/file_to_read.hpp"
#include "train/saved_run.hpp"

#include <system_error>

namespace convmixer {
namespace {

namespace fs = std::filesystem;

/// The path from the root, unless an INI file couldn't hold that.
fs::path stored_path(const fs::path& path) {
  std::error_code error;
  const fs::path whole = fs::absolute(path, error);
  fs::path stored;
  const bool fits = !error && path_option("", stored, "", "").read(whole.string());
  return path.empty() || !fits ? path : whole;
}

}  // namespace

void write_run_config(const RunFolder& folder, const TrainConfig& config) {
  TrainConfig stored = config;
  stored.data = stored_path(config.data);
  stored.init = stored_path(config.init);
  stored.data_cache = stored_path(config.data_cache);
  write_file_atomically(folder.config(), to_ini(stored));
}

TrainConfig read_run_config(const RunFolder& folder) {
  TrainConfig config;
  const std::vector<OptionGroup> options = config_options(config);
  (void)FileToRead(folder.config());  // a pipe in its place would be waited for
  const std::vector<Assignment> settings = parse_ini_file(options, folder.config());
  if (settings.empty()) {
    fail("{}: holds no settings: it was damaged; a copy of the run's configuration in its place lets the run go on",
         folder.config().string());
  }
  config.test_choice = TestChoice::path;  // every release that had another one writes it
  assign(options, settings);
  if (config.dataset == kShapesDataset) config.data.clear();  // earlier releases took a path for them, and read nothing
  return config;
}

void require_same_settings(const RunFolder& folder, const TrainConfig& config) {
  const TrainConfig before = read_run_config(folder);
  TrainConfig present = config;
  if (present.image_size == 0) present.image_size = before.image_size;
  if (present.mean.empty()) present.mean = before.mean;
  if (present.std.empty()) present.std = before.std;
  if (present.precision == "auto") present.precision = before.precision;
  SavedRun(folder).require_settings(fingerprint(present));
}

bool knows_its_data(const RunFolder& folder) { return SavedRun(folder).data().has_value(); }

void take_data(const fs::path& data, TrainConfig& config) {
  if (data.empty() || config.dataset == kShapesDataset) return;
  config.data = data;
  if (!holds_dataset(config.dataset, data)) config.dataset = kAutoDataset;
}

void require_data(const RunFolder& folder, const TrainConfig& config) {
  std::error_code error;
  if (config.data.empty() || fs::exists(config.data, error)) return;
  const std::string from =
      config.data.is_relative() ? fmt::format(", seen from {}", fs::current_path(error).string()) : "";
  fail("{}: the data of this run was {}, which isn't there{}: say where it is now with --data", folder.path.string(),
       config.data.string(), from);
}

}  // namespace convmixer
