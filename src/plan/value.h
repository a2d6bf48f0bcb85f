#pragma once
// The value of a literal, typed by the DataType that stands beside it.
#include <cstdint>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace tarn::plan {

using Int128 = __int128;

struct IntervalValue {
  int32_t months = 0, days = 0;
  int64_t micros = 0;
  bool operator==(const IntervalValue&) const = default;
};

struct Value;
struct ListValue { std::vector<Value> items; };                       // array elements, or struct fields in order
struct MapValue { std::vector<std::pair<Value, Value>> entries; };

// null | boolean | byte..long, date (days), timestamp and ntz (micros), time (nanos), year-month (months), day-time (micros) as int64 |
// float and double as double | decimal as unscaled 128 bit | string (UTF-8), binary | calendar interval | array, struct | map
struct Value {
  std::variant<std::monostate, bool, int64_t, double, Int128, std::string, IntervalValue, ListValue, MapValue> v;
  bool is_null() const { return v.index() == 0; }
  template <class T> const T& get() const { return std::get<T>(v); }
};

}  // namespace tarn::plan
