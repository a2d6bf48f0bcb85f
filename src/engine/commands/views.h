#pragma once
// Inside the room: temporary views, and what permanent objects may not refer to.
#include <string>
#include <vector>

#include "engine/commands/commands.h"
#include "engine/commands/support.h"
#include "plan/analyzer.h"

namespace spark::connect {
class Relation;
}

namespace tarn::engine::commands {

// TEMP_TABLE_OR_VIEW_ALREADY_EXISTS, TEMP_VIEW_NAME_TOO_MANY_NAME_PARTS
void create_temp_view(const std::vector<std::string>& parts, bool global, bool replace, plan::TempView view, CommandHost& host);
bool drop_temp_view(const TempName& name, CommandHost& host);
// INVALID_TEMP_OBJ_REFERENCE if the query of the permanent object (VIEW, FUNCTION) uses temporary views, functions or variables.
void check_no_temporary_objects(const spark::connect::Relation& query, const char* object, const std::vector<std::string>& name,
                                CommandHost& host);

}  // namespace tarn::engine::commands
