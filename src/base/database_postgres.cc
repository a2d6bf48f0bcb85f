// PostgreSQL behind the door, by libpq. A statement is prepared once a connection and for the types of its binds; values travel in binary, so
// that types are never guessed and text is never escaped. Isolation is read committed: a transaction sees what was committed before each of its
// statements, the first of which takes its lock, so that it reads what the one before it wrote.
#include <libpq-fe.h>
#include <poll.h>

#include <cctype>
#include <cstdlib>
#include <new>
#include <thread>
#include <unordered_map>

#include "base/database_drivers.h"
#include "base/log.h"
#include "base/postgres_dialect.h"

namespace tarn {
namespace {

constexpr int kOldest = 130000;       // what is tested and still maintained
constexpr int kAttempts = 6;          // of a statement that others were in the way of

// Object ids of types (catalog/pg_type.dat of PostgreSQL).
constexpr Oid kBool = 16, kBytea = 17, kInt8 = 20, kInt2 = 21, kInt4 = 23, kText = 25, kVarchar = 1043;

struct ResultDeleter {
  void operator()(PGresult* r) const { PQclear(r); }
};
using Result = std::unique_ptr<PGresult, ResultDeleter>;

struct ConnectionDeleter {
  void operator()(PGconn* c) const { PQfinish(c); }
};
using Handle = std::unique_ptr<PGconn, ConnectionDeleter>;

// libpq ends its messages with a line end.
std::string one_line(const char* text) {
  std::string out(text ? text : "");
  while (!out.empty() && std::isspace(static_cast<unsigned char>(out.back()))) out.pop_back();
  for (char& c : out) c = c == '\n' ? ' ' : c;
  return out;
}

// The same number in every process and release.
int64_t lock_number(std::string_view name) {
  uint64_t h = 0xcbf29ce484222325;   // FNV-1a
  for (char c : std::string("tarn/") + std::string(name)) h = (h ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  return static_cast<int64_t>(h);
}

std::string big_endian(int64_t value) {
  std::string out(8, '\0');
  for (size_t i = 0; i < 8; ++i) out[i] = static_cast<char>(static_cast<uint64_t>(value) >> (56 - 8 * i));
  return out;
}

Handle connect(const std::string& url) {
  // What the URL does not say. A peer that is gone is noticed within seconds, not hours.
  const char* names[] = {"client_encoding", "application_name", "connect_timeout", "keepalives_idle", "keepalives_interval", "keepalives_count", "tcp_user_timeout",
                         "dbname", nullptr};
  const char* values[] = {"UTF8", "tarn", "10", "10", "5", "2", "15000", url.c_str(), nullptr};
  Handle handle(PQconnectdbParams(names, values, 1));
  if (!handle) throw std::bad_alloc();
  if (PQstatus(handle.get()) != CONNECTION_OK) {
    // What libpq says of a URL that it cannot read repeats parts of it.
    PQconninfoOption* parsed = PQconninfoParse(url.c_str(), nullptr);
    if (!parsed) throw DatabaseError("08001", "the URL of the database is not one that libpq can read (postgresql://USER@HOST:PORT/DATABASE?PARAMETER=VALUE)");
    PQconninfoFree(parsed);
    throw DatabaseError("08001", "PostgreSQL: " + one_line(PQerrorMessage(handle.get())));
  }
  return handle;
}

struct Value {
  Oid type = 0;          // 0: PostgreSQL finds it in the statement, for NULL
  bool null = true;
  std::string bytes;
};

class PostgresConnection : public Connection {
 public:
  PostgresConnection(const std::string& url, std::function<void(Connection&)> admit) : url_(url), admit_(std::move(admit)) { open(); }

  int64_t changes() const override { return changes_; }
  void execute_schema(std::string_view step) override { command(postgres_schema(step)); }
  int64_t clock_ms() override {
    Statement query(*this, "SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT)");
    query.step();
    return query.integer(0);
  }
  std::unique_ptr<Query> prepare(std::string_view sql) override;

  void begin(std::string_view lock) override {
    std::string sql = "BEGIN ISOLATION LEVEL READ COMMITTED; SELECT pg_advisory_xact_lock(" + std::to_string(lock_number(lock)) + ")";
    try {
      command(sql);
    } catch (const DatabaseError& e) {
      // Nothing has happened yet: a server that went down and up is no reason to fail.
      if (!is_lost(e)) {
        rollback();
        throw;
      }
      open();
      command(sql);
    }
    in_transaction_ = true;
  }
  void commit() override {
    in_transaction_ = false;
    Result result(PQexec(handle_.get(), "COMMIT"));
    if (PQresultStatus(result.get()) != PGRES_COMMAND_OK) fail(result.get(), "COMMIT");
    // Of a transaction in which a statement failed nothing is kept, and PostgreSQL does not call that an error.
    if (std::string_view(PQcmdStatus(result.get())) == "ROLLBACK") throw DatabaseError("25P02", "a statement of the transaction had failed");
  }
  void rollback() noexcept override {
    in_transaction_ = false;
    Result ignored(PQexec(handle_.get(), "ROLLBACK"));
  }

  bool usable() override {
    if (!ready_) return false;
    // What an idle connection has to read is the server's farewell, or its end.
    for (int i = 0; i < 4; ++i) {
      if (PQstatus(handle_.get()) != CONNECTION_OK || PQtransactionStatus(handle_.get()) != PQTRANS_IDLE) return false;
      pollfd readable{PQsocket(handle_.get()), POLLIN, 0};
      if (::poll(&readable, 1, 0) == 0) return true;
      if (!PQconsumeInput(handle_.get())) return false;
      PQisBusy(handle_.get());
    }
    return false;
  }

  Result run(const std::string& sql, const std::vector<Value>& values);

 private:
  void open() {
    handle_.reset();
    prepared_.clear();
    ready_ = false;
    handle_ = connect(url_);
    PQsetNoticeProcessor(handle_.get(), [](void*, const char* text) { log::debug("postgresql_notice", {{"text", one_line(text)}}); }, nullptr);
    if (int version = PQserverVersion(handle_.get()); version < kOldest) {
      throw DatabaseError("0A000", "PostgreSQL 13 or newer is needed; the server's version is " + std::to_string(version / 10000));
    }
    const char* encoding = PQparameterStatus(handle_.get(), "server_encoding");
    if (std::string_view(encoding ? encoding : "") != "UTF8") throw DatabaseError("0A000", "the encoding of the PostgreSQL database must be UTF8");
    // A process that hangs in a transaction does not stop the others for ever.
    command("SET lock_timeout = '30s'; SET idle_in_transaction_session_timeout = '60s'; SET client_min_messages = 'warning'");
    try {
      admit_(*this);
    } catch (...) {
      handle_.reset();
      throw;
    }
    ready_ = true;
  }

  // Whether the session has ended with this error.
  bool is_lost(const DatabaseError& e) const { return PQstatus(handle_.get()) != CONNECTION_OK || e.sqlstate().starts_with("57P"); }

  [[noreturn]] void fail(const PGresult* result, std::string_view sql) const {
    const char* state = result ? PQresultErrorField(result, PG_DIAG_SQLSTATE) : nullptr;
    const char* primary = result ? PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY) : nullptr;   // the detail has values of rows
    std::string reason = primary ? primary : one_line(PQerrorMessage(handle_.get()));
    bool broken = PQstatus(handle_.get()) != CONNECTION_OK;
    throw DatabaseError(state ? state : broken ? "08006" : "HY000", "PostgreSQL: " + one_line(reason.c_str()) + " (" + std::string(sql.substr(0, 200)) + ")");
  }

  // Statements without parameters and results.
  void command(const std::string& sql) {
    Result result(PQexec(handle_.get(), sql.c_str()));
    auto status = PQresultStatus(result.get());
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK) fail(result.get(), sql);
  }

  Result try_run(const std::string& sql, const std::vector<Value>& values);

  const std::string url_;
  const std::function<void(Connection&)> admit_;
  Handle handle_;
  bool ready_ = false;         // admitted
  std::unordered_map<std::string, std::string> prepared_;   // SQL and types of binds: the name of the statement in this session
  bool in_transaction_ = false;
  int64_t changes_ = 0;
};

Result PostgresConnection::try_run(const std::string& sql, const std::vector<Value>& values) {
  std::vector<Oid> types;
  std::vector<const char*> bytes;
  std::vector<int> lengths, formats(values.size(), 1);
  std::string key = sql;
  key.push_back('\0');
  for (const auto& v : values) {
    types.push_back(v.type);
    bytes.push_back(v.null ? nullptr : v.bytes.data());
    lengths.push_back(static_cast<int>(v.bytes.size()));
    key += std::to_string(v.type) + ",";
  }
  const int n = static_cast<int>(values.size());
  auto it = prepared_.find(key);
  if (it == prepared_.end()) {
    std::string name = "s" + std::to_string(prepared_.size());
    Result made(PQprepare(handle_.get(), name.c_str(), numbered_parameters(sql).c_str(), n, types.data()));
    if (PQresultStatus(made.get()) != PGRES_COMMAND_OK) fail(made.get(), sql);
    it = prepared_.emplace(std::move(key), std::move(name)).first;
  }
  Result result(PQexecPrepared(handle_.get(), it->second.c_str(), n, bytes.data(), lengths.data(), formats.data(), 1));
  auto status = PQresultStatus(result.get());
  if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK) fail(result.get(), sql);
  return result;
}

Result PostgresConnection::run(const std::string& sql, const std::vector<Value>& values) {
  for (int attempt = 1;; ++attempt) {
    try {
      Result result = try_run(sql, values);
      const char* rows = PQcmdTuples(result.get());
      changes_ = *rows && !std::string_view(PQcmdStatus(result.get())).starts_with("SELECT") ? std::atoll(rows) : 0;
      return result;
    } catch (const DatabaseError& e) {
      if (in_transaction_ || !ready_ || attempt == kAttempts) throw;   // its owner begins it again
      if (e.is_conflict()) {
        std::this_thread::sleep_for(std::chrono::milliseconds(10 * attempt));
      } else if (e.sqlstate() == "26000" || e.sqlstate() == "0A000") {
        // Another process has changed the tables, or dropped what we had prepared.
        open();
        attempt = kAttempts - 1;
      } else if (is_lost(e) && sql.starts_with("SELECT")) {
        // Reading twice does no harm; whether a write was done before the connection broke nobody knows.
        open();
        attempt = kAttempts - 1;
      } else {
        throw;
      }
    }
  }
}

class PostgresQuery : public Connection::Query {
 public:
  PostgresQuery(PostgresConnection& connection, std::string_view sql) : connection_(connection), sql_(sql) {}
  void bind_text(std::string_view text) override { values_.push_back({kText, false, std::string(text)}); }
  void bind_integer(int64_t value) override { values_.push_back({kInt8, false, big_endian(value)}); }
  void bind_bytes(std::string_view bytes) override { values_.push_back({kBytea, false, std::string(bytes)}); }
  void bind_null() override { values_.emplace_back(); }

  bool step() override {
    if (!result_) result_ = connection_.run(sql_, values_);
    return ++row_ < PQntuples(result_.get());
  }
  bool is_null(int column) const override { return PQgetisnull(result_.get(), row_, column) != 0; }
  int64_t integer(int column) const override {
    if (is_null(column)) return 0;
    switch (PQftype(result_.get(), column)) {
      case kBool: case kInt2: case kInt4: case kInt8: break;
      default: throw wrong_type(column);
    }
    std::string_view bytes = value(column);
    int64_t out = static_cast<signed char>(bytes[0]);   // the sign
    for (char c : bytes.substr(1)) out = static_cast<int64_t>(static_cast<uint64_t>(out) << 8 | static_cast<unsigned char>(c));
    return out;
  }
  std::string text(int column) const override {
    if (is_null(column)) return "";
    switch (PQftype(result_.get(), column)) {
      case kText: case kVarchar: case kBytea: return std::string(value(column));
      default: return std::to_string(integer(column));
    }
  }

 private:
  std::string_view value(int column) const {
    return {PQgetvalue(result_.get(), row_, column), static_cast<size_t>(PQgetlength(result_.get(), row_, column))};
  }
  DatabaseError wrong_type(int column) const {
    return {"42804", "column " + std::to_string(column) + " is of the type " + std::to_string(PQftype(result_.get(), column)) + " (" + sql_.substr(0, 200) + ")"};
  }

  PostgresConnection& connection_;
  const std::string sql_;
  std::vector<Value> values_;
  Result result_;
  int row_ = -1;
};

std::unique_ptr<Connection::Query> PostgresConnection::prepare(std::string_view sql) { return std::make_unique<PostgresQuery>(*this, sql); }

}  // namespace

std::unique_ptr<Connection> connect_postgres(const std::string& url, std::function<void(Connection&)> admit) {
  return std::make_unique<PostgresConnection>(url, std::move(admit));
}

bool has_password(const std::string& url) {
  PQconninfoOption* all = PQconninfoParse(url.c_str(), nullptr);
  bool found = false;
  for (auto* o = all; o && o->keyword; ++o) {
    std::string_view name = o->keyword;
    found |= o->val && (name == "password" || name == "sslpassword");
  }
  PQconninfoFree(all);
  return found;
}

}  // namespace tarn
