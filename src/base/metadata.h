#pragma once
// The control plane's database, in which every room keeps its own tables and its own list of migrations: a SQLite file, or a PostgreSQL
// database that outlives the machine.
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <type_traits>

#include "base/database.h"

namespace tarn {

// Thread-safe: a lease is one connection for one thread.
class Metadata {
 public:
  // database: the path of a file, which is made with mode 0600 if it is missing, or a postgresql:// URL. DatabaseError if it cannot be used.
  explicit Metadata(std::string database);
  // Brings the tables of one room to steps.size(); each step is one transaction, run once, also if several processes begin at the same
  // time. steps only ever grow at the end, and are written in the one dialect (base/README.md). DatabaseError if the database was written
  // by a newer program.
  void migrate(std::string_view room, std::span<const char* const> steps);
  Pool::Lease lease() { return pool_.lease(); }

  // Runs body(Connection&) in a transaction that holds this lock, which is named after the room, and commits it when body returns. Begins
  // again when the database says that another transaction was in the way: body changes nothing but rows, and what it sets anew.
  template <class Body>
  auto transact(std::string_view lock, const Body& body) {
    for (int attempt = 1;; ++attempt) {
      auto db = pool_.lease();
      try {
        Transaction transaction(*db, lock);
        if constexpr (std::is_void_v<decltype(body(*db))>) {
          body(*db);
          transaction.commit();
          return;
        } else {
          auto out = body(*db);
          transaction.commit();
          return out;
        }
      } catch (const DatabaseError& e) {
        if (!e.is_conflict() || attempt == kAttempts) throw;
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(10 * attempt));
    }
  }

  bool is_remote() const { return is_database_url(database_); }
  // Runs on every session that is made from now on, before it is used (connect_database()). Those that are there are closed as they become
  // idle.
  void admit_with(std::function<void(Connection&)> check);
  // Closes every connection: the next ones are made and admitted anew.
  void disconnect() { pool_.clear(); }

 private:
  static constexpr int kAttempts = 6;
  std::unique_ptr<Connection> connect() const;
  const std::string database_;
  std::shared_ptr<const std::function<void(Connection&)>> check_;   // guarded by mu_
  mutable std::mutex mu_;
  Pool pool_;
};

}  // namespace tarn
