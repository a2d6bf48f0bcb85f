#include "sql/lexer.h"

#include <algorithm>
#include <array>
#include <unordered_map>

namespace tarn::sql {
namespace {

struct KeywordEntry {
  const char* text;
  uint8_t classes;
};
constexpr KeywordEntry kKeywords[] = {
#define TARN_SQL_KEYWORD(name, text, classes) {text, classes},
#include "sql/keywords.inc"
#undef TARN_SQL_KEYWORD
};

const std::unordered_map<std::string_view, TokenType>& keyword_map() {
  static const auto* kMap = [] {
    auto* m = new std::unordered_map<std::string_view, TokenType>();
    for (size_t i = 0; i < std::size(kKeywords); ++i) m->emplace(kKeywords[i].text, static_cast<TokenType>(kFirstKeyword + 1 + i));
    m->emplace("REGEXP", kwRLIKE);
    m->emplace("TEMP", kwTEMPORARY);
    return m;
  }();
  return *kMap;
}

bool is_digit(unsigned char c) { return c >= '0' && c <= '9'; }
bool is_ascii_letter(unsigned char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_url_char(unsigned char c) {
  return is_ascii_letter(c) || is_digit(c) || (c != 0 && std::string_view("_/-.?=&#%").find(static_cast<char>(c)) != std::string_view::npos);
}

// Code points that separate words: the Unicode white space that the lexer skips.
bool is_space(uint32_t c) {
  return c == ' ' || (c >= 9 && c <= 13) || c == 0xA0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200B) || c == 0x2028 || c == 0x2029 ||
         c == 0x202F || c == 0x205F || c == 0x3000 || c == 0xFEFF;
}
// Letters outside ASCII; punctuation, symbols and emoji are no letters.
bool is_letter(uint32_t c) {
  if (c < 0x80) return is_ascii_letter(static_cast<unsigned char>(c));
  if (c < 0xC0) return c == 0xAA || c == 0xB5 || c == 0xBA;
  if (c == 0xD7 || c == 0xF7) return false;
  if (c >= 0x2000 && c <= 0x2BFF) return (c >= 0x2C00) || c == 0x2071 || c == 0x207F || (c >= 0x2090 && c <= 0x209C) || (c >= 0x2102 && c <= 0x2188);
  if (c >= 0x3000 && c <= 0x3004) return false;
  if (c >= 0x3008 && c <= 0x3030) return false;
  if (c >= 0xD800 && c <= 0xF8FF) return false;
  if (c >= 0xFF01 && c <= 0xFF20) return false;
  return !(c >= 0x1F000 && c <= 0x1FAFF);
}

class Lexer {
 public:
  explicit Lexer(std::string_view text) : s_(text) {}

  LexResult run() {
    result_.tokens.reserve(s_.size() / 4 + 8);
    while (skip_hidden()) token();
    Token eof;
    mark(eof);
    eof.start = eof.end = static_cast<int>(s_.size());
    eof.stop_char = eof.start_char - 1;
    result_.tokens.push_back(eof);
    return std::move(result_);
  }

 private:
  unsigned char at(size_t i) const { return i < s_.size() ? static_cast<unsigned char>(s_[i]) : 0; }
  bool has(size_t i, std::string_view w) const { return s_.compare(i, w.size(), w) == 0; }

  uint32_t code_point(size_t i, size_t* length) const {
    unsigned char c = at(i);
    size_t n = c < 0x80 ? 1 : c >= 0xF0 ? 4 : c >= 0xE0 ? 3 : c >= 0xC0 ? 2 : 1;
    if (i + n > s_.size()) n = 1;
    *length = n;
    if (n == 1) return c;
    uint32_t v = c & (0xFF >> (n + 1));
    for (size_t k = 1; k < n; ++k) v = (v << 6) | (at(i + k) & 0x3F);
    return v;
  }

  // Moves to byte `to`, counting characters and lines.
  void advance(size_t to) {
    for (; pos_ < to; ++pos_) {
      unsigned char c = at(pos_);
      if ((c & 0xC0) == 0x80) continue;
      ++chars_;
      if (c == '\n') {
        ++line_;
        column_ = 0;
      } else {
        ++column_;
      }
    }
  }

  void mark(Token& t) const {
    t.start_char = chars_;
    t.line = line_;
    t.column = column_;
  }

  // False at the end of the text.
  bool skip_hidden() {
    while (pos_ < s_.size()) {
      unsigned char c = at(pos_);
      if (c == '-' && at(pos_ + 1) == '-') {
        size_t i = pos_ + 2;
        while (i < s_.size() && at(i) != '\n' && at(i) != '\r') i += (at(i) == '\\' && at(i + 1) == '\n') ? 2 : 1;
        advance(std::min(i, s_.size()));
        continue;
      }
      if (c == '/' && at(pos_ + 1) == '*' && at(pos_ + 2) != '+') {
        advance(bracketed_comment(pos_));
        continue;
      }
      size_t n = 1;
      if (!is_space(code_point(pos_, &n))) return true;
      advance(pos_ + n);
    }
    return false;
  }

  size_t bracketed_comment(size_t i) {
    int depth = 0;
    while (i < s_.size()) {
      if (at(i) == '/' && at(i + 1) == '*' && (depth == 0 || at(i + 2) != '+')) {
        ++depth;
        i += 2;
      } else if (at(i) == '*' && at(i + 1) == '/') {
        i += 2;
        if (--depth == 0) return i;
      } else {
        ++i;
      }
    }
    result_.unclosed_comment = true;
    return s_.size();
  }

  void push(TokenType type, size_t length) {
    Token t;
    t.type = type;
    mark(t);
    t.start = static_cast<int>(pos_);
    advance(pos_ + length);
    t.end = static_cast<int>(pos_);
    t.stop_char = chars_ - 1;
    if (type == kQuestion) t.ordinal = questions_++;
    result_.tokens.push_back(t);
  }

  // Length of the quoted run at i including both quotes; 0 if it never ends.
  size_t quoted(size_t i, char quote, bool escapes) const {
    for (size_t k = i + 1; k < s_.size(); ++k) {
      if (s_[k] == '\\' && escapes) {
        ++k;
      } else if (s_[k] == quote) {
        if (escapes && k + 1 < s_.size() && s_[k + 1] == quote) {
          ++k;
        } else {
          return k + 1 - i;
        }
      }
    }
    return 0;
  }

  void token() {
    unsigned char c = at(pos_);
    switch (c) {
      case '\'': return quoted_or_unrecognized(kString, quoted(pos_, '\'', true));
      case '"': return quoted_or_unrecognized(kDoubleQuoted, quoted(pos_, '"', true));
      case '`': return quoted_or_unrecognized(kBackquoted, backquoted(pos_));
      case '$': {
        size_t n = dollar_quoted();
        if (n) return push(kDollarQuoted, n);
        return push(kUnrecognized, 1);
      }
      default: break;
    }
    if ((c == 'r' || c == 'R') && (at(pos_ + 1) == '\'' || at(pos_ + 1) == '"')) {
      size_t n = quoted(pos_ + 1, static_cast<char>(at(pos_ + 1)), false);
      if (n) return push(kString, n + 1);
    }
    if (is_digit(c) || (c == '.' && is_digit(at(pos_ + 1)))) {
      if (number()) return;
    }
    size_t n = 1;
    uint32_t cp = code_point(pos_, &n);
    if (c == '_' || is_digit(c) || is_letter(cp)) return word();
    op(n);
  }

  void quoted_or_unrecognized(TokenType type, size_t length) {
    if (length) return push(type, length);
    push(kUnrecognized, 1);
  }

  size_t backquoted(size_t i) const {
    for (size_t k = i + 1; k < s_.size(); ++k) {
      if (s_[k] != '`') continue;
      if (k + 1 < s_.size() && s_[k + 1] == '`') {
        ++k;
      } else {
        return k + 1 - i;
      }
    }
    return 0;
  }

  // $$ ... $$ or $tag$ ... $tag$
  size_t dollar_quoted() const {
    size_t i = pos_ + 1;
    while (is_ascii_letter(at(i)) || is_digit(at(i)) || at(i) == '_') ++i;
    if (at(i) != '$') return 0;
    std::string_view tag = s_.substr(pos_, i + 1 - pos_);
    size_t end = s_.find(tag, i + 1);
    return end == std::string_view::npos ? 0 : end + tag.size() - pos_;
  }

  size_t word_length(size_t i) const {
    size_t k = i;
    while (k < s_.size()) {
      size_t n = 1;
      uint32_t cp = code_point(k, &n);
      if (!(cp == '_' || (cp < 0x80 && is_digit(static_cast<unsigned char>(cp))) || is_letter(cp))) break;
      k += n;
    }
    return k - i;
  }

  bool number() {
    size_t i = pos_;
    bool dot = false;
    while (is_digit(at(i))) ++i;
    size_t integer_end = i;
    if (at(i) == '.') {
      dot = true;
      ++i;
      while (is_digit(at(i))) ++i;
    }
    auto continues = [&](size_t k) { return is_ascii_letter(at(k)) || is_digit(at(k)) || at(k) == '_'; };
    // The longest reading wins: try with a suffix or exponent, then without, then without the fraction.
    struct Reading {
      TokenType type;
      size_t end;
    };
    Reading best{kEof, 0};
    auto offer = [&](TokenType type, size_t end, bool checked) {
      if (checked && continues(end)) return;
      if (end > best.end) best = {type, end};
    };
    auto suffixes = [&](size_t k, bool fraction, bool with_exponent) {
      auto up = [&](size_t p) { return static_cast<char>(at(p) >= 'a' && at(p) <= 'z' ? at(p) - 32 : at(p)); };
      if (!fraction && !with_exponent) {
        if (up(k) == 'L') offer(kBigint, k + 1, false);
        if (up(k) == 'S') offer(kSmallint, k + 1, false);
        if (up(k) == 'Y') offer(kTinyint, k + 1, false);
      }
      if (up(k) == 'F') offer(kFloat, k + 1, fraction);
      if (up(k) == 'D') offer(kDouble, k + 1, fraction);
      if (up(k) == 'B' && up(k + 1) == 'D') offer(kBigDecimal, k + 2, fraction);
    };
    auto exponent_end = [&](size_t k) -> size_t {
      if (at(k) != 'e' && at(k) != 'E') return 0;
      size_t p = k + 1;
      if (at(p) == '+' || at(p) == '-') ++p;
      if (!is_digit(at(p))) return 0;
      while (is_digit(at(p))) ++p;
      return p;
    };
    if (dot) {
      offer(kDecimal, i, true);
      suffixes(i, true, false);
      if (size_t e = exponent_end(i)) {
        offer(kExponent, e, true);
        suffixes(e, true, true);
      }
    }
    if (integer_end > pos_) {
      offer(kInteger, integer_end, false);
      suffixes(integer_end, false, false);
      if (size_t e = exponent_end(integer_end)) {
        offer(kExponent, e, false);
        suffixes(e, false, true);
      }
    }
    if (best.type == kEof) return false;
    size_t word = is_digit(at(pos_)) ? word_length(pos_) : 0;
    if (pos_ + word > best.end) return false;
    push(best.type, best.end - pos_);
    return true;
  }

  void word() {
    size_t n = word_length(pos_);
    // scheme://path is one identifier (ADD JAR s3://...).
    if (has(pos_ + n, "://")) {
      bool letters = std::all_of(s_.begin() + static_cast<long>(pos_), s_.begin() + static_cast<long>(pos_ + n),
                                 [](char c) { return is_ascii_letter(static_cast<unsigned char>(c)); });
      size_t k = pos_ + n + 3;
      while (is_url_char(at(k))) ++k;
      if (letters && k > pos_ + n + 3) return push(kIdentifier, k - pos_);
    }
    push(find_keyword(s_.substr(pos_, n)), n);
  }

  void op(size_t length) {
    struct Operator {
      std::string_view text;
      TokenType type;
    };
    // Longer first.
    static constexpr Operator kOperators[] = {
        {"/*+", kHintStart}, {"<=>", kNseq},       {"==", kEq},          {"<>", kNeq},        {"!=", kNeqj},       {"<=", kLte},
        {"!>", kLte},        {">=", kGte},         {"!<", kGte},         {"<<", kShiftLeft},  {"||", kConcatPipe}, {"|>", kOperatorPipe},
        {"::", kDoubleColon}, {"->", kArrow},      {"=>", kFatArrow},    {"*/", kHintEnd},    {";", kSemicolon},   {"(", kLeftParen},
        {")", kRightParen},  {",", kComma},        {".", kDot},          {"[", kLeftBracket}, {"]", kRightBracket}, {"!", kBang},
        {"=", kEq},          {"<", kLt},           {">", kGt},           {"+", kPlus},        {"-", kMinus},       {"*", kAsterisk},
        {"/", kSlash},       {"%", kPercent},      {"~", kTilde},        {"&", kAmpersand},   {"|", kPipe},        {"^", kHat},
        {":", kColon},       {"?", kQuestion},
    };
    for (const auto& o : kOperators) {
      if (has(pos_, o.text)) return push(o.type, o.text.size());
    }
    push(kUnrecognized, length);
  }

  std::string_view s_;
  size_t pos_ = 0;
  int chars_ = 0, line_ = 1, column_ = 0, questions_ = 0;
  LexResult result_;
};

}  // namespace

LexResult lex(std::string_view text) { return Lexer(text).run(); }

uint8_t keyword_classes(TokenType type) { return type > kFirstKeyword && type < kTokenTypes ? kKeywords[type - kFirstKeyword - 1].classes : 0; }

const char* keyword_text(TokenType type) {
  return type > kFirstKeyword && type < kTokenTypes ? kKeywords[type - kFirstKeyword - 1].text : nullptr;
}

TokenType find_keyword(std::string_view word) {
  char buffer[32];
  if (word.size() >= sizeof buffer) return kIdentifier;
  for (size_t i = 0; i < word.size(); ++i) {
    char c = word[i];
    buffer[i] = c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c;
  }
  auto it = keyword_map().find(std::string_view(buffer, word.size()));
  return it == keyword_map().end() ? kIdentifier : it->second;
}

bool equals_ignore_case(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i) {
    auto low = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
    if (low(a[i]) != low(b[i])) return false;
  }
  return true;
}

std::string to_lower(std::string_view s) {
  std::string out(s);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
  return out;
}

std::string to_upper(std::string_view s) {
  std::string out(s);
  for (char& c : out)
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 32);
  return out;
}

}  // namespace tarn::sql
