#include "clusters/control_link.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

namespace tarn::clusters {

ControlLink::~ControlLink() { ::close(fd_); }

bool ControlLink::tell(const std::string& line, std::chrono::milliseconds timeout) {
  std::lock_guard lock(mu_);
  auto until = std::chrono::steady_clock::now() + timeout;
  auto wait = [&](short events) {
    auto left = std::chrono::duration_cast<std::chrono::milliseconds>(until - std::chrono::steady_clock::now()).count();
    pollfd p{fd_, events, 0};
    return left > 0 && ::poll(&p, 1, static_cast<int>(left)) > 0;
  };
  std::string text = line + "\n";
  for (size_t at = 0; at < text.size();) {
    ssize_t n = ::send(fd_, text.data() + at, text.size() - at, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n > 0) at += static_cast<size_t>(n);
    else if (errno == EAGAIN ? !wait(POLLOUT) : errno != EINTR) return false;
  }
  for (std::string answer; answer.find('\n') == std::string::npos;) {
    char buffer[64];
    if (!wait(POLLIN)) return false;
    ssize_t n = ::recv(fd_, buffer, sizeof buffer, MSG_DONTWAIT);
    if (n == 0 || (n < 0 && errno != EINTR && errno != EAGAIN)) return false;
    if (n > 0) answer.append(buffer, static_cast<size_t>(n));
  }
  return true;
}

}  // namespace tarn::clusters
