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

TypedCall nullable_double(const CallContext&, std::vector<ExprPtr>&) { return {TypeId::kDouble, true}; }

// pandas_product(x, ignore nulls): BIGINT of whole numbers, else DOUBLE.
TypedCall product_rule(const CallContext&, std::vector<ExprPtr>& args) {
  static const FunctionEntry all{"pandas_product", FunctionKind::kAggregate, "",
                                 "CASE WHEN #count(*)# = #count($1)# THEN CAST(coalesce(#product(CAST($1 AS DOUBLE))#, 1) AS $type) END", kHidden};
  static const FunctionEntry present{"pandas_product", FunctionKind::kAggregate, "", "CAST(coalesce(#product(CAST($1 AS DOUBLE))#, 1) AS $type)", kHidden};
  bool ignore = constant_boolean(*args[1]).value_or(true);
  args.pop_back();
  return {args[0]->type.is_integral() ? DataType(TypeId::kLong) : DataType(TypeId::kDouble), !ignore, ignore ? &present : &all};
}

// (time, size, [slide], start): the window that holds the time, or all of them.
template <bool All> TypedCall time_window_rule(const CallContext&, std::vector<ExprPtr>& args) {
  const DataType& t = args[0]->type;
  auto one = DataType::structure({make_field("start", t), make_field("end", t)});
  return {All ? DataType::array(one, false) : one, args[0]->nullable};
}

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
    aggregate("internal:product", "(numeric) -> @", "product(CAST($1 AS DOUBLE))", kHidden, nullable_double),
    aggregate("internal:pandas_product", "(numeric, boolean) -> @", "", kHidden, product_rule),
    aggregate("internal:pandas_var", "(numeric, int) -> @",
              "CASE WHEN #count($1)# > $2 THEN #spark_var_pop(CAST($1 AS DOUBLE))# * #count($1)# / (#count($1)# - $2) END", kHidden, nullable_double),
    aggregate("internal:pandas_stddev", "(numeric, int) -> @",
              "CASE WHEN #count($1)# > $2 THEN sqrt(#spark_var_pop(CAST($1 AS DOUBLE))# * #count($1)# / (#count($1)# - $2)) END", kHidden, nullable_double),
    aggregate("internal:pandas_covar", "(numeric, numeric, int) -> @",
              "CASE WHEN #regr_count(CAST($1 AS DOUBLE), CAST($2 AS DOUBLE))# > $3 THEN #spark_covar_pop(CAST($1 AS DOUBLE), CAST($2 AS DOUBLE))# * "
              "#regr_count(CAST($1 AS DOUBLE), CAST($2 AS DOUBLE))# / (#regr_count(CAST($1 AS DOUBLE), CAST($2 AS DOUBLE))# - $3) END",
              kHidden, nullable_double),
    aggregate("internal:pandas_skew", "(numeric) -> @",
              "CASE WHEN #count($1)# < 3 THEN NULL ELSE coalesce(#spark_skewness(CAST($1 AS DOUBLE))# * sqrt(#count($1)# * (#count($1)# - 1.0)) / (#count($1)# - 2), 0) END",
              kHidden, nullable_double),
    aggregate("internal:pandas_kurt", "(numeric) -> @",
              "CASE WHEN #count($1)# < 4 THEN NULL ELSE coalesce((#count($1)# - 1.0) / ((#count($1)# - 2.0) * (#count($1)# - 3.0)) * "
              "((#count($1)# + 1) * (#spark_kurtosis(CAST($1 AS DOUBLE))# + 3) - 3.0 * (#count($1)# - 1)), 0) END",
              kHidden, nullable_double),
};

}  // namespace

FunctionTable internal_functions() { return kTable; }

}  // namespace tarn::plan
