// Every operation, forward and backward, against plain loops in double precision and their finite differences, over odd
// shapes, in every layout policy.
#include "convmixer/core/rng.hpp"
#include "convmixer/plan/plan.hpp"
#include "support/block_graph.hpp"
#include "support/reference_network.hpp"
#include "support/relative_error.hpp"
#include "support/test_engine.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

namespace convmixer {
namespace {

using testing_support::ReferenceNetwork;
using testing_support::relative_error;
using testing_support::test_engine;

// f32 sums of a few hundred products, each rounded to 6e-8 of the largest.
constexpr double kTolerance = 2e-5;
// oneDNN's batch norm adds up all of a channel's values in one f32 each, in backward nearly equal ones: what several
// norms leave of a gradient is further off.
constexpr double kOnednnTolerance = 1e-4;
// bf16 rounds inputs, weights and results to 4e-3 each; a gradient sees three of these.
constexpr double kBf16Tolerance = 3e-2;

constexpr LayoutPolicy kPolicies[] = {LayoutPolicy::automatic, LayoutPolicy::channels_last, LayoutPolicy::blocked};

struct Case {
  std::string name;
  std::int64_t batch;
  std::function<Graph()> make;
  bool distinct = false;  ///< no two values of the images are equal: of two largest ones either may get the gradient
};

Graph with_convolution(int channels, int size, int out_channels, int kernel, int stride, int groups, int begin,
                       int end) {
  Graph graph(channels, size, size);
  graph.convolution("conv", graph.input(), out_channels, kernel, stride, groups, begin, end);
  return graph;
}

Graph depthwise(int channels, int size, int kernel) {
  Graph graph(channels, size, size);
  graph.convolution_same("conv", graph.input(), channels, kernel, channels);
  return graph;
}

Graph with_layer_norm(int channels, int height, int width) {
  Graph graph(channels, height, width);
  graph.layer_norm("norm", graph.input());
  return graph;
}

/// Of tokens, and of what is left of an image.
void add_layer_norms(std::vector<Case>& list) {
  for (const int channels : {1, 8, 20, 40, 257}) {
    const std::string name = "layer_norm_c" + std::to_string(channels);
    list.push_back({name, 3, [=] { return with_layer_norm(channels, 3, 7); }});
    list.push_back({name + "_tokens", 2, [=] {
                      Graph graph(channels, 3, 5);
                      graph.layer_norm("norm", graph.to_tokens("tokens", graph.input()), 1e-5F);
                      return graph;
                    }});
    list.push_back({name + "_features", 3, [=] {
                      Graph graph(channels, 2, 2);
                      graph.layer_norm("norm", graph.global_average_pool("pool", graph.input()));
                      return graph;
                    }});
  }
  list.push_back({"layer_norm_of_many_pixels", 5, [] { return with_layer_norm(17, 8, 8); }});
  list.push_back({"layer_norm_between_convolutions", 2, [] {
                    Graph graph(3, 6, 6);
                    TensorId x = graph.convolution_same("a", graph.input(), 24, 3, 1);
                    x = graph.layer_norm("norm", graph.gelu("gelu", x));
                    graph.convolution_same("b", x, 20, 1, 1);
                    return graph;
                  }});
}

Graph without_bias(int channels, int size, int out_channels, int kernel, int stride, int groups) {
  Graph graph(channels, size, size);
  const int padding = (kernel - 1) / 2;
  graph.convolution("conv", graph.input(), out_channels, kernel, stride, groups, padding, padding, Bias::without);
  return graph;
}

Graph group_norm(int channels, int groups) {
  Graph graph(channels, 3, 5);
  graph.group_norm("norm", graph.input(), groups);
  return graph;
}

Graph max_pool(int channels, int size, int kernel, int stride, int padding) {
  Graph graph(channels, size, size + 1);
  graph.max_pool("pool", graph.input(), kernel, stride, padding);
  return graph;
}

/// A residual block whose branch is dropped for some images, and some of what follows.
Graph with_dropout() {
  Graph graph(20, 4, 4);
  TensorId x = graph.convolution("conv", graph.input(), 20, 3, 1, 1, 1, 1, Bias::without);
  x = graph.add("add", graph.drop_path("path", graph.batch_norm("norm", x), 0.4F), graph.input());
  x = graph.dropout("values", x, 0.3F);
  graph.linear("head", graph.dropout("features", graph.global_average_pool("pool", x), 0.25F), 3);
  return graph;
}

/// As in a ResNet, with stride 2. ReLU stands where bf16's rounding changes no sign, before which a gradient is all or
/// nothing.
Graph residual_block() {
  Graph graph(8, 7, 7);
  const TensorId x = graph.relu("relu0", graph.batch_norm("norm0", graph.input()));
  TensorId branch = graph.convolution("conv1", x, 24, 3, 2, 1, 1, 1, Bias::without);
  branch = graph.gelu("gelu", graph.batch_norm("norm1", branch));
  branch = graph.batch_norm("norm2", graph.convolution("conv2", branch, 24, 3, 1, 1, 1, 1, Bias::without));
  const TensorId shortcut =
      graph.batch_norm("norm3", graph.convolution("projection", x, 24, 1, 2, 1, 0, 0, Bias::without));
  graph.add("add", branch, shortcut);
  return graph;
}

void add_convnet_cases(std::vector<Case>& list) {
  list.push_back({"convolution_without_bias", 2, [] { return without_bias(20, 7, 24, 3, 1, 1); }});
  list.push_back({"convolution_without_bias_stride_2", 2, [] { return without_bias(3, 7, 20, 3, 2, 1); }});
  list.push_back({"depthwise_without_bias", 2, [] { return without_bias(20, 7, 20, 5, 1, 20); }});
  list.push_back({"grouped_without_bias", 2, [] { return without_bias(24, 6, 16, 3, 1, 4); }});
  list.push_back({"relu", 2, [] {
                    Graph graph(20, 3, 3);
                    graph.relu("relu", graph.input());
                    return graph;
                  }});
  list.push_back({"group_norm_of_all", 2, [] { return group_norm(20, 1); }});
  list.push_back({"group_norm_c20_g5", 3, [] { return group_norm(20, 5); }});
  list.push_back({"group_norm_c40_g4", 1, [] { return group_norm(40, 4); }});
  list.push_back({"group_norm_of_each", 2, [] { return group_norm(16, 16); }});
  list.push_back({"max_pool_k2", 2, [] { return max_pool(20, 7, 2, 2, 0); }, true});
  list.push_back({"max_pool_k3_s2_p1", 3, [] { return max_pool(8, 7, 3, 2, 1); }, true});
  list.push_back({"max_pool_k3_s1_p1", 1, [] { return max_pool(40, 4, 3, 1, 1); }, true});
  list.push_back({"dropout", 5, with_dropout});
  list.push_back({"residual_block", 3, residual_block});
}

/// A graph on tokens of `features` features, `height` x `width` of them.
Case on_tokens(std::string name, int features, int height, int width, std::function<void(Graph&, TensorId)> build) {
  return {std::move(name), 3, [=] {
            Graph graph(features, height, width);
            build(graph, graph.to_tokens("tokens", graph.input()));
            return graph;
          }};
}

void add_operations_on_tokens(std::vector<Case>& list) {
  list.push_back(on_tokens("tokens", 5, 3, 4, [](Graph& g, TensorId x) { g.add("twice", x, x); }));
  for (const int features : {3, 16, 40}) {
    const std::string size = "_d" + std::to_string(features);
    list.push_back(on_tokens("linear" + size, features, 3, 3, [](Graph& g, TensorId x) { g.linear("fc", x, 20); }));
    list.push_back(on_tokens("linear_without_bias" + size, features, 2, 3,
                             [](Graph& g, TensorId x) { g.linear("fc", x, 7, Bias::without); }));
    list.push_back(on_tokens("transpose" + size, features, 3, 7, [](Graph& g, TensorId x) { g.transpose("turn", x); }));
    list.push_back(on_tokens("token_gelu" + size, features, 3, 3, [](Graph& g, TensorId x) { g.gelu("gelu", x); }));
    list.push_back(on_tokens("token_mean" + size, features, 3, 3, [](Graph& g, TensorId x) { g.token_mean("m", x); }));
    list.push_back(on_tokens("class_token" + size, features, 2, 3,
                             [](Graph& g, TensorId x) { g.token_mean("m", g.class_token("class", x), 0, 4); }));
    list.push_back(on_tokens("position" + size, features, 2, 3,
                             [](Graph& g, TensorId x) { g.position_embedding("position", x); }));
  }
  list.push_back(on_tokens("some_tokens", 20, 3, 3, [](Graph& g, TensorId x) { g.token_mean("m", x, 1, 9); }));
  list.push_back(on_tokens("last_linear_without_bias", 20, 3, 3, [](Graph& g, TensorId x) {
    g.linear("head", g.token_mean("m", x, 0, 1), 7, Bias::without);
  }));
  list.push_back(on_tokens("token_mixing", 20, 3, 3, [](Graph& g, TensorId x) {
    TensorId y = g.transpose("turn", g.layer_norm("norm", x));
    y = g.linear("fc2", g.gelu("gelu", g.linear("fc1", y, 24)), 9);
    g.add("residual", x, g.transpose("back", y));
  }));
  list.push_back(on_tokens("channel_mixing", 20, 3, 3, [](Graph& g, TensorId x) {
    const TensorId y = g.linear("fc1", g.layer_norm("norm", x), 40);
    g.add("residual", x, g.linear("fc2", g.gelu("gelu", y), 20));
  }));
}

void add_attention(std::vector<Case>& list) {
  struct Sizes {
    int heads, features, tokens;
  };
  // More tokens than are taken at a time, and sizes around those of vectors.
  for (const auto& [heads, features, tokens] :
       {Sizes{1, 1, 1}, Sizes{2, 3, 5}, Sizes{3, 16, 17}, Sizes{1, 24, 16}, Sizes{2, 5, 130}}) {
    const std::string name =
        "attention_h" + std::to_string(heads) + "_f" + std::to_string(features) + "_t" + std::to_string(tokens);
    list.push_back(on_tokens(name, 3 * heads * features, tokens, 1,
                             [heads = heads](Graph& g, TensorId x) { g.attention("attention", x, heads); }));
  }
  list.push_back(on_tokens("attention_between_linear_layers", 20, 3, 4, [](Graph& g, TensorId x) {
    const TensorId y = g.attention("attention", g.linear("qkv", g.layer_norm("norm", x), 60), 4);
    g.add("residual", x, g.linear("proj", y, 20));
  }));
}

std::vector<Case> cases() {
  std::vector<Case> list;
  for (const int channels : {8, 20, 40}) {
    for (const int kernel : {2, 4, 5, 7, 9}) {
      list.push_back({"depthwise_c" + std::to_string(channels) + "_k" + std::to_string(kernel), 2,
                      [=] { return depthwise(channels, 7, kernel); }});
    }
    list.push_back({"pointwise_c" + std::to_string(channels), 1,
                    [=] { return with_convolution(channels, 5, channels, 1, 1, 1, 0, 0); }});
    list.push_back({"norm_c" + std::to_string(channels), 3, [=] {
                      Graph graph(channels, 3, 3);
                      graph.batch_norm("norm", graph.input());
                      return graph;
                    }});
  }
  list.push_back({"depthwise_kernel_larger_than_image", 1, [] { return depthwise(8, 3, 9); }});
  list.push_back({"patches_p2", 2, [] { return with_convolution(3, 6, 20, 2, 2, 1, 0, 0); }});
  list.push_back({"patches_not_dividing", 1, [] { return with_convolution(3, 11, 8, 3, 3, 1, 0, 0); }});
  list.push_back({"patches_one_channel", 2, [] { return with_convolution(1, 8, 40, 4, 4, 1, 0, 0); }});
  list.push_back({"norm_batch_1", 1, [] {
                    Graph graph(8, 4, 4);
                    graph.batch_norm("norm", graph.input());
                    return graph;
                  }});
  list.push_back({"gelu", 2, [] {
                    Graph graph(20, 3, 3);
                    graph.gelu("gelu", graph.input());
                    return graph;
                  }});
  list.push_back({"residual", 2, [] {
                    Graph graph(8, 5, 5);
                    const TensorId branch = graph.convolution_same("conv", graph.input(), 8, 3, 8);
                    graph.add("add", branch, graph.input());
                    return graph;
                  }});
  list.push_back({"pool_and_linear", 3, [] {
                    Graph graph(20, 3, 5);
                    graph.linear("head", graph.global_average_pool("pool", graph.input()), 7);
                    return graph;
                  }});
  add_layer_norms(list);
  add_operations_on_tokens(list);
  add_attention(list);
  list.push_back({"block", 2, [] { return testing_support::block_graph(24, 10, 5); }});
  add_convnet_cases(list);
  return list;
}

/// Gives all images other values that bf16 holds, from 2^-7 up and with both signs, in a random order.
void make_distinct(std::vector<float>& images, Rng& rng) {
  for (std::size_t i = 0; i < images.size(); ++i) {
    const float value = from_bf16(static_cast<std::uint16_t>(0x3c00U + i / 2));
    images[i] = i % 2 == 0 ? value : -value;
  }
  for (std::size_t i = images.size(); i > 1; --i)
    std::swap(images[i - 1], images[rng.below(static_cast<std::uint32_t>(i))]);
}

/// A graph with random parameters, statistics, images and output weights, planned in f32 or bf16.
struct Problem {
  Problem(const Case& of, PlanKind kind, Precision precision, LayoutPolicy policy)
      : graph(of.make()), parameters(graph), batch(of.batch) {
    Rng rng(7, RandomStream::initialisation, 0, 1);
    parameters.initialise(11);
    for (std::size_t id = 0; id < graph.parameters().size(); ++id) {
      const ParameterRole role = graph.parameters()[id].role;
      if (role == ParameterRole::weight || role == ParameterRole::bias) continue;
      for (float& value : parameters.value(static_cast<ParameterId>(id))) value += rng.uniform(-0.3F, 0.3F);
    }
    for (std::size_t id = 0; id < graph.statistics().size(); ++id) {
      for (float& value : parameters.statistic(static_cast<StatisticId>(id))) value += rng.uniform(0.0F, 0.5F);
    }
    // Values that bf16 holds exactly, so that both precisions see the same problem.
    const auto draw = [&](std::vector<float>& to, std::int64_t count) {
      to.resize(static_cast<std::size_t>(count));
      std::ranges::generate(to, [&] { return from_bf16(to_bf16(rng.normal())); });
    };
    draw(images, batch * graph.tensors()[0].count());
    if (of.distinct) make_distinct(images, rng);
    draw(output_weights, batch * graph.tensors().back().count());
    plan = std::make_unique<Plan>(graph, parameters, test_engine(),
                                  PlanOptions{.batch_size = batch,
                                              .precision = precision,
                                              .mode = PlanMode::training,
                                              .layout = policy,
                                              .kind = kind,
                                              .input_gradient = true});
  }

  Graph graph;
  Parameters parameters;
  std::int64_t batch;
  std::vector<float> images;
  std::vector<float> output_weights;
  std::unique_ptr<Plan> plan;
};

std::vector<double> widen(const std::vector<float>& values) { return {values.begin(), values.end()}; }

/// Compares a gradient with central differences of the reference: along a random direction, which every element of the
/// gradient has a part in, and at a few single elements.
class GradientCheck {
 public:
  GradientCheck(const Problem& problem, double tolerance)
      : problem_(problem),
        tolerance_(tolerance),
        reference_(problem.graph, problem.parameters),
        images_(widen(problem.images)) {}

  void run() {
    for (std::size_t id = 0; id < reference_.values.size(); ++id) {
      check(reference_.values[id], problem_.parameters.gradient(static_cast<ParameterId>(id)),
            problem_.graph.parameters()[id].name);
    }
    check(images_, problem_.plan->input_gradient(), "the images");
  }

 private:
  void check(std::vector<double>& values, std::span<const float> gradient, const std::string& name) {
    constexpr std::size_t kSingles = 6;
    std::vector<double> expected;
    std::vector<double> actual;
    for (std::size_t i = 0; i < std::min(kSingles, values.size()); ++i) {
      const std::size_t at = rng_.below(static_cast<std::uint32_t>(values.size()));
      expected.push_back(difference(values, [&](double step) { values[at] += step; }));
      actual.push_back(static_cast<double>(gradient[at]));
    }
    const double largest = static_cast<double>(
        std::abs(*std::ranges::max_element(gradient, [](float a, float b) { return std::abs(a) < std::abs(b); })));
    for (std::size_t i = 0; i < expected.size(); ++i) {
      EXPECT_NEAR(actual[i], expected[i], tolerance_ * largest) << "gradient of " << name;
    }

    // The elements' errors add up like a random walk: the signs of the direction are random.
    std::vector<double> direction(values.size());
    for (double& sign : direction) sign = rng_.below(2) == 0 ? -1.0 : 1.0;
    double along = 0.0;
    for (std::size_t i = 0; i < values.size(); ++i) along += direction[i] * static_cast<double>(gradient[i]);
    const double numerical = difference(values, [&](double step) {
      for (std::size_t i = 0; i < values.size(); ++i) values[i] += step * direction[i];
    });
    EXPECT_NEAR(along, numerical, tolerance_ * largest * 2.0 * std::sqrt(static_cast<double>(values.size())))
        << "gradient of " << name << " along a random direction";
  }

  /// d (sum_i output_weights[i] * output[i]) / d step by a central difference.
  template <typename Move>
  double difference(std::vector<double>& values, const Move& move) {
    constexpr double kStep = 1e-5;  // truncation and cancellation errors are both near 1e-10
    const std::vector<double> kept = values;
    move(kStep);
    const double above = objective();
    values = kept;
    move(-kStep);
    const double below = objective();
    values = kept;
    return (above - below) / (2.0 * kStep);
  }

  [[nodiscard]] double objective() const {
    const std::vector<double> output = reference_.forward(images_, problem_.batch, /*training=*/true);
    double sum = 0.0;
    for (std::size_t i = 0; i < output.size(); ++i) sum += static_cast<double>(problem_.output_weights[i]) * output[i];
    return sum;
  }

  const Problem& problem_;
  double tolerance_;
  ReferenceNetwork reference_;
  std::vector<double> images_;
  Rng rng_{3, RandomStream::initialisation};
};

void check(const Case& of, PlanKind kind, Precision precision, double tolerance) {
  for (const LayoutPolicy policy : kPolicies) {
    SCOPED_TRACE(of.name + ", layout policy " + std::to_string(static_cast<int>(policy)));
    Problem problem(of, kind, precision, policy);
    const ReferenceNetwork reference(problem.graph, problem.parameters);
    std::vector<std::vector<double>> moved;
    const std::vector<double> output = reference.forward(widen(problem.images), problem.batch, true, &moved);

    EXPECT_LE(relative_error(problem.plan->forward(problem.images), std::span<const double>(output)), tolerance);
    for (std::size_t id = 0; id < moved.size(); ++id) {
      EXPECT_LE(relative_error(std::span<const float>(problem.parameters.statistic(static_cast<StatisticId>(id))),
                               std::span<const double>(moved[id])),
                tolerance)
          << problem.graph.statistics()[id].name;
    }
    problem.plan->backward(problem.output_weights);
    GradientCheck(problem, tolerance).run();
  }
}

void check_inference(const Case& of, PlanKind kind, Precision precision, double tolerance) {
  for (const LayoutPolicy policy : kPolicies) {
    SCOPED_TRACE(of.name + ", layout policy " + std::to_string(static_cast<int>(policy)));
    Problem problem(of, kind, precision, policy);
    Plan plan(problem.graph, problem.parameters, test_engine(),
              {.batch_size = problem.batch,
               .precision = precision,
               .mode = PlanMode::inference,
               .layout = policy,
               .kind = kind});
    const std::vector<double> expected =
        ReferenceNetwork(problem.graph, problem.parameters).forward(widen(problem.images), problem.batch, false);
    EXPECT_LE(relative_error(plan.forward(problem.images), std::span<const double>(expected)), tolerance);
  }
}

/// Of plain plans, and of those of oneDNN's primitives alone.
class Operations : public testing::TestWithParam<std::tuple<Case, PlanKind>> {
 protected:
  void SetUp() override {
    if (kind_ == PlanKind::onednn && case_.name == "dropout") GTEST_SKIP() << "oneDNN draws no random numbers";
  }

  const Case& case_ = std::get<Case>(GetParam());
  const PlanKind kind_ = std::get<PlanKind>(GetParam());
};

TEST_P(Operations, F32MatchesPlainLoopsAndFiniteDifferences) {
  check(case_, kind_, Precision::f32, kind_ == PlanKind::onednn ? kOnednnTolerance : kTolerance);
}

TEST_P(Operations, Bf16MatchesPlainLoopsAndFiniteDifferences) {
  if (!Engine::has_instructions(Precision::bf16)) GTEST_SKIP() << "this CPU has no bf16 instructions";
  check(case_, kind_, Precision::bf16, kBf16Tolerance);
}

TEST_P(Operations, F32InferenceMatchesPlainLoops) { check_inference(case_, kind_, Precision::f32, kTolerance); }

TEST_P(Operations, Bf16InferenceMatchesPlainLoops) {
  if (!Engine::has_instructions(Precision::bf16)) GTEST_SKIP() << "this CPU has no bf16 instructions";
  check_inference(case_, kind_, Precision::bf16, kBf16Tolerance);
}

INSTANTIATE_TEST_SUITE_P(
    All, Operations, testing::Combine(testing::ValuesIn(cases()), testing::Values(PlanKind::plain, PlanKind::onednn)),
    [](const auto& one) { return std::get<Case>(one.param).name + "_" + to_string(std::get<PlanKind>(one.param)); });

}  // namespace
}  // namespace convmixer
