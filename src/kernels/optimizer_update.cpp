#include "kernels/optimizer_update.hpp"

#include <algorithm>
#include <array>

// Compiled once for each instruction set: see batch_norm.cpp. The order of these lines matters.
// clang-format off
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/optimizer_update.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
// clang-format on

HWY_BEFORE_NAMESPACE();
namespace convmixer::kernels::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;
using Floats = hn::CappedTag<float, 16>;
using Doubles = hn::CappedTag<double, 8>;
using FloatVector = hn::Vec<Floats>;

/// Sums in double, a lane for each lane of a vector of floats: one sum would be a chain of dependent additions.
class Squares {
 public:
  HWY_INLINE Squares() : low_(hn::Zero(Doubles())), high_(hn::Zero(Doubles())) {}
  HWY_INLINE void add(const float* at) {
    low_ = add_half(at, low_);
    if (hn::Lanes(Floats()) > hn::Lanes(Doubles())) high_ = add_half(at + hn::Lanes(Doubles()), high_);
  }
  HWY_INLINE double total() const { return hn::GetLane(hn::SumOfLanes(Doubles(), hn::Add(low_, high_))); }

 private:
  static HWY_INLINE hn::Vec<Doubles> add_half(const float* at, hn::Vec<Doubles> sums) {
    const Doubles d;
    const auto values = hn::PromoteTo(d, hn::LoadU(hn::Rebind<float, Doubles>(), at));
    return hn::MulAdd(values, values, sums);  // the square of a float is exact
  }

  hn::Vec<Doubles> low_;
  hn::Vec<Doubles> high_;
};

/// Calls update(gradients, streams) at each vector of `count` values side by side. The last values, fewer than a
/// vector, are updated as part of a vector of zeros, so that each value's arithmetic is the same wherever it lies.
template <std::size_t kStreams, class Update>
HWY_INLINE double update_all(std::size_t count, const float* gradients, const std::array<float*, kStreams>& streams,
                             const Update& update) {
  const std::size_t lanes = hn::Lanes(Floats());
  Squares squares;
  std::size_t i = 0;
  for (; i + lanes <= count; i += lanes) {
    squares.add(gradients + i);
    std::array<float*, kStreams> at;
    for (std::size_t s = 0; s < kStreams; ++s) at[s] = streams[s] + i;
    update(gradients + i, at);
  }
  if (i == count) return squares.total();
  alignas(64) std::array<float, 16> last_gradients{};
  alignas(64) std::array<std::array<float, 16>, std::max<std::size_t>(kStreams, 1)> last{};
  std::array<float*, kStreams> at;
  std::copy(gradients + i, gradients + count, last_gradients.begin());
  for (std::size_t s = 0; s < kStreams; ++s) {
    std::copy(streams[s] + i, streams[s] + count, last[s].begin());
    at[s] = last[s].data();
  }
  squares.add(last_gradients.data());
  update(last_gradients.data(), at);
  for (std::size_t s = 0; s < kStreams; ++s) std::copy_n(last[s].begin(), count - i, streams[s] + i);
  return squares.total();
}

double adam(const AdamArguments& arguments) {
  const Floats d;
  const AdamFactors& f = arguments.factors;
  const auto gradient_scale = hn::Set(d, f.gradient_scale);
  const auto l2 = hn::Set(d, f.l2);
  const auto keep = hn::Set(d, f.keep);
  const auto one_minus_beta1 = hn::Set(d, f.one_minus_beta1);
  const auto beta2 = hn::Set(d, f.beta2);
  const auto one_minus_beta2 = hn::Set(d, f.one_minus_beta2);
  const auto inverse_sqrt_correction2 = hn::Set(d, f.inverse_sqrt_correction2);
  const auto epsilon = hn::Set(d, f.epsilon);
  const auto step_size = hn::Set(d, f.step_size);
  const auto update = [&](const float* gradients, const std::array<float*, 3>& at) HWY_ATTR {
    auto p = hn::LoadU(d, at[0]);
    auto m = hn::LoadU(d, at[1]);
    auto v = hn::LoadU(d, at[2]);
    const auto g = hn::MulAdd(l2, p, hn::Mul(gradient_scale, hn::LoadU(d, gradients)));
    m = hn::MulAdd(one_minus_beta1, hn::Sub(g, m), m);
    v = hn::MulAdd(beta2, v, hn::Mul(one_minus_beta2, hn::Mul(g, g)));
    const auto denominator = hn::MulAdd(hn::Sqrt(v), inverse_sqrt_correction2, epsilon);
    p = hn::NegMulAdd(step_size, hn::Div(m, denominator), hn::Mul(keep, p));
    hn::StoreU(p, d, at[0]);
    hn::StoreU(m, d, at[1]);
    hn::StoreU(v, d, at[2]);
  };
  return update_all<3>(arguments.count, arguments.gradients,
                       {arguments.values, arguments.exp_avg, arguments.exp_avg_sq}, update);
}

HWY_INLINE FloatVector sgd_gradient(const SgdFactors& factors, const float* gradients, FloatVector p) {
  const Floats d;
  const auto scaled = hn::Mul(hn::Set(d, factors.gradient_scale), hn::LoadU(d, gradients));
  return hn::MulAdd(hn::Set(d, factors.l2), p, scaled);
}

double sgd(const SgdArguments& arguments) {
  const Floats d;
  const SgdFactors f = arguments.factors;
  const auto rate = hn::Set(d, f.learning_rate);
  const auto momentum = hn::Set(d, f.momentum);
  if (arguments.momentum_buffer == nullptr) {
    return update_all<1>(arguments.count, arguments.gradients, {arguments.values},
                         [&](const float* gradients, const std::array<float*, 1>& at) HWY_ATTR {
                           const auto p = hn::LoadU(d, at[0]);
                           hn::StoreU(hn::NegMulAdd(rate, sgd_gradient(f, gradients, p), p), d, at[0]);
                         });
  }
  return update_all<2>(arguments.count, arguments.gradients, {arguments.values, arguments.momentum_buffer},
                       [&](const float* gradients, const std::array<float*, 2>& at) HWY_ATTR {
                         const auto p = hn::LoadU(d, at[0]);
                         const auto g = sgd_gradient(f, gradients, p);
                         const auto b = hn::MulAdd(momentum, hn::LoadU(d, at[1]), g);
                         const auto direction = f.nesterov ? hn::MulAdd(momentum, b, g) : b;
                         hn::StoreU(b, d, at[1]);
                         hn::StoreU(hn::NegMulAdd(rate, direction, p), d, at[0]);
                       });
}

MuonSquares direction_of_muon(const MuonArguments& arguments) {
  const Floats d;
  const auto gradient_scale = hn::Set(d, arguments.gradient_scale);
  const auto share = hn::Set(d, arguments.one_minus_momentum);
  Squares direction;
  const double gradients =
      update_all<2>(arguments.count, arguments.gradients, {arguments.momentum_buffer, arguments.direction},
                    [&](const float* at_gradients, const std::array<float*, 2>& at) HWY_ATTR {
                      const auto g = hn::Mul(gradient_scale, hn::LoadU(d, at_gradients));
                      auto m = hn::LoadU(d, at[0]);
                      m = hn::MulAdd(share, hn::Sub(g, m), m);
                      hn::StoreU(m, d, at[0]);
                      hn::StoreU(arguments.nesterov ? hn::MulAdd(share, hn::Sub(g, m), m) : m, d, at[1]);
                      direction.add(at[1]);
                    });
  return {gradients, direction.total()};
}

void update_of_muon(float* values, const float* direction, std::size_t count, float keep, float rate) {
  const Floats d;
  update_all<1>(count, direction, {values}, [&](const float* at_direction, const std::array<float*, 1>& at) HWY_ATTR {
    const auto kept = hn::Mul(hn::Set(d, keep), hn::LoadU(d, at[0]));
    hn::StoreU(hn::NegMulAdd(hn::Set(d, rate), hn::LoadU(d, at_direction), kept), d, at[0]);
  });
}

double squares(const float* gradients, std::size_t count) {
  return update_all<0>(count, gradients, {}, [](const float*, const std::array<float*, 0>&) HWY_ATTR {});
}

}  // namespace convmixer::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace convmixer::kernels {

HWY_EXPORT(adam);
HWY_EXPORT(sgd);
HWY_EXPORT(direction_of_muon);
HWY_EXPORT(update_of_muon);
HWY_EXPORT(squares);

double adam_update(const AdamArguments& arguments) { return HWY_DYNAMIC_DISPATCH(adam)(arguments); }
double sgd_update(const SgdArguments& arguments) { return HWY_DYNAMIC_DISPATCH(sgd)(arguments); }
MuonSquares muon_direction(const MuonArguments& arguments) {
  return HWY_DYNAMIC_DISPATCH(direction_of_muon)(arguments);
}
void muon_update(float* values, const float* direction, std::size_t count, float keep, float rate) {
  HWY_DYNAMIC_DISPATCH(update_of_muon)(values, direction, count, keep, rate);
}
double sum_of_squares(const float* gradients, std::size_t count) {
  return HWY_DYNAMIC_DISPATCH(squares)(gradients, count);
}

}  // namespace convmixer::kernels
#endif
