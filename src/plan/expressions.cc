// spark.connect.Expression -> typed expressions: columns, stars, casts, and what only SQL says.
#include <algorithm>

#include "plan/analyzer_impl.h"
#include "plan/cast_check.h"
#include "plan/collation.h"
#include "plan/internal_functions.h"
#include "plan/types_internal.h"
#include "plan/within_text.h"

namespace tarn::plan {

namespace {
constexpr int kMaxExpressionDepth = 5000;
}

std::shared_ptr<const QueryContext> Analyzer::context_of(const sc::Origin& origin) {
  if (origin.has_python_origin()) {
    auto c = std::make_shared<QueryContext>();
    c->type = QueryContext::Type::kDataFrame;
    c->fragment = origin.python_origin().fragment();
    c->call_site = origin.python_origin().call_site();
    return c;
  }
  if (!origin.has_jvm_origin() || !text_.sql) return nullptr;
  auto c = sql::query_context(origin, *text_.sql, text_.object_type, text_.object_name);
  if (!c) return nullptr;
  return std::make_shared<const QueryContext>(std::move(*c));
}

std::shared_ptr<const QueryContext> Analyzer::context_of(const sc::ExpressionCommon& common) {
  return common.has_origin() ? context_of(common.origin()) : nullptr;
}

void Analyzer::take_text(const sc::Origin& origin) {
  if (origin.has_jvm_origin() && origin.jvm_origin().has_sql_text())
    text_.sql = std::make_shared<const std::string>(origin.jvm_origin().sql_text());
}

ExprPtr Analyzer::expression(const sc::Expression& e, Env& env) {
  if (++expression_depth_ > kMaxExpressionDepth) {
    expression_depth_ = 0;
    throw SparkError(ErrorKind::kAnalysis, "FAILED_TO_PARSE_TOO_COMPLEX");
  }
  struct Leave {
    int& depth;
    ~Leave() { depth = depth > 0 ? depth - 1 : 0; }
  } leave{expression_depth_};
  std::optional<Text> saved;
  if (e.has_common() && e.common().has_origin() && e.common().origin().jvm_origin().has_sql_text()) {
    saved = text_;
    take_text(e.common().origin());
  }
  try {
    auto out = expression_node(e, env);
    if (saved) text_ = *saved;
    return out;
  } catch (const SparkError& error) {
    std::shared_ptr<const QueryContext> where;
    if (!error.context() && !error.condition().empty() && error.condition() != "INTERNAL_ERROR" && e.has_common()) where = context_of(e.common());
    if (saved) text_ = *saved;
    if (where) throw error.with_context(*where);
    throw;
  }
}

ExprPtr Analyzer::expression_node(const sc::Expression& e, Env& env) {
  // Deep nesting would copy every fragment of the text into every node above it.
  auto where = [&]() { return e.has_common() && expression_depth_ < 256 ? context_of(e.common()) : nullptr; };
  switch (e.expr_type_case()) {
    case sc::Expression::kLiteral: {
      auto value = literal(e.literal());
      if (context_.default_collation.empty() || !value->type.is_default_string()) return value;
      auto collated = std::const_pointer_cast<Expression>(with_children(value, {}));
      collated->type = with_default_collation(value->type, context_.default_collation);
      return collated;
    }
    case sc::Expression::kUnresolvedAttribute: return attribute(e.unresolved_attribute(), env);
    case sc::Expression::kUnresolvedFunction: {
      const auto& f = e.unresolved_function();
      CallParts c;
      c.name = {f.function_name()};
      if (!f.is_internal() && f.is_user_defined_function()) {
        c.name = sql::parse_multipart_identifier(f.function_name(), parse_options());
        c.user_defined = true;
      }
      c.arguments = &f.arguments();
      c.distinct = f.is_distinct();
      // A client that doesn't say so means an internal function all the same, if there is one of that name.
      c.internal = f.has_is_internal() ? f.is_internal() : !text_.sql && find_function("internal:" + lower_case(f.function_name())) != nullptr;
      return function_call(c, env, where());
    }
    case sc::Expression::kCallFunction: {
      CallParts c;
      c.name = sql::parse_multipart_identifier(e.call_function().function_name(), parse_options());
      c.arguments = &e.call_function().arguments();
      return function_call(c, env, where());
    }
    case sc::Expression::kExpressionString:
      return within_text(e.expression_string().expression(), parse_options(), kept_, references_, text_, [&](const sc::Expression& parsed) { return expression(parsed, env); });
    case sc::Expression::kUnresolvedStar: {
      std::vector<SelectItem> items;
      expand_star(e, env, items);
      if (items.size() == 1) return items[0].expression;
      throw analysis_error("INVALID_USAGE_OF_STAR_OR_REGEX", {{"elem", "'*'"}, {"prettyName", std::string("expression `") + env.clause + "`"}});
    }
    case sc::Expression::kUnresolvedRegex: {
      std::vector<SelectItem> items;
      expand_star(e, env, items);
      if (items.size() == 1) return items[0].expression;
      throw analysis_error("INVALID_USAGE_OF_STAR_OR_REGEX", {{"elem", "regular expressions"}, {"prettyName", std::string("expression `") + env.clause + "`"}});
    }
    case sc::Expression::kAlias: {
      auto child = expression(e.alias().expr(), env);
      if (e.alias().name_size() != 1) {
        std::string names;
        for (const auto& n : e.alias().name()) names += (names.empty() ? "" : ", ") + n;
        throw analysis_error("MULTI_ALIAS_WITHOUT_GENERATOR", {{"expr", quote_sql(pretty_sql(*child))}, {"names", names}});
      }
      auto a = std::make_shared<Alias>(as<Alias>(*make_alias(child, e.alias().name(0))));
      if (e.alias().has_metadata() && !e.alias().metadata().empty()) a->metadata = e.alias().metadata();
      return a;
    }
    case sc::Expression::kCast: {
      auto out = cast(e.cast(), env);
      if (!context_.default_collation.empty() && out->kind == ExprKind::kCast && !has_collation(out->type)) {
        auto n = std::make_shared<Cast>(as<Cast>(*out));
        n->type = with_default_collation(out->type, context_.default_collation);
        out = n;
      }
      if (out->kind == ExprKind::kCast && !out->context) {
        auto n = std::make_shared<Cast>(as<Cast>(*out));
        n->context = where();
        return n;
      }
      return out;
    }
    case sc::Expression::kSortOrder: return sort_order(e.sort_order(), env);
    case sc::Expression::kWindow: return window(e.window(), e.window().window_function(), env);
    case sc::Expression::kUnresolvedExtractValue: {
      auto child = expression(e.unresolved_extract_value().child(), env);
      auto key = expression(e.unresolved_extract_value().extraction(), env);
      if (child->kind == ExprKind::kAlias) child = child->children[0];
      if (key->kind == ExprKind::kAlias) key = key->children[0];
      auto value = extract_value(child, key, case_sensitive_, mode(), true);
      if (value->kind != ExprKind::kCall) return value;
      auto n = std::make_shared<Call>(as<Call>(*value));
      n->context = where();
      return n;
    }
    case sc::Expression::kUpdateFields: return update_fields(e.update_fields(), env);
    case sc::Expression::kUnresolvedNamedLambdaVariable: {
      Parts parts(e.unresolved_named_lambda_variable().name_parts().begin(), e.unresolved_named_lambda_variable().name_parts().end());
      return column(parts, env);
    }
    case sc::Expression::kLambdaFunction: throw analysis_error("INVALID_LAMBDA_FUNCTION_CALL.NON_HIGHER_ORDER_FUNCTION", {{"class", "lambda"}});
    case sc::Expression::kCommonInlineUserDefinedFunction: return python_function(e.common_inline_user_defined_function(), env);
    case sc::Expression::kNamedArgumentExpression: return expression(e.named_argument_expression().value(), env);
    case sc::Expression::kSubqueryExpression: return subquery(e.subquery_expression(), env);
    case sc::Expression::kDirectShufflePartitionId: return expression(e.direct_shuffle_partition_id().child(), env);
    case sc::Expression::kTypedAggregateExpression: throw not_built("typed aggregate expressions of Scala");
    case sc::Expression::kMergeAction: throw internal_error("a MERGE action is no expression");
    case sc::Expression::kExtension: {
      tarn::sql::Expr x;
      if (!e.extension().UnpackTo(&x))
        throw analysis_error("CONNECT_INVALID_PLAN.NO_HANDLER_FOR_EXTENSION", {{"extensionTypeUrl", e.extension().type_url()}});
      if (x.kind_case() == tarn::sql::Expr::kFunctionCall) {
        const auto& f = x.function_call();
        CallParts c;
        c.name = name_parts(f.name(), &env);
        c.arguments = &f.arguments();
        c.distinct = f.is_distinct();
        c.filter = f.has_filter() ? &f.filter() : nullptr;
        c.within_group = &f.within_group();
        c.nulls = f.nulls();
        return function_call(c, env, where());
      }
      return sql_expr(x, env);
    }
    case sc::Expression::EXPR_TYPE_NOT_SET: break;
  }
  throw internal_error("an expression without kind");
}

ExprPtr Analyzer::sql_expr(const tarn::sql::Expr& x, Env& env) {
  using X = tarn::sql::Expr;
  switch (x.kind_case()) {
    case X::kStarExcept: {
      auto list = star_except(x.star_except(), env);
      if (list.size() == 1) return list[0];
      throw analysis_error("INVALID_USAGE_OF_STAR_OR_REGEX", {{"elem", "'*'"}, {"prettyName", std::string("expression `") + env.clause + "`"}});
    }
    case X::kParameterMarker:
      throw analysis_error("UNBOUND_SQL_PARAMETER",
                           {{"name", x.parameter_marker().kind_case() == tarn::sql::ParameterMarker::kName
                                         ? x.parameter_marker().name()
                                         : "_" + std::to_string(x.parameter_marker().position())}});
    case X::kIdentifier: return column(name_parts(x.identifier().name(), &env), env);
    case X::kZonedTimestamp: {
      return zoned_timestamp(x.zoned_timestamp());
    }
    case X::kSpecialDatetime: return special_datetime(x.special_datetime());
    case X::kSemiStructuredExtract: {
      auto child = expression(x.semi_structured_extract().child(), env);
      if (child->type.id() != TypeId::kVariant)
        throw analysis_error("COLUMN_IS_NOT_VARIANT_TYPE");
      return call("variant_get", {child, make_string(x.semi_structured_extract().path()), make_string("variant")});
    }
    case X::kWindowReference: return window_reference(x.window_reference(), env);
    case X::kPipeExpression: {
      auto child = expression(x.pipe_expression().child(), env);
      const auto& p = x.pipe_expression();
      if (p.is_aggregate() && !contains_aggregate(*child))
        throw analysis_error("PIPE_OPERATOR_AGGREGATE_EXPRESSION_CONTAINS_NO_AGGREGATE_FUNCTION", {{"expr", pretty_sql(*child)}});
      if (!p.is_aggregate() && p.clause() != "SELECT" && contains_aggregate(*child))
        throw analysis_error("PIPE_OPERATOR_CONTAINS_AGGREGATE_FUNCTION", {{"expr", pretty_sql(*child)}, {"clause", p.clause()}});
      return child;
    }
    case X::kDefaultValue: throw analysis_error("DEFAULT_PLACEMENT_INVALID");
    case X::kFunctionCall:
    case X::KIND_NOT_SET: break;
  }
  throw internal_error("a SQL expression without kind");
}

// ---------------------------------------------------------------------------------------------------------------- columns

ExprPtr Analyzer::fields(ExprPtr base, const Parts& parts, size_t from) {
  for (size_t i = from; i < parts.size(); ++i) base = extract_value(base, make_string(parts[i]), case_sensitive_, mode(), true);
  return base;
}

ExprPtr Analyzer::found_column(const Scope::Found& f, const Parts& parts, bool outer) {
  // The column is called as it was written.
  Attribute a = *f.attribute;
  a.name = parts[f.used - 1];
  return fields(make_ref(a, outer), parts, f.used);
}

ExprPtr Analyzer::attribute(const sc::Expression::UnresolvedAttribute& a, Env& env) {
  Parts parts = sql::parse_attribute_name(a.unparsed_identifier());
  if (!a.has_plan_id() || !env.scope) return column(parts, env);
  int depth = 0;
  for (const Scope* s = env.scope; s; s = s->outer(), ++depth) {
    bool matched = false;
    auto found = s->find_by_plan_id(parts, a.plan_id(), a.is_metadata_column(), &matched);
    if (!matched) continue;
    if (found.attribute) return found_column(found, parts, depth > 0);
    // Found but replaced since: its name is no second try. Clauses that can reach further down go on from this error.
    if (a.is_metadata_column() || conf_.flag("spark.sql.analyzer.strictDataFrameColumnResolution")) throw env.scope->unresolved(parts);
    return column(parts, env);
  }
  throw analysis_error("CANNOT_RESOLVE_DATAFRAME_COLUMN", {{"name", name_text(parts)}});
}

ExprPtr Analyzer::column(const Parts& parts, Env& env) {
  for (size_t i = env.lambdas.size(); i-- > 0;)
    for (const auto& [name, variable] : env.lambdas[i])
      if (same_name(name, parts[0], case_sensitive_)) return fields(variable, parts, 1);

  if (env.block && env.groups_first && env.block->aggregated && env.in_aggregate == 0 && env.scope) {
    try {
      auto found = env.scope->find(parts);
      if (found.attribute) {
        auto value = found_column(found, parts, false);
        for (const auto& g : env.block->groupings)
          if (semantic_equals(*g, *value) || (g->kind == ExprKind::kAttribute && as<AttributeRef>(*g).id == found.attribute->id)) return value;
      }
    } catch (const SparkError&) {
    }
  }
  // Clauses above a SELECT list see its names first, except inside aggregate functions.
  if (env.block && env.in_aggregate == 0) {
    const SelectItem* hit = nullptr;
    size_t used = 0;
    for (const auto& item : env.block->items) {
      if (item.generator) continue;
      auto a = to_attribute(*item.expression);
      // The last part that names the column; those behind it are fields.
      size_t at = parts.size();
      for (size_t n = std::min(parts.size(), a.qualifier.size() + 1); n > 0 && at == parts.size(); --n) {
        bool match = same_name(a.name, parts[n - 1], case_sensitive_);
        for (size_t k = 0; match && k + 1 < n; ++k) match = same_name(a.qualifier[a.qualifier.size() - (n - 1) + k], parts[k], case_sensitive_);
        if (match) at = n - 1;
      }
      if (at == parts.size()) continue;
      if (hit && used != at + 1) continue;
      used = at + 1;
      if (hit && to_attribute(*hit->expression).id != a.id && !semantic_equals(*hit->expression, *item.expression)) {
        if (env.scope && env.scope->find(parts).attribute) {
          hit = nullptr;
          break;
        }
        throw analysis_error("AMBIGUOUS_REFERENCE", {{"name", name_text(parts)}, {"referenceNames", "[" + name_text({a.name}) + ", " + name_text({a.name}) + "]"}});
      }
      if (!hit) hit = &item;
    }
    if (hit) {
      const auto& x = hit->expression;
      try {
        return fields(env.block_values ? (x->kind == ExprKind::kAlias ? x->children[0] : x) : make_ref(to_attribute(*x)), parts, used);
      } catch (const SparkError&) {
        // No such field: perhaps a column of the input has it.
        bool other = false;
        try {
          other = env.scope && env.scope->find(parts).attribute;
        } catch (const SparkError&) {
        }
        if (!other) throw;
      }
    }
  }

  if (env.scope) {
    auto found = env.scope->find(parts);
    if (found.attribute) {
      // Above a GROUP BY only what it groups by is left of the input.
      if (env.block && env.block->aggregated && env.in_aggregate == 0) {
        ExprId id = found.attribute->id;
        bool grouped = std::any_of(env.block->groupings.begin(), env.block->groupings.end(), [&](const ExprPtr& g) {
          return any_of(*g, [&](const Expression& e) {
            auto* a = try_as<AttributeRef>(e);
            return a && a->id == id;
          });
        });
        if (!grouped) {
          auto list = std::make_shared<OneRow>();
          for (const auto& i : env.block->items)
            if (!i.generator) list->output.push_back(to_attribute(*i.expression));
          throw Scope({list}, nullptr, case_sensitive_).unresolved(parts);
        }
      }
      return found_column(found, parts, false);
    }
  }
  if (auto f = literal_function(parts)) return f;
  if (env.lateral && !parts.empty()) {
    std::optional<Attribute> hit;
    int hits = 0;
    for (const auto& item : *env.lateral) {
      if (auto* a = try_as<Alias>(item.expression); a && same_name(a->name, parts[0], case_sensitive_)) {
        hit = to_attribute(*a);
        ++hits;
      }
      // AS of a generator counts as an alias, AS (…) doesn't.
      if (item.generator && item.names.size() == 1 && same_name(item.names[0], parts[0], case_sensitive_)) ++hits;
    }
    if (hits > 1) throw analysis_error("AMBIGUOUS_LATERAL_COLUMN_ALIAS", {{"name", name_text(parts)}, {"n", std::to_string(hits)}});
    if (hit) {
      fields(make_ref(*hit), parts, 1);  // an error about a field names the alias alone
      auto ref = std::make_shared<AttributeRef>(as<AttributeRef>(*make_ref(*hit)));
      ref->text = "lateralAliasReference(" + parts[0] + ")";
      return fields(ref, parts, 1);
    }
  }
  if (env.generated)
    for (const auto& c : *env.generated)
      if (same_name(c.name, parts[0], case_sensitive_)) {
        env.generated_used = true;
        return fields(make_ref(c), parts, 1);
      }
  // A grouping that is no column goes by its text where sets of groupings make it one.
  if (env.block && env.block->grouping_sets && parts.size() == 1)
    for (const auto& g : env.block->groupings)
      if (g->kind != ExprKind::kAttribute && same_name(pretty_sql(*g), parts[0], case_sensitive_)) return g;
  // Correlation reaches one query outward.
  if (env.scope && env.scope->outer()) {
    auto found = env.scope->outer()->find(parts);
    if (found.attribute) return found_column(found, parts, true);
  }
  if (auto p = env.columns_only ? nullptr : parameter(parts)) return p;
  if (context_.default_values && parts.size() == 1 && same_name(parts[0], "DEFAULT", false)) {
    auto marker = std::make_shared<Literal>();
    marker->text = "DEFAULT";
    return marker;
  }
  if (auto v = env.columns_only ? nullptr : variable(parts)) return v;
  if (env.scope) throw env.scope->unresolved(parts);
  throw Scope({}, nullptr, case_sensitive_).unresolved(parts);
}

ExprPtr Analyzer::literal_function(const Parts& parts) {
  if (parts.size() != 1) return nullptr;
  static const char* const names[] = {"current_date", "current_timestamp", "current_time", "current_user", "user", "session_user", "current_path"};
  std::string name = lower_case(parts[0]);
  if (name == "grouping__id") return grouping_call("grouping_id", {});
  for (const char* n : names)
    if (name == n) {
      if (find_function(name)) return call(name, {});
    }
  return nullptr;
}

ExprPtr Analyzer::variable(const Parts& parts) {
  if (context_.local_variable) {
    for (size_t n = std::min<size_t>(parts.size(), 2); n > 0; --n)
      if (auto v = context_.local_variable(Parts(parts.begin(), parts.begin() + static_cast<std::ptrdiff_t>(n)))) return fields(make_literal(v->type, v->value), parts, n);
  }
  // x, session.x, system.session.x, and fields inside.
  size_t at = 0;
  if (parts.size() > 2 && same_name(parts[0], "system", false) && same_name(parts[1], "session", false)) at = 2;
  else if (parts.size() > 1 && same_name(parts[0], "session", false)) at = 1;
  std::lock_guard<std::mutex> lock(context_.state.mu);
  auto it = context_.state.variables.find(lower_case(parts[at]));
  if (it == context_.state.variables.end()) return nullptr;
  auto value = std::make_shared<Literal>(as<Literal>(*make_literal(it->second.type, it->second.value)));
  value->text = "variablereference(system.session." + it->first + "=" + expression_sql(*value) + ")";
  return fields(value, parts, at + 1);
}

std::optional<ExprPtr> Analyzer::try_column(const PlanPtr& p, const Parts& parts) {
  Scope scope({p}, nullptr, case_sensitive_);
  auto found = scope.find(parts);
  if (!found.attribute) return std::nullopt;
  return found_column(found, parts, false);
}

// ------------------------------------------------------------------------------------------------------------------ stars

bool Analyzer::is_star(const sc::Expression& e) {
  if (e.has_unresolved_star() || e.has_unresolved_regex()) return true;
  if (!e.has_extension()) return false;
  tarn::sql::Expr x;
  return e.extension().UnpackTo(&x) && x.has_star_except();
}

std::vector<ExprPtr> Analyzer::star_columns(const Parts& target, Env& env) {
  std::vector<ExprPtr> out;
  if (!env.scope) throw analysis_error("CANNOT_RESOLVE_STAR_EXPAND", {{"targetString", name_text(target)}, {"columns", ""}});
  if (target.empty()) {
    for (const auto& a : env.scope->columns()) out.push_back(make_ref(a));
    return out;
  }
  for (const Scope* s = env.scope; s; s = s == env.scope ? s->outer() : nullptr) {
    auto take = [&](const std::vector<Attribute>& list, bool qualified_only) {
      for (const auto& a : list) {
        if (qualified_only && !a.qualified_only) continue;
        if (a.qualifier.size() < target.size()) continue;
        bool match = true;
        for (size_t k = 0; k < target.size() && match; ++k)
          match = same_name(a.qualifier[a.qualifier.size() - target.size() + k], target[k], case_sensitive_);
        if (match) out.push_back(make_ref(a, s != env.scope));
      }
    };
    take(s->hidden(), true);
    take(s->columns(), false);
    if (!out.empty()) return out;
    // A struct: its fields.
    auto found = s->find(target);
    if (found.attribute) {
      auto base = found_column(found, target, s != env.scope);
      if (base->type.id() != TypeId::kStruct) {
        std::string attributes;
        for (const auto& t : target) attributes += (attributes.empty() ? "" : ", ") + t;
        throw analysis_error("_LEGACY_ERROR_TEMP_1050", {{"attributes", "List(" + attributes + ")"}});
      }
      for (const auto& f : base->type.fields())
        out.push_back(make_alias(extract_value(base, make_string(f.name), true, mode()), f.name));
      return out;
    }
  }
  std::vector<std::string> all;
  for (const auto& a : env.scope->columns()) all.push_back(a.name);
  std::sort(all.begin(), all.end());
  std::string columns;
  for (const auto& n : all) columns += (columns.empty() ? "" : ", ") + name_text({n});
  throw analysis_error("CANNOT_RESOLVE_STAR_EXPAND", {{"targetString", name_text(target)}, {"columns", columns}});
}

namespace {

// Drops fields from a struct value: paths are relative to it.
ExprPtr drop_nested(const ExprPtr& base, const std::vector<Parts>& paths, bool case_sensitive, Analyzer& a) {
  std::vector<ExprPtr> args;
  for (const auto& f : base->type.fields()) {
    std::vector<Parts> below;
    bool gone = false;
    for (const auto& p : paths) {
      if (!same_name(p[0], f.name, case_sensitive)) continue;
      if (p.size() == 1) gone = true;
      else below.emplace_back(p.begin() + 1, p.end());
    }
    if (gone) continue;
    ExprPtr value = extract_value(base, make_string(f.name), true, a.mode());
    if (!below.empty()) value = drop_nested(value, below, case_sensitive, a);
    args.push_back(make_string(f.name));
    args.push_back(value);
  }
  return a.call("named_struct", std::move(args));
}

}  // namespace

std::vector<ExprPtr> Analyzer::star_except(const tarn::sql::StarExcept& s, Env& env) {
  Parts target(s.target().begin(), s.target().end());
  auto columns = star_columns(target, env);
  std::vector<Attribute> attributes;
  for (const auto& c : columns) attributes.push_back(to_attribute(*c));
  std::map<ExprId, std::vector<Parts>> dropped;
  auto holder = std::make_shared<OneRow>();
  holder->output = attributes;
  Scope scope({holder}, nullptr, case_sensitive_);
  std::string all;
  for (const auto& c : s.except()) {
    Parts parts(c.parts().begin(), c.parts().end());
    std::string dotted;
    for (const auto& p : parts) dotted += (dotted.empty() ? "" : ".") + p;
    all += (all.empty() ? "" : ", ") + dotted;
    auto found = scope.find(parts);
    if (!found.attribute) {
      std::vector<Parts> candidates;
      for (const auto& a : attributes) {
        candidates.push_back(a.qualifier);
        candidates.back().push_back(a.name);
      }
      if (candidates.empty()) throw scope.unresolved(parts);
      throw analysis_error("UNRESOLVED_COLUMN.WITH_SUGGESTION", {{"objectName", name_text(parts)}, {"proposal", suggestions(sql::unparse_identifier(parts), candidates)}});
    }
    Parts path(parts.begin() + static_cast<std::ptrdiff_t>(found.used), parts.end());
    if (!path.empty()) {
      auto value = found_column(found, parts, false);  // FIELD_NOT_FOUND …
      if (any_of(*value, [](const Expression& x) { auto* c2 = try_as<Call>(x); return c2 && c2->function != &kGetStructField; }))
        throw analysis_error("EXCEPT_NESTED_COLUMN_INVALID_TYPE", {{"columnName", quote_sql(pretty_sql(*value))}, {"dataType", quote_sql(value->type.sql())}});
    }
    dropped[found.attribute->id].push_back(path);
  }
  std::vector<ExprPtr> out;
  for (size_t i = 0; i < columns.size(); ++i) {
    auto it = dropped.find(attributes[i].id);
    if (it == dropped.end()) {
      out.push_back(columns[i]);
      continue;
    }
    bool whole = std::any_of(it->second.begin(), it->second.end(), [](const Parts& p) { return p.empty(); });
    if (whole && it->second.size() > 1) throw analysis_error("EXCEPT_OVERLAPPING_COLUMNS", {{"columns", all}});
    if (whole) continue;
    auto base = columns[i]->kind == ExprKind::kAlias ? columns[i]->children[0] : columns[i];
    out.push_back(make_alias(drop_nested(base, it->second, case_sensitive_, *this), attributes[i].name));
  }
  return out;
}

void Analyzer::expand_star(const sc::Expression& e, Env& env, std::vector<SelectItem>& out) {
  std::vector<ExprPtr> columns;
  if (e.has_unresolved_star()) {
    const auto& s = e.unresolved_star();
    if (s.has_plan_id()) {
      std::vector<Attribute> found;
      bool ok = false;
      for (const Scope* scope = env.scope; scope && !ok; scope = scope->outer()) ok = scope->columns_of_plan_id(s.plan_id(), &found);
      if (!ok) throw analysis_error("CANNOT_RESOLVE_DATAFRAME_COLUMN", {{"name", "`*`"}});
      for (const auto& a : found) columns.push_back(make_ref(a));
    } else {
      Parts target;
      if (s.has_unparsed_target()) {
        std::string t = s.unparsed_target();
        if (t.size() >= 2 && t.ends_with(".*")) t.resize(t.size() - 2);
        target = sql::parse_attribute_name(t);
      }
      columns = star_columns(target, env);
    }
  } else if (e.has_unresolved_regex()) {
    const auto& r = e.unresolved_regex();
    std::string pattern = r.col_name();
    Parts target;
    // `regex` or table.`regex`
    if (auto open = pattern.find('`'); open != std::string::npos && pattern.size() > open + 1 && pattern.back() == '`') {
      if (open > 1) target = sql::parse_attribute_name(pattern.substr(0, open - 1));
      pattern = pattern.substr(open + 1, pattern.size() - open - 2);
    }
    auto all = star_columns(target, env);
    for (const auto& c : all)
      if (matches_regex(to_attribute(*c).name, case_sensitive_ ? "(?-i)" + pattern : pattern)) columns.push_back(c);
  } else {
    tarn::sql::Expr x;
    e.extension().UnpackTo(&x);
    columns = star_except(x.star_except(), env);
  }
  for (auto& c : columns) {
    SelectItem item;
    // A column of the query around this one gets an id of its own.
    if (auto* a = try_as<AttributeRef>(*c); a && a->outer) c = make_alias(c, a->name);
    item.expression = std::move(c);
    out.push_back(std::move(item));
  }
}

// ------------------------------------------------------------------------------------------------------------ named lists

std::string Analyzer::generated_name(const sc::Expression& e, const ExprPtr& value) {
  // a.b resolved to a field is called by its last part; a cast of a column keeps the column's name.
  if (e.has_unresolved_attribute()) return sql::parse_attribute_name(e.unresolved_attribute().unparsed_identifier()).back();
  if (e.has_extension()) {
    tarn::sql::Expr x;
    if (e.extension().UnpackTo(&x) && x.has_pipe_expression()) return generated_name(x.pipe_expression().child(), value);
  }
  if (e.has_expression_string()) {
    try {
      auto parsed = sql::parse_expression(e.expression_string().expression(), parse_options());
      return generated_name(parsed, value);
    } catch (const SparkError&) {
      return pretty_sql(*value);
    }
  }
  if (e.has_cast() && e.cast().expr().has_alias() && e.cast().expr().alias().name_size() == 1) return e.cast().expr().alias().name(0);
  if (auto* c = try_as<Cast>(value); c && c->user_specified) {
    if (auto* a = try_as<AttributeRef>(*c->children[0]); a && !a->outer) return a->name;
    if (e.has_cast() && e.cast().expr().has_unresolved_attribute() && c->children[0]->kind != ExprKind::kLiteral)
      return sql::parse_attribute_name(e.cast().expr().unresolved_attribute().unparsed_identifier()).back();
  }
  return pretty_sql(*value);
}

void Analyzer::named(const sc::Expression& e, Env& env, std::vector<SelectItem>& out) {
  if (is_star(e)) {
    expand_star(e, env, out);
    return;
  }
  // df.selectExpr("*", "s.*")
  if (e.has_expression_string() && e.expression_string().expression().find('*') != std::string::npos) {
    bool star = within_text(e.expression_string().expression(), parse_options(), kept_, references_, text_, [&](const sc::Expression& parsed) {
      if (!is_star(parsed)) return false;
      expand_star(parsed, env, out);
      return true;
    });
    if (star) return;
  }
  SelectItem item;
  // AS (a, b) and AS a of a generator name its columns.
  if (e.has_alias()) {
    bool multiple = e.alias().name_size() > 1;
    if (is_star(e.alias().expr())) throw analysis_error("INVALID_USAGE_OF_STAR_OR_REGEX", {{"elem", "'*'"}, {"prettyName", "expression `alias`"}});
    auto child = expression(e.alias().expr(), env);
    if (is_generator(*child)) {
      item.expression = child;
      item.generator = true;
      item.names.assign(e.alias().name().begin(), e.alias().name().end());
      item.columns = generator_columns(child, false, item.names);
      out.push_back(std::move(item));
      return;
    }
    if (multiple) {
      std::string names;
      for (const auto& n : e.alias().name()) names += (names.empty() ? "" : ", ") + n;
      throw analysis_error("MULTI_ALIAS_WITHOUT_GENERATOR", {{"expr", quote_sql(pretty_sql(*child))}, {"names", names}});
    }
    if (child->kind == ExprKind::kAlias) {
      auto& inner = as<Alias>(*child);
      auto a = std::make_shared<Alias>(as<Alias>(*make_alias(inner.children[0], e.alias().name(0))));
      a->metadata = e.alias().has_metadata() && !e.alias().metadata().empty() ? e.alias().metadata() : inner.metadata;
      item.expression = a;
    } else {
      auto a = std::make_shared<Alias>(as<Alias>(*make_alias(child, e.alias().name(0))));
      if (e.alias().has_metadata() && !e.alias().metadata().empty()) a->metadata = e.alias().metadata();
      item.expression = a;
    }
    out.push_back(std::move(item));
    return;
  }
  auto value = expression(e, env);
  if (is_generator(*value)) {
    item.expression = value;
    item.generator = true;
    item.columns = generator_columns(value, false, {});
    out.push_back(std::move(item));
    return;
  }
  if (auto* a = try_as<AttributeRef>(*value); a && !a->outer) {
    item.expression = value;
  } else if (value->kind == ExprKind::kAlias) {
    item.expression = value;
  } else {
    bool user = e.has_unresolved_attribute();
    item.expression = make_alias(value, generated_name(e, value), !user);
  }
  out.push_back(std::move(item));
}

ExprPtr Analyzer::sort_order(const sc::Expression::SortOrder& o, Env& env) {
  auto s = std::make_shared<SortOrder>();
  auto child = expression(o.child(), env);
  if (child->kind == ExprKind::kSortOrder) child = child->children[0];
  if (child->kind == ExprKind::kAlias) child = child->children[0];
  s->ascending = o.direction() != sc::Expression::SortOrder::SORT_DIRECTION_DESCENDING;
  s->nulls_first = o.null_ordering() == sc::Expression::SortOrder::SORT_NULLS_UNSPECIFIED
                       ? s->ascending
                       : o.null_ordering() == sc::Expression::SortOrder::SORT_NULLS_FIRST;
  s->type = child->type;
  s->nullable = child->nullable;
  if (!child->type.is_orderable())
    throw analysis_error("DATATYPE_MISMATCH.INVALID_ORDERING_TYPE",
                         {{"functionName", "`sortorder`"},
                          {"dataType", quote_sql(child->type.sql())},
                          {"sqlExpr", quote_sql(pretty_sql(*child) + (s->ascending ? " ASC" : " DESC") + (s->nulls_first ? " NULLS FIRST" : " NULLS LAST"))}});
  s->children.push_back(std::move(child));
  return s;
}

ExprPtr Analyzer::condition(const sc::Expression& e, Env& env) {
  auto c = expression(e, env);
  if (c->kind == ExprKind::kAlias) c = c->children[0];
  if (c->type.id() == TypeId::kNull) c = make_cast(c, TypeId::kBoolean, mode());
  return c;
}

// -------------------------------------------------------------------------------------------------------------------- casts

ExprPtr Analyzer::cast(const sc::Expression::Cast& c, Env& env) {
  auto child = expression(c.expr(), env);
  if (child->kind == ExprKind::kAlias) child = child->children[0];
  DataType to = c.has_type() ? data_type(c.type()) : DataType::from_proto(sql::parse_data_type(c.type_str(), parse_options()));
  if (!conf_.flag("spark.sql.preserveCharVarcharTypeInfo")) to = without_char_varchar(to);
  EvalMode m = mode();
  if (c.eval_mode() == sc::Expression::Cast::EVAL_MODE_TRY) m = EvalMode::kTry;
  else if (c.eval_mode() == sc::Expression::Cast::EVAL_MODE_ANSI) m = EvalMode::kAnsi;
  else if (c.eval_mode() == sc::Expression::Cast::EVAL_MODE_LEGACY) m = EvalMode::kLegacy;
  check_cast(*child, to, m, std::string(m == EvalMode::kTry ? "TRY_CAST(" : "CAST(") + pretty_sql(*child) + " AS " + to.sql() + ")");
  // A cast to the same type stays, for the column's name.
  auto out = std::make_shared<Cast>();
  out->mode = m;
  out->user_specified = true;
  out->nullable = child->nullable || (m == EvalMode::kTry && child->type != to) || cast_force_nullable(child->type, to);
  out->type = std::move(to);
  out->children.push_back(std::move(child));
  return out;
}

ExprPtr Analyzer::update_fields(const sc::Expression::UpdateFields& u, Env& env) {
  auto base = expression(u.struct_expression(), env);
  if (base->kind == ExprKind::kAlias) base = base->children[0];
  Parts path = sql::parse_attribute_name(u.field_name());
  bool drop = !u.has_value_expression();
  ExprPtr value;
  if (!drop) {
    value = expression(u.value_expression(), env);
    if (value->kind == ExprKind::kAlias) value = value->children[0];
  }
  return rebuild_struct(base, path, 0, value);
}

ExprPtr Analyzer::rebuild_struct(const ExprPtr& base, const Parts& path, size_t at, const ExprPtr& value) {
  if (base->type.id() != TypeId::kStruct)
    throw analysis_error("DATATYPE_MISMATCH.UNEXPECTED_INPUT_TYPE",
                         {{"sqlExpr", quote_sql("update_fields(" + pretty_sql(*base) + ")")},
                          {"paramIndex", "first"},
                          {"requiredType", "\"STRUCT\""},
                          {"inputSql", quote_sql(pretty_sql(*base))},
                          {"inputType", quote_sql(base->type.sql())}});
  bool last = at + 1 == path.size();
  bool found = false;
  std::vector<ExprPtr> args;
  for (const auto& f : base->type.fields()) {
    bool hit = same_name(f.name, path[at], case_sensitive_);
    found = found || hit;
    if (hit && last && !value) continue;
    ExprPtr field;
    if (hit && last) field = value;
    else {
      size_t index = static_cast<size_t>(&f - base->type.fields().data());
      auto get = std::make_shared<Call>();
      get->function = &kGetStructField;
      get->name = f.name;
      get->mode = mode();
      get->type = f.type();
      get->nullable = base->nullable || f.nullable;
      get->children = {base, make_int(static_cast<int32_t>(index))};
      field = get;
      if (hit) field = rebuild_struct(field, path, at + 1, value);
    }
    args.push_back(make_string(hit && last ? path[at] : f.name));
    args.push_back(field);
  }
  if (!found && !last) {
    std::string names;
    for (const auto& f : base->type.fields()) names += (names.empty() ? "" : ", ") + quote_identifier(f.name);
    throw analysis_error("FIELD_NOT_FOUND", {{"fieldName", quote_identifier(path[at])}, {"fields", names}});
  }
  if (!found && value) {
    args.push_back(make_string(path[at]));
    args.push_back(value);
  }
  if (args.empty()) throw analysis_error("DATATYPE_MISMATCH.CANNOT_DROP_ALL_FIELDS", {{"sqlExpr", quote_sql("update_fields(" + pretty_sql(*base) + ", dropfield())")}});
  auto made = call("named_struct", std::move(args));
  if (!base->nullable) return made;
  return call("if", {call("isnull", {base}), make_null(made->type), made});
}

}  // namespace tarn::plan
