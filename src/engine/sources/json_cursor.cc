#include "engine/sources/json_cursor.h"

#include <cstdint>
#include <cstring>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

namespace tarn::engine::sources {
namespace {

// The first quote, backslash or control character in [p, end), or end.
const char* find_special(const char* p, const char* end, char quote) {
#ifdef __SSE2__
  const __m128i q = _mm_set1_epi8(quote), b = _mm_set1_epi8('\\'), limit = _mm_set1_epi8(0x1f);
  for (; p < end; p += 16) {
    __m128i v = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
    __m128i control = _mm_cmpeq_epi8(_mm_min_epu8(v, limit), v);
    int mask = _mm_movemask_epi8(_mm_or_si128(_mm_or_si128(_mm_cmpeq_epi8(v, q), _mm_cmpeq_epi8(v, b)), control));
    if (mask) {
      p += __builtin_ctz(static_cast<unsigned>(mask));
      return p < end ? p : end;
    }
  }
  return end;
#else
  while (p < end && *p != quote && *p != '\\' && static_cast<unsigned char>(*p) >= 0x20) ++p;
  return p;
#endif
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  c = static_cast<char>(c | 0x20);
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

void append_utf8(uint32_t c, std::string& out) {
  if (c < 0x80) {
    out.push_back(static_cast<char>(c));
  } else if (c < 0x800) {
    out.push_back(static_cast<char>(0xc0 | c >> 6));
    out.push_back(static_cast<char>(0x80 | (c & 0x3f)));
  } else if (c < 0x10000) {
    out.push_back(static_cast<char>(0xe0 | c >> 12));
    out.push_back(static_cast<char>(0x80 | (c >> 6 & 0x3f)));
    out.push_back(static_cast<char>(0x80 | (c & 0x3f)));
  } else {
    out.push_back(static_cast<char>(0xf0 | c >> 18));
    out.push_back(static_cast<char>(0x80 | (c >> 12 & 0x3f)));
    out.push_back(static_cast<char>(0x80 | (c >> 6 & 0x3f)));
    out.push_back(static_cast<char>(0x80 | (c & 0x3f)));
  }
}

bool name_char(char c) {
  auto u = static_cast<unsigned char>(c);
  return isalnum(u) || c == '_' || c == '$' || c == '-' || c == '@' || c == '#' || c == '*' || u >= 0x80;
}

}  // namespace

void JsonCursor::skip_comments() {
  while (p_ < end_ && *p_ == '/') {
    if (p_ + 1 >= end_) throw JsonSyntaxError();
    if (p_[1] == '/') {
      while (p_ < end_ && *p_ != '\n' && *p_ != '\r') ++p_;
    } else if (p_[1] == '*') {
      std::string_view rest(p_ + 2, static_cast<size_t>(end_ - p_ - 2));
      size_t close = rest.find("*/");
      if (close == std::string_view::npos) throw JsonSyntaxError();
      p_ += 2 + close + 2;
    } else {
      throw JsonSyntaxError();
    }
    while (p_ < end_ && (*p_ == ' ' || *p_ == '\n' || *p_ == '\t' || *p_ == '\r')) ++p_;
  }
}

std::string_view JsonCursor::string(bool& in_place) {
  char quote = *p_;
  const char* begin = p_ + 1;
  const char* stop = find_special(begin, end_, quote);
  if (stop < end_ && *stop == quote) {
    p_ = stop + 1;
    in_place = true;
    return {begin, static_cast<size_t>(stop - begin)};
  }
  in_place = false;
  return slow_string(begin, quote);
}

std::string_view JsonCursor::slow_string(const char* begin, char quote) {
  scratch_.clear();
  const char* p = begin;
  auto unit = [&](uint32_t& out) {
    if (end_ - p < 4) throw JsonSyntaxError();
    out = 0;
    for (int i = 0; i < 4; ++i) {
      int d = hex_digit(p[i]);
      if (d < 0) throw JsonSyntaxError();
      out = out << 4 | static_cast<uint32_t>(d);
    }
    p += 4;
  };
  for (;;) {
    const char* stop = find_special(p, end_, quote);
    scratch_.append(p, stop);
    if (stop >= end_) throw JsonSyntaxError();
    p = stop + 1;
    if (*stop == quote) break;
    if (*stop != '\\') {
      if (!leniency_.control_chars) throw JsonSyntaxError();
      scratch_.push_back(*stop);
      continue;
    }
    if (p >= end_) throw JsonSyntaxError();
    char c = *p++;
    switch (c) {
      case '"':
      case '\\':
      case '/': scratch_.push_back(c); break;
      case 'b': scratch_.push_back('\b'); break;
      case 'f': scratch_.push_back('\f'); break;
      case 'n': scratch_.push_back('\n'); break;
      case 'r': scratch_.push_back('\r'); break;
      case 't': scratch_.push_back('\t'); break;
      case 'u': {
        uint32_t u;
        unit(u);
        if (u >= 0xd800 && u <= 0xdbff && end_ - p >= 6 && p[0] == '\\' && p[1] == 'u') {
          const char* keep = p;
          p += 2;
          uint32_t low;
          unit(low);
          if (low >= 0xdc00 && low <= 0xdfff) {
            append_utf8(0x10000 + ((u - 0xd800) << 10) + (low - 0xdc00), scratch_);
            break;
          }
          p = keep;
        }
        // Java writes an unpaired surrogate as a question mark.
        if (u >= 0xd800 && u <= 0xdfff) scratch_.push_back('?');
        else append_utf8(u, scratch_);
        break;
      }
      default:
        if (c == '\'' && leniency_.single_quotes) {
          scratch_.push_back(c);
        } else if (leniency_.backslash_any) {
          scratch_.push_back(c);
        } else {
          throw JsonSyntaxError();
        }
    }
  }
  p_ = p;
  return scratch_;
}

std::string_view JsonCursor::unquoted_name() {
  const char* begin = p_;
  if (!leniency_.unquoted_names || !name_char(*p_) || (*p_ >= '0' && *p_ <= '9')) throw JsonSyntaxError();
  while (p_ < end_ && name_char(*p_)) ++p_;
  return {begin, static_cast<size_t>(p_ - begin)};
}

bool JsonCursor::next_field(bool first, std::string_view& name) {
  char c = peek();
  if (c == '}') {
    ++p_;
    leave();
    return false;
  }
  if (!first) {
    if (c != ',') throw JsonSyntaxError();
    ++p_;
    c = peek();
  }
  if (is_quote(c)) {
    bool in_place;
    name = string(in_place);
  } else {
    if (c == '\0') throw JsonSyntaxError();
    name = unquoted_name();
  }
  if (peek() != ':') throw JsonSyntaxError();
  ++p_;
  return true;
}

bool JsonCursor::next_element(bool first) {
  char c = peek();
  if (c == ']') {
    ++p_;
    leave();
    return false;
  }
  if (!first) {
    if (c != ',') throw JsonSyntaxError();
    ++p_;
    if (peek() == ']') throw JsonSyntaxError();
  }
  return true;
}

std::string_view JsonCursor::number(Number& kind) {
  const char* begin = p_;
  const char* p = p_;
  bool signed_ = *p == '-' || *p == '+';
  if (signed_) ++p;
  auto word = [&](const char* w) {
    size_t n = strlen(w);
    return static_cast<size_t>(end_ - p) >= n && memcmp(p, w, n) == 0 && (p + n == end_ || !name_char(p[n])) ? n : 0;
  };
  if (p < end_ && (*p == 'N' || *p == 'I')) {
    if (!leniency_.non_numeric) throw JsonSyntaxError();
    size_t n = 0;
    if (!signed_) n = word("NaN");
    if (!n) n = word("Infinity");
    if (!n && signed_) n = word("INF");
    if (!n) throw JsonSyntaxError();
    p_ = p + n;
    kind = Number::kNonNumeric;
    return {begin, static_cast<size_t>(p_ - begin)};
  }
  if (*begin == '+') throw JsonSyntaxError();
  auto digits = [&] {
    const char* start = p;
    while (p < end_ && *p >= '0' && *p <= '9') ++p;
    return p - start;
  };
  const char* integer = p;
  if (digits() == 0) throw JsonSyntaxError();
  if (*integer == '0' && p - integer > 1 && !leniency_.leading_zeros) throw JsonSyntaxError();
  kind = Number::kInt;
  if (p < end_ && *p == '.') {
    ++p;
    kind = Number::kFloat;
    if (digits() == 0) throw JsonSyntaxError();
  }
  if (p < end_ && (*p == 'e' || *p == 'E')) {
    ++p;
    kind = Number::kFloat;
    if (p < end_ && (*p == '+' || *p == '-')) ++p;
    if (digits() == 0) throw JsonSyntaxError();
  }
  if (p < end_ && (name_char(*p) || *p == '.')) throw JsonSyntaxError();
  p_ = p;
  return {begin, static_cast<size_t>(p - begin)};
}

void JsonCursor::literal(const char* word, size_t length) {
  if (static_cast<size_t>(end_ - p_) < length || memcmp(p_, word, length) != 0) throw JsonSyntaxError();
  p_ += length;
  if (p_ < end_ && name_char(*p_)) throw JsonSyntaxError();
}

void JsonCursor::skip_value() {
  char c = peek();
  if (is_quote(c)) {
    bool in_place;
    string(in_place);
    return;
  }
  std::string_view name;
  switch (c) {
    case '{':
      enter();
      for (bool first = true; next_field(first, name); first = false) skip_value();
      return;
    case '[':
      enter();
      for (bool first = true; next_element(first); first = false) skip_value();
      return;
    case 't': return literal("true", 4);
    case 'f': return literal("false", 5);
    case 'n': return literal("null", 4);
    default:
      if (!at_number(c)) throw JsonSyntaxError();
      Number kind;
      number(kind);
  }
}

}  // namespace tarn::engine::sources
