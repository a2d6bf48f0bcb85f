#pragma once
// A shell command with its three streams. Throws SparkError where it cannot be started.
#include <sys/types.h>

#include <string>
#include <string_view>

namespace tarn::engine::script {

class Process {
 public:
  // directory: where it runs, "" = here; also the last entry of its PATH.
  Process(const std::string& command, const std::string& directory);
  // Kills what still runs.
  ~Process();
  Process(const Process&) = delete;

  // Waits until something can be done, at most 100 ms: then writes of `input` what fits and removes it, appends what has come to output.
  // want_input: input is not empty.
  void step(std::string_view& input, std::string& output);
  // No more input: the command sees the end of its stdin.
  void close_input();
  bool output_ended() const { return out_ < 0; }
  bool input_closed() const { return in_ < 0; }   // also when the command takes no more
  // After output_ended(): its exit code (128 + signal), waiting at most so many seconds; -1: it still runs.
  int exit_code(int seconds);
  // The last 2 KiB of its stderr.
  const std::string& errors() const { return errors_; }

 private:
  void read_errors();
  pid_t pid_ = -1;
  int in_ = -1, out_ = -1, err_ = -1;
  int status_ = 0;
  std::string errors_;
};

}  // namespace tarn::engine::script
