/// README's description of metrics.jsonl, held against what trainings write.
#include "convmixer/core/error.hpp"
#include "train/ranks_fixture.hpp"

#include <gmock/gmock.h>

#include <algorithm>
#include <set>

namespace convmixer {
namespace {

/// Type and name of a field.
using Field = std::pair<std::string, std::string>;

std::vector<std::string> split(const std::string& text, const std::string& separator) {
  std::vector<std::string> parts;
  std::size_t begin = 0;
  for (std::size_t end; (end = text.find(separator, begin)) != std::string::npos; begin = end + separator.size())
    parts.push_back(text.substr(begin, end - begin));
  parts.push_back(text.substr(begin));
  return parts;
}

/// The names in backquotes.
std::vector<std::string> quoted(const std::string& text) {
  std::vector<std::string> names;
  const std::vector<std::string> parts = split(text, "`");
  for (std::size_t i = 1; i < parts.size(); i += 2) names.push_back(parts[i]);
  return names;
}

/// Rows "| `field`, ... | type, ... | ... |" of the table.
std::set<Field> documented() {
  const std::string readme = read_text_file(std::filesystem::path(CONVMIXER_SOURCE_DIR) / "README.md");
  const std::string heading = "### What metrics.jsonl has\n";
  std::istringstream lines(readme.substr(std::min(readme.find(heading), readme.size() - 1) + heading.size()));
  std::set<Field> fields;
  for (std::string line; std::getline(lines, line) && !line.starts_with("#");) {
    if (!line.starts_with("| `")) continue;
    const std::vector<std::string> cells = split(line, " | ");
    const std::string types = cells[1] == "all" ? "session, step, epoch, test, end" : cells[1];
    for (const std::string& name : quoted(cells[0]))
      for (const std::string& type : split(types, ", ")) fields.emplace(type, name);
  }
  return fields;
}

class MetricsSchema : public RanksFixture {
 protected:
  [[nodiscard]] static std::set<Field> written(const std::filesystem::path& run) {
    std::set<Field> fields;
    std::istringstream text(read_text_file(RunFolder{run}.metrics()));
    for (std::string line; std::getline(text, line);) {
      const nlohmann::json record = nlohmann::json::parse(line);
      const std::string type = record["type"];
      for (const auto& [key, value] : record.items()) {
        std::string name = key;
        if (const auto at = name.find("holdout"); at != std::string::npos && type == "epoch")
          name.replace(at, std::string("holdout").size(), "test");
        fields.emplace(type, name);
      }
    }
    return fields;
  }
};

TEST_F(MetricsSchema, IsDescribedInTheReadmeFieldByField) {
  TrainConfig config = small_config("run");
  config.holdout = {.images = 20};
  config.average.decay = 0.9F;
  config.image_sizes = {{16, 0.5}, {32, 0.5}};
  resolve(config, *train_);
  ASSERT_EQ(train(config), TrainEnd::finished);
  std::set<Field> fields = written(config.out);
  TrainConfig failing = small_config("failing");
  failing.optimizer.kind = OptimizerKind::sgd;
  failing.lr = 1e30F;
  EXPECT_THROW(train(failing), Error);
  fields.merge(written(failing.out));
  const TrainConfig shared = small_config("shared");
  ASSERT_EQ(train_on(2, shared), TrainEnd::finished);
  fields.merge(written(shared.out));
  EXPECT_EQ(fields, documented());
  const TrainConfig plain = small_config("plain");
  ASSERT_EQ(train(plain), TrainEnd::finished);
  EXPECT_THAT(documented(), testing::IsSupersetOf(written(plain.out)));
}

}  // namespace
}  // namespace convmixer
