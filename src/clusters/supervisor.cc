#include "clusters/supervisor.h"

#include <algorithm>
#include <filesystem>
#include <vector>

#include "base/encoding.h"
#include "base/io_error.h"
#include "base/log.h"
#include "clusters/node_types.h"

namespace fs = std::filesystem;

namespace tarn::clusters {
namespace {

constexpr auto kDatabasePause = std::chrono::milliseconds(500);

}  // namespace

// One cluster's process and what is wanted of it.
struct Supervisor::Runner {
  std::string id;
  // guarded by Supervisor::mu_
  bool wanted = false;          // it shall run
  bool again = false;           // it shall be ended and started again
  bool alive = false;           // its thread runs
  std::optional<Endpoint> endpoint;
  std::shared_ptr<Engine> engine;      // while it is up
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
  r->thread = std::thread([this, r] {
    try {
      run(r);
    } catch (const std::exception& e) {
      log::error("cluster_thread_failed", {{"cluster", r->id}, {"error", e.what()}});
      std::shared_ptr<Engine> engine;   // ends when the lock is free
      std::lock_guard guard(mu_);
      engine.swap(r->engine);
      r->endpoint.reset();
      r->wanted = r->again = r->alive = false;
      changed_.notify_all();
    }
  });
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

// Work that must be done in the end: begun again while the database is away, until the workspace stops. lock: of mu_; where it is held, it is
// held in work(), but not between two attempts.
template <class Work>
void Supervisor::surely(std::unique_lock<std::mutex>& lock, const Runner& r, const Work& work) {
  const bool held = lock.owns_lock();
  for (bool stopping = false; !stopping;) {
    try {
      return work();
    } catch (const DatabaseError& e) {
      if (!e.is_unavailable()) throw;
      log::warn("cluster_waits_for_database", {{"cluster", r.id}, {"error", e.what()}});
    }
    if (!held) lock.lock();
    changed_.wait_for(lock, kDatabasePause);
    stopping = stopping_;
    if (!held) lock.unlock();
  }
}

void Supervisor::run(std::shared_ptr<Runner> r) {
  const std::string home = options_.home + "/clusters/" + r->id, errors = home + "/logs/driver.log";
  std::unique_lock lock(mu_, std::defer_lock);
  auto fail = [&](const std::string& code, const std::string& message) {
    surely(lock, *r, [&] {
      auto c = store_.get(r->id);
      if (!c) return;
      log::error("cluster_failed", {{"cluster", r->id}, {"code", code}});
      c->state = State::kError;
      c->message = message;
      c->reason = {{"code", code}, {"type", "SERVICE_FAULT"}, {"parameters", {{"databricks_error_message", message}}}};
      c->terminated_ms = now_ms();
      store_.update(*c);
      store_.add_event(r->id, code == "SPARK_STARTUP_FAILURE" ? "SPARK_EXCEPTION" : "DRIVER_NOT_RESPONDING", {{"reason", c->reason}, {"driver_state_message", message}});
    });
  };
  for (;;) {
    std::optional<Cluster> c;
    surely(lock, *r, [&] { c = store_.get(r->id); });
    std::shared_ptr<Engine> engine;
    Endpoint endpoint;
    std::string failure;
    if (!c) failure = "the cluster is gone";
    else surely(lock, *r, [&] {
      try {
        fs::create_directories(home + "/logs");
        fs::permissions(options_.home + "/clusters", fs::perms::owner_all);
        for (auto* w : watchers_) w->starting(*c);
        engine = make_engine(engine_options(*c, home, r));
        endpoint = engine->start();
      } catch (const DatabaseError&) {
        throw;
      } catch (const std::exception& e) {
        failure = e.what();
      }
    });
    if (failure.empty() && endpoint.address.empty()) failure = "the workspace ends";
    lock.lock();
    if (failure.empty()) {
      r->engine = engine;   // before the news are read: what changes from here on is told by tell_all()
      lock.unlock();
      surely(lock, *r, [&] { engine->tell(); });
      lock.lock();
    }
    if (!failure.empty()) {
      r->alive = false;
      bool wanted = std::exchange(r->wanted, false), stopping = stopping_;
      lock.unlock();
      if (c && wanted && !stopping) fail("SPARK_STARTUP_FAILURE", failure);
      else if (c && !stopping) surely(lock, *r, [&] { terminated(r->id); });   // ended while it started
      changed_.notify_all();
      return;
    }
    surely(lock, *r, [&] {
      c = store_.get(r->id);
      if (!c || !r->wanted || r->again) return;
      c->state = State::kRunning;
      c->message = "";
      c->started_ms = c->active_ms = now_ms();
      store_.update(*c);
    });
    if (c && c->state == State::kRunning && r->wanted && !r->again) {
      store_.add_event(r->id, "RUNNING", {{"current_num_workers", workers_of(c->spec)}, {"target_num_workers", workers_of(c->spec)}});
      r->endpoint = endpoint;
      r->active_ms = now_ms();
      log::info("cluster_running", {{"cluster", r->id}, {"pid", std::to_string(engine->pid())}});
      changed_.notify_all();
      lock.unlock();
      for (auto* w : watchers_) w->running(r->id);
      lock.lock();
    }
    changed_.notify_all();
    std::optional<std::string> died;
    while (r->wanted && !r->again && !stopping_ && !died) {
      changed_.wait_for(lock, std::chrono::milliseconds(100));
      died = engine->ended();
    }
    r->endpoint.reset();
    r->engine.reset();
    if (died) {
      lock.unlock();
      for (auto* w : watchers_) w->ended(r->id);
      lock.lock();
      r->wanted = r->again = r->alive = false;
      lock.unlock();
      fail("DRIVER_UNREACHABLE", "The engine ended with " + *died + ". " + tail_of(errors, 1000));
      changed_.notify_all();
      return;
    }
    bool hurry = !stopping_;
    lock.unlock();
    for (auto* w : watchers_) w->ended(r->id);   // first: what runs in them should not see the engine go
    engine->end(hurry);
    lock.lock();
    if (!stopping_) surely(lock, *r, [&] { if (!r->wanted) terminated(r->id); });
    if (r->wanted && !stopping_) {
      r->again = false;
      lock.unlock();
      continue;
    }
    r->alive = false;
    changed_.notify_all();
    return;
  }
}

void Supervisor::terminated(const std::string& id) {
  auto c = store_.get(id);
  if (!c) return;
  c->state = State::kTerminated;
  c->message = "";
  c->terminated_ms = now_ms();
  store_.update(*c);
}

EngineOptions Supervisor::engine_options(const Cluster& c, const std::string& home, const std::shared_ptr<Runner>& r) {
  EngineOptions o{.id = c.id, .home = home, .workspace = options_.home, .program = options_.program, .spec = c.spec, .environment = environment_of(c), .news = options_.news};
  const Json spark_conf = c.spec.value("spark_conf", Json::object());
  for (const auto& [key, value] : spark_conf.items()) {
    std::string text = options_.resolve(c, value.is_string() ? value.get<std::string>() : value.dump());
    if (key.find_first_of("=\n") != std::string::npos || text.find('\n') != std::string::npos) throw std::runtime_error("the Spark configuration " + key + " has a line end");
    o.conf[key] = text;
  }
  try {
    if (options_.python) o.python = options_.python(c.id);
  } catch (const std::exception& e) {   // SQL works without
    log::warn("cluster_without_python", {{"cluster", c.id}, {"error", e.what()}});
  }
  o.require_allowed_url = options_.require_allowed_url;
  if (options_.connect) o.connect = [this, c](std::string* token_id) { return options_.connect(c, token_id); };
  o.disconnect = options_.disconnect;
  o.cancelled = [this, r] {
    std::lock_guard lock(mu_);
    return stopping_ || !r->wanted;
  };
  return o;
}

Variables Supervisor::environment_of(const Cluster& c) const {
  Variables out;
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

int64_t Supervisor::last_activity_ms(const Cluster& c) const {
  std::lock_guard lock(mu_);
  auto it = runners_.find(c.id);
  if (it == runners_.end()) return c.active_ms;
  return it->second->uses > 0 ? now_ms() : std::max(c.active_ms, it->second->active_ms);
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
    std::vector<std::string> running;
    for (const auto& [id, r] : runners_) {
      if (r->endpoint) running.push_back(id);
    }
    lock.unlock();
    try {
      for (const auto& id : running) {
        auto c = store_.get(id);
        if (!c) continue;
        int64_t active_ms = last_activity_ms(*c), minutes = c->spec.value("autotermination_minutes", 60);
        if (active_ms > c->active_ms) store_.touch(id, active_ms);   // also for the time after a restart
        if (minutes > 0 && now_ms() - active_ms > minutes * 60'000) terminate(id, "INACTIVITY", "SUCCESS", {{"user", ""}});
      }
    } catch (const DatabaseError& e) {
      log::warn("clusters_not_looked_after", {{"error", e.what()}});   // the next time
    }
    lock.lock();
  }
}

void Supervisor::tell_all() {
  std::vector<std::shared_ptr<Engine>> engines;
  {
    std::lock_guard lock(mu_);
    for (const auto& [id, r] : runners_) {
      if (r->engine) engines.push_back(r->engine);
    }
  }
  for (const auto& e : engines) e->tell();
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
