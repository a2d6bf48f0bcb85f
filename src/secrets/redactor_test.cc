#include "secrets/redactor.h"

#include <doctest/doctest.h>

using tarn::secrets::Redactor;

TEST_CASE("values are taken out of texts, tables and numbers, for those who know them alone") {
  Redactor r;
  r.revealed("user/1", "hunter2");
  r.revealed("user/1", "hunter2-long");
  r.revealed("user/1", "4711");
  r.revealed("user/1", "");
  r.revealed("cluster/a", "blue");
  std::string one[] = {"user/1", "cluster/a"}, two[] = {"user/2"};
  auto v = r.values(one);
  CHECK(v.redact("hunter2hunter2-long is hunter") == "[REDACTED][REDACTED] is hunter");
  CHECK(v.redact("a blue bluebird") == "a [REDACTED] [REDACTED]bird");
  CHECK(r.values(two).redact("hunter2") == "hunter2");
  auto json = nlohmann::json::parse(R"({"rows":[["xhunter2x",4711,4,true,null]],"blue":{"a":14711.5}})");
  v.redact(&json);
  CHECK(json == nlohmann::json::parse(R"({"rows":[["x[REDACTED]x","[REDACTED]",4,true,null]],"[REDACTED]":{"a":"1[REDACTED].5"}})"));
}

TEST_CASE("text in pieces: the beginning of a value waits for the rest") {
  Redactor r;
  std::string me[] = {"user/1"};
  r.revealed(me[0], "abcab!");
  auto v = r.values(me);
  CHECK(v.held_back("xyz") == 0);
  CHECK(v.held_back("xyza") == 1);
  CHECK(v.held_back("abcab") == 5);
  CHECK(v.held_back("abcabc") == 3);
  CHECK(v.held_back("abcab!") == 0);
}
