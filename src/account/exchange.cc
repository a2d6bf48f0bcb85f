#include "account/exchange.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <vector>

#include "account/digest.h"
#include "base/encoding.h"
#include "base/io_error.h"

namespace tarn::account {
namespace {

constexpr size_t kMaxPath = 1024, kMaxSegment = 255, kMaxMetadata = 8 << 10;
constexpr size_t kMaxElements = 200'000;   // of an XML body
constexpr int64_t kWriteBehind = 8 << 20;

std::optional<int64_t> number(const std::string& text) {
  int64_t n = 0;
  auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), n);
  if (ec != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return n;
}

void add_metadata(MetadataMap& all, const std::string& name, const std::string& value) {
  bool good = !name.empty() && !std::isdigit(static_cast<unsigned char>(name[0])) &&
              std::all_of(name.begin(), name.end(), [](unsigned char c) { return std::isalnum(c) || c == '_'; });
  bool plain = std::all_of(value.begin(), value.end(), [](unsigned char c) { return c >= 0x20 && c < 0x7f; });
  if (!good || !plain) throw StorageError("InvalidMetadata");
  for (const auto& [n, v] : all) {
    if (lower_ascii(n) == lower_ascii(name)) throw StorageError("InvalidMetadata", "a name is given twice");
  }
  all.emplace(name, value);
  size_t size = 0;
  for (const auto& [n, v] : all) size += n.size() + v.size();
  if (size > kMaxMetadata) throw StorageError("InvalidMetadata", "metadata has at most 8 KB");
}

struct ContentName {
  const char *key, *blob, *dfs, *standard;
};
constexpr ContentName kContent[] = {
    {"type", "x-ms-blob-content-type", "x-ms-content-type", "Content-Type"},
    {"encoding", "x-ms-blob-content-encoding", "x-ms-content-encoding", "Content-Encoding"},
    {"language", "x-ms-blob-content-language", "x-ms-content-language", "Content-Language"},
    {"disposition", "x-ms-blob-content-disposition", "x-ms-content-disposition", "Content-Disposition"},
    {"cache", "x-ms-blob-cache-control", "x-ms-cache-control", "Cache-Control"},
    {"md5", "x-ms-blob-content-md5", "x-ms-content-md5", "Content-MD5"},
};

}  // namespace

std::optional<std::string> Exchange::find_query(std::string_view name) const {
  for (const auto& [n, v] : request.query) {
    if (n == name) return v;
  }
  return std::nullopt;
}

std::string Exchange::query(std::string_view name) const { return find_query(name).value_or(""); }

std::optional<int64_t> Exchange::query_number(const std::string& name) const {
  auto text = find_query(name);
  if (!text) return std::nullopt;
  auto n = number(*text);
  if (!n) throw StorageError("InvalidQueryParameterValue", name);
  return n;
}

std::optional<int64_t> Exchange::header_number(const std::string& name) const {
  const std::string* text = request.headers.find(name);
  if (!text) return std::nullopt;
  auto n = number(*text);
  if (!n) throw StorageError("InvalidHeaderValue", name);
  return n;
}

bool Exchange::query_flag(const std::string& name) const {
  std::string v = lower_ascii(query(name));
  if (v != "" && v != "true" && v != "false") throw StorageError("InvalidQueryParameterValue", name);
  return v == "true";
}

Entry Exchange::require_entry() const {
  auto entry = store.find(address.container, address.path);
  if (!entry) throw StorageError("PathNotFound");
  return *entry;
}

void Exchange::check_change(const std::optional<Entry>& entry) const {
  auto conditions = Conditions::of(request.headers);
  if (!entry) {
    conditions.check_write(nullptr, 0);
    check_named_lease({}, lease_id(), now_ms(), false);
    return;
  }
  conditions.check_write(&entry->properties.etag, entry->properties.modified_ms);
  require_lease(entry->properties.lease, lease_id(), now_ms(), false);
}

std::string small_body(Exchange& x, size_t limit) {
  std::string out;
  std::vector<char> piece(64 << 10);
  if (!x.request.stream) return x.request.body;
  if (x.header_number("Content-Length").value_or(0) > static_cast<int64_t>(limit)) throw StorageError("RequestBodyTooLarge");
  while (size_t n = x.request.stream->read(piece.data(), piece.size())) {
    if (out.size() + n > limit) throw StorageError("RequestBodyTooLarge");
    out.append(piece.data(), n);
  }
  return out;
}

XmlElement parse_document(std::string_view body, std::string_view root) {
  auto xml = parse_xml(body, kMaxElements);
  if (!xml || xml->name != root) throw StorageError("InvalidXmlDocument");
  auto trim = [](auto&& self, XmlElement& e) -> void {
    size_t a = e.text.find_first_not_of(" \t\r\n"), b = e.text.find_last_not_of(" \t\r\n");
    e.text = a == std::string::npos ? "" : e.text.substr(a, b - a + 1);
    for (auto& child : e.children) self(self, child);
  };
  trim(trim, *xml);
  return std::move(*xml);
}

Received receive(Exchange& x, const Descriptor& file, int64_t offset, int64_t limit, bool want_md5) {
  auto announced = x.header_number("Content-Length");
  if (announced && *announced > limit) throw StorageError("RequestBodyTooLarge");
  if (x.has_header("x-ms-structured-body")) throw StorageError("UnsupportedHeader", "x-ms-structured-body");
  const std::string wanted_md5 = x.header("Content-MD5"), wanted_crc = x.header("x-ms-content-crc64");
  auto md5_value = base64_decode(wanted_md5), crc_value = base64_decode(wanted_crc);
  if (!wanted_md5.empty() && (!md5_value || md5_value->size() != 16)) throw StorageError("InvalidMd5");
  if (!wanted_crc.empty() && (!crc_value || crc_value->size() != 8)) throw StorageError("InvalidHeaderValue", "x-ms-content-crc64");
  want_md5 |= !wanted_md5.empty();
  Received got;
  Md5 md5;
  uint64_t crc = 0;
  int64_t handed_on = 0;   // to the disk, which begins to write while more comes in
  std::vector<char> piece(1 << 20);
  size_t filled = 0;
  auto drain = [&] {
    for (size_t done = 0; done < filled;) {
      ssize_t n = ::pwrite(file.get(), piece.data() + done, filled - done, offset + got.size + static_cast<int64_t>(done));
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) throw IoError("cannot write", "the account's data");
      done += static_cast<size_t>(n);
    }
    got.size += static_cast<int64_t>(filled);
    filled = 0;
    if (got.size - handed_on >= kWriteBehind) {
      ::sync_file_range(file.get(), offset + handed_on, got.size - handed_on, SYNC_FILE_RANGE_WRITE);
      handed_on = got.size;
    }
  };
  while (x.request.stream) {
    size_t n = x.request.stream->read(piece.data() + filled, piece.size() - filled);
    if (n == 0) break;
    std::string_view bytes(piece.data() + filled, n);
    if (want_md5) md5.add(bytes);
    if (!wanted_crc.empty()) crc = crc64(crc, bytes);
    filled += n;
    if (got.size + static_cast<int64_t>(filled) > limit) throw StorageError("RequestBodyTooLarge");
    if (filled > piece.size() / 2) drain();
  }
  drain();
  if (want_md5) got.md5 = md5.finish();
  if (!wanted_md5.empty() && got.md5 != *md5_value) throw StorageError("Md5Mismatch");
  if (!wanted_crc.empty() && crc64_bytes(crc) != *crc_value) throw StorageError("Crc64Mismatch");
  return got;
}

MetadataMap metadata_headers(const http::Headers& headers) {
  MetadataMap out;
  for (const auto& [name, value] : headers) {
    if (name.size() >= 10 && lower_ascii(std::string_view(name).substr(0, 10)) == "x-ms-meta-") add_metadata(out, name.substr(10), value);
  }
  return out;
}

MetadataMap metadata_of_properties(const std::string& header) {
  MetadataMap out;
  for (size_t at = 0; at < header.size();) {
    size_t end = std::min(header.find(',', at), header.size());
    std::string pair = header.substr(at, end - at);
    at = end + 1;
    size_t a = pair.find_first_not_of(' ');
    if (a == std::string::npos) continue;
    size_t equals = pair.find('=');
    auto value = equals == std::string::npos ? std::nullopt : base64_decode(pair.substr(equals + 1));
    if (!value) throw StorageError("InvalidHeaderValue", "x-ms-properties");
    add_metadata(out, pair.substr(a, equals - a), *value);
  }
  std::erase_if(out, [](const auto& m) { return lower_ascii(m.first) == "hdi_isfolder"; });   // says itself of directories
  return out;
}

std::string properties_of_metadata(const MetadataMap& metadata) {
  std::string out;
  for (const auto& [name, value] : metadata) out += (out.empty() ? "" : ",") + name + "=" + base64_encode(value);
  return out;
}

ContentHeaders content_headers(const http::Headers& headers, bool dfs) {
  ContentHeaders out;
  for (const auto& c : kContent) {
    if (const std::string* value = headers.find(dfs ? c.dfs : c.blob)) {
      if (!value->empty()) out[c.key] = *value;
    }
  }
  if (auto it = out.find("md5"); it != out.end()) {
    auto raw = base64_decode(it->second);
    if (!raw || raw->size() != 16) throw StorageError("InvalidMd5");
  }
  return out;
}

void show_version(Exchange& x, const std::string& etag, int64_t modified_ms) {
  x.set("ETag", etag);
  x.set("Last-Modified", http_date(modified_ms));
}

void show_lease(Exchange& x, const Lease& lease) {
  std::string state = lease_state(lease, now_ms());
  x.set("x-ms-lease-state", state);
  x.set("x-ms-lease-status", is_locked(state) ? "locked" : "unlocked");
  if (state == "leased") x.set("x-ms-lease-duration", lease.duration_s < 0 ? "infinite" : "fixed");
}

void show_path(Exchange& x, const Entry& entry) {
  const Properties& p = entry.properties;
  show_version(x, p.etag, p.modified_ms);
  show_lease(x, p.lease);
  x.set("Content-Type", "application/octet-stream");
  for (const auto& c : kContent) {
    auto it = p.content.find(c.key);
    if (it != p.content.end()) x.set(c.standard, it->second);
  }
  // What a shared access signature says about the answer.
  const std::pair<const char*, const char*> kOverrides[] = {{"rscc", "Cache-Control"}, {"rscd", "Content-Disposition"}, {"rsce", "Content-Encoding"},
                                                            {"rscl", "Content-Language"}, {"rsct", "Content-Type"}};
  for (const auto& [field, name] : kOverrides) {
    std::string value = x.grant.sas.get(field);
    if (!value.empty()) x.set(name, value);
  }
  x.set("Accept-Ranges", "bytes");
  x.set("x-ms-creation-time", http_date(p.created_ms));
  x.set("x-ms-blob-type", entry.directory ? "BlockBlob" : p.blob_type);
  if (p.blob_type == "AppendBlob") x.set("x-ms-blob-committed-block-count", std::to_string(p.appended_blocks));
  x.set("x-ms-server-encrypted", "false");
  x.set("x-ms-resource-type", entry.directory ? "directory" : "file");
  x.set("x-ms-owner", p.owner);
  x.set("x-ms-group", p.group);
  x.set("x-ms-permissions", Acl::parse(p.acl).permissions());
  MetadataMap shown = p.metadata;
  if (entry.directory) shown["hdi_isfolder"] = "true";
  for (const auto& [name, value] : shown) x.set("x-ms-meta-" + name, value);
  if (!shown.empty()) x.set("x-ms-properties", properties_of_metadata(shown));
  if (!p.copy_id.empty()) {
    x.set("x-ms-copy-id", p.copy_id);
    x.set("x-ms-copy-source", p.copy_source);
    x.set("x-ms-copy-status", "success");
    x.set("x-ms-copy-progress", std::to_string(entry.size) + "/" + std::to_string(entry.size));
    x.set("x-ms-copy-completion-time", http_date(p.copied_ms));
  }
}

void touch(Properties& p) {
  p.etag = new_etag();
  p.modified_ms = now_ms();
}

std::string parent_path(const std::string& path) {
  size_t slash = path.rfind('/');
  return slash == std::string::npos ? "" : path.substr(0, slash);
}

Entry parent_entry(const Exchange& x, const std::string& path) {
  for (std::string up = parent_path(path);; up = parent_path(up)) {
    auto entry = x.store.find(x.address.container, up);
    if (entry && !entry->directory) throw StorageError("PathConflict");
    if (entry) return *entry;
    if (up.empty()) throw StorageError("FilesystemNotFound");
  }
}

namespace {
// The rights of a header; nullopt if it is missing.
std::optional<int> mode_header(const Exchange& x, const char* name) {
  if (!x.has_header(name)) return std::nullopt;
  bool sticky = false;
  int mode = Acl::parse_mode(x.header(name), &sticky);
  if (sticky) throw StorageError("FeatureNotSupported", "the sticky bit is not kept");
  return mode;
}
}  // namespace

void set_access(const Exchange& x, bool directory, int umask, Properties& p) {
  if (x.has_header("x-ms-owner") || x.has_header("x-ms-group")) x.grant.require('o', "o");
  if (x.has_header("x-ms-owner")) p.owner = x.header("x-ms-owner");
  if (x.has_header("x-ms-group")) p.group = x.header("x-ms-group");
  auto mode = mode_header(x, "x-ms-permissions");
  if (x.has_header("x-ms-acl")) {
    if (mode || x.has_header("x-ms-umask")) throw StorageError("InvalidHeaderValue", "x-ms-acl excludes x-ms-permissions and x-ms-umask");
    Acl acl = Acl::parse(x.header("x-ms-acl"));
    if (acl.has_default() && !directory) throw StorageError("InvalidInput", "only directories have default entries");
    acl.complete();
    p.acl = acl.text();
  } else if (mode) {
    Acl acl = Acl::parse(p.acl);
    acl.set_mode(*mode & ~mode_header(x, "x-ms-umask").value_or(umask));
    p.acl = acl.text();
  }
}

Properties new_properties(const Exchange& x, const Entry& parent, bool directory) {
  Properties p;
  touch(p);
  p.created_ms = p.modified_ms;
  p.owner = x.grant.owner();
  p.group = parent.properties.group;
  Acl above = Acl::parse(parent.properties.acl);
  int mode = mode_header(x, "x-ms-permissions").value_or(directory ? 0777 : 0666), umask = mode_header(x, "x-ms-umask").value_or(kDefaultUmask);
  p.acl = above.inherited(directory, mode, umask).text();
  // Below a default list the mode has only cut what is inherited.
  std::string inherited = p.acl;
  set_access(x, directory, kDefaultUmask, p);
  if (above.has_default() && !x.has_header("x-ms-acl")) p.acl = std::move(inherited);
  return p;
}

void make_parents(Exchange& x, const std::string& path) {
  x.store.make_directories(x.address.container, parent_path(path), [&](const Entry& parent) {
    Properties p;
    touch(p);
    p.created_ms = p.modified_ms;
    p.owner = x.grant.owner();
    p.group = parent.properties.group;
    p.acl = Acl::parse(parent.properties.acl).inherited(true, 0777, 0027).text();
    return p;
  });
}

void parse_path(std::string_view escaped, Address* out) {
  // An escaped slash is a slash: some clients escape whole names.
  auto decoded = percent_decode(escaped, false);
  if (!decoded || !is_utf8(*decoded)) throw StorageError("InvalidUri");
  split_path(*decoded, out);
}

void split_path(std::string_view rest, Address* out) {
  while (rest.starts_with('/')) rest.remove_prefix(1);
  out->closing_slash = rest.ends_with('/');
  while (rest.ends_with('/')) rest.remove_suffix(1);
  size_t slash = rest.find('/');
  out->container = std::string(rest.substr(0, slash));
  out->path.clear();
  if (slash == std::string_view::npos) return;
  rest.remove_prefix(slash + 1);
  while (rest.starts_with('/')) rest.remove_prefix(1);
  out->path = std::string(rest);
  if (rest.size() > kMaxPath) throw StorageError("InvalidUri");
  for (size_t at = 0; at <= rest.size() && !rest.empty();) {
    size_t end = std::min(rest.find('/', at), rest.size());
    std::string_view part = rest.substr(at, end - at);
    if (part.empty() || part == "." || part == "..") throw StorageError("InvalidUri");
    if (part.size() > kMaxSegment) throw StorageError("InvalidResourceName", "a segment of a path has at most 255 bytes");
    at = end + 1;
  }
}

void check_container_name(const std::string& name) {
  if (name == "$root" || name == "$web" || name == "$logs") return;
  bool good = name.size() >= 3 && name.size() <= 63 && name.front() != '-' && name.back() != '-' && name.find("--") == std::string::npos &&
              std::all_of(name.begin(), name.end(), [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'; });
  if (!good) throw StorageError("InvalidResourceName");
}

Source parse_source(const Exchange& x, const std::string& text, bool url) {
  Source out;
  std::string path = text;
  if (url) {
    // Only what lies in this account: the server fetches nothing from elsewhere.
    size_t scheme = path.find("://");
    if (scheme == std::string::npos) throw StorageError("InvalidHeaderValue", "x-ms-copy-source is not a URL");
    size_t slash = path.find('/', scheme + 3);
    std::string host = lower_ascii(path.substr(scheme + 3, slash - scheme - 3)), rest = slash == std::string::npos ? "/" : path.substr(slash);
    const std::string& account = x.authorizer.account();
    bool by_host = host.starts_with(account + ".blob.") || host.starts_with(account + ".dfs."), by_path = rest.starts_with("/" + account + "/");
    if (!by_host && !(by_path && host == lower_ascii(x.header("Host")))) throw StorageError("CannotVerifyCopySource");
    path = by_host ? rest : rest.substr(account.size() + 1);
  }
  size_t mark = path.find('?');
  if (mark != std::string::npos) out.sas = Sas::of([&] {
    http::Request r;
    r.target = path.substr(mark);
    std::vector<std::pair<std::string, std::string>> q;
    return parse_target(&r) ? r.query : q;
  }());
  parse_path(std::string_view(path).substr(0, mark), &out.address);
  // Clients that build it from a path-style URL leave the account in it.
  if (!url && out.address.container == x.authorizer.account() && !x.store.container(out.address.container)) {
    Address inner;
    split_path(out.address.path, &inner);
    out.address = std::move(inner);
  }
  if (out.address.container.empty() || out.address.path.empty()) throw StorageError("InvalidInput", "the source names no path");
  check_container_name(out.address.container);
  return out;
}

}  // namespace tarn::account
