#include <doctest/doctest.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <thread>

#include "base/io_error.h"
#include "base/spark_error.h"
#include "storage/path.h"
#include "storage/settings.h"

using namespace tarn;
using namespace tarn::storage;

namespace {
struct TempDir {
  std::string path;
  TempDir() {
    std::string name = std::filesystem::temp_directory_path() / "tarn-storage-XXXXXX";
    path = ::mkdtemp(name.data());
  }
  ~TempDir() { std::filesystem::remove_all(path); }
};
std::vector<std::string> names(const std::vector<FileInfo>& files, const std::string& base) {
  std::vector<std::string> out;
  for (auto& f : files) out.push_back(f.path.substr(base.size() + 1));
  return out;
}
}  // namespace

TEST_CASE("of racing writers exactly one creates the file") {
  TempDir dir;
  auto& store = store_for(dir.path);
  std::atomic<int> won{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&, i] {
      if (store.put_if_absent(dir.path + "/log/0.json", "writer " + std::to_string(i))) ++won;
    });
  }
  for (auto& t : threads) t.join();
  CHECK(won == 1);
  CHECK(store.read(dir.path + "/log/0.json").substr(0, 7) == "writer ");
  CHECK(store.list(dir.path + "/log").size() == 1);  // no temporary files left
}

TEST_CASE("ranges, listings from a name, deletion and absence") {
  TempDir dir;
  auto& store = store_for(dir.path);
  store.write(dir.path + "/b", "0123456789");
  store.write(dir.path + "/b", "abcdefghij");
  store.write(dir.path + "/a", "x");
  CHECK(store.read_range(dir.path + "/b", 2, 3) == "cde");
  CHECK_THROWS_AS(store.read_range(dir.path + "/b", 8, 3), IoError);
  CHECK(names(store.list(dir.path, "b"), dir.path) == std::vector<std::string>{"b"});
  CHECK(store.list("file:" + dir.path)[0].path == "file:" + dir.path + "/a");
  CHECK(!store.stat(dir.path + "/c"));
  CHECK(store.remove(dir.path + "/a"));
  CHECK(!store.remove(dir.path + "/a"));
  try {
    store.list(dir.path + "/none");
    FAIL("listed a directory that does not exist");
  } catch (const IoError& e) {
    CHECK(e.kind() == IoError::Kind::kNotFound);
  }
  CHECK_THROWS_AS(store_for("xyz://a/b"), SparkError);
}

TEST_CASE("paths have one normal form") {
  CHECK(normalize("file:///a//b/./c/") == "/a/b/c");
  CHECK(normalize("file:/a/../b") == "/b");
  CHECK(normalize("abfss://c@a.net/x//y/") == "abfss://c@a.net/x/y");
  CHECK(parent("/a/b") == "/a");
  CHECK(parent("/a") == "/");
  CHECK(parent("s3://bucket/a") == "s3://bucket/");
  CHECK(join("/a", "b=1/c") == "/a/b=1/c");
  CHECK(join("/a", "s3://x/y") == "s3://x/y");
  CHECK(scheme_of("p=1:2") == "");
  CHECK(scheme_of("/a:b") == "");
}

TEST_CASE("a Hive-escaped directory is escaped again in a URI") {
  std::string directory = "t=" + hive_escape("2020-01-02 03:04:05");
  CHECK(directory == "t=2020-01-02 03%3A04%3A05");
  CHECK(uri_encode_path(directory) == "t=2020-01-02%2003%253A04%253A05");
  CHECK(uri_decode(uri_encode_path(directory)) == directory);
  CHECK(hive_unescape(directory) == "t=2020-01-02 03:04:05");
}

TEST_CASE("wildcards are Hadoop's") {
  CHECK(glob_match("*.parquet", "a.parquet"));
  CHECK(glob_match("a?c[0-3]", "abc2"));
  CHECK(!glob_match("a[^b]c", "abc"));
  CHECK(glob_match("{x,y{1,2}}z", "y2z"));
  CHECK(glob_match("a\\*b", "a*b"));
  CHECK(!glob_match("a\\*b", "axb"));
  TempDir dir;
  auto& store = store_for(dir.path);
  for (auto p : {"/p=1/a.csv", "/p=2/b.csv", "/p=2/_hidden", "/q/c.csv", "/.d.csv"}) store.write(dir.path + p, "x");
  CHECK(names(glob(dir.path + "/p=*/*.csv"), dir.path) == std::vector<std::string>{"p=1/a.csv", "p=2/b.csv"});
  CHECK(names(glob(dir.path + "/{p=1/a,q/c}.csv"), dir.path) == std::vector<std::string>{"p=1/a.csv", "q/c.csv"});
  CHECK(names(list_data_files(dir.path), dir.path) == std::vector<std::string>{"p=1/a.csv", "p=2/b.csv"});
  CHECK(list_data_files(dir.path, true).size() == 3);
}

namespace {
class FixedSettings : public Settings {
 public:
  explicit FixedSettings(std::vector<std::pair<std::string, std::string>> all) : all_(std::move(all)) {}
  std::optional<std::string> find(const std::string& key) const override {
    for (const auto& [name, value] : all_)
      if (name == key) return value;
    return std::nullopt;
  }

 private:
  const std::vector<std::pair<std::string, std::string>> all_;
};
}  // namespace

TEST_CASE("a rename stays in its bucket or container: no request goes to the wrong one") {
  SettingsScope scope(std::make_shared<FixedSettings>(std::vector<std::pair<std::string, std::string>>{
      {"fs.s3a.access.key", "a"}, {"fs.s3a.secret.key", "b"}, {"fs.s3a.endpoint", "http://127.0.0.1:1"}, {"fs.azure.account.key", "c2VjcmV0"}}));
  for (auto [from, to] : {std::pair{"s3a://one/a", "s3a://two/a"}, {"s3a://one/a", "/tmp/a"}, {"abfss://c@one.dfs.core.windows.net/a", "abfss://d@one.dfs.core.windows.net/a"},
                          {"wasbs://c@one.blob.core.windows.net/a", "wasbs://c@two.blob.core.windows.net/a"}}) {
    std::string text;
    try {
      store_for(from).rename(from, to);
    } catch (const IoError& e) {
      text = e.what();
    }
    CHECK_MESSAGE(text.find("is in another store") != std::string::npos, from << ": " << text);
  }
}

TEST_CASE("a number of attempts is a number") {
  for (const char* text : {"abc", "5x", "-1", "1000", ""}) {
    SettingsScope scope(std::make_shared<FixedSettings>(std::vector<std::pair<std::string, std::string>>{
        {"fs.s3a.access.key", "a"}, {"fs.s3a.secret.key", "b"}, {"fs.s3a.attempts.maximum", text}}));
    CHECK_THROWS_AS(store_for("s3a://bucket/a"), SparkError);
  }
}
