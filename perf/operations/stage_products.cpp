// The products of fused stages with what follows each tile, over a batch on all threads. FLOP are the products' alone.
#include "kernels/fused/norm_stage.hpp"
#include "kernels/fused/patches.hpp"
#include "operation.hpp"
#include "operations/stage_operation.hpp"
#include "plan/fused/gradient_product.hpp"
#include "plan/fused/product_choice.hpp"
#include "plan/fused/tiled_product.hpp"

#include <fmt/format.h>

#include <cmath>
#include <deque>
#include <functional>
#include <optional>

namespace convmixer::perf {

namespace {

using kernels::kChannelBlock;

/// A product of an image's pixels with (O, I) weights, or, as the data gradient, with their transpose, and what each
/// worker needs for it. The operand is the same for all images, as it is in a core's cache in a plan.
template <class Storage>
class ProductStage : public StageOperation<Storage> {
 public:
  [[nodiscard]] std::string implementation() const {
    const std::string product = product_->implementation();
    return product == "hand-written" ? product : product + " + hand-written";
  }

 protected:
  using StageOperation<Storage>::batch;
  using StageOperation<Storage>::kType;
  using Operand = typename Storage::Operand;

  ProductStage(Trial& trial, bool transposed) : StageOperation<Storage>(trial), transposed_(transposed) {
    product_.emplace(
        batch.runtime,
        TiledProductProblem{
            .rows = batch.pixels, .columns = batch.padded, .inner = batch.padded, .type = kType, .bias = !transposed},
        choose_products(batch.runtime, kType, ProductKernels::automatic));
    packed_ = AlignedBuffer(product_->packed_bytes());
    const float scale = std::sqrt(3.0F / static_cast<float>(batch.padded));
    for (std::size_t i = 0; i < weights_.size(); ++i) {
      Operand rounded;
      assign(scale * stage_noise(1, i, {}), rounded);
      weights_[i] = static_cast<float>(number(rounded));
    }
    std::vector<std::function<void()>> packings;
    product_->add_packings(batch.runtime, weights_.data(), transposed ? batch.padded : 1, transposed ? 1 : batch.padded,
                           packed_.data(), packings);
    for (const std::function<void()>& pack : packings) pack();
    for (std::size_t i = 0; i < batch.workers(); ++i) {
      tiles_.emplace_back(TiledProduct::tile_floats());
      src_.emplace_back(batch.pool, product_->operand_elements(), 2, Range{});
      scratchpads_.emplace_back(product_->scratchpad_bytes());
      workers_.emplace_back(batch.runtime, *product_, scratchpads_.back().data());
    }
    const auto channels = static_cast<double>(batch.channels);
    trial.count(2.0 * batch.elements() * channels, Unit::matrix);
    trial.count_bytes(channels * channels * sizeof(Operand));
  }

  /// Calls use(tile, its column, channel, offset in the tensor) for each block of each tile of an image.
  template <typename Use>
  void run_image(std::size_t image, std::size_t worker, const float* bias, const Use& use) {
    workers_[worker].run(
        src_[worker].data(), batch.pixels, packed_.data(), bias, tiles_[worker].data(), [&](const ProductTile& tile) {
          for (std::size_t column = 0; column < tile.columns; column += kChannelBlock) {
            const std::size_t channel = tile.first_column + column;
            use(tile, column, channel, batch.at(image, channel / kChannelBlock) + tile.first_row * kChannelBlock);
          }
        });
  }

  /// A value of the product, without bias.
  [[nodiscard]] double product_at(std::size_t pixel, std::size_t channel) const {
    double sum = 0.0;
    const kernels::RowLayout rows = product_->operand();
    for (std::size_t i = 0; i < batch.padded; ++i) {
      const std::size_t at = pixel * rows.row + i / kChannelBlock * rows.block + i % kChannelBlock;
      const float weight = transposed_ ? weights_[i * batch.padded + channel] : weights_[channel * batch.padded + i];
      sum += number(weight) * number(src_.front()[at]);
    }
    return sum;
  }

 private:
  bool transposed_;
  std::optional<TiledProduct> product_;
  AlignedBuffer packed_;
  StageArray<float> weights_{batch.padded * batch.padded};  // (O, I)
  std::deque<StageArray<float>> tiles_;                     // by worker, as the next three
  std::deque<StageArray<Operand>> src_;
  std::deque<AlignedBuffer> scratchpads_;
  std::deque<TiledProduct::Worker> workers_;
};

template <class Storage>
class ProductWithGelu : public ProductStage<Storage> {
  using ProductStage<Storage>::batch;
  using ProductStage<Storage>::kType;

 public:
  explicit ProductWithGelu(Trial& trial) : ProductStage<Storage>(trial, false) {
    trial.count_bytes(static_cast<double>(batch.channels * sizeof(float)));  // bias
    this->count_elements(trial, {sizeof(typename Storage::Value), sizeof(typename Storage::GeluDerivative)});
  }

  void run() {
    batch.for_each_chunk([this](std::size_t chunk, std::size_t worker) {
      sums_.clear(chunk);
      batch.for_each_image(chunk, [&](std::size_t image) {
        const auto gelu = [&](const ProductTile& tile, std::size_t column, std::size_t channel, std::size_t offset) {
          const bool begins = image == batch.chunks.begin(chunk) && tile.first_row == 0;
          kernels::gelu_forward(kernels::GeluForward<Storage>{.src = tile.values + column,
                                                              .stride = tile.stride,
                                                              .rows = tile.rows,
                                                              .groups = 2,
                                                              .value = value_.data() + offset,
                                                              .gelu_derivative = gelu_derivative_.data() + offset,
                                                              .moments = sums_.moments(chunk, channel, begins)});
        };
        this->run_image(image, worker, bias_.data(), gelu);
      });
    });
  }

  void check() {
    this->check_gelu("GELU of a product", value_, gelu_derivative_,
                     [this](std::size_t /*image*/, std::size_t c, std::size_t pixel) {
                       return this->product_at(pixel, c) + number(bias_[c]);
                     });
  }

 private:
  StageArray<float> bias_ = this->vector(3);
  StageArray<typename Storage::Value> value_{batch.size()};
  StageArray<typename Storage::GeluDerivative> gelu_derivative_{batch.size()};
  StageSums sums_{batch};
};

template <class Storage>
class ProductWithGradientSums : public ProductStage<Storage> {
  using ProductStage<Storage>::batch;
  using ProductStage<Storage>::kType;
  using Operand = typename Storage::Operand;

 public:
  explicit ProductWithGradientSums(Trial& trial) : ProductStage<Storage>(trial, true) {
    this->count_elements(trial, {sizeof(typename Storage::Value), sizeof(Operand)});
  }

  void run() {
    batch.for_each_chunk([this](std::size_t chunk, std::size_t worker) {
      sums_.clear(chunk);
      batch.for_each_image(chunk, [&](std::size_t image) {
        const auto sums = [&](const ProductTile& tile, std::size_t column, std::size_t channel, std::size_t offset) {
          kernels::gradient_sums(
              kernels::GradientSums<Storage>{.src = tile.values + column,
                                             .stride = tile.stride,
                                             .rows = tile.rows,
                                             .groups = 2,
                                             .residual = nullptr,
                                             .value = value_.data() + offset,
                                             .mean = mean_.data() + channel,
                                             .dst = gradient_.data() + offset,
                                             .sums = {sums_.first.data() + chunk * sums_.stride + channel,
                                                      sums_.second.data() + chunk * sums_.stride + channel}});
        };
        this->run_image(image, worker, nullptr, sums);
      });
    });
  }

  void check() {
    expect_written(gradient_, "data gradient");
    Comparison gradients("data gradient", kType);
    visit_samples(batch, [&](std::size_t image, std::size_t c, std::size_t pixel, const std::string& place) {
      gradients.add(number(gradient_[batch.at(image, c, pixel)]), this->product_at(pixel, c), place);
    });
    gradients.finish();
    this->check_gradient_sums(
        sums_, [&](std::size_t /*image*/, std::size_t c, std::size_t pixel) { return this->product_at(pixel, c); },
        value_, mean_);
  }

 private:
  StageArray<typename Storage::Value> value_ = this->template tensor<typename Storage::Value>(4);
  StageArray<float> mean_ = this->vector(5);
  StageArray<Operand> gradient_{batch.size()};
  StageSums sums_{batch};
};

/// (O, I) sums of each chunk: diff_dst' (O x pixels) src (pixels x I), the images of a chunk added up.
template <class Storage>
class WeightGradientStage : public StageOperation<Storage> {
  using StageOperation<Storage>::batch;
  using StageOperation<Storage>::kType;
  using Operand = typename Storage::Operand;

 public:
  explicit WeightGradientStage(Trial& trial)
      : StageOperation<Storage>(trial),
        product_(batch.runtime, {batch.padded, batch.padded, batch.pixels, kType},
                 choose_products(batch.runtime, kType, ProductKernels::automatic)),
        sums_(batch.chunks.count() * product_.sums_floats()) {
    for (std::size_t i = 0; i < batch.workers(); ++i) workers_.emplace_back(batch, product_);
    const auto channels = static_cast<double>(batch.channels);
    trial.count(2.0 * batch.elements() * channels, Unit::matrix);
    trial.count_bytes(static_cast<double>(batch.chunks.count()) * channels * channels * sizeof(float));
  }

  [[nodiscard]] std::string implementation() const { return product_.implementation(); }

  void run() {
    batch.for_each_chunk([&](std::size_t chunk, std::size_t index) {
      Worker& worker = workers_[index];
      batch.for_each_image(chunk, [&](std::size_t image) {
        worker.product.run(worker.diff_dst.data(), worker.src.data(), batch.pixels,
                           sums_.data() + chunk * product_.sums_floats(), image == batch.chunks.begin(chunk));
      });
    });
  }

  void check() {
    expect_written(sums_, "weight gradient");
    Comparison gradients("weight gradient", kType);
    const Worker& operands = workers_.front();
    visit_sum_samples(batch, [&](std::size_t chunk, std::size_t o, const std::string& place) {
      for (std::size_t i = o % 3; i < batch.channels; i += 5) {
        double sum = 0.0;
        for (std::size_t pixel = 0; pixel < batch.pixels; ++pixel) {
          sum += number(operands.diff_dst[at(pixel, o)]) * number(operands.src[at(pixel, i)]);
        }
        const double found = number(sums_[chunk * product_.sums_floats() + product_.at(o, i)]);
        gradients.add(found, static_cast<double>(batch.chunks.size(chunk)) * sum,
                      fmt::format("{}, input {}", place, i));
      }
    });
    gradients.finish();
  }

 private:
  static constexpr std::size_t kPerWord = Storage::kValuesPerWord;

  struct Worker {
    Worker(const StageBatch& batch, const GradientProduct& planned)
        : src(batch.pool, elements(batch, planned), 1, {}),
          diff_dst(batch.pool, elements(batch, planned), 2, {}),
          scratchpad(planned.scratchpad_bytes()),
          product(batch.runtime, planned, scratchpad.data()) {
      if (!planned.reads_words()) return;
      // What completes the last word of an odd number of pixels is 0.
      for (std::size_t pixel = batch.pixels; pixel < planned.words() * kPerWord; ++pixel) {
        for (std::size_t channel = 0; channel < batch.padded; ++channel) {
          assign(0.0F, src.data()[word_element(planned, pixel, channel)]);
          assign(0.0F, diff_dst.data()[word_element(planned, pixel, channel)]);
        }
      }
    }

    static std::size_t elements(const StageBatch& batch, const GradientProduct& planned) {
      return (planned.reads_words() ? planned.words() * kPerWord : batch.pixels) * batch.padded;
    }

    StageArray<Operand> src;
    StageArray<Operand> diff_dst;
    AlignedBuffer scratchpad;
    GradientProduct::Worker product;
  };

  static std::size_t word_element(const GradientProduct& product, std::size_t pixel, std::size_t channel) {
    const std::size_t word = channel / kChannelBlock * product.words() + pixel / kPerWord;
    return (word * kChannelBlock + channel % kChannelBlock) * kPerWord + pixel % kPerWord;
  }
  /// Where an operand has a pixel's channel.
  [[nodiscard]] std::size_t at(std::size_t pixel, std::size_t channel) const {
    return product_.reads_words() ? word_element(product_, pixel, channel) : pixel * batch.padded + channel;
  }

  GradientProduct product_;
  std::deque<Worker> workers_;
  StageArray<float> sums_;
};

/// The rows that the stem's product reads. Each value that is written counts as one.
template <class Storage>
class PatchesStage : public StageOperation<Storage> {
  using StageOperation<Storage>::batch;
  using StageOperation<Storage>::kType;
  using Operand = typename Storage::Operand;

 public:
  explicit PatchesStage(Trial& trial) : StageOperation<Storage>(trial) {
    const kernels::ConvolutionProblem problem = trial.setting().patch_embedding();
    const auto size = [](std::int64_t value) { return static_cast<std::size_t>(value); };
    geometry_ = {.channels = size(problem.src[1]),
                 .height = size(problem.src[2]),
                 .width = size(problem.src[3]),
                 .kernel = size(problem.kernel),
                 .stride = size(problem.stride),
                 .padding_begin = 0,
                 .out_height = batch.height,
                 .out_width = batch.width};
    images_.emplace(batch.pool, batch.images * geometry_.image_size(), 1, Range{});
    layout_ = {kChannelBlock, geometry_.rows() * kChannelBlock};
    for (std::size_t i = 0; i < batch.workers(); ++i) patches_.emplace_back(patches_size());
    trial.count(static_cast<double>(batch.images * geometry_.rows() * geometry_.columns()), Unit::vector);
    trial.count_bytes(static_cast<double>(images_->size() * sizeof(float)));
  }

  void run() {
    batch.for_each_chunk([this](std::size_t chunk, std::size_t worker) {
      batch.for_each_image(chunk, [&](std::size_t image) { extract(image, patches_[worker].data()); });
    });
  }

  void check() {
    StageArray<Operand> patches(patches_size());
    Comparison values("patches", kType);
    for (const std::size_t image : {std::size_t{0}, batch.images - 1}) {
      extract(image, patches.data());
      for (std::size_t i = 0; i < geometry_.rows() * geometry_.columns(); i += 7) {
        const std::size_t row = i / geometry_.columns();
        const std::size_t column = i % geometry_.columns();
        const std::size_t tap = column % (geometry_.kernel * geometry_.kernel);
        const std::size_t y = row / geometry_.out_width * geometry_.stride + tap / geometry_.kernel;
        const std::size_t x = row % geometry_.out_width * geometry_.stride + tap % geometry_.kernel;
        const std::size_t channel = column / (geometry_.kernel * geometry_.kernel);
        const std::size_t from = (channel * geometry_.height + y) * geometry_.width + x;
        const std::size_t at = row * layout_.row + column / kChannelBlock * layout_.block + column % kChannelBlock;
        values.add(number(patches[at]), number((*images_)[image * geometry_.image_size() + from]),
                   fmt::format("image {}, row {}, column {}", image, row, column));
      }
    }
    values.finish();
  }

 private:
  [[nodiscard]] std::size_t patches_size() const {
    return geometry_.rows() * kernels::padded_channels(geometry_.columns());
  }
  void extract(std::size_t image, Operand* patches) const {
    kernels::extract_patches(geometry_, images_->data() + image * geometry_.image_size(), layout_, patches);
  }

  kernels::PatchGeometry geometry_{};
  kernels::RowLayout layout_{};
  std::optional<StageArray<float>> images_;
  std::deque<StageArray<Operand>> patches_;  // by worker
};

}  // namespace

std::vector<Operation> stage_product_operations() {
  return {
      {"patches", "forward", "fused", prepare_stage<PatchesStage>, has_stages},
      {"product with GELU", "forward", "fused", prepare_stage<ProductWithGelu>, has_stages},
      {"product with gradient sums", "backward data", "fused", prepare_stage<ProductWithGradientSums>, has_stages},
      {"weight gradient product", "backward weights", "fused", prepare_stage<WeightGradientStage>, has_stages},
  };
}

}  // namespace convmixer::perf
