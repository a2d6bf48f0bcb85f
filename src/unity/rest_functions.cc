// /api/2.1/unity-catalog/functions: SQL functions. What is made here is what CREATE FUNCTION makes, and the other way round.
#include <algorithm>
#include <memory>

#include "unity/family.h"

namespace tarn::unity {
namespace {

using catalog::FunctionInfo;
using http::Call;
using http::invalid_parameter;
using http::Response;

std::string quote_name(const std::string& name) {
  std::string out = "`";
  for (char c : name) out += c == '`' ? "``" : std::string(1, c);
  return out + "`";
}

std::string literal(const std::string& text) {
  std::string out = "'";
  for (char c : text) {
    if (c == '\'' || c == '\\') out += '\\';
    out += c;
  }
  return out + "'";
}

std::string field(const Json& object, const char* name) {
  if (!object.is_object() || !object.contains(name) || object[name].is_null()) return "";
  if (!object[name].is_string()) throw invalid_parameter(std::string(name) + " must be a string.");
  return object[name].get<std::string>();
}

const Json& parameters_of(const Json& info, const char* name) {
  static const Json kNone = Json::array();
  if (!info.contains(name) || info[name].is_null()) return kNone;
  const Json& list = info[name];
  if (!list.is_object() || !list.contains("parameters") || list["parameters"].is_null()) return kNone;
  if (!list["parameters"].is_array() || list["parameters"].size() > 1000) throw invalid_parameter(std::string(name) + ".parameters must be an array.");
  return list["parameters"];
}

std::string parameter_list(const Json& list, bool defaults) {
  std::string out;
  for (const auto& p : list) {
    std::string name = field(p, "name"), type = field(p, "type_text"), comment = field(p, "comment"), value = field(p, "parameter_default");
    if (name.empty() || type.empty()) throw invalid_parameter("A parameter needs name and type_text.");
    out += (out.empty() ? "" : ", ") + quote_name(name) + " " + type;
    if (defaults && !value.empty()) out += " DEFAULT " + value;
    if (!comment.empty()) out += " COMMENT " + literal(comment);
  }
  return out;
}

// The statement that makes the function, as the catalog keeps it.
std::string definition_of(const Json& info, const std::vector<std::string>& name, const FunctionLanguage& language) {
  std::string body = field(info, "routine_body"), definition = field(info, "routine_definition");
  if (body != "SQL") throw invalid_parameter("Only functions with routine_body SQL are supported, not " + body.substr(0, 40) + ".");
  if (definition.find_first_not_of(" \t\r\n;") == std::string::npos) throw invalid_parameter("routine_definition is missing.");
  const Json& input = parameters_of(info, "input_params");
  std::string text = "CREATE FUNCTION " + quote_name(name[0]) + "." + quote_name(name[1]) + "." + quote_name(name[2]) + "(" + parameter_list(input, true) + ") RETURNS ";
  bool table = field(info, "data_type") == "TABLE_TYPE";
  size_t columns = 0;
  if (table) {
    const Json& returned = parameters_of(info, "return_params");
    columns = returned.size();
    text += "TABLE" + (columns ? "(" + parameter_list(returned, false) + ")" : "");
  } else {
    std::string type = field(info, "full_data_type");
    if (type.empty()) type = field(info, "data_type");
    if (type.empty()) throw invalid_parameter("full_data_type is missing.");
    text += type;
  }
  if (info.contains("is_deterministic") && info["is_deterministic"].is_boolean()) text += info["is_deterministic"].get<bool>() ? " DETERMINISTIC" : " NOT DETERMINISTIC";
  std::string access = field(info, "sql_data_access");
  if (access == "CONTAINS_SQL") text += " CONTAINS SQL";
  else if (access == "READS_SQL_DATA") text += " READS SQL DATA";
  else if (!access.empty()) throw invalid_parameter("sql_data_access must be CONTAINS_SQL or READS_SQL_DATA.");
  if (std::string comment = field(info, "comment"); !comment.empty()) text += " COMMENT " + literal(comment);
  text += " RETURN " + definition;
  std::string compiled = language.compile(text, name);
  // A type that brought more than a type with it would have made another function.
  FunctionShape shape = language.describe(compiled);
  bool as_asked = definition.compare(definition.find_first_not_of(" \t\r\n"), shape.body.size(), shape.body) == 0 && shape.input.size() == input.size() &&
                  shape.table == table && shape.returned.size() == columns;
  if (!as_asked) {
    throw invalid_parameter("The types of the function are not well formed.");
  }
  return compiled;
}

Json render_parameter(const FunctionShape::Parameter& p, size_t position) {
  Json type = Json::parse(p.type_json, nullptr, false);
  Json j = {{"name", p.name}, {"type_text", p.type_text}, {"type_name", type_names(type).first}, {"position", position},
            {"type_json", Json{{"name", p.name}, {"type", type}, {"nullable", p.nullable}, {"metadata", Json::object()}}.dump()},
            {"parameter_mode", "IN"}, {"parameter_type", "PARAM"}};
  if (p.comment) j["comment"] = *p.comment;
  if (p.default_value) j["parameter_default"] = *p.default_value;
  return j;
}

Json render(const Unity& u, const FunctionInfo& info, const FunctionLanguage& language) {
  FunctionShape f = language.describe(info.definition);
  std::string full = info.catalog + "." + info.schema + "." + info.name;
  Json input = Json::array(), returned = Json::array();
  for (const auto& p : f.input) input.push_back(render_parameter(p, input.size()));
  for (const auto& p : f.returned) returned.push_back(render_parameter(p, returned.size()));
  Json j = {{"name", info.name}, {"catalog_name", info.catalog}, {"schema_name", info.schema}, {"full_name", full}, {"specific_name", info.name},
            {"input_params", {{"parameters", input}}}, {"routine_body", "SQL"}, {"routine_definition", f.body}, {"parameter_style", "S"},
            {"is_deterministic", f.deterministic}, {"sql_data_access", f.reads_data ? "READS_SQL_DATA" : "CONTAINS_SQL"}, {"is_null_call", false},
            {"security_type", "DEFINER"}, {"function_id", id_of("function " + full + std::to_string(info.created_ms))}};
  if (f.table) {
    j["data_type"] = j["full_data_type"] = "TABLE_TYPE";
    j["return_params"] = {{"parameters", returned}};
  } else {
    j["data_type"] = type_names(Json::parse(f.return_type_json, nullptr, false)).first;
    j["full_data_type"] = f.return_type_text;
  }
  add_common(j, f.comment, info.owner, info.created_ms, u.metastore_id);
  return j;
}

}  // namespace

void add_function_routes(http::RouteTable& table, Unity& unity, const FunctionLanguage& language) {
  auto f = std::make_shared<Family>(unity);
  Unity& u = unity;
  const std::string base = "/api/*/unity-catalog/functions";

  table.get(base, wrapped([f, &u, &language](Call& call) {
    auto s = f->require_schema(call, call.required_text("catalog_name"), call.required_text("schema_name"));
    std::vector<Json> all;
    for (const auto& x : u.catalog.list_functions(s.catalog, s.name)) {
      if (f->sees(call, {"function", s.catalog + "." + s.name + "." + x.name})) all.push_back(render(u, x, language));
    }
    return page(call, "functions", std::move(all));
  }));
  table.post(base, wrapped([f, &u, &language](Call& call) {
    const Json& info = call.at("function_info");
    if (!info.is_object()) throw invalid_parameter("function_info is missing.");
    for (const char* name : {"name", "catalog_name", "schema_name"}) call.fields[name] = info.contains(name) ? info[name] : Json();
    auto s = f->require_schema(call, call.required_text("catalog_name"), call.required_text("schema_name"));
    f->require(call, {"schema", s.catalog + "." + s.name}, "CREATE_FUNCTION");
    FunctionInfo made;
    made.catalog = s.catalog;
    made.schema = s.name;
    made.name = new_name(call);
    std::string full = s.catalog + "." + s.name + "." + made.name;
    if (u.catalog.get_function(made.catalog, made.schema, made.name)) throw http::already_exists("Function '" + full + "' already exists.");
    made.definition = definition_of(info, {made.catalog, made.schema, made.name}, language);
    made.current_catalog = made.catalog;
    made.current_namespace = {made.schema};
    made.owner = call.caller.name;
    u.catalog.create_function(made, catalog::Catalog::OnExisting::kFail);
    return http::json_response(render(u, *u.catalog.get_function(made.catalog, made.schema, made.name), language));
  }));
  table.get(base + "/{name}", wrapped([f, &u, &language](Call& call) { return http::json_response(render(u, f->require_function(call, call.in_path("name")), language)); }));
  table.patch(base + "/{name}", wrapped([f, &u, &language](Call& call) {
    FunctionInfo x = f->require_function(call, call.in_path("name"));
    f->require(call, {"function", call.in_path("name")}, "MANAGE");
    if (call.has("owner")) {
      x.owner = call.text("owner");
      u.catalog.create_function(x, catalog::Catalog::OnExisting::kReplace);
    }
    return http::json_response(render(u, *u.catalog.get_function(x.catalog, x.schema, x.name), language));
  }));
  table.del(base + "/{name}", wrapped([f, &u, &language](Call& call) {
    FunctionInfo x = f->require_function(call, call.in_path("name"));
    f->require(call, {"function", call.in_path("name")}, "MANAGE");
    u.catalog.drop_function(x.catalog, x.schema, x.name, false);
    u.grants.forget({"function", call.in_path("name")});
    return http::ok();
  }));
}

}  // namespace tarn::unity
