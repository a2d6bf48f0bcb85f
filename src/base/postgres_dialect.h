#pragma once
// Inside the room: statements in the one dialect (base/README.md) as PostgreSQL takes them.
#include <string>
#include <string_view>

namespace tarn {

// Each ? outside of literals, quoted names and comments as $1, $2, ...
std::string numbered_parameters(std::string_view sql);
// A step of migrations: INTEGER is BIGINT, BLOB is BYTEA, REAL is DOUBLE PRECISION, TEXT sorts and compares by its bytes as in SQLite,
// INTEGER PRIMARY KEY AUTOINCREMENT is an identity, WITHOUT ROWID says nothing. DatabaseError for what has no meaning in both: COLLATE,
// OR REPLACE, AUTOINCREMENT elsewhere. Words of the language are in capitals; names are not.
std::string postgres_schema(std::string_view step);

}  // namespace tarn
