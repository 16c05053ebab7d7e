// What lies between the products of fused stages, over a batch on all threads: GELU with its sums, norms, gradient
// sums.
#include "kernels/fused/norm_stage.hpp"
#include "operation.hpp"
#include "operations/stage_costs.hpp"
#include "operations/stage_operation.hpp"
#include "plan/fused/tiled_product.hpp"
#include "stage_batch.hpp"

namespace convmixer::perf {

namespace {

using kernels::kChannelBlock;

/// Memory of a product's tiles, one for each worker, all with the same values.
class Tiles {
 public:
  static constexpr std::size_t kRows = TiledProduct::kHandWrittenRows;
  static constexpr std::size_t kColumns = TiledProduct::kHandWrittenColumns;

  Tiles(const StageBatch& batch, Range range) : batch_(batch) {
    for (std::size_t i = 0; i < batch.workers(); ++i) memory_.emplace_back(batch.pool, kRows * kColumns, 1, range);
  }

  /// Calls body(values of the tile from a block's first channel on, block, first row, rows) for each block's part of
  /// each tile of an image, in the order of TiledProduct.
  template <typename Body>
  void for_each(std::size_t worker, const Body& body) const {
    for (std::size_t column = 0; column < batch_.padded; column += kColumns) {
      for (std::size_t row = 0; row < batch_.pixels; row += kRows) {
        const std::size_t rows = std::min(kRows, batch_.pixels - row);
        for (std::size_t c = column; c < std::min(column + kColumns, batch_.padded); c += kChannelBlock) {
          body(memory_[worker].data() + (c - column), c / kChannelBlock, row, rows);
        }
      }
    }
  }
  [[nodiscard]] double at(std::size_t channel, std::size_t pixel) const {
    return number(memory_.front()[pixel % kRows * kColumns + channel % kColumns]);
  }

 private:
  const StageBatch& batch_;
  std::vector<StageArray<float>> memory_;
};

template <class Storage>
class GeluStage : public StageOperation<Storage> {
  using StageOperation<Storage>::batch;
  using StageOperation<Storage>::kType;

 public:
  explicit GeluStage(Trial& trial) : StageOperation<Storage>(trial) {
    trial.count((kGeluAndDerivativeFlops + kMomentFlops) * batch.elements(), Unit::vector);
    this->count_elements(trial, {sizeof(typename Storage::Value), sizeof(typename Storage::GeluDerivative)});
  }

  void run() {
    batch.for_each_chunk([this](std::size_t chunk, std::size_t worker) {
      sums_.clear(chunk);
      batch.for_each_image(chunk, [&](std::size_t image) {
        tiles_.for_each(worker, [&](const float* tile, std::size_t block, std::size_t row, std::size_t rows) {
          const std::size_t offset = batch.at(image, block) + row * kChannelBlock;
          const bool begins = image == batch.chunks.begin(chunk) && row == 0;
          kernels::gelu_forward(
              kernels::GeluForward<Storage>{.src = tile,
                                            .stride = Tiles::kColumns,
                                            .rows = rows,
                                            .groups = 2,
                                            .value = value_.data() + offset,
                                            .gelu_derivative = gelu_derivative_.data() + offset,
                                            .moments = sums_.moments(chunk, block * kChannelBlock, begins)});
        });
      });
    });
  }

  void check() {
    const auto before_gelu = [this](std::size_t /*image*/, std::size_t c, std::size_t pixel) {
      return tiles_.at(c, pixel);
    };
    this->check_gelu("GELU", value_, gelu_derivative_, before_gelu);
    this->check_moments(sums_, before_gelu);
  }

 private:
  Tiles tiles_{batch, {-4.0F, 4.0F}};
  StageArray<typename Storage::Value> value_{batch.size()};
  StageArray<typename Storage::GeluDerivative> gelu_derivative_{batch.size()};
  StageSums sums_{batch};
};

/// The input of a pointwise convolution: the branch's norm plus the residual's.
template <class Storage>
class NormForwardStage : public StageOperation<Storage> {
  using StageOperation<Storage>::batch;
  using StageOperation<Storage>::kType;
  using Operand = typename Storage::Operand;

 public:
  explicit NormForwardStage(Trial& trial) : StageOperation<Storage>(trial) {
    trial.count(kNormWithResidualFlops * batch.elements(), Unit::vector);
    this->count_elements(trial, {sizeof(typename Storage::Value), sizeof(typename Storage::Value)});
    for (std::size_t i = 0; i < batch.workers(); ++i) rows_.emplace_back(batch.pixels * batch.padded);
  }

  void run() {
    batch.for_each_chunk([this](std::size_t chunk, std::size_t worker) {
      batch.for_each_image(chunk, [&](std::size_t image) { normalise(image, rows_[worker].data()); });
    });
  }

  /// The rows of an image stay in one worker's memory until the next image: each sample's image is normalised again.
  void check() {
    Comparison values("normalised value plus residual", kType);
    StageArray<Operand> rows(batch.pixels * batch.padded);
    visit_samples(batch, [&](std::size_t image, std::size_t c, std::size_t pixel, const std::string& place) {
      normalise(image, rows.data());
      const std::size_t at = batch.at(image, c, pixel);
      const double expected =
          number(scale0_[c]) * number(branch_[at]) + number(scale1_[c]) * number(residual_[at]) + number(shift_[c]);
      values.add(number(rows[pixel * batch.padded + c]), expected, place);
    });
    expect_written(rows, "normalised value plus residual");
    for (const StageArray<Operand>& worker : rows_) {
      if (worker.unwritten() != worker.size()) expect_written(worker, "normalised value plus residual");
    }
    values.finish();
  }

 private:
  void normalise(std::size_t image, Operand* rows) const {
    for (std::size_t block = 0; block < batch.blocks; ++block) {
      const std::size_t channel = block * kChannelBlock;
      kernels::norm_forward(kernels::NormForward<Storage>{.value0 = branch_.data() + batch.at(image, block),
                                                          .scale0 = scale0_.data() + channel,
                                                          .value1 = residual_.data() + batch.at(image, block),
                                                          .scale1 = scale1_.data() + channel,
                                                          .shift = shift_.data() + channel,
                                                          .rows = batch.pixels,
                                                          .dst = rows + channel,
                                                          .stride = batch.padded});
    }
  }

  StageArray<typename Storage::Value> branch_ = this->template tensor<typename Storage::Value>(1);
  StageArray<typename Storage::Value> residual_ = this->template tensor<typename Storage::Value>(2);
  StageArray<float> scale0_ = this->vector(3, {0.5F, 1.5F});
  StageArray<float> scale1_ = this->vector(4, {0.5F, 1.5F});
  StageArray<float> shift_ = this->vector(5);
  std::vector<StageArray<Operand>> rows_;  // by worker
};

/// The gradient before a GELU, an operand of two products.
template <class Storage>
class NormBackwardStage : public StageOperation<Storage> {
  using StageOperation<Storage>::batch;
  using StageOperation<Storage>::kType;
  using Operand = typename Storage::Operand;

 public:
  explicit NormBackwardStage(Trial& trial) : StageOperation<Storage>(trial) {
    trial.count((kNormGradientFlops + kBiasGradientFlops) * batch.elements(), Unit::vector);
    this->count_elements(trial,
                         {sizeof(Operand), sizeof(typename Storage::Value), sizeof(typename Storage::GeluDerivative)});
    for (std::size_t i = 0; i < batch.workers(); ++i) rows_.emplace_back(batch.pixels * batch.padded);
  }

  void run() {
    batch.for_each_chunk([this](std::size_t chunk, std::size_t worker) {
      double* const sums = bias_sums_.data() + chunk * batch.padded;
      std::fill_n(sums, batch.padded, 0.0);
      batch.for_each_image(chunk, [&](std::size_t image) { backward(image, rows_[worker].data(), sums); });
    });
  }

  void check() {
    Comparison gradients("gradient before GELU", kType);
    StageArray<Operand> rows(batch.pixels * batch.padded);
    StageArray<double> ignored(batch.padded);
    visit_samples(batch, [&](std::size_t image, std::size_t c, std::size_t pixel, const std::string& place) {
      backward(image, rows.data(), ignored.data());
      gradients.add(number(rows[pixel * batch.padded + c]), expected(image, c, pixel), place);
    });
    expect_written(rows, "gradient before GELU");
    gradients.finish();
    Comparison sums("sum of gradients before GELU", kType);
    visit_sum_samples(batch, [&](std::size_t chunk, std::size_t c, const std::string& place) {
      double sum = 0.0;
      batch.for_each_image(chunk, [&](std::size_t image) {
        for (std::size_t pixel = 0; pixel < batch.pixels; ++pixel) sum += expected(image, c, pixel);
      });
      sums.add(bias_sums_[chunk * batch.padded + c], sum, place);
    });
    sums.finish();
  }

 private:
  [[nodiscard]] double expected(std::size_t image, std::size_t c, std::size_t pixel) const {
    const std::size_t at = batch.at(image, c, pixel);
    return (number(a_[c]) * number(diff_dst_[at]) + number(b_[c]) * number(value_[at]) + number(c_[c])) *
           derivative_number(gelu_derivative_[at], value_[at]);
  }

  void backward(std::size_t image, Operand* rows, double* sums) const {
    for (std::size_t block = 0; block < batch.blocks; ++block) {
      const std::size_t channel = block * kChannelBlock;
      const std::size_t offset = batch.at(image, block);
      kernels::norm_backward(kernels::NormBackward<Storage>{
          .diff_dst = diff_dst_.data() + offset,
          .value = value_.data() + offset,
          .gelu_derivative = gelu_derivative_.data() + offset,
          .coefficients = {a_.data() + channel, b_.data() + channel, c_.data() + channel},
          .rows = batch.pixels,
          .dst = rows + channel,
          .stride = batch.padded,
          .sum = sums + channel});
    }
  }

  StageArray<Operand> diff_dst_ = this->template tensor<Operand>(1);
  StageArray<typename Storage::Value> value_ = this->template tensor<typename Storage::Value>(2);
  StageArray<typename Storage::GeluDerivative> gelu_derivative_ =
      this->template tensor<typename Storage::GeluDerivative>(3, kDerivativeRange);
  StageArray<float> a_ = this->vector(4, {0.5F, 1.5F});
  StageArray<float> b_ = this->vector(5);
  StageArray<float> c_ = this->vector(6);
  StageArray<double> bias_sums_{batch.chunks.count() * batch.padded};
  std::vector<StageArray<Operand>> rows_;  // by worker
};

/// The gradient that comes out of a product's tiles, with the sums that the norm before it needs.
template <class Storage>
class GradientSumsStage : public StageOperation<Storage> {
  using StageOperation<Storage>::batch;
  using StageOperation<Storage>::kType;
  using Operand = typename Storage::Operand;

 public:
  explicit GradientSumsStage(Trial& trial) : StageOperation<Storage>(trial) {
    trial.count(kGradientSumFlops * batch.elements(), Unit::vector);
    this->count_elements(trial, {sizeof(typename Storage::Value), sizeof(Operand)});
  }

  void run() {
    batch.for_each_chunk([this](std::size_t chunk, std::size_t worker) {
      sums_.clear(chunk);
      batch.for_each_image(chunk, [&](std::size_t image) {
        tiles_.for_each(worker, [&](const float* tile, std::size_t block, std::size_t row, std::size_t rows) {
          const std::size_t offset = batch.at(image, block) + row * kChannelBlock;
          const std::size_t channel = block * kChannelBlock;
          kernels::gradient_sums(
              kernels::GradientSums<Storage>{.src = tile,
                                             .stride = Tiles::kColumns,
                                             .rows = rows,
                                             .groups = 2,
                                             .residual = nullptr,
                                             .value = value_.data() + offset,
                                             .mean = mean_.data() + channel,
                                             .dst = gradient_.data() + offset,
                                             .sums = {sums_.first.data() + chunk * sums_.stride + channel,
                                                      sums_.second.data() + chunk * sums_.stride + channel}});
        });
      });
    });
  }

  void check() {
    expect_written(gradient_, "gradient");
    Comparison gradients("gradient", kType);
    visit_samples(batch, [&](std::size_t image, std::size_t c, std::size_t pixel, const std::string& place) {
      gradients.add(number(gradient_[batch.at(image, c, pixel)]), tiles_.at(c, pixel), place);
    });
    gradients.finish();
    this->check_gradient_sums(
        sums_, [&](std::size_t /*image*/, std::size_t c, std::size_t pixel) { return tiles_.at(c, pixel); }, value_,
        mean_);
  }

 private:
  Tiles tiles_{batch, {-1.0F, 1.0F}};
  StageArray<typename Storage::Value> value_ = this->template tensor<typename Storage::Value>(2);
  StageArray<float> mean_ = this->vector(3);
  StageArray<Operand> gradient_{batch.size()};
  StageSums sums_{batch};
};

}  // namespace

std::vector<Operation> stage_norm_operations() {
  return {
      {"GELU with sums", "forward", "fused", prepare_stage<GeluStage>, has_stages},
      {"norm with residual", "forward", "fused", prepare_stage<NormForwardStage>, has_stages},
      {"norm with GELU", "backward", "fused", prepare_stage<NormBackwardStage>, has_stages},
      {"gradient sums", "backward", "fused", prepare_stage<GradientSumsStage>, has_stages},
  };
}

}  // namespace convmixer::perf
