// USE, CREATE/ALTER/DROP/DESCRIBE SCHEMA, SHOW SCHEMAS/CATALOGS, COMMENT ON. Source: SetCatalogAndNamespaceExec, DescribeNamespaceExec, …

#include "base/log.h"
#include "engine/commands/handlers.h"
#include "engine/commands/support.h"
#include "engine/commands/table_data.h"
#include "plan/collation.h"
#include "plan/session_conf.h"
#include "sql/parser.h"
#include "storage/path.h"
#include "tarn/sql.pb.h"

namespace tarn::engine::commands {

namespace {

using catalog::lower;

SparkError no_catalog(const std::string& name) {
  return analysis_error("CATALOG_NOT_FOUND", {{"catalogName", quote_identifier(name)},
                                              {"config", quote_sql("spark.sql.catalog." + name)}});
}

void switch_to(const std::string& catalog_name, const std::string& schema, CommandHost& host) {
  auto info = host.analyzer().catalog.get_catalog(catalog_name);
  if (!info) throw no_catalog(catalog_name);
  auto found = host.analyzer().catalog.require_schema(catalog_name, schema);
  auto& state = host.analyzer().state;
  std::lock_guard lock(state.mu);
  state.current_catalog = info->name;
  state.current_namespace = {found.name};
}

std::pair<std::string, std::string> namespace_of(const sql::Name& name, CommandHost& host) {
  return qualify_schema(name_parts(name, host), host);
}

}  // namespace

CommandResult use_namespace(const sql::Statement& statement, CommandHost& host) {
  auto& use = statement.use_namespace();
  auto parts = name_parts(use.name(), host);
  if (!use.explicit_namespace() && parts.size() == 1 && is_catalog(parts[0], host) &&
      !host.analyzer().catalog.get_schema(current_catalog(host), parts[0])) {
    switch_to(parts[0], catalog::kDefaultSchema, host);
  } else {
    auto [catalog_name, schema] = qualify_schema(parts, host);
    switch_to(catalog_name, schema, host);
  }
  return {};
}

CommandResult set_catalog(const sql::Statement& statement, CommandHost& host) {
  auto& set = statement.set_catalog();
  std::vector<std::string> parts;
  if (set.has_expression()) {
    sql::Name name;
    *name.mutable_expression() = set.expression();
    parts = name_parts(name, host);
  } else {
    parts = name_parts(set.name(), host);
    if (parts.size() == 1) {
      // A bare name may be a variable that holds the catalog's name.
      auto& state = host.analyzer().state;
      std::lock_guard lock(state.mu);
      auto it = state.variables.find(lower(parts[0]));
      if (it != state.variables.end() && it->second.type.is_string() && !it->second.value.is_null()) {
        parts[0] = it->second.value.get<std::string>();
      }
    }
  }
  if (parts.size() != 1) throw analysis_error("PARSE_SYNTAX_ERROR", {{"error", "'.'"}, {"hint", ""}});
  switch_to(parts[0], catalog::kDefaultSchema, host);
  return {};
}

CommandResult create_namespace(const sql::Statement& statement, CommandHost& host) {
  auto& create = statement.create_namespace();
  catalog::SchemaInfo info;
  std::tie(info.catalog, info.name) = namespace_of(create.name(), host);
  if (create.has_comment()) info.comment = create.comment();
  if (create.has_collation()) info.collation = plan::canonical_collation(create.collation());
  if (create.has_location()) {
    if (create.location().empty()) throw analysis_error("INVALID_EMPTY_LOCATION", {{"location", ""}});
    info.location = make_location(create.location(), host);
  }
  info.properties = properties_of(create.properties());
  info.owner = now_owner(host);
  for (char c : info.name) {
    if (!std::isalnum(static_cast<unsigned char>(c)) && c != '_') {
      throw analysis_error("INVALID_SCHEMA_OR_RELATION_NAME", {{"name", quote_identifier(info.name)}});
    }
  }
  if (lower(info.name) == lower(host.conf().text("spark.sql.globalTempDatabase"))) {
    throw analysis_error("_LEGACY_ERROR_TEMP_1066", {{"database", info.name}});
  }
  host.analyzer().catalog.create_schema(std::move(info), create.if_not_exists());
  return {};
}

CommandResult alter_namespace(const sql::Statement& statement, CommandHost& host) {
  auto& alter = statement.alter_namespace();
  auto [catalog_name, schema] = namespace_of(alter.name(), host);
  host.analyzer().catalog.alter_schema(catalog_name, schema, [&](catalog::SchemaInfo& info) {
    for (auto& p : alter.set_properties()) {
      if (p.key() == "comment") info.comment = p.value();
      else info.properties[p.key()] = p.value();
    }
    for (auto& key : alter.unset_properties()) {
      if (key == "comment") info.comment.reset();
      else info.properties.erase(key);
    }
    if (alter.has_location()) {
      if (alter.location().empty()) throw analysis_error("INVALID_EMPTY_LOCATION", {{"location", ""}});
      info.location = make_location(alter.location(), host);
    }
    if (alter.has_collation()) info.collation = plan::canonical_collation(alter.collation());
  });
  return {};
}

CommandResult drop_namespace(const sql::Statement& statement, CommandHost& host) {
  auto& drop = statement.drop_namespace();
  auto [catalog_name, schema] = namespace_of(drop.name(), host);
  auto info = host.analyzer().catalog.get_schema(catalog_name, schema);
  for (auto& table : host.analyzer().catalog.drop_schema(catalog_name, schema, drop.if_exists(), drop.cascade())) {
    forget_table(table, host);
    if (table.type == catalog::TableType::kManaged) remove_data(table.location);
  }
  // The schema's own folder goes if it is ours and nothing else is in it.
  if (info && lower(catalog_name) == catalog::kSessionCatalog && info->location.starts_with(
                  catalog::location_of_path(host.analyzer().catalog.warehouse()) + "/")) {
    std::string path = catalog::path_of_location(info->location);
    try {
      storage::store_for(path).remove(path);
    } catch (const std::exception& e) {  // most often it is not empty: what is in it is not ours
      log::debug("schema.folder_stays", {{"location", info->location}, {"error", e.what()}});
    }
  }
  auto& state = host.analyzer().state;
  std::lock_guard lock(state.mu);
  if (lower(state.current_catalog) == lower(catalog_name) && state.current_namespace.size() == 1 &&
      lower(state.current_namespace[0]) == lower(schema)) {
    state.current_namespace = {catalog::kDefaultSchema};
  }
  return {};
}

CommandResult show_namespaces(const sql::Statement& statement, CommandHost& host) {
  auto& show = statement.show_namespaces();
  std::string catalog_name = current_catalog(host);
  auto result = answer({{"namespace"}});
  if (show.has_name()) {
    auto parts = name_parts(show.name(), host);
    if (parts.size() == 1 && is_catalog(parts[0], host)) {
      catalog_name = parts[0];
    } else {
      auto [in_catalog, schema] = qualify_schema(parts, host);
      host.analyzer().catalog.require_schema(in_catalog, schema);
      return result;  // schemas have no schemas in them
    }
  }
  for (auto& schema : host.analyzer().catalog.list_schemas(catalog_name)) {
    if (show.has_pattern() && !catalog::matches_pattern(schema.name, show.pattern())) continue;
    result.rows.push_back({text(quote_if_needed(schema.name))});
  }
  return result;
}

CommandResult show_catalogs(const sql::Statement& statement, CommandHost& host) {
  auto result = answer({{"catalog"}});
  for (auto& info : host.analyzer().catalog.list_catalogs()) {
    if (statement.show_catalogs().has_pattern() && !catalog::matches_pattern(info.name, statement.show_catalogs().pattern())) continue;
    result.rows.push_back({text(info.name)});
  }
  return result;
}

CommandResult show_current_namespace(const sql::Statement&, CommandHost& host) {
  return answer({{"catalog"}, {"namespace"}}, {{text(current_catalog(host)), text(quote_if_needed(current_namespace(host)))}});
}

CommandResult describe_namespace(const sql::Statement& statement, CommandHost& host) {
  auto& describe = statement.describe_namespace();
  auto [catalog_name, schema] = namespace_of(describe.name(), host);
  auto info = host.analyzer().catalog.require_schema(catalog_name, schema);
  auto result = answer({{"info_name"}, {"info_value"}});
  auto row = [&](const char* name, const std::string& value) { result.rows.push_back({text(name), text(value)}); };
  row("Catalog Name", info.catalog);
  row("Namespace Name", quote_if_needed(info.name));
  row("Comment", info.comment.value_or(""));
  if (info.collation) row("Collation", *info.collation);
  row("Location", info.location);
  row("Owner", info.owner);
  if (describe.extended()) {
    std::string list;
    for (auto& [k, v] : info.properties) list += (list.empty() ? "" : ", ") + ("(" + k + "," + redact(k, v) + ")");
    row("Properties", list.empty() ? "" : "(" + list + ")");
  }
  return result;
}

CommandResult comment_on(const sql::Statement& statement, CommandHost& host) {
  auto& comment = statement.comment_on();
  std::optional<std::string> value;
  if (comment.has_comment()) value = comment.comment();
  if (comment.kind() == sql::CommentOn::NAMESPACE) {
    auto [catalog_name, schema] = namespace_of(comment.name(), host);
    host.analyzer().catalog.alter_schema(catalog_name, schema, [&](catalog::SchemaInfo& info) { info.comment = value; });
    return {};
  }
  auto table = require_table(name_parts(comment.name(), host), host, "COMMENT ON TABLE");
  set_table_comment(table, value, host);
  return {};
}

}  // namespace tarn::engine::commands
