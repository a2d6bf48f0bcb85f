#include "http/outbound.h"

#include <doctest/doctest.h>

#include "http/rest_error.h"

using namespace tarn::http;

TEST_CASE("URLs: only what is one, with the host that a client would connect to") {
  Url u = parse_url("https://GitHub.com./a/b?c#d");
  CHECK(u.scheme == "https");
  CHECK(u.host == "github.com");
  CHECK(u.port == 443);
  CHECK(u.path == "/a/b?c#d");
  CHECK(parse_url("http://[::1]:80/x").host == "::1");
  CHECK(parse_url("https://good@evil.com/").host == "evil.com");
  for (const char* bad : {"", "github.com", "https://", "https:///x", "https://a b/", "https://a\\@b/", "https://a:port/", "https://[::1/", "http://a\nb/"}) {
    CHECK_THROWS_AS(parse_url(bad), RestError);
  }
}

TEST_CASE("the server goes to hosts that were allowed, and nowhere else") {
  OutboundPolicy p("github.com, *.example.com, 127.0.0.1:8080,[::1]:9");
  CHECK(p.require("https://github.com/x").host == "github.com");
  CHECK(p.require("http://127.0.0.1:8080/r.git").port == 8080);
  for (const char* url : {"http://127.0.0.1/", "http://127.0.0.1:8081/", "https://notgithub.com/", "https://github.com.evil.org/", "https://user@github.com/", "ssh://github.com/x",
                          "file:///etc/passwd", "http://169.254.169.254/latest/meta-data", "https://example.com/", "http://2130706433:8080/", "git://github.com/x"}) {
    CHECK_THROWS_AS(p.require(url), RestError);
  }
  CHECK_THROWS_AS(OutboundPolicy("").require("https://github.com/"), RestError);
}
