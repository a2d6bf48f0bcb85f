#include "connect/config_handler.h"

#include <spark/connect/base.pb.h>

#include "base/spark_error.h"
#include "plan/session_conf.h"

namespace sc = spark::connect;

namespace tarn::connect {
namespace {

void add_warning(const std::string& key, sc::ConfigResponse* response) {
  if (auto warning = plan::conf_warning(key)) response->add_warnings(*warning);
}

void add_pair(const std::string& key, const std::optional<std::string>& value, sc::ConfigResponse* response) {
  auto* pair = response->add_pairs();
  pair->set_key(key);
  if (value) pair->set_value(*value);
  add_warning(key, response);
}

void set(const sc::ConfigRequest_Set& request, plan::SessionConf& conf, sc::ConfigResponse* response) {
  for (const auto& pair : request.pairs()) {
    try {
      if (!pair.has_value()) {
        throw SparkError::Plain(ErrorKind::kIllegalArgument, "requirement failed: value cannot be null for key: " + pair.key());
      }
      conf.set(pair.key(), pair.value());
      add_warning(pair.key(), response);
    } catch (const SparkError& e) {
      // silent: SparkSession.builder.config() may name keys that only a cluster's start could set.
      if (!request.silent()) throw;
      response->add_warnings("Failed to set " + pair.key() + " to " + (pair.has_value() ? "Some(" + pair.value() + ")" : "None") +
                             " due to " + e.message());
    }
  }
}

}  // namespace

void handle_config(const sc::ConfigRequest_Operation& operation, plan::SessionConf& conf, sc::ConfigResponse* response) {
  switch (operation.op_type_case()) {
    case sc::ConfigRequest_Operation::kSet: return set(operation.set(), conf, response);
    case sc::ConfigRequest_Operation::kGet:
      for (const auto& key : operation.get().keys()) add_pair(key, conf.get(key), response);
      return;
    case sc::ConfigRequest_Operation::kGetWithDefault:
      for (const auto& pair : operation.get_with_default().pairs()) {
        add_pair(pair.key(), conf.get(pair.key(), pair.has_value() ? std::optional(pair.value()) : std::nullopt), response);
      }
      return;
    case sc::ConfigRequest_Operation::kGetOption:
      for (const auto& key : operation.get_option().keys()) add_pair(key, conf.find(key), response);
      return;
    case sc::ConfigRequest_Operation::kGetAll: {
      const std::string& prefix = operation.get_all().prefix();
      for (const auto& [key, value] : conf.all_set()) {
        if (key.starts_with(prefix)) {
          auto* pair = response->add_pairs();
          pair->set_key(key.substr(prefix.size()));
          pair->set_value(value);
          add_warning(key, response);
        }
      }
      return;
    }
    case sc::ConfigRequest_Operation::kUnset:
      for (const auto& key : operation.unset().keys()) {
        conf.unset(key);
        add_warning(key, response);
      }
      return;
    case sc::ConfigRequest_Operation::kIsModifiable:
      for (const auto& key : operation.is_modifiable().keys()) add_pair(key, conf.is_modifiable(key) ? "true" : "false", response);
      return;
    case sc::ConfigRequest_Operation::OP_TYPE_NOT_SET: break;
  }
  throw SparkError(ErrorKind::kSpark, "CONNECT_INVALID_PLAN.INVALID_ONE_OF_FIELD_NOT_SET",
                   {{"fullName", "spark.connect.ConfigRequest.Operation"}, {"name", "OPTYPE_NOT_SET"}});
}

}  // namespace tarn::connect
