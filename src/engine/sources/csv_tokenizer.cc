#include "engine/sources/csv_tokenizer.h"

#include <cstring>

namespace tarn::engine::sources {

// The state machine for everything but plain values. `false` from a step means that the input ended there.
struct CsvTokenizer::Machine {
  const CsvOptions& o;
  const char *p, *end;   // p: the current character
  bool crlf, multi_line;
  char separator;
  std::string& arena;
  struct Piece { size_t offset, size; bool null; };
  std::vector<Piece> pieces;
  size_t value_start = 0;   // the value being built is arena[value_start..]
  char ch = '\0', prev = '\0';
  bool unescaped = false, trim = false, failed = false;
  const char* next_p;
  const char* record_begin;

  Machine(const CsvOptions& options, const char* begin, const char* stop, bool crlf_mode, char sep, bool multi, std::string& storage)
      : o(options), p(begin), end(stop), crlf(crlf_mode), multi_line(multi), separator(sep), arena(storage), next_p(begin), record_begin(begin) {
    arena.clear();
  }

  static constexpr char kNewline = '\n';
  bool is_newline() const { return multi_line && ch == kNewline; }
  bool is_space(char c) const { return static_cast<unsigned char>(c) <= ' '; }

  bool next() {
    if (next_p >= end) return false;
    p = next_p;
    ch = *p;
    next_p = p + 1;
    if (multi_line) {
      if (crlf && ch == '\r' && next_p < end && *next_p == '\n') {
        ch = kNewline;
        ++next_p;
      } else if (!crlf && separator != '\n' && ch == separator) {
        ch = kNewline;
      }
    }
    return true;
  }

  // True at a delimiter; a longer one is stepped over to its last character.
  bool at_delimiter() {
    const std::string& d = o.delimiter;
    if (ch != d[0]) return false;
    if (d.size() == 1) return true;
    if (static_cast<size_t>(end - p) < d.size() || memcmp(p, d.data(), d.size()) != 0) return false;
    next_p = p + d.size();
    return true;
  }

  size_t length() const { return arena.size() - value_start; }
  void append(char c) { arena.push_back(c); }
  void trim_value() {
    if (trim) {
      while (arena.size() > value_start && is_space(arena.back())) arena.pop_back();
    }
  }
  void value_parsed() {
    trim_value();
    if (length() == 0) arena += o.empty_value;  // univocity's appender answers the empty value
    pieces.push_back({value_start, length(), false});
    value_start = arena.size();
    trim = false;
  }
  void empty_parsed() {
    arena.resize(value_start);
    arena += o.null_value;
    pieces.push_back({value_start, length(), true});
    value_start = arena.size();
  }

  bool append_until_delimiter() {
    while (!at_delimiter() && !is_newline()) {
      append(ch);
      if (!next()) return false;
    }
    return true;
  }

  bool skip_value() {
    arena.resize(value_start);
    while (!at_delimiter() && !is_newline()) {
      if (!next()) return false;
    }
    return true;
  }

  bool escape_step() {
    if (ch == o.escape && prev == o.escape_escape && o.escape_escape != '\0') {
      append(o.escape);
      ch = '\0';
    } else if (prev == o.escape) {
      if (ch == o.quote) {
        append(o.quote);
        ch = '\0';
      } else {
        append(prev);
      }
    } else if (ch == o.quote && prev == o.quote) {
      append(o.quote);
    } else if (prev == o.quote) {
      return quote_inside_value();
    }
    return true;
  }

  bool quote_inside_value() {
    switch (o.unescaped_quotes) {
      case UnescapedQuotes::kSkipValue: return skip_value();
      case UnescapedQuotes::kRaiseError: failed = true; return false;
      default: break;
    }
    append(o.quote);
    prev = ch;
    while (!at_delimiter() && !is_newline()) {
      if (ch != o.quote && ch != o.escape) {
        if (prev == o.quote) return quote_inside_value();
        append(ch);
      } else if (!escape_step()) {
        return false;
      }
      prev = ch;
      if (!next()) return false;
    }
    return true;
  }

  bool until_delimiter_kind() const {
    return o.unescaped_quotes == UnescapedQuotes::kStopAtDelimiter || o.unescaped_quotes == UnescapedQuotes::kSkipValue ||
           o.unescaped_quotes == UnescapedQuotes::kBackToDelimiter;
  }

  // A quote that is followed by something else than a delimiter: what has been read becomes text again.
  // *stop: parse_quoted returns.
  bool unescaped_quote() {
    unescaped = true;
    switch (o.unescaped_quotes) {
      case UnescapedQuotes::kBackToDelimiter: {
        size_t at;
        while ((at = arena.find(o.delimiter, value_start)) != std::string::npos) {
          std::string rest = arena.substr(at + o.delimiter.size());
          pieces.push_back({value_start, at - value_start, false});
          arena.resize(at);
          value_start = at;
          arena += rest;
        }
        append(ch);
        prev = '\0';
        return parse_quoted();
      }
      case UnescapedQuotes::kStopAtClosingQuote:
      case UnescapedQuotes::kStopAtDelimiter:
        append(o.quote);
        append(ch);
        prev = ch;
        return parse_quoted();
      case UnescapedQuotes::kSkipValue: return skip_value();
      default: failed = true; return false;
    }
  }

  bool parse_quoted() {
    if (prev != '\0' && until_delimiter_kind()) {
      if (o.unescaped_quotes == UnescapedQuotes::kSkipValue) return skip_value();
      arena.insert(value_start, 1, o.quote);
      if (!next()) return false;
      trim = o.ignore_trailing;
      return append_until_delimiter();
    }
    if (!next()) return false;
    for (;;) {
      if (prev == o.quote && (is_space(ch) || at_delimiter() || is_newline())) break;
      if (ch != o.quote && ch != o.escape) {
        if (prev == o.quote) return unescaped_quote();
        if (prev == o.escape && o.escape != '\0') append(o.escape);
        while (ch != o.quote && ch != o.escape && (o.escape_escape == '\0' || ch != o.escape_escape)) {
          append(ch);
          if (!next()) return false;
        }
        prev = ch;
        if (!next()) return false;
      } else {
        if (!escape_step()) return false;
        prev = ch;
        if (!next()) return false;
        if (unescaped && (at_delimiter() || is_newline())) return true;
      }
    }
    if (at_delimiter() || is_newline()) return true;
    // White space after the closing quote falls away, unless more text follows.
    std::string space;
    do {
      space.push_back(ch);
      if (!next()) return false;
      if (is_newline() || at_delimiter()) return true;
    } while (is_space(ch));
    if (o.unescaped_quotes == UnescapedQuotes::kRaiseError) {
      failed = true;
      return false;
    }
    append(o.quote);
    arena += space;
    if (until_delimiter_kind() || (ch != o.quote && ch != o.escape)) append(ch);
    prev = ch;
    return parse_quoted();
  }

  // univocity's handleEOF: what becomes of an unfinished value.
  void at_end() {
    bool consume = false;
    if (ch == o.quote && o.quote != '\0') {
      if (prev == o.quote) consume = true;
      else if (!unescaped && in_quotes) append(o.quote);
    }
    if (!consume) consume = prev != '\0' && !on_delimiter && !is_newline();
    if (length() > 0 || consume) value_parsed();
    else empty_parsed();
  }
  bool in_quotes = false, on_delimiter = false;

  // All values up to the end of the record. False: the input ended (a value may be unfinished; see at_end).
  bool run() {
    if (!next()) return false;
    for (;;) {
      if (o.ignore_leading) {
        while (is_space(ch) && !is_newline() && ch != o.quote && !(ch == o.delimiter[0] && at_delimiter())) {
          if (!next()) {
            ch = '\0';
            return false;
          }
        }
      }
      prev = '\0';
      unescaped = false;
      in_quotes = false;
      on_delimiter = false;
      trim = false;
      if (at_delimiter() || is_newline()) {
        empty_parsed();
      } else if (ch == o.quote && o.quote != '\0') {
        in_quotes = true;
        if (!parse_quoted()) return false;
        in_quotes = false;
        if (!(unescaped && o.unescaped_quotes == UnescapedQuotes::kBackToDelimiter && length() == 0)) value_parsed();
      } else {
        trim = o.ignore_trailing;
        prev = ch;
        if (!append_until_delimiter()) {
          ch = '\0';
          return false;
        }
        if (trim) trim_value();
        if (length() == 0) empty_parsed();  // nothing but white space
        else value_parsed();
      }
      if (is_newline()) return true;
      on_delimiter = true;
      prev = '\0';
      if (!next()) return false;
      if (is_newline()) {
        empty_parsed();
        return true;
      }
      on_delimiter = false;
    }
  }
};

CsvTokenizer::CsvTokenizer(const CsvOptions& options)
    : options_(options), delimiter_(options.delimiter[0]), simple_(options.delimiter.size() == 1) {
  if (!options.line_separator.empty()) {
    separator_ = options.line_separator[0];
    crlf_ = options.line_separator == "\r\n";
  }
}

void CsvTokenizer::detect_line_separator(std::string_view bytes) {
  if (!options_.line_separator.empty()) return;
  size_t at = bytes.find_first_of("\r\n");
  crlf_ = false;
  separator_ = '\n';
  if (at != std::string_view::npos && bytes[at] == '\r') {
    crlf_ = at + 1 < bytes.size() && bytes[at + 1] == '\n';
    separator_ = '\r';
  }
}

namespace {
template <class M>
bool collect(M& m, const CsvOptions& o, std::vector<CsvToken>& out, const std::string& arena) {
  if (m.pieces.size() > static_cast<size_t>(o.max_columns)) return false;
  for (const auto& piece : m.pieces) {
    if (o.max_chars >= 0 && piece.size > static_cast<size_t>(o.max_chars)) return false;
    out.push_back({arena.data() + piece.offset, piece.size, true});
  }
  return true;
}
}  // namespace

bool CsvTokenizer::fast_line(const char* p, const char* end, std::vector<CsvToken>& out, size_t stop_after) {
  const char d = delimiter_, q = options_.quote, e = options_.escape;
  const bool lead = options_.ignore_leading, trail = options_.ignore_trailing;
  for (;;) {
    if (lead) {
      while (p < end && static_cast<unsigned char>(*p) <= ' ' && *p != d && *p != q) ++p;
    }
    if (p < end && *p == q && q != '\0') {
      const char* begin = p + 1;
      auto* close = static_cast<const char*>(memchr(begin, q, static_cast<size_t>(end - begin)));
      if (!close || (close + 1 != end && close[1] != d)) return false;
      size_t n = static_cast<size_t>(close - begin);
      if (e != q && e != '\0' && n && memchr(begin, e, n)) return false;
      if (n == 0) out.push_back({options_.empty_value.data(), options_.empty_value.size(), true});
      else out.push_back({begin, n, false});
      p = close + 1;
    } else {
      auto* stop = static_cast<const char*>(memchr(p, d, static_cast<size_t>(end - p)));
      if (!stop) stop = end;
      const char* last = stop;
      if (trail) {
        while (last > p && static_cast<unsigned char>(last[-1]) <= ' ') --last;
      }
      if (last == p) out.push_back({options_.null_value.data(), options_.null_value.size(), true});
      else out.push_back({p, static_cast<size_t>(last - p), false});
      p = stop;
    }
    if (p == end) return true;
    ++p;
    if (out.size() >= stop_after) return true;
  }
}

bool CsvTokenizer::line(const char* begin, const char* end, std::vector<CsvToken>& out, size_t stop_after) {
  out.clear();
  if (begin == end) return true;
  if (simple_ && options_.max_chars < 0) {
    if (fast_line(begin, end, out, stop_after)) return out.size() <= static_cast<size_t>(options_.max_columns);
    out.clear();
  }
  Machine m(options_, begin, end, false, '\n', false, arena_);
  if (!m.run()) m.at_end();
  return !m.failed && collect(m, options_, out, arena_);
}

CsvTokenizer::Next CsvTokenizer::record(const char*& p, const char* end, bool final, std::vector<CsvToken>& out) {
  out.clear();
  if (p >= end) return final ? Next::kEnd : Next::kNeedMore;
  Machine m(options_, p, end, crlf_, separator_, true, arena_);
  if (!m.next()) return Next::kEnd;
  bool comment = options_.comment != '\0' && m.ch == options_.comment;
  if (comment || m.is_newline()) {  // a comment, or an empty line
    while (!m.is_newline()) {
      if (!m.next()) {
        if (!final) return Next::kNeedMore;
        p = end;
        return Next::kSkipped;
      }
    }
    if (crlf_ && m.next_p == end && !final) return Next::kNeedMore;
    p = m.next_p;
    return Next::kSkipped;
  }
  m.next_p = p;
  if (!m.run()) {
    if (m.failed) return Next::kFailed;
    if (!final) return Next::kNeedMore;
    m.at_end();
    m.next_p = end;
  }
  p = m.next_p;
  return collect(m, options_, out, arena_) ? Next::kRecord : Next::kFailed;
}

}  // namespace tarn::engine::sources
