// Which collation the strings of a call get. An expression's type carries, for each string in it, how strongly its collation was
// chosen: by COLLATE (explicit), by a column, cast or subquery (implicit), or not at all (default). Source: CollationTypeCoercion.
#include <algorithm>
#include <array>
#include <optional>
#include <unordered_map>

#include "plan/collation.h"
#include "plan/function_signature.h"
#include "plan/functions/entry.h"
#include "plan/internal_functions.h"

namespace tarn::plan {
namespace {

enum class Strength : uint8_t { kExplicit, kIndeterminate, kImplicit, kDefault, kNone };  // the smaller wins

bool has_string(const DataType& t) {
  switch (t.id()) {
    case TypeId::kString: case TypeId::kChar: case TypeId::kVarchar: return true;
    case TypeId::kArray: return has_string(t.element());
    case TypeId::kMap: return has_string(t.key()) || has_string(t.value());
    case TypeId::kStruct: return std::any_of(t.fields().begin(), t.fields().end(), [](const StructField& f) { return has_string(f.type()); });
    default: return false;
  }
}

// A type whose strings may carry a strength.
struct Context {
  DataType type;                 // without its parts' collations when it has parts
  Strength strength = Strength::kNone;
  std::vector<Context> parts;    // element | key, value | fields

  static Context of(const DataType& t, Strength s) {
    Context c;
    c.type = t;
    if (t.is_string()) c.strength = s;
    else if (t.id() == TypeId::kArray) c.parts = {of(t.element(), s)};
    else if (t.id() == TypeId::kMap) c.parts = {of(t.key(), s), of(t.value(), s)};
    else if (t.id() == TypeId::kStruct)
      for (const StructField& f : t.fields()) c.parts.push_back(of(f.type(), s));
    return c;
  }
  DataType plain() const {
    if (type.id() == TypeId::kArray) return DataType::array(parts[0].plain(), type.contains_null());
    if (type.id() == TypeId::kMap) return DataType::map(parts[0].plain(), parts[1].plain(), type.contains_null());
    if (type.id() == TypeId::kStruct) {
      std::vector<StructField> fields;
      for (size_t i = 0; i < parts.size(); ++i) {
        const StructField& f = type.fields()[i];
        fields.push_back(make_field(f.name, parts[i].plain(), f.nullable, f.metadata));
      }
      return DataType::structure(std::move(fields));
    }
    return type;
  }
  bool equals(const Context& o) const {
    if (parts.empty() || parts.size() != o.parts.size()) return strength == o.strength && parts.size() == o.parts.size() && type == o.type;
    for (size_t i = 0; i < parts.size(); ++i)
      if (!parts[i].equals(o.parts[i])) return false;
    return plain() == o.plain();
  }
  bool indeterminate() const {
    return strength == Strength::kIndeterminate || (type.id() == TypeId::kString && type.collation() == kIndeterminateCollation) ||
           std::any_of(parts.begin(), parts.end(), [](const Context& p) { return p.indeterminate(); });
  }
};

Context winner(const Context& a, const Context& b) {
  if (a.strength != b.strength) return a.strength < b.strength ? a : b;
  if (a.type.collation() == b.type.collation()) return a;
  if (a.strength == Strength::kExplicit)
    throw analysis_error("COLLATION_MISMATCH.EXPLICIT", {{"explicitTypes", quoted(a.type) + ", " + quoted(b.type)}});
  return Context::of(DataType::string(std::string(kIndeterminateCollation)), Strength::kIndeterminate);
}

// Two types of one shape, strings by `strings` (which may decline); an array also meets what its element meets.
template <class F> std::optional<Context> merge(const Context& a, const Context& b, const F& strings) {
  if (auto s = strings(a, b)) return s;
  if (a.equals(b)) return a;
  auto with_parts = [](const Context& like, std::vector<Context> parts) {
    Context c = like;
    c.parts = std::move(parts);
    return c;
  };
  const TypeId x = a.type.id(), y = b.type.id();
  if ((x == TypeId::kArray && y == TypeId::kArray) || (x == TypeId::kMap && y == TypeId::kMap) || (x == TypeId::kStruct && y == TypeId::kStruct)) {
    if (a.parts.size() != b.parts.size()) return std::nullopt;
    std::vector<Context> parts;
    for (size_t i = 0; i < a.parts.size(); ++i) {
      auto p = merge(a.parts[i], b.parts[i], strings);
      if (!p) return std::nullopt;
      parts.push_back(std::move(*p));
    }
    return with_parts(a, std::move(parts));
  }
  if (x == TypeId::kArray) {
    auto p = merge(a.parts[0], b, strings);
    return p ? std::optional(with_parts(a, {std::move(*p)})) : std::nullopt;
  }
  if (y == TypeId::kArray) return merge(a, b.parts[0], strings);
  return std::nullopt;
}

std::optional<Context> merge_winner(const Context& a, const Context& b) {
  return merge(a, b, [](const Context& l, const Context& r) -> std::optional<Context> {
    if (!l.type.is_string() || !r.type.is_string() || r.strength == Strength::kNone) return std::nullopt;
    return l.strength == Strength::kNone ? r : winner(l, r);
  });
}

std::optional<Context> merge_winners(const DataType& start, const std::vector<Context>& rest) {
  std::optional<Context> out = Context::of(start, Strength::kNone);
  for (const Context& c : rest)
    if (!(out = merge_winner(*out, c))) return out;
  return out;
}

std::optional<Context> context_of(const Expression& e);

std::vector<Context> contexts_of(const std::vector<ExprPtr>& list, size_t first = 0, size_t step = 1) {
  std::vector<Context> out;
  for (size_t i = first; i < list.size(); i += step)
    if (list[i])
      if (auto c = context_of(*list[i])) out.push_back(std::move(*c));
  return out;
}

std::optional<Context> context_of_call(const Call& c) {
  const std::string_view name = c.function ? c.function->name() : std::string_view(c.name);
  if (c.function == &kGetStructField || name == "getstructfield") {
    auto parent = context_of(*c.children[0]);
    auto index = constant_integer(*c.children[1]);
    if (!parent || parent->type.id() != TypeId::kStruct || !index) return std::nullopt;
    return parent->parts.at(static_cast<size_t>(*index));
  }
  if (name == "getmapvalue" || name == "element_at" || name == "try_element_at") {
    auto parent = context_of(*c.children[0]);
    if (!parent) return std::nullopt;
    if (parent->type.id() == TypeId::kMap) return merge_winner(Context::of(c.type, Strength::kNone), parent->parts[1]);
    if (parent->type.id() == TypeId::kArray) return merge_winner(Context::of(c.type, Strength::kNone), parent->parts[0]);
    return std::nullopt;
  }
  if (name == "named_struct") {
    Context out = Context::of(c.type, Strength::kNone);
    for (size_t i = 0; i < out.parts.size(); ++i)
      if (auto p = context_of(*c.children.at(2 * i + 1))) out.parts[i] = std::move(*p);
    return out;
  }
  if (name == "map" && c.type.id() == TypeId::kMap && !c.children.empty()) {
    auto keys = contexts_of(c.children, 0, 2), values = contexts_of(c.children, 1, 2);
    if (keys.size() + values.size() != c.children.size()) return std::nullopt;
    auto key = merge_winners(c.type.key(), keys), value = merge_winners(c.type.value(), values);
    if (!key || !value) return std::nullopt;
    Context out = Context::of(c.type, Strength::kNone);
    out.parts = {std::move(*key), std::move(*value)};
    return out;
  }
  return merge_winners(c.type, contexts_of(c.children));
}

std::optional<Context> context_of(const Expression& e) {
  if (!has_string(e.type)) return std::nullopt;
  if (const auto* c = try_as<Call>(e); c && c->name == "collate") return Context::of(e.type, Strength::kExplicit);
  switch (e.kind) {
    case ExprKind::kCast: return Context::of(e.type, has_string(e.children[0]->type) ? Strength::kImplicit : Strength::kDefault);
    case ExprKind::kAttribute: case ExprKind::kAlias: case ExprKind::kLambdaVariable: case ExprKind::kSubquery:
      return Context::of(e.type, Strength::kImplicit);
    case ExprKind::kLiteral: return Context::of(e.type, Strength::kDefault);
    default: break;
  }
  if (std::none_of(e.children.begin(), e.children.end(), [](const ExprPtr& c) { return c && has_string(c->type); }))
    return Context::of(e.type, Strength::kDefault);
  if (const auto* c = try_as<Call>(e)) return context_of_call(*c);
  return merge_winners(e.type, contexts_of(e.children));
}

ExprPtr change_type(const ExprPtr& e, const Context& wanted) {
  auto merged = merge(Context::of(e->type, Strength::kNone), wanted, [](const Context& l, const Context& r) -> std::optional<Context> {
    if (!l.type.is_string() || r.strength == Strength::kNone) return std::nullopt;
    return Context::of(r.type, Strength::kNone);
  });
  if (!merged) return e;
  DataType type = merged->plain();
  if (type == e->type) return e;
  if (const auto* l = try_as<Literal>(*e)) {
    auto copy = std::make_shared<Literal>(*l);
    copy->type = std::move(type);
    return copy;
  }
  if (const auto* c = try_as<Cast>(*e)) {
    auto copy = std::make_shared<Cast>(*c);
    copy->type = std::move(type);
    return copy;
  }
  return make_cast(e, std::move(type), EvalMode::kAnsi);
}

std::optional<Context> least_common(const std::vector<ExprPtr>& args, const std::vector<size_t>& at) {
  if (std::none_of(at.begin(), at.end(), [&](size_t i) { return has_collation(args[i]->type); })) return std::nullopt;
  std::optional<Context> out = context_of(*args[at[0]]);
  for (size_t k = 1; k < at.size() && out; ++k) {
    auto next = context_of(*args[at[k]]);
    out = next ? merge_winner(*out, *next) : std::nullopt;
  }
  return out;
}

enum Support : uint8_t { kAny, kNotCaseSensitiveAccentInsensitive, kBinaryOrLcase };

// What a function does with its strings' collations: whether it makes them one, which ones it cannot work with, and whether a
// collation that nobody decided is an error already here (elsewhere only comparing such strings is).
struct Behaviour {
  bool unites = false;
  Support support = kAny;
  bool needs_collation = false;
};

const std::unordered_map<std::string_view, Behaviour>& behaviours() {
  static const std::unordered_map<std::string_view, Behaviour> table = [] {
    std::unordered_map<std::string_view, Behaviour> t;
    for (const char* n : {"in", "array", "array_join", "concat", "greatest", "least", "coalesce", "nvl", "nvl2", "array_contains", "array_except",
                          "concat_ws", "mask", "replace", "translate", "trim", "ltrim", "rtrim", "btrim", "array_append", "array_prepend",
                          "array_intersect", "array_position", "array_remove", "array_union", "arrays_overlap", "contains", "startswith",
                          "endswith", "<=>", "=", "find_in_set", ">", ">=", "<", "<=", "instr", "to_number", "try_to_number", "str_to_map",
                          "levenshtein", "split_part", "lag", "lead", "regexp_replace", "rpad", "lpad", "overlay", "elt", "substring_index",
                          "locate", "if"})
      t[n].unites = true;
    for (const char* n : {"contains", "startswith", "endswith", "replace", "translate", "find_in_set", "trim", "ltrim", "rtrim", "btrim", "instr",
                          "substring_index", "locate", "split_part", "str_to_map"})
      t[n].support = kNotCaseSensitiveAccentInsensitive;
    for (const char* n : {"like", "ilike", "rlike", "split", "regexp_replace", "regexp_extract", "regexp_extract_all", "regexp_count",
                          "regexp_substr", "regexp_instr", "like_all", "like_any", "not_like_all", "not_like_any"})
      t[n].support = kBinaryOrLcase;
    for (const char* n : {"=", "<=>", "<", "<=", ">", ">=", "contains", "startswith", "endswith", "upper", "lower", "initcap", "find_in_set",
                          "instr", "replace", "locate", "substring_index", "trim", "ltrim", "rtrim", "btrim", "translate", "split_part", "in"})
      t[n].needs_collation = true;
    return t;
  }();
  return table;
}

// The regular expression functions bound only the text they search in this way, the pattern may be any that keeps its spaces.
bool supported(Support support, size_t argument, std::string_view collation) {
  if (support == kAny || collation == "UTF8_BINARY" || collation == kIndeterminateCollation) return true;
  if (support == kBinaryOrLcase) return argument == 0 ? collation == "UTF8_LCASE" : !collation.ends_with("_RTRIM");
  auto ends = [&](std::string_view s) { return collation.ends_with(s) || collation.ends_with(std::string(s) + "_RTRIM"); };
  return !ends("_AI") || ends("_CI_AI");
}

}  // namespace

void coerce_collations(const CallContext& context, const FunctionEntry& function, std::vector<ExprPtr>& args) {
  if (std::none_of(args.begin(), args.end(), [](const ExprPtr& a) { return a && has_collation(a->type); })) return;
  const std::string_view name = function.name();
  auto entry = behaviours().find(name);
  const Behaviour behaviour = entry == behaviours().end() ? Behaviour{} : entry->second;
  auto fail_undecided = [&] { throw analysis_error("INDETERMINATE_COLLATION_IN_EXPRESSION", {{"expr", call_sql(context, args)}}); };
  if (behaviour.needs_collation)
    for (const ExprPtr& a : args)
      if (a && Context::of(a->type, Strength::kNone).indeterminate()) fail_undecided();

  auto unite = [&](size_t first, size_t step, size_t end) {
    std::vector<size_t> at;
    for (size_t i = first; i < end; i += step)
      if (args[i] && has_string(args[i]->type)) at.push_back(i);
    if (at.empty()) return;
    auto common = least_common(args, at);
    if (!common) return;
    if (behaviour.needs_collation && common->indeterminate()) fail_undecided();
    for (size_t i : at) {
      ExprPtr changed = change_type(args[i], *common);
      // What Spark replaces by another expression before it coerces is printed as it was written.
      if (changed != args[i] && changed->kind == ExprKind::kLiteral && (name == "btrim" || name == "nvl" || name == "nvl2")) changed = printed_as(changed, pretty_sql(*args[i]));
      args[i] = std::move(changed);
    }
  };
  if (name == "when") {
    std::vector<size_t> at;
    for (size_t i = 1; i < args.size(); i += 2) at.push_back(i);
    if (args.size() % 2 == 1) at.push_back(args.size() - 1);
    std::erase_if(at, [&](size_t i) { return !args[i] || !has_string(args[i]->type); });
    if (!at.empty())
      if (auto common = least_common(args, at))
        for (size_t i : at) args[i] = change_type(args[i], *common);
  } else if (name == "map" && args.size() % 2 == 0) {
    unite(0, 2, args.size());
    unite(1, 2, args.size());
  } else if (name == "getmapvalue" && args.size() == 2 && args[0]->type.id() == TypeId::kMap) {
    if (args[1]->kind == ExprKind::kLiteral && args[1]->type.is_string() && args[0]->type.key().is_string())
      args[1] = change_type(args[1], Context::of(args[0]->type.key(), Strength::kImplicit));
  } else if (behaviour.unites) {
    unite(0, 1, args.size());
  }
  for (size_t i = 0; i < args.size(); ++i)
    if (args[i] && args[i]->type.id() == TypeId::kString && !supported(behaviour.support, i, args[i]->type.collation()))
      unexpected_input(context, args, i, quote_sql("STRING"));
}

}  // namespace tarn::plan
