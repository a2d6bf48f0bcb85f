#include "engine/kernels/kernel_error.h"

#include <nlohmann/json.hpp>

#include <cstring>

#include "duckdb/common/exception.hpp"

namespace tarn::engine::kernels {

void fail(const char* condition, ErrorKind kind, ErrorParams params) {
  nlohmann::json j = {{"condition", condition}, {"kind", static_cast<int>(kind)}, {"params", params}};
  throw duckdb::InvalidInputException("SPARKERR:" + j.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
}

void fail(const SparkError& e) {
  if (!e.condition().empty()) fail(e.condition().c_str(), e.kind(), e.params());
  nlohmann::json j = {{"condition", ""}, {"kind", static_cast<int>(e.kind())}, {"message", e.what()}};
  throw duckdb::InvalidInputException("SPARKERR:" + j.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
}

std::string quote_value(std::string_view text) {
  std::string r = "'";
  for (char c : text) {
    if (c == '\\' || c == '\'') r += '\\';
    r += c;
  }
  return r + "'";
}

void fail_cast(std::string_view value, const char* from, const std::string& to) {
  const bool number = to == "INT" || to == "BIGINT" || to == "SMALLINT" || to == "TINYINT" || to == "DOUBLE" || to == "FLOAT" || to.rfind("DECIMAL", 0) == 0;
  const bool datetime = to == "DATE" || to.rfind("TIME", 0) == 0;
  fail("CAST_INVALID_INPUT", number ? ErrorKind::kNumberFormat : datetime ? ErrorKind::kDateTime : ErrorKind::kRuntime,
       {{"expression", quote_value(value)}, {"sourceType", std::string("\"") + from + "\""}, {"targetType", "\"" + to + "\""}, {"ansiConfig", "\"spark.sql.ansi.enabled\""}});
}
void fail_cast_overflow(const std::string& value, const std::string& from, const std::string& to) {
  fail("CAST_OVERFLOW", ErrorKind::kArithmetic,
       {{"value", value}, {"sourceType", "\"" + from + "\""}, {"targetType", "\"" + to + "\""}, {"ansiConfig", "\"spark.sql.ansi.enabled\""}});
}
void fail_overflow(const char* what, const char* alternative) {
  fail("ARITHMETIC_OVERFLOW", ErrorKind::kArithmetic,
       {{"message", std::strcmp(what, "integer overflow") == 0 || std::strcmp(what, "long overflow") == 0 ? "overflow" : what}, {"alternative", *alternative ? std::string(" Use '") + alternative + "' to tolerate overflow and return NULL instead." : ""},
        {"config", "\"spark.sql.ansi.enabled\""}});
}
void fail_interval_overflow() { fail("INTERVAL_ARITHMETIC_OVERFLOW.WITHOUT_SUGGESTION", ErrorKind::kArithmetic, {}); }
void fail_decimal(const std::string& value, int precision, int scale) {
  fail("NUMERIC_VALUE_OUT_OF_RANGE.WITH_SUGGESTION", ErrorKind::kArithmetic,
       {{"value", value}, {"precision", std::to_string(precision)}, {"scale", std::to_string(scale)}, {"config", "\"spark.sql.ansi.enabled\""}});
}
void fail_divide_by_zero() { fail("DIVIDE_BY_ZERO", ErrorKind::kArithmetic, {{"config", "\"spark.sql.ansi.enabled\""}}); }
void fail_remainder_by_zero() { fail("REMAINDER_BY_ZERO", ErrorKind::kArithmetic, {{"config", "\"spark.sql.ansi.enabled\""}}); }

}  // namespace tarn::engine::kernels
