// The depthwise convolution of fused stages with what surrounds it, over a batch on all threads.
#include "kernels/fused/depthwise_stage.hpp"
#include "operation.hpp"
#include "operations/stage_operation.hpp"

#include <fmt/format.h>

#include <deque>
#include <optional>

namespace convmixer::perf {

namespace {

using kernels::kChannelBlock;

/// What both directions have: geometry, filters, the input and its norm, a scratch for each worker.
template <class Storage>
class DepthwiseStage : public StageOperation<Storage> {
 protected:
  using StageOperation<Storage>::batch;
  using StageOperation<Storage>::kType;
  using Value = typename Storage::Value;

  DepthwiseStage(Trial& trial, bool flipped) : StageOperation<Storage>(trial) {
    const kernels::ConvolutionProblem problem = trial.setting().depthwise();
    geometry_ = {batch.height, batch.width, static_cast<std::size_t>(problem.kernel),
                 static_cast<std::size_t>(problem.padding_begin)};
    weights_.emplace(batch.pool, batch.channels * taps(), 1, Range{-0.3F, 0.3F});
    packed_.emplace(batch.blocks * kernels::packed_depthwise_size<Storage>(geometry_.kernel));
    kernels::pack_depthwise<Storage>(weights_->all(), batch.channels, geometry_.kernel, flipped, packed_->all());
    const std::size_t floats = kernels::DepthwiseScratch::floats(geometry_);
    for (std::size_t i = 0; i < batch.workers(); ++i) {
      memory_.emplace_back(floats * sizeof(float));
      scratch_.emplace_back(memory_.back().template as<float>());
    }
    trial.count_bytes(static_cast<double>(weights_->size() * sizeof(float)));
  }

  [[nodiscard]] std::size_t taps() const { return geometry_.kernel * geometry_.kernel; }
  /// A multiply-add for each tap, those over the padding included.
  [[nodiscard]] double tap_flops() const { return 2.0 * static_cast<double>(taps()); }
  [[nodiscard]] const float* filters(std::size_t block) const {
    return packed_->data() + block * kernels::packed_depthwise_size<Storage>(geometry_.kernel);
  }
  [[nodiscard]] double weight(std::size_t channel, std::size_t tap) const {
    return number((*weights_)[channel * taps() + tap]);
  }
  /// What the convolution reads.
  [[nodiscard]] double normalised(std::size_t image, std::size_t c, std::size_t pixel) const {
    return number(scale_[c]) * number(src_[batch.at(image, c, pixel)]) + number(shift_[c]);
  }

  /// Calls visit(tap, pixel that it reads) for the taps of an output pixel that lie in the image.
  template <typename Visit>
  void for_taps(std::size_t pixel, const Visit& visit) const {
    const kernels::DepthwiseGeometry& g = geometry_;
    for (std::size_t tap = 0; tap < taps(); ++tap) {
      // Unsigned: before the image they wrap round.
      const std::size_t y = pixel / g.width + tap / g.kernel - g.padding_begin;
      const std::size_t x = pixel % g.width + tap % g.kernel - g.padding_begin;
      if (y < g.height && x < g.width) visit(tap, y * g.width + x);
    }
  }
  /// Calls visit(tap, output pixel) for the taps that read a pixel.
  template <typename Visit>
  void for_readers(std::size_t pixel, const Visit& visit) const {
    const kernels::DepthwiseGeometry& g = geometry_;
    for (std::size_t tap = 0; tap < taps(); ++tap) {
      const std::size_t y = pixel / g.width + g.padding_begin - tap / g.kernel;
      const std::size_t x = pixel % g.width + g.padding_begin - tap % g.kernel;
      if (y < g.height && x < g.width) visit(tap, y * g.width + x);
    }
  }

  kernels::DepthwiseGeometry geometry_{};
  std::optional<StageArray<float>> weights_;  // (C, 1, k, k)
  std::optional<StageArray<float>> packed_;
  StageArray<Value> src_ = this->template tensor<Value>(2);
  StageArray<float> scale_ = this->vector(3, {0.5F, 1.5F});
  StageArray<float> shift_ = this->vector(4);
  std::deque<AlignedBuffer> memory_;  // by worker
  std::deque<kernels::DepthwiseScratch> scratch_;
};

template <class Storage>
class DepthwiseForwardStage : public DepthwiseStage<Storage> {
  using DepthwiseStage<Storage>::batch;
  using DepthwiseStage<Storage>::kType;

 public:
  explicit DepthwiseForwardStage(Trial& trial) : DepthwiseStage<Storage>(trial, false) {
    trial.count((kNormFlops + this->tap_flops() + kGeluAndDerivativeFlops + kMomentFlops) * batch.elements(),
                Unit::vector);
    trial.count_bytes(static_cast<double>(batch.channels * sizeof(float)));  // bias
    this->count_elements(trial, {sizeof(typename Storage::Value), sizeof(typename Storage::Value),
                                 sizeof(typename Storage::GeluDerivative)});
  }

  void run() {
    batch.for_each_chunk([this](std::size_t chunk, std::size_t worker) {
      sums_.clear(chunk);
      batch.for_each_image(chunk, [&](std::size_t image) {
        const bool begins = image == batch.chunks.begin(chunk);
        for (std::size_t block = 0; block < batch.blocks; ++block) {
          const std::size_t channel = block * kChannelBlock;
          const std::size_t offset = batch.at(image, block);
          kernels::depthwise_forward(
              kernels::DepthwiseForward<Storage>{.geometry = this->geometry_,
                                                 .src = this->src_.data() + offset,
                                                 .norm = {this->scale_.data() + channel, this->shift_.data() + channel},
                                                 .filters = this->filters(block),
                                                 .bias = bias_.data() + channel,
                                                 .value = value_.data() + offset,
                                                 .gelu_derivative = gelu_derivative_.data() + offset,
                                                 .moments = sums_.moments(chunk, channel, begins)},
              this->scratch_[worker]);
        }
      });
    });
  }

  void check() {
    const auto before = [this](std::size_t image, std::size_t c, std::size_t pixel) {
      return before_gelu(image, c, pixel);
    };
    this->check_gelu("depthwise stage", value_, gelu_derivative_, before);
    this->check_moments(sums_, before);
  }

 private:
  [[nodiscard]] double before_gelu(std::size_t image, std::size_t c, std::size_t pixel) const {
    double sum = number(bias_[c]);
    this->for_taps(pixel, [&](std::size_t tap, std::size_t from) {
      sum += this->weight(c, tap) * this->normalised(image, c, from);
    });
    return sum;
  }

  StageArray<float> bias_ = this->vector(5);
  StageArray<typename Storage::Value> value_{batch.size()};
  StageArray<typename Storage::GeluDerivative> gelu_derivative_{batch.size()};
  StageSums sums_{batch};
};

template <class Storage>
class DepthwiseBackwardStage : public DepthwiseStage<Storage> {
  using DepthwiseStage<Storage>::batch;
  using DepthwiseStage<Storage>::kType;
  using Operand = typename Storage::Operand;

 public:
  explicit DepthwiseBackwardStage(Trial& trial) : DepthwiseStage<Storage>(trial, true) {
    // Both gradients; the residual is an addition.
    trial.count(
        (kNormGradientFlops + kBiasGradientFlops + kNormFlops + 2.0 * this->tap_flops() + 1.0 + kGradientSumFlops) *
            batch.elements(),
        Unit::vector);
    this->count_elements(trial, {sizeof(Operand), sizeof(Operand), sizeof(typename Storage::Value),
                                 sizeof(typename Storage::GeluDerivative), sizeof(typename Storage::Value)});
  }

  void run() {
    const std::size_t sums_size = kernels::depthwise_sums_size(this->geometry_.kernel);
    batch.for_each_chunk([&](std::size_t chunk, std::size_t worker) {
      sums_.clear(chunk);
      double* const sums = filter_sums_.data() + chunk * batch.blocks * sums_size;
      std::fill_n(sums, batch.blocks * sums_size, 0.0);
      batch.for_each_image(chunk, [&](std::size_t image) {
        for (std::size_t block = 0; block < batch.blocks; ++block) {
          const std::size_t channel = block * kChannelBlock;
          const std::size_t offset = batch.at(image, block);
          kernels::depthwise_backward(
              kernels::DepthwiseBackward<Storage>{
                  .geometry = this->geometry_,
                  .gradient = gradient_.data() + offset,
                  .value = value_.data() + offset,
                  .gelu_derivative = gelu_derivative_.data() + offset,
                  .coefficients = {a_.data() + channel, b_.data() + channel, c_.data() + channel},
                  .filters = this->filters(block),
                  .src = this->src_.data() + offset,
                  .src_norm = {this->scale_.data() + channel, this->shift_.data() + channel},
                  .filter_sums = sums + block * sums_size,
                  .norm_value = this->src_.data() + offset,
                  .norm_mean = mean_.data() + channel,
                  .norm_sums = {sums_.first.data() + chunk * sums_.stride + channel,
                                sums_.second.data() + chunk * sums_.stride + channel}},
              this->scratch_[worker]);
        }
      });
    });
  }

  /// Each run takes the place of its operand: it is run again on one that is known.
  void check() {
    gradient_.fill(batch.pool, kGradientSeed, {});
    run();
    Comparison gradients("gradient of the depthwise stage's input", kType);
    visit_samples(batch, [&](std::size_t image, std::size_t c, std::size_t pixel, const std::string& place) {
      gradients.add(number(gradient_[batch.at(image, c, pixel)]), input_gradient(image, c, pixel), place);
    });
    gradients.finish();
    this->check_gradient_sums(
        sums_, [&](std::size_t image, std::size_t c, std::size_t pixel) { return input_gradient(image, c, pixel); },
        this->src_, mean_);
    check_filters();
  }

 private:
  static constexpr std::uint64_t kGradientSeed = 11;

  [[nodiscard]] double given(std::size_t at) const {
    Operand value;
    assign(stage_noise(kGradientSeed, at, {}), value);
    return number(value);
  }
  /// Before the GELU.
  [[nodiscard]] double before_gelu(std::size_t image, std::size_t c, std::size_t pixel) const {
    const std::size_t at = batch.at(image, c, pixel);
    return (number(a_[c]) * given(at) + number(b_[c]) * number(value_[at]) + number(c_[c])) *
           derivative_number(gelu_derivative_[at], value_[at]);
  }
  [[nodiscard]] double input_gradient(std::size_t image, std::size_t c, std::size_t pixel) const {
    double sum = given(batch.at(image, c, pixel));
    this->for_readers(pixel, [&](std::size_t tap, std::size_t reader) {
      sum += this->weight(c, tap) * before_gelu(image, c, reader);
    });
    return sum;
  }

  /// Sums of a chunk lie as (block, half, tap and bias, channel).
  [[nodiscard]] double filter_sum(std::size_t chunk, std::size_t c, std::size_t tap) const {
    constexpr std::size_t kHalf = kChannelBlock / 2;
    const std::size_t sums_size = kernels::depthwise_sums_size(this->geometry_.kernel);
    const double* const sums = filter_sums_.data() + (chunk * batch.blocks + c / kChannelBlock) * sums_size;
    return sums[(c % kChannelBlock / kHalf * (this->taps() + 1) + tap) * kHalf + c % kHalf];
  }

  void check_filters() {
    Comparison filters("gradient of the filters", kType);
    Comparison biases("gradient of the bias", kType);
    visit_sum_samples(batch, [&](std::size_t chunk, std::size_t c, const std::string& place) {
      std::vector<double> expected(this->taps() + 1);
      batch.for_each_image(chunk, [&](std::size_t image) {
        for (std::size_t pixel = 0; pixel < batch.pixels; ++pixel) {
          const double d = before_gelu(image, c, pixel);
          expected.back() += d;
          this->for_taps(
              pixel, [&](std::size_t tap, std::size_t from) { expected[tap] += d * this->normalised(image, c, from); });
        }
      });
      for (std::size_t tap = 0; tap < this->taps(); ++tap) {
        filters.add(filter_sum(chunk, c, tap), expected[tap], fmt::format("{}, tap {}", place, tap));
      }
      biases.add(filter_sum(chunk, c, this->taps()), expected.back(), place);
    });
    filters.finish();
    biases.finish();
  }

  StageArray<Operand> gradient_ = this->template tensor<Operand>(kGradientSeed);
  StageArray<typename Storage::Value> value_ = this->template tensor<typename Storage::Value>(6);
  StageArray<typename Storage::GeluDerivative> gelu_derivative_ =
      this->template tensor<typename Storage::GeluDerivative>(7, kDerivativeRange);
  StageArray<float> a_ = this->vector(8, {0.5F, 1.5F});
  StageArray<float> b_ = this->vector(9);
  StageArray<float> c_ = this->vector(10);
  StageArray<float> mean_ = this->vector(12);
  StageArray<double> filter_sums_{batch.chunks.count() * batch.blocks *
                                  kernels::depthwise_sums_size(this->geometry_.kernel)};
  StageSums sums_{batch};
};

}  // namespace

std::vector<Operation> stage_depthwise_operations() {
  return {
      {"depthwise stage", "forward", "fused", prepare_stage<DepthwiseForwardStage>, has_stages},
      {"depthwise stage", "backward", "fused", prepare_stage<DepthwiseBackwardStage>, has_stages},
  };
}

}  // namespace convmixer::perf
