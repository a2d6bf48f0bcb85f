#pragma once
// Another `tarn` as a child.
#include <sys/types.h>

#include <string>
#include <vector>

#include "base/child_environment.h"

namespace tarn {

struct ChildOptions {
  std::string log;          // where its standard error goes (appended); empty: where ours goes
  bool background = false;  // a session of its own that outlives us; otherwise it is ended when the thread that started it ends
  bool whole_environment = false;   // it is as trusted as we are: else it sees what is harmless of our environment
  bool ready_line = true;   // wait for its first line; else its standard output goes to the log, too
  bool control = false;     // its standard input is a socket to us
  Variables environment = {};       // besides
};

struct Child {
  pid_t pid = 0;
  std::string ready;  // its first line on standard output; empty if it ended without one
  int control = -1;   // our end of its standard input, if that was wanted; the caller closes it
};

// Starts program with these arguments and waits for its first line (at most a minute). std::runtime_error if it cannot be started.
Child start_child(const std::string& program, const std::vector<std::string>& arguments, const ChildOptions& options);

// Asks it to end and waits this long, then kills it. The exit status, or 128 + the signal.
int stop_child(pid_t pid, int seconds);

}  // namespace tarn
