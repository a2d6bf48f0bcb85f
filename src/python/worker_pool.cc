#include "python/worker_pool.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <nlohmann/json.hpp>
#include <thread>

#include "base/child_environment.h"
#include "base/log.h"
#include "base/python_interpreters.h"
#include "base/spark_error.h"

namespace tarn::python {

extern const char kWorkerMain[];

namespace {

constexpr const char* kPysparkVersion = "4.2.";  // the protocol changes between releases
constexpr int kHelloSeconds = 60;

SparkError unusable(const std::string& executable, const std::string& why) {
  return SparkError::Plain(ErrorKind::kSpark, "Python functions cannot run with the interpreter '" + executable + "': " + why +
                                                  ". Name one that has pyspark 4.2, pandas and pyarrow with spark.pyspark.python or PYSPARK_PYTHON.");
}

void close_fd(int& fd) {
  if (fd >= 0) ::close(fd);
  fd = -1;
}

// Lines of the workers' output into the log.
void copy_output(int fd) {
  std::string line;
  char buffer[4096];
  for (;;) {
    ssize_t n = ::read(fd, buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    for (ssize_t i = 0; i < n; ++i) {
      if (buffer[i] != '\n' && line.size() < 8192) {
        line += buffer[i];
        continue;
      }
      if (!line.empty()) log::info("python.output", {{"line", line}});
      line.clear();
    }
  }
  if (!line.empty()) log::info("python.output", {{"line", line}});
  ::close(fd);
}

void put_int(char* to, int32_t v) {
  for (int i = 0; i < 4; ++i) to[i] = static_cast<char>(static_cast<uint32_t>(v) >> (24 - 8 * i));
}

int32_t get_int(const char* from) {
  uint32_t v = 0;
  for (int i = 0; i < 4; ++i) v = v << 8 | static_cast<unsigned char>(from[i]);
  return static_cast<int32_t>(v);
}

// Whether this program may take a thread of its out of the class of what runs when nothing else wants to.
bool may_leave_idle_class() {
  static const bool may = [] {
    bool left = false;
    std::thread([&left] {
      sched_param none{};
      left = ::sched_setscheduler(0, SCHED_IDLE, &none) == 0 && ::sched_setscheduler(0, SCHED_OTHER, &none) == 0;
    }).join();
    return left;
  }();
  return may;
}

void normal_priority(pid_t pid) {
  sched_param none{};
  if (pid > 0) ::sched_setscheduler(pid, SCHED_OTHER, &none);
}

}  // namespace

// A process that has imported what functions need and forks workers (worker_main.py).
class Parent {
 public:
  // background: where to note its number while it starts behind all other work of the machine (see normal_priority); null: it starts at once.
  Parent(const std::string& executable, int64_t memory_mb, std::atomic<pid_t>* background) : executable_(executable) {
    const int policy = !background ? SCHED_OTHER : may_leave_idle_class() ? SCHED_IDLE : SCHED_BATCH;
    int control[2], program[2], output[2];
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, control) != 0) throw unusable(executable, std::strerror(errno));
    if (::pipe2(program, O_CLOEXEC) != 0 || ::pipe2(output, O_CLOEXEC) != 0) throw unusable(executable, std::strerror(errno));
    // The child may only call what is safe after a fork of a process with threads: everything is prepared here.
    // Functions are the work of whoever set the cluster up: they see its environment but for what is the engine's own.
    Variables own = {{"OMP_NUM_THREADS", "1"}, {"OPENBLAS_NUM_THREADS", "1"}, {"MKL_NUM_THREADS", "1"}, {"PYTHONUNBUFFERED", "1"}, {"SPARK_PYTHON_RUNTIME", "PYTHON_WORKER"},
                     {"SPARK_REUSE_WORKER", "1"}, {"SPARK_BUFFER_SIZE", "65536"}, {"ARROW_IO_THREADS", "1"}};
    if (memory_mb > 0) own.emplace_back("PYSPARK_EXECUTOR_MEMORY_MB", std::to_string(memory_mb));
    ChildEnvironment environment(own, [](std::string_view v) { return !v.starts_with("TARN_") && v != "PYSPARK_EXECUTOR_MEMORY_MB"; });
    std::string name = executable, dash_s = "-s", dash = "-", fd = "3";
    char* argv[] = {name.data(), dash_s.data(), dash.data(), fd.data(), nullptr};
    pid_ = ::fork();
    if (pid_ == 0) {
      sigset_t none;
      sigemptyset(&none);
      ::sigprocmask(SIG_SETMASK, &none, nullptr);
      ::setsid();
      sched_param normal{};
      if (policy != SCHED_OTHER) ::sched_setscheduler(0, policy, &normal);
      ::dup2(program[0], 0);
      ::dup2(output[1], 1);
      ::dup2(output[1], 2);
      int at = ::fcntl(control[1], F_DUPFD, 10);  // may be 3 itself
      ::dup2(at, 3);
      ::close(at);
      ::execvpe(name.c_str(), argv, environment.data());
      ::_exit(127);
    }
    int error = errno;
    ::close(control[1]);
    ::close(program[0]);
    ::close(output[1]);
    control_ = control[0];
    if (pid_ < 0) {
      ::close(program[1]);
      ::close(output[0]);
      close_fd(control_);
      throw unusable(executable, std::strerror(error));
    }
    if (background) background->store(pid_);
    std::thread(copy_output, output[0]).detach();
    // SIGPIPE is ignored in this program; a short write means that the child is gone, which the hello will tell.
    std::string_view text(kWorkerMain);
    while (!text.empty()) {
      ssize_t n = ::write(program[1], text.data(), text.size());
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) break;
      text.remove_prefix(static_cast<size_t>(n));
    }
    ::close(program[1]);
    std::string hello = receive(kHelloSeconds * 1000);
    if (background) {
      background->store(0);
      normal_priority(pid_);
    }
    auto json = nlohmann::json::parse(hello, nullptr, false);
    std::string why;
    if (hello.empty()) why = "it does not start";
    else if (json.is_discarded() || json.contains("error")) why = json.is_discarded() ? "it answers nonsense" : json["error"].get<std::string>();
    else if (!json.value("pyspark", "").starts_with(kPysparkVersion)) why = "it has pyspark " + json.value("pyspark", "") + ", version 4.2 is needed";
    if (!why.empty()) {
      end();
      throw unusable(executable, why);
    }
    log::info("python.ready", {{"executable", executable}, {"python", json.value("python", "")}, {"pyspark", json.value("pyspark", "")}});
  }
  ~Parent() { end(); }

  pid_t fork_worker(int fd) {
    std::lock_guard lock(mu_);
    char message = 'f';
    iovec part{&message, 1};
    alignas(cmsghdr) char space[CMSG_SPACE(sizeof(int))] = {};
    msghdr header{};
    header.msg_iov = &part;
    header.msg_iovlen = 1;
    header.msg_control = space;
    header.msg_controllen = sizeof space;
    cmsghdr* c = CMSG_FIRSTHDR(&header);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof(int));
    std::memcpy(CMSG_DATA(c), &fd, sizeof fd);
    if (control_ < 0 || ::sendmsg(control_, &header, MSG_NOSIGNAL) < 0) return -1;
    std::string answer = receive(kHelloSeconds * 1000);
    return answer.size() == 4 ? get_int(answer.data()) : -1;
  }
  // The wait status. why: set if the parent itself has ended it.
  int end_worker(pid_t pid, std::string* why = nullptr) {
    std::lock_guard lock(mu_);
    char message[5] = {'k'};
    put_int(message + 1, pid);
    if (control_ < 0 || ::send(control_, message, sizeof message, MSG_NOSIGNAL) < 0) return 0;
    std::string answer = receive(10000);
    if (answer.size() < 4) return 0;
    if (why) *why = answer.substr(4);
    return get_int(answer.data());
  }
  bool alive() {
    std::lock_guard lock(mu_);
    if (control_ < 0) return false;
    pollfd p{control_, POLLIN, 0};
    return ::poll(&p, 1, 0) == 0;  // it says nothing unasked: readable means ended
  }
  void end() {
    std::lock_guard lock(mu_);
    close_fd(control_);
    if (pid_ > 0) {
      ::kill(pid_, SIGKILL);  // its workers die with it
      int status;
      while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
      }
    }
    pid_ = -1;
  }

 private:
  // One message; empty when the process has ended or the time is up.
  std::string receive(int timeout_ms) {
    auto deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(timeout_ms);
    for (;;) {
      auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now()).count();
      pollfd p{control_, POLLIN, 0};
      int ready = left <= 0 ? 0 : ::poll(&p, 1, static_cast<int>(left));
      if (ready < 0 && errno == EINTR) continue;
      if (ready <= 0) return "";
      char buffer[8192];
      ssize_t n = ::recv(control_, buffer, sizeof buffer, 0);
      if (n < 0 && errno == EINTR) continue;
      return n <= 0 ? "" : std::string(buffer, static_cast<size_t>(n));
    }
  }
  const std::string executable_;
  std::mutex mu_;
  int control_ = -1;  // guarded by mu_
  pid_t pid_ = -1;    // guarded by mu_
};

// ---- a worker

Worker::~Worker() {
  close_fd(fd_);
  if (!ended_) parent_->end_worker(pid_);
}

void Worker::send(std::string bytes) {
  if (!bytes.empty()) queue_.push_back(std::move(bytes));
}

void Worker::pump() {
  while (!queue_.empty()) {
    const auto& front = queue_.front();
    ssize_t n = ::send(fd_, front.data() + sent_, front.size() - sent_, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) {
      if (errno != EAGAIN && errno != EWOULDBLOCK) queue_.clear(), sent_ = 0;  // it has ended: reading will tell
      return;
    }
    sent_ += static_cast<size_t>(n);
    if (sent_ == front.size()) {
      queue_.pop_front();
      sent_ = 0;
    }
  }
}

bool Worker::poll(bool for_reading, bool for_writing, int timeout_ms) {
  pollfd p{fd_, static_cast<short>((for_reading ? POLLIN : 0) | (for_writing ? POLLOUT : 0)), 0};
  int n = ::poll(&p, 1, timeout_ms);
  return n > 0 && (p.revents & (POLLIN | POLLHUP | POLLERR));
}

bool Worker::readable() {
  pump();
  return poll(true, false, 0);
}

void Worker::wait() {
  auto since = std::chrono::steady_clock::now();
  for (;;) {
    pump();
    if (poll(true, !queue_.empty(), 100)) return;
    if (queue_.empty()) return;
    if (interrupted && interrupted()) throw WorkerInterrupted();
    if (idle_timeout_ms > 0 && std::chrono::steady_clock::now() - since > std::chrono::milliseconds(idle_timeout_ms)) throw WorkerIdle();
  }
}

size_t Worker::read(char* to, size_t size) {
  auto since = std::chrono::steady_clock::now();
  for (;;) {
    pump();
    ssize_t n = ::recv(fd_, to, size, MSG_DONTWAIT);
    if (n > 0) return static_cast<size_t>(n);
    if (n == 0) return 0;
    if (errno == EINTR) continue;
    if (errno != EAGAIN && errno != EWOULDBLOCK) return 0;
    poll(true, !queue_.empty(), 100);
    if (interrupted && interrupted()) throw WorkerInterrupted();
    if (idle_timeout_ms > 0 && std::chrono::steady_clock::now() - since > std::chrono::milliseconds(idle_timeout_ms)) throw WorkerIdle();
  }
}

std::string Worker::death() {
  if (!ended_) {
    // It may be on its way out: the exit status says more than our own signal.
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    std::string why;
    int status = parent_->end_worker(pid_, &why);
    ended_ = true;
    if (!why.empty()) {
      death_ = why + " and was killed";
    } else if (WIFSIGNALED(status) && WTERMSIG(status) == SIGXCPU) {
      death_ = "it has used more CPU time than it may and was killed";
    } else if (WIFSIGNALED(status)) {
      death_ = "it was killed by signal " + std::to_string(WTERMSIG(status)) + " (" + ::strsignal(WTERMSIG(status)) + ")";
    } else {
      death_ = "it exited with status " + std::to_string(WEXITSTATUS(status));
    }
  }
  return death_;
}

// ---- the pool

WorkerPool::WorkerPool(std::string default_executable, size_t idle) : default_executable_(std::move(default_executable)), idle_limit_(idle) {}
WorkerPool::~WorkerPool() { stop(); }

void WorkerPool::warm_up(int64_t memory_mb) {
  std::thread([this, memory_mb] {
    try {
      parent(default_executable_, memory_mb, true);
    } catch (const std::exception& e) {
      log::info("python.not_ready", {{"error", e.what()}});
    }
  }).detach();
}

std::shared_ptr<Parent> WorkerPool::parent(const std::string& executable, int64_t memory_mb, bool background) {
  // Held while the process starts: everybody else would want it too.
  std::unique_lock lock(mu_, std::defer_lock);
  if (background) lock.lock();
  while (!lock.owns_lock() && !lock.try_lock()) {
    normal_priority(starting_.load());  // what starts in the background is wanted now
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  if (stopped_) throw internal_error("the cluster stops");
  auto& slot = parents_[{executable, memory_mb}];
  if (!slot || !slot->alive()) {
    slot.reset();
    auto candidates = executable.empty() ? python_interpreters() : std::vector<std::string>{executable};
    for (size_t i = 0; !slot; ++i) {
      try {
        slot = std::make_shared<Parent>(candidates[i], memory_mb, background ? &starting_ : nullptr);
      } catch (const SparkError&) {
        if (i + 1 == candidates.size()) throw;
      }
    }
  }
  return slot;
}

std::unique_ptr<Worker> WorkerPool::take(const Environment& wanted) {
  Environment environment = wanted;
  if (environment.executable.empty()) environment.executable = default_executable_;
  for (;;) {
    std::unique_ptr<Worker> found;
    {
      std::lock_guard lock(mu_);
      auto it = std::find_if(idle_.begin(), idle_.end(), [&](const auto& w) {
        return w->environment_.session == environment.session && w->environment_.executable == environment.executable &&
               w->environment_.memory_mb == environment.memory_mb;
      });
      if (it != idle_.end()) {
        found = std::move(*it);
        idle_.erase(it);
      }
    }
    if (!found) break;
    if (!found->poll(true, false, 0)) return found;  // an idle worker says nothing: readable means ended
  }
  for (int attempt = 0;; ++attempt) {
    auto from = parent(environment.executable, environment.memory_mb, false);
    int fds[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) != 0) throw unusable(environment.executable, std::strerror(errno));
    for (int fd : fds) {
      int size = 1 << 20;
      ::setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    }
    pid_t pid = from->fork_worker(fds[1]);
    ::close(fds[1]);
    if (pid > 0) return std::unique_ptr<Worker>(new Worker(std::move(from), environment, fds[0], pid));
    ::close(fds[0]);
    if (attempt == 1) throw unusable(environment.executable, "no process can be started");
    from->end();
  }
}

void WorkerPool::give_back(std::unique_ptr<Worker> worker) {
  worker->interrupted = nullptr;
  worker->idle_timeout_ms = 0;
  std::unique_ptr<Worker> surplus;  // ended after the lock
  std::lock_guard lock(mu_);
  if (stopped_) {
    surplus = std::move(worker);
    return;
  }
  idle_.push_back(std::move(worker));
  if (idle_.size() > idle_limit_) {
    surplus = std::move(idle_.front());
    idle_.erase(idle_.begin());
  }
}

void WorkerPool::end_session(const std::string& session) {
  std::vector<std::unique_ptr<Worker>> ended;
  std::lock_guard lock(mu_);
  for (auto it = idle_.begin(); it != idle_.end();) {
    if ((*it)->environment_.session == session) {
      ended.push_back(std::move(*it));
      it = idle_.erase(it);
    } else {
      ++it;
    }
  }
}

void WorkerPool::stop() {
  std::vector<std::unique_ptr<Worker>> idle;
  std::map<std::pair<std::string, int64_t>, std::shared_ptr<Parent>> parents;
  {
    std::lock_guard lock(mu_);
    stopped_ = true;
    idle.swap(idle_);
    parents.swap(parents_);
  }
  for (auto& [key, parent] : parents) {
    if (parent) parent->end();
  }
}

}  // namespace tarn::python
