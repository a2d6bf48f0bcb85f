#include "account/events.h"

#include <chrono>

#include "base/encoding.h"
#include "base/log.h"

namespace tarn::account {
namespace {

constexpr const char* kSteps[] = {
    R"(CREATE TABLE events (
         id INTEGER PRIMARY KEY AUTOINCREMENT, time_ms INTEGER NOT NULL, type TEXT NOT NULL, api TEXT NOT NULL, container TEXT NOT NULL,
         path TEXT NOT NULL, old_path TEXT NOT NULL, size INTEGER NOT NULL, content_type TEXT NOT NULL, etag TEXT NOT NULL,
         inode INTEGER NOT NULL, born INTEGER NOT NULL, pending INTEGER NOT NULL);
       CREATE INDEX events_pending ON events (id) WHERE pending = 1;)",
};

Event read(Statement& q) {
  Event e;
  e.id = q.integer(0);
  e.time_ms = q.integer(1);
  e.type = q.text(2);
  e.api = q.text(3);
  e.container = q.text(4);
  e.path = q.text(5);
  e.old_path = q.text(6);
  e.size = q.integer(7);
  e.content_type = q.text(8);
  e.etag = q.text(9);
  return e;
}

}  // namespace

EventLog::EventLog(Metadata& db) : db_(db) { db_.migrate("account.events", kSteps); }

int64_t EventLog::begin(Connection& db, const Event& e, int64_t inode, int64_t born) {
  return Statement(db, "INSERT INTO events (time_ms, type, api, container, path, old_path, size, content_type, etag, inode, born, pending) "
                       "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 1) RETURNING id")
      .bind(now_ms()).bind(e.type).bind(e.api).bind(e.container).bind(e.path).bind(e.old_path).bind(e.size).bind(e.content_type).bind(e.etag)
      .bind(inode).bind(born).returned().value();
}

void EventLog::confirm(Connection& db, int64_t id) {
  Statement(db, "UPDATE events SET pending = 0 WHERE id = ?").bind(id).run();
  {
    std::lock_guard lock(mu_);
    confirmed_ = std::max(confirmed_, id);
  }
  changed_.notify_all();
}

void EventLog::cancel(Connection& db, int64_t id) { Statement(db, "DELETE FROM events WHERE id = ?").bind(id).run(); }

PendingEvent::~PendingEvent() {
  if (decided_) return;
  try {
    if (happened_) log_.confirm(db_, id_);
    else log_.cancel(db_, id_);
  } catch (const std::exception& e) {
    log::error("storage_event_undecided", {{"event", std::to_string(id_)}, {"error", e.what()}});  // the next start decides it
  }
}

void PendingEvent::commit(Transaction& transaction) {
  log_.confirm(db_, id_);
  transaction.commit();
  decided_ = true;
}

void EventLog::resolve(const std::function<bool(const Event&, int64_t, int64_t)>& happened) {
  auto db = db_.lease();
  struct Open {
    Event event;
    int64_t inode, born;
  };
  std::vector<Open> open;
  {
    Statement q(*db, "SELECT id, time_ms, type, api, container, path, old_path, size, content_type, etag, inode, born FROM events WHERE pending = 1 ORDER BY id");
    while (q.step()) open.push_back({read(q), q.integer(10), q.integer(11)});
  }
  for (const auto& o : open) {
    if (happened(o.event, o.inode, o.born)) confirm(*db, o.event.id);
    else cancel(*db, o.event.id);
  }
}

std::vector<Event> EventLog::after(int64_t id, size_t limit) const {
  auto db = db_.lease();
  // Not past one that is still pending: ids are handed out in order, and a reader must not step over an event that is confirmed later.
  Statement q(*db, "SELECT id, time_ms, type, api, container, path, old_path, size, content_type, etag FROM events WHERE id > ? AND pending = 0 "
                   "AND id < coalesce((SELECT min(id) FROM events WHERE pending = 1), 9223372036854775807) ORDER BY id LIMIT ?");
  q.bind(id).bind(static_cast<int64_t>(limit));
  std::vector<Event> out;
  while (q.step()) out.push_back(read(q));
  return out;
}

int64_t EventLog::last_id() const {
  auto db = db_.lease();
  Statement q(*db, "SELECT coalesce(max(id), 0) FROM events");
  q.step();
  return q.integer(0);
}

bool EventLog::wait(int64_t id, int64_t timeout_ms) const {
  std::unique_lock lock(mu_);
  return changed_.wait_for(lock, std::chrono::milliseconds(timeout_ms), [&] { return confirmed_ > id; });
}

void EventLog::forget_before(int64_t time_ms) {
  auto db = db_.lease();
  Statement(*db, "DELETE FROM events WHERE time_ms < ? AND pending = 0").bind(time_ms).run();
}

}  // namespace tarn::account
