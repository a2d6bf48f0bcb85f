#pragma once
// Runs another program to its end.
#include <chrono>
#include <functional>
#include <string>
#include <vector>

#include "base/child_environment.h"

namespace tarn::clusters {

struct ProgramEnd {
  int status = 0;           // of its exit; 128 + the signal; 127 if it cannot be started
  bool timed_out = false;   // it was killed
  std::string output;       // standard output and error together; the last max_output bytes
};

// Its environment is what is harmless of ours, with these on top (base/child_environment.h). No input. It is killed, with what it has started, when the time is over or stop() says so
// (asked every second).
ProgramEnd run_program(const std::string& program, const std::vector<std::string>& arguments, const Variables& environment,
                       std::chrono::milliseconds timeout, const std::function<bool()>& stop = {}, size_t max_output = 64 << 10);

}  // namespace tarn::clusters
