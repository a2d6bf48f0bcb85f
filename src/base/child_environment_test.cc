#include "base/child_environment.h"

#include <doctest/doctest.h>

#include <cstdlib>
#include <string>
#include <vector>

using namespace tarn;

namespace {
std::vector<std::string> all(ChildEnvironment& environment) {
  std::vector<std::string> out;
  for (char** e = environment.data(); *e; ++e) out.emplace_back(*e);
  return out;
}
size_t count(const std::vector<std::string>& all, const std::string& start) {
  size_t n = 0;
  for (const auto& v : all) n += v.starts_with(start);
  return n;
}
}  // namespace

TEST_CASE("a child gets harmless variables and its own, nothing else") {
  for (const char* name : {"AWS_SECRET_ACCESS_KEY", "TARN_MASTER_KEY", "AZURE_CLIENT_SECRET", "PIP_PASSWORD", "DATABRICKS_TOKEN", "PATHX"}) ::setenv(name, "hidden", 1);
  ::setenv("LC_ALL", "C", 1);
  ChildEnvironment environment({{"MINE", "1"}, {"PATH", "/a"}, {"MINE", "2=3"}});
  auto got = all(environment);
  for (const auto& v : got) CHECK_MESSAGE(v.find("hidden") == v.npos, v);
  CHECK(count(got, "MINE=") == 1);
  CHECK(count(got, "MINE=2=3") == 1);
  CHECK(count(got, "PATH=") == 1);
  CHECK(count(got, "PATH=/a") == 1);
  CHECK(count(got, "LC_ALL=C") == 1);
}

TEST_CASE("a trusted child gets all") {
  ::setenv("AWS_SECRET_ACCESS_KEY", "hidden", 1);
  ChildEnvironment environment({}, any_variable);
  CHECK(count(all(environment), "AWS_SECRET_ACCESS_KEY=hidden") == 1);
}
