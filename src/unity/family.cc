#include "unity/family.h"

#include <algorithm>
#include <cctype>
#include <map>

#include "base/encoding.h"
#include "base/spark_error.h"

namespace tarn::unity {

using catalog::CatalogInfo;
using catalog::SchemaInfo;
using catalog::TableInfo;
using catalog::VolumeInfo;
using http::Call;
using http::Response;
using http::RestError;
using http::RouteHandler;

std::string id_of(const std::string& what) {
  std::string h = hex_encode(sha256(what));
  return h.substr(0, 8) + "-" + h.substr(8, 4) + "-5" + h.substr(13, 3) + "-a" + h.substr(17, 3) + "-" + h.substr(20, 12);
}

RestError gone(const char* kind, const std::string& name) {
  return {404, std::string(kind) + "_DOES_NOT_EXIST", std::string(kind) + " '" + name.substr(0, 300) + "' does not exist."};
}

std::vector<std::string> split(const std::string& name, size_t parts) {
  std::vector<std::string> out;
  for (size_t at = 0; at <= name.size();) {
    size_t end = std::min(name.find('.', at), name.size());
    out.push_back(name.substr(at, end - at));
    at = end + 1;
  }
  if (out.size() != parts || std::any_of(out.begin(), out.end(), [](const auto& p) { return p.empty(); })) {
    throw http::invalid_parameter("The name " + name.substr(0, 300) + " must have " + std::to_string(parts) + " parts.");
  }
  return out;
}

std::string new_name(Call& call, const char* field) {
  std::string name = call.required_text(field);
  bool bad = name.size() > 255 || std::any_of(name.begin(), name.end(), [](char c) { return static_cast<unsigned char>(c) <= 0x20 || c == '/' || c == '.' || c == 0x7f; });
  if (bad) throw http::invalid_parameter("The name " + name.substr(0, 100) + " is not valid.");
  return name;
}

std::optional<std::string> optional_text(Call& call, const char* field) { return call.has(field) ? std::optional(call.text(field)) : std::nullopt; }

void add_common(Json& j, const std::optional<std::string>& comment, const std::string& owner, int64_t created_ms, const std::string& metastore) {
  if (comment) j["comment"] = *comment;
  j["owner"] = owner;
  j["created_at"] = created_ms;
  j["updated_at"] = created_ms;
  j["created_by"] = owner;
  j["metastore_id"] = metastore;
}

std::pair<std::string, std::string> type_names(const Json& type) {
  if (type.is_object()) {
    std::string kind = type.value("type", "");
    if (kind == "array") return {"ARRAY", "array<" + type_names(type["elementType"]).second + ">"};
    if (kind == "map") return {"MAP", "map<" + type_names(type["keyType"]).second + "," + type_names(type["valueType"]).second + ">"};
    if (kind == "struct") {
      std::string text = "struct<";
      for (const auto& f : type["fields"]) text += (text.size() > 7 ? "," : "") + f["name"].get<std::string>() + ":" + type_names(f["type"]).second;
      return {"STRUCT", text + ">"};
    }
    return {"USER_DEFINED_TYPE", kind};
  }
  std::string name = type.is_string() ? type.get<std::string>() : "";
  static const std::map<std::string, std::pair<std::string, std::string>> kNames = {
      {"byte", {"BYTE", "tinyint"}}, {"short", {"SHORT", "smallint"}}, {"integer", {"INT", "int"}}, {"long", {"LONG", "bigint"}}, {"float", {"FLOAT", "float"}},
      {"double", {"DOUBLE", "double"}}, {"boolean", {"BOOLEAN", "boolean"}}, {"string", {"STRING", "string"}}, {"binary", {"BINARY", "binary"}}, {"date", {"DATE", "date"}},
      {"timestamp", {"TIMESTAMP", "timestamp"}}, {"timestamp_ntz", {"TIMESTAMP_NTZ", "timestamp_ntz"}}, {"variant", {"VARIANT", "variant"}}, {"void", {"NULL", "void"}}};
  auto it = kNames.find(name);
  if (it != kNames.end()) return it->second;
  if (name.starts_with("decimal")) return {"DECIMAL", name};
  if (name.starts_with("char") || name.starts_with("varchar")) return {"STRING", name};
  if (name.starts_with("interval")) return {"INTERVAL", name};
  return {"STRING", name};
}

Response page(Call& call, const char* field, std::vector<Json> all) {
  auto p = http::page_of(all.size(), call.integer("max_results", 0), call.text("page_token"), 1000, 1000);
  Json list = Json::array();
  for (size_t i = p.from; i < p.to; ++i) list.push_back(std::move(all[i]));
  Json out = {{field, list}};
  if (!p.next_token.empty()) out["next_page_token"] = p.next_token;
  return http::json_response(out);
}

bool Family::sees(Call& call, const Securable& s) const { return u.grants.sees(call.caller, s, owners_of(u, s)); }

void Family::require(Call& call, const Securable& s, const char* privilege) const {
  if (!u.grants.allows(call.caller, s, owners_of(u, s), privilege)) {
    throw http::permission_denied("User does not have " + std::string(privilege) + " on " + (s.kind == "metastore" ? "the metastore" : s.kind + " '" + s.name + "'") + ".");
  }
}

CatalogInfo Family::require_catalog(Call& call, const std::string& name) const {
  auto c = u.catalog.get_catalog(name);
  if (!c || !sees(call, {"catalog", name})) throw gone("CATALOG", name);
  return *c;
}

SchemaInfo Family::require_schema(Call& call, const std::string& c, const std::string& s) const {
  require_catalog(call, c);
  auto schema = u.catalog.get_schema(c, s);
  if (!schema || !sees(call, {"schema", c + "." + s})) throw gone("SCHEMA", c + "." + s);
  return *schema;
}

TableInfo Family::require_table(Call& call, const std::string& full) const {
  auto p = split(full, 3);
  require_schema(call, p[0], p[1]);
  auto t = u.catalog.get_table(p[0], p[1], p[2]);
  if (!t || !sees(call, {"table", full})) throw gone("TABLE", full);
  return *t;
}

VolumeInfo Family::require_volume(Call& call, const std::string& full) const {
  auto p = split(full, 3);
  require_schema(call, p[0], p[1]);
  auto v = u.catalog.get_volume(p[0], p[1], p[2]);
  if (!v || !sees(call, {"volume", full})) throw gone("VOLUME", full);
  return *v;
}

catalog::FunctionInfo Family::require_function(Call& call, const std::string& full) const {
  auto p = split(full, 3);
  require_schema(call, p[0], p[1]);
  auto f = u.catalog.get_function(p[0], p[1], p[2]);
  if (!f || !sees(call, {"function", full})) throw gone("FUNCTION", full);
  return *f;
}

RouteHandler wrapped(RouteHandler handler) {
  return [handler](Call& call) {
    try {
      return handler(call);
    } catch (const SparkError& e) {
      std::string condition = e.condition(), text = e.what();
      if (condition.find("ALREADY_EXISTS") != std::string::npos || text.find("ALREADY_EXISTS") != std::string::npos) throw RestError(400, "RESOURCE_ALREADY_EXISTS", text);
      if (condition.find("NOT_FOUND") != std::string::npos || text.find("NOT_FOUND") != std::string::npos) throw RestError(404, "RESOURCE_DOES_NOT_EXIST", text);
      throw http::invalid_parameter(text);
    }
  };
}

}  // namespace tarn::unity
