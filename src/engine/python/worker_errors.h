#pragma once
// What tasks and planners have in common: the environment of a worker's process, and what is said when it ends or keeps silent.
#include <cstdint>
#include <map>
#include <string>

namespace tarn {
class SparkError;
}
namespace tarn::plan {
class SessionConf;
}
namespace tarn::python {
class Worker;
}

namespace tarn::engine::python_functions {

struct Runtime;

// Variables of the process during a task: how tracebacks are written, where faulthandler writes them.
std::map<std::string, std::string> worker_environment(const Runtime& runtime, const plan::SessionConf& conf);
// How long a worker may keep silent; 0: for ever.
int64_t idle_timeout_ms(const plan::SessionConf& conf);
// CPU time that a task may use, spark.tarn.python.cpuSeconds; 0: as much as it likes. Throws SparkError if the value is no number of seconds.
int64_t cpu_seconds(const plan::SessionConf& conf);
// What a task ended with, told by the traceback it has written.
SparkError worker_exception(const std::string& traceback);
// Ends the process. environment: of worker_environment().
SparkError worker_died(python::Worker& worker, const std::map<std::string, std::string>& environment);
SparkError worker_idle(int64_t timeout_ms);

}  // namespace tarn::engine::python_functions
