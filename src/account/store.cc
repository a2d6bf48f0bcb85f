#include "account/store.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <system_error>

#include "account/acl.h"
#include "account/error.h"
#include "base/encoding.h"
#include "base/io_error.h"
#include "base/log.h"

namespace fs = std::filesystem;

namespace tarn::account {
namespace {

constexpr int64_t kKeepStagedMs = 7LL * 86400 * 1000;    // blocks that nobody commits
constexpr int64_t kKeepEventsMs = 30LL * 86400 * 1000;

constexpr const char* kSteps[] = {
    R"(CREATE TABLE containers (name TEXT PRIMARY KEY, properties TEXT NOT NULL) WITHOUT ROWID;
       CREATE TABLE entries (inode INTEGER NOT NULL, born INTEGER NOT NULL, properties TEXT NOT NULL, PRIMARY KEY (inode, born)) WITHOUT ROWID;
       CREATE TABLE appends (inode INTEGER NOT NULL, born INTEGER NOT NULL, start INTEGER NOT NULL, stop INTEGER NOT NULL);
       CREATE INDEX appends_file ON appends (inode, born);
       CREATE TABLE blocks (
         container TEXT NOT NULL, path TEXT NOT NULL, id TEXT NOT NULL, file TEXT NOT NULL, size INTEGER NOT NULL, created_ms INTEGER NOT NULL,
         PRIMARY KEY (container, path, id)) WITHOUT ROWID;)",
};

const std::string& at(const std::string& path) {
  static const std::string kRoot = ".";
  return path.empty() ? kRoot : path;
}

std::string parent_of(const std::string& path) {
  size_t slash = path.rfind('/');
  return slash == std::string::npos ? "." : path.substr(0, slash);
}

std::string made(const std::string& folder) {
  fs::create_directories(folder);
  return folder;
}

int64_t nanoseconds(const statx_timestamp& t) { return t.tv_sec * 1'000'000'000 + t.tv_nsec; }

struct Seen {
  bool directory = false;
  int64_t size = 0, mtime = 0;
  Identity identity;
};

std::optional<Seen> look(int fd) {
  struct statx st{};
  if (::statx(fd, "", AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS | STATX_BTIME, &st) != 0) return std::nullopt;
  if (!S_ISREG(st.stx_mode) && !S_ISDIR(st.stx_mode)) return std::nullopt;
  Seen s;
  s.directory = S_ISDIR(st.stx_mode);
  s.size = static_cast<int64_t>(st.stx_size);
  s.mtime = nanoseconds(st.stx_mtime);
  s.identity = {static_cast<int64_t>(st.stx_ino), st.stx_mask & STATX_BTIME ? nanoseconds(st.stx_btime) : 0};
  return s;
}

Event event_of(const char* type, const std::string& api, const std::string& container, const std::string& path, const Entry& entry) {
  Event e;
  e.type = type;
  e.api = api;
  e.container = container;
  e.path = path;
  e.size = entry.size;
  auto it = entry.properties.content.find("type");
  e.content_type = it == entry.properties.content.end() ? "application/octet-stream" : it->second;
  e.etag = entry.properties.etag;
  return e;
}

}  // namespace

void sync_file(const Descriptor& fd) {
  if (::fdatasync(fd.get()) != 0) throw IoError("cannot write", "the file");
}

void sync_folder(const RootedFolder& folder, const std::string& path) {
  Descriptor fd = folder.open(path, O_RDONLY | O_DIRECTORY);
  if (!fd || ::fsync(fd.get()) != 0) throw IoError("cannot write the folder", path);
}

Staged::~Staged() {
  if (!name_.empty()) folder_.remove_empty(name_);
}

Store::Store(std::string root)
    : root_(std::move(root)), data_(made(root_ + "/data")), staging_(made(root_ + "/staging")), trash_(made(root_ + "/trash")), db_(root_ + "/properties.db"), events_(db_) {
  fs::permissions(root_, fs::perms::owner_all);
  db_.migrate("account", kSteps);
  sweep();
}

void Store::sweep() {
  for (const auto& name : trash_.names(".")) dispose(name);
  auto db = db_.lease();
  Statement(*db, "DELETE FROM blocks WHERE created_ms < ?").bind(now_ms() - kKeepStagedMs).run();
  std::vector<std::string> kept;
  {
    Statement q(*db, "SELECT file FROM blocks ORDER BY file");
    while (q.step()) kept.push_back(q.text(0));
  }
  for (const auto& name : staging_.names(".")) {
    if (!std::binary_search(kept.begin(), kept.end(), name)) staging_.remove_all(name);
  }
  events_.resolve([&](const Event& e, int64_t inode, int64_t born) {
    auto there = data_.status(e.container) ? find(e.container, e.path) : std::nullopt;
    return inode == 0 ? !there : there && there->identity == Identity{inode, born};
  });
  events_.forget_before(now_ms() - kKeepEventsMs);
}

Store::Lock Store::lock(const std::string& container) { return lock(container, container); }

Store::Lock Store::lock(const std::string& a, const std::string& b) {
  std::vector<std::shared_ptr<std::mutex>> found;
  {
    std::lock_guard guard(mu_);
    std::vector<std::string> names = {std::min(a, b), std::max(a, b)};  // one order for all
    names.erase(std::unique(names.begin(), names.end()), names.end());
    for (const auto& n : names) {
      auto& m = locks_[n];
      if (!m) m = std::make_shared<std::mutex>();
      found.push_back(m);
    }
  }
  Lock out;
  for (auto& m : found) out.emplace_back(*m);
  return out;
}

RootedFolder Store::folder(const std::string& container) const { return RootedFolder(root_ + "/data/" + container); }

std::vector<std::string> Store::containers() const { return data_.names("."); }

std::optional<ContainerProperties> Store::container(const std::string& name) const {
  auto status = data_.status(name);
  if (!status || !status->directory) return std::nullopt;
  auto db = db_.lease();
  Statement q(*db, "SELECT properties FROM containers WHERE name = ?");
  ContainerProperties p;
  if (q.bind(name).step()) {
    p = container_from_json(q.text(0));
  } else {
    p.modified_ms = status->modified_ms;
    p.etag = "\"0x8E" + std::to_string(status->modified_ms) + "\"";
  }
  p.name = name;
  return p;
}

ContainerProperties Store::require_container(const std::string& name) const {
  auto p = container(name);
  if (!p) throw StorageError("FilesystemNotFound");
  return *p;
}

bool Store::create_container(ContainerProperties p) {
  if (data_.status(p.name)) return false;
  // The row first, then the folder: a crash between them leaves nothing that anybody sees.
  update_container(p);
  if (::mkdir((root_ + "/data/" + p.name).c_str(), 0755) != 0) {
    if (errno == EEXIST) return false;
    throw IoError("cannot make the container", p.name);
  }
  sync_folder(data_, ".");
  return true;
}

void Store::update_container(const ContainerProperties& p) {
  auto db = db_.lease();
  Statement(*db, "INSERT INTO containers VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET properties = excluded.properties").bind(p.name).bind(to_json(p)).run();
}

void Store::delete_container(const std::string& name) {
  std::string gone = random_hex(16);
  if (!data_.rename(name, trash_, gone)) throw StorageError("FilesystemNotFound");
  sync_folder(data_, ".");
  sync_folder(trash_, ".");
  {
    auto db = db_.lease();
    Transaction transaction(*db, kLock);
    Statement(*db, "DELETE FROM containers WHERE name = ?").bind(name).run();
    Statement(*db, "DELETE FROM blocks WHERE container = ?").bind(name).run();
    transaction.commit();
  }
  dispose(gone);
}

Entry Store::describe(Descriptor fd, Connection& db) const {
  auto seen = look(fd.get());
  if (!seen) throw StorageError("PathNotFound");
  Entry e;
  e.directory = seen->directory;
  e.size = seen->directory ? 0 : seen->size;
  e.identity = seen->identity;
  Statement q(db, "SELECT properties FROM entries WHERE inode = ? AND born = ?");
  if (q.bind(e.identity.inode).bind(e.identity.born).step()) {
    e.has_row = true;
    e.properties = properties_from_json(q.text(0));
    if (e.properties.committed) e.size = *e.properties.committed;
  } else {
    e.properties.created_ms = e.identity.born ? e.identity.born / 1'000'000 : seen->mtime / 1'000'000;
    e.properties.acl = Acl::of_mode(e.directory ? 0750 : 0640).text();
  }
  // Others wrote the file: what was said about its bytes is no longer true.
  if (!e.directory && !e.properties.committed && e.properties.content_mtime != seen->mtime) {
    e.properties.content.erase("md5");
    e.properties.blocks.clear();
    e.properties.content_mtime = seen->mtime;
    e.properties.etag.clear();
  }
  if (e.properties.etag.empty()) {
    e.properties.modified_ms = seen->mtime / 1'000'000;
    e.properties.etag = "\"0x8E" + hex_encode(sha256(std::to_string(seen->mtime) + "/" + std::to_string(seen->size) + "/" + std::to_string(e.identity.inode))).substr(0, 13) + "\"";
  }
  e.held = std::make_shared<Descriptor>(std::move(fd));
  return e;
}

std::optional<Entry> Store::find(const std::string& container, const std::string& path) const {
  Descriptor fd = folder(container).open(at(path), O_PATH | O_NOFOLLOW);
  if (!fd) {
    if (!data_.status(container)) throw StorageError("FilesystemNotFound");
    return std::nullopt;
  }
  if (!look(fd.get())) return std::nullopt;
  auto db = db_.lease();
  return describe(std::move(fd), *db);
}

Descriptor Store::open(const std::string& container, const std::string& path, std::optional<Entry>* entry) const {
  Descriptor fd = folder(container).open(at(path), O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  if (!fd || !look(fd.get())) {
    entry->reset();
    if (!data_.status(container)) throw StorageError("FilesystemNotFound");
    return Descriptor();
  }
  Descriptor second(::fcntl(fd.get(), F_DUPFD_CLOEXEC, 0));
  auto db = db_.lease();
  *entry = describe(std::move(second), *db);
  return fd;
}

void Store::put_row(const Identity& id, const Properties& p, Connection& db) {
  Statement(db, "INSERT INTO entries VALUES (?, ?, ?) ON CONFLICT (inode, born) DO UPDATE SET properties = excluded.properties")
      .bind(id.inode).bind(id.born).bind(to_json(p)).run();
}

void Store::forget(const Identity& id, Connection& db) {
  Statement(db, "DELETE FROM entries WHERE inode = ? AND born = ?").bind(id.inode).bind(id.born).run();
  Statement(db, "DELETE FROM appends WHERE inode = ? AND born = ?").bind(id.inode).bind(id.born).run();
}

void Store::update(const Entry& entry) {
  auto db = db_.lease();
  put_row(entry.identity, entry.properties, *db);
}

Staged Store::stage() const {
  std::string name = random_hex(16);
  Descriptor fd = staging_.open(name, O_RDWR | O_CREAT | O_EXCL);
  if (!fd) throw IoError("cannot create a file in", root_ + "/staging");
  return Staged(staging_, name, std::move(fd));
}

Entry Store::publish(const std::string& container, const std::string& path, Staged& staged, Properties properties, const std::optional<Entry>& replaced,
                     const std::string& api) {
  auto seen = look(staged.file().get());
  if (!seen) throw IoError("cannot read the state of", "a staged file");
  if (seen->size) sync_file(staged.file());
  Entry entry;
  entry.size = seen->size;
  entry.identity = seen->identity;
  entry.has_row = true;
  properties.content_mtime = seen->mtime;
  entry.properties = std::move(properties);
  entry.held = std::make_shared<Descriptor>(::fcntl(staged.file().get(), F_DUPFD_CLOEXEC, 0));
  auto db = db_.lease();
  std::optional<PendingEvent> event;
  {
    Transaction transaction(*db, kLock);
    forget(entry.identity, *db);
    put_row(entry.identity, entry.properties, *db);
    int64_t id = api.empty() ? 0 : events_.begin(*db, event_of("BlobCreated", api, container, path, entry), entry.identity.inode, entry.identity.born);
    transaction.commit();
    if (id) event.emplace(events_, *db, id);
  }
  RootedFolder target = folder(container);
  bool moved = false;
  try {
    moved = staging_.rename(staged.name(), target, path, replaced.has_value());
  } catch (const IoError&) {
    forget(entry.identity, *db);
    throw;
  }
  if (!moved) {
    forget(entry.identity, *db);
    throw StorageError("PathConflict");
  }
  staged.keep();
  if (event) event->happened();
  sync_folder(target, parent_of(path));
  Transaction transaction(*db, kLock);
  if (replaced) forget(replaced->identity, *db);
  if (event) event->commit(transaction);
  else transaction.commit();
  return entry;
}

void Store::make_directories(const std::string& container, const std::string& path, const MakeProperties& make) {
  if (path.empty()) return;
  RootedFolder target = folder(container);
  std::optional<Entry> parent = find(container, "");
  for (size_t i = 0; i <= path.size();) {
    size_t end = std::min(path.find('/', i), path.size());
    std::string here = path.substr(0, end);
    auto there = find(container, here);
    if (there && !there->directory) throw StorageError("PathConflict");
    if (!there) {
      // Made aside and given its row, so that it never appears without its access list.
      std::string name = random_hex(16);
      if (!staging_.make_directories(name)) throw IoError("cannot make a folder in", root_ + "/staging");
      Descriptor fd = staging_.open(name, O_PATH | O_DIRECTORY);
      auto seen = look(fd.get());
      if (!seen) throw IoError("cannot make a folder in", root_ + "/staging");
      Entry entry;
      entry.directory = true;
      entry.identity = seen->identity;
      entry.properties = make(*parent);
      {
        auto db = db_.lease();
        Transaction transaction(*db, kLock);
        forget(entry.identity, *db);
        put_row(entry.identity, entry.properties, *db);
        transaction.commit();
      }
      if (!staging_.rename(name, target, here)) {
        staging_.remove_empty(name);
        throw StorageError("PathConflict");
      }
      sync_folder(target, parent_of(here));
      there = entry;
    }
    parent = std::move(there);
    i = end + 1;
  }
}

void Store::rename(const std::string& from_container, const std::string& from, const Entry& source, const std::string& to_container, const std::string& to,
                   const std::optional<Entry>& replaced) {
  RootedFolder old_place = folder(from_container), new_place = folder(to_container);
  auto db = db_.lease();
  Event e = event_of(source.directory ? "DirectoryRenamed" : "BlobRenamed", source.directory ? "RenameDirectory" : "RenameFile", to_container, to, source);
  e.old_path = from_container + "/" + from;
  PendingEvent event(events_, *db, events_.begin(*db, e, source.identity.inode, source.identity.born));
  if (!old_place.rename(from, new_place, to, replaced.has_value())) {
    throw StorageError(replaced && replaced->directory ? "DestinationPathIsNotEmpty" : "PathConflict");
  }
  event.happened();
  sync_folder(new_place, parent_of(to));
  sync_folder(old_place, parent_of(from));
  Transaction transaction(*db, kLock);
  if (replaced) forget(replaced->identity, *db);
  event.commit(transaction);
}

void Store::remove(const std::string& container, const std::string& path, const Entry& entry, bool recursive, const std::string& api) {
  RootedFolder place = folder(container);
  if (entry.directory && !recursive && !place.names(path).empty()) throw StorageError("DirectoryNotEmpty");
  std::string gone = random_hex(16);
  auto db = db_.lease();
  PendingEvent event(events_, *db, events_.begin(*db, event_of(entry.directory ? "DirectoryDeleted" : "BlobDeleted", api, container, path, entry), 0, 0));
  if (!place.rename(path, trash_, gone)) throw StorageError("PathNotFound");
  event.happened();
  sync_folder(place, parent_of(path));
  {
    Transaction transaction(*db, kLock);
    if (!entry.directory) forget(entry.identity, *db);
    event.commit(transaction);
  }
  if (entry.directory) dispose(gone);
  else trash_.remove_empty(gone);
}

// Rows go before their inodes do: a new file may get the number of one that is gone.
void Store::dispose(const std::string& trashed) {
  constexpr size_t kBatch = 1000;   // writers wait for no more than that
  std::vector<Identity> gone;
  auto db = db_.lease();
  auto flush = [&] {
    Transaction transaction(*db, kLock);
    for (const auto& id : gone) forget(id, *db);
    transaction.commit();
    gone.clear();
  };
  auto drop = [&](const std::string& path) {
    Descriptor fd(::open(path.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
    if (auto seen = fd ? look(fd.get()) : std::nullopt) gone.push_back(seen->identity);
    if (gone.size() >= kBatch) flush();
  };
  const std::string top = root_ + "/trash/" + trashed;
  drop(top);
  std::error_code ec;
  for (auto it = fs::recursive_directory_iterator(top, ec); !ec && it != fs::recursive_directory_iterator(); it.increment(ec)) drop(it->path());
  flush();
  trash_.remove_all(trashed);
}

std::vector<Listed> Store::list(const std::string& container, const ListRequest& request, bool* more) const {
  *more = false;
  std::vector<Listed> out;
  RootedFolder place = folder(container);
  auto db = db_.lease();
  walk(*db, place, request.directory, request, true, &out, more);
  return out;
}

void Store::walk(Connection& db, const RootedFolder& place, const std::string& path, const ListRequest& request, bool first, std::vector<Listed>* out, bool* more) const {
  Descriptor folder = place.open(at(path), O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  if (!folder) return;  // gone meanwhile
  std::vector<std::pair<std::string, bool>> names;   // keys
  {
    DIR* dir = ::fdopendir(::fcntl(folder.get(), F_DUPFD_CLOEXEC, 0));
    if (!dir) throw IoError("cannot list", path);
    while (dirent* e = ::readdir(dir)) {
      std::string name = e->d_name;
      if (name == "." || name == ".." || (first && !name.starts_with(request.name_prefix))) continue;
      bool directory = e->d_type == DT_DIR;
      if (e->d_type == DT_UNKNOWN) {
        struct stat st{};
        if (::fstatat(folder.get(), name.c_str(), &st, AT_SYMLINK_NOFOLLOW) != 0 || (!S_ISDIR(st.st_mode) && !S_ISREG(st.st_mode))) continue;
        directory = S_ISDIR(st.st_mode);
      } else if (!directory && e->d_type != DT_REG) {
        continue;  // links and devices are no part of an account
      }
      names.emplace_back(directory ? name + "/" : name, directory);
    }
    ::closedir(dir);
  }
  std::sort(names.begin(), names.end());
  const std::string before = path.empty() ? "" : path + "/";
  for (auto& [name, directory] : names) {
    std::string key = before + name, plain = directory ? key.substr(0, key.size() - 1) : key;
    bool inside = directory && request.after.starts_with(key);   // the last one seen lies in this directory, or is it
    if (!inside && key <= request.after && !request.after.empty()) continue;
    if (key > request.after && (!directory || request.directories)) {
      Descriptor fd(::openat(folder.get(), directory ? name.substr(0, name.size() - 1).c_str() : name.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
      if (fd && look(fd.get())) {
        if (out->size() >= request.limit) {
          *more = true;
          return;
        }
        Entry entry = describe(std::move(fd), db);
        entry.held.reset();
        out->push_back({plain, std::move(entry)});
      }
    }
    if (directory && request.recursive) {
      walk(db, place, plain, request, false, out, more);
      if (*more) return;
    }
  }
}

}  // namespace tarn::account
