#include "engine/script/process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <thread>
#include <utility>
#include <vector>

#include "base/spark_error.h"

extern char** environ;

namespace tarn::engine::script {

namespace {

constexpr size_t kErrorTail = 2048;

struct Pipe {
  int read = -1, write = -1;
  Pipe() {
    int fds[2];
    if (::pipe2(fds, O_CLOEXEC) != 0) throw SparkError::Plain(ErrorKind::kSpark, std::string("cannot make a pipe: ") + std::strerror(errno));
    read = fds[0];
    write = fds[1];
  }
  ~Pipe() {
    if (read >= 0) ::close(read);
    if (write >= 0) ::close(write);
  }
  int take_read() { return std::exchange(read, -1); }
  int take_write() { return std::exchange(write, -1); }
};

void close_fd(int& fd) {
  if (fd >= 0) ::close(fd);
  fd = -1;
}

void unblock(int fd) { ::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) | O_NONBLOCK); }

}  // namespace

Process::Process(const std::string& command, const std::string& directory) {
  Pipe in, out, err;
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  posix_spawn_file_actions_init(&actions);
  posix_spawnattr_init(&attributes);
  posix_spawn_file_actions_adddup2(&actions, in.read, 0);
  posix_spawn_file_actions_adddup2(&actions, out.write, 1);
  posix_spawn_file_actions_adddup2(&actions, err.write, 2);
  if (!directory.empty()) posix_spawn_file_actions_addchdir_np(&actions, directory.c_str());
  // Its own group, so that all it starts ends with it; signals as a fresh program has them.
  sigset_t none, all;
  sigemptyset(&none);
  sigfillset(&all);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  posix_spawnattr_setpgroup(&attributes, 0);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &all);
  std::vector<std::string> variables;
  const std::string path = std::string("PATH=") + (std::getenv("PATH") ? std::getenv("PATH") : "/usr/bin:/bin") + (directory.empty() ? "" : ":" + directory);
  for (char** e = environ; *e; ++e)
    if (std::strncmp(*e, "PATH=", 5) != 0) variables.emplace_back(*e);
  variables.push_back(path);
  if (!std::getenv("OMP_NUM_THREADS")) variables.push_back("OMP_NUM_THREADS=1");
  std::vector<char*> environment, arguments;
  for (auto& v : variables) environment.push_back(v.data());
  environment.push_back(nullptr);
  std::string shell = "/bin/bash", flag = "-c", text = command;
  arguments = {shell.data(), flag.data(), text.data(), nullptr};
  const int rc = ::posix_spawn(&pid_, shell.c_str(), &actions, &attributes, arguments.data(), environment.data());
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  if (rc != 0) {
    pid_ = -1;
    throw SparkError::Plain(ErrorKind::kSpark, std::string("cannot start /bin/bash: ") + std::strerror(rc));
  }
  in_ = in.take_write();
  out_ = out.take_read();
  err_ = err.take_read();
  for (int fd : {in_, out_, err_}) unblock(fd);
}

Process::~Process() {
  close_fd(in_);
  close_fd(out_);
  close_fd(err_);
  if (pid_ > 0) {
    ::kill(-pid_, SIGKILL);
    while (::waitpid(pid_, &status_, 0) < 0 && errno == EINTR) {
    }
  }
}

void Process::close_input() { close_fd(in_); }

void Process::read_errors() {
  char buffer[4096];
  for (;;) {
    ssize_t n = ::read(err_, buffer, sizeof buffer);
    if (n > 0) {
      errors_.append(buffer, static_cast<size_t>(n));
      if (errors_.size() > kErrorTail) errors_.erase(0, errors_.size() - kErrorTail);
      continue;
    }
    if (n < 0 && errno == EINTR) continue;
    if (n == 0 || errno != EAGAIN) close_fd(err_);
    return;
  }
}

void Process::step(std::string_view& input, std::string& output) {
  pollfd fds[3];
  nfds_t n = 0;
  int out = -1, in = -1, err = -1;
  if (out_ >= 0) {
    out = static_cast<int>(n);
    fds[n++] = {out_, POLLIN, 0};
  }
  if (in_ >= 0 && !input.empty()) {
    in = static_cast<int>(n);
    fds[n++] = {in_, POLLOUT, 0};
  }
  if (err_ >= 0) {
    err = static_cast<int>(n);
    fds[n++] = {err_, POLLIN, 0};
  }
  if (n == 0 || ::poll(fds, n, 100) <= 0) return;
  if (err >= 0 && fds[err].revents) read_errors();
  if (in >= 0 && fds[in].revents) {
    // SIGPIPE is ignored in this program: a command that has ended is an error here.
    const ssize_t w = ::write(in_, input.data(), input.size());
    if (w > 0) input.remove_prefix(static_cast<size_t>(w));
    else if (w < 0 && errno != EAGAIN && errno != EINTR) close_fd(in_);
  }
  if (out >= 0 && fds[out].revents) {
    char buffer[65536];
    const ssize_t r = ::read(out_, buffer, sizeof buffer);
    if (r > 0) output.append(buffer, static_cast<size_t>(r));
    else if (r == 0 || (errno != EAGAIN && errno != EINTR)) close_fd(out_);
  }
}

int Process::exit_code(int seconds) {
  if (pid_ > 0) {
    for (int waited = 0;; ++waited) {
      if (err_ >= 0) read_errors();
      const pid_t done = ::waitpid(pid_, &status_, WNOHANG);
      if (done == pid_) break;
      if (waited >= seconds * 100) return -1;
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    pid_ = -1;
    if (err_ >= 0) read_errors();
  }
  return WIFEXITED(status_) ? WEXITSTATUS(status_) : 128 + WTERMSIG(status_);
}

}  // namespace tarn::engine::script
