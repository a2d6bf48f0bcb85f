#pragma once
// WebSockets that say what is new: one thread looks for all of them. What is looked at are rows and files, which several servers can share;
// a client that takes its messages slowly is looked after less often, and nothing is kept for it meanwhile.
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string_view>
#include <thread>
#include <vector>

#include "http/message.h"

namespace tarn::clusters {

// One client's view of something that changes. poll() is called by the thread of its LiveFeeds, between opened() and closed().
class LiveFeed : public http::SocketHandler {
 public:
  void opened(std::shared_ptr<http::Socket> socket) override;
  // Feeds take no messages: the connection ends with 1003.
  void received(std::string_view message, bool text) override;
  void closed() override;
  // Sends what is new. tick: the same for all feeds of one round.
  virtual void poll(http::Socket& socket, uint64_t tick) = 0;
  // Of what waits for the client; a feed sends more only below it.
  static constexpr size_t kEnough = 256 << 10;

 private:
  friend class LiveFeeds;
  std::mutex mu_;
  std::shared_ptr<http::Socket> socket_;   // guarded by mu_
};

// Thread-safe.
class LiveFeeds {
 public:
  LiveFeeds() = default;
  ~LiveFeeds();
  // Looks after it as long as its connection lives.
  void add(const std::shared_ptr<LiveFeed>& feed);

 private:
  void run();
  std::mutex mu_;
  std::condition_variable changed_;
  std::vector<std::weak_ptr<LiveFeed>> feeds_;   // guarded by mu_
  bool stopping_ = false;                        // guarded by mu_
  std::thread thread_;                           // guarded by mu_; runs from the first feed on
};

}  // namespace tarn::clusters
