/// What plans of every kind refuse.
#pragma once

#include <cstdint>
#include <string>

namespace convmixer {

/// Throws Error (usage), naming the norm, where a batch of so many images, those that the norm sees, of these sizes has
/// a single value per channel: there is no unbiased variance of one.
void require_several_values(const std::string& norm, std::int64_t images, std::int64_t height, std::int64_t width);

}  // namespace convmixer
