// /api/2.0/workspace: import, export, list, get-status, mkdirs, delete.
#include <algorithm>
#include <cstdlib>
#include <functional>
#include <memory>
#include <tuple>

#include "base/encoding.h"
#include "workspace/families.h"
#include "workspace/notebook.h"
#include "workspace/zip.h"

namespace tarn::workspace {
namespace {

using http::Call;
using http::Json;
using http::invalid_parameter;
using http::Response;
using identity::AccessControl;

constexpr size_t kMaxImport = 10 << 20;
constexpr size_t kMaxArchive = 256 << 20;

class Workspace {
 public:
  Workspace(ObjectStore& store, AccessControl& access) : store_(store), access_(access) {}

  // The object of a path, if the caller may read it. Folders that everybody passes through can be read by everybody.
  Object require(Call& call, const std::string& path, const char* level = "CAN_READ") const {
    auto o = store_.find(path);
    if (o && visible(call, *o)) {
      if (level != std::string_view("CAN_READ")) access_.require(call.caller, ref(*o), level, "the object " + path);
      return *o;
    }
    // What one may not see does not exist.
    throw http::not_found("Path (" + path + ") doesn't exist.");
  }

  bool visible(Call& call, const Object& o) const {
    return (o.kind == ObjectKind::kDirectory && ObjectStore::is_standard(o.path)) || access_.allows(call.caller, ref(o), "CAN_READ");
  }

  static Json render(const Object& o) {
    static constexpr const char* kKinds[] = {"DIRECTORY", "NOTEBOOK", "FILE", "REPO"};
    Json j = {{"path", o.path}, {"object_type", kKinds[static_cast<int>(o.kind)]}, {"object_id", o.id}, {"resource_id", std::to_string(o.id)}};
    if (o.kind == ObjectKind::kNotebook) j["language"] = o.language;
    if (o.kind == ObjectKind::kFile) j["size"] = o.size;
    if (!o.is_container()) j["created_at"] = o.created_ms, j["modified_at"] = o.modified_ms;
    return j;
  }

  void mkdirs(Call& call, const std::string& path) {
    // The right to make folders comes from the deepest one that exists.
    std::string at = path;
    std::optional<Object> existing;
    while (!(existing = store_.find(at))) at = at.substr(0, std::max<size_t>(1, at.rfind('/')));
    if (existing->path == path && existing->is_container() && visible(call, *existing)) return;
    if (!existing->is_container() && visible(call, *existing)) throw http::already_exists("Path (" + existing->path + ") already exists and is not a directory.");
    access_.require(call.caller, ref(*existing), "CAN_MANAGE", "the folder " + existing->path);
    store_.make_directories(path);
  }

  // Creates or overwrites one object.
  void put(Call& call, const std::string& path, ObjectKind kind, const std::string& language, std::string_view content, int64_t size, bool overwrite) {
    size_t slash = path.rfind('/');
    if (path == "/") throw http::already_exists("Path (/) already exists.");
    if (auto there = store_.find(path)) {
      if (!visible(call, *there)) access_.require(call.caller, ref(*there), "CAN_EDIT", "the object " + path);
      if (!overwrite || there->kind != kind) throw http::already_exists("Path (" + path + ") already exists.");
      access_.require(call.caller, ref(*there), "CAN_EDIT", "the object " + path);
      store_.overwrite(there->id, language, content, size);
      return;
    }
    std::string parent = slash == 0 ? "/" : path.substr(0, slash);
    auto folder = store_.find(parent);
    if (!folder || (!visible(call, *folder) && !access_.allows(call.caller, ref(*folder), "CAN_MANAGE"))) {
      throw http::not_found("The parent folder (" + parent + ") does not exist.");
    }
    if (!folder->is_container()) throw invalid_parameter("The parent (" + parent + ") is not a folder.");
    access_.require(call.caller, ref(*folder), "CAN_MANAGE", "the folder " + parent);
    store_.create(*folder, path.substr(slash + 1), kind, language, content, size);
  }

  void put_notebook(Call& call, const std::string& path, const Notebook& n, bool overwrite) {
    put(call, path, ObjectKind::kNotebook, language_name(n.language), store(n), 0, overwrite);
  }

  void import(Call& call);
  void import_archive(Call& call, const std::string& path, const std::string& content, const std::string& format, bool overwrite);
  Response export_object(Call& call);
  std::vector<ZipEntry> pack(Call& call, const Object& folder, const std::string& prefix, const std::string& format) const;

  ObjectStore& store_;
  AccessControl& access_;
};

std::string stem(const std::string& name, std::string* extension) {
  size_t dot = name.rfind('.');
  if (dot == std::string::npos || dot == 0) return *extension = "", name;
  *extension = name.substr(dot + 1);
  return name.substr(0, dot);
}

void Workspace::import_archive(Call& call, const std::string& path, const std::string& content, const std::string& format, bool overwrite) {
  auto entries = read_zip(content, kMaxArchive);
  // Everything is read before anything is written.
  struct Item {
    std::string path;
    std::optional<Notebook> notebook;  // nullopt: a folder
  };
  std::vector<Item> items;
  for (auto& e : entries) {
    if (e.name.ends_with('/')) {
      items.push_back({path + "/" + e.name.substr(0, e.name.size() - 1), std::nullopt});
      continue;
    }
    std::string extension, name = stem(e.name, &extension);
    auto language = format == "DBC" ? language_by_key(extension) : language_by_extension(extension);
    if (!language) continue;  // manifest.mf and the like
    Notebook n = format == "DBC" ? read_dbc_notebook(e.content) : read_source(e.content, *language);
    n.language = *language;
    items.push_back({path + "/" + name, std::move(n)});
  }
  if (store_.find(path) && !overwrite) throw http::already_exists("Path (" + path + ") already exists.");
  mkdirs(call, path);
  for (const auto& item : items) {
    std::string full = normal_path(item.path);
    if (item.notebook) {
      mkdirs(call, full.substr(0, full.rfind('/')));
      put_notebook(call, full, *item.notebook, overwrite);
    } else {
      mkdirs(call, full);
    }
  }
}

void Workspace::import(Call& call) {
  std::string path = normal_path(call.required_text("path"));
  std::string format = call.text("format", "SOURCE"), language = call.text("language"), content;
  bool overwrite = call.flag("overwrite");
  bool form = lower_ascii(call.request.headers.get("Content-Type")).starts_with("multipart/form-data");
  if (form) {
    content = call.has("content") ? call.text("content") : call.text("file");
  } else {
    if (call.text("content").size() > kMaxImport / 3 * 4 + 4) throw http::RestError(400, "MAX_NOTEBOOK_SIZE_EXCEEDED", "The content exceeds the limit of 10 MB.");
    auto decoded = base64_decode(call.text("content"));
    if (!decoded) throw invalid_parameter("The content is not valid base64.");
    content = std::move(*decoded);
  }
  if (content.size() > kMaxImport) throw http::RestError(400, "MAX_NOTEBOOK_SIZE_EXCEEDED", "The content exceeds the limit of 10 MB.");
  call.audit.emplace_back("path", path);
  std::optional<Language> given;
  if (!language.empty() && !(given = language_by_name(language))) throw invalid_parameter("language must be PYTHON, SQL, SCALA or R.");
  std::string extension, name = stem(path, &extension);

  if (format == "AUTO") {
    auto by_extension = language_by_extension(extension);
    if (extension == "ipynb") return put_notebook(call, name, read_jupyter(content), overwrite);
    if (extension == "dbc") return import_archive(call, name, content, "DBC", overwrite);
    if (by_extension && has_source_header(content, *by_extension)) return put_notebook(call, name, read_source(content, *by_extension), overwrite);
    return put(call, path, ObjectKind::kFile, "", content, static_cast<int64_t>(content.size()), overwrite);
  }
  if (format == "RAW") return put(call, path, ObjectKind::kFile, "", content, static_cast<int64_t>(content.size()), overwrite);
  if (format == "DBC") return import_archive(call, path, content, format, overwrite);
  if (format == "SOURCE") {
    if (content.starts_with("PK\x03\x04")) return import_archive(call, path, content, format, overwrite);
    if (!given) given = language_by_extension(extension);
    if (!given) throw invalid_parameter("The language is missing: it is needed for the format SOURCE.");
    return put_notebook(call, path, read_source(content, *given), overwrite);
  }
  if (format == "JUPYTER") return put_notebook(call, path, read_jupyter(content), overwrite);
  if (format == "HTML") return put_notebook(call, path, read_html(content), overwrite);
  throw invalid_parameter("The format " + format.substr(0, 40) + " is not one of SOURCE, HTML, JUPYTER, DBC, RAW, AUTO.");
}

std::vector<ZipEntry> Workspace::pack(Call& call, const Object& folder, const std::string& prefix, const std::string& format) const {
  std::vector<ZipEntry> out;
  size_t total = 0;
  for (const auto& o : store_.children(folder)) {
    if (!visible(call, o)) continue;
    if (o.is_container()) {
      out.push_back({prefix + o.name + "/", ""});
      auto inner = pack(call, o, prefix + o.name + "/", format);
      out.insert(out.end(), std::make_move_iterator(inner.begin()), std::make_move_iterator(inner.end()));
    } else if (o.kind == ObjectKind::kNotebook) {
      Notebook n = restore(store_.content(o.id));
      if (format == "DBC") out.push_back({prefix + o.name + "." + language_key(n.language), write_dbc_notebook(n, o.name)});
      else out.push_back({prefix + o.name + "." + language_extension(n.language), write_source(n)});
    } else if (format == "AUTO") {
      out.push_back({prefix + o.name, store_.content(o.id)});
    }
    if (!out.empty()) total += out.back().content.size();
    if (total > kMaxArchive) throw http::RestError(400, "MAX_NOTEBOOK_SIZE_EXCEEDED", "The folder is too large to be exported.");
  }
  return out;
}

Response Workspace::export_object(Call& call) {
  std::string path = normal_path(call.required_text("path")), format = call.text("format", "SOURCE"), content, type;
  static const std::string kFormats[] = {"SOURCE", "HTML", "JUPYTER", "DBC", "AUTO", "RAW", "R_MARKDOWN"};
  if (std::find(std::begin(kFormats), std::end(kFormats), format) == std::end(kFormats)) {
    throw invalid_parameter("The format " + format.substr(0, 40) + " is not one of SOURCE, HTML, JUPYTER, DBC, AUTO.");
  }
  if (format == "R_MARKDOWN") throw invalid_parameter("The format R_MARKDOWN is not supported.");
  Object o = require(call, path);
  if (o.is_container()) {
    if (format != "SOURCE" && format != "DBC" && format != "AUTO") throw invalid_parameter("A folder can be exported as SOURCE, DBC or AUTO.");
    content = write_zip(pack(call, o, (o.name.empty() ? "Workspace" : o.name) + "/", format));
    type = format == "DBC" ? "dbc" : "zip";
  } else if (o.kind == ObjectKind::kFile) {
    if (format == "DBC" || format == "JUPYTER" || format == "HTML") throw invalid_parameter("A file cannot be exported as " + format + ".");
    content = store_.content(o.id);
    std::string ignored = stem(o.name, &type);
  } else {
    Notebook n = restore(store_.content(o.id));
    if (format == "JUPYTER") content = write_jupyter(n, o.name), type = "ipynb";
    else if (format == "HTML") content = write_html(n, o.name), type = "html";
    else if (format == "DBC") content = write_zip({{o.name + "." + language_key(n.language), write_dbc_notebook(n, o.name)}}), type = "dbc";
    else content = write_source(n), type = language_extension(n.language);
  }
  if (!call.flag("direct_download")) return http::json_response({{"content", base64_encode(content)}, {"file_type", type}});
  Response r;
  r.headers.add("Content-Type", "application/octet-stream");
  r.body = std::move(content);
  return r;
}

}  // namespace

void set_up_access(ObjectStore& store, AccessControl& access) {
  auto parent = [&store](const std::string& id) -> std::optional<identity::ObjectRef> {
    auto o = store.get(std::atoll(id.c_str()));
    auto up = o && o->parent ? store.get(o->parent) : std::nullopt;
    return up ? std::optional(ref(*up)) : std::nullopt;
  };
  for (auto [type, singular, kind] : {std::tuple{"directories", "directory", ObjectKind::kDirectory}, std::tuple{"notebooks", "notebook", ObjectKind::kNotebook},
                                      std::tuple{"files", "file", ObjectKind::kFile}, std::tuple{"repos", "repo", ObjectKind::kRepo}}) {
    auto exists = [&store, kind = kind](const std::string& id) {
      auto o = store.get(std::atoll(id.c_str()));
      return o && o->kind == kind;
    };
    access.add_type({type, singular, {"CAN_READ", "CAN_RUN", "CAN_EDIT", "CAN_MANAGE"}, exists, parent, true,
                     {"Can view", "Can view and run", "Can view, run and edit", "Can manage"}});
  }
  auto shared = ref(*store.find("/Shared"));
  if (access.direct(shared).empty()) access.grant(shared, access.directory().users(), "CAN_MANAGE");
  access.directory().on_user([&store, &access](const identity::Entry& user) {
    std::string path = "/Users/" + user.name;
    if (store.find(path)) return;
    store.make_directories(path);
    access.grant(ref(*store.find(path)), user.id, "CAN_MANAGE");
  });
}

void add_workspace_routes(http::RouteTable& table, ObjectStore& store, AccessControl& access) {
  auto workspace = std::make_shared<Workspace>(store, access);
  http::Route import_route{"POST", "/api/*/workspace/import", [workspace](Call& call) {
    workspace->import(call);
    return http::ok();
  }};
  import_route.max_body = 24 << 20;  // what is over 10 MB gets an answer of the API
  table.add(std::move(import_route));
  http::Route import_file{"POST", "/api/*/workspace-files/import-file/{path...}", [workspace](Call& call) {
    std::string path = normal_path(call.in_path("path"));
    if (call.request.body.size() > kMaxImport) throw http::RestError(400, "MAX_NOTEBOOK_SIZE_EXCEEDED", "The content exceeds the limit of 10 MB.");
    workspace->mkdirs(call, path.substr(0, std::max<size_t>(1, path.rfind('/'))));
    workspace->put(call, path, ObjectKind::kFile, "", call.request.body, static_cast<int64_t>(call.request.body.size()), call.flag("overwrite"));
    call.audit.emplace_back("path", path);
    return http::ok();
  }};
  import_file.max_body = 24 << 20;
  import_file.body = http::Body::kRaw;
  table.add(std::move(import_file));
  table.get("/api/*/workspace/export", [workspace](Call& call) { return workspace->export_object(call); });
  table.get("/api/*/workspace/get-status", [workspace](Call& call) {
    return http::json_response(Workspace::render(workspace->require(call, normal_path(call.required_text("path")))));
  });
  table.get("/api/*/workspace/list", [workspace](Call& call) {
    Object o = workspace->require(call, normal_path(call.required_text("path")));
    Json list = Json::array();
    if (!o.is_container()) {
      list.push_back(Workspace::render(o));
    } else {
      int64_t since = call.integer("notebooks_modified_after", 0);
      for (const auto& c : workspace->store_.children(o)) {
        if (workspace->visible(call, c) && (c.kind != ObjectKind::kNotebook || c.modified_ms >= since)) list.push_back(Workspace::render(c));
      }
    }
    return http::json_response(list.empty() ? Json::object() : Json{{"objects", list}});
  });
  table.post("/api/*/workspace/mkdirs", [workspace](Call& call) {
    std::string path = normal_path(call.required_text("path"));
    workspace->mkdirs(call, path);
    call.audit.emplace_back("path", path);
    return http::ok();
  });
  table.post("/api/*/workspace/delete", [workspace, &store, &access](Call& call) {
    std::string path = normal_path(call.required_text("path"));
    Object o = workspace->require(call, path, "CAN_MANAGE");
    if (ObjectStore::is_standard(path)) throw invalid_parameter("The folder " + path + " is protected.");
    if (o.is_container() && !call.flag("recursive") && !store.children(o).empty()) {
      throw http::RestError(400, "DIRECTORY_NOT_EMPTY", "Folder (" + path + ") is not empty");
    }
    for (const auto& gone : store.remove(o)) access.forget(ref(gone));
    call.audit.emplace_back("path", path);
    return http::ok();
  });
}

}  // namespace tarn::workspace
