#include "engine/commands/delta_tables.h"

#include "base/spark_error.h"

namespace tarn::engine::commands {

void delta_create(catalog::TableInfo&, CreateMode, const plan::PlanPtr&, CommandHost&) { throw not_built("creating Delta tables"); }
void delta_write(const std::string&, const std::string&, const plan::PlanPtr&, const DeltaWriteOptions&, CommandHost&) { throw not_built("writing Delta tables"); }
void delta_set_comment(const catalog::TableInfo&, const std::optional<std::string>&, CommandHost&) { throw not_built("COMMENT ON a Delta table"); }
CommandResult delta_alter(const catalog::TableInfo&, const sql::AlterTable&, CommandHost&) { throw not_built("ALTER TABLE of a Delta table"); }
CommandResult delta_truncate(const catalog::TableInfo&, CommandHost&) { throw not_built("TRUNCATE TABLE of a Delta table"); }
CommandResult delta_delete(const std::string&, const plan::DeleteCommand&, CommandHost&) { throw not_built("DELETE"); }
CommandResult delta_update(const std::string&, const plan::UpdateCommand&, CommandHost&) { throw not_built("UPDATE"); }
CommandResult delta_merge(const std::string&, const plan::MergeCommand&, CommandHost&) { throw not_built("MERGE INTO"); }
void refresh_from_log(catalog::TableInfo&, CommandHost&) {}

}  // namespace tarn::engine::commands
