#include "clusters/interpreter.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/log.h"

namespace tarn::clusters {

using Clock = std::chrono::steady_clock;

Interpreter::Interpreter(InterpreterOptions options) : options_(std::move(options)) {
  wake_fd_ = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (wake_fd_ < 0) throw std::runtime_error("no event descriptor");
  thread_ = std::thread([this] { run(); });
}

Interpreter::~Interpreter() {
  stop();
  if (wake_fd_ >= 0) ::close(wake_fd_);
}

void Interpreter::wake() {
  uint64_t one = 1;
  [[maybe_unused]] ssize_t n = ::write(wake_fd_, &one, sizeof one);
}

Interpreter::State Interpreter::state(std::string* why) const {
  std::lock_guard lock(mu_);
  if (why) *why = why_;
  return state_;
}

void Interpreter::submit(std::string id, std::string language, std::string code, std::shared_ptr<CellListener> listener) {
  {
    std::lock_guard lock(mu_);
    if (!stopping_) {
      waiting_.push_back({std::move(id), std::move(language), std::move(code), std::move(listener)});
      wake();
      return;
    }
  }
  listener->end({CellEnd::Status::kCancelled});
}

bool Interpreter::cancel(const std::string& id) {
  std::shared_ptr<CellListener> never_began;
  {
    std::lock_guard lock(mu_);
    if (current_id_ == id) {
      cancel_current_ = true;
      wake();
      return true;
    }
    for (auto it = waiting_.begin(); it != waiting_.end(); ++it) {
      if (it->id != id) continue;
      never_began = it->listener;
      waiting_.erase(it);
      break;
    }
  }
  if (never_began) never_began->end({CellEnd::Status::kCancelled});
  return never_began != nullptr;
}

void Interpreter::stop() {
  {
    std::lock_guard lock(mu_);
    stopping_ = true;
    wake();
  }
  if (thread_.joinable()) thread_.join();
}

bool Interpreter::start() {
  std::string why, said;
  try {
    driver_ = std::make_unique<Driver>(options_.prepare());
    auto until = Clock::now() + options_.start_timeout;
    for (;;) {
      Json message;
      auto got = driver_->receive(&message);
      if (got == Driver::Got::kMessage) {
        std::string type = message.value("type", "");
        if (type == "ready") {
          std::lock_guard lock(mu_);
          state_ = State::kReady;
          why_.clear();
          return true;
        }
        if (type == "failed") {
          why = message.value("message", "");
          break;
        }
        if (type == "output") said += message.value("text", "");
        continue;
      }
      if (got == Driver::Got::kEnd) {
        why = "the Python process ended as it started: " + driver_->death();
        if (!said.empty()) why += ": " + said.substr(said.size() > 500 ? said.size() - 500 : 0);
        break;
      }
      auto left = std::chrono::duration_cast<std::chrono::milliseconds>(until - Clock::now()).count();
      if (left <= 0) {
        why = "the Python process did not start in time";
        break;
      }
      pollfd fds[] = {{driver_->descriptor(), POLLIN, 0}, {wake_fd_, POLLIN, 0}};
      ::poll(fds, 2, static_cast<int>(std::min<int64_t>(left, 1000)));
      uint64_t count;
      if (fds[1].revents) [[maybe_unused]] ssize_t n = ::read(wake_fd_, &count, sizeof count);
      std::lock_guard lock(mu_);
      if (stopping_) {
        why = "it was ended";
        break;
      }
    }
  } catch (const std::exception& e) {
    why = e.what();
  }
  driver_.reset();
  std::lock_guard lock(mu_);
  state_ = State::kFailed;
  why_ = why;
  return false;
}

void Interpreter::end_current(CellEnd end) {
  auto listener = std::move(current_);
  current_ = nullptr;
  interrupted_ = false;
  {
    std::lock_guard lock(mu_);
    current_id_.clear();
    cancel_current_ = false;
  }
  if (listener) listener->end(std::move(end));
}

void Interpreter::handle(const Json& message) {
  std::string type = message.value("type", "");
  if (type == "output") {
    if (current_) current_->output(message);
    return;
  }
  if (type != "done") {
    if (current_) current_->event(message);
    return;
  }
  CellEnd end;
  std::string status = message.value("status", "");
  const Json error = message.value("error", Json::object());
  end.name = error.value("name", "");
  end.message = error.value("message", "");
  end.traceback = error.value("traceback", "");
  if (status == "exit") {
    end.status = CellEnd::Status::kExit;
    end.value = message.value("value", "");
  } else if (status == "interrupted") {
    end.status = CellEnd::Status::kCancelled;
  } else if (status == "error") {
    end.status = CellEnd::Status::kError;
  }
  if (status == "restart") driver_.reset();
  end_current(std::move(end));
}

// The process has ended by itself or was killed.
void Interpreter::lost() {
  std::string how = driver_->death();
  driver_.reset();
  if (!current_) return;
  CellEnd end;
  if (interrupted_) {
    end.status = CellEnd::Status::kCancelled;
  } else {
    end.status = CellEnd::Status::kError;
    end.name = "PythonProcessEnded";
    end.message = "The Python process ended while the code ran: " + how + ". Variables are lost; the next command starts a new process.";
    end.traceback = end.message;
    log::warn("driver_lost", {{"how", how}});
  }
  end_current(std::move(end));
}

void Interpreter::fail_waiting(const std::string& why) {
  std::deque<Cell> cells;
  {
    std::lock_guard lock(mu_);
    cells.swap(waiting_);
  }
  for (auto& c : cells) c.listener->end({CellEnd::Status::kError, "", "PythonProcessNotStarted", why, why});
}

void Interpreter::run() {
  start();
  bool more = false;
  for (;;) {
    bool stopping, wanted, cancel, begin = false;
    {
      std::lock_guard lock(mu_);
      stopping = stopping_;
      wanted = !waiting_.empty();
      cancel = cancel_current_;
    }
    if (stopping) break;
    if (!current_ && wanted) {
      std::string why;
      if (!driver_ && !start()) {
        state(&why);
        fail_waiting(why);
        continue;
      }
      Cell cell;
      {
        std::lock_guard lock(mu_);
        if (!waiting_.empty()) {   // else it was cancelled meanwhile
          cell = std::move(waiting_.front());
          waiting_.pop_front();
          current_id_ = cell.id;
          cancel_current_ = false;
          begin = true;
        }
      }
      if (begin) {
        current_ = cell.listener;
        interrupted_ = false;
        current_->begin();
        if (!driver_->send({{"type", "execute"}, {"id", cell.id}, {"language", cell.language}, {"code", cell.code}})) driver_->kill();
      }
      cancel = false;
    }
    int wait_ms = -1;
    if (current_ && cancel) {
      auto now = Clock::now();
      if (!interrupted_) {
        interrupted_ = true;
        kill_at_ = now + options_.cancel_grace;
        interrupt_at_ = now;
      }
      if (now >= kill_at_) {
        driver_->kill();
        kill_at_ = interrupt_at_ = now + std::chrono::hours(1);
      } else if (now >= interrupt_at_) {
        // Again after a while: the first may have come before the code began, or into a handler that goes on.
        driver_->interrupt();
        interrupt_at_ = now + options_.cancel_grace / 3;
      }
      wait_ms = static_cast<int>(std::chrono::duration_cast<std::chrono::milliseconds>(std::min(kill_at_, interrupt_at_) - now).count()) + 1;
    }
    if (more) wait_ms = 0;
    pollfd fds[] = {{wake_fd_, POLLIN, 0}, {driver_ ? driver_->descriptor() : -1, POLLIN, 0}};
    ::poll(fds, 2, wait_ms);
    uint64_t count;
    if (fds[0].revents) [[maybe_unused]] ssize_t n = ::read(wake_fd_, &count, sizeof count);
    if (!driver_ || !(fds[1].revents || more)) continue;
    more = false;
    for (int i = 0; driver_; ++i) {
      if (i == 1000) {   // look whether it is to be cancelled; messages may wait in the driver's buffer
        more = true;
        break;
      }
      Json message;
      auto got = driver_->receive(&message);
      if (got == Driver::Got::kNothing) break;
      if (got == Driver::Got::kEnd) {
        lost();
        break;
      }
      handle(message);
    }
  }
  driver_.reset();
  if (current_) end_current({CellEnd::Status::kCancelled});
  std::deque<Cell> cells;
  {
    std::lock_guard lock(mu_);
    cells.swap(waiting_);
    state_ = State::kEnded;
    why_ = "it was ended";
  }
  for (auto& c : cells) c.listener->end({CellEnd::Status::kCancelled});
}

}  // namespace tarn::clusters
