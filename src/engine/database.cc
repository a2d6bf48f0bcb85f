#include "engine/database.h"

#include <exception>
#include <filesystem>
#include <system_error>
#include <thread>

#include "base/log.h"
#include "base/spark_error.h"
#include "duckdb.hpp"
#include "duckdb/main/client_config.hpp"
#include "engine/arrow_import.h"
#include "engine/delta_scan.h"
#include "engine/kernels/kernels.h"
#include "engine/python/python_scan.h"
#include "engine/python/row_call.h"
#include "engine/range_scan.h"
#include "engine/script/script_scan.h"
#include "engine/session.h"
#include "engine/sources/source.h"
#include "engine/storage_bridge.h"

namespace tarn::engine {

namespace {

void check(const duckdb::QueryResult& result) {
  if (const_cast<duckdb::QueryResult&>(result).HasError()) throw internal_error("DuckDB: " + const_cast<duckdb::QueryResult&>(result).GetError());
}

}  // namespace

Database::Database(const EngineOptions& options) {
  duckdb::DBConfig config;
  config.SetOptionByName("autoinstall_known_extensions", duckdb::Value::BOOLEAN(false));
  config.SetOptionByName("autoload_known_extensions", duckdb::Value::BOOLEAN(false));
  if (!options.memory_limit.empty()) config.SetOptionByName("memory_limit", duckdb::Value(options.memory_limit));
  if (options.threads > 0) config.SetOptionByName("threads", duckdb::Value::BIGINT(options.threads));
  // Memory of dropped tables goes back to the system though nobody allocates any more.
  config.SetOptionByName("allocator_background_threads", duckdb::Value::BOOLEAN(true));
  config.SetOptionByName("allocator_bulk_deallocation_flush_threshold", duckdb::Value("64MB"));
  if (!options.home.empty()) {
    // What a crashed process spilled is of no use to anyone.
    std::string spill = options.home + "/spill";
    std::error_code ignored;
    std::filesystem::remove_all(spill, ignored);
    std::filesystem::create_directories(spill, ignored);
    config.SetOptionByName("temp_directory", duckdb::Value(spill));
  }
  duckdb_ = std::make_unique<duckdb::DuckDB>(nullptr, &config);
  register_storage(*duckdb_->instance);
  register_arrow_scan(*duckdb_->instance);
  sources::register_file_scans(*duckdb_->instance);
  kernels::register_kernels(*duckdb_->instance);
  register_delta_scan(*duckdb_->instance);
  register_range_scan(*duckdb_->instance);
  python_functions::register_python_scan(*duckdb_->instance);
  python_functions::register_row_call(*duckdb_->instance);
  script::register_script_scan(*duckdb_->instance);
  duckdb::Connection connection(*duckdb_);
  // Zones are applied by Spark's own kernels; DuckDB itself stays in UTC.
  check(*connection.Query("SET GLOBAL TimeZone = 'UTC'"));
  check(*connection.Query("SET GLOBAL max_expression_depth = 10000"));
  // sum(x + 1) as sum(x) + count(x) would miss the overflow of a row.
  check(*connection.Query("SET GLOBAL disabled_optimizers = 'sum_rewriter'"));
  auto names = connection.Query("SELECT DISTINCT lower(function_name) FROM duckdb_functions() WHERE function_type = 'aggregate'");
  check(*names);
  for (duckdb::idx_t i = 0; i < names->RowCount(); ++i) aggregate_names_.insert(names->GetValue(0, i).ToString());
  for (const char* name : {"first", "last", "any_value", "arbitrary"}) aggregate_names_.insert(name);
}

Database::~Database() = default;

void EndConnection::operator()(duckdb::Connection* connection) const noexcept {
  if (std::uncaught_exceptions() == 0) {
    delete connection;
    return;
  }
  connection->Interrupt();
  try {
    std::thread([connection] { delete connection; }).join();
  } catch (const std::system_error&) {  // no thread to be had: its memory is given up rather than freed under its query
    log::error("connection_given_up", {});
  }
}

ConnectionPtr Database::connect() {
  ConnectionPtr connection(new duckdb::Connection(*duckdb_));
  auto& config = duckdb::ClientConfig::GetConfig(*connection->context);
  config.enable_progress_bar = true;  // counts progress; prints nothing
  config.print_progress_bar = false;
  config.wait_time = 0;
  config.use_replacement_scans = false;
  config.streaming_buffer_size = 8u << 20;
  set_storage_settings(*connection->context, storage::current_settings());
  return connection;
}

duckdb::DatabaseInstance& Database::instance() { return *duckdb_->instance; }

}  // namespace tarn::engine
