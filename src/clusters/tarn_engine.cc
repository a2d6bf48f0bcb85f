// The kind "tarn": a `tarn cluster` process.
#include <filesystem>
#include <stdexcept>

#include "base/child_process.h"
#include "base/encoding.h"
#include "base/log.h"
#include "clusters/control_link.h"
#include "clusters/engine.h"
#include "clusters/node_types.h"

namespace fs = std::filesystem;

namespace tarn::clusters {
namespace {

constexpr std::string_view kReady = "tarn cluster ready sc://";
constexpr auto kTellTimeout = std::chrono::seconds(5);

class TarnEngine : public Engine {
 public:
  explicit TarnEngine(EngineOptions options) : options_(std::move(options)) {}
  ~TarnEngine() override {
    if (pid_ > 0) end(true);
  }

  Endpoint start() override {
    const EngineOptions& o = options_;
    std::error_code ignored;
    // One catalog for all clusters of the workspace. SQLite follows the link, so its journal stays beside the one file.
    if (!fs::is_symlink(o.home + "/tarn.db")) fs::create_symlink(o.workspace + "/tarn.db", o.home + "/tarn.db", ignored);
    std::string token = random_hex(32), conf;
    write_private(o.home + "/token", token + " @relay\n");
    for (const auto& [key, value] : o.conf) {
      if (key != kKindKey) conf += key + "=" + value + "\n";
    }
    write_private(o.home + "/spark.conf", conf);
    ChildOptions child{.log = o.home + "/logs/driver.log", .control = o.news != nullptr, .environment = o.environment};
    child.environment.emplace_back("TARN_CLUSTER_ID", o.id);
    NodeLimits limits = limits_of(o.spec);
    std::vector<std::string> arguments = {"cluster", "--listen", "127.0.0.1:0", "--home", o.home, "--warehouse", o.workspace + "/warehouse", "--token-file", o.home + "/token",
                                          "--conf-file", o.home + "/spark.conf", "--threads", std::to_string(limits.threads), "--memory", std::to_string(limits.memory_mb) + "M"};
    if (child.control) arguments.push_back("--control");
    if (!o.python.empty()) arguments.insert(arguments.end(), {"--python", o.python});
    Child started = start_child(o.program, arguments, child);
    pid_ = started.pid;
    if (started.control >= 0) link_ = std::make_unique<ControlLink>(started.control);
    fs::remove(o.home + "/spark.conf", ignored);
    fs::remove(o.home + "/token", ignored);
    if (!started.ready.starts_with(kReady)) {
      stop_child(std::exchange(pid_, 0), 2);
      throw std::runtime_error("The engine did not start: " + tail_of(child.log, 500));
    }
    return {started.ready.substr(kReady.size()), token};
  }

  std::optional<std::string> ended() override {
    auto how = process_end(pid_);
    if (how) pid_ = 0;
    return how;
  }
  void end(bool hurry) override {
    if (pid_ > 0) end_process(std::exchange(pid_, 0), hurry);
  }
  pid_t pid() const override { return pid_; }
  void tell() override {
    if (link_ && !link_->tell(options_.news(), kTellTimeout)) log::warn("cluster_not_told", {{"cluster", options_.id}});
  }

 private:
  const EngineOptions options_;
  pid_t pid_ = 0;
  std::unique_ptr<ControlLink> link_;   // set by start()
};

}  // namespace

std::unique_ptr<Engine> make_tarn_engine(EngineOptions options) { return std::make_unique<TarnEngine>(std::move(options)); }

}  // namespace tarn::clusters
