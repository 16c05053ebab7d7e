// What oneDNN runs for the networks that configs/ describes: nothing that falls back to generic code. Registered with
// CTest for several instruction sets (ONEDNN_MAX_CPU_ISA).
#include "convmixer/plan/plan.hpp"
#include "convmixer/train/config.hpp"
#include "plan/execution_options.hpp"
#include "plan/fused/stage_chain.hpp"
#include "plan/plain/convolution_choice.hpp"
#include "support/test_engine.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <set>
#include <sstream>
#include <string>
#include <tuple>
#include <vector>

namespace convmixer {
namespace {

using testing_support::test_engine;

/// Set before oneDNN reads it: it then prints a line for each primitive that is made, whatever plans say of themselves.
const bool kVerbose = [] { return setenv("ONEDNN_VERBOSE", "2", 1) == 0; }();

/// What is printed while it lives.
class Printed {
 public:
  Printed() { testing::internal::CaptureStdout(); }
  ~Printed() {
    if (!taken_) testing::internal::GetCapturedStdout();  // a test has thrown
  }
  Printed(const Printed&) = delete;
  Printed& operator=(const Printed&) = delete;
  std::string take() {
    taken_ = true;
    return testing::internal::GetCapturedStdout();
  }

 private:
  bool taken_ = false;
};

/// A primitive that oneDNN has made: "matmul", "brg:avx512_core" and "16x256:256x10:16x10".
struct Made {
  std::string kind;
  std::string implementation;
  std::string problem;
  friend auto operator<=>(const Made&, const Made&) = default;
};

/// From oneDNN's lines, whose fields are "onednn_verbose", ..., "create:...", "cpu", kind, implementation, ...,
/// problem, time.
std::set<Made> primitives_made(const std::string& output) {
  std::set<Made> all;
  std::istringstream lines(output);
  for (std::string line; std::getline(lines, line);) {
    std::vector<std::string> fields;
    std::istringstream rest(line);
    for (std::string field; std::getline(rest, field, ',');) fields.push_back(field);
    for (std::size_t i = 1; i + 4 < fields.size(); ++i) {
      if (fields[i] != "cpu" || !fields[i - 1].starts_with("create")) continue;
      all.insert({fields[i + 1], fields[i + 2], fields[fields.size() - 2]});
    }
  }
  return all;
}

const std::filesystem::path kConfigurations = CONVMIXER_SOURCE_DIR "/configs";

std::vector<std::string> shipped_configurations() {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(kConfigurations)) {
    names.push_back(entry.path().stem().string());
  }
  std::ranges::sort(names);
  return names;
}

using Parameter = std::tuple<std::string, PlanKind, Precision>;

std::string name_of(const testing::TestParamInfo<Parameter>& info) {
  const auto& [configuration, kind, precision] = info.param;
  std::string name =
      configuration + "_" + (kind == PlanKind::fused ? "fused" : "plain") + "_" + std::string(to_string(precision));
  for (char& c : name) c = c == '-' ? '_' : c;
  return name;
}

/// Whether oneDNN's gemm may stand for a primitive: for a product of matrices, which it is made for. (A convolution by
/// gemm makes an image into columns first.)
bool may_be_gemm(const Made& one) { return one.kind == "matmul" || one.kind == "inner_product"; }

Graph graph_of(const TrainConfig& config) {
  ClassificationTask task;
  if (config.image_size > 0) task.image_size = config.image_size;
  return make_graph(with_task(config.model, task));
}

Graph shipped_graph(const std::string& configuration) {
  return graph_of(read_config(kConfigurations / (configuration + ".ini")));
}

class Implementations : public testing::TestWithParam<Parameter> {
 protected:
  void SetUp() override {
    ASSERT_TRUE(kVerbose);
    if (!Engine::has_instructions(std::get<Precision>(GetParam()))) GTEST_SKIP() << "no bf16 instructions here";
    const std::string& configuration = std::get<std::string>(GetParam());
    std::string why_not;
    if (std::get<PlanKind>(GetParam()) == PlanKind::fused &&
        !find_stage_chain(shipped_graph(configuration), &why_not)) {
      GTEST_SKIP() << why_not;
    }
    if (!instructions_.starts_with("avx2") && !instructions_.starts_with("avx512")) {
      GTEST_SKIP() << "oneDNN has nothing but generic code for some convolutions without AVX2";
    }
  }

  const std::string instructions_ = Engine::onednn_info().instructions;
};

void expect_no_generic_code(const Parameter& parameter, ProductKernels products) {
  const auto& [configuration, kind, precision] = parameter;
  const Graph graph = shipped_graph(configuration);
  Parameters parameters(graph);
  Printed printed;
  const Plan plan =
      make_plan(graph, parameters, test_engine(), {{.batch_size = 16, .precision = precision, .kind = kind}, products});
  const std::set<Made> made = primitives_made(printed.take());
  const std::vector<PlannedStep> steps = plan.steps();
  const bool all_hand_written =
      std::ranges::all_of(steps, [](const PlannedStep& step) { return step.implementation == "hand-written"; });
  EXPECT_EQ(made.empty(), all_hand_written) << "oneDNN told of " << made.size() << " primitives";
  for (const Made& one : made) {
    const std::string what = one.kind + " " + one.problem + ": " + one.implementation;
    EXPECT_NE(classify_implementation(one.implementation), ImplementationClass::reference) << what;
    if (may_be_gemm(one)) continue;
    EXPECT_NE(classify_implementation(one.implementation), ImplementationClass::gemm) << what;
  }
  // What plans say of themselves is true.
  for (const PlannedStep& step : steps) {
    if (step.implementation == "hand-written") continue;
    EXPECT_TRUE(std::ranges::any_of(made, [&](const Made& one) { return one.implementation == step.implementation; }))
        << step.node << ", " << step.operation << " " << step.direction << ": " << step.implementation;
  }
}

TEST_P(Implementations, AreNeverGenericCode) { expect_no_generic_code(GetParam(), ProductKernels::automatic); }

// Which fused plans run where there is a matrix unit. (Below AVX-512 they would be gemm.)
TEST_P(Implementations, OfOneDnnsProductsAreNeverGenericCode) {
  if (std::get<PlanKind>(GetParam()) != PlanKind::fused) GTEST_SKIP() << "plain plans have no choice";
  if (!instructions_.starts_with("avx512")) GTEST_SKIP() << "hand-written products are chosen here";
  expect_no_generic_code(GetParam(), ProductKernels::onednn);
}

INSTANTIATE_TEST_SUITE_P(All, Implementations,
                         testing::Combine(testing::ValuesIn(shipped_configurations()),
                                          testing::Values(PlanKind::fused, PlanKind::plain),
                                          testing::Values(Precision::f32, Precision::bf16)),
                         name_of);

}  // namespace
}  // namespace convmixer
