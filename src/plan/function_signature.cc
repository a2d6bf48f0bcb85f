#include "plan/function_signature.h"

#include <algorithm>
#include <cctype>
#include <stdexcept>

#include "plan/session_conf.h"

namespace tarn::plan {
namespace {

using Kind = TypeSpec::Kind;

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  Signature signature() {
    Signature s;
    do s.alternatives.push_back(alternative());
    while (take('|'));
    skip();
    if (at_ != text_.size()) fail();
    return s;
  }
  TypeSpec only_type() {
    TypeSpec t = type();
    skip();
    if (at_ != text_.size()) fail();
    return t;
  }

 private:
  std::string_view text_;
  size_t at_ = 0;

  [[noreturn]] void fail() { throw std::logic_error("signature: " + std::string(text_) + " at " + std::to_string(at_)); }
  void skip() { while (at_ < text_.size() && text_[at_] == ' ') ++at_; }
  bool peek(char c) { skip(); return at_ < text_.size() && text_[at_] == c; }
  bool take(char c) { if (!peek(c)) return false; ++at_; return true; }
  bool take(std::string_view s) {
    skip();
    if (text_.substr(at_, s.size()) != s) return false;
    at_ += s.size();
    return true;
  }
  void need(char c) { if (!take(c)) fail(); }
  std::string word() {
    skip();
    size_t b = at_;
    while (at_ < text_.size() && (std::isalnum(static_cast<unsigned char>(text_[at_])) || text_[at_] == '_')) ++at_;
    if (b == at_) fail();
    return std::string(text_.substr(b, at_ - b));
  }

  Alternative alternative() {
    Alternative a;
    need('(');
    while (!take(')')) {
      if (take('[')) {
        size_t before = a.parameters.size();
        do parameter(a, true);
        while (take(','));
        need(']');
        if (a.counts.empty()) a.counts.push_back(before);
        a.counts.push_back(a.parameters.size());
      } else {
        parameter(a, false);
        ++a.minimum;
      }
      take(',');
    }
    if (a.counts.empty()) a.counts.push_back(a.variadic ? a.minimum : a.parameters.size());
    if (a.variadic && a.minimum > 0 && !plus_) --a.minimum;
    if (a.variadic) a.counts = {a.minimum};
    if (!take("->")) fail();
    a.result = type();
    return a;
  }

  bool plus_ = false;
  void parameter(Alternative& a, bool optional) {
    Parameter p;
    p.optional = optional;
    size_t mark = at_;
    skip();
    if (at_ < text_.size() && std::islower(static_cast<unsigned char>(text_[at_]))) {
      std::string w = word();
      if (peek(':') && w != "fn") { ++at_; p.name = w; }
      else at_ = mark;
    }
    mark = at_;
    skip();
    if (take("const ")) p.foldable = true;
    p.type = type();
    if (take("...")) { a.variadic = true; plus_ = false; }
    else if (take('+')) { a.variadic = true; plus_ = true; }
    if (optional && take('=')) {
      skip();
      size_t b = at_;
      if (take('\'')) { while (!take('\'')) ++at_; }
      else while (at_ < text_.size() && text_[at_] != ']' && text_[at_] != ',') ++at_;
      p.has_default = true;
      p.default_text = text_.substr(b, at_ - b);
    }
    a.parameters.push_back(std::move(p));
  }

  TypeSpec type() {
    TypeSpec t;
    if (take('@')) { t.kind = Kind::kRule; return t; }
    if (take('{')) {
      t.kind = Kind::kUnion;
      do t.parts.push_back(type());
      while (take('|'));
      need('}');
      return t;
    }
    std::string w = word();
    if (w.size() == 1 && std::isupper(static_cast<unsigned char>(w[0]))) {
      t.kind = Kind::kVariable;
      t.variable = w[0];
      if (take('=')) t.parts.push_back(type());
      return t;
    }
    if (w == "fn") {
      t.kind = Kind::kLambda;
      need('(');
      while (!take(')')) {
        bool optional = take('[');
        TypeSpec p = type();
        p.nullable = take('?');
        p.optional = optional;
        if (optional) need(']');
        t.parts.push_back(std::move(p));
        take(',');
      }
      need(':');
      t.parts.push_back(type());
      return t;
    }
    if (w.size() == 4 && w.substr(0, 3) == "arg") {
      t.kind = Kind::kArgument;
      t.argument = w[3] - '0';
      return t;
    }
    static const std::map<std::string, Kind, std::less<>> kinds = {
        {"any", Kind::kAny}, {"orderable", Kind::kOrderable}, {"decimal", Kind::kDecimal}, {"numeric", Kind::kNumeric},
        {"integral", Kind::kIntegral}, {"anytimestamp", Kind::kAnyTimestamp}, {"time", Kind::kTime},
        {"ansi_interval", Kind::kAnsiInterval}, {"daytime", Kind::kDayTime}, {"yearmonth", Kind::kYearMonth},
        {"struct", Kind::kAnyStruct}, {"geometry", Kind::kGeometry}, {"geography", Kind::kGeography}};
    static const std::map<std::string, TypeId, std::less<>> concrete = {
        {"void", TypeId::kNull}, {"boolean", TypeId::kBoolean}, {"byte", TypeId::kByte}, {"short", TypeId::kShort}, {"int", TypeId::kInt},
        {"long", TypeId::kLong}, {"float", TypeId::kFloat}, {"double", TypeId::kDouble}, {"string", TypeId::kString},
        {"binary", TypeId::kBinary}, {"date", TypeId::kDate}, {"timestamp", TypeId::kTimestamp}, {"timestamp_ntz", TypeId::kTimestampNtz},
        {"interval", TypeId::kCalendarInterval}, {"variant", TypeId::kVariant}};
    if (w == "array") {
      t.kind = Kind::kAnyArray;
      if (take('<')) {
        t.kind = Kind::kArray;
        t.parts.push_back(type());
        t.nullable = !take('!');
        need('>');
      }
      return t;
    }
    if (w == "map") {
      t.kind = Kind::kAnyMap;
      if (take('<')) {
        t.kind = Kind::kMap;
        t.parts.push_back(type());
        need(',');
        t.parts.push_back(type());
        t.nullable = !take('!');
        need('>');
      }
      return t;
    }
    if (auto k = kinds.find(w); k != kinds.end()) { t.kind = k->second; return t; }
    if (auto c = concrete.find(w); c != concrete.end()) { t.kind = Kind::kConcrete; t.type = c->second; return t; }
    fail();
  }
};

std::string upper(std::string s) {
  for (char& c : s) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return s;
}

std::string simple_name(const TypeSpec& s) {
  switch (s.kind) {
    case Kind::kConcrete: return s.type.simple_string();
    case Kind::kDecimal: return "decimal";
    case Kind::kNumeric: return "numeric";
    case Kind::kIntegral: return "integral";
    case Kind::kAnyTimestamp: return "(timestamp or timestamp without time zone)";
    case Kind::kTime: return "time";
    case Kind::kAnsiInterval: return "ANSI interval";
    case Kind::kDayTime: return "interval day to second";
    case Kind::kYearMonth: return "interval year to month";
    case Kind::kAnyArray: return "array";
    case Kind::kAnyMap: return "map";
    case Kind::kAnyStruct: return "struct";
    case Kind::kGeometry: return "geometry";
    case Kind::kGeography: return "geography";
    case Kind::kArray: return s.parts[0].kind == Kind::kVariable || s.parts[0].kind == Kind::kAny ? "array" : "array<" + simple_name(s.parts[0]) + ">";
    case Kind::kMap: return s.parts[0].kind == Kind::kVariable ? "map" : "map<" + simple_name(s.parts[0]) + ", " + simple_name(s.parts[1]) + ">";
    case Kind::kVariable: return s.parts.empty() ? "any" : simple_name(s.parts[0]);
    case Kind::kUnion: {
      std::string r = "(";
      for (size_t i = 0; i < s.parts.size(); ++i) r += (i ? " or " : "") + simple_name(s.parts[i]);
      return r + ")";
    }
    default: return "any";
  }
}

}  // namespace

const Parameter* Alternative::parameter(size_t i) const {
  if (i < parameters.size()) return &parameters[i];
  return variadic ? &parameters.back() : nullptr;
}

bool Alternative::accepts(size_t count) const {
  if (variadic) return count >= minimum;
  return std::find(counts.begin(), counts.end(), count) != counts.end();
}

bool Signature::named() const {
  return !alternatives.empty() && !alternatives[0].parameters.empty() && !alternatives[0].parameters[0].name.empty();
}

Signature parse_signature(std::string_view text) { return Parser(text).signature(); }

bool accepts(const TypeSpec& s, const DataType& t) {
  switch (s.kind) {
    case Kind::kConcrete:
      if (s.type.is_string()) return t.is_string();
      return s.type == t;
    case Kind::kDecimal: return t.id() == TypeId::kDecimal;
    case Kind::kNumeric: return t.is_numeric();
    case Kind::kIntegral: return t.is_integral();
    case Kind::kAnyTimestamp: return t.id() == TypeId::kTimestamp || t.id() == TypeId::kTimestampNtz;
    case Kind::kTime: return t.id() == TypeId::kTime;
    case Kind::kAnsiInterval: return t.is_ansi_interval();
    case Kind::kDayTime: return t.id() == TypeId::kDayTimeInterval;
    case Kind::kYearMonth: return t.id() == TypeId::kYearMonthInterval;
    case Kind::kAnyArray: return t.id() == TypeId::kArray;
    case Kind::kAnyMap: return t.id() == TypeId::kMap;
    case Kind::kAnyStruct: return t.id() == TypeId::kStruct;
    case Kind::kGeometry: return t.id() == TypeId::kGeometry;
    case Kind::kGeography: return t.id() == TypeId::kGeography;
    case Kind::kArray: return t.id() == TypeId::kArray && accepts(s.parts[0], t.element());
    case Kind::kMap: return t.id() == TypeId::kMap && accepts(s.parts[0], t.key()) && accepts(s.parts[1], t.value());
    case Kind::kUnion: return std::any_of(s.parts.begin(), s.parts.end(), [&](const TypeSpec& p) { return accepts(p, t); });
    case Kind::kVariable: return s.parts.empty() || accepts(s.parts[0], t);
    default: return true;
  }
}

DataType default_concrete(const TypeSpec& s) {
  switch (s.kind) {
    case Kind::kConcrete: return s.type;
    case Kind::kDecimal: return DataType::decimal(38, 18);
    case Kind::kNumeric: return TypeId::kDouble;
    case Kind::kIntegral: return TypeId::kInt;
    case Kind::kAnyTimestamp: return TypeId::kTimestamp;
    case Kind::kTime: return DataType::time(6);
    case Kind::kAnsiInterval: case Kind::kDayTime: return TypeId::kDayTimeInterval;
    case Kind::kYearMonth: return TypeId::kYearMonthInterval;
    case Kind::kAnyArray: return DataType::array(TypeId::kNull);
    case Kind::kAnyMap: return DataType::map(TypeId::kNull, TypeId::kNull);
    case Kind::kAnyStruct: return DataType::structure({});
    case Kind::kGeometry: return DataType::geometry(-1);
    case Kind::kGeography: return DataType::geography(-1);
    case Kind::kArray: return DataType::array(default_concrete(s.parts[0]));
    case Kind::kMap: return DataType::map(default_concrete(s.parts[0]), default_concrete(s.parts[1]));
    case Kind::kUnion: return default_concrete(s.parts[0]);
    case Kind::kVariable: return s.parts.empty() ? DataType() : default_concrete(s.parts[0]);
    default: return DataType();
  }
}

std::string sql_name(const TypeSpec& s) {
  if (s.kind == Kind::kUnion) {
    std::string r = "(";
    for (size_t i = 0; i < s.parts.size(); ++i) r += (i ? " or " : "") + sql_name(s.parts[i]);
    return r + ")";
  }
  if (s.kind == Kind::kVariable && !s.parts.empty()) return sql_name(s.parts[0]);
  if (s.kind == Kind::kConcrete) return quote_sql(s.type.sql());
  return quote_sql(upper(simple_name(s)));
}

std::optional<DataType> implicit_cast(const DataType& from, const TypeSpec& spec, bool ansi) {
  const TypeSpec& s = spec.kind == Kind::kVariable && !spec.parts.empty() ? spec.parts[0] : spec;
  if (accepts(s, from)) return from;
  if (from.id() == TypeId::kTime && s.kind == Kind::kAnyTimestamp) return std::nullopt;   // it has no date
  const bool atomic_target = s.kind == Kind::kConcrete && s.type.id() != TypeId::kCalendarInterval && s.type.id() != TypeId::kVariant &&
                             s.type.id() != TypeId::kNull;
  auto nested = [&]() -> std::optional<DataType> {
    if (s.kind == Kind::kArray && from.id() == TypeId::kArray) {
      auto e = implicit_cast(from.element(), s.parts[0], ansi);
      if (e) return DataType::array(*e, true);
    }
    if (s.kind == Kind::kMap && from.id() == TypeId::kMap && !ansi) {
      auto k = implicit_cast(from.key(), s.parts[0], ansi), v = implicit_cast(from.value(), s.parts[1], ansi);
      if (k && v) return DataType::map(*k, *v, from.contains_null());
    }
    return std::nullopt;
  };
  auto first_of_union = [&]() -> std::optional<DataType> {
    for (const TypeSpec& p : s.parts)
      if (auto t = implicit_cast(from, p, ansi)) return t;
    return std::nullopt;
  };
  if (ansi) {
    if (from.is_numeric() && s.kind == Kind::kDecimal) return decimal_for(from.id());
    if (from.is_string() && s.kind == Kind::kConcrete && s.type.is_string()) return std::nullopt;
    if (from.is_fractional() && s.kind == Kind::kIntegral) return std::nullopt;
    if (from.is_string() && (atomic_target || s.kind == Kind::kNumeric || s.kind == Kind::kDecimal || s.kind == Kind::kAnyTimestamp ||
                             s.kind == Kind::kTime))
      return default_concrete(s);
    if (auto t = nested()) return t;
    if (s.kind == Kind::kUnion) return first_of_union();
    DataType to = default_concrete(s);
    if (can_store_assign(from, to, "ANSI")) return to;
    return std::nullopt;
  }
  if (from.id() == TypeId::kNull) return default_concrete(s);
  if (from.is_string()) {
    if (s.kind == Kind::kNumeric || s.kind == Kind::kDecimal || s.kind == Kind::kAnyTimestamp || s.kind == Kind::kTime) return default_concrete(s);
    if (s.kind == Kind::kConcrete && (s.type.is_numeric() || s.type.is_datetime() || s.type.id() == TypeId::kBinary)) return s.type;
  }
  if (from.is_numeric() && s.kind == Kind::kDecimal) return decimal_for(from.id());
  if (from.is_numeric() && s.kind == Kind::kConcrete && s.type.is_numeric()) return s.type;
  if (from.is_datetime() && s.kind == Kind::kConcrete && s.type.is_datetime()) return s.type;
  if (from.is_datetime() && s.kind == Kind::kAnyTimestamp) return DataType(TypeId::kTimestamp);
  if (s.kind == Kind::kConcrete && s.type.is_string() && !from.is_nested() && from.id() != TypeId::kCalendarInterval &&
      from.id() != TypeId::kVariant && from.id() != TypeId::kUdt)
    return s.type;
  if (s.kind == Kind::kUnion) return first_of_union();
  return nested();
}

// ---- helpers of type rules

std::string quoted(const DataType& type) { return quote_sql(type.sql()); }

std::string ordinal(size_t i) {
  static const char* names[] = {"first", "second", "third"};
  return i < 3 ? names[i] : std::to_string(i + 1) + "th";
}

std::string call_sql(const CallContext& context, const std::vector<ExprPtr>& args) {
  Call c;
  c.function = find_function(context.name);
  c.name = context.name;
  c.children = args;
  std::erase(c.children, nullptr);
  c.mode = context.mode;
  if (c.function && c.function->kind == FunctionKind::kAggregate) {
    AggregateCall a;
    a.function = c.function;
    a.name = c.name;
    a.children = c.children;
    return quote_sql(pretty_sql(a));
  }
  return quote_sql(pretty_sql(c));
}

void mismatch(const CallContext& context, const std::vector<ExprPtr>& args, const char* sub, ErrorParams params) {
  params["sqlExpr"] = call_sql(context, args);
  throw analysis_error(std::string("DATATYPE_MISMATCH.") + sub, std::move(params));
}

void unexpected_input(const CallContext& context, const std::vector<ExprPtr>& args, size_t i, std::string required) {
  mismatch(context, args, "UNEXPECTED_INPUT_TYPE",
           {{"paramIndex", ordinal(i)}, {"requiredType", std::move(required)}, {"inputSql", quote_sql(pretty_sql(*args[i]))},
            {"inputType", quoted(args[i]->type)}});
}

void wrong_number_of_arguments(std::string_view function, const std::string& expected, size_t actual) {
  throw analysis_error("WRONG_NUM_ARGS.WITHOUT_SUGGESTION",
                       {{"functionName", quote_identifier(function)}, {"expectedNum", expected}, {"actualNum", std::to_string(actual)},
                        {"docroot", "https://spark.apache.org/docs/latest"}});
}

void cast_to(const CallContext& context, ExprPtr& arg, const DataType& type) {
  if (arg->type == type) return;
  if (arg->type.same_type(type) && arg->type.is_nested() == false) return;
  if (arg->type.id() == TypeId::kNull && arg->kind == ExprKind::kLiteral) {
    arg = make_null(type);
    return;
  }
  arg = make_cast(arg, type, context.mode == EvalMode::kTry ? (context.conf.ansi() ? EvalMode::kAnsi : EvalMode::kLegacy) : context.mode);
}

DataType unify(const CallContext& context, std::vector<ExprPtr>& args, size_t from, bool strings) {
  std::vector<DataType> types;
  for (size_t i = from; i < args.size(); ++i) types.push_back(args[i]->type);
  bool same = std::all_of(types.begin(), types.end(), [&](const DataType& t) { return t.same_type(types[0]); });
  const bool ansi = context.conf.ansi();
  std::optional<DataType> t;
  if (same && !types.empty()) {
    t = types[0];
    for (const DataType& o : types) if (t) t = merge_nullability(*t, o);
    if (!t) t = types[0];
    return *t;
  }
  t = strings ? common_type(types, ansi) : common_type_without_strings(types, ansi);
  if (!t) {
    std::string list = "(";
    for (size_t i = 0; i < types.size(); ++i) list += (i ? " or " : "") + quoted(types[i]);
    mismatch(context, args, "DATA_DIFF_TYPES", {{"functionName", quote_identifier(context.name)}, {"dataType", list + ")"}});
  }
  for (size_t i = from; i < args.size(); ++i)
    if (!args[i]->type.same_type(*t)) cast_to(context, args[i], *t);
  return *t;
}

void expect(const CallContext& context, std::vector<ExprPtr>& args, size_t i, std::string_view spec_text) {
  TypeSpec spec = Parser(spec_text).only_type();
  auto t = implicit_cast(args[i]->type, spec, context.conf.ansi());
  if (!t) unexpected_input(context, args, i, sql_name(spec));
  cast_to(context, args[i], *t);
}

void expect_foldable(const CallContext& context, const std::vector<ExprPtr>& args, size_t i, const char* name, const DataType& type) {
  if (is_foldable(*args[i])) return;
  mismatch(context, args, "NON_FOLDABLE_INPUT",
           {{"inputName", quote_identifier(name)}, {"inputType", quoted(type)}, {"inputExpr", quote_sql(pretty_sql(*args[i]))}});
}

void expect_orderable(const CallContext& context, const std::vector<ExprPtr>& args, const DataType& type) {
  if (type.is_orderable()) return;
  mismatch(context, args, "INVALID_ORDERING_TYPE",
           {{"functionName", quote_identifier(context.name)}, {"dataType", quoted(type)}});
}

bool any_nullable(const std::vector<ExprPtr>& args) {
  return std::any_of(args.begin(), args.end(), [](const ExprPtr& e) { return e && e->nullable; });
}
bool all_nullable(const std::vector<ExprPtr>& args) {
  return std::all_of(args.begin(), args.end(), [](const ExprPtr& e) { return e && e->nullable; });
}

}  // namespace tarn::plan
