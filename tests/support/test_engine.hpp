/// The engine that the tests of a program share: OpenMP's team belongs to the process.
#pragma once

#include "convmixer/core/thread_pool.hpp"
#include "convmixer/plan/engine.hpp"

namespace convmixer::testing_support {

[[nodiscard]] inline Engine& test_engine() {
  static ThreadPool pool(2);
  static Engine engine(pool);
  return engine;
}

}  // namespace convmixer::testing_support
