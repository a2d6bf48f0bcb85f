#include "clusters/program.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace tarn::clusters {

ProgramEnd run_program(const std::string& program, const std::vector<std::string>& arguments, const Variables& environment,
                       std::chrono::milliseconds timeout, const std::function<bool()>& stop, size_t max_output) {
  std::vector<char*> argv{const_cast<char*>(program.c_str())};
  for (const auto& a : arguments) argv.push_back(const_cast<char*>(a.c_str()));
  argv.push_back(nullptr);
  ChildEnvironment variables(environment);
  ProgramEnd end;
  int out[2];
  if (::pipe2(out, O_CLOEXEC) != 0) return {127, false, "no pipe"};
  pid_t pid = ::fork();
  if (pid == 0) {
    sigset_t none;
    sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    ::setsid();
    int null = ::open("/dev/null", O_RDONLY);
    ::dup2(null, 0);
    ::dup2(out[1], 1);
    ::dup2(out[1], 2);
    ::execvpe(program.c_str(), argv.data(), variables.data());
    ::_exit(127);
  }
  ::close(out[1]);
  if (pid < 0) {
    ::close(out[0]);
    return {127, false, "cannot start a process"};
  }
  auto until = std::chrono::steady_clock::now() + timeout;
  for (;;) {
    auto left = std::chrono::duration_cast<std::chrono::milliseconds>(until - std::chrono::steady_clock::now()).count();
    if (left <= 0 || (stop && stop())) {
      end.timed_out = true;
      break;
    }
    pollfd p{out[0], POLLIN, 0};
    if (::poll(&p, 1, static_cast<int>(std::min<int64_t>(left, 1000))) <= 0) continue;
    char buffer[8192];
    ssize_t n = ::read(out[0], buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    end.output.append(buffer, static_cast<size_t>(n));
    if (end.output.size() > 2 * max_output) end.output.erase(0, end.output.size() - max_output);
  }
  ::close(out[0]);
  if (end.timed_out) ::kill(-pid, SIGKILL);
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {}
  ::kill(-pid, SIGKILL);   // what it left running
  end.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  if (end.output.size() > max_output) end.output.erase(0, end.output.size() - max_output);
  return end;
}

}  // namespace tarn::clusters
