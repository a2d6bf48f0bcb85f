#include "server/metrics_listener.h"

#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <sstream>
#include <string_view>

#include "server/command.h"

namespace tarn::server {
namespace {

constexpr std::string_view kUnix = "unix:";

// The address of a socket in a folder, however long the folder's name: by the folder's descriptor.
class UnixAddress {
 public:
  explicit UnixAddress(const std::string& path) {
    size_t slash = path.rfind('/');
    folder_ = ::open(slash == std::string::npos ? "." : path.substr(0, slash + 1).c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
    std::string by_descriptor = "/proc/self/fd/" + std::to_string(folder_) + "/" + path.substr(slash == std::string::npos ? 0 : slash + 1);
    address_.sun_family = AF_UNIX;
    if (folder_ < 0 || by_descriptor.size() >= sizeof address_.sun_path) return;
    std::memcpy(address_.sun_path, by_descriptor.c_str(), by_descriptor.size() + 1);
    good_ = true;
  }
  ~UnixAddress() {
    if (folder_ >= 0) ::close(folder_);
  }
  bool good() const { return good_; }
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&address_); }

 private:
  int folder_;
  sockaddr_un address_{};
  bool good_ = false;
};

void limit_waits(int socket) {
  timeval second{1, 0};
  ::setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &second, sizeof second);
  ::setsockopt(socket, SOL_SOCKET, SO_SNDTIMEO, &second, sizeof second);
}

int open_socket(const std::string& listen, int* port) {
  if (listen.starts_with(kUnix)) {
    std::string path = listen.substr(kUnix.size());
    ::unlink(path.c_str());   // of a process that was killed; who runs for the home is said by the pid file's lock
    UnixAddress address(path);
    int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || !address.good() || ::bind(fd, address.get(), sizeof(sockaddr_un)) != 0 || ::chmod(path.c_str(), 0600) != 0 || ::listen(fd, 8) != 0) {
      int error = errno;
      if (fd >= 0) ::close(fd);
      throw CommandError("cannot listen on " + path + ": " + std::strerror(error));
    }
    return fd;
  }
  size_t colon = listen.rfind(':');
  if (colon == std::string::npos || colon == 0) throw UsageError("an address is HOST:PORT, not " + listen);
  std::string host = listen.substr(0, colon), service = listen.substr(colon + 1);
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
  addrinfo hints{}, *found = nullptr;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  if (int error = getaddrinfo(host.c_str(), service.c_str(), &hints, &found)) {
    throw CommandError("cannot listen on " + listen + ": " + gai_strerror(error));
  }
  int fd = ::socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  int one = 1;
  ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  bool bound = fd >= 0 && ::bind(fd, found->ai_addr, found->ai_addrlen) == 0 && ::listen(fd, 64) == 0;
  int error = errno;
  freeaddrinfo(found);
  if (!bound) {
    if (fd >= 0) ::close(fd);
    throw CommandError("cannot listen on " + listen + ": " + std::strerror(error));
  }
  sockaddr_storage address{};
  socklen_t length = sizeof address;
  ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length);
  *port = ntohs(address.ss_family == AF_INET6 ? reinterpret_cast<sockaddr_in6*>(&address)->sin6_port
                                              : reinterpret_cast<sockaddr_in*>(&address)->sin_port);
  return fd;
}

}  // namespace

std::map<std::string, uint64_t> read_metrics(const std::string& path) {
  std::map<std::string, uint64_t> out;
  UnixAddress address(path);
  int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return out;
  limit_waits(fd);
  std::string answer;
  constexpr std::string_view kRequest = "GET /metrics HTTP/1.1\r\n\r\n";
  if (address.good() && ::connect(fd, address.get(), sizeof(sockaddr_un)) == 0 && ::send(fd, kRequest.data(), kRequest.size(), MSG_NOSIGNAL) > 0) {
    char buffer[4096];
    for (ssize_t n; answer.size() < (1 << 20) && (n = ::recv(fd, buffer, sizeof buffer, 0)) > 0;) answer.append(buffer, static_cast<size_t>(n));
  }
  ::close(fd);
  size_t at = answer.find("\r\n\r\n");
  std::istringstream lines(at == std::string::npos ? "" : answer.substr(at + 4));
  for (std::string line; std::getline(lines, line);) {
    size_t space = line.find(' ');
    if (line.starts_with("tarn_") && space != std::string::npos) out[line.substr(5, space - 5)] = std::strtoull(line.c_str() + space, nullptr, 10);
  }
  return out;
}

MetricsListener::MetricsListener(const std::string& listen, std::function<bool()> health, std::function<std::string()> metrics)
    : health_(std::move(health)), metrics_(std::move(metrics)) {
  socket_ = open_socket(listen, &port_);
  if (::pipe2(wake_, O_CLOEXEC) != 0) throw CommandError("no pipe");
  thread_ = std::thread([this] { serve(); });
}

MetricsListener::~MetricsListener() {
  ::close(wake_[1]);   // no child has it
  thread_.join();
  ::close(wake_[0]);
  ::close(socket_);
}

void MetricsListener::serve() {
  for (;;) {
    pollfd fds[2] = {{socket_, POLLIN, 0}, {wake_[0], POLLIN, 0}};
    if (::poll(fds, 2, -1) < 0 && errno != EINTR) return;
    if (fds[1].revents) return;
    if (!(fds[0].revents & POLLIN)) continue;
    int client = ::accept4(socket_, nullptr, nullptr, SOCK_CLOEXEC);
    if (client < 0) continue;
    answer(client);
    ::close(client);
  }
}

void MetricsListener::answer(int client) {
  limit_waits(client);
  std::string request;
  char buffer[2048];
  while (request.size() < 8192 && request.find("\r\n\r\n") == std::string::npos) {
    ssize_t n = ::recv(client, buffer, sizeof buffer, 0);
    if (n <= 0) return;
    request.append(buffer, static_cast<size_t>(n));
  }
  std::string line = request.substr(0, request.find("\r\n"));
  bool head = line.starts_with("HEAD ");
  size_t from = line.find(' '), to = line.find(' ', from + 1);
  std::string path = from == std::string::npos || to == std::string::npos ? "" : line.substr(from + 1, to - from - 1);
  path = path.substr(0, path.find('?'));
  std::string status = "200 OK", type = "application/json", body;
  if (!line.starts_with("GET ") && !head) {
    status = "405 Method Not Allowed";
    body = "{\"error\":\"only GET\"}\n";
  } else if (path == "/health") {
    bool well = health_();
    if (!well) status = "503 Service Unavailable";
    body = well ? "{\"status\":\"ok\"}\n" : "{\"status\":\"unavailable\"}\n";
  } else if (path == "/metrics") {
    type = "text/plain; version=0.0.4";
    body = metrics_();
  } else {
    status = "404 Not Found";
    body = "{\"error\":\"not found\"}\n";
  }
  std::string answer = "HTTP/1.1 " + status + "\r\nContent-Type: " + type + "\r\nContent-Length: " + std::to_string(body.size()) +
                       "\r\nConnection: close\r\n\r\n" + (head ? "" : body);
  for (size_t done = 0; done < answer.size();) {
    ssize_t n = ::send(client, answer.data() + done, answer.size() - done, MSG_NOSIGNAL);
    if (n <= 0) return;
    done += static_cast<size_t>(n);
  }
}

}  // namespace tarn::server
