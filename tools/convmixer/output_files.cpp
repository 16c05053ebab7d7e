#include "output_files.hpp"

#include "convmixer/core/error.hpp"
#include "convmixer/core/file.hpp"

#include <system_error>

namespace convmixer::tool {
namespace {

namespace fs = std::filesystem;

/// Of two paths that may not be there yet.
bool is_same_file(const fs::path& one, const fs::path& other) {
  std::error_code error;
  if (fs::equivalent(one, other, error) && !error) return true;
  const fs::path canonical = fs::weakly_canonical(fs::absolute(one, error), error);
  if (error) return one == other;
  const fs::path other_canonical = fs::weakly_canonical(fs::absolute(other, error), error);
  return error ? one == other : canonical == other_canonical;
}

}  // namespace

void require_outputs(std::span<const OutputFile> outputs, const std::vector<fs::path>& inputs) {
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    const OutputFile& output = outputs[i];
    if (output.path.empty()) continue;
    for (const OutputFile& earlier : outputs.first(i)) {
      if (!earlier.path.empty() && is_same_file(earlier.path, output.path))
        fail_usage("--{} and --{} both name {}: give each a file of its own", earlier.option, output.option,
                   output.path.string());
    }
    for (const fs::path& input : inputs) {
      if (!input.empty() && is_same_file(input, output.path))
        fail_usage("--{} {}: that is what is read: give another file", output.option, output.path.string());
    }
    require_writable(output.path);
  }
}

}  // namespace convmixer::tool
