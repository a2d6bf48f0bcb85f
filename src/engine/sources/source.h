#pragma once
// Spark's file data sources on DuckDB: csv, json, text, parquet, binaryFile. Source: DataSource, FileFormat and its subclasses.
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "plan/logical_plan.h"
#include "plan/types.h"

namespace duckdb {
class DatabaseInstance;
}
namespace tarn::plan {
class SessionConf;
}

namespace tarn::engine::sources {

using OptionPairs = std::vector<std::pair<std::string, std::string>>;

// What spark.read was told. Option names are compared without case; the last of equal names wins.
struct SourceRequest {
  std::string format;                       // short name or class name, any case
  std::vector<std::string> paths;           // option "path" is added by load_files when this is empty
  OptionPairs options;
  std::optional<plan::DataType> user_schema;
  // A catalog table knows its partition columns: then they are not inferred from directory names.
  std::optional<std::vector<std::string>> partition_columns = std::nullopt;
};

// Files to be read as rows. Immutable and thread-safe. A scan of it re-reads the files, not their list.
class FileRelation : public plan::Relation {
 public:
  // A SELECT of the columns, in this order, with the DuckDB types of ARCHITECTURE.md ("Spark types in DuckDB"): index i is
  // schema().fields()[i] or, from schema().fields().size() on, metadata_columns(). To be embedded as `FROM (…) AS s(c7, c8)`.
  // Without columns it has one INTEGER column, and the right number of rows.
  // The relation must outlive the query (the text holds a handle that ends with the relation).
  virtual std::string scan_sql(const std::vector<size_t>& columns) const = 0;
  // What was asked for: format, schema, paths, options. Equal for two reads of one place, whatever files are there.
  virtual const std::string& identity() const = 0;
};

// True for the names this room reads or refuses by name (so that the caller need not know them).
bool is_file_format(const std::string& format);

// Lists the files and finds the schema. Throws SparkError: DATA_SOURCE_NOT_FOUND, PATH_NOT_FOUND, UNABLE_TO_INFER_SCHEMA,
// FAILED_READ_FILE.*, INVALID_* of options ...
std::shared_ptr<const FileRelation> load_files(const SourceRequest& request, const plan::SessionConf& conf);

// The FileRelation behind a plan::Relation, or nullptr.
const FileRelation* as_file_relation(const plan::Relation& relation);

// Registers the table functions that scan_sql uses. Once per database.
void register_file_scans(duckdb::DatabaseInstance& database);

}  // namespace tarn::engine::sources
