#include "plan/plain/kernel_operands.hpp"

#include "plan/engine_runtime.hpp"
#include "support/error_of.hpp"
#include "support/test_engine.hpp"

#include <gtest/gtest.h>

#include <array>
#include <string>

namespace convmixer {
namespace {

using kernels::ElementType;
using kernels::Format;
using kernels::Layout;
using testing_support::error_of;
using testing_support::test_engine;

/// As the structs that kernels take.
struct Memory {
  const float* src;
  void* dst;
  double* working;
};

/// A builder that is at the node "gelu".
class KernelOperandsOfANode : public testing::Test {
 protected:
  KernelOperandsOfANode() : graph_(one_node()), parameters_(graph_) { builder_.begin_forward(graph_.nodes()[0]); }

  static Graph one_node() {
    Graph graph(8, 2, 2);
    graph.gelu("gelu", graph.input());
    return graph;
  }

  BufferId tensor(ElementType type) { return builder_.add_buffer(Layout(Shape{16}, type, Format::plain)); }

  Graph graph_;
  Parameters parameters_;
  const PlanOptions options_;
  Builder builder_{graph_, parameters_, runtime_of(test_engine()), options_};
  KernelOperands<Memory> operands_{builder_};
};

TEST_F(KernelOperandsOfANode, PointTheNamedArgumentsAtTheBuffers) {
  const BufferId src = tensor(ElementType::f32);
  const BufferId dst = tensor(ElementType::bf16);
  const BufferId working = builder_.add_working_memory(3);
  Memory seen{};
  KernelStep step = operands_.bind(&Memory::working, working)
                        .bind(&Memory::src, src)
                        .bind(&Memory::dst, dst)
                        .call([&seen](const Memory& memory) { seen = memory; });

  std::array<double, 3> memory{};
  for (const auto& [buffer, point] : step.operands) point(&memory[static_cast<std::size_t>(buffer - src)]);
  step.run();
  EXPECT_EQ(static_cast<const void*>(seen.src), &memory[0]);
  EXPECT_EQ(static_cast<const void*>(seen.dst), &memory[1]);
  EXPECT_EQ(static_cast<const void*>(seen.working), &memory[2]);
}

TEST_F(KernelOperandsOfANode, RefuseBf16WhereTheKernelReadsFloats) {
  const BufferId bf16 = tensor(ElementType::bf16);
  EXPECT_EQ(std::string(error_of([&] { operands_.bind(&Memory::src, bf16); }).what()),
            "gelu: an argument of its kernel is bound to a buffer of another type, expected f32");
}

TEST_F(KernelOperandsOfANode, RefuseWorkingMemoryInATensorsPlace) {
  const BufferId working = builder_.add_working_memory(3);
  EXPECT_EQ(std::string(error_of([&] { operands_.bind(&Memory::src, working); }).what()),
            "gelu: an argument of its kernel is bound to a buffer of another type, expected f32");
}

TEST_F(KernelOperandsOfANode, RefuseATensorInWorkingMemorysPlace) {
  const BufferId f32 = tensor(ElementType::f32);
  EXPECT_EQ(std::string(error_of([&] { operands_.bind(&Memory::working, f32); }).what()),
            "gelu: an argument of its kernel is bound to a tensor, expected working memory");
}

TEST_F(KernelOperandsOfANode, RefuseToLeaveAnArgumentUnbound) {
  operands_.bind(&Memory::src, tensor(ElementType::f32));
  EXPECT_EQ(std::string(error_of([&] { static_cast<void>(operands_.call([](const Memory&) {})); }).what()),
            "gelu: 2 arguments of its kernel are bound to no buffer, expected none");
}

}  // namespace
}  // namespace convmixer
