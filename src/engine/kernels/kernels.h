#pragma once
// The Spark functions that DuckDB has no exact equal of, registered in DuckDB under names that begin with spark_.
namespace duckdb {
class DatabaseInstance;
}

namespace tarn::engine::kernels {

// Once per database, before the first query.
void register_kernels(duckdb::DatabaseInstance& database);

}  // namespace tarn::engine::kernels
