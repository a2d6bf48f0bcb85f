// INSERT, DELETE, UPDATE, MERGE against a table's columns. Source: TableOutputResolver, ResolveReferencesInUpdate, ResolveMergeInto.
#include <spark/connect/commands.pb.h>

#include <algorithm>
#include <set>

#include "plan/analyzer_impl.h"
#include "plan/expression_text.h"
#include "plan/types_internal.h"

namespace tarn::plan {

namespace {

class Assigner {
 public:
  Assigner(Analyzer& a, std::string table) : a_(a), table_(std::move(table)), policy_(upper_case(a.conf().text("spark.sql.storeAssignmentPolicy"))) {}

  // The value as the column's type, under the store assignment policy. path: column and fields inside.
  ExprPtr assign(const ExprPtr& value, const StructField& field, const Parts& path, bool by_name) {
    const DataType& to = field.type();
    DataType plain = without_char_varchar(to);
    ExprPtr v = value;
    if (v->type.id() == TypeId::kStruct && plain.id() == TypeId::kStruct) {
      v = assign_struct(v, to, path, by_name);
    } else if (v->type.id() == TypeId::kArray && plain.id() == TypeId::kArray && v->type.element().id() == TypeId::kStruct && by_name &&
               plain.element().id() == TypeId::kStruct && !v->type.element().same_type(plain.element()) &&
               v->type.element().fields().size() != plain.element().fields().size()) {
      throw analysis_error("INCOMPATIBLE_DATA_FOR_TABLE.STRUCT_MISSING_FIELDS", {{"tableName", table_text()}, {"colName", name_text(path)}, {"missingFields", ""}});
    }
    if (!v->type.same_type(plain) || v->type.collation() != plain.collation()) {
      if (!can_store_assign(v->type, plain, policy_)) {
        throw analysis_error("INCOMPATIBLE_DATA_FOR_TABLE.CANNOT_SAFELY_CAST",
                             {{"tableName", table_text()}, {"colName", name_text(path)}, {"srcType", quote_sql(v->type.sql())}, {"targetType", quote_sql(plain.sql())}});
      }
      v = make_cast(v, plain, policy_ == "LEGACY" ? EvalMode::kLegacy : EvalMode::kAnsi);
    } else if (v->type != plain) {
      v = make_cast(v, plain, EvalMode::kAnsi);
    }
    return with_length(v, to);
  }

  ExprPtr default_value(const StructField& field, const Parts& path, bool required) {
    if (auto text = metadata_string(field.metadata, "CURRENT_DEFAULT")) {
      auto parsed = std::make_shared<sc::Expression>(sql::parse_expression(*text, a_.parse_options()));
      Scope none({}, nullptr, a_.case_sensitive());
      Env env = a_.env_over(none);
      auto e = a_.expression(*parsed, env);
      if (e->kind == ExprKind::kAlias) e = e->children[0];
      return assign(e, field, path, false);
    }
    if (required && !a_.conf().flag("spark.sql.defaultColumn.useNullsForMissingDefaultValues"))
      throw analysis_error("INCOMPATIBLE_DATA_FOR_TABLE.CANNOT_FIND_DATA", {{"tableName", table_text()}, {"colName", name_text(path)}});
    return make_null(without_char_varchar(field.type()));
  }

  std::string table_text() const { return name_text(sql::parse_multipart_identifier(table_, a_.parse_options())); }

 private:
  ExprPtr assign_struct(const ExprPtr& v, const DataType& to, const Parts& path, bool by_name) {
    const auto& have = v->type.fields();
    const auto& want = to.fields();
    std::vector<ExprPtr> args;
    std::set<size_t> used;
    bool changed = have.size() != want.size();
    for (size_t i = 0; i < want.size(); ++i) {
      Parts inner = path;
      inner.push_back(want[i].name);
      size_t at = i;
      if (by_name) {
        auto found = v->type.field_index(want[i].name, a_.case_sensitive());
        if (!found) {
          args.push_back(make_string(want[i].name));
          args.push_back(default_value(want[i], inner, true));
          changed = true;
          continue;
        }
        at = *found;
      } else if (i >= have.size()) {
        std::string missing;
        for (size_t k = i; k < want.size(); ++k) missing += (missing.empty() ? "" : ", ") + name_text({want[k].name});
        throw analysis_error("INCOMPATIBLE_DATA_FOR_TABLE.STRUCT_MISSING_FIELDS", {{"tableName", table_text()}, {"colName", name_text(path)}, {"missingFields", missing}});
      }
      used.insert(at);
      auto field = a_.field_of(v, at);
      auto assigned = assign(field, want[i], inner, by_name);
      changed = changed || at != i || assigned != field || have[at].name != want[i].name;
      args.push_back(make_string(want[i].name));
      args.push_back(assigned);
    }
    if (used.size() < have.size()) {
      std::string extra;
      for (size_t k = 0; k < have.size(); ++k)
        if (!used.count(k)) extra += (extra.empty() ? "" : ", ") + name_text({have[k].name});
      throw analysis_error("INCOMPATIBLE_DATA_FOR_TABLE.EXTRA_STRUCT_FIELDS", {{"tableName", table_text()}, {"colName", name_text(path)}, {"extraFields", extra}});
    }
    if (!changed) return v;
    auto made = a_.call("named_struct", std::move(args));
    return v->nullable ? a_.call("if", {a_.call("isnull", {v}), make_null(made->type), made}) : made;
  }

  // CHAR(n) is padded, VARCHAR(n) loses trailing spaces beyond n; what is still longer is an error.
  ExprPtr with_length(const ExprPtr& v, const DataType& to) {
    if (to.id() != TypeId::kChar && to.id() != TypeId::kVarchar) return v;
    auto n = make_int(to.length());
    auto fits = a_.call("<=", {a_.call("length", {v}), n});
    auto trimmed_fits = a_.call("<=", {a_.call("length", {a_.call("rtrim", {v})}), n});
    auto error = a_.call("raise_error", {make_string("EXCEED_LIMIT_LENGTH"), a_.call("map", {make_string("limit"), make_string(std::to_string(to.length()))})});
    ExprPtr good = to.id() == TypeId::kChar ? a_.call("rpad", {v, n, make_string(" ")}) : v;
    return a_.call("when", {a_.call("isnull", {v}), make_null(TypeId::kString), fits, good, trimmed_fits, a_.call("substring", {v, make_int(1), n}), make_cast(error, TypeId::kString, EvalMode::kAnsi)});
  }

  Analyzer& a_;
  std::string table_, policy_;
};

bool is_default_marker(const Expression& e) {
  if (e.kind == ExprKind::kCast || e.kind == ExprKind::kAlias) return is_default_marker(*e.children[0]);
  return e.kind == ExprKind::kLiteral && e.text == "DEFAULT" && as<Literal>(e).value.is_null();
}

bool has_default_marker(const LogicalPlan& p) {
  bool found = false;
  visit_expressions(p, [&](const ExprPtr& e) { found = found || any_of(*e, [](const Expression& x) { return x.kind == ExprKind::kLiteral && x.text == "DEFAULT"; }); });
  for (const auto& c : p.children) found = found || has_default_marker(*c);
  return found;
}

// Puts the columns' defaults where the query says DEFAULT: in the rows of VALUES and in a SELECT list.
PlanPtr with_defaults(const PlanPtr& plan, const std::vector<const StructField*>& targets, Assigner& assigner) {
  if (!has_default_marker(*plan)) return plan;
  auto bad = [] { return analysis_error("DEFAULT_PLACEMENT_INVALID"); };
  auto value = [&](size_t i) { return assigner.default_value(*targets[i], {targets[i]->name}, false); };
  if (auto* v = try_as<Values>(*plan)) {
    auto n = std::make_shared<Values>(*v);
    for (size_t k = 0; k < n->output.size() && k < targets.size(); ++k) {
      bool any = false;
      for (auto& row : n->rows) any = any || is_default_marker(*row[k]);
      if (!any) continue;
      DataType t = without_char_varchar(targets[k]->type());
      for (auto& row : n->rows) row[k] = is_default_marker(*row[k]) ? value(k) : assigner.assign(row[k], *targets[k], {targets[k]->name}, false);
      n->output[k].type = t;
      n->output[k].nullable = true;
    }
    if (has_default_marker(*n)) throw bad();
    return n;
  }
  if (auto* p = try_as<Project>(*plan)) {
    auto n = std::make_shared<Project>(*p);
    for (size_t k = 0; k < n->expressions.size(); ++k) {
      if (!is_default_marker(*n->expressions[k])) continue;
      if (k >= targets.size()) throw bad();
      const auto& alias = as<Alias>(*n->expressions[k]);
      n->expressions[k] = make_alias(value(k), alias.name, false, alias.id);
      n->output[k] = to_attribute(*n->expressions[k]);
    }
    // A projection that only passes VALUES on.
    bool passes = true;
    for (size_t k = 0; k < n->expressions.size(); ++k)
      passes = passes && n->expressions[k]->kind == ExprKind::kAttribute && k < n->children[0]->output.size() &&
               as<AttributeRef>(*n->expressions[k]).id == n->children[0]->output[k].id;
    if (passes) {
      n->children[0] = with_defaults(n->children[0], targets, assigner);
      for (size_t k = 0; k < n->expressions.size(); ++k) {
        n->expressions[k] = make_ref(n->children[0]->output[k]);
        n->output[k] = n->children[0]->output[k];
      }
    }
    if (has_default_marker(*n)) throw bad();
    return n;
  }
  throw bad();
}

}  // namespace

PlanPtr resolve_insert(PlanPtr query, const DataType& table_schema, const std::string& table_name, bool by_name, AnalyzerContext& context) {
  PlanPtr out;
  with_deep_stack([&] {
    TextZone zone(context.conf.time_zone());
    Analyzer a(context);
    Assigner assigner(a, table_name);
    const auto& fields = table_schema.fields();
    std::vector<ExprPtr> list;
    auto columns_text = [](const auto& list_of, auto name) {
      std::string text;
      for (const auto& x : list_of) text += (text.empty() ? "" : ", ") + name_text({name(x)});
      return text;
    };
    auto arity = [&](const char* which) {
      return analysis_error(std::string("INSERT_COLUMN_ARITY_MISMATCH.") + which,
                            {{"tableName", assigner.table_text()},
                             {"tableColumns", columns_text(fields, [](const StructField& f) { return f.name; })},
                             {"dataColumns", columns_text(query->output, [](const Attribute& x) { return x.name; })}});
    };
    std::vector<const StructField*> targets;
    if (by_name) {
      for (const auto& x : query->output) {
        auto i = table_schema.field_index(x.name, a.case_sensitive());
        if (i) targets.push_back(&fields[*i]);
      }
    } else {
      for (const auto& f : fields) targets.push_back(&f);
    }
    if (targets.size() >= query->output.size() || !by_name) query = with_defaults(query, targets, assigner);
    auto add = [&](const StructField& f, const ExprPtr& value) {
      auto alias = std::make_shared<Alias>(as<Alias>(*make_alias(value, f.name)));
      list.push_back(alias);
    };
    if (by_name) {
      std::set<size_t> used;
      for (const auto& f : fields) {
        std::vector<size_t> hits;
        for (size_t i = 0; i < query->output.size(); ++i)
          if (same_name(query->output[i].name, f.name, a.case_sensitive())) hits.push_back(i);
        if (hits.size() > 1) throw analysis_error("INCOMPATIBLE_DATA_FOR_TABLE.AMBIGUOUS_COLUMN_NAME", {{"tableName", assigner.table_text()}, {"colName", name_text({f.name})}});
        if (hits.empty()) {
          add(f, assigner.default_value(f, {f.name}, true));
          continue;
        }
        used.insert(hits[0]);
        add(f, assigner.assign(make_ref(query->output[hits[0]]), f, {f.name}, true));
      }
      if (used.size() < query->output.size()) {
        std::string extra;
        for (size_t i = 0; i < query->output.size(); ++i)
          if (!used.count(i)) extra += (extra.empty() ? "" : ", ") + name_text({query->output[i].name});
        if (query->output.size() > fields.size()) throw arity("TOO_MANY_DATA_COLUMNS");
        throw analysis_error("INCOMPATIBLE_DATA_FOR_TABLE.EXTRA_COLUMNS", {{"tableName", assigner.table_text()}, {"extraColumns", extra}});
      }
    } else {
      if (query->output.size() > fields.size()) throw arity("TOO_MANY_DATA_COLUMNS");
      if (query->output.size() < fields.size()) {
        bool fill = context.conf.flag("spark.sql.defaultColumn.useNullsForMissingDefaultValues");
        bool any_default = std::any_of(fields.begin() + static_cast<std::ptrdiff_t>(query->output.size()), fields.end(),
                                       [](const StructField& f) { return metadata_string(f.metadata, "CURRENT_DEFAULT").has_value(); });
        if (!fill && !any_default) throw arity("NOT_ENOUGH_DATA_COLUMNS");
      }
      for (size_t i = 0; i < fields.size(); ++i) {
        if (i < query->output.size()) add(fields[i], assigner.assign(make_ref(query->output[i]), fields[i], {fields[i].name}, false));
        else add(fields[i], assigner.default_value(fields[i], {fields[i].name}, false));
      }
    }
    out = make_project(query, std::move(list));
  });
  return out;
}

namespace {

ExprPtr row_condition(Analyzer& a, const sc::Expression& e, Env& env) {
  auto c = a.condition(e, env);
  if (c->type.id() != TypeId::kBoolean)
    throw analysis_error("DATATYPE_MISMATCH.FILTER_NOT_BOOLEAN", {{"sqlExpr", quote_sql(pretty_sql(*c))}, {"filter", quote_sql(pretty_sql(*c))}, {"type", quote_sql(c->type.sql())}});
  if (contains_aggregate(*c) || contains_window(*c) || contains_generator(*c))
    throw analysis_error("UNSUPPORTED_EXPR_FOR_OPERATOR", {{"invalidExprSqls", quote_sql(pretty_sql(*c))}});
  return c;
}

StructField field_of_attribute(const Attribute& x, const LogicalPlan& target) {
  // The declared type (CHAR, VARCHAR) of a scanned column.
  const LogicalPlan* p = &target;
  while (p->kind == PlanKind::kProject || p->kind == PlanKind::kFilter) p = p->children[0].get();
  if (auto* s = try_as<Scan>(*p))
    for (size_t i = 0; i < s->output.size(); ++i)
      if (s->output[i].id == x.id && s->columns[i] < s->relation->schema().fields().size()) return s->relation->schema().fields()[s->columns[i]];
  return make_field(x.name, x.type, x.nullable, x.metadata);
}

std::string scan_name(const LogicalPlan& target) {
  const LogicalPlan* p = &target;
  while (p->kind == PlanKind::kProject || p->kind == PlanKind::kFilter) p = p->children[0].get();
  auto* s = try_as<Scan>(*p);
  std::string out;
  if (s)
    for (const auto& part : s->name) out += (out.empty() ? "" : ".") + quote_if_needed(part);
  return out.empty() ? "table" : out;
}

// The path of an assignment's target in the table: column and struct fields.
Parts target_path(Analyzer& a, const PlanPtr& target, const sc::Expression& key, StructField* field) {
  if (!key.has_unresolved_attribute()) throw internal_error("the target of an assignment must be a column");
  Scope scope({target}, nullptr, a.case_sensitive());
  Parts parts = sql::parse_attribute_name(key.unresolved_attribute().unparsed_identifier());
  auto found = scope.find(parts);
  if (!found.attribute) throw scope.unresolved(parts);
  *field = field_of_attribute(*found.attribute, *target);
  Parts path{found.attribute->name};
  for (size_t i = found.used; i < parts.size(); ++i) {
    if (field->type().id() != TypeId::kStruct) throw analysis_error("INVALID_FIELD_NAME", {{"fieldName", name_text(parts)}, {"path", name_text(path)}});
    auto k = field->type().field_index(parts[i], a.case_sensitive());
    if (!k) throw scope.unresolved(parts, "UNRESOLVED_FIELD");
    *field = StructField(field->type().fields()[*k]);
    path.push_back(field->name);
  }
  return path;
}

bool is_default_word(const sc::Expression& e) { return e.has_unresolved_attribute() && same_name(e.unresolved_attribute().unparsed_identifier(), "DEFAULT", false); }

Assignment assignment(Analyzer& a, const PlanPtr& target, const sc::Expression& key, const sc::Expression& value, Env& env, Assigner& assigner) {
  StructField field;
  Assignment out;
  out.target = target_path(a, target, key, &field);
  if (is_default_word(value) && !a.try_column(target, {"DEFAULT"})) {
    out.value = assigner.default_value(field, out.target, false);
    return out;
  }
  auto v = a.expression(value, env);
  if (v->kind == ExprKind::kAlias) v = v->children[0];
  if (contains_aggregate(*v) || contains_window(*v) || contains_generator(*v))
    throw analysis_error("UNSUPPORTED_EXPR_FOR_OPERATOR", {{"invalidExprSqls", quote_sql(pretty_sql(*v))}});
  out.value = assigner.assign(v, field, out.target, true);
  return out;
}

void check_conflicts(const std::vector<Assignment>& list) {
  for (size_t i = 0; i < list.size(); ++i)
    for (size_t j = 0; j < i; ++j) {
      const auto &x = list[i].target, &y = list[j].target;
      size_t n = std::min(x.size(), y.size());
      if (std::equal(x.begin(), x.begin() + static_cast<std::ptrdiff_t>(n), y.begin()))
        throw analysis_error("DATATYPE_MISMATCH.INVALID_ROW_LEVEL_OPERATION_ASSIGNMENTS",
                             {{"sqlExpr", quote_sql(name_text(x))}, {"errors", "\n- Multiple assignments for '" + name_text(y) + "'"}});
    }
}

}  // namespace

DeleteCommand analyze_delete(const sc::Relation& table, const sc::Expression* condition, AnalyzerContext& context) {
  DeleteCommand out;
  with_deep_stack([&] {
    TextZone zone(context.conf.time_zone());
    Analyzer a(context);
    PlanPtr target = a.relation(table);
    Scope scope({target}, nullptr, context.conf.case_sensitive());
    Env env = a.env_over(scope, "DeleteFromTable");
    if (condition) {
      out.condition = row_condition(a, *condition, env);
      target = a.provide(target, {out.condition});
    }
    out.target = target;
  });
  return out;
}

UpdateCommand analyze_update(const sc::Relation& table, const sc::Expression* condition,
                             const std::vector<std::pair<sc::Expression, sc::Expression>>& assignments, AnalyzerContext& context) {
  UpdateCommand out;
  with_deep_stack([&] {
    TextZone zone(context.conf.time_zone());
    Analyzer a(context);
    PlanPtr target = a.relation(table);
    Assigner assigner(a, scan_name(*target));
    Scope scope({target}, nullptr, context.conf.case_sensitive());
    Env env = a.env_over(scope, "UpdateTable");
    std::vector<ExprPtr> used;
    if (condition) {
      out.condition = row_condition(a, *condition, env);
      used.push_back(out.condition);
    }
    for (const auto& [key, value] : assignments) {
      out.assignments.push_back(assignment(a, target, key, value, env, assigner));
      used.push_back(out.assignments.back().value);
    }
    check_conflicts(out.assignments);
    out.target = a.provide(target, used);
  });
  return out;
}

MergeCommand analyze_merge(const sc::Relation& table, const sc::MergeIntoTableCommand& merge, AnalyzerContext& context) {
  MergeCommand out;
  with_deep_stack([&] {
    TextZone zone(context.conf.time_zone());
    Analyzer a(context);
    PlanPtr target = a.relation(table);
    PlanPtr source = a.relation(merge.source_table_plan());
    // Names of the two sides must not meet by id.
    std::set<ExprId> ids;
    for (const auto& x : target->output) ids.insert(x.id);
    for (const auto& x : source->output)
      if (ids.count(x.id)) {
        source = with_fresh_ids(source);
        break;
      }
    Assigner assigner(a, scan_name(*target));
    bool cs = context.conf.case_sensitive();
    Scope both({target, source}, nullptr, cs), target_only({target}, nullptr, cs), source_only({source}, nullptr, cs);
    Env on = a.env_over(both, "MergeIntoTable");
    std::vector<ExprPtr> used;
    out.condition = row_condition(a, merge.merge_condition(), on);
    used.push_back(out.condition);

    auto complete = [&](std::vector<Assignment> given, bool insert) {
      check_conflicts(given);
      std::vector<Assignment> all;
      for (const auto& x : target->output) {
        StructField field = field_of_attribute(x, *target);
        std::vector<const Assignment*> inside;
        const Assignment* whole = nullptr;
        for (const auto& g : given) {
          if (!same_name(g.target[0], x.name, cs)) continue;
          if (g.target.size() == 1) whole = &g;
          else inside.push_back(&g);
        }
        if (whole) {
          all.push_back(*whole);
          continue;
        }
        if (!inside.empty()) {
          ExprPtr value = make_ref(x);
          for (const auto* g : inside) value = a.rebuild_struct(value, Parts(g->target.begin() + 1, g->target.end()), 0, g->value);
          all.push_back({{x.name}, value});
          continue;
        }
        all.push_back({{x.name}, insert ? assigner.default_value(field, {x.name}, false) : make_ref(x)});
      }
      return all;
    };
    auto star = [&] {
      std::vector<Assignment> all;
      for (const auto& x : target->output) {
        auto v = a.try_column(source, {x.name});
        if (!v) {
          if (merge.with_schema_evolution()) continue;
          throw source_only.unresolved({x.name});
        }
        all.push_back({{x.name}, assigner.assign(*v, field_of_attribute(x, *target), {x.name}, true)});
      }
      return all;
    };
    auto actions = [&](const google::protobuf::RepeatedPtrField<sc::Expression>& list, const Scope& scope, const Scope& values, const char* clause, std::vector<MergeAction>& into) {
      for (int i = 0; i < list.size(); ++i) {
        const auto& m = list.Get(i).merge_action();
        Env env = a.env_over(scope, "MergeIntoTable");
        MergeAction action;
        if (m.has_condition()) {
          action.condition = row_condition(a, m.condition(), env);
          used.push_back(action.condition);
        } else if (i + 1 < list.size()) {
          throw SparkError(ErrorKind::kParse, std::string("NON_LAST_") + clause + "_CLAUSE_OMIT_CONDITION");
        }
        bool insert = false;
        std::vector<Assignment> given;
        switch (m.action_type()) {
          case sc::MergeAction::ACTION_TYPE_DELETE: action.kind = MergeAction::Kind::kDelete; break;
          case sc::MergeAction::ACTION_TYPE_UPDATE_STAR:
            action.kind = MergeAction::Kind::kUpdate;
            given = star();
            break;
          case sc::MergeAction::ACTION_TYPE_INSERT_STAR:
            action.kind = MergeAction::Kind::kInsert;
            insert = true;
            given = star();
            break;
          case sc::MergeAction::ACTION_TYPE_UPDATE:
          case sc::MergeAction::ACTION_TYPE_INSERT: {
            insert = m.action_type() == sc::MergeAction::ACTION_TYPE_INSERT;
            action.kind = insert ? MergeAction::Kind::kInsert : MergeAction::Kind::kUpdate;
            Env value_env = a.env_over(values, "MergeIntoTable");
            for (const auto& x : m.assignments()) given.push_back(assignment(a, target, x.key(), x.value(), value_env, assigner));
            break;
          }
          default: throw internal_error("a MERGE action without kind");
        }
        if (action.kind != MergeAction::Kind::kDelete) {
          action.assignments = complete(std::move(given), insert);
          for (const auto& x : action.assignments) used.push_back(x.value);
        }
        into.push_back(std::move(action));
      }
    };
    actions(merge.match_actions(), both, both, "MATCHED", out.matched);
    actions(merge.not_matched_actions(), source_only, source_only, "NOT_MATCHED_BY_TARGET", out.not_matched);
    actions(merge.not_matched_by_source_actions(), target_only, target_only, "NOT_MATCHED_BY_SOURCE", out.not_matched_by_source);
    if (merge.match_actions_size() + merge.not_matched_actions_size() + merge.not_matched_by_source_actions_size() == 0)
      throw SparkError(ErrorKind::kParse, "MERGE_WITHOUT_WHEN");
    out.target = a.provide(target, used);
    out.source = a.provide(source, used);
    out.with_schema_evolution = merge.with_schema_evolution();
  });
  return out;
}

}  // namespace tarn::plan
