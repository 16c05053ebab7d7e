// The columns of a square filter in passes whose number of columns is known when the code is compiled, so that sums of
// all of them stay in registers; included once for each instruction set.
#if defined(CONVMIXER_KERNELS_KERNEL_COLUMNS_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef CONVMIXER_KERNELS_KERNEL_COLUMNS_INL_H
#undef CONVMIXER_KERNELS_KERNEL_COLUMNS_INL_H
#else
#define CONVMIXER_KERNELS_KERNEL_COLUMNS_INL_H
#endif

#include <hwy/highway.h>

#include <cstddef>
#include <type_traits>

HWY_BEFORE_NAMESPACE();
namespace convmixer::kernels::HWY_NAMESPACE {

/// Columns of one pass at most; where more are left over, a pass takes one less: an even number keeps pairs whole.
constexpr std::size_t kMostColumns = 9;

/// Calls visit(std::integral_constant<columns>) for 1 to kMostColumns columns.
template <std::size_t kColumns = kMostColumns, typename Visit>
HWY_INLINE void with_columns(std::size_t columns, const Visit& visit) {
  if constexpr (kColumns > 0) {
    if (columns == kColumns) return visit(std::integral_constant<std::size_t, kColumns>());
    with_columns<kColumns - 1>(columns, visit);
  }
}

/// Calls visit(std::integral_constant<columns>, first column) for each pass over the columns of a `kernel` x `kernel`
/// filter: a kernel of 7 has one pass of 7, one of 11 has passes of 8 and 3.
template <typename Visit>
HWY_INLINE void for_kernel_columns(std::size_t kernel, const Visit& visit) {
  static_assert(kMostColumns % 2 == 1);
  std::size_t column = 0;
  for (; kernel - column > kMostColumns; column += kMostColumns - 1) {
    visit(std::integral_constant<std::size_t, kMostColumns - 1>(), column);
  }
  with_columns(kernel - column, [&](auto columns) HWY_ATTR { visit(columns, column); });
}

}  // namespace convmixer::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // per target
