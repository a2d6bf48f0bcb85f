#include "plan/functions/entry.h"
#include "plan/functions/families.h"

namespace tarn::plan {
namespace {

TypedCall raise_error_rule(const CallContext& c, std::vector<ExprPtr>& args) {
  expect(c, args, 0, "string");
  if (args.size() > 1 && args[1]->type.id() == TypeId::kMap && args[1]->type.key().id() == TypeId::kNull)
    cast_to(c, args[1], DataType::map(TypeId::kString, TypeId::kString));
  return {TypeId::kNull, true};
}

TypedCall randstr_rule(const CallContext& c, std::vector<ExprPtr>& args) {
  static const char* names[] = {"length", "seed"};
  for (size_t i = 0; i < args.size(); ++i) expect_foldable(c, args, i, names[i], args[i]->type);
  if (args[0]->type.id() != TypeId::kInt) cast_to(c, args[0], TypeId::kInt);
  return {TypeId::kString, false};
}

TypedCall typeof_rule(const CallContext&, std::vector<ExprPtr>&) { return {TypeId::kString, false}; }

ExprPtr typeof_rewrite(const CallContext&, std::vector<ExprPtr>& args) { return make_string(args[0]->type.catalog_string()); }

TypedCall vector_rule(const CallContext& c, std::vector<ExprPtr>& args) {
  for (size_t i = 0; i < args.size() && i < 2; ++i)
    if (args[i]->type.id() != TypeId::kArray || args[i]->type.element().id() != TypeId::kFloat) {
      if (i == 1 && (c.name == "vector_norm" || c.name == "vector_normalize")) continue;
      unexpected_input(c, args, i, "\"ARRAY<FLOAT>\"");
    }
  if (args.size() > 1 && (c.name == "vector_norm" || c.name == "vector_normalize")) expect(c, args, 1, "float");
  if (c.name == "vector_normalize") return {DataType::array(TypeId::kFloat, false), true};
  return {TypeId::kFloat, true};
}

const FunctionEntry kTable[] = {
    scalar("assert_true", "(boolean, [string]) -> @", "spark_assert_true_message($1, $2)", kNullable | kNullTolerant,
           [](const CallContext&, std::vector<ExprPtr>& a) -> TypedCall {
             if (a.size() == 1) a.push_back(printed_as(make_string("'" + pretty_sql(*a[0]) + "' is not true!"), "'" + pretty_sql(*a[0]) + "' is not true!"));
             return {TypeId::kNull, true}; }),
    scalar("raise_error", "(any) -> @", "1: spark_raise_error($1) ;; 2: spark_raise_error($1, $2)", kNullable | kNullTolerant, raise_error_rule),
    FunctionEntry{"typeof", FunctionKind::kScalar, "(any) -> @", "", kNone, typeof_rule, typeof_rewrite},
    scalar("uuid", "([long]) -> string", "0: CAST(uuid() AS VARCHAR) ;; 1: spark_uuid($1)", kNondeterministic | kNeverNull),
    scalar("randstr", "({int|numeric}, [{int|long}]) -> string", "1: spark_randstr($1, CAST(floor(random() * 9007199254740992) AS BIGINT)) ;; 2: spark_randstr($1, $2)", kNondeterministic | kNeverNull | kStrict, randstr_rule),
    scalar("monotonically_increasing_id", "() -> long", "@monotonically_increasing_id", kNondeterministic | kNeverNull),
    scalar("spark_partition_id", "() -> int", "CAST(0 AS INTEGER)", kNondeterministic | kNeverNull),
    scalar("input_file_name", "() -> string", "0: '' ;; 1: $1", kNondeterministic | kNeverNull),
    scalar("input_file_block_start", "() -> long", "0: CAST(-1 AS BIGINT) ;; 1: $1", kNondeterministic | kNeverNull),
    scalar("input_file_block_length", "() -> long", "0: CAST(-1 AS BIGINT) ;; 1: $1", kNondeterministic | kNeverNull),
    scalar("current_database,current_schema", "() -> string", "@current_schema", kFoldableConstant | kNeverNull),
    scalar("current_path", "() -> string", "@current_path", kFoldableConstant | kNeverNull),
    scalar("current_catalog", "() -> string", "@current_catalog", kFoldableConstant | kNeverNull),
    scalar("current_user,user,session_user", "() -> string", "@current_user", kFoldableConstant | kNeverNull),
    scalar("version", "() -> string", "'4.2.0 0000000000000000000000000000000000000000'", kNeverNull),
    scalar("vector_inner_product", "(any, any) -> @", "spark_vector_inner_product($1, $2)", kNone, vector_rule),
    scalar("vector_cosine_similarity", "(any, any) -> @", "spark_vector_cosine_similarity($1, $2)", kNone, vector_rule),
    scalar("vector_l2_distance", "(any, any) -> @", "spark_vector_l2_distance($1, $2)", kNone, vector_rule),
    scalar("vector_norm", "(any, [any]) -> @", "1: spark_vector_norm($1, 2.0::FLOAT) ;; 2: spark_vector_norm($1, $2)", kNone, vector_rule),
    scalar("vector_normalize", "(any, [any]) -> @", "1: spark_vector_normalize($1, 2.0::FLOAT) ;; 2: spark_vector_normalize($1, $2)", kNone, vector_rule),
    scalar("bitmap_bit_position", "(long) -> long", "spark_bitmap_bit_position($1)"),
    scalar("bitmap_bucket_number", "(long) -> long", "spark_bitmap_bucket_number($1)"),
    scalar("bitmap_count", "(binary) -> long", "spark_bitmap_count($1)"),
};

// ---- generators: the call's type is the struct of the generated columns

DataType exploded(const DataType& t, bool position) {
  std::vector<StructField> f;
  if (position) f.push_back(make_field("pos", TypeId::kInt, false));
  if (t.id() == TypeId::kMap) {
    f.push_back(make_field("key", t.key(), false));
    f.push_back(make_field("value", t.value(), t.contains_null()));
  } else {
    f.push_back(make_field("col", t.element(), t.contains_null()));
  }
  return DataType::structure(std::move(f));
}

template <bool Position> TypedCall explode_rule(const CallContext& c, std::vector<ExprPtr>& args) {
  const TypeId t = args[0]->type.id();
  if (t != TypeId::kArray && t != TypeId::kMap) unexpected_input(c, args, 0, "(\"ARRAY\" or \"MAP\")");
  return {exploded(args[0]->type, Position), false};
}

TypedCall inline_rule(const CallContext& c, std::vector<ExprPtr>& args) {
  const DataType& t = args[0]->type;
  if (t.id() != TypeId::kArray || t.element().id() != TypeId::kStruct) unexpected_input(c, args, 0, "\"ARRAY<STRUCT>\"");
  std::vector<StructField> f;
  for (const StructField& x : t.element().fields()) f.push_back(make_field(x.name, x.type(), x.nullable || t.contains_null()));
  return {DataType::structure(std::move(f)), false};
}

TypedCall stack_rule(const CallContext& c, std::vector<ExprPtr>& args) {
  if (args.size() <= 1) wrong_number_of_arguments(c.name, "> 1", args.size());
  if (args[0]->type.id() != TypeId::kInt) unexpected_input(c, args, 0, "\"INT\"");
  expect_foldable(c, args, 0, "n", TypeId::kInt);
  auto rows = constant_integer(*args[0]).value_or(0);
  if (rows < 1) mismatch(c, args, "VALUE_OUT_OF_RANGE", {{"exprName", "`n`"}, {"valueRange", "(0, 2147483647]"}, {"currentValue", std::to_string(rows)}});
  const auto columns = (args.size() - 1 + static_cast<size_t>(rows) - 1) / static_cast<size_t>(rows);
  std::vector<DataType> types(columns);
  for (size_t i = 1; i < args.size(); ++i) {
    DataType& t = types[(i - 1) % columns];
    if (t.id() == TypeId::kNull) t = args[i]->type;
  }
  for (size_t i = 1; i < args.size(); ++i) {
    const size_t j = (i - 1) % columns;
    if (args[i]->type.id() == TypeId::kNull) cast_to(c, args[i], types[j]);
    if (!args[i]->type.same_type(types[j]))
      mismatch(c, args, "STACK_COLUMN_DIFF_TYPES", {{"columnIndex", std::to_string(j)}, {"leftParamIndex", std::to_string(j + 1)}, {"leftType", quoted(types[j])},
                                                    {"rightParamIndex", std::to_string(i)}, {"rightType", quoted(args[i]->type)}});
  }
  std::vector<StructField> f;
  for (size_t j = 0; j < columns; ++j) f.push_back(make_field("col" + std::to_string(j), types[j]));
  return {DataType::structure(std::move(f)), false};
}

TypedCall json_tuple_rule(const CallContext& c, std::vector<ExprPtr>& args) {
  if (args.size() < 2) wrong_number_of_arguments(c.name, "> 1", args.size());
  for (const ExprPtr& e : args)
    if (!e->type.is_string()) mismatch(c, args, "NON_STRING_TYPE", {{"funcName", quote_identifier(c.name)}});
  std::vector<StructField> f;
  for (size_t i = 1; i < args.size(); ++i) f.push_back(make_field("c" + std::to_string(i - 1), TypeId::kString));
  return {DataType::structure(std::move(f)), false};
}

const FunctionEntry kGenerators[] = {
    generator("explode", "(collection: any) -> @", "", kNone, explode_rule<false>),
    generator("explode_outer", "(collection: any) -> @", "", kNone, explode_rule<false>),
    generator("posexplode", "(collection: any) -> @", "", kNone, explode_rule<true>),
    generator("posexplode_outer", "(collection: any) -> @", "", kNone, explode_rule<true>),
    generator("inline", "(input: any) -> @", "", kNone, inline_rule),
    generator("inline_outer", "(input: any) -> @", "", kNone, inline_rule),
    generator("stack", "(any...) -> @", "", kNone, stack_rule),
    generator("json_tuple", "(any...) -> @", "[spark_json_tuple($*)]", kNone, json_tuple_rule),
};

}  // namespace

FunctionTable misc_functions() { return kTable; }
FunctionTable generator_functions() { return kGenerators; }

}  // namespace tarn::plan
