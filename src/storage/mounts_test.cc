#include "storage/mounts.h"

#include <doctest/doctest.h>

#include "storage/object_store.h"
#include "storage/path.h"

using namespace tarn::storage;

namespace {
class One : public Settings {
 public:
  std::optional<std::string> find(const std::string& key) const override {
    if (key == "fs.azure.account.key.a.dfs.core.windows.net") return "the session's";
    if (key == "fs.azure.account.endpoint.a.dfs.core.windows.net") return "http://x";
    return std::nullopt;
  }
};
}  // namespace

TEST_CASE("what lies below a mount has its settings; its credentials do not mix with others") {
  auto session = std::make_shared<One>();
  auto bare = settings_below(std::make_shared<Mount>(Mount{"/mnt/a", "abfss://c@a.dfs.core.windows.net", {}}), session);
  CHECK(bare->find("fs.azure.account.key.a.dfs.core.windows.net") == "the session's");
  auto own = settings_below(std::make_shared<Mount>(Mount{"/mnt/a", "abfss://c@a.dfs.core.windows.net", {{"fs.azure.account.auth.type", "SAS"}, {"fs.azure.sas.fixed.token", "t"}}}), session);
  CHECK(own->find("fs.azure.sas.fixed.token") == "t");
  CHECK(!own->find("fs.azure.account.key.a.dfs.core.windows.net"));
  CHECK(own->find("fs.azure.account.endpoint.a.dfs.core.windows.net") == "http://x");
}

TEST_CASE("a mount of the process is found by paths with and without a scheme, until it goes") {
  std::string folder = "/tmp/tarn-mounts-test";
  auto local = make_local_store();
  local->write(folder + "/a.txt", "content");
  set_mounts({{"/mnt/files", "file:" + folder, {}}});
  CHECK(normalize("/mnt/files/a.txt") == "dbfs:/mnt/files/a.txt");
  CHECK(store_for("dbfs:/mnt/files/a.txt").read("dbfs:/mnt/files/a.txt") == "content");
  CHECK(store_for("dbfs:/mnt/files").list("dbfs:/mnt/files").at(0).path == "dbfs:/mnt/files/a.txt");
  set_mounts({});
  CHECK(normalize("/mnt/files/a.txt") == "/mnt/files/a.txt");
  local->remove_recursive(folder);
}
