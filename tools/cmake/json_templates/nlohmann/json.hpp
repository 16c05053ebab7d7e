/// In place of nlohmann/json's own header, which it includes: json_templates.cpp holds what else each source would
/// compile anew (PrecompiledHeaders.cmake).
#pragma once

#include_next <nlohmann/json.hpp>

#include <functional>
#include <map>
#include <string>
#include <vector>

// JSON_TEMPLATES is "extern" where they are elsewhere.
#ifndef JSON_TEMPLATES
#define JSON_TEMPLATES extern
#endif

namespace convmixer::json_templates {
using StringAdapter = nlohmann::detail::iterator_input_adapter<std::string::const_iterator>;
}

JSON_TEMPLATES template class std::vector<nlohmann::json>;
JSON_TEMPLATES template class std::map<std::string, nlohmann::json, std::less<>>;
JSON_TEMPLATES template class nlohmann::basic_json<>;
JSON_TEMPLATES template class nlohmann::detail::serializer<nlohmann::json>;
JSON_TEMPLATES template class nlohmann::detail::lexer<nlohmann::json, convmixer::json_templates::StringAdapter>;
JSON_TEMPLATES template class nlohmann::detail::parser<nlohmann::json, convmixer::json_templates::StringAdapter>;
