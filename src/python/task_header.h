#pragma once
// The first part of a task in PySpark 4.2's worker protocol (worker.py, main): what precedes the data. Big endian.
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace tarn::python {

// A stretch of the protocol.
class Frame {
 public:
  Frame& int32(int32_t v);
  Frame& int64(int64_t v);
  Frame& byte(bool v);
  Frame& string(std::string_view v);   // its length and its bytes
  std::string take() { return std::move(bytes_); }

 private:
  std::string bytes_;
};

struct Argument {
  int column = 0;            // of the rows that are sent
  std::string name;          // of a keyword argument, else empty
};

// A function, or several of which each takes the result of the one before.
struct Function {
  std::vector<Argument> arguments;
  std::vector<std::string> commands;   // cloudpickled (function, return type)
  int64_t result_id = 0;
};

// A table function's class instead of functions.
struct TableFunction {
  std::vector<Argument> arguments;
  std::vector<int> partition_columns;  // of the TABLE argument: a change of their values starts another instance
  std::string analyze_result;          // pickled, or empty
  std::string command;                 // cloudpickled class
  std::string return_type;             // JSON
  std::string name;
};

// What precedes the request to one of pyspark.sql.worker's planners, which run a method of the user's class ahead of a query.
struct PlannerHeader {
  std::string module;                                 // "pyspark.sql.worker.analyze_udtf"
  std::string python_version;
  std::map<std::string, std::string> environment;
  std::string directory;
  std::vector<std::string> includes;
  std::vector<std::pair<std::string, std::string>> archives;
  std::map<std::string, std::string> conf;
  int64_t cpu_seconds = 0;                            // see TaskHeader
  std::string bytes() const;
};

struct TaskHeader {
  int eval_type = 0;
  std::string python_version;                         // the client's, "3.11"
  int partition = 0;
  std::map<std::string, std::string> environment;     // variables of the process during the task
  std::string directory;                              // files of the session; empty: none
  std::vector<std::string> includes;                  // archives in it that go on the path
  std::vector<std::pair<std::string, std::string>> archives;  // paths of archives, folders of the directory into which they are unpacked
  std::map<std::string, std::string> runner_conf, eval_conf;
  std::vector<Function> functions;
  // For functions that Spark feeds with pickled rows (100): the struct of the input and the result types, as JSON.
  std::string input_type;
  std::vector<std::string> output_types;
  const TableFunction* table_function = nullptr;
  int64_t cpu_seconds = 0;                            // of CPU time that the task may use, then SIGXCPU; 0: no limit
  bool barrier = false;                               // the task is all of its stage and may wait for the others
  std::string bytes() const;
};

// What a worker writes instead of a length.
enum Special : int32_t { kEndOfData = -1, kException = -2, kTiming = -3, kEndOfStream = -4, kStartArrow = -6 };

}  // namespace tarn::python
