#pragma once
// Runs clusters: each is a `tarn cluster` process that a thread of its own starts, watches and ends. The state machine of the API lives
// here; what a caller may do is decided above.
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "clusters/cluster_store.h"
#include "clusters/engine.h"

namespace tarn::clusters {

struct SupervisorOptions {
  std::string program;        // this executable
  std::string home;           // of the workspace; clusters live below home/clusters, share home/tarn.db (the catalog) and home/warehouse
  // The text with references to secrets resolved, as the cluster's creator; throws if one cannot be read.
  std::function<std::string(const Cluster& cluster, const std::string& text)> resolve;
  // The interpreter of the cluster's Python functions; empty: the engine looks for one.
  std::function<std::string(const std::string& id)> python;
  // What every engine is told when it has started and by tell_all(), a line of server/control_channel.h; null: nothing.
  std::function<std::string()> news;
  std::function<void(const std::string& url)> require_allowed_url;   // std::exception if the server shall not go there
  // As EngineOptions has it.
  std::function<Variables(const Cluster& cluster, std::string* token_id)> connect;
  std::function<void(const std::string& token_id)> disconnect;
};

// Is told what becomes of clusters, by the threads that own them: it may take its time.
class ClusterWatcher {
 public:
  virtual ~ClusterWatcher() = default;
  virtual void starting(const Cluster& cluster) {}     // before its process is there
  virtual void running(const std::string& id) {}
  virtual void ended(const std::string& id) {}         // whether it was told to or not
};

// Thread-safe.
class Supervisor {
 public:
  Supervisor(ClusterStore& store, SupervisorOptions options);
  ~Supervisor();

  // Before anything is started. The watcher lives as long as this does.
  void watch(ClusterWatcher* watcher) { watchers_.push_back(watcher); }
  std::optional<Cluster> cluster(const std::string& id) const { return store_.get(id); }
  // spark_env_vars, secrets resolved; throws as resolve does.
  Variables environment_of(const Cluster& cluster) const;
  // Starts again what ran when the workspace ended.
  void resume();
  // PENDING or TERMINATED/ERROR -> running. event: CREATING or STARTING; nothing if it runs already.
  void start(const std::string& id, const std::string& event, const Json& details);
  void terminate(const std::string& id, const std::string& code, const std::string& type, const Json& details);
  void restart(const std::string& id, const Json& details);
  // Ends the process and waits for it; the caller removes the rows.
  void forget(const std::string& id);
  // Where it listens, starting it if it is down; nullopt with the reason if it cannot be started in this time.
  std::optional<Endpoint> endpoint(const std::string& id, std::chrono::milliseconds wait, std::string* why);
  std::optional<Endpoint> running_endpoint(const std::string& id) const;
  // Use of a cluster, for its idle end: while one is held, or for N minutes after, it is not idle. last_activity_ms() is the clock of both.
  int64_t last_activity_ms(const Cluster& cluster) const;
  void begin_use(const std::string& id);
  void end_use(const std::string& id);
  size_t running() const;
  // Tells the engines that run what news() says now, and waits until they know (a few seconds at most).
  void tell_all();
  void stop();                // ends every process; the store keeps their states for resume()

 private:
  struct Runner;
  std::shared_ptr<Runner> runner(const std::string& id);
  void run(std::shared_ptr<Runner> runner);
  template <class Work> void surely(std::unique_lock<std::mutex>& lock, const Runner& runner, const Work& work);
  void terminated(const std::string& id);
  EngineOptions engine_options(const Cluster& cluster, const std::string& home, const std::shared_ptr<Runner>& runner);
  void housekeeping();
  ClusterStore& store_;
  SupervisorOptions options_;
  std::vector<ClusterWatcher*> watchers_;
  mutable std::mutex mu_;
  std::condition_variable changed_;
  std::map<std::string, std::shared_ptr<Runner>> runners_;  // guarded by mu_
  bool stopping_ = false;                                   // guarded by mu_
  std::thread housekeeper_;
};

}  // namespace tarn::clusters
