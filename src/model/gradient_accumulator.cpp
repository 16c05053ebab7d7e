#include "convmixer/model/gradient_accumulator.hpp"

#include "convmixer/core/trace.hpp"

#include <algorithm>
#include <cstdint>

namespace convmixer {

GradientAccumulator::GradientAccumulator(Parameters& parameters, ThreadPool& pool)
    : parameters_(parameters), pool_(pool) {
  constexpr std::size_t kMostValues = 16384;  // of a task: 64 KiB each of the sum and the gradient
  constexpr std::size_t kAlignment = 16;
  std::size_t end = 0;
  for (std::size_t index = 0; index < parameters.graph().parameters().size(); ++index) {
    const Parameter& parameter = parameters.graph().parameters()[index];
    if (parameter.frozen) continue;
    const auto values = static_cast<std::size_t>(parameter.shape.count());
    for (std::size_t begin = 0; begin < values; begin += kMostValues) {
      const std::size_t count = std::min(kMostValues, values - begin);
      parts_.push_back({static_cast<ParameterId>(index), begin, count, end});
      end += (count + kAlignment - 1) / kAlignment * kAlignment;
    }
  }
  sums_ = AlignedBuffer(end * sizeof(float));
}

template <typename Body>
void GradientAccumulator::for_each_part(const Body& body) {
  static const TraceName kPart("gradient accumulation part", "gradient accumulation");
  pool_.for_each_task(static_cast<std::int64_t>(parts_.size()), [&](std::int64_t task, int /*worker*/) {
    const TraceScope scope(kPart, task);
    const Part& part = parts_[static_cast<std::size_t>(task)];
    body(sums_.as<float>().data() + part.sum, parameters_.gradient(part.id).data() + part.begin, part.count);
  });
}

// Memory sets the pace of these loops: the compiler's will do.

void GradientAccumulator::add(float weight) {
  if (empty_) {
    for_each_part([weight](float* sum, const float* gradient, std::size_t count) {
      for (std::size_t i = 0; i < count; ++i) sum[i] = weight * gradient[i];
    });
  } else {
    for_each_part([weight](float* sum, const float* gradient, std::size_t count) {
      for (std::size_t i = 0; i < count; ++i) sum[i] += weight * gradient[i];
    });
  }
  empty_ = false;
}

void GradientAccumulator::move_to_gradients() {
  if (empty_) return;
  for_each_part([](const float* sum, float* gradient, std::size_t count) { std::copy_n(sum, count, gradient); });
  empty_ = true;
}

}  // namespace convmixer
