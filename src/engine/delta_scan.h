#pragma once
// Delta tables as rows: a table function in DuckDB that reads a snapshot's files through DuckDB's Parquet reader.
// It knows column mapping (by name and by id), columns that older files lack, widened types, partition values, deletion vectors, and
// leaves out files whose partition values or statistics cannot meet a filter.
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "delta/actions.h"
#include "delta/deletion_vector.h"
#include "delta/schema.h"

namespace duckdb {
class DatabaseInstance;
struct LogicalType;
}  // namespace duckdb
namespace tarn::delta {
class Snapshot;
}

namespace tarn::engine {

struct DeltaScanFile {
  std::string path;                               // absolute
  std::shared_ptr<const delta::PartitionValues> partition_values;  // by physical name; never null
  int64_t size = 0;
  std::string tag;                                // of this content, as storage::FileInfo has it
  std::shared_ptr<const std::string> stats;       // never null
  std::optional<delta::DeletionVectorDescriptor> deletion_vector;
  std::shared_ptr<const delta::RowSet> only;      // if set: these rows and no others (a change feed's deleted rows)
  std::shared_ptr<const delta::RowSet> except;    // if set: rows left out besides those of the deletion vector
  std::vector<std::optional<std::string>> constants;  // one per DeltaScanSpec::constant_columns

  // A file as it was added; shares its texts. Without statistics: for a file that is to be scanned whatever they say.
  static DeltaScanFile of(const std::string& table_path, std::shared_ptr<const delta::AddFile> file, bool with_stats = true);
};

// What is scanned. Immutable once registered.
struct DeltaScanSpec {
  std::string table_path;
  delta::Schema schema;
  std::vector<std::string> partition_columns;     // logical names
  delta::ColumnMapping mapping = delta::ColumnMapping::kNone;
  // Columns after the schema's that have one value per file; the type is DuckDB's name for it.
  std::vector<std::pair<std::string, std::string>> constant_columns;
  std::vector<DeltaScanFile> files;

  // The whole snapshot: files[i] is snapshot.files()[i].
  static DeltaScanSpec of(const delta::Snapshot& snapshot);
};

// Names of hidden columns of the function, to be named in the query to be read:
//   __tarn_file (UBIGINT) index into DeltaScanSpec::files, __tarn_row (BIGINT) physical position in the file, __tarn_path (VARCHAR).
inline constexpr const char* kDeltaFileColumn = "__tarn_file";
inline constexpr const char* kDeltaRowColumn = "__tarn_row";
inline constexpr const char* kDeltaPathColumn = "__tarn_path";

// Makes a spec known to SQL for as long as the object lives.
class DeltaScan {
 public:
  explicit DeltaScan(DeltaScanSpec spec);
  explicit DeltaScan(std::shared_ptr<const DeltaScanSpec> spec);
  ~DeltaScan();
  DeltaScan(const DeltaScan&) = delete;
  // "tarn_delta_scan('42')": its columns are the schema's (logical names, top-level order) and then the constant columns.
  std::string sql() const;
  const DeltaScanSpec& spec() const { return *spec_; }

 private:
  uint64_t handle_;
  std::shared_ptr<const DeltaScanSpec> spec_;
};

// Registers tarn_delta_scan. Once per database.
void register_delta_scan(duckdb::DatabaseInstance& database);

// The DuckDB type of a column, as ARCHITECTURE.md's table has it ("VARCHAR", "STRUCT(a INTEGER)").
duckdb::LogicalType duckdb_type(const delta::Type& type);

}  // namespace tarn::engine
