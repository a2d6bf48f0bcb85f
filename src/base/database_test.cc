#include <doctest/doctest.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <thread>

#include "base/encoding.h"
#include "base/metadata.h"
#include "base/postgres_dialect.h"

using namespace tarn;

namespace {

// Every test of the door runs on both databases; PostgreSQL's is the one that tools/with_postgres.py started.
struct Place {
  std::string database;
  std::string folder;
  explicit Place(bool remote) {
    if (remote) {
      if (const char* url = std::getenv("TARN_TEST_DATABASE")) database = url;
    } else {
      folder = std::filesystem::temp_directory_path() / ("tarn-database-" + random_hex(8));
      std::filesystem::create_directories(folder);
      database = folder + "/m.db";
    }
  }
  ~Place() {
    if (!folder.empty()) std::filesystem::remove_all(folder);
  }
};

constexpr const char* kSteps[] = {
    R"(CREATE TABLE things (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL, note TEXT, body BLOB, n INTEGER NOT NULL DEFAULT 0);
       CREATE UNIQUE INDEX things_name ON things (lower(name));
       CREATE TABLE parts (thing INTEGER NOT NULL REFERENCES things (id) ON DELETE CASCADE, key TEXT NOT NULL, n INTEGER NOT NULL, PRIMARY KEY (thing, key)) WITHOUT ROWID;)",
    "ALTER TABLE things ADD COLUMN mark TEXT NOT NULL DEFAULT '?'",
};

void drop(Metadata& metadata) {
  auto db = metadata.lease();
  db->execute_schema("DROP TABLE IF EXISTS parts; DROP TABLE IF EXISTS things");
  Statement(*db, "DELETE FROM schema_version WHERE room = 'test'").run();
}

std::string state_of(const std::function<void()>& work) {
  try {
    work();
  } catch (const DatabaseError& e) {
    return e.sqlstate();
  }
  return "";
}

template <class Body>
void on_both(const Body& body) {
  for (bool remote : {false, true}) {
    Place place(remote);
    if (place.database.empty()) {
      MESSAGE("no TARN_TEST_DATABASE: not run on PostgreSQL");
      continue;
    }
    CAPTURE(place.database);
    Metadata metadata(place.database);
    drop(metadata);
    metadata.migrate("test", kSteps);
    body(metadata);
    drop(metadata);
  }
}

}  // namespace

TEST_CASE("what is bound comes back with its type, on both databases") {
  on_both([](Metadata& m) {
    auto db = m.lease();
    const std::string bytes("\0\xff'\\x", 5), text = "Grüße 'quoted' \\ ? $1 \U0001F600";
    auto id = Statement(*db, "INSERT INTO things (name, note, body, n) VALUES (?, ?, ?, ?) RETURNING id").bind(text).bind_null().bind_blob(bytes).bind(INT64_MIN).returned();
    REQUIRE(id);
    CHECK(db->changes() == 1);
    Statement q(*db, "SELECT id, name, note, body, n, mark, n < 0, length(name), '?' FROM things WHERE id = ? AND name <> '?' -- no ? here\n");
    REQUIRE(q.bind(*id).step());
    CHECK(q.integer(0) == *id);
    CHECK(q.text(1) == text);
    CHECK(q.is_null(2));
    CHECK(q.text(2).empty());
    CHECK(q.integer(2) == 0);
    CHECK_FALSE(q.optional_text(2));
    CHECK(q.text(3) == bytes);
    CHECK(q.integer(4) == INT64_MIN);
    CHECK(q.text(4) == std::to_string(INT64_MIN));
    CHECK(q.text(5) == "?");
    CHECK(q.integer(6) == 1);
    CHECK(q.integer(7) == 23);   // characters, not bytes
    CHECK(q.text(8) == "?");
    CHECK_FALSE(q.step());
    CHECK_FALSE(q.step());
    Statement(*db, "UPDATE things SET body = ?, n = ?").bind_blob("").bind(-1).run();
    Statement empty(*db, "SELECT body, n FROM things");
    REQUIRE(empty.step());
    CHECK_FALSE(empty.is_null(0));
    CHECK(empty.text(0).empty());
    CHECK(empty.integer(1) == -1);
    CHECK_FALSE(Statement(*db, "SELECT id FROM things WHERE id = ?").bind(0).returned());
  });
}

TEST_CASE("text sorts and compares by its bytes; lower() folds ASCII only") {
  on_both([](Metadata& m) {
    auto db = m.lease();
    for (const char* name : {"b", "B", "a_", "aA", "Z", "\u00e9", "\u00c9"}) Statement(*db, "INSERT INTO things (name) VALUES (?) ON CONFLICT DO NOTHING").bind(name).run();
    std::string all;
    Statement q(*db, "SELECT name FROM things ORDER BY name");
    while (q.step()) all += q.text(0) + " ";
    CHECK(all == "Z aA a_ b \u00c9 \u00e9 ");   // B is b; the two letters that are not ASCII are two names
    CHECK(Statement(*db, "SELECT count(*) FROM things WHERE name > ?").bind("a").returned() == 5);
    CHECK(Statement(*db, "SELECT count(*) FROM things WHERE lower(name) = ?").bind(lower_ascii("aa")).returned() == 1);
  });
}

TEST_CASE("errors have the SQLSTATE of their class") {
  on_both([](Metadata& m) {
    auto db = m.lease();
    Statement(*db, "INSERT INTO things (id, name) VALUES (7, 'a')").run();
    CHECK(state_of([&] { Statement(*db, "INSERT INTO things (id, name) VALUES (8, 'A')").run(); }) == "23505");
    CHECK(state_of([&] { Statement(*db, "INSERT INTO parts VALUES (99, 'k', 1)").run(); }) == "23503");
    CHECK(state_of([&] { Statement(*db, "INSERT INTO things (id, name) VALUES (9, ?)").bind_null().run(); }) == "23502");
    CHECK_FALSE(state_of([&] { Statement(*db, "SELECT nothing FROM things").run(); }).empty());
    // The connection is as good as before, and nothing of the failed ones is there.
    CHECK(Statement(*db, "SELECT count(*) FROM things").returned() == 1);
    Statement(*db, "INSERT INTO parts VALUES (7, 'k', 1)").run();
    Statement(*db, "DELETE FROM things WHERE id = 7").run();
    CHECK(Statement(*db, "SELECT count(*) FROM parts").returned() == 0);   // foreign keys are on
  });
}

TEST_CASE("upserts and their counts") {
  on_both([](Metadata& m) {
    auto db = m.lease();
    Statement(*db, "INSERT INTO things (id, name) VALUES (1, 'a')").run();
    for (int n : {1, 2}) {
      Statement(*db, "INSERT INTO parts VALUES (1, ?, ?) ON CONFLICT (thing, key) DO UPDATE SET n = parts.n * 10 + excluded.n").bind("k").bind(n).run();
      CHECK(db->changes() == 1);
    }
    CHECK(Statement(*db, "SELECT n FROM parts").returned() == 12);
    Statement(*db, "INSERT INTO parts VALUES (1, 'k', 5) ON CONFLICT DO NOTHING").run();
    CHECK(db->changes() == 0);
    CHECK_FALSE(Statement(*db, "INSERT INTO parts VALUES (1, 'k', 5) ON CONFLICT DO NOTHING RETURNING n").returned());
  });
}

TEST_CASE("a transaction that is not committed never was") {
  on_both([](Metadata& m) {
    auto db = m.lease();
    {
      Transaction t(*db, "test");
      Statement(*db, "INSERT INTO things (name) VALUES ('a')").run();
    }
    CHECK(Statement(*db, "SELECT count(*) FROM things").returned() == 0);
    CHECK_THROWS_AS(m.transact("test", [](Connection& c) {
      Statement(c, "INSERT INTO things (name) VALUES ('b')").run();
      throw std::runtime_error("no");
    }), std::runtime_error);
    CHECK(Statement(*db, "SELECT count(*) FROM things").returned() == 0);
    m.transact("test", [](Connection& c) { Statement(c, "INSERT INTO things (name) VALUES ('c')").run(); });
    CHECK(Statement(*db, "SELECT count(*) FROM things").returned() == 1);
  });
}

TEST_CASE("what a transaction reads stays true until it has written") {
  on_both([](Metadata& m) {
    Statement(*m.lease(), "INSERT INTO things (id, name) VALUES (1, 'counter')").run();
    std::vector<std::thread> threads;
    std::atomic<int> failed{0};
    for (int t = 0; t < 6; ++t) {
      threads.emplace_back([&] {
        for (int i = 0; i < 20; ++i) {
          try {
            m.transact("test", [](Connection& db) {
              int64_t n = *Statement(db, "SELECT n FROM things WHERE id = 1").returned();
              Statement(db, "UPDATE things SET n = ? WHERE id = 1").bind(n + 1).run();
            });
          } catch (const std::exception& e) {
            ++failed;
          }
        }
      });
    }
    for (auto& t : threads) t.join();
    CHECK(failed == 0);
    CHECK(Statement(*m.lease(), "SELECT n FROM things").returned() == 120);
  });
}

TEST_CASE("transactions under different locks that lock each other's rows are begun again") {
  on_both([](Metadata& m) {
    for (int id : {1, 2}) Statement(*m.lease(), "INSERT INTO things (id, name) VALUES (?, ?)").bind(id).bind("t" + std::to_string(id)).run();
    std::atomic<int> failed{0};
    auto work = [&](int first, int second) {
      for (int i = 0; i < 10; ++i) {
        try {
          m.transact("test " + std::to_string(first), [&](Connection& db) {
            Statement(db, "UPDATE things SET n = n + 1 WHERE id = ?").bind(first).run();
            std::this_thread::sleep_for(std::chrono::milliseconds(5));
            Statement(db, "UPDATE things SET n = n + 1 WHERE id = ?").bind(second).run();
          });
        } catch (const std::exception& e) {
          ++failed;
        }
      }
    };
    std::thread a([&] { work(1, 2); }), b([&] { work(2, 1); });
    a.join();
    b.join();
    CHECK(failed == 0);
    CHECK(Statement(*m.lease(), "SELECT n FROM things WHERE id = 1").returned() == 20);
  });
}

TEST_CASE("migrations run once, also when several begin, and a newer database is refused") {
  on_both([](Metadata& m) {
    drop(m);
    std::vector<std::thread> threads;
    std::atomic<int> failed{0};
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&] {
        try {
          m.migrate("test", kSteps);
        } catch (const std::exception& e) {
          ++failed;
        }
      });
    }
    for (auto& t : threads) t.join();
    CHECK(failed == 0);
    CHECK(Statement(*m.lease(), "SELECT version FROM schema_version WHERE room = 'test'").returned() == 2);
    CHECK_THROWS_AS(m.migrate("test", std::span(kSteps).first(1)), DatabaseError);
  });
}

TEST_CASE("leases admit each connection once, and again after a disconnect") {
  on_both([](Metadata& m) {
    std::atomic<int> made{0};
    m.admit_with([&](Connection&) { ++made; });
    for (int i = 0; i < 5; ++i) CHECK(Statement(*m.lease(), "SELECT 1").returned() == 1);
    CHECK(made == 1);
    {
      auto held = m.lease();
      m.disconnect();
    }
    m.lease();
    CHECK(made == 2);
    m.admit_with([](Connection&) { throw DatabaseError("08004", "no"); });
    CHECK(state_of([&] { m.lease(); }) == "08004");
    m.admit_with([](Connection&) {});
  });
}

TEST_CASE("PostgreSQL: a statement that failed leaves nothing to commit, and lost sessions come back") {
  Place place(true);
  if (place.database.empty()) return;
  Metadata m(place.database), other(place.database);
  drop(m);
  m.migrate("test", kSteps);
  {
    auto db = m.lease();
    Transaction t(*db, "test");
    Statement(*db, "INSERT INTO things (id, name) VALUES (1, 'a')").run();
    CHECK(state_of([&] { Statement(*db, "INSERT INTO things (id, name) VALUES (1, 'b')").run(); }) == "23505");
    CHECK(state_of([&] { t.commit(); }) == "25P02");
  }
  CHECK(Statement(*m.lease(), "SELECT count(*) FROM things").returned() == 0);
  CHECK(state_of([&] { Statement(*m.lease(), "INSERT INTO things (name) VALUES (?)").bind(std::string_view("a\0b", 3)).run(); }) == "22021");

  auto held = m.lease();
  auto end_others = [&] {
    auto db = other.lease();
    Statement(*db, "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND application_name = 'tarn'").run();
  };
  end_others();
  CHECK(Statement(*m.lease(), "SELECT 5").returned() == 5);        // an idle one is replaced
  CHECK(Statement(*held, "SELECT 6").returned() == 6);             // reading is done again
  end_others();
  m.admit_with([](Connection&) { throw DatabaseError("08004", "no"); });
  CHECK(state_of([&] { Statement(*held, "SELECT 7").run(); }) == "08004");   // but not by a session that is not admitted
  CHECK(state_of([&] { Transaction t(*held, "test"); }) == "08004");
  m.admit_with([](Connection&) {});
  {
    Transaction t(*held, "test");                                  // so is a beginning
    Statement(*held, "INSERT INTO things (name) VALUES ('x')").run();
    end_others();
    std::string state = state_of([&] { Statement(*held, "INSERT INTO things (name) VALUES ('y')").run(); });
    CHECK(DatabaseError(state, "").is_unavailable());
  }
  CHECK(Statement(*m.lease(), "SELECT count(*) FROM things").returned() == 0);
  drop(m);
}

TEST_CASE("an unreadable URL is refused without repeating it") {
  for (const char* url : {"postgresql://user:pass word@h", "postgresql://u:secret@127.0.0.1:notaport/d", "postgresql://u:secret@127.0.0.1:1/d?connect_timeout=2"}) {
    try {
      Metadata m{std::string(url)};
      FAIL("connected");
    } catch (const DatabaseError& e) {
      CHECK(e.is_unavailable());
      CHECK(std::string(e.what()).find("secret") == std::string::npos);
      CHECK(std::string(e.what()).find("pass word") == std::string::npos);
    }
  }
  CHECK(has_password("postgresql://u:p@h/d"));
  CHECK(has_password("postgresql://u@h/d?password=p"));
  CHECK_FALSE(has_password("postgresql://u@h/d?sslmode=verify-full"));
}

TEST_CASE("statements for PostgreSQL") {
  CHECK(numbered_parameters("SELECT ?, '?', \"?\", 'it''s ?' FROM t WHERE a = ? -- ?\n AND /* ? */ b = ?") ==
        "SELECT $1, '?', \"?\", 'it''s ?' FROM t WHERE a = $2 -- ?\n AND /* ? */ b = $3");
  CHECK(postgres_schema("CREATE TABLE t (id INTEGER PRIMARY KEY AUTOINCREMENT, a INTEGER PRIMARY KEY, b BLOB, c TEXT DEFAULT 'TEXT', d REAL) WITHOUT  ROWID;") ==
        "CREATE TABLE t (id BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY, a BIGINT PRIMARY KEY, b BYTEA, c TEXT COLLATE \"C\" DEFAULT 'TEXT', d DOUBLE PRECISION) ;");
  for (const char* step : {"CREATE TABLE t (a TEXT COLLATE NOCASE)", "INSERT OR REPLACE INTO t VALUES (1)", "CREATE TABLE t (a INTEGER AUTOINCREMENT)"}) {
    CHECK_THROWS_AS(postgres_schema(step), DatabaseError);
  }
}
