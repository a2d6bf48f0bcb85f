#include "delta/transaction.h"

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>
#include <set>

#include "base/ids.h"
#include "base/log.h"
#include "base/spark_error.h"
#include "delta/checkpoint.h"
#include "delta/log_cleanup.h"
#include "delta/statistics.h"
#include "delta/table_features.h"
#include "storage/path.h"

namespace tarn::delta {
namespace {

constexpr int kMaxAttempts = 10'000;
constexpr char kEngine[] = "Tarn/0.1.0";
constexpr char kDocs[] = "https://docs.delta.io/latest/concurrency-control.html";

int64_t clock_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch()).count();
}

// "\nConflicting commit: {…}" as Delta shows it.
std::string describe(const Table::Commit& c) {
  for (const auto& a : c.actions) {
    if (const auto* info = std::get_if<CommitInfo>(&a)) {
      auto j = nlohmann::ordered_json::parse(info->json);
      nlohmann::ordered_json out = {{"timestamp", c.timestamp_ms}, {"operation", j.value("operation", "")}};
      if (j.contains("operationParameters")) out["operationParameters"] = j["operationParameters"];
      if (j.contains("readVersion")) out["readVersion"] = j["readVersion"];
      if (j.contains("isolationLevel")) out["isolationLevel"] = j["isolationLevel"];
      out["isBlindAppend"] = j.value("isBlindAppend", false);
      return "\nConflicting commit: " + out.dump();
    }
  }
  return "";
}

std::string operation_of(const Table::Commit& c) {
  for (const auto& a : c.actions) {
    if (const auto* info = std::get_if<CommitInfo>(&a)) return info->operation;
  }
  return "transaction";
}

std::string partition_text(const PartitionValues& values) {
  std::string out;
  for (const auto& [k, v] : values) out += (out.empty() ? "" : ", ") + k + "=" + v.value_or("null");
  return "[" + out + "]";
}

SparkError file_conflict(const std::string& condition, const Table& table, const Table::Commit& winner, const PartitionValues& partition) {
  ErrorParams p = {{"operation", operation_of(winner)}, {"tableName", quote_identifier(table.path())}, {"version", std::to_string(winner.version)},
                   {"docLink", kDocs}};
  if (!partition.empty()) p["partitionValues"] = partition_text(partition);
  return SparkError(ErrorKind::kConcurrentModification, condition + (partition.empty() ? ".WITHOUT_HINT" : ".WITH_PARTITION_HINT"), p);
}

// Column mapping switched on by name, or only row tracking's own properties: a change of metadata that does no harm to a writer that has
// not used what changed.
bool harmless_change(const Metadata& before, const Metadata& after) {
  auto strip = [](Metadata m) {
    for (auto it = m.configuration.begin(); it != m.configuration.end();) {
      const std::string& k = it->first;
      it = k == "delta.enableRowTracking" || k.rfind("delta.rowTracking", 0) == 0 ? m.configuration.erase(it) : std::next(it);
    }
    return m;
  };
  return strip(before) == strip(after);
}

}  // namespace

void Operation::parameter(const std::string& key, const std::string& text) { parameters.emplace_back(key, nlohmann::json(text).dump()); }
void Operation::parameter_list(const std::string& key, const std::vector<std::string>& v) { parameter(key, nlohmann::json(v).dump()); }
void Operation::parameter_map(const std::string& key, const std::map<std::string, std::string>& v) { parameter(key, nlohmann::json(v).dump()); }
void Operation::parameter_bool(const std::string& key, bool v) { parameter(key, v ? "true" : "false"); }

Transaction Transaction::begin(const std::shared_ptr<Table>& table) {
  return Transaction(table, Table::exists(table->path()) ? table->snapshot() : nullptr);
}

Transaction::Transaction(std::shared_ptr<Table> table, std::shared_ptr<const Snapshot> read) : table_(std::move(table)), read_(std::move(read)) {
  if (!read_) return;
  metadata_ = read_->metadata();
  protocol_ = read_->protocol();
  last_in_commit_timestamp_ = read_->in_commit_timestamp();
  if (auto text = read_->domain("delta.rowTracking")) {
    row_id_high_water_mark_ = nlohmann::json::parse(*text, nullptr, false).value("rowIdHighWaterMark", int64_t{-1});
  }
  check_writable(protocol_, table_->path());
}

void Transaction::set_metadata(Metadata m) {
  check_properties(m.configuration);
  if (!read_) {
    if (m.id.empty()) m.id = random_uuid();
    if (!m.created_time) m.created_time = clock_ms();
  }
  if (column_mapping(m) != ColumnMapping::kNone) {
    bool was_on = read_ && column_mapping(read_->metadata()) != ColumnMapping::kNone;
    assign_column_mapping(m, read_ && !was_on);
  }
  check_schema(m);
  protocol_ = read_ ? upgraded(protocol_, m) : protocol_for(m);
  // These ask for a protocol; they are not kept as properties.
  for (auto it = m.configuration.begin(); it != m.configuration.end();) {
    bool ask = it->first.rfind("delta.feature.", 0) == 0 || it->first == "delta.minReaderVersion" || it->first == "delta.minWriterVersion";
    it = ask ? m.configuration.erase(it) : std::next(it);
  }
  check_writable(protocol_, table_->path());
  // Switched on after creation: readers must know from which version on commits carry their time.
  if (m.flag("delta.enableInCommitTimestamps") && read_ && !read_->metadata().flag("delta.enableInCommitTimestamps")) {
    m.configuration["delta.inCommitTimestampEnablementVersion"] = std::to_string(read_->version() + 1);
    m.configuration["delta.inCommitTimestampEnablementTimestamp"] = std::to_string(std::max(clock_ms(), read_->timestamp_ms() + 1));
  }
  if (m.flag("delta.enableRowTracking")) {
    // Where rewritten files keep the ids of rows that they did not make.
    for (auto [key, prefix] : {std::pair{"delta.rowTracking.materializedRowIdColumnName", "_row-id-col-"},
                               std::pair{"delta.rowTracking.materializedRowCommitVersionColumnName", "_row-commit-version-col-"}}) {
      if (m.property(key).empty()) m.configuration[key] = prefix + random_uuid();
    }
    // Every file must have ids before the table may say that its rows do.
    if (read_ && !read_->metadata().flag("delta.enableRowTracking")) {
      for (const auto& f : read_->files()) {
        if (f->base_row_id) continue;
        AddFile again = *f;
        again.data_change = false;
        adds_.push_back(std::move(again));
        reads_all_ = true;
      }
    }
  }
  new_protocol_ = !read_ || !(protocol_ == read_->protocol());
  new_metadata_ = !read_ || !(m == read_->metadata());
  metadata_ = std::move(m);
}

void Transaction::remove(const AddFile& file, bool data_change) {
  removes_.push_back(remove_of(file, clock_ms(), data_change));
}

void Transaction::set_transaction(SetTransaction t) { transactions_.push_back(std::move(t)); }
void Transaction::set_domain(DomainMetadata d) { domains_.push_back(std::move(d)); }

void Transaction::read_file(const AddFile& file) { read_keys_[file_key(file.path, file.deletion_vector)] = true; }

// Fresh row ids follow the table's high water mark; a retry after a conflict assigns them anew. Files that come with ids keep them.
void Transaction::assign_row_ids() {
  if (!protocol_.supports("rowTracking")) return;
  if (needs_row_ids_.size() != adds_.size()) {
    needs_row_ids_.clear();
    for (const auto& a : adds_) needs_row_ids_.push_back(!a.base_row_id);
  }
  int64_t mark = row_id_high_water_mark_;
  for (size_t i = 0; i < adds_.size(); ++i) {
    if (!needs_row_ids_[i]) continue;
    auto rows = FileStatistics::records_of(adds_[i].stats);
    if (!rows) throw internal_error("row tracking needs numRecords in the statistics of " + adds_[i].path);
    adds_[i].base_row_id = mark + 1;
    mark += *rows;
  }
  domains_.erase(std::remove_if(domains_.begin(), domains_.end(), [](const DomainMetadata& d) { return d.domain == "delta.rowTracking"; }), domains_.end());
  if (mark != row_id_high_water_mark_) domains_.push_back({"delta.rowTracking", "{\"rowIdHighWaterMark\":" + std::to_string(mark) + "}", false});
}

std::string Transaction::render(int64_t version, const Operation& op, int64_t now_ms) const {
  bool in_commit = protocol_.supports("inCommitTimestamp") && metadata_.flag("delta.enableInCommitTimestamps");
  bool blind = removes_.empty() && cdc_.empty() && !reads_all_ && read_predicates_.empty() && read_keys_.empty();
  bool changes_data = std::any_of(adds_.begin(), adds_.end(), [](const AddFile& a) { return a.data_change; }) ||
                      std::any_of(removes_.begin(), removes_.end(), [](const RemoveFile& r) { return r.data_change; });
  bool has_files = !adds_.empty() || !removes_.empty();
  nlohmann::ordered_json info = nlohmann::ordered_json::object();
  int64_t stamp = std::max(now_ms, last_in_commit_timestamp_.value_or(-1) + 1);
  if (in_commit) info["inCommitTimestamp"] = stamp;
  info["timestamp"] = in_commit ? stamp : now_ms;
  info["operation"] = op.name;
  auto parameters = nlohmann::ordered_json::object();
  for (const auto& [k, v] : op.parameters) parameters[k] = nlohmann::ordered_json::parse(v);
  info["operationParameters"] = parameters;
  if (read_) info["readVersion"] = version - 1;
  info["isolationLevel"] = has_files && !changes_data ? "SnapshotIsolation" : "Serializable";
  info["isBlindAppend"] = blind;
  auto metrics = nlohmann::ordered_json::object();
  for (const auto& [k, v] : op.metrics) metrics[k] = std::to_string(v);
  info["operationMetrics"] = metrics;
  if (op.user_metadata) info["userMetadata"] = *op.user_metadata;
  info["engineInfo"] = kEngine;
  info["txnId"] = random_uuid();

  std::string out = nlohmann::ordered_json{{"commitInfo", info}}.dump() + "\n";
  auto line = [&](const Action& a) { out += to_json(a) + "\n"; };
  if (new_protocol_) line(protocol_);
  if (new_metadata_) line(metadata_);
  for (const auto& t : transactions_) line(t);
  for (const auto& d : domains_) line(d);
  for (const auto& r : removes_) line(r);
  for (const auto& a : adds_) {
    if (protocol_.supports("rowTracking") && !a.default_row_commit_version) {
      AddFile copy = a;
      copy.default_row_commit_version = version;
      line(copy);
    } else {
      line(a);
    }
  }
  for (const auto& c : cdc_) line(c);
  return out;
}

void Transaction::check_conflicts(const Table::Commit& w) {
  bool changes_data = std::any_of(adds_.begin(), adds_.end(), [](const AddFile& a) { return a.data_change; }) ||
                      std::any_of(removes_.begin(), removes_.end(), [](const RemoveFile& r) { return r.data_change; });
  bool snapshot_isolation = (!adds_.empty() || !removes_.empty()) && !changes_data;
  auto classic = [&](const char* condition, ErrorParams extra = {}) {
    extra["docLink"] = kDocs;
    extra["conflictingCommit"] = describe(w);
    return SparkError(ErrorKind::kConcurrentModification, condition, std::move(extra));
  };
  // Cheap checks first, in Delta's order: protocol, metadata, domains, application transactions.
  for (const auto& a : w.actions) {
    if (const auto* p = std::get_if<Protocol>(&a)) {
      check_writable(*p, table_->path());
      // A protocol that gains a feature may ask of this commit what it does not do.
      if (new_protocol_ || !(protocol_ == *p)) throw classic("DELTA_PROTOCOL_CHANGED", {{"additionalInfo", ""}});
    }
  }
  for (const auto& a : w.actions) {
    if (const auto* m = std::get_if<Metadata>(&a)) {
      if (new_metadata_ || !read_ || !harmless_change(read_->metadata(), *m)) {
        throw classic("DELTA_METADATA_CHANGED", {{"tableName", quote_identifier(table_->path())}});
      }
      metadata_ = *m;
    }
  }
  for (const auto& a : w.actions) {
    if (const auto* d = std::get_if<DomainMetadata>(&a)) {
      if (d->domain == "delta.rowTracking") {
        row_id_high_water_mark_ = nlohmann::json::parse(d->configuration, nullptr, false).value("rowIdHighWaterMark", row_id_high_water_mark_);
      } else if (std::any_of(domains_.begin(), domains_.end(), [&](const DomainMetadata& own) { return own.domain == d->domain; })) {
        throw classic("DELTA_CONCURRENT_TRANSACTION");
      }
    } else if (const auto* t = std::get_if<SetTransaction>(&a)) {
      if (std::any_of(transactions_.begin(), transactions_.end(), [&](const SetTransaction& own) { return own.app_id == t->app_id; })) {
        throw classic("DELTA_CONCURRENT_TRANSACTION");
      }
    } else if (const auto* c = std::get_if<CommitInfo>(&a)) {
      if (c->in_commit_timestamp) last_in_commit_timestamp_ = c->in_commit_timestamp;
    }
  }
  for (const auto& a : w.actions) {
    const auto* add = std::get_if<AddFile>(&a);
    if (!add || snapshot_isolation) continue;
    // A file rearranged without change of data holds nothing new for a reader.
    if (!add->data_change) continue;
    bool read = reads_all_ || std::any_of(read_predicates_.begin(), read_predicates_.end(), [&](const auto& f) { return f(*add); });
    if (read) throw file_conflict("DELTA_CONCURRENT_APPEND", *table_, w, add->partition_values);
  }
  for (const auto& a : w.actions) {
    const auto* r = std::get_if<RemoveFile>(&a);
    if (!r) continue;
    std::string key = file_key(r->path, r->deletion_vector);
    if (read_keys_.count(key) || reads_all_) throw file_conflict("DELTA_CONCURRENT_DELETE_READ", *table_, w, r->partition_values);
  }
  std::set<std::string> own;
  for (const auto& r : removes_) own.insert(file_key(r.path, r.deletion_vector));
  for (const auto& a : w.actions) {
    const auto* r = std::get_if<RemoveFile>(&a);
    if (r && own.count(file_key(r->path, r->deletion_vector))) throw file_conflict("DELTA_CONCURRENT_DELETE_DELETE", *table_, w, r->partition_values);
  }
}

int64_t Transaction::commit(const Operation& op) {
  if (!read_ && !new_metadata_) throw internal_error("a new Delta table needs metadata");
  bool removes_data = std::any_of(removes_.begin(), removes_.end(), [](const RemoveFile& r) { return r.data_change; });
  if (removes_data && metadata_.flag("delta.appendOnly") && protocol_.supports("appendOnly")) {
    throw SparkError(ErrorKind::kUnsupported, "DELTA_CANNOT_MODIFY_APPEND_ONLY", {{"table_name", table_->path()}, {"config", "delta.appendOnly"}});
  }
  auto& store = storage::store_for(table_->path());
  int64_t started = clock_ms();
  int64_t version = read_version() + 1;
  for (int attempt = 1; attempt <= kMaxAttempts; ++attempt) {
    assign_row_ids();
    int64_t now = clock_ms();
    if (store.put_if_absent(commit_path(table_->path(), version), render(version, op, now))) {
      after_commit(version, now);
      return version;
    }
    if (!read_) {
      // Someone else has created the table: whatever it is, it is not what this transaction was checked against.
      throw SparkError(ErrorKind::kConcurrentModification, "DELTA_PROTOCOL_CHANGED",
                       {{"additionalInfo", "This happens when several writers create a table at one path at the same time. "},
                        {"conflictingCommit", ""}, {"docLink", kDocs}});
    }
    auto winners = table_->commits(version, INT64_MAX);
    for (const auto& w : winners) check_conflicts(w);
    version += static_cast<int64_t>(winners.size());
  }
  throw SparkError(ErrorKind::kConcurrentModification, "DELTA_MAX_COMMIT_RETRIES_EXCEEDED",
                   {{"numAttempts", std::to_string(kMaxAttempts)}, {"startVersion", std::to_string(read_version() + 1)},
                    {"failVersion", std::to_string(version)},
                    {"numActions", std::to_string(adds_.size() + removes_.size() + cdc_.size() + transactions_.size() + domains_.size())},
                    {"timeSpent", std::to_string(clock_ms() - started)}});
}

void Transaction::after_commit(int64_t version, int64_t now_ms) {
  try {
    int64_t interval = std::atoll(metadata_.property("delta.checkpointInterval", "10").c_str());
    if (interval <= 0 || version == 0 || version % interval != 0) return;
    write_checkpoint(*table_->snapshot_at(version), now_ms);
    clean_log(*table_, metadata_, protocol_, now_ms);
  } catch (const std::exception& e) {
    log::error("delta.checkpoint_failed", {{"table", table_->path()}, {"version", std::to_string(version)}, {"error", e.what()}});
  }
}

}  // namespace tarn::delta
