#include "train/session_record.hpp"

#include "convmixer/core/cpu.hpp"
#include "convmixer/plan/build_info.hpp"
#include "convmixer/plan/engine.hpp"

#include <chrono>

namespace convmixer {
namespace {

/// Since 1970, to the millisecond.
double now() {
  const auto since = std::chrono::system_clock::now().time_since_epoch();
  return static_cast<double>(std::chrono::duration_cast<std::chrono::milliseconds>(since).count()) / 1000.0;
}

}  // namespace

SessionRecord session_record(const TrainConfig& config, const Plan& training_plan, int threads, int ranks,
                             const TrainingPosition& position) {
  const BuildInfo build = build_info();
  return {.epoch = position.epoch,
          .step = position.step,
          .unix_seconds = now(),
          .version = build.version,
          .cpu = cpu_info().model,
          .instruction_set = build.instruction_set_here,
          .onednn = Engine::onednn_info().version,
          .threads = threads,
          .ranks = ranks,
          .precision = config.precision,
          .plan = to_string(training_plan.kind())};
}

EndRecord end_record(const std::string& end, const TrainingPosition& position) {
  return {.epoch = position.epoch,
          .step = position.step,
          .unix_seconds = now(),
          .total_seconds = position.seconds,
          .end = end,
          .error = {}};
}

EndRecord end_record(const Error& error, const TrainingPosition& position) {
  EndRecord record = end_record(kEndedByError, position);
  record.error = error.what();
  return record;
}

}  // namespace convmixer
