#include "connect/session_registry.h"

#include <spark/connect/base.pb.h>

#include <functional>

#include "base/ids.h"
#include "base/log.h"
#include "base/spark_error.h"
#include "connect/error_status.h"
#include "connect/operation.h"
#include "engine/session.h"

namespace tarn::connect {
namespace {

constexpr auto kTombstoneLife = std::chrono::minutes(30);  // spark.connect.session.inactiveOperations.cacheExpiration
constexpr size_t kErrorsKept = 20;

SparkError invalid_handle(const char* why, const std::string& handle) {
  return SparkError(ErrorKind::kSpark, std::string("INVALID_HANDLE.") + why, {{"handle", handle}});
}

void check_observed(const SessionState& session, const std::string& observed) {
  if (!observed.empty() && observed != session.server_side_id()) throw invalid_handle("SESSION_CHANGED", session.id());
}

}  // namespace

SessionState::SessionState(std::string user, std::string id, std::shared_ptr<engine::Session> session)
    : user_(std::move(user)), id_(std::move(id)), server_side_id_(random_uuid()), session_(std::move(session)), last_access_(Clock::now()) {}

void SessionState::touch() {
  std::lock_guard lock(mu_);
  last_access_ = Clock::now();
}

Clock::time_point SessionState::last_access() const {
  std::lock_guard lock(mu_);
  return last_access_;
}

std::shared_ptr<Operation> SessionState::find(const std::string& operation_id) const {
  std::lock_guard lock(mu_);
  auto it = running_.find(operation_id);
  return it == running_.end() ? nullptr : it->second;
}

std::vector<std::shared_ptr<Operation>> SessionState::operations() const {
  std::lock_guard lock(mu_);
  std::vector<std::shared_ptr<Operation>> out;
  for (const auto& [id, operation] : running_) out.push_back(operation);
  return out;
}

std::pair<std::shared_ptr<Operation>, bool> SessionState::find_or_add(const std::string& operation_id,
                                                                      const std::function<std::shared_ptr<Operation>()>& make) {
  std::lock_guard lock(mu_);
  if (closed_) throw invalid_handle("SESSION_CLOSED", id_);
  auto it = running_.find(operation_id);
  if (it != running_.end()) return {it->second, false};
  if (ended_.contains(operation_id)) throw invalid_handle("OPERATION_ABANDONED", operation_id);
  auto operation = make();
  running_.emplace(operation_id, operation);
  return {operation, true};
}

void SessionState::remove(const std::string& operation_id, OperationState end, bool abandoned) {
  std::shared_ptr<Operation> dropped;  // ends outside the lock
  std::lock_guard lock(mu_);
  auto it = running_.find(operation_id);
  if (it == running_.end()) return;
  dropped = std::move(it->second);
  running_.erase(it);
  ended_[operation_id] = {end, abandoned, Clock::now()};
}

std::optional<OperationState> SessionState::ended_as(const std::string& operation_id) const {
  std::lock_guard lock(mu_);
  auto it = ended_.find(operation_id);
  return it == ended_.end() ? std::nullopt : std::optional(it->second.end);
}

bool SessionState::abandoned(const std::string& operation_id) const {
  std::lock_guard lock(mu_);
  auto it = ended_.find(operation_id);
  return it != ended_.end() && it->second.abandoned;
}

std::vector<std::pair<std::string, OperationState>> SessionState::ended() const {
  std::lock_guard lock(mu_);
  std::vector<std::pair<std::string, OperationState>> out;
  for (const auto& [id, tombstone] : ended_) out.emplace_back(id, tombstone.end);
  return out;
}

std::string SessionState::keep_error(std::exception_ptr error) {
  std::string id = random_uuid();
  std::lock_guard lock(mu_);
  errors_.emplace_back(id, std::move(error));
  if (errors_.size() > kErrorsKept) errors_.pop_front();
  return id;
}

bool SessionState::take_error(const std::string& error_id, spark::connect::FetchErrorDetailsResponse* response) {
  std::exception_ptr error;
  {
    std::lock_guard lock(mu_);
    for (auto it = errors_.begin(); it != errors_.end(); ++it) {
      if (it->first != error_id) continue;
      error = it->second;
      errors_.erase(it);
      break;
    }
  }
  if (!error) return false;
  describe_error(error, response);
  return true;
}

std::vector<std::shared_ptr<Operation>> SessionState::close(bool* first) {
  std::lock_guard lock(mu_);
  *first = !closed_;
  closed_ = true;
  std::vector<std::shared_ptr<Operation>> out;
  for (const auto& [id, operation] : running_) out.push_back(operation);
  return out;
}

void SessionState::forget_old_tombstones() {
  auto now = Clock::now();
  std::lock_guard lock(mu_);
  std::erase_if(ended_, [&](const auto& e) { return now - e.second.at > kTombstoneLife; });
}

SessionRegistry::SessionRegistry(engine::Engine& engine) : engine_(engine) {}

bool SessionRegistry::was_closed(const Key& key) const { return closed_.contains(key); }

std::shared_ptr<SessionState> SessionRegistry::get_or_create(const std::string& user, const std::string& id, const std::string& observed) {
  std::shared_ptr<SessionState> session;
  {
    // Held while the engine makes the session, so that two first calls of one client get the same one.
    std::lock_guard lock(mu_);
    Key key(user, id);
    auto it = sessions_.find(key);
    if (it != sessions_.end()) {
      session = it->second;
    } else {
      if (!is_uuid(id)) throw invalid_handle("FORMAT", id);
      if (was_closed(key)) throw invalid_handle("SESSION_CLOSED", id);
      // A client that has seen a session here before must not get an empty one instead.
      if (!observed.empty()) throw invalid_handle("SESSION_CHANGED", id);
      session = std::make_shared<SessionState>(user, id, engine_.new_session(user, id));
      sessions_.emplace(key, session);
      log::info("session_opened", {{"session", id}, {"user", user}});
    }
  }
  check_observed(*session, observed);
  session->touch();
  return session;
}

std::shared_ptr<SessionState> SessionRegistry::get(const std::string& user, const std::string& id, const std::string& observed) {
  auto session = find(user, id);
  if (!session) {
    std::lock_guard lock(mu_);
    throw invalid_handle(was_closed({user, id}) ? "SESSION_CLOSED" : observed.empty() ? "SESSION_NOT_FOUND" : "SESSION_CHANGED", id);
  }
  check_observed(*session, observed);
  session->touch();
  return session;
}

std::shared_ptr<SessionState> SessionRegistry::find(const std::string& user, const std::string& id) const {
  std::lock_guard lock(mu_);
  auto it = sessions_.find({user, id});
  return it == sessions_.end() ? nullptr : it->second;
}

std::shared_ptr<SessionState> SessionRegistry::clone(const SessionState& source, const std::string& new_id) {
  auto refuse = [&](const char* why) {
    return SparkError(ErrorKind::kSpark, std::string("INVALID_CLONE_SESSION_REQUEST.") + why, {{"targetSessionId", new_id}});
  };
  if (!is_uuid(new_id)) throw refuse("TARGET_SESSION_ID_FORMAT");
  Key key(source.user(), new_id);
  auto check = [&] {
    if (was_closed(key)) throw refuse("TARGET_SESSION_ID_ALREADY_CLOSED");
    if (sessions_.contains(key)) throw refuse("TARGET_SESSION_ID_ALREADY_EXISTS");
  };
  {
    std::lock_guard lock(mu_);
    check();
  }
  auto cloned = std::make_shared<SessionState>(source.user(), new_id, source.session().clone(new_id));
  std::lock_guard lock(mu_);
  check();
  sessions_.emplace(key, cloned);
  return cloned;
}

std::shared_ptr<SessionState> SessionRegistry::remove(const std::string& user, const std::string& id, bool allow_reconnect) {
  std::lock_guard lock(mu_);
  Key key(user, id);
  auto it = sessions_.find(key);
  if (it == sessions_.end()) return nullptr;
  auto session = std::move(it->second);
  sessions_.erase(it);
  if (!allow_reconnect && !was_closed(key)) {
    closed_[key] = closed_order_.insert(closed_order_.end(), key);
    if (closed_order_.size() > kClosedRemembered) {
      closed_.erase(closed_order_.front());
      closed_order_.pop_front();
    }
  }
  return session;
}

std::vector<std::shared_ptr<SessionState>> SessionRegistry::all() const {
  std::lock_guard lock(mu_);
  std::vector<std::shared_ptr<SessionState>> out;
  for (const auto& [key, session] : sessions_) out.push_back(session);
  return out;
}

size_t SessionRegistry::size() const {
  std::lock_guard lock(mu_);
  return sessions_.size();
}

}  // namespace tarn::connect
