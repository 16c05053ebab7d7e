#include "plan/plain/convolution_choice.hpp"

#include "convmixer/core/error.hpp"

#include <optional>
#include <utility>
#include <vector>

namespace convmixer {

using kernels::ConvolutionProblem;
using kernels::ElementType;
using kernels::Format;
using kernels::Layout;
using kernels::PlannedConvolution;

ImplementationClass classify_implementation(const std::string& name) {
  const auto contains = [&](const char* part) { return name.find(part) != std::string::npos; };
  if (name.starts_with("ref") || contains(":ref")) return ImplementationClass::reference;
  if (name.starts_with("gemm") || contains(":gemm")) return ImplementationClass::gemm;
  if (contains("amx")) return ImplementationClass::matrix_unit;
  return ImplementationClass::vector;
}

namespace {

/// Keeps the best of what is offered: by class, then by the fewer conversions, then the first.
class Best {
 public:
  void offer(std::optional<PlannedConvolution> candidate, int conversions) {
    if (!candidate) return;
    const auto quality = std::pair(classify_implementation(candidate->primitive.implementation()), -conversions);
    if (best_ && quality <= quality_) return;
    best_ = std::move(candidate);
    quality_ = quality;
  }

  [[nodiscard]] bool empty() const { return !best_.has_value(); }

  PlannedConvolution take(const std::string& node, const char* direction, const ConvolutionProblem& problem) {
    if (!best_) {
      fail("{}: oneDNN {} has no {} convolution from {} to {}, kernel {}, {} groups", node, kernels::onednn_version(),
           direction, problem.src.to_string(), problem.dst.to_string(), problem.kernel, problem.groups);
    }
    return std::move(*best_);
  }

 private:
  std::optional<PlannedConvolution> best_;
  std::pair<ImplementationClass, int> quality_{};
};

/// The same order for another shape; `other` has no name to ask for.
Layout like(const Shape& shape, ElementType type, Format format) {
  return {shape, type, format == Format::other ? Format::any : format};
}

int conversions(const Layout& have, const Layout& want) { return have == want ? 0 : 1; }

}  // namespace

ConvolutionChoice::ConvolutionChoice(kernels::Runtime& runtime, LayoutPolicy policy, ElementType type)
    : runtime_(runtime), policy_(policy), type_(type) {
  if (policy != LayoutPolicy::blocked) return;
  // Below AVX-512 oneDNN has nothing but its reference for blocks of 16.
  preferred_ = kernels::onednn_instructions().starts_with("avx512") ? Format::blocked16 : Format::blocked8;
}

Layout ConvolutionChoice::any(const Shape& shape) const { return {shape, type_, Format::any}; }

void ConvolutionChoice::set_heaviest(const ConvolutionProblem& problem) {
  if (policy_ != LayoutPolicy::automatic) return;
  const auto planned =
      convolution_forward(runtime_, problem, any(problem.src), Layout(problem.dst, ElementType::f32, Format::any));
  if (planned && planned->dst.format() != Format::other) preferred_ = planned->dst.format();
}

PlannedConvolution ConvolutionChoice::forward(const std::string& node, const ConvolutionProblem& problem,
                                              const Layout& src, bool fixed_src) const {
  const auto preferred_src = like(problem.src, type_, preferred_);
  const auto preferred_dst = like(problem.dst, ElementType::f32, preferred_);
  Best best;
  if (fixed_src) {
    best.offer(convolution_forward(runtime_, problem, like(problem.src, type_, src.format()),
                                   like(problem.dst, ElementType::f32, src.format())),
               0);
  }
  best.offer(convolution_forward(runtime_, problem, preferred_src, preferred_dst), 1);
  // A first layer of three channels has kernels of its own, which take no blocked input.
  best.offer(convolution_forward(runtime_, problem, any(problem.src), preferred_dst), 1);
  if (policy_ == LayoutPolicy::automatic || best.empty()) {
    best.offer(
        convolution_forward(runtime_, problem, any(problem.src), Layout(problem.dst, ElementType::f32, Format::any)),
        2);
  }
  return best.take(node, "forward", problem);
}

PlannedConvolution ConvolutionChoice::backward_data(const std::string& node, const ConvolutionProblem& problem,
                                                    const Layout& src, const Layout& dst) const {
  Best best;
  best.offer(convolution_backward_data(runtime_, problem, like(problem.src, type_, src.format()),
                                       like(problem.dst, type_, dst.format())),
             0);
  if (policy_ == LayoutPolicy::automatic || best.empty()) {
    best.offer(convolution_backward_data(runtime_, problem, any(problem.src), any(problem.dst)), 2);
  }
  return best.take(node, "backward data", problem);
}

PlannedConvolution ConvolutionChoice::backward_weights(const std::string& node, const ConvolutionProblem& problem,
                                                       const Layout& src, const Layout& dst) const {
  // For grouped convolutions that no hand-written kernel takes: oneDNN's nhwc code is its best, f32 beats bf16 twice
  // over there (38 against 85 ms for (64, 256, 16, 16), k = 5), and blocked layouts fall to the reference (1,500 ms).
  const ElementType type = problem.groups > 1 ? ElementType::f32 : type_;
  Best best;
  const auto offer = [&](const Layout& candidate_src, const Layout& candidate_dst) {
    auto planned = convolution_backward_weights(runtime_, problem, candidate_src, candidate_dst);
    const int cost = planned ? conversions(src, planned->src) + conversions(dst, planned->dst) : 0;
    best.offer(std::move(planned), cost);
  };
  offer(like(problem.src, type, src.format()), like(problem.dst, type, dst.format()));
  offer(Layout(problem.src, type, Format::any), Layout(problem.dst, type, Format::any));
  offer(Layout(problem.src, type, Format::channels_last), Layout(problem.dst, type, Format::channels_last));
  return best.take(node, "backward weights", problem);
}

}  // namespace convmixer
