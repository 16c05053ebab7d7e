#include "optim/update_parts.hpp"

#include "convmixer/optim/optimizer.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <vector>

namespace convmixer {
namespace {

/// Biases and weights of 1 x 1 convolutions with these numbers of channels.
Graph graph_of(const std::vector<int>& channels) {
  Graph graph(1, 1, 1);
  TensorId x = graph.input();
  for (const int count : channels) x = graph.convolution("c" + std::to_string(x), x, count, 1, 1, 1, 0, 0);
  return graph;
}

TEST(UpdateParts, CoverEveryValueOnceInTheirOrder) {
  const Graph graph = graph_of({3, 200, 500, 7, 5000, 1});
  const UpdateParts parts(graph, all_parameters(graph));
  ParameterId id = 0;
  std::size_t next = 0;
  for (std::size_t task = 0; task < parts.tasks(); ++task) {
    for (const UpdatePart& part : parts.of_task(task)) {
      if (part.id != id) {
        EXPECT_EQ(next, static_cast<std::size_t>(graph.parameters()[static_cast<std::size_t>(id)].shape.count()));
        ++id;
        next = 0;
      }
      EXPECT_EQ(part.id, id);
      EXPECT_EQ(part.begin, next);
      next += part.count;
    }
  }
  EXPECT_EQ(id + 1, static_cast<ParameterId>(graph.parameters().size()));
  EXPECT_EQ(next, static_cast<std::size_t>(graph.parameters().back().shape.count()));
}

TEST(UpdateParts, MakeTasksOfAboutEqualWork) {
  const Graph graph = graph_of({3, 200, 500, 7, 5000, 1});
  const UpdateParts parts(graph, all_parameters(graph));
  ASSERT_GT(parts.tasks(), 5U);
  for (std::size_t task = 0; task < parts.tasks(); ++task) {
    std::size_t values = 0;
    for (const UpdatePart& part : parts.of_task(task)) values += part.count;
    EXPECT_LT(values, 2 * UpdateParts::kValues);
    EXPECT_TRUE(values >= UpdateParts::kValues || task + 1 == parts.tasks()) << values;
  }
}

TEST(UpdateParts, OfASmallNetworkAreOneTask) {
  const Graph graph = graph_of({3, 5});
  const UpdateParts parts(graph, all_parameters(graph));
  ASSERT_EQ(parts.tasks(), 1U);
  EXPECT_EQ(parts.of_task(0).size(), 4U);
}

}  // namespace
}  // namespace convmixer
