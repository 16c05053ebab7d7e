/// Counts what the objects of a test program ask the allocator for, on every thread. The program is linked with
/// --wrap for each function that allocates: convmixer_allocation_test of tests/CMakeLists.txt.
#pragma once

#include <cstdint>

namespace convmixer::testing_support {

/// Allocations since the program began.
[[nodiscard]] std::int64_t counted_allocations() noexcept;

}  // namespace convmixer::testing_support
