// Operations on the account and on containers, which the dfs service calls file systems.
#include <algorithm>

#include <nlohmann/json.hpp>

#include "account/digest.h"
#include "account/exchange.h"
#include "base/encoding.h"
#include "base/xml.h"

namespace tarn::account {
namespace {

using nlohmann::json;

constexpr size_t kMaxPage = 5000;

void xml_answer(Exchange& x, const std::string& body) {
  x.set("Content-Type", "application/xml");
  x.response.body = "<?xml version=\"1.0\" encoding=\"utf-8\"?>" + body;
}

void json_answer(Exchange& x, const json& body) {
  x.set("Content-Type", "application/json;charset=utf-8");
  x.response.body = body.dump(-1, ' ', false, json::error_handler_t::replace);
}

size_t page_size(Exchange& x, const char* name) {
  auto n = x.query_number(name);
  if (n && *n < 1) throw StorageError("OutOfRangeQueryParameterValue", name);
  return n ? std::min<size_t>(kMaxPage, static_cast<size_t>(*n)) : kMaxPage;
}

// Markers are opaque to clients: base64url of the last key seen.
std::string marker_of(const std::string& key) {
  std::string out = base64_encode("k:" + key);
  std::replace(out.begin(), out.end(), '+', '-');
  std::replace(out.begin(), out.end(), '/', '_');
  return out;
}

std::string key_of_marker(std::string marker, const char* name) {
  if (marker.empty()) return "";
  std::replace(marker.begin(), marker.end(), '-', '+');
  std::replace(marker.begin(), marker.end(), '_', '/');
  auto raw = base64_decode(marker);
  if (!raw || !raw->starts_with("k:")) throw StorageError("InvalidQueryParameterValue", name);
  return raw->substr(2);
}

bool includes(const std::string& list, std::string_view what) {
  for (size_t at = 0; at < list.size();) {
    size_t end = std::min(list.find(',', at), list.size());
    if (std::string_view(list).substr(at, end - at) == what) return true;
    at = end + 1;
  }
  return false;
}

std::string xml_metadata(const MetadataMap& metadata) {
  std::string out = "<Metadata>";
  for (const auto& [name, value] : metadata) out += xml_element(name, value);
  return out + "</Metadata>";
}

std::string xml_lease(const Lease& lease) {
  std::string state = lease_state(lease, now_ms());
  return xml_element("LeaseStatus", is_locked(state) ? "locked" : "unlocked") + xml_element("LeaseState", state) +
         (state == "leased" ? xml_element("LeaseDuration", lease.duration_s < 0 ? "infinite" : "fixed") : "");
}

std::string xml_name(const std::string& name) {
  if (fits_xml(name)) return xml_element("Name", name);
  std::string out;
  for (unsigned char c : name) {
    char hex[4];
    std::snprintf(hex, sizeof hex, "%%%02X", c);
    out += std::isalnum(c) || c == '/' || c == '-' || c == '_' || c == '.' ? std::string(1, static_cast<char>(c)) : hex;
  }
  return "<Name Encoded=\"true\">" + out + "</Name>";
}

void check_container_change(Exchange& x, const ContainerProperties& p) {
  Conditions::of(x.request.headers).check_write(&p.etag, p.modified_ms);
  require_lease(p.lease, x.lease_id(), now_ms(), true);
}

void show_container_headers(Exchange& x, const ContainerProperties& p) {
  show_version(x, p.etag, p.modified_ms);
  show_lease(x, p.lease);
  x.set("x-ms-has-immutability-policy", "false");
  x.set("x-ms-has-legal-hold", "false");
  x.set("x-ms-default-encryption-scope", "$account-encryption-key");
  x.set("x-ms-deny-encryption-scope-override", "false");
  x.set("x-ms-namespace-enabled", "true");
  for (const auto& [name, value] : p.metadata) x.set("x-ms-meta-" + name, value);
  if (!p.metadata.empty()) x.set("x-ms-properties", properties_of_metadata(p.metadata));
}

// As each of the two services writes it.
MetadataMap container_metadata(const Exchange& x) {
  return x.query("resource") == "filesystem" ? metadata_of_properties(x.header("x-ms-properties")) : metadata_headers(x.request.headers);
}

std::vector<std::string> page_of_containers(Exchange& x, const std::string& after, size_t limit, bool* more) {
  std::vector<std::string> out;
  std::string prefix = x.query("prefix");
  *more = false;
  for (const auto& name : x.store.containers()) {
    if (!name.starts_with(prefix) || name <= after) continue;
    if (out.size() == limit) {
      *more = true;
      break;
    }
    out.push_back(name);
  }
  return out;
}

}  // namespace

void list_containers(Exchange& x) {
  bool more = false;
  size_t limit = page_size(x, "maxresults");
  std::string marker = x.query("marker");
  auto names = page_of_containers(x, key_of_marker(marker, "marker"), limit, &more);
  bool metadata = includes(x.query("include"), "metadata");
  std::string out = "<EnumerationResults ServiceEndpoint=\"" + xml_escape((x.request.tls ? "https://" : "http://") + x.header("Host") + "/") + "\">";
  if (!x.query("prefix").empty()) out += xml_element("Prefix", x.query("prefix"));
  if (!marker.empty()) out += xml_element("Marker", marker);
  out += xml_element("MaxResults", std::to_string(limit)) + "<Containers>";
  for (const auto& name : names) {
    auto p = x.store.container(name);
    if (!p) continue;
    out += "<Container>" + xml_element("Name", name) + "<Properties>" + xml_element("Last-Modified", http_date(p->modified_ms)) + xml_element("Etag", p->etag) +
           xml_lease(p->lease) + "<HasImmutabilityPolicy>false</HasImmutabilityPolicy><HasLegalHold>false</HasLegalHold></Properties>" +
           (metadata ? xml_metadata(p->metadata) : "") + "</Container>";
  }
  xml_answer(x, out + "</Containers>" + xml_element("NextMarker", more ? marker_of(names.back()) : "") + "</EnumerationResults>");
}

void list_file_systems(Exchange& x) {
  bool more = false;
  auto names = page_of_containers(x, key_of_marker(x.query("continuation"), "continuation"), page_size(x, "maxResults"), &more);
  json list = json::array();
  for (const auto& name : names) {
    if (auto p = x.store.container(name)) list.push_back({{"name", name}, {"etag", p->etag}, {"lastModified", http_date(p->modified_ms)}});
  }
  if (more) x.set("x-ms-continuation", marker_of(names.back()));
  json_answer(x, {{"filesystems", list}});
}

void create_container(Exchange& x) {
  ContainerProperties p;
  p.name = x.address.container;
  check_container_name(p.name);
  if (!x.header("x-ms-blob-public-access").empty()) throw StorageError("FeatureNotSupported", "public access is not permitted on this account");
  p.metadata = container_metadata(x);
  p.etag = new_etag();
  p.modified_ms = now_ms();
  auto guard = x.store.lock(p.name);
  if (!x.store.create_container(p)) throw StorageError("FilesystemAlreadyExists");
  x.response.status = 201;
  show_version(x, p.etag, p.modified_ms);
  x.set("x-ms-namespace-enabled", "true");
}

void show_container(Exchange& x) {
  auto p = x.store.require_container(x.address.container);
  check_named_lease(p.lease, x.lease_id(), now_ms(), true);
  show_container_headers(x, p);
}

void delete_container(Exchange& x) {
  auto guard = x.store.lock(x.address.container);
  auto p = x.store.require_container(x.address.container);
  check_container_change(x, p);
  x.store.delete_container(p.name);
  x.response.status = 202;
}

void set_container_metadata(Exchange& x) {
  auto guard = x.store.lock(x.address.container);
  auto p = x.store.require_container(x.address.container);
  check_container_change(x, p);
  p.metadata = container_metadata(x);
  p.etag = new_etag();
  p.modified_ms = now_ms();
  x.store.update_container(p);
  show_version(x, p.etag, p.modified_ms);
}

void get_container_acl(Exchange& x) {
  auto p = x.store.require_container(x.address.container);
  show_version(x, p.etag, p.modified_ms);
  std::string out = "<SignedIdentifiers>";
  for (const auto& a : p.policies) {
    out += "<SignedIdentifier>" + xml_element("Id", a.id) + "<AccessPolicy>";
    if (!a.start.empty()) out += xml_element("Start", a.start);
    if (!a.expiry.empty()) out += xml_element("Expiry", a.expiry);
    if (!a.permission.empty()) out += xml_element("Permission", a.permission);
    out += "</AccessPolicy></SignedIdentifier>";
  }
  xml_answer(x, out + "</SignedIdentifiers>");
}

void set_container_acl(Exchange& x) {
  if (!x.header("x-ms-blob-public-access").empty()) throw StorageError("FeatureNotSupported", "public access is not permitted on this account");
  std::vector<AccessPolicy> policies;
  std::string body = small_body(x, 64 << 10);
  if (!body.empty()) {
    XmlElement root = parse_document(body, "SignedIdentifiers");
    for (const auto& s : root.children) {
      AccessPolicy a;
      a.id = s.text_of("Id");
      if (const XmlElement* policy = s.find("AccessPolicy")) a.start = policy->text_of("Start"), a.expiry = policy->text_of("Expiry"), a.permission = policy->text_of("Permission");
      if (s.name != "SignedIdentifier" || a.id.empty() || a.id.size() > 64) throw StorageError("InvalidXmlDocument");
      for (const auto& t : {a.start, a.expiry}) {
        if (!t.empty() && !parse_sas_time(t)) throw StorageError("InvalidXmlDocument");
      }
      policies.push_back(std::move(a));
    }
    if (policies.size() > 5) throw StorageError("InvalidXmlDocument", "a container has at most 5 access policies");
  }
  auto guard = x.store.lock(x.address.container);
  auto p = x.store.require_container(x.address.container);
  check_container_change(x, p);
  p.policies = std::move(policies);
  p.etag = new_etag();
  p.modified_ms = now_ms();
  x.store.update_container(p);
  show_version(x, p.etag, p.modified_ms);
}

namespace {
LeaseRequest lease_request(Exchange& x) {
  LeaseRequest r;
  r.action = lower_ascii(x.header("x-ms-lease-action"));
  r.id = x.lease_id();
  r.proposed_id = x.header("x-ms-proposed-lease-id");
  r.duration_s = x.header_number("x-ms-lease-duration");
  r.break_period_s = x.header_number("x-ms-lease-break-period");
  return r;
}

void lease_answer(Exchange& x, const LeaseAnswer& a) {
  x.response.status = a.status;
  if (!a.id.empty()) x.set("x-ms-lease-id", a.id);
  if (a.remaining_s) x.set("x-ms-lease-time", std::to_string(*a.remaining_s));
}
}  // namespace

void lease_container(Exchange& x) {
  auto guard = x.store.lock(x.address.container);
  auto p = x.store.require_container(x.address.container);
  Conditions::of(x.request.headers).check_write(&p.etag, p.modified_ms);
  lease_answer(x, apply(p.lease, lease_request(x), now_ms()));
  x.store.update_container(p);
  show_version(x, p.etag, p.modified_ms);
}

void lease_path(Exchange& x) {
  auto guard = x.store.lock(x.address.container);
  Entry entry = x.require_entry();
  Conditions::of(x.request.headers).check_write(&entry.properties.etag, entry.properties.modified_ms);
  lease_answer(x, apply(entry.properties.lease, lease_request(x), now_ms()));
  x.store.update(entry);
  show_version(x, entry.properties.etag, entry.properties.modified_ms);
}

void list_blobs(Exchange& x) {
  x.store.require_container(x.address.container);
  std::string prefix = x.query("prefix"), delimiter = x.query("delimiter"), marker = x.query("marker"), include = x.query("include");
  if (!delimiter.empty() && delimiter != "/") throw StorageError("InvalidQueryParameterValue", "the delimiter of a hierarchical namespace is /");
  ListRequest r;
  size_t slash = prefix.rfind('/');
  r.directory = slash == std::string::npos ? "" : prefix.substr(0, slash);
  r.name_prefix = slash == std::string::npos ? prefix : prefix.substr(slash + 1);
  r.recursive = delimiter.empty();
  r.directories = !delimiter.empty();
  r.limit = page_size(x, "maxresults");
  r.after = key_of_marker(marker, "marker");
  bool more = false;
  std::vector<Listed> listed;
  bool reachable = true;   // a prefix that no path can have lists nothing
  try {
    Address check;
    split_path("c/" + r.directory, &check);
    reachable = r.directory.empty() || check.path == r.directory;
  } catch (const StorageError&) {
    reachable = false;
  }
  if (reachable) listed = x.store.list(x.address.container, r, &more);
  std::string out = "<EnumerationResults ServiceEndpoint=\"" + xml_escape((x.request.tls ? "https://" : "http://") + x.header("Host") + "/") +
                    "\" ContainerName=\"" + xml_escape(x.address.container) + "\">";
  if (!prefix.empty()) out += xml_element("Prefix", prefix);
  if (!marker.empty()) out += xml_element("Marker", marker);
  out += xml_element("MaxResults", std::to_string(r.limit));
  if (!delimiter.empty()) out += xml_element("Delimiter", delimiter);
  out += "<Blobs>";
  for (const auto& [path, entry] : listed) {
    const Properties& p = entry.properties;
    std::string properties = "<Properties>" + xml_element("Creation-Time", http_date(p.created_ms)) + xml_element("Last-Modified", http_date(p.modified_ms)) +
                             xml_element("Etag", p.etag.substr(1, p.etag.size() - 2)) + xml_element("ResourceType", entry.directory ? "directory" : "file");
    auto content = [&](const char* key) {
      auto it = p.content.find(key);
      return it == p.content.end() ? std::string() : it->second;
    };
    properties += xml_element("Content-Length", std::to_string(entry.size)) +
                  xml_element("Content-Type", content("type").empty() ? "application/octet-stream" : content("type")) +
                  xml_element("Content-Encoding", content("encoding")) + xml_element("Content-Language", content("language")) +
                  xml_element("Content-MD5", content("md5")) + xml_element("Cache-Control", content("cache")) +
                  xml_element("Content-Disposition", content("disposition")) + xml_element("BlobType", p.blob_type) + xml_lease(p.lease) +
                  (includes(include, "permissions") ? xml_element("Owner", p.owner) + xml_element("Group", p.group) +
                       xml_element("Permissions", Acl::parse(p.acl).permissions()) + xml_element("Acl", p.acl) : "") +
                  "<ServerEncrypted>false</ServerEncrypted></Properties>";
    if (entry.directory) out += "<BlobPrefix>" + xml_name(path + "/") + properties + "</BlobPrefix>";
    else out += "<Blob>" + xml_name(path) + properties + (includes(include, "metadata") ? xml_metadata(p.metadata) : "") + "</Blob>";
  }
  std::string next = more ? marker_of(key_of(listed.back().path, listed.back().entry.directory)) : "";
  xml_answer(x, out + "</Blobs>" + xml_element("NextMarker", next) + "</EnumerationResults>");
}

void list_paths(Exchange& x) {
  auto recursive = x.find_query("recursive");
  if (!recursive) throw StorageError("MissingRequiredQueryParameter", "recursive");
  ListRequest r;
  Address directory;
  split_path("c/" + x.query("directory"), &directory);
  r.directory = directory.path;
  r.recursive = x.query_flag("recursive");
  r.limit = page_size(x, "maxResults");
  r.after = key_of_marker(x.query("continuation"), "continuation");
  if (r.after.empty() && !x.query("beginFrom").empty()) throw StorageError("UnsupportedQueryParameter", "beginFrom");
  x.store.require_container(x.address.container);
  auto top = x.store.find(x.address.container, r.directory);
  if (!top) throw StorageError("PathNotFound");
  if (!top->directory) throw StorageError("PathNotFound");
  bool more = false;
  auto listed = x.store.list(x.address.container, r, &more);
  json paths = json::array();
  const bool arrow = x.header("User-Agent").find("azpartner-arrow") != std::string::npos;
  for (const auto& [path, entry] : listed) {
    const Properties& p = entry.properties;
    json j = {{"name", path}, {"etag", p.etag.substr(1, p.etag.size() - 2)}, {"lastModified", http_date(p.modified_ms)},
              {"owner", p.owner}, {"group", p.group}, {"permissions", Acl::parse(p.acl).permissions()},
              {"creationTime", std::to_string((p.created_ms + 11'644'473'600'000) * 10'000)}};   // ticks since 1601, as the service writes them
    if (entry.directory) j["isDirectory"] = "true";
    // Arrow shows this number as the size of a directory, too; only -1 is none to it, as directories have none in its other file systems.
    j["contentLength"] = entry.directory && arrow ? "-1" : std::to_string(entry.size);
    paths.push_back(std::move(j));
  }
  if (more) x.set("x-ms-continuation", marker_of(key_of(listed.back().path, listed.back().entry.directory)));
  json_answer(x, {{"paths", paths}});
}

void service_properties(Exchange& x) {
  if (x.request.method == "PUT") throw StorageError("FeatureNotSupported", "the service's properties cannot be changed");
  xml_answer(x, "<StorageServiceProperties><Logging><Version>1.0</Version><Delete>false</Delete><Read>false</Read><Write>false</Write><RetentionPolicy>"
                "<Enabled>false</Enabled></RetentionPolicy></Logging><HourMetrics><Version>1.0</Version><Enabled>false</Enabled><RetentionPolicy><Enabled>false</Enabled>"
                "</RetentionPolicy></HourMetrics><MinuteMetrics><Version>1.0</Version><Enabled>false</Enabled><RetentionPolicy><Enabled>false</Enabled></RetentionPolicy>"
                "</MinuteMetrics><Cors /><DeleteRetentionPolicy><Enabled>false</Enabled></DeleteRetentionPolicy><StaticWebsite><Enabled>false</Enabled></StaticWebsite>"
                "</StorageServiceProperties>");
}

void account_information(Exchange& x) {
  x.set("x-ms-sku-name", "Standard_LRS");
  x.set("x-ms-account-kind", "StorageV2");
  x.set("x-ms-is-hns-enabled", "true");
}

void user_delegation_key(Exchange& x) {
  if (x.grant.kind != Grant::Kind::kToken) throw StorageError("AuthenticationFailed", "a user delegation key is given to bearer tokens only");
  if (x.grant.caller.role == Role::kNone) throw StorageError("AuthorizationPermissionMismatch");
  XmlElement root = parse_document(small_body(x, 16 << 10), "KeyInfo");
  std::string start = root.text_of("Start"), expiry = root.text_of("Expiry");
  auto from = parse_sas_time(start), to = parse_sas_time(expiry);
  if (!to || (!start.empty() && !from)) throw StorageError("InvalidXmlDocument");
  int64_t now = now_ms();
  if (*to <= now || (from && *from >= *to) || *to > now + 7LL * 86400 * 1000 + 60'000) {
    throw StorageError("InvalidXmlDocument", "a key is valid for at most 7 days from now");
  }
  if (start.empty()) start = iso_time(now).substr(0, 19) + "Z";
  std::string version = x.header("x-ms-version"), oid = x.grant.caller.oid;
  std::string key = x.authorizer.delegation_key(oid, x.tenant, start, expiry, "b", version);
  xml_answer(x, "<UserDelegationKey>" + xml_element("SignedOid", oid) + xml_element("SignedTid", x.tenant) + xml_element("SignedStart", start) +
                    xml_element("SignedExpiry", expiry) + xml_element("SignedService", "b") + xml_element("SignedVersion", version) +
                    xml_element("Value", base64_encode(key)) + "</UserDelegationKey>");
}

}  // namespace tarn::account
