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

TEST_CASE("text in pieces: what is shown of it is what is shown of the whole") {
  Redactor r;
  std::string me[] = {"user/1"};
  for (const char* value : {"abcab!", "xab", "abcd", "two\nlines"}) r.revealed(me[0], value);
  auto v = r.values(me);
  CHECK(v.safe_prefix("xyz") == 3);
  CHECK(v.safe_prefix("yza") == 2);
  CHECK(v.safe_prefix("abcab") == 0);
  CHECK(v.safe_prefix("abcab!") == 6);
  CHECK(v.safe_prefix("zxab") == 4);     // whole, though its end may begin another
  CHECK(v.safe_prefix("one\ntwo\nli", '\n') == 4);
  CHECK(v.safe_prefix("one\ntwo\nlines\nx", '\n') == 14);
  CHECK(v.safe_prefix("one\ntwo\nlines", '\n') == 4);
  const std::string text = "xabcab!abcdxabxxtwo\nlinestwo\nabcabcdx", all = v.redact(text);
  for (size_t a = 0; a <= text.size(); ++a) {   // cut anywhere
    size_t first = v.safe_prefix(text.substr(0, a));
    CHECK(v.redact(text.substr(0, first)) + v.redact(text.substr(first)) == all);
    size_t lines = v.safe_prefix(text.substr(0, a), '\n');
    CHECK(v.redact(text.substr(0, lines)) + v.redact(text.substr(lines)) == all);
  }
}
