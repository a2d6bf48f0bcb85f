#include "catalog/catalog_schema.h"

namespace tarn::catalog {

namespace {

// name_key is the name in lower case: names are found without regard to case.
constexpr const char* kSteps[] = {
    R"sql(
CREATE TABLE catalogs (
  id INTEGER PRIMARY KEY,
  name_key TEXT NOT NULL UNIQUE,
  name TEXT NOT NULL,
  comment TEXT,
  properties TEXT NOT NULL DEFAULT '{}',
  owner TEXT NOT NULL DEFAULT '',
  created_ms INTEGER NOT NULL
);
CREATE TABLE schemas (
  id INTEGER PRIMARY KEY,
  catalog_id INTEGER NOT NULL REFERENCES catalogs(id) ON DELETE RESTRICT,
  name_key TEXT NOT NULL,
  name TEXT NOT NULL,
  location TEXT NOT NULL,
  comment TEXT,
  collation TEXT,
  properties TEXT NOT NULL DEFAULT '{}',
  owner TEXT NOT NULL DEFAULT '',
  created_ms INTEGER NOT NULL,
  UNIQUE (catalog_id, name_key)
);
CREATE TABLE tables (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  schema_id INTEGER NOT NULL REFERENCES schemas(id) ON DELETE RESTRICT,
  name_key TEXT NOT NULL,
  name TEXT NOT NULL,
  type INTEGER NOT NULL,
  provider TEXT NOT NULL,
  location TEXT NOT NULL,
  owner TEXT NOT NULL DEFAULT '',
  created_ms INTEGER NOT NULL,
  document TEXT NOT NULL,
  UNIQUE (schema_id, name_key)
);
CREATE TABLE partitions (
  table_id INTEGER NOT NULL REFERENCES tables(id) ON DELETE CASCADE,
  spec TEXT NOT NULL,
  location TEXT NOT NULL,
  parameters TEXT NOT NULL DEFAULT '{}',
  created_ms INTEGER NOT NULL,
  PRIMARY KEY (table_id, spec)
) WITHOUT ROWID;
CREATE TABLE functions (
  id INTEGER PRIMARY KEY,
  schema_id INTEGER NOT NULL REFERENCES schemas(id) ON DELETE RESTRICT,
  name_key TEXT NOT NULL,
  name TEXT NOT NULL,
  definition BLOB NOT NULL,
  owner TEXT NOT NULL DEFAULT '',
  created_ms INTEGER NOT NULL,
  document TEXT NOT NULL,
  UNIQUE (schema_id, name_key)
);
CREATE TABLE volumes (
  id INTEGER PRIMARY KEY,
  schema_id INTEGER NOT NULL REFERENCES schemas(id) ON DELETE RESTRICT,
  name_key TEXT NOT NULL,
  name TEXT NOT NULL,
  managed INTEGER NOT NULL,
  location TEXT NOT NULL,
  comment TEXT,
  owner TEXT NOT NULL DEFAULT '',
  created_ms INTEGER NOT NULL,
  UNIQUE (schema_id, name_key)
);
)sql",
};

}  // namespace

std::span<const char* const> migrations() { return kSteps; }

}  // namespace tarn::catalog
