// Strings by code points, as UTF8String has them.
#include <algorithm>
#include <mutex>

#include <unicode/locid.h>
#include <unicode/uchar.h>
#include <unicode/unistr.h>
#include <unicode/ustring.h>

#include "engine/kernels/kernel.h"
#include "engine/kernels/kernel_error.h"
#include "engine/kernels/utf8.h"

namespace tarn::engine::kernels {
namespace {

using duckdb::DataChunk;
using duckdb::ExpressionState;
using duckdb::LogicalType;
using duckdb::ScalarFunction;
using duckdb::Vector;

std::string change_case(std::string_view s, bool up) {
  std::string out(s);
  if (utf8::is_ascii(s)) {
    if (up) for (char& c : out) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c;
    else for (char& c : out) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
    return out;
  }
  icu::UnicodeString u = icu::UnicodeString::fromUTF8(icu::StringPiece(s.data(), static_cast<int32_t>(s.size())));
  if (up) u.toUpper(icu::Locale::getRoot());
  else u.toLower(icu::Locale::getRoot());
  out.clear();
  u.toUTF8String(out);
  return out;
}

// A code point as the first of a word; may be several ("ß": "Ss").
std::string title_case_of(std::string_view point) {
  UChar title[8];
  UErrorCode status = U_ZERO_ERROR;
  UChar source[2];
  int32_t length = 0;
  U16_APPEND_UNSAFE(source, length, static_cast<UChar32>(utf8::code(point)));
  int32_t n = u_strToTitle(title, 8, source, length, nullptr, "", &status);
  std::string out;
  if (U_FAILURE(status)) return std::string(point);
  icu::UnicodeString(title, n).toUTF8String(out);
  return out;
}

// Words are what spaces separate; first letters in title case, the others in lower case.
std::string initcap(std::string_view s) {
  if (utf8::is_ascii(s)) {
    std::string out = change_case(s, false);
    for (size_t i = 0; i < out.size(); ++i)
      if ((i == 0 || out[i - 1] == ' ') && out[i] >= 'a' && out[i] <= 'z') out[i] = static_cast<char>(out[i] - 32);
    return out;
  }
  std::string out;
  for (size_t begin = 0; begin < s.size();) {
    const size_t end = std::min(s.find(' ', begin), s.size());
    if (end > begin) {
      const std::string_view word = s.substr(begin, end - begin), first = word.substr(0, utf8::offset(word, 1));
      // Lower case looks at what stands before a letter (a final sigma), so the whole word is mapped.
      out += title_case_of(first) + change_case(word, false).substr(change_case(first, false).size());
    }
    if (end < s.size()) out += ' ';
    begin = end + 1;
  }
  return out;
}

// Positions start at 1; 0 counts as 1; negative ones count from the end.
std::string_view substring(std::string_view s, int32_t pos, int32_t len) {
  if (len <= 0 || s.empty()) return {};
  if (pos >= 0 && utf8::is_ascii(s.substr(0, std::min<size_t>(s.size(), static_cast<size_t>(pos) + static_cast<size_t>(len))))) {
    size_t b = pos > 0 ? static_cast<size_t>(pos) - 1 : 0;
    return b >= s.size() ? std::string_view{} : s.substr(b, static_cast<size_t>(len));
  }
  const int64_t n = utf8::length(s);
  int64_t start = pos > 0 ? pos - 1 : pos < 0 ? n + pos : 0;
  int64_t end = std::min<int64_t>(start + len, n);
  start = std::max<int64_t>(start, 0);
  if (end <= start) return {};
  size_t b = utf8::offset(s, start);
  return s.substr(b, utf8::offset(s, end - start, b) - b);
}
std::string_view substring_bytes(std::string_view s, int32_t pos, int32_t len) {
  const int64_t n = static_cast<int64_t>(s.size());
  int64_t start = pos > 0 ? pos - 1 : pos < 0 ? n + pos : 0;
  int64_t end = std::min<int64_t>(start + len, n);
  start = std::max<int64_t>(start, 0);
  return end <= start ? std::string_view{} : s.substr(static_cast<size_t>(start), static_cast<size_t>(end - start));
}

// 1-based position of the first match at or after code point `start` (1-based), 0 if none.
int32_t locate(std::string_view needle, std::string_view s, int32_t start) {
  if (start < 1) return 0;
  size_t from = utf8::offset(s, start - 1);
  if (start > 1 && from >= s.size() && utf8::length(s) < start - 1) return 0;
  size_t at = s.find(needle, from);
  return at == std::string_view::npos ? 0 : static_cast<int32_t>(utf8::length(s.substr(0, at)) + 1);
}

std::string pad(std::string_view s, int32_t len, std::string_view with, bool left, bool bytes) {
  const int64_t n = bytes ? static_cast<int64_t>(s.size()) : utf8::length(s);
  if (len <= 0) return {};
  if (n >= len) return std::string(s.substr(0, bytes ? static_cast<size_t>(len) : utf8::offset(s, len)));
  std::string fill;
  if (!with.empty()) {
    int64_t need = len - n;
    const int64_t w = bytes ? static_cast<int64_t>(with.size()) : utf8::length(with);
    for (; need >= w; need -= w) fill += with;
    if (need > 0) fill += with.substr(0, bytes ? static_cast<size_t>(need) : utf8::offset(with, need));
  }
  return left ? fill + std::string(s) : std::string(s) + fill;
}

std::string repeat(std::string_view s, int32_t n) {
  std::string out;
  if (n <= 0 || s.empty()) return out;
  if (s.size() * static_cast<size_t>(n) > 2147483632u)
    fail("COLLECTION_SIZE_LIMIT_EXCEEDED.FUNCTION", ErrorKind::kRuntime, {{"numberOfElements", std::to_string(s.size() * static_cast<size_t>(n))}, {"maxRoundedArrayLength", "2147483632"}, {"functionName", "`repeat`"}});
  out.reserve(s.size() * static_cast<size_t>(n));
  for (int32_t i = 0; i < n; ++i) out += s;
  return out;
}

std::string replace_all(std::string_view s, std::string_view from, std::string_view to) {
  if (from.empty()) return std::string(s);
  std::string out;
  size_t i = 0;
  for (size_t at; (at = s.find(from, i)) != std::string_view::npos; i = at + from.size()) {
    out += s.substr(i, at - i);
    out += to;
  }
  return out += s.substr(i);
}

std::string_view substring_index(std::string_view s, std::string_view d, int32_t count) {
  if (d.empty() || count == 0) return {};
  if (count > 0) {
    size_t at = 0, from = 0;
    for (int32_t i = 0; i < count; ++i) {
      at = s.find(d, from);
      if (at == std::string_view::npos) return s;
      from = at + 1;
    }
    return s.substr(0, at);
  }
  size_t from = s.size();
  size_t at = std::string_view::npos;
  for (int32_t i = 0; i < -count; ++i) {
    if (from == std::string_view::npos) return s;
    at = s.rfind(d, from == s.size() ? std::string_view::npos : from);
    if (at == std::string_view::npos) return s;
    from = at == 0 ? std::string_view::npos : at - 1;
  }
  return s.substr(at + d.size());
}

std::string overlay(std::string_view s, std::string_view with, int32_t pos, int32_t len, bool bytes) {
  const int64_t n = bytes ? static_cast<int64_t>(s.size()) : utf8::length(s), w = bytes ? static_cast<int64_t>(with.size()) : utf8::length(with);
  int64_t length = len >= 0 ? len : w;
  auto piece = [&](int64_t from, int64_t to) {  // 1-based, like substring
    if (to <= from) return std::string_view{};
    size_t b = bytes ? static_cast<size_t>(std::min(from, n)) : utf8::offset(s, from);
    size_t e = bytes ? static_cast<size_t>(std::min(to, n)) : utf8::offset(s, to);
    return s.substr(b, e - b);
  };
  std::string out(piece(0, std::max<int64_t>(pos - 1, 0)));
  out += with;
  // Spark: input.substringSQL(pos + length, Int.MaxValue)
  int64_t rest = pos + length;
  int64_t start = rest > 0 ? rest - 1 : rest < 0 ? n + rest : 0;
  out += piece(std::max<int64_t>(start, 0), n);
  return out;
}

int32_t levenshtein(std::string_view a, std::string_view b) {
  auto x = utf8::points(a), y = utf8::points(b);
  if (x.empty()) return static_cast<int32_t>(y.size());
  if (y.empty()) return static_cast<int32_t>(x.size());
  std::vector<int32_t> row(y.size() + 1);
  for (size_t j = 0; j <= y.size(); ++j) row[j] = static_cast<int32_t>(j);
  for (size_t i = 1; i <= x.size(); ++i) {
    int32_t diagonal = row[0];
    row[0] = static_cast<int32_t>(i);
    for (size_t j = 1; j <= y.size(); ++j) {
      int32_t next = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, diagonal + (x[i - 1] == y[j - 1] ? 0 : 1)});
      diagonal = next;
    }
  }
  return row[y.size()];
}

std::string translate(std::string_view s, std::string_view from, std::string_view to) {
  auto f = utf8::points(from), t = utf8::points(to);
  std::string out;
  for (std::string_view p : utf8::points(s)) {
    auto it = std::find(f.begin(), f.end(), p);
    if (it == f.end()) out += p;
    else if (size_t i = static_cast<size_t>(it - f.begin()); i < t.size()) out += t[i];
  }
  return out;
}

// Kernels of any number of arguments: f(row) sees the arguments of one row.
struct Row {
  std::vector<duckdb::UnifiedVectorFormat>& in;
  duckdb::idx_t i;
  bool null(size_t a) const { return !in[a].validity.RowIsValid(in[a].sel->get_index(i)); }
  std::string_view text(size_t a) const {
    const auto& s = duckdb::UnifiedVectorFormat::GetData<duckdb::string_t>(in[a])[in[a].sel->get_index(i)];
    return {s.GetData(), s.GetSize()};
  }
  template <class T> T value(size_t a) const { return duckdb::UnifiedVectorFormat::GetData<T>(in[a])[in[a].sel->get_index(i)]; }
};

template <class F> void text_of_many(Kernels& k, const char* name, duckdb::vector<LogicalType> first, LogicalType rest, F f, bool binary = false) {
  ScalarFunction s(name, std::move(first), binary ? LogicalType::BLOB : LogicalType::VARCHAR, [f](DataChunk& in, ExpressionState&, Vector& result) {
    std::vector<duckdb::UnifiedVectorFormat> formats(in.ColumnCount());
    bool constant = in.ColumnCount() > 0;
    for (size_t a = 0; a < in.ColumnCount(); ++a) {
      constant &= in.data[a].GetVectorType() == duckdb::VectorType::CONSTANT_VECTOR;
      in.data[a].ToUnifiedFormat(in.size(), formats[a]);
    }
    result.SetVectorType(duckdb::VectorType::FLAT_VECTOR);
    auto* out = duckdb::FlatVector::GetData<duckdb::string_t>(result);
    std::string buffer;
    for (duckdb::idx_t i = 0; i < (constant ? 1 : in.size()); ++i) {
      buffer.clear();
      if (f(in, Row{formats, i}, buffer)) out[i] = duckdb::StringVector::AddStringOrBlob(result, buffer);
      else duckdb::FlatVector::SetNull(result, i, true);
    }
    if (constant) result.SetVectorType(duckdb::VectorType::CONSTANT_VECTOR);
  });
  s.SetVarArgs(std::move(rest));
  s.SetFallible();
  s.SetNullHandling(duckdb::FunctionNullHandling::SPECIAL_HANDLING);
  k.add(std::move(s));
}

}  // namespace

void register_strings(Kernels& k) {
  k.scalar<int32_t(Text)>("spark_length", [](std::string_view s) { return static_cast<int32_t>(utf8::length(s)); });
  k.scalar<int32_t(Bytes)>("spark_length", [](std::string_view s) { return static_cast<int32_t>(s.size()); });
  k.scalar<int32_t(Text)>("spark_octet_length", [](std::string_view s) { return static_cast<int32_t>(s.size()); });
  k.scalar<int32_t(Bytes)>("spark_octet_length", [](std::string_view s) { return static_cast<int32_t>(s.size()); });
  k.scalar<Text(Text)>("spark_lower", [](std::string_view s) { return change_case(s, false); });
  k.scalar<Text(Text)>("spark_upper", [](std::string_view s) { return change_case(s, true); });
  k.scalar<Text(Text)>("spark_initcap", [](std::string_view s) { return initcap(s); });
  k.scalar<Text(Text, int32_t, int32_t)>("spark_substring", [](std::string_view s, int32_t p, int32_t n) { return substring(s, p, n); });
  k.scalar<Bytes(Bytes, int32_t, int32_t)>("spark_substring", [](std::string_view s, int32_t p, int32_t n) { return n <= 0 ? std::string_view{} : substring_bytes(s, p, n); });
  k.scalar<Text(Text, int32_t)>("spark_right", [](std::string_view s, int32_t n) -> std::string_view {
    if (n <= 0) return {};
    const int64_t length = utf8::length(s);
    return s.substr(utf8::offset(s, std::max<int64_t>(length - n, 0)));
  });
  k.scalar<int32_t(Text, Text)>("spark_instr", [](std::string_view s, std::string_view sub) { return locate(sub, s, 1); });
  k.nullable<int32_t(Text, Text, int32_t)>("spark_locate", [](std::optional<std::string_view> sub, std::optional<std::string_view> s, std::optional<int32_t> start) -> std::optional<int32_t> {
    if (!start) return 0;
    if (!sub || !s) return {};
    return locate(*sub, *s, *start);
  });
  for (bool left : {true, false}) {
    const char* name = left ? "spark_lpad" : "spark_rpad";
    k.scalar<Text(Text, int32_t, Text)>(name, [left](std::string_view s, int32_t n, std::string_view w) { return pad(s, n, w, left, false); });
    k.scalar<Bytes(Bytes, int32_t, Bytes)>(name, [left](std::string_view s, int32_t n, std::string_view w) { return pad(s, n, w, left, true); });
    k.scalar<Bytes(Bytes, int32_t)>(name, [left](std::string_view s, int32_t n) { return pad(s, n, std::string_view("\0", 1), left, true); });
  }
  k.scalar<Text(Text, int32_t)>("spark_repeat", repeat);
  k.scalar<Text(Text, Text, Text)>("spark_replace", replace_all);
  k.scalar<Text(Text, Text, int32_t)>("spark_substring_index", substring_index);
  k.scalar<Text(Text, Text, int32_t, int32_t)>("spark_overlay", [](std::string_view s, std::string_view w, int32_t p, int32_t n) { return overlay(s, w, p, n, false); });
  k.scalar<Bytes(Bytes, Bytes, int32_t, int32_t)>("spark_overlay", [](std::string_view s, std::string_view w, int32_t p, int32_t n) { return overlay(s, w, p, n, true); });
  k.scalar<Text(Text)>("spark_reverse", [](std::string_view s) {
    if (utf8::is_ascii(s)) return std::string(s.rbegin(), s.rend());
    std::string out(s.size(), '\0');
    for (size_t i = 0; i < s.size();) {
      const size_t next = std::min(utf8::offset(s, 1, i), s.size());
      std::copy(s.begin() + static_cast<ptrdiff_t>(i), s.begin() + static_cast<ptrdiff_t>(next), out.end() - static_cast<ptrdiff_t>(next));
      i = next;
    }
    return out;
  });
  k.scalar<int32_t(Text, Text)>("spark_levenshtein", levenshtein);
  k.scalar<int32_t(Text, Text, int32_t)>("spark_levenshtein", [](std::string_view a, std::string_view b, int32_t limit) {
    int32_t d = levenshtein(a, b);
    return d > limit ? -1 : d;
  });
  k.scalar<Text(Text, Text, Text)>("spark_translate", translate);
  k.scalar<int32_t(Text)>("spark_ascii", [](std::string_view s) { return s.empty() ? 0 : static_cast<int32_t>(utf8::code(s.substr(0, utf8::width(s[0])))); });
  k.scalar<Text(int64_t)>("spark_chr", [](int64_t n) {
    std::string out;
    if (n < 0) return out;
    utf8::append(out, static_cast<uint32_t>(n & 0xFF));
    return out;
  });
  k.scalar<int32_t(Text, Text)>("spark_find_in_set", [](std::string_view word, std::string_view set) -> int32_t {
    if (word.find(',') != std::string_view::npos) return 0;
    int32_t n = 1;
    for (size_t i = 0;;) {
      size_t e = set.find(',', i);
      if (set.substr(i, e == std::string_view::npos ? e : e - i) == word) return n;
      if (e == std::string_view::npos) return 0;
      i = e + 1;
      ++n;
    }
  });
  k.scalar<bool(Bytes, Bytes)>("spark_contains_binary", [](std::string_view s, std::string_view x) { return s.find(x) != std::string_view::npos; });
  k.scalar<bool(Bytes, Bytes)>("spark_startswith_binary", [](std::string_view s, std::string_view x) { return s.starts_with(x); });
  k.scalar<bool(Bytes, Bytes)>("spark_endswith_binary", [](std::string_view s, std::string_view x) { return s.ends_with(x); });

  text_of_many(k, "spark_concat", {}, LogicalType::VARCHAR, [](DataChunk& in, const Row& r, std::string& out) {
    for (size_t a = 0; a < in.ColumnCount(); ++a) {
      if (r.null(a)) return false;
      out += r.text(a);
    }
    return true;
  });
  text_of_many(k, "spark_binary_concat", {}, LogicalType::BLOB, [](DataChunk& in, const Row& r, std::string& out) {
    for (size_t a = 0; a < in.ColumnCount(); ++a) {
      if (r.null(a)) return false;
      out += r.text(a);
    }
    return true;
  }, true);
  // (separator, text or list of text …): nulls are left out.
  text_of_many(k, "spark_concat_ws", {LogicalType::VARCHAR}, LogicalType::ANY, [](DataChunk& in, const Row& r, std::string& out) {
    if (r.null(0)) return false;
    bool first = true;
    auto add = [&](std::string_view s) {
      if (!first) out += r.text(0);
      first = false;
      out += s;
    };
    for (size_t a = 1; a < in.ColumnCount(); ++a) {
      if (r.null(a)) continue;
      if (in.data[a].GetType().id() != duckdb::LogicalTypeId::LIST) {
        add(r.text(a));
        continue;
      }
      auto entry = r.value<duckdb::list_entry_t>(a);
      auto& child = duckdb::ListVector::GetEntry(in.data[a]);
      duckdb::UnifiedVectorFormat f;
      child.ToUnifiedFormat(duckdb::ListVector::GetListSize(in.data[a]), f);
      for (duckdb::idx_t i = 0; i < entry.length; ++i) {
        auto at = f.sel->get_index(entry.offset + i);
        if (!f.validity.RowIsValid(at)) continue;
        const auto& s = duckdb::UnifiedVectorFormat::GetData<duckdb::string_t>(f)[at];
        add({s.GetData(), s.GetSize()});
      }
    }
    return true;
  });
  // elt(n, a, b …); out of range is an error in ANSI mode.
  for (auto [name, ansi, binary] : {std::tuple{"spark_elt", true, false}, {"spark_try_elt", false, false}, {"spark_binary_elt", true, true}, {"spark_try_binary_elt", false, true}}) {
    text_of_many(k, name, {LogicalType::INTEGER}, binary ? LogicalType::BLOB : LogicalType::VARCHAR, [ansi = ansi](DataChunk& in, const Row& r, std::string& out) {
      if (r.null(0)) return false;
      int32_t n = r.value<int32_t>(0);
      auto size = static_cast<int32_t>(in.ColumnCount()) - 1;
      if (n < 1 || n > size) {
        if (ansi) fail("INVALID_ARRAY_INDEX", ErrorKind::kArrayIndex, {{"indexValue", std::to_string(n)}, {"arraySize", std::to_string(size)}, {"ansiConfig", "\"spark.sql.ansi.enabled\""}});
        return false;
      }
      if (r.null(static_cast<size_t>(n))) return false;
      out += r.text(static_cast<size_t>(n));
      return true;
    }, binary);
  }
}

}  // namespace tarn::engine::kernels
