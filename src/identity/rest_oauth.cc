// OAuth 2.0: secrets of service principals and the client credentials grant (RFC 6749, 4.4).
#include <cctype>
#include <cstdlib>
#include <cstring>

#include "base/encoding.h"
#include "base/log.h"
#include "identity/families.h"

namespace tarn::identity {
namespace {

using http::Call;
using http::RestError;

constexpr int64_t kTokenSeconds = 3600;
constexpr int64_t kSecretSeconds = 730LL * 86400;
constexpr size_t kMaxSecrets = 5;

std::string origin(const http::Request& request) {
  std::string host = request.headers.get("Host");
  for (char c : host) {
    if (!std::isalnum(static_cast<unsigned char>(c)) && !std::strchr(".:-[]", c)) throw RestError(400, "invalid_request", "The Host header is not valid.");
  }
  return (request.tls ? "https://" : "http://") + host;
}

Json render(const SecretInfo& s) {
  return {{"id", s.id}, {"secret_hash", s.digest}, {"create_time", iso_time(s.created_ms)}, {"update_time", iso_time(s.created_ms)},
          {"expire_time", iso_time(s.expires_ms)}, {"status", s.expires_ms > now_ms() ? "ACTIVE" : "EXPIRED"}};
}

}  // namespace

void add_oauth_routes(http::RouteTable& table, Directory& directory, Credentials& credentials, LoginThrottle& throttle) {
  auto metadata = [](Call& call) {
    std::string base = origin(call.request) + "/oidc";
    return http::json_response({{"issuer", base}, {"token_endpoint", base + "/v1/token"}, {"authorization_endpoint", base + "/v1/authorize"},
                                {"grant_types_supported", {"client_credentials"}}, {"response_types_supported", {"token"}},
                                {"scopes_supported", {"all-apis"}},
                                {"token_endpoint_auth_methods_supported", {"client_secret_basic", "client_secret_post"}}});
  };
  table.get("/oidc/.well-known/oauth-authorization-server", metadata, http::Access::kPublic);
  table.get("/oidc/.well-known/openid-configuration", metadata, http::Access::kPublic);
  table.get("/.well-known/databricks-config", [](Call& call) {
    return http::json_response({{"oidc_endpoint", origin(call.request) + "/oidc"}, {"host_type", "WORKSPACE_HOST"}});
  }, http::Access::kPublic);

  http::Route token{"POST", "/oidc/v1/token", [&](Call& call) {
    std::string id = call.text("client_id"), secret = call.text("client_secret");
    std::string header = call.request.headers.get("Authorization");
    if (lower_ascii(header.substr(0, 6)) == "basic ") {
      auto pair = base64_decode(std::string_view(header).substr(6));
      size_t colon = pair ? pair->find(':') : std::string::npos;
      if (colon == std::string::npos) throw RestError(401, "invalid_client", "Client authentication failed.");
      id = percent_decode(pair->substr(0, colon), true).value_or("");
      secret = percent_decode(pair->substr(colon + 1), true).value_or("");
    }
    std::string key = id.substr(0, 100) + "@" + call.request.peer;
    if (throttle.blocked(key)) throw RestError(429, "slow_down", "Too many failed attempts: wait a minute.");
    std::string grant = call.text("grant_type");
    if (grant.empty()) throw RestError(400, "invalid_request", "grant_type is missing.");
    if (grant != "client_credentials") throw RestError(400, "unsupported_grant_type", "Only client_credentials is supported.");
    auto principal = directory.find(Kind::kServicePrincipal, id);
    if (!principal || !principal->active || !credentials.check_secret(principal->id, secret)) {
      throttle.failed(key);
      throw RestError(401, "invalid_client", "Client authentication failed.");
    }
    std::string scope = call.text("scope", "all-apis");
    if (scope != "all-apis") throw RestError(400, "invalid_scope", "Only the scope all-apis is supported.");
    std::string value;
    credentials.create_token(principal->id, principal->id, "", kTokenSeconds, Credentials::Use::kOAuth, &value);
    call.audit.emplace_back("client_id", id);
    auto r = http::json_response({{"access_token", value}, {"token_type", "Bearer"}, {"expires_in", kTokenSeconds}, {"scope", scope}});
    r.headers.add("Cache-Control", "no-store");
    return r;
  }, http::Access::kPublic, http::ErrorShape::kOAuth};
  token.max_body = 16 << 10;
  table.add(std::move(token));

  auto owner = [&directory](Call& call) {
    auto e = directory.get(Kind::kServicePrincipal, std::atoll(call.in_path("id").c_str()));
    if (!e) throw http::not_found("Service principal " + call.in_path("id").substr(0, 40) + " does not exist.");
    return *e;
  };
  const char* secrets = "/api/*/accounts/servicePrincipals/{id}/credentials/secrets";
  table.post(secrets, [&credentials, owner](Call& call) {
    Entry e = owner(call);
    if (credentials.secrets(e.id).size() >= kMaxSecrets) throw RestError(400, "RESOURCE_LIMIT_EXCEEDED", "A service principal has at most 5 secrets.");
    std::string text = call.text("lifetime"), value;  // "3600s"
    int64_t seconds = text.empty() ? kSecretSeconds : std::atoll(text.c_str());
    if (seconds <= 0 || seconds > kSecretSeconds) throw http::invalid_parameter("lifetime must be positive and at most two years.");
    SecretInfo s = credentials.create_secret(e.id, seconds, &value);
    call.audit.emplace_back("application_id", e.name);
    Json j = render(s);
    j["secret"] = value;
    auto r = http::json_response(j);
    r.headers.add("Cache-Control", "no-store");
    return r;
  }, http::Access::kAdmin);
  table.get(secrets, [&credentials, owner](Call& call) {
    Json list = Json::array();
    for (const auto& s : credentials.secrets(owner(call).id)) list.push_back(render(s));
    return http::json_response({{"secrets", list}});
  }, http::Access::kAdmin);
  table.del(std::string(secrets) + "/{secret}", [&credentials, owner](Call& call) {
    if (!credentials.revoke_secret(owner(call).id, call.in_path("secret"))) throw http::not_found("The secret does not exist.");
    return http::ok();
  }, http::Access::kAdmin);
}

}  // namespace tarn::identity
