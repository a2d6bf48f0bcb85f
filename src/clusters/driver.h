#pragma once
// The Python process of an execution context (python/tarn/driver) and the messages to and from it: JSON, each after its length, on a socket
// pair. What the messages mean is written in python/tarn/driver/__main__.py.
#include <sys/types.h>

#include <chrono>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/child_environment.h"

namespace tarn::clusters {

using Json = nlohmann::json;

struct DriverOptions {
  std::string python;      // the interpreter
  std::string packages;    // the folder that has tarn/
  std::string directory;   // where it works
  std::string log;         // its standard error before and besides what code prints; appended
  Variables environment;   // besides the few variables of ours that are harmless
  Json hello;              // the first message
};

// Used by one thread, the one that made it: when that thread ends the process is killed.
class Driver {
 public:
  // std::runtime_error if it cannot be started.
  explicit Driver(const DriverOptions& options);
  ~Driver();   // kills it and what it has started
  Driver(const Driver&) = delete;

  bool send(const Json& message);           // false: it has ended or does not read
  enum class Got { kMessage, kNothing, kEnd };
  // Never waits: poll descriptor() for reading before.
  Got receive(Json* message);
  int descriptor() const { return fd_; }
  pid_t pid() const { return pid_; }
  void interrupt();                          // SIGINT to the process alone
  void kill();                               // SIGKILL to everything it has started
  // How it ended, for people: "it was ended by signal 9 (Killed)". Waits for the end.
  std::string death();

 private:
  pid_t pid_ = -1;
  int fd_ = -1;
  bool reaped_ = false;
  int status_ = 0;
  std::string received_;
};

// The folder that has the Python package: TARN_PYTHON_PACKAGES, or share/tarn/python or python beside or above the program.
// std::runtime_error if there is none.
std::string find_packages();

}  // namespace tarn::clusters
