#include "plan/fused/product_choice.hpp"

#include "kernels/onednn/matrix_product.hpp"
#include "kernels/onednn/onednn.hpp"

namespace convmixer {

ProductKernels choose_products(kernels::Runtime& runtime, kernels::ElementType type, ProductKernels wanted) {
  if (wanted != ProductKernels::automatic) return wanted;
  if (type == kernels::ElementType::bf16 && !kernels::onednn_has_bf16()) return ProductKernels::hand_written;
  const kernels::PlannedProduct asked(
      runtime, {.rows = 128, .columns = 64, .inner = 256, .type = type, .a_stride = 256, .dst_stride = 64});
  const bool has_matrix_unit = asked.implementation().find("amx") != std::string::npos;
  return has_matrix_unit ? ProductKernels::onednn : ProductKernels::hand_written;
}

}  // namespace convmixer
