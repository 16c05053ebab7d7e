/// What plans are executed by, and what this CPU and its oneDNN can do.
#pragma once

#include "convmixer/core/precision.hpp"
#include "convmixer/core/thread_pool.hpp"
#include "convmixer/dist/communicator.hpp"

#include <memory>
#include <string>

namespace convmixer {

namespace kernels {
class Runtime;
}

/// The oneDNN that the program runs with.
struct OnednnInfo {
  std::string version;       ///< "2.6.3"
  std::string runtime;       ///< threading of its build: "OpenMP", "TBB", "sequential", "thread pool"
  std::string instructions;  ///< the best instruction set it will use
  bool caches_assumed;       ///< the CPU reports none, so it plans with usual sizes
};

/// Executes plans: on the threads of `pool`, which it borrows, and through oneDNN, whose engine and stream it owns.
/// Make one per process: it sets the number of oneDNN's own threads (OpenMP's), which belong to the process, and
/// flushes denormals to zero on all of them and on the calling thread. One thread at a time runs plans of an engine.
class Engine {
 public:
  /// `pool` must outlive the engine, and so must `ranks`: the processes that train together (null: this one alone).
  explicit Engine(ThreadPool& pool, Communicator* ranks = nullptr);
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  [[nodiscard]] static OnednnInfo onednn_info();
  /// Whether this CPU (as far as oneDNN may use it: ONEDNN_MAX_CPU_ISA) has instructions for the precision.
  [[nodiscard]] static bool has_instructions(Precision precision);
  /// Whether some plans can be computed in it: bf16 without instructions for it in fused plans alone, by those for f32,
  /// on x86 from AVX2 on.
  [[nodiscard]] static bool supports(Precision precision);

  [[nodiscard]] ThreadPool& pool() noexcept { return pool_; }
  /// What training plans add up over. One rank alone if no others were given.
  [[nodiscard]] Communicator& ranks() noexcept { return *ranks_; }

  /// How many threads plain plans run on: as many as the pool has, or fewer where OpenMP starts no more.
  [[nodiscard]] int plain_threads() const noexcept;
  /// "OMP_THREAD_LIMIT=1"; empty if they are as many as the pool's.
  [[nodiscard]] std::string why_fewer_plain_threads() const;

 private:
  friend kernels::Runtime& runtime_of(Engine& engine) noexcept;

  ThreadPool& pool_;
  std::unique_ptr<Communicator> alone_;  // if no others were given
  Communicator* ranks_;
  std::unique_ptr<kernels::Runtime> runtime_;
};

/// The precision a name asks for: "f32", "bf16", or "auto" (bf16 where the CPU has instructions for it). Throws Error
/// (usage) for any other name, and for bf16 where no plan can be computed in it.
[[nodiscard]] Precision choose_precision(const std::string& name);

}  // namespace convmixer
