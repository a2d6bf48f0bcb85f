#pragma once
// One server at a time on a database that several could reach. The one that answers keeps a row alive; another takes the row over when its
// holder has been silent for the term, and then ends the sessions that the old one may still have, so that nothing it does late is written.
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "base/metadata.h"

namespace tarn::server {

class ServerLease {
 public:
  static constexpr auto kTerm = std::chrono::seconds(30);
  static constexpr auto kBeat = std::chrono::seconds(5);

  // home: of this server, locked by this process. A database keeps what is true of one home's files: CommandError if it belongs to another.
  // lost() is called once, by a thread of ours, when another server has taken over.
  ServerLease(Metadata& metadata, const std::string& home, std::function<void()> lost);
  ~ServerLease();   // gives it back
  ServerLease(const ServerLease&) = delete;

  // Whether the metadata of this home has been in such a database.
  static bool was_held_for(const std::string& home);

  // Takes it if it is free, given back, expired, or held by a process of the same home, which is gone as its home is ours. Who holds it otherwise, for people;
  // nullopt: it is ours and stays so until the end, or lost().
  std::optional<std::string> try_take();
  // Where this server answers, for people who meet the lease.
  void publish(const std::string& address);

 private:
  void admit(Connection& connection);
  void end_sessions_of(const std::string& holder);
  void beat();
  Metadata& metadata_;
  const std::string holder_, place_, home_id_;
  const std::function<void()> lost_;
  std::atomic<bool> taken_over_{false};
  std::mutex mu_;
  std::condition_variable changed_;
  bool stopping_ = false;   // guarded by mu_
  std::thread thread_;
};

}  // namespace tarn::server
