#pragma once
// A thin door to SQLite: prepared statements with typed binds, transactions, migrations. No SQLite header leaks out of it.
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

struct sqlite3;
struct sqlite3_stmt;

namespace tarn {

// A failed SQLite call. what() names the statement and SQLite's reason.
class SqliteError : public std::runtime_error {
 public:
  SqliteError(int code, const std::string& what) : std::runtime_error(what), code_(code) {}
  int code() const { return code_; }      // extended result code
  bool is_constraint() const { return (code_ & 0xff) == 19; }

 private:
  int code_;
};

class SqliteConnection;

// One execution of a prepared statement. Binds are 1-based in the order of the calls.
class SqliteStatement {
 public:
  SqliteStatement(SqliteConnection& connection, std::string_view sql);
  ~SqliteStatement();
  SqliteStatement(const SqliteStatement&) = delete;
  SqliteStatement& operator=(const SqliteStatement&) = delete;

  SqliteStatement& bind(std::string_view text);
  SqliteStatement& bind(const char* text) { return bind(std::string_view(text)); }
  SqliteStatement& bind(const std::string& text) { return bind(std::string_view(text)); }
  SqliteStatement& bind(int64_t value);
  SqliteStatement& bind(int value) { return bind(static_cast<int64_t>(value)); }
  SqliteStatement& bind(const std::optional<std::string>& text);
  SqliteStatement& bind_null();
  SqliteStatement& bind_blob(std::string_view bytes);

  bool step();                            // true while there is a row
  void run() { while (step()) {} }
  std::string text(int column) const;     // empty for NULL; also reads blobs
  std::optional<std::string> optional_text(int column) const;
  int64_t integer(int column) const;
  bool is_null(int column) const;

 private:
  SqliteConnection& connection_;
  sqlite3_stmt* statement_ = nullptr;
  int next_bind_ = 1;
};

// One connection; used by one thread at a time.
class SqliteConnection {
 public:
  // Creates the file if it is missing; WAL, foreign keys on, full sync, waits up to busy_timeout for other processes.
  explicit SqliteConnection(const std::string& file, int busy_timeout_ms = 30000);
  ~SqliteConnection();
  SqliteConnection(const SqliteConnection&) = delete;
  SqliteConnection& operator=(const SqliteConnection&) = delete;

  void execute(const std::string& sql);   // one or more statements without results
  int64_t last_insert_id() const;
  int64_t changes() const;
  sqlite3* handle() const { return db_; }

  // Brings PRAGMA user_version to steps.size(), each step in its own transaction, one process at a time. A file from a newer
  // program (version beyond the steps) is refused with SqliteError.
  void migrate(std::span<const char* const> steps);

 private:
  sqlite3* db_ = nullptr;
};

// BEGIN IMMEDIATE; rolled back unless commit() was reached.
class SqliteTransaction {
 public:
  explicit SqliteTransaction(SqliteConnection& connection);
  ~SqliteTransaction();
  void commit();

 private:
  SqliteConnection& connection_;
  bool done_ = false;
};

// Connections of one file handed to threads, each to one at a time. Thread-safe.
class SqlitePool {
 public:
  explicit SqlitePool(std::string file) : file_(std::move(file)) {}
  class Lease {
   public:
    Lease(SqlitePool& pool, std::unique_ptr<SqliteConnection> c) : pool_(pool), connection_(std::move(c)) {}
    ~Lease();
    Lease(const Lease&) = delete;
    SqliteConnection& operator*() const { return *connection_; }
    SqliteConnection* operator->() const { return connection_.get(); }

   private:
    SqlitePool& pool_;
    std::unique_ptr<SqliteConnection> connection_;
  };
  Lease lease();
  const std::string& file() const { return file_; }

 private:
  std::string file_;
  std::mutex mu_;
  std::vector<std::unique_ptr<SqliteConnection>> free_;  // guarded by mu_
};

}  // namespace tarn
