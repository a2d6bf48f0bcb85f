#include "server/control_channel.h"

#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <nlohmann/json.hpp>
#include <string>

#include "base/log.h"
#include "storage/mounts.h"

namespace tarn::server {
namespace {

using Json = nlohmann::json;

void take(const std::string& line, int64_t* newest) {
  Json message = Json::parse(line);
  int64_t version = message.at("version").get<int64_t>();
  if (version < *newest) return;   // lines of two threads can overtake each other
  *newest = version;
  std::vector<storage::Mount> mounts;
  for (const auto& m : message.at("mounts")) {
    mounts.push_back({m.at("path").get<std::string>(), m.at("source").get<std::string>(), m.at("settings").get<std::map<std::string, std::string>>()});
  }
  storage::set_mounts(std::move(mounts));
}

}  // namespace

ControlChannel::ControlChannel(int fd) : fd_(fd), thread_([this] { run(); }) {}

ControlChannel::~ControlChannel() {
  ::shutdown(fd_, SHUT_RDWR);
  thread_.join();
}

void ControlChannel::run() {
  std::string received;
  int64_t newest = 0;
  for (;;) {
    char buffer[4096];
    ssize_t n = ::recv(fd_, buffer, sizeof buffer, 0);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return;
    received.append(buffer, static_cast<size_t>(n));
    for (size_t end; (end = received.find('\n')) != std::string::npos;) {
      try {
        take(received.substr(0, end), &newest);
      } catch (const std::exception&) {   // its text may quote the line, and that has secrets
        log::error("control_line_not_understood");
      }
      received.erase(0, end + 1);
      if (::send(fd_, "ok\n", 3, MSG_NOSIGNAL) != 3) return;
    }
  }
}

}  // namespace tarn::server
