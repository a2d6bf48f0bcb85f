// Stored views: their text is read anew where and with the settings it was made with; what has become of its columns meanwhile is
// judged by the view's schema mode. Source: SessionCatalog.fromCatalogTable, ViewSyncSchemaToMetaStore.
#include <algorithm>
#include <set>

#include "catalog/catalog.h"
#include "plan/analyzer_impl.h"
#include "plan/cast_check.h"
#include "plan/search_path.h"
#include "plan/types_internal.h"

namespace tarn::plan {

namespace {

constexpr const char* kUpCastDetails =
    "The type path of the target object is:\n\nYou can either add an explicit cast to the input data or choose a higher precision type of the field in the target object";

// What a query may give where the view once had a column of a type: what can be cast up, what can be cast, any type, any columns.
enum class SchemaMode { kBinding, kCompensation, kTypeEvolution, kEvolution };

SchemaMode mode_of(const catalog::TableInfo& view, const SessionConf& conf) {
  if (!conf.flag("spark.sql.legacy.viewSchemaBindingMode"))
    return conf.flag("spark.sql.legacy.viewSchemaCompensation") ? SchemaMode::kCompensation : SchemaMode::kBinding;
  if (view.view_schema_mode == "COMPENSATION") return SchemaMode::kCompensation;
  if (view.view_schema_mode == "TYPE EVOLUTION") return SchemaMode::kTypeEvolution;
  if (view.view_schema_mode == "EVOLUTION") return SchemaMode::kEvolution;
  return SchemaMode::kBinding;
}

std::string comment_of(const std::string& metadata) {
  const auto at = metadata.find("\"comment\"");
  return at == std::string::npos ? std::string() : metadata.substr(at);
}

// The statement that would make the view anew, as the error suggests it.
std::string remedy(const catalog::TableInfo& view, const std::vector<StructField>& columns) {
  bool renamed = false;
  std::string names;
  for (size_t i = 0; i < columns.size(); ++i) {
    renamed = renamed || (i < view.view_query_columns.size() && view.view_query_columns[i] != columns[i].name);
    names += (i ? ", " : "") + sql::unparse_identifier({columns[i].name});
  }
  return "CREATE OR REPLACE VIEW " + sql::unparse_identifier(view.full_name()) + (renamed ? " (" + names + ")" : "") + " AS " + view.view_text;
}

}  // namespace

// WITH SCHEMA EVOLUTION and TYPE EVOLUTION: the catalog learns what the query gives now.
void Analyzer::evolve_view(const catalog::TableInfo& view, const std::vector<StructField>& then, const LogicalPlan& now, bool types_only) {
  bool changed = then.size() != now.output.size();
  for (size_t i = 0; !changed && i < then.size(); ++i) {
    const auto& a = now.output[i];
    changed = then[i].type() != a.type || then[i].nullable != a.nullable || (!types_only && (then[i].name != a.name || comment_of(then[i].metadata) != comment_of(a.metadata)));
  }
  if (!changed) return;
  std::vector<StructField> fields;
  std::set<std::string> seen;
  for (size_t i = 0; i < now.output.size(); ++i) {
    const auto& a = now.output[i];
    const std::string key = case_sensitive_ ? a.name : lower_case(a.name);
    if (!seen.insert(key).second) throw analysis_error("COLUMN_ALREADY_EXISTS", {{"columnName", name_text({key})}});
    fields.push_back(make_field(a.name, a.type, a.nullable, types_only && i < then.size() ? then[i].metadata : a.metadata));
  }
  const DataType schema = DataType::structure(std::move(fields));
  try {
    context_.catalog.alter_table(view.catalog, view.schema, view.name, [&](catalog::TableInfo& t) { t.schema_json = schema.json(); });
  } catch (const SparkError&) {
    throw SparkError(ErrorKind::kSpark, "FAILED_UPDATE_VIEW_SCHEMA",
                     {{"viewName", name_text(view.full_name())}, {"schemaMode", "WITH SCHEMA " + view.view_schema_mode},
                      {"newSchema", schema.tree_string()}, {"existingSchema", DataType::structure(then).tree_string()}});
  }
}

PlanPtr Analyzer::stored_view(const catalog::TableInfo& view) {
  if (const int64_t most = conf_.integer("spark.sql.view.maxNestedViewDepth"); view_depth_ >= most)
    throw analysis_error("VIEW_EXCEED_MAX_NESTED_DEPTH", {{"viewName", name_text(view.full_name())}, {"maxNestedDepth", std::to_string(most)}});
  SessionConf conf(conf_);
  for (const auto& [k, v] : view.view_configs) {
    std::string key = k.starts_with("view.sqlConfig.") ? k.substr(15) : k;
    if (key == kStoredPath) continue;
    try {
      conf.set(key, v);
    } catch (const SparkError&) {
      // A setting of a newer version.
    }
  }
  SessionState inner;
  {
    std::lock_guard<std::mutex> lock(context_.state.mu);
    inner.temp_views = {};
    inner.user_functions = context_.state.user_functions;
    inner.sql_functions = context_.state.sql_functions;
    inner.variables = context_.state.variables;
    // Only the temporary objects that the view was made with.
    for (const auto& name : view.view_referred_temp_names)
      if (!name.empty()) {
        auto it = context_.state.temp_views.find(lower_case(name.back()));
        if (it != context_.state.temp_views.end()) inner.temp_views[it->first] = it->second;
      }
  }
  inner.current_catalog = view.view_catalog.empty() ? "spark_catalog" : view.view_catalog;
  inner.current_namespace = view.view_namespace.empty() ? Parts{"default"} : view.view_namespace;
  for (const auto& [k, v] : view.view_configs)
    if (k == kStoredPath) inner.path = parse_search_path(v, conf_, {});
  AnalyzerContext inside{conf, inner, context_.global_views, context_.catalog, context_.sources, context_.artifact, context_.cached_relation, context_.user, context_.now_micros};
  if (view.collation) inside.default_collation = *view.collation;
  Analyzer below(inside);
  below.view_depth_ = view_depth_ + 1;
  const std::string shown = view.catalog + "." + view.schema + "." + view.name;
  PlanPtr plan = without_plan_ids(below.parsed_query(view.view_text, "VIEW", shown));

  const DataType schema = without_char_varchar(DataType::from_json(view.schema_json));
  const auto& then = schema.fields();
  const SchemaMode mode = mode_of(view, conf_);
  if (mode == SchemaMode::kEvolution) {
    evolve_view(view, then, *plan, false);
    return alias_plan(plan, view.full_name());
  }
  // The view's own columns: by the names of the query then; of several with one name by their order.
  std::vector<ExprPtr> list;
  auto query_name = [&](size_t i) { return i < view.view_query_columns.size() ? view.view_query_columns[i] : then[i].name; };
  for (size_t i = 0; i < then.size(); ++i) {
    const std::string name = query_name(i);
    size_t count = 0, ordinal = 0;
    for (size_t k = 0; k < then.size(); ++k)
      if (same_name(query_name(k), name, case_sensitive_)) {
        ++count;
        if (k < i) ++ordinal;
      }
    std::vector<const Attribute*> hits;
    for (const auto& a : plan->output)
      if (same_name(a.name, name, case_sensitive_)) hits.push_back(&a);
    if (hits.size() != count) {
      std::string found;
      for (const auto* h : hits) found += (found.empty() ? "" : ",") + h->name;
      throw analysis_error("INCOMPATIBLE_VIEW_SCHEMA_CHANGE",
                           {{"viewName", name_text(view.full_name())}, {"colName", name}, {"expectedNum", std::to_string(count)},
                            {"actualCols", "[" + found + "]"}, {"suggestion", remedy(view, then)}});
    }
    const Attribute& a = *hits[ordinal];
    ExprPtr column = make_ref(a);
    const DataType& type = then[i].type();
    if (mode != SchemaMode::kTypeEvolution && !a.type.same_type(type)) {
      if (mode == SchemaMode::kCompensation) check_cast(*column, type, EvalMode::kAnsi, pretty_sql(*column));
      else if (!can_up_cast(a.type, type))
        throw analysis_error("CANNOT_UP_CAST_DATATYPE",
                             {{"expression", a.qualifier.empty() ? a.name : sql::unparse_identifier(a.qualifier) + "." + a.name}, {"sourceType", quote_sql(a.type.sql())},
                              {"targetType", quote_sql(type.sql())}, {"details", kUpCastDetails}});
      column = make_cast(column, type, EvalMode::kAnsi);
    }
    auto alias = std::make_shared<Alias>(as<Alias>(*make_alias(column, then[i].name)));
    if (!then[i].metadata.empty()) alias->metadata = then[i].metadata;
    list.push_back(alias);
  }
  plan = make_project(plan, std::move(list));
  if (mode == SchemaMode::kTypeEvolution) evolve_view(view, then, *plan, true);
  return alias_plan(plan, view.full_name());
}

}  // namespace tarn::plan
