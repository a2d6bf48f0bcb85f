#include "plan/cast_check.h"

#include "plan/function.h"

namespace tarn::plan {

void check_cast(const Expression& value, const DataType& to, EvalMode mode, const std::string& text) {
  if (can_cast(value.type, to, mode)) return;
  ErrorParams params{{"sqlExpr", quote_sql(text)}, {"srcType", quote_sql(value.type.sql())}, {"targetType", quote_sql(to.sql())}};
  if (mode != EvalMode::kLegacy) {
    const char* functions = nullptr;
    if (value.type.is_numeric() && to.id() == TypeId::kTimestamp) functions = "`TIMESTAMP_SECONDS`/`TIMESTAMP_MILLIS`/`TIMESTAMP_MICROS`";
    else if (value.type.is_numeric() && to.id() == TypeId::kDate) functions = "`DATE_FROM_UNIX_DATE`";
    else if (value.type.id() == TypeId::kDate && to.is_numeric()) functions = "`UNIX_DATE`";
    else if (value.type.id() == TypeId::kTimestamp && to.is_numeric()) functions = "`UNIX_SECONDS`/`UNIX_MILLIS`/`UNIX_MICROS`";
    if (functions) {
      params["functionNames"] = functions;
      throw analysis_error("DATATYPE_MISMATCH.CAST_WITH_FUNC_SUGGESTION", std::move(params));
    }
  }
  if (mode == EvalMode::kAnsi && can_cast(value.type, to, EvalMode::kLegacy)) {
    params["config"] = "\"spark.sql.ansi.enabled\"";
    params["configVal"] = "'false'";
    throw analysis_error("DATATYPE_MISMATCH.CAST_WITH_CONF_SUGGESTION", std::move(params));
  }
  throw analysis_error("DATATYPE_MISMATCH.CAST_WITHOUT_SUGGESTION", std::move(params));
}

}  // namespace tarn::plan
