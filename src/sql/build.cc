#include "sql/build.h"

#include <set>

#include "sql/parser.h"

namespace tarn::sql {

namespace sc = spark::connect;

ExprPtr string_expr(std::string value) {
  auto e = new_expr();
  e->mutable_literal()->set_string(std::move(value));
  return e;
}

ExprPtr int_expr(int32_t value) {
  auto e = new_expr();
  e->mutable_literal()->set_integer(value);
  return e;
}

ExprPtr bool_expr(bool value) {
  auto e = new_expr();
  e->mutable_literal()->set_boolean(value);
  return e;
}

ExprPtr function_expr(std::string name, ExprList arguments) {
  auto e = new_expr();
  auto* f = e->mutable_unresolved_function();
  f->set_function_name(std::move(name));
  for (auto& a : arguments) f->mutable_arguments()->AddAllocated(a.release());
  return e;
}

ExprPtr attribute_expr(const std::vector<std::string>& parts) {
  auto e = new_expr();
  e->mutable_unresolved_attribute()->set_unparsed_identifier(unparse_identifier(parts));
  return e;
}

ExprPtr alias_expr(ExprPtr child, std::string name) {
  auto e = new_expr();
  auto* a = e->mutable_alias();
  a->set_allocated_expr(child.release());
  a->add_name(std::move(name));
  return e;
}

ExprPtr pack(const Expr& extension) {
  auto e = new_expr();
  e->mutable_extension()->PackFrom(extension);
  return e;
}

RelPtr pack(const Rel& extension) {
  auto r = new_rel();
  r->mutable_extension()->PackFrom(extension);
  return r;
}

RelPtr alias_rel(RelPtr input, std::string name) {
  auto r = new_rel();
  r->mutable_subquery_alias()->set_allocated_input(input.release());
  r->mutable_subquery_alias()->set_alias(std::move(name));
  return r;
}

const std::string* as_string_literal(const sc::Expression& e) {
  return e.has_literal() && e.literal().literal_type_case() == sc::Expression::Literal::kString ? &e.literal().string() : nullptr;
}

bool is_null_literal(const sc::Expression& e) { return e.has_literal() && e.literal().literal_type_case() == sc::Expression::Literal::kNull; }

bool is_literal_like(const sc::Expression& e) {
  static const std::set<std::string> kOperators = {"+", "-", "*", "/", "%", "div", "negative", "positive", "~", "concat", "&", "|", "^", "<<", ">>", ">>>",
                                                   "==", "<=>", "<", "<=", ">", ">=", "and", "or", "not", "when"};
  if (e.has_literal()) return true;
  if (e.has_cast()) return is_literal_like(e.cast().expr());
  if (e.has_unresolved_function() && kOperators.count(e.unresolved_function().function_name())) {
    for (const auto& a : e.unresolved_function().arguments())
      if (!is_literal_like(a)) return false;
    return true;
  }
  if (e.has_extension()) {
    Expr x;
    return unpack(e, &x) && (x.has_zoned_timestamp() || x.has_special_datetime() || x.has_parameter_marker());
  }
  return false;
}

std::vector<std::string> attribute_parts(const sc::Expression& e) {
  if (!e.has_unresolved_attribute()) return {};
  return parse_attribute_name(e.unresolved_attribute().unparsed_identifier());
}

void walk(const sc::Expression& e, const std::function<void(const sc::Expression&)>& f) {
  f(e);
  switch (e.expr_type_case()) {
    case sc::Expression::kUnresolvedFunction:
      for (const auto& a : e.unresolved_function().arguments()) walk(a, f);
      break;
    case sc::Expression::kCallFunction:
      for (const auto& a : e.call_function().arguments()) walk(a, f);
      break;
    case sc::Expression::kAlias: walk(e.alias().expr(), f); break;
    case sc::Expression::kCast: walk(e.cast().expr(), f); break;
    case sc::Expression::kSortOrder: walk(e.sort_order().child(), f); break;
    case sc::Expression::kLambdaFunction: walk(e.lambda_function().function(), f); break;
    case sc::Expression::kNamedArgumentExpression: walk(e.named_argument_expression().value(), f); break;
    case sc::Expression::kUnresolvedExtractValue:
      walk(e.unresolved_extract_value().child(), f);
      walk(e.unresolved_extract_value().extraction(), f);
      break;
    case sc::Expression::kWindow:
      walk(e.window().window_function(), f);
      for (const auto& p : e.window().partition_spec()) walk(p, f);
      for (const auto& o : e.window().order_spec()) walk(o.child(), f);
      break;
    case sc::Expression::kSubqueryExpression:
      for (const auto& v : e.subquery_expression().in_subquery_values()) walk(v, f);
      break;
    case sc::Expression::kExtension: {
      Expr x;
      if (!unpack(e, &x)) break;
      if (x.has_function_call()) {
        for (const auto& a : x.function_call().arguments()) walk(a, f);
        if (x.function_call().has_filter()) walk(x.function_call().filter(), f);
        for (const auto& o : x.function_call().within_group()) walk(o.child(), f);
      } else if (x.has_window_reference()) {
        walk(x.window_reference().function(), f);
      } else if (x.has_pipe_expression()) {
        walk(x.pipe_expression().child(), f);
      } else if (x.has_semi_structured_extract()) {
        walk(x.semi_structured_extract().child(), f);
      }
      break;
    }
    default: break;
  }
}

}  // namespace tarn::sql
