#include <algorithm>
#include <cmath>

#include "plan/functions/entry.h"
#include "plan/functions/families.h"

namespace tarn::plan {
namespace {

#define AGG_VARIANT(id, name, ...) const FunctionEntry id{name, FunctionKind::kAggregate, "", __VA_ARGS__}

AGG_VARIANT(kSumDecimal, "sum", "spark_sum_decimal(#sum($1)#, $p, $s, $mode)", kHidden);
// Where a sum may leave 128 bits and that is no error: the digits above and below 10^19 are added apart.
AGG_VARIANT(kSumWideDecimal, "sum", "spark_sum_decimal_halves(#sum(spark_decimal_high($1))#, #sum(spark_decimal_low($1))#, $p, $s, $mode)", kHidden);
AGG_VARIANT(kSumLong, "sum", "spark_sum_long(#sum($1)#, $mode)", kHidden);
AGG_VARIANT(kSumDayTime, "sum", "spark_sum_interval(#sum($1)#, false, $mode)", kHidden);
AGG_VARIANT(kSumYearMonth, "sum", "CAST(spark_sum_interval(#sum($1)#, true, $mode) AS INTEGER)", kHidden);
AGG_VARIANT(kSumCalendar, "sum", "#spark_sum_calendar($1)#", kHidden);
AGG_VARIANT(kSumDouble, "sum", "sum($1)", kHidden);
AGG_VARIANT(kAvgDecimal, "avg", "spark_avg_decimal(#sum($1)#, #count($1)#, $p, $s, $mode)", kHidden);
AGG_VARIANT(kAvgWideDecimal, "avg",
            "spark_avg_decimal(spark_sum_decimal_halves(#sum(spark_decimal_high($1))#, #sum(spark_decimal_low($1))#, 38, $s1, $mode), #count($1)#, $p, $s, $mode)", kHidden);
AGG_VARIANT(kAvgDayTime, "avg", "spark_dt_divide(spark_sum_interval(#sum($1)#, false, $mode), #count($1)#)", kHidden);
AGG_VARIANT(kAvgYearMonth, "avg", "spark_ym_divide(CAST(spark_sum_interval(#sum($1)#, true, $mode) AS INTEGER), #count($1)#)", kHidden);
AGG_VARIANT(kAvgDouble, "avg", "avg($1)", kHidden);

// Below this many digits no number of rows that can be counted makes a sum overflow.
bool sum_may_overflow(const CallContext& c, const DataType& t) { return c.mode != EvalMode::kAnsi && t.precision() > 28; }

TypedCall sum_rule(const CallContext& c, std::vector<ExprPtr>& args) {
  if (args[0]->type.id() == TypeId::kTimestamp) cast_to(c, args[0], TypeId::kDouble);
  expect(c, args, 0, "{numeric|yearmonth|daytime}");
  const DataType t = args[0]->type;
  if (t.id() == TypeId::kDecimal) return {bounded_decimal(t.precision() + 10, t.scale()), true, sum_may_overflow(c, t) ? &kSumWideDecimal : &kSumDecimal};
  if (t.is_integral()) return {TypeId::kLong, true, &kSumLong};
  if (t.id() == TypeId::kDayTimeInterval) return {t, true, &kSumDayTime};
  if (t.id() == TypeId::kYearMonthInterval) return {t, true, &kSumYearMonth};
  return {TypeId::kDouble, true, &kSumDouble};
}

TypedCall avg_rule(const CallContext& c, std::vector<ExprPtr>& args) {
  if (args[0]->type.id() == TypeId::kTimestamp) cast_to(c, args[0], TypeId::kDouble);
  expect(c, args, 0, "{numeric|yearmonth|daytime}");
  const DataType t = args[0]->type;
  if (t.id() == TypeId::kDecimal) return {bounded_decimal(t.precision() + 4, t.scale() + 4), true, sum_may_overflow(c, t) ? &kAvgWideDecimal : &kAvgDecimal};
  if (t.id() == TypeId::kDayTimeInterval) return {DataType(TypeId::kDayTimeInterval), true, &kAvgDayTime};
  if (t.id() == TypeId::kYearMonthInterval) return {DataType(TypeId::kYearMonthInterval), true, &kAvgYearMonth};
  return {TypeId::kDouble, true, &kAvgDouble};
}

TypedCall count_rule(const CallContext& c, std::vector<ExprPtr>& args) {
  if (args.empty() && !c.conf.flag("spark.sql.legacy.allowParameterlessCount"))
    throw analysis_error("WRONG_NUM_ARGS.WITH_SUGGESTION", {{"functionName", quote_identifier("count")}, {"expectedNum", "> 0"}, {"actualNum", "0"},
                         {"legacyConfKey", "\"spark.sql.legacy.allowParameterlessCount\""}, {"legacyConfValue", "\"true\""}});
  return {TypeId::kLong, false};
}

TypedCall min_rule(const CallContext& c, std::vector<ExprPtr>& args) {
  static const FunctionEntry low{"min", FunctionKind::kAggregate, "", "arg_min($1, $k1)", kHidden};
  static const FunctionEntry high{"max", FunctionKind::kAggregate, "", "arg_max($1, $k1)", kHidden};
  expect_orderable(c, args, args[0]->type);
  return {args[0]->type, true, is_collated(args[0]->type) ? (c.name == "min" || c.name == "MIN" ? &low : &high) : nullptr};
}

TypedCall first_rule(const CallContext& c, std::vector<ExprPtr>& args) {
  TypedCall r{args[0]->type, true};
  if (args.size() > 1) {
    if (args[1]->type.id() == TypeId::kNull) cast_to(c, args[1], TypeId::kBoolean);
    if (args[1]->type.id() != TypeId::kBoolean) unexpected_input(c, args, 1, "\"BOOLEAN\"");
    if (!is_foldable(*args[1])) expect_foldable(c, args, 1, "ignoreNulls", TypeId::kBoolean);
    r.ignore_nulls = constant_boolean(*args[1]).value_or(false);
    args.pop_back();
  }
  return r;
}

TypedCall collect_rule(const CallContext& c, std::vector<ExprPtr>& args) {
  const DataType& t = args[0]->type;
  if (c.name == "collect_set" && (t.id() == TypeId::kMap || t.id() == TypeId::kVariant))
    mismatch(c, args, "UNSUPPORTED_INPUT_TYPE", {{"functionName", "`collect_set`"}, {"dataType", t.id() == TypeId::kMap ? "\"MAP\"" : quoted(t)}});
  return {DataType::array(t, false), false};
}

TypedCall by_rule(const CallContext& c, std::vector<ExprPtr>& args) {
  expect_orderable(c, args, args[1]->type);
  if (args.size() == 3) {
    expect(c, args, 2, "int");
    expect_foldable(c, args, 2, "k", TypeId::kInt);
    auto k = constant_integer(*args[2]);
    if (k && (*k <= 0 || *k > 100000))
      mismatch(c, args, "VALUE_OUT_OF_RANGE", {{"exprName", "`k`"}, {"valueRange", "[1, 100000]"}, {"currentValue", std::to_string(*k)}});
    return {DataType::array(args[0]->type), true};
  }
  return {args[0]->type, true};
}

void check_percentage(const CallContext& c, std::vector<ExprPtr>& args, size_t i) {
  if (args[i]->type.id() == TypeId::kArray) expect(c, args, i, "array<double>");
  else expect(c, args, i, "double");
  expect_foldable(c, args, i, "percentage", args[i]->type);
  if (is_null_literal(*args[i])) mismatch(c, args, "UNEXPECTED_NULL", {{"exprName", "percentage"}});
  const Expression* e = args[i].get();
  while (e->kind == ExprKind::kCast) e = e->children[0].get();
  auto check = [&](const Expression& x) {
    const Expression* v = &x;
    while (v->kind == ExprKind::kCast) v = v->children[0].get();
    const Literal* l = try_as<Literal>(*v);
    double d;
    if (!l || l->value.is_null()) return;
    if (auto* p = std::get_if<double>(&l->value.v)) d = *p;
    else if (auto* n = std::get_if<int64_t>(&l->value.v)) d = static_cast<double>(*n);
    else if (auto* u = std::get_if<Int128>(&l->value.v)) {
      d = static_cast<double>(*u);
      for (int k = 0; k < l->type.scale(); ++k) d /= 10;
    } else return;
    if (d < 0 || d > 1) {
      std::string text = pretty_sql(*v);
      mismatch(c, args, "VALUE_OUT_OF_RANGE", {{"exprName", "percentage"}, {"valueRange", "[0.0, 1.0]"}, {"currentValue", text}});
    }
  };
  if (const auto* array = try_as<Call>(*e)) {
    if (array->name == "array")
      for (const ExprPtr& x : array->children) check(*x);
    else check(*e);
  } else {
    check(*e);
  }
}

DataType percentile_type(const DataType& t) {
  if (t.id() == TypeId::kYearMonthInterval) return DataType(TypeId::kYearMonthInterval);
  if (t.id() == TypeId::kDayTimeInterval) return DataType(TypeId::kDayTimeInterval);
  return TypeId::kDouble;
}

AGG_VARIANT(kPercentileInterval, "percentile", "1: #quantile_cont($1, 0.5)# ;; *: CAST(trunc(#quantile_cont(CAST($1 AS DOUBLE), $2)#) AS $type)", kHidden);
AGG_VARIANT(kPercentileIntervals, "percentile", "list_transform(#quantile_cont(CAST($1 AS DOUBLE), $2)#, lambda x: CAST(trunc(x) AS BIGINT))", kHidden);
AGG_VARIANT(kPercentileFrequency, "percentile", "spark_percentile_of(#list(CAST($1 AS DOUBLE))#, #list(CAST($3 AS BIGINT))#, CAST($2 AS DOUBLE))", kHidden);
AGG_VARIANT(kPercentileFrequencies, "percentile", "spark_percentile_of(#list(CAST($1 AS DOUBLE))#, #list(CAST($3 AS BIGINT))#, $2)", kHidden);

TypedCall percentile_rule(const CallContext& c, std::vector<ExprPtr>& args) {
  expect(c, args, 0, "{numeric|daytime|yearmonth}");
  check_percentage(c, args, 1);
  DataType t = percentile_type(args[0]->type);
  const bool array = args[1]->type.id() == TypeId::kArray, interval = args[0]->type.is_ansi_interval();
  const FunctionEntry* v = nullptr;
  if (args.size() == 3) {
    expect(c, args, 2, "integral");
    v = array ? &kPercentileFrequencies : &kPercentileFrequency;
  } else if (interval) {
    v = array ? &kPercentileIntervals : &kPercentileInterval;
  }
  return {array ? DataType::array(t, false) : t, true, v};
}

AGG_VARIANT(kPercentileContDescInterval, "percentile_cont", "CAST(trunc(#quantile_cont(CAST($1 AS DOUBLE), -($2))#) AS $type)", kHidden);

// Children: the ordering expression, then the percentage.
TypedCall percentile_cont_rule(const CallContext& c, std::vector<ExprPtr>& args) { return percentile_rule(c, args); }
TypedCall percentile_cont_desc_rule(const CallContext& c, std::vector<ExprPtr>& args) {
  auto out = percentile_rule(c, args);
  if (args[0]->type.is_ansi_interval()) out.variant = &kPercentileContDescInterval;
  return out;
}
TypedCall percentile_disc_rule(const CallContext& c, std::vector<ExprPtr>& args) { return {percentile_rule(c, args).type, true}; }

TypedCall median_rule(const CallContext& c, std::vector<ExprPtr>& args) {
  expect(c, args, 0, "{numeric|daytime|yearmonth}");
  static const FunctionEntry interval{"median", FunctionKind::kAggregate, "", "CAST(trunc(#quantile_cont(CAST($1 AS DOUBLE), 0.5)#) AS $type)", kHidden};
  return {percentile_type(args[0]->type), true, args[0]->type.is_ansi_interval() ? &interval : nullptr};
}

TypedCall approx_percentile_rule(const CallContext& c, std::vector<ExprPtr>& args) {
  expect(c, args, 0, "{numeric|date|timestamp|timestamp_ntz|yearmonth|daytime}");
  check_percentage(c, args, 1);
  if (args.size() == 3) {
    expect(c, args, 2, "integral");
    expect_foldable(c, args, 2, "accuracy", args[2]->type);
    auto v = constant_integer(*args[2]);
    if (is_null_literal(*args[2])) mismatch(c, args, "UNEXPECTED_NULL", {{"exprName", "accuracy"}});
    if (v && (*v <= 0 || *v > 2147483647))
      mismatch(c, args, "VALUE_OUT_OF_RANGE", {{"exprName", "accuracy"}, {"valueRange", "(0, 2147483647]"}, {"currentValue", std::to_string(*v) + "L"}});
  }
  if (args.size() == 2) args.push_back(make_int(10000));
  DataType t = args[0]->type;
  return {args[1]->type.id() == TypeId::kArray ? DataType::array(t, false) : t, true};
}

TypedCall same_rule(const CallContext&, std::vector<ExprPtr>& args) { return {args[0]->type, true}; }

TypedCall mode_rule(const CallContext& c, std::vector<ExprPtr>& args) {
  if (args.size() == 2) {
    static const FunctionEntry lowest{"mode", FunctionKind::kAggregate, "", "spark_mode_lowest(#list($1)#)", kHidden};
    if (args[1]->type.id() == TypeId::kNull) cast_to(c, args[1], TypeId::kBoolean);
    if (args[1]->type.id() != TypeId::kBoolean) unexpected_input(c, args, 1, "\"BOOLEAN\"");
    expect_foldable(c, args, 1, "deterministic", TypeId::kBoolean);
    bool deterministic = constant_boolean(*args[1]).value_or(false);
    return {args[0]->type, true, deterministic ? &lowest : nullptr};
  }
  return {args[0]->type, true};
}

TypedCall listagg_rule(const CallContext& c, std::vector<ExprPtr>& args) {
  expect(c, args, 0, "{string|binary}");
  const bool binary = args[0]->type.id() == TypeId::kBinary;
  if (args.size() > 1) {
    if (args[1]->type.id() == TypeId::kNull) args[1] = binary ? make_cast(make_string(""), TypeId::kBinary, EvalMode::kLegacy) : make_string("");
    expect(c, args, 1, binary ? "binary" : "string");
    expect_foldable(c, args, 1, "delimiter", args[1]->type);
  }
  static const FunctionEntry bytes{"listagg", FunctionKind::kAggregate, "", "1: spark_binary_join(#list($1)#, ''::BLOB) ;; 2: spark_binary_join(#list($1)#, $2)", kHidden};
  return {args[0]->type, true, binary ? &bytes : nullptr};
}

bool has_type(const DataType& t, TypeId id) {
  switch (t.id()) {
    case TypeId::kArray: return has_type(t.element(), id);
    case TypeId::kMap: return has_type(t.key(), id) || has_type(t.value(), id);
    case TypeId::kStruct: return std::any_of(t.fields().begin(), t.fields().end(), [&](const StructField& f) { return has_type(f.type(), id); });
    case TypeId::kUdt: return has_type(t.sql_type(), id);
    default: return t.id() == id;
  }
}

// The second argument becomes the number of bits that address HyperLogLog++'s registers for that error. Source: HyperLogLogPlusPlusHelper.
TypedCall approx_count_rule(const CallContext& c, std::vector<ExprPtr>& args) {
  constexpr int kLeastBits = 4, kMostBits = 24;
  if (has_type(args[0]->type, TypeId::kVariant)) mismatch(c, args, "HASH_VARIANT_TYPE", {{"functionName", quote_identifier(c.name)}});
  for (TypeId geo : {TypeId::kGeometry, TypeId::kGeography})
    if (has_type(args[0]->type, geo)) throw not_built("approx_count_distinct() of " + args[0]->type.sql());
  double error = 0.05;
  if (args.size() > 1) {
    const Literal* l = try_as<Literal>(*args[1]);
    if (!l || l->value.is_null() || (l->type.id() != TypeId::kDouble && l->type.id() != TypeId::kDecimal)) throw analysis_error("_LEGACY_ERROR_TEMP_1104", {});
    error = l->type.id() == TypeId::kDouble ? l->value.get<double>() : static_cast<double>(l->value.get<Int128>()) / std::pow(10, l->type.scale());
    args.pop_back();
  }
  const double bits = std::ceil(2 * std::log(1.106 / error) / std::log(2.0));
  // Spark's limit above is its memory.
  if (!(bits >= kLeastBits && bits <= kMostBits)) throw analysis_error("FAILED_FUNCTION_CALL", {{"funcName", quote_identifier(c.name)}});
  args.push_back(make_int(static_cast<int32_t>(bits)));
  return {TypeId::kLong, false};
}

const FunctionEntry kTable[] = {
    aggregate("sum", "(any) -> @", "", kNone, sum_rule),
    aggregate("try_sum", "(any) -> @", "", kTryMode, sum_rule),
    aggregate("avg,mean", "(any) -> @", "", kNone, avg_rule),
    aggregate("try_avg", "(any) -> @", "", kTryMode, avg_rule),
    aggregate("count", "(any...) -> @", "0: count(NULL) ;; 1: count($1) ;; *: count(spark_row_or_null($*))", kNeverNull, count_rule),
    aggregate("count_if", "(boolean) -> long", "count(CASE WHEN $1 THEN true END)", kNeverNull),
    aggregate("min", "(any) -> @", "min($1)", kNone, min_rule),
    aggregate("max", "(any) -> @", "max($1)", kNone, min_rule),
    aggregate("first,first_value", "(any, [any]) -> @", "first($1)", kNone, first_rule),
    aggregate("last,last_value", "(any, [any]) -> @", "last($1)", kNone, first_rule),
    aggregate("any_value", "(any, [any]) -> @", "first($1)", kNone, first_rule),
    aggregate("collect_list,array_agg", "(any) -> @", "coalesce(list_filter(#list($1)#, lambda x: x IS NOT NULL), CAST([] AS $type))", kNeverNull, collect_rule),
    aggregate("collect_set", "(any) -> @", "coalesce(spark_array_distinct(list_filter(#list($1)#, lambda x: x IS NOT NULL)), CAST([] AS $type))", kNeverNull, collect_rule),
    aggregate("approx_count_distinct", "(any, [any]) -> long", "spark_approx_count_distinct(spark_value_hash($json1, $k1), $2)", kNeverNull | kFirstText, approx_count_rule),
    aggregate("stddev,stddev_samp,std", "(double) -> double", "spark_stddev_samp($1)", kNullable),
    aggregate("stddev_pop", "(double) -> double", "spark_stddev_pop($1)", kNullable),
    aggregate("variance,var_samp", "(double) -> double", "spark_var_samp($1)", kNullable),
    aggregate("var_pop", "(double) -> double", "spark_var_pop($1)", kNullable),
    aggregate("skewness", "(double) -> double", "spark_skewness($1)", kNullable),
    aggregate("kurtosis", "(double) -> double", "spark_kurtosis($1)", kNullable),
    aggregate("corr", "(double, double) -> double", "spark_corr($1, $2)", kNullable),
    aggregate("covar_pop", "(double, double) -> double", "spark_covar_pop($1, $2)", kNullable),
    aggregate("covar_samp", "(double, double) -> double", "spark_covar_samp($1, $2)", kNullable),
    aggregate("regr_count", "(double, double) -> long", "CAST(#regr_count($1, $2)# AS BIGINT)", kNeverNull),
    aggregate("regr_avgx", "(double, double) -> double", "regr_avgx($1, $2)", kNullable),
    aggregate("regr_avgy", "(double, double) -> double", "regr_avgy($1, $2)", kNullable),
    aggregate("regr_r2", "(double, double) -> double", "spark_regr_r2($1, $2)", kNullable),
    aggregate("regr_sxx", "(double, double) -> double", "spark_regr_sxx($1, $2)", kNullable),
    aggregate("regr_sxy", "(double, double) -> double", "spark_regr_sxy($1, $2)", kNullable),
    aggregate("regr_syy", "(double, double) -> double", "spark_regr_syy($1, $2)", kNullable),
    aggregate("regr_slope", "(double, double) -> double", "spark_regr_slope($1, $2)", kNullable),
    aggregate("regr_intercept", "(double, double) -> double", "spark_regr_intercept($1, $2)", kNullable),
    aggregate("bool_and,every", "(boolean) -> boolean", "bool_and($1)", kNullable),
    aggregate("bool_or,any,some", "(boolean) -> boolean", "bool_or($1)", kNullable),
    aggregate("bit_and", "(integral) -> @", "bit_and($1)", kNullable | kStrict, same_rule),
    aggregate("bit_or", "(integral) -> @", "bit_or($1)", kNullable | kStrict, same_rule),
    aggregate("bit_xor", "(integral) -> @", "bit_xor($1)", kNullable | kStrict, same_rule),
    aggregate("max_by", "(any, any, [any]) -> @", "2: arg_max_null($1, $2) ;; 3: list_transform(#arg_max(struct_pack(v := $1), $2, $3)#, lambda s: s.v)", kNone, by_rule),
    aggregate("min_by", "(any, any, [any]) -> @", "2: arg_min_null($1, $2) ;; 3: list_transform(#arg_min(struct_pack(v := $1), $2, $3)#, lambda s: s.v)", kNone, by_rule),
    aggregate("percentile", "(any, any, [any]) -> @", "quantile_cont(CAST($1 AS DOUBLE), $2)", kNone, percentile_rule),
    aggregate("percentile_cont", "(any, any) -> @", "quantile_cont(CAST($1 AS DOUBLE), $2)", kNone, percentile_cont_rule),
    aggregate("percentile_disc", "(any, any) -> @", "quantile_disc(CAST($1 AS $type), $2)", kNone, percentile_disc_rule),
    aggregate("percentile_cont_desc", "(any, any) -> @", "quantile_cont(CAST($1 AS DOUBLE), -($2))", kHidden, percentile_cont_desc_rule),
    aggregate("percentile_disc_desc", "(any, any) -> @", "quantile_disc(CAST($1 AS $type), -($2))", kHidden, percentile_disc_rule),
    aggregate("median", "(any) -> @", "quantile_cont(CAST($1 AS DOUBLE), 0.5)", kNone, median_rule),
    aggregate("percentile_approx,approx_percentile", "(any, any, [any]) -> @", "quantile_disc($1, $2)", kNone, approx_percentile_rule),
    aggregate("mode", "(any, [any]) -> @", "mode($1)", kNone, mode_rule),
    aggregate("listagg,string_agg", "(any, [any]) -> @", "1: string_agg($1, '') ;; 2: string_agg($1, $2)", kNone, listagg_rule),
    aggregate("product", "(double) -> double", "product($1)", kHidden | kNullable),
    // grouping() and grouping_id() are replaced by the analyzer where they stand in a grouping query.
    aggregate("grouping", "(any) -> byte", "", kNeverNull),
    aggregate("grouping_id", "(any...) -> long", "", kNeverNull),
};

TypedCall offset_rule(const CallContext& c, std::vector<ExprPtr>& args) {
  if (args.size() > 1) {
    expect(c, args, 1, "int");
    if (!is_foldable(*args[1])) expect_foldable(c, args, 1, "offset", TypeId::kInt);
  }
  if (args.size() > 2) {
    if (args[2]->type.id() == TypeId::kNull) cast_to(c, args[2], args[0]->type);
    if (!args[2]->type.same_type(args[0]->type)) {
      auto t = common_type(args[0]->type, args[2]->type, c.conf.ansi());
      if (!t || !t->same_type(args[0]->type)) mismatch(c, args, "UNEXPECTED_INPUT_TYPE", {{"paramIndex", "third"}, {"requiredType", quoted(args[0]->type)}, {"inputSql", quote_sql(pretty_sql(*args[2]))}, {"inputType", quoted(args[2]->type)}});
      cast_to(c, args[2], args[0]->type);
    }
  }
  return {args[0]->type, args.size() < 3 || args[0]->nullable || args[2]->nullable};
}

TypedCall nth_value_rule(const CallContext& c, std::vector<ExprPtr>& args) {
  expect(c, args, 1, "int");
  expect_foldable(c, args, 1, "offset", TypeId::kInt);
  if (is_null_literal(*args[1])) mismatch(c, args, "UNEXPECTED_NULL", {{"exprName", "offset"}});
  if (auto n = constant_integer(*args[1]); n && *n <= 0)
    mismatch(c, args, "VALUE_OUT_OF_RANGE", {{"exprName", "offset"}, {"valueRange", "(0, 9223372036854775807]"}, {"currentValue", std::to_string(*n) + "L"}});
  return {args[0]->type, true};
}

TypedCall ntile_rule(const CallContext& c, std::vector<ExprPtr>& args) {
  if (!args.empty()) {
    if (!is_foldable(*args[0])) expect_foldable(c, args, 0, "buckets", args[0]->type);
    if (args[0]->type.id() != TypeId::kInt) unexpected_input(c, args, 0, "\"INT\"");
    auto n = constant_integer(*args[0]);
    if (n && *n <= 0)
      mismatch(c, args, "VALUE_OUT_OF_RANGE", {{"exprName", "`buckets`"}, {"valueRange", "[1, 2147483647]"}, {"currentValue", std::to_string(*n)}});
  }
  return {TypeId::kInt, false};
}

const FunctionEntry kWindow[] = {
    window("row_number", "() -> int", "CAST(#row_number()# AS INTEGER)", kNeverNull),
    window("rank", "(any...) -> int", "CAST(#rank()# AS INTEGER)", kNeverNull),
    window("dense_rank", "(any...) -> int", "CAST(#dense_rank()# AS INTEGER)", kNeverNull),
    window("percent_rank", "(any...) -> double", "percent_rank()", kNeverNull),
    window("cume_dist", "() -> double", "cume_dist()", kNeverNull),
    window("ntile", "([any]) -> @", "0: CAST(#ntile(1)# AS INTEGER) ;; 1: CAST(#ntile($1)# AS INTEGER)", kNeverNull, ntile_rule),
    window("lead", "(any, [int = 1], [any = null]) -> @", "lead($1, $2, $3)", kNone, offset_rule),
    window("lag", "(any, [int = 1], [any = null]) -> @", "lag($1, $2, $3)", kNone, offset_rule),
    window("nth_value", "(any, any, [boolean]) -> @", "nth_value($1, $2)", kNone, nth_value_rule),
};

}  // namespace

FunctionTable aggregate_functions() { return kTable; }
FunctionTable window_functions() { return kWindow; }

}  // namespace tarn::plan
