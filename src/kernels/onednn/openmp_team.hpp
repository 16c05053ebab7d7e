/// The team of threads that OpenMP gives oneDNN, which may be smaller than the one asked for.
///
/// oneDNN plans its primitives for as many threads as OpenMP says it will start. Where a team comes out smaller,
/// because OMP_THREAD_LIMIT, OMP_MAX_ACTIVE_LEVELS or OMP_DYNAMIC say so, or inside another parallel region, primitives
/// whose threads wait for each other wait for ever, and others leave parts of their results out. So a team is tried
/// before anything is planned for it.
#pragma once

#include <string>

namespace convmixer::kernels {

/// Teams of the OpenMP library that oneDNN has brought along (libgomp, libiomp5, libomp).
class OpenmpTeam {
 public:
  /// Asks for `wanted` threads and finds out how many come; they flush denormals from then on. Where there is no OpenMP
  /// with GCC's interface a team has one thread.
  explicit OpenmpTeam(int wanted);

  [[nodiscard]] int threads() const noexcept { return threads_; }
  /// "OMP_THREAD_LIMIT=1"; empty if the team has as many threads as wanted.
  [[nodiscard]] const std::string& why_fewer() const noexcept { return why_fewer_; }

  /// Makes OpenMP start, and oneDNN expect, teams of threads() from the calling thread: such settings are a thread's
  /// own, and what else the thread does may change them. Throws Error if it gets a smaller team.
  void prepare_caller() const;

  /// fn(data) on every thread of a team; the caller is one of them. The team may be smaller than threads().
  void run(void (*fn)(void*), void* data) const;

 private:
  int threads_ = 1;
  std::string why_fewer_;
};

/// Where the calling thread is in the team that it runs in.
struct TeamPlace {
  int number;
  int team;  ///< how many there are
};
[[nodiscard]] TeamPlace place_in_team() noexcept;

/// How many threads oneDNN takes when the calling thread makes or runs a primitive; 1 where there is no OpenMP.
[[nodiscard]] int openmp_threads() noexcept;
void set_openmp_threads(int threads) noexcept;

}  // namespace convmixer::kernels
