// Expected values: Apache Spark 4.2.0.
#include <doctest/doctest.h>
#include <unistd.h>
#include <zlib.h>

#include <filesystem>
#include <fstream>

#include "base/spark_error.h"
#include "duckdb.hpp"
#include "engine/delta_scan.h"
#include "engine/sources/source.h"
#include "plan/session_conf.h"

using namespace tarn;
using namespace tarn::engine;
namespace fs = std::filesystem;

namespace {

struct Fixture {
  fs::path dir = fs::temp_directory_path() / ("tarn_sources_" + std::to_string(getpid()));
  duckdb::DuckDB db{nullptr};
  duckdb::Connection connection{db};
  plan::SessionConf conf;
  std::shared_ptr<const sources::FileRelation> relation;

  Fixture() {
    fs::remove_all(dir);
    fs::create_directories(dir);
    sources::register_file_scans(*db.instance);
    register_delta_scan(*db.instance);
    connection.Query("SET TimeZone = 'UTC'");
    conf.set("spark.sql.session.timeZone", "UTC");
  }
  ~Fixture() { fs::remove_all(dir); }

  std::string file(const std::string& name, const std::string& content) {
    fs::create_directories((dir / name).parent_path());
    std::ofstream(dir / name, std::ios::binary) << content;
    return (dir / name).string();
  }

  void load(const std::string& format, const std::string& path, sources::OptionPairs options = {},
            std::optional<plan::DataType> schema = std::nullopt) {
    sources::SourceRequest r;
    r.format = format;
    r.paths = {path};
    r.options = std::move(options);
    r.user_schema = schema;
    relation = sources::load_files(r, conf);
  }
  // Rows as text, "a|b;c|d", in the order of the file.
  std::string rows(std::vector<size_t> columns = {}) {
    if (columns.empty()) {
      for (size_t i = 0; i < relation->schema().fields().size(); ++i) columns.push_back(i);
    }
    auto result = connection.Query(relation->scan_sql(columns));
    if (result->HasError()) return "error: " + result->GetError();
    std::string out;
    for (size_t r = 0; r < result->RowCount(); ++r) {
      if (r) out += ";";
      for (size_t c = 0; c < columns.size(); ++c) out += (c ? "|" : "") + result->GetValue(c, r).ToString();
    }
    return out;
  }
  std::string schema() { return relation->schema().catalog_string(); }
};

std::string condition(const std::function<void()>& f) {
  try {
    f();
  } catch (const SparkError& e) {
    return e.condition();
  }
  return "";
}

}  // namespace

TEST_CASE_FIXTURE(Fixture, "csv: header, types and quotes") {
  auto p = file("a.csv", "id,name,price,day,at,ok\n1,\"a,b\",1.5,2024-02-29,2024-02-29 12:00:00,true\n2,,2,2024-03-01,2024-03-01T01:02:03.5,false\n");
  load("csv", p, {{"HEADER", "true"}, {"inferSchema", "TRUE"}});
  CHECK(schema() == "struct<id:int,name:string,price:double,day:date,at:timestamp,ok:boolean>");
  CHECK(rows() ==
        "1|a,b|1.5|2024-02-29|2024-02-29 12:00:00+00|true;2|NULL|2.0|2024-03-01|2024-03-01 01:02:03.5+00|false");
  CHECK(rows({2, 0}) == "1.5|1;2.0|2");
  load("csv", p);
  CHECK(schema() == "struct<_c0:string,_c1:string,_c2:string,_c3:string,_c4:string,_c5:string>");
}

TEST_CASE_FIXTURE(Fixture, "csv: quotes as univocity takes them") {
  auto p = file("q.csv", "\"a\"\"b\",c\n\"a\\\"b\",c\n\"a\"x,c\n\"a\" ,c\na\"b,c\n\"a,c\n");
  load("csv", p);
  CHECK(rows() == "\"a\"\"b\"|c;a\"b|c;\"a\"x|c;a|c;a\"b|c;a,c|NULL");
  load("csv", p, {{"escape", "\""}});
  CHECK(rows({0}) == "a\"b;\"a\\\"b\";\"a\"x;a;a\"b;a,c");
}

TEST_CASE_FIXTURE(Fixture, "csv: modes and the corrupt record") {
  auto p = file("m.csv", "1,a\nx,b\n3\n4,d,e\n");
  auto type = plan::DataType::structure({plan::make_field("i", plan::TypeId::kInt), plan::make_field("s", plan::TypeId::kString)});
  load("csv", p, {}, type);
  CHECK(rows() == "1|a;NULL|b;3|NULL;4|d");
  load("csv", p, {{"mode", "DROPMALFORMED"}}, type);
  CHECK(rows() == "1|a");
  load("csv", p, {{"mode", "FAILFAST"}}, type);
  CHECK(rows().find("MALFORMED_RECORD_IN_PARSING") != std::string::npos);
  auto with = plan::DataType::structure({plan::make_field("i", plan::TypeId::kInt), plan::make_field("s", plan::TypeId::kString),
                                         plan::make_field("_corrupt_record", plan::TypeId::kString)});
  load("csv", p, {}, with);
  CHECK(rows() == "1|a|NULL;NULL|b|x,b;3|NULL|3;4|d|4,d,e");
  CHECK(rows({2}).find("QUERY_ONLY_CORRUPT_RECORD_COLUMN") != std::string::npos);
}

TEST_CASE_FIXTURE(Fixture, "csv: multiLine, comments, separators, encodings") {
  auto p = file("ml.csv", "a,\"x\r\ny\"\r\n\r\nb,z\r\n");
  load("csv", p, {{"multiLine", "true"}});
  CHECK(rows() == "a|x\ny;b|z");
  load("csv", file("c.csv", "# no\na||b\n  \nc||d\n"), {{"comment", "#"}, {"sep", "||"}});
  CHECK(rows() == "a|b;c|d");
  load("csv", file("l1.csv", "\xe9t\xe9,1\n"), {{"encoding", "ISO-8859-1"}});
  CHECK(rows() == "\xc3\xa9t\xc3\xa9|1");
  load("csv", file("bad.csv", "a\xff,1\n"));
  CHECK(rows() == "a\xef\xbf\xbd|1");
  load("csv", file("ws.csv", " a , b \n"), {{"ignoreLeadingWhiteSpace", "true"}, {"ignoreTrailingWhiteSpace", "true"}});
  CHECK(rows() == "a|b");
}

TEST_CASE_FIXTURE(Fixture, "csv: compressed files, and a truncated one names itself") {
  std::string text;
  for (int i = 0; i < 200000; ++i) text += std::to_string(i) + ",some text that is long enough " + std::to_string(i) + "\n";
  auto gz = (dir / "b.csv.gz").string();
  gzFile g = gzopen(gz.c_str(), "wb1");
  gzwrite(g, text.data(), static_cast<unsigned>(text.size()));
  gzclose(g);
  load("csv", gz, {{"inferSchema", "true"}});
  CHECK(schema() == "struct<_c0:int,_c1:string>");
  auto r = connection.Query("SELECT count(*), sum(i), count(DISTINCT s), bool_and(i = rn) FROM (SELECT *, row_number() OVER () - 1 AS rn FROM (" +
                            relation->scan_sql({0, 1}) + ") AS t(i, s))");
  REQUIRE_FALSE(r->HasError());
  CHECK(r->GetValue(0, 0).ToString() == "200000");
  CHECK(r->GetValue(1, 0).ToString() == "19999900000");
  CHECK(r->GetValue(2, 0).ToString() == "200000");
  CHECK(r->GetValue(3, 0).ToString() == "true");
  CHECK(connection.Query("SELECT count(*) FROM (" + relation->scan_sql({}) + ")")->GetValue(0, 0).ToString() == "200000");
  fs::resize_file(gz, fs::file_size(gz) / 2);
  CHECK(condition([&] { load("csv", gz, {{"inferSchema", "true"}}); }) == "FAILED_READ_FILE.NO_HINT");
  load("csv", gz);
  CHECK(rows().find("b.csv.gz") != std::string::npos);
  load("csv", gz, {{"ignoreCorruptFiles", "true"}});
  CHECK(rows({0}).find("error") == std::string::npos);
}

TEST_CASE_FIXTURE(Fixture, "json: types, nesting, inference") {
  load("json", file("a.json", "{\"b\":1,\"a\":{\"x\":[1,2.5],\"y\":null}}\n{\"a\":{\"z\":\"t\"},\"c\":true}\n\n{'b': 3}\n"));
  CHECK(schema() == "struct<a:struct<x:array<double>,y:string,z:string>,b:bigint,c:boolean>");
  CHECK(rows() == "{'x': [1.0, 2.5], 'y': NULL, 'z': NULL}|1|NULL;{'x': NULL, 'y': NULL, 'z': t}|NULL|true;NULL|3|NULL");
}

TEST_CASE_FIXTURE(Fixture, "json: bad records") {
  auto p = file("b.json", "{\"a\":1,\"b\":\"x\"}\n{\"a\":\"no\",\"b\":\"y\"}\n{\"a\":3,\n[{\"a\":4},{\"a\":5}]\n17\n");
  load("json", p);
  CHECK(schema() == "struct<_corrupt_record:string,a:string,b:string>");
  auto type = plan::DataType::structure({plan::make_field("a", plan::TypeId::kInt), plan::make_field("b", plan::TypeId::kString),
                                         plan::make_field("_corrupt_record", plan::TypeId::kString)});
  load("json", p, {}, type);
  CHECK(rows() == "1|x|NULL;NULL|y|{\"a\":\"no\",\"b\":\"y\"};NULL|NULL|{\"a\":3,;4|NULL|NULL;5|NULL|NULL;NULL|NULL|17");
  load("json", p, {{"mode", "DROPMALFORMED"}}, type);
  CHECK(rows({0}) == "1;4;5");
  load("json", p, {{"mode", "FAILFAST"}}, type);
  CHECK(rows().find("MALFORMED_RECORD_IN_PARSING") != std::string::npos);
}

TEST_CASE_FIXTURE(Fixture, "json: strings keep the text of other values; maps; multiLine") {
  using plan::DataType;
  auto type = DataType::structure({plan::make_field("s", plan::TypeId::kString),
                                   plan::make_field("m", DataType::map(plan::TypeId::kString, plan::TypeId::kInt)),
                                   plan::make_field("d", DataType::decimal(10, 2)), plan::make_field("t", plan::TypeId::kTimestamp)});
  auto p = file("c.json", "[{\"s\": {\"k\": [1, 2.0]}, \"m\": {\"x\":1,\"y\":2}, \"d\": \"1,234.567\", \"t\": 60},\n {\"s\": 1.50, \"d\": 1e3}]");
  load("json", p, {{"multiLine", "true"}}, type);
  CHECK(rows() == "{\"k\": [1, 2.0]}|{x=1, y=2}|1234.57|1970-01-01 00:01:00+00;1.50|NULL|1000.00|NULL");
}

TEST_CASE_FIXTURE(Fixture, "paths: partitions, globs, filters, metadata") {
  file("t/k=1/d=2024-01-01/a.csv", "x\n");
  file("t/k=2/d=__HIVE_DEFAULT_PARTITION__/b.csv", "y\n");
  file("t/_SUCCESS", "");
  file("t/k=2/d=__HIVE_DEFAULT_PARTITION__/.hidden", "z\n");
  load("csv", (dir / "t").string());
  CHECK(schema() == "struct<_c0:string,k:int,d:date>");
  CHECK(rows() == "x|1|2024-01-01;y|2|NULL");
  CHECK(rows({3}).find("'file_name': a.csv") != std::string::npos);
  auto r = connection.Query("SELECT a FROM (" + relation->scan_sql({0, 1}) + ") AS s(a, b) WHERE b = 2");
  CHECK(r->GetValue(0, 0).ToString() == "y");
  load("csv", (dir / "t/k=1/d=*").string());
  CHECK(schema() == "struct<_c0:string>");
  CHECK(condition([&] { load("csv", (dir / "t/k=*").string()); }) == "CONFLICTING_DIRECTORY_STRUCTURES");
  load("csv", (dir / "t/k=1").string(), {{"basePath", (dir / "t").string()}});
  CHECK(schema() == "struct<_c0:string,k:int,d:date>");
  load("text", (dir / "t").string(), {{"recursiveFileLookup", "true"}, {"pathGlobFilter", "b*"}});
  CHECK(rows() == "y");
  CHECK(condition([&] { load("csv", (dir / "none").string()); }) == "PATH_NOT_FOUND");
  CHECK(condition([&] { load("csv", (dir / "t/q=*").string()); }) == "PATH_NOT_FOUND");
  fs::create_directories(dir / "empty");
  CHECK(condition([&] { load("json", (dir / "empty").string()); }) == "UNABLE_TO_INFER_SCHEMA");
  CHECK(condition([&] { load("nope", (dir / "t").string()); }) == "DATA_SOURCE_NOT_FOUND");
  load("binaryFile", (dir / "t").string(), {{"pathGlobFilter", "*.csv"}});
  CHECK(schema() == "struct<path:string,modificationTime:timestamp,length:bigint,content:binary,k:int,d:date>");
  CHECK(rows({2, 3, 4}) == "2|x\\x0A|1;2|y\\x0A|2");
}

TEST_CASE_FIXTURE(Fixture, "parquet: footer types, partitions, a damaged file") {
  fs::create_directories(dir / "p/k=a");
  fs::create_directories(dir / "p/k=b");
  connection.Query("COPY (SELECT 1::INTEGER AS i, 'x' AS s, TIMESTAMPTZ '2024-01-01 00:00:00+00' AS t) TO '" + (dir / "p/k=a/1.parquet").string() + "'");
  connection.Query("COPY (SELECT 2::INTEGER AS i, 'y' AS s, TIMESTAMPTZ '2024-01-02 00:00:00+00' AS t, 5 AS more) TO '" +
                   (dir / "p/k=b/2.parquet").string() + "'");
  load("parquet", (dir / "p").string());
  CHECK(schema() == "struct<i:int,s:string,t:timestamp,k:string>");
  CHECK(rows() == "1|x|2024-01-01 00:00:00+00|a;2|y|2024-01-02 00:00:00+00|b");
  load("parquet", (dir / "p").string(), {{"mergeSchema", "true"}});
  CHECK(rows({0, 3, 4}) == "1|NULL|a;2|5|b");
  CHECK(rows({5}).find("row_index") != std::string::npos);
  fs::resize_file(dir / "p/k=a/1.parquet", 100);
  CHECK(condition([&] { load("parquet", (dir / "p").string()); }) == "FAILED_READ_FILE.CANNOT_READ_FILE_FOOTER");
}
