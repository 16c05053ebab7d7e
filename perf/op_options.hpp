/// What op_bench is told besides Google Benchmark's own options.
#pragma once

#include "convmixer/train/config.hpp"
#include "setting.hpp"

#include <filesystem>
#include <span>
#include <string>
#include <vector>

namespace convmixer::perf {

struct OpOptions {
  std::filesystem::path config_file;  ///< of the network; empty: none
  std::vector<Setting> settings;      ///< every network in every precision
  int threads = 0;                    ///< 0: as many as convmixer would take
  float peak_seconds = 1.0F;          ///< for each of the machine's peaks
  std::filesystem::path roofline;
};

/// Throws Error (usage) naming the option. Where `--precision` is left open, bf16 is left out on a CPU without it.
[[nodiscard]] OpOptions read_op_options(std::span<const std::string> words);

[[nodiscard]] std::string op_options_help();

}  // namespace convmixer::perf
