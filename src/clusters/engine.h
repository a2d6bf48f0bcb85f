#pragma once
// What a cluster runs on. Another kind of engine is another implementation and one line in make_engine().
#include <sys/types.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/child_environment.h"
#include "clusters/cluster_store.h"

namespace tarn::clusters {

// Where a running cluster listens; its token is known to this process alone.
struct Endpoint {
  std::string address;        // host:port
  std::string token;          // may be empty: it wants none
  bool tls = false;
  bool relays = true;         // it believes this workspace who its callers are (connect/authenticator.h)
};

// What an engine is started with: references to secrets are resolved.
struct EngineOptions {
  std::string id;             // of the cluster
  std::string home;           // of the cluster, made; its logs/driver.log takes what the engine says
  std::string workspace;      // home of the workspace: the catalog (tarn.db) and the warehouse of all its clusters
  std::string program;        // this executable
  Json spec;
  std::map<std::string, std::string> conf;   // spark_conf
  Variables environment;      // spark_env_vars
  std::string python;         // the interpreter of the cluster; may be empty
  std::function<std::string()> news;         // what to tell it (Supervisor::tell_all); may be null
  std::function<void(const std::string& url)> require_allowed_url;   // std::exception if the server shall not go there
  // A connection to the workspace for its creator: DATABRICKS_HOST, DATABRICKS_TOKEN and PYTHONPATH of our Python package; *token_id names the token.
  std::function<Variables(std::string* token_id)> connect;
  std::function<void(const std::string& token_id)> disconnect;
  std::function<bool()> cancelled;           // asked while it starts: nobody wants it any more
};

// Used by the thread that owns the cluster; tell() by any.
class Engine {
 public:
  virtual ~Engine() = default;   // what was started has been ended
  // Returns when it answers. std::runtime_error: why it does not.
  virtual Endpoint start() = 0;
  // How it ended by itself, for people; nullopt while it runs.
  virtual std::optional<std::string> ended() = 0;
  // Ends it and waits for that. hurry: somebody waits; what runs in it has a moment.
  virtual void end(bool hurry) = 0;
  virtual pid_t pid() const { return 0; }   // 0: it is not ours
  virtual void tell() {}                    // the news
};

// The kind is spark_conf's tarn.cluster.kind: "tarn" (the default) or "spark".
std::unique_ptr<Engine> make_engine(EngineOptions options);
std::unique_ptr<Engine> make_tarn_engine(EngineOptions options);
std::unique_ptr<Engine> make_spark_engine(EngineOptions options);

// Keys of spark_conf that are for the workspace, not for Spark.
constexpr char kKindKey[] = "tarn.cluster.kind", kRemoteKey[] = "tarn.spark.remote", kSparkHomeKey[] = "tarn.spark.home";
struct SparkRemote {
  std::string host, token;
  int port = 15002;
  bool tls = false;
};
// "sc://host:port/;token=…;use_ssl=true". nullopt if it is none.
std::optional<SparkRemote> parse_remote(const std::string& text);

// The last bytes of a file as UTF-8, with ? for each that is no part of a character; "" if there is none.
std::string tail_of(const std::string& path, size_t bytes);
// A file that only the owner can read, with this text.
void write_private(const std::string& path, const std::string& text);
// Asks a process to end, gives it a moment if somebody waits, asks again and waits, then kills it.
void end_process(pid_t pid, bool hurry);
// How a process ended, if it has.
std::optional<std::string> process_end(pid_t pid);

}  // namespace tarn::clusters
