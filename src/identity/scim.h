#pragma once
// The parts of RFC 7644 that need no server: filters (3.4.2.2) and PATCH (3.5.2) on resources as JSON.
#include <functional>
#include <nlohmann/json.hpp>
#include <string_view>

namespace tarn::identity {

using ScimFilter = std::function<bool(const nlohmann::json& resource)>;
// eq ne co sw ew gt ge lt le pr, and or not, parentheses, a.b and a[filter]. RestError 400 for anything else.
ScimFilter parse_scim_filter(std::string_view text);
// Applies one request's Operations. RestError 400.
void apply_scim_patch(nlohmann::json& resource, const nlohmann::json& operations);

}  // namespace tarn::identity
