/// step_bench: what a training step costs, of what, and how far it is from the machine's limit.
#include "commit.hpp"
#include "convmixer/core/error.hpp"
#include "convmixer/core/file.hpp"
#include "convmixer/core/printable.hpp"
#include "convmixer/core/standard_streams.hpp"
#include "convmixer/dist/launched_ranks.hpp"
#include "convmixer/dist/rank_cpus.hpp"
#include "convmixer/train/stop_signal.hpp"
#include "step_report.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <exception>
#include <new>

namespace {

using namespace convmixer;
using namespace convmixer::perf;

int report_error(std::string_view message, int status) {
  fmt::print(stderr, "step_bench: error: {}\n", printable(message));
  return status;
}

/// What runs on each rank; rank 0 prints. `ranks` is null for a process that runs alone.
void run(const StepOptions& options, Communicator* ranks) {
  const ThreadCount threads = ranks == nullptr ? choose_thread_count(options.config.threads)
                                               : choose_rank_threads(*ranks, options.config.threads);
  ThreadPool pool(threads.count, thread_pinning(options.config));
  Engine engine(pool, ranks);
  // The peaks come second: their matrices would count as the step's memory.
  const StepMeasurement measurement = measure_steps(options, engine);
  const std::chrono::duration<double> peak_time(options.peak_seconds);
  const MeasuredPeaks peaks = measure_peaks(measurement.precision, peak_time, engine);
  if (ranks != nullptr && ranks->rank() > 0) return;
  const StepReport report = make_report(options, threads, measurement, peaks);
  fmt::print("{}", to_text(report));
  if (!options.json.empty()) write_file_atomically(options.json, to_json(report, kCommit).dump(2) + "\n");
}

/// One of several processes. Where one fails, all end.
void run_rank(const StepOptions& options, const Launch& launch) {
  LaunchedRanks ranks(launch);
  try {
    run(options, &ranks.communicator());
  } catch (const std::exception& error) {
    ranks.abort(report_error(error.what(), 1));
  }
}

int run(std::span<const std::string> words) {
  if (std::ranges::any_of(words, [](const std::string& word) { return word == "--help" || word == "-h"; })) {
    fmt::print("{}", step_options_help());
    return 0;
  }
  const StepOptions options = read_step_options(words);
  const Launch launch = find_launch();
  launch.ranks > 1 ? run_rank(options, launch) : run(options, nullptr);
  return 0;
}

int status_after_output(int status) {
  const std::string failure = standard_output_failure();
  if (!failure.empty()) fail("standard output can't be written: {}", failure);
  return status;
}

}  // namespace

int main(int argc, char** argv) {
  guard_standard_streams();
  const EndBySignal end_by_signal;
  try {
    const std::vector<std::string> words(argv + 1, argv + argc);
    return status_after_output(run(words));
  } catch (const Error& error) {
    return report_error(error.what(), error.kind() == ErrorKind::usage ? 2 : 1);
  } catch (const std::bad_alloc&) {
    return report_error("out of memory; a smaller --batch-size needs less", 1);
  } catch (const std::exception& error) {
    return report_error(error.what(), 1);
  }
}
