// Lines through a command: a table function over a query of its own.
#include "engine/lowering/plan_lowering.h"
#include "engine/python/runtime.h"
#include "engine/python/python_scan.h"
#include "engine/script/script_scan.h"

namespace tarn::engine::lowering {

Block PlanLowering::script(const plan::Script& s) {
  auto scan = std::make_shared<tarn::engine::script::ScriptScan>();
  scan->sql = detached(s.children[0]);
  scan->command = s.command;
  scan->exit_seconds = static_cast<int>(context_.conf.integer("spark.sql.scriptTransformation.exitTimeoutInSeconds") / 1000);
  scan->database = &context_.database;
  scan->runtime = context_.python;
  if (scan->runtime) python_functions::add_files(*scan->runtime);
  auto handle = std::make_shared<tarn::engine::script::ScriptScanHandle>(scan);
  handles_.push_back(handle);
  return source(handle->sql() + " AS " + fresh_alias() + column_list(s.output), s.output);
}

}  // namespace tarn::engine::lowering
