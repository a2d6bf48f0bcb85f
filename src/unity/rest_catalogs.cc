// /api/2.1/unity-catalog: catalogs, schemas, tables, volumes and the metastore.
#include <algorithm>
#include <cctype>
#include <map>
#include <memory>

#include "base/encoding.h"
#include "base/spark_error.h"
#include "unity/family.h"

namespace tarn::unity {
namespace {

using catalog::CatalogEdit;
using catalog::CatalogInfo;
using catalog::Properties;
using catalog::SchemaInfo;
using catalog::TableInfo;
using catalog::VolumeInfo;
using http::Call;
using http::Json;
using http::Response;
using http::RestError;
using http::RouteHandler;

Properties properties_of(Call& call) {
  Properties out;
  const Json& j = call.at("properties");
  if (j.is_null()) return out;
  if (!j.is_object()) throw http::invalid_parameter("properties must be an object of strings.");
  for (auto it = j.begin(); it != j.end(); ++it) {
    if (!it->is_string()) throw http::invalid_parameter("properties must be an object of strings.");
    out[it.key()] = it->get<std::string>();
  }
  return out;
}

Json render(const Unity& u, const CatalogInfo& c) {
  Json j = {{"name", c.name}, {"full_name", c.name}, {"catalog_type", "MANAGED_CATALOG"}, {"securable_type", "CATALOG"}, {"properties", c.properties},
            {"isolation_mode", "OPEN"}, {"id", id_of("catalog " + c.name + std::to_string(c.created_ms))}};
  add_common(j, c.comment, c.owner, c.created_ms, u.metastore_id);
  return j;
}

Json render(const Unity& u, const SchemaInfo& s) {
  Json j = {{"name", s.name}, {"catalog_name", s.catalog}, {"full_name", s.catalog + "." + s.name}, {"catalog_type", "MANAGED_CATALOG"}, {"securable_type", "SCHEMA"},
            {"properties", s.properties}, {"storage_location", s.location}, {"schema_id", id_of("schema " + s.catalog + "." + s.name + std::to_string(s.created_ms))}};
  add_common(j, s.comment, s.owner, s.created_ms, u.metastore_id);
  return j;
}

Json render(const Unity& u, const VolumeInfo& v) {
  Json j = {{"name", v.name}, {"catalog_name", v.catalog}, {"schema_name", v.schema}, {"full_name", v.catalog + "." + v.schema + "." + v.name},
            {"volume_type", v.managed ? "MANAGED" : "EXTERNAL"}, {"storage_location", v.location},
            {"volume_id", id_of("volume " + v.catalog + "." + v.schema + std::to_string(v.created_ms) + v.location)}};
  add_common(j, v.comment, v.owner, v.created_ms, u.metastore_id);
  return j;
}

std::string upper(std::string s) {
  for (char& c : s) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return s;
}

Json render(const Unity& u, const TableInfo& t, bool columns) {
  Json j = {{"name", t.name}, {"catalog_name", t.catalog}, {"schema_name", t.schema}, {"full_name", t.catalog + "." + t.schema + "." + t.name},
            {"table_type", t.is_view() ? "VIEW" : t.type == catalog::TableType::kExternal ? "EXTERNAL" : "MANAGED"}, {"properties", t.properties},
            {"table_id", id_of("table " + t.catalog + std::to_string(t.id))}};
  if (t.is_view()) j["view_definition"] = t.view_text;
  else j["storage_location"] = t.location, j["data_source_format"] = upper(t.provider);
  add_common(j, t.comment, t.owner, t.created_ms, u.metastore_id);
  if (columns) {
    Json schema = Json::parse(t.schema_json, nullptr, false), list = Json::array();
    if (schema.is_object() && schema.contains("fields")) {
      for (const auto& f : schema["fields"]) {
        auto [name, text] = type_names(f["type"]);
        Json c = {{"name", f["name"]}, {"type_name", name}, {"type_text", text}, {"type_json", f.dump()}, {"position", list.size()}, {"nullable", f.value("nullable", true)}};
        if (f.contains("metadata") && f["metadata"].is_object() && f["metadata"].contains("comment")) c["comment"] = f["metadata"]["comment"];
        auto p = std::find(t.partition_columns.begin(), t.partition_columns.end(), f["name"].get<std::string>());
        if (p != t.partition_columns.end()) c["partition_index"] = p - t.partition_columns.begin();
        list.push_back(std::move(c));
      }
    }
    j["columns"] = std::move(list);
  }
  return j;
}

}  // namespace

std::vector<std::string> owners_of(Unity& u, const Securable& securable) {
  std::vector<std::string> out;
  for (const auto& s : lineage(securable)) {
    std::vector<std::string> p;
    for (size_t at = 0; at <= s.name.size();) {
      size_t end = std::min(s.name.find('.', at), s.name.size());
      p.push_back(s.name.substr(at, end - at));
      at = end + 1;
    }
    auto add = [&](const auto& found) {
      if (found) out.push_back(found->owner);
    };
    if (s.kind == "catalog" && p.size() == 1) add(u.catalog.get_catalog(p[0]));
    else if (s.kind == "schema" && p.size() == 2) add(u.catalog.get_schema(p[0], p[1]));
    else if (s.kind == "table" && p.size() == 3) add(u.catalog.get_table(p[0], p[1], p[2]));
    else if (s.kind == "volume" && p.size() == 3) add(u.catalog.get_volume(p[0], p[1], p[2]));
    else if (s.kind == "function" && p.size() == 3) add(u.catalog.get_function(p[0], p[1], p[2]));
  }
  return out;
}

bool exists(Unity& u, const Securable& s) {
  if (s.kind == "metastore") return true;
  if (s.kind == "catalog") return u.catalog.get_catalog(s.name).has_value();
  if (s.kind == "schema") {
    auto p = split(s.name, 2);
    return u.catalog.get_schema(p[0], p[1]).has_value();
  }
  auto p = split(s.name, 3);
  if (s.kind == "table") return u.catalog.get_table(p[0], p[1], p[2]).has_value();
  if (s.kind == "volume") return u.catalog.get_volume(p[0], p[1], p[2]).has_value();
  return s.kind == "function" && u.catalog.get_function(p[0], p[1], p[2]).has_value();
}

void add_catalog_routes(http::RouteTable& table, Unity& unity) {
  auto f = std::make_shared<Family>(unity);
  Unity& u = unity;
  const std::string base = "/api/*/unity-catalog/";
  auto get = [&](const std::string& path, RouteHandler h) { table.get(base + path, wrapped(std::move(h))); };
  auto post = [&](const std::string& path, RouteHandler h) { table.post(base + path, wrapped(std::move(h))); };
  auto patch = [&](const std::string& path, RouteHandler h) { table.patch(base + path, wrapped(std::move(h))); };
  auto del = [&](const std::string& path, RouteHandler h) { table.del(base + path, wrapped(std::move(h))); };

  // ---- metastore
  get("metastore_summary", [&u](Call&) {
    return http::json_response({{"metastore_id", u.metastore_id}, {"name", "tarn"}, {"owner", "admins"}, {"cloud", "local"}, {"region", "local"},
                                {"privilege_model_version", "1.0"}, {"storage_root", catalog::location_of_path(u.catalog.warehouse())}});
  });
  get("current-metastore-assignment", [&u](Call&) {
    return http::json_response({{"metastore_id", u.metastore_id}, {"workspace_id", 0}, {"default_catalog_name", catalog::kSessionCatalog}});
  });

  // ---- catalogs
  get("catalogs", [f, &u](Call& call) {
    std::vector<Json> all;
    for (const auto& c : u.catalog.list_catalogs()) {
      if (f->sees(call, {"catalog", c.name})) all.push_back(render(u, c));
    }
    return page(call, "catalogs", std::move(all));
  });
  post("catalogs", [f, &u](Call& call) {
    f->require(call, {"metastore", ""}, "CREATE_CATALOG");
    CatalogInfo c;
    c.name = new_name(call);
    c.comment = optional_text(call, "comment");
    c.properties = properties_of(call);
    c.owner = call.caller.name;
    if (u.catalog.get_catalog(c.name)) throw RestError(400, "CATALOG_ALREADY_EXISTS", "Catalog '" + c.name + "' already exists.");
    return http::json_response(render(u, u.catalog.create_catalog(c, false)));
  });
  get("catalogs/{name}", [f, &u](Call& call) { return http::json_response(render(u, f->require_catalog(call, call.in_path("name")))); });
  patch("catalogs/{name}", [f, &u](Call& call) {
    CatalogInfo c = f->require_catalog(call, call.in_path("name"));
    f->require(call, {"catalog", c.name}, "MANAGE");
    u.edit.alter_catalog(c.name, optional_text(call, "comment"), call.has("properties") ? std::optional(properties_of(call)) : std::nullopt, optional_text(call, "owner"));
    return http::json_response(render(u, *u.catalog.get_catalog(c.name)));
  });
  del("catalogs/{name}", [f, &u](Call& call) {
    CatalogInfo c = f->require_catalog(call, call.in_path("name"));
    f->require(call, {"catalog", c.name}, "MANAGE");
    bool force = call.flag("force");
    for (const auto& s : u.catalog.list_schemas(c.name)) {
      bool empty = s.name == catalog::kDefaultSchema && u.catalog.list_tables(c.name, s.name).empty() && u.catalog.list_volumes(c.name, s.name).empty();
      if (!empty && !force) throw http::bad_request("Cannot delete catalog '" + c.name + "': it is not empty.");
      for (const auto& v : u.catalog.list_volumes(c.name, s.name)) u.catalog.drop_volume(c.name, s.name, v.name, true);
    }
    u.catalog.drop_catalog(c.name, false, true);
    u.grants.forget({"catalog", c.name});
    return http::ok();
  });

  // ---- schemas
  get("schemas", [f, &u](Call& call) {
    std::string c = f->require_catalog(call, call.required_text("catalog_name")).name;
    std::vector<Json> all;
    for (const auto& s : u.catalog.list_schemas(c)) {
      if (f->sees(call, {"schema", c + "." + s.name})) all.push_back(render(u, s));
    }
    return page(call, "schemas", std::move(all));
  });
  post("schemas", [f, &u](Call& call) {
    SchemaInfo s;
    s.catalog = f->require_catalog(call, call.required_text("catalog_name")).name;
    f->require(call, {"catalog", s.catalog}, "CREATE_SCHEMA");
    s.name = new_name(call);
    s.comment = optional_text(call, "comment");
    s.properties = properties_of(call);
    s.owner = call.caller.name;
    s.location = call.text("storage_root");   // else below the warehouse
    if (u.catalog.get_schema(s.catalog, s.name)) throw RestError(400, "SCHEMA_ALREADY_EXISTS", "Schema '" + s.catalog + "." + s.name + "' already exists.");
    u.catalog.create_schema(s, false);
    return http::json_response(render(u, *u.catalog.get_schema(s.catalog, s.name)));
  });
  auto schema_of = [f](Call& call) {
    auto p = split(call.in_path("name"), 2);
    return f->require_schema(call, p[0], p[1]);
  };
  get("schemas/{name}", [schema_of, &u](Call& call) { return http::json_response(render(u, schema_of(call))); });
  patch("schemas/{name}", [f, schema_of, &u](Call& call) {
    SchemaInfo s = schema_of(call);
    f->require(call, {"schema", s.catalog + "." + s.name}, "MANAGE");
    u.catalog.alter_schema(s.catalog, s.name, [&](SchemaInfo& x) {
      if (call.has("comment")) x.comment = call.text("comment");
      if (call.has("properties")) x.properties = properties_of(call);
      if (call.has("owner")) x.owner = call.text("owner");
    });
    return http::json_response(render(u, *u.catalog.get_schema(s.catalog, s.name)));
  });
  del("schemas/{name}", [f, schema_of, &u](Call& call) {
    SchemaInfo s = schema_of(call);
    f->require(call, {"schema", s.catalog + "." + s.name}, "MANAGE");
    auto volumes = u.catalog.list_volumes(s.catalog, s.name);
    bool force = call.flag("force");
    if (!force && (!volumes.empty() || !u.catalog.list_tables(s.catalog, s.name).empty())) {
      throw http::bad_request("Cannot delete schema '" + s.catalog + "." + s.name + "': it is not empty.");
    }
    for (const auto& v : volumes) u.catalog.drop_volume(s.catalog, s.name, v.name, true);
    u.catalog.drop_schema(s.catalog, s.name, false, force);
    u.grants.forget({"schema", s.catalog + "." + s.name});
    return http::ok();
  });

  // ---- tables
  get("tables", [f, &u](Call& call) {
    SchemaInfo s = f->require_schema(call, call.required_text("catalog_name"), call.required_text("schema_name"));
    bool columns = !call.flag("omit_columns");
    std::vector<Json> all;
    for (const auto& t : u.catalog.list_tables(s.catalog, s.name)) {
      if (f->sees(call, {"table", s.catalog + "." + s.name + "." + t.name})) all.push_back(render(u, t, columns));
    }
    return page(call, "tables", std::move(all));
  });
  get("table-summaries", [f, &u](Call& call) {
    std::string c = f->require_catalog(call, call.required_text("catalog_name")).name;
    std::string schemas = call.text("schema_name_pattern", "*"), tables = call.text("table_name_pattern", "*");
    for (std::string* p : {&schemas, &tables}) std::replace(p->begin(), p->end(), '%', '*');
    std::vector<Json> all;
    for (const auto& s : u.catalog.list_schemas(c)) {
      if (!catalog::matches_pattern(s.name, schemas)) continue;
      for (const auto& t : u.catalog.list_tables(c, s.name)) {
        std::string full = c + "." + s.name + "." + t.name;
        if (!catalog::matches_pattern(t.name, tables) || !f->sees(call, {"table", full})) continue;
        Json j = render(u, t, false);
        all.push_back({{"full_name", full}, {"table_type", j["table_type"]}});
      }
    }
    return page(call, "tables", std::move(all));
  });
  post("tables", [f, &u](Call& call) {
    SchemaInfo s = f->require_schema(call, call.required_text("catalog_name"), call.required_text("schema_name"));
    f->require(call, {"schema", s.catalog + "." + s.name}, "CREATE_TABLE");
    TableInfo t;
    t.catalog = s.catalog;
    t.schema = s.name;
    t.name = new_name(call);
    if (call.required_text("table_type") != "EXTERNAL") throw http::invalid_parameter("The API creates EXTERNAL tables only; managed ones come from SQL.");
    t.type = catalog::TableType::kExternal;
    t.provider = lower_ascii(call.required_text("data_source_format"));
    static const std::string kFormats[] = {"delta", "parquet", "csv", "json", "text", "orc", "avro"};
    if (std::find(std::begin(kFormats), std::end(kFormats), t.provider) == std::end(kFormats)) throw http::invalid_parameter("Unknown data_source_format.");
    t.location = call.required_text("storage_location");
    t.comment = optional_text(call, "comment");
    t.properties = properties_of(call);
    t.owner = call.caller.name;
    Json fields = Json::array();
    const Json& columns = call.at("columns");
    if (columns.is_array()) {
      for (const auto& c : columns) {
        Json field = Json::parse(c.value("type_json", ""), nullptr, false);
        if (field.is_discarded()) throw http::invalid_parameter("type_json of column " + c.value("name", "") + " is not JSON.");
        if (!field.is_object() || !field.contains("name")) field = {{"type", field}};  // the type alone
        field["name"] = c.value("name", "");
        field["nullable"] = c.value("nullable", true);
        if (!field.contains("metadata")) field["metadata"] = Json::object();
        if (c.contains("comment") && c["comment"].is_string()) field["metadata"]["comment"] = c["comment"];
        fields.push_back(std::move(field));
      }
    }
    t.schema_json = Json{{"type", "struct"}, {"fields", fields}}.dump();
    auto made = u.catalog.create_table(t, false);
    return http::json_response(render(u, *made, true));
  });
  get("tables/{name}", [f, &u](Call& call) { return http::json_response(render(u, f->require_table(call, call.in_path("name")), true)); });
  get("tables/{name}/exists", [f](Call& call) {
    auto p = split(call.in_path("name"), 3);
    f->require_schema(call, p[0], p[1]);
    auto t = f->u.catalog.get_table(p[0], p[1], p[2]);
    return http::json_response({{"table_exists", t.has_value() && f->sees(call, {"table", call.in_path("name")})}});
  });
  del("tables/{name}", [f, &u](Call& call) {
    TableInfo t = f->require_table(call, call.in_path("name"));
    f->require(call, {"table", call.in_path("name")}, "MANAGE");
    if (t.type == catalog::TableType::kManaged) throw http::invalid_parameter("A managed table is dropped with SQL, which deletes its data.");
    u.catalog.drop_table(t.catalog, t.schema, t.name, false);
    u.grants.forget({"table", call.in_path("name")});
    return http::ok();
  });

  // ---- volumes
  get("volumes", [f, &u](Call& call) {
    SchemaInfo s = f->require_schema(call, call.required_text("catalog_name"), call.required_text("schema_name"));
    std::vector<Json> all;
    for (const auto& v : u.catalog.list_volumes(s.catalog, s.name)) {
      if (f->sees(call, {"volume", s.catalog + "." + s.name + "." + v.name})) all.push_back(render(u, v));
    }
    return page(call, "volumes", std::move(all));
  });
  post("volumes", [f, &u](Call& call) {
    SchemaInfo s = f->require_schema(call, call.required_text("catalog_name"), call.required_text("schema_name"));
    f->require(call, {"schema", s.catalog + "." + s.name}, "CREATE_VOLUME");
    VolumeInfo v;
    v.catalog = s.catalog;
    v.schema = s.name;
    v.name = new_name(call);
    std::string type = call.text("volume_type", "MANAGED");
    if (type != "MANAGED" && type != "EXTERNAL") throw http::invalid_parameter("volume_type must be MANAGED or EXTERNAL.");
    v.managed = type == "MANAGED";
    if (!v.managed) {
      // An external volume opens a folder of this machine: that is for admins to decide.
      if (!call.caller.admin) throw http::permission_denied("Only workspace admins can create external volumes.");
      v.location = call.required_text("storage_location");
    }
    v.comment = optional_text(call, "comment");
    v.owner = call.caller.name;
    return http::json_response(render(u, *u.catalog.create_volume(v, false)));
  });
  get("volumes/{name}", [f, &u](Call& call) { return http::json_response(render(u, f->require_volume(call, call.in_path("name")))); });
  patch("volumes/{name}", [f, &u](Call& call) {
    VolumeInfo v = f->require_volume(call, call.in_path("name"));
    std::string prefix = v.catalog + "." + v.schema + ".";
    f->require(call, {"volume", prefix + v.name}, "MANAGE");
    std::optional<std::string> name;
    if (call.has("new_name")) name = new_name(call, "new_name");
    if (u.edit.alter_volume(v, name, optional_text(call, "comment"), optional_text(call, "owner")) == CatalogEdit::Outcome::kNameTaken) {
      throw http::already_exists("Volume '" + prefix + *name + "' already exists.");
    }
    if (name) u.grants.rename({"volume", prefix + v.name}, {"volume", prefix + *name});
    return http::json_response(render(u, *u.catalog.get_volume(v.catalog, v.schema, name ? *name : v.name)));
  });
  del("volumes/{name}", [f, &u](Call& call) {
    VolumeInfo v = f->require_volume(call, call.in_path("name"));
    std::string full = v.catalog + "." + v.schema + "." + v.name;
    f->require(call, {"volume", full}, "MANAGE");
    u.catalog.drop_volume(v.catalog, v.schema, v.name, false);
    u.grants.forget({"volume", full});
    return http::ok();
  });
}

}  // namespace tarn::unity
