#pragma once
// Avro's binary encoding into DuckDB vectors: read by the writer's schema, resolved to the reader's, converted to Spark's types.
// Source: the Avro 1.12 specification ("Binary Encoding", "Schema Resolution"); AvroDeserializer.
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string_view>

#include "plan/avro_schema.h"
#include "plan/types.h"

namespace duckdb {
class Vector;
}

namespace tarn::engine::avro {

// The bytes are not what the schema says.
class Malformed : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// Encoded values one after the other. Everything throws Malformed where the bytes end too early.
class Decoder {
 public:
  explicit Decoder(std::string_view bytes) : rest_(bytes) {}
  bool done() const { return rest_.empty(); }
  size_t left() const { return rest_.size(); }
  int64_t number();
  float single();
  double real();
  bool flag();
  std::string_view bytes();              // with its length before it
  std::string_view take(uint64_t n);
  void skip(const plan::avro::Node& type);
  // The next block of an array or a map: how many entries; 0: the end.
  uint64_t block();

 private:
  void skip(const plan::avro::Node& type, int depth);
  std::string_view rest_;
};

struct ReadSettings {
  bool positional = false, case_sensitive = false;
  bool allow_incompatible = false;        // spark.sql.legacy.avro.allowIncompatibleSchema
};

// Reads values of one type. Immutable and thread-safe.
class RowReader {
 public:
  // A struct's fields are looked up among those of the reader's record; other types are read as they are. Throws SparkError where the
  // schemas do not fit: AVRO_INCOMPATIBLE_READ_TYPE, or plain ("IncompatibleSchemaException"). The schemas must outlive the reader.
  RowReader(const plan::avro::Node& writer, const plan::avro::Node& reader, const plan::DataType& type, const ReadSettings& settings);
  ~RowReader();
  RowReader(RowReader&&) noexcept;
  // One value into a row of a flat vector.
  void read(Decoder& in, duckdb::Vector& out, uint64_t row) const;
  // One record's fields into row `row` of outs[i], field i of the struct; a null pointer: not wanted.
  void read_fields(Decoder& in, duckdb::Vector* const* outs, uint64_t row) const;

  class Step;

 private:
  std::unique_ptr<const Step> step_;
};

}  // namespace tarn::engine::avro
