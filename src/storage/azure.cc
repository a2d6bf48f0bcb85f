#include "storage/azure.h"

#include "base/encoding.h"
#include "base/io_error.h"
#include "base/spark_error.h"
#include "storage/parallel.h"
#include "storage/signing.h"

namespace tarn::storage {
namespace {

constexpr const char* kVersion = "2021-12-02";
constexpr size_t kRequestsAtOnce = 16;

SparkError missing(const std::string& host, const std::string& what) {
  return SparkError::Plain(ErrorKind::kIllegalArgument, "No credentials for the storage account " + host + ": set " + what);
}

}  // namespace

std::string quoted_tag(const std::string& tag) { return tag.empty() || tag.front() == '"' || tag.starts_with("W/") ? tag : "\"" + tag + "\""; }

std::string AzureConfig::identity() const {
  std::string id;
  for (const auto& s : {container, host, std::string(server.tls ? "https" : "http"), server.authority(), server.path, std::to_string(static_cast<int>(auth)), key,
                        token_endpoint, client_id, client_secret, std::to_string(limits.retry.attempts)}) {
    id += s + '\n';
  }
  for (const auto& [k, v] : sas) id += k + '=' + v + '\n';
  return id;
}

AzureConfig AzureConfig::of(std::string_view path, const Settings& settings) {
  ObjectUri u = ObjectUri::parse(path);
  AzureConfig c;
  size_t at = u.authority.find('@');
  if (at == 0 || at == std::string::npos || at + 1 == u.authority.size()) {
    throw SparkError::Plain(ErrorKind::kIllegalArgument, "Not " + u.scheme + "://container@account.dfs.core.windows.net/path: " + std::string(path));
  }
  c.container = u.authority.substr(0, at);
  c.host = lower_ascii(u.authority.substr(at + 1));
  c.account = c.host.substr(0, c.host.find('.'));
  // A setting of the account under either of its two names, or of all accounts.
  std::string twin = c.host;
  for (auto [a, b] : {std::pair{".dfs.", ".blob."}, std::pair{".blob.", ".dfs."}}) {
    if (size_t i = c.host.find(a); i != std::string::npos) {
      twin.replace(i, std::char_traits<char>::length(a), b);
      break;
    }
  }
  auto find = [&](const std::string& name) -> std::optional<std::string> {
    if (auto v = settings.find(name + "." + c.host)) return v;
    if (auto v = settings.find(name + "." + twin)) return v;
    return settings.find(name);
  };
  // The endpoint is of one protocol: a twin's would be the wrong one.
  auto endpoint = settings.find("fs.azure.account.endpoint." + c.host);
  if (endpoint) {
    c.server = Url::parse(*endpoint);
  } else {
    bool secure = u.scheme.ends_with('s') || flag_setting("fs.azure.always.use.https", find("fs.azure.always.use.https").value_or("true"));
    c.server = Url::parse((secure ? "https://" : "http://") + c.host);
  }
  if (auto v = find("fs.azure.io.retry.max.retries")) {
    c.limits.retry.attempts = number_setting("fs.azure.io.retry.max.retries", *v, 0, 99) + 1;
  }
  for (const char* name : {"fs.azure.encryption.context.provider.type", "fs.azure.encryption.encoded.client-provided-key", "fs.azure.client-provided-encryption-key"}) {
    if (find(name)) throw SparkError::Plain(ErrorKind::kUnsupported, std::string(name) + " is not supported: keys that clients provide are not sent");
  }
  auto key = find("fs.azure.account.key");
  auto sas = settings.find("fs.azure.sas." + c.container + "." + c.host);
  if (!sas) sas = settings.find("fs.azure.sas." + c.container + "." + twin);
  if (!sas) sas = find("fs.azure.sas.fixed.token");
  std::string type = find("fs.azure.account.auth.type").value_or("");
  if (type.empty()) type = key ? "SharedKey" : sas ? "SAS" : find("fs.azure.account.oauth2.client.id") ? "OAuth" : "";
  std::string kind = lower_ascii(type);
  if (kind == "sharedkey") {
    if (!key) throw missing(c.host, "fs.azure.account.key." + c.host);
    auto decoded = base64_decode(*key);
    if (!decoded || decoded->empty()) bad_setting("fs.azure.account.key." + c.host, "the account's key, in base64 as the portal shows it");
    c.key = *decoded;
  } else if (kind == "sas") {
    if (!sas) throw missing(c.host, "fs.azure.sas.fixed.token." + c.host);
    c.auth = Auth::kSas;
    std::string_view rest = *sas;
    if (rest.starts_with('?')) rest.remove_prefix(1);
    while (!rest.empty()) {
      auto pair = rest.substr(0, rest.find('&'));
      rest.remove_prefix(std::min(rest.size(), pair.size() + 1));
      size_t eq = pair.find('=');
      if (eq == std::string_view::npos) bad_setting("fs.azure.sas.fixed.token." + c.host, "a shared access signature (sv=…&sig=…)");
      auto value = percent_decode(pair.substr(eq + 1), false);
      c.sas.emplace_back(std::string(pair.substr(0, eq)), value ? *value : std::string(pair.substr(eq + 1)));
    }
  } else if (kind == "oauth") {
    c.auth = Auth::kOAuth;
    std::string provider = find("fs.azure.account.oauth.provider.type").value_or("");
    if (!provider.empty() && !provider.ends_with("ClientCredsTokenProvider")) {
      throw SparkError::Plain(ErrorKind::kUnsupported, "fs.azure.account.oauth.provider.type " + provider + " is not supported: use ClientCredsTokenProvider");
    }
    for (auto [name, value] : {std::pair{"fs.azure.account.oauth2.client.id", &c.client_id}, std::pair{"fs.azure.account.oauth2.client.secret", &c.client_secret},
                               std::pair{"fs.azure.account.oauth2.client.endpoint", &c.token_endpoint}}) {
      auto v = find(name);
      if (!v) throw missing(c.host, std::string(name) + "." + c.host);
      *value = *v;
    }
    Url::parse(c.token_endpoint);
  } else if (kind.empty() && u.scheme.starts_with("wasb")) {
    c.auth = Auth::kAnonymous;  // a container may be public
  } else if (kind.empty()) {
    throw missing(c.host, "fs.azure.account.key." + c.host + ", or fs.azure.account.auth.type." + c.host + " to SAS or OAuth with its settings");
  } else {
    throw SparkError::Plain(ErrorKind::kUnsupported, "fs.azure.account.auth.type " + type + " is not supported: use SharedKey, SAS or OAuth");
  }
  return c;
}

HttpRequest AzureStore::container_request(const std::string& method) const {
  HttpRequest r;
  r.method = method;
  r.server = c_.server;
  r.path = "/" + percent_encode(c_.container, "$");
  r.set_header("x-ms-version", kVersion);
  return r;
}

HttpRequest AzureStore::request(const std::string& method, const std::string& path) const {
  HttpRequest r = container_request(method);
  std::string key = ObjectUri::parse(path).key;
  if (!key.empty()) r.path += "/" + percent_encode(key, "/");
  return r;
}

void AzureStore::sign(HttpRequest& r) const {
  switch (c_.auth) {
    case AzureConfig::Auth::kSharedKey: sign_azure(r, c_.account, c_.key, now_ms()); break;
    case AzureConfig::Auth::kSas: r.query.insert(r.query.end(), c_.sas.begin(), c_.sas.end()); break;
    case AzureConfig::Auth::kOAuth: r.set_header("Authorization", "Bearer " + token_.get()); break;
    case AzureConfig::Auth::kAnonymous: break;
  }
}

std::string AzureStore::sas_query() const {
  std::string out;
  for (const auto& [k, v] : c_.sas) out += (out.empty() ? "" : "&") + percent_encode(k) + "=" + percent_encode(v);
  return out;
}

namespace {
Pairs client_credentials(const AzureConfig& c) {
  bool v2 = c.token_endpoint.find("/v2.0/") != std::string::npos;
  return {{"grant_type", "client_credentials"}, {"client_id", c.client_id}, {"client_secret", c.client_secret},
          v2 ? std::pair<std::string, std::string>{"scope", "https://storage.azure.com/.default"} : std::pair<std::string, std::string>{"resource", "https://storage.azure.com/"}};
}
}  // namespace

AzureStore::AzureStore(const AzureConfig& c)
    : RestStore(c.limits), c_(c),
      token_(c.token_endpoint, [c] { return client_credentials(c); }, "the token endpoint refuses fs.azure.account.oauth2.client.id and secret") {}

std::string AzureStore::error_code(const HttpResponse& r) const { return r.header("x-ms-error-code"); }

std::string AzureStore::advice(int status, const std::string& code) const {
  if (code == "ContainerNotFound" || code == "FilesystemNotFound") return "the container " + c_.container + " does not exist in the account " + c_.account;
  // To nobody in particular Azure tells of a private container that it is not there.
  bool hidden = c_.auth == AzureConfig::Auth::kAnonymous && (code == "ResourceNotFound" || code == "PublicAccessNotPermitted");
  if (status != 401 && status != 403 && !hidden) return "";
  switch (c_.auth) {
    case AzureConfig::Auth::kSharedKey:
      return code == "AuthenticationFailed" ? "fs.azure.account.key." + c_.host + " is not a key of the account"
                                            : "the account refuses fs.azure.account.key." + c_.host + " (a wrong key, or a rule of its network)";
    case AzureConfig::Auth::kSas: return "the shared access signature does not allow it, or has expired";
    case AzureConfig::Auth::kOAuth: return "fs.azure.account.oauth2.client.id needs a role such as Storage Blob Data Contributor on the container";
    case AzureConfig::Auth::kAnonymous: return "the container is not public: set fs.azure.account.key." + c_.host;
  }
  return "";
}

void AzureStore::remove_files(const std::vector<std::string>& paths) {
  InFlight running(kRequestsAtOnce);
  for (const auto& p : paths) running.start([this, p] { remove(p); });
  running.wait();
}

}  // namespace tarn::storage
