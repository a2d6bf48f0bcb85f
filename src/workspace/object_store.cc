#include "workspace/object_store.h"

#include <algorithm>

#include "base/encoding.h"
#include "http/rest_error.h"

namespace tarn::workspace {
namespace {

constexpr const char* kSteps[] = {
    R"(CREATE TABLE objects (
         id INTEGER PRIMARY KEY AUTOINCREMENT, parent INTEGER REFERENCES objects (id), name TEXT NOT NULL, kind INTEGER NOT NULL,
         language TEXT NOT NULL, size INTEGER NOT NULL, created_ms INTEGER NOT NULL, modified_ms INTEGER NOT NULL, UNIQUE (parent, name));
       CREATE TABLE contents (object INTEGER PRIMARY KEY REFERENCES objects (id), content BLOB NOT NULL);)",
};
constexpr std::string_view kLock = "workspace.objects";   // a path names one object, and its folders are there
constexpr const char* kStandard[] = {"/Shared", "/Users", "/Repos"};
constexpr std::string_view kColumns = "SELECT id, parent, name, kind, language, size, created_ms, modified_ms FROM objects ";

Object read(Statement& r) {
  Object o;
  o.id = r.integer(0);
  o.parent = r.integer(1);
  o.name = r.text(2);
  o.kind = static_cast<ObjectKind>(r.integer(3));
  o.language = r.text(4);
  o.size = r.integer(5);
  o.created_ms = r.integer(6);
  o.modified_ms = r.integer(7);
  return o;
}

std::string below(const std::string& folder, const std::string& name) { return folder == "/" ? "/" + name : folder + "/" + name; }

std::optional<Object> child(Connection& db, const Object& parent, std::string_view name) {
  Statement query(db, std::string(kColumns) + "WHERE parent = ? AND name = ?");
  if (!query.bind(parent.id).bind(name).step()) return std::nullopt;
  Object o = read(query);
  o.path = below(parent.path, o.name);
  return o;
}

Object insert(Connection& db, const Object* parent, const std::string& name, ObjectKind kind, const std::string& language, int64_t size) {
  Object o;
  o.parent = parent ? parent->id : 0;
  o.name = name;
  o.kind = kind;
  o.language = language;
  o.size = size;
  o.created_ms = o.modified_ms = now_ms();
  Statement statement(db, "INSERT INTO objects (parent, name, kind, language, size, created_ms, modified_ms) VALUES (?, ?, ?, ?, ?, ?, ?) RETURNING id");
  parent ? statement.bind(parent->id) : statement.bind_null();
  o.id = statement.bind(name).bind(static_cast<int>(kind)).bind(language).bind(size).bind(o.created_ms).bind(o.modified_ms).returned().value();
  o.path = parent ? below(parent->path, name) : "/";
  return o;
}

std::optional<Object> walk(Connection& db, const std::string& path) {
  Statement root(db, std::string(kColumns) + "WHERE parent IS NULL");
  if (!root.step()) return std::nullopt;
  std::optional<Object> at = read(root);
  at->path = "/";
  for (size_t i = 1; at && i < path.size();) {
    size_t end = std::min(path.find('/', i), path.size());
    at = child(db, *at, std::string_view(path).substr(i, end - i));
    i = end + 1;
  }
  return at;
}

}  // namespace

std::string normal_path(std::string_view path) {
  auto shown = [&] { return "Path (" + std::string(path.substr(0, 200)) + ")"; };
  if (path.empty() || path[0] != '/') throw http::invalid_parameter(shown() + " doesn't start with '/'");
  std::string out;
  bool first = true;
  for (size_t at = 1; at <= path.size();) {
    size_t end = std::min(path.find('/', at), path.size());
    std::string_view part = path.substr(at, end - at);
    at = end + 1;
    if (part.empty()) continue;
    bool control = std::any_of(part.begin(), part.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20; });
    if (part == "." || part == ".." || part.size() > 255 || control) throw http::invalid_parameter(shown() + " is not valid.");
    bool prefix = first && part == "Workspace";  // names the same tree
    first = false;
    if (!prefix) out += "/" + std::string(part);
  }
  if (out.size() > 4096) throw http::invalid_parameter("The path is too long.");
  return out.empty() ? "/" : out;
}

identity::ObjectRef ref(const Object& o) {
  static constexpr const char* kTypes[] = {"directories", "notebooks", "files", "repos"};
  return {kTypes[static_cast<int>(o.kind)], std::to_string(o.id)};
}

bool ObjectStore::is_standard(const std::string& path) {
  if (path == "/") return true;
  for (const char* p : kStandard) {
    if (path == p) return true;
  }
  return false;
}

ObjectStore::ObjectStore(Metadata& metadata) : metadata_(metadata) {
  metadata_.migrate("workspace.objects", kSteps);
  metadata_.transact(kLock, [](Connection& db) {
    if (!walk(db, "/")) insert(db, nullptr, "", ObjectKind::kDirectory, "", 0);
  });
  for (const char* path : kStandard) make_directories(path);
}

std::optional<Object> ObjectStore::find(const std::string& path) const {
  auto db = metadata_.lease();
  return walk(*db, path);
}

std::optional<Object> ObjectStore::get(int64_t id) const {
  auto db = metadata_.lease();
  std::optional<Object> found;
  std::string path;
  for (int64_t at = id; at;) {
    Statement query(*db, std::string(kColumns) + "WHERE id = ?");
    if (!query.bind(at).step()) return std::nullopt;
    Object o = read(query);
    if (o.parent) path = "/" + o.name + path;
    at = o.parent;
    if (!found) found = std::move(o);
  }
  if (found) found->path = path.empty() ? "/" : path;
  return found;
}

std::vector<Object> ObjectStore::children(const Object& directory) const {
  auto db = metadata_.lease();
  Statement query(*db, std::string(kColumns) + "WHERE parent = ? ORDER BY name");
  query.bind(directory.id);
  std::vector<Object> out;
  while (query.step()) {
    out.push_back(read(query));
    out.back().path = below(directory.path, out.back().name);
  }
  return out;
}

std::string ObjectStore::content(int64_t id) const {
  auto db = metadata_.lease();
  Statement query(*db, "SELECT content FROM contents WHERE object = ?");
  return query.bind(id).step() ? query.text(0) : "";
}

std::vector<Object> ObjectStore::make_directories(const std::string& path) {
  return metadata_.transact(kLock, [&](Connection& db) {
    std::vector<Object> made;
    Object at = *walk(db, "/");
    for (size_t i = 1; i < path.size();) {
      size_t end = std::min(path.find('/', i), path.size());
      std::string name = path.substr(i, end - i);
      i = end + 1;
      auto next = child(db, at, name);
      if (next && !next->is_container()) throw http::already_exists("Path (" + next->path + ") already exists and is not a directory.");
      if (!next) {
        next = insert(db, &at, name, ObjectKind::kDirectory, "", 0);
        made.push_back(*next);
      }
      at = *next;
    }
    return made;
  });
}

Object ObjectStore::create(const Object& directory, const std::string& name, ObjectKind kind, const std::string& language, std::string_view content, int64_t size) {
  return metadata_.transact(kLock, [&](Connection& db) {
    if (child(db, directory, name)) throw http::already_exists("Path (" + below(directory.path, name) + ") already exists.");
    Object o = insert(db, &directory, name, kind, language, size);
    Statement(db, "INSERT INTO contents VALUES (?, ?)").bind(o.id).bind_blob(content).run();
    return o;
  });
}

void ObjectStore::overwrite(int64_t id, const std::string& language, std::string_view content, int64_t size) {
  metadata_.transact(kLock, [&](Connection& db) {
    Statement(db, "UPDATE objects SET language = ?, size = ?, modified_ms = ? WHERE id = ?").bind(language).bind(size).bind(now_ms()).bind(id).run();
    Statement(db, "INSERT INTO contents VALUES (?, ?) ON CONFLICT (object) DO UPDATE SET content = excluded.content").bind(id).bind_blob(content).run();
  });
}

std::vector<Object> ObjectStore::remove(const Object& object) {
  return metadata_.transact(kLock, [&](Connection& db) {
    std::vector<Object> gone;
    Statement query(db, "WITH RECURSIVE below (id, depth) AS (SELECT ?, 0 UNION ALL SELECT o.id, b.depth + 1 FROM objects o JOIN below b ON o.parent = b.id) "
                        "SELECT o.id, o.parent, o.name, o.kind, o.language, o.size, o.created_ms, o.modified_ms FROM objects o JOIN below b ON b.id = o.id "
                        "ORDER BY b.depth DESC");
    query.bind(object.id);
    while (query.step()) gone.push_back(read(query));
    for (const auto& o : gone) {
      Statement(db, "DELETE FROM contents WHERE object = ?").bind(o.id).run();
      Statement(db, "DELETE FROM objects WHERE id = ?").bind(o.id).run();
    }
    return gone;
  });
}

}  // namespace tarn::workspace
