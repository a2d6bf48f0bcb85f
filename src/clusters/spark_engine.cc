// The kind "spark": a Spark Connect server. With tarn.spark.remote one that runs already; else one that we start with Spark's own spark-submit, on
// the master of spark.master: local[…], spark://…, yarn, k8s://….
#include <arpa/inet.h>
#include <grpcpp/grpcpp.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <stdexcept>
#include <thread>

#include "base/child_process.h"
#include "base/encoding.h"
#include "base/log.h"
#include "clusters/engine.h"
#include "clusters/node_types.h"
#include "clusters/program.h"

namespace fs = std::filesystem;

namespace tarn::clusters {
namespace {

constexpr auto kConnectTimeout = std::chrono::seconds(5);
constexpr auto kStartTimeout = std::chrono::minutes(5);       // yarn and k8s may have to wait for their turn
constexpr auto kLostAfter = std::chrono::seconds(5);          // an endpoint elsewhere that does not answer for so long is gone
constexpr char kDeltaPackage[] = "io.delta:delta-spark_2.13:4.4.0";

std::shared_ptr<grpc::Channel> channel_to(const Endpoint& e) {
  auto credentials = e.tls ? grpc::SslCredentials({}) : grpc::InsecureChannelCredentials();
  grpc::ChannelArguments arguments;
  arguments.SetInt("grpc.max_reconnect_backoff_ms", 2000);
  return grpc::CreateCustomChannel(e.address, credentials, arguments);
}

// One that somebody else started: we neither start nor end it.
class RemoteSpark : public Engine {
 public:
  RemoteSpark(EngineOptions options, SparkRemote remote) : options_(std::move(options)), remote_(std::move(remote)) {}
  Endpoint start() override {
    Endpoint e{remote_.host + ":" + std::to_string(remote_.port), remote_.token, remote_.tls, false};
    if (options_.require_allowed_url) options_.require_allowed_url((e.tls ? "https://" : "http://") + e.address);
    channel_ = channel_to(e);
    auto until = std::chrono::system_clock::now() + kConnectTimeout;
    while (!channel_->WaitForConnected(std::min(until, std::chrono::system_clock::now() + std::chrono::milliseconds(500)))) {
      if (options_.cancelled && options_.cancelled()) throw std::runtime_error("it was ended");
      if (std::chrono::system_clock::now() >= until) throw std::runtime_error("No Spark Connect server answers at " + e.address + ".");
    }
    answered_ = std::chrono::steady_clock::now();
    return e;
  }
  std::optional<std::string> ended() override {
    auto state = channel_->GetState(true);
    if (state == GRPC_CHANNEL_READY || state == GRPC_CHANNEL_IDLE) answered_ = std::chrono::steady_clock::now();
    if (std::chrono::steady_clock::now() - answered_ < kLostAfter) return std::nullopt;
    return "no answer from its endpoint";
  }
  void end(bool) override { channel_.reset(); }

 private:
  const EngineOptions options_;
  const SparkRemote remote_;
  std::shared_ptr<grpc::Channel> channel_;
  std::chrono::steady_clock::time_point answered_{};
};

int free_port() {
  int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  bool good = fd >= 0 && ::bind(fd, reinterpret_cast<sockaddr*>(&address), size) == 0 && ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) == 0;
  if (fd >= 0) ::close(fd);
  if (!good) throw std::runtime_error("no free port");
  return ntohs(address.sin_port);
}

// As java.util.Properties reads it.
std::string property(const std::string& key, const std::string& value) {
  auto escaped = [](const std::string& text, bool is_key) {
    std::string out;
    for (char c : text) {
      if (c == '\\' || (is_key && (c == '=' || c == ':' || c == ' ' || c == '#' || c == '!'))) out += '\\';
      out += c;
    }
    return out;
  };
  std::string v = escaped(value, false);
  return escaped(key, true) + "=" + (v.starts_with(' ') ? "\\" : "") + v + "\n";
}

class SubmittedSpark : public Engine {
 public:
  explicit SubmittedSpark(EngineOptions options) : options_(std::move(options)) {}
  ~SubmittedSpark() override { end(true); }

  Endpoint start() override {
    const EngineOptions& o = options_;
    const std::string spark = home_of_spark(), properties = o.home + "/spark.properties", log = o.home + "/logs/driver.log";
    Endpoint e{"127.0.0.1:" + std::to_string(free_port()), random_hex(32), false, false};
    write_private(properties, properties_of(e, spark));
    ChildOptions child{.log = log, .ready_line = false, .environment = o.environment};
    auto variable = [&](const char* name, const std::string& value) {
      bool given = std::any_of(child.environment.begin(), child.environment.end(), [&](const auto& v) { return v.first == name; });
      if (!given && !value.empty()) child.environment.emplace_back(name, value);
    };
    variable("SPARK_HOME", spark);
    variable("PYSPARK_PYTHON", o.python);
    variable("PYSPARK_DRIVER_PYTHON", o.python);
    // Not among its properties: every session can read those.
    child.environment.emplace_back("SPARK_CONNECT_AUTHENTICATE_TOKEN", e.token);
    child.environment.emplace_back("TARN_CLUSTER_ID", o.id);
    pid_ = start_child(spark + "/bin/spark-submit",
                       {"--properties-file", properties, "--class", "org.apache.spark.sql.connect.service.SparkConnectServer", "--name", o.spec.value("cluster_name", o.id), "spark-internal"},
                       child).pid;
    auto channel = channel_to(e);
    auto until = std::chrono::system_clock::now() + kStartTimeout;
    std::string why;
    while (why.empty() && !channel->WaitForConnected(std::chrono::system_clock::now() + std::chrono::milliseconds(200))) {
      if (auto how = process_end(pid_)) pid_ = 0, why = "Spark did not start: it ended with " + *how + ". " + tail_of(log, 800);
      else if (o.cancelled && o.cancelled()) why = "it was ended";
      else if (std::chrono::system_clock::now() > until) why = "Spark did not start in time: " + tail_of(log, 800);
    }
    std::error_code ignored;
    fs::remove(properties, ignored);
    if (!why.empty()) {
      end(true);
      throw std::runtime_error(why);
    }
    share_names(e);
    return e;
  }

  std::optional<std::string> ended() override {
    auto how = process_end(pid_);
    if (how) pid_ = 0;
    return how;
  }
  void end(bool hurry) override {
    if (names_ > 0) stop_child(std::exchange(names_, 0), 2);
    if (!token_id_.empty()) options_.disconnect(std::exchange(token_id_, ""));
    if (pid_ > 0) end_process(std::exchange(pid_, 0), hurry);
  }
  pid_t pid() const override { return pid_; }

 private:
  // Starts what keeps the names in Spark's catalog and the workspace's alike (python/tarn/spark_names.py). Paths work without.
  void share_names(const Endpoint& e) {
    if (!options_.connect || options_.python.empty()) return;
    try {
      ChildOptions child{.log = options_.home + "/logs/names.log", .environment = options_.connect(&token_id_)};
      child.environment.emplace_back("SPARK_REMOTE", "sc://localhost" + e.address.substr(e.address.rfind(':')) + "/;token=" + e.token);
      Child started = start_child(options_.python, {"-m", "tarn.spark_names"}, child);
      names_ = started.pid;
      if (started.ready != "ready") throw std::runtime_error(tail_of(child.log, 300));
    } catch (const std::exception& error) {
      log::warn("names_not_shared", {{"cluster", options_.id}, {"error", error.what()}});
    }
  }

  // spark_conf's tarn.spark.home, the environment's SPARK_HOME, or what the cluster's Python has installed as pyspark.
  std::string home_of_spark() const {
    auto is = [](const std::string& folder) {
      std::error_code ec;
      return !folder.empty() && fs::exists(folder + "/bin/spark-submit", ec) && fs::exists(folder + "/jars", ec);
    };
    if (auto named = options_.conf.find(kSparkHomeKey); named != options_.conf.end()) {
      if (!is(named->second)) throw std::runtime_error("There is no Spark at " + named->second + " (" + kSparkHomeKey + ").");
      return named->second;
    }
    for (const auto& [name, value] : options_.environment) {
      if (name == "SPARK_HOME" && is(value)) return value;
    }
    if (const char* home = std::getenv("SPARK_HOME"); home && is(home)) return home;
    if (!options_.python.empty()) {
      auto end = run_program(options_.python, {"-c", "import importlib.util as u; print(u.find_spec('pyspark').submodule_search_locations[0])"}, {}, std::chrono::seconds(20));
      std::string folder = end.output.substr(0, end.output.find('\n'));
      if (end.status == 0 && is(folder)) return folder;
    }
    throw std::runtime_error(std::string("No Spark is installed: name its folder with ") + kSparkHomeKey + " or SPARK_HOME, or install pyspark[connect] into the cluster.");
  }

  std::string properties_of(const Endpoint& e, const std::string& spark) const {
    std::map<std::string, std::string> all = options_.conf;
    for (const char* ours : {kKindKey, kRemoteKey, kSparkHomeKey}) all.erase(ours);
    auto by_default = [&](const std::string& key, const std::string& value) { all.try_emplace(key, value); };
    NodeLimits limits = limits_of(options_.spec);
    by_default("spark.master", "local[" + std::to_string(limits.threads) + "]");
    by_default("spark.driver.memory", std::to_string(limits.memory_mb) + "m");
    // The tables of the workspace: the same folders, and Delta for the catalog.
    by_default("spark.sql.warehouse.dir", "file:" + options_.workspace + "/warehouse");
    by_default("spark.sql.extensions", "io.delta.sql.DeltaSparkSessionExtension");
    by_default("spark.sql.catalog.spark_catalog", "org.apache.spark.sql.delta.catalog.DeltaCatalog");
    by_default("spark.ui.enabled", "false");
    if (all["spark.master"].starts_with("local")) by_default("spark.databricks.delta.snapshotPartitions", std::to_string(limits.threads));   // else 50 tasks for each look at a log
    if (!has_delta(spark, all)) {
      std::string& packages = all["spark.jars.packages"];
      packages += (packages.empty() ? "" : ",") + std::string(kDeltaPackage);
    }
    std::string address = e.address;
    all["spark.connect.grpc.binding.address"] = "127.0.0.1";
    all["spark.connect.grpc.binding.port"] = address.substr(address.rfind(':') + 1);
    std::string out;
    for (const auto& [key, value] : all) out += property(key, value);
    return out;
  }

  static bool has_delta(const std::string& spark, const std::map<std::string, std::string>& conf) {
    for (const char* key : {"spark.jars", "spark.jars.packages"}) {
      auto it = conf.find(key);
      if (it != conf.end() && it->second.find("delta-spark") != std::string::npos) return true;
    }
    std::error_code ec;
    for (const auto& entry : fs::directory_iterator(spark + "/jars", ec)) {
      if (entry.path().filename().string().starts_with("delta-spark")) return true;
    }
    return false;
  }

  const EngineOptions options_;
  pid_t pid_ = 0, names_ = 0;
  std::string token_id_;
};

}  // namespace

std::unique_ptr<Engine> make_spark_engine(EngineOptions options) {
  auto remote = options.conf.find(kRemoteKey);
  if (remote == options.conf.end()) return std::make_unique<SubmittedSpark>(std::move(options));
  auto parsed = parse_remote(remote->second);
  if (!parsed) throw std::runtime_error(std::string(kRemoteKey) + " must be sc://HOST:PORT, with ;token=… and ;use_ssl=true if it wants them");
  return std::make_unique<RemoteSpark>(std::move(options), *parsed);
}

}  // namespace tarn::clusters
