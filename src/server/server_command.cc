// `tarn server`: supervises one cluster and says how it is.
#include <sys/wait.h>

#include <atomic>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <thread>

#include "base/log.h"
#include "connect/service.h"
#include "server/child_process.h"
#include "server/command.h"
#include "server/metrics_listener.h"
#include "server/pid_file.h"
#include "server/signals.h"

namespace fs = std::filesystem;

namespace tarn::server {
namespace {

constexpr std::string_view kReady = "tarn cluster ready ";

// Starts the cluster of this home; "" if it did not come up (it has said why on standard error).
Child start_cluster(const Arguments& arguments, const std::string& home) {
  Child child = start_child(arguments.program, {"cluster", "--home", home, "--log-level", arguments.settings.get("log-level")}, {});
  if (child.ready.starts_with(kReady)) {
    log::info("cluster_started", {{"address", child.ready.substr(kReady.size())}, {"pid", std::to_string(child.pid)}});
    return child;
  }
  stop_child(child.pid, 5);
  return {};
}

}  // namespace

int run_server(const Arguments& arguments) {
  const std::string home = home_of(arguments.settings);
  const std::string& listen = arguments.settings.get("listen");
  std::string host = listen.substr(0, listen.rfind(':'));
  if (!connect::is_loopback(host)) throw UsageError("the workspace listens on loopback addresses only: " + listen);
  SignalWait signals;
  signals.watch_children();
  std::error_code ec;
  fs::create_directories(home + "/logs", ec);
  if (ec) throw CommandError("cannot write to the home " + home + ": " + ec.message());
  PidFile pid_file(home + "/server.pid");
  log::open_file(home + "/logs/server.log");

  std::atomic<bool> well{true};
  Child cluster = start_cluster(arguments, home);
  if (!cluster.pid) throw CommandError("the cluster did not start: see " + home + "/logs/cluster.log");
  std::unique_ptr<MetricsListener> http;
  try {
    http = std::make_unique<MetricsListener>(listen, [&] { return well.load(); }, [&] {
      return std::string("# HELP tarn_cluster_up Whether the cluster runs.\n# TYPE tarn_cluster_up gauge\ntarn_cluster_up ") +
             (well ? "1\n" : "0\n");
    });
  } catch (...) {
    stop_child(cluster.pid, 35);
    throw;
  }
  std::string address = "http://" + host + ":" + std::to_string(http->port());
  pid_file.publish(address);
  std::printf("tarn server ready %s\n", address.c_str());
  std::fflush(stdout);

  for (int failures = 0;;) {
    std::string signal = signals.wait();
    if (signal != "SIGCHLD") {
      log::info("server_stopping", {{"signal", signal}});
      well = false;
      break;
    }
    int status = 0;
    if (::waitpid(cluster.pid, &status, WNOHANG) != cluster.pid) continue;
    well = false;
    log::error("cluster_died", {{"status", std::to_string(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status))}});
    if (++failures > 5) throw CommandError("the cluster died six times: see " + home + "/logs/cluster.log");
    std::this_thread::sleep_for(std::chrono::milliseconds(200 << failures));
    cluster = start_cluster(arguments, home);
    if (!cluster.pid) throw CommandError("the cluster did not start again: see " + home + "/logs/cluster.log");
    well = true;
  }
  stop_child(cluster.pid, 35);
  return 0;
}

}  // namespace tarn::server
