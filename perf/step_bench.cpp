/// step_bench: what a training step costs, of what, and how far it is from the machine's limit.
#include "commit.hpp"
#include "convmixer/core/file.hpp"
#include "convmixer/core/program.hpp"
#include "convmixer/core/standard_streams.hpp"
#include "convmixer/dist/rank_cpus.hpp"
#include "convmixer/dist/run_rank.hpp"
#include "convmixer/train/output_files.hpp"
#include "convmixer/train/stop_signal.hpp"
#include "step_report.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <span>
#include <string>
#include <vector>

namespace {

using namespace convmixer;
using namespace convmixer::perf;

constexpr const char* kProgram = "step_bench";
constexpr const char* kLessMemory = "a smaller --batch-size needs less";

/// What runs on each rank; rank 0 prints. `ranks` is null for a process that runs alone.
int measure(std::span<const std::string> words, Communicator* ranks) {
  const StepOptions options = read_step_options(words);
  const bool prints = ranks == nullptr || ranks->rank() == 0;
  if (prints) require_outputs(std::array{OutputFile{.option = "json", .path = options.json}}, {options.config_file});
  const ThreadCount threads = ranks == nullptr ? choose_thread_count(options.config.threads)
                                               : choose_rank_threads(*ranks, options.config.threads);
  ThreadPool pool(threads.count, thread_pinning(options.config));
  Engine engine(pool, ranks);
  // The peaks come second: their matrices would count as the step's memory.
  const StepMeasurement measurement = measure_steps(options, engine);
  const std::chrono::duration<double> peak_time(options.peak_seconds);
  const MeasuredPeaks peaks = measure_peaks(measurement.precision, peak_time, engine);
  if (!prints) return 0;
  const StepReport report = make_report(options, threads, measurement, peaks);
  write_text(stdout, to_text(report));
  if (!options.json.empty()) write_file_atomically(options.json, to_json(report, kCommit).dump(2) + "\n");
  return 0;
}

int run(std::span<const std::string> words) {
  if (std::ranges::any_of(words, [](const std::string& word) { return word == "--help" || word == "-h"; })) {
    if (is_first_of_launch()) write_text(stdout, step_options_help());
    return 0;
  }
  const Launch launch = find_launch();
  if (launch.ranks == 1) return measure(words, nullptr);
  return run_rank(launch, kProgram, kLessMemory,
                  [words](LaunchedRanks& ranks) { return measure(words, &ranks.communicator()); });
}

}  // namespace

int main(int argc, char** argv) {
  guard_standard_streams();
  tell_of_signals(is_first_of_launch());
  const EndBySignal end_by_signal;
  try {
    const std::vector<std::string> words(argv + 1, argv + argc);
    const int status = run(words);
    if (status == 0) require_output_written();
    return status;
  } catch (...) {
    return report(kProgram, failure_in_flight(kLessMemory));
  }
}
