#include "identity/oauth_client.h"

#include <cctype>
#include <cstring>

#include "base/encoding.h"

namespace tarn::identity {

using http::RestError;

std::string origin_of(const http::Request& request) {
  std::string host = request.headers.get("Host");
  for (char c : host) {
    if (!std::isalnum(static_cast<unsigned char>(c)) && !std::strchr(".:-[]", c)) throw RestError(400, "invalid_request", "The Host header is not valid.");
  }
  return (request.tls ? "https://" : "http://") + host;
}

Entry authenticate_client(http::Call& call, const Directory& directory, const Credentials& credentials, LoginThrottle& throttle, const OAuthWords& words) {
  std::string id = call.text("client_id"), secret = call.text("client_secret"), header = call.request.headers.get("Authorization");
  if (lower_ascii(header.substr(0, 6)) == "basic ") {
    auto pair = base64_decode(std::string_view(header).substr(6));
    size_t colon = pair ? pair->find(':') : std::string::npos;
    if (colon == std::string::npos) throw RestError(401, "invalid_client", words.bad_client);
    id = percent_decode(pair->substr(0, colon), true).value_or("");
    secret = percent_decode(pair->substr(colon + 1), true).value_or("");
  }
  std::string key = id.substr(0, 100) + "@" + call.request.peer;
  if (throttle.blocked(key)) throw RestError(429, words.throttled_code, "Too many failed attempts: wait a minute.");
  std::string grant = call.text("grant_type");
  if (grant.empty()) throw RestError(400, "invalid_request", words.no_grant);
  if (grant != "client_credentials") throw RestError(400, "unsupported_grant_type", words.other_grant);
  if (!call.text("client_assertion").empty()) throw RestError(400, "invalid_request", "Client assertions are not supported: use a client secret.");
  call.audit.emplace_back("client_id", id.substr(0, 100));
  auto principal = directory.find(Kind::kServicePrincipal, id);
  if (!principal || !principal->active || !credentials.check_secret(principal->id, secret)) {
    throttle.failed(key);
    throw RestError(401, "invalid_client", words.bad_client);
  }
  return *principal;
}

}  // namespace tarn::identity
