// Functions under a collation: whose collation the result has, and the lowering where bytes do not decide.
#include <algorithm>
#include <tuple>
#include <unordered_map>

#include "plan/collation.h"
#include "plan/functions/entry.h"
#include "plan/functions/families.h"

namespace tarn::plan {
namespace {

struct Collated {
  // The argument whose string type the result's strings take (1-based; -1: the last; 0: the type rule said it already).
  int result = 0;
  // The lowering when an argument has a collation; empty: collations do not matter.
  FunctionEntry lowering{};
  bool first_decides = false;   // only the first argument's collation counts
  bool binary_too = true;       // UTF8_BINARY_RTRIM lowers like this, too
};

constexpr FunctionEntry lower_as(std::string_view name, std::string_view text, FunctionKind kind = FunctionKind::kScalar) {
  return {name, kind, "", text, kHidden};
}

const std::unordered_map<std::string_view, Collated>& table() {
  static const std::unordered_map<std::string_view, Collated> t = [] {
    std::unordered_map<std::string_view, Collated> t;
    auto add = [&](std::string_view name, int result, std::string_view text, FunctionKind kind = FunctionKind::kScalar) -> Collated& {
      Collated& c = t[name];
      c.result = result;
      if (!text.empty()) c.lowering = lower_as(name, text, kind);
      return c;
    };
    for (const char* name : {"concat_ws", "repeat", "right", "quote", "mask", "format_string", "make_valid_utf8", "validate_utf8",
                             "try_validate_utf8", "sentences", "conv", "hex"})
      add(name, 1, "");
    // searching
    add("contains", 0, "spark_collated_contains($1, $2, $coll)");
    add("startswith", 0, "spark_collated_startswith($1, $2, $coll)");
    add("endswith", 0, "spark_collated_endswith($1, $2, $coll)");
    add("instr", 0, "spark_collated_instr($1, $2, $coll)");
    add("locate", 0, "spark_collated_locate($1, $2, $3, $coll)");
    add("find_in_set", 0, "spark_collated_find_in_set($1, $2, $coll)");
    add("replace", 1, "spark_collated_replace($1, $2, $3, $coll)");
    add("translate", 1, "spark_collated_translate($1, $2, $3, $coll)");
    add("substring_index", 1, "spark_collated_substring_index($1, $2, $3, $coll)");
    add("split_part", 1, "spark_collated_split_part($1, $2, $3, $coll)");
    add("str_to_map", 1, "spark_collated_str_to_map($1, $2, $3, $coll)");
    // trim and its kin take (characters, text)
    add("trim", -1, "1: trim($1, ' ') ;; 2: spark_collated_trim($2, $1, $coll)");
    add("ltrim", -1, "1: ltrim($1, ' ') ;; 2: spark_collated_ltrim($2, $1, $coll)");
    add("rtrim", -1, "1: rtrim($1, ' ') ;; 2: spark_collated_rtrim($2, $1, $coll)");
    add("btrim", 1, "1: trim($1, ' ') ;; 2: spark_collated_trim($1, $2, $coll)");
    add("upper", 0, "spark_collated_upper($1, $coll)").binary_too = false;
    add("lower", 0, "spark_collated_lower($1, $coll)").binary_too = false;
    add("initcap", 0, "spark_collated_initcap($1, $coll)").binary_too = false;
    // patterns: UTF8_LCASE ignores case
    for (auto [name, result, text] : {std::tuple{"like", 0, "2: spark_like(spark_lower($1), spark_lower($2), '\\') ;; 3: spark_like(spark_lower($1), spark_lower($2), $3)"},
                                      {"rlike", 0, "spark_rlike($1, '(?i)' || $2)"},
                                      {"split", 1, "spark_split($1, '(?i)' || $2, $3)"},
                                      {"regexp_extract", 1, "spark_regexp_extract($1, '(?i)' || $2, $3)"},
                                      {"regexp_extract_all", 1, "spark_regexp_extract_all($1, '(?i)' || $2, $3)"},
                                      {"regexp_replace", 1, "spark_regexp_replace($1, '(?i)' || $2, $3, $4)"},
                                      {"regexp_count", 0, "spark_regexp_count($1, '(?i)' || $2)"},
                                      {"regexp_substr", 1, "spark_regexp_substr($1, '(?i)' || $2)"},
                                      {"regexp_instr", 0, "spark_regexp_instr($1, '(?i)' || $2)"}})
      add(name, result, text).first_decides = true;
    // arrays
    add("array_join", 1, "");
    add("array_contains", 0, "spark_array_contains($k1, $k2)");
    add("array_position", 0, "spark_array_position($k1, $k2)");
    add("arrays_overlap", 0, "spark_arrays_overlap($k1, $k2)");
    add("array_remove", 0, "(CASE WHEN $2 IS NOT NULL THEN list_select($1, spark_key_positions($k1, [$k2], 'remove')) END)");
    add("array_distinct", 0, "list_select($1, spark_key_positions($k1, $k1, 'distinct'))");
    add("array_union", 0, "list_select(list_concat($1, $2), spark_key_positions($k1, $k2, 'union'))");
    add("array_intersect", 0, "list_select($1, spark_key_positions($k1, $k2, 'intersect'))");
    add("array_except", 0, "list_select($1, spark_key_positions($k1, $k2, 'except'))");
    add("array_min", 0, "list_extract($1, list_position($k1, list_min($k1)))");
    add("array_max", 0, "list_extract($1, list_position($k1, list_max($k1)))");
    add("sort_array", 0, "(CASE WHEN $2 THEN list_select($1, list_grade_up($k1, 'ASC', 'NULLS FIRST')) ELSE list_select($1, list_grade_up($k1, 'DESC', 'NULLS LAST')) END)");
    add("least", 0, "list_extract([$*], list_position([$ks], list_min([$ks])))");
    add("greatest", 0, "list_extract([$*], list_position([$ks], list_max([$ks])))");
    // maps
    for (const char* name : {"getmapvalue", "element_at", "try_element_at"})
      add(name, 0, "list_extract(map_values($1), list_position($mk1, $k2))");
    add("map_contains_key", 0, "list_contains($mk1, $k2)");
    // aggregates
    add("max_by", 0, "2: arg_max_null($1, $k2) ;; 3: arg_max($1, $k2, $3)", FunctionKind::kAggregate);
    add("min_by", 0, "2: arg_min_null($1, $k2) ;; 3: arg_min($1, $k2, $3)", FunctionKind::kAggregate);
    add("count", 0, "1: count($k1) ;; *: count(spark_row_or_null($ks))", FunctionKind::kAggregate);
    return t;
  }();
  return t;
}

// `type` with every string in it as `like`.
DataType with_strings(const DataType& type, const DataType& like) {
  switch (type.id()) {
    case TypeId::kString: return like;
    case TypeId::kArray: return DataType::array(with_strings(type.element(), like), type.contains_null());
    case TypeId::kMap: return DataType::map(with_strings(type.key(), like), with_strings(type.value(), like), type.contains_null());
    default: return type;
  }
}

bool collated_strings(const DataType& t) { return t.is_string() ? !t.is_default_string() && t.id() == TypeId::kString : has_collation(t); }

}  // namespace

void apply_collation(const FunctionEntry& f, const std::vector<ExprPtr>& args, TypedCall& typed) {
  bool any = false;
  for (const ExprPtr& a : args) any |= a && collated_strings(a->type);
  if (!any) return;
  auto it = table().find(f.name());
  if (it == table().end()) return;
  const Collated& c = it->second;
  if (c.result != 0 && !args.empty()) {
    const ExprPtr& from = c.result < 0 ? args.back() : args.at(static_cast<size_t>(c.result) - 1);
    const DataType& t = from->type.id() == TypeId::kArray ? from->type.element() : from->type;
    if (t.id() == TypeId::kString) typed.type = with_strings(typed.type, t);
  }
  if (c.lowering.lowering.empty()) return;
  auto decides = [&](const ExprPtr& a) {
    return a && has_collation(a->type) && (c.binary_too || a->type.collation() != "UTF8_BINARY_RTRIM");
  };
  bool lower = c.first_decides ? decides(args[0]) : std::any_of(args.begin(), args.end(), decides);
  if (f.name() == "element_at" || f.name() == "try_element_at" || f.name() == "getmapvalue" || f.name() == "map_contains_key")
    lower = args[0]->type.id() == TypeId::kMap && has_collation(args[0]->type.key());
  if (lower) typed.variant = &c.lowering;
}

}  // namespace tarn::plan
