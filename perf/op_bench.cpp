/// op_bench: what every kernel and primitive achieves on its own, and how far each is from the machine's limit.
#include "commit.hpp"
#include "convmixer/core/cpu.hpp"
#include "convmixer/core/error.hpp"
#include "convmixer/core/file.hpp"
#include "convmixer/core/plural.hpp"
#include "convmixer/core/program.hpp"
#include "convmixer/core/standard_streams.hpp"
#include "convmixer/core/threads.hpp"
#include "convmixer/dist/launched_ranks.hpp"
#include "convmixer/plan/engine.hpp"
#include "convmixer/train/output_files.hpp"
#include "convmixer/train/stop_signal.hpp"
#include "op_options.hpp"
#include "op_reporter.hpp"
#include "op_roofline.hpp"
#include "plan/engine_runtime.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <benchmark/benchmark.h>
#include <cstdio>
#include <string>
#include <vector>

namespace {

using namespace convmixer;
using namespace convmixer::perf;

/// Whether one of Google Benchmark's options was given.
bool has_flag(const std::vector<std::string>& words, const std::string& name) {
  return std::ranges::any_of(words, [&](const std::string& word) {
    return word == "--" + name || (word.starts_with("--" + name + "=") && word != "--" + name + "=false");
  });
}

std::string heading(const OpOptions& options, const ThreadCount& threads, const MachinePeaks& peaks) {
  const OnednnInfo onednn = Engine::onednn_info();
  return fmt::format("{}, {} ({}), oneDNN {} {}, batch {}\nmeasured peaks\n{}", cpu_info().model,
                     counted(threads.count, "thread"), threads.reason, onednn.version, onednn.instructions,
                     options.settings.front().batch, describe(peaks));
}

/// What the JSON of --benchmark_out says of the machine, besides Google Benchmark's own.
void add_context(const OpOptions& options, const ThreadCount& threads, const MachinePeaks& peaks) {
  const auto giga = [](double value) { return fmt::format("{}", value * 1e-9); };
  benchmark::AddCustomContext("program", "op_bench");
  benchmark::AddCustomContext("commit", kCommit);
  benchmark::AddCustomContext("cpu", cpu_info().model);
  benchmark::AddCustomContext("threads", fmt::format("{}", threads.count));
  benchmark::AddCustomContext("threads_reason", threads.reason);
  benchmark::AddCustomContext("onednn", Engine::onednn_info().version);
  benchmark::AddCustomContext("batch_size", fmt::format("{}", options.settings.front().batch));
  benchmark::AddCustomContext("memory_peak_gb_per_s", giga(peaks.memory.bytes));
  benchmark::AddCustomContext("fma_peak_gflops", giga(peaks.fma.flops));
  benchmark::AddCustomContext("matrix_peak_f32_gflops", giga(peaks.matrix_f32.flops));
  if (peaks.matrix_bf16) benchmark::AddCustomContext("matrix_peak_bf16_gflops", giga(peaks.matrix_bf16->flops));
}

/// 1 if an operation could not be measured or its results were wrong.
int finish(const OpOptions& options, const ThreadCount& threads, const OpSuite& suite) {
  const std::vector<const OpResult*> results = suite.results();
  if (results.empty()) fail_usage("no operation matches --benchmark_filter; --benchmark_list_tests shows the names");
  if (!options.roofline.empty()) {
    const std::string subtitle =
        fmt::format("{}, {}, batch {}, oneDNN {}, convmixer {}", cpu_info().model, counted(threads.count, "thread"),
                    options.settings.front().batch, Engine::onednn_info().version, kCommit);
    write_file_atomically(options.roofline, roofline_svg(op_roofline(results, suite.peaks(), subtitle)));
  }
  const auto failed = std::ranges::count_if(results, [](const OpResult* result) { return !result->error.empty(); });
  if (failed == 0) return 0;
  fmt::print(stderr, "op_bench: error: {} of {} operations failed, see their lines above\n", failed, results.size());
  return 1;
}

/// Gives Google Benchmark its options, and gives back what it leaves.
std::vector<std::string> initialise_benchmark(const std::vector<std::string>& words) {
  static std::vector<std::string> all;  // it keeps a pointer to the first
  all = {"op_bench", "--benchmark_min_time=0.1"};
  all.insert(all.end(), words.begin(), words.end());  // what is given later wins
  std::vector<char*> arguments;
  for (std::string& word : all) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  int count = static_cast<int>(all.size());
  benchmark::Initialize(&count, arguments.data());
  return {arguments.begin() + 1, arguments.begin() + count};
}

int run(const std::vector<std::string>& words) {
  if (has_flag(words, "help") || std::ranges::find(words, "-h") != words.end()) {
    write_text(stdout, op_options_help());
    return 0;
  }
  if (const Launch launch = find_launch(); launch.ranks > 1) {
    fail_usage("started as {} processes by {}: expected one; step_bench is what several processes share", launch.ranks,
               launch.launcher);
  }
  if (has_flag(words, "benchmark_format")) fail_usage("--benchmark_format: expected --benchmark_out=FILE, for JSON");
  const std::vector<std::string> own = initialise_benchmark(words);
  const OpOptions options = read_op_options(own);
  require_outputs(std::array{OutputFile{.option = "roofline", .path = options.roofline}}, {options.config_file});
  const ThreadCount threads = choose_thread_count(options.threads);
  ThreadPool pool(threads.count);
  Engine engine(pool);
  OpSuite suite(engine, options.settings);
  suite.add_benchmarks();
  if (has_flag(words, "benchmark_list_tests")) {
    benchmark::RunSpecifiedBenchmarks();
    return 0;
  }
  const bool with_bf16 = std::ranges::any_of(
      options.settings, [](const Setting& setting) { return setting.type == kernels::ElementType::bf16; });
  suite.set_peaks(
      measure_machine_peaks(runtime_of(engine), std::chrono::duration<double>(options.peak_seconds), with_bf16));
  add_context(options, threads, suite.peaks());
  OpReporter reporter(suite, heading(options, threads, suite.peaks()));
  benchmark::RunSpecifiedBenchmarks(&reporter);
  return finish(options, threads, suite);
}

}  // namespace

int main(int argc, char** argv) {
  guard_standard_streams();
  tell_of_signals(is_first_of_launch());
  const EndBySignal end_by_signal;
  try {
    const int status = is_first_of_launch() ? run({argv + 1, argv + argc}) : 0;  // the status of all is the first one's
    if (status == 0) require_output_written();
    return status;
  } catch (...) {
    return report("op_bench", failure_in_flight("a smaller --batch-size needs less"));
  }
}
