#include "base/spark_error.h"

#include <algorithm>

namespace tarn {
namespace {

constexpr const char* kSparkThrowable = "org.apache.spark.SparkThrowable";

const std::vector<std::string>& classes_of(ErrorKind kind) {
  auto chain = [](std::vector<std::string> v) {
    v.insert(v.end(), {"java.lang.Exception", "java.lang.Throwable", "java.lang.Object", kSparkThrowable});
    return v;
  };
  auto runtime = [&](std::vector<std::string> v) {
    v.push_back("java.lang.RuntimeException");
    return chain(v);
  };
  const std::string analysis = "org.apache.spark.sql.AnalysisException";
  static const std::map<ErrorKind, std::vector<std::string>> kTable = {
      {ErrorKind::kAnalysis, chain({analysis})},
      {ErrorKind::kParse, chain({"org.apache.spark.sql.catalyst.parser.ParseException", analysis})},
      {ErrorKind::kArithmetic, runtime({"org.apache.spark.SparkArithmeticException", "java.lang.ArithmeticException"})},
      {ErrorKind::kNumberFormat,
       runtime({"org.apache.spark.SparkNumberFormatException", "java.lang.NumberFormatException", "java.lang.IllegalArgumentException"})},
      {ErrorKind::kDateTime, runtime({"org.apache.spark.SparkDateTimeException", "java.time.DateTimeException"})},
      {ErrorKind::kArrayIndex, runtime({"org.apache.spark.SparkArrayIndexOutOfBoundsException", "java.lang.ArrayIndexOutOfBoundsException",
                                        "java.lang.IndexOutOfBoundsException"})},
      {ErrorKind::kNoSuchElement, runtime({"org.apache.spark.SparkNoSuchElementException", "java.util.NoSuchElementException"})},
      {ErrorKind::kIllegalArgument, runtime({"org.apache.spark.SparkIllegalArgumentException", "java.lang.IllegalArgumentException"})},
      {ErrorKind::kUnsupported,
       runtime({"org.apache.spark.SparkUnsupportedOperationException", "java.lang.UnsupportedOperationException"})},
      {ErrorKind::kRuntime, runtime({"org.apache.spark.SparkRuntimeException"})},
      {ErrorKind::kUpgrade, runtime({"org.apache.spark.SparkUpgradeException"})},
      {ErrorKind::kSpark, chain({"org.apache.spark.SparkException"})},
      {ErrorKind::kPython, runtime({"org.apache.spark.api.python.PythonException"})},
      {ErrorKind::kNoSuchTable, chain({"org.apache.spark.sql.catalyst.analysis.NoSuchTableException", analysis})},
      {ErrorKind::kNoSuchDatabase, chain({"org.apache.spark.sql.catalyst.analysis.NoSuchDatabaseException",
                                          "org.apache.spark.sql.catalyst.analysis.NoSuchNamespaceException", analysis})},
      {ErrorKind::kTableAlreadyExists, chain({"org.apache.spark.sql.catalyst.analysis.TableAlreadyExistsException", analysis})},
      {ErrorKind::kTempTableAlreadyExists, chain({"org.apache.spark.sql.catalyst.analysis.TempTableAlreadyExistsException",
                                                  "org.apache.spark.sql.catalyst.analysis.TableAlreadyExistsException", analysis})},
      {ErrorKind::kScripting, chain({"org.apache.spark.sql.exceptions.SqlScriptingException"})},
      {ErrorKind::kStreamingQuery, chain({"org.apache.spark.sql.streaming.StreamingQueryException"})},
      {ErrorKind::kConcurrentModification, runtime({"io.delta.exceptions.DeltaConcurrentModificationException",
                                                    "java.util.ConcurrentModificationException"})},
  };
  return kTable.at(kind);
}

// Conditions that one class of exceptions has to itself, wherever they are thrown: a whole family of them, or one.
const std::vector<std::string>* classes_of_condition(std::string_view condition) {
  static const std::vector<std::string> kInvalidPlanInput = {"org.apache.spark.sql.connect.common.InvalidPlanInput", "java.lang.Exception",
                                                             "java.lang.Throwable", "java.lang.Object", kSparkThrowable};
  if (condition.starts_with("CONNECT_INVALID_PLAN.") || condition == "INVALID_SCHEMA_TYPE_NON_STRUCT") return &kInvalidPlanInput;
  return nullptr;
}

std::string fill(std::string_view text, const ErrorParams& params) {
  std::string out;
  for (size_t i = 0; i < text.size();) {
    if (text[i] == '<') {
      size_t end = text.find('>', i);
      if (end != std::string_view::npos) {
        auto it = params.find(std::string(text.substr(i + 1, end - i - 1)));
        if (it != params.end()) {
          out += it->second;
          i = end + 1;
          continue;
        }
      }
    }
    out += text[i++];
  }
  return out;
}

std::string describe(const QueryContext& c) {
  if (c.type == QueryContext::Type::kDataFrame) {
    return "== DataFrame ==\n\"" + c.fragment + "\" was called from\n" + c.call_site + "\n";
  }
  std::string out = "== SQL";
  if (!c.object_type.empty()) out += " of " + c.object_type + " " + c.object_name;
  out += " (line " + std::to_string(c.line) + ", position " + std::to_string(c.column + 1) + ") ==\n" + c.fragment + "\n";
  size_t line_length = std::min(c.fragment.find('\n'), c.fragment.size());
  return out + std::string(std::max<size_t>(line_length, 1), '^') + "\n";
}

// " (line 1, pos 7)" and the text with a mark below the line, as ParseException shows a syntax error.
std::string mark_position(const QueryContext& c) {
  std::string out = " (line " + std::to_string(c.line) + ", pos " + std::to_string(c.column) + ")\n\n== SQL ==\n";
  size_t begin = 0;
  for (int line = 1; begin <= c.fragment.size(); ++line) {
    size_t end = std::min(c.fragment.find('\n', begin), c.fragment.size());
    out += c.fragment.substr(begin, end - begin) + "\n";
    if (line == c.line) out += std::string(static_cast<size_t>(c.column), '-') + "^^^\n";
    begin = end + 1;
  }
  return out;
}

}  // namespace

SparkError::SparkError(ErrorKind kind, std::string condition, ErrorParams params, std::optional<QueryContext> context)
    : kind_(kind), condition_(std::move(condition)), params_(std::move(params)), context_(std::move(context)) {
  render();
}

SparkError SparkError::Plain(ErrorKind kind, std::string message) {
  SparkError e;
  e.kind_ = kind;
  e.plain_ = e.message_ = std::move(message);
  return e;
}

void SparkError::render() {
  const ErrorTableEntry* entry = find_error_condition(condition_);
  if (!entry) {
    params_ = {{"message", "unknown error condition " + condition_}};
    condition_ = "INTERNAL_ERROR";
    entry = find_error_condition(condition_);
  }
  sqlstate_ = entry->sqlstate;
  message_ = "[" + condition_ + "] " + fill(entry->message, params_);
  if (!sqlstate_.empty()) message_ += " SQLSTATE: " + sqlstate_;
  if (kind_ == ErrorKind::kParse) message_ = "\n" + message_;
  if (!context_) return;
  if (kind_ == ErrorKind::kParse && context_->start_index < 0) {
    message_ += mark_position(*context_);
  } else {
    message_ += "\n" + describe(*context_);
  }
}

std::vector<std::string> SparkError::java_classes() const {
  const auto* own = classes_of_condition(condition_);
  return own ? *own : classes_of(kind_);
}

SparkError SparkError::with_context(QueryContext context) const {
  if (context_ || condition_.empty()) return *this;
  return SparkError(kind_, condition_, params_, std::move(context));
}

SparkError internal_error(const std::string& message) {
  return SparkError(ErrorKind::kSpark, "INTERNAL_ERROR", {{"message", message}});
}

SparkError not_built(const std::string& what) {
  return SparkError(ErrorKind::kUnsupported, "UNSUPPORTED_CALL.WITHOUT_SUGGESTION", {{"className", "Tarn"}, {"methodName", what}});
}

std::string quote_identifier(std::string_view part) {
  std::string out = "`";
  for (char c : part) {
    if (c == '`') out += '`';
    out += c;
  }
  return out + "`";
}

std::string quote_identifier(const std::vector<std::string>& parts) {
  std::string out;
  for (const auto& p : parts) out += (out.empty() ? "" : ".") + quote_identifier(p);
  return out;
}

std::string quote_sql(std::string_view text) { return "\"" + std::string(text) + "\""; }

}  // namespace tarn
