#include "account/service.h"

#include <algorithm>
#include <cctype>
#include <nlohmann/json.hpp>
#include <vector>

#include "account/exchange.h"
#include "base/encoding.h"
#include "base/io_error.h"
#include "base/log.h"
#include "base/xml.h"
#include "http/rest_error.h"

namespace tarn::account {
namespace {

enum class Level { kAccount, kContainer, kPath };
enum class Side { kBlob, kDfs, kBoth };

// The next operation is one entry. A request is the first operation whose level, method, parameters and header it has; "comp=list" asks
// for that value, "comp" for any. Permissions as of Grant::require.
struct Operation {
  const char* name;
  Side side;
  Level level;
  const char* method;
  const char* parameters;
  const char* header;
  char resource;
  const char* permissions;
  bool write;
  Run run;
};

constexpr Operation kOperations[] = {
    {"ListContainers", Side::kBlob, Level::kAccount, "GET", "comp=list", "", 's', "l", false, list_containers},
    {"GetBlobServiceProperties", Side::kBlob, Level::kAccount, "GET", "restype=service&comp=properties", "", 's', "r", false, service_properties},
    {"SetBlobServiceProperties", Side::kBlob, Level::kAccount, "PUT", "restype=service&comp=properties", "", 's', "w", true, service_properties},
    {"GetUserDelegationKey", Side::kBlob, Level::kAccount, "POST", "restype=service&comp=userdelegationkey", "", 's', "r", false, user_delegation_key},
    {"GetAccountInformation", Side::kBlob, Level::kAccount, "GET", "restype=account&comp=properties", "", 's', "r", false, account_information},
    {"ListFilesystems", Side::kDfs, Level::kAccount, "GET", "resource=account", "", 's', "l", false, list_file_systems},

    {"GetAccountInformation", Side::kBlob, Level::kContainer, "GET", "restype=account&comp=properties", "", 's', "r", false, account_information},
    {"CreateFilesystem", Side::kDfs, Level::kContainer, "PUT", "resource=filesystem", "", 'c', "cw", true, create_container},
    {"SetFilesystemProperties", Side::kDfs, Level::kContainer, "PATCH", "resource=filesystem", "", 'c', "w", true, set_container_metadata},
    {"GetFilesystemProperties", Side::kDfs, Level::kContainer, "HEAD", "resource=filesystem", "", 'c', "rl", false, show_container},
    {"ListPaths", Side::kDfs, Level::kContainer, "GET", "resource=filesystem", "", 'c', "l", false, list_paths},
    {"DeleteFilesystem", Side::kDfs, Level::kContainer, "DELETE", "resource=filesystem", "", 'c', "d", true, delete_container},
    {"SetContainerMetadata", Side::kBlob, Level::kContainer, "PUT", "restype=container&comp=metadata", "", 'c', "w", true, set_container_metadata},
    {"SetContainerAcl", Side::kBlob, Level::kContainer, "PUT", "restype=container&comp=acl", "", 'c', "K", true, set_container_acl},
    {"LeaseContainer", Side::kBlob, Level::kContainer, "PUT", "restype=container&comp=lease", "", 'c', "wd", true, lease_container},
    {"CreateContainer", Side::kBlob, Level::kContainer, "PUT", "restype=container", "", 'c', "cw", true, create_container},
    {"ListBlobs", Side::kBlob, Level::kContainer, "GET", "restype=container&comp=list", "", 'c', "l", false, list_blobs},
    {"GetContainerAcl", Side::kBlob, Level::kContainer, "GET", "restype=container&comp=acl", "", 'c', "K", false, get_container_acl},
    {"GetContainerProperties", Side::kBlob, Level::kContainer, "GET", "restype=container", "", 'c', "rl", false, show_container},
    {"GetContainerProperties", Side::kBlob, Level::kContainer, "HEAD", "restype=container", "", 'c', "rl", false, show_container},
    {"DeleteContainer", Side::kBlob, Level::kContainer, "DELETE", "restype=container", "", 'c', "d", true, delete_container},

    {"RenamePath", Side::kDfs, Level::kPath, "PUT", "", "x-ms-rename-source", 'o', "cw", true, rename_path},
    {"CreatePath", Side::kDfs, Level::kPath, "PUT", "resource", "", 'o', "cw", true, create_path},
    {"AppendData", Side::kDfs, Level::kPath, "PATCH", "action=append", "", 'o', "aw", true, append_data},
    {"FlushData", Side::kDfs, Level::kPath, "PATCH", "action=flush", "", 'o', "aw", true, flush_data},
    {"SetAccessControl", Side::kDfs, Level::kPath, "PATCH", "action=setAccessControl", "", 'o', "p", true, set_access_control},
    {"SetAccessControlRecursive", Side::kDfs, Level::kPath, "PATCH", "action=setAccessControlRecursive", "", 'o', "p", true, set_access_control_recursive},
    {"SetProperties", Side::kDfs, Level::kPath, "PATCH", "action=setProperties", "", 'o', "w", true, set_path_properties},
    {"GetAccessControl", Side::kDfs, Level::kPath, "HEAD", "action=getAccessControl", "", 'o', "re", false, get_access_control},
    {"GetStatus", Side::kDfs, Level::kPath, "HEAD", "action=getStatus", "", 'o', "re", false, get_access_control},
    {"CheckAccess", Side::kDfs, Level::kPath, "HEAD", "action=checkAccess", "", 'o', "re", false, check_access},
    {"LeasePath", Side::kDfs, Level::kPath, "POST", "", "x-ms-lease-action", 'o', "wd", true, lease_path},
    {"DeletePath", Side::kDfs, Level::kPath, "DELETE", "recursive", "", 'o', "d", true, delete_path},

    {"GetAccountInformation", Side::kBlob, Level::kPath, "GET", "restype=account&comp=properties", "", 's', "r", false, account_information},
    {"LeaseBlob", Side::kBlob, Level::kPath, "PUT", "comp=lease", "", 'o', "wd", true, lease_path},
    {"SetBlobMetadata", Side::kBlob, Level::kPath, "PUT", "comp=metadata", "", 'o', "w", true, set_blob_metadata},
    {"SetBlobProperties", Side::kBlob, Level::kPath, "PUT", "comp=properties", "", 'o', "w", true, set_blob_properties},
    {"PutBlockList", Side::kBlob, Level::kPath, "PUT", "comp=blocklist", "", 'o', "cw", true, put_block_list},
    {"PutBlock", Side::kBlob, Level::kPath, "PUT", "comp=block", "", 'o', "cw", true, put_block},
    {"AppendBlock", Side::kBlob, Level::kPath, "PUT", "comp=appendblock", "", 'o', "aw", true, append_block},
    {"AbortCopyBlob", Side::kBlob, Level::kPath, "PUT", "comp=copy", "", 'o', "w", true, abort_copy},
    {"GetBlockList", Side::kBlob, Level::kPath, "GET", "comp=blocklist", "", 'o', "r", false, get_block_list},
    {"GetBlobMetadata", Side::kBlob, Level::kPath, "GET", "comp=metadata", "", 'o', "r", false, show_path_properties},
    {"GetBlobMetadata", Side::kBlob, Level::kPath, "HEAD", "comp=metadata", "", 'o', "r", false, show_path_properties},
    {"CopyBlob", Side::kBlob, Level::kPath, "PUT", "", "x-ms-copy-source", 'o', "cw", true, copy_blob},
    {"PutBlob", Side::kBlob, Level::kPath, "PUT", "", "x-ms-blob-type", 'o', "cw", true, put_blob},
    {"GetBlob", Side::kBoth, Level::kPath, "GET", "", "", 'o', "r", false, read_path},
    {"GetBlobProperties", Side::kBoth, Level::kPath, "HEAD", "", "", 'o', "r", false, show_path_properties},
    {"DeletePath", Side::kDfs, Level::kPath, "DELETE", "", "", 'o', "d", true, delete_path},
    {"DeleteBlob", Side::kBlob, Level::kPath, "DELETE", "", "", 'o', "d", true, delete_blob},
};

// What the services have and this account does not, by the value of "comp": refused by name.
constexpr std::pair<std::string_view, const char*> kNotKept[] = {
    {"snapshot", "the account keeps no snapshots"}, {"undelete", "what is deleted is gone: the account has no soft delete"},
    {"page", "an account with a hierarchical namespace has no page blobs"}, {"pagelist", "an account with a hierarchical namespace has no page blobs"},
    {"incrementalcopy", "an account with a hierarchical namespace has no page blobs"}, {"tags", "the account keeps no tags"}, {"blobs", "the account keeps no tags"},
    {"tier", "the account has no access tiers"}, {"seal", "append blobs are not sealed"}, {"query", "the account does not query contents"},
    {"expiry", "paths do not expire"}, {"immutabilityPolicies", "the account has no immutability policies"}, {"legalhold", "the account has no legal holds"},
    {"batch", "requests are not taken in batches"}, {"stats", "the account has no second region"}, {"rename", "containers are not renamed"}};

// Parameters that may stand beside those an operation is found by; "comp" or "restype" beside them make it another one, which we do not have.
bool has_parameters(const http::Request& request, std::string_view wanted) {
  auto value = [&](std::string_view name) -> const std::string* {
    for (const auto& [n, v] : request.query) {
      if (n == name) return &v;
    }
    return nullptr;
  };
  std::string all(wanted);
  for (size_t at = 0; at < all.size();) {
    size_t end = std::min(all.find('&', at), all.size());
    std::string part = all.substr(at, end - at);
    at = end + 1;
    size_t equals = part.find('=');
    const std::string* v = value(part.substr(0, equals));
    if (!v || (equals != std::string::npos && *v != part.substr(equals + 1))) return false;
  }
  for (const char* selector : {"comp", "restype", "action"}) {
    if (value(selector) && all.find(std::string(selector) + "=") == std::string::npos) return false;
  }
  return true;
}

// kBare: signed with this account's key, though neither the host nor the path names it; clients that build a URL from the host alone do that.
enum class Host { kBlob, kDfs, kPath, kBare, kOther };

Host host_of(const http::Request& request, const std::string& account) {
  std::string host = lower_ascii(request.headers.get("Host"));
  if (host.starts_with(account + ".blob.")) return Host::kBlob;
  if (host.starts_with(account + ".dfs.")) return Host::kDfs;
  std::string prefix = "/" + account;
  bool ours = request.path.starts_with(prefix) && (request.path.size() == prefix.size() || request.path[prefix.size()] == '/');
  if (ours) return Host::kPath;
  std::string authorization = request.headers.get("Authorization");
  return authorization.starts_with("SharedKey " + account + ":") ? Host::kBare : Host::kOther;
}

// Where both services share a URL and an operation, the client's name tells which form of errors it reads.
bool speaks_dfs(const http::Request& request) {
  std::string agent = lower_ascii(request.headers.get("User-Agent"));
  return agent.find("storage-dfs") != std::string::npos || agent.find("datalake") != std::string::npos || agent.find("azurehadoop") != std::string::npos;
}

bool is_version(const std::string& v) {
  if (v.size() != 10) return false;
  for (size_t i = 0; i < v.size(); ++i) {
    if (i == 4 || i == 7 ? v[i] != '-' : !std::isdigit(static_cast<unsigned char>(v[i]))) return false;
  }
  return true;
}

http::Response error_response(const StorageError& e, bool dfs, const http::Request& request, const std::string& tenant, http::Headers headers) {
  std::string code(dfs ? std::string_view(e.code()) : blob_code(e.code()));
  const ErrorInfo& info = error_info(code);
  if (std::string_view(info.code) == "InternalError") code = "InternalError";
  http::Response r;
  r.status = info.status;
  r.reason = info.message;   // as Azure has it: some clients (Arrow's) know a missing container by nothing else
  r.headers = std::move(headers);
  r.headers.set("x-ms-error-code", code);
  std::string message = std::string(info.message) + (e.detail().empty() ? "" : " (" + e.detail() + ")") + "\nRequestId:" + request.id + "\nTime:" + iso_time(now_ms());
  if (info.status == 401) {
    std::string host;
    for (char c : request.headers.get("Host")) {
      if (std::isalnum(static_cast<unsigned char>(c)) || std::string_view(".:-[]").find(c) != std::string_view::npos) host += c;
    }
    // Without the account's own part the host is the one that gives out tokens.
    for (std::string_view part : {".dfs.", ".blob."}) {
      size_t at = host.find(part);
      if (at != std::string::npos) host = host.substr(at + part.size());
    }
    r.headers.set("WWW-Authenticate", "Bearer authorization_uri=" + std::string(request.tls ? "https://" : "http://") + host + "/" + tenant +
                                          "/oauth2/authorize resource_id=https://storage.azure.com");
  }
  if (info.status == 304 || request.method == "HEAD") return r;   // no body, hence no type: clients parse what has one
  if (dfs) {
    r.headers.set("Content-Type", "application/json;charset=utf-8");
    r.body = nlohmann::json({{"error", {{"code", code}, {"message", message}}}}).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  } else {
    r.headers.set("Content-Type", "application/xml");
    r.body = "<?xml version=\"1.0\" encoding=\"utf-8\"?><Error>" + xml_element("Code", code) + xml_element("Message", message) + "</Error>";
  }
  return r;
}

}  // namespace

bool Service::owns(const http::Request& request) const { return host_of(request, authorizer_.account()) != Host::kOther; }

// Every body is streamed: it is read after the caller is known, up to what the operation takes.
http::BodyPlan Service::plan(const http::Request& head) {
  bool body = head.method == "PUT" || head.method == "PATCH" || head.method == "POST";
  return body ? http::BodyPlan{SIZE_MAX / 2, true} : http::BodyPlan{64 << 10, false};
}

http::Response Service::handle(http::Request& request) {
  ++requests_;
  Exchange x{request, store_, authorizer_, {}, tenant_, false, {}, {}};
  const Operation* operation = nullptr;
  const http::Principal* caller = nullptr;
  std::string error_code;
  bool read_all = false;
  const Host host = host_of(request, authorizer_.account());
  auto fail = [&](const StorageError& e) {
    http::Headers kept;
    if (const std::string* range = x.response.headers.find("Content-Range")) kept.set("Content-Range", *range);
    x.response = error_response(e, x.dfs, request, tenant_, std::move(kept));
    error_code = x.response.headers.get("x-ms-error-code");
    if (x.response.status >= 500) ++errors_;
    if (x.response.status == 401 || x.response.status == 403) ++refused_;
  };
  try {
    const bool both = host == Host::kPath || host == Host::kBare;   // both services share the URL
    x.dfs = host == Host::kDfs || (both && speaks_dfs(request));
    std::string_view path = request.path;
    if (host == Host::kPath) path.remove_prefix(authorizer_.account().size() + 1);
    parse_path(path, &x.address);
    Level level = x.address.container.empty() ? Level::kAccount : x.address.path.empty() ? Level::kContainer : Level::kPath;
    if (level == Level::kContainer && (x.find_query("action") || (x.has_header("x-ms-rename-source")))) level = Level::kPath;   // the root directory
    for (const auto& o : kOperations) {
      bool side = o.side == Side::kBoth || both || (o.side == Side::kDfs) == (host == Host::kDfs);
      if (both && o.run == delete_path && !*o.parameters && !x.dfs) side = false;
      if (!side || o.level != level || o.method != request.method || !has_parameters(request, o.parameters)) continue;
      if (*o.header && !x.has_header(o.header)) continue;
      operation = &o;
      break;
    }
    if (operation && operation->side != Side::kBoth) x.dfs = operation->side == Side::kDfs;
    if (operation && operation->run == list_paths) x.address.directory = x.query("directory");
    try {
      x.grant = authorizer_.authenticate(request, x.address);
    } catch (const StorageError& e) {
      // BlobClient.from_blob_url of azure-storage-blob takes the first segment for the account wherever "localhost" is in the host, and then
      // repeats the container. What opens is what the signature names, so reading the path that way gives nothing away.
      const std::string twice = x.address.container + "/";
      bool repeated = e.code() == "AuthenticationFailed" && host == Host::kBlob && x.query("sr") == "b" && x.address.path.starts_with(twice) &&
                      x.address.path.find('/', twice.size()) == std::string::npos && request.headers.get("Host").find("localhost") != std::string::npos;
      if (!repeated) throw;
      Address meant = x.address;
      meant.path = x.address.path.substr(twice.size());
      x.grant = authorizer_.authenticate(request, meant);
      x.address = std::move(meant);
    }
    if (x.grant.has_principal()) caller = &x.grant.caller.principal;
    std::string version = x.header("x-ms-version");
    if (!version.empty() && !is_version(version)) throw StorageError("InvalidHeaderValue", "x-ms-version");
    if (!operation) {
      std::string what = x.query("comp");
      for (const auto& [comp, why] : kNotKept) {
        if (what == comp) throw StorageError("FeatureNotSupported", why);
      }
      bool known = std::any_of(std::begin(kOperations), std::end(kOperations), [&](const Operation& o) { return o.method == request.method; });
      throw StorageError(known ? "UnsupportedQueryParameter" : "UnsupportedHttpVerb", "this account has no such operation");
    }
    if (x.find_query("snapshot") || x.find_query("versionid")) throw StorageError("FeatureNotSupported", "the account keeps no snapshots and versions");
    if (level != Level::kAccount && operation->run != create_container) check_container_name(x.address.container);
    x.grant.require(operation->resource, operation->permissions);
    operation->run(x);
  } catch (const StorageError& e) {
    fail(e);
  } catch (const http::RestError& e) {   // of the body's reader
    read_all = true;
    fail(StorageError(e.status() == 408 ? "RequestTimeout" : e.status() == 413 ? "RequestBodyTooLarge" : "InvalidInput", e.what()));
  } catch (const IoError& e) {
    log::error("storage_request_failed", {{"request", request.id}, {"error", e.what()}});
    fail(StorageError(e.kind() == IoError::Kind::kNoSpace ? "InsufficientStorage" : "InternalError"));
  } catch (const std::exception& e) {
    log::error("storage_request_failed", {{"request", request.id}, {"error", e.what()}});
    auto* database = dynamic_cast<const DatabaseError*>(&e);   // of who the caller is, or what the files' properties are
    fail(StorageError(database && database->is_unavailable() ? "ServerBusy" : "InternalError"));
  }
  // The rest of a small body, so that the connection can go on.
  const std::string announced = request.headers.get("Content-Length");
  if (request.stream && !read_all && x.response.status >= 300 && !announced.empty() && announced.size() <= 7) {
    try {
      std::vector<char> waste(64 << 10);
      for (size_t total = 0; total < (1u << 20);) {
        size_t n = request.stream->read(waste.data(), waste.size());
        if (n == 0) break;
        total += n;
      }
    } catch (const std::exception&) {
    }
  }
  x.set("x-ms-request-id", request.id);
  std::string version = x.header("x-ms-version");
  x.set("x-ms-version", is_version(version) ? version : "2021-12-02");
  if (x.has_header("x-ms-client-request-id")) x.set("x-ms-client-request-id", x.header("x-ms-client-request-id").substr(0, 1024));
  x.set("Date", http_date(now_ms()));
  x.set("Server", "Tarn-Storage/1.0");
  x.set("X-Content-Type-Options", "nosniff");
  if (audit_) audit_({request, operation ? operation->name : "", caller, x.response.status, error_code, x.address, operation && operation->write});
  return std::move(x.response);
}

std::string Service::metrics() const {
  std::string out;
  auto add = [&](const char* name, const char* help, uint64_t value) {
    out += std::string("# HELP tarn_storage_") + name + " " + help + "\n# TYPE tarn_storage_" + name + " counter\ntarn_storage_" + name + " " + std::to_string(value) + "\n";
  };
  add("requests_total", "Requests to the storage account.", requests_);
  add("refused_total", "Requests that were not let in.", refused_);
  add("errors_total", "Requests that failed within.", errors_);
  return out;
}

}  // namespace tarn::account
