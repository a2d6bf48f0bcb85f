// Azure Blob Storage: a flat name space like S3's. A directory is a prefix that something has (or a blob marked hdi_isfolder, as Hadoop and
// accounts with a hierarchical namespace make them), a rename is a copy, a file appears when its block list is put.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <thread>

#include "base/encoding.h"
#include "base/ids.h"
#include "base/io_error.h"
#include "base/xml.h"
#include "storage/azure.h"
#include "storage/flat_store.h"
#include "storage/parallel.h"
#include "storage/path.h"
#include "storage/signing.h"

namespace tarn::storage {
namespace {

constexpr size_t kBlock = 8 << 20;
constexpr size_t kMaxBlocks = 50'000;
constexpr size_t kUploadsAtOnce = 4;    // of one file
constexpr size_t kRequestsAtOnce = 16;  // on the files of one directory

class BlobStore : public FlatStore<AzureStore> {
 public:
  explicit BlobStore(const AzureConfig& c) : FlatStore<AzureStore>(c) {}

  std::vector<FileInfo> list(const std::string& directory, const std::string& from) override {
    ObjectUri u = ObjectUri::parse(directory);
    std::string prefix = u.key.empty() ? "" : u.key + "/";
    std::vector<FileInfo> out;
    bool any = list_blobs(directory, prefix, "/", 5000, [&](FileInfo f) {
      std::string name = f.path.substr(prefix.size());
      if (name.empty() || name < from) return;
      f.path = object_path(u.prefix(), f.path);
      out.push_back(std::move(f));
    });
    if (!any && !u.key.empty() && !is_marker(directory)) throw IoError(IoError::Kind::kNotFound, "cannot list", directory, "no such directory");
    std::sort(out.begin(), out.end(), [](const FileInfo& a, const FileInfo& b) { return a.path < b.path || (a.path == b.path && a.is_directory > b.is_directory); });
    // A directory's marker beside its prefix.
    out.erase(std::unique(out.begin(), out.end(), [](const FileInfo& a, const FileInfo& b) { return a.path == b.path && a.is_directory && b.is_directory; }), out.end());
    return out;
  }

  std::vector<FileInfo> list_recursive(const std::string& directory) override {
    ObjectUri u = ObjectUri::parse(directory);
    std::string prefix = u.key.empty() ? "" : u.key + "/";
    std::vector<FileInfo> out;
    bool any = list_blobs(directory, prefix, "", 5000, [&](FileInfo f) {
      if (f.is_directory) return;
      f.path = object_path(u.prefix(), f.path);
      out.push_back(std::move(f));
    });
    if (!any && !u.key.empty() && !is_marker(directory)) throw IoError(IoError::Kind::kNotFound, "cannot list", directory, "no such directory");
    return out;
  }

  std::optional<FileInfo> stat(const std::string& path) override {
    ObjectUri u = ObjectUri::parse(path);
    if (u.key.empty()) return FileInfo{path, 0, 0, true};
    Answer a = send(request("HEAD", path), "cannot look at", path);
    if (a.ok()) {
      bool directory = a.response.header("x-ms-meta-hdi_isfolder") == "true";
      return FileInfo{path, directory ? 0 : std::strtoull(a.response.header("content-length").c_str(), nullptr, 10),
                      parse_store_time(a.response.header("last-modified")), directory, directory ? "" : quoted_tag(a.response.header("etag"))};
    }
    if (a.response.status != 404) fail("cannot look at", path, a.response);
    if (list_blobs(path, u.key + "/", "", 1, [](FileInfo) {})) return FileInfo{path, 0, 0, true};
    return std::nullopt;
  }

  bool put_if_absent(const std::string& path, std::string_view data) override {
    HttpRequest r = put_request(path);
    r.set_header("If-None-Match", "*");
    r.body = data;
    Answer a = send(std::move(r), "cannot create", path);
    if (a.ok()) return true;
    if (a.response.status != 409 && a.response.status != 412) fail("cannot create", path, a.response);
    if (a.response.status == 409 && error_code(a.response) != "BlobAlreadyExists") fail("cannot create", path, a.response);
    return a.attempts > 1 && read(path) == data;  // an attempt whose answer was lost may have done it
  }

  std::unique_ptr<FileWriter> create(const std::string& path, bool unseen) override;

  void remove_files(const std::vector<std::string>& paths) override {
    InFlight running(kRequestsAtOnce);
    for (const auto& p : paths) running.start([this, p] { remove_blob(p); });
    running.wait();
  }

  void remove_recursive(const std::string& path) override {
    ObjectUri u = ObjectUri::parse(path);
    if (u.key.empty()) throw IoError(IoError::Kind::kOther, "cannot delete", path, "a whole container is not deleted");
    std::vector<std::string> paths;
    list_blobs(path, u.key + "/", "", 5000, [&](FileInfo f) { paths.push_back(object_path(u.prefix(), f.path)); });
    // What is below goes before what it is in.
    std::sort(paths.rbegin(), paths.rend());
    remove_files(paths);
    remove_blob(path);
  }

  // ---- for the writer
  void put(const std::string& path, std::string_view data) {
    HttpRequest r = put_request(path);
    r.body = data;
    Answer a = send(std::move(r), "cannot write", path);
    if (!a.ok()) fail("cannot write", path, a.response);
  }
  void put_block(const std::string& path, const std::string& id, std::string_view data) {
    HttpRequest r = request("PUT", path);
    r.query = {{"comp", "block"}, {"blockid", id}};
    r.body = data;
    Answer a = send(std::move(r), "cannot write", path);
    if (!a.ok()) fail("cannot write", path, a.response);
  }
  void put_block_list(const std::string& path, const std::vector<std::string>& ids) {
    std::string body = "<?xml version=\"1.0\" encoding=\"utf-8\"?><BlockList>";
    for (const auto& id : ids) body += "<Latest>" + id + "</Latest>";
    body += "</BlockList>";
    HttpRequest r = request("PUT", path);
    r.query = {{"comp", "blocklist"}};
    r.set_header("Content-Type", "application/xml");
    r.set_header("x-ms-blob-content-type", "application/octet-stream");
    r.body = body;
    Answer a = send(std::move(r), "cannot write", path);
    if (!a.ok()) fail("cannot write", path, a.response);
  }

 private:
  void make_marker(const std::string& path) override {
    HttpRequest r = put_request(path);
    r.set_header("x-ms-meta-hdi_isfolder", "true");
    Answer a = send(std::move(r), "cannot make the directory", path);
    if (!a.ok()) fail("cannot make the directory", path, a.response);
  }
  void remove_marker(const std::string& path) override { remove_blob(path); }

  void copy(const FileInfo& from, const std::string& to) override {
    HttpRequest r = request("PUT", to);
    HttpRequest source = request("GET", from.path);
    std::string url = std::string(source.server.tls ? "https://" : "http://") + source.server.authority() + source.server.path + source.path;
    if (c_.auth == AzureConfig::Auth::kSas) url += "?" + sas_query();
    r.set_header("x-ms-copy-source", url);
    if (c_.auth == AzureConfig::Auth::kOAuth) r.set_header("x-ms-copy-source-authorization", "Bearer " + token_.get());
    Answer a = send(std::move(r), "cannot copy to", to);
    if (!a.ok()) fail("cannot copy to", to, a.response);
    // Within an account it is mostly done at once.
    std::string status = a.response.header("x-ms-copy-status");
    for (int wait_ms = 50; status == "pending"; wait_ms = std::min(wait_ms * 2, 2000)) {
      std::this_thread::sleep_for(std::chrono::milliseconds(wait_ms));
      Answer look = send(request("HEAD", to), "cannot copy to", to);
      if (!look.ok()) fail("cannot copy to", to, look.response);
      status = look.response.header("x-ms-copy-status");
    }
    if (!status.empty() && status != "success") throw IoError(IoError::Kind::kOther, "cannot copy to", to, "the store says that the copy is " + status);
  }

  HttpRequest put_request(const std::string& path) const {
    HttpRequest r = request("PUT", path);
    r.set_header("x-ms-blob-type", "BlockBlob");
    r.set_header("Content-Type", "application/octet-stream");
    return r;
  }

  bool is_marker(const std::string& path) {
    auto info = stat(path);
    return info && info->is_directory;
  }

  bool remove_blob(const std::string& path) {
    HttpRequest r = request("DELETE", path);
    r.set_header("x-ms-delete-snapshots", "include");
    Answer a = send(std::move(r), "cannot delete", path);
    if (a.response.status == 404) return false;
    if (!a.ok()) fail("cannot delete", path, a.response);
    return true;
  }

  // Every blob (its name as path) and, with a delimiter, prefix without the delimiter; false if there was none.
  template <class Fn>
  bool list_blobs(const std::string& path, const std::string& prefix, const std::string& delimiter, int page, Fn fn) {
    bool any = false;
    std::string marker;
    do {
      HttpRequest r = container_request("GET");
      r.query = {{"restype", "container"}, {"comp", "list"}, {"prefix", prefix}, {"include", "metadata"}, {"maxresults", std::to_string(page)}};
      if (!delimiter.empty()) r.query.emplace_back("delimiter", delimiter);
      if (!marker.empty()) r.query.emplace_back("marker", marker);
      Answer a = send(std::move(r), "cannot list", path);
      if (!a.ok()) fail("cannot list", path, a.response);
      auto xml = parse_xml(a.response.body);
      const XmlElement* blobs = xml ? xml->find("Blobs") : nullptr;
      if (!blobs) throw IoError(IoError::Kind::kOther, "cannot list", path, "the answer is not a listing of Blob Storage");
      for (const auto& b : blobs->children) {
        any = true;
        FileInfo f;
        f.path = b.text_of("Name");
        if (b.name == "BlobPrefix") {
          if (!delimiter.empty() && f.path.ends_with(delimiter)) f.path.pop_back();
          f.is_directory = true;
        } else {
          const XmlElement* metadata = b.find("Metadata");
          f.is_directory = metadata && metadata->text_of("hdi_isfolder") == "true";
          if (const XmlElement* p = b.find("Properties"); p && !f.is_directory) {
            f.size = std::strtoull(p->text_of("Content-Length").c_str(), nullptr, 10);
            f.modified_ms = parse_store_time(p->text_of("Last-Modified"));
            f.tag = quoted_tag(p->text_of("Etag"));
          }
        }
        fn(std::move(f));
      }
      marker = page > 1 ? xml->text_of("NextMarker") : "";
    } while (!marker.empty());
    return any;
  }
};

class BlobWriter : public FileWriter {
 public:
  BlobWriter(BlobStore& store, std::string path)
      : store_(store), path_(std::move(path)), upload_(random_uuid()),
        parts_(kBlock, kUploadsAtOnce, kMaxBlocks / 10, [] {}, [this](size_t index, uint64_t, std::string_view part) { store_.put_block(path_, block_id(index), part); }) {}
  ~BlobWriter() override { parts_.stop(); }  // blocks that no list names vanish by themselves

  void write(std::string_view bytes) override { parts_.write(bytes); }
  void finish() override { parts_.flush(); }
  void publish() override {
    if (parts_.parts() == 0) return store_.put(path_, parts_.rest());
    finish();
    std::vector<std::string> ids;
    for (size_t i = 0; i < parts_.parts(); ++i) ids.push_back(block_id(i));
    store_.put_block_list(path_, ids);
  }
  uint64_t size() const override { return parts_.size(); }

 private:
  // Of one length; no other writer of the blob has the same.
  std::string block_id(size_t index) const {
    if (index >= kMaxBlocks) throw IoError(IoError::Kind::kOther, "cannot write", path_, "more than 50,000 blocks");
    char number[16];
    std::snprintf(number, sizeof number, "%06zu", index);
    return base64_encode(upload_ + number);
  }

  BlobStore& store_;
  const std::string path_, upload_;
  PartUpload parts_;
};

std::unique_ptr<FileWriter> BlobStore::create(const std::string& path, bool) { return std::make_unique<BlobWriter>(*this, path); }

}  // namespace

ObjectStore& blob_store(std::string_view path, const Settings& settings) {
  static auto& stores = *new StoreTable<AzureConfig>;
  return stores.get(AzureConfig::of(path, settings), [](const AzureConfig& c) -> std::unique_ptr<ObjectStore> { return std::make_unique<BlobStore>(c); });
}

}  // namespace tarn::storage
