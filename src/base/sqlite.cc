#include "base/sqlite.h"

#include <sqlite3.h>

namespace tarn {

namespace {

[[noreturn]] void fail(sqlite3* db, int code, std::string_view doing) {
  std::string reason = db ? sqlite3_errmsg(db) : sqlite3_errstr(code);
  int extended = db ? sqlite3_extended_errcode(db) : code;
  throw SqliteError(extended, "SQLite: " + reason + " (" + std::string(doing.substr(0, 200)) + ")");
}

}  // namespace

SqliteStatement::SqliteStatement(SqliteConnection& connection, std::string_view sql) : connection_(connection) {
  int rc = sqlite3_prepare_v2(connection_.handle(), sql.data(), static_cast<int>(sql.size()), &statement_, nullptr);
  if (rc != SQLITE_OK) fail(connection_.handle(), rc, sql);
}

SqliteStatement::~SqliteStatement() { sqlite3_finalize(statement_); }

SqliteStatement& SqliteStatement::bind(std::string_view text) {
  int rc = sqlite3_bind_text64(statement_, next_bind_++, text.data() ? text.data() : "", text.size(), SQLITE_TRANSIENT, SQLITE_UTF8);
  if (rc != SQLITE_OK) fail(connection_.handle(), rc, "bind");
  return *this;
}

SqliteStatement& SqliteStatement::bind(int64_t value) {
  int rc = sqlite3_bind_int64(statement_, next_bind_++, value);
  if (rc != SQLITE_OK) fail(connection_.handle(), rc, "bind");
  return *this;
}

SqliteStatement& SqliteStatement::bind(const std::optional<std::string>& text) { return text ? bind(std::string_view(*text)) : bind_null(); }

SqliteStatement& SqliteStatement::bind_null() {
  int rc = sqlite3_bind_null(statement_, next_bind_++);
  if (rc != SQLITE_OK) fail(connection_.handle(), rc, "bind");
  return *this;
}

SqliteStatement& SqliteStatement::bind_blob(std::string_view bytes) {
  int rc = sqlite3_bind_blob64(statement_, next_bind_++, bytes.data() ? bytes.data() : "", bytes.size(), SQLITE_TRANSIENT);
  if (rc != SQLITE_OK) fail(connection_.handle(), rc, "bind");
  return *this;
}

bool SqliteStatement::step() {
  int rc = sqlite3_step(statement_);
  if (rc == SQLITE_ROW) return true;
  if (rc == SQLITE_DONE) return false;
  fail(connection_.handle(), rc, sqlite3_sql(statement_));
}

std::string SqliteStatement::text(int column) const {
  const void* bytes = sqlite3_column_blob(statement_, column);
  return bytes ? std::string(static_cast<const char*>(bytes), static_cast<size_t>(sqlite3_column_bytes(statement_, column))) : std::string();
}

std::optional<std::string> SqliteStatement::optional_text(int column) const {
  if (is_null(column)) return std::nullopt;
  return text(column);
}

int64_t SqliteStatement::integer(int column) const { return sqlite3_column_int64(statement_, column); }
bool SqliteStatement::is_null(int column) const { return sqlite3_column_type(statement_, column) == SQLITE_NULL; }

SqliteConnection::SqliteConnection(const std::string& file, int busy_timeout_ms) {
  int rc = sqlite3_open_v2(file.c_str(), &db_, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, nullptr);
  try {
    if (rc != SQLITE_OK) fail(db_, rc, "open " + file);
    sqlite3_extended_result_codes(db_, 1);
    sqlite3_busy_timeout(db_, busy_timeout_ms);
    execute("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;");
  } catch (...) {
    sqlite3_close_v2(db_);
    throw;
  }
}

SqliteConnection::~SqliteConnection() { sqlite3_close_v2(db_); }

void SqliteConnection::execute(const std::string& sql) {
  int rc = sqlite3_exec(db_, sql.c_str(), nullptr, nullptr, nullptr);
  if (rc != SQLITE_OK) fail(db_, rc, sql);
}

int64_t SqliteConnection::last_insert_id() const { return sqlite3_last_insert_rowid(db_); }
int64_t SqliteConnection::changes() const { return sqlite3_changes(db_); }

void SqliteConnection::migrate(std::span<const char* const> steps) {
  for (;;) {
    SqliteTransaction transaction(*this);
    int64_t version = 0;
    {
      SqliteStatement query(*this, "PRAGMA user_version");
      query.step();
      version = query.integer(0);
    }
    if (version > static_cast<int64_t>(steps.size())) {
      throw SqliteError(SQLITE_MISMATCH, "this database has version " + std::to_string(version) + ", this program knows " +
                                             std::to_string(steps.size()) + ": it was written by a newer program");
    }
    if (version == static_cast<int64_t>(steps.size())) return;
    execute(steps[static_cast<size_t>(version)]);
    execute("PRAGMA user_version = " + std::to_string(version + 1));
    transaction.commit();
  }
}

SqliteTransaction::SqliteTransaction(SqliteConnection& connection) : connection_(connection) { connection_.execute("BEGIN IMMEDIATE"); }

SqliteTransaction::~SqliteTransaction() {
  if (!done_) sqlite3_exec(connection_.handle(), "ROLLBACK", nullptr, nullptr, nullptr);
}

void SqliteTransaction::commit() {
  connection_.execute("COMMIT");
  done_ = true;
}

SqlitePool::Lease SqlitePool::lease() {
  {
    std::lock_guard lock(mu_);
    if (!free_.empty()) {
      auto connection = std::move(free_.back());
      free_.pop_back();
      return Lease(*this, std::move(connection));
    }
  }
  return Lease(*this, std::make_unique<SqliteConnection>(file_));
}

SqlitePool::Lease::~Lease() {
  if (!connection_) return;
  std::lock_guard lock(pool_.mu_);
  pool_.free_.push_back(std::move(connection_));
}

}  // namespace tarn
