// String functions under a collation. Three kinds: UTF8_BINARY (bytes), UTF8_LCASE (code points in lower case) and ICU's locales;
// any of them may ignore spaces at the end (_RTRIM). Source: CollationFactory, CollationAwareUTF8String, CollationSupport.
#include <algorithm>
#include <functional>
#include <map>
#include <unordered_set>

#include <unicode/brkiter.h>
#include <unicode/stsearch.h>
#include <unicode/tblcoll.h>
#include <unicode/uchar.h>
#include <unicode/unistr.h>

#include "engine/kernels/kernel.h"
#include "engine/kernels/kernel_error.h"
#include "engine/kernels/utf8.h"

namespace tarn::engine::kernels {
namespace {

using icu::UnicodeString;
using Points = std::vector<uint32_t>;

struct Collation {
  enum class Kind : uint8_t { kBinary, kLcase, kIcu } kind = Kind::kBinary;
  bool trims = false;                                // spaces at the end do not count
  std::shared_ptr<icu::RuleBasedCollator> collator;  // kIcu
  icu::Locale locale;
};

std::shared_ptr<const Collation> make_collation(std::string_view name) {
  auto out = std::make_shared<Collation>();
  if (name == "null") fail("INDETERMINATE_COLLATION", ErrorKind::kRuntime, {});
  if (name.ends_with("_RTRIM")) {
    out->trims = true;
    name.remove_suffix(6);
  }
  if (name == "UTF8_BINARY") return out;
  if (name == "UTF8_LCASE") {
    out->kind = Collation::Kind::kLcase;
    return out;
  }
  out->kind = Collation::Kind::kIcu;
  bool ci = false, ai = false;
  if (name.ends_with("_AI")) { ai = true; name.remove_suffix(3); }
  if (name.ends_with("_CI")) { ci = true; name.remove_suffix(3); }
  out->locale = name == "UNICODE" ? icu::Locale::getRoot() : icu::Locale(std::string(name).c_str());
  UErrorCode status = U_ZERO_ERROR;
  std::unique_ptr<icu::Collator> made(icu::Collator::createInstance(out->locale, status));
  auto* rules = U_SUCCESS(status) ? dynamic_cast<icu::RuleBasedCollator*>(made.get()) : nullptr;
  if (!rules) fail("INTERNAL_ERROR", ErrorKind::kSpark, {{"message", "no collation " + std::string(name)}});
  made.release();
  out->collator.reset(rules);
  rules->setStrength(ai ? icu::Collator::PRIMARY : ci ? icu::Collator::SECONDARY : icu::Collator::TERTIARY);
  if (ai && !ci) rules->setAttribute(UCOL_CASE_LEVEL, UCOL_ON, status);
  return out;
}

const Collation& collation(std::string_view name) {
  static thread_local Compiled<Collation> cache;
  return cache.get(name, make_collation);
}

UnicodeString utf16(std::string_view s) { return UnicodeString::fromUTF8(icu::StringPiece(s.data(), static_cast<int32_t>(s.size()))); }
std::string text(const UnicodeString& s) {
  std::string out;
  s.toUTF8String(out);
  return out;
}
std::string text(const Points& p, size_t from, size_t to) {
  std::string out;
  for (size_t i = from; i < std::min(to, p.size()); ++i) utf8::append(out, p[i]);
  return out;
}
Points codes(std::string_view s) {
  Points out;
  for (std::string_view p : utf8::points(s)) out.push_back(utf8::code(p));
  return out;
}

std::string_view without_spaces(std::string_view s) {
  while (!s.empty() && s.back() == ' ') s.remove_suffix(1);
  return s;
}
std::string_view trimmed(const Collation& c, std::string_view s) { return c.trims ? without_spaces(s) : s; }

// ---- UTF8_LCASE: one code point at a time. İ is two (i and a combining dot), final sigma is sigma.
constexpr uint32_t kDottedI = 0x130, kCombiningDot = 0x307;
constexpr uint32_t kDottedSmallI = uint32_t('i') << 16 | kCombiningDot;

uint32_t low(uint32_t c) { return c == kDottedI ? kDottedSmallI : c == 0x3C2 ? 0x3C3 : static_cast<uint32_t>(u_tolower(static_cast<UChar32>(c))); }

Points low_points(std::string_view s) {
  Points out;
  for (uint32_t c : codes(s)) {
    uint32_t l = low(c);
    if (l == kDottedSmallI) {
      out.push_back('i');
      out.push_back(kCombiningDot);
    } else {
      out.push_back(l);
    }
  }
  return out;
}

std::string low_text(std::string_view s) {
  if (!utf8::is_ascii(s)) {
    Points p = low_points(s);
    return text(p, 0, p.size());
  }
  std::string out(s);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
  return out;
}

// How many code points of target from `at` match the pattern (already in lower case); -1 if they do not.
int64_t match_from(const Points& target, const Points& pattern, size_t at) {
  size_t i = at, k = 0;
  for (; i < target.size() && k < pattern.size(); ++i) {
    uint32_t l = low(target[i]);
    if (l == kDottedSmallI) {
      if (k + 1 >= pattern.size() || pattern[k] != 'i' || pattern[k + 1] != kCombiningDot) return -1;
      k += 2;
    } else if (l != pattern[k++]) {
      return -1;
    }
  }
  return k < pattern.size() ? -1 : static_cast<int64_t>(i - at);
}
// The same for what ends before `end`.
int64_t match_until(const Points& target, const Points& pattern, size_t end) {
  size_t i = end, k = pattern.size();
  for (; i > 0 && k > 0; --i) {
    uint32_t l = low(target[i - 1]);
    if (l == kDottedSmallI) {
      if (k < 2 || pattern[k - 1] != kCombiningDot || pattern[k - 2] != 'i') return -1;
      k -= 2;
    } else if (l != pattern[--k]) {
      return -1;
    }
  }
  return k > 0 ? -1 : static_cast<int64_t>(end - i);
}
int64_t find_low(const Points& target, const Points& pattern, int64_t from) {
  for (int64_t i = std::max<int64_t>(from, 0); i <= static_cast<int64_t>(target.size()); ++i)
    if (match_from(target, pattern, static_cast<size_t>(i)) >= 0) return i;
  return -1;
}
int64_t rfind_low(const Points& target, const Points& pattern, int64_t end) {
  for (int64_t i = end; i >= 0; --i)
    if (match_until(target, pattern, static_cast<size_t>(i)) >= 0) return i;
  return -1;
}

// ---- ICU
struct Search {
  UErrorCode status = U_ZERO_ERROR;
  icu::StringSearch search;
  Search(const UnicodeString& pattern, const UnicodeString& target, const Collation& c, bool overlapping = false)
      : search(pattern, target, c.collator.get(), nullptr, status) {
    if (overlapping) search.setAttribute(USEARCH_OVERLAP, USEARCH_ON, status);
  }
  int32_t first() { return U_FAILURE(status) ? USEARCH_DONE : search.first(status); }
  int32_t last() { return U_FAILURE(status) ? USEARCH_DONE : search.last(status); }
  int32_t next() { return U_FAILURE(status) ? USEARCH_DONE : search.next(status); }
  int32_t previous() { return U_FAILURE(status) ? USEARCH_DONE : search.previous(status); }
  void from(int32_t at) { search.setOffset(at, status); }
  int32_t length() const { return search.getMatchedLength(); }
};

std::string key_of(std::string_view s, const Collation& c) {
  s = trimmed(c, s);
  if (c.kind == Collation::Kind::kBinary) return std::string(s);
  if (c.kind == Collation::Kind::kLcase) return low_text(s);
  UnicodeString u = utf16(s);
  std::string key(static_cast<size_t>(u.length()) * 4 + 16, '\0');
  int32_t n = c.collator->getSortKey(u, reinterpret_cast<uint8_t*>(key.data()), static_cast<int32_t>(key.size()));
  if (n > static_cast<int32_t>(key.size())) {
    key.resize(static_cast<size_t>(n));
    n = c.collator->getSortKey(u, reinterpret_cast<uint8_t*>(key.data()), n);
  }
  key.resize(static_cast<size_t>(n));
  return key;
}

enum class Where : uint8_t { kAnywhere, kStart, kEnd };

bool holds(std::string_view l, std::string_view r, const Collation& c, Where where) {
  l = trimmed(c, l);
  r = trimmed(c, r);
  if (c.kind != Collation::Kind::kIcu) {
    const bool lcase = c.kind == Collation::Kind::kLcase;
    if (!lcase || (utf8::is_ascii(l) && utf8::is_ascii(r))) {
      std::string x(l), y(r);
      if (lcase) { x = low_text(l); y = low_text(r); }
      return where == Where::kStart ? x.starts_with(y) : where == Where::kEnd ? x.ends_with(y) : x.find(y) != std::string::npos;
    }
    Points target = codes(l), pattern = low_points(r);
    if (where == Where::kStart) return match_from(target, pattern, 0) >= 0;
    if (where == Where::kEnd) return match_until(target, pattern, target.size()) >= 0;
    return find_low(target, pattern, 0) >= 0;
  }
  if (r.empty()) return true;
  if (l.empty()) return false;
  UnicodeString target = utf16(l), pattern = utf16(r);
  Search s(pattern, target, c);
  if (where == Where::kStart) return s.first() == 0;
  if (where == Where::kAnywhere) return s.first() != USEARCH_DONE;
  int32_t at = s.last();
  return at != USEARCH_DONE && at == target.length() - s.length();
}

// 0-based code point of the first match at or after code point `start`; -1 if there is none.
int32_t index_of(std::string_view s, std::string_view pattern, int32_t start, const Collation& c) {
  pattern = trimmed(c, pattern);
  const int64_t n = utf8::length(s);
  if (pattern.empty()) return start <= 0 ? 0 : static_cast<int32_t>(std::min<int64_t>(start, n));
  start = std::max(start, 0);
  if (c.kind == Collation::Kind::kBinary) {
    if (start > n) return -1;
    size_t at = s.find(pattern, utf8::offset(s, start));
    return at == std::string_view::npos ? -1 : static_cast<int32_t>(utf8::length(s.substr(0, at)));
  }
  if (c.kind == Collation::Kind::kLcase) return static_cast<int32_t>(find_low(codes(s), low_points(pattern), start));
  if (n <= start) return -1;
  UnicodeString target = utf16(s), p = utf16(pattern);
  Search search(p, target, c, true);
  search.from(target.moveIndex32(0, start));
  int32_t at = search.next();
  if (at == USEARCH_DONE) return -1;
  int32_t index = target.countChar32(0, at);
  return index < start ? -1 : index;
}

std::string replaced(std::string_view s, std::string_view what, std::string_view with, const Collation& c) {
  if (s.empty() || what.empty()) return std::string(s);
  std::string out;
  if (c.kind == Collation::Kind::kBinary) {
    size_t i = 0;
    for (size_t at; (at = s.find(what, i)) != std::string_view::npos; i = at + what.size()) (out += s.substr(i, at - i)) += with;
    return out += s.substr(i);
  }
  if (c.kind == Collation::Kind::kLcase) {
    Points target = codes(s), pattern = low_points(what);
    int64_t start = 0;
    for (int64_t at; (at = find_low(target, pattern, start)) >= 0; start = at + match_from(target, pattern, static_cast<size_t>(at)))
      (out += text(target, static_cast<size_t>(start), static_cast<size_t>(at))) += with;
    return out += text(target, static_cast<size_t>(start), target.size());
  }
  UnicodeString target = utf16(s), pattern = utf16(what);
  Search search(pattern, target, c);
  int32_t start = 0;
  for (int32_t at = search.first(); at != USEARCH_DONE; at = search.next()) {
    (out += text(target.tempSubStringBetween(start, at))) += with;
    start = at + search.length();
  }
  return out += text(target.tempSubString(start));
}

std::string before_or_after(std::string_view s, std::string_view delimiter, int32_t count, const Collation& c) {
  delimiter = trimmed(c, delimiter);
  if (delimiter.empty() || count == 0 || s.empty()) return {};
  if (c.kind != Collation::Kind::kIcu) {
    Points target = codes(s), pattern = c.kind == Collation::Kind::kLcase ? low_points(delimiter) : codes(delimiter);
    auto equal = [&](int64_t at) {
      return at + static_cast<int64_t>(pattern.size()) <= static_cast<int64_t>(target.size()) && std::equal(pattern.begin(), pattern.end(), target.begin() + at);
    };
    const bool lcase = c.kind == Collation::Kind::kLcase;
    if (count > 0) {
      int64_t at = -1;
      for (; count > 0; --count) {
        int64_t from = at + 1;
        if (lcase) at = find_low(target, pattern, from);
        else for (at = from; !equal(at); ++at) if (at > static_cast<int64_t>(target.size())) { at = -1; break; }
        if (at < 0) return std::string(s);
      }
      return text(target, 0, static_cast<size_t>(at));
    }
    int64_t end = static_cast<int64_t>(target.size()) + 1;
    for (count = -count; count > 0; --count) {
      int64_t from = end - 1;
      if (lcase) end = rfind_low(target, pattern, from);
      else for (end = from; end >= 0 && (end < static_cast<int64_t>(pattern.size()) || !equal(end - static_cast<int64_t>(pattern.size()))); --end) {}
      if (end < 0) return std::string(s);
    }
    return text(target, static_cast<size_t>(end), target.size());
  }
  UnicodeString target = utf16(s), pattern = utf16(delimiter);
  Search search(pattern, target, c, true);
  if (count > 0) {
    int32_t index = 0;
    while (count > 0) {
      int32_t next = search.next();
      if (next == USEARCH_DONE) return std::string(s);
      if (next == index && index != 0) {
        search.from(search.search.getOffset() + search.length());
      } else {
        --count;
        index = next;
      }
    }
    return text(target.tempSubStringBetween(0, index));
  }
  int32_t index = 0;
  search.search.setOffset(target.length(), search.status);
  for (count = -count; count > 0; --count)
    if ((index = search.previous()) == USEARCH_DONE) return std::string(s);
  return text(target.tempSubString(index + search.length()));
}

// The pieces of a text between delimiters, at most `limit`: the last one is then the whole rest.
std::vector<std::string> pieces(std::string_view s, std::string_view delimiter, const Collation& c, size_t limit = SIZE_MAX) {
  delimiter = trimmed(c, delimiter);
  if (delimiter.empty() || s.empty()) return {std::string(s)};
  std::vector<std::string> out;
  if (c.kind == Collation::Kind::kBinary) {
    size_t i = 0;
    for (size_t at; out.size() + 1 < limit && (at = s.find(delimiter, i)) != std::string_view::npos; i = at + delimiter.size())
      out.emplace_back(s.substr(i, at - i));
    out.emplace_back(s.substr(i));
  } else if (c.kind == Collation::Kind::kLcase) {
    Points target = codes(s), pattern = low_points(delimiter);
    int64_t start = 0;
    for (int64_t at; out.size() + 1 < limit && (at = find_low(target, pattern, start)) >= 0; start = at + match_from(target, pattern, static_cast<size_t>(at)))
      out.push_back(text(target, static_cast<size_t>(start), static_cast<size_t>(at)));
    out.push_back(text(target, static_cast<size_t>(start), target.size()));
  } else {
    UnicodeString target = utf16(s), pattern = utf16(delimiter);
    Search search(pattern, target, c);
    int32_t start = 0;
    for (int32_t at; out.size() + 1 < limit && (at = search.next()) != USEARCH_DONE; start = at + search.length()) out.push_back(text(target.tempSubStringBetween(start, at)));
    out.push_back(text(target.tempSubString(start)));
  }
  return out;
}

std::string part(std::string_view s, std::string_view delimiter, int32_t n, const Collation& c) {
  if (n == 0) fail("INVALID_INDEX_OF_ZERO", ErrorKind::kRuntime, {});
  auto all = pieces(s, delimiter, c);
  const auto size = static_cast<int64_t>(all.size());
  if (std::abs(static_cast<int64_t>(n)) > size) return {};
  return all[static_cast<size_t>(n > 0 ? n - 1 : size + n)];
}

int32_t position_in_set(std::string_view word, std::string_view set, const Collation& c) {
  if (word.find(',') != std::string_view::npos) return 0;
  const std::string key = key_of(word, c);
  int32_t n = 1;
  for (size_t i = 0;; ++n) {
    size_t e = set.find(',', i);
    if (key_of(set.substr(i, e == std::string_view::npos ? e : e - i), c) == key) return n;
    if (e == std::string_view::npos) return 0;
    i = e + 1;
  }
}

std::string translated(std::string_view s, std::string_view from, std::string_view to, const Collation& c) {
  auto f = utf8::points(from), t = utf8::points(to);
  auto target_of = [&](size_t i) { return i < t.size() ? std::string(t[i]) : std::string(); };
  std::string out;
  if (c.kind == Collation::Kind::kIcu) {
    UnicodeString target = utf16(s);
    std::vector<std::pair<UnicodeString, std::string>> table;
    std::unordered_set<std::string_view> seen;
    for (size_t i = 0; i < f.size(); ++i)
      if (seen.insert(f[i]).second) table.emplace_back(utf16(f[i]), target_of(i));
    for (int32_t i = 0; i < target.length();) {
      int32_t longest = 0;
      const std::string* with = nullptr;
      for (auto& [pattern, replacement] : table) {
        Search search(pattern, target, c);
        search.from(i);
        if (search.next() == i && search.length() > longest) {
          longest = search.length();
          with = &replacement;
        }
      }
      if (with) {
        out += *with;
        i += longest;
      } else {
        int32_t next = target.moveIndex32(i, 1);
        out += text(target.tempSubStringBetween(i, next));
        i = next;
      }
    }
    return out;
  }
  const bool lcase = c.kind == Collation::Kind::kLcase;
  std::map<uint32_t, std::string> table;
  for (size_t i = 0; i < f.size(); ++i) {
    uint32_t code = utf8::code(f[i]);
    table.emplace(lcase ? low(code) : code, target_of(i));
  }
  Points p = codes(s);
  for (size_t i = 0; i < p.size(); ++i) {
    uint32_t code = p[i];
    if (lcase && code == 'i' && i + 1 < p.size() && p[i + 1] == kCombiningDot && table.contains(kDottedSmallI)) {
      out += table.at(kDottedSmallI);
      ++i;
      continue;
    }
    auto it = table.find(lcase ? low(code) : code);
    if (it == table.end()) utf8::append(out, code);
    else out += it->second;
  }
  return out;
}

// Trim characters are a set. A collation that ignores spaces at the end looks behind them and keeps them.
std::string trim(std::string_view s, std::string_view characters, const Collation& c, bool left, bool right) {
  if (s.empty()) return {};
  if (c.kind == Collation::Kind::kIcu) {
    UnicodeString target = utf16(s);
    std::vector<UnicodeString> set;
    for (std::string_view p : utf8::points(characters)) set.push_back(utf16(p));
    int32_t begin = 0, end = target.length(), behind = target.length();
    if (left) {
      while (begin < target.length()) {
        int32_t longest = 0;
        for (auto& pattern : set) {
          Search search(pattern, target, c);
          search.from(begin);
          if (search.next() == begin) longest = std::max(longest, search.length());
        }
        if (longest == 0) break;
        begin += longest;
      }
    }
    if (right) {
      if (c.trims && characters.find(' ') == std::string_view::npos) {
        while (behind > begin && target[behind - 1] == ' ') --behind;
        if (behind == begin) return text(target.tempSubString(begin));
        end = behind;
      }
      while (end > begin) {
        int32_t longest = 0;
        for (auto& pattern : set) {
          Search search(pattern, target, c);
          search.from(std::max(end - 3, begin));
          int32_t at = search.next(), length = search.length();
          while (at != USEARCH_DONE && at < end - length) {
            at = search.next();
            length = search.length();
          }
          if (at != USEARCH_DONE && at == end - length) longest = std::max(longest, length);
        }
        if (longest == 0) break;
        end -= longest;
      }
    }
    return text(target.tempSubStringBetween(begin, end)) + text(target.tempSubString(behind));
  }
  const bool lcase = c.kind == Collation::Kind::kLcase;
  std::unordered_set<uint32_t> set;
  for (uint32_t code : codes(characters)) set.insert(lcase ? low(code) : code);
  Points p = codes(s);
  auto in_set = [&](uint32_t code) { return set.contains(lcase ? low(code) : code); };
  const bool dotted = lcase && set.contains(kDottedSmallI);
  size_t begin = 0, end = p.size(), behind = p.size();
  if (left) {
    while (begin < p.size()) {
      if (dotted && begin + 1 < p.size() && low(p[begin]) == 'i' && p[begin + 1] == kCombiningDot) begin += 2;
      else if (in_set(p[begin])) ++begin;
      else break;
    }
  }
  if (right) {
    if (c.trims && !set.contains(' ')) {
      while (behind > begin && p[behind - 1] == ' ') --behind;
      if (behind == begin) return text(p, begin, p.size());
      end = behind;
    }
    while (end > begin) {
      if (dotted && end >= begin + 2 && p[end - 1] == kCombiningDot && low(p[end - 2]) == 'i') end -= 2;
      else if (in_set(p[end - 1])) --end;
      else break;
    }
  }
  return text(p, begin, end) + text(p, behind, p.size());
}

std::string title_case(std::string_view s, const Collation& c) {
  UErrorCode status = U_ZERO_ERROR;
  const icu::Locale locale = c.kind == Collation::Kind::kIcu ? c.locale : icu::Locale::getDefault();
  std::unique_ptr<icu::BreakIterator> words(icu::BreakIterator::createWordInstance(locale, status));
  UnicodeString u = utf16(s);
  u.toTitle(words.get(), c.kind == Collation::Kind::kIcu ? c.locale : icu::Locale::getRoot());
  return text(u);
}

std::string change_case(std::string_view s, const Collation& c, bool up) {
  UnicodeString u = utf16(s);
  const icu::Locale& locale = c.kind == Collation::Kind::kIcu ? c.locale : icu::Locale::getRoot();
  if (utf8::is_ascii(s)) up ? u.toUpper(icu::Locale::getRoot()) : u.toLower(icu::Locale::getRoot());
  else up ? u.toUpper(locale) : u.toLower(locale);
  return text(u);
}

// Which elements of a ++ b a set operation on arrays keeps, by the keys of the elements: their 1-based positions.
void register_key_positions(Kernels& k) {
  using namespace duckdb;
  auto keys = LogicalType::LIST(LogicalType::BLOB);
  ScalarFunction f("spark_key_positions", {keys, keys, LogicalType::VARCHAR}, LogicalType::LIST(LogicalType::BIGINT), [](DataChunk& in, ExpressionState&, Vector& result) {
    auto list_at = [&](idx_t column, idx_t row) {
      std::vector<std::string> out;
      const Value list = in.data[column].GetValue(row);
      for (const Value& v : ListValue::GetChildren(list)) out.push_back(v.IsNull() ? std::string("n") : "v" + StringValue::Get(v));
      return out;
    };
    for (idx_t row = 0; row < in.size(); ++row) {
      if (in.data[0].GetValue(row).IsNull() || in.data[1].GetValue(row).IsNull()) {
        result.SetValue(row, Value(result.GetType()));
        continue;
      }
      auto a = list_at(0, row), b = list_at(1, row);
      const std::string operation = StringValue::Get(in.data[2].GetValue(row));
      std::unordered_set<std::string> other(b.begin(), b.end()), seen;
      vector<Value> kept;
      auto keep = [&](size_t i) { kept.push_back(Value::BIGINT(static_cast<int64_t>(i) + 1)); };
      for (size_t i = 0; i < a.size(); ++i) {
        if (operation == "remove") {
          if (!other.contains(a[i])) keep(i);
          continue;
        }
        if ((operation == "intersect" && !other.contains(a[i])) || (operation == "except" && other.contains(a[i]))) continue;
        if (seen.insert(a[i]).second) keep(i);
      }
      if (operation == "union")
        for (size_t i = 0; i < b.size(); ++i)
          if (seen.insert(b[i]).second) keep(a.size() + i);
      result.SetValue(row, Value::LIST(LogicalType::BIGINT, std::move(kept)));
    }
    result.SetVectorType(in.AllConstant() ? VectorType::CONSTANT_VECTOR : VectorType::FLAT_VECTOR);
  });
  f.SetNullHandling(FunctionNullHandling::SPECIAL_HANDLING);
  k.add(std::move(f));
}

void register_str_to_map(Kernels& k) {
  using namespace duckdb;
  const auto text_type = LogicalType::VARCHAR;
  ScalarFunction f("spark_collated_str_to_map", {text_type, text_type, text_type, text_type}, LogicalType::MAP(text_type, text_type), [](DataChunk& in, ExpressionState&, Vector& result) {
    for (idx_t row = 0; row < in.size(); ++row) {
      std::vector<std::string> a;
      bool null = false;
      for (idx_t i = 0; i < 4; ++i) {
        Value v = in.data[i].GetValue(row);
        null |= v.IsNull();
        a.push_back(v.IsNull() ? std::string() : StringValue::Get(v));
      }
      if (null) {
        result.SetValue(row, Value(result.GetType()));
        continue;
      }
      const Collation& c = collation(a[3]);
      vector<Value> keys, values;
      std::unordered_set<std::string> seen;
      for (const std::string& pair : pieces(a[0], a[1], c)) {
        // Key and value part at the first delimiter; without one the value is null.
        auto parts = pieces(pair, a[2], c, 2);
        if (!seen.insert(key_of(parts[0], c)).second)
          fail("DUPLICATED_MAP_KEY", ErrorKind::kRuntime, {{"key", parts[0]}, {"mapKeyDedupPolicy", "\"spark.sql.mapKeyDedupPolicy\""}});
        keys.emplace_back(parts[0]);
        values.push_back(parts.size() > 1 ? Value(parts[1]) : Value(LogicalType::VARCHAR));
      }
      result.SetValue(row, Value::MAP(LogicalType::VARCHAR, LogicalType::VARCHAR, std::move(keys), std::move(values)));
    }
    result.SetVectorType(in.AllConstant() ? VectorType::CONSTANT_VECTOR : VectorType::FLAT_VECTOR);
  });
  f.SetNullHandling(FunctionNullHandling::SPECIAL_HANDLING);
  f.SetFallible();
  k.add(std::move(f));
}

}  // namespace

void register_collations(Kernels& k) {
  using S = std::string_view;
  k.scalar<Bytes(Text, Text)>("spark_collation_key", [](S s, S c) { return key_of(s, collation(c)); });
  k.scalar<bool(Text, Text, Text)>("spark_collated_contains", [](S l, S r, S c) { return holds(l, r, collation(c), Where::kAnywhere); });
  k.scalar<bool(Text, Text, Text)>("spark_collated_startswith", [](S l, S r, S c) { return holds(l, r, collation(c), Where::kStart); });
  k.scalar<bool(Text, Text, Text)>("spark_collated_endswith", [](S l, S r, S c) { return holds(l, r, collation(c), Where::kEnd); });
  k.scalar<int32_t(Text, Text, Text)>("spark_collated_instr", [](S s, S p, S c) { return index_of(s, p, 0, collation(c)) + 1; });
  k.nullable<int32_t(Text, Text, int32_t, Text)>("spark_collated_locate",
      [](std::optional<S> p, std::optional<S> s, std::optional<int32_t> start, std::optional<S> c) -> std::optional<int32_t> {
        if (!start) return 0;
        if (!p || !s || !c) return {};
        return *start < 1 ? 0 : index_of(*s, *p, *start - 1, collation(*c)) + 1;
      });
  k.scalar<int32_t(Text, Text, Text)>("spark_collated_find_in_set", [](S w, S set, S c) { return position_in_set(w, set, collation(c)); });
  k.scalar<Text(Text, Text, Text, Text)>("spark_collated_replace", [](S s, S what, S with, S c) { return replaced(s, what, with, collation(c)); });
  k.scalar<Text(Text, Text, int32_t, Text)>("spark_collated_substring_index", [](S s, S d, int32_t n, S c) { return before_or_after(s, d, n, collation(c)); });
  k.scalar<Text(Text, Text, int32_t, Text)>("spark_collated_split_part", [](S s, S d, int32_t n, S c) { return part(s, d, n, collation(c)); });
  k.scalar<Text(Text, Text, Text, Text)>("spark_collated_translate", [](S s, S from, S to, S c) { return translated(s, from, to, collation(c)); });
  k.scalar<Text(Text, Text, Text)>("spark_collated_trim", [](S s, S set, S c) { return trim(s, set, collation(c), true, true); });
  k.scalar<Text(Text, Text, Text)>("spark_collated_ltrim", [](S s, S set, S c) { return trim(s, set, collation(c), true, false); });
  k.scalar<Text(Text, Text, Text)>("spark_collated_rtrim", [](S s, S set, S c) { return trim(s, set, collation(c), false, true); });
  k.scalar<Text(Text, Text)>("spark_collated_upper", [](S s, S c) { return change_case(s, collation(c), true); });
  k.scalar<Text(Text, Text)>("spark_collated_lower", [](S s, S c) { return change_case(s, collation(c), false); });
  k.scalar<Text(Text, Text)>("spark_collated_initcap", [](S s, S c) { return title_case(s, collation(c)); });
  register_key_positions(k);
  register_str_to_map(k);
}

}  // namespace tarn::engine::kernels
