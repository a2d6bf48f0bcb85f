#include "catalog/catalog.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <doctest/doctest.h>

#include <atomic>
#include <filesystem>
#include <thread>

#include "base/ids.h"
#include "base/spark_error.h"
#include "base/sqlite.h"

namespace {

using namespace tarn;
using namespace tarn::catalog;
namespace fs = std::filesystem;

struct TempDir {
  fs::path path = fs::temp_directory_path() / ("tarn-catalog-" + random_uuid());
  TempDir() { fs::create_directories(path); }
  ~TempDir() { fs::remove_all(path); }
  std::string db() const { return path / "tarn.db"; }
  std::string warehouse() const { return path / "warehouse"; }
};

TableInfo table(const std::string& schema, const std::string& name) {
  TableInfo t;
  t.catalog = kSessionCatalog;
  t.schema = schema;
  t.name = name;
  t.provider = "parquet";
  t.schema_json = R"({"type":"struct","fields":[]})";
  return t;
}

template <class F> std::string condition_of(F&& f) {
  try {
    f();
  } catch (const SparkError& e) {
    return e.condition();
  }
  return "none";
}

TEST_CASE("a new catalog holds spark_catalog.default at the warehouse") {
  TempDir dir;
  Catalog c(dir.db(), dir.warehouse());
  REQUIRE(c.list_catalogs().size() == 1);
  auto schema = c.get_schema("SPARK_CATALOG", "Default");
  REQUIRE(schema);
  CHECK(schema->location == "file:" + dir.warehouse());
  CHECK(schema->comment == "default database");
  CHECK(c.default_table_location(kSessionCatalog, "default", "T1") == "file:" + dir.warehouse() + "/t1");
  c.create_schema({kSessionCatalog, "Sales"}, false);
  CHECK(c.get_schema(kSessionCatalog, "SALES")->name == "sales");
  CHECK(c.default_table_location(kSessionCatalog, "sales", "t") == "file:" + dir.warehouse() + "/sales.db/t");
}

TEST_CASE("everything of a table survives closing the catalog") {
  TempDir dir;
  {
    Catalog c(dir.db(), dir.warehouse());
    TableInfo t = table("default", "People");
    t.partition_columns = {"day"};
    t.clustering_columns = {"a", "b"};
    t.bucket = BucketSpec{4, {"a"}, {"b"}};
    t.properties = {{"k", "v"}, {"emoji", "\xF0\x9F\x98\x80"}};
    t.options = {{"header", "true"}};
    t.comment = "it's";
    t.owner = "ann";
    t.stats.row_count = 3;
    t.stats.columns["a"] = {{"min", "1"}};
    t.constraints = {{"c1", "CHECK", "a > 0"}};
    t.tracks_partitions = true;
    c.create_table(t, false);
    TableInfo v = table("default", "view1");
    v.type = TableType::kView;
    v.view_text = "SELECT 1";
    v.view_namespace = {"default"};
    v.view_configs = {{"spark.sql.ansi.enabled", "true"}};
    v.view_query_columns = {"1"};
    v.view_schema_mode = "COMPENSATION";
    c.create_table(v, false);
  }
  Catalog c(dir.db(), dir.warehouse());
  auto t = c.get_table(kSessionCatalog, "DEFAULT", "PEOPLE");
  REQUIRE(t);
  CHECK(t->name == "people");
  CHECK(t->id > 0);
  CHECK(t->location == "file:" + dir.warehouse() + "/people");
  CHECK(t->partition_columns == std::vector<std::string>{"day"});
  CHECK(t->clustering_columns.size() == 2);
  CHECK(t->bucket == BucketSpec{4, {"a"}, {"b"}});
  CHECK(t->properties.at("emoji") == "\xF0\x9F\x98\x80");
  CHECK(t->options == Pairs{{"header", "true"}});
  CHECK(t->comment == "it's");
  CHECK(t->owner == "ann");
  CHECK(t->stats.row_count == 3);
  CHECK(t->stats.columns.at("a").at("min") == "1");
  CHECK(t->constraints.at(0).definition == "a > 0");
  CHECK(t->tracks_partitions);
  auto v = c.get_table(kSessionCatalog, "default", "view1");
  REQUIRE(v);
  CHECK(v->is_view());
  CHECK(v->location.empty());
  CHECK(v->view_configs.at("spark.sql.ansi.enabled") == "true");
}

TEST_CASE("names that are taken or missing raise Spark's conditions") {
  TempDir dir;
  Catalog c(dir.db(), dir.warehouse());
  c.create_table(table("default", "t"), false);
  CHECK(condition_of([&] { c.create_table(table("default", "T"), false); }) == "TABLE_OR_VIEW_ALREADY_EXISTS");
  CHECK_FALSE(c.create_table(table("default", "T"), true));
  CHECK(condition_of([&] { c.create_table(table("nope", "t"), false); }) == "SCHEMA_NOT_FOUND");
  CHECK(condition_of([&] { c.drop_table(kSessionCatalog, "default", "x", false); }) == "TABLE_OR_VIEW_NOT_FOUND");
  CHECK_FALSE(c.drop_table(kSessionCatalog, "default", "x", true));
  CHECK(condition_of([&] { c.create_schema({kSessionCatalog, "DEFAULT"}, false); }) == "SCHEMA_ALREADY_EXISTS");
  CHECK_FALSE(c.create_schema({kSessionCatalog, "default"}, true));
  CHECK(condition_of([&] { c.create_schema({"other", "a"}, false); }) == "CATALOG_NOT_FOUND");
  CHECK(condition_of([&] { c.drop_schema(kSessionCatalog, "default", false, true); }) == "UNSUPPORTED_FEATURE.DROP_DATABASE");
  CHECK(condition_of([&] { c.drop_schema(kSessionCatalog, "nope", false, false); }) == "SCHEMA_NOT_FOUND");
  c.create_schema({kSessionCatalog, "s"}, false);
  c.create_table(table("s", "t"), false);
  CHECK(condition_of([&] { c.drop_schema(kSessionCatalog, "s", false, false); }) == "SCHEMA_NOT_EMPTY");
  CHECK(c.drop_schema(kSessionCatalog, "s", false, true).size() == 1);
  CHECK(condition_of([&] { c.list_tables(kSessionCatalog, "s"); }) == "SCHEMA_NOT_FOUND");
}

TEST_CASE("other catalogs keep the spelling of names and find them in any case") {
  TempDir dir;
  Catalog c(dir.db(), dir.warehouse());
  c.create_catalog({"Prod"}, false);
  c.create_schema({"prod", "Sales"}, false);
  TableInfo t = table("SALES", "Orders");
  t.catalog = "PROD";
  c.create_table(t, false);
  auto found = c.get_table("prod", "sales", "orders");
  REQUIRE(found);
  CHECK(found->full_name() == std::vector<std::string>{"Prod", "Sales", "Orders"});
  CHECK(condition_of([&] { c.drop_catalog("prod", false, false); }) == "SCHEMA_NOT_EMPTY");
  c.drop_catalog("prod", false, true);
  CHECK_FALSE(c.get_catalog("Prod"));
}

TEST_CASE("renaming a managed table moves its data, or nothing happens at all") {
  TempDir dir;
  Catalog c(dir.db(), dir.warehouse());
  auto stored = c.create_table(table("default", "a"), false);
  c.add_partitions(*stored, {{{{"p", "1"}}, stored->location + "/p=1"}}, false);
  c.create_table(table("default", "b"), false);
  int moves = 0;
  auto move = [&](const std::string&, const std::string&) { ++moves; };
  CHECK(condition_of([&] { c.rename_table(kSessionCatalog, "default", "a", "default", "B", move); }) == "TABLE_OR_VIEW_ALREADY_EXISTS");
  CHECK(moves == 0);
  CHECK_THROWS(c.rename_table(kSessionCatalog, "default", "a", "default", "c",
                              [](const std::string&, const std::string&) { throw std::runtime_error("disk full"); }));
  CHECK(c.get_table(kSessionCatalog, "default", "a"));
  CHECK_FALSE(c.get_table(kSessionCatalog, "default", "c"));
  auto renamed = c.rename_table(kSessionCatalog, "default", "a", "default", "c", move);
  CHECK(moves == 1);
  CHECK(renamed.location == "file:" + dir.warehouse() + "/c");
  CHECK(c.list_partitions(renamed).at(0).location == renamed.location + "/p=1");
}

TEST_CASE("a partition is listed once") {
  TempDir dir;
  Catalog c(dir.db(), dir.warehouse());
  auto t = *c.create_table(table("default", "a"), false);
  c.add_partitions(t, {{{{"p", "1"}}, "file:/x"}, {{{"p", "2"}}, "file:/y"}}, false);
  CHECK(condition_of([&] { c.add_partitions(t, {{{{"p", "3"}}, ""}, {{{"p", "1"}}, ""}}, false); }) == "PARTITIONS_ALREADY_EXIST");
  CHECK(c.list_partitions(t).size() == 2);  // the failed call left nothing
  CHECK(condition_of([&] { c.drop_partitions(t, {{{"p", "9"}}}, false); }) == "PARTITIONS_NOT_FOUND");
  CHECK(c.drop_partitions(t, {{{"p", "1"}}}, false).at(0).location == "file:/x");
  c.rename_partition(t, {{"p", "2"}}, {{{"p", "4"}}, "file:/z"});
  CHECK(c.list_partitions(t).at(0).spec == Pairs{{"p", "4"}});
}

TEST_CASE("functions keep their serialized definition byte for byte") {
  TempDir dir;
  Catalog c(dir.db(), dir.warehouse());
  FunctionInfo f;
  f.catalog = kSessionCatalog;
  f.schema = "default";
  f.name = "Area";
  f.definition = std::string("\x00\x01\xff", 3);
  f.configs = {{"spark.sql.ansi.enabled", "false"}};
  CHECK(c.create_function(f, Catalog::OnExisting::kFail));
  CHECK(condition_of([&] { c.create_function(f, Catalog::OnExisting::kFail); }) == "ROUTINE_ALREADY_EXISTS");
  CHECK_FALSE(c.create_function(f, Catalog::OnExisting::kIgnore));
  CHECK(c.create_function(f, Catalog::OnExisting::kReplace));
  auto found = c.get_function(kSessionCatalog, "default", "AREA");
  REQUIRE(found);
  CHECK(found->definition == f.definition);
  CHECK(found->configs == f.configs);
  CHECK(c.drop_function(kSessionCatalog, "default", "area", false));
  CHECK(condition_of([&] { c.drop_function(kSessionCatalog, "default", "area", false); }) == "ROUTINE_NOT_FOUND");
}

TEST_CASE("patterns of SHOW: star, alternatives, any case") {
  CHECK(matches_pattern("show_t1", "show_t*"));
  CHECK(matches_pattern("SHOW_T1", "x|show_t1"));
  CHECK_FALSE(matches_pattern("show_t1", "show_t"));
  CHECK(matches_pattern("abc", "a.c"));
  CHECK_FALSE(matches_pattern("abc", "["));
}

TEST_CASE("two processes that create the same table: one wins, the other is told") {
  TempDir dir;
  { Catalog c(dir.db(), dir.warehouse()); }
  constexpr int kProcesses = 4, kRounds = 25;
  std::vector<pid_t> children;
  for (int p = 0; p < kProcesses; ++p) {
    pid_t pid = fork();
    if (pid == 0) {
      int won = 0;
      try {
        Catalog c(dir.db(), dir.warehouse());
        for (int i = 0; i < kRounds; ++i) {
          try {
            c.create_table(table("default", "t" + std::to_string(i)), false);
            ++won;
          } catch (const SparkError& e) {
            if (e.condition() != "TABLE_OR_VIEW_ALREADY_EXISTS") _exit(200);
          }
        }
      } catch (...) {
        _exit(201);
      }
      _exit(won);
    }
    children.push_back(pid);
  }
  int total = 0;
  for (pid_t pid : children) {
    int status = 0;
    waitpid(pid, &status, 0);
    REQUIRE(WIFEXITED(status));
    REQUIRE(WEXITSTATUS(status) < 200);
    total += WEXITSTATUS(status);
  }
  CHECK(total == kRounds);
  CHECK(Catalog(dir.db(), dir.warehouse()).list_tables(kSessionCatalog, "default").size() == kRounds);
}

TEST_CASE("a process killed in the middle of a change leaves all of it or nothing") {
  TempDir dir;
  { Catalog c(dir.db(), dir.warehouse()); }
  for (int round = 0; round < 8; ++round) {
    int ready[2];
    REQUIRE(pipe(ready) == 0);
    pid_t pid = fork();
    if (pid == 0) {
      Catalog c(dir.db(), dir.warehouse());
      for (int i = 0;; ++i) {
        std::string schema = "s" + std::to_string(getpid()) + "_" + std::to_string(i);
        c.create_schema({kSessionCatalog, schema}, false);
        auto t = c.create_table(table(schema, "t"), false);
        std::vector<PartitionInfo> many;
        for (int p = 0; p < 50; ++p) many.push_back({{{"p", std::to_string(p)}}, "file:/x"});
        c.add_partitions(*t, many, false);
        if (i == 2 && write(ready[1], "x", 1) != 1) _exit(1);
      }
    }
    char byte;
    REQUIRE(read(ready[0], &byte, 1) == 1);
    usleep(1000 * round);
    kill(pid, SIGKILL);
    waitpid(pid, nullptr, 0);
    close(ready[0]);
    close(ready[1]);
  }
  Catalog c(dir.db(), dir.warehouse());
  size_t tables = 0;
  for (auto& schema : c.list_schemas(kSessionCatalog)) {
    for (auto& t : c.list_tables(kSessionCatalog, schema.name)) {
      ++tables;
      size_t n = c.list_partitions(t).size();
      CHECK((n == 0 || n == 50));
    }
  }
  CHECK(tables >= 24);
}

TEST_CASE("of many renames to one name exactly one succeeds") {
  TempDir dir;
  Catalog c(dir.db(), dir.warehouse());
  for (int i = 0; i < 8; ++i) c.create_table(table("default", "r" + std::to_string(i)), false);
  std::atomic<int> won{0}, lost{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&, i] {
      auto condition = condition_of([&] { c.rename_table(kSessionCatalog, "default", "r" + std::to_string(i), "default", "goal", nullptr); });
      if (condition == "none") ++won;
      if (condition == "TABLE_OR_VIEW_ALREADY_EXISTS") ++lost;
    });
  }
  for (auto& t : threads) t.join();
  CHECK(won == 1);
  CHECK(lost == 7);
  CHECK(c.list_tables(kSessionCatalog, "default").size() == 8);
}

TEST_CASE("concurrent changes of one table are not lost") {
  TempDir dir;
  Catalog c(dir.db(), dir.warehouse());
  c.create_table(table("default", "t"), false);
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&, i] {
      for (int k = 0; k < 10; ++k) {
        c.alter_table(kSessionCatalog, "default", "t", [&](TableInfo& t) { t.properties[std::to_string(i) + "_" + std::to_string(k)] = "v"; });
      }
    });
  }
  for (auto& t : threads) t.join();
  CHECK(c.get_table(kSessionCatalog, "default", "t")->properties.size() == 40);
}

TEST_CASE("a file written by a newer program is refused") {
  TempDir dir;
  { Catalog c(dir.db(), dir.warehouse()); }
  SqliteConnection(dir.db()).execute("PRAGMA user_version = 999");
  CHECK_THROWS_AS(Catalog(dir.db(), dir.warehouse()), SqliteError);
}

}  // namespace
