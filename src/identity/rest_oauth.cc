// OAuth 2.0: secrets of service principals and the client credentials grant (RFC 6749, 4.4).
#include <cstdlib>

#include "base/encoding.h"
#include "base/log.h"
#include "identity/families.h"
#include "identity/oauth_client.h"

namespace tarn::identity {
namespace {

using http::Call;
using http::RestError;

constexpr int64_t kTokenSeconds = 3600;
constexpr int64_t kSecretSeconds = 730LL * 86400;
constexpr size_t kMaxSecrets = 5;
constexpr OAuthWords kWords = {"slow_down", "grant_type is missing.", "Only client_credentials is supported.", "Client authentication failed."};

Json render(const SecretInfo& s) {
  return {{"id", s.id}, {"secret_hash", s.digest}, {"create_time", iso_time(s.created_ms)}, {"update_time", iso_time(s.created_ms)},
          {"expire_time", iso_time(s.expires_ms)}, {"status", s.expires_ms > now_ms() ? "ACTIVE" : "EXPIRED"}};
}

}  // namespace

void add_oauth_routes(http::RouteTable& table, Directory& directory, Credentials& credentials, LoginThrottle& throttle) {
  auto metadata = [](Call& call) {
    std::string base = origin_of(call.request) + "/oidc";
    return http::json_response({{"issuer", base}, {"token_endpoint", base + "/v1/token"}, {"authorization_endpoint", base + "/v1/authorize"},
                                {"grant_types_supported", {"client_credentials"}}, {"response_types_supported", {"token"}},
                                {"scopes_supported", {"all-apis"}},
                                {"token_endpoint_auth_methods_supported", {"client_secret_basic", "client_secret_post"}}});
  };
  table.get("/oidc/.well-known/oauth-authorization-server", metadata, http::Access::kPublic);
  table.get("/oidc/.well-known/openid-configuration", metadata, http::Access::kPublic);
  table.get("/.well-known/databricks-config", [](Call& call) {
    return http::json_response({{"oidc_endpoint", origin_of(call.request) + "/oidc"}, {"host_type", "WORKSPACE_HOST"}});
  }, http::Access::kPublic);

  http::Route token{"POST", "/oidc/v1/token", [&](Call& call) {
    Entry principal = authenticate_client(call, directory, credentials, throttle, kWords);
    std::string scope = call.text("scope", "all-apis");
    if (scope != "all-apis") throw RestError(400, "invalid_scope", "Only the scope all-apis is supported.");
    std::string value;
    credentials.create_token(principal.id, principal.id, "", kTokenSeconds, Credentials::Use::kOAuth, &value);
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
