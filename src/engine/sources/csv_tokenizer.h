#pragma once
// Splits CSV records into values exactly as the univocity parser does with Spark's settings.
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "engine/sources/csv_options.h"

namespace tarn::engine::sources {

struct CsvToken {
  const char* data = nullptr;
  size_t size = 0;
  bool owned = false;      // points into the tokenizer's own buffer, valid until the next record
  std::string_view view() const { return {data, size}; }
};

// One per thread. A value that is absent has the text of nullValue, as in univocity.
class CsvTokenizer {
 public:
  explicit CsvTokenizer(const CsvOptions& options);

  // The values of one line (without its end). stop_after: how many values are wanted (SIZE_MAX: all).
  // False: more columns than maxColumns or a value longer than maxCharsPerColumn (Spark: MALFORMED_CSV_RECORD), or
  // an unescaped quote with RAISE_ERROR.
  bool line(const char* begin, const char* end, std::vector<CsvToken>& out, size_t stop_after);

  enum class Next { kRecord, kSkipped, kEnd, kNeedMore, kFailed };
  // multiLine: the record that starts at p, across line ends. On kRecord and kSkipped p is moved behind it. final: no more bytes will
  // come after end. kNeedMore: the record does not end before `end`; p is unchanged.
  Next record(const char*& p, const char* end, bool final, std::vector<CsvToken>& out);
  // The line separator of multiLine input, found in its first bytes as univocity does.
  void detect_line_separator(std::string_view bytes);

 private:
  struct Machine;
  bool fast_line(const char* begin, const char* end, std::vector<CsvToken>& out, size_t stop_after);

  const CsvOptions& options_;
  char delimiter_;
  bool simple_;            // the fast way is possible: one-byte delimiter
  bool crlf_ = false;
  char separator_ = '\n';  // multiLine: what univocity normalizes to \n
  std::string arena_;
};

}  // namespace tarn::engine::sources
