#pragma once
// Which files of _delta_log make up a version: the newest complete checkpoint at or before it and the commits after that.
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace tarn::delta {

struct LogFile {
  enum class Kind { kCommit, kCompacted, kCheckpoint };
  Kind kind = Kind::kCommit;
  std::string path;
  int64_t version = 0;      // of a compacted commit: the last one it stands for
  int64_t first_version = 0;
  int64_t size = 0;
  int64_t modified_ms = 0;
  std::string tag;          // of its content, as storage::FileInfo has it
  int part = 0, parts = 0;  // of a multi-part checkpoint
  bool uuid_named = false;  // V2 checkpoint; path ends in .json or .parquet
};

// What a name in _delta_log means; nothing for names that are none of the three kinds.
std::optional<LogFile> parse_log_name(const std::string& path);
// "%020d.json" under the table's log.
std::string commit_path(const std::string& table_path, int64_t version);
std::string log_directory(const std::string& table_path);

struct LogSegment {
  int64_t version = -1;
  std::optional<int64_t> checkpoint_version;
  std::vector<LogFile> checkpoint;  // its parts in order
  std::vector<LogFile> commits;     // to be replayed in order: commits after the checkpoint, or compacted stretches of them
  int64_t modified_ms = 0;          // of the commit `version`, 0 if only its checkpoint exists
  std::string tag;                  // likewise
};

// All recognised files of the log from `from` on, by name. Throws DELTA_TABLE_NOT_FOUND if there is no _delta_log with any, and
// PATH_NOT_FOUND if not even the table's directory exists.
std::vector<LogFile> list_log(const std::string& table_path, int64_t from = 0);

// The segment of `version` (the newest if not given). `unusable`: paths of checkpoints that turned out to be damaged.
// Throws DELTA_VERSION_NOT_FOUND, DELTA_VERSIONS_NOT_CONTIGUOUS, DELTA_TRUNCATED_TRANSACTION_LOG.
LogSegment find_segment(const std::string& table_path, std::optional<int64_t> version, const std::set<std::string>& unusable = {});

// The oldest version that can still be reconstructed from these files; nothing if none can.
std::optional<int64_t> earliest_version(const std::vector<LogFile>& files);

}  // namespace tarn::delta
