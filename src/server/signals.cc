#include "server/signals.h"

#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cerrno>

#include "base/io_error.h"

namespace tarn::server {

SignalWait::SignalWait() {
  ::signal(SIGPIPE, SIG_IGN);
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  signals_ = ::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
  cancelled_ = ::eventfd(0, EFD_CLOEXEC);
  if (signals_ < 0 || cancelled_ < 0) throw IoError("cannot wait for signals", "signalfd");
}

SignalWait::~SignalWait() {
  ::close(signals_);
  ::close(cancelled_);
}

void SignalWait::watch_children() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGCHLD);
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  ::signalfd(signals_, &set, 0);
}

std::string SignalWait::wait() { return wait_for(std::chrono::milliseconds(-1)); }

std::string SignalWait::wait_for(std::chrono::milliseconds time) {
  for (;;) {
    pollfd fds[2] = {{signals_, POLLIN, 0}, {cancelled_, POLLIN, 0}};
    int ready = ::poll(fds, 2, static_cast<int>(time.count()));
    if (ready == 0 || (ready < 0 && errno != EINTR)) return "";
    if (fds[1].revents) return "";
    signalfd_siginfo info;
    if (::read(signals_, &info, sizeof info) != sizeof info) continue;
    return info.ssi_signo == SIGINT ? "SIGINT" : info.ssi_signo == SIGCHLD ? "SIGCHLD" : "SIGTERM";
  }
}

void SignalWait::cancel() {
  uint64_t one = 1;
  if (::write(cancelled_, &one, sizeof one) < 0) {
    // the counter cannot overflow with one writer
  }
}

}  // namespace tarn::server
