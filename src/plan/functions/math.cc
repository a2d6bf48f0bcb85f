#include <algorithm>

#include "plan/functions/entry.h"
#include "plan/functions/families.h"

namespace tarn::plan {
namespace {

// Rounding to a constant scale. Source: RoundBase.
TypedCall rounded(const CallContext& c, std::vector<ExprPtr>& args) {
  expect_foldable(c, args, 1, "scale", TypeId::kInt);
  const DataType& t = args[0]->type;
  const bool nullable = true;  // Spark says so of every rounding, because a decimal may not fit
  if (t.id() != TypeId::kDecimal) return {t, nullable};
  int digits = static_cast<int>(constant_integer(*args[1]).value_or(0));
  int whole = t.precision() - t.scale() + 1;
  if (digits < 0) return {DataType::decimal(std::min(38, std::max(whole, -digits + 1)), 0), nullable};
  int scale = std::min(t.scale(), digits);
  return {DataType::decimal(std::min(38, whole + scale), scale), nullable};
}

template <const char* const& Decimal, const char* const& Other> TypedCall round_rule(const CallContext& c, std::vector<ExprPtr>& args) {
  static const FunctionEntry decimal{"round", FunctionKind::kScalar, "", Decimal, kHidden};
  static const FunctionEntry other{"round", FunctionKind::kScalar, "", Other, kHidden};
  TypedCall r = rounded(c, args);
  r.variant = args[0]->type.id() == TypeId::kDecimal ? &decimal : &other;
  return r;
}
const char* const kHalfUpDecimal = "spark_round_decimal($1, $2, $p, $s, 'half_up', $mode)";
const char* const kHalfUp = "spark_round($1, $2, $mode)";
const char* const kHalfEvenDecimal = "spark_round_decimal($1, $2, $p, $s, 'half_even', $mode)";
const char* const kHalfEven = "spark_bround($1, $2, $mode)";

// ceil and floor: BIGINT of integers and doubles, a decimal of decimals; with a scale always a decimal.
template <bool Up> TypedCall ceil_rule(const CallContext& c, std::vector<ExprPtr>& args) {
  static const FunctionEntry to_decimal{"ceil", FunctionKind::kScalar, "",
                                        Up ? "spark_round_decimal($1, 0, $p, $s, 'ceiling', $mode)" : "spark_round_decimal($1, 0, $p, $s, 'floor', $mode)", kHidden};
  static const FunctionEntry scaled{"ceil", FunctionKind::kScalar, "",
                                    Up ? "spark_round_decimal($1, $2, $p, $s, 'ceiling', $mode)" : "spark_round_decimal($1, $2, $p, $s, 'floor', $mode)", kHidden};
  static const FunctionEntry whole{"ceil", FunctionKind::kScalar, "", "$1", kHidden};
  static const FunctionEntry floating{"ceil", FunctionKind::kScalar, "", Up ? "spark_ceil($1)" : "spark_floor($1)", kHidden};
  if (args.size() == 2) {
    expect(c, args, 0, "decimal");
    expect(c, args, 1, "int");
    TypedCall r = rounded(c, args);
    r.variant = &scaled;
    return r;
  }
  expect(c, args, 0, "{double|decimal|long}");
  const DataType& t = args[0]->type;
  bool nullable = args[0]->nullable;
  if (t.id() == TypeId::kDecimal) return {t.scale() == 0 ? t : bounded_decimal(t.precision() - t.scale() + 1, 0), nullable, &to_decimal};
  return {TypeId::kLong, nullable, t.id() == TypeId::kLong ? &whole : &floating};
}

TypedCall abs_rule(const CallContext& c, std::vector<ExprPtr>& args) {
  static const FunctionEntry interval{"abs", FunctionKind::kScalar, "", "abs($1)", kHidden};
  if (args[0]->type.is_string()) cast_to(c, args[0], TypeId::kDouble);
  expect(c, args, 0, "{numeric|daytime|yearmonth}");
  return {args[0]->type, args[0]->nullable, args[0]->type.is_ansi_interval() || args[0]->type.id() == TypeId::kDecimal ? &interval : nullptr};
}

TypedCall sign_rule(const CallContext& c, std::vector<ExprPtr>& args) {
  expect(c, args, 0, "{double|daytime|yearmonth}");
  if (args[0]->type.is_ansi_interval()) {
    static const FunctionEntry interval{"signum", FunctionKind::kScalar, "", "CAST(sign($1) AS DOUBLE)", kHidden};
    return {TypeId::kDouble, args[0]->nullable, &interval};
  }
  return {TypeId::kDouble, args[0]->nullable};
}

TypedCall random_rule(const CallContext& c, std::vector<ExprPtr>& args) {
  if (!args.empty()) {
    if (!is_foldable(*args[0])) throw analysis_error("SEED_EXPRESSION_IS_UNFOLDABLE", {{"seedExpr", quote_sql(pretty_sql(*args[0]))}, {"exprWithSeed", call_sql(c, args)}});
    if (args[0]->type.id() != TypeId::kLong) args[0] = make_cast(args[0], TypeId::kLong, EvalMode::kLegacy);
  }
  return {TypeId::kDouble, false};
}

// min + (max - min) * rand(seed) as a double, cast to the wider of both types.
TypedCall uniform_rule(const CallContext& c, std::vector<ExprPtr>& args) {
  static const FunctionEntry whole{"uniform", FunctionKind::kScalar, "",
      "2: CAST(trunc(spark_uniform($1, $2, CAST(floor(random() * 9007199254740992) AS BIGINT))) AS $type) ;; 3: CAST(trunc(spark_uniform($1, $2, $3)) AS $type)", kHidden};
  static const char* names[] = {"min", "max", "seed"};
  for (size_t i = 0; i < args.size(); ++i) expect_foldable(c, args, i, names[i], args[i]->type);
  const DataType a = args[0]->type, b = args[1]->type;
  DataType t;
  if (a.is_integral() && b.is_integral()) t = std::max(a.id(), b.id());
  else if (a.id() == TypeId::kDouble || b.id() == TypeId::kDouble) t = TypeId::kDouble;
  else if (a.id() == TypeId::kFloat || b.id() == TypeId::kFloat) t = TypeId::kFloat;
  else if (a.id() == TypeId::kDecimal && b.id() == TypeId::kDecimal) t = wider_decimal(a, b).same_type(a) ? a : b;
  else t = a.id() == TypeId::kDecimal ? a : b;
  return {t, any_nullable(args), t.is_integral() ? &whole : nullptr};
}

TypedCall width_bucket_rule(const CallContext& c, std::vector<ExprPtr>& args) {
  const DataType& t = args[0]->type;
  if (t.is_ansi_interval()) {
    for (size_t i : {1u, 2u})
      if (args[i]->type.id() != t.id()) unexpected_input(c, args, i, quoted(t));
  } else {
    for (size_t i : {0u, 1u, 2u}) expect(c, args, i, "double");
  }
  expect(c, args, 3, "long");
  return {TypeId::kLong, true};
}

const FunctionEntry kTable[] = {
    scalar("abs", "(any) -> @", "spark_abs($1, $mode)", kNone, abs_rule),
    scalar("acos", "(double) -> double", "spark_acos($1)", kUpperName),
    scalar("acosh", "(double) -> double", "spark_acosh($1)", kUpperName),
    scalar("asin", "(double) -> double", "spark_asin($1)", kUpperName),
    scalar("asinh", "(double) -> double", "spark_asinh($1)", kUpperName),
    scalar("atan", "(double) -> double", "atan($1)", kUpperName),
    scalar("atan2", "(double, double) -> double", "spark_atan2($1, $2)", kUpperName),
    scalar("atanh", "(double) -> double", "spark_atanh($1)", kUpperName),
    scalar("cbrt", "(double) -> double", "cbrt($1)", kUpperName),
    scalar("cos", "(double) -> double", "spark_cos($1)", kUpperName),
    scalar("sec", "(double) -> double", "spark_sec($1)", kUpperName),
    scalar("cosh", "(double) -> double", "spark_cosh($1)", kUpperName),
    scalar("csc", "(double) -> double", "spark_csc($1)", kUpperName),
    scalar("cot", "(double) -> double", "spark_cot($1)", kUpperName),
    scalar("degrees", "(double) -> double", "spark_degrees($1)", kUpperName),
    scalar("radians", "(double) -> double", "spark_radians($1)", kUpperName),
    scalar("e", "() -> double", "exp(1.0::DOUBLE)", kNeverNull | kUpperName),
    scalar("pi", "() -> double", "pi()", kNeverNull | kUpperName),
    scalar("exp", "(double) -> double", "spark_exp($1)", kUpperName),
    scalar("expm1", "(double) -> double", "spark_expm1($1)", kUpperName),
    scalar("hypot", "(double, double) -> double", "spark_hypot($1, $2)", kUpperName),
    scalar("ln", "(double) -> double", "spark_ln($1)", kNullable),
    scalar("log", "(double) -> double | (double, double) -> double", "spark_log($1, $2)", kNullable | kUpperName,
           [](const CallContext& c, std::vector<ExprPtr>& a) -> TypedCall {
             if (a.size() == 1) a.insert(a.begin(), call(c, "e", {}, "E"));
             return {TypeId::kDouble, true}; }),
    scalar("log10", "(double) -> double", "spark_log10($1)", kNullable | kUpperName),
    scalar("log1p", "(double) -> double", "spark_log1p($1)", kNullable | kUpperName),
    scalar("log2", "(double) -> double", "spark_log2($1)", kNullable | kUpperName),
    scalar("power,pow", "(double, double) -> double", "spark_pow($1, $2)", kUpperName),
    scalar("rint", "(double) -> double", "spark_rint($1)"),
    scalar("signum,sign", "(any) -> @", "spark_signum($1)", kUpperName, sign_rule),
    scalar("sin", "(double) -> double", "spark_sin($1)", kUpperName),
    scalar("sinh", "(double) -> double", "spark_sinh($1)", kUpperName),
    scalar("sqrt", "(double) -> double", "spark_sqrt($1)", kUpperName),
    scalar("tan", "(double) -> double", "spark_tan($1)", kUpperName),
    scalar("tanh", "(double) -> double", "spark_tanh($1)", kUpperName),
    scalar("ceil,ceiling", "(expr: any, [scale: any]) -> @", "", kUpperName, ceil_rule<true>),
    scalar("floor", "(expr: any, [scale: any]) -> @", "", kUpperName, ceil_rule<false>),
    scalar("round", "(numeric, [int = 0]) -> @", "", kNone, round_rule<kHalfUpDecimal, kHalfUp>),
    scalar("bround", "(numeric, [int = 0]) -> @", "", kNone, round_rule<kHalfEvenDecimal, kHalfEven>),
    scalar("factorial", "(int) -> long", "spark_factorial($1)", kNullable),
    scalar("bin", "(long) -> string", "spark_bin($1)"),
    scalar("conv", "(string, int, int) -> string", "spark_conv($1, $2, $3, $mode)", kNullable),
    scalar("hex", "({long|binary|string}) -> string", "spark_hex($1)"),
    scalar("unhex", "(string) -> binary", "spark_unhex($1)", kNullable),
    scalar("width_bucket", "(any, any, any, any) -> @", "spark_width_bucket($1, $2, $3, $4)", kNullable, width_bucket_rule),
    scalar("rand,random", "([{int|long}]) -> @", "0: random() ;; 1: spark_rand($1)", kNondeterministic | kNeverNull | kStrict, random_rule),
    scalar("randn", "([{int|long}]) -> @", "0: spark_randn() ;; 1: spark_randn($1)", kNondeterministic | kNeverNull | kStrict, random_rule),
    scalar("uniform", "(numeric, numeric, [{int|long}]) -> @",
           "2: CAST(spark_uniform($1, $2, CAST(floor(random() * 9007199254740992) AS BIGINT)) AS $type) ;; 3: CAST(spark_uniform($1, $2, $3) AS $type)", kNondeterministic | kStrict, uniform_rule),
};

}  // namespace

FunctionTable math_functions() { return kTable; }

}  // namespace tarn::plan
