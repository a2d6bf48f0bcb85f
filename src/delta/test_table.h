#pragma once
// For tests: a Delta table in a temporary directory, written commit by commit as text.
#include <doctest/doctest.h>
#include <stdlib.h>

#include <filesystem>
#include <string>

#include "base/spark_error.h"
#include "delta/log_segment.h"
#include "delta/table.h"
#include "storage/object_store.h"

namespace tarn::delta::testing {

struct TestTable {
  std::string path;
  TestTable() {
    std::string name = std::filesystem::temp_directory_path() / "tarn-delta-XXXXXX";
    path = ::mkdtemp(name.data());
  }
  ~TestTable() { std::filesystem::remove_all(path); }
  void commit(int64_t version, const std::string& lines) const { storage::store_for(path).write(commit_path(path, version), lines); }
  void log_file(const std::string& name, const std::string& text) const { storage::store_for(path).write(log_directory(path) + "/" + name, text); }
  std::shared_ptr<Table> open() const { return Table::at(path); }
  // Protocol 1/2 and a table of one column "id".
  static std::string head(const std::string& configuration = "{}") {
    return R"({"protocol":{"minReaderVersion":1,"minWriterVersion":2}})" "\n"
           R"({"metaData":{"id":"t","format":{"provider":"parquet","options":{}},"schemaString":"{\"type\":\"struct\",\"fields\":[{\"name\":\"id\",\"type\":\"long\",\"nullable\":true,\"metadata\":{}},{\"name\":\"p\",\"type\":\"string\",\"nullable\":true,\"metadata\":{}}]}","partitionColumns":["p"],"configuration":)" +
           configuration + "}}\n";
  }
  static std::string add(const std::string& file, const std::string& partition = "a") {
    return R"({"add":{"path":")" + file + R"(","partitionValues":{"p":")" + partition + R"("},"size":10,"modificationTime":1,"dataChange":true,"stats":"{\"numRecords\":3}"}})" "\n";
  }
  static std::string remove(const std::string& file) {
    return R"({"remove":{"path":")" + file + R"(","deletionTimestamp":1,"dataChange":true}})" "\n";
  }
};

// The condition of the SparkError that f throws; "" if it throws none.
template <class F>
std::string condition_of(F&& f) {
  try {
    f();
  } catch (const SparkError& e) {
    return e.condition();
  }
  return "";
}

inline std::vector<std::string> paths(const Snapshot& s) {
  std::vector<std::string> out;
  for (const auto& f : s.files()) out.push_back(f->path);
  return out;
}

}  // namespace tarn::delta::testing
