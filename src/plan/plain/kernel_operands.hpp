/// The arguments of a hand-written kernel, bound to buffers by their names.
#pragma once

#include "plan/plain/builder.hpp"
#include "plan/plain/step_list.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <memory>
#include <type_traits>
#include <utility>
#include <vector>

namespace convmixer {

/// Binds every pointer of `Arguments`, the struct of pointers that a kernel takes, to a buffer:
///
///   KernelOperands<BatchNormForward>(builder)
///       .bind(&BatchNormForward::src, src)
///       ...
///       .call([](const BatchNormForward& memory) { ... });
///
/// What is bound wrongly is found when the plan is made: a pointer to floats takes a buffer of f32, one to doubles
/// working memory, one to void any type (the kernel is told which), and call() wants every pointer bound. Once buffers
/// have addresses the pointers are set, so that a step is a plain call.
template <typename Arguments>
class KernelOperands {
 public:
  explicit KernelOperands(const Builder& builder) : builder_(builder) {}

  template <typename T>
  KernelOperands& bind(T* Arguments::*pointer, BufferId buffer) {
    using Element = std::remove_const_t<T>;
    if constexpr (std::is_same_v<Element, float>) builder_.expect_type(buffer, kernels::ElementType::f32);
    if constexpr (std::is_same_v<Element, double>) builder_.expect_working_memory(buffer);
    operands_.push_back({buffer, [arguments = arguments_, pointer](void* address) {
                           (*arguments).*pointer = static_cast<T*>(address);
                         }});
    return *this;
  }

  /// The step that calls kernel(arguments).
  template <typename Kernel>
  [[nodiscard]] KernelStep call(Kernel kernel) {
    expect_all_bound();
    return {[arguments = arguments_, kernel = std::move(kernel)] { kernel(std::as_const(*arguments)); },
            std::move(operands_)};
  }

 private:
  void expect_all_bound() const {
    static_assert(std::is_trivially_copyable_v<Arguments> && sizeof(Arguments) % sizeof(void*) == 0);
    std::byte somewhere{};
    for (const KernelStep::Operand& operand : operands_) operand.point(&somewhere);
    const auto pointers = std::bit_cast<std::array<const void*, sizeof(Arguments) / sizeof(void*)>>(*arguments_);
    builder_.expect_bound(std::ranges::count(pointers, nullptr));
    *arguments_ = {};
  }

  const Builder& builder_;
  std::shared_ptr<Arguments> arguments_ = std::make_shared<Arguments>();
  std::vector<KernelStep::Operand> operands_;
};

}  // namespace convmixer
