#include "kernels/plain/layer_norm.hpp"

#include "kernels/plain/channel_group.hpp"

#include <algorithm>
#include <array>
#include <cmath>

// Everything between HWY_BEFORE_NAMESPACE and HWY_AFTER_NAMESPACE is compiled once for each instruction set: Highway
// includes this file again for each. The order of these lines matters.
// clang-format off
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/plain/layer_norm.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
#include "kernels/plain/element-inl.h"
// clang-format on

#ifndef CONVMIXER_LAYER_NORM_TYPES
#define CONVMIXER_LAYER_NORM_TYPES
namespace convmixer::kernels {

/// Rows added up in f32 before the sum goes to double, and groups of a row.
inline constexpr std::size_t kRowsInF32 = 16;
inline constexpr std::size_t kGroupsInF32 = 16;

/// Where the rows of a tensor are: in groups of 16 features that lie side by side.
struct RowView {
  std::size_t rows;
  std::size_t features;
  std::size_t group_stride;  ///< elements from one group of a row to the next: 16 where rows are contiguous
  std::size_t rows_of_image;
  std::size_t row_stride;    ///< elements from one row to the next of an image
  std::size_t image_stride;  ///< elements from one image to the next
  bool blocked;              ///< a last group of fewer than 16 features has zeros in place of the missing ones

  [[nodiscard]] std::size_t whole_groups() const { return features / kGroup; }
  /// Of a row's first feature.
  [[nodiscard]] std::size_t offset(std::size_t row) const {
    return row / rows_of_image * image_stride + row % rows_of_image * row_stride;
  }
  /// Of a feature from its row's first.
  [[nodiscard]] std::size_t place(std::size_t feature) const {
    return feature / kGroup * group_stride + feature % kGroup;
  }
  [[nodiscard]] bool is_padded() const { return blocked && features % kGroup != 0; }
};

struct RowRange {
  std::size_t begin;
  std::size_t end;
};

/// Two sums for each feature.
struct FeatureSums {
  double* first;
  double* second;
};

}  // namespace convmixer::kernels
#endif

HWY_BEFORE_NAMESPACE();
namespace convmixer::kernels::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;
using Floats = hn::CappedTag<float, kGroup>;
using OneFloat = hn::CappedTag<float, 1>;

template <class D>
HWY_INLINE double lane_sum(D d, hn::Vec<D> values) {
  return static_cast<double>(hn::GetLane(hn::SumOfLanes(d, values)));
}

/// Calls body(tag, feature, place in the row) for every vector of a row: whole groups by vectors, what is left one by
/// one.
template <typename Body>
HWY_INLINE void for_each_vector(const RowView& view, const Body& body) {
  const Floats d;
  for (std::size_t group = 0; group < view.whole_groups(); ++group) {
    for (std::size_t lane = 0; lane < kGroup; lane += hn::Lanes(d))
      body(d, group * kGroup + lane, group * view.group_stride + lane);
  }
  for (std::size_t feature = view.whole_groups() * kGroup; feature < view.features; ++feature)
    body(OneFloat(), feature, view.place(feature));
}

/// Sums over a row: add(tag, feature, place, sums) adds a vector's part to each of them.
template <std::size_t kSums, typename Add>
HWY_INLINE std::array<double, kSums> row_sums(const RowView& view, const Add& add) {
  const Floats d;
  constexpr std::size_t kVectors = kGroup / hn::MaxLanes(Floats());  // of a group; each is summed by itself
  std::array<double, kSums> sums{};
  for (std::size_t begin = 0; begin < view.whole_groups(); begin += kGroupsInF32) {
    const std::size_t end = std::min(view.whole_groups(), begin + kGroupsInF32);
    hn::Vec<Floats> parts[kVectors][kSums];
    for (auto& part : parts) {
      for (auto& sum : part) sum = hn::Zero(d);
    }
    for (std::size_t group = begin; group < end; ++group) {
      HWY_UNROLL(4)
      for (std::size_t i = 0; i < kVectors; ++i) {
        const std::size_t lane = i * hn::MaxLanes(Floats());
        add(d, group * kGroup + lane, group * view.group_stride + lane, parts[i]);
      }
    }
    for (std::size_t sum = 0; sum < kSums; ++sum) {
      for (std::size_t i = 1; i < kVectors; ++i) parts[0][sum] = hn::Add(parts[0][sum], parts[i][sum]);
      sums[sum] += lane_sum(d, parts[0][sum]);
    }
  }
  for (std::size_t feature = view.whole_groups() * kGroup; feature < view.features; ++feature) {
    hn::Vec<OneFloat> part[kSums];
    for (auto& sum : part) sum = hn::Zero(OneFloat());
    add(OneFloat(), feature, view.place(feature), part);
    for (std::size_t sum = 0; sum < kSums; ++sum) sums[sum] += static_cast<double>(hn::GetLane(part[sum]));
  }
  return sums;
}

template <typename Element>
void normalise_as(const RowView& view, const RowRange& rows, float epsilon, const LayerNormForward& memory,
                  Element* dst) {
  const auto features = static_cast<double>(view.features);
  for (std::size_t row = rows.begin; row < rows.end; ++row) {
    const float* const x = memory.src + view.offset(row);
    Element* const y = dst + view.offset(row);
    const auto add_value = [&](auto d, std::size_t /*feature*/, std::size_t at, auto* sums)
                               HWY_ATTR { sums[0] = hn::Add(sums[0], hn::LoadU(d, x + at)); };
    const auto mean = static_cast<float>(row_sums<1>(view, add_value)[0] / features);
    const auto add_square = [&](auto d, std::size_t /*feature*/, std::size_t at, auto* sums) HWY_ATTR {
      const auto centred = hn::Sub(hn::LoadU(d, x + at), hn::Set(d, mean));
      sums[0] = hn::MulAdd(centred, centred, sums[0]);
    };
    const double squares = row_sums<1>(view, add_square)[0];
    const auto inverse = static_cast<float>(1.0 / std::sqrt(squares / features + static_cast<double>(epsilon)));
    memory.mean[row] = mean;
    memory.inverse_deviation[row] = inverse;
    for_each_vector(view, [&](auto d, std::size_t feature, std::size_t at) HWY_ATTR {
      const auto normalised = hn::Mul(hn::Sub(hn::LoadU(d, x + at), hn::Set(d, mean)), hn::Set(d, inverse));
      const auto scale = hn::LoadU(d, memory.scale + feature);
      store(hn::MulAdd(normalised, scale, hn::LoadU(d, memory.shift + feature)), d, y + at);
    });
    if (!view.is_padded()) continue;
    std::fill_n(y + view.place(view.features), kGroup - view.features % kGroup, Element{});
  }
}

void normalise_rows(const RowView& view, const RowRange& rows, ElementType type, float epsilon,
                    const LayerNormForward& memory) {
  if (type == ElementType::f32) {
    normalise_as(view, rows, epsilon, memory, static_cast<float*>(memory.dst));
  } else {
    normalise_as(view, rows, epsilon, memory, static_cast<std::uint16_t*>(memory.dst));
  }
}

/// Some rows, and what their gradients have in common.
struct GradientRows {
  std::size_t count = 0;
  std::array<std::size_t, kRowsInF32> offset{};
  std::array<float, kRowsInF32> mean{};
  std::array<float, kRowsInF32> inverse{};
  std::array<float, kRowsInF32> mean_gradient{};    // of g
  std::array<float, kRowsInF32> mean_projection{};  // of g * xhat
};

template <typename Element>
GradientRows prepare_rows(const RowView& view, const RowRange& rows, const LayerNormBackward& memory,
                          const Element* diff_dst) {
  const auto features = static_cast<double>(view.features);
  GradientRows prepared;
  for (std::size_t row = rows.begin; row < rows.end; ++row) {
    const std::size_t i = prepared.count++;
    prepared.offset[i] = view.offset(row);
    const float mean = prepared.mean[i] = memory.mean[row];
    const float inverse = prepared.inverse[i] = memory.inverse_deviation[row];
    const float* const x = memory.src + prepared.offset[i];
    const Element* const dy = diff_dst + prepared.offset[i];
    const auto [gradients, projection] =
        row_sums<2>(view, [&](auto d, std::size_t feature, std::size_t at, auto* sums) HWY_ATTR {
          const auto g = hn::Mul(load(d, dy + at), hn::LoadU(d, memory.scale + feature));
          sums[0] = hn::Add(sums[0], g);
          sums[1] = hn::MulAdd(g, hn::Sub(hn::LoadU(d, x + at), hn::Set(d, mean)), sums[1]);
        });
    prepared.mean_gradient[i] = static_cast<float>(gradients / features);
    prepared.mean_projection[i] = static_cast<float>(projection * static_cast<double>(inverse) / features);
  }
  return prepared;
}

template <class D>
HWY_INLINE void add_lanes(D d, hn::Vec<D> values, double* sums) {
  alignas(64) std::array<float, kGroup> lanes;
  hn::StoreU(values, d, lanes.data());
  for (std::size_t i = 0; i < hn::Lanes(d); ++i) sums[i] += static_cast<double>(lanes[i]);
}

template <bool kAdds, typename Element>
void gradient_as(const RowView& view, const RowRange& rows, const LayerNormBackward& memory, const Element* diff_dst,
                 const FeatureSums& sums) {
  for (std::size_t begin = rows.begin; begin < rows.end; begin += kRowsInF32) {
    const RowRange range{begin, std::min(rows.end, begin + kRowsInF32)};
    const GradientRows some = prepare_rows(view, range, memory, diff_dst);
    for_each_vector(view, [&](auto d, std::size_t feature, std::size_t at) HWY_ATTR {
      const auto scale = hn::LoadU(d, memory.scale + feature);
      auto shift_sum = hn::Zero(d);
      auto scale_sum = hn::Zero(d);
      for (std::size_t i = 0; i < some.count; ++i) {
        const std::size_t place = some.offset[i] + at;
        const auto dy = load(d, diff_dst + place);
        const auto inverse = hn::Set(d, some.inverse[i]);
        const auto xhat = hn::Mul(hn::Sub(hn::LoadU(d, memory.src + place), hn::Set(d, some.mean[i])), inverse);
        shift_sum = hn::Add(shift_sum, dy);
        scale_sum = hn::MulAdd(dy, xhat, scale_sum);
        const auto rest = hn::MulAdd(xhat, hn::Set(d, some.mean_projection[i]), hn::Set(d, some.mean_gradient[i]));
        auto dx = hn::Mul(inverse, hn::Sub(hn::Mul(dy, scale), rest));
        if constexpr (kAdds) dx = hn::Add(hn::LoadU(d, memory.addend + place), dx);
        hn::StoreU(dx, d, memory.diff_src + place);
      }
      add_lanes(d, shift_sum, sums.first + feature);
      add_lanes(d, scale_sum, sums.second + feature);
    });
    if (!view.is_padded()) continue;
    for (std::size_t i = 0; i < some.count; ++i)
      std::fill_n(memory.diff_src + some.offset[i] + view.place(view.features), kGroup - view.features % kGroup, 0.0F);
  }
}

template <typename Element>
void gradient_of(const RowView& view, const RowRange& rows, bool adds, const LayerNormBackward& memory,
                 const FeatureSums& sums) {
  const auto* const diff_dst = static_cast<const Element*>(memory.diff_dst);
  if (adds) {
    gradient_as<true>(view, rows, memory, diff_dst, sums);
  } else {
    gradient_as<false>(view, rows, memory, diff_dst, sums);
  }
}

/// Writes diff_src, and adds diff_dst and diff_dst * xhat to the features' sums.
void gradient_rows(const RowView& view, const RowRange& rows, ElementType type, bool adds,
                   const LayerNormBackward& memory, const FeatureSums& sums) {
  if (type == ElementType::f32) {
    gradient_of<float>(view, rows, adds, memory, sums);
  } else {
    gradient_of<std::uint16_t>(view, rows, adds, memory, sums);
  }
}

}  // namespace convmixer::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace convmixer::kernels {

HWY_EXPORT(normalise_rows);
HWY_EXPORT(gradient_rows);

namespace {

RowView view_of(const Layout& layout) {
  const Shape& shape = layout.shape();
  const bool is_image = shape.rank() == 4;
  RowView view{};
  view.rows = static_cast<std::size_t>(layer_norm_rows(layout));
  view.features = static_cast<std::size_t>(is_image ? shape[1] : shape[shape.rank() - 1]);
  view.rows_of_image = view.rows / static_cast<std::size_t>(shape[0]);
  const std::size_t padded = (view.features + kGroup - 1) / kGroup * kGroup;
  const bool is_blocked = layout.format() == Format::blocked16;
  view.blocked = is_blocked;
  view.group_stride = is_blocked ? view.rows_of_image * kGroup : kGroup;
  view.row_stride = is_blocked ? kGroup : view.features;
  view.image_stride = view.rows_of_image * (is_blocked ? padded : view.features);
  return view;
}

/// A part of the rows, a task each: as many for any number of threads, and so few that their sums are soon added up.
struct Parts {
  explicit Parts(const RowView& view) : all(view.rows) {
    constexpr std::size_t kLeastRows = 64;
    constexpr std::size_t kMostParts = 64;
    rows = std::max(kLeastRows, (all + kMostParts - 1) / kMostParts);
    rows = (rows + kRowsInF32 - 1) / kRowsInF32 * kRowsInF32;
    count = (all + rows - 1) / rows;
  }
  [[nodiscard]] RowRange range(std::int64_t part) const {
    const std::size_t begin = static_cast<std::size_t>(part) * rows;
    return {begin, std::min(all, begin + rows)};
  }

  std::size_t all;
  std::size_t rows;
  std::size_t count;
};

}  // namespace

bool has_rows(const Layout& layout) {
  if (layout.shape().rank() < 4) return layout.format() == Format::plain;
  return layout.format() == Format::channels_last || layout.format() == Format::blocked16;
}

std::int64_t layer_norm_rows(const Layout& layout) {
  const Shape& shape = layout.shape();
  if (shape.rank() == 4) return shape[0] * shape[2] * shape[3];
  return shape.rank() == 3 ? shape[0] * shape[1] : shape[0];
}

void layer_norm(Runtime& runtime, const Layout& src, ElementType dst_type, float epsilon,
                const LayerNormForward& memory) {
  const RowView view = view_of(src);
  const Parts parts(view);
  runtime.parallel_for(static_cast<std::int64_t>(parts.count), [&](std::int64_t part) {
    HWY_DYNAMIC_DISPATCH(normalise_rows)(view, parts.range(part), dst_type, epsilon, memory);
  });
}

std::size_t layer_norm_backward_doubles(const Layout& layout) {
  const RowView view = view_of(layout);
  return 2 * view.features * Parts(view).count;
}

void layer_norm_backward(Runtime& runtime, const Layout& src, ElementType diff_dst_type, bool adds,
                         const LayerNormBackward& memory) {
  const RowView view = view_of(src);
  const Parts parts(view);
  const std::size_t features = view.features;
  runtime.parallel_for(static_cast<std::int64_t>(parts.count), [&](std::int64_t part) {
    double* const sums = memory.working + 2 * features * static_cast<std::size_t>(part);
    std::fill_n(sums, 2 * features, 0.0);
    HWY_DYNAMIC_DISPATCH(gradient_rows)
    (view, parts.range(part), diff_dst_type, adds, memory, FeatureSums{sums, sums + features});
  });
  for (std::size_t part = 1; part < parts.count; ++part) {
    for (std::size_t i = 0; i < 2 * features; ++i) memory.working[i] += memory.working[2 * features * part + i];
  }
  for (std::size_t i = 0; i < features; ++i) {
    memory.diff_shift[i] = static_cast<float>(memory.working[i]);
    memory.diff_scale[i] = static_cast<float>(memory.working[features + i]);
  }
}

}  // namespace convmixer::kernels
#endif
