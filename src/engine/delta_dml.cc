#include "engine/delta_dml.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <map>
#include <nlohmann/json.hpp>

#include "base/spark_error.h"
#include "delta/snapshot.h"
#include "delta/statistics.h"
#include "delta/table.h"
#include "delta/table_features.h"
#include "delta/transaction.h"
#include "duckdb.hpp"
#include "duckdb/common/multi_file/multi_file_states.hpp"
#include "duckdb/planner/operator/logical_get.hpp"
#include "engine/delta_relation.h"
#include "engine/delta_scan.h"

namespace tarn::engine {
namespace {

using Clock = std::chrono::steady_clock;

int64_t ms_since(Clock::time_point start) { return std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - start).count(); }

// Names of what this file adds to the caller's columns.
constexpr char kFile[] = "__tarn_file", kRow[] = "__tarn_row", kSourceId[] = "__tarn_source", kAct[] = "__tarn_act";

std::unique_ptr<duckdb::MaterializedQueryResult> run(duckdb::Connection& c, const std::string& sql) {
  auto r = c.Query(sql);
  if (r->HasError()) r->ThrowError();
  return std::unique_ptr<duckdb::MaterializedQueryResult>(r.release());
}

// A temporary table for the time of one command.
class TemporaryTable {
 public:
  TemporaryTable(duckdb::Connection& c, const std::string& query) : connection_(c) {
    static std::atomic<uint64_t> next{0};
    name_ = "tarn_dml_" + std::to_string(next++);
    run(c, "CREATE TEMPORARY TABLE " + name_ + " AS " + query);
  }
  ~TemporaryTable() { connection_.Query("DROP TABLE IF EXISTS " + name_); }
  TemporaryTable(const TemporaryTable&) = delete;
  const std::string& name() const { return name_; }

 private:
  duckdb::Connection& connection_;
  std::string name_;
};

// The live rows of a file, if its statistics tell.
std::optional<int64_t> live_rows(const delta::AddFile& f) {
  auto n = delta::FileStatistics::records_of(f.stats);
  if (!n) return std::nullopt;
  return *n - (f.deletion_vector ? f.deletion_vector->cardinality : 0);
}

// Statistics of a file that gets a deletion vector: they speak of rows that are gone, too.
std::string with_loose_bounds(std::string stats) {
  if (auto at = stats.find("\"tightBounds\":true"); at != std::string::npos) return stats.replace(at, 18, "\"tightBounds\":false");
  if (stats.find("\"tightBounds\":false") == std::string::npos) stats.insert(stats.rfind('}'), ",\"tightBounds\":false");
  return stats;
}

struct Target {
  const DmlTarget& t;
  duckdb::Connection& connection;
  std::shared_ptr<delta::Table> table;
  const delta::Snapshot& snapshot;
  bool change_feed, deletion_vectors;

  Target(const DmlTarget& target, duckdb::Connection& c)
      : t(target), connection(c), table(delta::Table::at(target.snapshot->table_path())), snapshot(*target.snapshot) {
    const auto& m = snapshot.metadata();
    delta::check_writable(snapshot.protocol(), table->path());
    if (m.flag("delta.appendOnly") && snapshot.protocol().supports("appendOnly")) {
      throw SparkError(ErrorKind::kUnsupported, "DELTA_CANNOT_MODIFY_APPEND_ONLY", {{"table_name", table->path()}, {"config", "delta.appendOnly"}});
    }
    change_feed = delta::is_enabled(snapshot.protocol(), m, "changeDataFeed");
    deletion_vectors = delta::is_enabled(snapshot.protocol(), m, "deletionVectors");
  }

  // Called before rows are written again: with row tracking they would have to carry their ids along, which write_data_files does not do.
  void check_rewrite() const {
    if (!delta::is_enabled(snapshot.protocol(), snapshot.metadata(), "rowTracking")) return;
    throw SparkError(ErrorKind::kSpark, "DELTA_UNSUPPORTED_FEATURES_FOR_WRITE",
                     {{"tableNameOrPath", table->path()}, {"deltaVersion", delta::kDeltaVersion}, {"unsupported", "rowTracking"}});
  }

  // A file with a deletion vector must say how many rows it has.
  bool can_mark(const delta::AddFile& f) const { return deletion_vectors && delta::FileStatistics::records_of(f.stats).has_value(); }

  const std::vector<delta::Field>& fields() const { return snapshot.schema().fields; }

  // The rows of a scan under the caller's names, with file and position.
  std::string rows(const DeltaScan& scan) const {
    std::string select;
    for (size_t i = 0; i < fields().size(); ++i) select += sql_identifier(fields()[i].name) + " AS " + sql_identifier(t.columns[i]) + ", ";
    return "(SELECT " + select + std::string(kDeltaFileColumn) + ", " + kDeltaRowColumn + " FROM " + scan.sql() + ")";
  }

  // A scan of some of the snapshot's files; indices in it are those of the given list.
  DeltaScanSpec some(const std::vector<uint64_t>& indices) const {
    DeltaScanSpec all = DeltaScanSpec::of(snapshot), out = all;
    out.files.clear();
    for (auto i : indices) out.files.push_back(all.files[i]);
    return out;
  }

  // Whether a concurrently added file could hold rows that the condition selects: judged by its partition values alone, as Delta does.
  std::function<bool(const delta::AddFile&)> read_predicate(const std::string& condition) const {
    auto copy = *this;
    return [copy, condition](const delta::AddFile& f) {
      if (copy.snapshot.metadata().partition_columns.empty()) return true;
      DeltaScanSpec spec = copy.some({});
      spec.files.push_back(DeltaScanFile::of(copy.table->path(), std::make_shared<const delta::AddFile>(f), false));
      DeltaScan scan(std::move(spec));
      try {
        auto plan = copy.connection.ExtractPlan("SELECT 1 FROM " + copy.rows(scan) + " WHERE (" + condition + ")");
        return may_scan(*plan);
      } catch (const std::exception&) {
        return true;
      }
    };
  }

  static bool may_scan(const duckdb::LogicalOperator& op) {
    if (op.type == duckdb::LogicalOperatorType::LOGICAL_GET) {
      const auto& get = op.Cast<duckdb::LogicalGet>();
      if (get.function.name == "tarn_delta_scan") return !get.bind_data->Cast<duckdb::MultiFileBindData>().file_list->IsEmpty();
    }
    for (const auto& child : op.children) {
      if (may_scan(*child)) return true;
    }
    return false;
  }

  void note_reads(delta::Transaction& txn, const std::string& condition) const {
    if (condition.empty()) {
      txn.read_whole_table();
    } else {
      txn.read_matching(read_predicate(condition));
    }
  }

  // Adds a deletion vector that covers `rows` too.
  delta::AddFile with_deleted(const delta::AddFile& file, delta::RowSet rows) const {
    if (file.deletion_vector) rows.merge(delta::read_deletion_vector(table->path(), *file.deletion_vector));
    delta::AddFile out = file;
    out.deletion_vector = delta::write_deletion_vector(table->path(), rows);
    out.data_change = true;
    out.stats = with_loose_bounds(out.stats);
    return out;
  }

  std::string value_list(const std::function<std::string(size_t)>& value) const {
    std::string out;
    for (size_t i = 0; i < fields().size(); ++i) out += (out.empty() ? "" : ", ") + value(i) + " AS " + sql_identifier(fields()[i].name);
    return out;
  }
  std::string old_value(size_t i) const { return sql_identifier(t.columns[i]); }

  void write_changes(delta::Transaction& txn, const delta::Metadata& metadata, const std::string& query, delta::Operation& op, const char* metric) const {
    auto changes = write_data_files(connection, table->path(), metadata, query, {}, "_change_data");
    for (auto& f : changes.files) txn.add_cdc({f.path, f.partition_values, f.size, {}});
    op.metric(metric, static_cast<int64_t>(changes.files.size()));
  }
};

// Matched rows by file.
std::map<uint64_t, delta::RowSet> matched_rows(const Target& target, const std::string& condition) {
  DeltaScan scan(DeltaScanSpec::of(target.snapshot));
  auto result = target.connection.SendQuery(std::string("SELECT ") + kFile + ", " + kRow + " FROM " + target.rows(scan) + " WHERE (" + condition + ")");
  if (result->HasError()) result->ThrowError();
  std::map<uint64_t, delta::RowSet> out;
  for (;;) {
    duckdb::unique_ptr<duckdb::DataChunk> chunk;
    duckdb::ErrorData error;
    if (!result->TryFetch(chunk, error)) error.Throw();
    if (!chunk || chunk->size() == 0) break;
    chunk->Flatten();
    auto* files = duckdb::FlatVector::GetData<uint64_t>(chunk->data[0]);
    auto* rows = duckdb::FlatVector::GetData<int64_t>(chunk->data[1]);
    for (duckdb::idx_t i = 0; i < chunk->size(); ++i) out[files[i]].add(static_cast<uint64_t>(rows[i]));
  }
  return out;
}

struct Counts {
  int64_t removed_files = 0, added_files = 0, removed_bytes = 0, added_bytes = 0, vectors_added = 0, vectors_removed = 0, vectors_updated = 0;
};

void dml_metrics(delta::Operation& op, const Counts& n) {
  op.metric("numRemovedFiles", n.removed_files);
  op.metric("numRemovedBytes", n.removed_bytes);
  op.metric("numAddedFiles", n.added_files);
  op.metric("numAddedBytes", n.added_bytes);
  op.metric("numDeletionVectorsAdded", n.vectors_added);
  op.metric("numDeletionVectorsRemoved", n.vectors_removed);
  op.metric("numDeletionVectorsUpdated", n.vectors_updated);
}

std::string predicate_parameter(const std::string& shown) { return shown.empty() ? "[]" : nlohmann::json(std::vector<std::string>{shown}).dump(); }

}  // namespace

DmlResult delete_rows(const DmlTarget& dml, const std::string& condition, const std::string& shown, duckdb::Connection& connection) {
  auto start = Clock::now();
  Target target(dml, connection);
  delta::Transaction txn(target.table, dml.snapshot);
  target.note_reads(txn, condition);
  delta::Operation op;
  op.name = "DELETE";
  op.parameter("predicate", predicate_parameter(shown));
  Counts n;
  DmlResult result;
  int64_t copied = 0;
  const auto& files = target.snapshot.files();
  std::optional<int64_t> scan_ms;
  auto drop = [&](const delta::AddFile& f) {
    txn.read_file(f);
    txn.remove(f);
    ++n.removed_files;
    n.removed_bytes += f.size;
    if (f.deletion_vector) ++n.vectors_removed;
  };
  bool counted = true;
  if (condition.empty()) {
    for (const auto& f : files) {
      drop(*f);
      auto rows = live_rows(*f);
      counted = counted && rows.has_value();
      result.affected += rows.value_or(0);
    }
    if (!counted) {
      DeltaScan scan(DeltaScanSpec::of(target.snapshot));
      result.affected = run(connection, "SELECT count(*) FROM " + scan.sql())->GetValue(0, 0).GetValue<int64_t>();
    }
  } else {
    auto matched = matched_rows(target, condition);
    scan_ms = ms_since(start);
    std::vector<uint64_t> partly, touched;
    DeltaScanSpec rest = target.some({});
    DeltaScanSpec gone = rest, all = DeltaScanSpec::of(target.snapshot);
    for (auto& [index, rows] : matched) {
      const auto& f = *files[index];
      auto hits = static_cast<int64_t>(rows.count());
      result.affected += hits;
      touched.push_back(index);
      auto shared = std::make_shared<delta::RowSet>(std::move(rows));
      auto file = all.files[index];
      file.only = shared;
      gone.files.push_back(file);
      if (live_rows(f) == hits) {
        drop(f);
        continue;
      }
      partly.push_back(index);
      if (target.can_mark(f)) {
        delta::RowSet copy;
        copy.merge(*shared);
        txn.read_file(f);
        txn.remove(f);
        txn.add(target.with_deleted(f, std::move(copy)));
        ++(f.deletion_vector ? n.vectors_updated : n.vectors_added);
      } else {
        drop(f);
        file.only = nullptr;
        file.except = shared;
        rest.files.push_back(file);
      }
    }
    if (touched.empty()) return result;
    std::string columns;
    for (const auto& f : target.fields()) columns += (columns.empty() ? "" : ", ") + sql_identifier(f.name);
    if (!rest.files.empty()) {
      target.check_rewrite();
      DeltaScan scan(std::move(rest));
      auto written = write_data_files(connection, target.table->path(), target.snapshot.metadata(), "SELECT " + columns + " FROM " + scan.sql());
      copied = written.rows;
      for (auto& f : written.files) {
        ++n.added_files;
        n.added_bytes += f.size;
        txn.add(std::move(f));
      }
      // Files that go as a whole, and deletion vectors, tell a change feed themselves; a rewritten file does not.
      if (target.change_feed) {
        DeltaScan deleted(std::move(gone));
        target.write_changes(txn, target.snapshot.metadata(), "SELECT " + columns + ", 'delete' FROM " + deleted.sql(), op, "numAddedChangeFiles");
      }
    }
  }
  if (n.removed_files == 0 && n.vectors_added + n.vectors_updated == 0) return result;
  dml_metrics(op, n);
  op.metric("numDeletedRows", result.affected);
  op.metric("numCopiedRows", copied);
  op.metric("executionTimeMs", ms_since(start));
  op.metric("scanTimeMs", scan_ms.value_or(0));
  op.metric("rewriteTimeMs", ms_since(start) - scan_ms.value_or(0));
  result.version = txn.commit(op);
  return result;
}

DmlResult update_rows(const DmlTarget& dml, const std::string& where, const std::string& shown, const std::vector<std::optional<std::string>>& values,
                      duckdb::Connection& connection) {
  auto start = Clock::now();
  Target target(dml, connection);
  delta::Transaction txn(target.table, dml.snapshot);
  std::string condition = where.empty() ? "true" : where;
  target.note_reads(txn, where);
  delta::Operation op;
  op.name = "UPDATE";
  op.parameter("predicate", predicate_parameter(shown));
  Counts n;
  DmlResult result;
  auto matched = matched_rows(target, condition);
  int64_t scan_ms = ms_since(start);
  if (matched.empty()) return result;
  target.check_rewrite();
  const auto& metadata = target.snapshot.metadata();
  const auto& files = target.snapshot.files();
  auto checks = row_checks(metadata, dml.lower);
  DeltaScanSpec all = DeltaScanSpec::of(target.snapshot), changed = target.some({}), kept = changed;
  for (auto& [index, rows] : matched) {
    const auto& f = *files[index];
    result.affected += static_cast<int64_t>(rows.count());
    bool whole = live_rows(f) == static_cast<int64_t>(rows.count());
    auto shared = std::make_shared<delta::RowSet>(std::move(rows));
    auto file = all.files[index];
    file.only = shared;
    changed.files.push_back(file);
    txn.read_file(f);
    txn.remove(f);
    if (!whole && target.can_mark(f)) {
      delta::RowSet copy;
      copy.merge(*shared);
      txn.add(target.with_deleted(f, std::move(copy)));
      ++(f.deletion_vector ? n.vectors_updated : n.vectors_added);
      continue;
    }
    ++n.removed_files;
    n.removed_bytes += f.size;
    if (f.deletion_vector) ++n.vectors_removed;
    if (!whole) {
      file.only = nullptr;
      file.except = shared;
      kept.files.push_back(file);
    }
  }
  DeltaScan changed_scan(changed), kept_scan(kept);
  auto new_value = [&](size_t i) { return i < values.size() && values[i] ? "(" + *values[i] + ")" : target.old_value(i); };
  auto old_value = [&](size_t i) { return target.old_value(i); };
  std::set<std::string> given;
  for (size_t i = 0; i < values.size() && i < target.fields().size(); ++i) {
    if (values[i]) given.insert(target.fields()[i].name);
  }
  // Generated columns follow the columns that they are made of.
  std::string updated = with_generated_columns("SELECT " + target.value_list(new_value) + " FROM " + target.rows(changed_scan), metadata, dml.lower, given);
  std::string query = updated;
  // Rows that stay come first, so that the checks, which they have met before, cost little more.
  if (!kept.files.empty()) query = "SELECT " + target.value_list(old_value) + " FROM " + target.rows(kept_scan) + " UNION ALL " + updated;
  auto written = write_data_files(connection, target.table->path(), metadata, query, checks);
  for (auto& f : written.files) {
    ++n.added_files;
    n.added_bytes += f.size;
    txn.add(std::move(f));
  }
  if (target.change_feed) {
    std::string before = "SELECT " + target.value_list(old_value) + ", 'update_preimage' AS _change_type FROM " + target.rows(changed_scan);
    std::string after = "SELECT *, 'update_postimage' AS _change_type FROM (" + updated + ")";
    target.write_changes(txn, metadata, before + " UNION ALL " + after, op, "numAddedChangeFiles");
  }
  dml_metrics(op, n);
  op.metric("numUpdatedRows", result.affected);
  op.metric("numCopiedRows", written.rows - result.affected);
  op.metric("executionTimeMs", ms_since(start));
  op.metric("scanTimeMs", scan_ms);
  op.metric("rewriteTimeMs", ms_since(start) - scan_ms);
  result.updated = result.affected;
  result.version = txn.commit(op);
  return result;
}

namespace {

// The number of the first clause whose condition is true, counted from `first`; -1 if none is.
std::string act_sql(const std::vector<MergeClause>& clauses, int first) {
  std::string out = "CASE";
  int i = first;
  for (const auto& c : clauses) out += " WHEN " + (c.condition.empty() ? "true" : "(" + c.condition + ")") + " THEN " + std::to_string(i++);
  return clauses.empty() ? "-1" : out + " ELSE -1 END";
}

std::string clauses_parameter(const std::vector<MergeClause>& clauses) {
  auto list = nlohmann::ordered_json::array();
  for (const auto& c : clauses) {
    nlohmann::ordered_json o = nlohmann::ordered_json::object();
    if (!c.shown.empty()) o["predicate"] = c.shown;
    o["actionType"] = c.kind == MergeClause::Kind::kUpdate ? "update" : c.kind == MergeClause::Kind::kDelete ? "delete" : "insert";
    list.push_back(o);
  }
  return list.dump();
}

}  // namespace

DmlResult merge_rows(const DmlTarget& dml, const MergeSource& source, const std::string& condition, const std::string& shown,
                     const std::vector<MergeClause>& matched, const std::vector<MergeClause>& not_matched,
                     const std::vector<MergeClause>& not_matched_by_source, duckdb::Connection& connection, const std::optional<plan::DataType>& evolved) {
  auto start = Clock::now();
  Target target(dml, connection);
  delta::Transaction txn(target.table, dml.snapshot);
  const auto& files = target.snapshot.files();

  delta::Metadata metadata = target.snapshot.metadata();
  if (evolved && evolved->json() != plan::DataType::from_json(metadata.schema_string).json()) {
    metadata.schema_string = evolved->json();
    txn.set_metadata(metadata);
    metadata = txn.metadata();
  }
  auto new_schema = delta::parse_schema(metadata.schema_string);
  size_t width = new_schema.fields.size();
  // Clauses are numbered through: matched ones from 0, then those for rows that no source row matches.
  std::vector<const MergeClause*> acts;
  for (const auto& c : matched) acts.push_back(&c);
  for (const auto& c : not_matched_by_source) acts.push_back(&c);
  int by_source_first = static_cast<int>(matched.size());

  // The source is read once: what it says must not change between the steps.
  std::string source_columns;
  for (const auto& c : source.columns) source_columns += ", " + sql_identifier(c);
  TemporaryTable src(connection, "SELECT row_number() OVER () AS " + std::string(kSourceId) + source_columns + " FROM (" + source.query + ") AS s(" +
                                     source_columns.substr(source_columns.empty() ? 0 : 2) + ")");
  int64_t source_rows = run(connection, "SELECT count(*) FROM " + src.name())->GetValue(0, 0).GetValue<int64_t>();

  DmlResult result;
  std::map<std::string, int64_t> m;
  DeltaScan scan(DeltaScanSpec::of(target.snapshot));
  bool inserts_only = matched.empty() && not_matched_by_source.empty();
  // Pairs of a target row and a source row that matches it, with the clause that acts.
  TemporaryTable pairs(connection, std::string("SELECT ") + kFile + ", " + kRow + ", " + kSourceId + ", " + act_sql(matched, 0) + " AS " + kAct + " FROM " +
                                       target.rows(scan) + " AS t JOIN " + src.name() + " AS s ON (" + condition + ")");
  bool unconditional_delete = matched.size() == 1 && matched[0].kind == MergeClause::Kind::kDelete && matched[0].condition.empty();
  if (!matched.empty() && !unconditional_delete) {
    bool matched_only = not_matched.empty() && not_matched_by_source.empty();
    auto twice = run(connection, std::string("SELECT 1 FROM ") + pairs.name() + (matched_only ? std::string(" WHERE ") + kAct + " >= 0" : "") + " GROUP BY " + kFile +
                                     ", " + kRow + " HAVING count(*) > 1 LIMIT 1");
    if (twice->RowCount() > 0) {
      throw SparkError(ErrorKind::kUnsupported, "DELTA_MULTIPLE_SOURCE_ROW_MATCHING_TARGET_ROW_IN_MERGE",
                       {{"usageReference", "https://docs.delta.io/latest/delta-update.html#upsert-into-a-table-using-merge"}});
    }
  }

  // What happens to each target row: its clause, and the source row that has the values.
  std::string all_rows = std::string("SELECT t.*, p.") + kSourceId + " AS __tarn_pair, CASE WHEN p." + kFile + " IS NOT NULL THEN p." + kAct + " ELSE " +
                         act_sql(not_matched_by_source, by_source_first) + " END AS " + kAct + " FROM ";
  std::string pairs_once = std::string("(SELECT ") + kFile + ", " + kRow + ", arg_max(" + kSourceId + ", " + kAct + ") AS " + kSourceId + ", max(" + kAct + ") AS " + kAct + " FROM " +
                           pairs.name() + " GROUP BY 1, 2)";
  auto decided = [&](const DeltaScan& s, const std::string& pair_rows) {
    return "(" + all_rows + target.rows(s) + " AS t LEFT JOIN " + pair_rows + " AS p ON t." + kFile + " = p." + kFile + " AND t." + kRow + " = p." + kRow + ")";
  };
  std::vector<uint64_t> touched;
  std::map<int, int64_t> act_rows;
  if (!inserts_only) {
    std::string rows = not_matched_by_source.empty() ? std::string("(SELECT DISTINCT ") + kFile + ", " + kRow + ", " + kAct + " FROM " + pairs.name() + ")"
                                                     : decided(scan, pairs_once);
    auto found = run(connection, std::string("SELECT ") + kFile + ", " + kAct + ", count(*) FROM " + rows + " AS d WHERE " + kAct + " >= 0 GROUP BY 1, 2 ORDER BY 1, 2");
    for (duckdb::idx_t i = 0; i < found->RowCount(); ++i) {
      auto file = found->GetValue(0, i).GetValue<uint64_t>();
      if (touched.empty() || touched.back() != file) touched.push_back(file);
      act_rows[found->GetValue(1, i).GetValue<int32_t>()] += found->GetValue(2, i).GetValue<int64_t>();
    }
  }
  int64_t scan_ms = ms_since(start);

  // A scan of the touched files counts them anew: __tarn_file there is a place in `touched`.
  DeltaScanSpec touched_spec = target.some(touched);
  DeltaScan touched_scan(touched_spec);
  std::string places;
  for (size_t i = 0; i < touched.size(); ++i) places += (i ? ", (" : "(") + std::to_string(touched[i]) + "::UBIGINT, " + std::to_string(i) + "::UBIGINT)";
  std::string moved_pairs = touched.empty() ? pairs_once
                                            : "(SELECT m.new_place AS " + std::string(kFile) + ", q." + kRow + ", q." + kSourceId + ", q." + kAct + " FROM " + pairs_once +
                                                  " AS q JOIN (VALUES " + places + ") AS m(old_place, new_place) ON q." + kFile + " = m.old_place)";
  auto names = [&](const std::function<std::string(size_t)>& value) {
    std::string out;
    for (size_t i = 0; i < width; ++i) out += (i ? ", " : "") + value(i) + " AS " + sql_identifier(new_schema.fields[i].name);
    return out;
  };
  auto null_of = [&](size_t i) { return "CAST(NULL AS " + duckdb_type(new_schema.fields[i].type).ToString() + ")"; };
  const auto old_schema = target.snapshot.schema();
  auto unchanged = [&](size_t i) {
    if (i >= old_schema.fields.size()) return null_of(i);
    return adapt_sql(target.old_value(i), old_schema.fields[i].type, new_schema.fields[i].type);
  };
  std::string joined = touched.empty() ? "" : "(SELECT d.*, s.* FROM " + decided(touched_scan, moved_pairs) + " AS d LEFT JOIN " + src.name() + " AS s ON d.__tarn_pair = s." + kSourceId + ")";
  std::string deletes = "false", updates = "false";
  for (size_t a = 0; a < acts.size(); ++a) {
    std::string& list = acts[a]->kind == MergeClause::Kind::kDelete ? deletes : updates;
    list += std::string(" OR ") + kAct + " = " + std::to_string(a);
  }
  auto after = [&](size_t i) {
    std::string value = unchanged(i), cases;
    for (size_t a = 0; a < acts.size(); ++a) {
      if (acts[a]->kind != MergeClause::Kind::kUpdate || i >= acts[a]->values.size() || !acts[a]->values[i]) continue;
      cases += std::string(" WHEN ") + kAct + " = " + std::to_string(a) + " THEN (" + *acts[a]->values[i] + ")";
    }
    return cases.empty() ? value : "CASE" + cases + " ELSE " + value + " END";
  };
  std::string insert_rows;
  if (!not_matched.empty()) {
    std::string unmatched = std::string("(SELECT *, ") + act_sql(not_matched, 0) + " AS " + kAct + " FROM " + src.name() + " WHERE " + kSourceId + " NOT IN (SELECT " +
                            kSourceId + " FROM " + pairs.name() + "))";
    result.inserted = run(connection, std::string("SELECT count(*) FROM ") + unmatched + " WHERE " + kAct + " >= 0")->GetValue(0, 0).GetValue<int64_t>();
    insert_rows = names([&](size_t i) {
      std::string cases;
      for (size_t a = 0; a < not_matched.size(); ++a) {
        if (i < not_matched[a].values.size() && not_matched[a].values[i]) cases += std::string(" WHEN ") + kAct + " = " + std::to_string(a) + " THEN (" + *not_matched[a].values[i] + ")";
      }
      return cases.empty() ? null_of(i) : "CASE" + cases + " ELSE " + null_of(i) + " END";
    });
    insert_rows = "SELECT " + insert_rows + " FROM " + unmatched + " AS i WHERE " + kAct + " >= 0";
  }

  for (size_t a = 0; a < acts.size(); ++a) {
    bool by_source = static_cast<int>(a) >= by_source_first;
    int64_t count = act_rows[static_cast<int>(a)];
    if (acts[a]->kind == MergeClause::Kind::kDelete) {
      result.deleted += count;
      m[by_source ? "numTargetRowsNotMatchedBySourceDeleted" : "numTargetRowsMatchedDeleted"] += count;
    } else {
      result.updated += count;
      m[by_source ? "numTargetRowsNotMatchedBySourceUpdated" : "numTargetRowsMatchedUpdated"] += count;
    }
  }
  result.affected = result.updated + result.deleted + result.inserted;

  delta::Operation op;
  op.name = "MERGE";
  op.parameter("predicate", predicate_parameter(shown));
  op.parameter("matchedPredicates", clauses_parameter(matched));
  op.parameter("notMatchedPredicates", clauses_parameter(not_matched));
  op.parameter("notMatchedBySourcePredicates", clauses_parameter(not_matched_by_source));

  bool evolves = metadata.schema_string != target.snapshot.metadata().schema_string;
  if (touched.empty() && result.inserted == 0 && !evolves) return result;
  if (!touched.empty()) target.check_rewrite();
  // Generated columns that a clause does not set follow the others; in rows that are only copied they already do.
  std::set<std::string> given_updates, given_inserts;
  for (size_t i = 0; i < width; ++i) {
    auto sets = [&](const MergeClause& c) { return i < c.values.size() && c.values[i].has_value(); };
    const std::string& name = new_schema.fields[i].name;
    if (std::any_of(acts.begin(), acts.end(), [&](const MergeClause* c) { return sets(*c); })) given_updates.insert(name);
    if (std::any_of(not_matched.begin(), not_matched.end(), sets)) given_inserts.insert(name);
  }
  auto generated = [&](const std::string& rows, const std::set<std::string>& given) { return with_generated_columns(rows, metadata, dml.lower, given); };
  std::string query = touched.empty() ? "" : generated("SELECT " + names(after) + " FROM " + joined + " AS j WHERE NOT (" + deletes + ")", given_updates);
  std::string inserted_rows = insert_rows.empty() || result.inserted == 0 ? "" : generated(insert_rows, given_inserts);
  if (!inserted_rows.empty()) query += (query.empty() ? "" : " UNION ALL ") + inserted_rows;
  int64_t removed_bytes = 0, copied = 0;
  DataFiles written;
  if (!query.empty()) written = write_data_files(connection, target.table->path(), metadata, query, row_checks(metadata, dml.lower));
  copied = written.rows - result.updated - result.inserted;
  for (auto index : touched) {
    txn.read_file(*files[index]);
    txn.remove(*files[index]);
    removed_bytes += files[index]->size;
  }
  if (target.change_feed && (!touched.empty())) {
    std::string changes;
    auto before = [&](size_t i) { return unchanged(i); };
    changes = "SELECT " + names(before) + ", 'update_preimage' AS _change_type FROM " + joined + " AS j WHERE (" + updates + ")";
    changes += " UNION ALL SELECT *, 'update_postimage' FROM (" + generated("SELECT " + names(after) + " FROM " + joined + " AS j WHERE (" + updates + ")", given_updates) + ")";
    changes += " UNION ALL SELECT " + names(before) + ", 'delete' FROM " + joined + " AS j WHERE (" + deletes + ")";
    if (!inserted_rows.empty()) changes += " UNION ALL SELECT *, 'insert' FROM (" + inserted_rows + ")";
    target.write_changes(txn, metadata, changes, op, "numTargetChangeFilesAdded");
  }
  int64_t added_files = static_cast<int64_t>(written.files.size());
  for (auto& f : written.files) txn.add(std::move(f));
  // Any row that is added meanwhile could have matched.
  txn.read_whole_table();

  op.metric("numSourceRows", source_rows);
  op.metric("numOutputRows", written.rows);
  op.metric("numTargetRowsInserted", result.inserted);
  op.metric("numTargetRowsUpdated", result.updated);
  op.metric("numTargetRowsMatchedUpdated", m["numTargetRowsMatchedUpdated"]);
  op.metric("numTargetRowsNotMatchedBySourceUpdated", m["numTargetRowsNotMatchedBySourceUpdated"]);
  op.metric("numTargetRowsDeleted", result.deleted);
  op.metric("numTargetRowsMatchedDeleted", m["numTargetRowsMatchedDeleted"]);
  op.metric("numTargetRowsNotMatchedBySourceDeleted", m["numTargetRowsNotMatchedBySourceDeleted"]);
  op.metric("numTargetRowsCopied", copied);
  op.metric("numTargetFilesAdded", added_files);
  op.metric("numTargetFilesRemoved", static_cast<int64_t>(touched.size()));
  op.metric("numTargetBytesAdded", written.bytes);
  op.metric("numTargetBytesRemoved", removed_bytes);
  op.metric("numTargetDeletionVectorsAdded", 0);
  op.metric("numTargetDeletionVectorsUpdated", 0);
  op.metric("numTargetDeletionVectorsRemoved", 0);
  if (!target.change_feed) op.metric("numTargetChangeFilesAdded", 0);
  op.metric("executionTimeMs", ms_since(start));
  op.metric("scanTimeMs", scan_ms);
  op.metric("rewriteTimeMs", ms_since(start) - scan_ms);
  result.version = txn.commit(op);
  return result;
}

}  // namespace tarn::engine
