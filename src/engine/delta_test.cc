#include <doctest/doctest.h>
#include <stdlib.h>

#include <filesystem>

#include "base/spark_error.h"
#include "delta/snapshot.h"
#include "delta/table.h"
#include "duckdb.hpp"
#include "engine/delta_dml.h"
#include "engine/delta_maintenance.h"
#include "engine/delta_relation.h"
#include "engine/delta_scan.h"
#include "engine/delta_write.h"
#include "engine/error_map.h"
#include "plan/session_conf.h"

using namespace tarn;
using namespace tarn::engine;
using plan::DataType;
using plan::TypeId;
using Rows = std::vector<std::string>;

namespace {

struct Lake {
  std::string path;
  duckdb::DuckDB db{nullptr};
  duckdb::Connection connection{db};
  plan::SessionConf conf;

  Lake() {
    std::string name = std::filesystem::temp_directory_path() / "tarn-lake-XXXXXX";
    path = ::mkdtemp(name.data());
    path += "/t";
    register_delta_scan(*db.instance);
    connection.Query("SET TimeZone = 'UTC'");
  }
  ~Lake() { std::filesystem::remove_all(std::filesystem::path(path).parent_path()); }

  static DataType schema(std::vector<std::pair<std::string, DataType>> columns) {
    std::vector<plan::StructField> fields;
    for (auto& [n, t] : columns) fields.push_back(plan::make_field(n, t));
    return DataType::structure(std::move(fields));
  }
  static DataType usual() { return schema({{"id", TypeId::kInt}, {"v", TypeId::kString}, {"p", TypeId::kString}}); }

  DeltaWriteResult write(const std::string& query, DataType type, plan::SaveMode mode = plan::SaveMode::kAppend,
                         const std::function<void(DeltaWriteRequest&)>& more = {}) {
    DeltaWriteRequest r;
    r.path = path;
    r.query = query;
    r.schema = std::move(type);
    r.mode = mode;
    if (more) more(r);
    return write_delta(r, connection);
  }
  Rows read(const std::string& select = "*", const std::string& where = "true", std::vector<std::pair<std::string, std::string>> options = {}) {
    auto relation = open_delta(path, options, conf);
    std::vector<size_t> columns;
    std::string names;
    for (size_t i = 0; i < relation->schema().fields().size(); ++i) {
      columns.push_back(i);
      names += (i ? ", " : "") + sql_identifier(relation->schema().fields()[i].name);
    }
    auto r = connection.Query("SELECT " + select + " FROM (" + relation->scan_sql(columns) + ") AS s(" + names + ") WHERE " + where + " ORDER BY ALL");
    if (r->HasError()) throw to_spark_error(r->GetErrorObject());
    Rows out;
    for (duckdb::idx_t i = 0; i < r->RowCount(); ++i) {
      std::string row;
      for (duckdb::idx_t c = 0; c < r->ColumnCount(); ++c) row += (c ? "|" : "") + r->GetValue(c, i).ToString();
      out.push_back(row);
    }
    return out;
  }
  DmlTarget target() {
    DmlTarget t;
    t.snapshot = delta::Table::at(path)->snapshot();
    for (const auto& f : t.snapshot->schema().fields) t.columns.push_back("t_" + f.name);
    return t;
  }
};

template <class F>
std::string condition_of(F&& f) {
  try {
    f();
  } catch (const SparkError& e) {
    return e.condition();
  } catch (const std::exception& e) {
    return to_spark_error(e).condition();
  }
  return "";
}

const char kRows[] = "SELECT i::INT AS id, 'v' || i AS v, CASE WHEN i % 3 = 0 THEN NULL WHEN i % 3 = 1 THEN 'a/b c' ELSE 'x' END AS p FROM range(6) r(i)";

}  // namespace

TEST_CASE("what is written is read back, with partitions and column mapping") {
  for (const char* mode : {"none", "name", "id"}) {
    CAPTURE(mode);
    Lake lake;
    auto r = lake.write(kRows, Lake::usual(), plan::SaveMode::kErrorIfExists, [&](DeltaWriteRequest& w) {
      w.partition_by = {"p"};
      w.properties = {{"delta.columnMapping.mode", mode}};
    });
    CHECK(r.version == 0);
    CHECK(r.rows == 6);
    CHECK(lake.read() == Rows{"0|v0|NULL", "1|v1|a/b c", "2|v2|x", "3|v3|NULL", "4|v4|a/b c", "5|v5|x"});
    CHECK(lake.read("id", "p = 'a/b c' AND id > 1") == Rows{"4"});
    CHECK(lake.read("count(*)", "p IS NULL") == Rows{"2"});
    CHECK(condition_of([&] { lake.write(kRows, Lake::usual(), plan::SaveMode::kErrorIfExists); }) == "DELTA_PATH_EXISTS");
  }
}

TEST_CASE("nested values survive renaming, evolution and absence") {
  Lake lake;
  auto inner = Lake::schema({{"x", TypeId::kInt}, {"y z", TypeId::kTimestamp}});
  auto type = Lake::schema({{"s", inner}, {"l", DataType::array(inner)}, {"m", DataType::map(TypeId::kString, inner)}});
  std::string value = "{'x': 1, 'y z': TIMESTAMPTZ '2024-01-01 00:00:00+00'}";
  lake.write("SELECT " + value + " AS s, [" + value + ", NULL] AS l, MAP {'k': " + value + "} AS m UNION ALL SELECT NULL, NULL, NULL", type,
             plan::SaveMode::kErrorIfExists, [](DeltaWriteRequest& w) { w.properties = {{"delta.columnMapping.mode", "name"}}; });
  auto wider = Lake::schema({{"x", TypeId::kInt}, {"y z", TypeId::kTimestamp}, {"new", TypeId::kLong}});
  lake.write("SELECT {'x': 2, 'y z': NULL::TIMESTAMPTZ, 'new': 7::BIGINT} AS s", Lake::schema({{"s", wider}}), plan::SaveMode::kAppend,
             [](DeltaWriteRequest& w) { w.merge_schema = true; });
  CHECK(lake.read("s IS NULL, s.x, s.new, len(l), m['k'].x") == Rows{"false|1|NULL|2|1", "false|2|7|NULL|NULL", "true|NULL|NULL|NULL|NULL"});
}

TEST_CASE("a write that does not fit is refused") {
  Lake lake;
  lake.write(kRows, Lake::usual(), plan::SaveMode::kErrorIfExists, [](DeltaWriteRequest& w) { w.partition_by = {"p"}; });
  auto extra = Lake::schema({{"id", TypeId::kInt}, {"more", TypeId::kInt}});
  CHECK(condition_of([&] { lake.write("SELECT 1, 2", extra); }) == "DELTA_METADATA_MISMATCH.SCHEMA_MISMATCH");
  CHECK(condition_of([&] { lake.write("SELECT 'x'", Lake::schema({{"id", TypeId::kString}})); }) == "DELTA_FAILED_TO_MERGE_FIELDS");
  CHECK(condition_of([&] { lake.write(kRows, Lake::usual(), plan::SaveMode::kAppend, [](DeltaWriteRequest& w) { w.partition_by = {"v"}; }); }) ==
        "DELTA_METADATA_MISMATCH.PARTITIONING_MISMATCH");
  CHECK(condition_of([&] { lake.write("SELECT INTERVAL 1 DAY", Lake::schema({{"i", TypeId::kCalendarInterval}})); }) == "DELTA_UNSUPPORTED_DATA_TYPES");
  CHECK(delta::Table::at(lake.path)->snapshot()->version() == 0);
}

TEST_CASE("constraints hold, or nothing is written") {
  Lake lake;
  DeltaCreateRequest create;
  create.path = lake.path;
  create.schema = DataType::structure({plan::make_field("id", TypeId::kInt, false), plan::make_field("n", TypeId::kInt)});
  create.properties = {{"delta.constraints.positive", "n > 0"}};
  create_delta(create);
  auto write = [&](const std::string& query) {
    return condition_of([&] {
      lake.write(query, Lake::schema({{"id", TypeId::kInt}, {"n", TypeId::kInt}}), plan::SaveMode::kAppend,
                 [](DeltaWriteRequest& w) { w.lower = [](const TableRule& r, const DataType&) { return r.expression; }; });
    });
  };
  CHECK(write("SELECT 1, 5") == "");
  CHECK(write("SELECT 1, -5") == "DELTA_VIOLATE_CONSTRAINT_WITH_VALUES");
  CHECK(write("SELECT 1, NULL") == "DELTA_VIOLATE_CONSTRAINT_WITH_VALUES");
  CHECK(write("SELECT NULL, 5") == "DELTA_NOT_NULL_CONSTRAINT_VIOLATED");
  // Without someone who can evaluate it the constraint refuses every write.
  CHECK(condition_of([&] { lake.write("SELECT 1, 5", Lake::schema({{"id", TypeId::kInt}, {"n", TypeId::kInt}})); }) == "DELTA_UNSUPPORTED_FEATURES_FOR_WRITE");
  CHECK(lake.read() == Rows{"1|5"});
  size_t files = 0;
  for (const auto& e : std::filesystem::directory_iterator(lake.path)) files += e.path().filename() != "_delta_log";
  CHECK(files == 1);  // failed writes leave nothing behind
}

TEST_CASE("generated columns follow the columns that they are made of") {
  Lake lake;
  DeltaCreateRequest create;
  create.path = lake.path;
  create.schema = DataType::structure({plan::make_field("id", TypeId::kInt), plan::make_field("g", TypeId::kInt, true, R"({"delta.generationExpression":"id * 2"})")});
  create_delta(create);
  auto lower = [](const TableRule& r, const DataType&) { return r.expression; };
  auto both = Lake::schema({{"id", TypeId::kInt}, {"g", TypeId::kInt}});
  auto with = [&](DeltaWriteRequest& w) { w.lower = lower; };
  CHECK(condition_of([&] { lake.write("SELECT 1, 3", both, plan::SaveMode::kAppend, with); }) == "DELTA_VIOLATE_CONSTRAINT_WITH_VALUES");
  lake.write("SELECT 1, 2 UNION ALL SELECT 2, 4", both, plan::SaveMode::kAppend, with);
  auto target = lake.target();
  target.lower = lower;
  update_rows(target, "t_id = 1", "", {"t_id + 10", std::nullopt}, lake.connection);
  CHECK(lake.read() == Rows{"2|4", "11|22"});
  target = lake.target();
  target.lower = lower;
  MergeClause change{MergeClause::Kind::kUpdate, "", "", {"t_id + 1", std::nullopt}}, insert{MergeClause::Kind::kInsert, "", "", {"sid", std::nullopt}};
  merge_rows(target, {"SELECT 2 UNION ALL SELECT 50", {"sid"}}, "t_id = sid", "", {change}, {insert}, {}, lake.connection);
  CHECK(lake.read() == Rows{"3|6", "11|22", "50|100"});
}

TEST_CASE("overwriting: all, by condition, by partition") {
  Lake lake;
  lake.write(kRows, Lake::usual(), plan::SaveMode::kErrorIfExists, [](DeltaWriteRequest& w) { w.partition_by = {"p"}; });
  lake.write("SELECT 9 AS id, 'n' AS v, 'x' AS p", Lake::usual(), plan::SaveMode::kOverwrite, [](DeltaWriteRequest& w) { w.dynamic_partition_overwrite = true; });
  CHECK(lake.read("id") == Rows{"0", "1", "3", "4", "9"});
  auto where = [](DeltaWriteRequest& w) { w.replace_where = w.replace_where_sql = "id < 4"; };
  CHECK(condition_of([&] { lake.write("SELECT 7 AS id, 'n' AS v, 'x' AS p", Lake::usual(), plan::SaveMode::kOverwrite, where); }) == "DELTA_REPLACE_WHERE_MISMATCH");
  lake.write("SELECT 2 AS id, 'n' AS v, 'x' AS p", Lake::usual(), plan::SaveMode::kOverwrite, where);
  CHECK(lake.read("id") == Rows{"2", "4", "9"});
  lake.write("SELECT 1 AS id", Lake::schema({{"id", TypeId::kInt}}), plan::SaveMode::kOverwrite);
  CHECK(lake.read() == Rows{"1|NULL|NULL"});
  CHECK(lake.read("count(*)", "true", {{"versionAsOf", "0"}}) == Rows{"6"});
}

TEST_CASE("a change feed tells of a partial overwrite only what changed") {
  Lake lake;
  lake.write(kRows, Lake::usual(), plan::SaveMode::kErrorIfExists, [](DeltaWriteRequest& w) { w.properties = {{"delta.enableChangeDataFeed", "true"}}; });
  lake.write("SELECT 1 AS id, 'n' AS v, 'x' AS p", Lake::usual(), plan::SaveMode::kOverwrite, [](DeltaWriteRequest& w) { w.replace_where = w.replace_where_sql = "id = 1"; });
  CHECK(lake.read("id, v, _change_type", "_commit_version = 1", {{"readChangeFeed", "true"}, {"startingVersion", "0"}}) == Rows{"1|n|insert", "1|v1|delete"});
  CHECK(lake.read("count(*)") == Rows{"6"});
}

TEST_CASE("an application's version is written once") {
  Lake lake;
  auto app = [](DeltaWriteRequest& w) { w.application_version = {"job", 3}; };
  lake.write(kRows, Lake::usual(), plan::SaveMode::kAppend, app);
  CHECK(lake.write(kRows, Lake::usual(), plan::SaveMode::kAppend, app).version == -1);
  CHECK(lake.read("count(*)") == Rows{"6"});
}

TEST_CASE("DELETE, UPDATE and MERGE, with and without deletion vectors and change feed") {
  for (const auto& properties : std::vector<std::map<std::string, std::string>>{
           {}, {{"delta.enableDeletionVectors", "true"}}, {{"delta.enableChangeDataFeed", "true"}},
           {{"delta.enableDeletionVectors", "true"}, {"delta.enableChangeDataFeed", "true"}}}) {
    Lake lake;
    lake.write(kRows, Lake::usual(), plan::SaveMode::kErrorIfExists, [&](DeltaWriteRequest& w) { w.properties = properties; });
    CHECK(delete_rows(lake.target(), "t_id = 3", "(id = 3)", lake.connection).affected == 1);
    CHECK(update_rows(lake.target(), "t_id >= 4", "(id >= 4)", {std::nullopt, "t_v || '!'", std::nullopt}, lake.connection).affected == 2);
    CHECK(lake.read("id, v") == Rows{"0|v0", "1|v1", "2|v2", "4|v4!", "5|v5!"});
    MergeSource source{"SELECT * FROM (VALUES (1, 'one'), (2, 'two'), (8, 'eight'), (9, 'nine')) s(a, b)", {"sid", "sv"}};
    MergeClause drop{MergeClause::Kind::kDelete, "sid = 2", "", {}}, change{MergeClause::Kind::kUpdate, "", "", {std::nullopt, "sv", std::nullopt}};
    MergeClause insert{MergeClause::Kind::kInsert, "sid < 9", "", {"sid", "sv", std::nullopt}}, orphan{MergeClause::Kind::kDelete, "t_id = 5", "", {}};
    auto r = merge_rows(lake.target(), source, "t_id = sid", "(t.id = s.sid)", {drop, change}, {insert}, {orphan}, lake.connection);
    CHECK(r.updated == 1);
    CHECK(r.deleted == 2);
    CHECK(r.inserted == 1);
    CHECK(lake.read("id, v") == Rows{"0|v0", "1|one", "4|v4!", "8|eight"});
    MergeSource twice{"SELECT 1 UNION ALL SELECT 1", {"sid"}};
    CHECK(condition_of([&] { merge_rows(lake.target(), twice, "t_id = sid", "", {change}, {}, {}, lake.connection); }) ==
          "DELTA_MULTIPLE_SOURCE_ROW_MATCHING_TARGET_ROW_IN_MERGE");
    if (properties.count("delta.enableChangeDataFeed")) {
      CHECK(lake.read("id, v, _change_type, _commit_version", "_commit_version > 0", {{"readChangeFeed", "true"}, {"startingVersion", "0"}}) ==
            Rows{"1|one|update_postimage|3", "1|v1|update_preimage|3", "2|v2|delete|3", "3|v3|delete|1", "4|v4|update_preimage|2", "4|v4!|update_postimage|2",
                 "5|v5|update_preimage|2", "5|v5!|delete|3", "5|v5!|update_postimage|2", "8|eight|insert|3"});
    }
    CHECK(delete_rows(lake.target(), "", "", lake.connection).affected == 4);
    CHECK(lake.read().empty());
  }
}

TEST_CASE("with row tracking rows may go, but none is written again under another id") {
  Lake lake;
  lake.write(kRows, Lake::usual(), plan::SaveMode::kErrorIfExists,
             [](DeltaWriteRequest& w) { w.properties = {{"delta.enableRowTracking", "true"}, {"delta.enableDeletionVectors", "true"}}; });
  CHECK(delete_rows(lake.target(), "t_id < 2", "", lake.connection).affected == 2);
  CHECK(condition_of([&] { update_rows(lake.target(), "t_id = 3", "", {std::nullopt, "'x'", std::nullopt}, lake.connection); }) == "DELTA_UNSUPPORTED_FEATURES_FOR_WRITE");
  CHECK(lake.read("count(*)") == Rows{"4"});
  auto files = delta::Table::at(lake.path)->snapshot()->files();
  CHECK(files.at(0)->base_row_id == 0);
}

TEST_CASE("a delete and a concurrent append to the same partition conflict, to another do not") {
  for (bool same : {true, false}) {
    Lake lake;
    lake.write(kRows, Lake::usual(), plan::SaveMode::kErrorIfExists, [](DeltaWriteRequest& w) { w.partition_by = {"p"}; });
    auto before = lake.target();
    lake.write(std::string("SELECT 7 AS id, 'n' AS v, '") + (same ? "x" : "other") + "' AS p", Lake::usual());
    CHECK(condition_of([&] { delete_rows(before, "t_p = 'x' AND t_id < 9", "", lake.connection); }) ==
          (same ? "DELTA_CONCURRENT_APPEND.WITH_PARTITION_HINT" : ""));
  }
}

TEST_CASE("OPTIMIZE packs files, RESTORE brings a version back, VACUUM deletes what is not needed") {
  Lake lake;
  for (int i = 0; i < 3; ++i) lake.write(kRows, Lake::usual());
  auto packed = optimize_delta(lake.path, "", "", {"id"}, lake.connection);
  CHECK(packed.files_removed == 3);
  CHECK(packed.files_added == 1);
  CHECK(lake.read("count(*), sum(id)") == Rows{"18|45"});
  delete_rows(lake.target(), "t_id > 0", "", lake.connection);
  auto restored = restore_delta(lake.path, 1);
  CHECK(restored.num_of_files_after_restore == 2);
  CHECK(lake.read("count(*)") == Rows{"12"});
  CHECK(condition_of([&] { vacuum_delta(lake.path, 0, false); }) == "DELTA_VACUUM_RETENTION_PERIOD_TOO_SHORT");
  CHECK(vacuum_delta(lake.path, std::nullopt, true).paths.empty());
  CHECK(vacuum_delta(lake.path, -1, false, false).paths.size() == 3);  // one hour ahead: all that is not live
  CHECK(lake.read("count(*)") == Rows{"12"});
}

TEST_CASE("rows of a file that is gone or of a damaged deletion vector are an error, not an absence") {
  Lake lake;
  lake.write(kRows, Lake::usual(), plan::SaveMode::kErrorIfExists, [](DeltaWriteRequest& w) { w.properties = {{"delta.enableDeletionVectors", "true"}}; });
  delete_rows(lake.target(), "t_id = 3", "", lake.connection);
  auto snapshot = delta::Table::at(lake.path)->snapshot();
  std::filesystem::remove(delta::deletion_vector_path(lake.path, *snapshot->files()[0]->deletion_vector));
  CHECK(condition_of([&] { lake.read(); }) == "FAILED_READ_FILE.FILE_NOT_EXIST");
  std::filesystem::remove(delta::resolve_path(lake.path, snapshot->files()[0]->path));
  CHECK(condition_of([&] { lake.read(); }) == "FAILED_READ_FILE.FILE_NOT_EXIST");
}
