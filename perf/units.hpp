/// What numbers are multiplied with to be shown.
#pragma once

namespace convmixer::perf {

inline constexpr double kMilli = 1e3;     ///< seconds as milliseconds
inline constexpr double kPerGiga = 1e-9;  ///< operations as those in units of 10^9

}  // namespace convmixer::perf
