// Names of tables, views and table functions; SQL text inside a plan. Source: ResolveRelations, SessionCatalog.lookupRelation.
#include <algorithm>

#include "catalog/catalog.h"
#include "plan/python_functions.h"
#include "plan/python_tables.h"
#include "plan/analyzer_impl.h"
#include "plan/search_path.h"
#include "plan/types_internal.h"

// Clients before 4.0 fill in fields that are deprecated now.
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

namespace tarn::plan {

namespace {

bool is_file_format_name(const std::string& s) {
  for (const char* f : {"parquet", "csv", "json", "orc", "text", "delta", "avro", "binaryfile", "xml"})
    if (same_name(s, f, false)) return true;
  return false;
}

PlanPtr scan_of(std::shared_ptr<const Relation> relation, Parts name, std::vector<std::string> qualifier, const SessionConf& conf) {
  auto s = std::make_shared<Scan>();
  bool keep_lengths = conf.flag("spark.sql.preserveCharVarcharTypeInfo");
  const auto& fields = relation->schema().fields();
  for (size_t i = 0; i < fields.size(); ++i) {
    s->columns.push_back(i);
    Attribute a;
    a.id = next_expr_id();
    a.name = fields[i].name;
    a.type = keep_lengths ? fields[i].type() : without_char_varchar(fields[i].type());
    a.nullable = fields[i].nullable;
    a.metadata = fields[i].metadata;
    a.qualifier = qualifier;
    s->output.push_back(std::move(a));
  }
  for (const auto& f : relation->metadata_columns()) {
    Attribute a;
    a.id = next_expr_id();
    a.name = f.name;
    a.type = f.type();
    a.nullable = f.nullable;
    a.metadata = f.metadata;
    a.qualifier = qualifier;
    s->hidden.push_back(std::move(a));
  }
  s->relation = std::move(relation);
  s->name = std::move(name);
  return s;
}

}  // namespace

PlanPtr Analyzer::alias_plan(PlanPtr p, std::vector<std::string> qualifier) {
  auto n = p->clone();
  for (auto& a : n->output) a.qualifier = qualifier;
  std::vector<Attribute> hidden;
  for (auto a : n->hidden) {
    a.qualifier = qualifier;
    hidden.push_back(std::move(a));
  }
  // Keys of USING joins below are not reachable through an alias; a Scan's metadata columns keep their places.
  if (n->kind != PlanKind::kScan) std::erase_if(hidden, [](const Attribute& a) { return a.qualified_only; });
  n->hidden = std::move(hidden);
  return n;
}

PlanPtr Analyzer::rename_columns(PlanPtr p, const std::vector<std::string>& names) {
  if (names.size() != p->output.size())
    throw analysis_error("ASSIGNMENT_ARITY_MISMATCH", {{"numExpr", std::to_string(p->output.size())}, {"numTarget", std::to_string(names.size())}});
  std::vector<ExprPtr> list;
  for (size_t i = 0; i < names.size(); ++i) list.push_back(make_alias(make_ref(p->output[i]), names[i]));
  auto qualifiers = p->output;
  auto out = std::const_pointer_cast<LogicalPlan>(make_project(std::move(p), std::move(list)));
  for (size_t i = 0; i < out->output.size(); ++i) out->output[i].qualifier = qualifiers[i].qualifier;
  return out;
}

PlanPtr Analyzer::read(const sc::Read& r) {
  if (r.is_streaming()) throw not_built("streaming reads");
  if (r.has_named_table()) {
    std::vector<std::pair<std::string, std::string>> options(r.named_table().options().begin(), r.named_table().options().end());
    return read_table(sql::parse_multipart_identifier(r.named_table().unparsed_identifier(), parse_options()), options, false);
  }
  const auto& d = r.data_source();
  if (d.predicates_size() > 0) throw analysis_error("CONNECT_INVALID_PLAN.PREDICATES_NOT_SUPPORTED_FOR_DATA_SOURCE", {{"format", d.format()}});
  std::optional<DataType> schema;
  if (d.has_schema() && !d.schema().empty()) {
    DataType t = parse_type(d.schema());
    if (t.id() != TypeId::kStruct) throw analysis_error("INVALID_SCHEMA.NON_STRUCT_TYPE", {{"inputSchema", quote_sql(d.schema())}, {"dataType", quote_sql(t.sql())}});
    schema = t;
  }
  std::string format = d.has_format() && !d.format().empty() ? d.format() : conf_.text("spark.sql.sources.default");
  std::vector<std::pair<std::string, std::string>> options(d.options().begin(), d.options().end());
  std::vector<std::string> paths(d.paths().begin(), d.paths().end());
  if (auto* planner = python_planner(context_.sources)) {
    if (auto rows = planner->read_source(format, paths, options, schema)) return rows;
  }
  return scan_of(context_.sources.load(format, paths, options, schema), {}, {}, conf_);
}

const Analyzer::CteBinding* Analyzer::find_cte(const std::string& name) const {
  for (size_t i = ctes_.size(); i-- > 0;)
    for (const auto& [key, binding] : ctes_[i])
      if (same_name(key, name, case_sensitive_)) return &binding;
  return nullptr;
}

PlanPtr Analyzer::read_table(const Parts& parts, const std::vector<std::pair<std::string, std::string>>& options, bool streaming) {
  if (streaming) throw not_built("streaming reads");
  if (parts.size() == 1) {
    if (auto* b = find_cte(parts[0])) return cte_reference(parts[0], *b);
    auto it = named_references_.find(lower_case(parts[0]));
    if (it != named_references_.end()) return alias_plan(with_fresh_ids(it->second), {parts[0]});
  }
  // Temporary views. One that was made by SQL is its text, read again where and as it was made (its tables may have changed); one of a
  // DataFrame is that plan.
  auto temporary_view = [this](const TempView& made, const std::string& shown) -> PlanPtr {
    auto kept = [&](const std::string& key) -> const std::string* {
      for (const auto& [k, v] : made.properties)
        if (k == key) return &v;
      return nullptr;
    };
    auto* home = kept("view.catalogAndNamespace.part.0");
    if (made.sql_text.empty() || !home) return with_fresh_ids(made.plan);
    if (const int64_t most = conf_.integer("spark.sql.view.maxNestedViewDepth"); view_depth_ >= most)
      throw analysis_error("VIEW_EXCEED_MAX_NESTED_DEPTH", {{"viewName", name_text({shown})}, {"maxNestedDepth", std::to_string(most)}});
    SessionConf conf(conf_);
    std::optional<std::vector<PathEntry>> path;
    for (const auto& [k, v] : made.properties) {
      if (k == kStoredPath) path = parse_search_path(v, conf_, {});
      if (!k.starts_with("view.sqlConfig.")) continue;
      try {
        conf.set(k.substr(15), v);
      } catch (const SparkError&) {
      }
    }
    SessionState inner;
    {
      std::lock_guard<std::mutex> lock(context_.state.mu);
      inner.temp_views = context_.state.temp_views;
      inner.user_functions = context_.state.user_functions;
      inner.sql_functions = context_.state.sql_functions;
      inner.variables = context_.state.variables;
    }
    inner.path = std::move(path);
    inner.current_catalog = *home;
    inner.current_namespace.clear();
    for (int i = 1;; ++i) {
      auto* part = kept("view.catalogAndNamespace.part." + std::to_string(i));
      if (!part) break;
      inner.current_namespace.push_back(*part);
    }
    AnalyzerContext inside{conf, inner, context_.global_views, context_.catalog, context_.sources, context_.artifact, context_.cached_relation, context_.user, context_.now_micros};
    inside.local_variable = context_.local_variable;
    if (auto* collation = kept("defaultCollation")) inside.default_collation = *collation;
    Analyzer below(inside);
    below.view_depth_ = view_depth_ + 1;
    PlanPtr plan = below.parsed_query(made.sql_text, "VIEW", shown);
    std::vector<ExprPtr> list;
    for (size_t i = 0; i < made.plan->output.size(); ++i) {
      const auto& then = made.plan->output[i];
      auto* query_name = kept("view.query.out.col." + std::to_string(i));
      const Attribute* now = nullptr;
      if (i < plan->output.size() && plan->output.size() == made.plan->output.size()) now = &plan->output[i];
      for (const auto& a : plan->output)
        if (!now && same_name(a.name, query_name ? *query_name : then.name, case_sensitive_)) now = &a;
      if (!now)
        throw analysis_error("INCOMPATIBLE_VIEW_SCHEMA_CHANGE",
                             {{"viewName", name_text({shown})}, {"colName", name_text({then.name})}, {"expectedNum", std::to_string(made.plan->output.size())},
                              {"actualCols", "[]"}, {"suggestion", "CREATE OR REPLACE TEMPORARY VIEW " + shown}});
      auto ref = make_ref(*now);
      if (!now->type.same_type(then.type)) {
        if (!can_up_cast(now->type, then.type))
          throw analysis_error("CANNOT_UP_CAST_DATATYPE", {{"expression", shown + "." + then.name}, {"sourceType", quote_sql(now->type.sql())}, {"targetType", quote_sql(then.type.sql())}, {"details", ""}});
        ref = make_cast(ref, then.type, EvalMode::kAnsi);
      }
      auto alias = std::make_shared<Alias>(as<Alias>(*make_alias(ref, then.name)));
      alias->metadata = then.metadata;
      list.push_back(alias);
    }
    return make_project(plan, std::move(list));
  };
  std::optional<TempView> view;
  std::vector<PathEntry> own_path;
  std::string catalog;
  Parts space;
  {
    std::lock_guard<std::mutex> lock(context_.state.mu);
    catalog = context_.state.current_catalog;
    space = context_.state.current_namespace;
    if (parts.size() == 1 && has_own_search_path(context_.state, conf_)) own_path = search_path(context_.state, conf_);
    bool session = parts.size() == 1 || (parts.size() == 2 && same_name(parts[0], "session", false)) ||
                   (parts.size() == 3 && same_name(parts[0], "system", false) && same_name(parts[1], "session", false));
    if (session) {
      auto it = context_.state.temp_views.find(lower_case(parts.back()));
      if (it != context_.state.temp_views.end()) view = it->second;
    }
  }
  if (!view && (parts.size() == 2 || parts.size() == 3) && same_name(parts[parts.size() - 2], "global_temp", false)) {
    std::lock_guard<std::mutex> lock(context_.global_views.mu);
    auto it = context_.global_views.views.find(lower_case(parts.back()));
    if (it != context_.global_views.views.end()) view = it->second;
    if (view) return alias_plan(temporary_view(*view, parts.back()), {"global_temp", parts.back()});
  }
  if (view) return alias_plan(temporary_view(*view, parts.back()), {parts.back()});

  Parts full;
  if (parts.size() >= 3) full = parts;
  else if (parts.size() == 2) full = {catalog, parts[0], parts[1]};
  else {
    full = {catalog};
    full.insert(full.end(), space.begin(), space.end());
    full.push_back(parts[0]);
  }
  std::optional<catalog::TableInfo> info;
  if (!own_path.empty()) {
    for (const PathEntry& e : own_path)
      if (!info && e.size() == 2 && !is_system_entry(e, "builtin") && !is_system_entry(e, "session")) info = context_.catalog.get_table(e[0], e[1], parts[0]);
  } else if (full.size() == 3) {
    info = context_.catalog.get_table(full[0], full[1], full[2]);
  }
  if (!info && parts.size() == 2 && is_file_format_name(parts[0]) && conf_.flag("spark.sql.runSQLOnFiles")) {
    // parquet.`/path`
    if (parts[1].empty()) throw SparkError(ErrorKind::kIllegalArgument, "INVALID_EMPTY_LOCATION", {{"location", ""}});
    return scan_of(context_.sources.load(lower_case(parts[0]), {parts[1]}, options, std::nullopt), {}, {}, conf_);
  }
  if (auto* python = python_planner(context_.sources); !info && parts.size() == 2 && python && python->has_source(parts[0]))
    throw analysis_error("UNSUPPORTED_DATASOURCE_FOR_DIRECT_QUERY", {{"dataSourceType", parts[0]}});
  if (!info) {
    Parts current{catalog};
    current.insert(current.end(), space.begin(), space.end());
    throw analysis_error("TABLE_OR_VIEW_NOT_FOUND",
                         {{"relationName", name_text(parts)},
                          {"searchPath", own_path.empty() ? "[`system`.`builtin`, `system`.`session`, " + name_text(current) + "]" : path_message(own_path)}});
  }
  if (!info->is_view()) {
    Parts qualifier = info->full_name();
    if (auto* python = python_planner(context_.sources); python && python->has_source(info->provider)) {
      std::vector<std::pair<std::string, std::string>> all(info->options.begin(), info->options.end());
      all.insert(all.end(), options.begin(), options.end());
      std::vector<std::string> paths;
      if (info->type == catalog::TableType::kExternal) paths.push_back(catalog::path_of_location(info->location));
      return alias_plan(python->read_source(info->provider, paths, all, DataType::from_json(info->schema_json)), qualifier);
    }
    auto relation = context_.sources.load_table(*info, options);
    return scan_of(std::move(relation), qualifier, qualifier, conf_);
  }

  return stored_view(*info);
}

PlanPtr Analyzer::without_plan_ids(const PlanPtr& plan) {
  // A view's inside is not what DataFrame columns refer to.
  auto n = plan->clone();
  n->plan_ids.clear();
  for (auto& c : n->children) c = without_plan_ids(c);
  return n;
}

PlanPtr Analyzer::parsed_query(const std::string& text, const std::string& object_type, const std::string& object_name) {
  auto parsed = std::make_shared<sc::Relation>(sql::parse_query(text, parse_options()));
  kept_.push_back(parsed);
  Text saved = text_;
  text_ = Text{std::make_shared<const std::string>(text), object_type, object_name};
  auto saved_ctes = std::move(ctes_);
  auto saved_windows = std::move(windows_);
  ctes_.clear();
  windows_.clear();
  const Scope* around = around_;
  around_ = nullptr;
  struct Back {
    Analyzer& a;
    Text& text;
    decltype(ctes_)& ctes;
    decltype(windows_)& windows;
    const Scope* around;
    ~Back() {
      a.text_ = text;
      a.ctes_ = std::move(ctes);
      a.windows_ = std::move(windows);
      a.around_ = around;
    }
  } back{*this, saved, saved_ctes, saved_windows, around};
  return relation(*parsed);
}

PlanPtr Analyzer::sql_relation(const sc::SQL& s) {
  auto options = parse_options();
  std::map<std::string, sc::Expression> named;
  std::vector<sc::Expression> positional;
  for (const auto& [k, v] : s.args()) *named[k].mutable_literal() = v;
  for (const auto& [k, v] : s.named_arguments()) named[k] = v;
  for (const auto& v : s.pos_args()) *positional.emplace_back().mutable_literal() = v;
  for (const auto& v : s.pos_arguments()) positional.push_back(v);
  if (!named.empty()) options.named_arguments = &named;
  if (!positional.empty()) options.positional_arguments = &positional;
  auto plan = std::make_shared<sc::Plan>(sql::parse_statement(s.query(), options));
  if (!plan->has_root()) throw not_built("a command inside a relation");
  kept_.push_back(plan);
  Text saved = text_;
  text_ = Text{std::make_shared<const std::string>(s.query()), "", ""};
  auto saved_ctes = std::move(ctes_);
  ctes_.clear();
  struct Back {
    Analyzer& a;
    Text& text;
    decltype(ctes_)& ctes;
    ~Back() {
      a.text_ = text;
      a.ctes_ = std::move(ctes);
    }
  } back{*this, saved, saved_ctes};
  return relation(plan->root());
}

PlanPtr Analyzer::with_relations(const sc::WithRelations& w) {
  // Around SQL text the references are views named by their alias (spark.sql("… {df}", df = df)); else they are subqueries.
  std::unordered_map<int64_t, const sc::Relation*> refs;
  auto saved = named_references_;
  struct Back {
    Analyzer& a;
    std::map<std::string, PlanPtr>& saved;
    bool pushed = false;
    ~Back() {
      a.named_references_ = std::move(saved);
      if (pushed) a.references_.pop_back();
    }
  } back{*this, saved};
  if (w.root().has_sql()) {
    for (const auto& r : w.references()) {
      if (!r.has_subquery_alias()) throw analysis_error("CONNECT_INVALID_PLAN.INVALID_SQL_WITH_REFERENCES", {{"query", w.root().sql().query()}});
      named_references_[lower_case(r.subquery_alias().alias())] = relation(r.subquery_alias().input());
    }
    return relation(w.root());
  }
  for (const auto& r : w.references()) refs[r.common().plan_id()] = &r;
  references_.push_back(std::move(refs));
  back.pushed = true;
  return relation(w.root());
}

Parts Analyzer::name_parts(const tarn::sql::Name& name, Env* env) {
  Parts out(name.parts().begin(), name.parts().end());
  if (!name.has_expression()) return out;
  Scope none({}, nullptr, case_sensitive_);
  Env local = env_over(none);
  (void)env;
  auto e = expression(name.expression(), local);
  if (e->kind == ExprKind::kAlias) e = e->children[0];
  if (!is_foldable(*e)) throw analysis_error("NOT_A_CONSTANT_STRING.NOT_CONSTANT", {{"name", "IDENTIFIER"}, {"expr", quote_sql(pretty_sql(*e))}});
  if (!e->type.is_string()) throw analysis_error("NOT_A_CONSTANT_STRING.WRONG_TYPE", {{"name", "IDENTIFIER"}, {"expr", quote_sql(pretty_sql(*e))}, {"dataType", quote_sql(e->type.sql())}});
  auto v = constant_string(e);
  if (!v) {
    auto value = evaluate(make_cast(e, TypeId::kString, mode()));
    v = value.is_null() ? std::optional<std::string>() : std::optional<std::string>(value.get<std::string>());
  }
  if (!*v) throw analysis_error("NOT_A_CONSTANT_STRING.NULL", {{"name", "IDENTIFIER"}, {"expr", quote_sql(pretty_sql(*e))}});
  out = sql::parse_multipart_identifier(**v, parse_options());
  out.insert(out.end(), name.suffix().begin(), name.suffix().end());
  return out;
}

// The value of a constant that must be known now.
Value Analyzer::evaluate(const ExprPtr& e) {
  if (auto v = constant_value(e)) return *v;
  if (!context_.collect) throw not_built("computing " + pretty_sql(*e) + " in this place");
  auto rows = context_.collect(make_project(std::make_shared<OneRow>(), {make_alias(e, "value")}));
  if (rows.size() != 1 || rows[0].size() != 1) throw internal_error("a constant has no single value");
  return rows[0][0];
}

// Strings put together of literals: ||, concat, upper, lower, coalesce of constants. Inner optional empty: SQL NULL.
std::optional<std::optional<std::string>> Analyzer::constant_string(const ExprPtr& e) {
  if (auto* l = try_as<Literal>(e)) {
    if (l->value.is_null()) return std::optional<std::string>();
    if (auto* s = std::get_if<std::string>(&l->value.v)) return std::optional<std::string>(*s);
    if (auto* i = std::get_if<int64_t>(&l->value.v); i && l->type.is_integral()) return std::optional<std::string>(std::to_string(*i));
    return std::nullopt;
  }
  if (e->kind == ExprKind::kCast || e->kind == ExprKind::kAlias) return constant_string(e->children[0]);
  auto* c = try_as<Call>(e);
  if (!c) return std::nullopt;
  std::vector<std::string> args;
  bool null = false;
  for (const auto& a : c->children) {
    auto v = constant_string(a);
    if (!v) return std::nullopt;
    if (!*v) null = true;
    args.push_back(*v ? **v : "");
  }
  std::string name(c->function->name());
  if (null) return std::optional<std::string>();
  if (name == "concat" || c->name == "||") {
    std::string out;
    for (const auto& a : args) out += a;
    return std::optional<std::string>(out);
  }
  if (args.size() == 1 && (name == "upper" || name == "lower")) return std::optional<std::string>(name == "upper" ? upper_case(args[0]) : lower_case(args[0]));
  return std::nullopt;
}

PlanPtr Analyzer::time_travel(const tarn::sql::TimeTravel& t) {
  Parts parts;
  std::vector<std::pair<std::string, std::string>> options;
  if (t.input().has_read() && t.input().read().has_named_table()) {
    parts = sql::parse_multipart_identifier(t.input().read().named_table().unparsed_identifier(), parse_options());
    options.assign(t.input().read().named_table().options().begin(), t.input().read().named_table().options().end());
  } else {
    tarn::sql::Rel r;
    if (!t.input().has_extension() || !t.input().extension().UnpackTo(&r) || !r.has_identifier_relation()) throw internal_error("time travel of what is no table");
    parts = name_parts(r.identifier_relation().name());
    options.assign(r.identifier_relation().options().begin(), r.identifier_relation().options().end());
  }
  if (parts.size() == 1) {
    bool temporary = find_cte(parts[0]) != nullptr;
    {
      std::lock_guard<std::mutex> lock(context_.state.mu);
      temporary = temporary || context_.state.temp_views.count(lower_case(parts[0])) > 0;
    }
    if (temporary) throw analysis_error("UNSUPPORTED_FEATURE.TIME_TRAVEL", {{"relationId", name_text(parts)}});
  }
  if (t.has_version()) {
    options.emplace_back("versionAsOf", t.version());
  } else {
    Scope none({}, nullptr, case_sensitive_);
    Env env = env_over(none);
    auto e = expression(t.timestamp(), env);
    if (e->kind == ExprKind::kAlias) e = e->children[0];
    if (!is_foldable(*e) || any_of(*e, [](const Expression& x) { return x.kind == ExprKind::kSubquery; }))
      throw analysis_error("INVALID_TIME_TRAVEL_TIMESTAMP_EXPR.UNEVALUABLE", {{"expr", quote_sql(pretty_sql(*e))}});
    if (!can_cast(e->type, TypeId::kTimestamp, EvalMode::kAnsi)) throw analysis_error("INVALID_TIME_TRAVEL_TIMESTAMP_EXPR.INPUT", {{"expr", quote_sql(pretty_sql(*e))}});
    if (auto s = constant_string(e); s && *s && e->type.is_string()) {
      options.emplace_back("timestampAsOf", **s);
    } else {
      const ExprPtr& inner = e->kind == ExprKind::kCast ? e->children[0] : e;
      if (auto s2 = constant_string(inner); s2 && *s2 && inner->type.is_string()) options.emplace_back("timestampAsOf", **s2);
      else if (auto* l = try_as<Literal>(*e); l && (l->type.id() == TypeId::kTimestamp || l->type.id() == TypeId::kDate) && !l->value.is_null())
        options.emplace_back("timestampAsOf", timestamp_option(*l));
      else {
        auto at = evaluate(make_cast(e, TypeId::kTimestamp, EvalMode::kAnsi));
        if (at.is_null()) throw analysis_error("INVALID_TIME_TRAVEL_TIMESTAMP_EXPR.INPUT", {{"expr", quote_sql(pretty_sql(*e))}});
        options.emplace_back("timestampAsOf", timestamp_option(as<Literal>(*make_literal(TypeId::kTimestamp, at))));
      }
    }
  }
  return read_table(parts, options, false);
}

// ---------------------------------------------------------------------------------------------------------- rows by functions

PlanPtr Analyzer::generator_plan(PlanPtr child, const ExprPtr& generator, bool outer, const std::vector<std::string>& names, std::vector<std::string> qualifier) {
  auto columns = generator_columns(generator, outer, names);
  for (auto& a : columns) a.qualifier = qualifier;
  return generator_plan(std::move(child), generator, outer, std::move(columns));
}

PlanPtr Analyzer::generator_plan(PlanPtr child, const ExprPtr& generator, bool outer, std::vector<Attribute> columns) {
  auto g = std::make_shared<Generate>();
  g->generator = generator;
  g->outer = outer || as<Call>(*generator).function->name().ends_with("_outer");
  g->output = child->output;
  g->output.insert(g->output.end(), columns.begin(), columns.end());
  g->hidden = child->hidden;
  g->generator_output = std::move(columns);
  g->children.push_back(std::move(child));
  return g;
}

std::vector<Attribute> Analyzer::generator_columns(const ExprPtr& generator, bool outer, const std::vector<std::string>& names) {
  const auto& c = as<Call>(*generator);
  std::string name(c.function->name());
  if (name.ends_with("_outer")) {
    outer = true;
    name.resize(name.size() - 6);
  }
  std::vector<Attribute> columns;
  auto add = [&](std::string n, DataType t, bool nullable) {
    Attribute a;
    a.id = next_expr_id();
    a.name = std::move(n);
    a.type = std::move(t);
    a.nullable = nullable || outer;
    columns.push_back(std::move(a));
  };
  auto add_struct = [&](const DataType& row, bool nullable) {
    for (const auto& f : row.fields()) add(f.name, f.type(), f.nullable || nullable);
  };
  if (name == "explode" || name == "posexplode") {
    const auto& t = c.children.at(0)->type;
    if (name == "posexplode") add("pos", TypeId::kInt, false);
    if (t.id() == TypeId::kMap) {
      add("key", t.key(), false);
      add("value", t.value(), t.contains_null());
    } else if (t.id() == TypeId::kArray) {
      add("col", t.element(), t.contains_null());
    } else {
      add("col", TypeId::kNull, true);
    }
  } else if (name == "inline" && c.children.at(0)->type.id() == TypeId::kArray) {
    add_struct(c.children[0]->type.element(), c.children[0]->type.contains_null());
  } else if (name == "stack") {
    auto v = constant_value(c.children.at(0));
    if (!v || v->is_null()) throw analysis_error("DATATYPE_MISMATCH.NON_FOLDABLE_INPUT", {{"sqlExpr", quote_sql(pretty_sql(*generator))}, {"inputName", "`n`"}, {"inputType", "\"INT\""}, {"inputExpr", quote_sql(pretty_sql(*c.children[0]))}});
    auto rows = static_cast<size_t>(std::max<int64_t>(1, v->get<int64_t>()));
    size_t cells = c.children.size() - 1;
    size_t width = (cells + rows - 1) / rows;
    for (size_t k = 0; k < width; ++k) {
      DataType t;
      bool nullable = false;
      for (size_t at = 1 + k; at < c.children.size(); at += width) {
        if (t.id() == TypeId::kNull) t = c.children[at]->type;
        nullable = nullable || c.children[at]->nullable;
      }
      if (cells % width) nullable = true;
      add("col" + std::to_string(k), t, nullable);
    }
  } else if (name == "json_tuple") {
    for (size_t k = 1; k < c.children.size(); ++k) add("c" + std::to_string(k - 1), TypeId::kString, true);
  } else if (c.type.id() == TypeId::kArray && c.type.element().id() == TypeId::kStruct) {
    add_struct(c.type.element(), false);
  } else if (c.type.id() == TypeId::kStruct) {
    add_struct(c.type, false);
  } else {
    add("col", c.type.id() == TypeId::kArray ? c.type.element() : c.type, true);
  }
  if (!names.empty()) {
    if (names.size() != columns.size()) {
      std::string all;
      for (const auto& n : names) all += (all.empty() ? "" : ",") + n;
      throw analysis_error("UDTF_ALIAS_NUMBER_MISMATCH", {{"aliasesSize", std::to_string(columns.size())}, {"aliasesNames", all}});
    }
    for (size_t i = 0; i < names.size(); ++i) columns[i].name = names[i];
  }
  return columns;
}

PlanPtr Analyzer::lateral_view(const tarn::sql::LateralView& v) {
  auto child = relation(v.input());
  Scope scope = scope_of(child);
  Env env = env_over(scope, "Generate");
  CallParts c;
  c.name.assign(v.function().begin(), v.function().end());
  c.arguments = &v.arguments();
  auto e = function_call(c, env, nullptr);
  if (!is_generator(*e))
    throw analysis_error("UNSUPPORTED_GENERATOR.NOT_GENERATOR", {{"functionName", name_text(c.name)}, {"classCanonicalName", "org.apache.spark.sql.catalyst.expressions.Expression"}});
  child = provide(child, {e});
  return generator_plan(std::move(child), e, v.outer(), {v.columns().begin(), v.columns().end()}, v.alias().empty() ? std::vector<std::string>{} : std::vector<std::string>{v.alias()});
}

PlanPtr Analyzer::table_function(const Parts& parts, const google::protobuf::RepeatedPtrField<sc::Expression>& protos) {
  std::string name = lower_case(parts.back());
  bool plain = parts.size() == 1 || same_name(parts[parts.size() - 2], "builtin", false);
  Scope none({}, around_, case_sensitive_);
  Env env = env_over(none, "TableValuedFunction");
  CallParts c;
  c.name = parts;
  c.arguments = &protos;
  std::vector<std::string> names;

  if (plain && name == "range") {
    auto args = call_arguments(c, env, &names);
    std::vector<int64_t> numbers;
    bool good = !args.empty() && args.size() <= 4;
    for (auto& a : args) {
      if (a->kind == ExprKind::kAlias) a = a->children[0];
      if (!is_foldable(*a))
        throw analysis_error("NON_FOLDABLE_ARGUMENT", {{"funcName", "`range`"}, {"paramName", numbers.empty() && args.size() == 1 ? "`end`" : numbers.empty() ? "`start`" : numbers.size() == 1 ? "`end`" : numbers.size() == 2 ? "`step`" : "`numSlices`"},
                                                       {"paramType", quote_sql(DataType(TypeId::kLong).sql())}});
      if (a->type.id() != TypeId::kNull && can_cast(a->type, TypeId::kLong, mode()) && a->type.id() != TypeId::kTimestamp && a->type.id() != TypeId::kBoolean) {
        auto v = evaluate(make_cast(a, TypeId::kLong, EvalMode::kAnsi));
        if (auto* n = std::get_if<int64_t>(&v.v)) {
          numbers.push_back(*n);
          continue;
        }
      }
      throw analysis_error("UNEXPECTED_INPUT_TYPE",
                           {{"functionName", "`range`"}, {"paramIndex", std::to_string(numbers.size() + 1)},
                            {"requiredType", quote_sql(DataType(TypeId::kLong).sql())}, {"inputSql", quote_sql(pretty_sql(*a))}, {"inputType", quote_sql(a->type.sql())}});
    }
    if (!good)
      throw analysis_error("WRONG_NUM_ARGS.WITHOUT_SUGGESTION",
                           {{"functionName", "`range`"}, {"expectedNum", "[1, 2, 3, 4]"}, {"actualNum", std::to_string(args.size())}, {"docroot", "https://spark.apache.org/docs/latest"}});
    auto p = std::make_shared<Range>();
    p->start = numbers.size() > 1 ? numbers[0] : 0;
    p->end = numbers.size() > 1 ? numbers[1] : numbers[0];
    p->step = numbers.size() > 2 ? numbers[2] : 1;
    if (p->step == 0) throw analysis_error("FAILED_FUNCTION_CALL", {{"funcName", "`range`"}});
    p->num_partitions = numbers.size() > 3 ? static_cast<int>(numbers[3]) : 0;
    p->output.push_back({next_expr_id(), "id", TypeId::kLong, false, "", {"range"}});
    return p;
  }
  const FunctionEntry* entry = plain ? find_function(name) : nullptr;
  std::shared_ptr<const UserFunction> user;
  std::optional<SqlFunction> sql_function;
  const bool by_path = parts.size() == 1 && find_by_path(name, entry, user, sql_function);
  if (entry && entry->kind == FunctionKind::kGenerator) {
    auto e = function_call(c, env, nullptr);
    PlanPtr one = std::make_shared<OneRow>();
    auto g = generator_plan(one, e, false, {}, {});
    return g;
  }
  if (entry && entry->kind == FunctionKind::kTable) {
    auto args = call_arguments(c, env, &names);
    for (auto& a : args)
      if (a->kind == ExprKind::kAlias) a = a->children[0];
    CallContext context{conf_, mode(), name};
    auto e = resolve_call(*entry, std::move(args), context);
    PlanPtr one = std::make_shared<OneRow>();
    return generator_plan(one, e, false, {}, {});
  }
  if (entry) throw analysis_error("NOT_A_TABLE_FUNCTION", {{"functionName", name_text(parts)}});
  if (!by_path && (parts.size() == 1 || same_name(parts[parts.size() - 2], "session", false))) {
    std::lock_guard<std::mutex> lock(context_.state.mu);
    auto it = context_.state.user_functions.find(name);
    if (it != context_.state.user_functions.end()) user = it->second;
  }
  if (user && !is_python_table(*user)) throw analysis_error("NOT_A_TABLE_FUNCTION", {{"functionName", name_text(parts)}});
  if (user) return python_table(*this, *user, protos, around_, [this](int64_t id) -> const sc::Relation& { return referenced_relation(id); });
  if (!by_path) sql_function = find_sql_function(parts);
  if (auto& f = sql_function) {
    auto args = call_arguments(c, env, &names);
    for (auto& a : args)
      if (a->kind == ExprKind::kAlias) a = a->children[0];
    return sql_table_function(*f, std::move(args), names);
  }
  throw analysis_error("UNRESOLVABLE_TABLE_VALUED_FUNCTION", {{"name", name_text(parts)}});
}

// A constant of VALUES that cannot be computed is an error of the table: casts of strings can fail.
void Analyzer::check_inline_casts(const Values& v) {
  if (!context_.collect || !conf_.ansi()) return;
  std::vector<ExprPtr> cells;
  for (const auto& row : v.rows)
    for (const auto& e : row) {
      bool may_fail = any_of(*e, [](const Expression& x) {
        auto* c = try_as<Cast>(x);
        return c && c->mode == EvalMode::kAnsi && c->children[0]->type.is_string() && !c->type.is_string();
      });
      if (may_fail && is_foldable(*e) && !constant_value(e)) cells.push_back(e);
    }
  auto compute = [&](size_t from, size_t to) {
    std::vector<ExprPtr> list;
    for (size_t i = from; i < to; ++i) list.push_back(make_alias(cells[i], "value"));
    context_.collect(make_project(std::make_shared<OneRow>(), std::move(list)));
  };
  constexpr size_t kAtOnce = 200;
  for (size_t from = 0; from < cells.size(); from += kAtOnce) {
    const size_t to = std::min(cells.size(), from + kAtOnce);
    try {
      compute(from, to);
      continue;
    } catch (const SparkError&) {
    }
    // One of them: which?
    for (size_t i = from; i < to; ++i) {
      try {
        compute(i, i + 1);
      } catch (const SparkError&) {
        throw analysis_error("INVALID_INLINE_TABLE.FAILED_SQL_EXPRESSION_EVALUATION", {{"sqlExpr", quote_sql(pretty_sql(*cells[i]))}});
      }
    }
  }
}

PlanPtr Analyzer::inline_table(const tarn::sql::InlineTable& t) {
  Scope none({}, around_, case_sensitive_);
  auto v = std::make_shared<Values>();
  auto width = static_cast<size_t>(t.columns_size());
  for (int i = 0; i < t.rows_size(); ++i) {
    const auto& r = t.rows(i);
    if (static_cast<size_t>(r.values_size()) != width)
      throw analysis_error("INVALID_INLINE_TABLE.NUM_COLUMNS_MISMATCH",
                           {{"expectedNumCols", std::to_string(width)}, {"actualNumCols", std::to_string(r.values_size())}, {"rowIndex", std::to_string(i)}});
    Env env = env_over(none, "InlineTable");
    std::vector<ExprPtr> row;
    for (const auto& e : r.values()) {
      ExprPtr x;
      try {
        x = expression(e, env);
      } catch (const SparkError& error) {
        if (error.condition().starts_with("UNRESOLVED_COLUMN"))
          throw error.context() ? analysis_error("INVALID_INLINE_TABLE.CANNOT_EVALUATE_EXPRESSION_IN_INLINE_TABLE", {{"expr", quote_sql(error.params().at("objectName"))}}).with_context(*error.context())
                                : analysis_error("INVALID_INLINE_TABLE.CANNOT_EVALUATE_EXPRESSION_IN_INLINE_TABLE", {{"expr", quote_sql(error.params().at("objectName"))}});
        throw;
      }
      if (x->kind == ExprKind::kAlias) x = x->children[0];
      if (contains_aggregate(*x) || contains_window(*x) || contains_generator(*x)) {
        auto error = analysis_error("INVALID_INLINE_TABLE.CANNOT_EVALUATE_EXPRESSION_IN_INLINE_TABLE", {{"expr", quote_sql(pretty_sql(*x))}});
        auto where = context_of(e.common());
        throw where ? error.with_context(*where) : error;
      }
      row.push_back(std::move(x));
    }
    v->rows.push_back(std::move(row));
  }
  check_inline_casts(*v);
  for (size_t k = 0; k < width; ++k) {
    std::vector<DataType> types;
    bool nullable = false;
    for (const auto& row : v->rows) {
      types.push_back(row[k]->type);
      nullable = nullable || row[k]->nullable;
    }
    auto type = common_type(types, conf_.ansi());
    if (!type)
      throw analysis_error("INVALID_INLINE_TABLE.INCOMPATIBLE_TYPES_IN_INLINE_TABLE", {{"colName", name_text({t.columns(static_cast<int>(k))})}});
    Attribute a;
    a.id = next_expr_id();
    a.name = t.columns(static_cast<int>(k));
    a.type = *type;
    for (auto& row : v->rows) {
      if (!row[k]->type.structurally_equal(*type)) row[k] = make_cast(row[k], *type, mode());
      nullable = nullable || row[k]->nullable;
    }
    a.nullable = nullable;
    v->output.push_back(std::move(a));
  }
  return v;
}

}  // namespace tarn::plan
