// /api/2.0/dbfs/mounts: what dbutils.fs.mount, updateMount, unmount and mounts call. Databricks has no REST API for it; the fields are dbutils'.
#include <algorithm>

#include "base/encoding.h"
#include "http/outbound.h"
#include "workspace/families.h"

namespace tarn::workspace {
namespace {

using http::Call;
using http::invalid_parameter;
using http::Json;

constexpr char kType[] = "mounts", kAll[] = "workspace";

// "dbfs:/mnt/lake/" -> "/mnt/lake"
std::string mount_point_of(Call& call) {
  std::string text = call.required_text("mount_point"), path;
  std::string_view rest = text;
  if (rest.starts_with("dbfs:")) rest.remove_prefix(5);
  for (size_t at = 0; at <= rest.size();) {
    size_t end = std::min(rest.find('/', at), rest.size());
    std::string part(rest.substr(at, end - at));
    at = end + 1;
    if (part.empty()) continue;
    if (part == "." || part == ".." || part.size() > 255 || std::any_of(part.begin(), part.end(), [](unsigned char c) { return c < 0x20; })) throw invalid_parameter("The mount point is not valid.");
    path += "/" + part;
  }
  if (!rest.starts_with('/') || !path.starts_with("/mnt/")) throw invalid_parameter("A mount point is below /mnt/: " + text.substr(0, 200));
  return path;
}

bool is_of(const std::string& host, std::initializer_list<const char*> domains) {
  return std::any_of(domains.begin(), domains.end(), [&](const char* d) { return host.ends_with(d); });
}

// The workspace itself goes there for the dbfs API: to the clouds' stores, and where it may go when users name a URL.
void require_host(const std::string& url, const MountHooks& hooks) {
  http::Url u = http::parse_url(url);
  bool cloud = u.scheme == "https" && !u.has_user &&
               is_of(u.host, {".core.windows.net", ".core.chinacloudapi.cn", ".core.usgovcloudapi.net", ".amazonaws.com", ".amazonaws.com.cn", ".googleapis.com", "login.microsoftonline.com",
                              "login.microsoftonline.us", "login.chinacloudapi.cn"});
  if (!cloud && !hooks.is_own(u)) hooks.require_allowed_url(url);
}

std::string source_of(Call& call, const std::map<std::string, std::string>& settings, const MountHooks& hooks) {
  std::string source = call.required_text("source");
  size_t colon = source.find("://");
  std::string scheme = colon == std::string::npos ? "" : lower_ascii(source.substr(0, colon));
  bool azure = scheme == "abfss" || scheme == "abfs" || scheme == "wasbs" || scheme == "wasb", s3 = scheme == "s3a" || scheme == "s3" || scheme == "s3n" || scheme == "gs";
  if (!azure && !s3) throw invalid_parameter("A source is abfss://, wasbs://, s3a:// or gs://, not " + source.substr(0, 200));
  std::string authority = source.substr(colon + 3, source.find('/', colon + 3) - colon - 3);
  size_t at = authority.find('@');
  bool shaped = azure ? at != std::string::npos && at > 0 && at + 1 < authority.size() && authority.find('@', at + 1) == std::string::npos : !authority.empty() && at == std::string::npos;
  if (!shaped || source.find_first_of(" \t\r\n?#") != std::string::npos || authority.find(':') != std::string::npos) {
    throw invalid_parameter("The source is not valid: " + source.substr(0, 200));
  }
  if (azure) {
    std::string host = authority.substr(at + 1);
    // With an endpoint of its own the host is a name only.
    bool elsewhere = std::any_of(settings.begin(), settings.end(), [&](const auto& s) { return s.first == "fs.azure.account.endpoint." + host; });
    if (!elsewhere && !hooks.is_own_account(host)) require_host("https://" + host, hooks);
  }
  while (source.size() > colon + 3 && source.ends_with('/')) source.pop_back();
  return source;
}

std::map<std::string, std::string> settings_of(Call& call, const MountHooks& hooks) {
  std::map<std::string, std::string> out;
  const Json& given = call.at("extra_configs");
  if (!given.is_null() && !given.is_object()) throw invalid_parameter("extra_configs must be an object of strings.");
  if (given.is_object()) for (const auto& [name, value] : given.items()) {
    std::string key = name.starts_with("spark.hadoop.") ? name.substr(13) : name;
    if (!key.starts_with("fs.azure.") && !key.starts_with("fs.s3a.") && !key.starts_with("fs.gs.")) {
      throw invalid_parameter("extra_configs: " + name.substr(0, 100) + " is not understood; keys begin with fs.azure., fs.s3a. or fs.gs.");
    }
    // The server reads through the mount, too: with what the mount brings, not with files or an identity of its own machine.
    bool of_machine = key.ends_with(".keyfile") || (key == "fs.gs.auth.type" && (value == "APPLICATION_DEFAULT" || value == "SERVICE_ACCOUNT_JSON_KEYFILE"));
    if (of_machine) throw invalid_parameter("extra_configs: " + name.substr(0, 100) + " names what is on a machine: give the account's email and private key.");
    if (!value.is_string()) throw invalid_parameter("extra_configs: " + name.substr(0, 100) + " must be a string.");
    // "fs.azure.account.endpoint.…", "fs.azure.account.oauth2.client.endpoint", "fs.s3a.endpoint", "fs.gs.token.server.url"; a region is no address.
    if ((key.find("endpoint") != std::string::npos && !key.ends_with("endpoint.region")) || (key.starts_with("fs.gs.") && key.ends_with(".url"))) {
      std::string url = value.get<std::string>();
      require_host(url.find("://") == std::string::npos ? "https://" + url : url, hooks);
    }
    out[key] = value.get<std::string>();
  }
  std::string encryption = lower_ascii(call.text("encryption_type"));
  if (encryption == "sse-s3") {
    out["fs.s3a.encryption.algorithm"] = "SSE-S3";
  } else if (encryption == "sse-kms" || encryption.starts_with("sse-kms:")) {
    out["fs.s3a.encryption.algorithm"] = "SSE-KMS";
    if (encryption.size() > 8) out["fs.s3a.encryption.key"] = call.text("encryption_type").substr(8);
  } else if (!encryption.empty()) {
    throw invalid_parameter("encryption_type must be sse-s3, sse-kms or sse-kms:KEY.");
  }
  return out;
}

}  // namespace

void add_mount_routes(http::RouteTable& table, Mounts& mounts, identity::AccessControl& access, MountHooks hooks) {
  access.add_type({kType, "mounts", {"CAN_MANAGE"}, [](const std::string& id) { return id == kAll; }, nullptr, true, {"Can mount and unmount"}});
  auto require = [&access](Call& call) { access.require(call.caller, {kType, kAll}, "CAN_MANAGE", "the mounts of the workspace"); };
  const std::string p = "/api/*/dbfs/mounts/";
  table.post(p + "create", [&mounts, require, hooks](Call& call) {
    require(call);
    MountInfo m;
    m.path = mount_point_of(call);
    bool update = call.flag("update");
    auto settings = settings_of(call, hooks);
    m.source = source_of(call, settings, hooks);
    m.encryption_type = call.text("encryption_type");
    m.creator = call.caller.id;
    m.created_ms = now_ms();
    call.audit.emplace_back("mount_point", m.path);
    call.audit.emplace_back("source", m.source);
    for (const auto& other : mounts.list()) {
      if (other.path.starts_with(m.path + "/") || m.path.starts_with(other.path + "/")) throw invalid_parameter("A mount cannot be in another: " + other.path + " is mounted.");
    }
    if (!mounts.put(m, settings, update)) throw http::already_exists("Directory already mounted: " + m.path);
    return http::ok();
  });
  table.post(p + "delete", [&mounts, require](Call& call) {
    require(call);
    std::string path = mount_point_of(call);
    call.audit.emplace_back("mount_point", path);
    if (!mounts.remove(path)) throw http::not_found("Directory not mounted: " + path);
    return http::ok();
  });
  table.get(p + "list", [&mounts](Call&) {
    Json list = Json::array();
    for (const auto& m : mounts.list()) list.push_back({{"mount_point", m.path}, {"source", m.source}, {"encryption_type", m.encryption_type}});
    return http::json_response({{"mounts", list}});
  });
}

}  // namespace tarn::workspace
