// Operators: how operand types meet (Spark's BinaryOperator coercion), and the variant that computes each pair of types.
#include <algorithm>

#include "plan/functions/entry.h"
#include "plan/functions/families.h"

namespace tarn::plan {
namespace {

bool is_interval(const DataType& t) { return t.is_ansi_interval() || t.id() == TypeId::kCalendarInterval; }
bool is_ts(const DataType& t) { return t.id() == TypeId::kTimestamp || t.id() == TypeId::kTimestampNtz; }
bool is_date(const DataType& t) { return t.id() == TypeId::kDate; }
bool is_day_only(const DataType& t) { return t.id() == TypeId::kDayTimeInterval && t.start_field() == kDay && t.end_field() == kDay; }
bool is_calendar(const DataType& t) { return t.id() == TypeId::kCalendarInterval; }
bool is_ym(const DataType& t) { return t.id() == TypeId::kYearMonthInterval; }
bool is_dt(const DataType& t) { return t.id() == TypeId::kDayTimeInterval; }
bool is_null(const DataType& t) { return t.id() == TypeId::kNull; }
bool is_atomic(const DataType& t) {
  return !is_null(t) && !t.is_nested() && t.id() != TypeId::kUdt && !is_calendar(t) && t.id() != TypeId::kVariant;
}

// ---- coercion of two operands

enum class Class : uint8_t { kArithmetic, kComparison, kLogical, kBitwise };

std::optional<DataType> ansi_string_promotion(const DataType& a, const DataType& b) {
  if (a.is_string() == b.is_string()) return a.is_string() ? tightest_type(a, b, true) : std::nullopt;
  const DataType& s = a.is_string() ? a : b;
  const DataType& o = a.is_string() ? b : a;
  if (o.is_integral()) return DataType(TypeId::kLong);
  if (o.is_fractional()) return DataType(TypeId::kDouble);
  if (is_null(o)) return s;
  if (o.is_ansi_interval() || !is_atomic(o)) return std::nullopt;
  return o;
}

std::optional<DataType> legacy_comparison_type(const DataType& a, const DataType& b) {
  if (a.is_string() && b.is_string()) return tightest_type(a, b, false);
  const bool sa = a.is_string(), sb = b.is_string();
  if (!sa && !sb) {
    if ((a.id() == TypeId::kTimestamp && is_date(b)) || (is_date(a) && b.id() == TypeId::kTimestamp)) return DataType(TypeId::kTimestamp);
    return std::nullopt;
  }
  const DataType& s = sa ? a : b;
  const DataType& o = sa ? b : a;
  if (is_null(o)) return s;
  if (o.id() == TypeId::kDecimal && o.scale() > 0) return DataType(TypeId::kDouble);
  if (o.is_ansi_interval() || !is_atomic(o)) return std::nullopt;
  return o;
}

// The decimal strictly needed by an integer literal.
DataType decimal_of_literal(const Literal& l) {
  if (l.value.is_null()) return decimal_for(l.type.id());
  int64_t v = l.value.get<int64_t>();
  int digits = 1;
  while (v /= 10) ++digits;
  return DataType::decimal(digits, 0);
}

void decimal_precision(const CallContext& c, std::vector<ExprPtr>& args, Class cls) {
  const DataType a = args[0]->type, b = args[1]->type;
  const bool da = a.id() == TypeId::kDecimal, db = b.id() == TypeId::kDecimal;
  if (da && db) {
    if (cls == Class::kComparison && a != b) {
      DataType w = wider_decimal(a, b);
      cast_to(c, args[0], w);
      cast_to(c, args[1], w);
    }
    return;
  }
  if (!da && !db) return;
  ExprPtr& other = da ? args[1] : args[0];
  ExprPtr& decimal = da ? args[0] : args[1];
  if (other->type.is_integral()) {
    const Literal* l = try_as<Literal>(other);
    cast_to(c, other, l && c.conf.flag("spark.sql.legacy.literal.pickMinimumPrecision") ? decimal_of_literal(*l) : decimal_for(other->type.id()));
  } else if (other->type.id() == TypeId::kFloat || other->type.id() == TypeId::kDouble) {
    cast_to(c, decimal, TypeId::kDouble);
  }
}

void coerce_operands(const CallContext& c, std::vector<ExprPtr>& args, Class cls, const TypeSpec& input) {
  const bool ansi = c.conf.ansi();
  for (int round = 0; round < 3; ++round) {
    const DataType a0 = args[0]->type, b0 = args[1]->type;
    auto both = [&](const DataType& t) {
      cast_to(c, args[0], t);
      cast_to(c, args[1], t);
    };
    if (a0.is_string() || b0.is_string() || !ansi) {
      if (ansi) {
        if (auto t = ansi_string_promotion(a0, b0)) both(*t);
      } else if (cls == Class::kArithmetic || cls == Class::kBitwise) {
        if (a0.is_string() && !is_interval(b0)) cast_to(c, args[0], TypeId::kDouble);
        else if (b0.is_string() && !is_interval(a0)) cast_to(c, args[1], TypeId::kDouble);
      } else if (cls == Class::kComparison) {
        if (auto t = legacy_comparison_type(a0, b0)) both(*t);
      }
    }
    decimal_precision(c, args, cls);
    const DataType a = args[0]->type, b = args[1]->type;
    const bool da = a.id() == TypeId::kDecimal, db = b.id() == TypeId::kDecimal;
    if (((da && is_null(b)) || (is_null(a) && db)) || (!da && !db && a != b)) {
      if (auto t = tightest_type(a, b, ansi); t && accepts(input, *t)) both(*t);
    }
    if (args[0]->type == a0 && args[1]->type == b0) break;
  }
}

void check_operands(const CallContext& c, const std::vector<ExprPtr>& args, bool same, const TypeSpec& input) {
  const DataType &a = args[0]->type, &b = args[1]->type;
  if (!same) mismatch(c, args, "BINARY_OP_DIFF_TYPES", {{"left", quoted(a)}, {"right", quoted(b)}});
  if (!accepts(input, a)) mismatch(c, args, "BINARY_OP_WRONG_TYPE", {{"inputType", sql_name(input)}, {"actualDataType", quoted(a)}});
}

TypeSpec spec(std::string_view text) { return parse_signature("(" + std::string(text) + ") -> @").alternatives[0].parameters[0].type; }

// ---- variants: hidden entries that compute an operator for certain types

#define VARIANT(id, text, ...) const FunctionEntry id{text, FunctionKind::kScalar, "", __VA_ARGS__}
constexpr uint32_t kOp = kHidden | kOperator;

// Integers overflow: DuckDB's own operator raises; kernels wrap (legacy) or give null (try).
VARIANT(kAddInt, "+", "($1 + $2)", kOp, nullptr, nullptr, "spark_add_wrap($1, $2)", "spark_try_add($1, $2)");
VARIANT(kSubtractInt, "-", "($1 - $2)", kOp, nullptr, nullptr, "spark_subtract_wrap($1, $2)", "spark_try_subtract($1, $2)");
VARIANT(kMultiplyInt, "*", "($1 * $2)", kOp, nullptr, nullptr, "spark_multiply_wrap($1, $2)", "spark_try_multiply($1, $2)");
VARIANT(kAddFloat, "+", "($1 + $2)", kOp);
VARIANT(kSubtractFloat, "-", "($1 - $2)", kOp);
VARIANT(kMultiplyFloat, "*", "($1 * $2)", kOp);
VARIANT(kDivideFloat, "/", "spark_divide($1, $2)", kOp, nullptr, nullptr, "spark_try_divide($1, $2)", "spark_try_divide($1, $2)");
VARIANT(kAddDecimal, "+", "spark_decimal_add($1, $2, $p, $s, $mode)", kOp);
VARIANT(kSubtractDecimal, "-", "spark_decimal_subtract($1, $2, $p, $s, $mode)", kOp);
VARIANT(kMultiplyDecimal, "*", "spark_decimal_multiply($1, $2, $p, $s, $mode)", kOp);
VARIANT(kDivideDecimal, "/", "spark_decimal_divide($1, $2, $p, $s, $mode)", kOp);
// By a constant that is neither 0 nor -1: nothing to check in any row.
VARIANT(kRemainderConstant, "%", "($1 % $2)", kOp);
VARIANT(kRemainderDecimal, "%", "spark_decimal_remainder($1, $2, $p, $s, $mode)", kOp);
VARIANT(kPmodDecimal, "pmod", "spark_decimal_pmod($1, $2, $p, $s, $mode)", kHidden);
VARIANT(kDivDecimal, "div", "spark_decimal_div($1, $2, $mode)", kOp);
VARIANT(kAddCalendar, "+", "spark_calendar_add($1, $2, $mode)", kOp);
VARIANT(kSubtractCalendar, "-", "spark_calendar_subtract($1, $2, $mode)", kOp);
VARIANT(kAddInterval, "+", "spark_interval_add($1, $2, $mode)", kOp);
VARIANT(kSubtractInterval, "-", "spark_interval_subtract($1, $2, $mode)", kOp);
VARIANT(kNegateInt, "-", "(-$1)", kOp, nullptr, nullptr, "spark_negate_wrap($1)", "");
VARIANT(kNegateOther, "-", "(-$1)", kOp);
VARIANT(kNegateInterval, "-", "spark_interval_negate($1)", kOp);
VARIANT(kNegateCalendar, "-", "spark_calendar_negate($1, $mode)", kOp);

#define COMPARISON(id, op, text) \
  VARIANT(id, op, text, kOp)
COMPARISON(kEqualCollated, "=", "($k1 = $k2)");
COMPARISON(kNullSafeCollated, "<=>", "($k1 IS NOT DISTINCT FROM $k2)");
COMPARISON(kLessCollated, "<", "($k1 < $k2)");
COMPARISON(kLessEqualCollated, "<=", "($k1 <= $k2)");
COMPARISON(kGreaterCollated, ">", "($k1 > $k2)");
COMPARISON(kGreaterEqualCollated, ">=", "($k1 >= $k2)");

bool nullable_arithmetic(const CallContext& c, const std::vector<ExprPtr>& args) {
  if (any_nullable(args) || c.mode == EvalMode::kTry) return true;
  return args[0]->type.id() == TypeId::kDecimal && c.mode != EvalMode::kAnsi;
}

DataType wider_interval(const DataType& a, const DataType& b) {
  if (is_ym(a)) return DataType::year_month(std::min(a.start_field(), b.start_field()), std::max(a.end_field(), b.end_field()));
  if (is_dt(a)) return DataType::day_time(std::min(a.start_field(), b.start_field()), std::max(a.end_field(), b.end_field()));
  return a;
}

// + - * %, pmod on operands of one type.
TypedCall arithmetic(const CallContext& c, std::vector<ExprPtr>& args, char op) {
  static const TypeSpec additive = spec("{numeric|daytime|yearmonth|interval}"), numeric = spec("numeric");
  const TypeSpec& input = op == '+' || op == '-' ? additive : numeric;
  coerce_operands(c, args, Class::kArithmetic, input);
  const DataType a = args[0]->type, b = args[1]->type;
  const bool decimals = a.id() == TypeId::kDecimal && b.id() == TypeId::kDecimal;
  const bool intervals = a.is_ansi_interval() && a.id() == b.id();
  check_operands(c, args, decimals || intervals || a.same_type(b), input);
  TypedCall r;
  r.nullable = nullable_arithmetic(c, args);
  if (decimals) {
    r.type = decimal_result(op == 'p' ? '%' : op, a, b, c.conf.flag("spark.sql.decimalOperations.allowPrecisionLoss"));
    switch (op) {
      case '+': r.variant = &kAddDecimal; break;
      case '-': r.variant = &kSubtractDecimal; break;
      case '*': r.variant = &kMultiplyDecimal; break;
      case '%': r.variant = &kRemainderDecimal; break;
      default: r.variant = &kPmodDecimal;
    }
    if (op == '%' || op == 'p') r.nullable = true;
    return r;
  }
  r.type = intervals ? wider_interval(a, b) : a;
  if (op == '%' || op == 'p') {
    r.nullable = true;
    return r;
  }
  if (intervals) r.variant = op == '+' ? &kAddInterval : &kSubtractInterval;
  else if (is_calendar(a)) r.variant = op == '+' ? &kAddCalendar : &kSubtractCalendar;
  else if (a.is_integral()) r.variant = op == '+' ? &kAddInt : op == '-' ? &kSubtractInt : &kMultiplyInt;
  else r.variant = op == '+' ? &kAddFloat : op == '-' ? &kSubtractFloat : &kMultiplyFloat;
  return r;
}

TypedCall add_rule(const CallContext& c, std::vector<ExprPtr>& args) { return arithmetic(c, args, '+'); }
TypedCall multiply_rule(const CallContext& c, std::vector<ExprPtr>& args) { return arithmetic(c, args, '*'); }
TypedCall remainder_rule(const CallContext& c, std::vector<ExprPtr>& args) {
  TypedCall r = arithmetic(c, args, '%');
  const auto by = constant_integer(*args[1]);
  // The value as the type holds it: a cast may wrap.
  const bool held = by && (r.type.id() == TypeId::kLong || (r.type.id() == TypeId::kInt && *by == static_cast<int32_t>(*by)));
  if (held && !r.variant && *by != 0 && *by != -1) r.variant = &kRemainderConstant;
  return r;
}
TypedCall pmod_rule(const CallContext& c, std::vector<ExprPtr>& args) { return arithmetic(c, args, 'p'); }

TypedCall negate_rule(const CallContext& c, std::vector<ExprPtr>& args) {
  static const TypeSpec input = spec("{numeric|daytime|yearmonth|interval}");
  if (args[0]->type.is_string()) cast_to(c, args[0], TypeId::kDouble);
  auto t = implicit_cast(args[0]->type, input, c.conf.ansi());
  if (!t) unexpected_input(c, args, 0, sql_name(input));
  cast_to(c, args[0], *t);
  TypedCall r{*t, args[0]->nullable};
  r.variant = t->is_integral() ? &kNegateInt : t->is_ansi_interval() ? &kNegateInterval : is_calendar(*t) ? &kNegateCalendar : &kNegateOther;
  return r;
}

TypedCall subtract_rule(const CallContext& c, std::vector<ExprPtr>& args) {
  return args.size() == 1 ? negate_rule(c, args) : arithmetic(c, args, '-');
}

TypedCall divide_rule(const CallContext& c, std::vector<ExprPtr>& args) {
  static const TypeSpec input = spec("{double|decimal}");
  auto numeric_or_null = [](const DataType& t) { return t.is_numeric() || is_null(t); };
  for (int i = 0; i < 2; ++i) {
    // Integers meet in double before the common type of the pair is looked for.
    const DataType &a = args[0]->type, &b = args[1]->type;
    bool decimals = a.id() == TypeId::kDecimal || b.id() == TypeId::kDecimal;
    if (!decimals && numeric_or_null(a) && numeric_or_null(b)) {
      cast_to(c, args[0], TypeId::kDouble);
      cast_to(c, args[1], TypeId::kDouble);
    }
    coerce_operands(c, args, Class::kArithmetic, input);
  }
  const DataType a = args[0]->type, b = args[1]->type;
  const bool decimals = a.id() == TypeId::kDecimal && b.id() == TypeId::kDecimal;
  check_operands(c, args, decimals || a.same_type(b), input);
  TypedCall r;
  r.nullable = true;
  if (decimals) {
    r.type = decimal_result('/', a, b, c.conf.flag("spark.sql.decimalOperations.allowPrecisionLoss"));
    r.variant = &kDivideDecimal;
  } else {
    r.type = a;
    r.variant = &kDivideFloat;
  }
  return r;
}

TypedCall integral_divide_rule(const CallContext& c, std::vector<ExprPtr>& args) {
  static const TypeSpec input = spec("{long|decimal|yearmonth|daytime}");
  auto small = [](const DataType& t) { return t.id() == TypeId::kByte || t.id() == TypeId::kShort || t.id() == TypeId::kInt; };
  for (int i = 0; i < 2; ++i) {
    coerce_operands(c, args, Class::kArithmetic, input);
    for (ExprPtr& e : args)
      if (small(e->type)) cast_to(c, e, TypeId::kLong);
  }
  const DataType a = args[0]->type, b = args[1]->type;
  const bool decimals = a.id() == TypeId::kDecimal && b.id() == TypeId::kDecimal;
  check_operands(c, args, decimals || a.same_type(b) || (a.is_ansi_interval() && a.id() == b.id()), input);
  return {TypeId::kLong, true, decimals ? &kDivDecimal : nullptr};
}

TypedCall logical_rule(const CallContext& c, std::vector<ExprPtr>& args) {
  static const TypeSpec input = spec("boolean");
  coerce_operands(c, args, Class::kLogical, input);
  check_operands(c, args, args[0]->type.same_type(args[1]->type), input);
  return {TypeId::kBoolean, any_nullable(args)};
}

TypedCall bitwise_rule(const CallContext& c, std::vector<ExprPtr>& args) {
  static const TypeSpec input = spec("integral");
  coerce_operands(c, args, Class::kBitwise, input);
  check_operands(c, args, args[0]->type.same_type(args[1]->type), input);
  return {args[0]->type, any_nullable(args)};
}

std::string_view symbol(std::string_view name) { return name == "==" ? "=" : name; }

TypedCall comparison_rule(const CallContext& given, std::vector<ExprPtr>& args) {
  static const TypeSpec input = spec("any");
  CallContext c{given.conf, given.mode, symbol(given.name)};
  coerce_operands(c, args, Class::kComparison, input);
  if (!args[0]->type.structurally_equal(args[1]->type)) check_operands(c, args, false, input);
  expect_orderable(c, args, args[0]->type);
  TypedCall r{TypeId::kBoolean, c.name == "<=>" ? false : any_nullable(args)};
  if (is_collated(args[0]->type)) {
    r.variant = c.name == "=" ? &kEqualCollated : c.name == "<=>" ? &kNullSafeCollated : c.name == "<" ? &kLessCollated
              : c.name == "<=" ? &kLessEqualCollated : c.name == ">" ? &kGreaterCollated : &kGreaterEqualCollated;
  }
  return r;
}

// Legacy mode compares booleans with numbers.
ExprPtr boolean_equality(const CallContext& c, std::vector<ExprPtr>& args) {
  if (c.conf.ansi()) return nullptr;
  for (int i = 0; i < 2; ++i) {
    ExprPtr &b = args[static_cast<size_t>(i)], &n = args[static_cast<size_t>(1 - i)];
    if (b->type.id() == TypeId::kBoolean && n->type.is_numeric()) cast_to(c, b, n->type);
  }
  return nullptr;
}

ExprPtr not_equal(const CallContext& c, std::vector<ExprPtr>& args) { return call(c, "not", {call(c, "=", std::move(args))}); }

TypedCall in_rule(const CallContext& c, std::vector<ExprPtr>& args) {
  bool same = std::all_of(args.begin(), args.end(), [&](const ExprPtr& e) { return e->type == args[0]->type; });
  if (!same) {
    std::vector<DataType> types;
    for (const ExprPtr& e : args) types.push_back(e->type);
    if (auto t = common_type(types, c.conf.ansi()))
      for (ExprPtr& e : args) cast_to(c, e, *t);
  }
  for (const ExprPtr& e : args) {
    if (e->type.structurally_equal(args[0]->type)) continue;
    std::string list = "[";
    for (size_t i = 0; i < args.size(); ++i) list += (i ? ", " : "") + quoted(args[i]->type);
    mismatch(c, args, "DATA_DIFF_TYPES", {{"functionName", quote_identifier("in")}, {"dataType", list + "]"}});
  }
  expect_orderable(c, args, args[0]->type);
  static const FunctionEntry collated{"in", FunctionKind::kScalar, "", "@in_collated", kHidden};
  return {TypeId::kBoolean, any_nullable(args), is_collated(args[0]->type) ? &collated : nullptr};
}

ExprPtr between_rewrite(const CallContext& c, std::vector<ExprPtr>& args) {
  return call(c, "and", {call(c, ">=", {args[0], args[1]}), call(c, "<=", {args[0], args[2]})});
}

// ---- dates, times and intervals. Source: BinaryArithmeticWithDatetimeResolver.

ExprPtr negate(const CallContext& c, const ExprPtr& e) { return call(c, "-", {e}); }

ExprPtr timestamp_plus(const CallContext& c, ExprPtr ts, ExprPtr interval) {
  if (ts->type.is_string()) cast_to(c, ts, TypeId::kTimestamp);
  return call(c, "timestamp_add_interval", {std::move(ts), std::move(interval)}, "+");
}
ExprPtr date_plus_days(const CallContext& c, const ExprPtr& date, const ExprPtr& interval) {
  return call(c, "date_add", {date, call(c, "extractansiintervaldays", {interval})});
}

ExprPtr add_rewrite(const CallContext& c, std::vector<ExprPtr>& args) {
  const ExprPtr l = args[0], r = args[1];
  const DataType &a = l->type, &b = r->type;
  auto timestamp_of = [&](ExprPtr e) { cast_to(c, e, TypeId::kTimestamp); return e; };
  if (is_date(a) && is_day_only(b)) return date_plus_days(c, l, r);
  if (is_date(a) && is_dt(b)) return timestamp_plus(c, timestamp_of(l), r);
  if (is_day_only(a) && is_date(b)) return date_plus_days(c, r, l);
  if (is_dt(a) && is_date(b)) return timestamp_plus(c, timestamp_of(r), l);
  if (is_date(a) && is_ym(b)) return call(c, "date_add_ym_interval", {l, r}, "+");
  if (is_ym(a) && is_date(b)) return call(c, "date_add_ym_interval", {r, l}, "+");
  if (is_ts(a) && is_ym(b)) return call(c, "timestamp_add_ym_interval", {l, r}, "+");
  if (is_ym(a) && is_ts(b)) return call(c, "timestamp_add_ym_interval", {r, l}, "+");
  if ((is_calendar(a) && is_calendar(b)) || (is_dt(a) && is_dt(b))) return nullptr;
  if (is_null(a) && b.is_ansi_interval()) { args[0] = make_cast(l, b, c.mode); return nullptr; }
  if (a.is_ansi_interval() && is_null(b)) { args[1] = make_cast(r, a, c.mode); return nullptr; }
  if (is_date(a) && is_calendar(b)) return call(c, "date_add_interval", {l, r}, "+");
  if (a.id() == TypeId::kTime && is_dt(b)) return call(c, "time_add_interval", {l, r}, "+");
  if (is_dt(a) && b.id() == TypeId::kTime) return call(c, "time_add_interval", {r, l}, "+");
  if (a.is_datetime() && is_null(b)) { args[1] = make_cast(r, DataType(TypeId::kDayTimeInterval), c.mode); return call(c, "+", args); }
  if (is_null(a) && b.is_datetime()) { args[0] = make_cast(l, DataType(TypeId::kDayTimeInterval), c.mode); return call(c, "+", args); }
  if (is_calendar(b) || is_dt(b)) {
    ExprPtr sum = timestamp_plus(c, l, r);
    cast_to(c, sum, a);
    return sum;
  }
  if (is_calendar(a) && is_date(b)) return call(c, "date_add_interval", {r, l}, "+");
  if (is_calendar(a) || is_dt(a)) {
    ExprPtr sum = timestamp_plus(c, r, l);
    cast_to(c, sum, b);
    return sum;
  }
  if (is_date(a) && !b.is_string()) return call(c, "date_add", {l, r});
  if (is_date(b) && !a.is_string()) return call(c, "date_add", {r, l});
  // A string is promoted first, then the dates are looked at again.
  if (is_date(a) || is_date(b)) {
    ExprPtr& text = args[is_date(a) ? 1 : 0];
    text = make_cast(text, c.conf.ansi() ? DataType(TypeId::kDate) : DataType(TypeId::kDouble), c.mode);
    return add_rewrite(c, args);
  }
  return nullptr;
}

ExprPtr subtract_rewrite(const CallContext& c, std::vector<ExprPtr>& args) {
  if (args.size() == 1) return nullptr;
  const ExprPtr l = args[0], r = args[1];
  const DataType &a = l->type, &b = r->type;
  auto cast = [&](ExprPtr e, const DataType& t) { cast_to(c, e, t); return e; };
  // Prints "l - r" while computing l + (-r).
  auto minus = [&](const char* function, ExprPtr left) { return call(c, function, {std::move(left), r}, "-"); };
  if (is_date(a) && is_day_only(b)) return call(c, "date_add", {l, negate(c, call(c, "extractansiintervaldays", {r}))});
  if (is_date(a) && is_dt(b)) return minus("timestamp_sub_interval", cast(l, TypeId::kTimestamp));
  if (is_date(a) && is_ym(b)) return minus("date_sub_ym_interval", l);
  if (is_ts(a) && is_ym(b)) return minus("timestamp_sub_ym_interval", l);
  if ((is_calendar(a) && is_calendar(b)) || (is_dt(a) && is_dt(b))) return nullptr;
  if (is_null(a) && (b.is_ansi_interval() || b.is_datetime())) { args[0] = make_cast(l, b, c.mode); return b.is_datetime() ? call(c, "-", args) : nullptr; }
  if (is_null(b) && (a.is_ansi_interval() || a.is_datetime())) { args[1] = make_cast(r, a, c.mode); return a.is_datetime() ? call(c, "-", args) : nullptr; }
  if (is_date(a) && is_calendar(b)) return minus("date_sub_interval", l);
  if (a.id() == TypeId::kTime && is_dt(b)) return minus("time_sub_interval", l);
  if (is_calendar(b) || is_dt(b)) {
    ExprPtr d = minus("timestamp_sub_interval", a.is_string() ? cast(l, TypeId::kTimestamp) : l);
    cast_to(c, d, a);
    return d;
  }
  if (is_ts(a) || is_ts(b)) {
    ExprPtr x = l, y = r;
    if (a.is_string()) x = cast(x, b);
    if (b.is_string()) y = cast(y, a);
    if (is_date(x->type)) x = cast(x, y->type);
    if (is_date(y->type)) y = cast(y, x->type);
    if (is_ts(x->type) && is_ts(y->type) && x->type != y->type) {
      x = cast(x, TypeId::kTimestampNtz);
      y = cast(y, TypeId::kTimestampNtz);
    }
    return call(c, "subtract_timestamps", {x, y}, "-");
  }
  if (is_date(b)) {
    if (a.is_string()) return call(c, "subtract_dates", {cast(l, TypeId::kDate), r}, "-");
    return call(c, "subtract_dates", {l, r}, "-");
  }
  if (is_date(a) && !b.is_string()) return call(c, "date_sub", {l, r});
  if (is_date(a) && b.is_string()) {
    args[1] = make_cast(r, c.conf.ansi() ? DataType(TypeId::kDate) : DataType(TypeId::kDouble), c.mode);
    return subtract_rewrite(c, args);
  }
  if (a.id() == TypeId::kTime && b.is_string()) return call(c, "subtract_times", {l, cast(r, a)}, "-");
  if (a.is_string() && b.id() == TypeId::kTime) return call(c, "subtract_times", {cast(l, b), r}, "-");
  if (a.id() == TypeId::kTime && b.id() == TypeId::kTime) return call(c, "subtract_times", {l, r}, "-");
  return nullptr;
}

ExprPtr multiply_rewrite(const CallContext& c, std::vector<ExprPtr>& args) {
  const DataType &a = args[0]->type, &b = args[1]->type;
  auto with = [&](const char* f, const char* printed, size_t i) { return call(c, f, {args[i], args[1 - i]}, printed); };
  if (is_calendar(a)) return with("multiply_interval", "multiply_interval", 0);
  if (is_calendar(b)) return with("multiply_interval", "multiply_interval", 1);
  if (is_ym(a)) return with("multiply_ym_interval", "*", 0);
  if (is_ym(b)) return with("multiply_ym_interval", "*", 1);
  if (is_dt(a)) return with("multiply_dt_interval", "*", 0);
  if (is_dt(b)) return with("multiply_dt_interval", "*", 1);
  return nullptr;
}

ExprPtr divide_rewrite(const CallContext& c, std::vector<ExprPtr>& args) {
  const DataType& a = args[0]->type;
  if (is_calendar(a)) return call(c, "divide_interval", args, "divide_interval");
  if (is_ym(a)) return call(c, "divide_ym_interval", args, "/");
  if (is_dt(a)) return call(c, "divide_dt_interval", args, "/");
  return nullptr;
}

TypedCall subtract_dates_rule(const CallContext& c, std::vector<ExprPtr>& args) {
  if (c.conf.flag("spark.sql.legacy.interval.enabled")) {
    static const FunctionEntry calendar{"subtract_dates", FunctionKind::kScalar, "", "spark_subtract_dates_calendar($1, $2)", kOp};
    return {TypeId::kCalendarInterval, any_nullable(args), &calendar};
  }
  return {DataType::day_time(kDay, kDay), any_nullable(args)};
}

TypedCall subtract_timestamps_rule(const CallContext& c, std::vector<ExprPtr>& args) {
  if (c.conf.flag("spark.sql.legacy.interval.enabled")) {
    static const FunctionEntry calendar{"subtract_timestamps", FunctionKind::kScalar, "",
                                        "to_microseconds(epoch_us($1) - epoch_us($2))", kOp};
    return {TypeId::kCalendarInterval, any_nullable(args), &calendar};
  }
  return {DataType(TypeId::kDayTimeInterval), any_nullable(args)};
}

TypedCall interval_scale_rule(const CallContext& c, std::vector<ExprPtr>& args) {
  DataType t = is_ym(args[0]->type) ? DataType(TypeId::kYearMonthInterval) : DataType(TypeId::kDayTimeInterval);
  if (args[1]->type.is_integral()) cast_to(c, args[1], TypeId::kLong);
  else if (args[1]->type.id() == TypeId::kFloat) cast_to(c, args[1], TypeId::kDouble);
  return {t, any_nullable(args)};
}

// try_add and its kin: on numbers null instead of an error, on everything else what the operator does, errors made null.
template <int Op> ExprPtr try_rewrite(const CallContext& c, std::vector<ExprPtr>& args) {
  CallContext plain{c.conf, c.conf.ansi() ? EvalMode::kAnsi : EvalMode::kLegacy, std::string_view(&"+-*/"[static_cast<size_t>(Op)], 1)};
  const DataType &a = args[0]->type, &b = args[1]->type;
  if (a.is_numeric() && b.is_numeric()) return nullptr;
  const bool numeric_like = !a.is_datetime() && !b.is_datetime() && !is_interval(a) && !is_interval(b);
  if (numeric_like) return nullptr;
  const FunctionEntry* f = find_function(plain.name);
  std::vector<ExprPtr> copy = args;
  CallContext strict{c.conf, EvalMode::kAnsi, plain.name};
  return call(c, "try_eval", {resolve_call(*f, std::move(copy), strict)}, c.name);
}

constexpr uint32_t kBare = kHidden | kOperator | kBareInfix;

const FunctionEntry kTable[] = {
    // arithmetic
    {"+", FunctionKind::kScalar, "(any) -> arg1 | (any, any) -> @", "", kOperator, add_rule,
     [](const CallContext& c, std::vector<ExprPtr>& a) -> ExprPtr { return a.size() == 1 ? call(c, "positive", a, "+") : add_rewrite(c, a); }, "", "", "math_funcs"},
    {"-", FunctionKind::kScalar, "(any) -> @ | (any, any) -> @", "", kOperator, subtract_rule, subtract_rewrite, "", "", "math_funcs"},
    {"*", FunctionKind::kScalar, "(any, any) -> @", "", kOperator, multiply_rule, multiply_rewrite, "", "", "math_funcs"},
    {"/", FunctionKind::kScalar, "(any, any) -> @", "", kOperator, divide_rule, divide_rewrite, "", "", "math_funcs"},
    {"%,mod", FunctionKind::kScalar, "(any, any) -> @", "spark_remainder($1, $2)", kOperator, remainder_rule, nullptr,
     "spark_try_remainder($1, $2)", "spark_try_remainder($1, $2)", "math_funcs"},
    {"pmod", FunctionKind::kScalar, "(any, any) -> @", "spark_pmod($1, $2)", kNone, pmod_rule, nullptr, "spark_try_pmod($1, $2)", "spark_try_pmod($1, $2)", "math_funcs"},
    {"div", FunctionKind::kScalar, "(any, any) -> @", "spark_div($1, $2)", kOperator, integral_divide_rule, nullptr, "spark_div_legacy($1, $2)", "", "math_funcs"},
    {"negative", FunctionKind::kScalar, "(any) -> @", "", kNone, negate_rule, nullptr, "", "", "math_funcs"},
    {"positive", FunctionKind::kScalar, "({numeric|daytime|yearmonth|interval}) -> arg1", "$1", kNone, nullptr,
     [](const CallContext& c, std::vector<ExprPtr>& a) -> ExprPtr { if (a[0]->type.is_string()) cast_to(c, a[0], TypeId::kDouble); return nullptr; }, "", "", "math_funcs"},
    {"try_add", FunctionKind::kScalar, "(any, any) -> @", "", kTryMode | kNullable, add_rule, try_rewrite<0>, "", "", "math_funcs"},
    {"try_subtract", FunctionKind::kScalar, "(any, any) -> @", "", kTryMode | kNullable, [](const CallContext& c, std::vector<ExprPtr>& a) { return arithmetic(c, a, '-'); }, try_rewrite<1>, "", "", "math_funcs"},
    {"try_multiply", FunctionKind::kScalar, "(any, any) -> @", "", kTryMode | kNullable, multiply_rule, try_rewrite<2>, "", "", "math_funcs"},
    {"try_divide", FunctionKind::kScalar, "(any, any) -> @", "", kTryMode | kNullable, divide_rule, try_rewrite<3>, "", "", "math_funcs"},
    {"try_mod", FunctionKind::kScalar, "(any, any) -> @", "spark_try_remainder($1, $2)", kTryMode | kNullable, remainder_rule, nullptr, "", "", "math_funcs"},
    {"try_eval", FunctionKind::kScalar, "(any) -> arg1", "TRY($1)", kHidden | kNullable},
    // comparison
    {"=,==", FunctionKind::kScalar, "(any, any) -> @", "($1 = $2)", kOperator, comparison_rule, boolean_equality, "", "", "predicate_funcs"},
    {"!=,<>", FunctionKind::kScalar, "(any, any) -> @", "", kOperator, nullptr, not_equal, "", "", "predicate_funcs"},
    {"<=>", FunctionKind::kScalar, "(any, any) -> @", "($1 IS NOT DISTINCT FROM $2)", kOperator | kNullTolerant, comparison_rule, boolean_equality, "", "", "predicate_funcs"},
    {"<", FunctionKind::kScalar, "(any, any) -> @", "($1 < $2)", kOperator, comparison_rule, nullptr, "", "", "predicate_funcs"},
    {"<=", FunctionKind::kScalar, "(any, any) -> @", "($1 <= $2)", kOperator, comparison_rule, nullptr, "", "", "predicate_funcs"},
    {">", FunctionKind::kScalar, "(any, any) -> @", "($1 > $2)", kOperator, comparison_rule, nullptr, "", "", "predicate_funcs"},
    {">=", FunctionKind::kScalar, "(any, any) -> @", "($1 >= $2)", kOperator, comparison_rule, nullptr, "", "", "predicate_funcs"},
    {"equal_null", FunctionKind::kScalar, "(any, any) -> @", "", kNullTolerant, nullptr,
     [](const CallContext& c, std::vector<ExprPtr>& a) { return call(c, "<=>", std::move(a)); }, "", "", "predicate_funcs"},
    {"between", FunctionKind::kScalar, "(any, any, any) -> @", "", kNone, nullptr, between_rewrite, "", "", "predicate_funcs"},
    {"in", FunctionKind::kScalar, "(any, any+) -> @", "($1 IN ($2*))", kOperator | kNullTolerant, in_rule, nullptr, "", "", "predicate_funcs"},
    // logic
    {"and", FunctionKind::kScalar, "(any, any) -> @", "($1 AND $2)", kOperator | kNullTolerant, logical_rule, nullptr, "", "", "predicate_funcs"},
    {"or", FunctionKind::kScalar, "(any, any) -> @", "($1 OR $2)", kOperator | kNullTolerant, logical_rule, nullptr, "", "", "predicate_funcs"},
    {"not,!", FunctionKind::kScalar, "(boolean) -> boolean", "(NOT $1)", kOperator, nullptr, nullptr, "", "", "predicate_funcs"},
    {"isnull", FunctionKind::kScalar, "(any) -> boolean", "($1 IS NULL)", kNeverNull | kNullTolerant, nullptr, nullptr, "", "", "predicate_funcs"},
    // IS [NOT] UNKNOWN: the null test of a boolean, which SQL's syntax alone can write.
    {"is_unknown", FunctionKind::kScalar, "(boolean) -> boolean", "($1 IS NULL)", kNeverNull | kNullTolerant | kHidden, nullptr, nullptr, "", "", "predicate_funcs"},
    {"is_not_unknown", FunctionKind::kScalar, "(boolean) -> boolean", "($1 IS NOT NULL)", kNeverNull | kNullTolerant | kHidden, nullptr, nullptr, "", "", "predicate_funcs"},
    {"isnotnull", FunctionKind::kScalar, "(any) -> boolean", "($1 IS NOT NULL)", kNeverNull | kNullTolerant, nullptr, nullptr, "", "", "predicate_funcs"},
    // bits
    {"&", FunctionKind::kScalar, "(any, any) -> @", "($1 & $2)", kOperator, bitwise_rule, nullptr, "", "", "bitwise_funcs"},
    {"|", FunctionKind::kScalar, "(any, any) -> @", "($1 | $2)", kOperator, bitwise_rule, nullptr, "", "", "bitwise_funcs"},
    {"^", FunctionKind::kScalar, "(any, any) -> @", "xor($1, $2)", kOperator, bitwise_rule, nullptr, "", "", "bitwise_funcs"},
    {"~", FunctionKind::kScalar, "(integral) -> arg1", "(~$1)", kOperator, nullptr, nullptr, "", "", "bitwise_funcs"},
    {"shiftleft,<<", FunctionKind::kScalar, "({int|long}, int) -> arg1", "spark_shiftleft($1, $2)", kOperator, nullptr, nullptr, "", "", "bitwise_funcs"},
    {"shiftright,>>", FunctionKind::kScalar, "({int|long}, int) -> arg1", "spark_shiftright($1, $2)", kOperator, nullptr, nullptr, "", "", "bitwise_funcs"},
    {"shiftrightunsigned,>>>", FunctionKind::kScalar, "({int|long}, int) -> arg1", "spark_shiftrightunsigned($1, $2)", kOperator, nullptr, nullptr, "", "", "bitwise_funcs"},
    {"bit_count", FunctionKind::kScalar, "({integral|boolean}) -> int", "spark_bit_count($1)", kStrict, nullptr, nullptr, "", "", "bitwise_funcs"},
    {"bit_get,getbit", FunctionKind::kScalar, "(integral, int) -> byte", "spark_bit_get($1, $2)", kNone, nullptr, nullptr, "", "", "bitwise_funcs"},
    // what datetime arithmetic turns into
    {"extractansiintervaldays", FunctionKind::kScalar, "(daytime) -> int", "CAST($1 // 86400000000 AS INTEGER)", kHidden},
    {"timestamp_add_interval", FunctionKind::kScalar, "(anytimestamp, {interval|daytime}) -> arg1", "spark_timestamp_add_interval($1, $2, $tz)", kBare},
    {"timestamp_sub_interval", FunctionKind::kScalar, "(anytimestamp, {interval|daytime}) -> arg1", "spark_timestamp_sub_interval($1, $2, $tz)", kBare},
    {"timestamp_add_ym_interval", FunctionKind::kScalar, "(anytimestamp, yearmonth) -> arg1", "spark_timestamp_add_months($1, $2, $tz)", kBare},
    {"timestamp_sub_ym_interval", FunctionKind::kScalar, "(anytimestamp, yearmonth) -> arg1", "spark_timestamp_add_months($1, -$2, $tz)", kBare},
    {"date_add_ym_interval", FunctionKind::kScalar, "(date, yearmonth) -> date", "spark_add_months($1, $2)", kBare},
    {"date_sub_ym_interval", FunctionKind::kScalar, "(date, yearmonth) -> date", "spark_add_months($1, -$2)", kBare},
    {"date_add_interval", FunctionKind::kScalar, "(date, interval) -> date", "spark_date_add_interval($1, $2, $mode, $tz)", kBare},
    {"date_sub_interval", FunctionKind::kScalar, "(date, interval) -> date", "spark_date_add_interval($1, spark_calendar_negate($2, $mode), $mode, $tz)", kBare},
    {"time_add_interval", FunctionKind::kScalar, "(time, daytime) -> @", "spark_time_add_interval($1, $2)", kBare,
     [](const CallContext&, std::vector<ExprPtr>& a) -> TypedCall { return {DataType::time(std::max(a[0]->type.precision(), a[1]->type.end_field() == kSecond ? 6 : 0)), any_nullable(a)}; }},
    {"time_sub_interval", FunctionKind::kScalar, "(time, daytime) -> @", "spark_time_add_interval($1, -$2)", kBare,
     [](const CallContext&, std::vector<ExprPtr>& a) -> TypedCall { return {DataType::time(std::max(a[0]->type.precision(), a[1]->type.end_field() == kSecond ? 6 : 0)), any_nullable(a)}; }},
    {"subtract_dates", FunctionKind::kScalar, "(date, date) -> @", "(($1 - $2) * 86400000000)", kHidden | kOperator, subtract_dates_rule},
    {"subtract_timestamps", FunctionKind::kScalar, "(anytimestamp, anytimestamp) -> @", "spark_subtract_timestamps($1, $2, $tz)", kHidden | kOperator, subtract_timestamps_rule},
    {"subtract_times", FunctionKind::kScalar, "(time, time) -> @", "(($1 - $2) // 1000)", kBare,
     [](const CallContext&, std::vector<ExprPtr>& a) -> TypedCall { return {DataType::day_time(kHour, kSecond), any_nullable(a)}; }},
    {"multiply_interval", FunctionKind::kScalar, "(interval, double) -> interval", "spark_calendar_multiply($1, $2, $mode)", kHidden | kNullableUnlessAnsi},
    {"divide_interval", FunctionKind::kScalar, "(interval, double) -> interval", "spark_calendar_divide($1, $2, $mode)", kHidden | kNullableUnlessAnsi},
    {"multiply_ym_interval", FunctionKind::kScalar, "(yearmonth, numeric) -> @", "spark_ym_multiply($1, $2)", kHidden | kOperator, interval_scale_rule},
    {"multiply_dt_interval", FunctionKind::kScalar, "(daytime, numeric) -> @", "spark_dt_multiply($1, $2)", kHidden | kOperator, interval_scale_rule},
    {"divide_ym_interval", FunctionKind::kScalar, "(yearmonth, numeric) -> @", "spark_ym_divide($1, $2)", kHidden | kOperator, interval_scale_rule},
    {"divide_dt_interval", FunctionKind::kScalar, "(daytime, numeric) -> @", "spark_dt_divide($1, $2)", kHidden | kOperator, interval_scale_rule},
};

}  // namespace

FunctionTable operator_functions() { return kTable; }

}  // namespace tarn::plan
