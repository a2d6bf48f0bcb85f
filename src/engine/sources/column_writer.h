#pragma once
// Writes one text value into a DuckDB vector as its Spark type. Used by csv; json writes its tokens itself.
#include <cstdint>
#include <string>
#include <string_view>

#include "duckdb/common/types/vector.hpp"
#include "engine/sources/csv_options.h"
#include "plan/types.h"

namespace tarn::engine::sources {

class ColumnWriter {
 public:
  // Throws SparkError for types that CSV cannot hold.
  ColumnWriter(const plan::DataType& type, const CsvOptions& options);

  // Before the rows of a chunk: where they go.
  void attach(duckdb::Vector& vector) {
    vector_ = &vector;
    data_ = duckdb::FlatVector::GetData(vector);
  }
  void set_null(size_t row) { duckdb::FlatVector::SetNull(*vector_, row, true); }
  void clear_null(size_t row) { duckdb::FlatVector::Validity(*vector_).SetValid(row); }
  // The row's value as a message shows it.
  std::string shown(size_t row) const { return vector_->GetValue(row).IsNull() ? "null" : vector_->GetValue(row).ToString(); }
  // False: the text is no value of the type. stable: the bytes outlive the vector (see BlockBuffer).
  bool write(std::string_view text, bool stable, size_t row) { return (this->*write_)(text, stable, row); }

 private:
  using Write = bool (ColumnWriter::*)(std::string_view, bool, size_t);
  template <class T> T* slot() { return reinterpret_cast<T*>(data_); }
  template <class T> bool write_integer(std::string_view text, bool, size_t row);
  template <class T> bool write_floating(std::string_view text, bool, size_t row);
  template <class T> bool write_decimal(std::string_view text, bool, size_t row);
  bool write_string(std::string_view text, bool stable, size_t row);
  bool write_boolean(std::string_view text, bool, size_t row);
  bool write_date(std::string_view text, bool, size_t row);
  bool write_timestamp(std::string_view text, bool, size_t row);
  bool write_timestamp_ntz(std::string_view text, bool, size_t row);
  bool write_time(std::string_view text, bool, size_t row);
  bool write_day_time(std::string_view text, bool, size_t row);
  bool write_year_month(std::string_view text, bool, size_t row);
  bool write_calendar(std::string_view text, bool, size_t row);
  bool write_void(std::string_view, bool, size_t row);

  const CsvOptions& options_;
  const plan::DataType type_;
  int precision_ = 0, scale_ = 0;
  Write write_;
  duckdb::Vector* vector_ = nullptr;
  duckdb::data_ptr_t data_ = nullptr;
};

}  // namespace tarn::engine::sources
