#include "convmixer/model/freeze.hpp"

#include "convmixer/core/error.hpp"
#include "convmixer/model/convmixer.hpp"
#include "support/error_of.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace convmixer {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing_support::error_of;

Graph network(int depth = 12) { return make_convmixer({.dim = 4, .depth = depth, .kernel_size = 3, .patch_size = 4}); }

TEST(Freeze, KnowsTheStemEachBlockAndTheHead) {
  EXPECT_THAT(parts_of(network(2)), ElementsAre("stem", "blocks.0", "blocks.1", "head"));
  EXPECT_EQ(describe_parts(parts_of(network())), "stem, blocks.0-11, head");
  EXPECT_EQ(describe_parts({"blocks.1", "blocks.3", "blocks.4"}), "blocks.1, blocks.3-4");
}

TEST(Freeze, TakesPartsRangesAndAllBlocks) {
  const Graph graph = network();
  EXPECT_THAT(frozen_parts(graph, "stem"), ElementsAre("stem"));
  EXPECT_THAT(frozen_parts(graph, "head, blocks.3,blocks.9-11"),
              ElementsAre("blocks.3", "blocks.9", "blocks.10", "blocks.11", "head"));
  EXPECT_EQ(frozen_parts(graph, "blocks").size(), 12U);
  EXPECT_THAT(frozen_parts(graph, "stem,stem,blocks.0-0"), ElementsAre("stem", "blocks.0"));
  EXPECT_TRUE(frozen_parts(graph, "").empty());
}

TEST(Freeze, RefusesWhatThereIsNot) {
  const Graph graph = network();
  for (const char* list : {"blocks.12", "blocks.9-12", "blocks.3-1", "blocks.", "blocks.-1", "foo", "stem,", ",",
                           "stem.0", "blocks.1-", "Stem"}) {
    const Error error = error_of([&] { (void)frozen_parts(graph, list); });
    EXPECT_EQ(error.kind(), ErrorKind::usage);
    EXPECT_THAT(error.what(), HasSubstr("expected some of stem, blocks.0-11, head")) << list;
  }
  EXPECT_THAT(error_of([&] { (void)frozen_parts(graph, "stem,blocks,head"); }).what(),
              HasSubstr("nothing would be left to train"));
}

TEST(Freeze, FreezesParametersAndNormsOfThoseAlone) {
  Graph graph = network(2);
  freeze(graph, "stem,blocks.1");
  for (const Parameter& parameter : graph.parameters())
    EXPECT_EQ(parameter.frozen, parameter.name.starts_with("stem.") || parameter.name.starts_with("blocks.1."));
  int frozen_norms = 0;
  for (const Node& node : graph.nodes())
    if (const auto* norm = std::get_if<BatchNorm>(&node.operation)) frozen_norms += norm->frozen ? 1 : 0;
  EXPECT_EQ(frozen_norms, 3);
  EXPECT_LT(trained_parameter_count(graph), parameter_count(graph));
  EXPECT_EQ(graph.nodes()[first_trained_node(graph)].name, "blocks.0.0.fn.0");
}

}  // namespace
}  // namespace convmixer
