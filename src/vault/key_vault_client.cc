#include "vault/key_vault_client.h"

#include <algorithm>
#include <cctype>
#include <iterator>

#include "base/encoding.h"
#include "base/log.h"
#include "http/rest_error.h"

namespace tarn::vault {
namespace {

using http::RestError;
using nlohmann::json;

constexpr const char* kApiVersion = "7.4";
constexpr const char* kClouds[] = {".vault.azure.net", ".vault.azure.cn", ".vault.usgovcloudapi.net"};
constexpr size_t kMaxPages = 4000;   // of 25 secrets: one that has more goes on without end

// "https://Name.vault.azure.net/" -> "name.vault.azure.net"; "" if it is no https URL of a host alone.
std::string host_of(const std::string& dns_name) {
  std::string text = lower_ascii(dns_name);
  size_t scheme = text.find("://");
  if (scheme != std::string::npos) {
    if (text.substr(0, scheme) != "https") return "";
    text = text.substr(scheme + 3);
  }
  while (text.ends_with('/')) text.pop_back();
  bool plain = !text.empty() && std::all_of(text.begin(), text.end(), [](unsigned char c) { return std::isalnum(c) || c == '.' || c == '-' || c == ':'; });
  return plain ? text : "";
}

bool of_azure(const std::string& host) {
  return std::any_of(std::begin(kClouds), std::end(kClouds), [&](const char* suffix) { return host.ends_with(suffix) && host.find(':') == std::string::npos; });
}

std::string form_escaped(std::string_view text) {
  std::string out;
  for (unsigned char c : text) {
    char hex[4];
    std::snprintf(hex, sizeof hex, "%%%02X", c);
    out += std::isalnum(c) || c == '-' || c == '_' || c == '.' || c == '~' ? std::string(1, static_cast<char>(c)) : hex;
  }
  return out;
}

bool is_secret_name(const std::string& s) {
  return !s.empty() && s.size() <= 127 && std::all_of(s.begin(), s.end(), [](unsigned char c) { return std::isalnum(c) || c == '-'; });
}

}  // namespace

bool KeyVaultClient::is_own(const secrets::Scope& scope) const {
  std::string host = host_of(scope.dns_name);
  return host.starts_with(own_name_ + ".vault.") && !of_azure(host);
}

std::string KeyVaultClient::base_url(const secrets::Scope& scope) const {
  std::string host = host_of(scope.dns_name);
  if (host.empty()) throw http::invalid_parameter("dns_name must be https://NAME.vault.azure.net/ or another https address of a vault.");
  if (!of_azure(host)) require_outbound_("https://" + host);
  return "https://" + host;
}

void KeyVaultClient::check_new_scope(const http::Principal& caller, const secrets::Scope& scope) {
  if (is_own(scope)) {
    if (!may_(caller, "get") || !may_(caller, "list")) throw http::permission_denied("A scope of this key vault can be made by who may get and list its secrets.");
    return;
  }
  base_url(scope);
  if (!caller.admin) throw http::permission_denied("A scope of a key vault elsewhere is read with the workspace's identity: only admins make one.");
}

std::string KeyVaultClient::token(const std::string& resource) {
  std::lock_guard lock(mu_);
  if (token_resource_ == resource && token_until_ms_ > now_ms()) return token_;
  if (identity_.client_id.empty() || identity_.client_secret.empty() || identity_.tenant.empty()) {
    throw RestError(400, "INVALID_STATE", "The workspace has no identity for Azure: set azure-tenant, azure-client-id and azure-client-secret-file of the server.");
  }
  std::string body = "grant_type=client_credentials&client_id=" + form_escaped(identity_.client_id) + "&client_secret=" + form_escaped(identity_.client_secret) +
                     "&scope=" + form_escaped(resource + "/.default");
  Fetched f = fetch_("POST", identity_.authority + "/" + identity_.tenant + "/oauth2/v2.0/token", {{"Content-Type", "application/x-www-form-urlencoded"}}, body);
  json j = json::parse(f.body, nullptr, false);
  if (f.status != 200 || !j.is_object() || !j.contains("access_token") || !j["access_token"].is_string()) {
    throw RestError(502, "BAD_GATEWAY", "The authority gave no token for the key vault: status " + std::to_string(f.status) + ".");
  }
  token_ = j["access_token"].get<std::string>();
  token_resource_ = resource;
  int64_t seconds = j.contains("expires_in") && j["expires_in"].is_number_integer() ? j["expires_in"].get<int64_t>() : 300;
  token_until_ms_ = now_ms() + std::max<int64_t>(0, seconds - 60) * 1000;
  return token_;
}

json KeyVaultClient::ask(const secrets::Scope& scope, const std::string& url, bool* missing) {
  if (!fetch_) throw RestError(501, "NOT_IMPLEMENTED", "This process does not reach key vaults elsewhere.");
  std::string host = host_of(scope.dns_name), resource = "https://vault.azure.net";
  if (of_azure(host)) resource = "https://" + host.substr(host.find('.') + 1);
  Fetched f;
  try {
    f = fetch_("GET", url, {{"Authorization", "Bearer " + token(resource)}, {"Accept", "application/json"}}, "");
  } catch (const RestError&) {
    throw;
  } catch (const std::exception& e) {
    log::warn("key_vault_unreachable", {{"host", host}, {"error", e.what()}});
    throw RestError(502, "BAD_GATEWAY", "The key vault " + host + " cannot be reached.");
  }
  *missing = f.status == 404;
  if (*missing) return {};
  if (f.status == 401 || f.status == 403) throw http::permission_denied("The workspace's identity may not read the secret in the key vault " + host + ".");
  json j = json::parse(f.body, nullptr, false);
  if (f.status != 200 || !j.is_object()) throw RestError(502, "BAD_GATEWAY", "The key vault " + host + " answered with status " + std::to_string(f.status) + ".");
  return j;
}

std::optional<std::string> KeyVaultClient::get(const secrets::Scope& scope, const std::string& key) {
  if (!is_secret_name(key)) return std::nullopt;   // no vault has such a name
  if (is_own(scope)) {
    auto s = own_.get(key, "", true);
    if (!s) return std::nullopt;
    if (!s->enabled) throw http::permission_denied("The secret is disabled in its key vault.");
    return s->value;
  }
  bool missing = false;
  json j = ask(scope, base_url(scope) + "/secrets/" + key + "?api-version=" + kApiVersion, &missing);
  if (missing) return std::nullopt;
  if (!j.contains("value") || !j["value"].is_string()) throw RestError(502, "BAD_GATEWAY", "The key vault answered without a value.");
  return j["value"].get<std::string>();
}

std::vector<secrets::SecretMetadata> KeyVaultClient::list(const secrets::Scope& scope) {
  std::vector<secrets::SecretMetadata> out;
  if (is_own(scope)) {
    for (std::string after;;) {
      auto page = own_.latest(after, 1000);
      for (const auto& s : page) out.push_back({s.name, s.updated * 1000});
      if (page.size() < 1000) return out;
      after = page.back().name;
    }
  }
  const std::string base = base_url(scope);
  std::string url = base + "/secrets?api-version=" + kApiVersion;
  for (size_t pages = 0; !url.empty(); ++pages) {
    if (pages == kMaxPages) throw RestError(502, "BAD_GATEWAY", "The list of secrets of the key vault " + host_of(scope.dns_name) + " does not end.");
    bool missing = false;
    json j = ask(scope, url, &missing);
    if (missing) return out;
    if (j.contains("value") && j["value"].is_array()) {
      for (const auto& s : j["value"]) {
        std::string id = s.is_object() ? s.value("id", "") : "";
        size_t slash = id.rfind('/');
        int64_t updated = s.contains("attributes") && s["attributes"].is_object() && s["attributes"].contains("updated") && s["attributes"]["updated"].is_number_integer()
                              ? s["attributes"]["updated"].get<int64_t>() : 0;
        if (slash != std::string::npos) out.push_back({id.substr(slash + 1), updated * 1000});
      }
    }
    url = j.contains("nextLink") && j["nextLink"].is_string() ? j["nextLink"].get<std::string>() : "";
    // The token goes to the vault and nowhere else.
    if (!url.empty() && !url.starts_with(base + "/")) throw RestError(502, "BAD_GATEWAY", "The key vault names a next page elsewhere.");
  }
  return out;
}

}  // namespace tarn::vault
