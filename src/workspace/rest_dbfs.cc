// /api/2.0/dbfs: files below one folder, and through /Volumes the files of volumes. No path leads out of its root
// (base/rooted_folder.h).
#include <fcntl.h>

#include <algorithm>
#include <map>
#include <memory>
#include <mutex>
#include <optional>

#include "base/encoding.h"
#include "base/io_error.h"
#include "base/rooted_folder.h"
#include "workspace/families.h"

namespace tarn::workspace {
namespace {

using http::Call;
using http::Json;
using http::invalid_parameter;

constexpr size_t kMaxBlock = 1 << 20;
constexpr size_t kDefaultRead = 500'000;
constexpr int64_t kHandleIdleMs = 10 * 60'000;

// A path as clients write it and where it is.
struct Place {
  std::string shown;      // "/tmp/a"
  RootedFolder folder{""};
  std::string relative;   // below it, "." for itself
};

struct Handle {
  Place place;
  Descriptor file;
  int64_t owner = 0, used_ms = 0;
};

class Dbfs {
 public:
  Dbfs(std::string root, ResolveVolume resolve) : root_(std::move(root)), resolve_(std::move(resolve)) {}

  Place place(Call& call, const std::string& text, bool write) const {
    std::string path = text.starts_with("dbfs:") ? text.substr(5) : text;
    if (path.empty() || path[0] != '/') throw invalid_parameter("Path must be absolute: " + text.substr(0, 200));
    std::string shown;
    for (size_t at = 1; at <= path.size();) {
      size_t end = std::min(path.find('/', at), path.size());
      std::string part = path.substr(at, end - at);
      at = end + 1;
      if (part.empty()) continue;
      if (part == "." || part == ".." || part.size() > 255 || part.find('\0') != std::string::npos) throw invalid_parameter("Path is not valid: " + text.substr(0, 200));
      shown += "/" + part;
    }
    if (shown == "/Volumes" || shown.starts_with("/Volumes/")) {
      std::string folder = resolve_ ? resolve_(call.caller, shown, write) : "";
      if (folder.empty()) throw http::not_found("No file or directory exists on path " + shown + ".");
      size_t slash = 0;  // /Volumes/catalog/schema/volume
      for (int i = 0; i < 4 && slash != std::string::npos; ++i) slash = shown.find('/', slash + 1);
      return {shown, RootedFolder(folder), slash == std::string::npos ? "." : shown.substr(slash + 1)};
    }
    return {shown.empty() ? "/" : shown, RootedFolder(root_), shown.empty() ? "." : shown.substr(1)};
  }

  FileStatus require(const Place& p) const {
    auto s = p.folder.status(p.relative);
    if (!s) throw http::not_found("No file or directory exists on path " + p.shown + ".");
    return *s;
  }

  static Json render(const std::string& path, const FileStatus& s) {
    return {{"path", path}, {"is_dir", s.directory}, {"file_size", s.size}, {"modification_time", s.modified_ms}};
  }

  void mkdirs(const Place& p, const std::string& relative) const {
    if (!p.folder.make_directories(relative)) throw http::already_exists("A file exists on the path " + p.shown + ".");
  }

  static std::string parent(const Place& p) {
    size_t slash = p.relative.rfind('/');
    return slash == std::string::npos ? "." : p.relative.substr(0, slash);
  }

  Descriptor create(const Place& p, bool overwrite) const {
    auto s = p.folder.status(p.relative);
    if (s && (s->directory || !overwrite)) throw http::already_exists("A file or directory already exists at the input path " + p.shown + ".");
    mkdirs(p, parent(p));
    Descriptor fd = p.folder.open(p.relative, O_WRONLY | O_CREAT | O_TRUNC);
    if (!fd) throw IoError("cannot create", p.shown);
    return fd;
  }

  int64_t add_handle(Handle h) {
    std::lock_guard lock(mu_);
    std::erase_if(handles_, [](const auto& x) { return now_ms() - x.second.used_ms > kHandleIdleMs; });
    if (handles_.size() >= 10'000) throw http::RestError(429, "RESOURCE_EXHAUSTED", "Too many files are open.");
    h.used_ms = now_ms();
    int64_t id = next_++;
    handles_.emplace(id, std::move(h));
    return id;
  }

  template <class F>
  void with_handle(Call& call, bool close, F&& f) {
    int64_t id = call.integer("handle", -1);
    std::lock_guard lock(mu_);
    auto it = handles_.find(id);
    if (it == handles_.end() || it->second.owner != call.caller.id || now_ms() - it->second.used_ms > kHandleIdleMs) {
      throw http::not_found("No open file with handle " + std::to_string(id) + " exists.");
    }
    it->second.used_ms = now_ms();
    f(it->second);
    if (close) handles_.erase(it);
  }

 private:
  std::string root_;
  ResolveVolume resolve_;
  std::mutex mu_;
  std::map<int64_t, Handle> handles_;  // guarded by mu_
  int64_t next_ = 1'000'001;           // guarded by mu_
};

http::RestError block_too_large() { return {400, "MAX_BLOCK_SIZE_EXCEEDED", "A block has at most 1 MB."}; }

}  // namespace

void add_dbfs_routes(http::RouteTable& table, std::string root, ResolveVolume resolve_volume) {
  auto dbfs = std::make_shared<Dbfs>(std::move(root), std::move(resolve_volume));
  const std::string p = "/api/*/dbfs/";
  http::Route put{"POST", p + "put", [dbfs](Call& call) {
    Place place = dbfs->place(call, call.required_text("path"), true);
    bool form = lower_ascii(call.request.headers.get("Content-Type")).starts_with("multipart/form-data");
    std::string data;
    if (form) {
      data = call.has("contents") ? call.text("contents") : call.text("file");
    } else {
      auto decoded = base64_decode(call.text("contents"));
      if (!decoded) throw invalid_parameter("contents is not valid base64.");
      if (decoded->size() > kMaxBlock) throw block_too_large();
      data = std::move(*decoded);
    }
    dbfs->create(place, call.flag("overwrite")).write(data);
    call.audit.emplace_back("path", place.shown);
    return http::ok();
  }};
  put.max_body = 256 << 20;  // by form post; JSON is limited to one block
  table.add(std::move(put));
  table.post(p + "create", [dbfs](Call& call) {
    Place place = dbfs->place(call, call.required_text("path"), true);
    Handle h{place, dbfs->create(place, call.flag("overwrite")), call.caller.id, 0};
    call.audit.emplace_back("path", place.shown);
    return http::json_response({{"handle", dbfs->add_handle(std::move(h))}});
  });
  table.post(p + "add-block", [dbfs](Call& call) {
    auto data = base64_decode(call.text("data"));
    if (!data) throw invalid_parameter("data is not valid base64.");
    if (data->size() > kMaxBlock) throw block_too_large();
    dbfs->with_handle(call, false, [&](Handle& h) { h.file.write(*data); });
    return http::ok();
  });
  table.post(p + "close", [dbfs](Call& call) {
    dbfs->with_handle(call, true, [](Handle&) {});
    return http::ok();
  });
  table.get(p + "read", [dbfs](Call& call) {
    Place place = dbfs->place(call, call.required_text("path"), false);
    int64_t offset = call.integer("offset", 0), length = call.integer("length", kDefaultRead);
    if (offset < 0 || length < 0) throw invalid_parameter("offset and length must not be negative.");
    if (length > static_cast<int64_t>(kMaxBlock)) throw http::RestError(400, "MAX_READ_SIZE_EXCEEDED", "At most 1 MB can be read at once.");
    if (dbfs->require(place).directory) throw invalid_parameter("The path " + place.shown + " is a directory.");
    Descriptor fd = place.folder.open(place.relative, O_RDONLY);
    if (!fd) throw IoError("cannot read", place.shown);
    std::string data(static_cast<size_t>(length), '\0');
    size_t done = fd.read_at(data.data(), data.size(), offset);
    data.resize(done);
    return http::json_response({{"bytes_read", done}, {"data", base64_encode(data)}});
  });
  table.get(p + "get-status", [dbfs](Call& call) {
    Place place = dbfs->place(call, call.required_text("path"), false);
    return http::json_response(Dbfs::render(place.shown, dbfs->require(place)));
  });
  table.get(p + "list", [dbfs](Call& call) {
    Place place = dbfs->place(call, call.required_text("path"), false);
    FileStatus s = dbfs->require(place);
    Json files = Json::array();
    if (!s.directory) {
      files.push_back(Dbfs::render(place.shown, s));
    } else {
      for (const auto& name : place.folder.names(place.relative)) {
        std::string child = place.relative == "." ? name : place.relative + "/" + name;
        if (auto found = place.folder.status(child)) files.push_back(Dbfs::render((place.shown == "/" ? "" : place.shown) + "/" + name, *found));
      }
    }
    return http::json_response(files.empty() ? Json::object() : Json{{"files", files}});
  });
  table.post(p + "mkdirs", [dbfs](Call& call) {
    Place place = dbfs->place(call, call.required_text("path"), true);
    dbfs->mkdirs(place, place.relative);
    call.audit.emplace_back("path", place.shown);
    return http::ok();
  });
  table.post(p + "delete", [dbfs](Call& call) {
    Place place = dbfs->place(call, call.required_text("path"), true);
    call.audit.emplace_back("path", place.shown);
    auto s = place.folder.status(place.relative);
    if (!s) return http::ok();  // nothing to do is no error
    if (place.relative == ".") throw invalid_parameter("The root cannot be deleted.");
    if (call.flag("recursive")) place.folder.remove_all(place.relative);
    else if (!place.folder.remove_empty(place.relative)) throw http::RestError(400, "IO_ERROR", "The directory " + place.shown + " is not empty.");
    return http::ok();
  });
  table.post(p + "move", [dbfs](Call& call) {
    Place from = dbfs->place(call, call.required_text("source_path"), true), to = dbfs->place(call, call.required_text("destination_path"), true);
    dbfs->require(from);
    if (from.relative == "." || to.relative == ".") throw invalid_parameter("A root cannot be moved.");
    if (to.folder.status(to.relative)) throw http::already_exists("A file or directory already exists at the input path " + to.shown + ".");
    if (to.shown.starts_with(from.shown + "/")) throw invalid_parameter("A directory cannot be moved into itself.");
    dbfs->mkdirs(to, Dbfs::parent(to));
    if (!from.folder.rename(from.relative, to.folder, to.relative)) throw http::already_exists("A file or directory already exists at the input path " + to.shown + ".");
    call.audit.emplace_back("source_path", from.shown);
    call.audit.emplace_back("destination_path", to.shown);
    return http::ok();
  });
}

}  // namespace tarn::workspace
