#pragma once
// Inside the room: DELETE, UPDATE and MERGE, whoever asks for them: SQL, the DataFrame API, Delta's DeltaTable.
#include <spark/connect/relations.pb.h>

#include "engine/commands/support.h"

namespace spark::connect {
class MergeIntoTableCommand;
}
namespace tarn::sql {
class Assignment;
}

namespace tarn::engine::commands {

struct DmlTarget {
  catalog::TableInfo table;
  bool path_only = false;             // delta.`/path`: no table of the catalog
  spark::connect::Relation relation;  // SELECT * FROM it, with its alias
};

// A Delta table by name or delta.`/path`. operation: "DELETE", "UPDATE", "MERGE INTO". TABLE_OR_VIEW_NOT_FOUND, EXPECT_TABLE_NOT_VIEW,
// UNSUPPORTED_FEATURE.TABLE_OPERATION for tables that are not Delta.
DmlTarget dml_target(const std::vector<std::string>& parts, const std::string& alias, const char* operation, CommandHost& host);

// The answers are Delta's: num_affected_rows, and for MERGE num_updated_rows, num_deleted_rows, num_inserted_rows.
CommandResult delete_from_table(const DmlTarget& target, const spark::connect::Expression* condition, CommandHost& host);
CommandResult update_table(const DmlTarget& target, const spark::connect::Expression* condition,
                           const google::protobuf::RepeatedPtrField<sql::Assignment>& assignments, CommandHost& host);
CommandResult merge_into_table(const DmlTarget& target, const spark::connect::MergeIntoTableCommand& merge, CommandHost& host);

}  // namespace tarn::engine::commands
