// /api/2.0/policies/clusters: what clusters may be.
#include <algorithm>
#include <regex>

#include "base/encoding.h"
#include "clusters/families.h"

namespace tarn::clusters {
namespace {

using http::Call;
using http::invalid_parameter;

constexpr const char* kRules[] = {"fixed", "forbidden", "allowlist", "blocklist", "regex", "range", "unlimited"};

// The value at "spark_conf.spark.a.b" or "autoscale.max_workers"; map keys have dots themselves.
Json* find(Json& spec, const std::string& path, bool make) {
  size_t dot = path.find('.');
  std::string top = path.substr(0, dot);
  if (dot == std::string::npos) {
    if (make) return &spec[top];
    auto it = spec.find(top);
    return it == spec.end() || it->is_null() ? nullptr : &*it;
  }
  if (!spec.contains(top)) {
    if (!make) return nullptr;
    spec[top] = Json::object();
  }
  if (!spec[top].is_object()) return nullptr;
  std::string key = path.substr(dot + 1);
  if (make) return &spec[top][key];
  auto it = spec[top].find(key);
  return it == spec[top].end() || it->is_null() ? nullptr : &*it;
}

bool listed(const Json& values, const Json& value) { return values.is_array() && std::find(values.begin(), values.end(), value) != values.end(); }

Json render(const Policy& p, const identity::AccessControl& access) {
  auto creator = access.directory().get(p.creator);
  return {{"policy_id", p.id}, {"name", p.name}, {"definition", p.definition}, {"description", p.description}, {"created_at_timestamp", p.created_ms},
          {"creator_user_name", creator ? creator->name : ""}, {"is_default", false}};
}

void fill(Call& call, Policy* p) {
  p->name = call.required_text("name");
  if (p->name.size() > 100) throw invalid_parameter("A policy's name has at most 100 characters.");
  p->definition = call.text("definition", "{}");
  p->description = call.text("description");
  parse_policy(p->definition);
}

}  // namespace

Json parse_policy(const std::string& definition) {
  Json j = Json::parse(definition, nullptr, false);
  if (!j.is_object()) throw invalid_parameter("The definition of a policy must be a JSON object.");
  for (const auto& [path, rule] : j.items()) {
    std::string type = rule.is_object() && rule.contains("type") && rule["type"].is_string() ? rule["type"].get<std::string>() : "";
    if (std::none_of(std::begin(kRules), std::end(kRules), [&](const char* r) { return type == r; })) {
      throw invalid_parameter("The rule of " + path.substr(0, 100) + " has no known type.");
    }
    if (type == "fixed" && !rule.contains("value")) throw invalid_parameter("The fixed rule of " + path.substr(0, 100) + " has no value.");
    if ((type == "allowlist" || type == "blocklist") && !(rule.contains("values") && rule["values"].is_array())) {
      throw invalid_parameter("The rule of " + path.substr(0, 100) + " has no values.");
    }
    if (type == "regex") {
      try {
        std::regex(rule.value("pattern", ""));
      } catch (const std::regex_error&) {
        throw invalid_parameter("The pattern of " + path.substr(0, 100) + " is not a regular expression.");
      }
    }
  }
  return j;
}

void apply_policy(const Policy& policy, bool defaults, Json* spec) {
  const Json definition = parse_policy(policy.definition);
  for (const auto& [path, rule] : definition.items()) {
    std::string type = rule["type"].get<std::string>();
    auto refuse = [&](const std::string& why) {
      throw invalid_parameter("Validation failed for " + path.substr(0, 100) + " from the policy " + policy.name + ": " + why);
    };
    Json* value = find(*spec, path, false);
    if (type == "fixed") {
      if (value && *value != rule["value"]) refuse("it must be " + rule["value"].dump().substr(0, 200));
      if (!value) {
        if (Json* place = find(*spec, path, true)) *place = rule["value"];
      }
      continue;
    }
    if (type == "forbidden") {
      if (value) refuse("it must not be set");
      continue;
    }
    if (!value && defaults && rule.contains("defaultValue")) {
      if (Json* place = find(*spec, path, true)) *place = rule["defaultValue"];
      value = find(*spec, path, false);
    }
    if (!value) {
      if (!rule.value("isOptional", false) && type != "unlimited" && type != "blocklist" && !rule.contains("defaultValue") && type != "range") refuse("it must be set");
      continue;
    }
    if (type == "allowlist" && !listed(rule["values"], *value)) refuse("the value is not allowed");
    if (type == "blocklist" && listed(rule["values"], *value)) refuse("the value is not allowed");
    if (type == "range") {
      if (!value->is_number()) refuse("it must be a number");
      if (rule.contains("minValue") && rule["minValue"].is_number() && *value < rule["minValue"]) refuse("it must be at least " + rule["minValue"].dump());
      if (rule.contains("maxValue") && rule["maxValue"].is_number() && *value > rule["maxValue"]) refuse("it must be at most " + rule["maxValue"].dump());
    }
    if (type == "regex") {
      std::string text = value->is_string() ? value->get<std::string>() : value->dump();
      if (text.size() > 2000 || !std::regex_match(text, std::regex(rule.value("pattern", "")))) refuse("it must match " + rule.value("pattern", ""));
    }
  }
}

void add_policy_routes(http::RouteTable& table, ClusterStore& store, identity::AccessControl& access) {
  access.add_type({"cluster-policies", "cluster-policy", {"CAN_USE"}, [&store](const std::string& id) { return store.policy(id).has_value(); }, nullptr, true,
                   {"Can use the policy"}});
  auto require = [&store](const std::string& id) {
    auto p = store.policy(id);
    if (!p) throw http::not_found("Policy " + id.substr(0, 80) + " does not exist.");
    return *p;
  };
  const std::string p = "/api/*/policies/clusters/";
  table.get(p + "list", [&](Call& call) {
    Json list = Json::array();
    for (const auto& policy : store.policies()) {
      if (access.allows(call.caller, {"cluster-policies", policy.id}, "CAN_USE")) list.push_back(render(policy, access));
    }
    return http::json_response({{"policies", list}, {"total_count", list.size()}});
  });
  table.get(p + "get", [&, require](Call& call) {
    Policy policy = require(call.required_text("policy_id"));
    access.require(call.caller, {"cluster-policies", policy.id}, "CAN_USE", "the policy " + policy.id);
    return http::json_response(render(policy, access));
  });
  table.post(p + "create", [&](Call& call) {
    Policy policy;
    policy.id = lower_ascii(random_hex(8));
    policy.creator = call.caller.id;
    policy.created_ms = now_ms();
    fill(call, &policy);
    if (!store.put_policy(policy)) throw http::already_exists("A policy named " + policy.name + " already exists.");
    return http::json_response({{"policy_id", policy.id}});
  }, http::Access::kAdmin);
  table.post(p + "edit", [&, require](Call& call) {
    Policy policy = require(call.required_text("policy_id"));
    fill(call, &policy);
    if (!store.put_policy(policy)) throw http::already_exists("A policy named " + policy.name + " already exists.");
    return http::ok();
  }, http::Access::kAdmin);
  table.post(p + "delete", [&, require](Call& call) {
    Policy policy = require(call.required_text("policy_id"));
    store.remove_policy(policy.id);
    access.forget({"cluster-policies", policy.id});
    return http::ok();
  }, http::Access::kAdmin);
}

}  // namespace tarn::clusters
