#include <doctest/doctest.h>

#include "http/router.h"

using namespace tarn::http;

namespace {

// A router over one echoing route; tokens are the names of users.
struct Fixture {
  RouteTable table;
  std::vector<std::string> audited;
  Router router;
  Fixture()
      : router(table, {[](const Request& r) -> std::optional<Principal> {
                         std::string who = r.headers.get("Authorization");
                         if (who.empty()) return std::nullopt;
                         return Principal{1, who, who == "root", false, {}};
                       },
                       [this](const AuditEntry& e) { audited.push_back(e.request.path + " " + std::to_string(e.status)); }, "42"}) {
    table.post("/api/*/things/{id}", [](Call& call) {
      return json_response({{"id", call.in_path("id")}, {"fields", call.fields}, {"n", call.integer("n", 7)}});
    });
    table.get("/api/*/files/{path...}", [](Call& call) { return json_response({{"path", call.in_path("path")}}); });
    table.post("/api/*/admin", [](Call&) { return ok(); }, Access::kAdmin);
    table.get("/open", [](Call&) -> Response { throw std::runtime_error("secret detail"); }, Access::kPublic);
  }
  Response call(std::string method, std::string target, std::string body = "", std::string user = "ada", std::string type = "application/json") {
    Request r;
    r.method = std::move(method);
    r.target = std::move(target);
    r.body = std::move(body);
    if (!user.empty()) r.headers.add("Authorization", user);
    r.headers.add("Content-Type", type);
    REQUIRE(parse_target(&r));
    return router.handle(r);
  }
  Json json(const Response& r) { return Json::parse(r.body); }
};

}  // namespace

TEST_CASE_FIXTURE(Fixture, "every version of the API has the same handler, and fields come from query and body") {
  for (const char* v : {"2.0", "2.1", "9.9"}) {
    auto r = call("POST", std::string("/api/") + v + "/things/a%20b?x=1&n=3&f.g=y", R"({"x": 2})");
    CHECK(r.status == 200);
    CHECK(json(r)["id"] == "a b");
    CHECK(json(r)["fields"] == Json::parse(R"({"x": 2, "n": "3", "f": {"g": "y"}})"));
    CHECK(json(r)["n"] == 3);
  }
  CHECK(call("POST", "/api/two/things/a").status == 404);
}

TEST_CASE_FIXTURE(Fixture, "who is unknown learns nothing, who is no admin is refused") {
  CHECK(call("POST", "/api/2.0/things/a", "", "").status == 401);
  CHECK(call("GET", "/api/2.0/no-such-thing", "", "").status == 401);
  CHECK(call("GET", "/api/2.0/no-such-thing").status == 404);
  CHECK(call("POST", "/api/2.0/admin").status == 403);
  CHECK(call("POST", "/api/2.0/admin", "", "root").status == 200);
  CHECK(audited.back() == "/api/2.0/admin 200");
}

TEST_CASE_FIXTURE(Fixture, "bodies that are no JSON objects are malformed requests") {
  for (const char* body : {"{", "[1]", "7", "\"x\"", "{\"a\":1}x"}) {
    auto r = call("POST", "/api/2.0/things/a", body);
    CHECK(r.status == 400);
    CHECK(json(r)["error_code"] == "MALFORMED_REQUEST");
  }
  CHECK(call("POST", "/api/2.0/things/a", std::string(100'000, '[')).status == 400);
}

TEST_CASE_FIXTURE(Fixture, "the rest of a path stays below its root") {
  CHECK(json(call("GET", "/api/2.0/files/a/b%41//c"))["path"] == "/a/bA/c");
  for (const char* p : {"/api/2.0/files/..", "/api/2.0/files/a/%2e%2e/b", "/api/2.0/files/a%2fb", "/api/2.0/files/a%00", "/api/2.0/files/%ff"}) {
    CHECK(call("GET", p).status == 400);
  }
}

TEST_CASE_FIXTURE(Fixture, "what goes wrong inside stays inside") {
  auto r = call("GET", "/open");
  CHECK(r.status == 500);
  CHECK(r.body.find("secret detail") == std::string::npos);
  CHECK(r.headers.get("x-databricks-org-id") == "42");
}

TEST_CASE("brackets count where they are open and outside of strings") {
  CHECK(!is_nested_deeper("[[],[],[]]", 2));
  CHECK(is_nested_deeper("[[[]]]", 2));
  CHECK(!is_nested_deeper(R"({"a": "[[[[\"[[{{"})", 1));
  CHECK(!is_nested_deeper("]]]][", 1));
}

TEST_CASE("multipart bodies") {
  std::string body = "--B\r\nContent-Disposition: form-data; name=\"path\"\r\n\r\n/a\r\n--B\r\nContent-Disposition: form-data; name=\"content\"; filename=\"name=x\"\r\n"
                     "Content-Type: text/plain\r\n\r\nline\r\n--not\r\n--B--\r\n";
  auto parts = parse_multipart("multipart/form-data; boundary=\"B\"", body);
  REQUIRE(parts.size() == 2);
  CHECK(parts[0] == std::pair<std::string, std::string>{"path", "/a"});
  CHECK(parts[1] == std::pair<std::string, std::string>{"content", "line\r\n--not"});
  for (size_t n = 0; n < body.size() - 4; ++n) CHECK_THROWS_AS(parse_multipart("multipart/form-data; boundary=B", body.substr(0, n)), RestError);
}

TEST_CASE("pages") {
  auto p = page_of(5, 2, "", 100, 100);
  CHECK((p.from == 0 && p.to == 2));
  p = page_of(5, 2, p.next_token, 100, 100);
  CHECK((p.from == 2 && p.to == 4));
  p = page_of(5, 2, p.next_token, 100, 100);
  CHECK((p.from == 4 && p.to == 5 && p.next_token.empty()));
  CHECK_THROWS_AS(page_of(5, 2, "rubbish", 100, 100), RestError);
  CHECK_THROWS_AS(page_of(5, -1, "", 100, 100), RestError);
}
