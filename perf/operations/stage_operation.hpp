/// What the operations of fused stages share: a class for each, over the batch, with its memory, run() and check().
#pragma once

#include "operations/stage_costs.hpp"
#include "stage_batch.hpp"
#include "trial.hpp"

#include <initializer_list>
#include <memory>
#include <string>
#include <type_traits>

namespace convmixer::perf {

/// Derivatives between these are the same on both sides of 1/2 for any code.
inline constexpr Range kDerivativeRange{0.5F, 0.9F};

template <class Storage>
class StageOperation {
 public:
  [[nodiscard]] std::string implementation() const { return "hand-written"; }

 protected:
  static constexpr kernels::ElementType kType =
      std::is_same_v<Storage, kernels::F32Storage> ? kernels::ElementType::f32 : kernels::ElementType::bf16;

  explicit StageOperation(const Trial& trial) : batch(trial) {}

  /// Traffic of so many bytes for an element.
  void count_elements(Trial& trial, std::initializer_list<std::size_t> bytes) const {
    for (const std::size_t each : bytes) trial.count_bytes(batch.elements() * static_cast<double>(each));
  }

  template <typename T>
  [[nodiscard]] StageArray<T> tensor(std::uint64_t seed, Range range = {}) const {
    return StageArray<T>(batch.pool, batch.size(), seed, range);
  }
  [[nodiscard]] StageArray<float> vector(std::uint64_t seed, Range range = {}) const {
    return StageArray<float>(batch.pool, batch.padded, seed, range);
  }

  /// Compares a GELU's values and derivatives; before_gelu(image, channel, pixel).
  template <typename BeforeGelu>
  void check_gelu(const std::string& what, const StageArray<typename Storage::Value>& value,
                  const StageArray<typename Storage::GeluDerivative>& gelu_derivative,
                  const BeforeGelu& before_gelu) const {
    expect_written(value, what);
    expect_written(gelu_derivative, "gelu_derivative of " + what);
    Comparison values(what, kType);
    Comparison gelu_derivatives("gelu_derivative of " + what, kType);
    visit_samples(batch, [&](std::size_t image, std::size_t c, std::size_t pixel, const std::string& place) {
      const double x = before_gelu(image, c, pixel);
      const std::size_t at = batch.at(image, c, pixel);
      values.add(number(value[at]), exact_gelu(x), place);
      gelu_derivatives.add(derivative_number(gelu_derivative[at], value[at]), exact_gelu_derivative(x), place);
    });
    values.finish();
    gelu_derivatives.finish();
  }

  /// Compares the sums of a GELU's values and of their squares, less their origin.
  template <typename BeforeGelu>
  void check_moments(const StageSums& stage_sums, const BeforeGelu& before_gelu) const {
    Comparison sums("sum of GELU's values", kType);
    Comparison squares("sum of their squares", kType);
    visit_sum_samples(batch, [&](std::size_t chunk, std::size_t c, const std::string& place) {
      const std::size_t at = chunk * stage_sums.stride + c;
      double sum = 0.0;
      double square = 0.0;
      batch.for_each_image(chunk, [&](std::size_t image) {
        for (std::size_t pixel = 0; pixel < batch.pixels; ++pixel) {
          const double centred = exact_gelu(before_gelu(image, c, pixel)) - number(stage_sums.origin[at]);
          sum += centred;
          square += centred * centred;
        }
      });
      sums.add(stage_sums.first[at], sum, place);
      squares.add(stage_sums.second[at], square, place);
    });
    sums.finish();
    squares.finish();
  }

  /// Compares the sums of gradients and of gradients times centred values; gradient(image, channel, pixel).
  template <typename Gradient>
  void check_gradient_sums(const StageSums& sums, const Gradient& gradient,
                           const StageArray<typename Storage::Value>& value, const StageArray<float>& mean) const {
    Comparison firsts("sum of gradients", kType);
    Comparison seconds("sum of gradients times centred values", kType);
    visit_sum_samples(batch, [&](std::size_t chunk, std::size_t c, const std::string& place) {
      double first = 0.0;
      double second = 0.0;
      batch.for_each_image(chunk, [&](std::size_t image) {
        for (std::size_t pixel = 0; pixel < batch.pixels; ++pixel) {
          const double d = gradient(image, c, pixel);
          first += d;
          second += d * (number(value[batch.at(image, c, pixel)]) - number(mean[c]));
        }
      });
      firsts.add(sums.first[chunk * sums.stride + c], first, place);
      seconds.add(sums.second[chunk * sums.stride + c], second, place);
    });
    firsts.finish();
    seconds.finish();
  }

  StageBatch batch;
};

template <class Stage>
void prepare_stage_of(Trial& trial) {
  const auto stage = std::make_shared<Stage>(trial);
  trial.run(stage->implementation(), [stage] { stage->run(); });
  trial.expect([stage] { stage->check(); });
}

/// Prepares `Stage` in the storage of the setting's precision.
template <template <class> class Stage>
void prepare_stage(Trial& trial) {
  if (trial.setting().type == kernels::ElementType::f32) return prepare_stage_of<Stage<kernels::F32Storage>>(trial);
  prepare_stage_of<Stage<kernels::Bf16Storage>>(trial);
}

/// Plans for which a layout is asked have no fused stages.
[[nodiscard]] inline bool has_stages(const Setting& setting) { return setting.layout == LayoutPolicy::automatic; }

}  // namespace convmixer::perf
