#include "base/database.h"

#include "base/database_drivers.h"

namespace tarn {

std::optional<int64_t> Statement::returned() {
  std::optional<int64_t> out;
  if (step()) out = integer(0);
  run();
  return out;
}

Pool::Lease Pool::lease() {
  uint64_t round;
  for (;;) {
    std::unique_ptr<Connection> connection;
    {
      std::lock_guard lock(mu_);
      round = round_;
      if (free_.empty()) break;
      connection = std::move(free_.back());
      free_.pop_back();
    }
    if (connection->usable()) return Lease(*this, std::move(connection), round);
  }
  return Lease(*this, connect_(), round);
}

void Pool::clear() {
  std::vector<std::unique_ptr<Connection>> idle;
  std::lock_guard lock(mu_);
  idle.swap(free_);
  ++round_;
}

void Pool::give_back(std::unique_ptr<Connection> connection, uint64_t round) {
  if (!connection->usable()) return;
  std::lock_guard lock(mu_);
  if (round == round_ && free_.size() < keep_) free_.push_back(std::move(connection));
}

bool is_database_url(std::string_view database) { return database.starts_with("postgresql://") || database.starts_with("postgres://"); }

std::unique_ptr<Connection> connect_database(const std::string& database, std::function<void(Connection&)> admit) {
  if (is_database_url(database)) return connect_postgres(database, std::move(admit));
  auto connection = connect_sqlite(database);
  admit(*connection);
  return connection;
}

}  // namespace tarn
