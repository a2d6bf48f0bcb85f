#pragma once
// A commit: staged actions, put-if-absent, and Delta's rules for what may have been committed in between.
// Source: Delta PROTOCOL.md and OptimisticTransaction / ConflictChecker of Delta on Spark.
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "delta/actions.h"
#include "delta/snapshot.h"
#include "delta/table.h"

namespace tarn::delta {

// What commitInfo says of the operation. Values of parameters are JSON texts ("\"Append\"", "[]", "null"); metrics are written as strings.
struct Operation {
  std::string name;  // "WRITE", "DELETE", "CREATE TABLE AS SELECT" …
  std::vector<std::pair<std::string, std::string>> parameters;
  std::vector<std::pair<std::string, int64_t>> metrics;
  std::optional<std::string> user_metadata;
  void parameter(const std::string& key, const std::string& text);                 // a string
  void parameter_list(const std::string& key, const std::vector<std::string>& v);  // a JSON list inside a string
  void parameter_map(const std::string& key, const std::map<std::string, std::string>& v);
  void parameter_bool(const std::string& key, bool v);
  void metric(const std::string& key, int64_t v) { metrics.emplace_back(key, v); }
};

// Not thread-safe; one use.
class Transaction {
 public:
  // On the table's newest version; of a path without a table, its creation.
  static Transaction begin(const std::shared_ptr<Table>& table);
  // On a version that was read before (the reads of a DELETE, say).
  Transaction(std::shared_ptr<Table> table, std::shared_ptr<const Snapshot> read);

  // Null when the transaction creates the table.
  const std::shared_ptr<const Snapshot>& read_snapshot() const { return read_; }
  int64_t read_version() const { return read_ ? read_->version() : -1; }
  const Metadata& metadata() const { return metadata_; }
  const Protocol& protocol() const { return protocol_; }

  // New metadata; the protocol is raised to what it needs. Checks names, partition columns and properties. For a new table also gives it an
  // id and, with column mapping, physical names.
  void set_metadata(Metadata metadata);
  void add(AddFile file) { adds_.push_back(std::move(file)); }
  // The file must be one of the read snapshot's. Says nothing of whether it was read.
  void remove(const AddFile& file, bool data_change = true);
  void add_cdc(AddCdcFile file) { cdc_.push_back(std::move(file)); }
  void set_transaction(SetTransaction t);  // idempotent writes: also a read of that application's version
  void set_domain(DomainMetadata d);

  // ---- what was read: decides which concurrent commits do harm
  void read_whole_table() { reads_all_ = true; }
  // Files that meet `matches` would have been read (a predicate on partition values and statistics; must be callable until commit returns).
  void read_matching(std::function<bool(const AddFile&)> matches) { read_predicates_.push_back(std::move(matches)); }
  void read_file(const AddFile& file);

  size_t staged_files() const { return adds_.size(); }

  // Commits; returns the version. Throws the conflict conditions (kind kConcurrentModification), DELTA_MAX_COMMIT_RETRIES_EXCEEDED, and
  // what check_writable throws. After it the table's newest snapshot is known, and a checkpoint was written if one was due (a failure to
  // write that is logged, not thrown: the commit stands).
  int64_t commit(const Operation& operation);

 private:
  std::string render(int64_t version, const Operation& operation, int64_t now_ms) const;
  void check_conflicts(const Table::Commit& winner);
  void assign_row_ids();
  void after_commit(int64_t version, int64_t now_ms);

  std::shared_ptr<Table> table_;
  std::shared_ptr<const Snapshot> read_;
  Metadata metadata_;
  Protocol protocol_;
  bool new_metadata_ = false, new_protocol_ = false;
  std::vector<AddFile> adds_;
  std::vector<RemoveFile> removes_;
  std::vector<AddCdcFile> cdc_;
  std::vector<SetTransaction> transactions_;
  std::vector<DomainMetadata> domains_;
  bool reads_all_ = false;
  std::vector<std::function<bool(const AddFile&)>> read_predicates_;
  std::map<std::string, bool> read_keys_;
  std::optional<int64_t> last_in_commit_timestamp_;
  int64_t row_id_high_water_mark_ = -1;
  std::vector<bool> needs_row_ids_;  // one per staged file, once commit has begun
};

}  // namespace tarn::delta
