#include "data/augment/image_pipeline.hpp"

#include "convmixer/core/error.hpp"
#include "convmixer/core/plural.hpp"

#include <algorithm>
#include <array>
#include <cassert>
#include <cmath>
#include <utility>

namespace convmixer {

namespace {

/// An operation that was drawn, and what it fills with.
struct Drawn {
  ImageOperation operation;
  std::span<const std::uint8_t> fill;
};

/// The operations for one image, in order, without identities.
class Drawing {
 public:
  void add(const ImageOperation& operation, std::span<const std::uint8_t> fill) {
    if (operation.kind != OperationKind::identity) drawn_[count_++] = {operation, fill};
  }
  [[nodiscard]] std::span<const Drawn> operations() const { return std::span(drawn_).first(count_); }

 private:
  static constexpr int kMost = RandAugmentOptions::kMostOperations + TimmAugmentOptions::kMostOperations + 3;
  std::array<Drawn, kMost> drawn_;
  std::size_t count_ = 0;
};

bool draw_flip(const Augmentation& augmentation, const ImageKey& key, Rng& rng) {
  if (!augmentation.horizontal_flip) return false;
  if (!augmentation.alternating_flip) return rng.below(2) == 1;
  Rng first_epoch(key.seed, RandomStream::alternating_flip, 0, key.index);
  return (first_epoch.below(2) + key.epoch) % 2 == 1;
}

/// timm's fill: the data set's mean colour.
std::vector<std::uint8_t> mean_colour(const Normalisation& normalisation) {
  std::vector<std::uint8_t> colour;
  for (const float mean : normalisation.mean)
    colour.push_back(static_cast<std::uint8_t>(std::clamp(std::nearbyint(255.0F * mean), 0.0F, 255.0F)));
  return colour;
}

/// A length of an image in one that was reduced: at least a pixel.
int reduced_length(int length, int from, int to) {
  if (from == to) return length;
  return std::max(1, static_cast<int>(std::lround(static_cast<double>(length) * to / from)));
}

}  // namespace

ImagePipeline::ImagePipeline(const Augmentation& augmentation, const Normalisation& normalisation,
                             const ImageShape& shape)
    : augmentation_(augmentation),
      shape_(shape),
      normaliser_(normalisation),
      black_(static_cast<std::size_t>(shape.channels), 0),
      mean_colour_(mean_colour(normalisation)) {
  check_augmentation(augmentation, shape);
  if (normaliser_.channels() != shape.channels)
    fail_usage("normalisation: found {}, expected one for each of the images' {}",
               counted(normaliser_.channels(), "mean"), counted(shape.channels, "channel"));
  if (augmentation.rand_augment.operations > 0) rand_augment_.emplace(augmentation.rand_augment.magnitude, shape);
  if (augmentation.timm_augment.operations > 0) timm_augment_.emplace(augmentation.timm_augment, shape);
  if (!augmentation.resized_crop.is_on()) return;

  resize_bytes_ = resize_working_bytes(shape.height, shape.width);
  for (const ResizeFilter filter : {ResizeFilter::bilinear, ResizeFilter::bicubic}) {
    using Choice = ResizedCropOptions::Filter;
    if (augmentation.resized_crop.filter == (filter == ResizeFilter::bilinear ? Choice::bicubic : Choice::bilinear))
      continue;
    std::vector<ResizeWeights>& all = weights_[static_cast<std::size_t>(filter)];
    for (int length = 1; length <= shape.height; ++length) all.emplace_back(length, shape.height, filter);
    if (shape.width == shape.height) continue;
    for (int length = 1; length <= shape.width; ++length) all.emplace_back(length, shape.width, filter);
  }
}

void ImagePipeline::augment(std::span<const std::uint8_t> image, const ImageKey& key, std::span<std::uint8_t> working,
                            std::span<std::uint8_t> out) const {
  assert(image.size() == shape_.bytes() && out.size() == image.size() && working.size() >= working_bytes());
  Rng rng(key.seed, RandomStream::augmentation, key.epoch, key.index);
  const CropDraw crop_draw = draw_crop(key, rng);
  Drawing drawing;
  if (rand_augment_) {
    for (int i = 0; i < augmentation_.rand_augment.operations; ++i) drawing.add(rand_augment_->draw(rng), black_);
  }
  if (timm_augment_) {
    for (int i = 0; i < augmentation_.timm_augment.operations; ++i) drawing.add(timm_augment_->draw(rng), mean_colour_);
  }
  if (augmentation_.jitter.is_on()) {
    for (const ImageOperation& operation : draw_jitter(augmentation_.jitter, rng)) drawing.add(operation, black_);
  }

  // The operations alternate between two places and end in `out`.
  std::span<std::uint8_t> from = out;
  std::span<std::uint8_t> to = working.first(shape_.bytes());
  if (drawing.operations().size() % 2 == 1) std::swap(from, to);
  apply(crop_draw, {shape_, image}, working.subspan(shape_.bytes()), {shape_, from});
  for (const Drawn& drawn : drawing.operations()) {
    convmixer::apply(drawn.operation, {shape_, from}, drawn.fill, {shape_, to});
    std::swap(from, to);
  }
}

ImagePipeline::CropDraw ImagePipeline::draw_crop(const ImageKey& key, Rng& rng) const {
  using Filter = ResizedCropOptions::Filter;
  CropDraw draw{.part = {0, 0, shape_.height, shape_.width}};
  if (augmentation_.pad_crop > 0) {
    const std::uint32_t offsets = 2 * static_cast<std::uint32_t>(augmentation_.pad_crop) + 1;
    draw.part.top = static_cast<int>(rng.below(offsets)) - augmentation_.pad_crop;
    draw.part.left = static_cast<int>(rng.below(offsets)) - augmentation_.pad_crop;
  }
  if (augmentation_.resized_crop.is_on()) {
    const Filter filter = augmentation_.resized_crop.filter;
    draw.part = draw_resized_crop(augmentation_.resized_crop, shape_, rng);
    const bool is_cubic = filter == Filter::bicubic || (filter == Filter::random && rng.below(2) == 1);
    draw.filter = is_cubic ? ResizeFilter::bicubic : ResizeFilter::bilinear;
  }
  draw.flip = draw_flip(augmentation_, key, rng);
  return draw;
}

void ImagePipeline::apply(const CropDraw& draw, const ConstImage& image, std::span<std::uint8_t> working,
                          const Image& out) const {
  if (draw.part.height == shape_.height && draw.part.width == shape_.width) {
    crop(image, draw.part.top, draw.part.left, augmentation_.padding, draw.flip, out);
    return;
  }
  const std::vector<ResizeWeights>& all = weights_[static_cast<std::size_t>(draw.filter)];
  const auto heights = static_cast<std::size_t>(shape_.width == shape_.height ? 0 : shape_.height);
  resize(image, draw.part, all[heights + static_cast<std::size_t>(draw.part.width) - 1],
         all[static_cast<std::size_t>(draw.part.height) - 1], working, out);
  if (draw.flip) flip_horizontally(out);
}

void ImagePipeline::normalise(const ConstImage& image, const ImageKey& key, std::span<float> out) const {
  const ImageShape& shape = image.shape;
  normalise_pixels({image.pixels, shape.bytes()}, normaliser_, out);
  if (augmentation_.erasing.probability <= 0.0F && augmentation_.cutout == 0) return;
  Rng rng(key.seed, RandomStream::erasing, key.epoch, key.index);
  if (const std::optional<Rectangle> part = draw_erasing(augmentation_.erasing, shape, rng)) {
    if (augmentation_.erasing.fill == ErasingOptions::Fill::noise) {
      erase_with_noise(shape, *part, rng, out);
    } else {
      erase(shape, *part, out);
    }
  }
  if (augmentation_.cutout > 0) {
    const int side = reduced_length(augmentation_.cutout, shape_.height, shape.height);
    erase(shape, draw_cutout(side, shape, rng), out);
  }
}

}  // namespace convmixer
