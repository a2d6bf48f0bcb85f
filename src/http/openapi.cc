#include "http/openapi.h"

#include "base/encoding.h"

namespace tarn::http {

Json openapi_of(const RouteTable& table, const std::string& version) {
  Json paths = Json::object();
  for (const auto& r : table.routes()) {
    std::string path;
    Json parameters = Json::array();
    auto add = [&](const std::string& name, const char* description) {
      parameters.push_back({{"name", name}, {"in", "path"}, {"required", true}, {"description", description}, {"schema", {{"type", "string"}}}});
    };
    for (size_t at = 0; at < r.pattern.size(); ++at) {
      if (r.pattern.compare(at, 5, "/api/") == 0 && r.pattern.compare(at + 5, 1, "*") == 0) {
        path += "/api/{version}";
        add("version", "2.0, 2.1, 2.2; 1.2 for contexts and commands. All versions have one handler.");
        at += 5;
      } else if (r.pattern[at] == '{') {
        size_t end = r.pattern.find('}', at);
        std::string name = r.pattern.substr(at + 1, end - at - 1);
        bool rest = name.ends_with("...");
        if (rest) name.resize(name.size() - 3);
        path += "{" + name + "}";
        add(name, rest ? "The rest of the path, with its slashes." : "");
        at = end;
      } else {
        path += r.pattern[at];
      }
    }
    std::string tag = r.pattern.starts_with("/api/*/") ? r.pattern.substr(7) : r.pattern.substr(1);
    tag = tag.substr(0, tag.find('/'));
    Json operation = {{"tags", {tag}}, {"parameters", parameters}, {"responses", {{"200", {{"description", "Done."}}}, {"default", {{"description", "An error."}}}}}};
    if (r.access == Access::kPublic) operation["security"] = Json::array();
    else if (r.access == Access::kAdmin) operation["description"] = "Workspace admins only.";
    if (r.socket) {
      operation["description"] = "A WebSocket (RFC 6455).";
      operation["responses"] = {{"101", {{"description", "The WebSocket is open."}}}, {"default", {{"description", "An error."}}}};
    }
    if (r.method != "GET" && r.method != "DELETE") {
      const char* type = r.body == Body::kJson ? "application/json" : "application/octet-stream";
      operation["requestBody"] = {{"content", {{type, {{"schema", {{"type", r.body == Body::kJson ? "object" : "string"}}}}}}}, {"x-max-bytes", r.max_body}};
    }
    paths[path][lower_ascii(r.method)] = std::move(operation);
  }
  return {{"openapi", "3.0.3"}, {"info", {{"title", "Tarn workspace"}, {"version", version}}}, {"paths", paths},
          {"components", {{"securitySchemes", {{"token", {{"type", "http"}, {"scheme", "bearer"}}}, {"session", {{"type", "apiKey"}, {"in", "cookie"}, {"name", "tarn_session"}}}}}}},
          {"security", Json::array({{{"token", Json::array()}}, {{"session", Json::array()}}})}};
}

}  // namespace tarn::http
