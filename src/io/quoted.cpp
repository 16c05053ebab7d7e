#include "io/quoted.hpp"

#include <nlohmann/json.hpp>

namespace convmixer {

std::string quoted(const std::string& text) {
  using nlohmann::json;
  return json(text).dump(-1, ' ', /*ensure_ascii=*/true, json::error_handler_t::replace);
}

}  // namespace convmixer
