#pragma once
// The columns of a stripe as DuckDB vectors, converted to the type that was asked for as ORC's schema evolution converts them.
// Source: the ORC v1 specification, "Column Encodings"; SchemaEvolution and ConvertTreeReaderFactory of ORC's Java library.
#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "engine/orc/file_tail.h"
#include "plan/types.h"

namespace duckdb {
class Vector;
}
namespace tarn::engine {
class TimeZone;
}

namespace tarn::engine::orc {

// What Spark reads a type of the file as. SparkError for unions.
plan::DataType spark_type(const FileTail& tail, uint32_t type);

// Where a stripe's readers get their bytes.
struct StripeSource {
  const FileTail& tail;
  const StripeFooter& footer;
  std::function<std::string_view(const Stream&)> bytes;  // as stored; they stay as long as the readers
  std::shared_ptr<const TimeZone> zone;                  // the local one: timestamps without zone are times of its clock
};

// Reads one column from its first row of the stripe on. Not thread-safe.
class ColumnReader {
 public:
  virtual ~ColumnReader() = default;
  // The next n rows into rows 0.. of the vector, which has room for them and is flat. parent: which of these rows have a value at all
  // (what lies in a struct that is NULL is not stored); nullptr: all.
  void read(duckdb::Vector& out, size_t n, const uint8_t* parent = nullptr);

 protected:
  ColumnReader(const StripeSource& source, uint32_t type);
  // present has n entries; the vector's other rows are NULL already.
  virtual void values(duckdb::Vector& out, size_t n, const uint8_t* present, size_t count) = 0;

 private:
  struct Presence;
  std::shared_ptr<Presence> presence_;
  std::vector<uint8_t> present_;
};

// How names of struct fields are found in the file.
struct Matching {
  bool case_sensitive = false;
};

// Throws SparkError where the file's type does not become the wanted one. `types`: the types of the file whose streams are needed.
void check_conversion(const FileTail& tail, uint32_t type, const plan::DataType& wanted, Matching matching, std::set<uint32_t>& types);
std::unique_ptr<ColumnReader> make_reader(const StripeSource& source, uint32_t type, const plan::DataType& wanted, Matching matching);

}  // namespace tarn::engine::orc
