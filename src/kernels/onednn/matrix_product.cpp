#include "kernels/onednn/matrix_product.hpp"

#include "kernels/onednn/onednn_types.hpp"

namespace convmixer::kernels {

namespace {

std::vector<Argument> arguments_of(const Layout& a, const Layout& b, const Layout* bias, const Layout& dst) {
  std::vector<Argument> arguments{{Role::src, a, nullptr}, {Role::weights, b, nullptr}, {Role::dst, dst, nullptr}};
  if (bias != nullptr) arguments.push_back({Role::bias, *bias, nullptr});
  return arguments;
}

Call packing_call(Runtime& runtime, const PlannedProduct& product, const float* from, std::int64_t row_stride,
                  std::int64_t column_stride, void* to) {
  const OneThread one_thread(runtime);
  const Shape& shape = product.packed().shape();
  const Layout plain = strided_layout(shape[0], shape[1], ElementType::f32, row_stride, column_stride);
  const Primitive primitive = reorder(runtime, plain, product.packed());
  if (primitive.scratchpad_bytes() > 0) {
    fail("oneDNN {} wants {} bytes of working memory to reorder {}, expected none", onednn_version(),
         primitive.scratchpad_bytes(), shape.to_string());
  }
  return Call(runtime, primitive,
              {{Role::src, plain, const_cast<float*>(from)},  // oneDNN's interface knows no const
               {Role::dst, product.packed(), to}},
              nullptr);
}

}  // namespace

OneThread::OneThread(const Runtime& /*runtime*/) noexcept : threads_(onednn_threads()) { set_onednn_threads(1); }

OneThread::~OneThread() { set_onednn_threads(threads_); }

PlannedProduct::PlannedProduct(Runtime& runtime, const ProductProblem& problem, const Layout* packed)
    : has_bias_(problem.bias) {
  const OneThread one_thread(runtime);
  const ProductProblem& p = problem;
  a_ = p.transposed_a ? strided_layout(p.rows, p.inner, p.type, 1, p.a_stride)
                      : strided_layout(p.rows, p.inner, p.type, p.a_stride, 1);
  dst_ = strided_layout(p.rows, p.columns, ElementType::f32, p.dst_stride, 1);
  if (p.bias) bias_ = strided_layout(1, p.columns, ElementType::f32, p.columns, 1);
  const dnnl::memory::desc b = packed != nullptr ? descriptor(*packed)
                               : p.b_stride == 0
                                   ? any_descriptor({p.inner, p.columns}, p.type)
                                   : descriptor(strided_layout(p.inner, p.columns, p.type, p.b_stride, 1));
  primitive_ = strided_product(
      runtime, {.a = a_, .b = b, .bias = p.bias ? &bias_ : nullptr, .dst = dst_, .chosen_b = b_}, p.accumulate);
}

Product::Product(Runtime& runtime, const PlannedProduct& planned, void* scratchpad)
    : call_([&] {
        const OneThread one_thread(runtime);
        return Call(runtime, planned.primitive_,
                    arguments_of(planned.a_, planned.b_, planned.has_bias_ ? &planned.bias_ : nullptr, planned.dst_),
                    scratchpad);
      }()),
      has_bias_(planned.has_bias_) {}

void Product::run(const void* a, const void* b, const float* bias, float* dst) {
  // oneDNN's interface knows no const.
  call_.rebind(Role::src, const_cast<void*>(a));
  call_.rebind(Role::weights, const_cast<void*>(b));
  if (has_bias_) call_.rebind(Role::bias, const_cast<float*>(bias));
  call_.rebind(Role::dst, dst);
  call_.run();
}

Packing::Packing(Runtime& runtime, const PlannedProduct& product, const float* from, std::int64_t row_stride,
                 std::int64_t column_stride, void* to)
    : call_(packing_call(runtime, product, from, row_stride, column_stride, to)) {}

}  // namespace convmixer::kernels
