#include "base/child_process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <stdexcept>
#include <thread>

namespace tarn {

Child start_child(const std::string& program, const std::vector<std::string>& arguments, const ChildOptions& options) {
  int out[2];
  if (::pipe2(out, O_CLOEXEC) != 0) throw std::runtime_error(std::string("no pipe: ") + std::strerror(errno));
  std::vector<char*> argv;
  argv.push_back(const_cast<char*>(program.c_str()));
  for (const auto& a : arguments) argv.push_back(const_cast<char*>(a.c_str()));
  argv.push_back(nullptr);
  ChildEnvironment environment(options.environment, options.whole_environment ? any_variable : is_harmless_variable);
  int control[2] = {-1, -1};
  if (options.control && ::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, control) != 0) {
    int error = errno;
    for (int fd : out) ::close(fd);
    throw std::runtime_error(std::string("no socket pair: ") + std::strerror(error));
  }
  pid_t parent = ::getpid();
  pid_t pid = ::fork();
  if (pid < 0) {
    int error = errno;
    for (int fd : {out[0], out[1], control[0], control[1]}) {
      if (fd >= 0) ::close(fd);
    }
    throw std::runtime_error(std::string("cannot start a process: ") + std::strerror(error));
  }
  if (pid == 0) {
    // Only async-signal-safe calls from here on.
    sigset_t none;
    sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    ::setsid();
    if (!options.background) {
      ::prctl(PR_SET_PDEATHSIG, SIGTERM);
      if (::getppid() != parent) ::_exit(1);
    }
    int null = ::open("/dev/null", O_RDWR);
    ::dup2(options.control ? control[1] : null, 0);
    if (options.ready_line) ::dup2(out[1], 1);
    if (!options.log.empty()) {
      int log = ::open(options.log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
      if (log >= 0) ::dup2(log, 2);
      if (log >= 0 && !options.ready_line) ::dup2(log, 1);
    }
    ::execve(program.c_str(), argv.data(), environment.data());
    ::_exit(127);
  }
  ::close(out[1]);
  if (options.control) ::close(control[1]);
  Child child{pid, "", control[0]};
  auto deadline = std::chrono::steady_clock::now() + std::chrono::minutes(1);
  while (options.ready_line && child.ready.find('\n') == std::string::npos) {
    auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now()).count();
    pollfd fd{out[0], POLLIN, 0};
    if (left <= 0 || ::poll(&fd, 1, static_cast<int>(left)) <= 0) {
      if (left > 0 && errno == EINTR) continue;
      break;
    }
    char buffer[512];
    ssize_t n = ::read(out[0], buffer, sizeof buffer);
    if (n <= 0) break;
    child.ready.append(buffer, static_cast<size_t>(n));
  }
  ::close(out[0]);
  size_t end = child.ready.find('\n');
  child.ready = end == std::string::npos ? "" : child.ready.substr(0, end);
  return child;
}

int stop_child(pid_t pid, int seconds) {
  ::kill(pid, SIGTERM);
  int status = 0;
  for (int i = 0; i < seconds * 20; ++i) {
    if (::waitpid(pid, &status, WNOHANG) == pid) return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  ::kill(pid, SIGKILL);
  ::waitpid(pid, &status, 0);
  return 128 + SIGKILL;
}

}  // namespace tarn
