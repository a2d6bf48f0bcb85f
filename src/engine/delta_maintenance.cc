#include "engine/delta_maintenance.h"

#include <algorithm>
#include <chrono>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "base/log.h"
#include "base/spark_error.h"
#include "delta/deletion_vector.h"
#include "delta/retention.h"
#include "delta/snapshot.h"
#include "delta/table.h"
#include "delta/table_features.h"
#include "delta/transaction.h"
#include "duckdb.hpp"
#include "engine/delta_files.h"
#include "engine/delta_relation.h"
#include "engine/delta_scan.h"
#include "storage/path.h"

namespace tarn::engine {
namespace {

constexpr int64_t kTargetFileSize = int64_t{1} << 30;

int64_t clock_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch()).count();
}

// An expression that orders rows along the Z curve of the columns: their ranks' bits, interleaved.
std::string zorder_sql(const std::vector<std::string>& ranks) {
  constexpr int kBits = 10;
  std::string out;
  auto k = ranks.size();
  for (int bit = 0; bit < kBits; ++bit) {
    for (size_t i = 0; i < k; ++i) {
      if (bit * k + i >= 62) break;
      out += (out.empty() ? "" : " + ") + ("(((" + ranks[i] + " >> " + std::to_string(bit) + ") & 1) << " + std::to_string(bit * k + i) + ")");
    }
  }
  return out;
}

// Names below a table that belong to others, hidden from VACUUM as in Spark: "_x" and ".x", but neither change data nor partitions.
bool vacuum_skips(const std::string& name) {
  if (name == "_change_data" || name.find('=') != std::string::npos) return false;
  return name[0] == '_' || name[0] == '.';
}

void collect_files(storage::ObjectStore& store, const std::string& directory, std::vector<storage::FileInfo>& out) {
  if (!store.is_local()) {  // one listing of everything
    for (auto& f : store.list_recursive(directory)) {
      std::string_view relative = std::string_view(f.path).substr(directory.size() + 1);
      bool skip = false;
      for (size_t at = 0; !skip && at < relative.size();) {
        size_t end = std::min(relative.find('/', at), relative.size());
        skip = end == at || vacuum_skips(std::string(relative.substr(at, end - at)));
        at = end + 1;
      }
      if (!skip) out.push_back(std::move(f));
    }
    return;
  }
  for (auto& child : store.list(directory)) {
    if (vacuum_skips(storage::file_name(child.path))) continue;
    if (child.is_directory) {
      collect_files(store, child.path, out);
    } else {
      out.push_back(std::move(child));
    }
  }
}

}  // namespace

OptimizeResult optimize_delta(const std::string& path, const std::string& partition_filter, const std::string& shown, const std::vector<std::string>& zorder,
                              duckdb::Connection& connection) {
  auto table = delta::Table::at(path);
  auto snapshot = table->snapshot();
  const auto& metadata = snapshot->metadata();
  if (delta::is_enabled(snapshot->protocol(), metadata, "rowTracking")) {
    throw SparkError(ErrorKind::kSpark, "DELTA_UNSUPPORTED_FEATURES_FOR_WRITE",
                     {{"tableNameOrPath", table->path()}, {"deltaVersion", delta::kDeltaVersion}, {"unsupported", "rowTracking"}});
  }
  for (const auto& c : zorder) {
    const delta::Field* f = snapshot->schema().find(c);
    if (!f) throw SparkError(ErrorKind::kIllegalArgument, "DELTA_ZORDERING_COLUMN_DOES_NOT_EXIST", {{"columnName", c}});
    for (const auto& p : metadata.partition_columns) {
      if (duckdb::StringUtil::CIEquals(p, c)) throw SparkError(ErrorKind::kIllegalArgument, "DELTA_ZORDERING_ON_PARTITION_COLUMN", {{"colName", c}});
    }
  }
  DeltaScanSpec all = DeltaScanSpec::of(*snapshot);
  std::set<uint64_t> chosen;
  if (partition_filter.empty()) {
    for (uint64_t i = 0; i < all.files.size(); ++i) chosen.insert(i);
  } else {
    DeltaScan scan(all);
    auto r = connection.Query(std::string("SELECT DISTINCT ") + kDeltaFileColumn + " FROM " + scan.sql() + " WHERE " + partition_filter);
    if (r->HasError()) r->ThrowError();
    for (duckdb::idx_t i = 0; i < r->RowCount(); ++i) chosen.insert(r->GetValue(0, i).GetValue<uint64_t>());
  }
  // Bins of a partition: in the order of the files, each up to the target size.
  std::map<delta::PartitionValues, std::vector<std::vector<uint64_t>>> bins;
  for (auto i : chosen) {
    const auto& f = *snapshot->files()[i];
    if (zorder.empty() && f.size >= kTargetFileSize && !f.deletion_vector) continue;
    auto& list = bins[f.partition_values];
    int64_t filled = 0;
    if (!list.empty()) {
      for (auto j : list.back()) filled += snapshot->files()[j]->size;
    }
    if (list.empty() || (zorder.empty() && filled + f.size > kTargetFileSize)) list.emplace_back();
    list.back().push_back(i);
  }
  delta::Transaction txn(table, snapshot);
  OptimizeResult result;
  std::string columns;
  for (const auto& f : all.schema.fields) columns += (columns.empty() ? "" : ", ") + sql_identifier(f.name);
  std::vector<int64_t> sizes;
  int64_t vectors = 0;
  for (const auto& [partition, list] : bins) {
    bool any = false;
    for (const auto& bin : list) {
      bool has_vector = std::any_of(bin.begin(), bin.end(), [&](uint64_t i) { return snapshot->files()[i]->deletion_vector.has_value(); });
      if (zorder.empty() && bin.size() < 2 && !has_vector) continue;
      any = true;
      DeltaScanSpec spec = all;
      spec.files.clear();
      for (auto i : bin) spec.files.push_back(all.files[i]);
      DeltaScan scan(std::move(spec));
      std::string query = "SELECT " + columns + " FROM " + scan.sql();
      if (!zorder.empty()) {
        std::string ranked = "SELECT *";
        std::vector<std::string> ranks;
        for (size_t i = 0; i < zorder.size(); ++i) {
          ranks.push_back("__tarn_rank_" + std::to_string(i));
          ranked += ", ntile(1024) OVER (ORDER BY " + sql_identifier(zorder[i]) + " NULLS FIRST) - 1 AS " + ranks.back();
        }
        query = "SELECT " + columns + " FROM (" + ranked + " FROM " + scan.sql() + ") ORDER BY " + zorder_sql(ranks) + " NULLS FIRST";
      }
      auto written = write_data_files(connection, table->path(), metadata, query);
      for (auto& f : written.files) {
        f.data_change = false;
        ++result.files_added;
        result.bytes_added += f.size;
        sizes.push_back(f.size);
        txn.add(std::move(f));
      }
      for (auto i : bin) {
        const auto& f = *snapshot->files()[i];
        if (f.deletion_vector) ++vectors;
        ++result.files_removed;
        result.bytes_removed += f.size;
        txn.read_file(f);
        txn.remove(f, false);
      }
    }
    if (any) ++result.partitions;
  }
  if (result.files_removed == 0) return result;
  delta::Operation op;
  op.name = "OPTIMIZE";
  op.parameter_list("predicate", shown.empty() ? std::vector<std::string>{} : std::vector<std::string>{shown});
  op.parameter_list("zOrderBy", zorder);
  op.parameter_list("clusterBy", {});
  op.parameters.emplace_back("auto", "false");
  std::sort(sizes.begin(), sizes.end());
  auto at = [&](double q) { return sizes.empty() ? 0 : sizes[std::min(sizes.size() - 1, static_cast<size_t>(q * static_cast<double>(sizes.size())))]; };
  op.metric("numAddedFiles", result.files_added);
  op.metric("numRemovedFiles", result.files_removed);
  op.metric("numAddedBytes", result.bytes_added);
  op.metric("numRemovedBytes", result.bytes_removed);
  op.metric("minFileSize", at(0));
  op.metric("p25FileSize", at(0.25));
  op.metric("p50FileSize", at(0.5));
  op.metric("p75FileSize", at(0.75));
  op.metric("maxFileSize", sizes.empty() ? 0 : sizes.back());
  op.metric("numDeletionVectorsRemoved", vectors);
  result.version = txn.commit(op);
  return result;
}

VacuumResult vacuum_delta(const std::string& path, std::optional<double> retention_hours, bool dry_run, bool check_retention) {
  auto table = delta::Table::at(path);
  auto snapshot = table->snapshot();
  const auto& metadata = snapshot->metadata();
  int64_t configured = delta::retention_ms(metadata, "delta.deletedFileRetentionDuration", 7 * delta::kDayMs);
  int64_t retention = retention_hours ? static_cast<int64_t>(*retention_hours * 3'600'000) : configured;
  if (check_retention && retention < configured) {
    throw SparkError(ErrorKind::kIllegalArgument, "DELTA_VACUUM_RETENTION_PERIOD_TOO_SHORT", {{"configuredRetentionHours", std::to_string(configured / 3'600'000)}});
  }
  delta::check_writable(snapshot->protocol(), table->path());
  int64_t cutoff = clock_ms() - retention;
  std::set<std::string> needed;
  auto need = [&](const std::string& file, const std::optional<delta::DeletionVectorDescriptor>& dv) {
    needed.insert(delta::resolve_path(table->path(), file));
    if (dv && dv->storage_type != "i") needed.insert(delta::deletion_vector_path(table->path(), *dv));
  };
  for (const auto& f : snapshot->files()) need(f->path, f->deletion_vector);
  for (const auto& r : snapshot->tombstones()) {
    if (r->deletion_timestamp.value_or(0) >= cutoff) need(r->path, r->deletion_vector);
  }
  auto& store = storage::store_for(table->path());
  std::vector<storage::FileInfo> files;
  collect_files(store, table->path(), files);
  VacuumResult result;
  for (const auto& f : files) {
    if (needed.count(f.path) || f.modified_ms >= cutoff) continue;
    result.paths.push_back(f.path);
    result.bytes += static_cast<int64_t>(f.size);
  }
  if (dry_run) return result;
  auto commit = [&](const char* name, const std::function<void(delta::Operation&)>& fill) {
    delta::Operation op;
    op.name = name;
    fill(op);
    auto txn = delta::Transaction::begin(table);
    txn.commit(op);
  };
  commit("VACUUM START", [&](delta::Operation& op) {
    op.parameters.emplace_back("retentionCheckEnabled", check_retention ? "true" : "false");
    if (retention_hours) op.parameters.emplace_back("specifiedRetentionMillis", std::to_string(retention));
    op.parameters.emplace_back("defaultRetentionMillis", std::to_string(configured));
    op.metric("numFilesToDelete", static_cast<int64_t>(result.paths.size()));
    op.metric("sizeOfDataToDelete", result.bytes);
  });
  int64_t deleted = 0;
  std::set<std::string> directories;
  bool complete = true;
  std::vector<std::string> one_by_one = result.paths;
  if (!store.renames_at_once()) {  // no directories that could stay behind, and many files in one request
    try {
      store.remove_files(result.paths);
      deleted = static_cast<int64_t>(result.paths.size());
    } catch (const std::exception& e) {
      complete = false;
      log::warn("delta.vacuum_delete_failed", {{"table", table->path()}, {"error", e.what()}});
    }
    one_by_one.clear();
  }
  for (const auto& p : one_by_one) {
    try {
      if (store.remove(p)) ++deleted;
      directories.insert(storage::parent(p));
    } catch (const std::exception& e) {
      complete = false;
      log::warn("delta.vacuum_delete_failed", {{"table", table->path()}, {"error", e.what()}});
    }
  }
  // Directories that have become empty go too, from below upward.
  for (auto it = directories.rbegin(); it != directories.rend(); ++it) {
    for (std::string d = *it; d.size() > table->path().size(); d = storage::parent(d)) {
      try {
        if (!store.list(d).empty()) break;
        store.remove(d);
      } catch (const std::exception&) {
        break;  // someone else has written there or deleted it
      }
    }
  }
  commit("VACUUM END", [&](delta::Operation& op) {
    op.parameter("status", complete ? "COMPLETED" : "FAILED");
    op.metric("numDeletedFiles", deleted);
    op.metric("numVacuumedDirectories", static_cast<int64_t>(directories.size()));
  });
  return result;
}

RestoreResult restore_delta(const std::string& path, int64_t version, const std::optional<std::string>& timestamp) {
  auto table = delta::Table::at(path);
  auto latest = table->snapshot();
  auto wanted = table->snapshot_at(version);
  delta::Transaction txn(table, latest);
  txn.read_whole_table();
  std::map<std::string, std::shared_ptr<const delta::AddFile>> now, then;
  for (const auto& f : latest->files()) now[delta::file_key(f->path, f->deletion_vector)] = f;
  for (const auto& f : wanted->files()) then[delta::file_key(f->path, f->deletion_vector)] = f;
  RestoreResult r;
  auto& store = storage::store_for(table->path());
  for (const auto& [key, f] : then) {
    r.table_size_after_restore += f->size;
    ++r.num_of_files_after_restore;
    if (now.count(key)) continue;
    std::string file = delta::resolve_path(table->path(), f->path);
    if (!store.stat(file)) throw SparkError(ErrorKind::kSpark, "FAILED_READ_FILE.FILE_NOT_EXIST", {{"path", storage::display_uri(file)}});
    delta::AddFile again = *f;
    again.data_change = true;
    ++r.num_restored_files;
    r.restored_files_size += f->size;
    txn.add(std::move(again));
  }
  for (const auto& [key, f] : now) {
    if (then.count(key)) continue;
    ++r.num_removed_files;
    r.removed_files_size += f->size;
    txn.remove(*f);
  }
  if (!(wanted->metadata() == latest->metadata())) txn.set_metadata(wanted->metadata());
  delta::Operation op;
  op.name = "RESTORE";
  op.parameters.emplace_back("version", timestamp ? "null" : std::to_string(version));
  op.parameters.emplace_back("timestamp", timestamp ? nlohmann::json(*timestamp).dump() : "null");
  op.metric("tableSizeAfterRestore", r.table_size_after_restore);
  op.metric("numOfFilesAfterRestore", r.num_of_files_after_restore);
  op.metric("numRemovedFiles", r.num_removed_files);
  op.metric("numRestoredFiles", r.num_restored_files);
  op.metric("removedFilesSize", r.removed_files_size);
  op.metric("restoredFilesSize", r.restored_files_size);
  r.version = txn.commit(op);
  return r;
}

}  // namespace tarn::engine
