// Expected values: Apache Spark 4.2.0 (tests/sources/answers.json).
#include <doctest/doctest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <map>

#include "base/spark_error.h"
#include "duckdb.hpp"
#include "engine/delta_scan.h"
#include "engine/sinks/file_sink.h"
#include "engine/sources/source.h"
#include "plan/session_conf.h"

using namespace tarn;
using namespace tarn::engine;
namespace fs = std::filesystem;

namespace {

struct SinkFixture {
  fs::path dir = fs::temp_directory_path() / ("tarn_sinks_" + std::to_string(getpid()));
  duckdb::DuckDB db{nullptr};
  duckdb::Connection connection{db};
  plan::SessionConf conf;
  sinks::WriteRequest request;

  SinkFixture() {
    fs::remove_all(dir);
    fs::create_directories(dir);
    sources::register_file_scans(*db.instance);
    register_delta_scan(*db.instance);
    connection.Query("SET TimeZone = 'UTC'");
    conf.set("spark.sql.session.timeZone", "UTC");
    request.path = (dir / "out").string();
    request.format = "csv";
    request.query = "SELECT * FROM (VALUES (1, 'a,b', TIMESTAMPTZ '2024-01-02 03:04:05.678+00', 1.5::DOUBLE), (2, '', NULL, 1e20), (3, NULL, NULL, 1e-5),"
                    " (4, 'say \"hi\"', NULL, 'NaN')) t(i, s, w, d)";
    request.schema = plan::DataType::structure({plan::make_field("i", plan::TypeId::kInt), plan::make_field("s", plan::TypeId::kString),
                                                plan::make_field("at", plan::TypeId::kTimestamp), plan::make_field("d", plan::TypeId::kDouble)});
  }
  ~SinkFixture() { fs::remove_all(dir); }

  sinks::WriteResult write() { return sinks::write_files(request, conf, connection); }
  // Relative path (ids out) -> content.
  std::map<std::string, std::string> files() {
    std::map<std::string, std::string> out;
    for (const auto& e : fs::recursive_directory_iterator(dir)) {
      if (!e.is_regular_file()) continue;
      std::string name = fs::relative(e.path(), dir).string();
      if (size_t at = name.find("part-00000-"); at != std::string::npos) name.replace(at + 11, 36, "ID");
      std::ifstream in(e.path(), std::ios::binary);
      out[name] = std::string((std::istreambuf_iterator<char>(in)), {});
    }
    return out;
  }
  std::string condition() {
    try {
      write();
    } catch (const SparkError& e) {
      return e.condition();
    }
    return "";
  }
};

}  // namespace

TEST_CASE_FIXTURE(SinkFixture, "sinks: csv lines are Spark's") {
  auto result = write();
  CHECK(result.rows == 4);
  CHECK(result.files.size() == 1);
  auto f = files();
  CHECK(f.size() == 2);
  CHECK(f.count("out/_SUCCESS") == 1);
  CHECK(f["out/part-00000-ID-c000.csv"] == "1,\"a,b\",2024-01-02T03:04:05.678Z,1.5\n2,\"\",,1.0E20\n3,,,1.0E-5\n4,\"say \\\"hi\\\"\",,NaN\n");
  CHECK(condition() == "PATH_ALREADY_EXISTS");
  request.mode = plan::SaveMode::kIgnore;
  CHECK(write().rows == 0);
  request.mode = plan::SaveMode::kAppend;
  request.options = {{"header", "true"}, {"quoteAll", "true"}};
  write();
  CHECK(files().size() == 2);  // ids are cut off: the two part files have one name here
  request.mode = plan::SaveMode::kOverwrite;
  write();
  f = files();
  CHECK(f["out/part-00000-ID-c000.csv"] ==
        "\"i\",\"s\",\"at\",\"d\"\n\"1\",\"a,b\",\"2024-01-02T03:04:05.678Z\",\"1.5\"\n\"2\",\"\",\"\",\"1.0E20\"\n\"3\",\"\",\"\",\"1.0E-5\"\n"
        "\"4\",\"say \\\"hi\\\"\",\"\",\"NaN\"\n");
  size_t entries = 0;
  for (const auto& e : fs::directory_iterator(dir)) entries += e.path().filename() != "";
  CHECK(entries == 1);  // no staging directory is left
}

TEST_CASE_FIXTURE(SinkFixture, "sinks: json") {
  request.format = "json";
  write();
  CHECK(files()["out/part-00000-ID-c000.json"] ==
        "{\"i\":1,\"s\":\"a,b\",\"at\":\"2024-01-02T03:04:05.678Z\",\"d\":1.5}\n{\"i\":2,\"s\":\"\",\"d\":1.0E20}\n{\"i\":3,\"d\":1.0E-5}\n"
        "{\"i\":4,\"s\":\"say \\\"hi\\\"\",\"d\":\"NaN\"}\n");
  request.query = "SELECT [1, NULL, 3] AS a, MAP {'k': 1} AS m, {'x': 1.5::DOUBLE, 'y': NULL::VARCHAR} AS s";
  using plan::DataType;
  request.schema = DataType::structure(
      {plan::make_field("a", DataType::array(plan::TypeId::kInt)), plan::make_field("m", DataType::map(plan::TypeId::kString, plan::TypeId::kInt)),
       plan::make_field("s", DataType::structure({plan::make_field("x", plan::TypeId::kDouble), plan::make_field("y", plan::TypeId::kString)}))});
  request.mode = plan::SaveMode::kOverwrite;
  write();
  CHECK(files()["out/part-00000-ID-c000.json"] == "{\"a\":[1,null,3],\"m\":{\"k\":1},\"s\":{\"x\":1.5}}\n");
  request.options = {{"pretty", "true"}};
  write();
  CHECK(files()["out/part-00000-ID-c000.json"] ==
        "{\n  \"a\" : [ 1, null, 3 ],\n  \"m\" : {\n    \"k\" : 1\n  },\n  \"s\" : {\n    \"x\" : 1.5\n  }\n}\n");
}

TEST_CASE_FIXTURE(SinkFixture, "sinks: partitions, static and dynamic overwrite") {
  request.partition_by = {"s", "d"};
  write();
  auto f = files();
  CHECK(f["out/s=a,b/d=1.5/part-00000-ID.c000.csv"] == "1,2024-01-02T03:04:05.678Z\n");
  CHECK(f["out/s=__HIVE_DEFAULT_PARTITION__/d=1.0E20/part-00000-ID.c000.csv"] == "2,\n");
  CHECK(f["out/s=say %22hi%22/d=NaN/part-00000-ID.c000.csv"] == "4,\n");
  CHECK(f.size() == 5);
  request.query = "SELECT 9, 'a,b', NULL::TIMESTAMPTZ, 1.5::DOUBLE";
  request.mode = plan::SaveMode::kOverwrite;
  conf.set("spark.sql.sources.partitionOverwriteMode", "dynamic");
  write();
  f = files();
  CHECK(f.size() == 5);
  CHECK(f["out/s=a,b/d=1.5/part-00000-ID.c000.csv"] == "9,\n");
  request.options = {{"partitionOverwriteMode", "STATIC"}};
  write();
  CHECK(files().size() == 2);
  request.partition_by = {"z"};
  CHECK(condition() == "_LEGACY_ERROR_TEMP_1155");
}

TEST_CASE_FIXTURE(SinkFixture, "sinks: parquet is read back, whole and partitioned") {
  request.format = "parquet";
  CHECK(write().rows == 4);
  CHECK(files().count("out/part-00000-ID-c000.snappy.parquet") == 1);
  sources::SourceRequest read;
  read.format = "parquet";
  read.paths = {request.path};
  auto rel = sources::load_files(read, conf);
  CHECK(rel->schema().catalog_string() == "struct<i:int,s:string,at:timestamp,d:double>");
  request.mode = plan::SaveMode::kOverwrite;
  request.partition_by = {"s"};
  request.options = {{"maxRecordsPerFile", "1"}, {"compression", "zstd"}};
  CHECK(write().rows == 4);
  auto f = files();
  CHECK(f.count("out/s=a,b/part-00000-ID.c000.zstd.parquet") == 1);
  CHECK(f.count("out/s=__HIVE_DEFAULT_PARTITION__/part-00000-ID.c001.zstd.parquet") == 1);
  rel = sources::load_files(read, conf);
  auto rows = connection.Query("SELECT i, s FROM (" + rel->scan_sql({0, 3}) + ") AS t(i, s) ORDER BY i");
  REQUIRE_FALSE(rows->HasError());
  CHECK(rows->RowCount() == 4);
  CHECK(rows->GetValue(1, 3).ToString() == "say \"hi\"");
}

TEST_CASE_FIXTURE(SinkFixture, "sinks: a failing query leaves the target as it was") {
  write();
  auto before = files();
  request.mode = plan::SaveMode::kOverwrite;
  request.query = "SELECT i::INTEGER, 'x', NULL::TIMESTAMPTZ, (CASE WHEN i = 99999 THEN error('boom') ELSE 1 END)::DOUBLE FROM range(100000) r(i)";
  CHECK_THROWS(write());
  CHECK(files() == before);
  request.query = "SELECT 1, 'x', NULL::TIMESTAMPTZ, 1.0::DOUBLE";
  CHECK_THROWS(sinks::write_files(request, conf, connection, [] { return true; }));
  CHECK(files() == before);
}

TEST_CASE_FIXTURE(SinkFixture, "sinks: compressed text comes back; refused types") {
  for (const char* codec : {"gzip", "bzip2", "deflate", "zstd", "snappy", "lz4"}) {
    request.mode = plan::SaveMode::kOverwrite;
    request.options = {{"compression", codec}};
    write();
    sources::SourceRequest read;
    read.format = "csv";
    read.paths = {request.path};
    auto rel = sources::load_files(read, conf);
    auto rows = connection.Query(rel->scan_sql({1}));
    REQUIRE_MESSAGE(!rows->HasError(), rows->GetError());
    CHECK(rows->RowCount() == 4);
    CHECK(rows->GetValue(0, 0).ToString() == "a,b");
  }
  request.options = {{"compression", "nope"}};
  CHECK(condition() == "CODEC_NOT_AVAILABLE.WITH_AVAILABLE_CODECS_SUGGESTION");
  request.options = {};
  request.format = "text";
  CHECK(condition() == "UNSUPPORTED_DATA_TYPE_FOR_DATASOURCE");
}
