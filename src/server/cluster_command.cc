// `tarn cluster`: an engine behind a Spark Connect endpoint, until a signal ends it.
#include <malloc.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <memory>
#include <thread>

#include "base/ids.h"
#include "base/log.h"
#include "connect/service.h"
#include "engine/cache_usage.h"
#include "engine/session.h"
#include "plan/session_conf.h"
#include "server/command.h"
#include "server/control_channel.h"
#include "server/metrics_listener.h"
#include "server/pid_file.h"
#include "server/signals.h"

namespace fs = std::filesystem;

namespace tarn::server {
namespace {

constexpr auto kGrace = std::chrono::seconds(30);

int64_t number(const Settings& settings, std::string_view name, int64_t max) {
  const std::string& text = settings.get(name);
  try {
    size_t used = 0;
    long long v = std::stoll(text, &used);
    if (used == text.size() && v >= 0 && v <= max) return v;
  } catch (const std::exception&) {
  }
  throw UsageError("--" + std::string(name) + " wants a number from 0 to " + std::to_string(max) + ", not " + text);
}

// "4G", "512m", "4GiB": Spark's and Java's units count in 1024. Empty stays empty.
std::string memory_limit(std::string text) {
  if (text.empty()) return "";
  size_t digits = text.find_first_not_of("0123456789");
  std::string unit = digits == std::string::npos ? "" : text.substr(digits);
  for (char& c : unit) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  const char* name = unit == "K" || unit == "KB" || unit == "KIB"   ? "KiB"
                     : unit == "M" || unit == "MB" || unit == "MIB" ? "MiB"
                     : unit == "G" || unit == "GB" || unit == "GIB" ? "GiB"
                     : unit == "T" || unit == "TB" || unit == "TIB" ? "TiB"
                                                                    : nullptr;
  if (digits == 0 || !name) throw UsageError("--memory wants a size such as 4G or 512M, not " + text);
  return text.substr(0, digits) + name;
}

log::Level log_level(const std::string& name) {
  if (name == "debug") return log::Level::kDebug;
  if (name == "info") return log::Level::kInfo;
  if (name == "warn") return log::Level::kWarn;
  if (name == "error") return log::Level::kError;
  throw UsageError("--log-level wants debug, info, warn or error, not " + name);
}

std::string metrics_text(const connect::ConnectStats& s, const engine::CacheUsage& cache) {
  std::string out;
  auto add = [&](const char* name, const char* type, const char* help, uint64_t value) {
    out += std::string("# HELP tarn_") + name + " " + help + "\n# TYPE tarn_" + name + " " + type + "\ntarn_" + name + " " +
           std::to_string(value) + "\n";
  };
  add("sessions", "gauge", "Open Spark sessions.", s.sessions);
  add("operations_running", "gauge", "Plans that run.", s.operations_running);
  add("operations_waiting", "gauge", "Plans that wait for their turn.", s.operations_waiting);
  add("operations_held", "gauge", "Operations whose client has not let them go.", s.operations_held);
  add("operations_started_total", "counter", "Plans accepted.", s.operations_started);
  add("operations_failed_total", "counter", "Plans that failed.", s.operations_failed);
  add("operations_cancelled_total", "counter", "Plans that were interrupted.", s.operations_cancelled);
  add("rows_sent_total", "counter", "Rows of results.", s.rows_sent);
  add("streams_opened_total", "counter", "ExecutePlan and ReattachExecute streams.", s.streams_opened);
  add("requests_total", "counter", "Calls.", s.requests);
  add("requests_refused_total", "counter", "Calls without a valid token.", s.requests_refused);
  add("cached_relations", "gauge", "Relations that sessions have asked to cache.", cache.relations);
  add("cached_relations_materialized", "gauge", "Cached relations whose rows are there.", cache.materialized);
  add("checkpoints", "gauge", "Checkpoints that clients hold.", cache.checkpoints);
  add("cached_rows", "gauge", "Rows of cached relations and checkpoints.", cache.rows);
  add("cached_memory_bytes", "gauge", "Memory of cached rows.", cache.memory_bytes);
  add("cached_disk_bytes", "gauge", "Cached rows on disk: spilled or persisted there.", cache.disk_bytes);
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  add("process_max_resident_bytes", "gauge", "Peak memory.", static_cast<uint64_t>(usage.ru_maxrss) * 1024);
  return out;
}

void set_startup_conf(const Arguments& arguments, const engine::EngineOptions& options) {
  unsigned threads = options.threads ? static_cast<unsigned>(options.threads) : std::thread::hardware_concurrency();
  std::map<std::string, std::string> conf = {
      {"spark.app.name", "tarn"},
      {"spark.app.id", "tarn-" + random_uuid()},
      {"spark.master", "local[" + std::to_string(threads) + "]"},
      {"spark.sql.warehouse.dir", "file:" + options.warehouse},
      // Beside the warehouse: the folder that a workspace's /api/2.0/dbfs serves.
      {"spark.hadoop.fs.dbfs.root", "file:" + (fs::path(options.warehouse).parent_path() / "dbfs").string()},
  };
  if (const std::string& path = arguments.settings.get("conf-file"); !path.empty()) {
    std::ifstream file(path);
    if (!file) throw CommandError("cannot read " + path);
    for (std::string line; std::getline(file, line);) {
      size_t equals = line.find('=');
      if (line.empty() || line[0] == '#') continue;
      if (equals == std::string::npos || equals == 0) throw CommandError(path + ": expected KEY=VALUE a line");
      conf[line.substr(0, equals)] = line.substr(equals + 1);
    }
  }
  auto [from, to] = arguments.repeated.equal_range("conf");
  for (auto it = from; it != to; ++it) {
    size_t equals = it->second.find('=');
    if (equals == std::string::npos || equals == 0) throw UsageError("--conf wants KEY=VALUE, not " + it->second);
    conf[it->second.substr(0, equals)] = it->second.substr(equals + 1);
  }
  plan::SessionConf::set_startup_values(std::move(conf));
}

}  // namespace

int run_cluster(const Arguments& arguments) {
  const Settings& settings = arguments.settings;
  SignalWait signals;  // before any thread is started
  // Buffers of results come and go by the megabyte: giving each back to the system costs more page faults than the copying itself.
  ::mallopt(M_MMAP_THRESHOLD, 32 << 20);
  ::mallopt(M_TRIM_THRESHOLD, 64 << 20);

  engine::EngineOptions engine_options;
  engine_options.home = home_of(settings);
  engine_options.warehouse = settings.get("warehouse").empty() ? engine_options.home + "/warehouse" : settings.get("warehouse");
  engine_options.memory_limit = memory_limit(settings.get("memory"));
  engine_options.threads = static_cast<int>(number(settings, "threads", 4096));
  engine_options.python = settings.get("python");
  connect::ConnectOptions connect_options;
  connect_options.listen = settings.get("listen");
  connect_options.token_file = settings.get("token-file");
  connect_options.tls_certificate = settings.get("tls-cert");
  connect_options.tls_key = settings.get("tls-key");
  connect_options.max_operations = static_cast<size_t>(number(settings, "max-operations", 10'000));
  connect_options.session_timeout = std::chrono::minutes(number(settings, "session-timeout", 1'000'000));
  log::set_level(log_level(settings.get("log-level")));

  std::error_code ec;
  fs::create_directories(engine_options.home + "/logs", ec);
  if (ec) throw CommandError("cannot write to the home " + engine_options.home + ": " + ec.message());
  PidFile pid_file(engine_options.home + "/cluster.pid");
  log::open_file(engine_options.home + "/logs/cluster.log");
  set_startup_conf(arguments, engine_options);

  engine::Engine engine(engine_options);
  std::unique_ptr<connect::ConnectServer> server;
  try {
    server = std::make_unique<connect::ConnectServer>(engine, connect_options);
  } catch (const std::invalid_argument& e) {
    throw UsageError(e.what());
  }
  std::atomic<bool> stopping{false};
  // For `tarn status`, whose caller owns the home.
  auto own_metrics = std::make_unique<MetricsListener>("unix:" + engine_options.home + "/cluster.sock", [&] { return !stopping.load(); },
                                                       [&] { return metrics_text(server->stats(), engine.cache_usage()); });
  std::unique_ptr<MetricsListener> metrics;
  if (!settings.get("metrics-listen").empty()) {
    metrics = std::make_unique<MetricsListener>(settings.get("metrics-listen"), [&] { return !stopping.load(); },
                                                [&] { return metrics_text(server->stats(), engine.cache_usage()); });
    log::info("metrics_ready", {{"port", std::to_string(metrics->port())}});
  }

  std::unique_ptr<ControlChannel> control;
  if (settings.on("control")) control = std::make_unique<ControlChannel>(STDIN_FILENO);

  std::string address = "sc://" + server->host() + ":" + std::to_string(server->port());
  pid_file.publish(address);
  log::info("cluster_ready", {{"address", address}, {"home", engine_options.home}, {"version", TARN_VERSION}});
  std::printf("tarn cluster ready %s\n", address.c_str());
  std::fflush(stdout);

  std::string signal = signals.wait();
  stopping = true;
  log::info("cluster_stopping", {{"signal", signal}});
  // A second signal ends the waiting for running queries.
  std::thread second([&] {
    if (!signals.wait().empty()) server->stop(std::chrono::milliseconds(0));
  });
  server->stop(kGrace);
  signals.cancel();
  second.join();
  // Whatever does not react to being cancelled must not keep the program: every acknowledged commit is already on disk.
  std::thread([] {
    std::this_thread::sleep_for(std::chrono::seconds(15));
    log::error("cluster_stuck");
    ::_exit(1);
  }).detach();
  control.reset();
  metrics.reset();
  own_metrics.reset();
  server.reset();
  log::info("cluster_stopped");
  return 0;
}

}  // namespace tarn::server
