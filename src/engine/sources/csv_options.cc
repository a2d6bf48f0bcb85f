#include "engine/sources/csv_options.h"

#include "base/spark_error.h"
#include "plan/session_conf.h"

namespace tarn::engine::sources {

std::string csv_delimiter(const std::string& text) {
  auto fail = [](const char* what, ErrorParams params = {}) {
    return SparkError(ErrorKind::kIllegalArgument, std::string("INVALID_DELIMITER_VALUE.") + what, std::move(params));
  };
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\') {
      out += text[i];
      continue;
    }
    if (++i == text.size()) throw fail("SINGLE_BACKSLASH");
    switch (text[i]) {
      case 't': out += '\t'; break;
      case 'r': out += '\r'; break;
      case 'b': out += '\b'; break;
      case 'f': out += '\f'; break;
      case '"':
      case '\'':
      case '\\': out += text[i]; break;
      default: throw fail("UNSUPPORTED_SPECIAL_CHARACTER", {{"str", "\\" + std::string(1, text[i])}});
    }
  }
  if (out.empty()) throw fail("EMPTY_STRING");
  return out;
}

CsvOptions CsvOptions::read(const Options& options, const plan::SessionConf& conf) {
  CsvOptions o;
  o.delimiter = csv_delimiter(options.text("sep", options.text("delimiter", ",")));
  o.mode = parse_mode(options);
  if (auto charset = options.find("encoding"); charset || (charset = options.find("charset"))) {
    o.charset = checked_charset(*charset, "CSVOptions", conf.flag("spark.sql.legacy.javaCharsets"));
  }
  o.quote = options.character("quote", '"');
  o.escape = options.character("escape", '\\');
  // What escapes the escape: by default the escape itself, unless it is the quote.
  o.escape_escape = o.quote == o.escape ? '\0' : o.escape;
  if (auto v = options.find("charToEscapeQuoteEscaping"); v && !v->empty()) o.escape_escape = options.character("charToEscapeQuoteEscaping", '\0');
  o.comment = options.character("comment", '\0');
  o.header = options.csv_flag("header", false);
  o.infer_schema = options.csv_flag("inferSchema", false);
  o.ignore_leading = options.csv_flag("ignoreLeadingWhiteSpace", false);
  o.ignore_trailing = options.csv_flag("ignoreTrailingWhiteSpace", false);
  o.corrupt_column = options.text("columnNameOfCorruptRecord", conf.text("spark.sql.columnNameOfCorruptRecord"));
  o.null_value = options.text("nullValue", "");
  o.nan_value = options.text("nanValue", "NaN");
  o.positive_inf = options.text("positiveInf", "Inf");
  o.negative_inf = options.text("negativeInf", "-Inf");
  o.empty_value = options.text("emptyValue", "");
  o.prefer_date = options.csv_flag("preferDate", true);
  o.date_format = options.find("dateFormat");
  o.datetime = datetime_options(options, conf, o.prefer_date ? "yyyy-MM-dd" : "", "spark.sql.legacy.csv.enableDateTimeParsingFallback");
  o.multi_line = options.flag("multiLine", false);
  o.max_columns = options.csv_integer("maxColumns", 20480);
  o.max_chars = options.csv_integer("maxCharsPerColumn", -1);
  o.sampling_ratio = options.real("samplingRatio", 1.0);
  if (o.sampling_ratio <= 0) {
    throw SparkError::Plain(ErrorKind::kIllegalArgument,
                            "requirement failed: samplingRatio (" + options.text("samplingRatio", "") + ") should be greater than 0");
  }
  o.enforce_schema = options.csv_flag("enforceSchema", true);
  o.column_pruning = options.csv_flag("columnPruning", !o.multi_line && conf.flag("spark.sql.csv.parser.columnPruning.enabled"));
  if (auto sep = options.find("lineSep")) {
    if (sep->empty()) throw SparkError::Plain(ErrorKind::kIllegalArgument, "requirement failed: 'lineSep' cannot be an empty string.");
    if (sep->size() > 2) throw SparkError::Plain(ErrorKind::kIllegalArgument, "requirement failed: 'lineSep' can contain only 1 character.");
    o.line_separator = *sep;
  }
  std::string handling = options.text("unescapedQuoteHandling", "STOP_AT_DELIMITER");
  for (char& c : handling) c = static_cast<char>(toupper(static_cast<unsigned char>(c)));
  if (handling == "STOP_AT_DELIMITER") o.unescaped_quotes = UnescapedQuotes::kStopAtDelimiter;
  else if (handling == "STOP_AT_CLOSING_QUOTE") o.unescaped_quotes = UnescapedQuotes::kStopAtClosingQuote;
  else if (handling == "BACK_TO_DELIMITER") o.unescaped_quotes = UnescapedQuotes::kBackToDelimiter;
  else if (handling == "SKIP_VALUE") o.unescaped_quotes = UnescapedQuotes::kSkipValue;
  else if (handling == "RAISE_ERROR") o.unescaped_quotes = UnescapedQuotes::kRaiseError;
  else throw SparkError::Plain(ErrorKind::kIllegalArgument, "No enum constant com.univocity.parsers.csv.UnescapedQuoteHandling." + handling);
  if (o.multi_line && o.unescaped_quotes == UnescapedQuotes::kBackToDelimiter) {
    throw not_built("unescapedQuoteHandling=BACK_TO_DELIMITER together with multiLine");
  }
  if (options.has("singleVariantColumn")) throw not_built("the CSV option singleVariantColumn");
  o.timestamp_ntz_default = lower(conf.text("spark.sql.timestampType")) == "timestamp_ntz";
  o.case_sensitive = conf.case_sensitive();
  return o;
}

}  // namespace tarn::engine::sources
