// Relations that change the list of columns: toDF, withColumns, drop, to, unpivot, transpose, |> SET.
// Source: Dataset, UnpivotTransformer, ResolveTranspose, Project.matchSchema.
#include <algorithm>
#include <set>

#include "plan/analyzer_impl.h"
#include "plan/types_internal.h"

// Clients before 4.0 fill in fields that are deprecated now.
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

namespace tarn::plan {

PlanPtr Analyzer::to_df(const sc::ToDF& t) { return rename_columns(relation(t.input()), {t.column_names().begin(), t.column_names().end()}); }

PlanPtr Analyzer::with_columns(const sc::WithColumns& w) {
  WindowsOfClause windows(*this);
  std::vector<const google::protobuf::Message*> written;
  for (const auto& a : w.aliases()) written.push_back(&a);
  auto child = add_time_window(relation(w.input()), written, "Project");
  Scope scope = scope_of(child);
  Env env = env_over(scope, "Project");
  std::vector<ExprPtr> made;
  std::vector<std::string> names;
  for (const auto& a : w.aliases()) {
    if (a.name_size() != 1) throw analysis_error("CONNECT_INVALID_PLAN.WITH_COLUMNS_REQUIRE_SINGLE_NAME_PART", {{"got", ""}});
    for (const auto& n : names)
      if (same_name(n, a.name(0), case_sensitive_)) throw analysis_error("COLUMN_ALREADY_EXISTS", {{"columnName", name_text({case_sensitive_ ? a.name(0) : lower_case(a.name(0))})}});
    auto e = expression(a.expr(), env);
    std::string metadata = a.has_metadata() ? a.metadata() : "";
    if (e->kind == ExprKind::kAlias) {
      if (metadata.empty()) metadata = as<Alias>(*e).metadata;
      e = e->children[0];
    }
    auto alias = std::make_shared<Alias>(as<Alias>(*make_alias(e, a.name(0))));
    alias->metadata = metadata;
    made.push_back(alias);
    names.push_back(a.name(0));
  }
  std::vector<SelectItem> items;
  std::vector<bool> used(made.size());
  auto add = [&](ExprPtr e) {
    SelectItem i;
    if (e->kind == ExprKind::kAlias && is_generator(*e->children[0])) {
      i.generator = true;
      i.names = {as<Alias>(*e).name};
      e = e->children[0];
    }
    i.expression = std::move(e);
    items.push_back(std::move(i));
  };
  for (const auto& a : child->output) {
    size_t k = 0;
    while (k < names.size() && !same_name(names[k], a.name, case_sensitive_)) ++k;
    if (k == names.size()) {
      add(make_ref(a));
    } else {
      // A column that is there twice is replaced twice.
      add(used[k] ? make_alias(made[k]->children[0], names[k]) : made[k]);
      used[k] = true;
    }
  }
  for (size_t k = 0; k < made.size(); ++k)
    if (!used[k]) add(made[k]);
  return project_items(std::move(child), std::move(items));
}

PlanPtr Analyzer::with_columns_renamed(const sc::WithColumnsRenamed& w) {
  auto child = relation(w.input());
  std::vector<std::pair<std::string, std::string>> renames;
  for (const auto& r : w.renames()) renames.emplace_back(r.col_name(), r.new_col_name());
  if (renames.empty())
    for (const auto& [a, b] : w.rename_columns_map()) renames.emplace_back(a, b);
  // One after the other: a later rename sees the names that earlier ones gave.
  std::vector<std::string> names;
  for (const auto& a : child->output) names.push_back(a.name);
  std::vector<bool> changed(names.size());
  bool any = false;
  for (const auto& [from, to] : renames)
    for (size_t i = 0; i < names.size(); ++i)
      if (same_name(names[i], from, case_sensitive_)) {
        names[i] = to;
        changed[i] = any = true;
      }
  if (!any) return child;
  std::vector<SelectItem> items;
  for (size_t i = 0; i < names.size(); ++i) {
    SelectItem item;
    auto ref = make_ref(child->output[i]);
    item.expression = changed[i] ? make_alias(ref, names[i]) : ref;
    items.push_back(std::move(item));
  }
  return project_items(std::move(child), std::move(items));
}

PlanPtr Analyzer::drop_columns(PlanPtr child, const std::vector<ExprId>& ids) {
  if (ids.empty()) return child;
  std::vector<SelectItem> items;
  for (const auto& a : child->output) {
    if (std::find(ids.begin(), ids.end(), a.id) != ids.end()) continue;
    SelectItem i;
    i.expression = make_ref(a);
    items.push_back(std::move(i));
  }
  return project_items(std::move(child), std::move(items));
}

PlanPtr Analyzer::drop(const sc::Drop& d) {
  auto child = relation(d.input());
  std::vector<ExprId> ids;
  for (const auto& n : d.column_names())
    for (const auto& a : child->output)
      if (same_name(a.name, n, case_sensitive_)) ids.push_back(a.id);
  Scope scope = scope_of(child);
  for (const auto& e : d.columns()) {
    if (e.has_unresolved_attribute() && e.unresolved_attribute().has_plan_id()) {
      // The column of that DataFrame, if it is still there; another one of its name is not meant.
      bool matched = false;
      auto found = scope.find_by_plan_id(sql::parse_attribute_name(e.unresolved_attribute().unparsed_identifier()), e.unresolved_attribute().plan_id(), false, &matched);
      if (found.attribute) ids.push_back(found.attribute->id);
      continue;
    }
    Env env = env_over(scope, "Drop");
    ExprPtr x;
    try {
      x = expression(e, env);
    } catch (const SparkError& error) {
      // What isn't there needs no dropping.
      if (error.condition().starts_with("UNRESOLVED_COLUMN") || error.condition() == "CANNOT_RESOLVE_DATAFRAME_COLUMN") continue;
      throw;
    }
    if (auto* a = try_as<AttributeRef>(*x); a && !a->outer) ids.push_back(a->id);
  }
  return drop_columns(std::move(child), ids);
}

// |> DROP a, b.c: the same as SELECT * EXCEPT.
PlanPtr Analyzer::pipe_drop(const tarn::sql::PipeDrop& p) {
  auto child = relation(p.input());
  Scope scope = scope_of(child);
  Env env = env_over(scope, "DataFrameDropColumns");
  tarn::sql::StarExcept star;
  for (const auto& e : p.columns()) {
    auto* except = star.add_except();
    for (auto& part : sql::parse_attribute_name(e.unresolved_attribute().unparsed_identifier())) except->add_parts(std::move(part));
  }
  std::vector<SelectItem> items;
  for (auto& e : star_except(star, env)) {
    SelectItem i;
    i.expression = std::move(e);
    items.push_back(std::move(i));
  }
  return project_items(std::move(child), std::move(items));
}

PlanPtr Analyzer::pipe_set(const tarn::sql::StarProject& p) {
  auto child = relation(p.input());
  for (const auto& s : p.assignments()) {
    if (s.column_size() > 1) throw analysis_error("UNSUPPORTED_FEATURE.REPLACE_NESTED_COLUMN", {{"colName", name_text({s.column().begin(), s.column().end()})}});
    Scope scope = scope_of(child);
    Env env = env_over(scope, "Project");
    auto e = expression(s.value(), env);
    if (e->kind == ExprKind::kAlias) e = e->children[0];
    std::vector<SelectItem> items;
    bool found = false;
    for (const auto& a : child->output) {
      SelectItem i;
      bool hit = same_name(a.name, s.column(0), case_sensitive_);
      found = found || hit;
      i.expression = hit ? make_alias(e, a.name) : make_ref(a);
      items.push_back(std::move(i));
    }
    if (!found) throw scope.unresolved({s.column(0)});
    auto before = child->output;
    auto next = std::const_pointer_cast<LogicalPlan>(project_items(std::move(child), std::move(items)));
    for (size_t i = 0; i < next->output.size() && i < before.size(); ++i) next->output[i].qualifier = before[i].qualifier;
    child = next;
  }
  return child;
}

// ------------------------------------------------------------------------------------------------------------- to(schema)

namespace {

// A value as `to`: fields by name, casts upward only.
ExprPtr reconcile(Analyzer& a, const ExprPtr& e, const DataType& to, const Parts& path) {
  if (e->type == to) return e;
  if (e->type.id() == TypeId::kStruct && to.id() == TypeId::kStruct && !e->type.same_type(to)) {
    std::vector<ExprPtr> args;
    for (const auto& f : to.fields()) {
      auto i = e->type.field_index(f.name, a.case_sensitive());
      Parts inner = path;
      inner.push_back(f.name);
      args.push_back(make_string(f.name));
      if (!i) {
        if (!f.nullable) throw analysis_error("UNRESOLVED_FIELD.WITHOUT_SUGGESTION", {{"fieldName", name_text({f.name})}, {"columnPath", name_text(path)}});
        args.push_back(make_null(f.type()));
        continue;
      }
      const auto& source = e->type.fields()[*i];
      if (source.nullable && !f.nullable) throw analysis_error("NULLABLE_COLUMN_OR_FIELD", {{"name", name_text(inner)}});
      args.push_back(reconcile(a, a.field_of(e, *i), f.type(), inner));
    }
    auto made = a.call("named_struct", std::move(args));
    return e->nullable ? a.call("if", {a.call("isnull", {e}), make_null(made->type), made}) : made;
  }
  if (e->type.same_type(to)) return make_cast(e, to, EvalMode::kAnsi);
  if (!can_store_assign(e->type, to, "ANSI"))
    throw analysis_error("INVALID_COLUMN_OR_FIELD_DATA_TYPE", {{"name", name_text(path)}, {"type", quote_sql(e->type.sql())}, {"expectedType", quote_sql(to.sql())}});
  return make_cast(e, to, EvalMode::kAnsi);
}

}  // namespace

ExprPtr Analyzer::field_of(const ExprPtr& base, size_t i) { return fields(base, {"", base->type.fields()[i].name}, 1); }

PlanPtr Analyzer::to_schema(const sc::ToSchema& t) {
  auto child = relation(t.input());
  DataType schema = data_type(t.schema());
  if (schema.id() != TypeId::kStruct) throw analysis_error("INVALID_SCHEMA_TYPE_NON_STRUCT", {{"dataType", quote_sql(schema.sql())}});
  std::vector<ExprPtr> list;
  for (const auto& f : schema.fields()) {
    std::vector<const Attribute*> hits;
    for (const auto& a : child->output)
      if (same_name(a.name, f.name, case_sensitive_)) hits.push_back(&a);
    if (hits.size() > 1) throw analysis_error("AMBIGUOUS_COLUMN_OR_FIELD", {{"name", name_text({f.name})}, {"n", std::to_string(hits.size())}});
    ExprPtr e;
    std::string metadata = f.metadata;
    if (hits.empty()) {
      if (!f.nullable) throw Scope({child}, nullptr, case_sensitive_).unresolved({f.name});
      e = make_null(f.type());
    } else {
      if (hits[0]->nullable && !f.nullable) throw analysis_error("NULLABLE_COLUMN_OR_FIELD", {{"name", name_text({f.name})}});
      if (metadata.empty()) metadata = hits[0]->metadata;
      e = reconcile(*this, make_ref(*hits[0]), f.type(), {f.name});
    }
    auto alias = std::make_shared<Alias>(as<Alias>(*make_alias(e, f.name)));
    alias->metadata = metadata;
    list.push_back(alias);
  }
  return make_project(std::move(child), std::move(list));
}

// ---------------------------------------------------------------------------------------------------------------- unpivot

PlanPtr Analyzer::make_unpivot(PlanPtr child, std::vector<ExprPtr> ids, std::vector<UnpivotSet> sets, const std::string& name_column,
                               const std::vector<std::string>& value_columns, bool include_nulls) {
  size_t width = value_columns.size();
  if (sets.empty()) throw analysis_error("UNPIVOT_REQUIRES_VALUE_COLUMNS");
  for (const auto& s : sets)
    if (s.columns.size() != width) {
      throw analysis_error("UNPIVOT_VALUE_SIZE_MISMATCH", {{"names", std::to_string(width)}});
    }
  for (const auto& s : sets)
    for (const auto& c : s.columns)
      any_of(*c, [&](const Expression& e) {
        auto* q = try_as<SubqueryExpr>(e);
        if (q && q->form != SubqueryExpr::Form::kScalar) {
          auto error = analysis_error("UNSUPPORTED_SUBQUERY_EXPRESSION_CATEGORY.UNSUPPORTED_IN_EXISTS_SUBQUERY", {{"treeNode", "Expand\n" + tree_string(*child)}});
          throw e.context ? error.with_context(*e.context) : error;
        }
        return false;
      });
  std::vector<DataType> types;
  for (size_t k = 0; k < width; ++k) {
    std::vector<DataType> all;
    for (const auto& s : sets) all.push_back(s.columns[k]->type);
    auto t = common_type_without_strings(all, conf_.ansi());
    if (!t) {
      std::vector<std::string> seen;
      std::string text;
      for (const auto& s : sets) {
        std::string type = quote_sql(s.columns[k]->type.sql());
        auto it = std::find_if(seen.begin(), seen.end(), [&](const std::string& x) { return x.starts_with(type + " ("); });
        if (it == seen.end()) seen.push_back(type + " (" + name_text({to_attribute(*s.columns[k]).name}));
        else *it += ", " + name_text({to_attribute(*s.columns[k]).name});
      }
      for (const auto& x : seen) text += (text.empty() ? "" : ", ") + x + ")";
      throw analysis_error("UNPIVOT_VALUE_DATA_TYPE_MISMATCH", {{"types", text}});
    }
    types.push_back(*t);
  }
  // An array of (name, values…) for each row, exploded.
  std::vector<ExprPtr> entries;
  for (const auto& s : sets) {
    std::string name;
    if (s.alias) name = *s.alias;
    else
      for (const auto& c : s.columns) name += (name.empty() ? "" : "_") + to_attribute(*c).name;
    std::vector<ExprPtr> args{make_string("v0"), make_string(name)};
    for (size_t k = 0; k < width; ++k) {
      args.push_back(make_string("v" + std::to_string(k + 1)));
      ExprPtr v = s.columns[k]->kind == ExprKind::kAlias ? s.columns[k]->children[0] : s.columns[k];
      if (!v->type.structurally_equal(types[k])) v = make_cast(v, types[k], mode());
      args.push_back(v);
    }
    entries.push_back(call("named_struct", std::move(args)));
  }
  auto generator = call("inline", {call("array", std::move(entries))});
  std::vector<std::string> names{name_column};
  names.insert(names.end(), value_columns.begin(), value_columns.end());
  auto provided = provide(child, {generator});
  auto g = generator_plan(provided, generator, false, names, {});
  size_t first = provided->output.size();
  if (!include_nulls) {
    ExprPtr keep;
    for (size_t k = 1; k <= width; ++k) {
      auto x = call("isnotnull", {make_ref(g->output[first + k])});
      keep = keep ? call("or", {keep, x}) : x;
    }
    g = make_filter(g, keep);
  }
  std::vector<ExprPtr> list = std::move(ids);
  for (size_t k = 0; k <= width; ++k) list.push_back(make_ref(g->output[first + k]));
  return make_project(g, std::move(list));
}

PlanPtr Analyzer::unpivot(const sc::Unpivot& u) {
  auto child = relation(u.input());
  Scope scope = scope_of(child);
  Env env = env_over(scope, "Unpivot");
  std::vector<SelectItem> ids, values;
  for (const auto& e : u.ids()) named(e, env, ids);
  if (u.has_values()) {
    for (const auto& e : u.values().values()) named(e, env, values);
  } else {
    for (const auto& a : child->output) {
      bool is_id = std::any_of(ids.begin(), ids.end(), [&](const SelectItem& i) {
        auto* r = try_as<AttributeRef>(i.expression);
        return r && r->id == a.id;
      });
      if (is_id) continue;
      SelectItem i;
      i.expression = make_ref(a);
      values.push_back(std::move(i));
    }
  }
  for (const auto& list : {ids, values})
    for (const auto& v : list)
      any_of(*v.expression, [&](const Expression& e) {
        auto* s = try_as<SubqueryExpr>(e);
        if (s && s->form != SubqueryExpr::Form::kScalar)
          throw analysis_error("UNSUPPORTED_SUBQUERY_EXPRESSION_CATEGORY.UNSUPPORTED_IN_EXISTS_SUBQUERY", {{"treeNode", "Expand\n+- " + tree_string(*child)}});
        return false;
      });
  std::vector<UnpivotSet> sets;
  for (auto& v : values) sets.push_back({{v.expression}, std::nullopt});
  std::vector<ExprPtr> id_list;
  for (auto& i : ids) id_list.push_back(i.expression);
  return make_unpivot(child, std::move(id_list), std::move(sets), u.variable_column_name(), {u.value_column_name()}, true);
}

PlanPtr Analyzer::sql_unpivot(const tarn::sql::SqlUnpivot& u) {
  auto child = relation(u.input());
  Scope scope = scope_of(child);
  Env env = env_over(scope, "Unpivot");
  std::vector<UnpivotSet> sets;
  std::set<ExprId> used;
  for (const auto& s : u.sets()) {
    UnpivotSet set;
    for (const auto& e : s.columns()) {
      std::vector<SelectItem> items;
      named(e, env, items);
      for (auto& i : items) {
        for (ExprId id : referenced_ids(*i.expression)) used.insert(id);
        set.columns.push_back(i.expression);
      }
    }
    if (s.has_alias()) set.alias = s.alias();
    // A star in a list of single columns stands for one set each.
    if (u.value_columns_size() == 1 && set.columns.size() > 1 && !s.has_alias())
      for (auto& c : set.columns) sets.push_back({{c}, std::nullopt});
    else sets.push_back(std::move(set));
  }
  std::vector<ExprPtr> ids;
  for (const auto& a : child->output)
    if (!used.count(a.id)) ids.push_back(make_ref(a));
  return make_unpivot(child, std::move(ids), std::move(sets), u.name_column(), {u.value_columns().begin(), u.value_columns().end()}, u.include_nulls());
}

namespace {

// A type as Scala prints it: "ArrayType(StringType,true)".
std::string scala_text(const DataType& t) {
  auto flag = [](bool b) { return b ? "true" : "false"; };
  switch (t.id()) {
    case TypeId::kArray: return "ArrayType(" + scala_text(t.element()) + "," + flag(t.contains_null()) + ")";
    case TypeId::kMap: return "MapType(" + scala_text(t.key()) + "," + scala_text(t.value()) + "," + flag(t.contains_null()) + ")";
    case TypeId::kStruct: {
      std::string out;
      for (const auto& f : t.fields()) out += (out.empty() ? "" : ",") + ("StructField(" + f.name + "," + scala_text(f.type()) + "," + flag(f.nullable) + ")");
      return "StructType(" + out + ")";
    }
    case TypeId::kNull: return "NullType";
    case TypeId::kTimestampNtz: return "TimestampNTZType";
    case TypeId::kDecimal: return "DecimalType(" + std::to_string(t.precision()) + "," + std::to_string(t.scale()) + ")";
    default: {
      std::string name = type_name(t);
      if (name.empty()) return name;
      name[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(name[0])));
      return name + "Type";
    }
  }
}

}  // namespace

// The result's columns are the values of the index column: the rows are read now and come back as constants.
PlanPtr Analyzer::transpose(const sc::Transpose& t) {
  auto child = relation(t.input());
  if (child->output.empty()) return child;
  if (!context_.collect) throw not_built("transpose() in this place");
  ExprPtr index = make_ref(child->output[0]);
  if (t.index_columns_size() > 0) {
    Scope scope = scope_of(child);
    Env env = env_over(scope, "Transpose");
    index = expression(t.index_columns(0), env);
  }
  auto* ref = try_as<AttributeRef>(*index);
  if (!ref) throw analysis_error("TRANSPOSE_INVALID_INDEX_COLUMN", {{"reason", "Index column must be an atomic attribute"}});
  if (index->type.is_nested() || index->type.id() == TypeId::kVariant || index->type.id() == TypeId::kCalendarInterval || index->type.id() == TypeId::kNull)
    throw analysis_error("TRANSPOSE_INVALID_INDEX_COLUMN", {{"reason", "Index column must be of atomic type, but found: " + scala_text(index->type)}});
  std::vector<ExprPtr> list{make_alias(make_cast(index, TypeId::kString, mode()), "key")};
  std::vector<Attribute> rest;
  std::optional<DataType> type;
  for (const auto& a : child->output) {
    if (a.id == ref->id) continue;
    auto common = type ? tightest_type(*type, a.type, true) : a.type;
    if (!common) throw analysis_error("TRANSPOSE_NO_LEAST_COMMON_TYPE", {{"dt1", quote_sql(type->sql())}, {"dt2", quote_sql(a.type.sql())}});
    type = common;
    rest.push_back(a);
  }
  for (const auto& a : rest) list.push_back(make_alias(make_cast(make_ref(a), *type, mode()), a.name));
  auto order = std::make_shared<SortOrder>();
  order->type = index->type;
  order->children.push_back(index);
  int64_t most = conf_.integer("spark.sql.transposeMaxValues");
  auto sorted = sort(make_filter(child, call("isnotnull", {index})), {order}, true);
  auto rows = context_.collect(make_limit(make_project(sorted, std::move(list)), make_int(static_cast<int32_t>(most + 1)), nullptr));
  if (static_cast<int64_t>(rows.size()) > most)
    throw analysis_error("TRANSPOSE_EXCEED_ROW_LIMIT", {{"maxValues", std::to_string(most)}, {"config", "spark.sql.transposeMaxValues"}});
  auto v = std::make_shared<Values>();
  v->output.push_back({next_expr_id(), "key", TypeId::kString, false, "", {}});
  for (const auto& row : rows) {
    Attribute a;
    a.id = next_expr_id();
    a.name = row[0].get<std::string>();
    a.type = type.value_or(TypeId::kString);
    v->output.push_back(std::move(a));
  }
  for (size_t k = 0; k < rest.size(); ++k) {
    std::vector<ExprPtr> row{make_string(rest[k].name)};
    for (const auto& from : rows) row.push_back(make_literal(*type, from[k + 1]));
    v->rows.push_back(std::move(row));
  }
  return v;
}

}  // namespace tarn::plan
