#include "engine/kernels/cast_table.h"

#include <atomic>

#include "base/spark_error.h"
#include "engine/type_mapping.h"
#include "plan/function.h"

namespace tarn::engine::kernels {
namespace {

using plan::DataType;
using plan::EvalMode;
using plan::TypeId;

int digits(const DataType& t) {
  switch (t.id()) {
    case TypeId::kBoolean: return 1;
    case TypeId::kByte: return 3;
    case TypeId::kShort: return 5;
    case TypeId::kInt: return 10;
    default: return 19;
  }
}

const char* mode_literal(EvalMode m) { return m == EvalMode::kAnsi ? "'ansi'" : m == EvalMode::kTry ? "'try'" : "'legacy'"; }

std::string unique_variable() {
  static std::atomic<unsigned> next{0};
  return "e" + std::to_string(next++);
}

std::string plain(const std::string& x, const DataType& to) { return "CAST(" + x + " AS " + duckdb_type_sql(to) + ")"; }

struct Caster {
  EvalMode mode;
  const std::string& tz;

  std::string call(const char* kernel, const std::string& x, const std::string& more = "") const {
    return std::string(kernel) + "(" + x + (more.empty() ? "" : ", " + more) + ")";
  }
  std::string with_mode(const char* kernel, const std::string& x, const std::string& more = "") const {
    return call(kernel, x, (more.empty() ? "" : more + ", ") + mode_literal(mode));
  }

  // Casts of intervals to numbers fail on overflow in legacy mode too.
  std::string strict_mode() const { return mode == EvalMode::kTry ? "'try'" : "'ansi'"; }

  std::string cast(const DataType& from, const DataType& to, const std::string& x) const {
    const TypeId f = from.id(), t = to.id();
    if (f == TypeId::kVariant && t == TypeId::kVariant) return x;
    if (f == TypeId::kNull) {
      // What has no value may still have an effect: raise_error.
      if (x.find('(') == std::string::npos || x.starts_with("(NULL")) return "CAST(NULL AS " + duckdb_type_sql(to) + ")";
      return "CAST(CAST(" + x + " AS VARCHAR) AS " + duckdb_type_sql(to) + ")";
    }
    if (f == TypeId::kUdt) return cast(from.sql_type(), to, x);
    if (t == TypeId::kUdt) return cast(from, to.sql_type(), x);
    if (f == TypeId::kVariant) return from_variant(to, x);
    if (t == TypeId::kVariant) return call("spark_to_variant", x, duckdb_string(from.json()));
    if (t == TypeId::kString || t == TypeId::kChar || t == TypeId::kVarchar) return to_string(from, x, to);
    if (from.same_type(to)) return x;
    switch (t) {
      case TypeId::kBinary:
        if (from.is_string()) return call("encode", x);
        return call("spark_integer_to_binary", x);
      case TypeId::kBoolean:
        if (from.is_string()) return with_mode("spark_to_boolean", x);
        if (f == TypeId::kDate) return "CAST(NULL AS BOOLEAN)";
        if (f == TypeId::kTimestamp) return "(epoch_us(" + x + ") <> 0)";
        return "(" + x + " <> 0)";
      case TypeId::kByte: return integer(from, x, "spark_to_byte", "TINYINT");
      case TypeId::kShort: return integer(from, x, "spark_to_short", "SMALLINT");
      case TypeId::kInt: return integer(from, x, "spark_to_int", "INTEGER");
      case TypeId::kLong: return integer(from, x, "spark_to_long", "BIGINT");
      case TypeId::kFloat: case TypeId::kDouble: return floating(from, to, x);
      case TypeId::kDecimal: return decimal(from, to, x);
      case TypeId::kDate:
        if (from.is_string()) return with_mode("spark_to_date", x);
        if (f == TypeId::kTimestamp) return call("spark_timestamp_to_date", x, tz);
        return plain(x, to);
      case TypeId::kTimestamp:
        if (from.is_string()) return with_mode("spark_to_timestamp", x, tz);
        if (f == TypeId::kDate) return call("spark_date_to_timestamp", x, tz);
        if (f == TypeId::kTimestampNtz) return call("spark_ntz_to_timestamp", x, tz);
        if (f == TypeId::kBoolean) return "make_timestamptz(CAST(" + x + " AS BIGINT))";
        if (f == TypeId::kDecimal) return with_mode("spark_seconds_to_timestamp", "CAST(" + x + " AS VARCHAR)");
        if (f == TypeId::kFloat || f == TypeId::kDouble) return with_mode("spark_seconds_to_timestamp", "CAST(" + x + " AS DOUBLE)");
        return with_mode("spark_seconds_to_timestamp", "CAST(" + x + " AS BIGINT)");
      case TypeId::kTimestampNtz:
        if (from.is_string()) return with_mode("spark_to_timestamp_ntz", x);
        if (f == TypeId::kTimestamp) return call("spark_timestamp_to_ntz", x, tz);
        return plain(x, to);
      case TypeId::kTime:
        if (from.is_string()) return with_mode("spark_to_time", x, std::to_string(to.precision()));
        return to.precision() >= from.precision() ? x : call("spark_time_precision", x, std::to_string(to.precision()));
      case TypeId::kCalendarInterval: return with_mode("spark_to_interval", x);
      case TypeId::kDayTimeInterval:
        if (from.is_string()) return with_mode("spark_to_day_time", x, duckdb_string(to.json()));
        if (f == TypeId::kDayTimeInterval) return to.end_field() >= from.end_field() ? x : call("spark_day_time_fields", x, std::to_string(to.end_field()));
        return with_mode("spark_number_to_interval", f == TypeId::kDecimal ? "CAST(" + x + " AS VARCHAR)" : "CAST(" + x + " AS BIGINT)", duckdb_string(to.json()));
      case TypeId::kYearMonthInterval:
        if (from.is_string()) return "CAST(" + with_mode("spark_to_year_month", x, duckdb_string(to.json())) + " AS INTEGER)";
        if (f == TypeId::kYearMonthInterval) return to.end_field() >= from.end_field() ? x : "CAST((" + x + " // 12) * 12 AS INTEGER)";
        return "CAST(" + with_mode("spark_number_to_interval", f == TypeId::kDecimal ? "CAST(" + x + " AS VARCHAR)" : "CAST(" + x + " AS BIGINT)", duckdb_string(to.json())) + " AS INTEGER)";
      case TypeId::kArray: {
        std::string e = unique_variable(), body = cast(from.element(), to.element(), e);
        if (body == e) return x;
        return "list_transform(" + x + ", lambda " + e + ": " + body + ")";
      }
      case TypeId::kMap: {
        std::string e = unique_variable(), key = e + ".key", v = e + ".value";
        std::string k2 = cast(from.key(), to.key(), key), v2 = cast(from.value(), to.value(), v);
        if (k2 == key && v2 == v) return x;
        return "map_from_entries(list_transform(map_entries(" + x + "), lambda " + e + ": struct_pack(key := " + k2 + ", value := " + v2 + ")))";
      }
      case TypeId::kStruct: {
        auto names = duckdb_field_names(to);
        std::string e = unique_variable(), out;
        for (size_t i = 0; i < names.size(); ++i) {
          std::string part = "struct_extract_at(" + e + ", " + std::to_string(i + 1) + ")";
          out += (i ? ", " : "") + quote_duckdb_identifier(names[i]) + " := " + cast(from.fields()[i].type(), to.fields()[i].type(), part);
        }
        // A list of one evaluates the argument once.
        return "list_transform([" + x + "], lambda " + e + ": CASE WHEN " + e + " IS NULL THEN NULL ELSE struct_pack(" + out + ") END)[1]";
      }
      default: break;
    }
    if (to.id() == TypeId::kGeometry || to.id() == TypeId::kGeography) return x;
    throw not_built("the cast of " + from.sql() + " to " + to.sql());
  }

  // A variant is cast by what it holds, as that type would be; what has no value then is an error (NULL for try_). Source: VariantGet.cast.
  std::string from_variant(const DataType& to, const std::string& x) const {
    const std::string v = unique_variable();
    const std::string parts = "struct_extract_at(" + v + ", 1), struct_extract_at(" + v + ", 2)";
    auto part = [&](const char* kernel) { return std::string(kernel) + "(" + parts + ")"; };
    const Caster inner{EvalMode::kTry, tz};
    std::string cases;
    auto when = [&](const char* kind, const std::string& value) { cases += std::string(" WHEN '") + kind + "' THEN " + value; };
    switch (to.id()) {
      case TypeId::kArray: {
        const std::string e = unique_variable();
        when("array", "list_transform(" + part("spark_variant_elements") + ", lambda " + e + ": " + cast(TypeId::kVariant, to.element(), e) + ")");
        break;
      }
      case TypeId::kMap: {
        const std::string e = unique_variable();
        when("object", "map(" + part("spark_variant_keys") + ", list_transform(" + part("spark_variant_elements") + ", lambda " + e + ": " + cast(TypeId::kVariant, to.value(), e) + "))");
        break;
      }
      case TypeId::kStruct: {
        auto names = duckdb_field_names(to);
        std::string fields;
        for (size_t i = 0; i < names.size(); ++i) {
          const std::string field = "spark_variant_field(" + parts + ", " + duckdb_string(to.fields()[i].name) + ")";
          fields += (i ? ", " : "") + quote_duckdb_identifier(names[i]) + " := " + cast(TypeId::kVariant, to.fields()[i].type(), field);
        }
        when("object", "struct_pack(" + fields + ")");
        break;
      }
      default: {
        const struct { const char* kind; TypeId type; const char* kernel; } scalars[] = {
            {"boolean", TypeId::kBoolean, "spark_variant_boolean"}, {"long", TypeId::kLong, "spark_variant_long"},
            {"string", TypeId::kString, "spark_variant_string"},    {"double", TypeId::kDouble, "spark_variant_double"},
            {"float", TypeId::kFloat, "spark_variant_float"},       {"date", TypeId::kDate, "spark_variant_date"},
            {"timestamp", TypeId::kTimestamp, "spark_variant_timestamp"},
            {"timestamp_ntz", TypeId::kTimestampNtz, "spark_variant_timestamp_ntz"},
            {"binary", TypeId::kBinary, "spark_variant_binary"}};
        for (const auto& s : scalars)
          if (plan::can_cast(s.type, to, EvalMode::kAnsi)) when(s.kind, inner.cast(s.type, to, part(s.kernel)));
        const std::string json = "spark_variant_json(" + parts + ", " + tz + ")";
        if (to.is_string()) {
          for (const char* kind : {"array", "object", "decimal"}) when(kind, inner.cast(TypeId::kString, to, json));
          when("uuid", inner.cast(TypeId::kString, to, part("spark_variant_uuid")));
        } else if (to.is_integral()) {
          when("decimal", inner.cast(TypeId::kString, to, part("spark_variant_whole")));
        } else if (to.id() == TypeId::kBoolean) {
          when("decimal", "(" + json + " <> '0')");
        } else if (to.is_numeric()) {
          when("decimal", inner.cast(TypeId::kString, to, json));
        } else if (to.id() == TypeId::kTimestamp) {
          when("decimal", inner.with_mode("spark_seconds_to_timestamp", json));
        }
      }
    }
    const std::string bad = "CAST(spark_variant_bad_cast(" + parts + ", " + duckdb_string(to.sql()) + ", " + mode_literal(mode) + ", " + tz + ") AS " + duckdb_type_sql(to) + ")";
    const std::string found = cases.empty() ? bad : "coalesce(CASE " + part("spark_variant_kind") + cases + " END, " + bad + ")";
    // A list of one evaluates the argument once.
    return "list_transform([" + x + "], lambda " + v + ": CASE WHEN " + v + " IS NULL OR spark_is_variant_null(struct_extract_at(" + v + ", 1)) THEN NULL ELSE " + found + " END)[1]";
  }

  std::string to_string(const DataType& from, const std::string& x, const DataType& to) const {
    switch (from.id()) {
      case TypeId::kString: case TypeId::kChar: case TypeId::kVarchar:
        if (to.id() == TypeId::kChar) return call("spark_to_char_length", x, std::to_string(to.length()));
        if (to.id() == TypeId::kVarchar && !(from.id() != TypeId::kString && from.length() <= to.length())) return call("spark_to_varchar_length", x, std::to_string(to.length()));
        return x;
      case TypeId::kByte: case TypeId::kShort: case TypeId::kInt: case TypeId::kLong: case TypeId::kBoolean: return sized("CAST(" + x + " AS VARCHAR)", to);
      case TypeId::kFloat: return sized(call("spark_float_to_string", x), to);
      case TypeId::kDouble: return sized(call("spark_double_to_string", x), to);
      case TypeId::kDecimal:
        if (from.scale() < from.precision() && (mode != EvalMode::kLegacy || from.scale() <= 6)) return sized("CAST(" + x + " AS VARCHAR)", to);
        break;
      case TypeId::kBinary: return sized(call("spark_binary_to_string", x), to);
      default: break;
    }
    return sized(call("spark_to_string", x, duckdb_string(from.json()) + ", " + tz + ", " + mode_literal(mode)), to);
  }
  std::string sized(const std::string& text, const DataType& to) const {
    if (to.id() == TypeId::kChar) return call("spark_to_char_length", text, std::to_string(to.length()));
    if (to.id() == TypeId::kVarchar) return call("spark_to_varchar_length", text, std::to_string(to.length()));
    return text;
  }

  std::string integer(const DataType& from, const std::string& x, const char* kernel, const char* sql) const {
    const int have = from.is_integral() || from.id() == TypeId::kBoolean ? digits(from) : 100;
    const int want = kernel[9] == 'b' ? 3 : kernel[9] == 's' ? 5 : kernel[9] == 'i' ? 10 : 19;
    if (have <= want) return "CAST(" + x + " AS " + sql + ")";
    switch (from.id()) {
      case TypeId::kDecimal:
        if (from.scale() == 0 && from.precision() < want) return "CAST(" + x + " AS " + sql + ")";
        return with_mode(kernel, x);
      // What does not fit is null without ANSI too, where other numbers wrap around.
      case TypeId::kTimestamp: return call(kernel, "spark_unix_seconds(" + x + ")", mode == EvalMode::kAnsi ? "'ansi'" : "'try'");
      case TypeId::kTime: return call(kernel, "(" + x + " // 1000000000)", mode == EvalMode::kAnsi ? "'ansi'" : "'try'");
      case TypeId::kDate: return std::string("CAST(NULL AS ") + sql + ")";
      case TypeId::kDayTimeInterval: return call(kernel, call("spark_day_time_to_long", x, std::to_string(from.end_field())), strict_mode());
      case TypeId::kYearMonthInterval: return call(kernel, from.end_field() == plan::kYear ? "CAST(" + x + " // 12 AS BIGINT)" : "CAST(" + x + " AS BIGINT)", strict_mode());
      default: return with_mode(kernel, x);
    }
  }

  std::string floating(const DataType& from, const DataType& to, const std::string& x) const {
    const bool wide = to.id() == TypeId::kDouble;
    const char* sql = wide ? "DOUBLE" : "FLOAT";
    switch (from.id()) {
      case TypeId::kString: case TypeId::kChar: case TypeId::kVarchar: return with_mode(wide ? "spark_to_double" : "spark_to_float", x);
      case TypeId::kDecimal: return wide ? call("spark_decimal_to_double", x) : "spark_double_to_float(spark_decimal_to_double(" + x + "))";
      case TypeId::kDouble: return call("spark_double_to_float", x);
      case TypeId::kTimestamp: return std::string("CAST(epoch_us(") + x + ") / 1000000.0::DOUBLE AS " + sql + ")";
      case TypeId::kDate: return std::string("CAST(NULL AS ") + sql + ")";
      default: return "CAST(" + x + " AS " + sql + ")";
    }
  }

  std::string decimal(const DataType& from, const DataType& to, const std::string& x) const {
    std::string ps = std::to_string(to.precision()) + ", " + std::to_string(to.scale());
    switch (from.id()) {
      case TypeId::kString: case TypeId::kChar: case TypeId::kVarchar: return with_mode("spark_string_to_decimal", x, ps);
      case TypeId::kDouble: case TypeId::kFloat: return with_mode("spark_double_to_decimal", "CAST(" + x + " AS DOUBLE)", ps);
      case TypeId::kDecimal:
        if (to.scale() >= from.scale() && to.precision() - to.scale() >= from.precision() - from.scale()) return plain(x, to);
        return with_mode("spark_to_decimal", x, ps);
      case TypeId::kDate: return "CAST(NULL AS " + duckdb_type_sql(to) + ")";
      case TypeId::kTimestamp: return with_mode("spark_to_decimal", "CAST(epoch_us(" + x + ") AS DECIMAL(20,0)) * 0.000001::DECIMAL(7,6)", ps);
      case TypeId::kTime: return with_mode("spark_to_decimal", "CAST(" + x + " AS DECIMAL(20,0)) * 0.000000001::DECIMAL(10,9)", ps);
      case TypeId::kDayTimeInterval: {
        static const char* unit[] = {"86400000000", "3600000000", "60000000", "1000000"};
        return call("spark_decimal_divide", "CAST(" + x + " AS DECIMAL(20,0))", std::string(unit[from.end_field()]) + ", " + ps + ", " + strict_mode());
      }
      case TypeId::kYearMonthInterval:
        return call("spark_to_decimal", from.end_field() == plan::kYear ? "CAST(" + x + " // 12 AS DECIMAL(10,0))" : "CAST(" + x + " AS DECIMAL(10,0))", ps + ", " + strict_mode());
      default:
        if (from.id() == TypeId::kBoolean) return with_mode("spark_to_decimal", "CAST(" + x + " AS INTEGER)", ps);
        if (to.precision() - to.scale() >= digits(from)) return plain(x, to);
        return with_mode("spark_to_decimal", x, ps);
    }
  }
};

}  // namespace

std::string cast_sql(const DataType& from, const DataType& to, EvalMode mode, const std::string& arg_sql, const std::string& tz) {
  return Caster{mode, tz}.cast(from, to, arg_sql);
}

}  // namespace tarn::engine::kernels
