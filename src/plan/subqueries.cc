// Subqueries in expressions. Source: ResolveSubquery, CheckAnalysis.checkSubqueryExpression, ValidateSubqueryExpression.
#include "plan/analyzer_impl.h"
#include "plan/collation.h"

namespace tarn::plan {

const sc::Relation& Analyzer::referenced_relation(int64_t plan_id) {
  for (size_t i = references_.size(); i-- > 0;) {
    auto it = references_[i].find(plan_id);
    if (it != references_[i].end()) return *it->second;
  }
  if (context_.subqueries) {
    for (const auto& r : *context_.subqueries) {
      if (r.common().plan_id() == plan_id) return r;
    }
  }
  throw internal_error("a subquery refers to the unknown plan " + std::to_string(plan_id));
}

ExprPtr Analyzer::subquery(const sc::SubqueryExpression& s, Env& env) {
  const auto& r = referenced_relation(s.plan_id());
  auto out = std::make_shared<SubqueryExpr>();
  if (!env.lambdas.empty()) throw analysis_error("UNSUPPORTED_SUBQUERY_EXPRESSION_CATEGORY.HIGHER_ORDER_FUNCTION");
  std::vector<ExprPtr> values;
  if (s.subquery_type() == sc::SubqueryExpression::SUBQUERY_TYPE_IN) {
    for (const auto& v : s.in_subquery_values()) {
      auto e = expression(v, env);
      if (e->kind == ExprKind::kAlias) e = e->children[0];
      values.push_back(std::move(e));
    }
    // One struct value stands for its fields when the subquery has as many columns.
  }
  ++subquery_level_;
  struct Back {
    Analyzer& a;
    ~Back() { --a.subquery_level_; }
  } back{*this};
  out->plan = relation_in(r, env.scope, env.outer_aggregates);
  size_t columns = out->plan->output.size();
  out->type = TypeId::kBoolean;
  switch (s.subquery_type()) {
    case sc::SubqueryExpression::SUBQUERY_TYPE_SCALAR: {
      out->form = SubqueryExpr::Form::kScalar;
      if (columns != 1)
        throw analysis_error("INVALID_SUBQUERY_EXPRESSION.SCALAR_SUBQUERY_RETURN_MORE_THAN_ONE_OUTPUT_COLUMN", {{"number", std::to_string(columns)}});
      out->type = out->plan->output[0].type;
      out->nullable = true;
      check_scalar(out->plan);
      break;
    }
    case sc::SubqueryExpression::SUBQUERY_TYPE_EXISTS:
      out->form = SubqueryExpr::Form::kExists;
      out->nullable = false;
      break;
    case sc::SubqueryExpression::SUBQUERY_TYPE_IN: {
      out->form = SubqueryExpr::Form::kIn;
      if (values.size() == 1 && columns > 1 && values[0]->type.id() == TypeId::kStruct) {
        auto* c = try_as<Call>(*values[0]);
        if (c && c->function && c->function->name() == "named_struct") {
          std::vector<ExprPtr> parts;
          for (size_t i = 1; i < c->children.size(); i += 2) parts.push_back(c->children[i]);
          values = std::move(parts);
        }
      }
      if (values.size() != columns) {
        std::string left, right;
        for (const auto& v : values) left += (left.empty() ? "" : ", ") + quote_sql(pretty_sql(*v));
        for (const auto& a : out->plan->output) right += (right.empty() ? "" : ", ") + quote_sql(a.name);
        throw analysis_error("DATATYPE_MISMATCH.IN_SUBQUERY_LENGTH_MISMATCH",
                             {{"sqlExpr", quote_sql("(" + (values.size() == 1 ? pretty_sql(*values[0]) : "named_struct()") + " IN (listquery()))")},
                              {"leftLength", std::to_string(values.size())},
                              {"rightLength", std::to_string(columns)},
                              {"leftColumns", "[" + left + "]"},
                              {"rightColumns", "[" + right + "]"}});
      }
      bool cast_plan = false;
      std::vector<ExprPtr> list;
      for (size_t i = 0; i < columns; ++i) {
        auto a = out->plan->output[i];
        const DataType before = a.type;
        std::vector<ExprPtr> compared = {values[i], make_ref(a)};
        CallContext in_call{conf_, mode(), "in"};
        coerce_collations(in_call, *find_function("in"), compared);
        values[i] = compared[0];
        a.type = compared[1]->type;
        auto t = common_type(values[i]->type, a.type, conf_.ansi());
        // Structs may differ in the names of their fields.
        if (!t && values[i]->type.structurally_equal(a.type)) t = values[i]->type;
        if (!t) {
          std::string left, right;
          for (const auto& v : values) left += (left.empty() ? "" : ", ") + quote_sql(v->type.sql());
          for (const auto& x : out->plan->output) right += (right.empty() ? "" : ", ") + quote_sql(x.type.sql());
          out->children = values;
          throw analysis_error("DATATYPE_MISMATCH.IN_SUBQUERY_DATA_TYPE_MISMATCH",
                               {{"sqlExpr", quote_sql(pretty_sql(*out))}, {"mismatchedColumns", "[(" + pretty_sql(*values[i]) + ":" + values[i]->type.catalog_string() + ", " + a.name + ":" + a.type.catalog_string() + ")]"}, {"leftType", "[" + left + "]"}, {"rightType", "[" + right + "]"}});
        }
        if (!values[i]->type.structurally_equal(*t)) values[i] = make_cast(values[i], *t, mode());
        auto ref = make_ref(out->plan->output[i]);
        if (!before.same_type(*t)) {
          cast_plan = true;
          list.push_back(make_alias(make_cast(ref, *t, mode()), a.name));
        } else {
          list.push_back(ref);
        }
        out->nullable = false;
      }
      if (cast_plan) out->plan = make_project(out->plan, std::move(list));
      for (size_t i = 0; i < columns; ++i) out->nullable = out->nullable || values[i]->nullable || out->plan->output[i].nullable;
      out->children = std::move(values);
      break;
    }
    default: throw analysis_error("UNSUPPORTED_SUBQUERY_EXPRESSION_CATEGORY.UNSUPPORTED_TABLE_ARGUMENT", {{"treeNode", ""}});
  }
  check_correlation(out->plan, false);
  // At most one row is checked when the query runs (SCALAR_SUBQUERY_TOO_MANY_ROWS), correlated or not.
  return out;
}

}  // namespace tarn::plan
