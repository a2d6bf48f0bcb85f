// /api/1.2: execution contexts and commands.
#include "base/encoding.h"
#include "clusters/families.h"

namespace tarn::clusters {
namespace {

using http::Call;
using http::invalid_parameter;
using http::RestError;

// Languages that a context can have, and what is said of the others.
std::string language_of(Call& call, bool required) {
  std::string language = lower_ascii(required ? call.required_text("language") : call.text("language"));
  if (language.empty() || language == "python" || language == "sql") return language;
  if (language == "scala" || language == "r") throw RestError(400, "UnsupportedLanguage", "The language " + language + " is not supported: contexts run Python and SQL.");
  throw invalid_parameter("language must be python, sql, scala or r.");
}

}  // namespace

void add_command_routes(http::RouteTable& table, ClusterStore& store, Supervisor& supervisor, ExecutionContexts& contexts, identity::AccessControl& access) {
  auto add = [&table](const char* method, const std::string& path, http::RouteHandler handler) {
    table.add({method, "/api/*/" + path, std::move(handler), http::Access::kUser, http::ErrorShape::kCommands});
  };
  // Everything of a context needs the right to attach to its cluster, also after it was made.
  auto cluster_of = [&store, &access](Call& call) {
    std::string id = call.required_text("clusterId");
    if (!store.get(id)) throw RestError(404, "ClusterNotFound", "Cluster " + id.substr(0, 80) + " does not exist.");
    call.audit.emplace_back("cluster_id", id);
    return require_cluster(store, access, call.caller, id, "CAN_ATTACH_TO");
  };

  add("POST", "contexts/create", [&, cluster_of](Call& call) {
    std::string language = language_of(call, true);
    Cluster c = cluster_of(call);
    if (!supervisor.running_endpoint(c.id)) throw RestError(400, "ClusterNotReady", "Cluster " + c.id + " is not running: it is " + state_name(c.state) + ".");
    return http::json_response({{"id", contexts.create(call.caller, c, language)}});
  });
  add("GET", "contexts/status", [&, cluster_of](Call& call) {
    std::string id = call.required_text("contextId"), why;
    auto state = contexts.state(call.caller, cluster_of(call).id, id, &why);
    using S = Interpreter::State;
    http::Json out = {{"id", id}, {"status", state == S::kStarting ? "Pending" : state == S::kReady ? "Running" : "Error"}};
    if (state == S::kFailed) out["message"] = why;
    return http::json_response(out);
  });
  add("POST", "contexts/destroy", [&, cluster_of](Call& call) {
    std::string id = call.required_text("contextId");
    contexts.destroy(call.caller, cluster_of(call).id, id);
    return http::json_response({{"id", id}});
  });

  add("POST", "commands/execute", [&, cluster_of](Call& call) {
    std::string language = language_of(call, false), context = call.required_text("contextId");
    if (!call.has("command")) throw invalid_parameter("Missing required field: command");
    Cluster c = cluster_of(call);
    return http::json_response({{"id", contexts.execute(call.caller, c.id, context, language, call.text("command"))}});
  });
  add("GET", "commands/status", [&, cluster_of](Call& call) {
    std::string id = call.required_text("commandId");
    auto state = contexts.command(call.caller, cluster_of(call).id, call.required_text("contextId"), id);
    return http::json_response({{"id", id}, {"status", status_name(state.status)}, {"results", state.results}});
  });
  add("POST", "commands/cancel", [&, cluster_of](Call& call) {
    std::string id = call.required_text("commandId");
    contexts.cancel(call.caller, cluster_of(call).id, call.required_text("contextId"), id);
    return http::json_response({{"id", id}});
  });
}

}  // namespace tarn::clusters
