// Apache DataSketches: theta and tuple (distinct keys), HLL (how many), KLL (quantiles); bitmaps, count-min sketches, vector sums. Source: thetasketches*,
// tuple*, kll*, HllSketchAgg and HllUnionAgg of Catalyst.
#include "plan/functions/entry.h"
#include "plan/functions/families.h"

namespace tarn::plan {
namespace {

constexpr int64_t kMinLgNominal = 4, kMaxLgNominal = 26, kMinK = 8, kMaxK = 65535;

SparkError size_error(const CallContext& c, int64_t lg) {
  return SparkError(ErrorKind::kRuntime, "SKETCH_INVALID_LG_NOM_ENTRIES",
                    {{"function", quote_identifier(c.name)}, {"min", std::to_string(kMinLgNominal)}, {"max", std::to_string(kMaxLgNominal)}, {"value", std::to_string(lg)}});
}

// A check that fails with the text of another error.
[[noreturn]] void check_failed(const CallContext& c, const std::vector<ExprPtr>& args, const SparkError& error) {
  mismatch(c, args, "TYPE_CHECK_FAILURE_WITH_HINT", {{"msg", error.message()}, {"hint", ""}});
}

// A constant that is not null: its value if it can be known here.
template <class Get> auto constant_argument(const CallContext& c, std::vector<ExprPtr>& args, size_t i, const char* name, const char* type, Get get) {
  if (!is_foldable(*args[i])) mismatch(c, args, "NON_FOLDABLE_INPUT", {{"inputName", name}, {"inputType", type}, {"inputExpr", pretty_sql(*args[i])}});
  if (is_null_literal(*args[i])) mismatch(c, args, "UNEXPECTED_NULL", {{"exprName", name}});
  return get(*args[i]);
}

void check_tuple_size(const CallContext& c, std::vector<ExprPtr>& args, size_t i) {
  auto lg = constant_argument(c, args, i, "lgNomEntries", "int", constant_integer);
  if (lg && (*lg < kMinLgNominal || *lg > kMaxLgNominal)) check_failed(c, args, size_error(c, *lg));
}

void check_mode(const CallContext& c, std::vector<ExprPtr>& args, size_t i) {
  auto mode = constant_argument(c, args, i, "mode", "string", constant_string);
  if (!mode) return;
  std::string lower;
  for (char ch : *mode) lower += static_cast<char>(std::tolower(static_cast<unsigned char>(ch)));
  if (lower != "sum" && lower != "min" && lower != "max" && lower != "alwaysone")
    check_failed(c, args, SparkError(ErrorKind::kRuntime, "TUPLE_INVALID_SKETCH_MODE",
                                     {{"function", quote_identifier(c.name)}, {"mode", *mode}, {"validModes", "sum, min, max, alwaysone"}}));
}

// theta_sketch_agg(key, size) and theta_union_agg(sketch, size): a bad size is an error of its own.
TypedCall theta_rule(const CallContext& c, std::vector<ExprPtr>& args) {
  if (!is_foldable(*args[1])) throw SparkError(ErrorKind::kRuntime, "THETA_LG_NOM_ENTRIES_MUST_BE_CONSTANT", {{"function", quote_identifier(c.name)}});
  if (auto lg = constant_integer(*args[1]); lg && (*lg < kMinLgNominal || *lg > kMaxLgNominal)) throw size_error(c, *lg);
  return {TypeId::kBinary, false};
}

// Sizes that need not be constant are checked when the query runs, too; a constant one here.
TypedCall theta_union_rule(const CallContext& c, std::vector<ExprPtr>& args) {
  if (auto lg = constant_integer(*args[2]); lg && (*lg < kMinLgNominal || *lg > kMaxLgNominal)) throw size_error(c, *lg);
  return {TypeId::kBinary, any_nullable(args)};
}

TypedCall tuple_build_rule(const CallContext& c, std::vector<ExprPtr>& args) {
  check_tuple_size(c, args, 2);
  check_mode(c, args, 3);
  return {TypeId::kBinary, false};
}
TypedCall tuple_union_agg_rule(const CallContext& c, std::vector<ExprPtr>& args) {
  check_tuple_size(c, args, 1);
  check_mode(c, args, 2);
  return {TypeId::kBinary, false};
}
TypedCall tuple_intersection_agg_rule(const CallContext& c, std::vector<ExprPtr>& args) {
  check_mode(c, args, 1);
  return {TypeId::kBinary, false};
}
// No implicit cast: of the type, or NULL.
void expect_type(const CallContext& c, std::vector<ExprPtr>& args, size_t i, TypeId type) {
  if (args[i]->type.id() == TypeId::kNull) args[i] = make_cast(args[i], type, c.mode);
  else if (args[i]->type.id() != type) unexpected_input(c, args, i, quoted(type));
}
void expect_sketches(const CallContext& c, std::vector<ExprPtr>& args) {
  for (size_t i = 0; i < 2; ++i) expect_type(c, args, i, TypeId::kBinary);
}
TypedCall tuple_union_rule(const CallContext& c, std::vector<ExprPtr>& args) {
  expect_sketches(c, args);
  expect_type(c, args, 2, TypeId::kInt);
  check_tuple_size(c, args, 2);
  check_mode(c, args, 3);
  return {TypeId::kBinary, any_nullable(args)};
}
TypedCall tuple_intersection_rule(const CallContext& c, std::vector<ExprPtr>& args) {
  expect_sketches(c, args);
  check_mode(c, args, 2);
  return {TypeId::kBinary, any_nullable(args)};
}
template <TypeId Result> TypedCall tuple_summary_rule(const CallContext& c, std::vector<ExprPtr>& args) {
  check_mode(c, args, 1);
  return {Result, any_nullable(args)};
}

TypedCall kll_rule(const CallContext& c, std::vector<ExprPtr>& args) {
  if (args.size() > 1) {
    auto k = constant_argument(c, args, 1, "k", "int", constant_integer);
    if (k && (*k < kMinK || *k > kMaxK))
      check_failed(c, args, SparkError(ErrorKind::kRuntime, "KLL_SKETCH_K_OUT_OF_RANGE", {{"functionName", quote_identifier(c.name)}, {"k", std::to_string(*k)}}));
  }
  return {TypeId::kBinary, false};
}

TypedCall binary_argument_rule(const CallContext& c, std::vector<ExprPtr>& args) {
  if (args[0]->type.id() != TypeId::kBinary) unexpected_input(c, args, 0, "\"BINARY\"");
  return {TypeId::kBinary, false};
}

const FunctionEntry kCountMinOfNumbers{"count_min_sketch", FunctionKind::kAggregate, "", "spark_count_min(CAST($1 AS BIGINT), $2, $3, CAST($4 AS BIGINT))", kHidden};

TypedCall count_min_rule(const CallContext& c, std::vector<ExprPtr>& args) {
  const char* const names[] = {"", "eps", "confidence", "seed"};
  for (size_t i = 1; i < 4; ++i) expect_foldable(c, args, i, names[i], args[i]->type);
  for (size_t i = 1; i < 4; ++i)
    if (is_null_literal(*args[i])) mismatch(c, args, "UNEXPECTED_NULL", {{"exprName", names[i]}});
  auto number = [&](size_t i) {
    auto* l = try_as<Literal>(*args[i]);
    auto* v = l ? std::get_if<double>(&l->value.v) : nullptr;
    return v ? std::optional(*v) : std::nullopt;
  };
  auto range = [&](const char* name, const char* valid, double v) {
    mismatch(c, args, "VALUE_OUT_OF_RANGE", {{"exprName", name}, {"valueRange", valid}, {"currentValue", pretty_sql(*make_literal(TypeId::kDouble, Value{v})) + "D"}});
  };
  if (auto eps = number(1); eps && *eps <= 0) range("eps", "(0.0, 1.7976931348623157E308]", *eps);
  if (auto confidence = number(2); confidence && (*confidence <= 0 || *confidence >= 1)) range("confidence", "(0.0, 1.0]", *confidence);
  TypedCall out{TypeId::kBinary, false};
  if (args[0]->type.is_integral()) out.variant = &kCountMinOfNumbers;
  return out;
}

// A histogram of doubles. The centres of its bins have the type of what was counted, or stay doubles.
struct HistogramOf {
  FunctionEntry typed, doubles;
};
#define HISTOGRAM_BINS(input, centre)                                                                  \
  FunctionEntry{"histogram_numeric", FunctionKind::kAggregate, "",                                     \
                "list_transform(spark_histogram_bins(#spark_histogram_numeric(" input ", $2)#), lambda b: struct_pack(x := " centre ", y := b.y))", kHidden}
#define HISTOGRAM(id, input, centre) const HistogramOf id{HISTOGRAM_BINS(input, centre), HISTOGRAM_BINS(input, "b.x")}
HISTOGRAM(kByteHistogram, "CAST($1 AS DOUBLE)", "spark_to_byte(b.x, 'legacy')");
HISTOGRAM(kShortHistogram, "CAST($1 AS DOUBLE)", "spark_to_short(b.x, 'legacy')");
HISTOGRAM(kIntHistogram, "CAST($1 AS DOUBLE)", "spark_to_int(b.x, 'legacy')");
HISTOGRAM(kLongHistogram, "CAST($1 AS DOUBLE)", "spark_to_long(b.x, 'legacy')");
HISTOGRAM(kFloatHistogram, "CAST($1 AS DOUBLE)", "CAST(b.x AS FLOAT)");
HISTOGRAM(kDoubleHistogram, "$1", "b.x");
HISTOGRAM(kDecimalHistogram, "spark_decimal_to_double($1)", "spark_double_to_decimal(b.x, $p1, $s1, 'try')");
HISTOGRAM(kDateHistogram, "CAST($1 - DATE '1970-01-01' AS DOUBLE)", "(DATE '1970-01-01' + spark_to_int(b.x, 'legacy'))");
HISTOGRAM(kTimestampHistogram, "CAST(epoch_us($1) AS DOUBLE)", "make_timestamptz(spark_to_long(b.x, 'legacy'))");
HISTOGRAM(kTimestampNtzHistogram, "CAST(epoch_us($1) AS DOUBLE)", "make_timestamp(spark_to_long(b.x, 'legacy'))");
#undef HISTOGRAM
#undef HISTOGRAM_BINS

TypedCall histogram_rule(const CallContext& c, std::vector<ExprPtr>& args) {
  expect(c, args, 0, "{numeric|date|timestamp|timestamp_ntz|yearmonth|daytime}");
  expect(c, args, 1, "int");
  expect_foldable(c, args, 1, "nb", args[1]->type);
  if (is_null_literal(*args[1])) mismatch(c, args, "UNEXPECTED_NULL", {{"exprName", "nb"}});
  if (auto n = constant_integer(*args[1]); n && *n < 2)
    mismatch(c, args, "VALUE_OUT_OF_RANGE", {{"exprName", "nb"}, {"valueRange", "[2, 2147483647]"}, {"currentValue", std::to_string(*n)}});
  const DataType t = args[0]->type;
  const HistogramOf* h = nullptr;
  switch (t.id()) {
    case TypeId::kByte: h = &kByteHistogram; break;
    case TypeId::kShort: h = &kShortHistogram; break;
    case TypeId::kInt: case TypeId::kYearMonthInterval: h = &kIntHistogram; break;
    case TypeId::kLong: case TypeId::kDayTimeInterval: h = &kLongHistogram; break;
    case TypeId::kFloat: h = &kFloatHistogram; break;
    case TypeId::kDecimal: h = &kDecimalHistogram; break;
    case TypeId::kDate: h = &kDateHistogram; break;
    case TypeId::kTimestamp: h = &kTimestampHistogram; break;
    case TypeId::kTimestampNtz: h = &kTimestampNtzHistogram; break;
    default: h = &kDoubleHistogram; break;
  }
  const bool propagate = c.conf.flag("spark.sql.legacy.histogramNumericPropagateInputType");
  auto bin = DataType::structure({make_field("x", propagate ? t : DataType(TypeId::kDouble)), make_field("y", TypeId::kDouble)});
  return {DataType::array(bin, true), true, propagate ? &h->typed : &h->doubles};
}

// ---- approx_top_k

constexpr int64_t kMostItemsTracked = 1000000;

bool can_be_counted(const DataType& t) {
  switch (t.id()) {
    case TypeId::kBoolean: case TypeId::kByte: case TypeId::kShort: case TypeId::kInt: case TypeId::kLong: case TypeId::kFloat: case TypeId::kDouble:
    case TypeId::kDate: case TypeId::kTimestamp: case TypeId::kTimestampNtz: case TypeId::kDecimal: return true;
    default: return t.is_string();
  }
}

[[noreturn]] void top_k_check_failed(const CallContext& c, const std::vector<ExprPtr>& args, const std::string& why) {
  mismatch(c, args, "TYPE_CHECK_FAILURE_WITH_HINT", {{"msg", why}, {"hint", ""}});
}

void check_countable(const CallContext& c, const std::vector<ExprPtr>& args) {
  const DataType& t = args[0]->type;
  if (!can_be_counted(t)) top_k_check_failed(c, args, t.catalog_string().substr(0, t.catalog_string().find('<')) + " columns are not supported");
  if (is_collated(t)) throw not_built(std::string(c.name) + " under a collation");
}

// A constant positive number; k is 0 where there is none.
int64_t top_k_number(const CallContext& c, std::vector<ExprPtr>& args, size_t i, const char* name, const char* must) {
  expect(c, args, i, "int");
  if (!is_foldable(*args[i])) top_k_check_failed(c, args, std::string(must) + " must be a constant literal");
  if (is_null_literal(*args[i])) throw SparkError(ErrorKind::kRuntime, "APPROX_TOP_K_NULL_ARG", {{"argName", quote_identifier(name)}});
  const int64_t n = constant_integer(*args[i]).value_or(1);
  if (n > kMostItemsTracked && name[0] == 'm')
    throw SparkError(ErrorKind::kRuntime, "APPROX_TOP_K_MAX_ITEMS_TRACKED_EXCEEDS_LIMIT", {{"maxItemsTracked", std::to_string(n)}, {"limit", std::to_string(kMostItemsTracked)}});
  if (n <= 0) throw SparkError(ErrorKind::kRuntime, "APPROX_TOP_K_NON_POSITIVE_ARG", {{"argName", quote_identifier(name)}, {"argValue", std::to_string(n)}});
  return n;
}
int64_t items_tracked(const CallContext& c, std::vector<ExprPtr>& args, size_t i) { return top_k_number(c, args, i, "maxItemsTracked", "Number of items tracked"); }

DataType top_k_result(const DataType& item) {
  return DataType::array(DataType::structure({make_field("item", item), make_field("count", TypeId::kLong, false)}), false);
}
DataType top_k_state(const DataType& item) {
  return DataType::structure({make_field("sketch", TypeId::kBinary, false), make_field("maxItemsTracked", TypeId::kInt, false), make_field("itemDataType", item),
                              make_field("itemDataTypeDDL", TypeId::kString, false)});
}

void check_state(const CallContext& c, const std::vector<ExprPtr>& args) {
  const DataType& t = args[0]->type;
  if (t.id() != TypeId::kStruct) unexpected_input(c, args, 0, "\"STRUCT\"");
  const auto& f = t.fields();
  auto bad = [&](const std::string& what, const DataType& got) { top_k_check_failed(c, args, what + " Got: " + got.simple_string()); };
  if (f.size() != 4) bad("State must be a struct with 4 fields. Expected struct: struct<sketch:binary,maxItemsTracked:int,itemDataType:any,itemDataTypeDDL:string>.", t);
  if (f[0].type().id() != TypeId::kBinary) bad("State struct must have the first field to be binary.", f[0].type());
  if (f[1].type().id() != TypeId::kInt) bad("State struct must have the second field to be int.", f[1].type());
  if (!can_be_counted(f[2].type())) bad("State struct must have the third field to be a supported data type.", f[2].type());
  if (!f[3].type().is_string()) bad("State struct must have the fourth field to be string.", f[3].type());
}

TypedCall top_k_rule(const CallContext& c, std::vector<ExprPtr>& args) {
  check_countable(c, args);
  const int64_t k = top_k_number(c, args, 1, "k", "K"), tracked = items_tracked(c, args, 2);
  if (tracked < k)
    throw SparkError(ErrorKind::kRuntime, "APPROX_TOP_K_MAX_ITEMS_TRACKED_LESS_THAN_K", {{"maxItemsTracked", std::to_string(tracked)}, {"k", std::to_string(k)}});
  return {top_k_result(args[0]->type), false};
}
TypedCall top_k_accumulate_rule(const CallContext& c, std::vector<ExprPtr>& args) {
  check_countable(c, args);
  items_tracked(c, args, 1);
  return {top_k_state(args[0]->type), false};
}
TypedCall top_k_combine_rule(const CallContext& c, std::vector<ExprPtr>& args) {
  check_state(c, args);
  if (constant_integer(*args[1]) != -1) items_tracked(c, args, 1);
  return {top_k_state(args[0]->type.fields()[2].type()), false};
}
TypedCall top_k_estimate_rule(const CallContext& c, std::vector<ExprPtr>& args) {
  check_state(c, args);
  top_k_number(c, args, 1, "k", "K");
  return {top_k_result(args[0]->type.fields()[2].type()), false};
}

TypedCall vector_aggregate_rule(const CallContext& c, std::vector<ExprPtr>& args) {
  if (args[0]->type.id() != TypeId::kArray || args[0]->type.element().id() != TypeId::kFloat) unexpected_input(c, args, 0, "\"ARRAY<FLOAT>\"");
  return {DataType::array(TypeId::kFloat, false), true};
}

const FunctionEntry kHllOfNumbers{"hll_sketch_agg", FunctionKind::kAggregate, "", "spark_hll_build(CAST($1 AS BIGINT), $2)", kHidden};

TypedCall hll_rule(const CallContext& c, std::vector<ExprPtr>& args) {
  if (!is_foldable(*args[1])) throw SparkError(ErrorKind::kRuntime, "HLL_K_MUST_BE_CONSTANT", {{"function", quote_identifier(c.name)}});
  auto lg = is_null_literal(*args[1]) ? std::optional<int64_t>(0) : constant_integer(*args[1]);
  if (lg && (*lg < 4 || *lg > 21))
    throw SparkError(ErrorKind::kRuntime, "HLL_INVALID_LG_K", {{"function", quote_identifier(c.name)}, {"min", "4"}, {"max", "21"}, {"value", std::to_string(*lg)}});
  TypedCall out{TypeId::kBinary, false};
  if (args[0]->type.is_integral()) out.variant = &kHllOfNumbers;
  return out;
}

// One value, or an array of them, answered by one value or an array.
#define KLL_LOOKUP(id, name, kernel, argument)                                                                                              \
  const FunctionEntry id##One{name, FunctionKind::kScalar, "", kernel "($1, CAST($2 AS " argument "), '" name "')", kHidden};               \
  const FunctionEntry id##Many{name, FunctionKind::kScalar, "",                                                                              \
                               "list_transform(CAST($2 AS " argument "[]), lambda x: " kernel "($1, x, '" name "'))", kHidden};
KLL_LOOKUP(kQuantileBigint, "kll_sketch_get_quantile_bigint", "spark_kll_quantile_bigint", "DOUBLE")
KLL_LOOKUP(kQuantileFloat, "kll_sketch_get_quantile_float", "spark_kll_quantile_float", "DOUBLE")
KLL_LOOKUP(kQuantileDouble, "kll_sketch_get_quantile_double", "spark_kll_quantile_double", "DOUBLE")
KLL_LOOKUP(kRankBigint, "kll_sketch_get_rank_bigint", "spark_kll_rank_bigint", "BIGINT")
KLL_LOOKUP(kRankFloat, "kll_sketch_get_rank_float", "spark_kll_rank_float", "FLOAT")
KLL_LOOKUP(kRankDouble, "kll_sketch_get_rank_double", "spark_kll_rank_double", "DOUBLE")
#undef KLL_LOOKUP

template <const FunctionEntry& One, const FunctionEntry& Many, TypeId Result, bool Quantile>
TypedCall kll_lookup_rule(const CallContext& c, std::vector<ExprPtr>& args) {
  if (!is_foldable(*args[1]))
    mismatch(c, args, "NON_FOLDABLE_INPUT",
             {{"inputName", Quantile ? "`rank`" : "`quantile`"}, {"inputType", quoted(args[1]->type)}, {"inputExpr", quote_sql(pretty_sql(*args[1]))}});
  const bool many = args[1]->type.id() == TypeId::kArray;
  return {many ? DataType::array(Result, false) : DataType(Result), any_nullable(args), many ? &Many : &One};
}

#define THETA_KEY "{array<int>|array<long>|binary|double|float|int|long|string}"

#define TOP_K_COMBINE "#spark_top_k_combine(struct_extract_at($1, 1), struct_extract_at($1, 2), struct_extract_at($1, 4), $2)#"

const FunctionEntry kTable[] = {
    aggregate("theta_sketch_agg", "(" THETA_KEY ", [int = 12]) -> @", "spark_theta_build(spark_sketch_key($k1), $2)", kNeverNull | kStrict, theta_rule),
    aggregate("theta_union_agg", "(binary, [int = 12]) -> @", "spark_theta_union_agg($1, $2)", kNeverNull, theta_rule),
    aggregate("theta_intersection_agg", "(binary) -> binary", "spark_theta_intersection_agg($1)", kNeverNull),
    scalar("theta_sketch_estimate", "(binary) -> long", "spark_theta_estimate($1)"),
    scalar("theta_union", "(binary, binary, [int = 12]) -> @", "spark_theta_union($1, $2, $3)", kNone, theta_union_rule),
    scalar("theta_intersection", "(binary, binary) -> binary", "spark_theta_intersection($1, $2)"),
    scalar("theta_difference", "(binary, binary) -> binary", "spark_theta_difference($1, $2)"),

    aggregate("bitmap_construct_agg", "(long) -> binary", "spark_bitmap_build($1)", kNeverNull),
    aggregate("bitmap_or_agg", "(any) -> @", "spark_bitmap_or($1)", kNeverNull, binary_argument_rule),
    aggregate("bitmap_and_agg", "(any) -> @", "spark_bitmap_and($1)", kNeverNull, binary_argument_rule),
    aggregate("count_min_sketch", "(column: {integral|string|binary}, epsilon: double, confidence: double, seed: {int|long}) -> @",
              "spark_count_min($1, $2, $3, CAST($4 AS BIGINT))", kNeverNull | kStrict, count_min_rule),
    aggregate("histogram_numeric", "(any, any) -> @", "", kNullable, histogram_rule),
    aggregate("approx_top_k", "(any, [any = 5], [any = 10000]) -> @", "spark_top_k(#spark_top_k_build($1, $3)#, $2, $3, CAST(NULL AS $t1))", kNeverNull, top_k_rule),
    aggregate("approx_top_k_accumulate", "(any, [any = 10000]) -> @",
              "CAST(struct_pack(sketch := #spark_top_k_build($1, $2)#, \"maxItemsTracked\" := $2, \"itemDataType\" := NULL, \"itemDataTypeDDL\" := spark_top_k_item_ddl($json1)) AS $type)",
              kNeverNull, top_k_accumulate_rule),
    aggregate("approx_top_k_combine", "(any, [any = -1]) -> @",
              "CAST(struct_pack(sketch := spark_top_k_sketch(" TOP_K_COMBINE "), \"maxItemsTracked\" := spark_top_k_size(" TOP_K_COMBINE
              "), \"itemDataType\" := NULL, \"itemDataTypeDDL\" := spark_top_k_ddl(" TOP_K_COMBINE ")) AS $type)",
              kNeverNull, top_k_combine_rule),
    scalar("approx_top_k_estimate", "(any, [any = 5]) -> @",
           "spark_top_k(struct_extract_at($1, 1), $2, struct_extract_at($1, 2), struct_extract_at($1, 3))", kNeverNull | kNullTolerant, top_k_estimate_rule),
    aggregate("vector_sum", "(any) -> @", "spark_vector_of(#spark_vector_sum(spark_vector_bytes($1))#)", kNone, vector_aggregate_rule),
    aggregate("vector_avg", "(any) -> @", "spark_vector_of(#spark_vector_avg(spark_vector_bytes($1))#)", kNone, vector_aggregate_rule),

    aggregate("hll_sketch_agg", "({int|long|string|binary}, [int = 12]) -> @", "spark_hll_build($k1, $2)", kNeverNull | kStrict, hll_rule),
    aggregate("hll_union_agg", "(binary, [boolean = false]) -> binary", "spark_hll_union_agg($1, $2)", kNeverNull | kStrict),
    scalar("hll_sketch_estimate", "(binary) -> long", "spark_hll_estimate($1)", kStrict),
    scalar("hll_union", "(binary, binary, [boolean = false]) -> binary", "spark_hll_union($1, $2, $3)", kStrict),

#define TUPLE(suffix, summary, total)                                                                                                         \
  aggregate("tuple_sketch_agg_" suffix, "(key: " THETA_KEY ", summary: " summary ", [lgNomEntries: int = 12], [mode: string = 'sum']) -> @",  \
            "spark_tuple_build_" suffix "(spark_sketch_key($k1), $2, $3, $4)", kNeverNull, tuple_build_rule),                                               \
      aggregate("tuple_union_agg_" suffix, "(child: binary, [lgNomEntries: int = 12], [mode: string = 'sum']) -> @",                          \
                "spark_tuple_union_agg_" suffix "($1, $2, $3)", kNeverNull, tuple_union_agg_rule),                                            \
      aggregate("tuple_intersection_agg_" suffix, "(child: binary, [mode: string = 'sum']) -> @",                                             \
                "spark_tuple_intersection_agg_" suffix "($1, $2)", kNeverNull, tuple_intersection_agg_rule),                                  \
      scalar("tuple_sketch_estimate_" suffix, "(binary) -> double", "spark_tuple_estimate_" suffix "($1, 'tuple_sketch_estimate_" suffix "')"), \
      scalar("tuple_sketch_theta_" suffix, "(binary) -> double", "spark_tuple_theta_" suffix "($1, 'tuple_sketch_theta_" suffix "')"),        \
      scalar("tuple_sketch_summary_" suffix, "(binary, [string = 'sum']) -> @",                                                               \
             "spark_tuple_summary_" suffix "($1, $2, 'tuple_sketch_summary_" suffix "')", kNone, tuple_summary_rule<total>),                  \
      scalar("tuple_union_" suffix, "(first: any, second: any, [lgNomEntries: any = 12], [mode: string = 'sum']) -> @",                                                    \
             "spark_tuple_union_" suffix "($1, $2, $3, $4, 'tuple_union_" suffix "')", kNone, tuple_union_rule),                              \
      scalar("tuple_union_theta_" suffix, "(first: any, second: any, [lgNomEntries: any = 12], [mode: string = 'sum']) -> @",                                              \
             "spark_tuple_union_theta_" suffix "($1, $2, $3, $4, 'tuple_union_theta_" suffix "')", kNone, tuple_union_rule),                  \
      scalar("tuple_intersection_" suffix, "(any, any, [string = 'sum']) -> @",                                                         \
             "spark_tuple_intersection_" suffix "($1, $2, $3, 'tuple_intersection_" suffix "')", kNone, tuple_intersection_rule),             \
      scalar("tuple_intersection_theta_" suffix, "(any, any, [string = 'sum']) -> @",                                                   \
             "spark_tuple_intersection_theta_" suffix "($1, $2, $3, 'tuple_intersection_theta_" suffix "')", kNone, tuple_intersection_rule), \
      scalar("tuple_difference_" suffix, "(binary, binary) -> binary", "spark_tuple_difference_" suffix "($1, $2, 'tuple_difference_" suffix "')"), \
      scalar("tuple_difference_theta_" suffix, "(binary, binary) -> binary",                                                                  \
             "spark_tuple_difference_theta_" suffix "($1, $2, 'tuple_difference_theta_" suffix "')")

    TUPLE("double", "double", TypeId::kDouble),
    TUPLE("integer", "int", TypeId::kLong),
#undef TUPLE

#define KLL(suffix, Suffix, duck, input, value, type)                                                                                         \
  aggregate("kll_sketch_agg_" suffix, "(" input ", [int]) -> @",                                                                              \
            "1: spark_kll_build_" suffix "(CAST($1 AS " duck "), 200) ;; 2: spark_kll_build_" suffix "(CAST($1 AS " duck "), $2)",            \
            kNeverNull | kStrict, kll_rule),                                                                                                  \
      aggregate("kll_merge_agg_" suffix, "(binary, [int]) -> @",                                                                              \
                "1: spark_kll_merge_agg_" suffix "($1, 0) ;; 2: spark_kll_merge_agg_" suffix "($1, $2)", kNeverNull, kll_rule),               \
      scalar("kll_sketch_to_string_" suffix, "(binary) -> string", "spark_kll_text_" suffix "($1, 'kll_sketch_to_string_" suffix "')"),       \
      scalar("kll_sketch_get_n_" suffix, "(binary) -> long", "spark_kll_n_" suffix "($1, 'kll_sketch_get_n_" suffix "')"),                    \
      scalar("kll_sketch_merge_" suffix, "(binary, binary) -> binary", "spark_kll_merge_" suffix "($1, $2, 'kll_sketch_merge_" suffix "')"),  \
      scalar("kll_sketch_get_quantile_" suffix, "(binary, {double|array<double>}) -> @", "", kNone,                                           \
             kll_lookup_rule<kQuantile##Suffix##One, kQuantile##Suffix##Many, type, true>),                                                   \
      scalar("kll_sketch_get_rank_" suffix, "(binary, {" value "|array<" value ">}) -> @", "", kNone,                                         \
             kll_lookup_rule<kRank##Suffix##One, kRank##Suffix##Many, TypeId::kDouble, false>)

    KLL("bigint", Bigint, "BIGINT", "{byte|int|long|short}", "long", TypeId::kLong),
    KLL("float", Float, "FLOAT", "float", "float", TypeId::kFloat),
    KLL("double", Double, "DOUBLE", "{float|double}", "double", TypeId::kDouble),
#undef KLL
};

}  // namespace

FunctionTable sketch_functions() { return kTable; }

}  // namespace tarn::plan
