#include "output_files.hpp"

#include "convmixer/core/error.hpp"
#include "convmixer/core/file.hpp"
#include "convmixer/train/find_runs.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <string_view>
#include <system_error>

namespace convmixer::tool {
namespace {

namespace fs = std::filesystem;

/// Without links; of a path that may not be there yet.
fs::path whole_path(const fs::path& path) {
  std::error_code error;
  const fs::path absolute = fs::absolute(path, error);
  const fs::path canonical = fs::weakly_canonical(absolute, error);
  return error ? path.lexically_normal() : canonical;
}

bool is_same_file(const fs::path& one, const fs::path& other) {
  std::error_code error;
  return (fs::equivalent(one, other, error) && !error) || whole_path(one) == whole_path(other);
}

std::string ending_of(const fs::path& path) {
  std::string ending = path.extension().string();
  std::ranges::transform(ending, ending.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return ending;
}

bool is_image(const fs::path& path) {
  constexpr std::array<std::string_view, 4> kEndings{".png", ".jpg", ".jpeg", ".ppm"};
  return std::ranges::find(kEndings, ending_of(path)) != kEndings.end();
}

/// Whether the file is there already and may be one of those that are read in a folder.
bool may_be_read_in(const fs::path& folder, const OutputFile& output) {
  std::error_code ignored;
  if (!fs::is_directory(folder, ignored) || !fs::exists(output.path, ignored)) return false;
  const fs::path place = whole_path(output.path).lexically_relative(whole_path(folder));
  if (place.empty() || *place.begin() == "..") return false;
  return place.has_parent_path() || (is_image(output.path) && output.ending.empty());
}

void check_input(const fs::path& input, const OutputFile& output) {
  if (input.empty()) return;
  if (is_same_file(input, output.path))
    fail_usage("--{} {}: that is what is read: give another file", output.option, output.path.string());
  if (may_be_read_in(input, output))
    fail_usage("--{} {}: that is a file in {}, which is read: give another file", output.option, output.path.string(),
               input.string());
}

}  // namespace

void require_no_file_of_run(const OutputFile& output, const fs::path& folder) {
  const fs::path path = whole_path(output.path);
  const bool will_be = !folder.empty() && path.parent_path() == whole_path(folder / "x").parent_path() &&
                       is_name_in_run(path.filename());
  if (will_be || is_file_of_run(path))
    fail_usage("--{} {}: that is a file of the run in {}: give another file", output.option, output.path.string(),
               path.parent_path().string());
}

void require_outputs(std::span<const OutputFile> outputs, const std::vector<fs::path>& inputs) {
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    const OutputFile& output = outputs[i];
    if (output.path.empty()) continue;
    if (!output.ending.empty() && ending_of(output.path) != output.ending)
      fail_usage("--{} {}: expected a name that ends in {}", output.option, output.path.string(), output.ending);
    for (const OutputFile& earlier : outputs.first(i)) {
      if (!earlier.path.empty() && is_same_file(earlier.path, output.path))
        fail_usage("--{} and --{} both name {}: give each a file of its own", earlier.option, output.option,
                   output.path.string());
    }
    for (const fs::path& input : inputs) check_input(input, output);
    require_no_file_of_run(output);
    require_writable(output.path);
  }
}

}  // namespace convmixer::tool
