#pragma once
// Relays Spark Connect calls to the cluster that they name, without looking inside: sc://host:port/;token=…;x-databricks-cluster-id=….
// A cluster that is down is started; the call waits for it.
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "clusters/supervisor.h"
#include "http/principal.h"

namespace tarn::clusters {

struct GrpcRouterHooks {
  // Who this token belongs to.
  std::function<std::optional<http::Principal>(const std::string& token)> authenticate;
  // Whether they may attach to (a running) or start this cluster; the second says what is wrong.
  std::function<bool(const http::Principal& caller, const std::string& cluster, bool start, std::string* why)> may_use;
};

// Thread-safe.
class GrpcRouter {
 public:
  GrpcRouter(Supervisor& supervisor, GrpcRouterHooks hooks);
  ~GrpcRouter();
  // Serves HTTP/2 on a connected, non-blocking socket, which it then owns.
  void adopt(int fd);
  uint64_t calls() const;   // since the start
  uint64_t open() const;    // that have not ended
  void stop();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tarn::clusters
