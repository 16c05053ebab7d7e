#include "convmixer/plan/engine.hpp"

#include "convmixer/core/cpu.hpp"
#include "convmixer/core/error.hpp"
#include "kernels/fused/bf16_target.hpp"
#include "kernels/onednn/onednn.hpp"
#include "kernels/onednn/onednn_caches.hpp"

namespace convmixer {

Engine::Engine(ThreadPool& pool, Communicator* ranks)
    : pool_(pool),
      alone_(ranks == nullptr ? make_local_communicator() : nullptr),
      ranks_(ranks == nullptr ? alone_.get() : ranks),
      runtime_(std::make_unique<kernels::Runtime>(pool)) {}

Engine::~Engine() = default;

int Engine::plain_threads() const noexcept { return runtime_->threads(); }

std::string Engine::why_fewer_plain_threads() const { return runtime_->why_fewer_threads(); }

OnednnInfo Engine::onednn_info() {
  return {kernels::onednn_version(), kernels::onednn_threading(), kernels::onednn_instructions(),
          kernels::onednn_assumes_caches()};
}

bool Engine::has_instructions(Precision precision) { return precision == Precision::f32 || kernels::onednn_has_bf16(); }

bool Engine::supports(Precision precision) { return has_instructions(precision) || kernels::has_bf16_target(); }

Precision choose_precision(const std::string& name) {
  if (name == "f32") return Precision::f32;
  if (name == "auto") return Engine::has_instructions(Precision::bf16) ? Precision::bf16 : Precision::f32;
  if (name != "bf16") fail_usage("precision = {}: expected f32, bf16 or auto", name);
  if (!Engine::supports(Precision::bf16)) {
    fail_usage("precision = bf16: this CPU ({}) has neither instructions for bf16 nor AVX2; expected f32 or auto",
               cpu_info().model);
  }
  return Precision::bf16;
}

}  // namespace convmixer
