#include "convmixer/core/aligned_buffer.hpp"
#include "peaks/peak.hpp"
#include "plan/engine_runtime.hpp"
#include "support/test_engine.hpp"

#include <gtest/gtest.h>

namespace convmixer::perf {
namespace {

using testing_support::test_engine;

TEST(MemoryPeak, RunsTheTriadOverEveryElement) {
  for (const std::size_t count : {std::size_t{5}, std::size_t{16}, std::size_t{1000}, std::size_t{300'001}}) {
    for (const bool past_caches : {false, true}) {
      AlignedBuffer a(count * sizeof(float));
      std::vector<float> b(count);
      std::vector<float> c(count);
      for (std::size_t i = 0; i < count; ++i) {
        b[i] = static_cast<float>(i);
        c[i] = static_cast<float>(2 * i + 1);
      }
      stream_triad(runtime_of(test_engine()), a.as<float>(), b, c, 0.5F, past_caches);
      for (std::size_t i = 0; i < count; ++i) ASSERT_EQ(a.as<float>()[i], b[i] + 0.5F * c[i]) << i << " of " << count;
    }
  }
}

TEST(MemoryPeak, IsPositiveAndSaysHow) {
  const Bandwidth peak = memory_peak(runtime_of(test_engine()), std::chrono::duration<double>(0.0));
  EXPECT_GT(peak.bytes, 1e6);
  EXPECT_NE(peak.implementation.find("caches"), std::string::npos);
}

}  // namespace
}  // namespace convmixer::perf
