#pragma once
namespace spark::connect {
class ConfigRequest_Operation;
class ConfigResponse;
}  // namespace spark::connect
namespace tarn::plan {
class SessionConf;
}

namespace tarn::connect {

// One Config operation on a session's configuration. Throws SparkError as spark.conf does.
void handle_config(const spark::connect::ConfigRequest_Operation& operation, plan::SessionConf& conf, spark::connect::ConfigResponse* response);

}  // namespace tarn::connect
