#pragma once
// The messages of Delta's own Python and Scala API over Spark Connect (package delta-spark: DeltaTable.forPath, merge, vacuum, history …).
// They travel in the extension fields of Relation and Command; each becomes the SQL statement that does the same.
// Source: DeltaRelationPlugin, DeltaCommandPlugin; delta/connect/{base,relations,commands}.proto.
#include "engine/commands/commands.h"

namespace tarn::engine::commands {

bool is_delta_relation(const spark::connect::Relation& relation);
bool is_delta_command(const spark::connect::Command& command);

// DeltaTable.toDF(): the scan becomes a read of the table. False if the message asks for something else.
bool replace_delta_scan(spark::connect::Relation* relation);
// Everything else that answers with rows. delete, update, merge, optimize, restore and convert change the table each time they run.
CommandResult execute_delta_relation(const spark::connect::Relation& relation, CommandHost& host);
CommandResult execute_delta_command(const spark::connect::Command& command, CommandHost& host);

}  // namespace tarn::engine::commands
