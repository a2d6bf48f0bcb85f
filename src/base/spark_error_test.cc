#include "base/spark_error.h"

#include <doctest/doctest.h>

using namespace tarn;

TEST_CASE("a condition renders with its parameters and SQLSTATE") {
  auto e = analysis_error("UNRESOLVED_COLUMN.WITH_SUGGESTION", {{"objectName", "`x`"}, {"proposal", "`a`, `b`"}});
  CHECK(e.message() ==
        "[UNRESOLVED_COLUMN.WITH_SUGGESTION] A column, variable, or function parameter with name `x` cannot be resolved. "
        "Did you mean one of the following? [`a`, `b`]. SQLSTATE: 42703");
  CHECK(e.java_classes().front() == "org.apache.spark.sql.AnalysisException");
}

TEST_CASE("a condition that a class has to itself is of that class, whoever throws it") {
  const std::string invalid = "org.apache.spark.sql.connect.common.InvalidPlanInput";
  CHECK(analysis_error("CONNECT_INVALID_PLAN.DEDUPLICATE_NEEDS_INPUT").java_classes().front() == invalid);
  auto e = SparkError(ErrorKind::kSpark, "INVALID_SCHEMA_TYPE_NON_STRUCT", {{"dataType", "\"INT\""}});
  CHECK(e.java_classes().front() == invalid);
  CHECK(e.condition() == "INVALID_SCHEMA_TYPE_NON_STRUCT");
}

TEST_CASE("an unknown condition is an internal error that names it") {
  CHECK(analysis_error("NO_SUCH_THING").condition() == "INTERNAL_ERROR");
}

TEST_CASE("identifiers are quoted with doubled backticks") { CHECK(quote_identifier("a`b") == "`a``b`"); }
