#pragma once
// The actions of a Delta commit, as values. Source: Delta PROTOCOL.md, "Actions". Unknown fields of known actions are dropped on reading,
// unknown actions are ignored, as the protocol asks.
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace tarn::delta {

using PartitionValues = std::map<std::string, std::optional<std::string>>;  // keyed by physical column name; null = NULL
using Tags = std::map<std::string, std::optional<std::string>>;

struct DeletionVectorDescriptor {
  std::string storage_type;       // "u" file with a UUID name, "p" absolute path, "i" inline
  std::string path_or_inline_dv;
  std::optional<int32_t> offset;
  int32_t size_in_bytes = 0;
  int64_t cardinality = 0;
  // What tells two logical files with one path apart.
  std::string unique_id() const;
  bool operator==(const DeletionVectorDescriptor&) const = default;
};

struct AddFile {
  std::string path;  // as in the log: a URI, relative to the table or absolute, percent-encoded
  PartitionValues partition_values;
  int64_t size = 0;
  int64_t modification_time = 0;  // ms
  bool data_change = true;
  std::string stats;  // JSON text, empty if none
  Tags tags;
  std::optional<DeletionVectorDescriptor> deletion_vector;
  std::optional<int64_t> base_row_id, default_row_commit_version;
  std::optional<std::string> clustering_provider;
};

struct RemoveFile {
  std::string path;
  std::optional<int64_t> deletion_timestamp;
  bool data_change = true;
  bool extended_file_metadata = false;  // partition_values, size, tags are set
  PartitionValues partition_values;
  std::optional<int64_t> size;
  std::string stats;
  Tags tags;
  std::optional<DeletionVectorDescriptor> deletion_vector;
  std::optional<int64_t> base_row_id, default_row_commit_version;
};

struct AddCdcFile {
  std::string path;
  PartitionValues partition_values;
  int64_t size = 0;
  Tags tags;
};

struct Metadata {
  std::string id, name, description;
  bool has_name = false, has_description = false;
  std::string format_provider = "parquet";
  std::map<std::string, std::string> format_options;
  std::string schema_string;  // Spark's schema JSON of the table
  std::vector<std::string> partition_columns;  // logical names
  std::map<std::string, std::string> configuration;
  std::optional<int64_t> created_time;
  // The value of a table property, or `otherwise`.
  std::string property(const std::string& key, const std::string& otherwise = {}) const;
  bool flag(const std::string& key) const { return property(key) == "true"; }
  bool operator==(const Metadata&) const = default;
};

struct Protocol {
  int min_reader_version = 1;
  int min_writer_version = 2;
  std::optional<std::vector<std::string>> reader_features, writer_features;  // sorted
  // Listed, or implied by a legacy version. Source: table_features.cc.
  bool supports(std::string_view feature) const;
  bool operator==(const Protocol&) const = default;
};

struct SetTransaction {
  std::string app_id;
  int64_t version = 0;
  std::optional<int64_t> last_updated;
};

struct DomainMetadata {
  std::string domain, configuration;
  bool removed = false;
};

struct CommitInfo {
  std::string json;  // the object's text
  std::optional<int64_t> in_commit_timestamp, timestamp;
  std::optional<bool> is_blind_append;
  std::string operation;
};

struct Sidecar {
  std::string path;
  int64_t size_in_bytes = 0, modification_time = 0;
};

struct CheckpointMetadata {
  int64_t version = 0;
};

using Action = std::variant<Metadata, Protocol, AddFile, RemoveFile, AddCdcFile, SetTransaction, DomainMetadata, CommitInfo, Sidecar, CheckpointMetadata>;

// All actions of a commit's (or V2 checkpoint's) text, in order. Throws SparkError (internal) naming `path` where a line is not JSON or a
// required field is missing.
std::vector<Action> parse_actions(std::string_view text, const std::string& path);
// One line of a commit, without the newline.
std::string to_json(const Action& action);

// Where the file of an action is: its path decoded once and joined to the table's.
std::string resolve_path(const std::string& table_path, const std::string& action_path);
// The identity of a logical file: decoded path and deletion vector.
std::string file_key(const std::string& action_path, const std::optional<DeletionVectorDescriptor>& dv);
// The remove that undoes an add.
RemoveFile remove_of(const AddFile& add, int64_t deletion_timestamp, bool data_change);

}  // namespace tarn::delta
