#include "given_weights.hpp"

#include "convmixer/model/convmixer.hpp"
#include "support/temporary_folder.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <cstdint>
#include <fstream>

namespace convmixer::tool {
namespace {

using testing::HasSubstr;

/// Another program's file of these sizes, in F16. All values are 0 and take no room on the disk.
void write_zeros(const std::filesystem::path& path, const ConvMixerConfig& model) {
  const Graph graph = make_convmixer(model);
  nlohmann::json header;
  std::int64_t end = 0;
  const auto add = [&](const std::string& name, const Shape& shape) {
    const std::int64_t begin = end;
    end += 2 * shape.count();
    std::vector<std::int64_t> sizes;
    for (int i = 0; i < shape.rank(); ++i) sizes.push_back(shape[i]);
    header[name] = {{"dtype", "F16"}, {"shape", sizes}, {"data_offsets", {begin, end}}};
  };
  for (const Parameter& parameter : graph.parameters()) add(parameter.name, parameter.shape);
  for (const Statistic& statistic : graph.statistics()) add(statistic.name, statistic.shape);
  const std::string text = header.dump();
  const std::uint64_t size = text.size();
  std::ofstream(path, std::ios::binary).write(reinterpret_cast<const char*>(&size), sizeof size) << text;
  std::filesystem::resize_file(path, sizeof size + size + static_cast<std::uint64_t>(end));
}

std::string warning_of(const ConvMixerConfig& model) {
  const testing_support::TemporaryFolder folder;
  write_zeros(folder.path() / "theirs.safetensors", model);
  testing::internal::CaptureStderr();
  (void)find_weights(folder.path() / "theirs.safetensors");
  return testing::internal::GetCapturedStderr();
}

TEST(GivenWeights, ThatArePublishedForReluAreWarnedOf) {
  ConvMixerConfig model{.dim = 768, .depth = 32, .kernel_size = 7, .patch_size = 7, .classes = 1000};
  EXPECT_THAT(warning_of(model), HasSubstr("ConvMixer-768/32, kernel 7, patch 7 are for ReLU, this program's"));
  model.depth = 2;
  EXPECT_EQ(warning_of(model), "");
}

}  // namespace
}  // namespace convmixer::tool
