// SQLite behind the door: one writer at a time is what BEGIN IMMEDIATE gives, so that the names of locks say nothing here.
#include <sqlite3.h>

#include "base/database_drivers.h"
#include "base/encoding.h"
#include "base/sqlite.h"

namespace tarn {
namespace {

const char* sqlstate_of(int code) {
  switch (code) {
    case SQLITE_CONSTRAINT_UNIQUE:
    case SQLITE_CONSTRAINT_PRIMARYKEY:
    case SQLITE_CONSTRAINT_ROWID: return "23505";
    case SQLITE_CONSTRAINT_FOREIGNKEY: return "23503";
    case SQLITE_CONSTRAINT_NOTNULL: return "23502";
    case SQLITE_CONSTRAINT_CHECK: return "23514";
  }
  switch (code & 0xff) {
    case SQLITE_CONSTRAINT: return "23000";
    case SQLITE_BUSY:
    case SQLITE_LOCKED: return "55P03";   // another process writes for longer than the time we wait
    case SQLITE_FULL: return "53100";
    case SQLITE_CANTOPEN:
    case SQLITE_IOERR: return "58030";
    case SQLITE_TOOBIG: return "22001";
  }
  return "HY000";
}

template <class Work>
auto translated(const Work& work) {
  try {
    return work();
  } catch (const SqliteError& e) {
    throw DatabaseError(sqlstate_of(e.code()), e.what());
  }
}

class SqliteQuery : public Connection::Query {
 public:
  SqliteQuery(SqliteConnection& connection, std::string_view sql) : statement_(connection, sql) {}
  void bind_text(std::string_view text) override { translated([&] { statement_.bind(text); }); }
  void bind_integer(int64_t value) override { translated([&] { statement_.bind(value); }); }
  void bind_bytes(std::string_view bytes) override { translated([&] { statement_.bind_blob(bytes); }); }
  void bind_null() override { translated([&] { statement_.bind_null(); }); }
  bool step() override {   // SQLite would begin again after the last row
    return !done_ && !(done_ = !translated([&] { return statement_.step(); }));
  }
  std::string text(int column) const override { return statement_.text(column); }
  int64_t integer(int column) const override { return statement_.integer(column); }
  bool is_null(int column) const override { return statement_.is_null(column); }

 private:
  SqliteStatement statement_;
  bool done_ = false;
};

class SqliteDatabase : public Connection {
 public:
  explicit SqliteDatabase(const std::string& file) : connection_(file) {}
  int64_t changes() const override { return connection_.changes(); }
  void execute_schema(std::string_view step) override { translated([&] { connection_.execute(std::string(step)); }); }
  int64_t clock_ms() override { return now_ms(); }
  std::unique_ptr<Query> prepare(std::string_view sql) override {
    return translated([&] { return std::make_unique<SqliteQuery>(connection_, sql); });
  }
  void begin(std::string_view) override { translated([&] { connection_.execute("BEGIN IMMEDIATE"); }); }
  void commit() override { translated([&] { connection_.execute("COMMIT"); }); }
  void rollback() noexcept override { sqlite3_exec(connection_.handle(), "ROLLBACK", nullptr, nullptr, nullptr); }
  bool usable() override { return sqlite3_get_autocommit(connection_.handle()) != 0; }

 private:
  SqliteConnection connection_;
};

}  // namespace

std::unique_ptr<Connection> connect_sqlite(const std::string& file) {
  return translated([&] { return std::make_unique<SqliteDatabase>(file); });
}

}  // namespace tarn
