#define JSON_TEMPLATES
#include <nlohmann/json.hpp>
