#pragma once
// The Spark sessions of this server.
#include <chrono>
#include <deque>
#include <exception>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

namespace spark::connect {
class FetchErrorDetailsResponse;
}
namespace tarn::engine {
class Engine;
class Session;
}  // namespace tarn::engine

namespace tarn::connect {

class Operation;
using Clock = std::chrono::steady_clock;

enum class OperationState { kRunning, kTerminating, kSucceeded, kFailed, kCancelled };

// One session and what runs in it. Thread-safe.
class SessionState {
 public:
  SessionState(std::string user, std::string id, std::shared_ptr<engine::Session> session);

  const std::string& user() const { return user_; }
  const std::string& id() const { return id_; }
  const std::string& server_side_id() const { return server_side_id_; }
  engine::Session& session() const { return *session_; }
  const std::shared_ptr<engine::Session>& session_ptr() const { return session_; }

  void touch();
  Clock::time_point last_access() const;

  std::shared_ptr<Operation> find(const std::string& operation_id) const;
  std::vector<std::shared_ptr<Operation>> operations() const;
  // The operation of this id: the one that is there, else what make() answers. SparkError INVALID_HANDLE.SESSION_CLOSED once the session
  // is closed, INVALID_HANDLE.OPERATION_ABANDONED if an operation of this id has already ended here: it is never run twice.
  std::pair<std::shared_ptr<Operation>, bool> find_or_add(const std::string& operation_id,
                                                          const std::function<std::shared_ptr<Operation>()>& make);
  // The operation is forgotten, its id is remembered (half an hour).
  void remove(const std::string& operation_id, OperationState end, bool abandoned);
  std::optional<OperationState> ended_as(const std::string& operation_id) const;
  bool abandoned(const std::string& operation_id) const;
  std::vector<std::pair<std::string, OperationState>> ended() const;

  // Keeps the error for FetchErrorDetails; returns its id. The last 20 are kept.
  std::string keep_error(std::exception_ptr error);
  // Once: the error is dropped when it was fetched. False if it is unknown.
  bool take_error(const std::string& error_id, spark::connect::FetchErrorDetailsResponse* response);

  // From now on nothing is added. Returns the operations that are still there. Only the first call returns true in first.
  std::vector<std::shared_ptr<Operation>> close(bool* first);
  void forget_old_tombstones();

 private:
  struct Tombstone {
    OperationState end;
    bool abandoned;
    Clock::time_point at;
  };
  const std::string user_, id_, server_side_id_;
  const std::shared_ptr<engine::Session> session_;
  mutable std::mutex mu_;
  Clock::time_point last_access_;                                       // guarded by mu_
  bool closed_ = false;                                                 // guarded by mu_
  std::unordered_map<std::string, std::shared_ptr<Operation>> running_;  // guarded by mu_
  std::unordered_map<std::string, Tombstone> ended_;                    // guarded by mu_
  std::deque<std::pair<std::string, std::exception_ptr>> errors_;       // guarded by mu_
};

// Sessions by (user, session id), and the ids of those that were closed. Thread-safe.
class SessionRegistry {
 public:
  static constexpr size_t kClosedRemembered = 1000;

  explicit SessionRegistry(engine::Engine& engine);

  // observed: the server-side id that the client saw before ("" for none). SparkError INVALID_HANDLE.FORMAT for an id that is no UUID,
  // .SESSION_CLOSED for one that was closed, .SESSION_CHANGED if the server-side id is another one (the server was restarted).
  std::shared_ptr<SessionState> get_or_create(const std::string& user, const std::string& id, const std::string& observed);
  // As above, but SparkError INVALID_HANDLE.SESSION_NOT_FOUND instead of a new session.
  std::shared_ptr<SessionState> get(const std::string& user, const std::string& id, const std::string& observed);
  std::shared_ptr<SessionState> find(const std::string& user, const std::string& id) const;
  // SparkError INVALID_CLONE_SESSION_REQUEST.*.
  std::shared_ptr<SessionState> clone(const SessionState& source, const std::string& new_id);
  // Takes the session out; the caller closes it. allow_reconnect: the id may be used again.
  std::shared_ptr<SessionState> remove(const std::string& user, const std::string& id, bool allow_reconnect);
  std::vector<std::shared_ptr<SessionState>> all() const;
  size_t size() const;

 private:
  using Key = std::pair<std::string, std::string>;
  bool was_closed(const Key& key) const;  // mu_ held
  engine::Engine& engine_;
  mutable std::mutex mu_;
  std::map<Key, std::shared_ptr<SessionState>> sessions_;  // guarded by mu_
  std::list<Key> closed_order_;                            // guarded by mu_, oldest first
  std::map<Key, std::list<Key>::iterator> closed_;         // guarded by mu_
};

}  // namespace tarn::connect
