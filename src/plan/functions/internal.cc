// Functions that only clients call, not SQL: they are marked internal in the protocol and stand under a prefix in the registry.
// Source: FunctionRegistry.internal; the pandas functions are those of the pandas API on Spark.
#include "plan/functions/entry.h"
#include "plan/functions/families.h"

namespace tarn::plan {
namespace {

// The transforms of PARTITIONED BY can't compute a value anywhere else.
TypedCall transform_rule(const CallContext& c, std::vector<ExprPtr>& args) {
  std::string text;
  for (const auto& a : args) text += (text.empty() ? "" : ", ") + pretty_sql(*a);
  throw SparkError(ErrorKind::kSpark, "PARTITION_TRANSFORM_EXPRESSION_NOT_IN_PARTITIONED_BY", {{"expression", quote_sql(std::string(c.name) + "(" + text + ")")}});
}

// The last arguments (ddof, ignore nulls, alpha, k) are constants that clients make.
bool flag_argument(std::vector<ExprPtr>& args) {
  bool flag = constant_boolean(*args.back()).value_or(true);
  args.pop_back();
  return flag;
}

#define AGGREGATE(name, text) {name, FunctionKind::kAggregate, "", text, kHidden}

// pandas_product(x, ignore nulls): BIGINT of whole numbers, else DOUBLE.
TypedCall product_rule(const CallContext&, std::vector<ExprPtr>& args) {
  static const FunctionEntry longs[] = {
      {"pandas_product", FunctionKind::kAggregate, "", "CASE WHEN #count(*)# = #count($1)# THEN #spark_product_long(CAST($1 AS BIGINT))# END", kHidden, nullptr, nullptr,
       "CASE WHEN #count(*)# = #count($1)# THEN #spark_product_long_wrapping(CAST($1 AS BIGINT))# END"},
      {"pandas_product", FunctionKind::kAggregate, "", "spark_product_long(CAST($1 AS BIGINT))", kHidden, nullptr, nullptr, "spark_product_long_wrapping(CAST($1 AS BIGINT))"}};
  static const FunctionEntry doubles[] = {
      AGGREGATE("pandas_product", "CASE WHEN #count(*)# = #count($1)# THEN #spark_product_log(CAST($1 AS DOUBLE))# END"),
      AGGREGATE("pandas_product", "spark_product_log(CAST($1 AS DOUBLE))")};
  bool ignore = flag_argument(args), whole = args[0]->type.is_integral();
  return {whole ? DataType(TypeId::kLong) : DataType(TypeId::kDouble), !ignore, whole ? &longs[ignore] : &doubles[ignore]};
}

// (time, size, [slide], start): the window that holds the time, or all of them.
template <bool All> TypedCall time_window_rule(const CallContext&, std::vector<ExprPtr>& args) {
  const DataType& t = args[0]->type;
  auto one = DataType::structure({make_field("start", t), make_field("end", t)});
  return {All ? DataType::array(one, false) : one, args[0]->nullable};
}

// pandas_mode(x, ignore nulls): all of the most frequent values.
TypedCall modes_rule(const CallContext&, std::vector<ExprPtr>& args) {
  static const FunctionEntry all = AGGREGATE("pandas_mode", "coalesce(spark_most_frequent(#list($1)#), CAST([] AS $type))");
  static const FunctionEntry present = AGGREGATE("pandas_mode", "coalesce(spark_most_frequent(list_filter(#list($1)#, lambda x: x IS NOT NULL)), CAST([] AS $type))");
  bool ignore = flag_argument(args);
  return {DataType::array(args[0]->type, !ignore), false, ignore ? &present : &all};
}

// collect_top_k(x, k, reverse): the k largest from above, or the k smallest from below; no nulls.
TypedCall top_k_rule(const CallContext& c, std::vector<ExprPtr>& args) {
  static const FunctionEntry largest = AGGREGATE("collect_top_k", "coalesce(#max($1, CAST($2 AS BIGINT))#, CAST([] AS $type))");
  static const FunctionEntry smallest = AGGREGATE("collect_top_k", "coalesce(#min($1, CAST($2 AS BIGINT))#, CAST([] AS $type))");
  expect_orderable(c, args, args[0]->type);
  bool reverse = flag_argument(args);
  return {DataType::array(args[0]->type, false), false, reverse ? &smallest : &largest};
}

// ewm(x, alpha, ignore nulls)
TypedCall ewm_rule(const CallContext&, std::vector<ExprPtr>& args) {
  static const FunctionEntry all{"internal:ewm", FunctionKind::kWindow, "", "#spark_ewm(CAST($1 AS DOUBLE), 1 - CAST($2 AS DOUBLE))#", kHidden};
  static const FunctionEntry present{"internal:ewm", FunctionKind::kWindow, "", "#spark_ewm_ignore_nulls(CAST($1 AS DOUBLE), 1 - CAST($2 AS DOUBLE))#", kHidden};
  bool ignore = flag_argument(args);
  return {TypeId::kDouble, true, ignore ? &present : &all};
}

TypedCall unwrap_rule(const CallContext& c, std::vector<ExprPtr>& args) {
  if (args[0]->type.id() != TypeId::kUdt) unexpected_input(c, args, 0, "\"USERDEFINED\"");
  return {args[0]->type.sql_type(), args[0]->nullable};
}

#undef AGGREGATE

const FunctionEntry kTable[] = {
    scalar("internal:time_window", "(anytimestamp, long, long) -> @", "spark_time_window($1, $2, $3)", kHidden, time_window_rule<false>),
    scalar("internal:time_windows", "(anytimestamp, long, long, long) -> @", "spark_time_windows($1, $2, $3, $4)", kHidden, time_window_rule<true>),
    scalar("internal:bucket", "(any, any) -> @", "", kHidden, transform_rule),
    scalar("internal:years", "(any) -> @", "", kHidden, transform_rule),
    scalar("internal:months", "(any) -> @", "", kHidden, transform_rule),
    scalar("internal:days", "(any) -> @", "", kHidden, transform_rule),
    scalar("internal:hours", "(any) -> @", "", kHidden, transform_rule),
    scalar("internal:distributed_sequence_id", "([boolean]) -> long", "@monotonically_increasing_id", kNondeterministic | kNeverNull | kHidden),
    scalar("internal:distributed_id", "() -> long", "@monotonically_increasing_id", kNondeterministic | kNeverNull | kHidden),
    scalar("internal:timestamp_ntz_to_long", "(timestamp_ntz) -> long", "spark_unix_seconds($1)", kHidden),
    scalar("internal:unwrap_udt", "(any) -> @", "$1", kHidden, unwrap_rule),
    aggregate("internal:product", "(double) -> double", "product($1)", kHidden | kNullable),
    aggregate("internal:pandas_product", "(numeric, boolean) -> @", "", kHidden, product_rule),
    // n - ddof below zero: the variance is negative, as in Spark.
    aggregate("internal:pandas_var", "(double, int) -> double",
              "CASE WHEN #count($1)# <> $2 THEN #spark_sum_of_squares($1)# / (#count($1)# - $2) END", kHidden | kNullable),
    aggregate("internal:pandas_stddev", "(double, int) -> double",
              "CASE WHEN #count($1)# <> $2 THEN spark_sqrt(#spark_sum_of_squares($1)# / (#count($1)# - $2)) END", kHidden | kNullable),
    aggregate("internal:pandas_covar", "(double, double, int) -> double",
              "CASE WHEN #regr_count($1, $2)# <> $3 THEN #spark_regr_sxy($1, $2)# / (CAST(#regr_count($1, $2)# AS BIGINT) - $3) END", kHidden | kNullable),
    aggregate("internal:pandas_skew", "(double) -> double", "spark_pandas_skewness($1)", kHidden | kNullable),
    aggregate("internal:pandas_kurt", "(double) -> double", "spark_pandas_kurtosis($1)", kHidden | kNullable),
    aggregate("internal:pandas_mode", "(any, boolean) -> @", "", kHidden, modes_rule),
    aggregate("internal:collect_top_k", "(any, int, boolean) -> @", "", kHidden, top_k_rule),
    window("internal:ewm", "(numeric, double, boolean) -> @", "", kHidden, ewm_rule),
    window("internal:null_index", "(any) -> int", "#spark_run_length($1 IS NULL)#", kHidden | kNeverNull),
};

}  // namespace

FunctionTable internal_functions() { return kTable; }

}  // namespace tarn::plan
