// The token endpoints of Entra ID, as the stock Azure clients and Hadoop's ABFS driver ask them: client credentials of our service principals.
#include <cctype>
#include <cstdio>
#include <cstdlib>

#include "base/encoding.h"
#include "base/ids.h"
#include "identity/families.h"
#include "identity/oauth_client.h"

namespace tarn::identity {
namespace {

using http::Call;
using http::RestError;

constexpr int64_t kTokenSeconds = 3599;   // what Entra gives
constexpr OAuthWords kWords = {"temporarily_unavailable", "AADSTS900144: The request body must contain the parameter 'grant_type'.",
                               "AADSTS70003: Only client_credentials is supported.", "AADSTS7000215: Invalid client secret provided."};

// A tenant is a UUID, a domain or one of the common names. This workspace is one tenant, whatever clients call it.
std::string tenant_of(Call& call) {
  std::string tenant = call.in_path("tenant");
  bool good = !tenant.empty() && tenant.size() <= 253;
  for (char c : tenant) good &= std::isalnum(static_cast<unsigned char>(c)) || c == '-' || c == '.';
  if (!good) throw RestError(400, "invalid_request", "AADSTS900021: The tenant is not valid.");
  return tenant;
}

http::Response no_store(http::Response r) {
  r.headers.add("Cache-Control", "no-store");
  r.headers.add("Pragma", "no-cache");
  return r;
}

}  // namespace

std::string object_id(const Entry& entry) {
  if (entry.kind == Kind::kServicePrincipal && is_uuid(lower_ascii(entry.name))) return lower_ascii(entry.name);
  char out[40];
  std::snprintf(out, sizeof out, "7461726e-0000-4000-9000-%012llx", static_cast<unsigned long long>(entry.id));
  return out;
}

std::optional<Entry> find_object(const Directory& directory, const std::string& object_id_text) {
  std::string id = lower_ascii(object_id_text);
  if (auto e = directory.find(Kind::kServicePrincipal, id)) return e;
  if (!is_uuid(id) || !id.starts_with("7461726e-0000-4000-9000-")) return std::nullopt;
  auto e = directory.get(std::strtoll(id.c_str() + 24, nullptr, 16));
  if (!e || object_id(*e) != id) return std::nullopt;
  return e;
}

void add_entra_routes(http::RouteTable& table, Directory& directory, Credentials& credentials, LoginThrottle& throttle, AudienceOf audience_of) {
  auto metadata = [](Call& call, bool v2) {
    std::string root = origin_of(call.request) + "/" + tenant_of(call), oauth = root + (v2 ? "/oauth2/v2.0" : "/oauth2");
    return http::json_response({{"issuer", root + "/v2.0"}, {"token_endpoint", oauth + "/token"}, {"authorization_endpoint", oauth + "/authorize"},
                                {"token_endpoint_auth_methods_supported", {"client_secret_post", "client_secret_basic"}},
                                {"response_types_supported", {"code"}}, {"subject_types_supported", {"pairwise"}},
                                {"id_token_signing_alg_values_supported", {"RS256"}}, {"jwks_uri", root + "/discovery/v2.0/keys"}});
  };
  table.get("/{tenant}/v2.0/.well-known/openid-configuration", [metadata](Call& call) { return metadata(call, true); }, http::Access::kPublic);
  table.get("/{tenant}/.well-known/openid-configuration", [metadata](Call& call) { return metadata(call, false); }, http::Access::kPublic);

  auto give = [&directory, &credentials, &throttle, audience_of](Call& call, bool v2) {
    tenant_of(call);
    Entry principal = authenticate_client(call, directory, credentials, throttle, kWords);
    std::string resource;
    if (v2) {
      std::string scope = call.text("scope");
      size_t end = scope.find(' ');
      if (!scope.substr(0, end).ends_with("/.default") || end != std::string::npos) {
        throw RestError(400, "invalid_scope", "AADSTS1002012: The provided value for scope is not valid: client credentials need RESOURCE/.default.");
      }
      resource = scope.substr(0, scope.size() - 9);
    } else {
      resource = call.text("resource");
      if (resource.empty()) throw RestError(400, "invalid_request", "AADSTS900144: The request body must contain the parameter 'resource'.");
    }
    while (resource.ends_with('/')) resource.pop_back();
    auto audience = audience_of(resource);
    if (!audience) throw RestError(400, v2 ? "invalid_scope" : "invalid_resource", "AADSTS500011: The resource " + resource.substr(0, 200) + " was not found in the tenant.");
    std::string value;
    auto token = credentials.create_token(principal.id, principal.id, "", kTokenSeconds, Credentials::Use::kOAuth, &value, *audience);
    call.audit.emplace_back("resource", resource.substr(0, 200));
    if (v2) {
      return no_store(http::json_response({{"token_type", "Bearer"}, {"expires_in", kTokenSeconds}, {"ext_expires_in", kTokenSeconds}, {"access_token", value}}));
    }
    // The first version writes its numbers as text.
    return no_store(http::json_response({{"token_type", "Bearer"}, {"expires_in", std::to_string(kTokenSeconds)}, {"ext_expires_in", std::to_string(kTokenSeconds)},
                                         {"expires_on", std::to_string(token.expires_ms / 1000)}, {"not_before", std::to_string(token.created_ms / 1000)},
                                         {"resource", resource}, {"access_token", value}}));
  };
  for (bool v2 : {true, false}) {
    http::Route route{"POST", v2 ? "/{tenant}/oauth2/v2.0/token" : "/{tenant}/oauth2/token", [give, v2](Call& call) { return give(call, v2); },
                      http::Access::kPublic, http::ErrorShape::kOAuth};
    route.max_body = 16 << 10;
    table.add(std::move(route));
  }
}

}  // namespace tarn::identity
