#pragma once
// Inside the room: what several files ask of a Delta snapshot.
#include <optional>
#include <string>
#include <vector>

#include "catalog/catalog.h"
#include "engine/commands/commands.h"
#include "plan/types.h"

namespace tarn::delta {
class Snapshot;
}
namespace tarn::sql {
class Target;
}

namespace tarn::engine::commands {

struct DeltaTarget {
  std::string location;                       // URI
  std::optional<catalog::TableInfo> table;    // nothing for a path
};
// TABLE_OR_VIEW_NOT_FOUND, EXPECT_TABLE_NOT_VIEW for this operation.
DeltaTarget delta_target(const sql::Target& target, CommandHost& host, const char* operation);

// A Spark expression, cast to `type`, as DuckDB SQL over columns that DuckDB sees under their own names.
std::string lower_over_columns(const std::string& text, const plan::DataType& schema, const std::optional<plan::DataType>& type, CommandHost& host);

// Logical names of the liquid clustering columns, quoted where needed.
std::vector<std::string> clustering_columns(const delta::Snapshot& snapshot);

}  // namespace tarn::engine::commands
