#include "server/server_lease.h"

#include <fcntl.h>
#include <unistd.h>

#include <fstream>

#include "base/encoding.h"
#include "base/io_error.h"
#include "base/log.h"
#include "server/command.h"

namespace tarn::server {
namespace {

constexpr const char* kSteps[] = {
    R"(CREATE TABLE server_lease (
         id INTEGER PRIMARY KEY, home TEXT NOT NULL, holder TEXT NOT NULL, place TEXT NOT NULL, address TEXT NOT NULL, expires_ms INTEGER NOT NULL);)",
};
constexpr char kIdFile[] = "/home.id";
constexpr std::string_view kLock = "server.lease";
constexpr int64_t kTermMs = std::chrono::milliseconds(ServerLease::kTerm).count();

std::string host_name() {
  char name[256] = {};
  return ::gethostname(name, sizeof name - 1) == 0 ? name : "?";
}

// What tells this home from others, also after it was moved: written at its first use.
std::string id_of_home(const std::string& home) {
  std::string path = home + kIdFile, id;
  std::ifstream in(path);
  if (std::getline(in, id) && !id.empty()) return id;
  id = random_hex(16);
  std::ofstream out(path);
  out << id << "\n";
  if (!out.flush()) throw IoError("cannot write", path);
  return id;
}

std::string session_name(const std::string& holder) { return "tarn " + holder; }

}  // namespace

ServerLease::ServerLease(Metadata& metadata, const std::string& home, std::function<void()> lost)
    : metadata_(metadata), holder_(random_hex(8)), place_(host_name() + ":" + home), home_id_(id_of_home(home)), lost_(std::move(lost)) {
  metadata_.migrate("server.lease", kSteps);
}

bool ServerLease::was_held_for(const std::string& home) { return ::access((home + kIdFile).c_str(), F_OK) == 0; }

ServerLease::~ServerLease() {
  {
    std::lock_guard lock(mu_);
    stopping_ = true;
    changed_.notify_all();
  }
  if (!thread_.joinable()) return;
  thread_.join();
  try {
    auto db = metadata_.lease();
    Statement(*db, "UPDATE server_lease SET holder = '', expires_ms = 0 WHERE holder = ?").bind(holder_).run();
  } catch (const std::exception& e) {
    log::warn("server_lease_kept", {{"error", e.what()}});   // it ends by itself
  }
}

std::optional<std::string> ServerLease::try_take() {
  std::string before;
  auto other = metadata_.transact(kLock, [&](Connection& db) -> std::optional<std::string> {
    before.clear();
    const int64_t now = db.clock_ms();
    Statement query(db, "SELECT home, holder, place, address, expires_ms FROM server_lease WHERE id = 1");
    if (!query.step()) {
      Statement(db, "INSERT INTO server_lease VALUES (1, ?, ?, ?, '', ?)").bind(home_id_).bind(holder_).bind(place_).bind(now + kTermMs).run();
      return std::nullopt;
    }
    std::string place = query.text(2), address = query.text(3);
    if (query.text(0) != home_id_) {
      throw CommandError("this database belongs to the workspace of another home (last used at " + place + "), whose files it describes: start the server with that home");
    }
    if (query.integer(4) > now && place != place_) return "the server at " + place + (address.empty() ? "" : " (" + address + ")");
    before = query.text(1);
    Statement(db, "UPDATE server_lease SET holder = ?, place = ?, address = '', expires_ms = ? WHERE id = 1").bind(holder_).bind(place_).bind(now + kTermMs).run();
    return std::nullopt;
  });
  if (other) return other;
  if (!before.empty()) end_sessions_of(before);
  metadata_.admit_with([this](Connection& connection) { admit(connection); });
  thread_ = std::thread([this] { beat(); });
  return std::nullopt;
}

// A connection of a server that has lost its lease must not be used; the name is that by which its successor finds it.
void ServerLease::admit(Connection& connection) {
  Statement(connection, "SELECT set_config('application_name', ?, false)").bind(session_name(holder_)).run();
  if (Statement(connection, "SELECT 1 FROM server_lease WHERE holder = ?").bind(holder_).returned()) return;
  taken_over_ = true;
  throw DatabaseError("08004", "another server has taken this database over");
}

void ServerLease::end_sessions_of(const std::string& holder) {
  auto db = metadata_.lease();
  for (int i = 0; i < 100; ++i) {
    // A session that does not end at once may still be in a statement: it is waited for.
    auto left = Statement(*db, "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = ? AND pid <> pg_backend_pid()")
                    .bind(session_name(holder)).returned();
    if (left == 0) return;
    log::info("server_lease_ends_sessions", {{"holder", holder}, {"sessions", std::to_string(left.value_or(0))}});
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
  throw CommandError("sessions of the server that had this database before do not end");
}

void ServerLease::publish(const std::string& address) {
  auto db = metadata_.lease();
  Statement(*db, "UPDATE server_lease SET address = ? WHERE holder = ?").bind(address).bind(holder_).run();
}

void ServerLease::beat() {
  auto confirmed = std::chrono::steady_clock::now();
  bool dropped = false;
  std::unique_lock lock(mu_);
  while (!changed_.wait_for(lock, kBeat, [&] { return stopping_; })) {
    lock.unlock();
    try {
      auto db = metadata_.lease();
      Statement(*db, "UPDATE server_lease SET expires_ms = ? WHERE holder = ?").bind(db->clock_ms() + kTermMs).bind(holder_).run();
      if (db->changes() == 0) taken_over_ = true;
      confirmed = std::chrono::steady_clock::now();
      dropped = false;
    } catch (const std::exception& e) {
      log::warn("server_lease_unconfirmed", {{"error", e.what()}});
    }
    if (taken_over_) {
      log::error("server_lease_lost", {{"why", "another server has taken this database over"}});
      lost_();
      return;
    }
    // From here on somebody else may have it: connections that were made before are not believed any more.
    if (!dropped && std::chrono::steady_clock::now() - confirmed > kTerm - 2 * kBeat) {
      metadata_.disconnect();
      dropped = true;
    }
    lock.lock();
  }
}

}  // namespace tarn::server
