#pragma once
// Inside the room: rows of the catalog file and the errors for names.
#include <string>
#include <string_view>

#include "base/spark_error.h"
#include "base/sqlite.h"
#include "catalog/catalog.h"

namespace tarn::catalog {

struct Catalog::SchemaRow {
  int64_t id = 0;
  SchemaInfo info;
};

int64_t now_ms();
// The spelling under which a name is kept.
std::string stored_name(std::string_view catalog, std::string_view name);

std::string quoted(std::string_view catalog, std::string_view schema);
std::string quoted(std::string_view catalog, std::string_view schema, std::string_view name);
SparkError schema_not_found(std::string_view catalog, std::string_view schema);
SparkError table_not_found(std::string_view catalog, std::string_view schema, std::string_view name);
SparkError table_exists(std::string_view catalog, std::string_view schema, std::string_view name);

}  // namespace tarn::catalog
