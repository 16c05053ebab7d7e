#include "convmixer/plan/engine.hpp"

#include "convmixer/core/cpu.hpp"
#include "convmixer/core/error.hpp"
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

bool Engine::supports(Precision precision) { return precision == Precision::f32 || kernels::onednn_has_bf16(); }

Precision choose_precision(const std::string& name) {
  if (name == "f32") return Precision::f32;
  if (name == "auto") return Engine::supports(Precision::bf16) ? Precision::bf16 : Precision::f32;
  if (name != "bf16") fail_usage("precision = {}: expected f32, bf16 or auto", name);
  if (!Engine::supports(Precision::bf16)) {
    fail_usage(
        "precision = bf16: this CPU ({}) has no bf16 instructions that oneDNN may use (best: {}); expected avx512_bf16 "
        "or amx_bf16. Use f32 or auto",
        cpu_info().model, kernels::onednn_instructions());
  }
  return Precision::bf16;
}

}  // namespace convmixer
