#include "kernels/onednn/onednn_caches.hpp"

#include "kernels/onednn/reorder_check.hpp"
#include "plan/engine_runtime.hpp"
#include "support/error_of.hpp"
#include "support/test_engine.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <dlfcn.h>
#include <vector>

namespace convmixer::kernels {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing_support::error_of;
using testing_support::test_engine;

TEST(OnednnCaches, AreWhatOnednnFindsWhereItFindsSome) {
  constexpr unsigned kFirstLevel = 32U << 10U;
  EXPECT_EQ(cache_bytes_per_core(1, kFirstLevel, kFirstLevel), kFirstLevel);
  EXPECT_EQ(cache_bytes_per_core(3, kFirstLevel, 0), 0U) << "a CPU without a third level";
}

TEST(OnednnCaches, AreAssumedWhereItFindsNone) {
  for (const unsigned found : {0U, 1U}) {
    EXPECT_EQ(cache_bytes_per_core(1, found, found), 32U << 10U);
    EXPECT_EQ(cache_bytes_per_core(2, found, found), 512U << 10U);
    EXPECT_EQ(cache_bytes_per_core(3, found, found), 1U << 20U);
  }
}

TEST(OnednnCaches, AreAskedForHere) {
  constexpr const char* kAsked = "_ZN4dnnl4impl3cpu8platform23get_per_core_cache_sizeEi";
  if (::dlsym(RTLD_NEXT, kAsked) == nullptr) GTEST_SKIP() << "this oneDNN asks nobody else";
  EXPECT_NE(::dlsym(RTLD_DEFAULT, kAsked), ::dlsym(RTLD_NEXT, kAsked));
  expect_cache_sizes();
}

TEST(Reorders, LoseNoWeights) {
  for (const std::int64_t channels : {8, 16, 40, 72, 257}) {
    const Shape shape{channels, channels, 1, 1};
    const Layout plain(shape, ElementType::f32, Format::plain);
    for (const Format format : {Format::channels_last, Format::blocked8, Format::blocked16}) {
      const Layout other(shape, ElementType::f32, format);
      expect_faithful_reorder(runtime_of(test_engine()), plain, other);
      expect_faithful_reorder(runtime_of(test_engine()), other, plain);
      expect_faithful_reorder(runtime_of(test_engine()), plain, Layout(shape, ElementType::bf16, format));
    }
  }
}

TEST(Reorders, AreRefusedIfTheyLoseValues) {
  EXPECT_EQ(lost_values(std::vector<float>{1, 2, 3, 3}, std::vector<float>{3, 0, 1, 3, 2, 0}), 0U);
  EXPECT_EQ(lost_values(std::vector<float>{1, 2, 3, 3}, std::vector<float>{3, 0, 1, 0, 9, -1}), 2U);
  const Shape shape{2, 2};
  expect_none_lost(shape, 0);
  const Error error = error_of([&] { expect_none_lost(shape, 2); });
  EXPECT_EQ(error.kind(), ErrorKind::failure);
  EXPECT_THAT(error.what(), AllOf(HasSubstr("oneDNN"), HasSubstr("2 of 4 values are lost"), HasSubstr("--plan fused")));
}

}  // namespace
}  // namespace convmixer::kernels
