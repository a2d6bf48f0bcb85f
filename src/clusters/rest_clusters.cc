// /api/2.x/clusters: specs, their life, events, and the catalogs of sizes and runtimes.
#include <algorithm>
#include <memory>
#include <set>

#include "base/encoding.h"
#include "clusters/families.h"
#include "clusters/node_types.h"

namespace tarn::clusters {
namespace {

using http::Call;
using http::invalid_parameter;
using http::Response;
using identity::AccessControl;
using identity::ObjectRef;

constexpr char kType[] = "clusters";
constexpr int64_t kDefaultAutotermination = 60;

// What a spec may have; other fields of a request are passed over, as the service does.
constexpr const char* kSpecFields[] = {
    "cluster_name", "spark_version", "node_type_id", "driver_node_type_id", "num_workers", "autoscale", "autotermination_minutes", "spark_conf",
    "spark_env_vars", "custom_tags", "cluster_log_conf", "init_scripts", "policy_id", "data_security_mode", "single_user_name", "runtime_engine",
    "instance_pool_id", "driver_instance_pool_id", "enable_elastic_disk", "enable_local_disk_encryption", "ssh_public_keys", "azure_attributes",
    "aws_attributes", "gcp_attributes", "docker_image", "workload_type", "kind", "is_single_node", "use_ml_runtime"};

constexpr const char* kObjectFields[] = {"autoscale", "spark_conf", "spark_env_vars", "custom_tags", "cluster_log_conf", "azure_attributes", "aws_attributes",
                                         "gcp_attributes", "docker_image", "workload_type"};

ObjectRef object_ref(const std::string& id) { return {kType, id}; }
std::string name(const std::string& id) { return "cluster " + id; }

std::string new_id() {
  // "1125-170233-ab12cd34": month and day, time, eight letters.
  std::string t = iso_time(now_ms());
  return t.substr(5, 2) + t.substr(8, 2) + "-" + t.substr(11, 2) + t.substr(14, 2) + t.substr(17, 2) + "-" + random_hex(4);
}

void check_strings(const Json& spec, const char* field) {
  if (!spec.contains(field) || spec[field].is_null()) return;
  if (!spec[field].is_object()) throw invalid_parameter(std::string(field) + " must be an object of strings.");
  for (const auto& [k, v] : spec[field].items()) {
    if (!v.is_string()) throw invalid_parameter(std::string(field) + "." + k.substr(0, 100) + " must be a string.");
    if (k.empty() || k.find_first_of(std::string_view("=\n\0", 3)) != std::string::npos || v.get_ref<const std::string&>().find_first_of(std::string_view("\n\0", 2)) != std::string::npos) {
      throw invalid_parameter(std::string(field) + "." + k.substr(0, 100) + " is not valid.");
    }
  }
}

int64_t number(const Json& object, const char* field, int64_t fallback) {
  if (!object.contains(field) || object[field].is_null()) return fallback;
  const Json& v = object[field];
  if (v.is_number_integer()) return v.get<int64_t>();
  throw invalid_parameter(std::string(field) + " must be an integer.");
}

// tarn.cluster.kind and what belongs to it (docs/clusters.md).
void check_kind(const Json& spec) {
  const Json conf = spec.value("spark_conf", Json::object());
  auto get = [&](const char* key) { return conf.is_object() ? conf.value(key, "") : ""; };
  std::string kind = get(kKindKey), remote = get(kRemoteKey);
  if (!kind.empty() && kind != "tarn" && kind != "spark") throw invalid_parameter(std::string(kKindKey) + " must be tarn or spark.");
  if (kind != "spark" && (!remote.empty() || !get(kSparkHomeKey).empty())) throw invalid_parameter("tarn.spark.* needs tarn.cluster.kind spark.");
  if (!remote.empty() && remote.find("{{secrets/") == std::string::npos && !parse_remote(remote)) {
    throw invalid_parameter(std::string(kRemoteKey) + " must be sc://HOST:PORT, with ;token=… and ;use_ssl=true if it wants them.");
  }
  if (!remote.empty() && (!get(kSparkHomeKey).empty() || !get("spark.master").empty())) throw invalid_parameter("A Spark that runs elsewhere has its own installation and master.");
}

void check(const Json& spec) {
  std::string version = spec.contains("spark_version") && spec["spark_version"].is_string() ? spec["spark_version"].get<std::string>() : "";
  if (version.empty()) throw invalid_parameter("Missing required field: spark_version");
  if (!is_runtime_version(version)) throw invalid_parameter("Invalid spark version " + version.substr(0, 100) + ".");
  for (const char* field : {"node_type_id", "driver_node_type_id"}) {
    if (!spec.contains(field) || spec[field].is_null()) continue;
    if (!spec[field].is_string() || !find_node_type(spec[field].get<std::string>())) throw invalid_parameter("Node type " + spec[field].dump().substr(0, 100) + " is not supported.");
  }
  if (spec.contains("autoscale") && !spec["autoscale"].is_null()) {
    const Json& a = spec["autoscale"];
    if (!a.is_object()) throw invalid_parameter("autoscale must be an object.");
    int64_t low = number(a, "min_workers", 1), high = number(a, "max_workers", 1);
    if (low < 0 || high < low || high > 100'000) throw invalid_parameter("autoscale needs 0 <= min_workers <= max_workers.");
  }
  int64_t workers = number(spec, "num_workers", 0);
  if (workers < 0 || workers > 100'000) throw invalid_parameter("num_workers must not be negative.");
  int64_t idle = number(spec, "autotermination_minutes", 0);
  if (idle != 0 && (idle < 10 || idle > 10'000)) throw invalid_parameter("autotermination_minutes must be 0 or between 10 and 10000.");
  for (const char* field : {"cluster_name", "policy_id"}) {
    if (spec.contains(field) && !spec[field].is_string()) throw invalid_parameter(std::string(field) + " must be a string.");
  }
  for (const char* field : kObjectFields) {
    if (spec.contains(field) && !spec[field].is_null() && !spec[field].is_object()) throw invalid_parameter(std::string(field) + " must be an object.");
  }
  check_strings(spec, "spark_conf");
  check_kind(spec);
  check_strings(spec, "spark_env_vars");
  check_strings(spec, "custom_tags");
  if (spec.contains("docker_image") && !spec["docker_image"].is_null()) throw invalid_parameter("docker_image is not supported.");
  if (spec.contains("init_scripts") && spec["init_scripts"].is_array() && !spec["init_scripts"].empty()) throw invalid_parameter("init_scripts are not supported.");
}

Json spec_of(Call& call, const ClusterStore& store, const AccessControl& access) {
  Json spec = Json::object();
  for (const char* field : kSpecFields) {
    if (call.has(field)) spec[field] = call.at(field);
  }
  for (const char* field : {"num_workers", "autotermination_minutes"}) {  // old clients send numbers as text
    if (spec.contains(field) && spec[field].is_string()) spec[field] = call.integer(field, 0);
  }
  if (std::string id = call.text("policy_id"); !id.empty()) {
    auto policy = store.policy(id);
    if (!policy) throw invalid_parameter("Policy " + id.substr(0, 80) + " does not exist.");
    access.require(call.caller, {"cluster-policies", id}, "CAN_USE", "the policy " + id);
    apply_policy(*policy, call.flag("apply_policy_default_values"), &spec);
  }
  if (!spec.contains("autotermination_minutes")) spec["autotermination_minutes"] = kDefaultAutotermination;
  if (!spec.contains("node_type_id")) spec["node_type_id"] = node_types()[0].id;
  check(spec);
  return spec;
}

// What a cluster says of itself may have the end of its log in it, and that the secrets of its configuration.
Json without_secrets(Json said, const std::string& id, const secrets::Redactor& redactor) {
  const std::string audience[] = {"cluster/" + id};
  redactor.values(audience).redact(&said);
  return said;
}

Json render(const Cluster& c, const AccessControl& access, const Supervisor& supervisor, const secrets::Redactor& redactor) {
  Json j = c.spec;
  j["cluster_id"] = c.id;
  j["state"] = state_name(c.state);
  j["state_message"] = without_secrets(c.message, c.id, redactor);
  j["start_time"] = c.created_ms;
  if (c.started_ms) j["last_restarted_time"] = c.started_ms;
  if (c.terminated_ms && (c.state == State::kTerminated || c.state == State::kError)) j["terminated_time"] = c.terminated_ms;
  if (int64_t active_ms = supervisor.last_activity_ms(c)) j["last_activity_time"] = active_ms;
  if (!c.reason.is_null()) j["termination_reason"] = without_secrets(c.reason, c.id, redactor);
  auto creator = access.directory().get(c.creator);
  j["creator_user_name"] = creator ? creator->name : "";
  j["cluster_source"] = "API";
  j["default_tags"] = {{"Vendor", "Tarn"}, {"Creator", creator ? creator->name : ""}, {"ClusterName", c.spec.value("cluster_name", "")}, {"ClusterId", c.id}};
  if (!j.contains("driver_node_type_id")) j["driver_node_type_id"] = j["node_type_id"];
  if (!j.contains("spark_context_id")) j["spark_context_id"] = c.started_ms;
  if (c.state == State::kRunning) {
    NodeLimits limits = limits_of(c.spec);
    j["cluster_cores"] = limits.threads;
    j["cluster_memory_mb"] = limits.memory_mb;
  }
  j["spec"] = c.spec;
  return j;
}

bool in(const Json& filter, const char* field, const std::string& value) {
  if (!filter.is_object() || !filter.contains(field)) return true;
  const Json& wanted = filter[field];
  if (wanted.is_string()) return wanted == value;
  return !wanted.is_array() || wanted.empty() || std::find(wanted.begin(), wanted.end(), value) != wanted.end();
}

Response list(Call& call, const ClusterStore& store, const AccessControl& access, const Supervisor& supervisor, const secrets::Redactor& redactor) {
  const Json& filter = call.at("filter_by");
  std::vector<Json> found;
  for (const auto& c : store.list()) {
    if (!in(filter, "cluster_states", state_name(c.state)) || !in(filter, "cluster_sources", "API") || !in(filter, "policy_id", c.spec.value("policy_id", ""))) continue;
    if (filter.is_object() && filter.contains("is_pinned")) {
      const Json& p = filter["is_pinned"];
      bool wanted = p.is_string() ? lower_ascii(p.get<std::string>()) == "true" : p == true;  // the SDK writes True
      if (wanted != c.pinned) continue;
    }
    if (access.allows(call.caller, object_ref(c.id), "CAN_ATTACH_TO")) found.push_back(render(c, access, supervisor, redactor));
  }
  const Json& sort = call.at("sort_by");
  std::string field = sort.is_object() ? sort.value("field", "") : "";
  if (field == "CLUSTER_NAME") {
    std::stable_sort(found.begin(), found.end(), [](const Json& a, const Json& b) { return a.value("cluster_name", "") < b.value("cluster_name", ""); });
    if (sort.value("direction", "") == "DESC") std::reverse(found.begin(), found.end());
  }
  auto page = http::page_of(found.size(), call.integer("page_size", 0), call.text("page_token"), 100, 100);
  Json clusters = Json::array();
  for (size_t i = page.from; i < page.to; ++i) clusters.push_back(std::move(found[i]));
  Json out = {{"clusters", clusters}};
  if (!page.next_token.empty()) out["next_page_token"] = page.next_token;
  return http::json_response(out);
}

Response events(Call& call, const ClusterStore& store, const AccessControl& access, const secrets::Redactor& redactor) {
  Cluster c = require_cluster(store, access, call.caller, call.required_text("cluster_id"), "CAN_ATTACH_TO");
  auto types = call.texts("event_types");
  int64_t from = call.integer("start_time", 0), to = call.integer("end_time", INT64_MAX);
  std::string order = call.text("order", "DESC");
  if (order != "ASC" && order != "DESC") throw invalid_parameter("order must be ASC or DESC.");
  std::vector<Event> found;
  for (auto& e : store.events(c.id)) {
    if (!types.empty() && std::find(types.begin(), types.end(), e.type) == types.end()) continue;
    if (e.timestamp_ms >= from && e.timestamp_ms <= to) found.push_back(std::move(e));
  }
  if (order == "DESC") std::reverse(found.begin(), found.end());
  int64_t size = call.integer("page_size", call.integer("limit", 0)), offset = call.integer("offset", 0);
  if (offset < 0 || size < 0 || size > 500) throw invalid_parameter("A page has at most 500 events, and offset must not be negative.");
  auto page = http::page_of(found.size(), size, call.text("page_token"), 50, 500, static_cast<size_t>(offset));
  Json list = Json::array();
  for (size_t i = page.from; i < page.to; ++i) {
    list.push_back({{"cluster_id", c.id}, {"timestamp", found[i].timestamp_ms}, {"type", found[i].type},
                    {"details", without_secrets(found[i].details, c.id, redactor)}});
  }
  Json out = {{"events", list}, {"total_count", found.size()}};
  if (page.to < found.size()) {
    Json next = {{"cluster_id", c.id}, {"order", order}, {"offset", page.to}, {"limit", size ? size : 50}};
    if (!types.empty()) next["event_types"] = types;
    if (call.has("start_time")) next["start_time"] = from;
    if (call.has("end_time")) next["end_time"] = to;
    out["next_page"] = next;
    out["next_page_token"] = page.next_token;
  }
  return http::json_response(out);
}

}  // namespace

Cluster require_cluster(const ClusterStore& store, const AccessControl& access, const http::Principal& caller, const std::string& id, const char* level) {
  auto c = store.get(id);
  if (!c) throw invalid_parameter("Cluster " + id.substr(0, 80) + " does not exist");
  access.require(caller, object_ref(id), level, name(id));
  return *c;
}

void add_cluster_routes(http::RouteTable& table, ClusterStore& store, Supervisor& supervisor, AccessControl& access, const secrets::Redactor& redactor) {
  access.add_type({kType, "cluster", {"CAN_ATTACH_TO", "CAN_RESTART", "CAN_MANAGE"}, [&store](const std::string& id) { return store.get(id).has_value(); },
                   nullptr, true, {"Can attach to the cluster", "Can also start, restart and terminate it", "Can also edit it and its permissions"}});
  auto get = [&store, &access](Call& call, const char* level) {
    Cluster c = require_cluster(store, access, call.caller, call.required_text("cluster_id"), level);
    call.audit.emplace_back("cluster_id", c.id);
    return c;
  };
  const std::string p = "/api/*/clusters/";

  table.post(p + "create", [&](Call& call) {
    std::string token = call.text("idempotency_token");
    if (token.size() > 64) throw invalid_parameter("idempotency_token has at most 64 characters.");
    if (!token.empty()) {
      if (auto before = store.by_idempotency_token(token); before && before->creator == call.caller.id) return http::json_response({{"cluster_id", before->id}});
    }
    Cluster c;
    c.id = new_id();
    c.spec = spec_of(call, store, access);
    c.creator = call.caller.id;
    c.created_ms = now_ms();
    store.insert(c, token);
    access.grant(object_ref(c.id), call.caller.id, "CAN_MANAGE");
    call.audit.emplace_back("cluster_id", c.id);
    supervisor.start(c.id, "CREATING", {{"user", call.caller.name}, {"attributes", c.spec}});
    return http::json_response({{"cluster_id", c.id}});
  });
  table.get(p + "get", [get, &access, &supervisor, &redactor](Call& call) {
    return http::json_response(render(get(call, "CAN_ATTACH_TO"), access, supervisor, redactor));
  });
  table.get(p + "list", [&](Call& call) { return list(call, store, access, supervisor, redactor); });
  table.post(p + "events", [&](Call& call) { return events(call, store, access, redactor); });
  table.post(p + "start", [&, get](Call& call) {
    Cluster c = get(call, "CAN_RESTART");
    if (c.state != State::kTerminated && c.state != State::kError) throw http::invalid_state("Cluster " + c.id + " is in unexpected state " + state_name(c.state) + ".");
    supervisor.start(c.id, "STARTING", {{"user", call.caller.name}});
    return http::ok();
  });
  table.post(p + "restart", [&, get](Call& call) {
    Cluster c = get(call, "CAN_RESTART");
    if (c.state != State::kRunning) throw http::invalid_state("Cluster " + c.id + " is in unexpected state " + state_name(c.state) + ".");
    supervisor.restart(c.id, {{"user", call.caller.name}});
    return http::ok();
  });
  table.post(p + "delete", [&, get](Call& call) {
    Cluster c = get(call, "CAN_RESTART");
    supervisor.terminate(c.id, "USER_REQUEST", "SUCCESS", {{"user", call.caller.name}});
    return http::ok();
  });
  table.post(p + "permanent-delete", [&, get](Call& call) {
    Cluster c = get(call, "CAN_MANAGE");
    supervisor.forget(c.id);
    store.remove(c.id);
    access.forget(object_ref(c.id));
    return http::ok();
  });
  auto change = [&](Call& call, Cluster c, Json spec) {
    if (c.state != State::kRunning && c.state != State::kTerminated && c.state != State::kError) {
      throw http::invalid_state("Cluster " + c.id + " is in unexpected state " + state_name(c.state) + ".");
    }
    Json before = c.spec;
    c.spec = std::move(spec);
    store.update(c);
    store.add_event(c.id, "EDITED", {{"user", call.caller.name}, {"previous_attributes", before}, {"attributes", c.spec}});
    if (c.state == State::kRunning) supervisor.restart(c.id, {{"user", call.caller.name}});
    return http::ok();
  };
  table.post(p + "edit", [&, get, change](Call& call) {
    Cluster c = get(call, "CAN_MANAGE");
    return change(call, c, spec_of(call, store, access));
  });
  table.post(p + "update", [get, change](Call& call) {
    Cluster c = get(call, "CAN_MANAGE");
    const Json& wanted = call.at("cluster");
    Json spec = c.spec;
    std::string mask = call.required_text("update_mask");
    for (size_t at = 0; at <= mask.size();) {
      size_t end = std::min(mask.find(',', at), mask.size());
      std::string field = mask.substr(at, end - at);
      at = end + 1;
      field.erase(std::remove(field.begin(), field.end(), ' '), field.end());
      std::string top = field.substr(0, field.find('.'));
      if (std::none_of(std::begin(kSpecFields), std::end(kSpecFields), [&](const char* f) { return top == f; })) {
        throw invalid_parameter("update_mask names the unknown field " + field.substr(0, 100) + ".");
      }
      if (field != top) {  // one entry of an object
        if (std::none_of(std::begin(kObjectFields), std::end(kObjectFields), [&](const char* f) { return top == f; })) {
          throw invalid_parameter("update_mask: " + top + " has no fields of its own.");
        }
        std::string key = field.substr(top.size() + 1);
        if (wanted.is_object() && wanted.contains(top) && wanted[top].is_object() && wanted[top].contains(key)) spec[top][key] = wanted[top][key];
        else if (spec.contains(top) && spec[top].is_object()) spec[top].erase(key);
      } else if (wanted.is_object() && wanted.contains(top)) {
        spec[top] = wanted[top];
      } else {
        spec.erase(top);
      }
    }
    for (auto it = spec.begin(); it != spec.end();) it = it->is_null() ? spec.erase(it) : std::next(it);
    if (!spec.contains("autotermination_minutes")) spec["autotermination_minutes"] = kDefaultAutotermination;
    check(spec);
    return change(call, c, spec);
  });
  table.post(p + "resize", [&, get](Call& call) {
    Cluster c = get(call, "CAN_MANAGE");
    if (c.state != State::kRunning) throw http::invalid_state("Cluster " + c.id + " is in unexpected state " + state_name(c.state) + ".");
    Json spec = c.spec;
    if (call.has("num_workers")) spec["num_workers"] = call.integer("num_workers", 0), spec.erase("autoscale");
    if (call.has("autoscale")) spec["autoscale"] = call.at("autoscale"), spec.erase("num_workers");
    check(spec);
    c.spec = spec;
    store.update(c);
    store.add_event(c.id, "RESIZING", {{"user", call.caller.name}, {"target_num_workers", workers_of(spec)}});
    supervisor.restart(c.id, {{"user", call.caller.name}, {"cause", "resize"}});  // threads and memory are set when an engine starts
    return http::ok();
  });
  auto pin = [&, get](Call& call, bool pinned) {
    Cluster c = get(call, "CAN_MANAGE");
    if (c.pinned == pinned) return http::ok();
    c.pinned = pinned;
    store.update(c);
    store.add_event(c.id, pinned ? "PINNED" : "UNPINNED", {{"user", call.caller.name}});
    return http::ok();
  };
  table.post(p + "pin", [pin](Call& call) { return pin(call, true); });
  table.post(p + "unpin", [pin](Call& call) { return pin(call, false); });

  table.get(p + "spark-versions", [](Call&) {
    Json versions = Json::array();
    for (const auto& v : runtime_versions()) versions.push_back({{"key", v.key}, {"name", v.name}});
    return http::json_response({{"versions", versions}});
  });
  table.get(p + "list-node-types", [](Call&) {
    Json types = Json::array();
    for (const auto& n : node_types()) {
      types.push_back({{"node_type_id", n.id}, {"memory_mb", n.memory_mb}, {"num_cores", n.cores}, {"num_gpus", 0}, {"description", n.description},
                       {"instance_type_id", n.id}, {"category", n.category}, {"is_deprecated", false}, {"is_hidden", false}, {"is_io_cache_enabled", false},
                       {"support_ebs_volumes", false}, {"support_cluster_tags", true}, {"support_port_forwarding", false}, {"photon_driver_capable", false},
                       {"photon_worker_capable", false}, {"is_graviton", false}, {"is_encrypted_in_transit", false},
                       {"node_instance_type", {{"instance_type_id", n.id}, {"local_disks", 0}, {"local_nvme_disks", 0}}}});
    }
    return http::json_response({{"node_types", types}});
  });
  table.get(p + "list-zones", [](Call&) { return http::json_response({{"zones", {"local"}}, {"default_zone", "local"}}); });
}

}  // namespace tarn::clusters
