// Appended data and staged blocks: what is uploaded before it is committed.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <map>

#include "account/error.h"
#include "account/store.h"
#include "base/encoding.h"
#include "base/io_error.h"

namespace tarn::account {

std::unique_ptr<Appending> Store::begin_append(const std::string& container, const std::string& path, Entry entry) {
  Descriptor fd = folder(container).open(path, O_RDWR | O_NOFOLLOW);
  if (!fd) throw IoError("cannot open", path);
  if (!entry.properties.committed) {
    entry.properties.committed = entry.size;
    update(entry);
  }
  {
    std::lock_guard guard(mu_);
    ++appending_[{entry.identity.inode, entry.identity.born}];
  }
  return std::make_unique<Appending>(*this, std::move(entry), std::move(fd));
}

Appending::~Appending() {
  std::lock_guard guard(store.mu_);
  auto it = store.appending_.find({entry.identity.inode, entry.identity.born});
  if (it != store.appending_.end() && --it->second == 0) store.appending_.erase(it);
}

void Store::end_append(const std::string& container, const std::string& path, const Appending& append, int64_t from, int64_t to) {
  const Entry& begun = append.entry;
  auto guard = lock(container);
  auto now = find(container, path);
  if (!now || !(now->identity == begun.identity) || now->properties.flushes != begun.properties.flushes) {
    throw StorageError("PathConflict", "the file was replaced or flushed while data was appended");
  }
  auto db = db_.lease();
  Statement(*db, "INSERT INTO appends VALUES (?, ?, ?, ?)").bind(begun.identity.inode).bind(begun.identity.born).bind(from).bind(to).run();
}

bool Store::covered(const Entry& entry, int64_t position) const {
  int64_t reached = entry.size;
  auto db = db_.lease();
  Statement q(*db, "SELECT start, stop FROM appends WHERE inode = ? AND born = ? ORDER BY start");
  q.bind(entry.identity.inode).bind(entry.identity.born);
  while (q.step()) {
    if (q.integer(0) > reached) break;
    reached = std::max(reached, q.integer(1));
  }
  return position <= reached;
}

int64_t Store::appended_end(const Entry& entry) const {
  auto db = db_.lease();
  Statement q(*db, "SELECT coalesce(max(stop), 0) FROM appends WHERE inode = ? AND born = ?");
  q.bind(entry.identity.inode).bind(entry.identity.born).step();
  return std::max(entry.size, q.integer(0));
}

void Store::commit_appended(const std::string& container, const std::string& path, Entry& entry, int64_t position, bool retain, const std::string& api) {
  Descriptor fd = folder(container).open(path, O_RDWR | O_NOFOLLOW);
  if (!fd) throw IoError("cannot open", path);
  bool left = retain && appended_end(entry) > position, kept = left;
  {
    std::lock_guard guard(mu_);
    left |= appending_.contains({entry.identity.inode, entry.identity.born});
  }
  if (!left && ::ftruncate(fd.get(), position) != 0) throw IoError("cannot write", path);
  sync_file(fd);
  struct stat st{};
  if (::fstat(fd.get(), &st) != 0) throw IoError("cannot read the state of", path);
  entry.size = position;
  ++entry.properties.flushes;
  entry.properties.content_mtime = st.st_mtim.tv_sec * 1'000'000'000 + st.st_mtim.tv_nsec;
  if (left) entry.properties.committed = position;
  else entry.properties.committed.reset();
  // The row is the commit.
  auto db = db_.lease();
  Transaction transaction(*db, kLock);
  put_row(entry.identity, entry.properties, *db);
  if (kept) Statement(*db, "DELETE FROM appends WHERE inode = ? AND born = ? AND stop <= ?").bind(entry.identity.inode).bind(entry.identity.born).bind(position).run();
  else Statement(*db, "DELETE FROM appends WHERE inode = ? AND born = ?").bind(entry.identity.inode).bind(entry.identity.born).run();
  if (!api.empty()) {
    Event e;
    e.type = "BlobCreated";
    e.api = api;
    e.container = container;
    e.path = path;
    e.size = position;
    auto type = entry.properties.content.find("type");
    e.content_type = type == entry.properties.content.end() ? "application/octet-stream" : type->second;
    e.etag = entry.properties.etag;
    events_.confirm(*db, events_.begin(*db, e, entry.identity.inode, entry.identity.born));
  }
  transaction.commit();
}

void Store::add_block(const std::string& container, const std::string& path, const std::string& id, Staged& staged, int64_t size) {
  if (size) sync_file(staged.file());
  auto db = db_.lease();
  Transaction transaction(*db, kLock);
  std::string old;
  {
    Statement q(*db, "SELECT file FROM blocks WHERE container = ? AND path = ? AND id = ?");
    if (q.bind(container).bind(path).bind(id).step()) old = q.text(0);
  }
  Statement(*db, "INSERT INTO blocks VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (container, path, id) DO UPDATE SET file = excluded.file, "
                 "size = excluded.size, created_ms = excluded.created_ms")
      .bind(container).bind(path).bind(id).bind(staged.name()).bind(size).bind(now_ms()).run();
  transaction.commit();
  staged.keep();
  if (!old.empty()) staging_.remove_empty(old);
}

std::vector<StagedBlock> Store::blocks(const std::string& container, const std::string& path) const {
  auto db = db_.lease();
  Statement q(*db, "SELECT id, file, size, created_ms FROM blocks WHERE container = ? AND path = ? ORDER BY created_ms, id");
  q.bind(container).bind(path);
  std::vector<StagedBlock> out;
  while (q.step()) out.push_back({q.text(0), q.text(1), q.integer(2), q.integer(3)});
  return out;
}

std::optional<std::string> Store::any_block(const std::string& container, const std::string& path) const {
  auto db = db_.lease();
  Statement q(*db, "SELECT id FROM blocks WHERE container = ? AND path = ? LIMIT 1");
  return q.bind(container).bind(path).step() ? std::optional(q.text(0)) : std::nullopt;
}

void Store::drop_blocks(const std::string& container, const std::string& path) {
  auto all = blocks(container, path);
  if (all.empty()) return;
  {
    auto db = db_.lease();
    Statement(*db, "DELETE FROM blocks WHERE container = ? AND path = ?").bind(container).bind(path).run();
  }
  for (const auto& b : all) staging_.remove_empty(b.file);
}

Descriptor Store::open_staged(const std::string& file) const {
  Descriptor fd = staging_.open(file, O_RDONLY);
  if (!fd) throw StorageError("InvalidBlockList");
  return fd;
}

}  // namespace tarn::account
