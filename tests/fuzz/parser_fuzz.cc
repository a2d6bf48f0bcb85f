// Any text may be given to the parser: it answers with a tree or a SparkError, never with a crash, a hang or another exception.
// The first byte picks the options, the second the entry point.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/spark_error.h"
#include "spark/connect/base.pb.h"
#include "sql/parser.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  tarn::sql::ParseOptions options;
  options.ansi = (data[0] & 1) == 0;
  options.enforce_reserved_keywords = (data[0] & 2) != 0;
  options.double_quoted_identifiers = (data[0] & 4) != 0;
  options.timestamp_ntz = (data[0] & 8) != 0;
  options.legacy_interval = (data[0] & 16) != 0;
  options.max_depth = 200;
  std::string_view text(reinterpret_cast<const char*>(data) + 2, size - 2);
  try {
    switch (data[1] % 6) {
      case 0: tarn::sql::parse_statement(text, options); break;
      case 1: tarn::sql::parse_expression(text, options); break;
      case 2: tarn::sql::parse_table_schema(text, options); break;
      case 3: tarn::sql::parse_multipart_identifier(text, options); break;
      case 4: tarn::sql::split_statements(text); break;
      default: tarn::sql::parse_calendar_interval(text); break;
    }
  } catch (const tarn::SparkError&) {
  }
  return 0;
}
