// Engine and Session: who owns what. The work is in operation.cc, execute_plan.cc and analyze_plan.cc.
#include <filesystem>
#include <mutex>
#include <thread>

#include <spark/connect/base.pb.h>

#include "base/ids.h"
#include "duckdb.hpp"
#include "engine/cache_usage.h"
#include "engine/python/runtime.h"
#include "engine/session_impl.h"

namespace tarn::engine {

namespace {

EngineOptions completed(EngineOptions o) {
  if (o.home.empty()) throw internal_error("the engine needs a home directory");
  o.home = std::filesystem::absolute(o.home).lexically_normal().string();
  if (o.home.size() > 1 && o.home.back() == '/') o.home.pop_back();
  if (o.warehouse.empty()) o.warehouse = o.home + "/warehouse";
  std::filesystem::create_directories(o.home);
  std::filesystem::create_directories(o.warehouse);
  return o;
}

// The metastore lies beside the warehouse that it describes, so that clusters with one warehouse share it.
std::string catalog_file(const std::string& warehouse) {
  std::filesystem::path folder(warehouse);
  if (!folder.has_filename()) folder = folder.parent_path();  // written with a slash at its end
  return (folder.parent_path() / "tarn.db").string();
}

}  // namespace

EngineState::EngineState(EngineOptions o) : options(completed(std::move(o))), database(options), catalog(catalog_file(options.warehouse), options.warehouse),
      workers(options.python, 2 * (options.threads > 0 ? static_cast<size_t>(options.threads) : std::thread::hardware_concurrency()) + 2) {}

Engine::Engine(EngineOptions options) : impl_(std::make_unique<Impl>()) { impl_->state = std::make_shared<EngineState>(std::move(options)); }
Engine::~Engine() = default;

catalog::Catalog& Engine::catalog() { return impl_->state->catalog; }
CacheUsage Engine::cache_usage() const { return impl_->state->cache.usage(); }
const EngineOptions& Engine::options() const { return impl_->state->options; }

std::shared_ptr<Session> Engine::new_session(const std::string& user, const std::string& session_id) {
  std::shared_ptr<Session> session(new Session());
  session->impl_ = std::make_unique<Session::Impl>(impl_->state, user, session_id, impl_->state->options.home + "/artifacts/" + random_uuid());
  // The first function of a session finds an interpreter that has started.
  static std::once_flag warm;
  std::call_once(warm, [&] { impl_->state->workers.warm_up(python_functions::worker_memory_mb(session->conf())); });
  return session;
}

Session::~Session() {
  if (impl_) close();
}
const std::string& Session::user() const { return impl_->user; }
const std::string& Session::id() const { return impl_->id; }
plan::SessionConf& Session::conf() { return impl_->conf; }
ArtifactStore& Session::artifacts() { return impl_->artifacts; }

Progress Session::progress(const std::string& operation_id) const {
  std::lock_guard lock(impl_->operations_mu);
  Progress out;
  auto it = impl_->operations.find(operation_id);
  if (it == impl_->operations.end()) return out;
  out.total_tasks = 100;
  if (!it->second.connection) {
    out.completed_tasks = 100;
    out.fraction = 1;
    return out;
  }
  double percent = it->second.connection->context->GetQueryProgress().GetPercentage();
  out.fraction = percent < 0 ? -1 : percent / 100;
  out.completed_tasks = percent < 0 ? 0 : static_cast<int64_t>(percent);
  out.running_tasks = 1;
  return out;
}

void Session::observed_metrics(const std::string& operation_id, spark::connect::ExecutePlanResponse* response) const {
  std::lock_guard lock(impl_->operations_mu);
  auto it = impl_->operations.find(operation_id);
  if (it == impl_->operations.end()) return;
  for (const auto& metric : it->second.metrics) {
    auto* out = response->add_observed_metrics();
    out->set_name(metric.name);
    out->set_plan_id(metric.plan_id);
    for (size_t i = 0; i < metric.values.size(); ++i) {
      if (!metric.schema.fields()[i].name.empty()) out->add_keys(metric.schema.fields()[i].name);
      to_proto_literal(metric.values[i], metric.schema.fields()[i].type(), out->add_values());
    }
  }
}

std::shared_ptr<Session> Session::clone(const std::string& new_session_id) {
  if (impl_->closed) throw SparkError(ErrorKind::kSpark, "INVALID_HANDLE.SESSION_CLOSED", {{"handle", impl_->id}});
  std::shared_ptr<Session> session(new Session());
  session->impl_ = std::make_unique<Session::Impl>(impl_->engine, impl_->user, new_session_id, impl_->engine->options.home + "/artifacts/" + random_uuid());
  auto& to = *session->impl_;
  to.conf.copy_from(impl_->conf);
  {
    std::scoped_lock lock(impl_->state.mu, to.state.mu);
    to.state.temp_views = impl_->state.temp_views;
    to.state.user_functions = impl_->state.user_functions;
    to.state.sql_functions = impl_->state.sql_functions;
    to.state.variables = impl_->state.variables;
    to.state.current_catalog = impl_->state.current_catalog;
    to.state.current_namespace = impl_->state.current_namespace;
    to.state.path = impl_->state.path;
  }
  {
    std::scoped_lock lock(impl_->python_sources_mu, to.python_sources_mu);
    to.python_sources = impl_->python_sources;
  }
  to.artifacts.copy_from(impl_->artifacts);
  return session;
}

void Session::close() {
  if (impl_->closed.exchange(true)) return;
  std::set<std::string> handles;
  {
    std::lock_guard lock(impl_->relations_mu);
    impl_->cached_relations.clear();
    handles.swap(impl_->kept_handles);
  }
  for (const auto& h : handles) impl_->engine->cache.release(h);
  impl_->engine->cache.end_session(impl_->id);
  impl_->engine->workers.end_session(impl_->id);
  std::lock_guard lock(impl_->state.mu);
  impl_->state.temp_views.clear();
}

}  // namespace tarn::engine
