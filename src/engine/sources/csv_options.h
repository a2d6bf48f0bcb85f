#pragma once
// The options of reading CSV. Source: CSVOptions, CSVExprUtils.
#include <optional>
#include <string>

#include "engine/sources/options.h"
#include "engine/sources/text_values.h"

namespace tarn::engine::sources {

enum class UnescapedQuotes { kStopAtDelimiter, kStopAtClosingQuote, kBackToDelimiter, kSkipValue, kRaiseError };

struct CsvOptions {
  std::string delimiter = ",";
  char quote = '"', escape = '\\', escape_escape = '\\';  // '\0': none
  char comment = '\0';                                     // '\0': none
  bool header = false, infer_schema = false, enforce_schema = true, prefer_date = true;
  bool ignore_leading = false, ignore_trailing = false, multi_line = false, column_pruning = true;
  std::string null_value, nan_value = "NaN", positive_inf = "Inf", negative_inf = "-Inf", empty_value;
  std::string line_separator;                              // empty: \n, \r\n, \r
  std::string charset = "UTF-8";
  int max_columns = 20480;
  int64_t max_chars = -1;
  ParseMode mode = ParseMode::kPermissive;
  std::string corrupt_column;
  double sampling_ratio = 1;
  UnescapedQuotes unescaped_quotes = UnescapedQuotes::kStopAtDelimiter;
  DateTimeOptions datetime;
  std::optional<std::string> date_format;                  // as given
  bool timestamp_ntz_default = false;                      // spark.sql.timestampType
  bool case_sensitive = false;

  static CsvOptions read(const Options& options, const plan::SessionConf& conf);
};

// "\t" and the like become characters; INVALID_DELIMITER_VALUE.*.
std::string csv_delimiter(const std::string& text);

}  // namespace tarn::engine::sources
