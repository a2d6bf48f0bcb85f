#include "delta/transaction.h"

#include <nlohmann/json.hpp>
#include <thread>

#include "delta/table_features.h"
#include "delta/test_table.h"

using namespace tarn;
using namespace tarn::delta;
using namespace tarn::delta::testing;

namespace {

AddFile file(const std::string& path, const std::string& partition = "a") {
  AddFile f;
  f.path = path;
  f.partition_values = {{"p", partition}};
  f.size = 10;
  f.stats = "{\"numRecords\":5}";
  return f;
}
Operation operation(const char* name = "WRITE") {
  Operation op;
  op.name = name;
  op.parameter("mode", "Append");
  return op;
}
nlohmann::json commit_info(const TestTable& t, int64_t version) {
  auto text = storage::store_for(t.path).read(commit_path(t.path, version));
  return nlohmann::json::parse(text.substr(0, text.find('\n'))).at("commitInfo");
}

// A table with the file "a" in partition a. Runs `ours` on what was read before `theirs` commits; the condition of the conflict, or "".
template <class Ours, class Theirs>
std::string conflict(Ours&& ours, Theirs&& theirs, const std::string& configuration = "{}") {
  TestTable t;
  t.commit(0, TestTable::head(configuration) + TestTable::add("a"));
  auto table = t.open();
  Transaction mine(table, table->snapshot()), other(table, table->snapshot());
  ours(mine);
  theirs(other);
  other.commit(operation("OTHER"));
  return condition_of([&] { mine.commit(operation()); });
}
const AddFile& only_file(Transaction& t) { return *t.read_snapshot()->files().at(0); }

}  // namespace

TEST_CASE("a new table gets the smallest protocol that its metadata needs") {
  auto protocol = [](std::map<std::string, std::string> configuration, const std::string& type = "long") {
    Metadata m;
    m.configuration = std::move(configuration);
    m.schema_string = R"({"type":"struct","fields":[{"name":"id","type":")" + type + R"(","nullable":true,"metadata":{}}]})";
    return protocol_for(m);
  };
  CHECK(protocol({}).min_writer_version == 2);
  CHECK(!protocol({}).writer_features);
  CHECK(protocol({{"delta.constraints.c", "id > 0"}}).min_writer_version == 3);
  CHECK(protocol({{"delta.enableChangeDataFeed", "true"}}).min_writer_version == 4);
  auto mapped = protocol({{"delta.columnMapping.mode", "name"}});
  CHECK(mapped.min_reader_version == 2);
  CHECK(mapped.min_writer_version == 5);
  auto ntz = protocol({}, "timestamp_ntz");
  CHECK(ntz.min_reader_version == 3);
  CHECK(*ntz.reader_features == std::vector<std::string>{"timestampNtz"});
  CHECK(*ntz.writer_features == std::vector<std::string>{"appendOnly", "invariants", "timestampNtz"});
  CHECK(condition_of([&] { protocol({{"delta.feature.unheardOf", "supported"}}); }) == "DELTA_UNSUPPORTED_FEATURES_IN_CONFIG");
  CHECK(condition_of([&] { check_properties({{"delta.unheardOf", "1"}}); }) == "DELTA_UNKNOWN_CONFIGURATION");
  // 2/5 raised by a feature of 3/7 lists what was implied.
  Metadata m;
  m.configuration = {{"delta.columnMapping.mode", "name"}, {"delta.enableDeletionVectors", "true"}};
  auto raised = upgraded(mapped, m);
  CHECK(raised.min_reader_version == 3);
  CHECK(*raised.reader_features == std::vector<std::string>{"columnMapping", "deletionVectors"});
  CHECK(raised.supports("generatedColumns"));
}

TEST_CASE("a commit says what it did") {
  TestTable t;
  t.commit(0, TestTable::head());
  auto table = t.open();
  auto txn = Transaction::begin(table);
  txn.add(file("x"));
  auto op = operation();
  op.metric("numFiles", 1);
  CHECK(txn.commit(op) == 1);
  auto info = commit_info(t, 1);
  CHECK(info.at("operation") == "WRITE");
  CHECK(info.at("operationParameters").at("mode") == "Append");
  CHECK(info.at("operationMetrics").at("numFiles") == "1");
  CHECK(info.at("readVersion") == 0);
  CHECK(info.at("isBlindAppend") == true);
  CHECK(info.at("engineInfo") == "Tarn/0.1.0");
  CHECK(table->snapshot()->files().size() == 1);
}

TEST_CASE("appends of many writers all get in, each at its own version") {
  TestTable t;
  t.commit(0, TestTable::head(R"({"delta.checkpointInterval":"5"})"));
  auto table = t.open();
  std::vector<std::thread> writers;
  for (int w = 0; w < 4; ++w) {
    writers.emplace_back([&, w] {
      for (int i = 0; i < 6; ++i) {
        Transaction txn(table, table->snapshot());
        txn.add(file(std::to_string(w) + "-" + std::to_string(i)));
        txn.commit(operation());
      }
    });
  }
  for (auto& w : writers) w.join();
  auto s = Snapshot::load(t.path, find_segment(t.path, std::nullopt));
  CHECK(s->version() == 24);
  CHECK(s->files().size() == 24);
  CHECK(s->checkpoint_version() == 20);
}

TEST_CASE("conflicts are those of Delta's table") {
  auto append = [](Transaction& t) { t.add(file("other")); };
  auto append_b = [](Transaction& t) { t.add(file("other", "b")); };
  auto drop = [](Transaction& t) { t.remove(only_file(t)); };
  auto in_a = [](const AddFile& f) { return f.partition_values.at("p") == "a"; };
  SUBCASE("blind appends never conflict") { CHECK(conflict(append, append) == ""); }
  SUBCASE("an append into what was read") {
    CHECK(conflict([](Transaction& t) { t.read_whole_table(); t.add(file("x")); }, append) == "DELTA_CONCURRENT_APPEND.WITH_PARTITION_HINT");
    CHECK(conflict([&](Transaction& t) { t.read_matching(in_a); t.add(file("x")); }, append) == "DELTA_CONCURRENT_APPEND.WITH_PARTITION_HINT");
  }
  SUBCASE("an append beside what was read") { CHECK(conflict([&](Transaction& t) { t.read_matching(in_a); t.add(file("x")); }, append_b) == ""); }
  SUBCASE("files arranged anew do not mind appends") {
    CHECK(conflict([](Transaction& t) { t.read_whole_table(); t.remove(only_file(t), false); auto f = file("x"); f.data_change = false; t.add(f); }, append) == "");
  }
  SUBCASE("deletion of what was read") {
    CHECK(conflict([](Transaction& t) { t.read_file(only_file(t)); t.add(file("x")); }, drop) == "DELTA_CONCURRENT_DELETE_READ.WITH_PARTITION_HINT");
  }
  SUBCASE("deletion of what is deleted") { CHECK(conflict(drop, drop) == "DELTA_CONCURRENT_DELETE_DELETE.WITH_PARTITION_HINT"); }
  SUBCASE("a change of metadata stops everyone") {
    CHECK(conflict(append, [](Transaction& t) { auto m = t.metadata(); m.configuration["x"] = "y"; t.set_metadata(m); }) == "DELTA_METADATA_CHANGED");
  }
  SUBCASE("a change of protocol") {
    CHECK(conflict(append, [](Transaction& t) { auto m = t.metadata(); m.configuration["delta.enableDeletionVectors"] = "true"; t.set_metadata(m); }) ==
          "DELTA_PROTOCOL_CHANGED");
  }
  SUBCASE("the same application transaction") {
    auto app = [](Transaction& t) { t.set_transaction({"app", 1, std::nullopt}); t.add(file("x")); };
    CHECK(conflict(app, app) == "DELTA_CONCURRENT_TRANSACTION");
  }
}

TEST_CASE("an append-only table takes nothing away") {
  TestTable t;
  t.commit(0, TestTable::head(R"({"delta.appendOnly":"true"})") + TestTable::add("a"));
  auto txn = Transaction::begin(t.open());
  txn.remove(only_file(txn));
  CHECK(condition_of([&] { txn.commit(operation()); }) == "DELTA_CANNOT_MODIFY_APPEND_ONLY");
}

TEST_CASE("in-commit timestamps rise strictly and row ids follow the mark") {
  TestTable t;
  std::string head = TestTable::head(R"({"delta.enableInCommitTimestamps":"true","delta.enableRowTracking":"true"})");
  t.commit(0, R"({"commitInfo":{"inCommitTimestamp":99999999999999}})" "\n"
              R"({"protocol":{"minReaderVersion":1,"minWriterVersion":7,"writerFeatures":["inCommitTimestamp","rowTracking","domainMetadata"]}})" "\n" +
                  head.substr(head.find('\n') + 1));
  auto table = t.open();
  auto snapshot = table->snapshot();
  for (int i = 0; i < 2; ++i) {
    Transaction txn(table, snapshot);  // the second one loses the race and moves its ids
    txn.add(file("f" + std::to_string(i)));
    txn.commit(operation());
  }
  CHECK(commit_info(t, 1).at("inCommitTimestamp") == 100000000000000);
  CHECK(commit_info(t, 2).at("inCommitTimestamp") == 100000000000001);
  auto s = table->snapshot();
  CHECK(s->files()[0]->base_row_id == 0);
  CHECK(s->files()[1]->base_row_id == 5);
  CHECK(s->files()[1]->default_row_commit_version == 2);
  CHECK(nlohmann::json::parse(*s->domain("delta.rowTracking")).at("rowIdHighWaterMark") == 9);
}
