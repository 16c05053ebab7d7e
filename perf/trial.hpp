/// One operation made ready to run: its tensors, the steps that it consists of, what it costs, and what its results
/// must be. An operation (operation.hpp) is a function that fills one of these.
#pragma once

#include "convmixer/plan/engine.hpp"
#include "cost.hpp"
#include "plan/plain/convolution_choice.hpp"
#include "setting.hpp"
#include "tensor.hpp"

#include <deque>
#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace convmixer::perf {

/// A setting with what a plan of that network would choose: the order of activations, the layouts of convolutions.
class PlannedSetting {
 public:
  PlannedSetting(Engine& engine, const Setting& setting);

  kernels::Runtime& runtime;
  ThreadPool& pool;
  Setting setting;
  ConvolutionChoice choice;
  kernels::Format order;  ///< of activations
};

class Trial {
 public:
  explicit Trial(const PlannedSetting& planned) : planned_(planned) {}
  Trial(const Trial&) = delete;
  Trial& operator=(const Trial&) = delete;

  [[nodiscard]] kernels::Runtime& runtime() const noexcept { return planned_.runtime; }
  /// What fused stages run on.
  [[nodiscard]] ThreadPool& pool() const noexcept { return planned_.pool; }
  [[nodiscard]] const Setting& setting() const noexcept { return planned_.setting; }
  [[nodiscard]] const ConvolutionChoice& choice() const noexcept { return planned_.choice; }
  /// Activations of the network, in the plan's order; in the setting's type, or in another.
  [[nodiscard]] kernels::Layout activations() const { return activations(setting().type); }
  [[nodiscard]] kernels::Layout activations(kernels::ElementType type) const;

  // Tensors live as long as the trial. The bytes of inputs and outputs are the operation's traffic.

  const Tensor& input(const kernels::Layout& layout, Range range = {});
  const Tensor& output(const kernels::Layout& layout);
  /// What an operation needs besides: not counted.
  const Tensor& working(const kernels::Layout& layout);
  /// f32 (count), as biases and statistics are.
  const Tensor& input_vector(std::int64_t count, Range range = {});
  const Tensor& output_vector(std::int64_t count);

  // Steps, in the order in which they run.

  void run(const kernels::Primitive& primitive, const std::vector<std::pair<kernels::Role, const Tensor*>>& arguments);
  /// A hand-written kernel; `name` says which implementation it is.
  void run(const std::string& name, std::function<void()> kernel);
  /// `from` in another layout: itself, or the working memory that a step of this trial converts it to.
  const Tensor& converted(const Tensor& from, const kernels::Layout& to);

  // What it is.

  void count(double flops, Unit unit);
  /// Traffic that isn't that of inputs and outputs.
  void count_bytes(double bytes) { cost_.bytes += bytes; }
  /// The value a result must have at any place: a plain loop's, in double. Some places are compared.
  void expect(const Tensor& result, std::function<double(const Index& index)> value);
  /// Any other check after a run; throws Error.
  void expect(std::function<void()> check) { checks_.push_back(std::move(check)); }

  [[nodiscard]] const Cost& cost() const noexcept { return cost_; }
  /// "brgconv_1x1:avx512_core", or several, "jit:uni + hand-written".
  [[nodiscard]] const std::string& implementation() const noexcept { return implementation_; }
  /// Memory that a run touches.
  [[nodiscard]] std::size_t footprint() const;

  /// Inside Runtime::execute.
  void execute() {
    for (const std::function<void()>& step : steps_) step();
  }
  /// Runs it once and compares its results. Throws Error naming the place, what was found and what was expected.
  void check();

 private:
  void add_step(const std::string& name, std::function<void()> step);

  const PlannedSetting& planned_;
  std::deque<Tensor> tensors_;
  std::deque<AlignedBuffer> scratchpads_;
  std::vector<std::function<void()>> steps_;
  std::vector<std::function<void()>> checks_;
  std::string implementation_;
  Cost cost_;
};

}  // namespace convmixer::perf
