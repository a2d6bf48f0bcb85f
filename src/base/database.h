#pragma once
// The door to the databases of the control plane: SQLite (a file) or PostgreSQL (a URL). Statements are written once, in the dialect that both
// have (base/README.md, "One dialect"); what differs stays behind this door. No header of either database leaks out of it.
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace tarn {

// A statement or connection that failed. what() names the statement and the reason, never a bound value or a password.
class DatabaseError : public std::runtime_error {
 public:
  DatabaseError(std::string sqlstate, const std::string& what) : std::runtime_error(what), sqlstate_(std::move(sqlstate)) {}
  const std::string& sqlstate() const { return sqlstate_; }   // five characters of the SQL standard, also where SQLite failed
  bool is_constraint() const { return sqlstate_.starts_with("23"); }
  // A value that the database cannot keep, such as text with a NUL.
  bool is_data() const { return sqlstate_.starts_with("22"); }
  // Another transaction was in the way (serialization failure, deadlock): the same again may succeed.
  bool is_conflict() const { return sqlstate_ == "40001" || sqlstate_ == "40P01"; }
  // Nothing is wrong with what was asked: the database is not reachable, goes down, comes up or has no room, or a lock was not free in time.
  bool is_unavailable() const {
    return sqlstate_.starts_with("08") || sqlstate_.starts_with("53") || sqlstate_.starts_with("57P") || sqlstate_ == "55P03" || sqlstate_ == "25P03";
  }

 private:
  std::string sqlstate_;
};

// One connection; used by one thread at a time. Made by connect_database().
class Connection {
 public:
  // One execution of a statement, as a database has it.
  class Query {
   public:
    virtual ~Query() = default;
    virtual void bind_text(std::string_view text) = 0;
    virtual void bind_integer(int64_t value) = 0;
    virtual void bind_bytes(std::string_view bytes) = 0;
    virtual void bind_null() = 0;
    virtual bool step() = 0;
    virtual std::string text(int column) const = 0;
    virtual int64_t integer(int column) const = 0;
    virtual bool is_null(int column) const = 0;
  };

  virtual ~Connection() = default;
  // Rows that the last statement inserted, updated or deleted.
  virtual int64_t changes() const = 0;
  // One step of a room's migrations: statements without parameters, types as SQLite has them.
  virtual void execute_schema(std::string_view step) = 0;
  // Milliseconds since the epoch by the clock that all connections to this database share.
  virtual int64_t clock_ms() = 0;

  // For the classes below.
  virtual std::unique_ptr<Query> prepare(std::string_view sql) = 0;
  virtual void begin(std::string_view lock) = 0;
  virtual void commit() = 0;
  virtual void rollback() noexcept = 0;
  // Whether the next statement has a chance; asks the socket, not the server.
  virtual bool usable() = 0;
};

// One execution of a statement. Binds are 1-based in the order of the calls. A column of bytes or integers is also read as text.
class Statement {
 public:
  Statement(Connection& connection, std::string_view sql) : query_(connection.prepare(sql)) {}

  Statement& bind(std::string_view text) { return query_->bind_text(text), *this; }
  Statement& bind(const char* text) { return bind(std::string_view(text)); }
  Statement& bind(const std::string& text) { return bind(std::string_view(text)); }
  Statement& bind(int64_t value) { return query_->bind_integer(value), *this; }
  Statement& bind(int value) { return bind(static_cast<int64_t>(value)); }
  Statement& bind(const std::optional<std::string>& text) { return text ? bind(std::string_view(*text)) : bind_null(); }
  Statement& bind_null() { return query_->bind_null(), *this; }
  Statement& bind_blob(std::string_view bytes) { return query_->bind_bytes(bytes), *this; }

  bool step() { return query_->step(); }   // true while there is a row
  void run() { while (step()) {} }
  // Runs it to its end. The first column of its first row: what RETURNING says; nullopt if there was no row.
  std::optional<int64_t> returned();
  std::string text(int column) const { return query_->text(column); }      // empty for NULL
  std::optional<std::string> optional_text(int column) const { return is_null(column) ? std::nullopt : std::optional(text(column)); }
  int64_t integer(int column) const { return query_->integer(column); }    // 0 for NULL
  bool is_null(int column) const { return query_->is_null(column); }

 private:
  std::unique_ptr<Connection::Query> query_;
};

// Rolled back unless commit() was reached. Of all transactions that name the same lock one runs at a time, whichever process they are of: what
// one reads stays true until it has written. Where a lock's name is the room's, the room's rules between rows hold. (SQLite has one writer
// at all.) Metadata::transact() is this, and tries again after conflicts.
class Transaction {
 public:
  Transaction(Connection& connection, std::string_view lock) : connection_(connection) { connection_.begin(lock); }
  ~Transaction() {
    if (!done_) connection_.rollback();
  }
  Transaction(const Transaction&) = delete;
  void commit() {
    connection_.commit();
    done_ = true;
  }

 private:
  Connection& connection_;
  bool done_ = false;
};

// Connections of one database handed to threads, each to one at a time. Thread-safe.
class Pool {
 public:
  // keep: idle connections beyond these are closed.
  Pool(std::function<std::unique_ptr<Connection>()> connect, size_t keep) : connect_(std::move(connect)), keep_(keep) {}
  class Lease {
   public:
    Lease(Pool& pool, std::unique_ptr<Connection> c, uint64_t round) : pool_(pool), connection_(std::move(c)), round_(round) {}
    ~Lease() { pool_.give_back(std::move(connection_), round_); }
    Lease(const Lease&) = delete;
    Connection& operator*() const { return *connection_; }
    Connection* operator->() const { return connection_.get(); }

   private:
    Pool& pool_;
    std::unique_ptr<Connection> connection_;
    const uint64_t round_;
  };
  // DatabaseError if there is no connection to be had.
  Lease lease();
  // Closes those that are idle; those in use are closed when they come back.
  void clear();

 private:
  void give_back(std::unique_ptr<Connection> connection, uint64_t round);
  const std::function<std::unique_ptr<Connection>()> connect_;
  const size_t keep_;
  std::mutex mu_;
  std::vector<std::unique_ptr<Connection>> free_;  // guarded by mu_
  uint64_t round_ = 0;                             // guarded by mu_; how often clear() was called: connections of an earlier round are not kept
};

// postgresql:// or postgres://, as libpq has it; anything else is the path of a SQLite file.
bool is_database_url(std::string_view database);
// Whether this URL names a password: it must not be where others can read it.
bool has_password(const std::string& url);
// admit: sees every session before it is used, also the new one of a connection that lost its own; what it throws is the failure of what was
// asked. DatabaseError if the database cannot be reached.
std::unique_ptr<Connection> connect_database(const std::string& database, std::function<void(Connection&)> admit);

}  // namespace tarn
