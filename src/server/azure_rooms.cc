#include "server/azure_rooms.h"

#include <filesystem>

#include "base/encoding.h"
#include "base/ids.h"
#include "server/command.h"
#include "storage/http_client.h"
#include "vault/families.h"

namespace tarn::server {
namespace {

constexpr char kStorage[] = "storage";                       // the audience of storage tokens
constexpr char kType[] = "storage-accounts";
constexpr char kVault[] = "vault";                           // the audience of vault tokens
constexpr char kVaultType[] = "key-vaults";

// The host of a resource's URL, without its port; "" if it is no URL.
std::string host_of(const std::string& url) {
  size_t scheme = url.find("://");
  if (scheme == std::string::npos) return "";
  std::string host = lower_ascii(url.substr(scheme + 3));
  return host.substr(0, host.find_first_of("/:"));
}

vault::Fetched fetch(const std::string& method, const std::string& url, const std::vector<std::pair<std::string, std::string>>& headers, const std::string& body) {
  size_t slash = url.find('/', url.find("://") + 3), mark = url.find('?');
  storage::HttpRequest request;
  request.method = method;
  request.server = storage::Url::parse(url.substr(0, slash));
  request.path = slash == std::string::npos ? "/" : url.substr(slash, mark == std::string::npos ? mark : mark - slash);
  if (mark != std::string::npos) {
    http::Request parts;
    parts.target = url.substr(mark);
    if (!http::parse_target(&parts)) throw std::runtime_error("the URL is not well formed");
    request.query = std::move(parts.query);
  }
  for (const auto& [name, value] : headers) request.set_header(name, value);
  request.body = body;
  request.connect_timeout_ms = request.idle_timeout_ms = 10'000;
  auto answer = storage::send_http(request);
  return {answer.status, std::move(answer.body)};
}

}  // namespace

AzureRooms::AzureRooms(Parts parts, const std::string& home, Names names)
    : parts_(parts),
      names_([&] {
        if (!is_uuid(lower_ascii(names.tenant))) throw UsageError("--tenant is a UUID");
        if (!vault::is_vault_name(names.vault)) throw UsageError("the name of a key vault is 3 to 24 of a-z, 0-9 and -");
        return std::move(names);
      }()),
      keys_(account::load_account(home + "/storage-account.json", names_.account)),
      store_([&] {
        std::filesystem::create_directories(home + "/storage");
        return home + "/storage/" + names_.account;
      }()),
      authorizer_(keys_, {[this](const std::string& token) {
                            auto owner = parts_.credentials.owner_of(token, kStorage);
                            return owner ? caller_of(*owner) : std::nullopt;
                          },
                          [this](const std::string& oid) {
                            auto e = identity::find_object(parts_.directory, oid);
                            return e ? caller_of(e->id) : std::nullopt;
                          },
                          [this](const std::string& container) -> std::optional<std::vector<std::pair<std::string, account::Sas>>> {
                            auto p = store_.container(container);
                            if (!p) return std::nullopt;
                            std::vector<std::pair<std::string, account::Sas>> out;
                            for (const auto& policy : p->policies) {
                              account::Sas sas;
                              sas.fields = {{"sp", policy.permission}, {"st", policy.start}, {"se", policy.expiry}};
                              out.emplace_back(policy.id, std::move(sas));
                            }
                            return out;
                          }}),
      service_(store_, authorizer_, names_.tenant, [this](const account::Outcome& o) {
        if (!o.write && o.status != 401 && o.status != 403) return;
        std::vector<std::pair<std::string, std::string>> details = {{"operation", o.operation}, {"container", o.address.container}, {"path", o.address.path}};
        parts_.audit.write({o.request, nullptr, o.caller, o.status, o.code, details});
      }),
      secret_store_(parts_.metadata, parts_.secrets.master_key(), names_.vault),
      policies_(parts_.metadata, names_.vault),
      vault_service_(secret_store_, names_.vault, names_.tenant,
                     {[this](const std::string& token) {
                        auto owner = parts_.credentials.owner_of(token, kVault);
                        return owner ? parts_.directory.principal(*owner) : std::nullopt;
                      },
                      [this](const http::Principal& caller, std::string_view permission) { return may(caller, permission); },
                      [this](const vault::Outcome& o) {
                        std::vector<std::pair<std::string, std::string>> details = {{"operation", o.operation}, {"vault", names_.vault}, {"secret", o.secret}};
                        parts_.audit.write({o.request, nullptr, o.caller, o.status, o.code, details});
                      }}),
      key_vaults_(secret_store_, names_.vault, [this](const http::Principal& caller, std::string_view permission) { return may(caller, permission); },
                  names_.identity, [this](const std::string& url) { parts_.outbound.require(url); }, fetch) {
  parts_.secrets.read_key_vaults_with(&key_vaults_);
  // As the roles Storage Blob Data Reader, Contributor and Owner; granted through /api/2.0/permissions/storage-accounts/NAME.
  parts_.access.add_type({kType, "storage-account", {"CAN_READ", "CAN_EDIT", "CAN_MANAGE"}, [this](const std::string& id) { return id == keys_.account; }, nullptr, true,
                          {"Can list and read data (Storage Blob Data Reader)", "Can also write and delete data (Storage Blob Data Contributor)",
                           "Can also change owners and access lists (Storage Blob Data Owner)"}});
  parts_.access.add_type({kVaultType, "key-vault", {"CAN_READ", "CAN_MANAGE"}, [this](const std::string& id) { return id == names_.vault; }, nullptr, true,
                          {"Can get and list secrets (Key Vault Secrets User)", "Can do everything with secrets (Key Vault Secrets Officer)"}});
}

bool AzureRooms::may(const http::Principal& caller, std::string_view permission) const {
  int level = parts_.access.level(caller, {kVaultType, names_.vault});
  return level >= 1 || (level == 0 && (permission == "get" || permission == "list")) || policies_.allows(caller, permission);
}

std::optional<account::Caller> AzureRooms::caller_of(int64_t id) const {
  auto principal = parts_.directory.principal(id);
  auto entry = parts_.directory.get(id);
  if (!principal || !entry) return std::nullopt;
  int level = parts_.access.level(*principal, {kType, keys_.account});
  account::Role role = level >= 2 ? account::Role::kOwner : level == 1 ? account::Role::kContributor : level == 0 ? account::Role::kReader : account::Role::kNone;
  return account::Caller{*principal, identity::object_id(*entry), role};
}

void AzureRooms::add_routes(http::RouteTable& table) {
  identity::add_entra_routes(table, parts_.directory, parts_.credentials, parts_.throttle, [this](const std::string& resource) -> std::optional<std::string> {
    // The workspace itself, by the id that Azure Databricks has everywhere; and what manages resources, which is the workspace here.
    if (resource == "2ff814a6-3304-4ab8-85cb-cd0e6f879c1d") return "";
    std::string host = host_of(resource);
    if (host == "management.azure.com" || host == "management.core.windows.net") return "";
    if (host == "vault.azure.net" || host.starts_with("vault.") || host.starts_with(names_.vault + ".vault.")) return kVault;
    if (host == "storage.azure.com" || host.starts_with(keys_.account + ".dfs.") || host.starts_with(keys_.account + ".blob.")) return kStorage;
    return std::nullopt;
  });
  vault::add_policy_routes(table, policies_, parts_.directory, names_.vault, names_.tenant);
}

void AzureRooms::add_hosts(http::VirtualHosts& hosts) {
  hosts.add([this](const http::Request& r) { return vault_service_.owns(r); }, vault_service_);
  hosts.add([this](const http::Request& r) { return service_.owns(r); }, service_);
}

std::string AzureRooms::metrics() const { return service_.metrics(); }

}  // namespace tarn::server
