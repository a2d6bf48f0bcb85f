// AnalyzePlan: what a client asks about a plan without running it. Source: SparkConnectAnalyzeHandler.
#include <spark/connect/base.pb.h>
#include <spark/connect/relations.pb.h>

#include "engine/operation.h"
#include "engine/parse_sql.h"
#include "engine/plan_fingerprint.h"
#include "engine/session_impl.h"

namespace tarn::engine {

namespace sc = spark::connect;
using plan::PlanPtr;

namespace {

constexpr size_t kRemembered = 32;
// Files and tables may change behind our back: a schema is trusted for a moment only.
constexpr auto kFreshness = std::chrono::seconds(2);

// df.columns, df.schema and df.x ask for the same schema again and again.
PlanPtr analyzed(const sc::Plan& plan, Session::Impl& session) {
  if (!plan.has_root()) throw SparkError(ErrorKind::kUnsupported, "UNSUPPORTED_FEATURE.ANALYZE_UNCOMPILED_CLASS", {});
  std::string key;
  for (const auto& [name, value] : session.conf.all_set()) key += name + "=" + value + ";";
  key += plan.root().SerializeAsString();
  uint64_t changes = session.changes;
  auto now = std::chrono::steady_clock::now();
  {
    std::lock_guard lock(session.analyzed_mu);
    for (const auto& a : session.analyzed) {
      if (a.changes == changes && now - a.at < kFreshness && a.key == key) return a.plan;
    }
  }
  CancelToken never;
  Operation operation(session, never);
  PlanPtr result = operation.analyze(plan.root());
  if (key.size() < (1 << 20)) {
    std::lock_guard lock(session.analyzed_mu);
    if (session.analyzed.size() >= kRemembered) session.analyzed.erase(session.analyzed.begin());
    session.analyzed.push_back({std::move(key), result, changes, now});
  }
  return result;
}

const char* mode_name(sc::AnalyzePlanRequest::Explain::ExplainMode mode) {
  switch (mode) {
    case sc::AnalyzePlanRequest::Explain::EXPLAIN_MODE_EXTENDED: return "extended";
    case sc::AnalyzePlanRequest::Explain::EXPLAIN_MODE_CODEGEN: return "codegen";
    case sc::AnalyzePlanRequest::Explain::EXPLAIN_MODE_COST: return "cost";
    case sc::AnalyzePlanRequest::Explain::EXPLAIN_MODE_FORMATTED: return "formatted";
    default: return "simple";
  }
}

bool any_node(const plan::LogicalPlan& p, const std::function<bool(const plan::LogicalPlan&)>& f) {
  if (f(p)) return true;
  for (const auto& c : p.children) {
    if (any_node(*c, f)) return true;
  }
  return false;
}

void collect_files(const plan::LogicalPlan& p, std::set<std::string>& files) {
  if (auto* scan = plan::try_as<plan::Scan>(p)) {
    for (auto& f : scan->relation->input_files()) files.insert(std::move(f));
  }
  for (const auto& c : p.children) collect_files(*c, files);
}

FingerprintContext fingerprint_context(const Session::Impl& session) { return {session.conf.time_zone(), session.id}; }

sc::Plan plan_of(const sc::Relation& relation) {
  sc::Plan plan;
  *plan.mutable_root() = relation;
  return plan;
}

}  // namespace

void Session::analyze(const sc::AnalyzePlanRequest& request, sc::AnalyzePlanResponse* response) {
  if (impl_->closed) throw SparkError(ErrorKind::kSpark, "INVALID_HANDLE.SESSION_CLOSED", {{"handle", impl_->id}});
  auto& session = *impl_;
  using R = sc::AnalyzePlanRequest;
  switch (request.analyze_case()) {
    case R::kSchema: {
      plan::schema_of(*analyzed(request.schema().plan(), session)).to_proto(response->mutable_schema()->mutable_schema());
      return;
    }
    case R::kExplain: {
      CancelToken never;
      Operation operation(session, never);
      PlanPtr plan = operation.analyze(request.explain().plan().root());
      response->mutable_explain()->set_explain_string(operation.explain(plan, mode_name(request.explain().explain_mode())));
      return;
    }
    case R::kTreeString: {
      int level = request.tree_string().has_level() ? request.tree_string().level() : -1;
      response->mutable_tree_string()->set_tree_string(plan::schema_of(*analyzed(request.tree_string().plan(), session)).tree_string(level));
      return;
    }
    case R::kIsLocal: {
      PlanPtr plan = analyzed(request.is_local().plan(), session);
      // Renamed columns of local rows are local rows.
      while (auto* project = plan::try_as<plan::Project>(*plan)) {
        bool renames = std::all_of(project->expressions.begin(), project->expressions.end(), [](const plan::ExprPtr& e) {
          return (e->kind == plan::ExprKind::kAlias ? e->children[0] : e)->kind == plan::ExprKind::kAttribute;
        });
        if (!renames) break;
        plan = plan->children[0];
      }
      response->mutable_is_local()->set_is_local(plan->kind == plan::PlanKind::kLocalData || plan->kind == plan::PlanKind::kValues ||
                                                 plan->kind == plan::PlanKind::kOneRow);
      return;
    }
    case R::kIsStreaming: {
      PlanPtr plan = analyzed(request.is_streaming().plan(), session);
      response->mutable_is_streaming()->set_is_streaming(any_node(*plan, [](const plan::LogicalPlan& p) {
        auto* scan = plan::try_as<plan::Scan>(p);
        return scan && scan->relation->is_streaming();
      }));
      return;
    }
    case R::kInputFiles: {
      std::set<std::string> files;
      collect_files(*analyzed(request.input_files().plan(), session), files);
      for (const auto& f : files) response->mutable_input_files()->add_files(f);
      response->mutable_input_files();
      return;
    }
    case R::kSparkVersion: response->mutable_spark_version()->set_version("4.2.0"); return;
    case R::kDdlParse: {
      *response->mutable_ddl_parse()->mutable_parsed() = sql::parse_ddl(request.ddl_parse().ddl_string(), parse_options(session.conf));
      return;
    }
    case R::kSameSemantics: {
      PlanPtr a = analyzed(request.same_semantics().target_plan(), session), b = analyzed(request.same_semantics().other_plan(), session);
      response->mutable_same_semantics()->set_result(plan_fingerprint(*a) == plan_fingerprint(*b));
      return;
    }
    case R::kSemanticHash: {
      size_t h = std::hash<std::string>()(plan_fingerprint(*analyzed(request.semantic_hash().plan(), session)));
      response->mutable_semantic_hash()->set_result(static_cast<int32_t>(h ^ (h >> 32)));
      return;
    }
    case R::kPersist: {
      StorageLevel level = request.persist().has_storage_level() ? StorageLevel::from_proto(request.persist().storage_level())
                                                                 : StorageLevel::named(session.conf.text("spark.sql.defaultCacheStorageLevel"));
      session.engine->cache.add(analyzed(plan_of(request.persist().relation()), session), level, fingerprint_context(session));
      response->mutable_persist();
      return;
    }
    case R::kUnpersist: {
      session.engine->cache.remove(analyzed(plan_of(request.unpersist().relation()), session), false, fingerprint_context(session));
      response->mutable_unpersist();
      return;
    }
    case R::kGetStorageLevel: {
      auto entry = session.engine->cache.find(*analyzed(plan_of(request.get_storage_level().relation()), session), fingerprint_context(session));
      (entry ? entry->level : StorageLevel()).to_proto(response->mutable_get_storage_level()->mutable_storage_level());
      return;
    }
    case R::kJsonToDdl: {
      response->mutable_json_to_ddl()->set_ddl_string(plan::DataType::from_json(request.json_to_ddl().json_string()).ddl());
      return;
    }
    case R::ANALYZE_NOT_SET: break;
  }
  throw SparkError(ErrorKind::kSpark, "CONNECT_INVALID_PLAN.UNKNOWN_ANALYZE_METHOD", {{"other", "ANALYZE_NOT_SET"}});
}

}  // namespace tarn::engine
