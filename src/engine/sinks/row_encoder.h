#pragma once
// Rows of DuckDB chunks as csv, json, xml and text. Source: UnivocityGenerator, JacksonGenerator, TextOutputWriter.
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "duckdb/common/types/vector.hpp"
#include "engine/sources/options.h"
#include "plan/types.h"

namespace tarn::plan {
class SessionConf;
}
namespace tarn::engine {
class DateTimeFormat;
class TimeZone;
}  // namespace tarn::engine

namespace tarn::engine::sinks {

// dateFormat, timestampFormat, … of a writer.
struct WriteFormats {
  std::shared_ptr<const TimeZone> zone;
  std::shared_ptr<const DateTimeFormat> date, timestamp, timestamp_ntz, time;  // time null: fractions as needed
  static WriteFormats read(const sources::Options& options, const plan::SessionConf& conf);
};

// One value as Spark's cast to string shows it, or by the formats when given. The cell is not null.
void append_value(const plan::DataType& type, const duckdb::RecursiveUnifiedVectorFormat& column, duckdb::idx_t index, const WriteFormats* formats,
                  const TimeZone& zone, std::string& out);

// Immutable but for scratch space: one per writing thread.
class RowEncoder {
 public:
  virtual ~RowEncoder() = default;
  // What stands at the top of every file.
  virtual void header(std::string& out) { (void)out; }
  // What stands at its end.
  virtual void footer(std::string& out) { (void)out; }
  // columns[i] is field i of the schema.
  virtual void row(const std::vector<duckdb::RecursiveUnifiedVectorFormat>& columns, const std::vector<size_t>& which, duckdb::idx_t row,
                   std::string& out) = 0;
};
// schema: of the columns that are written (without partition columns).
std::unique_ptr<RowEncoder> make_csv_encoder(const plan::DataType& schema, const sources::Options& options, const plan::SessionConf& conf);
std::unique_ptr<RowEncoder> make_json_encoder(const plan::DataType& schema, const sources::Options& options, const plan::SessionConf& conf);
std::unique_ptr<RowEncoder> make_xml_encoder(const plan::DataType& schema, const sources::Options& options, const plan::SessionConf& conf);
std::unique_ptr<RowEncoder> make_text_encoder(const sources::Options& options);

}  // namespace tarn::engine::sinks
