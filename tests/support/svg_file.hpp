/// An SVG picture, read by a real XML parser (Python's expat).
#pragma once

#include <map>
#include <string>
#include <vector>

namespace convmixer::testing_support {

/// Attributes by name.
using SvgElement = std::map<std::string, std::string>;

class SvgFile {
 public:
  /// Throws Error if the text isn't well-formed XML or no SVG.
  explicit SvgFile(const std::string& text);

  /// In the order of the file, those of a class or of any.
  [[nodiscard]] std::vector<SvgElement> elements(const std::string& tag, const std::string& kind = "*") const;
  [[nodiscard]] std::size_t count(const std::string& tag, const std::string& kind) const {
    return elements(tag, kind).size();
  }
  /// What <text class="kind"> elements say; kind "": those without a class.
  [[nodiscard]] std::vector<std::string> texts(const std::string& kind) const;

 private:
  struct Node {
    std::string tag;
    SvgElement attributes;
    std::string text;
  };
  std::vector<Node> nodes_;
};

}  // namespace convmixer::testing_support
