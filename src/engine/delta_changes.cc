#include "engine/delta_changes.h"

#include <map>

#include "base/spark_error.h"
#include "delta/snapshot.h"
#include "delta/table.h"
#include "nlohmann/json.hpp"

namespace tarn::engine {
namespace {

constexpr char kFeed[] = "delta.enableChangeDataFeed";

// A MERGE that rewrote files and changed no row: its adds and removes are no changes.
bool changed_nothing(const delta::Table::Commit& commit) {
  for (const auto& a : commit.actions) {
    const auto* info = std::get_if<delta::CommitInfo>(&a);
    if (!info || info->operation != "MERGE") continue;
    auto j = nlohmann::json::parse(info->json, nullptr, false);
    auto metrics = j.find("operationMetrics");
    if (metrics == j.end() || !metrics->is_object()) return false;
    for (const char* key : {"numTargetRowsInserted", "numTargetRowsUpdated", "numTargetRowsDeleted"}) {
      if (metrics->value(key, "") != "0") return false;
    }
    return true;
  }
  return false;
}

struct Builder {
  DeltaScanSpec changes, rows;  // files with and without a _change_type column
  std::string table_path;

  void add(const delta::Table::Commit& c, const std::string& path, const delta::PartitionValues& values, int64_t size,
           const std::optional<delta::DeletionVectorDescriptor>& dv, const char* change, std::shared_ptr<const delta::RowSet> only = nullptr) {
    DeltaScanFile f;
    f.path = delta::resolve_path(table_path, path);
    f.partition_values = std::make_shared<const delta::PartitionValues>(values);
    f.stats = std::make_shared<const std::string>();
    f.size = size;
    if (!only) f.deletion_vector = dv;
    f.only = std::move(only);
    if (change) f.constants.emplace_back(change);
    f.constants.emplace_back(std::to_string(c.version));
    f.constants.emplace_back(delta::format_timestamp(c.timestamp_ms) + "+00");
    (change ? rows : changes).files.push_back(std::move(f));
  }
};

delta::RowSet rows_of(const std::string& table_path, const std::optional<delta::DeletionVectorDescriptor>& dv) {
  return dv ? delta::read_deletion_vector(table_path, *dv) : delta::RowSet();
}

}  // namespace

std::vector<DeltaScanSpec> delta_changes(delta::Table& table, const delta::Snapshot& schema_of, int64_t from, int64_t to) {
  auto missing = [&](int64_t version) {
    return SparkError(ErrorKind::kAnalysis, "DELTA_MISSING_CHANGE_DATA",
                      {{"startVersion", std::to_string(from)}, {"endVersion", std::to_string(to)}, {"version", std::to_string(version)}, {"key", kFeed}});
  };
  if (!table.snapshot_at(from)->metadata().flag(kFeed)) throw missing(from);
  Builder b;
  b.table_path = table.path();
  b.rows.table_path = table.path();
  b.rows.schema = schema_of.schema();
  b.rows.partition_columns = schema_of.metadata().partition_columns;
  b.rows.mapping = schema_of.column_mapping();
  b.changes = b.rows;
  delta::Field kind;
  kind.name = "_change_type";
  kind.type.name = "string";
  b.changes.schema.fields.push_back(kind);
  b.changes.constant_columns = {{"_commit_version", "BIGINT"}, {"_commit_timestamp", "TIMESTAMP WITH TIME ZONE"}};
  b.rows.constant_columns = b.changes.constant_columns;
  b.rows.constant_columns.insert(b.rows.constant_columns.begin(), {"_change_type", "VARCHAR"});

  for (const auto& commit : table.commits(from, to)) {
    bool has_cdc = false;
    for (const auto& a : commit.actions) {
      if (const auto* m = std::get_if<delta::Metadata>(&a); m && !m->flag(kFeed)) throw missing(commit.version);
      if (const auto* c = std::get_if<delta::AddCdcFile>(&a)) {
        has_cdc = true;
        b.add(commit, c->path, c->partition_values, c->size, std::nullopt, nullptr);
      }
    }
    if (has_cdc || changed_nothing(commit)) continue;
    // A file that is removed and added again changed its deletion vector: the rows in which the two differ are the change.
    std::map<std::string, const delta::RemoveFile*> removed;
    for (const auto& a : commit.actions) {
      const auto* r = std::get_if<delta::RemoveFile>(&a);
      if (r && r->data_change) removed[delta::file_key(r->path, std::nullopt)] = r;
    }
    for (const auto& a : commit.actions) {
      const auto* f = std::get_if<delta::AddFile>(&a);
      if (!f || !f->data_change) continue;
      auto it = removed.find(delta::file_key(f->path, std::nullopt));
      if (it == removed.end()) {
        b.add(commit, f->path, f->partition_values, f->size, f->deletion_vector, "insert");
        continue;
      }
      auto before = rows_of(table.path(), it->second->deletion_vector), after = rows_of(table.path(), f->deletion_vector);
      auto deleted = std::make_shared<delta::RowSet>(), restored = std::make_shared<delta::RowSet>();
      deleted->merge(after);
      deleted->subtract(before);
      restored->merge(before);
      restored->subtract(after);
      if (deleted->count()) b.add(commit, f->path, f->partition_values, f->size, std::nullopt, "delete", deleted);
      if (restored->count()) b.add(commit, f->path, f->partition_values, f->size, std::nullopt, "insert", restored);
      removed.erase(it);
    }
    for (const auto& [key, r] : removed) b.add(commit, r->path, r->partition_values, r->size.value_or(0), r->deletion_vector, "delete");
  }
  std::vector<DeltaScanSpec> out;
  if (!b.changes.files.empty()) out.push_back(std::move(b.changes));
  if (!b.rows.files.empty() || out.empty()) out.push_back(std::move(b.rows));
  return out;
}

}  // namespace tarn::engine
