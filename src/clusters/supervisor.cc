#include "clusters/supervisor.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <vector>

#include "base/child_process.h"
#include "base/encoding.h"
#include "base/io_error.h"
#include "base/log.h"
#include "clusters/node_types.h"

namespace fs = std::filesystem;

namespace tarn::clusters {
namespace {

constexpr std::string_view kReady = "tarn cluster ready sc://";
constexpr int kGraceSeconds = 20;
constexpr int kMomentMs = 2'000;

std::string tail_of(const std::string& path, size_t bytes) {
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  if (!file) return "";
  auto size = static_cast<size_t>(file.tellg());
  file.seekg(static_cast<std::streamoff>(size > bytes ? size - bytes : 0));
  return std::string(std::istreambuf_iterator<char>(file), {});
}

void write_private(const std::string& path, const std::string& text) {
  fs::remove(path);
  { std::ofstream(path).flush(); }
  fs::permissions(path, fs::perms::owner_read | fs::perms::owner_write);
  std::ofstream(path) << text;
}

}  // namespace

// One cluster's process and what is wanted of it.
struct Supervisor::Runner {
  std::string id;
  // guarded by Supervisor::mu_
  bool wanted = false;          // it shall run
  bool again = false;           // it shall be ended and started again
  bool alive = false;           // its thread runs
  std::optional<Endpoint> endpoint;
  int uses = 0;
  int64_t active_ms = 0;
  Json reason;                  // of the end that is under way
  std::thread thread;
};

Supervisor::Supervisor(ClusterStore& store, SupervisorOptions options) : store_(store), options_(std::move(options)) {
  housekeeper_ = std::thread([this] { housekeeping(); });
}

Supervisor::~Supervisor() { stop(); }

std::shared_ptr<Supervisor::Runner> Supervisor::runner(const std::string& id) {
  auto& r = runners_[id];
  if (!r) {
    r = std::make_shared<Runner>();
    r->id = id;
  }
  return r;
}

void Supervisor::resume() {
  for (auto& c : store_.list()) {
    if (c.state == State::kTerminated || c.state == State::kError) continue;
    if (c.state == State::kTerminating) {
      c.state = State::kTerminated;
      c.terminated_ms = now_ms();
      store_.update(c);
      continue;
    }
    start(c.id, "STARTING", {{"cause", "the workspace was restarted"}});
  }
}

void Supervisor::start(const std::string& id, const std::string& event, const Json& details) {
  std::thread old;
  std::unique_lock lock(mu_);
  if (stopping_) return;
  auto r = runner(id);
  if (r->alive && r->wanted) return;
  auto c = store_.get(id);
  if (!c) return;
  c->state = State::kPending;
  c->message = "Starting the engine";
  c->reason = nullptr;
  store_.update(*c);
  store_.add_event(id, event, details);
  r->wanted = true;
  r->active_ms = now_ms();
  if (r->alive) {  // it is ending: its thread starts it again
    r->again = true;
    return;
  }
  old = std::move(r->thread);
  r->alive = true;
  r->thread = std::thread([this, r] { run(r); });
  lock.unlock();
  if (old.joinable()) old.join();
}

void Supervisor::terminate(const std::string& id, const std::string& code, const std::string& type, const Json& details) {
  std::lock_guard lock(mu_);
  auto c = store_.get(id);
  if (!c || c->state == State::kTerminated || c->state == State::kTerminating) return;
  auto r = runner(id);
  Json reason = {{"code", code}, {"type", type}, {"parameters", Json::object()}};
  Json event = details;
  event["reason"] = reason;
  store_.add_event(id, "TERMINATING", event);
  c->state = r->alive ? State::kTerminating : State::kTerminated;
  c->message = r->alive ? "Terminating" : "";
  c->reason = reason;
  if (!r->alive) c->terminated_ms = now_ms();
  store_.update(*c);
  r->wanted = r->again = false;
  r->reason = reason;
  changed_.notify_all();
}

void Supervisor::restart(const std::string& id, const Json& details) {
  std::unique_lock lock(mu_);
  auto r = runner(id);
  if (!r->alive) {
    lock.unlock();
    return start(id, "STARTING", details);
  }
  auto c = store_.get(id);
  if (!c) return;
  c->state = State::kRestarting;
  c->message = "Restarting the engine";
  store_.update(*c);
  store_.add_event(id, "RESTARTING", details);
  r->again = r->wanted = true;
  r->endpoint.reset();
  changed_.notify_all();
}

void Supervisor::forget(const std::string& id) {
  std::thread old;
  {
    std::unique_lock lock(mu_);
    auto it = runners_.find(id);
    if (it == runners_.end()) return;
    auto r = it->second;
    r->wanted = r->again = false;
    changed_.notify_all();
    changed_.wait(lock, [&] { return !r->alive; });
    old = std::move(r->thread);
    runners_.erase(id);
  }
  if (old.joinable()) old.join();
  std::error_code ignored;
  fs::remove_all(options_.home + "/clusters/" + id, ignored);
}

void Supervisor::run(std::shared_ptr<Runner> r) {
  const std::string home = options_.home + "/clusters/" + r->id, errors = home + "/logs/driver.log";
  auto fail = [&](const std::string& code, const std::string& message) {
    auto c = store_.get(r->id);
    if (!c) return;
    log::error("cluster_failed", {{"cluster", r->id}, {"code", code}});
    c->state = State::kError;
    c->message = message;
    c->reason = {{"code", code}, {"type", "SERVICE_FAULT"}, {"parameters", {{"databricks_error_message", message}}}};
    c->terminated_ms = now_ms();
    store_.update(*c);
    store_.add_event(r->id, code == "SPARK_STARTUP_FAILURE" ? "SPARK_EXCEPTION" : "DRIVER_NOT_RESPONDING", {{"reason", c->reason}, {"driver_state_message", message}});
  };
  for (;;) {
    auto c = store_.get(r->id);
    Child child;
    std::string token = random_hex(32), failure;
    if (!c) failure = "the cluster is gone";
    else try {
      fs::create_directories(home + "/logs");
      fs::permissions(options_.home + "/clusters", fs::perms::owner_all);
      std::error_code ignored;
      // One catalog for all clusters of the workspace. SQLite follows the link, so its journal stays beside the one file.
      if (!fs::is_symlink(home + "/tarn.db")) fs::create_symlink(options_.home + "/tarn.db", home + "/tarn.db", ignored);
      for (auto* w : watchers_) w->starting(*c);
      write_private(home + "/token", token + " @relay\n");
      std::string conf;
      const Json spark_conf = c->spec.value("spark_conf", Json::object());
      for (const auto& [key, value] : spark_conf.items()) {
        std::string text = options_.resolve(*c, value.is_string() ? value.get<std::string>() : value.dump());
        if (key.find_first_of("=\n") != std::string::npos || text.find('\n') != std::string::npos) throw std::runtime_error("the Spark configuration " + key + " has a line end");
        conf += key + "=" + text + "\n";
      }
      write_private(home + "/spark.conf", conf);
      ChildOptions options{errors, false, environment_of(*c)};
      options.environment.emplace_back("TARN_CLUSTER_ID", r->id);
      NodeLimits limits = limits_of(c->spec);
      std::vector<std::string> arguments = {"cluster", "--listen", "127.0.0.1:0", "--home", home, "--warehouse", options_.home + "/warehouse", "--token-file", home + "/token",
                                            "--conf-file", home + "/spark.conf", "--threads", std::to_string(limits.threads), "--memory", std::to_string(limits.memory_mb) + "M"};
      try {
        std::string python = options_.python ? options_.python(r->id) : "";
        if (!python.empty()) arguments.insert(arguments.end(), {"--python", python});
      } catch (const std::exception& e) {   // SQL works without
        log::warn("cluster_without_python", {{"cluster", r->id}, {"error", e.what()}});
      }
      child = start_child(options_.program, arguments, options);
      fs::remove(home + "/spark.conf", ignored);
      fs::remove(home + "/token", ignored);
      if (!child.ready.starts_with(kReady)) {
        failure = "The engine did not start: " + tail_of(errors, 500);
        stop_child(child.pid, 2);
      }
    } catch (const std::exception& e) {
      failure = e.what();
    }
    std::unique_lock lock(mu_);
    if (!failure.empty()) {
      r->alive = false;
      lock.unlock();
      if (c) fail("SPARK_STARTUP_FAILURE", failure);
      changed_.notify_all();
      return;
    }
    c = store_.get(r->id);
    if (c && r->wanted && !r->again) {
      c->state = State::kRunning;
      c->message = "";
      c->started_ms = c->active_ms = now_ms();
      store_.update(*c);
      store_.add_event(r->id, "RUNNING", {{"current_num_workers", 0}, {"target_num_workers", c->spec.value("num_workers", 0)}});
      r->endpoint = Endpoint{child.ready.substr(kReady.size()), token};
      r->active_ms = now_ms();
      log::info("cluster_running", {{"cluster", r->id}, {"pid", std::to_string(child.pid)}});
      changed_.notify_all();
      lock.unlock();
      for (auto* w : watchers_) w->running(r->id);
      lock.lock();
    }
    changed_.notify_all();
    int status = 0;
    bool died = false;
    while (r->wanted && !r->again && !stopping_) {
      changed_.wait_for(lock, std::chrono::milliseconds(100));
      if (::waitpid(child.pid, &status, WNOHANG) == child.pid) {
        died = true;
        break;
      }
    }
    r->endpoint.reset();
    if (died) {
      lock.unlock();
      for (auto* w : watchers_) w->ended(r->id);
      lock.lock();
      r->wanted = r->again = r->alive = false;
      lock.unlock();
      std::string how = WIFSIGNALED(status) ? "signal " + std::to_string(WTERMSIG(status)) : "status " + std::to_string(WEXITSTATUS(status));
      fail("DRIVER_UNREACHABLE", "The engine ended with " + how + ". " + tail_of(errors, 1000));
      changed_.notify_all();
      return;
    }
    bool hurry = !stopping_;
    lock.unlock();
    for (auto* w : watchers_) w->ended(r->id);   // first: what runs in them should not see the engine go
    bool gone = false;
    if (hurry) {   // somebody wants it ended: queries have a moment, then the second signal cancels them
      ::kill(child.pid, SIGTERM);
      for (int i = 0; i < kMomentMs / 20 && !gone; ++i) {
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
        gone = ::waitpid(child.pid, &status, WNOHANG) == child.pid;
      }
    }
    if (!gone) stop_child(child.pid, kGraceSeconds);
    lock.lock();
    if (r->wanted && !stopping_) {
      r->again = false;
      continue;
    }
    r->alive = false;
    if (!stopping_) {
      if (auto now = store_.get(r->id)) {
        now->state = State::kTerminated;
        now->message = "";
        now->terminated_ms = now_ms();
        store_.update(*now);
      }
    }
    changed_.notify_all();
    return;
  }
}

std::vector<std::pair<std::string, std::string>> Supervisor::environment_of(const Cluster& c) const {
  std::vector<std::pair<std::string, std::string>> out;
  const Json variables = c.spec.value("spark_env_vars", Json::object());
  for (const auto& [key, value] : variables.items()) out.emplace_back(key, options_.resolve(c, value.is_string() ? value.get<std::string>() : value.dump()));
  return out;
}

std::optional<Endpoint> Supervisor::running_endpoint(const std::string& id) const {
  std::lock_guard lock(mu_);
  auto it = runners_.find(id);
  return it == runners_.end() ? std::nullopt : it->second->endpoint;
}

std::optional<Endpoint> Supervisor::endpoint(const std::string& id, std::chrono::milliseconds wait, std::string* why) {
  auto until = std::chrono::steady_clock::now() + wait;
  auto c = store_.get(id);
  if (!c) return *why = "Cluster " + id + " does not exist", std::nullopt;
  if (c->state == State::kTerminated || c->state == State::kError || c->state == State::kTerminating) {
    start(id, "STARTING", {{"cause", "a client connected"}});
  }
  std::unique_lock lock(mu_);
  auto r = runner(id);
  changed_.wait_until(lock, until, [&] { return stopping_ || r->endpoint || !r->alive; });
  if (r->endpoint) return r->endpoint;
  auto now = store_.get(id);
  *why = now && !now->message.empty() ? now->message : "Cluster " + id + " is not running";
  return std::nullopt;
}

void Supervisor::begin_use(const std::string& id) {
  std::lock_guard lock(mu_);
  auto r = runner(id);
  ++r->uses;
  r->active_ms = now_ms();
}

void Supervisor::end_use(const std::string& id) {
  std::lock_guard lock(mu_);
  auto it = runners_.find(id);
  if (it == runners_.end()) return;
  if (it->second->uses > 0) --it->second->uses;
  it->second->active_ms = now_ms();
}

size_t Supervisor::running() const {
  std::lock_guard lock(mu_);
  size_t n = 0;
  for (const auto& [id, r] : runners_) n += r->endpoint.has_value();
  return n;
}

void Supervisor::housekeeping() {
  std::unique_lock lock(mu_);
  while (!stopping_) {
    changed_.wait_for(lock, std::chrono::seconds(10), [&] { return stopping_; });
    if (stopping_) return;
    std::vector<std::pair<std::string, int64_t>> idle;
    for (const auto& [id, r] : runners_) {
      if (r->endpoint && r->uses == 0) idle.emplace_back(id, r->active_ms);
    }
    lock.unlock();
    for (const auto& [id, active_ms] : idle) {
      auto c = store_.get(id);
      int64_t minutes = c ? c->spec.value("autotermination_minutes", 60) : 0;
      if (minutes > 0 && now_ms() - active_ms > minutes * 60'000) {
        terminate(id, "INACTIVITY", "SUCCESS", {{"user", ""}});
      }
    }
    lock.lock();
  }
}

void Supervisor::stop() {
  std::vector<std::thread> threads;
  {
    std::lock_guard lock(mu_);
    stopping_ = true;
    for (auto& [id, r] : runners_) threads.push_back(std::move(r->thread));
    changed_.notify_all();
  }
  for (auto& t : threads) {
    if (t.joinable()) t.join();
  }
  if (housekeeper_.joinable()) housekeeper_.join();
}

}  // namespace tarn::clusters
