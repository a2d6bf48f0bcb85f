// Writing through the blob service: Put Blob, blocks, append blobs, copies.
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <vector>

#include "account/digest.h"
#include "account/exchange.h"
#include "base/encoding.h"
#include "base/ids.h"
#include "base/io_error.h"
#include "base/xml.h"

namespace tarn::account {
namespace {

constexpr int64_t kMaxPutBlob = 5000LL << 20, kMaxBlock = 4000LL << 20, kMaxAppendBlock = 100LL << 20;
constexpr size_t kMaxBlocks = 50'000, kMaxBlockListBody = 16 << 20;

// Options of the service that this account does not have are refused rather than passed over.
void refuse_unsupported(const Exchange& x) {
  for (const char* name : {"x-ms-tags", "x-ms-if-tags", "x-ms-encryption-key", "x-ms-encryption-scope", "x-ms-immutability-policy-until-date", "x-ms-legal-hold"}) {
    if (!x.header(name).empty()) throw StorageError("UnsupportedHeader", name);
  }
}

// Bytes from one file to another, in the kernel where it can.
void copy_bytes(const Descriptor& from, int64_t offset, int64_t size, const Descriptor& to, int64_t at) {
  std::vector<char> buffer;
  while (size > 0) {
    if (buffer.empty()) {
      off64_t in = offset, out = at;
      ssize_t n = ::copy_file_range(from.get(), &in, to.get(), &out, static_cast<size_t>(std::min<int64_t>(size, 1 << 30)), 0);
      if (n > 0) {
        offset += n, at += n, size -= n;
        continue;
      }
      if (n < 0 && errno == EINTR) continue;
      buffer.resize(1 << 20);
    }
    size_t n = from.read_at(buffer.data(), static_cast<size_t>(std::min<int64_t>(size, static_cast<int64_t>(buffer.size()))), offset);
    if (n == 0) throw IoError(IoError::Kind::kOther, "cannot copy", "the account's data", "the source became shorter");
    for (size_t done = 0; done < n;) {
      ssize_t w = ::pwrite(to.get(), buffer.data() + done, n - done, at + static_cast<int64_t>(done));
      if (w < 0 && errno == EINTR) continue;
      if (w <= 0) throw IoError("cannot write", "the account's data");
      done += static_cast<size_t>(w);
    }
    offset += static_cast<int64_t>(n), at += static_cast<int64_t>(n), size -= static_cast<int64_t>(n);
  }
}

// The properties of a blob that takes the place of `replaced`: lease, access list and owner stay.
Properties blob_properties(Exchange& x, const std::optional<Entry>& replaced) {
  Properties p;
  if (replaced) {
    p.lease = replaced->properties.lease;
    p.acl = replaced->properties.acl;
    p.owner = replaced->properties.owner;
    p.group = replaced->properties.group;
    p.created_ms = replaced->properties.created_ms;
    touch(p);
  } else {
    p = new_properties(x, parent_entry(x, x.address.path), false);
  }
  p.metadata = metadata_headers(x.request.headers);
  p.content = content_headers(x.request.headers, false);
  return p;
}

// Under the lock: what the blob replaces, after all checks.
std::optional<Entry> check_put(Exchange& x) {
  auto there = x.store.find(x.address.container, x.address.path);
  x.check_change(there);
  if (there && there->directory) throw StorageError("PathConflict");
  if (there) {
    if (!x.grant.allows("w")) throw StorageError("AuthorizationPermissionMismatch");  // create alone does not overwrite
  } else {
    make_parents(x, x.address.path);
  }
  return there;
}

void check_block_id(const std::string& id) {
  auto raw = base64_decode(id);
  if (id.empty() || !raw || raw->empty() || raw->size() > 64) throw StorageError("InvalidBlockId");
}

}  // namespace

void put_blob(Exchange& x) {
  refuse_unsupported(x);
  std::string type = x.header("x-ms-blob-type");
  if (type == "PageBlob") throw StorageError("FeatureNotSupported", "an account with a hierarchical namespace has no page blobs");
  if (type != "BlockBlob" && type != "AppendBlob") throw StorageError("InvalidHeaderValue", "x-ms-blob-type");
  if (x.address.path.empty()) throw StorageError("InvalidUri");
  x.store.require_container(x.address.container);
  {
    // Before the body: what cannot succeed need not be sent.
    auto there = x.store.find(x.address.container, x.address.path);
    x.check_change(there);
  }
  Staged staged = x.store.stage();
  Received got = receive(x, staged.file(), 0, type == "AppendBlob" ? 0 : kMaxPutBlob, true);
  auto guard = x.store.lock(x.address.container);
  // The ways in which clients of flat accounts make directories: an empty blob with this metadata, or with a name that ends with a slash.
  MetadataMap metadata = metadata_headers(x.request.headers);
  auto folder = std::find_if(metadata.begin(), metadata.end(), [](const auto& m) { return lower_ascii(m.first) == "hdi_isfolder"; });
  if (x.address.closing_slash && got.size) throw StorageError("InvalidUri", "a directory has no content");
  if (x.address.closing_slash || (folder != metadata.end() && lower_ascii(folder->second) == "true" && got.size == 0)) {
    if (folder != metadata.end()) metadata.erase(folder);
    auto there = x.store.find(x.address.container, x.address.path);
    x.check_change(there);
    if (!there) {
      make_parents(x, x.address.path + "/.");
      there = x.require_entry();
    }
    if (!there->directory) throw StorageError("PathConflict");
    there->properties.metadata = std::move(metadata);
    touch(there->properties);
    x.store.update(*there);
    x.response.status = 201;
    show_version(x, there->properties.etag, there->properties.modified_ms);
    x.set("x-ms-request-server-encrypted", "false");
    return;
  }
  auto replaced = check_put(x);
  Properties p = blob_properties(x, replaced);
  p.blob_type = type;
  for (const auto& [key, header] : {std::pair{"type", "Content-Type"}, {"encoding", "Content-Encoding"}, {"language", "Content-Language"}, {"cache", "Cache-Control"}}) {
    if (!p.content.contains(key) && !x.header(header).empty()) p.content[key] = x.header(header);
  }
  std::string md5 = base64_encode(got.md5);
  if (type == "BlockBlob" && !p.content.contains("md5")) p.content["md5"] = md5;
  Entry entry = x.store.publish(x.address.container, x.address.path, staged, std::move(p), replaced, "PutBlob");
  x.store.drop_blocks(x.address.container, x.address.path);
  x.response.status = 201;
  show_version(x, entry.properties.etag, entry.properties.modified_ms);
  x.set("Content-MD5", md5);
  x.set("x-ms-request-server-encrypted", "false");
}

void put_block(Exchange& x) {
  refuse_unsupported(x);
  if (x.has_header("x-ms-copy-source")) throw StorageError("FeatureNotSupported", "blocks are not copied from a URL");
  std::string id = x.query("blockid");
  check_block_id(id);
  x.store.require_container(x.address.container);
  auto there = x.store.find(x.address.container, x.address.path);
  if (there && there->directory) throw StorageError("PathConflict");
  require_lease(there ? there->properties.lease : Lease(), x.lease_id(), now_ms(), false);
  auto other = x.store.any_block(x.address.container, x.address.path);
  if (other && base64_decode(*other)->size() != base64_decode(id)->size()) {
    throw StorageError("InvalidBlockId", "all block IDs of a blob have the same length");
  }
  Staged staged = x.store.stage();
  Received got = receive(x, staged.file(), 0, kMaxBlock, true);
  x.store.add_block(x.address.container, x.address.path, id, staged, got.size);
  x.response.status = 201;
  x.set("Content-MD5", base64_encode(got.md5));
  x.set("x-ms-request-server-encrypted", "false");
}

void put_block_list(Exchange& x) {
  refuse_unsupported(x);
  std::string body = small_body(x, kMaxBlockListBody);
  if (std::string wanted = x.header("Content-MD5"); !wanted.empty()) {
    Md5 md5;
    md5.add(body);
    if (base64_encode(md5.finish()) != wanted) throw StorageError("Md5Mismatch");
  }
  XmlElement root = parse_document(body, "BlockList");
  if (root.children.size() > kMaxBlocks) throw StorageError("BlockCountExceedsLimit");
  auto guard = x.store.lock(x.address.container);
  x.store.require_container(x.address.container);
  auto replaced = x.store.find(x.address.container, x.address.path);
  if (replaced && replaced->properties.blob_type != "BlockBlob") throw StorageError("InvalidBlobType");
  std::map<std::string, StagedBlock> fresh;
  for (auto& b : x.store.blocks(x.address.container, x.address.path)) fresh[b.id] = b;
  std::map<std::string, std::pair<int64_t, int64_t>> committed;   // offset and size in the present file
  int64_t offset = 0;
  if (replaced) {
    for (const auto& b : replaced->properties.blocks) {
      committed.emplace(b.id, std::pair{offset, b.size});
      offset += b.size;
    }
  }
  std::optional<Entry> unused;
  Descriptor old = replaced && !committed.empty() ? x.store.open(x.address.container, x.address.path, &unused) : Descriptor();
  Staged staged = x.store.stage();
  std::vector<Block> blocks;
  int64_t size = 0;
  for (const auto& wanted : root.children) {
    auto f = fresh.find(wanted.text);
    auto c = committed.find(wanted.text);
    bool from_fresh = (wanted.name == "Uncommitted" || wanted.name == "Latest") && f != fresh.end();
    bool from_committed = !from_fresh && (wanted.name == "Committed" || wanted.name == "Latest") && c != committed.end() && old;
    if (!from_fresh && !from_committed) throw StorageError("InvalidBlockList");
    int64_t n = from_fresh ? f->second.size : c->second.second;
    if (from_fresh) copy_bytes(x.store.open_staged(f->second.file), 0, n, staged.file(), size);
    else copy_bytes(old, c->second.first, n, staged.file(), size);
    blocks.push_back({wanted.text, n});
    size += n;
  }
  replaced = check_put(x);
  Properties p = blob_properties(x, replaced);
  p.blocks = std::move(blocks);
  Entry entry = x.store.publish(x.address.container, x.address.path, staged, std::move(p), replaced, "PutBlockList");
  x.store.drop_blocks(x.address.container, x.address.path);
  x.response.status = 201;
  show_version(x, entry.properties.etag, entry.properties.modified_ms);
  x.set("x-ms-request-server-encrypted", "false");
}

void get_block_list(Exchange& x) {
  auto entry = x.store.find(x.address.container, x.address.path);
  auto fresh = x.store.blocks(x.address.container, x.address.path);
  if ((!entry && fresh.empty()) || (entry && entry->directory)) throw StorageError("PathNotFound");
  if (entry && entry->properties.blob_type != "BlockBlob") throw StorageError("InvalidBlobType");
  if (entry) check_named_lease(entry->properties.lease, x.lease_id(), now_ms(), false);
  std::string which = lower_ascii(x.query("blocklisttype"));
  if (which.empty()) which = "committed";
  if (which != "committed" && which != "uncommitted" && which != "all") throw StorageError("InvalidQueryParameterValue", "blocklisttype");
  auto block = [](const std::string& id, int64_t size) { return "<Block>" + xml_element("Name", id) + xml_element("Size", std::to_string(size)) + "</Block>"; };
  std::string out = "<?xml version=\"1.0\" encoding=\"utf-8\"?><BlockList>";
  if (which != "uncommitted") {
    out += "<CommittedBlocks>";
    if (entry) {
      for (const auto& b : entry->properties.blocks) out += block(b.id, b.size);
    }
    out += "</CommittedBlocks>";
  }
  if (which != "committed") {
    out += "<UncommittedBlocks>";
    for (const auto& b : fresh) out += block(b.id, b.size);
    out += "</UncommittedBlocks>";
  }
  x.response.body = out + "</BlockList>";
  x.set("Content-Type", "application/xml");
  if (entry) show_version(x, entry->properties.etag, entry->properties.modified_ms);
  x.set("x-ms-blob-content-length", std::to_string(entry ? entry->size : 0));
}

void append_block(Exchange& x) {
  refuse_unsupported(x);
  if (x.has_header("x-ms-copy-source")) throw StorageError("FeatureNotSupported", "blocks are not copied from a URL");
  auto position = x.header_number("x-ms-blob-condition-appendpos"), max_size = x.header_number("x-ms-blob-condition-maxsize");
  auto check = [&](const Entry& entry) {
    if (entry.directory || entry.properties.blob_type != "AppendBlob") throw StorageError("InvalidBlobType");
    x.check_change(entry);
    if (position && *position != entry.size) throw StorageError("AppendPositionConditionNotMet");
    if (entry.properties.appended_blocks >= static_cast<int64_t>(kMaxBlocks)) throw StorageError("BlockCountExceedsLimit");
  };
  check(x.require_entry());
  Staged staged = x.store.stage();
  Received got = receive(x, staged.file(), 0, kMaxAppendBlock, true);
  auto guard = x.store.lock(x.address.container);
  Entry entry = x.require_entry();
  check(entry);
  if (max_size && entry.size + got.size > *max_size) throw StorageError("MaxBlobSizeConditionNotMet");
  int64_t at = entry.size;
  {
    auto append = x.store.begin_append(x.address.container, x.address.path, entry);
    copy_bytes(staged.file(), 0, got.size, append->file, at);
    entry = append->entry;
  }
  ++entry.properties.appended_blocks;
  entry.properties.content.erase("md5");
  touch(entry.properties);
  x.store.commit_appended(x.address.container, x.address.path, entry, at + got.size, false, "");
  x.response.status = 201;
  show_version(x, entry.properties.etag, entry.properties.modified_ms);
  x.set("x-ms-blob-append-offset", std::to_string(at));
  x.set("x-ms-blob-committed-block-count", std::to_string(entry.properties.appended_blocks));
  x.set("Content-MD5", base64_encode(got.md5));
  x.set("x-ms-request-server-encrypted", "false");
}

// Copy Blob, Copy Blob From URL and Put Blob From URL: all are done when they answer.
void copy_blob(Exchange& x) {
  refuse_unsupported(x);
  std::string source_url = x.header("x-ms-copy-source");
  Source source = parse_source(x, source_url, true);
  if (source.sas) {
    Grant grant = x.authorizer.authenticate_sas(*source.sas, x.request, source.address);
    grant.require('o', "r");
  } else {
    x.grant.require('o', "r");
    x.grant.require_scope(source.address);
  }
  std::optional<Entry> from;
  Descriptor file = x.store.open(source.address.container, source.address.path, &from);
  if (!from || from->directory) throw StorageError("PathNotFound");
  auto conditions = Conditions::of(x.request.headers, "x-ms-source-");
  conditions.check_source(from->properties.etag, from->properties.modified_ms);
  check_named_lease(from->properties.lease, x.header("x-ms-source-lease-id"), now_ms(), false);
  x.store.require_container(x.address.container);
  Staged staged = x.store.stage();
  copy_bytes(file, 0, from->size, staged.file(), 0);
  if (std::string wanted = x.header("x-ms-source-content-md5"); !wanted.empty()) {
    Md5 md5;
    std::vector<char> piece(1 << 20);
    for (int64_t at = 0; at < from->size;) {
      size_t n = staged.file().read_at(piece.data(), piece.size(), at);
      if (n == 0) break;
      md5.add({piece.data(), n});
      at += static_cast<int64_t>(n);
    }
    if (base64_encode(md5.finish()) != wanted) throw StorageError("Md5Mismatch");
  }
  auto guard = x.store.lock(x.address.container);
  auto replaced = check_put(x);
  Properties p = blob_properties(x, replaced);
  bool put_from_url = x.has_header("x-ms-blob-type");
  p.blob_type = put_from_url ? "BlockBlob" : from->properties.blob_type;
  if (p.metadata.empty()) p.metadata = from->properties.metadata;
  ContentHeaders given = std::move(p.content);
  p.content = from->properties.content;
  for (auto& [key, value] : given) p.content[key] = value;
  p.blocks = from->properties.blocks;
  p.appended_blocks = p.blob_type == "AppendBlob" ? from->properties.appended_blocks : 0;
  if (!put_from_url) {
    p.copy_id = random_uuid();
    p.copy_source = source_url.substr(0, source_url.find('?'));   // a signature in it stays out of what is kept
    p.copied_ms = now_ms();
  }
  Entry entry = x.store.publish(x.address.container, x.address.path, staged, std::move(p), replaced, put_from_url ? "PutBlobFromURL" : "CopyBlob");
  x.store.drop_blocks(x.address.container, x.address.path);
  x.response.status = put_from_url ? 201 : 202;
  show_version(x, entry.properties.etag, entry.properties.modified_ms);
  if (!put_from_url) {
    x.set("x-ms-copy-id", entry.properties.copy_id);
    x.set("x-ms-copy-status", "success");
  }
}

void abort_copy(Exchange&) { throw StorageError("NoPendingCopyOperation"); }

}  // namespace tarn::account
