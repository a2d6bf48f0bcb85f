#pragma once
// The state of a table at one version: immutable, shared between threads.
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "delta/actions.h"
#include "delta/log_segment.h"
#include "delta/schema.h"

namespace tarn::delta {

class Snapshot {
 public:
  // Replays a segment. Throws DELTA_STATE_RECOVER_ERROR if it has no protocol or metadata, IoError for damaged checkpoints. Does not judge
  // the protocol: see table_features.h.
  static std::shared_ptr<const Snapshot> load(const std::string& table_path, const LogSegment& segment);
  // This snapshot with the commits of `segment` (whose first commit follows this version) on top.
  std::shared_ptr<const Snapshot> advance(const LogSegment& segment) const;

  const std::string& table_path() const { return table_path_; }
  int64_t version() const { return version_; }
  // In-commit timestamp if the table has the feature, else the commit file's modification time; ms.
  int64_t timestamp_ms() const { return timestamp_ms_; }
  std::optional<int64_t> in_commit_timestamp() const { return in_commit_timestamp_; }
  const Metadata& metadata() const { return metadata_; }
  const Protocol& protocol() const { return protocol_; }
  const Schema& schema() const { return schema_; }
  ColumnMapping column_mapping() const { return delta::column_mapping(metadata_); }

  using FileList = std::vector<std::shared_ptr<const AddFile>>;
  // The live files, in the order in which they were added.
  const FileList& files() const { return files_; }
  const std::map<std::string, SetTransaction>& transactions() const { return transactions_; }
  const std::map<std::string, DomainMetadata>& domains() const { return domains_; }  // live ones
  std::optional<std::string> domain(const std::string& name) const;
  std::vector<std::shared_ptr<const RemoveFile>> tombstones() const;
  int64_t size_in_bytes() const;
  std::optional<int64_t> checkpoint_version() const { return checkpoint_version_; }
  int64_t commit_modified_ms() const { return commit_modified_ms_; }
  // Whether a file of the log is the commit of this version: its time and, where the store has one, the tag of its content.
  bool is_commit(int64_t modified_ms, const std::string& tag) const { return modified_ms == commit_modified_ms_ && tag == commit_tag_; }

 private:
  Snapshot() = default;
  void apply(Action action);
  void apply_commits(const LogSegment& segment);
  void finish();

  std::string table_path_;
  int64_t version_ = -1, timestamp_ms_ = 0, commit_modified_ms_ = 0;
  std::string commit_tag_;
  std::optional<int64_t> in_commit_timestamp_, checkpoint_version_;
  Metadata metadata_;
  Protocol protocol_;
  bool has_metadata_ = false, has_protocol_ = false;
  Schema schema_;
  struct Live {
    uint64_t order;
    std::shared_ptr<const AddFile> file;
  };
  std::unordered_map<std::string, Live> live_;
  std::unordered_map<std::string, std::shared_ptr<const RemoveFile>> removed_;
  uint64_t next_order_ = 0;
  FileList files_;
  std::map<std::string, SetTransaction> transactions_;
  std::map<std::string, DomainMetadata> domains_;
};

}  // namespace tarn::delta
