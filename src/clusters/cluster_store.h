#pragma once
// What is remembered of clusters: their specs, states and events.
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/metadata.h"

namespace tarn::clusters {

using Json = nlohmann::json;

enum class State { kPending, kRunning, kRestarting, kResizing, kTerminating, kTerminated, kError };
const char* state_name(State state);

struct Cluster {
  std::string id;
  Json spec = Json::object();       // as the user gave it, references to secrets unresolved
  int64_t creator = 0;
  State state = State::kPending;
  std::string message;              // state_message
  Json reason;                      // termination_reason, or null
  int64_t created_ms = 0, started_ms = 0, terminated_ms = 0, active_ms = 0;
  bool pinned = false;
};

struct Event {
  int64_t timestamp_ms = 0;
  std::string type;
  Json details = Json::object();
  int64_t seq = 0;                  // grows from event to event
};

struct Policy {
  std::string id, name, definition, description;
  int64_t creator = 0, created_ms = 0;
};

// Thread-safe.
class ClusterStore {
 public:
  explicit ClusterStore(Metadata& metadata);
  std::vector<Cluster> list() const;                        // newest first
  std::optional<Cluster> get(std::string_view id) const;
  std::optional<Cluster> by_idempotency_token(const std::string& token) const;
  void insert(const Cluster& cluster, const std::string& idempotency_token);
  void update(const Cluster& cluster);                      // never moves active_ms back
  void touch(const std::string& id, int64_t active_ms);     // active_ms alone
  void remove(const std::string& id);
  void add_event(const std::string& id, const std::string& type, const Json& details);
  std::vector<Event> events(const std::string& id) const;   // oldest first
  std::vector<Event> events_after(const std::string& id, int64_t seq, int limit) const;   // the next of them
  std::vector<Event> last_events(const std::string& id, int limit) const;                 // oldest first

  std::vector<Policy> policies() const;
  std::optional<Policy> policy(std::string_view id) const;
  bool put_policy(const Policy& policy);                    // false: the name is taken by another
  void remove_policy(const std::string& id);

 private:
  Metadata& metadata_;
};

}  // namespace tarn::clusters
