#include "data/augment/image_operation.hpp"

#include "data/augment/pixel_operations.hpp"

#include <algorithm>

namespace convmixer {

std::string_view to_string(OperationKind kind) {
  switch (kind) {
    case OperationKind::identity:
      return "identity";
    case OperationKind::shear_x:
      return "shear-x";
    case OperationKind::shear_y:
      return "shear-y";
    case OperationKind::translate_x:
      return "translate-x";
    case OperationKind::translate_y:
      return "translate-y";
    case OperationKind::rotate:
      return "rotate";
    case OperationKind::brightness:
      return "brightness";
    case OperationKind::saturation:
      return "saturation";
    case OperationKind::contrast:
      return "contrast";
    case OperationKind::sharpness:
      return "sharpness";
    case OperationKind::posterize:
      return "posterize";
    case OperationKind::solarize:
      return "solarize";
    case OperationKind::solarize_add:
      return "solarize-add";
    case OperationKind::invert:
      return "invert";
    case OperationKind::auto_contrast:
      return "auto-contrast";
    case OperationKind::equalize:
      return "equalize";
  }
  return "";
}

void apply(const ImageOperation& operation, const ConstImage& image, std::span<const std::uint8_t> fill,
           const Image& out) {
  const double value = operation.value;
  const auto transform_by = [&](const AffineMatrix& matrix) {
    transform(image, matrix, operation.interpolation, fill, out);
  };
  switch (operation.kind) {
    case OperationKind::identity:
      std::copy_n(image.pixels, image.shape.bytes(), out.pixels);
      return;
    case OperationKind::shear_x:
      return transform_by({1.0, value, 0.0, 0.0, 1.0, 0.0});
    case OperationKind::shear_y:
      return transform_by({1.0, 0.0, 0.0, value, 1.0, 0.0});
    case OperationKind::translate_x:
      return transform_by({1.0, 0.0, value, 0.0, 1.0, 0.0});
    case OperationKind::translate_y:
      return transform_by({1.0, 0.0, 0.0, 0.0, 1.0, value});
    case OperationKind::rotate:
      return transform_by(rotation(value, image.shape));
    case OperationKind::brightness:
      return adjust_brightness(image, static_cast<float>(value), out);
    case OperationKind::saturation:
      return adjust_saturation(image, static_cast<float>(value), out);
    case OperationKind::contrast:
      return adjust_contrast(image, static_cast<float>(value), out);
    case OperationKind::sharpness:
      return adjust_sharpness(image, static_cast<float>(value), out);
    case OperationKind::posterize:
      return posterize(image, static_cast<int>(value), out);
    case OperationKind::solarize:
      return solarize(image, static_cast<float>(value), out);
    case OperationKind::solarize_add:
      return solarize_add(image, static_cast<int>(value), out);
    case OperationKind::invert:
      return invert(image, out);
    case OperationKind::auto_contrast:
      return auto_contrast(image, out);
    case OperationKind::equalize:
      return equalize(image, out);
  }
}

}  // namespace convmixer
