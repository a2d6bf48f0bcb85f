// /api/2.0/dbfs: files below one folder, through /Volumes the files of volumes and through /mnt what is mounted (workspace/dbfs_path.h). No path
// leads out of its root.
#include <algorithm>
#include <map>
#include <memory>
#include <mutex>
#include <optional>

#include "base/encoding.h"
#include "workspace/dbfs_path.h"
#include "workspace/families.h"

namespace tarn::workspace {
namespace {

using http::Call;
using http::Json;
using http::invalid_parameter;

constexpr size_t kMaxBlock = 1 << 20;
constexpr size_t kDefaultRead = 500'000;
constexpr int64_t kHandleIdleMs = 10 * 60'000;

using Place = std::shared_ptr<DbfsPath>;

struct Handle {
  Handle(std::unique_ptr<DbfsWriter> file, int64_t owner) : file(std::move(file)), owner(owner) {}
  const std::unique_ptr<DbfsWriter> file;   // used under mu
  const int64_t owner;
  std::mutex mu;
  int64_t used_ms = now_ms();               // guarded by Dbfs::mu_
};

class Dbfs {
 public:
  Dbfs(std::string root, ResolveVolume resolve, const Mounts& mounts) : root_(std::move(root)), resolve_(std::move(resolve)), mounts_(mounts) {}

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
      return path_on_disk(shown, folder, slash == std::string::npos ? "." : shown.substr(slash + 1));
    }
    if (auto mount = mounts_.above(shown)) return path_below_mount(shown, mount->path);
    return path_on_disk(shown.empty() ? "/" : shown, root_, shown.empty() ? "." : shown.substr(1));
  }

  // What lies between the root and the mounts is there, whatever the disk has.
  std::vector<std::string> mounted_below(const std::string& shown) const {
    std::string above = shown == "/" ? "/" : shown + "/";
    std::vector<std::string> out;
    for (const auto& m : mounts_.list()) {
      if (!m.path.starts_with(above)) continue;
      std::string name = m.path.substr(above.size(), m.path.find('/', above.size()) - above.size());
      if (out.empty() || out.back() != name) out.push_back(name);
    }
    return out;
  }

  FileStatus require(const Place& p) const {
    auto s = p->status();
    if (!s && !mounted_below(p->shown()).empty()) return {true, 0, 0};
    if (!s) throw http::not_found("No file or directory exists on path " + p->shown() + ".");
    return *s;
  }

  static Json render(const std::string& path, const FileStatus& s) {
    return {{"path", path}, {"is_dir", s.directory}, {"file_size", s.size}, {"modification_time", s.modified_ms}};
  }

  Json list(const Place& p) const {
    FileStatus s = require(p);
    if (!s.directory) return Json::array({render(p->shown(), s)});
    std::map<std::string, FileStatus> all;
    for (const auto& name : mounted_below(p->shown())) all[name] = {true, 0, 0};
    if (p->status()) {
      for (auto& [name, status] : p->children()) all.try_emplace(name, status);
    }
    Json files = Json::array();
    for (const auto& [name, status] : all) files.push_back(render((p->shown() == "/" ? "" : p->shown()) + "/" + name, status));
    return files;
  }

  static std::unique_ptr<DbfsWriter> create(const Place& p, bool overwrite) {
    auto s = p->status();
    if (s && (s->directory || !overwrite)) throw http::already_exists("A file or directory already exists at the input path " + p->shown() + ".");
    return p->create();
  }

  int64_t add_handle(std::shared_ptr<Handle> handle) {
    std::lock_guard lock(mu_);
    std::erase_if(handles_, [](const auto& x) { return now_ms() - x.second->used_ms > kHandleIdleMs; });
    if (handles_.size() >= 10'000) throw http::RestError(429, "RESOURCE_EXHAUSTED", "Too many files are open.");
    int64_t id = next_++;
    handles_.emplace(id, std::move(handle));
    return id;
  }

  // The caller's open file, which nobody else has meanwhile: a store may take its time.
  template <class F>
  void with_handle(Call& call, bool close, F&& f) {
    int64_t id = call.integer("handle", -1);
    std::shared_ptr<Handle> handle;
    {
      std::lock_guard lock(mu_);
      auto it = handles_.find(id);
      if (it == handles_.end() || it->second->owner != call.caller.id || now_ms() - it->second->used_ms > kHandleIdleMs) {
        throw http::not_found("No open file with handle " + std::to_string(id) + " exists.");
      }
      handle = it->second;
      handle->used_ms = now_ms();
      if (close) handles_.erase(it);
    }
    std::lock_guard lock(handle->mu);
    f(*handle);
  }

 private:
  const std::string root_;
  const ResolveVolume resolve_;
  const Mounts& mounts_;
  std::mutex mu_;
  std::map<int64_t, std::shared_ptr<Handle>> handles_;  // guarded by mu_
  int64_t next_ = 1'000'001;                            // guarded by mu_
};

http::RestError block_too_large() { return {400, "MAX_BLOCK_SIZE_EXCEEDED", "A block has at most 1 MB."}; }

}  // namespace

void add_dbfs_routes(http::RouteTable& table, std::string root, ResolveVolume resolve_volume, const Mounts& mounts) {
  auto dbfs = std::make_shared<Dbfs>(std::move(root), std::move(resolve_volume), mounts);
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
    auto file = Dbfs::create(place, call.flag("overwrite"));
    file->write(data);
    file->close();
    call.audit.emplace_back("path", place->shown());
    return http::ok();
  }};
  put.max_body = 256 << 20;  // by form post; JSON is limited to one block
  table.add(std::move(put));
  table.post(p + "create", [dbfs](Call& call) {
    Place place = dbfs->place(call, call.required_text("path"), true);
    auto handle = std::make_shared<Handle>(Dbfs::create(place, call.flag("overwrite")), call.caller.id);
    call.audit.emplace_back("path", place->shown());
    return http::json_response({{"handle", dbfs->add_handle(std::move(handle))}});
  });
  table.post(p + "add-block", [dbfs](Call& call) {
    auto data = base64_decode(call.text("data"));
    if (!data) throw invalid_parameter("data is not valid base64.");
    if (data->size() > kMaxBlock) throw block_too_large();
    dbfs->with_handle(call, false, [&](Handle& h) { h.file->write(*data); });
    return http::ok();
  });
  table.post(p + "close", [dbfs](Call& call) {
    dbfs->with_handle(call, true, [](Handle& h) { h.file->close(); });
    return http::ok();
  });
  table.get(p + "read", [dbfs](Call& call) {
    Place place = dbfs->place(call, call.required_text("path"), false);
    int64_t offset = call.integer("offset", 0), length = call.integer("length", kDefaultRead);
    if (offset < 0 || length < 0) throw invalid_parameter("offset and length must not be negative.");
    if (length > static_cast<int64_t>(kMaxBlock)) throw http::RestError(400, "MAX_READ_SIZE_EXCEEDED", "At most 1 MB can be read at once.");
    if (dbfs->require(place).directory) throw invalid_parameter("The path " + place->shown() + " is a directory.");
    std::string data = place->read(offset, static_cast<size_t>(length));
    return http::json_response({{"bytes_read", data.size()}, {"data", base64_encode(data)}});
  });
  table.get(p + "get-status", [dbfs](Call& call) {
    Place place = dbfs->place(call, call.required_text("path"), false);
    return http::json_response(Dbfs::render(place->shown(), dbfs->require(place)));
  });
  table.get(p + "list", [dbfs](Call& call) {
    Json files = dbfs->list(dbfs->place(call, call.required_text("path"), false));
    return http::json_response(files.empty() ? Json::object() : Json{{"files", files}});
  });
  table.post(p + "mkdirs", [dbfs](Call& call) {
    Place place = dbfs->place(call, call.required_text("path"), true);
    if (!place->make_directories()) throw http::already_exists("A file exists on the path " + place->shown() + ".");
    call.audit.emplace_back("path", place->shown());
    return http::ok();
  });
  table.post(p + "delete", [dbfs](Call& call) {
    Place place = dbfs->place(call, call.required_text("path"), true);
    call.audit.emplace_back("path", place->shown());
    if (place->is_root()) throw invalid_parameter("A root cannot be deleted: " + place->shown());
    if (!dbfs->mounted_below(place->shown()).empty()) throw invalid_parameter("There are mounts below " + place->shown() + ": unmount them first.");
    if (!place->status()) return http::ok();  // nothing to do is no error
    if (call.flag("recursive")) place->remove_all();
    else if (!place->remove_empty()) throw http::RestError(400, "IO_ERROR", "The directory " + place->shown() + " is not empty.");
    return http::ok();
  });
  table.post(p + "move", [dbfs](Call& call) {
    Place from = dbfs->place(call, call.required_text("source_path"), true), to = dbfs->place(call, call.required_text("destination_path"), true);
    dbfs->require(from);
    if (from->is_root() || to->is_root()) throw invalid_parameter("A root cannot be moved.");
    if (!dbfs->mounted_below(from->shown()).empty()) throw invalid_parameter("There are mounts below " + from->shown() + ": unmount them first.");
    if (to->status()) throw http::already_exists("A file or directory already exists at the input path " + to->shown() + ".");
    if (to->shown().starts_with(from->shown() + "/")) throw invalid_parameter("A directory cannot be moved into itself.");
    if (!from->move_to(*to)) throw http::already_exists("A file or directory already exists at the input path " + to->shown() + ".");
    call.audit.emplace_back("source_path", from->shown());
    call.audit.emplace_back("destination_path", to->shown());
    return http::ok();
  });
}

}  // namespace tarn::workspace
