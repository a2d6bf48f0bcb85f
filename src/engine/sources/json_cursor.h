#pragma once
// Reads JSON text value by value, with the strictness and the leniencies of Jackson as Spark sets it up.
#include <cstddef>
#include <string>
#include <string_view>

namespace tarn::engine::sources {

struct JsonLeniency {
  bool comments = false;              // /* */ and //
  bool unquoted_names = false;
  bool single_quotes = true;
  bool leading_zeros = false;
  bool non_numeric = true;            // NaN, Infinity, -INF …
  bool backslash_any = false;
  bool control_chars = false;         // raw control characters in strings
};

// Thrown for text that is no JSON.
struct JsonSyntaxError {};

// Not thread-safe; reused for many texts. The bytes behind `end` must be readable for 16 bytes.
class JsonCursor {
 public:
  explicit JsonCursor(const JsonLeniency& leniency) : leniency_(leniency) {}
  void reset(const char* begin, const char* end) {
    p_ = begin;
    end_ = end;
    depth_ = 0;
  }
  const char* position() const { return p_; }
  void seek(const char* p) { p_ = p; }
  const char* end() const { return end_; }

  // The first character of the next token; '\0' at the end of the text.
  char peek() {
    skip_space();
    return p_ < end_ ? *p_ : '\0';
  }
  void enter() {
    if (++depth_ > 1000) throw JsonSyntaxError();
    ++p_;
  }
  void leave() { --depth_; }

  // Inside an object after '{' or a value: moves to the next field name, or behind '}' (false). first: no value was read yet.
  // name is valid until the next string is read.
  bool next_field(bool first, std::string_view& name);
  // Inside an array: true when at a value, false when behind ']'.
  bool next_element(bool first);

  bool is_quote(char c) const { return c == '"' || (c == '\'' && leniency_.single_quotes); }
  // At a quote. The view points into the text when there was no escape (in_place), else into a buffer of the cursor.
  std::string_view string(bool& in_place);

  enum class Number { kInt, kFloat, kNonNumeric };
  bool at_number(char c) const {
    return (c >= '0' && c <= '9') || c == '-' || (leniency_.non_numeric && (c == 'N' || c == 'I' || c == '+'));
  }
  // At a number. The text as it stands.
  std::string_view number(Number& kind);
  // Steps over true, false or null, which the next character tells.
  void literal(const char* word, size_t length);
  // Steps over any value, checking its syntax.
  void skip_value();

 private:
  void skip_space() {
    while (p_ < end_ && (*p_ == ' ' || *p_ == '\n' || *p_ == '\t' || *p_ == '\r')) ++p_;
    if (leniency_.comments) skip_comments();
  }
  void skip_comments();
  std::string_view slow_string(const char* begin, char quote);
  std::string_view unquoted_name();

  const JsonLeniency leniency_;
  const char *p_ = nullptr, *end_ = nullptr;
  int depth_ = 0;
  std::string scratch_;
};

}  // namespace tarn::engine::sources
