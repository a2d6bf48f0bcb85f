#pragma once
// Python packages of clusters: which are wanted, and a thread that installs them into the clusters' environments, one after another.
#include <condition_variable>
#include <functional>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "clusters/environments.h"
#include "clusters/supervisor.h"

namespace tarn::clusters {

struct LibraryStatus {
  std::string cluster;
  Json library;                // as the user gave it: {"pypi": {"package", "repo"}}, {"whl": path} or {"requirements": path}
  std::string status;          // PENDING, RESOLVING, INSTALLING, INSTALLED, FAILED, UNINSTALL_ON_RESTART
  std::vector<std::string> messages;
  std::string file;            // where the bytes of whl and requirements are
};

// Thread-safe.
class Libraries : public ClusterWatcher {
 public:
  Libraries(Metadata& metadata, Supervisor& supervisor, Environments& environments);
  ~Libraries();

  std::vector<LibraryStatus> list(const std::string& cluster) const;   // in the order of installation; "" is all clusters
  // Adds it, or tries one that failed again. A cluster that does not run installs it when it starts.
  // content: the bytes of whl and requirements, copied into the cluster's home.
  void install(const std::string& cluster, const Json& library, const std::string& content);
  // It stays until the next start, and is not there after. Those that were never installed are passed over.
  void uninstall(const std::string& cluster, const Json& library);

  void starting(const Cluster& cluster) override;
  void running(const std::string& id) override;
  void stop();

 private:
  void work();
  void install_pending(const std::string& cluster);
  void set(const std::string& cluster, const Json& library, const std::string& status, const std::vector<std::string>& messages);
  Metadata& metadata_;
  Supervisor& supervisor_;
  Environments& environments_;
  mutable std::mutex mu_;
  std::condition_variable changed_;
  std::set<std::string> due_;        // guarded by mu_: clusters with something to do
  bool stopping_ = false;            // guarded by mu_
  std::thread worker_;
};

}  // namespace tarn::clusters
