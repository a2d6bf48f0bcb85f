#include "engine/error_map.h"

#include <nlohmann/json.hpp>

#include "base/log.h"
#include "duckdb/common/error_data.hpp"
#include "duckdb/common/exception.hpp"

namespace tarn::engine {

namespace {

constexpr const char* kMark = "SPARKERR:";

constexpr std::pair<const char*, ErrorKind> kKinds[] = {
    {"analysis", ErrorKind::kAnalysis},       {"parse", ErrorKind::kParse},
    {"arithmetic", ErrorKind::kArithmetic},   {"number_format", ErrorKind::kNumberFormat},
    {"datetime", ErrorKind::kDateTime},       {"array_index", ErrorKind::kArrayIndex},
    {"no_such_element", ErrorKind::kNoSuchElement}, {"illegal_argument", ErrorKind::kIllegalArgument},
    {"unsupported", ErrorKind::kUnsupported}, {"runtime", ErrorKind::kRuntime},
    {"upgrade", ErrorKind::kUpgrade},         {"spark", ErrorKind::kSpark},
    {"python", ErrorKind::kPython},
};

ErrorKind kind_of(const nlohmann::json& kind) {
  if (kind.is_number_integer()) return static_cast<ErrorKind>(kind.get<int>());
  if (kind.is_string()) {
    std::string text = kind.get<std::string>();
    std::string plain;  // "kNumberFormat", "NumberFormat" and "number_format" are the same
    for (char c : text) {
      if (c != '_') plain += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    }
    if (plain.size() > 1 && text[0] == 'k' && std::isupper(static_cast<unsigned char>(text[1]))) plain.erase(0, 1);
    for (const auto& [name, value] : kKinds) {
      std::string known;
      for (const char* p = name; *p; ++p) {
        if (*p != '_') known += *p;
      }
      if (plain == known) return value;
    }
  }
  return ErrorKind::kRuntime;
}

SparkError error_of(const nlohmann::json& json) {
  ErrorParams params;
  const auto given = json.value("params", nlohmann::json::object());
  for (const auto& [key, value] : given.items()) {
    params[key] = value.is_string() ? value.get<std::string>() : value.dump();
  }
  ErrorKind kind = kind_of(json.value("kind", nlohmann::json()));
  std::string condition = json["condition"].get<std::string>();
  if (condition.empty()) return SparkError::Plain(kind, json.value("message", ""));
  return SparkError(kind, condition, std::move(params));
}

// What a kernel threw, or nothing if DuckDB speaks for itself. Throws it itself where it has a cause.
std::optional<SparkError> kernel_error(const std::string& message) {
  size_t at = message.find(kMark);
  if (at == std::string::npos) return std::nullopt;
  size_t begin = at + std::char_traits<char>::length(kMark);
  // DuckDB may append a line that points into the SQL: only the first JSON value counts.
  std::string text = message.substr(begin);
  int depth = 0;
  bool in_string = false;
  size_t end = 0;
  for (; end < text.size(); ++end) {
    char c = text[end];
    if (in_string) {
      if (c == '\\') ++end;
      else if (c == '"') in_string = false;
    } else if (c == '"') {
      in_string = true;
    } else if (c == '{') {
      ++depth;
    } else if (c == '}' && --depth == 0) {
      ++end;
      break;
    }
  }
  auto json = nlohmann::json::parse(text.substr(0, end), nullptr, false);
  if (json.is_discarded() || !json.contains("condition")) return std::nullopt;
  SparkError error = error_of(json);
  if (auto cause = json.find("cause"); cause != json.end()) {
    try {
      throw error_of(*cause);
    } catch (const SparkError&) {
      std::throw_with_nested(error);
    }
  }
  return error;
}

bool contains(const std::string& text, const char* part) { return text.find(part) != std::string::npos; }

SparkError overflow(const std::string& what, const char* alternative = nullptr) {
  return SparkError(ErrorKind::kArithmetic, "ARITHMETIC_OVERFLOW",
                    {{"message", what}, {"alternative", alternative ? std::string(" Use '") + alternative + "' to tolerate overflow and return NULL instead." : ""},
                     {"config", "\"spark.sql.ansi.enabled\""}});
}

// "Overflow in addition of INT8 (127 + 127)!": TINYINT and SMALLINT have a condition of their own in Spark.
std::optional<SparkError> small_integer_overflow(const std::string& raw) {
  const bool byte = contains(raw, " of INT8 "), small = contains(raw, " of INT16 ");
  size_t open = raw.find('('), close = raw.find(')');
  if ((!byte && !small) || open == std::string::npos || close == std::string::npos) return std::nullopt;
  std::string inside = raw.substr(open + 1, close - open - 1);
  size_t symbol = inside.find(' ');
  if (symbol == std::string::npos || symbol + 2 >= inside.size()) return std::nullopt;
  const char* suffix = byte ? "Y" : "S";
  const char sign = inside[symbol + 1];
  const char* function = sign == '+' ? "`try_add`" : sign == '-' ? "`try_subtract`" : "`try_multiply`";
  return SparkError(ErrorKind::kArithmetic, "BINARY_ARITHMETIC_OVERFLOW",
                    {{"value1", inside.substr(0, symbol) + suffix}, {"symbol", std::string(1, sign)},
                     {"value2", inside.substr(symbol + 3) + suffix}, {"functionName", function}});
}

const char* spark_type_of(const std::string& message) {
  static const std::pair<const char*, const char*> kTypes[] = {
      {"to INT8", "TINYINT"}, {"to INT16", "SMALLINT"}, {"to INT32", "INT"}, {"to INT64", "BIGINT"}, {"to INT128", "DECIMAL(38,0)"},
      {"to FLOAT", "FLOAT"}, {"to DOUBLE", "DOUBLE"}, {"to BOOL", "BOOLEAN"}, {"DECIMAL", "DECIMAL"}, {"to DATE", "DATE"}, {"TIMESTAMP", "TIMESTAMP"}};
  for (const auto& [duck, spark] : kTypes) {
    if (contains(message, duck)) return spark;
  }
  return "STRING";
}

}  // namespace

std::string kernel_error_text(const SparkError& error, const SparkError* cause) {
  auto json_of = [](const SparkError& e) {
    nlohmann::json json = {{"condition", e.condition()}, {"kind", static_cast<int>(e.kind())}, {"params", e.params()}};
    if (e.condition().empty()) json["message"] = e.message();
    return json;
  };
  nlohmann::json json = json_of(error);
  if (cause) json["cause"] = json_of(*cause);
  return kMark + json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

SparkError to_spark_error(const duckdb::ErrorData& error, const std::string& sql) {
  using duckdb::ExceptionType;
  const std::string& raw = error.RawMessage();
  if (auto kernel = kernel_error(raw)) return *kernel;
  switch (error.Type()) {
    case ExceptionType::INTERRUPT: return SparkError(ErrorKind::kSpark, "OPERATION_CANCELED", {});
    case ExceptionType::DIVIDE_BY_ZERO: return SparkError(ErrorKind::kArithmetic, "DIVIDE_BY_ZERO", {{"config", "\"spark.sql.ansi.enabled\""}});
    case ExceptionType::OUT_OF_RANGE: {
      if (contains(raw, "Division by zero") || contains(raw, "division by zero")) {
        return SparkError(ErrorKind::kArithmetic, "DIVIDE_BY_ZERO", {{"config", "\"spark.sql.ansi.enabled\""}});
      }
      if (contains(raw, "DECIMAL")) return overflow(raw);
      if (auto binary = small_integer_overflow(raw)) return *binary;
      // "Overflow in addition of INT32 (1 + 2147483647)!"; Spark no longer says which type.
      return overflow("overflow", contains(raw, "addition of") ? "try_add" : contains(raw, "subtraction of") ? "try_subtract" : contains(raw, "multiplication of") ? "try_multiply" : nullptr);
    }
    case ExceptionType::CONVERSION: {
      // "Could not convert string 'abc' to INT32", "Type INT64 with value 99 can't be cast because the value is out of range …"
      if (contains(raw, "out of range") || contains(raw, "Could not cast value")) {
        return overflow("Casting " + raw);
      }
      size_t open = raw.find('\'');
      size_t close = open == std::string::npos ? open : raw.find('\'', open + 1);
      std::string text = close == std::string::npos ? raw : raw.substr(open + 1, close - open - 1);
      return SparkError(ErrorKind::kNumberFormat, "CAST_INVALID_INPUT",
                        {{"expression", "'" + text + "'"}, {"sourceType", "\"STRING\""}, {"targetType", std::string("\"") + spark_type_of(raw) + "\""}, {"ansiConfig", "\"spark.sql.ansi.enabled\""}});
    }
    case ExceptionType::OUT_OF_MEMORY:
      return SparkError::Plain(ErrorKind::kSpark, "Out of memory: " + raw.substr(0, raw.find('\n')) +
                                                      " The cluster's memory limit was reached; start it with a larger --memory or read less at once.");
    case ExceptionType::IO:
      if (contains(raw, "No space left") || contains(raw, "not enough space") || contains(raw, "max_temp_directory_size")) {
        return SparkError::Plain(ErrorKind::kSpark, "No space left on device: " + raw);
      }
      return SparkError::Plain(ErrorKind::kSpark, raw);
    case ExceptionType::HTTP:
    case ExceptionType::PERMISSION: return SparkError::Plain(ErrorKind::kSpark, raw);
    case ExceptionType::INVALID_INPUT:
      if (contains(raw, "More than one row returned by a subquery")) {
        return SparkError(ErrorKind::kRuntime, "SCALAR_SUBQUERY_TOO_MANY_ROWS", {});
      }
      if (contains(raw, "Map keys must be unique")) {
        return SparkError(ErrorKind::kRuntime, "DUPLICATED_MAP_KEY", {{"key", "?"}, {"mapKeyDedupPolicy", "\"spark.sql.mapKeyDedupPolicy\""}});
      }
      if (contains(raw, "Map keys can not be NULL")) return SparkError(ErrorKind::kRuntime, "NULL_MAP_KEY", {});
      break;
    default: break;
  }
  // What is left means that we wrote SQL that DuckDB refuses, or a defect in DuckDB.
  log::error("duckdb.refused", {{"error", error.Message()}, {"sql", sql.substr(0, 20000)}});
  return internal_error(raw.substr(0, 2000));
}

SparkError to_spark_error(const std::exception& error, const std::string& sql) {
  if (auto* spark = dynamic_cast<const SparkError*>(&error)) return *spark;
  return to_spark_error(duckdb::ErrorData(error), sql);
}

}  // namespace tarn::engine
