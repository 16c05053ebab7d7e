#include "plan/fused/dense_weights.hpp"

#include <algorithm>
#include <span>

namespace convmixer::fused {

DenseWeights::DenseWeights(const StageContext& context, const ConvolutionStage& stage, std::size_t inputs,
                           std::size_t padded_inputs, const DenseBackward& backward)
    : context_(context),
      convolution_(stage.convolution),
      inputs_(inputs),
      padded_inputs_(padded_inputs),
      forward_(context.runtime,
               {.rows = context.geometry.pixels,
                .columns = context.geometry.padded_channels,
                .inner = context.read_by_products(inputs, padded_inputs),
                .type = context.type,
                .bias = true,
                .padding = context.geometry.padded_channels - context.geometry.channels},
               context.products) {
  if (backward.pixels == 0) return;
  backward_.emplace(context.runtime,
                    TiledProductProblem{
                        .rows = backward.pixels,
                        .columns = padded_inputs,
                        .inner = context.read_by_products(context.geometry.channels, context.geometry.padded_channels),
                        .type = context.type,
                        .bias = backward.added,
                        .padding = padded_inputs - inputs},
                    context.products);
}

void DenseWeights::add_memory(PlacedMemory& memory) {
  const StageGeometry& geometry = context_.geometry;
  memory.add(packed_forward_, forward_.packed_bytes());
  if (backward_) memory.add(packed_backward_, backward_->packed_bytes());
  memory.add(bias_, geometry.padded_channels);
  if (geometry.channels != geometry.padded_channels) memory.add(padded_, geometry.padded_channels * padded_inputs_);
}

std::size_t DenseWeights::scratchpad_bytes() const {
  return std::max(forward_.scratchpad_bytes(), backward_ ? backward_->scratchpad_bytes() : 0);
}

void DenseWeights::add_refresh(RefreshTasks& refresh) {
  if (padded_ != nullptr) refresh.padding.emplace_back([this] { copy_with_padding(); });
  refresh.packing.emplace_back([this] { copy_bias(); });
  const float* const weights = padded_ != nullptr ? padded_ : context_.parameters.value(convolution_.weight).data();
  // Forward multiplies by the transpose of (outputs x inputs), the data gradient by the matrix itself.
  forward_.add_packings(context_.runtime, weights, 1, padded_inputs_, packed_forward_, refresh.packing);
  if (backward_) {
    backward_->add_packings(context_.runtime, weights, padded_inputs_, 1, packed_backward_, refresh.packing);
  }
}

void DenseWeights::copy_with_padding() const {
  const StageGeometry& geometry = context_.geometry;
  const std::span<const float> weights = context_.parameters.value(convolution_.weight);
  std::fill_n(padded_, geometry.padded_channels * padded_inputs_, 0.0F);
  for (std::size_t output = 0; output < geometry.channels; ++output) {
    std::copy_n(weights.data() + output * inputs_, inputs_, padded_ + output * padded_inputs_);
  }
}

void DenseWeights::copy_bias() const {
  const StageGeometry& geometry = context_.geometry;
  std::copy_n(context_.parameters.value(convolution_.bias).data(), geometry.channels, bias_);
  std::fill_n(bias_ + geometry.channels, geometry.padded_channels - geometry.channels, 0.0F);
}

}  // namespace convmixer::fused
