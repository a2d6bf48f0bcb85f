#pragma once
// Inside the room: the actions of ALTER TABLE that have a file of their own.
#include "catalog/catalog.h"
#include "engine/commands/commands.h"

namespace tarn::sql {
class AlterTable;
}

namespace tarn::engine::commands {

CommandResult alter_partitions(const catalog::TableInfo& table, const sql::AlterTable& alter, CommandHost& host);

}  // namespace tarn::engine::commands
