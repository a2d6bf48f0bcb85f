// LIKE and regular expressions: java.util.regex, by ICU's engine, which follows it.
#include <unicode/regex.h>
#include <unicode/unistr.h>
#include <unicode/utext.h>

#include "engine/kernels/kernel.h"
#include "engine/kernels/kernel_error.h"
#include "engine/kernels/utf8.h"

namespace tarn::engine::kernels {
namespace {

// A LIKE pattern as a row of literal pieces and wildcards.
struct LikePattern {
  struct Step { char kind; std::string literal; };  // 'l' literal, '_' one code point, '%' any
  std::vector<Step> steps;
  // The common forms need no search: x, x%, %x, %x%.
  enum class Form : uint8_t { kGeneral, kEqual, kPrefix, kSuffix, kContains } form = Form::kGeneral;
  std::string text;

  static std::shared_ptr<const LikePattern> make(std::string_view pattern, std::string_view escape) {
    auto p = std::make_shared<LikePattern>();
    const char e = escape.empty() ? '\\' : escape[0];
    std::string literal;
    auto flush = [&] {
      if (!literal.empty()) p->steps.push_back({'l', literal});
      literal.clear();
    };
    for (size_t i = 0; i < pattern.size(); ++i) {
      char c = pattern[i];
      if (c == e && !escape.empty()) {
        if (i + 1 >= pattern.size()) fail("INVALID_FORMAT.ESC_AT_THE_END", ErrorKind::kAnalysis, {{"format", quote_value(pattern)}});
        char n = pattern[++i];
        if (n == '_' || n == '%' || n == e) literal += n;
        else {
          std::string after(pattern.substr(i, utf8::width(n)));
          fail("INVALID_FORMAT.ESC_IN_THE_MIDDLE", ErrorKind::kAnalysis, {{"format", quote_value(pattern)}, {"char", "'" + after + "'"}});
        }
      } else if (c == '%' || c == '_') {
        flush();
        if (c == '_' || p->steps.empty() || p->steps.back().kind != '%') p->steps.push_back({c, {}});
      } else {
        literal += c;
      }
    }
    flush();
    const auto& s = p->steps;
    auto is = [&](std::string_view kinds) {
      if (s.size() != kinds.size()) return false;
      for (size_t i = 0; i < s.size(); ++i) if (s[i].kind != kinds[i]) return false;
      return true;
    };
    if (s.empty()) p->form = Form::kEqual;
    else if (is("l")) { p->form = Form::kEqual; p->text = s[0].literal; }
    else if (is("l%")) { p->form = Form::kPrefix; p->text = s[0].literal; }
    else if (is("%l")) { p->form = Form::kSuffix; p->text = s[1].literal; }
    else if (is("%l%")) { p->form = Form::kContains; p->text = s[1].literal; }
    return p;
  }

  bool matches(std::string_view s) const {
    switch (form) {
      case Form::kEqual: return s == text;
      case Form::kPrefix: return s.starts_with(text);
      case Form::kSuffix: return s.ends_with(text);
      case Form::kContains: return s.find(text) != std::string_view::npos;
      default: break;
    }
    // Greedy with one point of return: the last %.
    size_t i = 0, step = 0, star = std::string::npos, star_at = 0;
    while (true) {
      if (step == steps.size()) {
        if (i == s.size()) return true;
      } else if (steps[step].kind == '%') {
        star = step++;
        star_at = i;
        continue;
      } else if (steps[step].kind == '_') {
        if (i < s.size()) {
          i = utf8::offset(s, 1, i);
          ++step;
          continue;
        }
      } else if (s.substr(i).starts_with(steps[step].literal)) {
        i += steps[step].literal.size();
        ++step;
        continue;
      }
      if (star == std::string::npos || star_at >= s.size()) return false;
      star_at = utf8::offset(s, 1, star_at);
      i = star_at;
      step = star + 1;
    }
  }
};

// Compiled once, with a matcher that is set to one text after the other.
struct Regex {
  std::unique_ptr<icu::RegexPattern> pattern;
  mutable icu::UnicodeString text;  // what the matcher reads
  mutable std::unique_ptr<icu::RegexMatcher> matcher;
};

const Regex& regex(std::string_view text, const char* function) {
  static thread_local Compiled<Regex> cache;
  return cache.get(text, [&](std::string_view t) {
    auto r = std::make_shared<Regex>();
    UErrorCode status = U_ZERO_ERROR;
    UParseError where{};
    r->pattern.reset(icu::RegexPattern::compile(icu::UnicodeString::fromUTF8(icu::StringPiece(t.data(), static_cast<int32_t>(t.size()))), 0, where, status));
    if (U_FAILURE(status))
      fail("INVALID_PARAMETER_VALUE.PATTERN", ErrorKind::kRuntime, {{"functionName", "`" + std::string(function) + "`"}, {"parameter", "`regexp`"}, {"value", quote_value(t)}});
    r->matcher.reset(r->pattern->matcher(status));
    return std::shared_ptr<const Regex>(r);
  });
}

// Text as UTF-16, into the room that `out` already has.
void to_utf16(std::string_view s, icu::UnicodeString& out) {
  const auto size = static_cast<int32_t>(s.size());  // a unit per byte is enough
  char16_t* to = out.getBuffer(size);
  int32_t length = 0;
  while (length < size && static_cast<signed char>(s[static_cast<size_t>(length)]) >= 0) {
    to[length] = static_cast<char16_t>(s[static_cast<size_t>(length)]);
    ++length;
  }
  const bool ascii = length == size;
  out.releaseBuffer(length);
  if (!ascii) out = icu::UnicodeString::fromUTF8(icu::StringPiece(s.data(), size));
}

// Runs f(matcher, text as UTF-16).
template <class F> auto with_matcher(std::string_view s, std::string_view pattern, const char* function, F f) {
  const Regex& r = regex(pattern, function);
  to_utf16(s, r.text);
  r.matcher->reset(r.text);
  return f(*r.matcher, static_cast<const icu::UnicodeString&>(r.text));
}

std::string utf8_of(const icu::UnicodeString& u, int32_t from, int32_t to) {
  std::string out(static_cast<size_t>(to - from), '\0');
  const char16_t* units = u.getBuffer();
  for (int32_t i = from; i < to; ++i) {
    if (units[i] >= 0x80) {
      out.clear();
      u.tempSubStringBetween(from, to).toUTF8String(out);
      return out;
    }
    out[static_cast<size_t>(i - from)] = static_cast<char>(units[i]);
  }
  return out;
}

std::string group(icu::RegexMatcher& m, const icu::UnicodeString& u, int32_t g) {
  UErrorCode s = U_ZERO_ERROR;
  int32_t b = m.start(g, s), e = m.end(g, s);
  return b < 0 ? std::string() : utf8_of(u, b, e);
}

void check_group(icu::RegexMatcher& m, int32_t g, const char* function) {
  if (g >= 0 && g <= m.groupCount()) return;
  fail("INVALID_PARAMETER_VALUE.REGEX_GROUP_INDEX", ErrorKind::kRuntime,
       {{"functionName", "`" + std::string(function) + "`"}, {"parameter", "`idx`"}, {"groupCount", std::to_string(m.groupCount())}, {"groupIndex", std::to_string(g)}});
}

// Java's replacement text ($1, ${name}, \x) is ICU's.
std::string regexp_replace(std::string_view s, std::string_view pattern, std::string_view with, int32_t pos) {
  if (pos < 1) fail("INVALID_PARAMETER_VALUE.ZERO_INDEX", ErrorKind::kRuntime, {{"functionName", "`regexp_replace`"}, {"parameter", "`pos`"}});
  return with_matcher(s, pattern, "regexp_replace", [&](icu::RegexMatcher& m, const icu::UnicodeString& u) {
    UErrorCode status = U_ZERO_ERROR;
    if (pos - 1 > u.length()) return std::string(s);
    icu::UnicodeString replacement = icu::UnicodeString::fromUTF8(icu::StringPiece(with.data(), static_cast<int32_t>(with.size())));
    icu::UnicodeString out;
    UBool more = m.find(pos - 1, status);
    if (!more) return std::string(s);
    for (; more; more = m.find()) {
      m.appendReplacement(out, replacement, status);
      if (U_FAILURE(status)) fail("INTERNAL_ERROR", ErrorKind::kSpark, {{"message", "Illegal group reference in the replacement " + std::string(with)}});
    }
    m.appendTail(out);
    std::string r;
    out.toUTF8String(r);
    return r;
  });
}

// A list of texts as the result of f(arguments of a row, sink).
template <class F> void list_kernel(Kernels& k, const char* name, duckdb::vector<duckdb::LogicalType> types, F f) {
  duckdb::ScalarFunction s(name, std::move(types), duckdb::LogicalType::LIST(duckdb::LogicalType::VARCHAR), [f](duckdb::DataChunk& in, duckdb::ExpressionState&, duckdb::Vector& result) {
    std::vector<duckdb::UnifiedVectorFormat> formats(in.ColumnCount());
    bool constant = true;
    for (size_t a = 0; a < in.ColumnCount(); ++a) {
      constant &= in.data[a].GetVectorType() == duckdb::VectorType::CONSTANT_VECTOR;
      in.data[a].ToUnifiedFormat(in.size(), formats[a]);
    }
    result.SetVectorType(duckdb::VectorType::FLAT_VECTOR);
    auto* entries = duckdb::FlatVector::GetData<duckdb::list_entry_t>(result);
    duckdb::idx_t total = 0;
    std::vector<std::string> items;
    for (duckdb::idx_t i = 0; i < (constant ? 1 : in.size()); ++i) {
      bool null = false;
      for (auto& fm : formats) null |= !fm.validity.RowIsValid(fm.sel->get_index(i));
      if (null) {
        duckdb::FlatVector::SetNull(result, i, true);
        continue;
      }
      items.clear();
      auto text = [&](size_t a) {
        const auto& v = duckdb::UnifiedVectorFormat::GetData<duckdb::string_t>(formats[a])[formats[a].sel->get_index(i)];
        return std::string_view(v.GetData(), v.GetSize());
      };
      auto number = [&](size_t a) { return duckdb::UnifiedVectorFormat::GetData<int32_t>(formats[a])[formats[a].sel->get_index(i)]; };
      f(text(0), text(1), number(2), items);
      duckdb::ListVector::Reserve(result, total + items.size());
      auto& child = duckdb::ListVector::GetEntry(result);
      auto* out = duckdb::FlatVector::GetData<duckdb::string_t>(child);
      for (size_t n = 0; n < items.size(); ++n) out[total + n] = duckdb::StringVector::AddString(child, items[n]);
      entries[i] = {total, items.size()};
      total += items.size();
    }
    duckdb::ListVector::SetListSize(result, total);
    if (constant) result.SetVectorType(duckdb::VectorType::CONSTANT_VECTOR);
  });
  s.SetFallible();
  s.SetNullHandling(duckdb::FunctionNullHandling::SPECIAL_HANDLING);
  k.add(std::move(s));
}

bool is_plain(std::string_view p) { return !p.empty() && p.find_first_of("\\^$.|?*+()[]{}") == std::string_view::npos; }

// String.split with UTF8String's reading of the limit: <= 0 means all, trailing empty pieces stay.
void split(std::string_view s, std::string_view pattern, int32_t limit, std::vector<std::string>& out) {
  const size_t most = limit <= 0 ? SIZE_MAX : static_cast<size_t>(limit);
  if (is_plain(pattern)) {
    size_t i = 0;
    for (size_t at; out.size() + 1 < most && (at = s.find(pattern, i)) != std::string_view::npos; i = at + pattern.size()) out.emplace_back(s.substr(i, at - i));
    out.emplace_back(s.substr(i));
    return;
  }
  if (pattern.empty()) {
    if (s.empty()) { out.emplace_back(); return; }
    auto p = utf8::points(s);
    size_t i = 0, at = 0;
    for (; i < p.size() && out.size() + 1 < most; ++i) { out.emplace_back(p[i]); at += p[i].size(); }
    if (at < s.size()) out.emplace_back(s.substr(at));
    return;
  }
  with_matcher(s, pattern, "split", [&](icu::RegexMatcher& m, const icu::UnicodeString& u) {
    int32_t from = 0;
    UErrorCode status = U_ZERO_ERROR;
    while (out.size() + 1 < most && m.find()) {
      int32_t b = m.start(status), e = m.end(status);
      if (e == 0) continue;                      // nothing before the first character
      if (b == e && b >= u.length()) break;
      out.push_back(utf8_of(u, from, b));
      from = e;
    }
    out.push_back(utf8_of(u, from, u.length()));
    return 0;
  });
}

}  // namespace

void register_patterns(Kernels& k) {
  k.scalar<bool(Text, Text, Text)>("spark_like", [](std::string_view s, std::string_view pattern, std::string_view escape) {
    static thread_local Compiled<LikePattern> cache;
    if (escape == "\\") return cache.get(pattern, [&](std::string_view p) { return LikePattern::make(p, escape); }).matches(s);
    static thread_local Compiled<LikePattern> escaped;
    std::string key = std::string(escape) + '\0' + std::string(pattern);
    return escaped.get(key, [&](std::string_view) { return LikePattern::make(pattern, escape); }).matches(s);
  });
  k.scalar<bool(Text, Text)>("spark_rlike", [](std::string_view s, std::string_view p) {
    if (is_plain(p)) return s.find(p) != std::string_view::npos;
    return with_matcher(s, p, "rlike", [](icu::RegexMatcher& m, const icu::UnicodeString&) { return static_cast<bool>(m.find()); });
  });
  k.scalar<Text(Text, Text, int32_t)>("spark_regexp_extract", [](std::string_view s, std::string_view p, int32_t g) {
    return with_matcher(s, p, "regexp_extract", [&](icu::RegexMatcher& m, const icu::UnicodeString& u) -> std::string {
      check_group(m, g, "regexp_extract");
      return m.find() ? group(m, u, g) : std::string();
    });
  });
  list_kernel(k, "spark_regexp_extract_all", {duckdb::LogicalType::VARCHAR, duckdb::LogicalType::VARCHAR, duckdb::LogicalType::INTEGER},
              [](std::string_view s, std::string_view p, int32_t g, std::vector<std::string>& out) {
                with_matcher(s, p, "regexp_extract_all", [&](icu::RegexMatcher& m, const icu::UnicodeString& u) {
                  check_group(m, g, "regexp_extract_all");
                  while (m.find()) out.push_back(group(m, u, g));
                  return 0;
                });
              });
  k.scalar<Text(Text, Text, Text, int32_t)>("spark_regexp_replace", regexp_replace);
  k.scalar<int32_t(Text, Text)>("spark_regexp_count", [](std::string_view s, std::string_view p) {
    return with_matcher(s, p, "regexp_count", [](icu::RegexMatcher& m, const icu::UnicodeString&) {
      int32_t n = 0;
      while (m.find()) ++n;
      return n;
    });
  });
  k.scalar<Text(Text, Text)>("spark_regexp_substr", [](std::string_view s, std::string_view p) {
    return with_matcher(s, p, "regexp_substr", [](icu::RegexMatcher& m, const icu::UnicodeString& u) -> std::optional<std::string> {
      if (!m.find()) return {};
      auto g = group(m, u, 0);
      if (g.empty()) return {};
      return g;
    });
  });
  k.scalar<int32_t(Text, Text)>("spark_regexp_instr", [](std::string_view s, std::string_view p) {
    return with_matcher(s, p, "regexp_instr", [](icu::RegexMatcher& m, const icu::UnicodeString&) -> int32_t {
      UErrorCode status = U_ZERO_ERROR;
      return m.find() ? m.start(status) + 1 : 0;
    });
  });
  list_kernel(k, "spark_split", {duckdb::LogicalType::VARCHAR, duckdb::LogicalType::VARCHAR, duckdb::LogicalType::INTEGER}, split);
  k.scalar<Text(Text, Text, int32_t)>("spark_split_part", [](std::string_view s, std::string_view d, int32_t n) -> std::string {
    if (n == 0) fail("INVALID_INDEX_OF_ZERO", ErrorKind::kRuntime, {});
    std::vector<std::string_view> parts;
    if (d.empty()) {
      parts.push_back(s);
    } else {
      size_t i = 0;
      for (size_t at; (at = s.find(d, i)) != std::string_view::npos; i = at + d.size()) parts.push_back(s.substr(i, at - i));
      parts.push_back(s.substr(i));
    }
    const auto size = static_cast<int32_t>(parts.size());
    const int32_t at = n > 0 ? n - 1 : size + n;
    return at < 0 || at >= size ? std::string() : std::string(parts[static_cast<size_t>(at)]);
  });
}

}  // namespace tarn::engine::kernels
