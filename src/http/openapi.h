#pragma once
// What the routes of a table are, as an OpenAPI 3 description: made from the table, so it cannot be behind it.
#include <string>

#include "http/route.h"

namespace tarn::http {

// Any API version is a path parameter with its usual values; parameters of bodies are not described, as routes do not declare them.
Json openapi_of(const RouteTable& table, const std::string& version);

}  // namespace tarn::http
