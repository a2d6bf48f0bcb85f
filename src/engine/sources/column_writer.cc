#include "engine/sources/column_writer.h"

#include <limits>

#include "base/spark_error.h"
#include "engine/kernels/interval_text.h"
#include "engine/sources/java_number.h"
#include "sql/parser.h"

namespace tarn::engine::sources {

using plan::TypeId;

ColumnWriter::ColumnWriter(const plan::DataType& type, const CsvOptions& options) : options_(options), type_(type) {
  switch (type.id()) {
    case TypeId::kByte: write_ = &ColumnWriter::write_integer<int8_t>; break;
    case TypeId::kShort: write_ = &ColumnWriter::write_integer<int16_t>; break;
    case TypeId::kInt: write_ = &ColumnWriter::write_integer<int32_t>; break;
    case TypeId::kLong: write_ = &ColumnWriter::write_integer<int64_t>; break;
    case TypeId::kFloat: write_ = &ColumnWriter::write_floating<float>; break;
    case TypeId::kDouble: write_ = &ColumnWriter::write_floating<double>; break;
    case TypeId::kBoolean: write_ = &ColumnWriter::write_boolean; break;
    case TypeId::kDecimal:
      precision_ = type.precision();
      scale_ = type.scale();
      write_ = precision_ <= 4    ? &ColumnWriter::write_decimal<int16_t>
               : precision_ <= 9  ? &ColumnWriter::write_decimal<int32_t>
               : precision_ <= 18 ? &ColumnWriter::write_decimal<int64_t>
                                  : &ColumnWriter::write_decimal<duckdb::hugeint_t>;
      break;
    case TypeId::kString:
    case TypeId::kChar:
    case TypeId::kVarchar:
    case TypeId::kBinary: write_ = &ColumnWriter::write_string; break;
    case TypeId::kDate: write_ = &ColumnWriter::write_date; break;
    case TypeId::kTimestamp: write_ = &ColumnWriter::write_timestamp; break;
    case TypeId::kTimestampNtz: write_ = &ColumnWriter::write_timestamp_ntz; break;
    case TypeId::kTime: write_ = &ColumnWriter::write_time; break;
    case TypeId::kDayTimeInterval: write_ = &ColumnWriter::write_day_time; break;
    case TypeId::kYearMonthInterval: write_ = &ColumnWriter::write_year_month; break;
    case TypeId::kCalendarInterval: write_ = &ColumnWriter::write_calendar; break;
    case TypeId::kNull: write_ = &ColumnWriter::write_void; break;
    case TypeId::kVariant: throw not_built("reading VARIANT from CSV");
    default: throw SparkError(ErrorKind::kUnsupported, "UNSUPPORTED_DATATYPE", {{"typeName", "\"" + type.sql() + "\""}});
  }
}

template <class T>
bool ColumnWriter::write_integer(std::string_view s, bool, size_t row) {
  // Up to nine digits: no overflow is possible.
  size_t n = s.size();
  if (n > 0 && n <= 9 && n <= static_cast<size_t>(std::numeric_limits<T>::digits10)) {
    bool negative = s[0] == '-';
    size_t i = negative;
    uint32_t v = 0;
    if (i < n) {
      for (; i < n; ++i) {
        unsigned d = static_cast<unsigned char>(s[i]) - '0';
        if (d > 9) break;
        v = v * 10 + d;
      }
      if (i == n) {
        slot<T>()[row] = static_cast<T>(negative ? -static_cast<int64_t>(v) : static_cast<int64_t>(v));
        return true;
      }
    }
  }
  auto v = parse_java_long(s);
  if (!v || *v < std::numeric_limits<T>::min() || *v > std::numeric_limits<T>::max()) return false;
  slot<T>()[row] = static_cast<T>(*v);
  return true;
}

template <class T>
bool ColumnWriter::write_floating(std::string_view s, bool, size_t row) {
  T v;
  if (s == options_.nan_value) {
    v = std::numeric_limits<T>::quiet_NaN();
  } else if (s == options_.negative_inf) {
    v = -std::numeric_limits<T>::infinity();
  } else if (s == options_.positive_inf) {
    v = std::numeric_limits<T>::infinity();
  } else {
    std::optional<T> parsed;
    if constexpr (std::is_same_v<T, float>) parsed = parse_java_float(s);
    else parsed = parse_java_double(s);
    if (!parsed) return false;
    v = *parsed;
  }
  slot<T>()[row] = v;
  return true;
}

template <class T>
bool ColumnWriter::write_decimal(std::string_view s, bool, size_t row) {
  auto v = parse_decimal(s, precision_, scale_, options_.datetime.locale);
  if (!v) return false;
  if constexpr (std::is_same_v<T, duckdb::hugeint_t>) {
    slot<T>()[row] = duckdb::hugeint_t(static_cast<int64_t>(*v >> 64), static_cast<uint64_t>(*v));
  } else {
    slot<T>()[row] = static_cast<T>(*v);
  }
  return true;
}

bool ColumnWriter::write_string(std::string_view s, bool stable, size_t row) {
  slot<duckdb::string_t>()[row] = stable || s.size() <= duckdb::string_t::INLINE_LENGTH
                                      ? duckdb::string_t(s.data(), static_cast<uint32_t>(s.size()))
                                      : duckdb::StringVector::AddStringOrBlob(*vector_, s.data(), s.size());
  return true;
}

bool ColumnWriter::write_boolean(std::string_view s, bool, size_t row) {
  if (equal_ignore_case(s, "true")) slot<bool>()[row] = true;
  else if (equal_ignore_case(s, "false")) slot<bool>()[row] = false;
  else return false;
  return true;
}

bool ColumnWriter::write_date(std::string_view s, bool, size_t row) {
  auto v = options_.datetime.parse_date(s);
  if (v) slot<int32_t>()[row] = *v;
  return v.has_value();
}
bool ColumnWriter::write_timestamp(std::string_view s, bool, size_t row) {
  auto v = options_.datetime.parse_timestamp(s);
  if (v) slot<int64_t>()[row] = *v;
  return v.has_value();
}
bool ColumnWriter::write_timestamp_ntz(std::string_view s, bool, size_t row) {
  auto v = options_.datetime.parse_timestamp_ntz(s);
  if (v) slot<int64_t>()[row] = *v;
  return v.has_value();
}
bool ColumnWriter::write_time(std::string_view s, bool, size_t row) {
  auto v = options_.datetime.parse_time(s);
  if (v) slot<int64_t>()[row] = *v;
  return v.has_value();
}
bool ColumnWriter::write_day_time(std::string_view s, bool, size_t row) {
  auto v = kernels::interval_of_text(s, type_);
  if (v) slot<int64_t>()[row] = *v;
  return v.has_value();
}
bool ColumnWriter::write_year_month(std::string_view s, bool, size_t row) {
  auto v = kernels::interval_of_text(s, type_);
  if (v) slot<int32_t>()[row] = static_cast<int32_t>(*v);
  return v.has_value();
}
bool ColumnWriter::write_calendar(std::string_view s, bool, size_t row) {
  try {
    sql::CalendarInterval v = sql::parse_calendar_interval(s);
    slot<duckdb::interval_t>()[row] = {v.months, v.days, v.microseconds};
    return true;
  } catch (const SparkError&) {
    return false;
  }
}
bool ColumnWriter::write_void(std::string_view, bool, size_t row) {
  set_null(row);
  return true;
}

}  // namespace tarn::engine::sources
