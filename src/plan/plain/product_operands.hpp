/// Which tensors are read by products of matrices: in a bf16 plan they are bf16, the others f32.
#pragma once

#include "plan/plain/builder.hpp"

namespace convmixer {

/// Whether a tensor has a dimension for tokens, (N, T, D).
[[nodiscard]] bool has_tokens(const Builder& builder, TensorId tensor);

/// The type for the values of a tensor of tokens, or of what is left of them: the plan's if all that reads it
/// multiplies it by weights or with itself, else f32.
[[nodiscard]] kernels::ElementType token_type(const Builder& builder, TensorId tensor);

/// The type in which the node that has put a tensor out wants its gradient: the plan's for products, else that of
/// `given`.
[[nodiscard]] kernels::ElementType gradient_type(const Builder& builder, TensorId tensor, BufferId given);

}  // namespace convmixer
