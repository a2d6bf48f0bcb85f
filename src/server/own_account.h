#pragma once
// The workspace's own storage account as mounts of this workspace name it.
#include <cstdint>
#include <string>

#include "http/outbound.h"
#include "storage/mounts.h"

namespace tarn::server {

// Immutable once the ports are known; thread-safe then.
struct OwnAccount {
  std::string name;               // "tarnlake"
  std::string host;               // where the workspace listens
  uint16_t port = 0;
  uint16_t inside_port = 0;       // on loopback, without TLS: for what runs on this machine

  bool is_host(const std::string& account_host) const;   // "tarnlake.dfs.core.windows.net"
  bool is_own(const http::Url& url) const;
  // A mount of this account finds it where it is now, whatever port and certificate others use.
  void complete(storage::Mount* mount) const;
};

}  // namespace tarn::server
