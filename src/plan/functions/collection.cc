// Arrays, maps and structs, and the functions that take lambdas.
#include <algorithm>

#include "plan/functions/entry.h"
#include "plan/functions/families.h"

namespace tarn::plan {
namespace {

bool is_array(const ExprPtr& e) { return e->type.id() == TypeId::kArray; }
bool is_map(const ExprPtr& e) { return e->type.id() == TypeId::kMap; }
bool is_null(const ExprPtr& e) { return e->type.id() == TypeId::kNull; }

bool contains_map(const DataType& t) {
  switch (t.id()) {
    case TypeId::kMap: case TypeId::kVariant: return true;
    case TypeId::kArray: return contains_map(t.element());
    case TypeId::kStruct: return std::any_of(t.fields().begin(), t.fields().end(), [](const StructField& f) { return contains_map(f.type()); });
    default: return false;
  }
}

[[noreturn]] void diff_types(const CallContext& c, const std::vector<ExprPtr>& args, const char* sub, const char* kind, size_t l = 0, size_t r = 1) {
  mismatch(c, args, sub, {{"functionName", quote_identifier(c.name)}, {"dataType", quote_sql(kind)}, {"leftType", quoted(args[l]->type)}, {"rightType", quoted(args[r]->type)}});
}

[[noreturn]] void null_type(const CallContext& c, const std::vector<ExprPtr>& args) {
  mismatch(c, args, "NULL_TYPE", {{"functionName", quote_identifier(c.name)}});
}

// (array<T>, T): the element at `at` and the array meet without strings becoming anything else.
void meet_element(const CallContext& c, std::vector<ExprPtr>& args, size_t at, bool null_is_error) {
  if (null_is_error && (is_null(args[0]) || is_null(args[at]))) null_type(c, args);
  if (!is_array(args[0])) unexpected_input(c, args, 0, "\"ARRAY\"");
  const DataType e = args[0]->type.element(), v = args[at]->type;
  if (e.same_type(v)) return;
  std::vector<DataType> pair = {e, v};
  auto t = common_type_without_strings(pair, c.conf.ansi());
  if (!t) diff_types(c, args, "ARRAY_FUNCTION_DIFF_TYPES", "ARRAY", 0, at);
  if (!e.same_type(*t)) cast_to(c, args[0], DataType::array(*t, args[0]->type.contains_null()));
  if (!v.same_type(*t)) cast_to(c, args[at], *t);
}

TypedCall contains_rule(const CallContext& c, std::vector<ExprPtr>& args) {
  meet_element(c, args, 1, true);
  expect_orderable(c, args, args[1]->type);
  return {TypeId::kBoolean, any_nullable(args) || args[0]->type.contains_null()};
}
TypedCall position_rule(const CallContext& c, std::vector<ExprPtr>& args) {
  if (is_null(args[0]) || (is_null(args[1]) && is_array(args[0]) && args[0]->type.element().id() == TypeId::kNull)) null_type(c, args);
  meet_element(c, args, 1, false);
  expect_orderable(c, args, args[1]->type);
  return {TypeId::kLong, any_nullable(args)};
}
TypedCall binary_search_rule(const CallContext& c, std::vector<ExprPtr>& args) {
  meet_element(c, args, 1, true);
  expect_orderable(c, args, args[1]->type);
  return {TypeId::kInt, any_nullable(args)};
}
TypedCall remove_rule(const CallContext& c, std::vector<ExprPtr>& args) {
  if (!is_array(args[0])) diff_types(c, args, "ARRAY_FUNCTION_DIFF_TYPES", "ARRAY");
  meet_element(c, args, 1, false);
  expect_orderable(c, args, args[1]->type);
  return {args[0]->type, any_nullable(args)};
}
TypedCall append_rule(const CallContext& c, std::vector<ExprPtr>& args) {
  meet_element(c, args, 1, false);
  const DataType& t = args[0]->type;
  return {DataType::array(t.element(), t.contains_null() || args[1]->nullable), args[0]->nullable};
}
TypedCall insert_rule(const CallContext& c, std::vector<ExprPtr>& args) {
  expect(c, args, 1, "int");
  meet_element(c, args, 2, false);
  return {DataType::array(args[0]->type.element(), true), args[0]->nullable || args[1]->nullable};
}

// Two arrays of one element type (union, intersect, except, overlap).
void meet_arrays(const CallContext& c, std::vector<ExprPtr>& args) {
  if (is_array(args[0]) && is_array(args[1]) && args[0]->type.same_type(args[1]->type)) return;
  std::optional<DataType> t;
  if (is_array(args[0]) && is_array(args[1])) {
    std::vector<DataType> pair = {args[0]->type, args[1]->type};
    t = common_type_without_strings(pair, c.conf.ansi());
  } else if (is_null(args[0]) && is_array(args[1])) {
    t = args[1]->type;
  } else if (is_array(args[0]) && is_null(args[1])) {
    t = args[0]->type;
  }
  if (!t)
    mismatch(c, args, "BINARY_ARRAY_DIFF_TYPES", {{"functionName", quote_identifier(c.name)}, {"arrayType", "\"ARRAY\""},
                                                  {"leftType", quoted(args[0]->type)}, {"rightType", quoted(args[1]->type)}});
  for (ExprPtr& e : args)
    if (!e->type.same_type(*t)) cast_to(c, e, *t);
}
TypedCall set_rule(const CallContext& c, std::vector<ExprPtr>& args) {
  meet_arrays(c, args);
  expect_orderable(c, args, args[0]->type.element());
  bool l = args[0]->type.contains_null(), r = args[1]->type.contains_null();
  bool nulls = c.name == "array_intersect" ? l && r : c.name == "array_except" ? l : l || r;
  return {DataType::array(args[0]->type.element(), nulls), any_nullable(args)};
}
TypedCall overlap_rule(const CallContext& c, std::vector<ExprPtr>& args) {
  meet_arrays(c, args);
  expect_orderable(c, args, args[0]->type.element());
  return {TypeId::kBoolean, any_nullable(args) || args[0]->type.contains_null() || args[1]->type.contains_null()};
}

TypedCall array_rule(const CallContext& c, std::vector<ExprPtr>& args) {
  if (args.empty()) return {DataType::array(TypeId::kNull, false), false};
  DataType t = unify(c, args);
  return {DataType::array(t, any_nullable(args)), false};
}

void check_map_key(const CallContext& c, const std::vector<ExprPtr>& args, const DataType& key) {
  if (contains_map(key)) mismatch(c, args, "INVALID_MAP_KEY_TYPE", {{"keyType", quoted(key)}});
}

TypedCall map_rule(const CallContext& c, std::vector<ExprPtr>& args) {
  if (args.size() % 2 != 0) wrong_number_of_arguments(c.name, "2n (n > 0)", args.size());
  if (args.empty()) return {DataType::map(TypeId::kNull, TypeId::kNull, false), false};
  auto side = [&](size_t from, const char* sub) {
    std::vector<DataType> types;
    for (size_t i = from; i < args.size(); i += 2) types.push_back(args[i]->type);
    bool same = std::all_of(types.begin(), types.end(), [&](const DataType& t) { return t.same_type(types[0]); });
    DataType r = types[0];
    if (!same) {
      auto t = common_type(types, c.conf.ansi());
      if (!t) {
        std::string list = "[";
        for (size_t i = 0; i < types.size(); ++i) list += (i ? ", " : "") + quoted(types[i]);
        mismatch(c, args, sub, {{"functionName", quote_identifier("map")}, {"dataType", list + "]"}});
      }
      for (size_t i = from; i < args.size(); i += 2)
        if (!args[i]->type.same_type(*t)) cast_to(c, args[i], *t);
      r = *t;
    }
    for (size_t i = from; i < args.size(); i += 2)
      if (auto m = merge_nullability(r, args[i]->type)) r = *m;
    return r;
  };
  DataType k = side(0, "CREATE_MAP_KEY_DIFF_TYPES"), v = side(1, "CREATE_MAP_VALUE_DIFF_TYPES");
  check_map_key(c, args, k);
  bool nulls = false;
  for (size_t i = 1; i < args.size(); i += 2) nulls |= args[i]->nullable;
  return {DataType::map(k, v, nulls), false};
}

std::string column_name(const ExprPtr& e, size_t i) {
  if (const auto* a = try_as<Alias>(e)) return a->name;
  if (const auto* a = try_as<AttributeRef>(e)) return a->name;
  if (const auto* c = try_as<Call>(e); c && c->name == "getstructfield" && e->children.size() == 2) {
    if (auto n = constant_integer(*e->children[1])) return e->children[0]->type.fields()[static_cast<size_t>(*n)].name;
  }
  return "col" + std::to_string(i + 1);
}

// struct(a, b AS x): becomes named_struct.
ExprPtr struct_rewrite(const CallContext& c, std::vector<ExprPtr>& args) {
  std::vector<ExprPtr> out;
  for (size_t i = 0; i < args.size(); ++i) {
    out.push_back(make_string(column_name(args[i], i)));
    out.push_back(args[i]->kind == ExprKind::kAlias ? args[i]->children[0] : args[i]);
  }
  return call(c, "named_struct", std::move(out), "struct");
}

TypedCall named_struct_rule(const CallContext& c, std::vector<ExprPtr>& args) {
  if (args.empty() || args.size() % 2 != 0) wrong_number_of_arguments(c.name, "2n (n > 0)", args.size());
  std::vector<StructField> fields;
  for (size_t i = 0; i < args.size(); i += 2) {
    auto name = constant_string(*args[i]);
    if (!args[i]->type.is_string() || !is_foldable(*args[i])) {
      std::string list = "[";
      for (size_t k = 0; k < args.size(); k += 2)
        if (!args[k]->type.is_string() || !is_foldable(*args[k])) list += (list.size() > 1 ? ", " : "") + pretty_sql(*args[k]);
      mismatch(c, args, "CREATE_NAMED_STRUCT_WITHOUT_FOLDABLE_STRING", {{"inputExprs", "\"" + list + "]\""}});
    }
    if (!name) mismatch(c, args, "UNEXPECTED_NULL", {{"exprName", "\"" + pretty_sql(*args[i]) + "\""}});
    const Expression* v = args[i + 1].get();
    std::string metadata;
    if (const auto* a = try_as<AttributeRef>(*v)) metadata = a->metadata;
    if (const auto* a = try_as<Alias>(*v)) metadata = a->metadata;
    fields.push_back(make_field(*name, v->type, v->nullable, metadata));
  }
  return {DataType::structure(std::move(fields)), false};
}

TypedCall element_at_rule(const CallContext& c, std::vector<ExprPtr>& args) {
  static const FunctionEntry map{"element_at", FunctionKind::kScalar, "", "map_extract_value($1, $2)", kHidden};
  if (!is_array(args[0]) && !is_map(args[0])) unexpected_input(c, args, 0, "(\"ARRAY\" or \"MAP\")");
  if (is_array(args[0])) {
    if (args[1]->type.is_integral() && args[1]->type.id() != TypeId::kLong) cast_to(c, args[1], TypeId::kInt);
    else if (args[1]->type.id() == TypeId::kNull) cast_to(c, args[1], TypeId::kInt);
    if (args[1]->type.id() != TypeId::kInt) unexpected_input(c, args, 1, "\"INT\"");
    return {args[0]->type.element(), true};
  }
  const DataType k = args[0]->type.key();
  if (!k.same_type(args[1]->type)) {
    std::vector<DataType> pair = {k, args[1]->type};
    auto t = common_type_without_strings(pair, c.conf.ansi());
    if (!t) diff_types(c, args, "MAP_FUNCTION_DIFF_TYPES", "MAP");
    if (!k.same_type(*t)) cast_to(c, args[0], DataType::map(*t, args[0]->type.value(), args[0]->type.contains_null()));
    cast_to(c, args[1], *t);
  }
  return {args[0]->type.value(), true, &map};
}

TypedCall map_contains_rule(const CallContext& c, std::vector<ExprPtr>& args) {
  if (is_null(args[0]) || is_null(args[1])) null_type(c, args);
  if (!is_map(args[0])) unexpected_input(c, args, 0, "\"MAP\"");
  const DataType k = args[0]->type.key();
  if (!k.same_type(args[1]->type)) {
    std::vector<DataType> pair = {k, args[1]->type};
    auto t = common_type_without_strings(pair, c.conf.ansi());
    if (!t) diff_types(c, args, "MAP_FUNCTION_DIFF_TYPES", "MAP");
    if (!k.same_type(*t)) cast_to(c, args[0], DataType::map(*t, args[0]->type.value(), args[0]->type.contains_null()));
    cast_to(c, args[1], *t);
  }
  return {TypeId::kBoolean, any_nullable(args)};
}

TypedCall size_rule(const CallContext& c, std::vector<ExprPtr>& args) {
  static const FunctionEntry legacy{"size", FunctionKind::kScalar, "", "coalesce(CAST(cardinality($1) AS INTEGER), -1)", kHidden};
  static const FunctionEntry legacy_array{"size", FunctionKind::kScalar, "", "coalesce(CAST(len($1) AS INTEGER), -1)", kHidden};
  static const FunctionEntry map{"size", FunctionKind::kScalar, "", "CAST(cardinality($1) AS INTEGER)", kHidden};
  static const FunctionEntry array{"size", FunctionKind::kScalar, "", "CAST(len($1) AS INTEGER)", kHidden};
  expect(c, args, 0, "{array|map}");
  bool minus_one = c.conf.flag("spark.sql.legacy.sizeOfNull") && !c.conf.ansi();
  return {TypeId::kInt, !minus_one && args[0]->nullable,
          minus_one ? (is_map(args[0]) ? &legacy : &legacy_array) : (is_map(args[0]) ? &map : &array)};
}

TypedCall sort_array_rule(const CallContext& c, std::vector<ExprPtr>& args) {
  if (!is_array(args[0])) {
    expect(c, args, 0, "array");
  }
  expect_orderable(c, args, args[0]->type.element());
  if (args.size() > 1) {
    expect(c, args, 1, "boolean");
    if (!is_foldable(*args[1])) expect_foldable(c, args, 1, "ascendingOrder", TypeId::kBoolean);
  }
  return {args[0]->type, args[0]->nullable};
}

TypedCall min_max_rule(const CallContext& c, std::vector<ExprPtr>& args) {
  expect_orderable(c, args, args[0]->type.element());
  return {args[0]->type.element(), true};
}
TypedCall distinct_rule(const CallContext& c, std::vector<ExprPtr>& args) {
  expect_orderable(c, args, args[0]->type.element());
  return {args[0]->type, args[0]->nullable};
}

TypedCall arrays_zip_rule(const CallContext& c, std::vector<ExprPtr>& args) {
  std::vector<StructField> fields;
  for (size_t i = 0; i < args.size(); ++i) {
    if (!is_array(args[i])) unexpected_input(c, args, i, "\"ARRAY\"");
    std::string name = column_name(args[i], i);
    if (name == "col" + std::to_string(i + 1)) name = std::to_string(i);
    fields.push_back(make_field(name, args[i]->type.element(), true));
    if (args[i]->kind == ExprKind::kAlias) args[i] = args[i]->children[0];
  }
  return {DataType::array(DataType::structure(std::move(fields)), false), any_nullable(args)};
}

TypedCall flatten_rule(const CallContext& c, std::vector<ExprPtr>& args) {
  const DataType& t = args[0]->type;
  if (!is_array(args[0]) || (t.element().id() != TypeId::kArray && t.element().id() != TypeId::kNull))
    unexpected_input(c, args, 0, "\"ARRAY\" of \"ARRAY\"");
  if (t.element().id() == TypeId::kNull) return {t.element(), true};
  return {DataType::array(t.element().element(), t.element().contains_null()), args[0]->nullable || t.contains_null()};
}

TypedCall array_join_rule(const CallContext& c, std::vector<ExprPtr>& args) {
  if (is_array(args[0]) && !args[0]->type.element().is_string()) {
    static const TypeSpec strings = parse_signature("(array<string>) -> @").alternatives[0].parameters[0].type;
    if (auto t = implicit_cast(args[0]->type, strings, c.conf.ansi())) cast_to(c, args[0], *t);
  }
  expect(c, args, 0, "array<string>");
  for (size_t i = 1; i < args.size(); ++i) expect(c, args, i, "string");
  return {TypeId::kString, any_nullable(args)};
}

// sequence(start, stop[, step]) of integers, dates and timestamps.
TypedCall sequence_rule(const CallContext& c, std::vector<ExprPtr>& args) {
  static const FunctionEntry numbers{"sequence", FunctionKind::kScalar, "", "2: spark_sequence($1, $2) ;; 3: spark_sequence($1, $2, $3)", kHidden};
  static const FunctionEntry times{"sequence", FunctionKind::kScalar, "", "2: spark_sequence_time($1, $2, CASE WHEN $1 <= $2 THEN INTERVAL 1 DAY ELSE INTERVAL (-1) DAY END, $tz) ;; 3: spark_sequence_time($1, $2, $3, $tz)", kHidden};
  static const FunctionEntry months{"sequence", FunctionKind::kScalar, "", "spark_sequence_time($1, $2, to_months($3), $tz)", kHidden};
  static const FunctionEntry micros{"sequence", FunctionKind::kScalar, "", "spark_sequence_time($1, $2, to_microseconds($3), $tz)", kHidden};
  auto wrong = [&]() {
    mismatch(c, args, "SEQUENCE_WRONG_INPUT_TYPES",
             {{"functionName", quote_identifier(c.name)}, {"startType", "(\"TIMESTAMP\" or \"TIMESTAMP_NTZ\" or \"DATE\")"},
              {"stepType", "(\"INTERVAL\" or \"INTERVAL YEAR TO MONTH\" or \"INTERVAL DAY TO SECOND\")"}, {"otherStartType", "\"INTEGRAL\""}});
  };
  const bool datetime = args[0]->type.id() == TypeId::kDate || args[0]->type.id() == TypeId::kTimestamp || args[0]->type.id() == TypeId::kTimestampNtz ||
                        args[1]->type.id() == TypeId::kDate || args[1]->type.id() == TypeId::kTimestamp || args[1]->type.id() == TypeId::kTimestampNtz;
  if (datetime) {
    if (!args[0]->type.same_type(args[1]->type)) {
      auto t = common_type(args[0]->type, args[1]->type, c.conf.ansi());
      if (!t) wrong();
      cast_to(c, args[0], *t);
      cast_to(c, args[1], *t);
    }
    const FunctionEntry* v = &times;
    if (args.size() == 3) {
      if (args[2]->type.id() == TypeId::kYearMonthInterval) v = &months;
      else if (args[2]->type.id() == TypeId::kDayTimeInterval) v = &micros;
      else if (args[2]->type.is_string()) cast_to(c, args[2], TypeId::kCalendarInterval);
      else if (args[2]->type.id() != TypeId::kCalendarInterval) wrong();
    }
    return {DataType::array(args[0]->type, false), any_nullable(args), v};
  }
  DataType t = unify(c, args);
  if (!t.is_integral()) wrong();
  return {DataType::array(t, false), any_nullable(args), &numbers};
}

TypedCall map_concat_rule(const CallContext& c, std::vector<ExprPtr>& args) {
  if (args.empty()) return {DataType::map(TypeId::kString, TypeId::kString, false), false};
  for (const ExprPtr& e : args)
    if (!is_map(e)) {
      std::string list = "[";
      for (size_t i = 0; i < args.size(); ++i) list += (i ? ", " : "") + quoted(args[i]->type);
      mismatch(c, args, "MAP_CONCAT_DIFF_TYPES", {{"functionName", quote_identifier(c.name)}, {"dataType", list + "]"}});
    }
  DataType t = unify(c, args);
  return {t, any_nullable(args)};
}

TypedCall map_from_arrays_rule(const CallContext& c, std::vector<ExprPtr>& args) {
  check_map_key(c, args, args[0]->type.element());
  return {DataType::map(args[0]->type.element(), args[1]->type.element(), args[1]->type.contains_null()), any_nullable(args)};
}

TypedCall map_from_entries_rule(const CallContext& c, std::vector<ExprPtr>& args) {
  const DataType& t = args[0]->type;
  if (!is_array(args[0]) || t.element().id() != TypeId::kStruct || t.element().fields().size() != 2)
    unexpected_input(c, args, 0, "\"ARRAY\" of pair \"STRUCT\"");
  const auto& f = t.element().fields();
  check_map_key(c, args, f[0].type());
  return {DataType::map(f[0].type(), f[1].type(), f[1].nullable), args[0]->nullable || t.contains_null()};
}

TypedCall entries_rule(const CallContext&, std::vector<ExprPtr>& args) {
  const DataType& t = args[0]->type;
  return {DataType::array(DataType::structure({make_field("key", t.key(), false), make_field("value", t.value(), t.contains_null())}), false), args[0]->nullable};
}

TypedCall struct_field_rule(const CallContext&, std::vector<ExprPtr>& args) {
  auto i = static_cast<size_t>(constant_integer(*args[1]).value());
  const StructField& f = args[0]->type.fields().at(i);
  return {f.type(), args[0]->nullable || f.nullable};
}
TypedCall array_struct_field_rule(const CallContext&, std::vector<ExprPtr>& args) {
  auto i = static_cast<size_t>(constant_integer(*args[1]).value());
  const DataType& t = args[0]->type;
  const StructField& f = t.element().fields().at(i);
  return {DataType::array(f.type(), t.contains_null() || f.nullable), args[0]->nullable};
}

const FunctionEntry kTable[] = {
    scalar("array", "(any...) -> @", "0: CAST([] AS $type) ;; *: CAST(list_value($*) AS $type)", kNullTolerant, array_rule),
    scalar("array_contains", "(any, any) -> @", "spark_array_contains($1, $2)", kNone, contains_rule),
    scalar("array_position", "(any, any) -> @", "spark_array_position($1, $2)", kNone, position_rule),
    scalar("array_remove", "(any, any) -> @", "spark_array_remove($1, $2)", kNone, remove_rule),
    scalar("internal:array_binary_search", "(any, any) -> @", "spark_array_binary_search($1, $2)", kHidden, binary_search_rule),
    scalar("array_append", "(any, any) -> @", "spark_array_append($1, $2)", kNullTolerant, append_rule),
    scalar("array_prepend", "(any, any) -> @", "spark_array_prepend($1, $2)", kNullTolerant, append_rule),
    scalar("array_insert", "(any, any, any) -> @", "spark_array_insert($1, $2, $3)", kNullTolerant, insert_rule),
    scalar("array_union", "(any, any) -> @", "spark_array_union($1, $2)", kNone, set_rule),
    scalar("array_intersect", "(any, any) -> @", "spark_array_intersect($1, $2)", kNone, set_rule),
    scalar("array_except", "(any, any) -> @", "spark_array_except($1, $2)", kNone, set_rule),
    scalar("arrays_overlap", "(any, any) -> @", "spark_arrays_overlap($1, $2)", kNone, overlap_rule),
    scalar("array_distinct", "(array) -> @", "spark_array_distinct($1)", kNone, distinct_rule),
    scalar("array_compact", "(array) -> @", "list_filter($1, lambda x: x IS NOT NULL)", kNone,
           [](const CallContext&, std::vector<ExprPtr>& a) -> TypedCall { return {DataType::array(a[0]->type.element(), false), a[0]->nullable}; }),
    scalar("array_min", "(array) -> @", "spark_array_min($1)", kNullable, min_max_rule),
    scalar("array_max", "(array) -> @", "spark_array_max($1)", kNullable, min_max_rule),
    scalar("array_size", "(array) -> int", "CAST(len($1) AS INTEGER)"),
    scalar("size,cardinality", "(any) -> @", "", kNone, size_rule),
    scalar("sort_array", "(any, [any = true]) -> @", "spark_sort_array($1, $2)", kNone, sort_array_rule),
    scalar("shuffle", "(array, [long]) -> arg1", "1: spark_shuffle($1, CAST(floor(random() * 9007199254740992) AS BIGINT)) ;; 2: spark_shuffle($1, $2)", kNondeterministic),
    scalar("slice", "(array, int, int) -> arg1", "spark_slice($1, $2, $3)"),
    scalar("array_repeat", "(any, int) -> @", "spark_array_repeat($1, $2)", kNullTolerant, [](const CallContext&, std::vector<ExprPtr>& a) -> TypedCall {
      return {DataType::array(a[0]->type, a[0]->nullable), a[1]->nullable}; }),
    scalar("array_join", "(any, any, [any]) -> @", "2: spark_array_join($1, $2) ;; 3: spark_array_join($1, $2, $3)", kNone, array_join_rule),
    scalar("arrays_zip", "(any...) -> @", "0: CAST([] AS $type) ;; *: spark_arrays_zip(CAST(NULL AS $type), $*)", kNone, arrays_zip_rule),
    scalar("flatten", "(any) -> @", "spark_flatten($1)", kNone, flatten_rule),
    scalar("sequence", "(any, any, [any]) -> @", "", kNone, sequence_rule),
    scalar("get", "(array<T>, int) -> T", "spark_get($1, $2)", kNullable),
    scalar_modes("element_at", "(any, any) -> @", "spark_element_at($1, $2)", "spark_try_element_at($1, $2)", kNullable, element_at_rule),
    scalar("try_element_at", "(any, any) -> @", "spark_try_element_at($1, $2)", kNullable | kTryMode, element_at_rule),
    // x[i], x[key] and x.field, for the analyzer.
    scalar_modes("getarrayitem", "(array<T>, integral) -> T", "spark_get_array_item($1, $2)", "spark_get($1, $2)", kHidden | kNullable),
    scalar("getmapvalue", "(map<K,V>, K) -> V", "map_extract_value($1, $2)", kHidden | kNullable),
    scalar("getstructfield", "(struct, int) -> @", "struct_extract_at($1, $2 + 1)", kHidden, struct_field_rule),
    scalar("getarraystructfields", "(array, int) -> @", "list_transform($1, lambda x: struct_extract_at(x, $2 + 1))", kHidden, array_struct_field_rule),
    // maps
    scalar("map", "(any...) -> @", "0: CAST(MAP {} AS $type) ;; *: spark_map($mapdedup, $*)", kNullTolerant, map_rule),
    scalar("map_keys", "(map<K,V>) -> array<K!>", "map_keys($1)"),
    scalar("map_values", "(map<K,V>) -> array<V>", "map_values($1)"),
    scalar("map_entries", "(map) -> @", "map_entries($1)", kNone, entries_rule),
    scalar("map_contains_key", "(any, any) -> @", "map_contains($1, $2)", kNone, map_contains_rule),
    scalar("map_concat", "(any...) -> @", "0: MAP {} ;; *: spark_map_concat($mapdedup, $*)", kNone, map_concat_rule),
    scalar("map_from_arrays", "(array, array) -> @", "spark_map_from_arrays($1, $2, $mapdedup)", kNone, map_from_arrays_rule),
    scalar("map_from_entries", "(any) -> @", "spark_map_from_entries($1, $mapdedup)", kNone, map_from_entries_rule),
    // structs
    rewrite("struct", "(any...) -> @", struct_rewrite, kOwnText),
    scalar("named_struct", "(any...) -> @", "@named_struct", kNeverNull | kNullTolerant, named_struct_rule),
};

// ---- higher-order functions; the lambda arrives as DuckDB's "lambda x, y: body"

TypedCall filter_rule(const CallContext&, std::vector<ExprPtr>& args) { return {args[0]->type, args[0]->nullable}; }

TypedCall exists_rule(const CallContext& c, std::vector<ExprPtr>& args) {
  bool three = c.conf.flag("spark.sql.legacy.followThreeValuedLogicInArrayExists");
  return {TypeId::kBoolean, args[0]->nullable || (three && args[1]->nullable)};
}

// Equal but for the names of fields and for nullability (DataType.equalsStructurally).
bool same_structure(const DataType& a, const DataType& b) {
  if (a.id() != b.id()) return false;
  switch (a.id()) {
    case TypeId::kArray: return same_structure(a.element(), b.element());
    case TypeId::kMap: return same_structure(a.key(), b.key()) && same_structure(a.value(), b.value());
    case TypeId::kStruct:
      return a.fields().size() == b.fields().size() &&
             std::equal(a.fields().begin(), a.fields().end(), b.fields().begin(), [](const StructField& x, const StructField& y) { return same_structure(x.type(), y.type()); });
    default: return a.same_type(b);
  }
}

TypedCall aggregate_rule(const CallContext& c, std::vector<ExprPtr>& args) {
  const DataType zero = args[1]->type;
  if (!args[2]->type.same_type(zero)) {
    if (args[2]->type.id() != TypeId::kNull && !same_structure(args[2]->type, zero)) unexpected_input(c, args, 2, quoted(zero));
    // The fields' names are those of the start value.
    if (args[2]->kind == ExprKind::kLambda) {
      auto merge = std::make_shared<Lambda>(as<Lambda>(*args[2]));
      merge->type = zero;
      merge->children[0] = make_cast(merge->children[0], zero, EvalMode::kLegacy);
      args[2] = merge;
    }
  }
  if (args.size() == 4) return {args[3]->type, args[0]->nullable || args[3]->nullable};
  return {zero, args[0]->nullable || args[1]->nullable || args[2]->nullable};
}

TypedCall array_sort_rule(const CallContext& c, std::vector<ExprPtr>& args) {
  if (args.size() == 1) expect_orderable(c, args, args[0]->type.element());
  return {args[0]->type, args[0]->nullable};
}

const FunctionEntry kLambda_[] = {
    scalar("transform", "(array<T>, fn(T,[int]):U) -> array<U>", "@transform", kLambda,
           [](const CallContext&, std::vector<ExprPtr>& a) -> TypedCall { return {DataType::array(a[1]->type, a[1]->nullable), a[0]->nullable}; }),
    scalar("filter", "(array<T>, fn(T,[int]):boolean) -> arg1", "@filter", kLambda, filter_rule),
    scalar("exists", "(array<T>, fn(T):boolean) -> boolean", "spark_exists(list_transform($1, $2))", kLambda, exists_rule),
    scalar("forall", "(array<T>, fn(T):boolean) -> boolean", "spark_forall(list_transform($1, $2))", kLambda, exists_rule),
    scalar("aggregate,reduce", "(array<T>, A, fn(A?,T):any, [fn(A?):any]) -> @", "@aggregate", kLambda | kNullTolerant, aggregate_rule),
    scalar("zip_with", "(array<T>, array<U>, fn(T?,U?):R) -> array<R>", "@zip_with", kLambda,
           [](const CallContext&, std::vector<ExprPtr>& a) -> TypedCall { return {DataType::array(a[2]->type, a[2]->nullable), a[0]->nullable || a[1]->nullable}; }),
    scalar("array_sort", "(array<T>, [fn(T,T):int]) -> @", "1: spark_array_sort($1) ;; 2: @array_sort", kLambda, array_sort_rule),
    scalar("map_filter", "(map<K,V>, fn(K,V):boolean) -> arg1", "@map_filter", kLambda, filter_rule),
    scalar("transform_keys", "(map<K,V>, fn(K,V):R) -> map<R,V>", "@transform_keys", kLambda,
           [](const CallContext& c, std::vector<ExprPtr>& a) -> TypedCall {
             check_map_key(c, a, a[1]->type);
             return {DataType::map(a[1]->type, a[0]->type.value(), a[0]->type.contains_null()), a[0]->nullable}; }),
    scalar("transform_values", "(map<K,V>, fn(K,V):R) -> map<K,R>", "@transform_values", kLambda,
           [](const CallContext&, std::vector<ExprPtr>& a) -> TypedCall { return {DataType::map(a[0]->type.key(), a[1]->type, a[1]->nullable), a[0]->nullable}; }),
    scalar("map_zip_with", "(map<K,V>, map<K,W>, fn(K,V?,W?):R) -> map<K,R>", "@map_zip_with", kLambda,
           [](const CallContext&, std::vector<ExprPtr>& a) -> TypedCall { return {DataType::map(a[0]->type.key(), a[2]->type, a[2]->nullable), a[0]->nullable || a[1]->nullable}; }),
};

}  // namespace

FunctionTable collection_functions() { return kTable; }
FunctionTable lambda_functions() { return kLambda_; }

}  // namespace tarn::plan
