#include "core/tbb_version.hpp"

#include <tbb/version.h>

namespace convmixer {

std::string tbb_version() { return TBB_runtime_version(); }

}  // namespace convmixer
