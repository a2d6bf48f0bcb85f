#pragma once
// A table by its path: the way to its snapshots, its history and its commits. One object per path and process, so that a snapshot is read once.
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "delta/actions.h"
#include "delta/snapshot.h"

namespace tarn::delta {

struct HistoryEntry {
  int64_t version = 0;
  int64_t timestamp_ms = 0;  // in-commit timestamp or the file's modification time
  CommitInfo info;           // json empty if the commit has none
};

// Thread-safe.
class Table {
 public:
  // The shared object of a path (any spelling). Does not look at the disk.
  static std::shared_ptr<Table> at(const std::string& path);
  // True if there is a Delta log with at least one commit or checkpoint.
  static bool exists(const std::string& path);

  const std::string& path() const { return path_; }  // normalized

  // The newest version: lists the log, reads what is new. Throws DELTA_TABLE_NOT_FOUND and kin, and what check_readable throws.
  std::shared_ptr<const Snapshot> snapshot();
  // Throws DELTA_VERSION_NOT_FOUND.
  std::shared_ptr<const Snapshot> snapshot_at(int64_t version);
  // The version that was current at a time (ms since the epoch). Throws DELTA_TIMESTAMP_EARLIER_THAN_COMMIT_RETENTION, or, if the time is after
  // the last commit and !clamp, DELTA_TIMESTAMP_GREATER_THAN_COMMIT. `shown`: the user's text for messages.
  int64_t version_at(int64_t timestamp_ms, const std::string& shown, bool clamp = false);
  // Newest first; limit 0 = all that is left of the log.
  std::vector<HistoryEntry> history(size_t limit = 0);
  // Commits [from, to] with their actions, oldest first; a missing one throws DELTA_VERSIONS_NOT_CONTIGUOUS.
  struct Commit {
    int64_t version;
    int64_t timestamp_ms;
    std::vector<Action> actions;
  };
  std::vector<Commit> commits(int64_t from, int64_t to);
  std::optional<int64_t> earliest_version();

  // For Transaction: a snapshot it has just made newer.
  void remember(std::shared_ptr<const Snapshot> snapshot);

 private:
  explicit Table(std::string path) : path_(std::move(path)) {}
  std::shared_ptr<const Snapshot> load(std::optional<int64_t> version);
  const std::string path_;
  std::mutex mu_;
  std::shared_ptr<const Snapshot> latest_;  // guarded by mu_
  std::vector<std::shared_ptr<const Snapshot>> recent_;  // guarded by mu_: a few old versions, newest use last
};

// A time in ms as Spark prints a java.sql.Timestamp in UTC ("2026-01-02 03:04:05.678").
std::string format_timestamp(int64_t ms);

}  // namespace tarn::delta
