#include "delta/snapshot.h"

#include <unistd.h>

#include "delta/checkpoint.h"
#include "delta/log_cleanup.h"
#include "delta/retention.h"
#include "delta/table_features.h"
#include "delta/test_table.h"

using namespace tarn;
using namespace tarn::delta;
using namespace tarn::delta::testing;
using Paths = std::vector<std::string>;

TEST_CASE("the newest action of a path wins, and snapshots follow the log") {
  TestTable t;
  t.commit(0, TestTable::head() + TestTable::add("a") + TestTable::add("b"));
  auto table = t.open();
  CHECK(paths(*table->snapshot()) == Paths{"a", "b"});
  t.commit(1, TestTable::remove("a") + TestTable::add("c"));
  auto s = table->snapshot();
  CHECK(s->version() == 1);
  CHECK(paths(*s) == Paths{"b", "c"});
  CHECK(s->tombstones().size() == 1);
  CHECK(paths(*table->snapshot_at(0)) == Paths{"a", "b"});
  CHECK(condition_of([&] { table->snapshot_at(2); }) == "DELTA_VERSION_NOT_FOUND");
}

TEST_CASE("paths are compared decoded, and a removed file may come back") {
  TestTable t;
  t.commit(0, TestTable::head() + TestTable::add("p=a%20b/x"));
  t.commit(1, TestTable::remove("p=a b/x"));
  auto table = t.open();
  CHECK(table->snapshot()->files().empty());
  t.commit(2, TestTable::add("p=a%20b/x"));
  CHECK(table->snapshot()->files().size() == 1);
}

TEST_CASE("one file with two deletion vectors is two logical files") {
  TestTable t;
  auto with_dv = [](const char* action, const char* dv) {
    return std::string(R"({")") + action + R"(":{"path":"a","partitionValues":{},"size":1,"modificationTime":1,"deletionTimestamp":1,"dataChange":true,"deletionVector":{"storageType":"i","pathOrInlineDv":")" +
           dv + R"(","sizeInBytes":1,"cardinality":1}}})" "\n";
  };
  t.commit(0, TestTable::head() + with_dv("add", "one"));
  t.commit(1, with_dv("remove", "one") + with_dv("add", "two"));
  auto s = t.open()->snapshot();
  REQUIRE(s->files().size() == 1);
  CHECK(s->files()[0]->deletion_vector->path_or_inline_dv == "two");
}

TEST_CASE("damaged logs are refused by name") {
  SUBCASE("no table") {
    TestTable t;
    CHECK(condition_of([&] { t.open()->snapshot(); }) == "DELTA_TABLE_NOT_FOUND");
    CHECK(condition_of([&] { Table::at(t.path + "/none")->snapshot(); }) == "PATH_NOT_FOUND");
  }
  SUBCASE("a gap") {
    TestTable t;
    t.commit(0, TestTable::head());
    t.commit(2, TestTable::add("a"));
    CHECK(condition_of([&] { t.open()->snapshot(); }) == "DELTA_VERSIONS_NOT_CONTIGUOUS");
  }
  SUBCASE("a missing start") {
    TestTable t;
    t.commit(1, TestTable::head());
    CHECK(condition_of([&] { t.open()->snapshot(); }) == "DELTA_TRUNCATED_TRANSACTION_LOG");
  }
  SUBCASE("no protocol") {
    TestTable t;
    t.commit(0, TestTable::add("a"));
    CHECK(condition_of([&] { t.open()->snapshot(); }) == "DELTA_STATE_RECOVER_ERROR");
  }
  SUBCASE("not JSON") {
    TestTable t;
    t.commit(0, TestTable::head() + "{oops\n");
    CHECK(condition_of([&] { t.open()->snapshot(); }) == "INTERNAL_ERROR");
  }
}

TEST_CASE("features that are not known are refused by name") {
  auto with = [](const std::string& protocol) {
    TestTable t;
    std::string head = TestTable::head();
    t.commit(0, protocol + "\n" + head.substr(head.find('\n') + 1));
    return condition_of([&] { t.open()->snapshot(); });
  };
  CHECK(with(R"({"protocol":{"minReaderVersion":3,"minWriterVersion":7,"readerFeatures":["fromTheFuture"],"writerFeatures":["fromTheFuture"]}})") ==
        "DELTA_UNSUPPORTED_FEATURES_FOR_READ");
  CHECK(with(R"({"protocol":{"minReaderVersion":4,"minWriterVersion":7}})") == "DELTA_INVALID_PROTOCOL_VERSION");
  CHECK(with(R"({"protocol":{"minReaderVersion":1,"minWriterVersion":7,"writerFeatures":["fromTheFuture"]}})") == "");
  Protocol p;
  p.min_writer_version = 7;
  p.writer_features = {"fromTheFuture"};
  CHECK(condition_of([&] { check_writable(p, "/t"); }) == "DELTA_UNSUPPORTED_FEATURES_FOR_WRITE");
}

TEST_CASE("a checkpoint stands for the commits before it") {
  TestTable t;
  t.commit(0, TestTable::head(R"({"a":"b"})") + TestTable::add("a") + R"({"txn":{"appId":"x","version":7}})" "\n");
  t.commit(1, TestTable::remove("a") + TestTable::add("b", "q"));
  auto table = t.open();
  write_checkpoint(*table->snapshot(), 2);
  ::unlink(commit_path(t.path, 0).c_str());
  t.commit(2, TestTable::add("c"));
  // A fresh object: nothing comes from the cache.
  auto s = Snapshot::load(t.path, find_segment(t.path, std::nullopt));
  CHECK(s->checkpoint_version() == 1);
  CHECK(paths(*s) == Paths{"b", "c"});
  CHECK(s->files()[0]->partition_values.at("p") == "q");
  CHECK(s->files()[0]->stats == "{\"numRecords\":3}");
  CHECK(s->metadata().property("a") == "b");
  CHECK(s->transactions().at("x").version == 7);
  CHECK(s->protocol().min_writer_version == 2);

  SUBCASE("whatever _last_checkpoint says") {
    for (const char* hint : {"{broken", R"({"version":99})", R"({"version":"x"})", ""}) {
      t.log_file("_last_checkpoint", hint);
      CHECK(paths(*Snapshot::load(t.path, find_segment(t.path, std::nullopt))) == Paths{"b", "c"});
    }
  }
}

TEST_CASE("a damaged checkpoint does no harm while the commits are there") {
  TestTable t;
  t.commit(0, TestTable::head() + TestTable::add("a"));
  t.commit(1, TestTable::add("b"));
  t.log_file("00000000000000000001.checkpoint.parquet", "no parquet");
  CHECK(paths(*t.open()->snapshot()) == Paths{"a", "b"});
}

TEST_CASE("a multi-part checkpoint with a missing part is none") {
  TestTable t;
  t.commit(0, TestTable::head() + TestTable::add("a"));
  t.log_file("00000000000000000000.checkpoint.0000000001.0000000002.parquet", "x");
  CHECK(!find_segment(t.path, std::nullopt).checkpoint_version);
}

TEST_CASE("a compacted file stands for its commits") {
  TestTable t;
  t.commit(0, TestTable::head() + TestTable::add("a"));
  t.commit(1, TestTable::add("b"));
  t.commit(2, TestTable::remove("a"));
  t.log_file("00000000000000000001.00000000000000000002.compacted.json", TestTable::add("b") + TestTable::remove("a"));
  auto segment = find_segment(t.path, std::nullopt);
  CHECK(segment.commits.size() == 2);
  CHECK(paths(*Snapshot::load(t.path, segment)) == Paths{"b"});
  CHECK(paths(*Snapshot::load(t.path, find_segment(t.path, 1))) == Paths{"a", "b"});
}

TEST_CASE("a V2 checkpoint in JSON is read with its sidecars' place") {
  TestTable t;
  t.commit(0, TestTable::head());
  t.log_file("00000000000000000000.checkpoint.80a083e8-7026-4e79-81be-64bd76c43a11.json",
             R"({"checkpointMetadata":{"version":0}})" "\n" + TestTable::head() + TestTable::add("v2"));
  auto s = Snapshot::load(t.path, find_segment(t.path, std::nullopt));
  CHECK(s->checkpoint_version() == 0);
  CHECK(paths(*s) == Paths{"v2"});
}

TEST_CASE("time travel finds the commit that was current") {
  TestTable t;
  std::string ict = R"({"delta.enableInCommitTimestamps":"true"})";
  auto stamp = [](int64_t ms) { return R"({"commitInfo":{"inCommitTimestamp":)" + std::to_string(ms) + R"(,"operation":"WRITE"}})" "\n"; };
  std::string head = TestTable::head(ict);
  t.commit(0, stamp(1000) + R"({"protocol":{"minReaderVersion":1,"minWriterVersion":7,"writerFeatures":["inCommitTimestamp"]}})" "\n" + head.substr(head.find('\n') + 1));
  t.commit(1, stamp(2000));
  t.commit(2, stamp(3000));
  auto table = t.open();
  CHECK(table->snapshot()->timestamp_ms() == 3000);
  CHECK(table->version_at(1000, "x") == 0);
  CHECK(table->version_at(2999, "x") == 1);
  CHECK(table->version_at(3000, "x") == 2);
  CHECK(table->version_at(9000, "x", true) == 2);
  CHECK(condition_of([&] { table->version_at(999, "x"); }) == "DELTA_TIMESTAMP_EARLIER_THAN_COMMIT_RETENTION");
  CHECK(condition_of([&] { table->version_at(3001, "x"); }) == "DELTA_TIMESTAMP_GREATER_THAN_COMMIT");
  auto history = table->history(2);
  REQUIRE(history.size() == 2);
  CHECK(history[0].version == 2);
  CHECK(history[0].timestamp_ms == 3000);
}

TEST_CASE("old commits go once a checkpoint of their time stands for them") {
  TestTable t;
  t.commit(0, TestTable::head() + TestTable::add("a"));
  t.commit(1, TestTable::add("b"));
  auto table = t.open();
  write_checkpoint(*table->snapshot(), 1);
  t.commit(2, TestTable::add("c"));
  auto s = table->snapshot();
  int64_t later = s->timestamp_ms() + 40 * kDayMs;
  auto has = [&](int64_t v) { return storage::store_for(t.path).stat(commit_path(t.path, v)).has_value(); };
  auto keep = s->metadata();
  keep.configuration["delta.enableExpiredLogCleanup"] = "false";
  clean_log(*table, keep, s->protocol(), later);
  clean_log(*table, s->metadata(), s->protocol(), s->timestamp_ms());
  CHECK(has(0));
  clean_log(*table, s->metadata(), s->protocol(), later);
  CHECK(!has(0));
  CHECK(has(1));
  CHECK(has(2));
  CHECK(paths(*Snapshot::load(t.path, find_segment(t.path, std::nullopt))) == Paths{"a", "b", "c"});
}
