#include "trial.hpp"

#include "convmixer/core/error.hpp"
#include "convmixer/core/rng.hpp"
#include "plan/engine_runtime.hpp"

#include <algorithm>
#include <cmath>
#include <memory>

namespace convmixer::perf {

using kernels::Call;
using kernels::ElementType;
using kernels::Format;
using kernels::Layout;
using kernels::Primitive;
using kernels::Role;

namespace {

ConvolutionChoice choice_for(kernels::Runtime& runtime, const Setting& setting) {
  ConvolutionChoice choice(runtime, setting.layout, setting.type);
  choice.set_heaviest(setting.pointwise());
  return choice;
}

/// First, last, and random ones between; all if they are few.
std::vector<std::int64_t> sampled_elements(std::int64_t count) {
  constexpr std::int64_t kSamples = 128;
  std::vector<std::int64_t> elements;
  if (count <= kSamples) {
    for (std::int64_t i = 0; i < count; ++i) elements.push_back(i);
    return elements;
  }
  elements = {0, count - 1};
  Rng rng(1, RandomStream::synthetic_data);
  while (static_cast<std::int64_t>(elements.size()) < kSamples) {
    elements.push_back(static_cast<std::int64_t>(static_cast<double>(rng.uniform()) * static_cast<double>(count)));
  }
  return elements;
}

std::string place(const Index& index, const Shape& shape) {
  Shape at;
  for (int axis = 0; axis < shape.rank(); ++axis) at.push_back(index[static_cast<std::size_t>(axis)]);
  return at.to_string();
}

/// Values are compared relative to the largest expected one, as sums of many products of both signs come out small.
void compare(const Tensor& result, const std::function<double(const Index&)>& value) {
  // f32 sums of up to a million products; bf16 results are rounded by 4e-3.
  const double tolerance = result.layout().type() == ElementType::f32 ? 1e-4 : 8e-3;
  const AlignedBuffer read = result.read();
  const auto found = read.as<float>();
  const Shape& shape = result.shape();
  for (std::int64_t i = 0; i < shape.count(); ++i) {
    if (std::isfinite(found[static_cast<std::size_t>(i)])) continue;
    fail("result of shape {}: found {} at {}, expected a finite number", shape.to_string(),
         found[static_cast<std::size_t>(i)], place(index_of(i, shape), shape));
  }
  const std::vector<std::int64_t> elements = sampled_elements(shape.count());
  std::vector<double> expected;
  double largest = 0.0;
  for (const std::int64_t element : elements) {
    expected.push_back(value(index_of(element, shape)));
    largest = std::max(largest, std::abs(expected.back()));
  }
  for (std::size_t i = 0; i < elements.size(); ++i) {
    const auto actual = static_cast<double>(found[static_cast<std::size_t>(elements[i])]);
    if (std::abs(actual - expected[i]) <= tolerance * largest) continue;
    fail("result of shape {}: found {} at {}, expected {}", shape.to_string(), actual,
         place(index_of(elements[i], shape), shape), expected[i]);
  }
}

}  // namespace

PlannedSetting::PlannedSetting(Engine& engine, const Setting& setting_in)
    : runtime(runtime_of(engine)),
      pool(engine.pool()),
      setting(setting_in),
      choice(choice_for(runtime, setting)),
      order(Format::any) {
  const Layout any(setting.activations(), setting.type, Format::any);
  order = choice.forward("pointwise", setting.pointwise(), any, /*fixed_src=*/false).src.format();
}

Layout Trial::activations(ElementType type) const { return {setting().activations(), type, planned_.order}; }

const Tensor& Trial::input(const Layout& layout, Range range) {
  const auto seed = static_cast<std::uint32_t>(tensors_.size()) + 1;
  const Tensor& tensor = tensors_.emplace_back(runtime(), layout, seed, range);
  count_bytes(tensor.bytes());
  return tensor;
}

const Tensor& Trial::output(const Layout& layout) {
  const Tensor& tensor = tensors_.emplace_back(runtime(), layout);
  count_bytes(tensor.bytes());
  return tensor;
}

const Tensor& Trial::working(const Layout& layout) { return tensors_.emplace_back(runtime(), layout); }

const Tensor& Trial::input_vector(std::int64_t count, Range range) {
  return input(Layout({count}, ElementType::f32, Format::plain), range);
}

const Tensor& Trial::output_vector(std::int64_t count) {
  return output(Layout({count}, ElementType::f32, Format::plain));
}

void Trial::add_step(const std::string& name, std::function<void()> step) {
  implementation_ += implementation_.empty() ? name : " + " + name;
  steps_.push_back(std::move(step));
}

void Trial::run(const Primitive& primitive, const std::vector<std::pair<Role, const Tensor*>>& arguments) {
  std::vector<kernels::Argument> bound;
  for (const auto& [role, tensor] : arguments) bound.push_back({role, tensor->layout(), tensor->data()});
  void* scratchpad = scratchpads_.emplace_back(primitive.scratchpad_bytes()).data();
  const auto call = std::make_shared<Call>(runtime(), primitive, bound, scratchpad);
  add_step(primitive.implementation(), [call] { call->run(); });
}

void Trial::run(const std::string& name, std::function<void()> kernel) { add_step(name, std::move(kernel)); }

const Tensor& Trial::converted(const Tensor& from, const Layout& to) {
  if (from.layout() == to) return from;
  const Tensor& result = working(to);
  run(kernels::reorder(runtime(), from.layout(), to), {{Role::src, &from}, {Role::dst, &result}});
  return result;
}

void Trial::count(double flops, Unit unit) {
  cost_.flops += flops;
  cost_.unit = unit;
}

void Trial::expect(const Tensor& result, std::function<double(const Index& index)> value) {
  checks_.emplace_back([&result, value = std::move(value)] { compare(result, value); });
}

std::size_t Trial::footprint() const {
  std::size_t bytes = 0;
  for (const Tensor& tensor : tensors_) bytes += tensor.layout().bytes();
  return std::max(bytes, static_cast<std::size_t>(cost_.bytes));  // of operations on other memory than tensors
}

void Trial::check() {
  runtime().execute([this] { execute(); });
  for (const std::function<void()>& check : checks_) check();
}

}  // namespace convmixer::perf
