#define JSON_TEMPLATES
#include "json_templates.hpp"
