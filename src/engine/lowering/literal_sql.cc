// Literals as DuckDB SQL text, each with its DuckDB type.
#include <cmath>
#include <cstdio>

#include "base/spark_error.h"
#include "engine/datetime_parse.h"
#include "engine/lowering/expression_lowering.h"
#include "engine/type_mapping.h"

namespace tarn::engine::lowering {

namespace {

using plan::DataType;
using plan::TypeId;
using plan::Value;

std::string int128_text(plan::Int128 v) {
  if (v == 0) return "0";
  bool negative = v < 0;
  unsigned __int128 u = negative ? -static_cast<unsigned __int128>(v) : static_cast<unsigned __int128>(v);
  std::string digits;
  for (; u > 0; u /= 10) digits.insert(digits.begin(), static_cast<char>('0' + static_cast<int>(u % 10)));
  return negative ? "-" + digits : digits;
}

std::string decimal_text(plan::Int128 unscaled, int scale) {
  std::string text = int128_text(unscaled);
  bool negative = text[0] == '-';
  if (negative) text.erase(0, 1);
  if (scale > 0) {
    if (static_cast<int>(text.size()) <= scale) text.insert(0, static_cast<size_t>(scale) + 1 - text.size(), '0');
    text.insert(text.size() - static_cast<size_t>(scale), ".");
  }
  return negative ? "-" + text : text;
}

std::string double_text(double v, const char* type, int digits) {
  if (std::isnan(v)) return std::string("'nan'::") + type;
  if (std::isinf(v)) return std::string(v < 0 ? "'-inf'::" : "'inf'::") + type;
  char buffer[64];
  std::snprintf(buffer, sizeof buffer, "%.*e", digits, v);
  return std::string("'") + buffer + "'::" + type;
}

std::string hex(const std::string& bytes) {
  static const char* kDigits = "0123456789ABCDEF";
  std::string out;
  for (unsigned char c : bytes) {
    out += kDigits[c >> 4];
    out += kDigits[c & 15];
  }
  return out;
}

bool plain_year(int64_t days) { return days >= -719162 && days <= 2932896; }  // 0001-01-01 … 9999-12-31

std::string date_text(int64_t days) {
  std::string text;
  append_date(static_cast<int32_t>(days), text);
  return text;
}

std::string timestamp_text(int64_t micros) {
  std::string text;
  append_timestamp(micros, text);
  return text;
}

}  // namespace

std::string literal_sql(const Value& value, const DataType& type) {
  if (type.id() == TypeId::kUdt) return literal_sql(value, type.sql_type());
  const std::string sql_type = duckdb_type_sql(type);
  if (value.is_null()) return "NULL::" + sql_type;
  auto number = [&](const std::string& text) { return "'" + text + "'::" + sql_type; };
  switch (type.id()) {
    case TypeId::kNull: return "NULL::INTEGER";
    case TypeId::kBoolean: return value.get<bool>() ? "true" : "false";
    case TypeId::kInt:
    case TypeId::kYearMonthInterval: {
      int64_t v = value.get<int64_t>();
      if (v == INT32_MIN) return "(-2147483647 - 1)";
      return v < 0 ? "(" + std::to_string(v) + ")" : std::to_string(v);
    }
    case TypeId::kByte:
    case TypeId::kShort:
    case TypeId::kLong:
    case TypeId::kTime:
    case TypeId::kDayTimeInterval: {
      int64_t v = value.get<int64_t>();
      return v < 0 ? number(std::to_string(v)) : std::to_string(v) + "::" + sql_type;
    }
    case TypeId::kFloat: return double_text(value.get<double>(), "FLOAT", 9);
    case TypeId::kDouble: return double_text(value.get<double>(), "DOUBLE", 17);
    case TypeId::kDecimal: return number(decimal_text(value.get<plan::Int128>(), type.scale()));
    case TypeId::kString:
    case TypeId::kChar:
    case TypeId::kVarchar: return duckdb_string(value.get<std::string>());
    case TypeId::kBinary: return "from_hex('" + hex(value.get<std::string>()) + "')";
    case TypeId::kDate: {
      int64_t days = value.get<int64_t>();
      if (plain_year(days)) return "DATE '" + date_text(days) + "'";
      return "(DATE '1970-01-01' + " + (days < 0 ? "(" + std::to_string(days) + ")" : std::to_string(days)) + "::INTEGER)";
    }
    case TypeId::kTimestamp: {
      int64_t micros = value.get<int64_t>();
      if (plain_year(micros / 86400000000)) return "TIMESTAMPTZ '" + timestamp_text(micros) + "+00'";
      return "make_timestamptz(" + std::to_string(micros) + ")";
    }
    case TypeId::kTimestampNtz: {
      int64_t micros = value.get<int64_t>();
      if (plain_year(micros / 86400000000)) return "TIMESTAMP '" + timestamp_text(micros) + "'";
      return "make_timestamp(" + std::to_string(micros) + ")";
    }
    case TypeId::kCalendarInterval: {
      const auto& i = value.get<plan::IntervalValue>();
      return "(to_months((" + std::to_string(i.months) + ")::INTEGER) + to_days((" + std::to_string(i.days) + ")::INTEGER) + to_microseconds((" +
             std::to_string(i.micros) + ")::BIGINT))";
    }
    case TypeId::kArray: {
      std::string out = "[";
      bool first = true;
      for (const auto& item : value.get<plan::ListValue>().items) {
        if (!first) out += ", ";
        first = false;
        out += literal_sql(item, type.element());
      }
      return first ? "[]::" + sql_type : out + "]";
    }
    case TypeId::kMap: {
      std::string keys = "[", values = "[";
      bool first = true;
      for (const auto& [k, v] : value.get<plan::MapValue>().entries) {
        if (!first) keys += ", ", values += ", ";
        first = false;
        keys += literal_sql(k, type.key());
        values += literal_sql(v, type.value());
      }
      if (first) return "MAP([]::" + duckdb_type_sql(type.key()) + "[], []::" + duckdb_type_sql(type.value()) + "[])";
      return "MAP(" + keys + "], " + values + "])";
    }
    case TypeId::kVariant:
    case TypeId::kGeometry:
    case TypeId::kGeography:
    case TypeId::kStruct: {
      const auto& items = value.get<plan::ListValue>().items;
      if (type.id() == TypeId::kVariant) {
        return "struct_pack(\"value\" := " + literal_sql(items.at(0), TypeId::kBinary) + ", \"metadata\" := " + literal_sql(items.at(1), TypeId::kBinary) + ")";
      }
      if (type.id() != TypeId::kStruct) {
        return "struct_pack(srid := " + literal_sql(items.at(0), TypeId::kInt) + ", wkb := " + literal_sql(items.at(1), TypeId::kBinary) + ")";
      }
      if (items.empty()) return "struct_pack(\"_empty\" := NULL::BOOLEAN)";
      auto names = duckdb_field_names(type);
      std::string out = "struct_pack(";
      for (size_t i = 0; i < items.size(); ++i) {
        if (i) out += ", ";
        out += quote_duckdb_identifier(names[i]) + " := " + literal_sql(items[i], type.fields()[i].type());
      }
      return out + ")";
    }
    default: throw internal_error("no literal of type " + type.sql());
  }
}

}  // namespace tarn::engine::lowering
