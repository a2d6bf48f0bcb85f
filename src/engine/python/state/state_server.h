#pragma once
// Answers the stateful processor of one task of a Python worker: pyspark.sql.streaming.stateful_processor_api_client over a socket.
// Source: TransformWithStateInPySparkStateServer.
#include <sys/types.h>

#include <memory>
#include <string>
#include <thread>

#include "engine/python/state/stateful_processor.h"

namespace tarn::engine::python_functions {

// Listens from its construction on, on a socket without a file, and serves the first connection of the worker's process until the
// processor closes its handle. Its end cuts the connection.
class StateServer {
 public:
  // op and store outlive it. worker: the only process that may connect.
  StateServer(const StatefulOperator& op, std::unique_ptr<StateStore> store, pid_t worker);
  ~StateServer();
  StateServer(const StateServer&) = delete;
  // What the worker is told: the name of an abstract socket (unix(7)), its leading 0 included, without capitals.
  const std::string& address() const { return address_; }

 private:
  void run();
  int accept();
  bool wait(int fd) const;        // readable; false: the server ends
  const StatefulOperator& op_;
  std::unique_ptr<StateStore> store_;
  pid_t worker_;
  std::string address_;
  int listening_ = -1, stop_ = -1;
  std::thread thread_;
};

}  // namespace tarn::engine::python_functions
