#pragma once
// Of listener.cc alone: what handlers hold of a WebSocket, and its queue.
#include <utility>  // before Boost 1.74, which forgets it

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

#include <algorithm>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "http/message.h"

namespace tarn::http {

// The half of a WebSocket that handlers hold. It outlives the connection and the listener: once it is over, nothing of them is touched.
class OpenSocket : public Socket, public std::enable_shared_from_this<OpenSocket> {
 public:
  static constexpr uint16_t kCut = 1006;   // RFC 6455: a code that is never sent

  OpenSocket(boost::asio::io_context& io, boost::asio::steady_timer& wake, std::function<void()> cut, size_t limit)
      : io_(io), wake_(&wake), cut_(std::move(cut)), limit_(limit) {}

  bool send(std::string text) override {
    std::lock_guard lock(mu_);
    if (over_ || code_) return false;
    if (bytes_ + text.size() > limit_) {
      code_ = kCut;   // what waits is not taken, so a goodbye would not be either
      queue_.clear();
      cut_now_ = true;
      notify();
      return false;
    }
    bytes_ += text.size();
    queue_.push_back(std::move(text));
    notify();
    return true;
  }
  void close(uint16_t code, std::string reason) override {
    std::lock_guard lock(mu_);
    if (over_ || code_) return;
    code_ = code;
    reason_ = std::move(reason);
    notify();
  }
  bool open() const override {
    std::lock_guard lock(mu_);
    return !over_ && !code_;
  }
  size_t queued() const override {
    std::lock_guard lock(mu_);
    return bytes_;
  }

  // The rest is the connection's, on the loop's thread.
  struct Next {
    std::optional<std::string> text;
    uint16_t code = 0;        // with no text: say goodbye with this
    std::string reason;
  };
  Next next() {
    std::lock_guard lock(mu_);
    Next n;
    if (!queue_.empty()) {
      n.text = std::move(queue_.front());
      queue_.pop_front();
    } else {
      n.code = code_, n.reason = reason_;
    }
    return n;
  }
  void sent(size_t bytes) {
    std::lock_guard lock(mu_);
    bytes_ -= std::min(bytes, bytes_);
  }
  void end() {
    std::lock_guard lock(mu_);
    over_ = true;
    wake_ = nullptr;
    cut_ = nullptr;
    queue_.clear();
    bytes_ = 0;
  }

 private:
  void notify() {   // under mu_; the loop is there as long as this is not over
    if (notified_) return;
    notified_ = true;
    boost::asio::post(io_, [self = shared_from_this()] {
      std::lock_guard lock(self->mu_);
      self->notified_ = false;
      if (self->wake_) self->wake_->cancel();
      if (self->cut_now_ && self->cut_) self->cut_();
    });
  }
  boost::asio::io_context& io_;
  mutable std::mutex mu_;
  boost::asio::steady_timer* wake_;             // guarded by mu_, as is what follows; null once it is over
  std::function<void()> cut_;
  const size_t limit_;
  std::deque<std::string> queue_;
  size_t bytes_ = 0;                     // queued, and being written
  uint16_t code_ = 0;                    // 0: nobody wants to end it
  std::string reason_;
  bool over_ = false, notified_ = false, cut_now_ = false;
};

}  // namespace tarn::http
