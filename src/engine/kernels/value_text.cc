#include "engine/kernels/value_text.h"

#include <unordered_map>

#include "engine/datetime_parse.h"
#include "engine/kernels/kernel.h"
#include "engine/kernels/kernel_error.h"
#include "engine/kernels/number.h"
#include "engine/kernels/variant.h"
#include "engine/time_zone.h"
#include "plan/expression_text.h"

namespace tarn::engine::kernels {

using plan::DataType;
using plan::TypeId;

__int128 decimal_value(const duckdb::RecursiveUnifiedVectorFormat& d, duckdb::idx_t row) {
  switch (d.logical_type.InternalType()) {
    case duckdb::PhysicalType::INT16: return value<int16_t>(d, row);
    case duckdb::PhysicalType::INT32: return value<int32_t>(d, row);
    case duckdb::PhysicalType::INT64: return value<int64_t>(d, row);
    default: {
      const auto& h = value<duckdb::hugeint_t>(d, row);
      return (static_cast<__int128>(h.upper) << 64) | h.lower;
    }
  }
}

const DataType& type_of_json(std::string_view json) {
  static thread_local Compiled<DataType> cache;
  return cache.get(json, [](std::string_view j) { return std::make_shared<const DataType>(DataType::from_json(j)); });
}

namespace {

constexpr int64_t kSecond = 1000000, kDay = 86400 * kSecond;

int64_t floor_div(int64_t a, int64_t b) { return a / b - (a % b < 0); }

// A point in time whose local microseconds do not fit into 64 bits.
void append_timestamp_beyond(int64_t utc, const TimeZone& zone, std::string& out) {
  int64_t day = floor_div(utc, kDay), rest = utc % kDay;
  rest += (rest < 0 ? kDay : 0) + zone.offset_at(floor_div(utc, kSecond)) * kSecond;
  day += floor_div(rest, kDay);
  rest -= floor_div(rest, kDay) * kDay;
  append_date(static_cast<int32_t>(day), out);
  out += ' ';
  append_time(rest * 1000, out);
}

}  // namespace

void append_text(const DataType& type, const duckdb::RecursiveUnifiedVectorFormat& d, duckdb::idx_t row, const TextStyle& style, std::string& out) {
  switch (type.id()) {
    case TypeId::kBoolean: out += value<bool>(d, row) ? "true" : "false"; return;
    case TypeId::kByte: out += std::to_string(value<int8_t>(d, row)); return;
    case TypeId::kShort: out += std::to_string(value<int16_t>(d, row)); return;
    case TypeId::kInt: out += std::to_string(value<int32_t>(d, row)); return;
    case TypeId::kLong: out += std::to_string(value<int64_t>(d, row)); return;
    case TypeId::kFloat: out += plan::java_float(value<float>(d, row)); return;
    case TypeId::kDouble: out += plan::java_double(value<double>(d, row)); return;
    case TypeId::kDecimal:
      out += style.plain_decimals ? decimal_string(decimal_value(d, row), type.scale()) : decimal_java_string(decimal_value(d, row), type.scale());
      return;
    case TypeId::kString: case TypeId::kChar: case TypeId::kVarchar: case TypeId::kBinary: {
      const auto& s = value<duckdb::string_t>(d, row);
      out.append(s.GetData(), s.GetSize());
      return;
    }
    case TypeId::kDate: append_date(value<int32_t>(d, row), out); return;
    case TypeId::kTime: append_time(value<int64_t>(d, row), out); return;
    case TypeId::kTimestamp: {
      const auto utc = value<int64_t>(d, row), local = style.zone->utc_to_local_micros(utc);
      // The first and the last hours that 64 bits can count are beyond them in other zones.
      if ((local < utc) == (style.zone->offset_at(floor_div(utc, kSecond)) < 0)) append_timestamp(local, out);
      else append_timestamp_beyond(utc, *style.zone, out);
      return;
    }
    case TypeId::kTimestampNtz: append_timestamp(value<int64_t>(d, row), out); return;
    case TypeId::kYearMonthInterval: out += plan::year_month_interval_text(value<int32_t>(d, row), type); return;
    case TypeId::kDayTimeInterval: out += plan::day_time_interval_text(value<int64_t>(d, row), type); return;
    case TypeId::kCalendarInterval: {
      const auto& i = value<duckdb::interval_t>(d, row);
      out += plan::calendar_interval_text({i.months, i.days, i.micros});
      return;
    }
    case TypeId::kArray: {
      const auto& list = value<duckdb::list_entry_t>(d, row);
      out += '[';
      for (duckdb::idx_t i = 0; i < list.length; ++i) {
        if (i) out += ", ";
        if (is_null(d.children[0], list.offset + i)) out += style.null_text;
        else append_text(type.element(), d.children[0], list.offset + i, style, out);
      }
      out += ']';
      return;
    }
    case TypeId::kMap: {
      const auto& list = value<duckdb::list_entry_t>(d, row);
      const auto& entry = d.children[0];
      out += '{';
      for (duckdb::idx_t i = 0; i < list.length; ++i) {
        if (i) out += ", ";
        duckdb::idx_t e = at(entry, list.offset + i);
        append_text(type.key(), entry.children[0], e, style, out);
        out += " -> ";
        if (is_null(entry.children[1], e)) out += style.null_text;
        else append_text(type.value(), entry.children[1], e, style, out);
      }
      out += '}';
      return;
    }
    case TypeId::kStruct: {
      duckdb::idx_t r = at(d, row);
      out += '{';
      for (size_t i = 0; i < type.fields().size(); ++i) {
        if (i) out += ", ";
        if (is_null(d.children[i], r)) out += style.null_text;
        else append_text(type.fields()[i].type(), d.children[i], r, style, out);
      }
      out += '}';
      return;
    }
    case TypeId::kVariant: {
      duckdb::idx_t r = at(d, row);
      const auto &v = value<duckdb::string_t>(d.children[0], r), &m = value<duckdb::string_t>(d.children[1], r);
      try {
        Variant({v.GetData(), v.GetSize()}, {m.GetData(), m.GetSize()}).append_json(out, *style.zone);
      } catch (const MalformedVariant&) {
        fail("MALFORMED_VARIANT", ErrorKind::kRuntime, {});
      }
      return;
    }
    case TypeId::kUdt: append_text(type.sql_type(), d, row, style, out); return;
    default: out += style.null_text; return;
  }
}

}  // namespace tarn::engine::kernels
