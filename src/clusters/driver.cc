#include "clusters/driver.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <stdexcept>

namespace fs = std::filesystem;

namespace tarn::clusters {
namespace {

constexpr size_t kMaxMessage = 64 << 20;
constexpr int kSendTimeoutMs = 30'000;

}  // namespace

Driver::Driver(const DriverOptions& options) {
  std::error_code ec;
  fs::create_directories(options.directory, ec);
  if (ec) throw std::runtime_error("no working directory: " + ec.message());
  // After the fork of a process with threads only async-signal-safe calls are allowed: everything is prepared here.
  std::string path = options.packages;
  Variables variables;
  for (const auto& [name, value] : options.environment) {
    if (name != "PYTHONPATH") variables.emplace_back(name, value);
    else if (!value.empty()) path += ":" + value;
  }
  variables.insert(variables.end(), {{"PYTHONPATH", path}, {"MPLBACKEND", "Agg"}, {"PYTHONUNBUFFERED", "1"}, {"PYTHONIOENCODING", "utf-8"}, {"GRPC_ENABLE_FORK_SUPPORT", "0"}});
  ChildEnvironment environment(variables);
  std::string python = options.python, dash_m = "-m", module = "tarn.driver", three = "3";
  char* argv[] = {python.data(), dash_m.data(), module.data(), three.data(), nullptr};
  int pair[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) throw std::runtime_error(std::string("no socket pair: ") + std::strerror(errno));
  pid_t parent = ::getpid();
  pid_ = ::fork();
  if (pid_ == 0) {
    sigset_t none;
    sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    for (int s : {SIGINT, SIGTERM, SIGPIPE, SIGHUP}) ::signal(s, SIG_DFL);
    ::setsid();
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) ::_exit(1);
    rlimit core{0, 0};
    ::setrlimit(RLIMIT_CORE, &core);   // a core would hold the token
    int score = ::open("/proc/self/oom_score_adj", O_WRONLY);
    if (score >= 0) {                  // out of memory: this goes before the workspace does
      [[maybe_unused]] ssize_t n = ::write(score, "500", 3);
      ::close(score);
    }
    int null = ::open("/dev/null", O_RDONLY), log = ::open(options.log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
    int at = ::fcntl(pair[1], F_DUPFD, 10);
    ::dup2(null, 0);
    ::dup2(log >= 0 ? log : null, 1);
    ::dup2(log >= 0 ? log : null, 2);
    ::dup2(at, 3);
    ::syscall(SYS_close_range, 4u, ~0u, 0u);
    if (::chdir(options.directory.c_str()) != 0) ::_exit(126);
    ::execve(python.c_str(), argv, environment.data());
    ::_exit(127);
  }
  int error = errno;
  ::close(pair[1]);
  if (pid_ < 0) {
    ::close(pair[0]);
    throw std::runtime_error(std::string("cannot start a process: ") + std::strerror(error));
  }
  fd_ = pair[0];
  ::fcntl(fd_, F_SETFL, ::fcntl(fd_, F_GETFL) | O_NONBLOCK);
  send(options.hello);
}

Driver::~Driver() {
  if (pid_ > 0) {
    kill();
    if (!reaped_) ::waitpid(pid_, &status_, 0);
  }
  if (fd_ >= 0) ::close(fd_);
}

bool Driver::send(const Json& message) {
  std::string text = message.dump(-1, ' ', false, Json::error_handler_t::replace);
  if (text.size() > kMaxMessage) return false;
  auto size = static_cast<uint32_t>(text.size());
  std::string frame;
  for (int shift = 24; shift >= 0; shift -= 8) frame += static_cast<char>(size >> shift);
  frame += text;
  for (size_t at = 0; at < frame.size();) {
    ssize_t n = ::send(fd_, frame.data() + at, frame.size() - at, MSG_NOSIGNAL);
    if (n > 0) {
      at += static_cast<size_t>(n);
    } else if (errno == EAGAIN) {
      pollfd p{fd_, POLLOUT, 0};
      if (::poll(&p, 1, kSendTimeoutMs) <= 0) return false;
    } else if (errno != EINTR) {
      return false;
    }
  }
  return true;
}

Driver::Got Driver::receive(Json* message) {
  bool ended = false;
  for (;;) {
    if (received_.size() >= 4) {
      size_t size = 0;
      for (int i = 0; i < 4; ++i) size = size << 8 | static_cast<unsigned char>(received_[static_cast<size_t>(i)]);
      if (size > kMaxMessage) return Got::kEnd;   // not our protocol: it ends
      if (received_.size() >= 4 + size) {
        *message = Json::parse(std::string_view(received_).substr(4, size), nullptr, false);
        received_.erase(0, 4 + size);
        return message->is_object() ? Got::kMessage : Got::kEnd;
      }
    }
    if (ended) return Got::kEnd;
    char buffer[65536];
    ssize_t n = ::recv(fd_, buffer, sizeof buffer, 0);
    if (n > 0) received_.append(buffer, static_cast<size_t>(n));
    else if (n < 0 && errno == EINTR) continue;
    else if (n < 0 && errno == EAGAIN) return Got::kNothing;
    else ended = true;
  }
}

void Driver::interrupt() {
  if (!reaped_) ::kill(pid_, SIGINT);
}

void Driver::kill() {
  // The group of a process that was waited for may be somebody else's.
  if (!reaped_) ::kill(-pid_, SIGKILL), ::kill(pid_, SIGKILL);
}

std::string Driver::death() {
  if (!reaped_) {
    for (int i = 0; i < 100 && !reaped_; ++i) {
      if (::waitpid(pid_, &status_, WNOHANG) == pid_) reaped_ = true;
      else ::usleep(20'000);
    }
    if (!reaped_) {   // it closed its end and goes on
      ::kill(-pid_, SIGKILL);
      ::waitpid(pid_, &status_, 0);
      reaped_ = true;
    } else {
      ::kill(-pid_, SIGKILL);   // its children; no other process can have this group while one of them lives
    }
  }
  if (WIFSIGNALED(status_)) return "it was ended by signal " + std::to_string(WTERMSIG(status_)) + " (" + ::strsignal(WTERMSIG(status_)) + ")";
  return "it ended with status " + std::to_string(WEXITSTATUS(status_));
}

std::string find_packages() {
  auto is = [](const fs::path& p) {
    std::error_code ec;
    return fs::exists(p / "tarn" / "driver" / "__main__.py", ec);
  };
  if (const char* named = std::getenv("TARN_PYTHON_PACKAGES"); named && *named) {
    if (is(named)) return named;
    throw std::runtime_error(std::string("TARN_PYTHON_PACKAGES has no tarn/driver: ") + named);
  }
  std::error_code ec;
  fs::path program = fs::read_symlink("/proc/self/exe", ec);
  for (auto at = program.parent_path(); !ec && at.has_relative_path(); at = at.parent_path()) {
    for (const char* below : {"share/tarn/python", "python"}) {
      if (is(at / below)) return (at / below).string();
    }
  }
  throw std::runtime_error("the Python package of this program is missing: it belongs in share/tarn/python beside it");
}

}  // namespace tarn::clusters
