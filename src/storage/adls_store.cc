// Azure Data Lake Storage Gen2 by its own REST protocol ("dfs"), as accounts with a hierarchical namespace have it: directories are real, a
// rename is one step, and a rename that must not replace (If-None-Match: *) makes commits.
// Source: https://learn.microsoft.com/rest/api/storageservices/data-lake-storage-gen2
#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/encoding.h"
#include "base/ids.h"
#include "base/io_error.h"
#include "base/log.h"
#include "storage/azure.h"
#include "storage/parallel.h"
#include "storage/path.h"
#include "storage/signing.h"

namespace tarn::storage {
namespace {

constexpr size_t kAppend = 8 << 20;  // bytes of one request
constexpr size_t kAppendsAtOnce = 4;

uint64_t number_of(const nlohmann::json& j, const char* name) {
  auto it = j.find(name);
  if (it == j.end()) return 0;
  return it->is_string() ? std::strtoull(it->get_ref<const std::string&>().c_str(), nullptr, 10) : it->is_number() ? it->get<uint64_t>() : 0;
}
bool flag_of(const nlohmann::json& j, const char* name) {
  auto it = j.find(name);
  if (it == j.end()) return false;
  return it->is_string() ? it->get_ref<const std::string&>() == "true" : it->is_boolean() && it->get<bool>();
}
std::string text_of(const nlohmann::json& j, const char* name) {
  auto it = j.find(name);
  return it != j.end() && it->is_string() ? it->get<std::string>() : "";
}

std::string temporary_name(const std::string& path) { return join(parent(path), "." + file_name(path) + "." + random_uuid() + ".tmp"); }

class AdlsStore : public AzureStore {
 public:
  explicit AdlsStore(const AzureConfig& c) : AzureStore(c) {}

  std::vector<FileInfo> list(const std::string& directory, const std::string& from) override {
    auto out = list_paths(directory, false);
    if (!from.empty()) std::erase_if(out, [&](const FileInfo& f) { return file_name(f.path) < from; });
    return out;
  }
  std::vector<FileInfo> list_recursive(const std::string& directory) override {
    auto out = list_paths(directory, true);
    std::erase_if(out, [](const FileInfo& f) { return f.is_directory; });
    return out;
  }

  std::optional<FileInfo> stat(const std::string& path) override {
    bool root = ObjectUri::parse(path).key.empty();
    HttpRequest r = request("HEAD", path);
    if (root) r.query = {{"resource", "filesystem"}};
    Answer a = send(std::move(r), "cannot look at", path);
    if (a.response.status == 404 && !root) return std::nullopt;
    if (!a.ok()) fail("cannot look at", path, a.response);
    bool directory = root || a.response.header("x-ms-resource-type") == "directory" || a.response.header("x-ms-meta-hdi_isfolder") == "true";
    return FileInfo{path, directory ? 0 : std::strtoull(a.response.header("content-length").c_str(), nullptr, 10),
                    parse_store_time(a.response.header("last-modified")), directory, directory ? "" : quoted_tag(a.response.header("etag"))};
  }

  bool put_if_absent(const std::string& path, std::string_view data) override {
    // A name that is made before its bytes would show an empty commit to those who read in between: the bytes first, then the name.
    std::string temporary = temporary_name(path);
    put(temporary, data);
    try {
      Answer a = move(temporary, path, false);
      if (a.ok()) return true;
      bool exists = a.response.status == 412 || (a.response.status == 409 && error_code(a.response) == "PathAlreadyExists");
      // An attempt whose answer was lost may have done it.
      bool gone = a.attempts > 1 && a.response.status == 404;
      if (!exists && !gone) fail("cannot create", path, a.response);
      bool ours = a.attempts > 1 && read(path) == data;
      if (!ours || !gone) remove(temporary);
      return ours;
    } catch (const IoError&) {
      try {
        remove(temporary);
      } catch (const IoError& e) {
        log::warn("storage.temporary_left_behind", {{"path", temporary}, {"error", e.what()}});
      }
      throw;
    }
  }

  std::unique_ptr<FileWriter> create(const std::string& path, bool unseen) override;

  void rename(const std::string& from, const std::string& to) override {
    require_same_store(from, to);
    Answer a = move(from, to, true);
    if (a.ok()) return;
    if (a.attempts > 1 && a.response.status == 404 && stat(to)) return;
    fail("cannot rename", from, a.response);
  }
  bool renames_at_once() const override { return true; }

  bool remove(const std::string& path) override {
    HttpRequest r = request("DELETE", path);
    r.query = {{"recursive", "false"}};
    Answer a = send(std::move(r), "cannot delete", path);
    if (a.response.status == 404) return false;
    if (!a.ok()) fail("cannot delete", path, a.response);
    return true;
  }

  void remove_recursive(const std::string& path) override {
    if (ObjectUri::parse(path).key.empty()) throw IoError(IoError::Kind::kOther, "cannot delete", path, "a whole container is not deleted");
    std::string continuation;
    do {
      HttpRequest r = request("DELETE", path);
      r.query = {{"recursive", "true"}};
      if (!continuation.empty()) r.query.emplace_back("continuation", continuation);
      Answer a = send(std::move(r), "cannot delete", path);
      if (a.response.status == 404) return;
      if (!a.ok()) fail("cannot delete", path, a.response);
      continuation = a.response.header("x-ms-continuation");
    } while (!continuation.empty());
  }

  void make_directories(const std::string& path) override {
    if (ObjectUri::parse(path).key.empty()) return;
    HttpRequest r = request("PUT", path);
    r.query = {{"resource", "directory"}};
    r.set_header("If-None-Match", "*");
    Answer a = send(std::move(r), "cannot make the directory", path);
    if (a.ok()) return;
    if (a.response.status == 409 || a.response.status == 412) {
      auto there = stat(path);
      if (there && there->is_directory) return;
      if (there) throw IoError(IoError::Kind::kAlreadyExists, "cannot make the directory", path, "a file has that name");
    }
    fail("cannot make the directory", path, a.response);
  }

  // ---- for the writer
  void start(const std::string& path) {
    HttpRequest r = request("PUT", path);
    r.query = {{"resource", "file"}};
    Answer a = send(std::move(r), "cannot write", path);
    if (!a.ok()) fail("cannot write", path, a.response);
  }
  void append(const std::string& path, uint64_t position, std::string_view data) {
    HttpRequest r = request("PATCH", path);
    r.query = {{"action", "append"}, {"position", std::to_string(position)}};
    r.body = data;
    Answer a = send(std::move(r), "cannot write", path);
    if (!a.ok()) fail("cannot write", path, a.response);
  }
  void flush(const std::string& path, uint64_t position) {
    HttpRequest r = request("PATCH", path);
    r.query = {{"action", "flush"}, {"position", std::to_string(position)}, {"close", "true"}};
    Answer a = send(std::move(r), "cannot write", path);
    if (!a.ok()) fail("cannot write", path, a.response);
  }
  void put(const std::string& path, std::string_view data) {
    start(path);
    if (!data.empty()) append(path, 0, data);
    flush(path, data.size());
  }

 private:
  Answer move(const std::string& from, const std::string& to, bool replace) {
    for (bool parent_made = false;;) {
      HttpRequest r = request("PUT", to);
      std::string source = "/" + percent_encode(c_.container, "$") + "/" + percent_encode(ObjectUri::parse(from).key, "/");
      if (c_.auth == AzureConfig::Auth::kSas) source += "?" + sas_query();
      r.set_header("x-ms-rename-source", source);
      if (!replace) r.set_header("If-None-Match", "*");
      Answer a = send(std::move(r), "cannot rename", from);
      if (error_code(a.response) == "RenameDestinationParentPathNotFound" && !parent_made) {
        make_directories(parent(to));
        parent_made = true;
        continue;
      }
      // A long rename of a directory goes on from where it stopped.
      for (std::string continuation = a.response.header("x-ms-continuation"); a.ok() && !continuation.empty();
           continuation = a.response.header("x-ms-continuation")) {
        HttpRequest more = request("PUT", to);
        more.query = {{"continuation", continuation}};
        more.set_header("x-ms-rename-source", source);
        a = send(std::move(more), "cannot rename", from);
      }
      return a;
    }
  }

  std::vector<FileInfo> list_paths(const std::string& directory, bool recursive) {
    ObjectUri u = ObjectUri::parse(directory);
    std::vector<FileInfo> out;
    std::string continuation;
    do {
      HttpRequest r = container_request("GET");
      r.query = {{"resource", "filesystem"}, {"recursive", recursive ? "true" : "false"}, {"maxResults", "5000"}};
      if (!u.key.empty()) r.query.emplace_back("directory", u.key);
      if (!continuation.empty()) r.query.emplace_back("continuation", continuation);
      Answer a = send(std::move(r), "cannot list", directory);
      if (!a.ok()) fail("cannot list", directory, a.response);
      auto json = nlohmann::json::parse(a.response.body, nullptr, false);
      if (!json.is_object() || !json.contains("paths")) throw IoError(IoError::Kind::kOther, "cannot list", directory, "the answer is not a listing of Data Lake Storage");
      for (const auto& p : json["paths"]) {
        bool is_directory = flag_of(p, "isDirectory");
        out.push_back({object_path(u.prefix(), text_of(p, "name")), number_of(p, "contentLength"), parse_store_time(text_of(p, "lastModified")), is_directory,
                       is_directory ? "" : quoted_tag(text_of(p, "etag"))});
      }
      continuation = a.response.header("x-ms-continuation");
    } while (!continuation.empty());
    std::sort(out.begin(), out.end(), [](const FileInfo& a, const FileInfo& b) { return a.path < b.path; });
    return out;
  }
};

class AdlsWriter : public FileWriter {
 public:
  // at: where the bytes go; a rename brings them to `path` if that is another place.
  AdlsWriter(AdlsStore& store, std::string path, std::string at)
      : store_(store), path_(std::move(path)), at_(std::move(at)),
        parts_(kAppend, kAppendsAtOnce, 0, [] {}, [this](size_t, uint64_t offset, std::string_view part) { store_.append(at_, offset, part); }) {
    store_.start(at_);
  }
  ~AdlsWriter() override {
    parts_.stop();
    if (published_) return;
    try {
      store_.remove(at_);
    } catch (const std::exception& e) {
      log::warn("storage.temporary_left_behind", {{"path", at_}, {"error", e.what()}});
    }
  }

  void write(std::string_view bytes) override { parts_.write(bytes); }

  void finish() override {
    if (finished_) return;
    parts_.flush();
    store_.flush(at_, parts_.size());
    finished_ = true;
  }

  void publish() override {
    finish();
    if (at_ != path_) store_.rename(at_, path_);
    published_ = true;
  }

  uint64_t size() const override { return parts_.size(); }

 private:
  AdlsStore& store_;
  const std::string path_, at_;
  PartUpload parts_;
  bool finished_ = false, published_ = false;
};

std::unique_ptr<FileWriter> AdlsStore::create(const std::string& path, bool unseen) {
  return std::make_unique<AdlsWriter>(*this, path, unseen ? path : temporary_name(path));
}

}  // namespace

ObjectStore& adls_store(std::string_view path, const Settings& settings) {
  static auto& stores = *new StoreTable<AzureConfig>;
  return stores.get(AzureConfig::of(path, settings), [](const AzureConfig& c) -> std::unique_ptr<ObjectStore> { return std::make_unique<AdlsStore>(c); });
}

}  // namespace tarn::storage
