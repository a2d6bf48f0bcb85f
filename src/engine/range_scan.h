#pragma once
// tarn_range(start, end, step): the numbers of spark.range, for several threads at once where DuckDB's range() is read by one. The order of
// rows is kept as that of a file's is, by batch numbers.
namespace duckdb {
class DatabaseInstance;
}

namespace tarn::engine {

// Once per database.
void register_range_scan(duckdb::DatabaseInstance& database);

}  // namespace tarn::engine
