#include "clusters/live_feed.h"

#include <chrono>

#include "base/log.h"

namespace tarn::clusters {
namespace {
constexpr auto kPause = std::chrono::milliseconds(150);
}

void LiveFeed::opened(std::shared_ptr<http::Socket> socket) {
  std::lock_guard lock(mu_);
  socket_ = std::move(socket);
}

void LiveFeed::received(std::string_view, bool) {
  std::lock_guard lock(mu_);
  if (socket_) socket_->close(1003, "this stream takes no messages");
}

void LiveFeed::closed() {
  std::lock_guard lock(mu_);
  socket_.reset();
}

LiveFeeds::~LiveFeeds() {
  std::thread ended;
  {
    std::lock_guard lock(mu_);
    stopping_ = true;
    ended = std::move(thread_);
  }
  changed_.notify_all();
  if (ended.joinable()) ended.join();
}

void LiveFeeds::add(const std::shared_ptr<LiveFeed>& feed) {
  std::lock_guard lock(mu_);
  feeds_.push_back(feed);
  if (!thread_.joinable() && !stopping_) thread_ = std::thread([this] { run(); });
  changed_.notify_all();
}

void LiveFeeds::run() {
  std::unique_lock lock(mu_);
  for (uint64_t tick = 1; !stopping_; ++tick) {
    if (feeds_.empty()) {
      changed_.wait(lock);
      continue;
    }
    std::vector<std::shared_ptr<LiveFeed>> now;
    std::erase_if(feeds_, [&](const auto& weak) {
      auto feed = weak.lock();
      if (feed) now.push_back(feed);
      return !feed;   // its connection has gone
    });
    lock.unlock();
    for (auto& feed : now) {
      std::shared_ptr<http::Socket> socket;
      {
        std::lock_guard its(feed->mu_);
        socket = feed->socket_;
      }
      if (!socket || !socket->open()) continue;
      try {
        feed->poll(*socket, tick);
      } catch (const std::exception& e) {
        log::error("live_feed_failed", {{"error", e.what()}});
        socket->close(1011, "an internal error occurred");
      }
    }
    now.clear();
    lock.lock();
    changed_.wait_for(lock, kPause, [&] { return stopping_; });
  }
}

}  // namespace tarn::clusters
