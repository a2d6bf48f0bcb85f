#include "engine/python/worker_errors.h"

#include <charconv>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "base/spark_error.h"
#include "engine/python/python_scan.h"
#include "engine/session.h"
#include "plan/session_conf.h"
#include "python/worker_pool.h"

namespace tarn::engine::python_functions {

namespace {
constexpr const char* kCpuSeconds = "spark.tarn.python.cpuSeconds";
constexpr const char* kFaultHandler = "PYTHON_FAULTHANDLER_DIR";
}

std::map<std::string, std::string> worker_environment(const Runtime& runtime, const plan::SessionConf& conf) {
  std::map<std::string, std::string> out;
  if (conf.flag("spark.sql.execution.pyspark.udf.simplifiedTraceback.enabled")) out["SPARK_SIMPLIFIED_TRACEBACK"] = "1";
  if (conf.flag("spark.sql.execution.pyspark.udf.hideTraceback.enabled")) out["SPARK_HIDE_TRACEBACK"] = "1";
  if (runtime.artifacts && conf.flag("spark.sql.execution.pyspark.udf.faulthandler.enabled")) {
    std::string directory = runtime.artifacts->directory() + "/.new-faults";
    std::error_code ec;
    std::filesystem::create_directories(directory, ec);
    if (!ec) out[kFaultHandler] = directory;
  }
  return out;
}

int64_t idle_timeout_ms(const plan::SessionConf& conf) {
  return conf.flag("spark.sql.execution.pyspark.udf.killOnIdleTimeout") ? conf.integer("spark.sql.execution.pyspark.udf.idleTimeoutSeconds") : 0;
}

int64_t cpu_seconds(const plan::SessionConf& conf) {
  auto set = conf.find(kCpuSeconds);
  if (!set || set->empty()) return 0;
  int64_t seconds = 0;
  auto [end, error] = std::from_chars(set->data(), set->data() + set->size(), seconds);
  if (error != std::errc() || end != set->data() + set->size() || seconds < 0 || seconds > INT32_MAX)
    throw SparkError::Plain(ErrorKind::kIllegalArgument, std::string(kCpuSeconds) + " should be a number of seconds, but was " + *set);
  return seconds;
}

SparkError worker_exception(const std::string& traceback) {
  // Spark unpickles a worker's rows in its JVM: what goes wrong there is no PythonException (worker_main.py, unfit).
  constexpr std::string_view kUnpickler = "net.razorvine.pickle.PickleException: ";
  const auto end = traceback.find_last_not_of('\n');
  const auto line = end == std::string::npos ? end : traceback.rfind('\n', end);
  if (line != std::string::npos && traceback.compare(line + 1, kUnpickler.size(), kUnpickler) == 0)
    return SparkError::Plain(ErrorKind::kSpark, "Job aborted due to stage failure: " + traceback.substr(line + 1, end - line));
  return SparkError::Plain(ErrorKind::kPython, traceback);
}

SparkError worker_died(python::Worker& worker, const std::map<std::string, std::string>& environment) {
  const std::string death = worker.death();
  if (death.find("CPU time") != std::string::npos) {
    return SparkError::Plain(ErrorKind::kPython, "Python worker was killed: it has used more CPU time than " + std::string(kCpuSeconds) + " allows.");
  }
  std::string text = "Python worker exited unexpectedly (crashed): " + death + ".";
  auto faults = environment.find(kFaultHandler);
  if (faults == environment.end()) {
    text += " Consider setting 'spark.sql.execution.pyspark.udf.faulthandler.enabled' or 'spark.python.worker.faulthandler.enabled' configuration to "
            "'true' for the better Python traceback.";
  } else {
    std::string path = faults->second + "/" + std::to_string(worker.pid());
    std::ostringstream log;
    log << std::ifstream(path).rdbuf();
    std::error_code ec;
    std::filesystem::remove(path, ec);
    if (!log.str().empty()) text += "\n" + log.str();
  }
  return SparkError::Plain(ErrorKind::kPython, text);
}

SparkError worker_idle(int64_t timeout_ms) {
  return SparkError::Plain(ErrorKind::kPython, "Python worker process terminated due to idle timeout (timeout: " + std::to_string(timeout_ms / 1000) + " seconds)");
}

}  // namespace tarn::engine::python_functions
