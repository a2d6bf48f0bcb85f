#include "server/pid_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cstring>
#include <fstream>

#include "base/io_error.h"
#include "server/command.h"

namespace tarn::server {
namespace {

struct flock whole_file(short type) {
  struct flock lock {};
  lock.l_type = type;
  lock.l_whence = SEEK_SET;
  return lock;
}

}  // namespace

PidFile::PidFile(const std::string& path) : path_(path) {
  fd_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd_ < 0) throw IoError("cannot write the pid file", path);
  auto lock = whole_file(F_WRLCK);
  if (::fcntl(fd_, F_SETLK, &lock) != 0) {
    auto other = running(path);
    ::close(fd_);
    throw CommandError("another process" + (other ? " (pid " + std::to_string(other->pid) + ")" : std::string()) +
                       " already runs for this home: stop it, or choose another --home");
  }
  publish("");
}

PidFile::~PidFile() {
  if (::ftruncate(fd_, 0) != 0) {
    // the lock goes with the descriptor; a stale address is never believed without it
  }
  ::close(fd_);
}

void PidFile::publish(const std::string& address) {
  std::string text = std::to_string(::getpid()) + " " + address + "\n";
  if (::ftruncate(fd_, 0) != 0 || ::pwrite(fd_, text.data(), text.size(), 0) < 0) throw IoError("cannot write the pid file", path_);
}

std::optional<RunningProcess> running(const std::string& path) {
  int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return std::nullopt;
  auto lock = whole_file(F_RDLCK);
  bool held = ::fcntl(fd, F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
  ::close(fd);
  if (!held || lock.l_pid <= 0) return std::nullopt;
  RunningProcess out{lock.l_pid, ""};
  std::ifstream file(path);
  pid_t written = 0;
  file >> written >> out.address;
  if (written != out.pid) out.address.clear();
  return out;
}

}  // namespace tarn::server
