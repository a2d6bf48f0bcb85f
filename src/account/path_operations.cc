// What both services do with a path: reading, properties, metadata, deletion through the blob service.

#include <algorithm>
#include <charconv>
#include <memory>

#include "account/digest.h"
#include "account/exchange.h"
#include "base/encoding.h"

namespace tarn::account {
namespace {

constexpr int64_t kMaxRangeDigest = 4 << 20;

struct Range {
  int64_t from = 0, to = 0;      // [from, to)
  bool given = false;
};

// "bytes=2-5", "bytes=2-". What is no such range is passed over (RFC 9110, 14.2). StorageError InvalidRange.
Range parse_range(Exchange& x, int64_t size) {
  Range r{0, size, false};
  std::string text = x.header("x-ms-range");
  if (text.empty()) text = x.header("Range");
  if (!text.starts_with("bytes=") || text.find(',') != std::string::npos) return r;
  std::string_view spec = std::string_view(text).substr(6);
  size_t dash = spec.find('-');
  auto number = [](std::string_view s, int64_t* v) { return !s.empty() && std::from_chars(s.data(), s.data() + s.size(), *v).ptr == s.data() + s.size() && *v >= 0; };
  int64_t a = 0, b = 0;
  if (dash == std::string_view::npos || !number(spec.substr(0, dash), &a)) return r;
  bool closed = dash + 1 < spec.size();
  if (closed && (!number(spec.substr(dash + 1), &b) || b < a)) return r;
  if (a >= size) {
    x.set("Content-Range", "bytes */" + std::to_string(size));
    throw StorageError("InvalidRange");
  }
  return {a, closed ? std::min(size, b + 1) : size, true};
}

}  // namespace

void show_path_properties(Exchange& x) {
  Entry entry = x.require_entry();
  check_named_lease(entry.properties.lease, x.lease_id(), now_ms(), false);
  Conditions::of(x.request.headers).check_read(entry.properties.etag, entry.properties.modified_ms);
  show_path(x, entry);
  // A GET of the metadata alone carries no content.
  x.response.content_length = x.query("comp") == "metadata" && x.request.method == "GET" ? 0 : static_cast<uint64_t>(entry.size);
}

void read_path(Exchange& x) {
  std::optional<Entry> entry;
  auto file = std::make_shared<Descriptor>(x.store.open(x.address.container, x.address.path, &entry));
  if (!entry) throw StorageError("PathNotFound");
  check_named_lease(entry->properties.lease, x.lease_id(), now_ms(), false);
  Conditions::of(x.request.headers).check_read(entry->properties.etag, entry->properties.modified_ms);
  Range range = parse_range(x, entry->size);
  show_path(x, *entry);
  if (range.given) {
    x.response.status = 206;
    x.set("Content-Range", "bytes " + std::to_string(range.from) + "-" + std::to_string(range.to - 1) + "/" + std::to_string(entry->size));
    if (auto md5 = entry->properties.content.find("md5"); md5 != entry->properties.content.end()) {
      http::Headers kept;   // Content-MD5 would be that of the range
      for (const auto& [n, v] : x.response.headers) {
        if (lower_ascii(n) != "content-md5") kept.add(n, v);
      }
      x.response.headers = std::move(kept);
      x.set("x-ms-blob-content-md5", md5->second);
    }
  }
  bool want_md5 = lower_ascii(x.header("x-ms-range-get-content-md5")) == "true", want_crc = lower_ascii(x.header("x-ms-range-get-content-crc64")) == "true";
  int64_t length = range.to - range.from;
  if (want_md5 || want_crc) {
    if (!range.given) throw StorageError("MissingRequiredHeader", "x-ms-range");
    if (length > kMaxRangeDigest) throw StorageError("InvalidHeaderValue", "a digest is given for at most 4 MB");
    std::string bytes(static_cast<size_t>(length), '\0');
    bytes.resize(file->read_at(bytes.data(), bytes.size(), range.from));
    Md5 md5;
    md5.add(bytes);
    if (want_md5) x.set("Content-MD5", base64_encode(md5.finish()));
    if (want_crc) x.set("x-ms-content-crc64", base64_encode(crc64_bytes(crc64(0, bytes))));
  }
  if (entry->directory) {
    x.response.content_length = 0;
    return;
  }
  x.response.content_length = static_cast<uint64_t>(length);
  x.response.file = std::move(file);
  x.response.file_offset = range.from;
}

void set_blob_metadata(Exchange& x) {
  auto guard = x.store.lock(x.address.container);
  Entry entry = x.require_entry();
  x.check_change(entry);
  MetadataMap metadata = metadata_headers(x.request.headers);
  std::erase_if(metadata, [](const auto& m) { return lower_ascii(m.first) == "hdi_isfolder"; });
  entry.properties.metadata = std::move(metadata);
  touch(entry.properties);
  x.store.update(entry);
  show_version(x, entry.properties.etag, entry.properties.modified_ms);
}

void set_blob_properties(Exchange& x) {
  if (x.has_header("x-ms-blob-content-length") || x.has_header("x-ms-sequence-number-action")) throw StorageError("InvalidBlobType");
  auto guard = x.store.lock(x.address.container);
  Entry entry = x.require_entry();
  x.check_change(entry);
  entry.properties.content = content_headers(x.request.headers, false);
  touch(entry.properties);
  x.store.update(entry);
  show_version(x, entry.properties.etag, entry.properties.modified_ms);
}

void delete_blob(Exchange& x) {
  if (lower_ascii(x.header("x-ms-delete-snapshots")) == "only") throw StorageError("FeatureNotSupported", "the account keeps no snapshots");
  auto guard = x.store.lock(x.address.container);
  Entry entry = x.require_entry();
  x.check_change(entry);
  x.store.remove(x.address.container, x.address.path, entry, false, "DeleteBlob");
  x.response.status = 202;
  x.set("x-ms-delete-type-permanent", "true");
}

}  // namespace tarn::account
