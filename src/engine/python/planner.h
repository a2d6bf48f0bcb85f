#pragma once
// Methods of users' classes that run ahead of a query, in a worker of the session: analyze() of table functions, data sources.
// The requests and answers are those of pyspark.sql.worker's modules.
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "engine/python/python_scan.h"
#include "plan/python_functions.h"

namespace tarn::plan {
class SessionConf;
}

namespace tarn::engine::python_functions {

// One conversation: fill request(), run(), read the answer, finish(). Used by one thread. Errors of the process are PythonExceptions.
class Planner {
 public:
  Planner(const std::shared_ptr<Runtime>& runtime, const plan::SessionConf& conf, const std::string& module, const std::string& python_version);
  ~Planner();
  python::Frame& request() { return request_; }
  void run();
  int32_t read_int();
  std::string read_bytes(int32_t size);
  std::string read_string() { return read_bytes(read_int()); }
  // The length that begins an answer. A traceback instead of it goes to failed, which throws.
  template <class F> int32_t read_length(F&& failed) {
    int32_t length = read_int();
    if (length == python::kException) failed(read_string());
    return length;
  }
  void finish();

 private:
  void read(char* to, size_t size);
  std::shared_ptr<Runtime> runtime_;
  std::unique_ptr<python::Worker> worker_;
  python::Frame request_;
  std::map<std::string, std::string> environment_;
  int64_t idle_timeout_ms_ = 0;
};

// SparkError TABLE_VALUED_FUNCTION_FAILED_TO_ANALYZE_IN_PYTHON.
plan::TableFunctionAnalysis analyze_table_function(const std::shared_ptr<Runtime>& runtime, const plan::SessionConf& conf, const plan::UserFunction& function,
                                                   const std::vector<plan::TableFunctionArgument>& arguments);

}  // namespace tarn::engine::python_functions
