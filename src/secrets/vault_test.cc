#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "secrets/vault.h"

using namespace tarn::secrets;

TEST_CASE("a value opens under its own name and key only") {
  std::string folder = "/tmp/tarn-vault-" + std::to_string(::getpid());
  std::filesystem::create_directories(folder);
  MasterKey a = MasterKey::load(folder + "/a"), again = MasterKey::load(folder + "/a"), b = MasterKey::load(folder + "/b");
  std::string sealed = a.seal("value", "scope/key");
  CHECK(sealed.find("value") == std::string::npos);
  CHECK(again.open(sealed, "scope/key") == "value");
  CHECK_FALSE(a.open(sealed, "scope/other"));
  CHECK_FALSE(b.open(sealed, "scope/key"));
  sealed[30] ^= 1;
  CHECK_FALSE(a.open(sealed, "scope/key"));
  ::chmod((folder + "/a").c_str(), 0644);
  CHECK_THROWS(MasterKey::load(folder + "/a"));
  std::filesystem::remove_all(folder);
}

TEST_CASE("references are replaced where they stand") {
  auto f = [](const std::string& scope, const std::string& key) { return "<" + scope + "|" + key + ">"; };
  CHECK(Vault::replace_references("a {{secrets/s/k}} b {{secrets/t/l}}", f) == "a <s|k> b <t|l>");
  CHECK(Vault::replace_references("{{secrets/s}} {{other}} {{secrets/", f) == "{{secrets/s}} {{other}} {{secrets/");
}
