#include "train/image_size_options.hpp"

#include <optional>
#include <string>
#include <utility>

namespace convmixer {

Option image_sizes_option(std::vector<ImageSizeShare>& shares) {
  return {"image-sizes",
          "N:X,...",
          "train on images reduced to N x N pixels for the share X of the epochs, then on the next size, at last on "
          "their own: 16:0.4,24:0.3,32:0.3; off: always on their own. Tests are always on their own",
          "off, or sizes with their shares of the epochs, such as 16:0.4,24:0.3,32:0.3",
          [&shares](const std::string& text) {
            auto parsed = parse_image_sizes(text);
            if (parsed) shares = std::move(*parsed);
            return parsed.has_value();
          },
          [&shares] { return to_string(shares); }};
}

}  // namespace convmixer
