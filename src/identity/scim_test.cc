#include <doctest/doctest.h>

#include "http/rest_error.h"
#include "identity/scim.h"

using namespace tarn::identity;
using nlohmann::json;

TEST_CASE("filters of RFC 7644") {
  json r = {{"userName", "Ada@example.com"}, {"active", true}, {"emails", {{{"type", "work"}, {"value", "ada@x.org"}}}}, {"name", {{"familyName", "Check"}}}};
  auto holds = [&](const char* f) { return parse_scim_filter(f)(r); };
  for (const char* f : {"userName eq \"ada@EXAMPLE.com\"", "username sw ada and emails co \"x.org\"", "active eq true", "not (active eq false)", "name.familyName pr",
                        "emails[type eq \"work\" and value ew \"org\"]", "a eq 1 or (userName co \"@\" and active eq true)", "userName ne \"bob\""}) {
    CHECK_MESSAGE(holds(f), f);
  }
  for (const char* f : {"userName eq \"x\"", "active eq false", "nothing pr", "emails[type eq \"home\"]"}) CHECK_FALSE_MESSAGE(holds(f), f);
  for (const char* f : {"", "userName", "userName eq", "userName like \"x\"", "(active eq true", "a eq 1 b", "userName eq \"x"}) {
    CHECK_THROWS_AS(parse_scim_filter(f), tarn::http::RestError);
  }
}

TEST_CASE("PATCH of RFC 7644") {
  json r = {{"displayName", "g"}, {"members", {{{"value", "1"}}, {{"value", "2"}}}}};
  apply_scim_patch(r, json::parse(R"([{"op":"Add","value":{"members":[{"value":"2"},{"value":"3"}]}},{"op":"remove","path":"members[value eq \"1\"]"},
                                      {"op":"replace","path":"displayName","value":"h"},{"op":"add","path":"name.givenName","value":"x"}])"));
  CHECK(r == json::parse(R"({"displayName":"h","members":[{"value":"2"},{"value":"3"}],"name":{"givenName":"x"}})"));
  json u = {{"active", true}};
  apply_scim_patch(u, json::parse(R"([{"op":"replace","path":"active"}])"));   // as the SDK writes false
  CHECK(u["active"] == false);
  CHECK_THROWS_AS(apply_scim_patch(r, json::parse(R"([{"op":"replace","path":"displayName"}])")), tarn::http::RestError);
  CHECK_THROWS_AS(apply_scim_patch(r, json::parse(R"([{"op":"destroy"}])")), tarn::http::RestError);
  CHECK_THROWS_AS(apply_scim_patch(r, json::parse(R"([{"op":"remove"}])")), tarn::http::RestError);
}
