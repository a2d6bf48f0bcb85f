// start, stop, status and logs: what runs for a home, in the background.
#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <deque>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <set>
#include <thread>

#include "base/child_process.h"
#include "server/command.h"
#include "server/metrics_listener.h"
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

std::string size_text(uint64_t bytes) {
  double n = static_cast<double>(bytes);
  const char* unit = "B";
  for (const char* larger : {"KB", "MB", "GB", "TB"}) {
    if (n < 1024) break;
    n /= 1024;
    unit = larger;
  }
  char out[32];
  std::snprintf(out, sizeof out, bytes < 1024 ? "%.0f %s" : "%.1f %s", n, unit);
  return out;
}

// False if it does not run.
bool show_process(const std::string& home, const std::string& kind, const std::string& name) {
  auto process = running(pid_path(home, kind));
  if (!process) return false;
  std::printf("%s runs: pid %d %s\n", name.c_str(), process->pid, process->address.empty() ? "(starting)" : process->address.c_str());
  if (kind != "cluster") return true;
  auto m = read_metrics(home + "/cluster.sock");
  if (m.empty()) return true;
  auto count = [&](const char* metric) { return static_cast<unsigned long long>(m[metric]); };
  std::printf("  sessions %llu, plans running %llu, waiting %llu, peak memory %s\n", count("sessions"), count("operations_running"), count("operations_waiting"),
              size_text(m["process_max_resident_bytes"]).c_str());
  std::printf("  cached relations %llu (%llu with rows), checkpoints %llu, rows %llu: %s in memory, %s on disk\n", count("cached_relations"),
              count("cached_relations_materialized"), count("checkpoints"), count("cached_rows"), size_text(m["cached_memory_bytes"]).c_str(),
              size_text(m["cached_disk_bytes"]).c_str());
  return true;
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
  bool any = show_process(home, "server", "server");
  any |= show_process(home, "cluster", "cluster");
  // Those of a workspace, which have homes in its home.
  std::error_code ignored;
  std::set<std::string> clusters;
  for (const auto& entry : fs::directory_iterator(home + "/clusters", ignored)) clusters.insert(entry.path().filename());
  for (const auto& id : clusters) any |= show_process(home + "/clusters/" + id, "cluster", "cluster " + id);
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
