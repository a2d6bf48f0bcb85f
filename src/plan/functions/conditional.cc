#include <algorithm>
#include <cmath>

#include "plan/collation.h"
#include "plan/functions/entry.h"
#include "plan/functions/families.h"

namespace tarn::plan {
namespace {

std::string type_list(const std::vector<DataType>& types) {
  std::string list = "[";
  for (size_t i = 0; i < types.size(); ++i) list += (i ? ", " : "") + quoted(types[i]);
  return list + "]";
}

// Casts the arguments at `at` to their common type or throws DATA_DIFF_TYPES as conditional expressions word it.
DataType meet(const CallContext& c, std::vector<ExprPtr>& args, const std::vector<size_t>& at, const char* printed) {
  std::vector<DataType> types;
  for (size_t i : at) types.push_back(args[i]->type);
  bool same = std::all_of(types.begin(), types.end(), [&](const DataType& t) { return t.same_type(types[0]); });
  if (!same) {
    auto t = common_type(types, c.conf.ansi());
    if (!t) mismatch(c, args, "DATA_DIFF_TYPES", {{"functionName", quote_identifier(printed)}, {"dataType", type_list(types)}});
    for (size_t i : at)
      if (!args[i]->type.same_type(*t)) cast_to(c, args[i], *t);
    types.clear();
    for (size_t i : at) types.push_back(args[i]->type);
  }
  DataType r = types[0];
  for (const DataType& t : types)
    if (auto m = merge_nullability(r, t)) r = *m;
  return r;
}

TypedCall if_rule(const CallContext& c, std::vector<ExprPtr>& args) {
  DataType t = meet(c, args, {1, 2}, "if");
  return {t, args[1]->nullable || args[2]->nullable};
}

TypedCall case_rule(const CallContext& c, std::vector<ExprPtr>& args) {
  std::vector<size_t> values;
  const bool has_else = args.size() % 2 == 1;
  for (size_t i = 1; i < args.size(); i += 2) values.push_back(i);
  if (has_else) values.push_back(args.size() - 1);
  for (size_t i = 0; i + 1 < args.size(); i += 2) {
    if (args[i]->type.id() != TypeId::kBoolean) unexpected_input(c, args, i, "\"BOOLEAN\"");  // not even NULL
  }
  DataType t = meet(c, args, values, "casewhen");
  bool nullable = !has_else;
  for (size_t i : values) nullable |= args[i]->nullable;
  return {t, nullable};
}

TypedCall coalesce_rule(const CallContext& c, std::vector<ExprPtr>& args) {
  DataType t = unify(c, args);
  return {t, all_nullable(args)};
}

TypedCall nvl2_rule(const CallContext& c, std::vector<ExprPtr>& args) {
  DataType t = meet(c, args, {1, 2}, "if");
  return {t, args[1]->nullable || args[2]->nullable};
}

ExprPtr nullif_rewrite(const CallContext& c, std::vector<ExprPtr>& args) {
  return call(c, "if", {call(c, "=", {args[0], args[1]}), make_null(args[0]->type), args[0]});
}

TypedCall greatest_rule(const CallContext& c, std::vector<ExprPtr>& args) {
  if (args.size() < 2) wrong_number_of_arguments(c.name, "> 1", args.size());
  DataType t = unify(c, args, 0, false);
  expect_orderable(c, args, t);
  return {t, all_nullable(args)};
}

TypedCall nanvl_rule(const CallContext& c, std::vector<ExprPtr>& args) {
  auto floating = [](const ExprPtr& e) { return e->type.id() == TypeId::kFloat || e->type.id() == TypeId::kDouble; };
  for (size_t i = 0; i < 2; ++i)
    if (!floating(args[i])) expect(c, args, i, "{double|float}");
  DataType t = args[0]->type.id() == TypeId::kFloat && args[1]->type.id() == TypeId::kFloat ? DataType(TypeId::kFloat) : DataType(TypeId::kDouble);
  cast_to(c, args[0], t);
  cast_to(c, args[1], t);
  return {t, any_nullable(args)};
}

const FunctionEntry kTable[] = {
    scalar("coalesce", "(any+) -> @", "coalesce($*)", kNullTolerant, coalesce_rule),
    scalar("nvl,ifnull", "(any, any) -> @", "coalesce($1, $2)", kNullTolerant, coalesce_rule),
    scalar("nvl2", "(any, any, any) -> @", "(CASE WHEN $1 IS NOT NULL THEN $2 ELSE $3 END)", kNullTolerant, nvl2_rule),
    scalar("if", "(boolean, any, any) -> @", "(CASE WHEN $1 THEN $2 ELSE $3 END)", kNullTolerant, if_rule),
    scalar("when,case", "(any, any+) -> @", "@case_when", kNullTolerant, case_rule),
    rewrite("nullif", "(any, any) -> @", nullif_rewrite),
    scalar("greatest", "(any...) -> @", "greatest($*)", kNullTolerant, greatest_rule),
    scalar("least", "(any...) -> @", "least($*)", kNullTolerant, greatest_rule),
    scalar("isnan", "({double|float}) -> boolean", "coalesce(isnan($1), false)", kNeverNull),
    scalar("nanvl", "(any, any) -> @", "(CASE WHEN isnan($1) THEN $2 ELSE $1 END)", kNone, nanvl_rule),
    rewrite("zeroifnull", "(any) -> @", [](const CallContext& c, std::vector<ExprPtr>& a) { return call(c, "coalesce", {a[0], make_int(0)}); }),
    rewrite("nullifzero", "(any) -> @", [](const CallContext& c, std::vector<ExprPtr>& a) {
      return call(c, "if", {call(c, "=", {a[0], make_int(0)}), make_null(a[0]->type), a[0]}); }),
};

}  // namespace

FunctionTable conditional_functions() { return kTable; }

std::optional<int64_t> constant_integer(const Expression& e) {
  if (const auto* l = try_as<Literal>(e)) {
    if (const auto* v = std::get_if<int64_t>(&l->value.v)) return *v;
    return std::nullopt;
  }
  if (const auto* x = try_as<Cast>(e); x && e.type.is_integral()) {
    const auto* l = try_as<Literal>(*e.children[0]);
    const auto* v = l ? std::get_if<double>(&l->value.v) : nullptr;
    if (v && std::abs(*v) < 9e15) return static_cast<int64_t>(*v);
    return constant_integer(*e.children[0]);
  }
  if (const auto* x = try_as<Call>(e); x && e.children.size() == 1 && (x->name == "negative" || x->name == "-" || x->name == "+" || x->name == "positive")) {
    auto v = constant_integer(*e.children[0]);
    return v && (x->name == "negative" || x->name == "-") ? -*v : v;
  }
  return std::nullopt;
}

std::optional<std::string> constant_string(const Expression& e) {
  if (const auto* l = try_as<Literal>(e)) {
    if (const auto* v = std::get_if<std::string>(&l->value.v)) return *v;
    return std::nullopt;
  }
  if (e.kind == ExprKind::kAlias || (e.kind == ExprKind::kCast && e.type.is_string())) return constant_string(*e.children[0]);
  return std::nullopt;
}

std::optional<bool> constant_boolean(const Expression& e) {
  if (const auto* l = try_as<Literal>(e))
    if (const auto* v = std::get_if<bool>(&l->value.v)) return *v;
  return std::nullopt;
}

ExprPtr printed_as(const ExprPtr& e, std::string text) {
  auto copy = std::const_pointer_cast<Expression>(with_children(e, e->children));
  copy->text = std::move(text);
  return copy;
}

bool is_null_literal(const Expression& e) {
  if (const auto* l = try_as<Literal>(e)) return l->value.is_null();
  return e.kind == ExprKind::kCast && is_null_literal(*e.children[0]);
}

bool is_collated(const DataType& t) { return has_collation(t); }

}  // namespace tarn::plan
