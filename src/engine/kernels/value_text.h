#pragma once
// Values of DuckDB vectors as Spark's cast to string shows them, nested ones included.
#include <memory>
#include <string>

#include "duckdb/common/types/vector.hpp"
#include "engine/time_zone.h"
#include "plan/types.h"

namespace tarn::engine::kernels {

struct TextStyle {
  std::shared_ptr<const TimeZone> zone;
  bool plain_decimals = true;      // ANSI: never scientific
  std::string null_text = "null";  // of elements; ToPrettyString: NULL
};

// Appends the value at row (not null) of a vector in recursive unified form.
void append_text(const plan::DataType& type, const duckdb::RecursiveUnifiedVectorFormat& data, duckdb::idx_t row, const TextStyle& style, std::string& out);

// A row's index into the data of a vector, and whether it is null there.
inline duckdb::idx_t at(const duckdb::RecursiveUnifiedVectorFormat& d, duckdb::idx_t row) { return d.unified.sel->get_index(row); }
inline bool is_null(const duckdb::RecursiveUnifiedVectorFormat& d, duckdb::idx_t row) { return !d.unified.validity.RowIsValid(at(d, row)); }
template <class T> const T& value(const duckdb::RecursiveUnifiedVectorFormat& d, duckdb::idx_t row) {
  return duckdb::UnifiedVectorFormat::GetData<T>(d.unified)[at(d, row)];
}
// The unscaled value of a decimal of any width.
__int128 decimal_value(const duckdb::RecursiveUnifiedVectorFormat& d, duckdb::idx_t row);

// Spark types parsed from the schema JSON that a template passes, kept per thread.
const plan::DataType& type_of_json(std::string_view json);

}  // namespace tarn::engine::kernels
