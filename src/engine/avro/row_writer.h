#pragma once
// Rows of DuckDB vectors in Avro's binary encoding. Source: the Avro 1.12 specification; AvroSerializer.
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "plan/avro_schema.h"
#include "plan/types.h"

namespace duckdb {
struct RecursiveUnifiedVectorFormat;
}

namespace tarn::engine::avro {

void put_number(int64_t v, std::string& out);
void put_bytes(std::string_view bytes, std::string& out);  // with its length before it

// A field's default value in the encoding of its type. SparkError where it is no value of it.
std::string encode_default(const plan::avro::Node& type, const std::string& json);

struct WriteSettings {
  bool positional = false, case_sensitive = false;
};

// Writes values of one type. Immutable and thread-safe. The schema must outlive it.
class RowWriter {
 public:
  // Throws SparkError where the type does not fit the schema. A null where the schema has none is an error of the row.
  RowWriter(const plan::DataType& type, const plan::avro::Node& schema, const WriteSettings& settings);
  ~RowWriter();
  // One value. SparkError: AVRO_CANNOT_WRITE_NULL_FIELD, what an enum or a fixed cannot hold.
  void write(const duckdb::RecursiveUnifiedVectorFormat& data, uint64_t row, std::string& out) const;
  // A record: field i of the struct is data[which[i]].
  void write_fields(const std::vector<duckdb::RecursiveUnifiedVectorFormat>& data, const std::vector<size_t>& which, uint64_t row, std::string& out) const;

  class Step;

 private:
  std::unique_ptr<const Step> step_;
};

}  // namespace tarn::engine::avro
