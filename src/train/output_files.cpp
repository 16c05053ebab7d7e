#include "convmixer/train/output_files.hpp"

#include "convmixer/core/error.hpp"
#include "convmixer/core/file.hpp"
#include "convmixer/train/find_runs.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <string_view>
#include <system_error>

namespace convmixer {
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

/// CIFAR's files and archives, by their names: "data_batch_1.bin", "data_batch_1", "cifar-10-binary.tar.gz".
bool may_be_cifar(const fs::path& path) {
  constexpr std::array<std::string_view, 5> kEndings{".bin", ".gz", ".tgz", ".tar", ".zip"};
  const std::string name = path.filename().string();
  return name.starts_with("data_batch") || name == "test_batch" || name == "train" || name == "test" ||
         std::ranges::find(kEndings, ending_of(path)) != kEndings.end();
}

/// Whether the file is there already and may be one of those that are read in a folder. A picture beside the folders of
/// the classes is none of their images.
bool may_be_read_in(const fs::path& folder, const OutputFile& output) {
  std::error_code ignored;
  if (!fs::is_directory(folder, ignored) || !fs::exists(output.path, ignored)) return false;
  const fs::path place = whole_path(output.path).lexically_relative(whole_path(folder));
  if (place.empty() || *place.begin() == "..") return false;
  const bool is_beside_classes = !place.has_parent_path() && !output.ending.empty();
  return may_be_cifar(output.path) || (is_image(output.path) && !is_beside_classes);
}

void check_input(const fs::path& input, const OutputFile& output) {
  if (input.empty()) return;
  if (is_same_file(input, output.path))
    fail_usage("--{} {}: that is what is read: give another file", output.option, output.path.string());
  if (may_be_read_in(input, output))
    fail_usage("--{} {}: that is a file in {}, which is read: give another file", output.option, output.path.string(),
               input.string());
}

/// Whether a file lies in a folder itself, neither of which may be there yet.
bool is_in(const fs::path& folder, const fs::path& file) {
  std::error_code ignored;
  return fs::absolute(file, ignored).lexically_normal().parent_path() ==
         (fs::absolute(folder, ignored) / "").lexically_normal().parent_path();
}

}  // namespace

void require_no_file_of_run(const OutputFile& output, const fs::path& folder) {
  const fs::path run = folder.empty() ? fs::path() : whole_path(folder / "x").parent_path();
  // Where its links lead, and where the first of them lies.
  const fs::path parent = whole_path(output.path.has_parent_path() ? output.path.parent_path() : ".");
  for (const fs::path& path : {whole_path(output.path), parent / output.path.filename()}) {
    const bool will_be = path.parent_path() == run && is_name_in_run(path.filename());
    if (will_be || is_file_of_run(path))
      fail_usage("--{} {}: that is a file of the run in {}: give another file", output.option, output.path.string(),
                 path.parent_path().string());
  }
}

void require_no_input(const OutputFile& output, const std::vector<fs::path>& inputs) {
  for (const fs::path& input : inputs) check_input(input, output);
}

std::vector<fs::path> weights_read(const fs::path& argument, const fs::path& checkpoint) {
  std::error_code ignored;
  const RunFolder run{argument};
  std::vector<fs::path> read{argument};
  if (fs::is_directory(argument, ignored)) read = {run.best(), run.last(), run.state()};
  if (checkpoint != "best" && checkpoint != "last") read.push_back(checkpoint);
  return read;
}

void require_outputs(std::span<const OutputFile> outputs, const std::vector<fs::path>& inputs) {
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    const OutputFile& output = outputs[i];
    if (output.path.empty()) continue;
    if (output.path == "-") fail_usage("--{} -: expected a file; ./- is one of that name", output.option);
    if (!output.ending.empty() && ending_of(output.path) != output.ending)
      fail_usage("--{} {}: expected a name that ends in {}", output.option, output.path.string(), output.ending);
    for (const OutputFile& earlier : outputs.first(i)) {
      if (!earlier.path.empty() && is_same_file(earlier.path, output.path))
        fail_usage("--{} and --{} both name {}: give each a file of its own", earlier.option, output.option,
                   output.path.string());
    }
    require_no_file_of_run(output);
    require_no_input(output, inputs);
    std::error_code ignored;
    const bool is_to_come = is_in(output.folder, output.path) && !fs::exists(output.folder, ignored);
    if (output.folder.empty() || !is_to_come) require_writable(output.path);
  }
}

}  // namespace convmixer
