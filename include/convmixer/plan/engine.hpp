/// The oneDNN engine and the threads its primitives run on.
#pragma once

#include "convmixer/core/precision.hpp"
#include "convmixer/core/thread_pool.hpp"

#include <memory>
#include <optional>
#include <string>

namespace convmixer {

namespace kernels {
class Runtime;
}

struct OnednnInfo {
  std::string version;       ///< "2.6.3"
  std::string runtime;       ///< threading of its build: "OpenMP", "TBB", "sequential", "thread pool"
  std::string instructions;  ///< the best instruction set it will use
};

/// Executes plans. One per process: it sets oneDNN's thread count and flushes denormals on its workers.
class Engine {
 public:
  explicit Engine(ThreadPool& pool);
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  [[nodiscard]] static OnednnInfo onednn_info();
  /// Whether this CPU (as far as oneDNN may use it: ONEDNN_MAX_CPU_ISA) has instructions for the precision.
  [[nodiscard]] static bool supports(Precision precision);

  [[nodiscard]] ThreadPool& pool() noexcept { return pool_; }
  [[nodiscard]] kernels::Runtime& runtime() noexcept { return *runtime_; }

 private:
  ThreadPool& pool_;
  std::unique_ptr<kernels::Runtime> runtime_;
};

/// The precision a name asks for: "f32", "bf16", or "auto" (bf16 where supported). Throws Error (usage) for any
/// other name, and for bf16 on a CPU without bf16 instructions.
[[nodiscard]] Precision choose_precision(const std::string& name);

}  // namespace convmixer
