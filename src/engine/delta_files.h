#pragma once
// Writing a query's rows as Parquet data files of a Delta table, with statistics. Nothing is committed here: files that no commit names do
// not belong to the table.
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "delta/actions.h"
#include "delta/schema.h"

namespace duckdb {
class Connection;
}

namespace tarn::engine {

// A condition that every row must meet, in DuckDB SQL over the query's columns by name; a row is refused unless it is true. `error`
// yields the text "SPARKERR:…" in SQL for a row that is refused (spark_error_sql).
struct RowCheck {
  std::string condition;
  std::string error;
};

// SQL of a VARCHAR: the text by which DuckDB carries a SparkError. parameters: name -> SQL of its VARCHAR value.
std::string spark_error_sql(const std::string& condition, const std::string& kind, const std::vector<std::pair<std::string, std::string>>& parameters);

struct DataFiles {
  std::vector<delta::AddFile> files;  // paths relative to the table; data_change is true
  int64_t rows = 0;
  int64_t bytes = 0;
};

// Runs `query` (DuckDB SQL whose columns are the schema's, in order, with their DuckDB types) and writes its rows into the table's directory;
// durable when it returns. Columns of type void are left out, as the protocol asks. With column mapping the files have physical names and
// field ids. Throws duckdb::Exception for errors of the query and of checks.
// subdirectory: "_change_data" for change files, whose extra column _change_type is the query's last.
DataFiles write_data_files(duckdb::Connection& connection, const std::string& table_path, const delta::Metadata& metadata, const std::string& query,
                           const std::vector<RowCheck>& checks = {}, const std::string& subdirectory = {});

// SQL that turns `expression` of type `from` into the same value of type `to`: fields of structs are matched by name (missing ones are
// NULL), numbers are widened. The caller knows that it can be done.
std::string adapt_sql(const std::string& expression, const delta::Type& from, const delta::Type& to);

}  // namespace tarn::engine
