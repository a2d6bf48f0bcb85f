// Operations of the dfs service on paths.
#include <algorithm>

#include <nlohmann/json.hpp>

#include "account/exchange.h"
#include "base/encoding.h"

namespace tarn::account {
namespace {

using nlohmann::json;

constexpr int64_t kMaxAppend = 4000LL << 20, kMaxFile = 195LL << 40;

void refuse_unsupported(const Exchange& x) {
  for (const char* name : {"x-ms-encryption-key", "x-ms-encryption-context", "x-ms-expiry-option", "x-ms-expiry-time"}) {
    if (!x.header(name).empty()) throw StorageError("UnsupportedHeader", name);
  }
}

void apply_content_headers(Exchange& x, Properties& p) {
  for (auto& [key, value] : content_headers(x.request.headers, true)) p.content[key] = value;
}

// A lease that the request asks to take, give back or renew along with a write.
void lease_along(Exchange& x, Lease& lease) {
  std::string action = lower_ascii(x.header("x-ms-lease-action"));
  if (action.empty()) return;
  auto run = [&](const char* what) {
    LeaseRequest r;
    r.action = what;
    r.id = x.lease_id();
    r.proposed_id = x.header("x-ms-proposed-lease-id");
    r.duration_s = x.header_number("x-ms-lease-duration");
    auto a = apply(lease, r, now_ms());
    if (!a.id.empty()) x.set("x-ms-lease-id", a.id);
  };
  if (action == "acquire") run("acquire");
  else if (action == "auto-renew") run("renew");
  else if (action == "release") run("release");
  else if (action == "acquire-release") run("acquire"), lease.released = true;
  else throw StorageError("InvalidHeaderValue", "x-ms-lease-action");
}

}  // namespace

void create_path(Exchange& x) {
  refuse_unsupported(x);
  std::string kind = x.query("resource");
  if (kind != "file" && kind != "directory") throw StorageError("InvalidQueryParameterValue", "resource");
  if (x.address.path.empty()) throw StorageError("InvalidUri");
  bool directory = kind == "directory";
  MetadataMap metadata = metadata_of_properties(x.header("x-ms-properties"));
  auto guard = x.store.lock(x.address.container);
  x.store.require_container(x.address.container);
  auto there = x.store.find(x.address.container, x.address.path);
  x.check_change(there);
  if (there && there->directory != directory) throw StorageError("PathConflict");
  if (there) {
    if (!x.grant.allows("w")) throw StorageError("AuthorizationPermissionMismatch");
  } else {
    make_parents(x, x.address.path);
  }
  Entry entry;
  if (directory) {
    if (there) {
      // A directory that is there stays, with what lies in it; only its properties are set anew.
      entry = *there;
      set_access(x, true, kDefaultUmask, entry.properties);
    } else {
      Properties made = new_properties(x, parent_entry(x, x.address.path), true);
      x.store.make_directories(x.address.container, x.address.path, [&](const Entry&) { return made; });
      entry = x.require_entry();
    }
    entry.properties.metadata = std::move(metadata);
    apply_content_headers(x, entry.properties);
    if (there) touch(entry.properties);
    lease_along(x, entry.properties.lease);
    x.store.update(entry);
  } else {
    Properties p = new_properties(x, parent_entry(x, x.address.path), false);
    if (there) p.lease = there->properties.lease;
    p.metadata = std::move(metadata);
    apply_content_headers(x, p);
    lease_along(x, p.lease);
    Staged staged = x.store.stage();
    entry = x.store.publish(x.address.container, x.address.path, staged, std::move(p), there, "CreateFile");
    x.store.drop_blocks(x.address.container, x.address.path);
  }
  x.response.status = 201;
  show_version(x, entry.properties.etag, entry.properties.modified_ms);
  x.set("x-ms-request-server-encrypted", "false");
}

void rename_path(Exchange& x) {
  refuse_unsupported(x);
  if (x.address.path.empty()) throw StorageError("InvalidUri");
  std::string mode = x.query("mode");
  if (mode != "" && mode != "legacy" && mode != "posix") throw StorageError("InvalidQueryParameterValue", "mode");
  Source source = parse_source(x, x.header("x-ms-rename-source"), false);
  const Address &from = source.address, &to = x.address;
  if (source.sas) x.authorizer.authenticate_sas(*source.sas, x.request, from).require('o', "md");
  else x.grant.require('o', "md"), x.grant.require_scope(from);
  auto guard = x.store.lock(from.container, to.container);
  x.store.require_container(from.container);
  x.store.require_container(to.container);
  auto moved = x.store.find(from.container, from.path);
  if (!moved) throw StorageError("SourcePathNotFound");
  Conditions::of(x.request.headers, "x-ms-source-").check_source(moved->properties.etag, moved->properties.modified_ms);
  require_lease(moved->properties.lease, x.header("x-ms-source-lease-id"), now_ms(), false);
  if (from.container == to.container && (from.path == to.path || to.path.starts_with(from.path + "/"))) {
    if (from.path != to.path || moved->directory) throw StorageError("InvalidRenameSourcePath");
  }
  auto there = x.store.find(to.container, to.path);
  bool itself = there && there->identity == moved->identity;
  if (!itself) x.check_change(there);
  auto parent = x.store.find(to.container, parent_path(to.path));
  if (!parent) throw StorageError("RenameDestinationParentPathNotFound");
  if (!parent->directory) throw StorageError("PathConflict");
  if (there && !itself) {
    if (there->directory != moved->directory) throw StorageError("PathConflict");
    if (there->directory && !x.store.folder(to.container).names(to.path).empty()) throw StorageError("DestinationPathIsNotEmpty");
  }
  if (!itself) x.store.rename(from.container, from.path, *moved, to.container, to.path, there);
  if (x.has_header("x-ms-properties")) {
    moved->properties.metadata = metadata_of_properties(x.header("x-ms-properties"));
    touch(moved->properties);
    x.store.update(*moved);
  }
  x.response.status = 201;
  show_version(x, moved->properties.etag, moved->properties.modified_ms);
}

void append_data(Exchange& x) {
  refuse_unsupported(x);
  auto position = x.query_number("position");
  if (!position) throw StorageError("MissingRequiredQueryParameter", "position");
  if (*position < 0 || *position > kMaxFile) throw StorageError("OutOfRangeQueryParameterValue", "position");
  const bool flush = x.query_flag("flush");
  std::unique_ptr<Appending> append;
  {
    auto guard = x.store.lock(x.address.container);
    Entry entry = x.require_entry();
    if (entry.directory) throw StorageError("PathConflict");
    if (entry.properties.blob_type != "BlockBlob") throw StorageError("InvalidBlobType");
    require_lease(entry.properties.lease, x.lease_id(), now_ms(), false);
    // What lies before the committed length can never be flushed: it is taken, as the service takes it, and kept nowhere.
    if (*position >= entry.size) append = x.store.begin_append(x.address.container, x.address.path, std::move(entry));
  }
  Received got;
  if (append) {
    got = receive(x, append->file, *position, kMaxAppend, false);
    if (got.size) x.store.end_append(x.address.container, x.address.path, *append, *position, *position + got.size);
    append.reset();
  } else {
    Staged staged = x.store.stage();
    got = receive(x, staged.file(), 0, kMaxAppend, false);
  }
  x.response.status = 202;
  x.set("x-ms-request-server-encrypted", "false");
  if (!got.md5.empty()) x.set("Content-MD5", base64_encode(got.md5));
  if (!flush) return;
  // One request that does both.
  auto guard = x.store.lock(x.address.container);
  Entry entry = x.require_entry();
  x.check_change(entry);
  if (*position + got.size < entry.size || !x.store.covered(entry, *position + got.size)) throw StorageError("InvalidFlushPosition");
  touch(entry.properties);
  entry.properties.content.erase("md5");
  entry.properties.blocks.clear();
  lease_along(x, entry.properties.lease);
  x.store.commit_appended(x.address.container, x.address.path, entry, *position + got.size, false, x.query_flag("close") ? "FlushWithClose" : "");
  show_version(x, entry.properties.etag, entry.properties.modified_ms);
}

void flush_data(Exchange& x) {
  auto position = x.query_number("position");
  if (!position) throw StorageError("MissingRequiredQueryParameter", "position");
  if (x.header_number("Content-Length").value_or(0) != 0) throw StorageError("InvalidHeaderValue", "a flush has no body");
  auto guard = x.store.lock(x.address.container);
  Entry entry = x.require_entry();
  if (entry.directory) throw StorageError("PathConflict");
  if (entry.properties.blob_type != "BlockBlob") throw StorageError("InvalidBlobType");
  x.check_change(entry);
  bool retain = x.query_flag("retainUncommittedData");
  if (*position < entry.size || !x.store.covered(entry, *position)) throw StorageError("InvalidFlushPosition");
  bool grew = *position > entry.size;
  touch(entry.properties);
  if (grew) {
    entry.properties.content.erase("md5");
    entry.properties.blocks.clear();
  }
  apply_content_headers(x, entry.properties);
  lease_along(x, entry.properties.lease);
  x.store.commit_appended(x.address.container, x.address.path, entry, *position, retain, x.query_flag("close") ? "FlushWithClose" : "");
  show_version(x, entry.properties.etag, entry.properties.modified_ms);
  x.set("x-ms-request-server-encrypted", "false");
}

void delete_path(Exchange& x) {
  if (x.address.path.empty()) throw StorageError("InvalidUri");
  auto guard = x.store.lock(x.address.container);
  Entry entry = x.require_entry();
  x.check_change(entry);
  bool recursive = x.query_flag("recursive");
  x.store.remove(x.address.container, x.address.path, entry, recursive, entry.directory ? "DeleteDirectory" : "DeleteFile");
  x.set("x-ms-delete-type-permanent", "true");
}

void get_access_control(Exchange& x) {
  Entry entry = x.require_entry();
  check_named_lease(entry.properties.lease, x.lease_id(), now_ms(), false);
  Conditions::of(x.request.headers).check_read(entry.properties.etag, entry.properties.modified_ms);
  show_version(x, entry.properties.etag, entry.properties.modified_ms);
  Acl acl = Acl::parse(entry.properties.acl);
  x.set("x-ms-owner", entry.properties.owner);
  x.set("x-ms-group", entry.properties.group);
  x.set("x-ms-permissions", acl.permissions());
  if (x.query("action") == "getAccessControl") x.set("x-ms-acl", acl.text());
}

void check_access(Exchange& x) {
  std::string action = x.query("fsAction");
  if (action.size() != 3) throw StorageError("MissingRequiredQueryParameter", "fsAction");
  Entry entry = x.require_entry();
  // Roles stand above access lists.
  bool write = action.find('w') != std::string::npos;
  if (!x.grant.allows(write ? "w" : "r")) throw StorageError("AuthorizationPermissionMismatch");
}

void set_access_control(Exchange& x) {
  auto guard = x.store.lock(x.address.container);
  Entry entry = x.require_entry();
  x.check_change(entry);
  Properties& p = entry.properties;
  set_access(x, entry.directory, 0, p);
  touch(p);
  x.store.update(entry);
  show_version(x, p.etag, p.modified_ms);
}

void set_access_control_recursive(Exchange& x) {
  std::string mode = x.query("mode");
  if (mode != "set" && mode != "modify" && mode != "remove") throw StorageError("InvalidQueryParameterValue", "mode");
  if (!x.has_header("x-ms-acl")) throw StorageError("MissingRequiredHeader", "x-ms-acl");
  Acl given = Acl::parse(x.header("x-ms-acl"), mode != "remove");
  if (mode == "set") given.complete();
  auto max = x.query_number("maxRecords");
  if (max && (*max < 1 || *max > 2000)) throw StorageError("OutOfRangeQueryParameterValue", "maxRecords");
  size_t left = max ? static_cast<size_t>(*max) : 2000;
  std::string token = x.query("continuation"), after;
  const bool begun = !token.empty();
  if (begun) {
    auto raw = base64_decode(token);
    if (!raw || !raw->starts_with("k:")) throw StorageError("InvalidQueryParameterValue", "continuation");
    after = raw->substr(2);
  }
  auto guard = x.store.lock(x.address.container);
  Entry top = x.require_entry();
  int64_t directories = 0, files = 0;
  auto change = [&](Entry& entry) {
    Acl acl = Acl::parse(entry.properties.acl);
    if (mode == "set") {
      acl = given;
      if (!entry.directory) acl.drop_default();
    } else if (mode == "modify") {
      acl.merge(given, entry.directory);
    } else {
      acl.remove(given);
    }
    entry.properties.acl = acl.text();
    x.store.update(entry);
    ++(entry.directory ? directories : files);
  };
  bool more = false;
  if (!begun) {
    change(top);
    --left;
    after = x.address.path.empty() ? "" : x.address.path + "/";
  }
  if (top.directory && left == 0) {
    more = true;
  } else if (top.directory) {
    ListRequest r;
    r.directory = x.address.path;
    r.recursive = true;
    r.after = after;
    r.limit = left;
    for (auto& [path, entry] : x.store.list(x.address.container, r, &more)) {
      change(entry);
      after = key_of(path, entry.directory);
    }
  }
  if (more) x.set("x-ms-continuation", base64_encode("k:" + after));
  x.set("Content-Type", "application/json;charset=utf-8");
  x.response.body = json({{"directoriesSuccessful", directories}, {"filesSuccessful", files}, {"failureCount", 0}, {"failedEntries", json::array()}}).dump();
}

void set_path_properties(Exchange& x) {
  auto guard = x.store.lock(x.address.container);
  Entry entry = x.require_entry();
  x.check_change(entry);
  apply_content_headers(x, entry.properties);
  if (x.has_header("x-ms-properties")) entry.properties.metadata = metadata_of_properties(x.header("x-ms-properties"));
  touch(entry.properties);
  x.store.update(entry);
  show_version(x, entry.properties.etag, entry.properties.modified_ms);
}

}  // namespace tarn::account
