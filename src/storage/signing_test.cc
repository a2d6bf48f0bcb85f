// Examples of the documentation of the services.
#include "storage/signing.h"

#include <doctest/doctest.h>


using namespace tarn::storage;

namespace {
// Fri, 24 May 2013 00:00:00 GMT
constexpr int64_t kThen = 1369353600000;
const AwsCredentials kExample{"AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", ""};
const std::string kEmpty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

std::string signature(Pairs query) {
  HttpRequest r;
  r.server = Url::parse("https://examplebucket.s3.amazonaws.com");
  r.query = std::move(query);
  sign_aws(r, kExample, "us-east-1", "s3", kEmpty, kThen);
  const std::string& a = *r.header("authorization");
  return a.substr(a.find("Signature=") + 10);
}
}  // namespace

TEST_CASE("requests are signed as the examples of AWS Signature Version 4 are") {
  CHECK(signature({{"lifecycle", ""}}) == "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543");
  CHECK(signature({{"prefix", "J"}, {"max-keys", "2"}}) == "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7");
}

TEST_CASE("the times of stores") {
  CHECK(parse_store_time("Fri, 24 May 2013 00:00:00 GMT") == kThen);
  CHECK(parse_store_time("2013-05-24T00:00:00.123Z") == kThen);
  CHECK(parse_store_time("2013-05-24T00:00:00.1234567Z") == kThen);
  CHECK(parse_store_time("yesterday") == 0);
}

TEST_CASE("URLs of endpoints") {
  Url u = Url::parse("http://127.0.0.1:10000/devstoreaccount1/");
  CHECK(u.port == 10000);
  CHECK(u.path == "/devstoreaccount1");
  CHECK(u.authority() == "127.0.0.1:10000");
  CHECK(Url::parse("https://[::1]:8443").host == "::1");
  CHECK(Url::parse("https://a.blob.core.windows.net").authority() == "a.blob.core.windows.net");
  for (auto bad : {"ftp://x", "http://", "http://a b", "http://u:p@h", "http://h:0", "http://h:99999", "h:80"}) CHECK_THROWS(Url::parse(bad));
}
