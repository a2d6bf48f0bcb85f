#include "storage/signing.h"

#include <openssl/evp.h>

#include <algorithm>
#include <cstdio>
#include <ctime>
#include <map>

#include "base/encoding.h"
#include "base/hmac.h"

namespace tarn::storage {
namespace {

std::string digest(const EVP_MD* kind, std::string_view data) {
  unsigned char out[EVP_MAX_MD_SIZE];
  unsigned n = 0;
  EVP_Digest(data.data(), data.size(), out, &n, kind, nullptr);
  return {reinterpret_cast<char*>(out), n};
}

// 20130524T000000Z
std::string amz_date(int64_t now_ms) {
  std::time_t t = now_ms / 1000;
  std::tm tm{};
  gmtime_r(&t, &tm);
  char out[32];
  return {out, std::strftime(out, sizeof out, "%Y%m%dT%H%M%SZ", &tm)};
}

}  // namespace

std::string md5(std::string_view data) { return digest(EVP_md5(), data); }

int64_t parse_store_time(const std::string& text) {
  if (auto ms = parse_http_date(text)) return *ms;
  std::tm tm{};
  if (std::sscanf(text.c_str(), "%4d-%2d-%2dT%2d:%2d:%2d", &tm.tm_year, &tm.tm_mon, &tm.tm_mday, &tm.tm_hour, &tm.tm_min, &tm.tm_sec) != 6) return 0;
  tm.tm_year -= 1900;
  --tm.tm_mon;
  return static_cast<int64_t>(timegm(&tm)) * 1000;
}

void sign_aws(HttpRequest& r, const AwsCredentials& c, const std::string& region, const std::string& service, const std::string& payload_hash,
              int64_t now_ms) {
  std::string date = amz_date(now_ms), day = date.substr(0, 8);
  r.set_header("x-amz-date", date);
  r.set_header("x-amz-content-sha256", payload_hash);
  if (!c.session_token.empty()) r.set_header("x-amz-security-token", c.session_token);
  std::map<std::string, std::string> signed_headers = {{"host", r.server.authority()}};
  for (const auto& [name, value] : r.headers) {
    std::string n = lower_ascii(name);
    if (n.starts_with("x-amz-") || n == "content-type" || n == "content-md5") signed_headers[n] = value;
  }
  std::string headers, names;
  for (const auto& [n, v] : signed_headers) {
    headers += n + ":" + v + "\n";
    names += (names.empty() ? "" : ";") + n;
  }
  std::vector<std::string> query;
  for (const auto& [k, v] : r.query) query.push_back(percent_encode(k) + "=" + percent_encode(v));
  std::sort(query.begin(), query.end());
  std::string joined;
  for (const auto& q : query) joined += (joined.empty() ? "" : "&") + q;
  std::string canonical = r.method + "\n" + r.server.path + r.path + "\n" + joined + "\n" + headers + "\n" + names + "\n" + payload_hash;
  std::string scope = day + "/" + region + "/" + service + "/aws4_request";
  std::string to_sign = "AWS4-HMAC-SHA256\n" + date + "\n" + scope + "\n" + hex_encode(sha256(canonical));
  std::string key = hmac_sha256(hmac_sha256(hmac_sha256(hmac_sha256("AWS4" + c.secret_key, day), region), service), "aws4_request");
  r.set_header("Authorization", "AWS4-HMAC-SHA256 Credential=" + c.access_key + "/" + scope + ", SignedHeaders=" + names + ", Signature=" +
                                    hex_encode(hmac_sha256(key, to_sign)));
}

void sign_azure(HttpRequest& r, const std::string& account, std::string_view key, int64_t now_ms) {
  r.set_header("x-ms-date", http_date(now_ms));
  auto value = [&](const char* name) {
    const std::string* v = r.header(name);
    return v ? *v : std::string();
  };
  std::string length = r.body.empty() ? "" : std::to_string(r.body.size());
  std::string text = r.method + "\n" + value("Content-Encoding") + "\n" + value("Content-Language") + "\n" + length + "\n" + value("Content-MD5") + "\n" +
                     value("Content-Type") + "\n" + "\n" + value("If-Modified-Since") + "\n" + value("If-Match") + "\n" + value("If-None-Match") + "\n" +
                     value("If-Unmodified-Since") + "\n" + value("Range") + "\n";
  std::map<std::string, std::string> ms, query;
  for (const auto& [name, v] : r.headers) {
    if (lower_ascii(name).starts_with("x-ms-")) ms[lower_ascii(name)] = v;
  }
  for (const auto& [n, v] : ms) text += n + ":" + v + "\n";
  text += "/" + account + r.server.path + r.path;
  for (const auto& [k, v] : r.query) {
    auto& all = query[lower_ascii(k)];
    all += (all.empty() ? "" : ",") + v;
  }
  for (const auto& [k, v] : query) text += "\n" + k + ":" + v;
  r.set_header("Authorization", "SharedKey " + account + ":" + base64_encode(hmac_sha256(key, text)));
}

}  // namespace tarn::storage
