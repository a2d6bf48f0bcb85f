#pragma once
// The Python environment of each cluster: a virtual environment in its home, on top of the server's interpreter.
#include <mutex>
#include <string>

namespace tarn::clusters {

// Thread-safe.
class Environments {
 public:
  // clusters: the folder that has the clusters' homes. python: the interpreter to build on; empty: one that has pyspark is looked for.
  Environments(std::string clusters, std::string python, std::string packages);

  // The interpreter of a cluster; its environment is made if it is not there. std::runtime_error says why there is none.
  std::string python(const std::string& cluster);
  // Removes what was installed: the next python() makes a new one.
  void reset(const std::string& cluster);
  const std::string& packages() const { return packages_; }
  std::string home(const std::string& cluster) const { return clusters_ + "/" + cluster; }

 private:
  const std::string clusters_, named_, packages_;
  std::mutex mu_;
  std::string base_;   // guarded by mu_; found at first use
};

}  // namespace tarn::clusters
