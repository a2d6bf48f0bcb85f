#pragma once
// The one exception family that ends a Spark request. Conditions, SQLSTATEs and message texts come from Spark's own
// published table (error/error-conditions.json), compiled in by tools/gen_error_table.py.
#include <exception>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tarn {

// Which JVM exception class Spark throws; it decides the Python exception type at the client.
enum class ErrorKind {
  kAnalysis,              // org.apache.spark.sql.AnalysisException
  kParse,                 // org.apache.spark.sql.catalyst.parser.ParseException
  kArithmetic,            // org.apache.spark.SparkArithmeticException
  kNumberFormat,          // org.apache.spark.SparkNumberFormatException
  kDateTime,              // org.apache.spark.SparkDateTimeException
  kArrayIndex,            // org.apache.spark.SparkArrayIndexOutOfBoundsException
  kNoSuchElement,         // org.apache.spark.SparkNoSuchElementException
  kIllegalArgument,       // org.apache.spark.SparkIllegalArgumentException
  kUnsupported,           // org.apache.spark.SparkUnsupportedOperationException
  kRuntime,               // org.apache.spark.SparkRuntimeException
  kUpgrade,               // org.apache.spark.SparkUpgradeException
  kSpark,                 // org.apache.spark.SparkException
  kPython,                // org.apache.spark.api.python.PythonException
  kNoSuchTable,           // org.apache.spark.sql.catalyst.analysis.NoSuchTableException (an AnalysisException)
  kNoSuchDatabase,        // org.apache.spark.sql.catalyst.analysis.NoSuchDatabaseException (an AnalysisException)
  kTableAlreadyExists,    // org.apache.spark.sql.catalyst.analysis.TableAlreadyExistsException (an AnalysisException)
  kTempTableAlreadyExists,// org.apache.spark.sql.catalyst.analysis.TempTableAlreadyExistsException (an AnalysisException)
  kScripting,             // org.apache.spark.sql.exceptions.SqlScriptingException
  kStreamingQuery,        // org.apache.spark.sql.streaming.StreamingQueryException
  kConcurrentModification,// io.delta.exceptions.DeltaConcurrentModificationException and its kin
};

// Where in the user's text or program an error arose.
struct QueryContext {
  enum class Type { kSql, kDataFrame };
  Type type = Type::kSql;
  std::string object_type;  // e.g. "VIEW"
  std::string object_name;
  // Offset of the first character of the fragment, 0-based. -1: the context is no QueryContext of Spark's, it only carries the
  // line and column of a syntax error, and the fragment is the whole text; it shows in the message and nowhere else.
  int start_index = -1;
  int stop_index = -1;      // offset of the last character, inclusive
  std::string fragment;     // the text between them, or the DataFrame method
  std::string call_site;    // DataFrame only
  int line = 0;             // 1-based line and 0-based column of the fragment in the whole text
  int column = 0;
};

using ErrorParams = std::map<std::string, std::string>;

class SparkError : public std::exception {
 public:
  // condition: "UNRESOLVED_COLUMN.WITH_SUGGESTION". Its SQLSTATE and text are looked up; an unknown condition is a bug and
  // becomes INTERNAL_ERROR with the name in its text. Parameters replace <name> in the text.
  SparkError(ErrorKind kind, std::string condition, ErrorParams params = {}, std::optional<QueryContext> context = std::nullopt);

  // A message that has no condition in Spark either (a plain Java exception there).
  static SparkError Plain(ErrorKind kind, std::string message);

  ErrorKind kind() const { return kind_; }
  const std::string& condition() const { return condition_; }  // empty for Plain
  const std::string& sqlstate() const { return sqlstate_; }
  const ErrorParams& params() const { return params_; }
  const std::optional<QueryContext>& context() const { return context_; }
  // "[CONDITION] text SQLSTATE: xxxxx" and, with a SQL context, the marked fragment after it.
  const std::string& message() const { return message_; }
  const char* what() const noexcept override { return message_.c_str(); }
  // Java classes from the most derived upward, as ErrorInfo.metadata["classes"] wants them.
  std::vector<std::string> java_classes() const;
  // The same error with a context, if it has none yet.
  SparkError with_context(QueryContext context) const;

 private:
  SparkError() = default;
  void render();
  ErrorKind kind_ = ErrorKind::kSpark;
  std::string condition_, sqlstate_, message_, plain_;
  ErrorParams params_;
  std::optional<QueryContext> context_;
};

inline SparkError analysis_error(std::string condition, ErrorParams params = {}) {
  return SparkError(ErrorKind::kAnalysis, std::move(condition), std::move(params));
}
// INTERNAL_ERROR (XX000): a state that must not occur.
SparkError internal_error(const std::string& message);
// A feature that is known and not built: UNSUPPORTED_FEATURE-like answer naming it. Never used to hide a wrong answer.
SparkError not_built(const std::string& what);

// Quoting as Spark's messages do: `a`.`b` for identifiers, "INT" for types and SQL text.
std::string quote_identifier(std::string_view part);
std::string quote_identifier(const std::vector<std::string>& parts);
std::string quote_sql(std::string_view text);

// An entry of the generated table.
struct ErrorTableEntry {
  const char* condition;
  const char* sqlstate;
  const char* message;  // lines joined by \n, parameters as <name>
};
// nullptr if the condition is unknown.
const ErrorTableEntry* find_error_condition(std::string_view condition);

}  // namespace tarn
