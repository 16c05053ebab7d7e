#include "support/svg_file.hpp"

#include "convmixer/core/error.hpp"
#include "convmixer/core/file.hpp"
#include "support/temporary_folder.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <cstdlib>

namespace convmixer::testing_support {

namespace {

constexpr const char* kReader = R"(
import json, sys, xml.etree.ElementTree as tree
root = tree.parse(sys.argv[1]).getroot()
assert root.tag == "{http://www.w3.org/2000/svg}svg", root.tag
nodes = [{"tag": n.tag.split("}")[1], "attributes": n.attrib, "text": n.text or ""} for n in root.iter()]
json.dump(nodes, open(sys.argv[2], "w"))
)";

}  // namespace

SvgFile::SvgFile(const std::string& text) {
  const TemporaryFolder folder;
  const auto path = [&folder](const char* name) { return folder.path() / name; };
  write_file_atomically(path("picture.svg"), text);
  write_file_atomically(path("read.py"), kReader);
  const std::string command =
      fmt::format("python3 '{}' '{}' '{}' 2>'{}'", path("read.py").string(), path("picture.svg").string(),
                  path("nodes.json").string(), path("errors").string());
  if (std::system(command.c_str()) != 0) fail("not an SVG: {}", read_text_file(path("errors")));
  for (const auto& node : nlohmann::json::parse(read_text_file(path("nodes.json")))) {
    nodes_.push_back({node.at("tag"), node.at("attributes").get<SvgElement>(), node.at("text")});
  }
}

std::vector<SvgElement> SvgFile::elements(const std::string& tag, const std::string& kind) const {
  std::vector<SvgElement> found;
  for (const Node& node : nodes_) {
    const auto of_kind = node.attributes.find("class");
    if (node.tag != tag) continue;
    if (kind == "*" || (of_kind != node.attributes.end() && of_kind->second == kind)) found.push_back(node.attributes);
  }
  return found;
}

std::vector<std::string> SvgFile::texts(const std::string& kind) const {
  std::vector<std::string> found;
  for (const Node& node : nodes_) {
    const auto of_kind = node.attributes.find("class");
    const std::string has = of_kind == node.attributes.end() ? "" : of_kind->second;
    if (node.tag == "text" && has == kind) found.push_back(node.text);
  }
  return found;
}

}  // namespace convmixer::testing_support
