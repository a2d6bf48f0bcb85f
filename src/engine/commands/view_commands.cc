// CREATE/ALTER/DROP VIEW, temporary views of both kinds. Source: CreateViewCommand, ViewHelper, DropTempViewCommand.
#include <algorithm>

#include "engine/commands/handlers.h"
#include "engine/commands/parsing.h"
#include "engine/commands/references.h"
#include "engine/commands/support.h"
#include "engine/commands/table_data.h"
#include "engine/commands/table_definition.h"
#include "engine/commands/views.h"
#include "plan/collation.h"
#include "plan/search_path.h"
#include "plan/session_conf.h"
#include "spark/connect/relations.pb.h"
#include "sql/parser.h"
#include "tarn/sql.pb.h"

namespace tarn::engine::commands {

using catalog::lower;
using plan::DataType;

namespace {

SparkError temp_object(const char* object, const std::vector<std::string>& name, const char* kind, const std::vector<std::string>& temp) {
  return analysis_error("INVALID_TEMP_OBJ_REFERENCE", {{"obj", object}, {"objName", quote_identifier(name)}, {"tempObj", kind},
                                                       {"tempObjName", quote_identifier(temp)}});
}

// An expression in the outermost SELECT whose name was made from its text.
void check_aliases(const plan::LogicalPlan& plan, const std::vector<std::string>& view) {
  const std::vector<plan::ExprPtr>* list = nullptr;
  if (auto* project = plan::try_as<plan::Project>(plan)) list = &project->expressions;
  else if (auto* aggregate = plan::try_as<plan::Aggregate>(plan)) list = &aggregate->aggregates;
  if (!list) {
    switch (plan.kind) {
      case plan::PlanKind::kSort:
      case plan::PlanKind::kLimit:
      case plan::PlanKind::kFilter:
      case plan::PlanKind::kDistinct:
      case plan::PlanKind::kCteScope:
      case plan::PlanKind::kSetOperation:
        check_aliases(plan.child(), view);
        return;
      default: return;
    }
  }
  for (auto& e : *list) {
    auto* alias = plan::try_as<plan::Alias>(e);
    if (!alias || !alias->generated) continue;
    const plan::Expression* child = alias->children[0].get();
    if (child->kind == plan::ExprKind::kLiteral) continue;
    if (child->kind == plan::ExprKind::kCast && child->children[0]->kind == plan::ExprKind::kAttribute) continue;
    throw analysis_error("CREATE_PERMANENT_VIEW_WITHOUT_ALIAS",
                         {{"name", quote_identifier(view)}, {"attr", quote_sql(alias->name)}});
  }
}

// Views that the query reaches, by name, until the one being defined is met.
void check_cycle(const google::protobuf::Message& query, const std::vector<std::string>& view, std::vector<std::string> path, CommandHost& host,
                 int depth = 0) {
  if (depth > 100) return;
  for (auto& parts : references_of(query).tables) {
    if (find_temp_view(parts, host)) continue;
    auto found = find_table(parts, host);
    if (!found || !found->is_view()) continue;
    auto here = path;
    here.push_back(quote_identifier(found->full_name()));
    if (lower(quote_identifier(found->full_name())) == lower(quote_identifier(view))) {
      throw analysis_error("RECURSIVE_VIEW", {{"viewIdent", quote_identifier(view)}, {"newPath", join(here, " -> ")}});
    }
    check_cycle(sql::parse_query(found->view_text, parse_options(host.conf())), view, here, host, depth + 1);
  }
}

// The same through temporary views, which are their texts.
void check_temp_cycle(const google::protobuf::Message& query, const std::vector<std::string>& view, std::vector<std::string> path, CommandHost& host,
                      int depth = 0) {
  if (depth > 100) return;
  for (auto& parts : references_of(query).tables) {
    auto temp = find_temp_view(parts, host);
    if (!temp) continue;
    auto found = get_temp_view(*temp, host);
    if (found.sql_text.empty()) continue;
    auto here = path;
    here.push_back(quote_identifier(parts));
    if (lower(parts.back()) == lower(view.back())) {
      throw analysis_error("RECURSIVE_VIEW", {{"viewIdent", quote_identifier(view)}, {"newPath", join(here, " -> ")}});
    }
    check_temp_cycle(sql::parse_query(found.sql_text, parse_options(host.conf())), view, here, host, depth + 1);
  }
}

plan::PlanPtr analyze_body(const spark::connect::Relation& query, const std::string& collation, CommandHost& host) {
  plan::AnalyzerContext context = host.analyzer();
  context.default_collation = collation;
  return plan::analyze(query, context);
}

// Where and with which settings the text of a temporary view is to be read, under the names that Spark keeps them by.
void capture(plan::TempView& view, const std::vector<std::string>& query_columns, CommandHost& host) {
  view.properties.clear();
  view.properties.emplace_back("view.catalogAndNamespace.part.0", current_catalog(host));
  auto parts = current_namespace(host);
  for (size_t i = 0; i < parts.size(); ++i) view.properties.emplace_back("view.catalogAndNamespace.part." + std::to_string(i + 1), parts[i]);
  for (size_t i = 0; i < query_columns.size(); ++i) view.properties.emplace_back("view.query.out.col." + std::to_string(i), query_columns[i]);
  for (auto& [k, v] : captured_configs(host)) view.properties.emplace_back("view.sqlConfig." + k, v);
  if (auto path = captured_path(host)) view.properties.emplace_back(plan::kStoredPath, *path);
}

// "" where the session knows no modes.
std::string schema_mode(sql::CreateView::SchemaMode mode, CommandHost& host) {
  switch (mode) {
    case sql::CreateView::BINDING: return "BINDING";
    case sql::CreateView::COMPENSATION: return "COMPENSATION";
    case sql::CreateView::EVOLUTION: return "EVOLUTION";
    case sql::CreateView::TYPE_EVOLUTION: return "TYPE EVOLUTION";
    default: break;
  }
  if (!host.conf().flag("spark.sql.legacy.viewSchemaBindingMode")) return "";
  return host.conf().flag("spark.sql.legacy.viewSchemaCompensation") ? "COMPENSATION" : "BINDING";
}

std::vector<std::string> output_names(const plan::LogicalPlan& plan) {
  std::vector<std::string> out;
  for (auto& a : plan.output) out.push_back(a.name);
  return out;
}

// Names and comments of CREATE VIEW v (a, b COMMENT 'x').
plan::PlanPtr rename_columns(const plan::PlanPtr& plan, const sql::CreateView& create, const std::vector<std::string>& view) {
  if (create.columns().empty()) return plan;
  if (static_cast<size_t>(create.columns_size()) != plan->output.size()) {
    std::vector<std::string> expected, actual;
    for (auto& c : create.columns()) expected.push_back(quote_identifier(c.name()));
    for (auto& a : plan->output) actual.push_back(quote_identifier(a.name));
    throw analysis_error(static_cast<size_t>(create.columns_size()) > plan->output.size()
                             ? "CREATE_VIEW_COLUMN_ARITY_MISMATCH.NOT_ENOUGH_DATA_COLUMNS"
                             : "CREATE_VIEW_COLUMN_ARITY_MISMATCH.TOO_MANY_DATA_COLUMNS",
                         {{"viewName", quote_identifier(view)}, {"viewColumns", join(expected, ", ")}, {"dataColumns", join(actual, ", ")}});
  }
  std::vector<plan::ExprPtr> columns;
  for (size_t i = 0; i < plan->output.size(); ++i) {
    auto& c = create.columns(static_cast<int>(i));
    auto alias = std::make_shared<plan::Alias>();
    alias->children = {plan::make_ref(plan->output[i])};
    alias->type = plan->output[i].type;
    alias->nullable = plan->output[i].nullable;
    alias->id = plan::next_expr_id();
    alias->name = c.name();
    alias->metadata = c.has_comment() ? with_metadata("", "comment", c.comment()) : plan->output[i].metadata;
    columns.push_back(alias);
  }
  return plan::make_project(plan, std::move(columns));
}

void check_no_temporary(const sql::QueryText& query, const char* object, const std::vector<std::string>& name, CommandHost& host) {
  check_no_temporary_objects(query.query(), object, name, host);
}

}  // namespace

void check_no_temporary_objects(const spark::connect::Relation& query, const char* object, const std::vector<std::string>& name,
                                CommandHost& host) {
  auto refs = references_of(query);
  for (auto& parts : refs.tables) {
    if (find_temp_view(parts, host)) throw temp_object(object, name, "VIEW", parts);
  }
  std::vector<std::string> variables;
  auto& state = host.analyzer().state;
  {
    std::lock_guard lock(state.mu);
    for (auto& f : refs.functions) {
      if (state.sql_functions.count(f) || state.user_functions.count(f)) throw temp_object(object, name, "FUNCTION", {f});
    }
    for (auto& column : refs.columns) {
      if (column.size() <= 3 && state.variables.count(lower(column.back()))) variables.push_back(column.back());
    }
  }
  if (variables.empty()) return;
  // A name that is a column too is no variable: analysis in a session without variables tells.
  plan::SessionState without;
  {
    std::lock_guard lock(state.mu);
    without.temp_views = state.temp_views;
    without.user_functions = state.user_functions;
    without.sql_functions = state.sql_functions;
    without.current_catalog = state.current_catalog;
    without.current_namespace = state.current_namespace;
    without.path = state.path;
  }
  auto& c = host.analyzer();
  plan::AnalyzerContext context{c.conf, without, c.global_views, c.catalog, c.sources, c.artifact, c.cached_relation, c.user, c.now_micros};
  bool needs_variable = false;
  try {
    plan::analyze(query, context);
  } catch (const SparkError& e) {
    needs_variable = e.condition().starts_with("UNRESOLVED_COLUMN");
  }
  if (needs_variable) throw temp_object(object, name, "VARIABLE", {variables[0]});
}

void create_temp_view(const std::vector<std::string>& parts, bool global, bool replace, plan::TempView view, CommandHost& host) {
  std::vector<std::string> bare = parts;
  if (!global) {
    if (auto form = temp_name_form(parts, host); form && !form->global) bare = {parts.back()};
  } else if (auto form = temp_name_form(parts, host); form && form->global) {
    bare = {parts.back()};
  }
  if (bare.size() != 1) throw analysis_error("TEMP_VIEW_NAME_TOO_MANY_NAME_PARTS", {{"actualName", quote_identifier(parts)}});
  std::vector<std::string> names;
  for (auto& a : view.plan->output) names.push_back(a.name);
  std::string key = lower(bare[0]);
  auto put = [&](std::map<std::string, plan::TempView>& views) {
    if (!replace && views.count(key)) {
      throw SparkError(ErrorKind::kTempTableAlreadyExists, "TEMP_TABLE_OR_VIEW_ALREADY_EXISTS", {{"relationName", quote_identifier(bare[0])}});
    }
    views[key] = std::move(view);
  };
  if (global) {
    std::lock_guard lock(host.analyzer().global_views.mu);
    put(host.analyzer().global_views.views);
  } else {
    std::lock_guard lock(host.analyzer().state.mu);
    put(host.analyzer().state.temp_views);
  }
}

bool drop_temp_view(const TempName& name, CommandHost& host) {
  plan::PlanPtr plan;
  bool has_text = false;
  {
    auto& views_of_engine = host.analyzer().global_views;
    auto& state = host.analyzer().state;
    std::mutex& mu = name.global ? views_of_engine.mu : state.mu;
    auto& views = name.global ? views_of_engine.views : state.temp_views;
    std::lock_guard lock(mu);
    auto it = views.find(name.key);
    if (it == views.end()) return false;
    plan = it->second.plan;
    has_text = !it->second.sql_text.empty();
    views.erase(it);
  }
  // What was made of a view of SQL text goes with it; a view of a DataFrame is only another name of it.
  host.uncache(plan, has_text);
  return true;
}

namespace {

void check_schema_mode(sql::CreateView::SchemaMode mode, CommandHost& host) {
  constexpr const char* kKey = "spark.sql.legacy.viewSchemaBindingMode";
  if (mode == sql::CreateView::UNSPECIFIED || host.conf().flag(kKey)) return;
  throw SparkError(ErrorKind::kParse, "FEATURE_NOT_ENABLED", {{"featureName", "VIEW ... WITH SCHEMA ..."}, {"configKey", kKey}, {"configValue", "true"}});
}

}  // namespace

CommandResult create_view(const sql::Statement& statement, CommandHost& host) {
  auto& create = statement.create_view();
  check_schema_mode(create.schema_mode(), host);
  auto parts = name_parts(create.name(), host);
  auto& catalog = host.analyzer().catalog;
  if (create.temporary()) {
    if (!create.or_replace() && !create.global()) {
      // Spark looks at the name first: analysis of a long query is not needed to see that it is taken.
      auto form = temp_name_form(parts, host);
      if (auto taken = find_temp_view(form ? parts : std::vector<std::string>{parts.back()}, host); taken && !taken->global) {
        throw SparkError(ErrorKind::kTempTableAlreadyExists, "TEMP_TABLE_OR_VIEW_ALREADY_EXISTS",
                         {{"relationName", quote_identifier(parts.back())}});
      }
    }
    auto analyzed = analyze_body(create.query().query(), create.has_collation() ? plan::canonical_collation(create.collation()) : std::string(), host);
    plan::TempView view;
    view.plan = rename_columns(analyzed, create, parts);
    check_duplicate_columns(output_names(*view.plan), host);
    view.sql_text = create.query().text();
    if (create.has_comment()) view.comment = create.comment();
    capture(view, output_names(*analyzed), host);
    if (create.has_collation()) view.properties.emplace_back("defaultCollation", plan::canonical_collation(create.collation()));
    check_temp_cycle(create.query().query(), parts, {quote_identifier(parts)}, host);
    create_temp_view(parts, create.global(), create.or_replace(), std::move(view), host);
    return {};
  }
  auto name = qualify(parts, host);
  catalog.require_schema(name.catalog, name.schema);
  auto existing = catalog.get_table(name.catalog, name.schema, name.name);
  auto analyzed = analyze_body(create.query().query(), create.has_collation() ? plan::canonical_collation(create.collation()) : std::string(), host);
  auto renamed = rename_columns(analyzed, create, name.parts());
  check_no_temporary(create.query(), "VIEW", name.parts(), host);
  // Also with a column list, as Spark: the query itself must not have made-up names.
  if (!host.conf().flag("spark.sql.legacy.allowAutoGeneratedAliasForView") && create.columns().empty()) check_aliases(*analyzed, name.parts());
  if (existing) {
    if (create.if_not_exists()) return {};
    if (!existing->is_view()) {
      if (create.or_replace()) {
        throw analysis_error("EXPECT_VIEW_NOT_TABLE.NO_ALTERNATIVE", {{"tableName", name.quoted()}, {"operation", "CREATE OR REPLACE VIEW"}});
      }
      throw SparkError(ErrorKind::kTableAlreadyExists, "TABLE_OR_VIEW_ALREADY_EXISTS", {{"relationName", name.quoted()}});
    }
    if (!create.or_replace()) {
      throw SparkError(ErrorKind::kTableAlreadyExists, "TABLE_OR_VIEW_ALREADY_EXISTS", {{"relationName", name.quoted()}});
    }
    check_cycle(create.query().query(), name.parts(), {name.quoted()}, host);
  }
  check_duplicate_columns(output_names(*renamed), host);
  catalog::TableInfo view;
  view.catalog = name.catalog;
  view.schema = name.schema;
  view.name = name.name;
  view.type = catalog::TableType::kView;
  view.owner = now_owner(host);
  view.schema_json = plan::schema_of(*renamed).json();
  view.view_text = create.query().text();
  view.view_catalog = current_catalog(host);
  view.view_namespace = current_namespace(host);
  view.view_configs = captured_configs(host);
  if (auto path = captured_path(host)) view.view_configs[plan::kStoredPath] = *path;
  view.view_query_columns = output_names(*analyzed);
  view.view_schema_mode = schema_mode(create.schema_mode(), host);
  if (view.view_schema_mode == "EVOLUTION") view.view_query_columns.clear();
  if (create.has_comment()) view.comment = create.comment();
  if (create.has_collation()) view.collation = plan::canonical_collation(create.collation());
  view.properties = properties_of(create.properties());
  if (existing) catalog.replace_table(std::move(view));
  else catalog.create_table(std::move(view), create.if_not_exists());
  return {};
}

CommandResult create_temp_view_using(const sql::Statement& statement, CommandHost& host) {
  auto& create = statement.create_temp_view_using();
  spark::connect::Relation relation;
  auto* source = relation.mutable_read()->mutable_data_source();
  source->set_format(create.provider());
  for (auto& option : create.options()) {
    if (lower(option.key()) == "path") source->add_paths(option.value());
    else (*source->mutable_options())[option.key()] = option.value();
  }
  if (create.columns_size() > 0) {
    std::vector<plan::StructField> fields;
    for (auto& c : create.columns()) fields.push_back(field_of(c, "CREATE TEMPORARY VIEW", "", host));
    source->set_schema(DataType::structure(std::move(fields)).json());
  }
  plan::TempView view;
  if (source->paths().empty() && create.columns_size() > 0) {
    // Nothing to read: an empty relation of that schema.
    auto values = std::make_shared<plan::Values>();
    for (auto& c : create.columns()) {
      values->output.push_back({plan::next_expr_id(), c.name(0), DataType::from_proto(c.type()), true, "", {}});
    }
    view.plan = values;
  } else {
    view.plan = plan::analyze(relation, host.analyzer());
  }
  create_temp_view(name_parts(create.name(), host), create.global(), create.or_replace(), std::move(view), host);
  return {};
}

CommandResult alter_view(const sql::Statement& statement, CommandHost& host) {
  auto& alter = statement.alter_view();
  auto parts = name_parts(alter.name(), host);
  auto temp = find_temp_view(parts, host);
  if (!alter.has_query()) {
    check_schema_mode(alter.schema_mode(), host);
    if (temp) throw analysis_error("UNSUPPORTED_FEATURE.TEMPORARY_VIEW_WITH_SCHEMA_BINDING_MODE", {});
    auto view = require_view(parts, host, "ALTER VIEW ... WITH SCHEMA");
    const std::string mode = schema_mode(alter.schema_mode(), host);
    host.analyzer().catalog.alter_table(view.catalog, view.schema, view.name,
                                        [&](catalog::TableInfo& t) {
                                          t.view_schema_mode = mode;
                                          // Evolution keeps no names of the query: afterwards they are those of the view.
                                          if (mode == "EVOLUTION") t.view_query_columns.clear();
                                        });
    return {};
  }
  std::optional<catalog::TableInfo> view;
  if (!temp) view = require_view(parts, host, "ALTER VIEW ... AS");
  auto analyzed = analyze_body(alter.query().query(), view && view->collation ? *view->collation : std::string(), host);
  check_duplicate_columns(output_names(*analyzed), host);
  if (temp) {
    plan::TempView changed = get_temp_view(*temp, host);
    changed.plan = analyzed;
    changed.sql_text = alter.query().text();
    capture(changed, output_names(*analyzed), host);
    check_temp_cycle(alter.query().query(), parts, {quote_identifier(parts)}, host);
    create_temp_view(parts, temp->global, true, std::move(changed), host);
    return {};
  }
  check_no_temporary(alter.query(), "VIEW", view->full_name(), host);
  if (!host.conf().flag("spark.sql.legacy.allowAutoGeneratedAliasForView")) check_aliases(*analyzed, view->full_name());
  check_cycle(alter.query().query(), view->full_name(), {quote_identifier(view->full_name())}, host);
  std::string schema = plan::schema_of(*analyzed).json();
  auto names = output_names(*analyzed);
  auto configs = captured_configs(host);
  if (auto path = captured_path(host)) configs[plan::kStoredPath] = *path;
  std::string home = current_catalog(host);
  auto ns = current_namespace(host);
  host.analyzer().catalog.alter_table(view->catalog, view->schema, view->name, [&](catalog::TableInfo& t) {
    t.schema_json = schema;
    t.view_text = alter.query().text();
    t.view_query_columns = names;
    t.view_configs = configs;
    t.view_catalog = home;
    t.view_namespace = ns;
  });
  return {};
}

CommandResult drop_view(const sql::Statement& statement, CommandHost& host) {
  auto& drop = statement.drop_view();
  auto parts = name_parts(drop.name(), host);
  if (auto temp = find_temp_view(parts, host)) {
    drop_temp_view(*temp, host);
    return {};
  }
  auto found = find_table(parts, host);
  if (!found) {
    if (parts.size() > 2 && !temp_name_form(parts, host)) qualify(parts, host);
    if (drop.if_exists()) return {};
    throw_table_not_found(parts, host);
  }
  if (!found->is_view()) {
    throw analysis_error("WRONG_COMMAND_FOR_OBJECT_TYPE",
                         {{"operation", "DROP VIEW"}, {"requiredType", "VIEW or METRIC_VIEW"}, {"objectName", quote_if_needed(found->full_name())},
                          {"foundType", found->type == catalog::TableType::kExternal ? "EXTERNAL" : "MANAGED"}, {"alternative", "DROP TABLE"}});
  }
  host.analyzer().catalog.drop_table(found->catalog, found->schema, found->name, drop.if_exists());
  return {};
}

}  // namespace tarn::engine::commands
