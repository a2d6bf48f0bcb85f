#include "engine/commands/support.h"

#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <ctime>

#include <nlohmann/json.hpp>

#include "plan/search_path.h"
#include "plan/session_conf.h"
#include "spark/connect/relations.pb.h"
#include "sql/parser.h"
#include "tarn/sql.pb.h"

namespace tarn::engine::commands {

using catalog::lower;
using plan::DataType;
using plan::TypeId;
using plan::Value;

Value text(std::string value) { return Value{std::move(value)}; }
Value optional_text(const std::optional<std::string>& value) { return value ? text(*value) : Value{}; }
Value boolean(bool value) { return Value{value}; }
Value integer(int64_t value) { return Value{value}; }

DataType columns(std::initializer_list<Column> list) {
  std::vector<plan::StructField> fields;
  for (auto& c : list) fields.push_back(plan::make_field(c.name, c.type, c.nullable));
  return DataType::structure(std::move(fields));
}

CommandResult answer(std::initializer_list<Column> list, std::vector<Row> rows) {
  CommandResult result;
  result.schema = columns(list);
  result.rows = std::move(rows);
  return result;
}

// ---- names

Value evaluate(const plan::ExprPtr& constant, CommandHost& host) {
  if (auto* literal = plan::try_as<plan::Literal>(constant)) return literal->value;
  auto plan = plan::make_project(std::make_shared<plan::OneRow>(), {plan::make_alias(constant, "value")});
  auto rows = host.collect(plan);
  if (rows.size() != 1 || rows[0].size() != 1) throw internal_error("a constant did not give one value");
  return rows[0][0];
}

std::vector<std::string> name_parts(const sql::Name& name, CommandHost& host) {
  if (!name.has_expression()) return {name.parts().begin(), name.parts().end()};
  auto expression = plan::analyze_constant(name.expression(), host.analyzer());
  auto name_error = [&](const char* condition, const plan::Expression& e) {
    return analysis_error(condition, {{"name", "IDENTIFIER"}, {"expr", quote_sql(plan::expression_sql(e))}, {"dataType", quote_sql(e.type.sql())}});
  };
  if (!expression->type.is_string() && expression->type.id() != TypeId::kNull) throw name_error("NOT_A_CONSTANT_STRING.WRONG_TYPE", *expression);
  Value value = evaluate(expression, host);
  if (value.is_null()) throw name_error("NOT_A_CONSTANT_STRING.NULL", *expression);
  auto parts = sql::parse_multipart_identifier(value.get<std::string>());
  parts.insert(parts.end(), name.suffix().begin(), name.suffix().end());
  return parts;
}

std::string current_catalog(CommandHost& host) {
  auto& state = host.analyzer().state;
  std::lock_guard lock(state.mu);
  return state.current_catalog;
}

std::vector<std::string> current_namespace(CommandHost& host) {
  auto& state = host.analyzer().state;
  std::lock_guard lock(state.mu);
  return state.current_namespace;
}

std::string current_schema(CommandHost& host) {
  auto parts = current_namespace(host);
  return parts.empty() ? catalog::kDefaultSchema : parts.back();
}

bool is_catalog(std::string_view name, CommandHost& host) {
  return lower(name) == catalog::kSessionCatalog || host.analyzer().catalog.get_catalog(name).has_value();
}

TableName qualify(const std::vector<std::string>& parts, CommandHost& host) {
  if (parts.size() == 1) return {current_catalog(host), current_schema(host), parts[0]};
  if (parts.size() == 3 && is_catalog(parts[0], host)) return {parts[0], parts[1], parts[2]};
  if (parts.size() == 2 && (!is_catalog(parts[0], host) || host.analyzer().catalog.get_schema(current_catalog(host), parts[0]))) {
    return {current_catalog(host), parts[0], parts[1]};
  }
  throw analysis_error("REQUIRES_SINGLE_PART_NAMESPACE",
                       {{"sessionCatalog", current_catalog(host)}, {"identifier", quote_identifier(parts)}});
}

TableName qualify(const sql::Name& name, CommandHost& host) { return qualify(name_parts(name, host), host); }

std::pair<std::string, std::string> qualify_schema(const std::vector<std::string>& parts, CommandHost& host) {
  if (parts.empty()) return {current_catalog(host), current_schema(host)};
  if (parts.size() == 1) return {current_catalog(host), parts[0]};
  if (parts.size() == 2 && is_catalog(parts[0], host)) return {parts[0], parts[1]};
  throw analysis_error("REQUIRES_SINGLE_PART_NAMESPACE",
                       {{"sessionCatalog", current_catalog(host)}, {"identifier", quote_identifier(parts)}});
}

std::optional<TempName> temp_name_form(const std::vector<std::string>& parts, CommandHost& host) {
  if (parts.size() == 2 && lower(parts[0]) == lower(host.conf().text("spark.sql.globalTempDatabase"))) return TempName{true, lower(parts[1])};
  if (parts.size() == 2 && lower(parts[0]) == "session") return TempName{false, lower(parts[1])};
  if (parts.size() == 3 && lower(parts[0]) == "system" && lower(parts[1]) == "session") return TempName{false, lower(parts[2])};
  return std::nullopt;
}

std::optional<TempName> find_temp_view(const std::vector<std::string>& parts, CommandHost& host) {
  TempName name;
  if (parts.size() == 1) {
    name.key = lower(parts[0]);
  } else if (auto form = temp_name_form(parts, host)) {
    name = *form;
  } else {
    return std::nullopt;
  }
  auto& context = host.analyzer();
  if (name.global) {
    std::lock_guard lock(context.global_views.mu);
    if (!context.global_views.views.count(name.key)) return std::nullopt;
  } else {
    std::lock_guard lock(context.state.mu);
    if (!context.state.temp_views.count(name.key)) return std::nullopt;
  }
  return name;
}

plan::TempView get_temp_view(const TempName& name, CommandHost& host) {
  auto& context = host.analyzer();
  if (name.global) {
    std::lock_guard lock(context.global_views.mu);
    return context.global_views.views.at(name.key);
  }
  std::lock_guard lock(context.state.mu);
  return context.state.temp_views.at(name.key);
}

void throw_table_not_found(const std::vector<std::string>& parts, CommandHost& host) {
  std::string schema;
  for (auto& part : current_namespace(host)) schema += "." + quote_identifier(part);
  throw SparkError(ErrorKind::kAnalysis, "TABLE_OR_VIEW_NOT_FOUND",
                   {{"relationName", quote_identifier(parts)},
                    {"searchPath", "[`system`.`session`, " + quote_identifier(current_catalog(host)) + schema + "]"}});
}

std::optional<catalog::TableInfo> find_table(const std::vector<std::string>& parts, CommandHost& host) {
  if (temp_name_form(parts, host)) return std::nullopt;
  if (parts.size() > 3 || (parts.size() == 3 && !is_catalog(parts[0], host))) return std::nullopt;
  auto name = qualify(parts, host);
  return host.analyzer().catalog.get_table(name.catalog, name.schema, name.name);
}

catalog::TableInfo require_relation(const std::vector<std::string>& parts, CommandHost& host) {
  auto table = find_table(parts, host);
  if (!table) throw_table_not_found(parts, host);
  return *table;
}

catalog::TableInfo require_table(const std::vector<std::string>& parts, CommandHost& host, const std::string& operation,
                                 bool suggest_alter_view) {
  auto expect_table = [&](const std::vector<std::string>& view) {
    return analysis_error(suggest_alter_view ? "EXPECT_TABLE_NOT_VIEW.USE_ALTER_VIEW" : "EXPECT_TABLE_NOT_VIEW.NO_ALTERNATIVE",
                          {{"operation", operation}, {"viewName", quote_identifier(view)}});
  };
  if (find_temp_view(parts, host)) throw expect_table(parts);
  auto table = require_relation(parts, host);
  if (table.is_view()) throw expect_table(table.full_name());
  return table;
}

catalog::TableInfo require_view(const std::vector<std::string>& parts, CommandHost& host, const std::string& operation) {
  auto view = require_relation(parts, host);
  if (!view.is_view()) {
    bool alter = operation.starts_with("ALTER VIEW");
    throw analysis_error(alter ? "EXPECT_VIEW_NOT_TABLE.USE_ALTER_TABLE" : "EXPECT_VIEW_NOT_TABLE.NO_ALTERNATIVE",
                         {{"operation", operation}, {"tableName", quote_identifier(view.full_name())}});
  }
  return view;
}

// ---- values and queries

plan::PlanPtr plan_of_name(const std::vector<std::string>& parts, CommandHost& host) {
  spark::connect::Relation relation;
  relation.mutable_read()->mutable_named_table()->set_unparsed_identifier(sql::unparse_identifier(parts));
  return plan::analyze(relation, host.analyzer());
}

std::optional<std::string> value_text(const Value& value, const DataType& type, CommandHost& host) {
  if (value.is_null()) return std::nullopt;
  if (type.id() == TypeId::kString) return value.get<std::string>();
  auto cast = plan::make_cast(plan::make_literal(type, value), TypeId::kString, plan::EvalMode::kAnsi);
  Value out = evaluate(cast, host);
  return out.is_null() ? std::nullopt : std::optional<std::string>(out.get<std::string>());
}

// ---- small things

DataType table_schema(const catalog::TableInfo& table, CommandHost& host) {
  if (table.is_delta() || table.schema_json.empty()) return host.analyzer().sources.load_table(table, {})->schema();
  return DataType::from_json(table.schema_json);
}

std::optional<std::string> field_metadata(const plan::StructField& field, const char* key) {
  if (field.metadata.empty()) return std::nullopt;
  auto json = nlohmann::json::parse(field.metadata, nullptr, false);
  if (!json.is_object() || !json.contains(key)) return std::nullopt;
  return json[key].is_string() ? json[key].get<std::string>() : json[key].dump();
}

std::string field_comment(const plan::StructField& field) { return field_metadata(field, "comment").value_or(""); }

std::string with_metadata(const std::string& metadata, const char* key, const std::optional<std::string>& value) {
  auto json = metadata.empty() ? nlohmann::json::object() : nlohmann::json::parse(metadata, nullptr, false);
  if (!json.is_object()) json = nlohmann::json::object();
  if (value) json[key] = *value;
  else json.erase(key);
  return json.empty() ? std::string() : json.dump();
}

bool same_name(std::string_view a, std::string_view b, CommandHost& host) {
  return host.conf().case_sensitive() ? a == b : lower(a) == lower(b);
}

catalog::Properties properties_of(const google::protobuf::RepeatedPtrField<sql::Property>& list) {
  catalog::Properties out;
  for (auto& p : list) out[p.key()] = p.value();
  return out;
}

catalog::Pairs pairs_of(const google::protobuf::RepeatedPtrField<sql::Property>& list) {
  catalog::Pairs out;
  for (auto& p : list) out.emplace_back(p.key(), p.value());
  return out;
}

std::string redact(const std::string& key, const std::string& value) {
  // spark.sql.redaction.options.regex and spark.redaction.regex.
  static constexpr const char* kSecret[] = {"secret", "password", "passwd", "token", "access.key", "accesskey", "access_key", "url", "account.key", "private.key", "fs.azure.sas"};
  std::string k = lower(key);
  for (const char* word : kSecret) {
    if (k.find(word) != std::string::npos) return "*********(redacted)";
  }
  return value;
}

std::string quote_if_needed(const std::string& part) {
  bool plain = !part.empty();
  bool all_digits = true;
  for (unsigned char c : part) {
    if (!(std::isalnum(c) || c == '_')) plain = false;
    if (!std::isdigit(c)) all_digits = false;
  }
  return plain && !all_digits ? part : quote_identifier(part);
}

std::string quote_if_needed(const std::vector<std::string>& parts) {
  std::string out;
  for (auto& p : parts) out += (out.empty() ? "" : ".") + quote_if_needed(p);
  return out;
}

std::string single_quoted(const std::string& value) {
  std::string out = "'";
  for (char c : value) {
    if (c == '\'' || c == '\\') out += '\\';
    out += c;
  }
  return out + "'";
}

std::string join(const std::vector<std::string>& parts, std::string_view separator) {
  std::string out;
  for (size_t i = 0; i < parts.size(); ++i) {
    if (i) out += separator;
    out += parts[i];
  }
  return out;
}

std::string java_date(int64_t milliseconds, CommandHost& host) {
  // In UTC: the server's zone is not the client's, and the text names its zone.
  std::time_t seconds = static_cast<std::time_t>(milliseconds / 1000);
  std::tm broken{};
  gmtime_r(&seconds, &broken);
  char buffer[64];
  std::strftime(buffer, sizeof buffer, "%a %b %d %H:%M:%S UTC %Y", &broken);
  return buffer;
}

std::string now_owner(CommandHost& host) { return host.analyzer().user; }

std::string make_location(const std::string& path, CommandHost& host) {
  size_t colon = path.find(':');
  bool has_scheme = colon != std::string::npos && colon > 1 && path.find('/') != std::string::npos && colon < path.find('/');
  if (has_scheme) {
    if (path.starts_with("file:")) return catalog::location_of_path(catalog::path_of_location(path));
    return path;
  }
  if (path.starts_with("/")) {
    std::string p = path;
    while (p.size() > 1 && p.back() == '/') p.pop_back();
    return catalog::location_of_path(p);
  }
  return catalog::location_of_path(host.analyzer().catalog.warehouse() + "/" + path);
}

std::optional<std::string> captured_path(CommandHost& host) {
  auto& state = host.analyzer().state;
  std::lock_guard lock(state.mu);
  if (!state.path) return std::nullopt;
  return plan::path_text(*state.path);
}

catalog::Properties captured_configs(CommandHost& host) {
  // As ViewHelper.sqlConfigsToProps: what was set explicitly, without what must not bind a view, and always the ones that change meaning.
  static constexpr const char* kNever[] = {"spark.sql.hive.", "spark.sql.codegen.", "spark.sql.optimizer.", "spark.sql.execution.",
                                           "spark.sql.shuffle.", "spark.sql.adaptive.", "spark.sql.streaming.", "spark.sql.catalog",
                                           "spark.sql.warehouse", "spark.sql.connect.", "spark.sql.session.localRelation"};
  catalog::Properties out;
  for (auto& [key, value] : host.conf().all_set()) {
    if (!key.starts_with("spark.sql.")) continue;
    if (std::any_of(std::begin(kNever), std::end(kNever), [&](const char* prefix) { return key.starts_with(prefix); })) continue;
    out[key] = value;
  }
  out["spark.sql.ansi.enabled"] = host.conf().ansi() ? "true" : "false";
  out["spark.sql.session.timeZone"] = host.conf().time_zone();
  return out;
}

}  // namespace tarn::engine::commands
