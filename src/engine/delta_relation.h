#pragma once
// A Delta table as the analyzer and the lowering see it: spark.read.format("delta"), with time travel and the change feed.
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "plan/logical_plan.h"

namespace tarn::delta {
class Snapshot;
class Table;
}
namespace tarn::plan {
class SessionConf;
}

namespace tarn::engine {

class DeltaScan;
struct DeltaScanSpec;

// Thread-safe. The relation must outlive the queries made of it.
class DeltaRelation : public plan::Relation {
 public:
  ~DeltaRelation() override;
  const plan::DataType& schema() const override { return schema_; }
  std::vector<plan::StructField> metadata_columns() const override;
  std::string format() const override { return "delta"; }
  std::vector<std::string> input_files() const override;
  std::vector<std::string> partition_columns() const override;
  std::optional<uint64_t> size_in_bytes() const override;
  std::string fingerprint() const override;
  // The table and, if one was asked for, its version or range of changes; not the version that is the latest now.
  std::string identity() const;

  // The snapshot that is read; for a change feed the one whose schema it has.
  const std::shared_ptr<const delta::Snapshot>& snapshot() const { return snapshot_; }
  bool is_change_feed() const { return !change_scans_.empty(); }

  // A SELECT of the columns, in this order, with the DuckDB types of ARCHITECTURE.md: index i is schema().fields()[i] or, from
  // schema().fields().size() on, metadata_columns(). To be embedded as `FROM (…) AS s(c7, c8)`. Without columns it has one INTEGER column, and
  // the right number of rows.
  std::string scan_sql(const std::vector<size_t>& columns) const;

 private:
  friend std::shared_ptr<const DeltaRelation> open_delta(const std::string&, const std::vector<std::pair<std::string, std::string>>&,
                                                         const plan::SessionConf&);
  friend std::shared_ptr<const DeltaRelation> delta_relation_of(std::shared_ptr<const delta::Snapshot>);
  DeltaRelation() = default;
  const DeltaScan& scan(bool with_metadata) const;

  std::shared_ptr<const delta::Snapshot> snapshot_;
  plan::DataType schema_;
  std::vector<std::unique_ptr<DeltaScan>> change_scans_;  // of a change feed
  std::string change_range_;
  bool travelled_ = false;                                // a version was asked for
  mutable std::mutex mu_;
  mutable std::unique_ptr<DeltaScan> scan_, metadata_scan_;  // guarded by mu_; made when first needed
};

// Opens a path with read options (names without case): versionAsOf, timestampAsOf, readChangeFeed with startingVersion, startingTimestamp,
// endingVersion, endingTimestamp. "/path@v12" and "/path@yyyyMMddHHmmssSSS" travel too where no such directory exists.
// Throws SparkError: DELTA_TABLE_NOT_FOUND, PATH_NOT_FOUND, DELTA_READ_TABLE_WITHOUT_COLUMNS, DELTA_VERSION_NOT_FOUND, …
std::shared_ptr<const DeltaRelation> open_delta(const std::string& path, const std::vector<std::pair<std::string, std::string>>& options,
                                                const plan::SessionConf& conf);
// A snapshot as a relation (the target of DML).
std::shared_ptr<const DeltaRelation> delta_relation_of(std::shared_ptr<const delta::Snapshot> snapshot);
// The DeltaRelation behind a plan::Relation, or nullptr.
const DeltaRelation* as_delta_relation(const plan::Relation& relation);

// The version that options of time travel name; nothing if they name none.
std::optional<int64_t> delta_time_travel(delta::Table& table, const std::optional<std::string>& version, const std::optional<std::string>& timestamp,
                                         const plan::SessionConf& conf);
// A timestamp text in the session's zone, in ms; throws DELTA_TIMESTAMP_INVALID.
int64_t parse_session_timestamp_ms(const std::string& text, const plan::SessionConf& conf);

// For SQL text: an identifier in double quotes, a string in single quotes.
std::string sql_identifier(const std::string& name);
std::string sql_string(const std::string& text);

}  // namespace tarn::engine
