// start, stop, status and logs: what runs for a home, in the background.
#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <deque>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <thread>

#include "base/child_process.h"
#include "server/command.h"
#include "server/pid_file.h"

namespace fs = std::filesystem;

namespace tarn::server {
namespace {

// Which of the two kinds of process the words name; the rest of the words are its options.
std::string kind_of(const Arguments& arguments, std::vector<std::string>* rest = nullptr) {
  std::string kind = "cluster";
  size_t from = 0;
  if (!arguments.words.empty() && !arguments.words[0].starts_with('-')) {
    kind = arguments.words[0];
    from = 1;
  }
  if (kind != "cluster" && kind != "server") throw UsageError("expected cluster or server, not " + kind);
  if (rest) rest->assign(arguments.words.begin() + static_cast<std::ptrdiff_t>(from), arguments.words.end());
  else if (arguments.words.size() > from) throw UsageError("unexpected word " + arguments.words[from]);
  return kind;
}

std::string pid_path(const std::string& home, const std::string& kind) { return home + "/" + kind + ".pid"; }
std::string log_path(const std::string& home, const std::string& kind) { return home + "/logs/" + kind + ".log"; }

std::string last_line(const std::string& path) {
  std::ifstream file(path);
  std::string last;
  for (std::string line; std::getline(file, line);) {
    if (!line.empty()) last = line;
  }
  return last;
}

}  // namespace

int run_start(const Arguments& arguments) {
  std::vector<std::string> rest;
  std::string kind = kind_of(arguments, &rest), home = home_of(arguments.settings);
  if (auto other = running(pid_path(home, kind))) {
    std::printf("%s already runs: pid %d %s\n", kind.c_str(), other->pid, other->address.c_str());
    return 0;
  }
  std::error_code ec;
  fs::create_directories(home + "/logs", ec);
  if (ec) throw CommandError("cannot write to the home " + home + ": " + ec.message());
  // The structured log has everything; this one has what is said before it is open, or by the system.
  std::string errors = home + "/logs/" + kind + ".err";
  fs::remove(errors, ec);
  std::vector<std::string> argv = {kind, "--home", home};
  argv.insert(argv.end(), rest.begin(), rest.end());
  Child child = start_child(arguments.program, argv, {.log = errors, .background = true, .whole_environment = true});
  std::string ready = "tarn " + kind + " ready ";
  if (!child.ready.starts_with(ready)) {
    stop_child(child.pid, 5);
    std::string why = last_line(errors);
    throw CommandError(why.starts_with("tarn: ") ? why.substr(6) : "the " + kind + " did not start: see " + errors);
  }
  std::printf("%s runs: pid %d %s\n", kind.c_str(), child.pid, child.ready.substr(ready.size()).c_str());
  return 0;
}

int run_stop(const Arguments& arguments) {
  std::string kind = kind_of(arguments), home = home_of(arguments.settings), path = pid_path(home, kind);
  auto process = running(path);
  if (!process) {
    std::printf("%s does not run\n", kind.c_str());
    return 0;
  }
  if (::kill(process->pid, SIGTERM) != 0) throw CommandError("cannot stop pid " + std::to_string(process->pid) + ": it is another user's");
  for (int i = 0; i < 45 * 20; ++i) {
    auto now = running(path);
    if (!now || now->pid != process->pid) {
      std::printf("%s stopped\n", kind.c_str());
      return 0;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  throw CommandError("pid " + std::to_string(process->pid) + " has not ended after 45 s: see " + log_path(home, kind));
}

int run_status(const Arguments& arguments) {
  std::string home = home_of(arguments.settings);
  bool any = false;
  for (const char* kind : {"server", "cluster"}) {
    auto process = running(pid_path(home, kind));
    if (!process) continue;
    any = true;
    std::printf("%s runs: pid %d %s\n", kind, process->pid, process->address.empty() ? "(starting)" : process->address.c_str());
  }
  if (!any) std::printf("nothing runs for %s\n", home.c_str());
  return any ? 0 : 1;
}

int run_logs(const Arguments& arguments) {
  std::string kind = kind_of(arguments), path = log_path(home_of(arguments.settings), kind);
  std::ifstream file(path);
  if (!file) throw CommandError("there is no log " + path);
  size_t lines;
  try {
    lines = std::stoul(arguments.settings.get("lines"));
  } catch (const std::exception&) {
    throw UsageError("--lines wants a number");
  }
  std::deque<std::string> last;
  for (std::string line; std::getline(file, line);) {
    last.push_back(line);
    if (last.size() > lines) last.pop_front();
  }
  for (const auto& line : last) std::puts(line.c_str());
  std::fflush(stdout);
  while (arguments.settings.on("follow")) {
    file.clear();
    for (std::string line; std::getline(file, line);) std::puts(line.c_str());
    if (std::fflush(stdout) != 0) return 0;  // whoever read is gone
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
  }
  return 0;
}

}  // namespace tarn::server
