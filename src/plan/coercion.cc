// The coercion table: which type two operands meet in, which casts exist. Source: TypeCoercion, AnsiTypeCoercion, Cast, UpCastRule.
#include <algorithm>

#include "plan/function.h"

namespace tarn::plan {
namespace {

using Pair = std::optional<DataType> (*)(const DataType&, const DataType&, bool);

bool is_atomic(const DataType& t) {
  return t.id() != TypeId::kNull && !t.is_nested() && t.id() != TypeId::kUdt && t.id() != TypeId::kCalendarInterval &&
         t.id() != TypeId::kVariant;
}
bool is_float(const DataType& t) { return t.id() == TypeId::kFloat || t.id() == TypeId::kDouble; }
bool is_string(const DataType& t) { return t.is_string(); }
bool is_geo(const DataType& t) { return t.id() == TypeId::kGeometry || t.id() == TypeId::kGeography; }

int integral_digits(const DataType& t) {
  switch (t.id()) {
    case TypeId::kByte: return 3;
    case TypeId::kShort: return 5;
    case TypeId::kInt: return 10;
    default: return 20;
  }
}
// Decimal d holds every value of numeric type t.
bool decimal_is_wider(const DataType& d, const DataType& t) {
  if (t.id() == TypeId::kDecimal) return d.precision() - d.scale() >= t.precision() - t.scale() && d.scale() >= t.scale();
  if (t.is_integral()) return d.precision() - d.scale() >= integral_digits(t);
  return false;
}
bool decimal_is_tighter(const DataType& d, const DataType& t) {
  switch (t.id()) {
    case TypeId::kDecimal: return decimal_is_wider(t, d);
    case TypeId::kByte: return d.scale() == 0 && d.precision() <= 2;
    case TypeId::kShort: return d.scale() == 0 && d.precision() <= 4;
    case TypeId::kInt: return d.scale() == 0 && d.precision() <= 9;
    case TypeId::kLong: return d.scale() == 0 && d.precision() <= 18;
    case TypeId::kFloat: return d.precision() <= 7;
    case TypeId::kDouble: return d.precision() <= 15;
    default: return false;
  }
}

std::optional<DataType> string_meet(const DataType& a, const DataType& b) {
  if (a == b) return a;
  auto plain = [](const DataType& t) { return t.id() == TypeId::kString ? t : DataType(TypeId::kString); };
  DataType x = plain(a), y = plain(b);
  if (x == y || x.collation() == y.collation()) return x.is_default_string() ? y : x;
  return std::nullopt;  // coerce_collations has brought together what Spark brings together
}

std::optional<DataType> complex_meet(const DataType& a, const DataType& b, bool ansi, Pair meet) {
  if (a.id() != b.id()) return std::nullopt;
  if (a.id() == TypeId::kArray) {
    auto e = meet(a.element(), b.element(), ansi);
    if (!e) return std::nullopt;
    bool nulls = a.contains_null() || b.contains_null() || cast_force_nullable(a.element(), *e) || cast_force_nullable(b.element(), *e);
    return DataType::array(*e, nulls);
  }
  if (a.id() == TypeId::kMap) {
    auto k = meet(a.key(), b.key(), ansi);
    if (!k || cast_force_nullable(a.key(), *k) || cast_force_nullable(b.key(), *k)) return std::nullopt;
    auto v = meet(a.value(), b.value(), ansi);
    if (!v) return std::nullopt;
    bool nulls = a.contains_null() || b.contains_null() || cast_force_nullable(a.value(), *v) || cast_force_nullable(b.value(), *v);
    return DataType::map(*k, *v, nulls);
  }
  if (a.id() == TypeId::kStruct) {
    const auto &fa = a.fields(), &fb = b.fields();
    if (fa.size() != fb.size()) return std::nullopt;
    std::vector<StructField> out;
    for (size_t i = 0; i < fa.size(); ++i) {
      const std::string &na = fa[i].name, &nb = fb[i].name;
      bool same = na.size() == nb.size() && std::equal(na.begin(), na.end(), nb.begin(), [](char x, char y) {
                    return std::tolower(static_cast<unsigned char>(x)) == std::tolower(static_cast<unsigned char>(y));
                  });
      if (!same) return std::nullopt;
      auto t = meet(fa[i].type(), fb[i].type(), ansi);
      if (!t) return std::nullopt;
      bool nullable = fa[i].nullable || fb[i].nullable || cast_force_nullable(fa[i].type(), *t) || cast_force_nullable(fb[i].type(), *t);
      out.push_back(make_field(na, *t, nullable));
    }
    return DataType::structure(std::move(out));
  }
  return std::nullopt;
}

std::optional<DataType> tightest(const DataType& a, const DataType& b, bool ansi) {
  if (a == b) return a;
  if (a.id() == TypeId::kNull) return b;
  if (b.id() == TypeId::kNull) return a;
  if (is_string(a) && is_string(b)) return string_meet(a, b);
  if (a.is_integral() && b.id() == TypeId::kDecimal && decimal_is_wider(b, a)) return b;
  if (b.is_integral() && a.id() == TypeId::kDecimal && decimal_is_wider(a, b)) return a;
  if (a.is_numeric() && b.is_numeric() && a.id() != TypeId::kDecimal && b.id() != TypeId::kDecimal) {
    TypeId wider = std::max(a.id(), b.id());
    // An integer of 32 or 64 bits does not fit a float's 24 bits.
    return ansi && wider == TypeId::kFloat && a.id() != b.id() ? DataType(TypeId::kDouble) : DataType(wider);
  }
  if (a.is_datetime() && b.is_datetime()) {
    if (a.id() == TypeId::kTime || b.id() == TypeId::kTime) {
      if (a.id() == b.id()) return DataType::time(std::max(a.precision(), b.precision()));
      return std::nullopt;
    }
    if (a.id() == TypeId::kTimestamp || b.id() == TypeId::kTimestamp) return DataType(TypeId::kTimestamp);
    return DataType(TypeId::kTimestampNtz);
  }
  if (a.is_ansi_interval() && a.id() == b.id()) {
    uint8_t s = std::min(a.start_field(), b.start_field()), e = std::max(a.end_field(), b.end_field());
    return a.id() == TypeId::kDayTimeInterval ? DataType::day_time(s, e) : DataType::year_month(s, e);
  }
  if (is_geo(a) && a.id() == b.id()) return a.id() == TypeId::kGeometry ? DataType::geometry(-1) : DataType::geography(-1);
  return complex_meet(a, b, ansi, tightest);
}

std::optional<DataType> decimal_meet(const DataType& a, const DataType& b) {
  bool da = a.id() == TypeId::kDecimal, db = b.id() == TypeId::kDecimal;
  if (!da && !db) return std::nullopt;
  if (da && db) return wider_decimal(a, b);
  if (a.is_integral()) return wider_decimal(decimal_for(a.id()), b);
  if (b.is_integral()) return wider_decimal(decimal_for(b.id()), a);
  if (is_float(a) || is_float(b)) return DataType(TypeId::kDouble);
  return std::nullopt;
}

std::optional<DataType> without_strings(const DataType& a, const DataType& b, bool ansi) {
  if (auto t = tightest(a, b, ansi)) return t;
  if (auto t = decimal_meet(a, b)) return t;
  return complex_meet(a, b, ansi, without_strings);
}

std::optional<DataType> wider(const DataType& a, const DataType& b, bool ansi) {
  if (auto t = tightest(a, b, ansi)) return t;
  if (auto t = decimal_meet(a, b)) return t;
  if (is_string(a) != is_string(b)) {
    const DataType& s = is_string(a) ? a : b;
    const DataType& o = is_string(a) ? b : a;
    if (ansi) {
      if (o.is_integral()) return DataType(TypeId::kLong);
      if (o.is_fractional()) return DataType(TypeId::kDouble);
      if (o.is_ansi_interval()) return std::nullopt;
      if (is_atomic(o)) return o;
    } else if (is_atomic(o) && o.id() != TypeId::kBinary && o.id() != TypeId::kBoolean) {
      return s;
    }
  }
  return complex_meet(a, b, ansi, wider);
}

std::optional<DataType> null_flags(const DataType& a, const DataType& b, bool ansi) {
  if (a == b) return a;
  return complex_meet(a, b, ansi, null_flags);
}

bool has_string(const DataType& t) { return t.is_string() || (t.id() == TypeId::kArray && has_string(t.element())); }

template <class F> std::optional<DataType> fold(std::span<const DataType> types, F meet) {
  std::optional<DataType> r = DataType(TypeId::kNull);
  for (const DataType& t : types) {
    if (!(r = meet(*r, t))) return std::nullopt;
  }
  return r;
}

bool nulls_fit(bool from, bool to) { return !from || to; }

bool can_be_variant(const DataType& t, bool nested) {
  switch (t.id()) {
    case TypeId::kStruct:
      return nested && std::all_of(t.fields().begin(), t.fields().end(), [](const StructField& f) { return can_be_variant(f.type(), true); });
    case TypeId::kMap: return nested && t.key().is_string() && can_be_variant(t.value(), nested);
    case TypeId::kArray: return can_be_variant(t.element(), nested);
    case TypeId::kCalendarInterval: case TypeId::kYearMonthInterval: case TypeId::kDayTimeInterval: case TypeId::kTime:
    case TypeId::kGeometry: case TypeId::kGeography: case TypeId::kUdt: return false;
    default: return true;
  }
}

bool geo_cast(const DataType& from, const DataType& to) {
  if (from.id() == to.id()) return from.srid() != -1 && to.srid() == -1;
  return from.srid() == to.srid();
}

// One matrix for the three modes; try is ANSI with nullability of the legacy mode inside nested types.
bool castable(const DataType& from, const DataType& to, EvalMode mode) {
  if (from == to) return true;
  const bool legacy = mode == EvalMode::kLegacy;
  const TypeId f = from.id(), t = to.id();
  if (f == TypeId::kNull) return true;
  if (is_geo(from) != is_geo(to)) return false;
  if (is_geo(from)) return geo_cast(from, to);
  if (to.is_string()) return true;
  const bool s = from.is_string();
  if (f == TypeId::kVariant) return can_be_variant(to, true);
  switch (t) {
    case TypeId::kBinary: return s || (legacy && from.is_integral());
    case TypeId::kBoolean: return s || from.is_numeric() || (legacy && (f == TypeId::kDate || f == TypeId::kTimestamp));
    case TypeId::kTimestamp:
      return s || f == TypeId::kDate || f == TypeId::kTimestampNtz || from.is_numeric() || (legacy && f == TypeId::kBoolean);
    case TypeId::kTimestampNtz: return s || f == TypeId::kDate || f == TypeId::kTimestamp;
    case TypeId::kDate: return s || f == TypeId::kTimestamp || f == TypeId::kTimestampNtz;
    case TypeId::kTime: return s || f == TypeId::kTime;
    case TypeId::kCalendarInterval: return s;
    case TypeId::kDayTimeInterval: case TypeId::kYearMonthInterval:
      return s || f == t || from.is_integral() || f == TypeId::kDecimal;
    case TypeId::kByte: case TypeId::kShort: case TypeId::kInt: case TypeId::kLong: case TypeId::kDecimal:
      if (from.is_ansi_interval() || f == TypeId::kTime) return true;
      [[fallthrough]];
    case TypeId::kFloat: case TypeId::kDouble:
      return s || from.is_numeric() || f == TypeId::kBoolean || f == TypeId::kTimestamp || (legacy && f == TypeId::kDate);
    case TypeId::kVariant: return can_be_variant(from, false);
    case TypeId::kArray:
      if (f != t) return false;
      if (mode == EvalMode::kAnsi)
        return castable(from.element(), to.element(), mode) &&
               nulls_fit(from.contains_null() || from.element().id() == TypeId::kVariant, to.contains_null());
      return castable(from.element(), to.element(), EvalMode::kLegacy) &&
             nulls_fit(from.contains_null() || cast_force_nullable(from.element(), to.element()), to.contains_null());
    case TypeId::kMap:
      if (f != t) return false;
      if (mode == EvalMode::kAnsi)
        return castable(from.key(), to.key(), mode) && castable(from.value(), to.value(), mode) &&
               nulls_fit(from.contains_null() || from.value().id() == TypeId::kVariant, to.contains_null());
      return castable(from.key(), to.key(), EvalMode::kLegacy) && !cast_force_nullable(from.key(), to.key()) &&
             castable(from.value(), to.value(), EvalMode::kLegacy) &&
             nulls_fit(from.contains_null() || cast_force_nullable(from.value(), to.value()), to.contains_null());
    case TypeId::kStruct: {
      if (f != t || from.fields().size() != to.fields().size()) return false;
      for (size_t i = 0; i < from.fields().size(); ++i) {
        const StructField &a = from.fields()[i], &b = to.fields()[i];
        bool nullable = a.nullable || (mode == EvalMode::kAnsi ? a.type().id() == TypeId::kVariant : cast_force_nullable(a.type(), b.type()));
        if (!castable(a.type(), b.type(), mode == EvalMode::kAnsi ? mode : EvalMode::kLegacy) || !nulls_fit(nullable, b.nullable)) return false;
      }
      return true;
    }
    case TypeId::kUdt: return f == t && from.udt_class(1) == to.udt_class(1) && from.udt_class(0) == to.udt_class(0);
    default: return false;
  }
}

template <class F> bool nested_assign(const DataType& from, const DataType& to, F can) {
  if (from.id() != to.id()) return false;
  if (from.id() == TypeId::kArray) return nulls_fit(from.contains_null(), to.contains_null()) && can(from.element(), to.element());
  if (from.id() == TypeId::kMap)
    return nulls_fit(from.contains_null(), to.contains_null()) && can(from.key(), to.key()) && can(from.value(), to.value());
  if (from.id() == TypeId::kStruct) {
    if (from.fields().size() != to.fields().size()) return false;
    for (size_t i = 0; i < from.fields().size(); ++i) {
      const StructField &a = from.fields()[i], &b = to.fields()[i];
      if (!nulls_fit(a.nullable, b.nullable) || !can(a.type(), b.type())) return false;
    }
    return true;
  }
  return false;
}

bool ansi_store_assign(const DataType& from, const DataType& to) {
  if (from == to || from.id() == TypeId::kNull) return true;
  if (from.is_numeric() && to.is_numeric()) return true;
  if (to.is_string() && (is_atomic(from) || from.id() == TypeId::kCalendarInterval)) return !is_geo(from);
  if (from.is_datetime() && to.is_datetime()) return true;
  return nested_assign(from, to, ansi_store_assign);
}

}  // namespace

std::optional<DataType> tightest_type(const DataType& a, const DataType& b, bool ansi) { return tightest(a, b, ansi); }
std::optional<DataType> common_type(const DataType& a, const DataType& b, bool ansi) { return wider(a, b, ansi); }

std::optional<DataType> common_type(std::span<const DataType> types, bool ansi) {
  if (ansi) return fold(types, [](const DataType& a, const DataType& b) { return wider(a, b, true); });
  // Strings first: promotion to string is not associative.
  std::vector<DataType> ordered;
  for (const DataType& t : types)
    if (has_string(t) && std::find(ordered.begin(), ordered.end(), t) == ordered.end()) ordered.push_back(t);
  for (const DataType& t : types)
    if (!has_string(t)) ordered.push_back(t);
  return fold(std::span<const DataType>(ordered), [](const DataType& a, const DataType& b) { return wider(a, b, false); });
}

std::optional<DataType> common_type_without_strings(std::span<const DataType> types, bool ansi) {
  return fold(types, [ansi](const DataType& a, const DataType& b) { return without_strings(a, b, ansi); });
}

std::optional<DataType> merge_nullability(const DataType& a, const DataType& b) { return null_flags(a, b, true); }

bool can_cast(const DataType& from, const DataType& to, EvalMode mode) { return castable(from, to, mode); }

bool can_up_cast(const DataType& from, const DataType& to) {
  if (from == to) return true;
  const TypeId f = from.id(), t = to.id();
  if (f == TypeId::kVariant) return false;
  if (from.is_numeric() && t == TypeId::kDecimal && decimal_is_wider(to, from)) return true;
  if (f == TypeId::kDecimal && to.is_numeric() && decimal_is_tighter(from, to)) return true;
  if (from.is_numeric() && to.is_numeric() && f != TypeId::kDecimal && t != TypeId::kDecimal && f < t) return true;
  if (f == TypeId::kDate && (t == TypeId::kTimestamp || t == TypeId::kTimestampNtz)) return true;
  if ((f == TypeId::kTimestamp && t == TypeId::kTimestampNtz) || (f == TypeId::kTimestampNtz && t == TypeId::kTimestamp)) return true;
  if (from.is_string() && to.is_string()) {
    if (t == TypeId::kString) return true;
    if (f == TypeId::kString) return false;
    return t == TypeId::kVarchar ? to.length() >= from.length() : f == TypeId::kChar && to.length() >= from.length();
  }
  if (t == TypeId::kString && (is_atomic(from) || f == TypeId::kCalendarInterval)) return true;
  if (f == TypeId::kNull) return true;
  if ((f == TypeId::kTimestamp && t == TypeId::kLong) || (f == TypeId::kLong && t == TypeId::kTimestamp)) return true;
  if (from.is_ansi_interval() && f == t) return true;
  return nested_assign(from, to, can_up_cast);
}

bool can_store_assign(const DataType& from, const DataType& to, std::string_view policy) {
  if (policy == "ANSI") return ansi_store_assign(from, to);
  if (policy == "STRICT") return can_up_cast(from, to);
  return can_cast(from, to, EvalMode::kLegacy);
}

bool cast_force_nullable(const DataType& from, const DataType& to) {
  const TypeId f = from.id(), t = to.id();
  if (f == TypeId::kNull || from == to) return false;
  if (f == TypeId::kVariant) return true;
  if (from.is_string()) return t != TypeId::kBinary && !to.is_string();
  if (to.is_string()) return false;
  if (f == TypeId::kTimestamp && (t == TypeId::kByte || t == TypeId::kShort || t == TypeId::kInt)) return true;
  if (f == TypeId::kTime && (t == TypeId::kByte || t == TypeId::kShort)) return true;
  if (is_float(from) && t == TypeId::kTimestamp) return true;
  if (f == TypeId::kTimestamp && t == TypeId::kDate) return false;
  if (t == TypeId::kDate) return true;
  if (f == TypeId::kDate) return t != TypeId::kTimestamp;
  if (t == TypeId::kCalendarInterval) return true;
  if (t == TypeId::kDecimal) {
    bool safe = (f == TypeId::kBoolean && to.precision() - to.scale() >= 1) || (from.is_numeric() && decimal_is_wider(to, from)) ||
                (f == TypeId::kDecimal && to.precision() - to.scale() > from.precision() - from.scale());
    return !safe;
  }
  return from.is_fractional() && to.is_integral();
}

DataType wider_decimal(const DataType& a, const DataType& b) {
  int scale = std::max(a.scale(), b.scale());
  int precision = scale + std::max(a.precision() - a.scale(), b.precision() - b.scale());
  if (precision <= 38) return DataType::decimal(precision, scale);
  return DataType::decimal(38, std::max(0, scale - (precision - 38)));  // whole digits matter more than the fraction
}

DataType decimal_result(char op, const DataType& a, const DataType& b, bool allow_precision_loss) {
  const int p1 = a.precision(), s1 = a.scale(), p2 = b.precision(), s2 = b.scale();
  auto fit = [&](int p, int s) { return allow_precision_loss ? adjust_decimal(p, s) : bounded_decimal(p, s); };
  switch (op) {
    case '+': case '-': {
      int s = std::max(s1, s2);
      return fit(std::max(p1 - s1, p2 - s2) + s + 1, s);
    }
    case '*': return fit(p1 + p2 + 1, s1 + s2);
    case '/': {
      if (allow_precision_loss) {
        int s = std::max(6, s1 + p2 + 1);
        return adjust_decimal(p1 - s1 + s2 + s, s);
      }
      int whole = std::min(38, p1 - s1 + s2), digits = std::min(38, std::max(6, s1 + p2 + 1));
      if (int diff = whole + digits - 38; diff > 0) {
        digits -= diff / 2 + 1;
        whole = 38 - digits;
      }
      return bounded_decimal(whole + digits, digits);
    }
    case 'd': {
      int whole = p1 - s1 + s2;
      return bounded_decimal(whole == 0 ? 1 : whole, 0);
    }
    default: {  // %
      int s = std::max(s1, s2);
      return fit(std::min(p1 - s1, p2 - s2) + s, s);
    }
  }
}

}  // namespace tarn::plan
