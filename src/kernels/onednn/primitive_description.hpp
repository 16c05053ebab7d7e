/// How primitives are described: the one place where oneDNN 2 (an operation description, then a primitive description)
/// and oneDNN 3 (a primitive description at once) differ, apart from arguments that one of them has and the other not.
#pragma once

#include "kernels/onednn/onednn_types.hpp"

#include <memory>

#if DNNL_VERSION_MAJOR >= 3
// v3: primitive_desc(engine, arguments..., [hint,] attributes)
#define CONVMIXER_DESCRIBE(operation, engine, attributes, ...) \
  dnnl::operation::primitive_desc((engine), __VA_ARGS__, (attributes))
#define CONVMIXER_DESCRIBE_BACKWARD(operation, engine, attributes, hint, ...) \
  dnnl::operation::primitive_desc((engine), __VA_ARGS__, (hint), (attributes))
#else
// v2: primitive_desc(desc(arguments...), attributes, engine [, hint])
#define CONVMIXER_DESCRIBE(operation, engine, attributes, ...) \
  dnnl::operation::primitive_desc(dnnl::operation::desc(__VA_ARGS__), (attributes), (engine))
#define CONVMIXER_DESCRIBE_BACKWARD(operation, engine, attributes, hint, ...) \
  dnnl::operation::primitive_desc(dnnl::operation::desc(__VA_ARGS__), (attributes), (engine), (hint))
#endif

namespace convmixer::kernels {

/// Working memory is the plan's, so that primitives allocate none and may share it.
[[nodiscard]] inline dnnl::primitive_attr user_scratchpad() {
  dnnl::primitive_attr attributes;
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  return attributes;
}

/// Wraps a primitive description; the kernel is compiled when the first Call needs it.
template <typename Operation, typename Description>
[[nodiscard]] Primitive wrap(const Description& description) {
  return Primitive(std::make_shared<Primitive::Impl>(
      Primitive::Impl{description.impl_info_str(), description.scratchpad_desc().get_size(),
                      [description] { return dnnl::primitive(Operation(description)); }}));
}

/// Runs `describe`, turning oneDNN's refusal into an Error that names the operation.
template <typename Describe>
auto describe_or_fail(const char* operation, const Layout& layout, Describe describe) {
  try {
    return describe();
  } catch (const dnnl::error& error) {
    fail("oneDNN {} has no {} for {} in {}: {}", onednn_version(), operation, layout.shape().to_string(),
         layout.type() == ElementType::f32 ? "f32" : "bf16", error.what());
  }
}

[[nodiscard]] inline dnnl::prop_kind forward_kind(bool training) {
  return training ? dnnl::prop_kind::forward_training : dnnl::prop_kind::forward_inference;
}

}  // namespace convmixer::kernels
