/// oneDNN behind plain types: this folder alone includes dnnl.hpp, and alone knows version 2 from version 3.
///
/// A Layout says how a tensor lies in memory. A Primitive is an operation that oneDNN has chosen an implementation for;
/// it says which layouts it wants. A Call is a primitive bound to memory, ready to run again and again.
#pragma once

#include "convmixer/core/shape.hpp"
#include "convmixer/core/thread_pool.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace convmixer::kernels {

enum class ElementType { f32, bf16 };

/// Orders of (N, C, H, W) in memory. `plain` is row-major for any rank; `any` leaves the choice to oneDNN; `other` is
/// anything oneDNN may choose that has no name here.
enum class Format { plain, channels_last, blocked16, blocked8, any, other };

[[nodiscard]] const char* to_string(Format format) noexcept;

/// Shape, element type and order of a tensor. A value; copies share the description.
class Layout {
 public:
  Layout() = default;
  /// blocked16 and blocked8 round the channels up; the padding holds zeros.
  Layout(const Shape& shape, ElementType type, Format format);

  [[nodiscard]] const Shape& shape() const noexcept { return shape_; }
  [[nodiscard]] ElementType type() const noexcept { return type_; }
  [[nodiscard]] Format format() const noexcept { return format_; }
  /// Memory it takes, padding included.
  [[nodiscard]] std::size_t bytes() const;
  /// Same shape, type and order.
  friend bool operator==(const Layout& a, const Layout& b);

  struct Descriptor;
  explicit Layout(std::shared_ptr<const Descriptor> descriptor);
  [[nodiscard]] const Descriptor& descriptor() const noexcept { return *descriptor_; }

 private:
  Shape shape_;
  ElementType type_ = ElementType::f32;
  Format format_ = Format::any;
  std::shared_ptr<const Descriptor> descriptor_;
};

class OpenmpTeam;

/// The CPU engine, its stream, and the threads that oneDNN may use.
class Runtime {
 public:
  explicit Runtime(ThreadPool& pool);
  ~Runtime();
  Runtime(const Runtime&) = delete;
  Runtime& operator=(const Runtime&) = delete;

  /// Runs `body`, which executes calls, where oneDNN finds the pool's threads.
  void execute(const std::function<void()>& body);

  /// Tells the calling thread's OpenMP, if that is what oneDNN runs on, how many threads plans are made for: before
  /// primitives are made; execute() does it too. Throws Error if the thread can't have as many.
  void prepare_caller();

  /// How many threads oneDNN runs on: the pool's number, or as many as OpenMP starts of that.
  [[nodiscard]] int threads() const noexcept;
  /// "OMP_THREAD_LIMIT=1"; empty if they are as many as the pool's.
  [[nodiscard]] std::string why_fewer_threads() const;

  /// Runs body(i) for i in [0, count) on the threads that oneDNN uses, the caller among them: a second pool would fight
  /// with OpenMP's workers, which spin for a while after each primitive. Each takes iterations until none is left,
  /// however many come. The body must not throw.
  template <typename Body>
  void parallel_for(std::int64_t count, const Body& body) {
    run_parallel(
        count, [](const void* context, std::int64_t i) { (*static_cast<const Body*>(context))(i); }, &body);
  }

  /// Runs body(thread) for thread in [0, threads()), on the thread of oneDNN's team with that number where it can.
  template <typename Body>
  void for_each_thread(const Body& body) {
    run_on_threads([](const void* context, int thread) { (*static_cast<const Body*>(context))(thread); }, &body);
  }

  struct Handles;
  [[nodiscard]] Handles& handles() noexcept { return *handles_; }

 private:
  using Body = void (*)(const void* context, std::int64_t i);
  void run_parallel(std::int64_t count, Body body, const void* context);
  using ThreadBody = void (*)(const void* context, int thread);
  void run_on_threads(ThreadBody body, const void* context);

  ThreadPool& pool_;
  std::unique_ptr<OpenmpTeam> openmp_;  // null where oneDNN doesn't run on OpenMP
  std::unique_ptr<Handles> handles_;
};

/// "2.6.3".
[[nodiscard]] std::string onednn_version();
/// The threading oneDNN was built with: "OpenMP", "TBB", "sequential" or "thread pool".
[[nodiscard]] std::string onednn_threading();
/// The best instruction set oneDNN will use on this CPU, ONEDNN_MAX_CPU_ISA considered: "avx512_core_bf16".
[[nodiscard]] std::string onednn_instructions();
/// Whether oneDNN has native bf16 instructions here; without them it emulates bf16, slower than f32.
[[nodiscard]] bool onednn_has_bf16();

/// An operation with the implementation oneDNN chose.
class Primitive {
 public:
  struct Impl;
  Primitive() = default;
  explicit Primitive(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}

  /// oneDNN's name for it: "jit:avx512_core", "brgconv_1x1:avx512_core_amx_bf16", "ref:any".
  [[nodiscard]] const std::string& implementation() const noexcept;
  [[nodiscard]] std::size_t scratchpad_bytes() const noexcept;
  [[nodiscard]] Impl& impl() const noexcept { return *impl_; }

 private:
  std::shared_ptr<Impl> impl_;
};

/// What a tensor is to a primitive.
enum class Role {
  src,
  summand0,
  summand1,
  second,
  weights,
  bias,
  dst,
  diff_src,
  diff_weights,
  diff_bias,
  diff_dst,
  scale,
  shift,
  mean,
  variance,
  diff_scale,
  diff_shift,
  workspace,
};

struct Argument {
  Role role;
  Layout layout;
  void* data;
};

/// A primitive bound to memory. Running it makes no allocation of ours.
class Call {
 public:
  Call(Runtime& runtime, const Primitive& primitive, const std::vector<Argument>& arguments, void* scratchpad);
  ~Call();
  Call(Call&&) noexcept;
  Call& operator=(Call&&) noexcept;

  /// Inside Runtime::execute. Throws Error with the implementation's name if oneDNN reports a failure.
  void run();
  /// Points one argument at other memory of the same layout.
  void rebind(Role role, void* data);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// A 2-d convolution. Shapes are (N, C, H, W).
struct ConvolutionProblem {
  Shape src;
  Shape dst;
  int kernel;
  int stride;
  int groups;
  int padding_begin;
  int padding_end;
  bool training;
  bool with_bias = true;

  /// (O, I, KH, KW), or (G, O / G, I / G, KH, KW) when grouped: the same bytes.
  [[nodiscard]] Shape weights() const;
};

/// A planned convolution in one direction, with the layouts that it wants. In backward directions src, weights and dst
/// stand for their gradients where those are what is computed or given.
struct PlannedConvolution {
  Primitive primitive;
  Layout src;
  Layout weights;
  Layout dst;
};

/// Each returns nothing when oneDNN has no implementation for these layouts. `any` formats are chosen by oneDNN;
/// weights always are. Bias and its gradient, where the problem has one, are f32 (O); the weights' gradient is f32.
[[nodiscard]] std::optional<PlannedConvolution> convolution_forward(Runtime& runtime, const ConvolutionProblem& problem,
                                                                    const Layout& src, const Layout& dst);
[[nodiscard]] std::optional<PlannedConvolution> convolution_backward_data(Runtime& runtime,
                                                                          const ConvolutionProblem& problem,
                                                                          const Layout& diff_src,
                                                                          const Layout& diff_dst);
[[nodiscard]] std::optional<PlannedConvolution> convolution_backward_weights(Runtime& runtime,
                                                                             const ConvolutionProblem& problem,
                                                                             const Layout& src, const Layout& diff_dst);

/// GELU (erf); src and dst share a layout. backward: diff_src = diff_dst * gelu'(src).
[[nodiscard]] Primitive gelu_forward(Runtime& runtime, const Layout& layout, bool training);
[[nodiscard]] Primitive gelu_backward(Runtime& runtime, const Layout& layout);

/// max(src, 0); src and dst share a layout, and may share memory. backward: diff_src = diff_dst where dst > 0, else 0.
[[nodiscard]] Primitive relu_forward(Runtime& runtime, const Layout& layout, bool training);
[[nodiscard]] Primitive relu_backward(Runtime& runtime, const Layout& layout);

/// oneDNN's batch norm, all tensors of one layout, scale to variance f32 (C). Plain and fused plans have one of their
/// own (batch_norm.hpp says why); this is what it is measured against. Training writes mean and (biased) variance,
/// inference reads them.
[[nodiscard]] Primitive batch_norm_forward(Runtime& runtime, const Layout& layout, float epsilon, bool training);
/// Reads src, mean, variance, scale, diff_dst, and wants some shift; writes diff_src, diff_scale, diff_shift. Without
/// `of_batch` mean and variance don't depend on src.
[[nodiscard]] Primitive batch_norm_backward(Runtime& runtime, const Layout& layout, float epsilon,
                                            bool of_batch = true);

/// oneDNN's layer norm of rows (R, D), f32 and row-major; mean and (biased) variance are (R), scale and shift (D).
/// Plain plans have one of their own (layer_norm.hpp says why). Forward writes mean and variance; backward reads src,
/// mean, variance, scale and diff_dst, wants some shift, and writes diff_src, diff_scale and diff_shift.
[[nodiscard]] Primitive layer_norm_forward(Runtime& runtime, const Layout& rows, float epsilon);
[[nodiscard]] Primitive layer_norm_backward(Runtime& runtime, const Layout& rows, float epsilon);

/// dst = (src - mean) / sqrt(variance + epsilon) by channel of (N, C, H, W), with mean and (biased) variance (C), which
/// forward writes. backward reads src, mean, variance and diff_dst, and writes diff_src.
[[nodiscard]] Primitive normalisation_forward(Runtime& runtime, const Layout& layout, float epsilon);
[[nodiscard]] Primitive normalisation_backward(Runtime& runtime, const Layout& layout, float epsilon);

/// dst = src + second or src * second; `second` has extent 1 where it is the same for all of a dimension. dst has src's
/// layout and may be it.
[[nodiscard]] Primitive broadcast_add(Runtime& runtime, const Layout& layout, const Layout& second);
[[nodiscard]] Primitive broadcast_multiply(Runtime& runtime, const Layout& layout, const Layout& second);
/// dst is the sum of src over the dimensions of which it has extent 1.
[[nodiscard]] Primitive reduce_sum(Runtime& runtime, const Layout& src, const Layout& dst);

/// dst = factor src + addend, in src's layout; dst may be src.
[[nodiscard]] Primitive scale_and_shift(Runtime& runtime, const Layout& layout, float factor, float addend);

/// The same memory with the last two dimensions swapped.
[[nodiscard]] Layout transposed(const Layout& layout);
/// The same memory's values from `first` on in each dimension, `shape` of them.
[[nodiscard]] Layout part_of(const Layout& layout, const Shape& shape, const Shape& first);
/// Part number `part` of the `parts` that lie side by side in each of the tokens (N, T, parts H F), as (N, H, T, F):
/// the same memory.
[[nodiscard]] Layout heads_of(const Layout& tokens, int heads, int parts, int part);

/// dst = src weights, of all matrices of the last two dimensions.
[[nodiscard]] Primitive matrix_products(Runtime& runtime, const Layout& src, const Layout& weights, const Layout& dst);
/// Over the last dimension. backward reads dst and diff_dst, and writes diff_src.
[[nodiscard]] Primitive softmax_forward(Runtime& runtime, const Layout& layout, bool training);
[[nodiscard]] Primitive softmax_backward(Runtime& runtime, const Layout& layout);

/// dst = summand0 + summand1, all of one layout; dst may be summand0.
[[nodiscard]] Primitive add(Runtime& runtime, const Layout& layout);
/// dst = weight0 summand0 + weight1 summand1, as add.
[[nodiscard]] Primitive weighted_sum(Runtime& runtime, const Layout& layout, float weight0, float weight1);

/// Mean over H and W: (N, C, H, W) to (N, C, 1, 1) in the same order.
[[nodiscard]] Primitive average_pool_forward(Runtime& runtime, const Layout& src, const Layout& dst, bool training);
[[nodiscard]] Primitive average_pool_backward(Runtime& runtime, const Layout& diff_src, const Layout& diff_dst);

/// The largest value of each window of (N, C, H, W).
struct MaxPoolProblem {
  int kernel;
  int stride;
  int padding;
  bool training;
};
struct PlannedMaxPool {
  Primitive primitive;
  Layout dst;
  std::optional<Layout> workspace;  ///< in training: written by forward, read by backward; its element type is oneDNN's
};
/// dst's format may be `any`.
[[nodiscard]] PlannedMaxPool max_pool_forward(Runtime& runtime, const MaxPoolProblem& problem, const Layout& src,
                                              const Layout& dst);
[[nodiscard]] PlannedMaxPool max_pool_backward(Runtime& runtime, const MaxPoolProblem& problem, const Layout& diff_src,
                                               const Layout& diff_dst);

/// y = x W^T + b with x (N, I), y (N, O) plain and bias f32, if there is one; weights in oneDNN's layout.
struct PlannedLinear {
  Primitive primitive;
  Layout weights;
};
[[nodiscard]] PlannedLinear linear_forward(Runtime& runtime, const Layout& src, const Layout& dst, bool training,
                                           bool with_bias = true);
[[nodiscard]] PlannedLinear linear_backward_data(Runtime& runtime, const Layout& diff_src, const Layout& diff_dst);
/// The weights' gradient is f32.
[[nodiscard]] PlannedLinear linear_backward_weights(Runtime& runtime, const Layout& src, const Layout& diff_dst,
                                                    bool with_bias = true);

/// dst (M, N) = src (M, K) times a matrix (K, N) in oneDNN's layout and src's type.
struct PlannedMatrixProduct {
  Primitive primitive;
  Layout weights;
};
[[nodiscard]] PlannedMatrixProduct matrix_product(Runtime& runtime, const Layout& src, const Layout& dst);

/// Copies between layouts and element types of one shape (or of shapes with the same bytes for plain tensors).
[[nodiscard]] Primitive reorder(Runtime& runtime, const Layout& from, const Layout& to);

}  // namespace convmixer::kernels
