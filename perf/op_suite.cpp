#include "op_suite.hpp"

#include "convmixer/core/cpu.hpp"
#include "plan/engine_runtime.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <benchmark/benchmark.h>
#include <exception>

namespace convmixer::perf {

struct OpSuite::Case {
  std::string name;
  bool ran = false;
  OpResult result;
};

struct OpSuite::Prepared {
  Prepared(Engine& engine, const Case& of) : measured(&of), planned(engine, of.result.setting) {}

  const Case* measured;
  PlannedSetting planned;
  std::vector<std::unique_ptr<Trial>> trials;
};

namespace {

/// How many trials it takes for one's operands to have left the caches before its next turn. Caches keep some of what
/// passes through them whatever its size: three times their size still left a tenth of the traffic to them.
std::size_t trials_beyond_caches(std::size_t footprint) {
  constexpr std::size_t kMost = 64;  // of tiny operands, which nobody would find in memory
  constexpr std::size_t kTimesCaches = 8;
  constexpr std::size_t kMostBytes = std::size_t{1} << 30;
  const std::size_t bytes = std::min(kTimesCaches * last_level_cache_bytes(), kMostBytes);
  return std::clamp<std::size_t>((bytes + footprint - 1) / std::max<std::size_t>(footprint, 1), 1, kMost);
}

}  // namespace

OpSuite::OpSuite(Engine& engine, const std::vector<Setting>& settings) : engine_(engine) {
  for (const Setting& setting : settings) {
    for (const Operation& operation : operations_of(setting)) {
      cases_.push_back(
          {.name = benchmark_name(setting, operation),
           .result = {.setting = setting, .operation = operation, .cost = {}, .implementation = {}, .error = {}}});
    }
  }
}

OpSuite::~OpSuite() = default;

void OpSuite::add_benchmarks() {
  for (Case& measured : cases_) {
    benchmark::RegisterBenchmark(measured.name.c_str(),
                                 [this, &measured](benchmark::State& state) { measure(state, measured); })
        ->UseRealTime()
        ->Unit(benchmark::kMillisecond);
  }
}

OpSuite::Prepared& OpSuite::prepare(Case& measured) {
  if (prepared_ && prepared_->measured == &measured) return *prepared_;
  prepared_.reset();  // its memory first
  auto prepared = std::make_unique<Prepared>(engine_, measured);
  std::size_t trials = 1;
  while (prepared->trials.size() < trials) {
    Trial& trial = *prepared->trials.emplace_back(std::make_unique<Trial>(prepared->planned));
    measured.result.operation.prepare(trial);
    if (prepared->trials.size() > 1) continue;
    trial.check();
    trials = trials_beyond_caches(trial.footprint());
  }
  prepared_ = std::move(prepared);
  return *prepared_;
}

void OpSuite::measure(benchmark::State& state, Case& measured) {
  OpResult& result = measured.result;
  measured.ran = true;
  try {
    Prepared& prepared = prepare(measured);
    result.cost = prepared.trials.front()->cost();
    result.implementation = prepared.trials.front()->implementation();
    std::size_t turn = 0;
    runtime_of(engine_).execute([&] {
      for ([[maybe_unused]] auto _ : state) {
        prepared.trials[turn]->execute();
        turn = (turn + 1) % prepared.trials.size();
      }
    });
  } catch (const std::exception& error) {
    result.error = error.what();
    state.SkipWithError(error.what());
    return;
  }
  using benchmark::Counter;
  const Roofs roofs = peaks().roofs(result.setting.type);
  state.counters["images_per_s"] =
      Counter(static_cast<double>(result.setting.batch), Counter::kIsIterationInvariantRate);
  state.counters["gflop"] = result.cost.flops * 1e-9;
  state.counters["gb"] = result.cost.bytes * 1e-9;
  state.counters["gflop_per_s"] = Counter(result.cost.flops * 1e-9, Counter::kIsIterationInvariantRate);
  state.counters["gb_per_s"] = Counter(result.cost.bytes * 1e-9, Counter::kIsIterationInvariantRate);
  state.counters["fraction_of_limit"] = Counter(least_seconds(result.cost, roofs), Counter::kIsIterationInvariantRate);
  state.SetLabel(fmt::format("{} limit; {}", limit_name(result.cost, roofs), result.implementation));
}

OpResult* OpSuite::find(const std::string& name) {
  const auto found = std::ranges::find_if(cases_, [&](const Case& measured) { return measured.name == name; });
  return found == cases_.end() || !found->ran ? nullptr : &found->result;
}

std::vector<const OpResult*> OpSuite::results() const {
  std::vector<const OpResult*> results;
  for (const Case& measured : cases_) {
    if (measured.ran) results.push_back(&measured.result);
  }
  return results;
}

}  // namespace convmixer::perf
