#include "engine/kernels/charset.h"

#include <unicode/ucnv.h>
#include <unicode/ucnv_err.h>
#include <unicode/unistr.h>

#include <memory>

#include "engine/kernels/kernel_error.h"
#include "engine/kernels/utf8.h"

namespace tarn::engine::kernels {
namespace {

constexpr uint32_t kReplacement = 0xFFFD;

std::string upper(std::string_view s) {
  std::string r(s);
  for (char& c : r) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return r;
}
[[noreturn]] void unknown_charset(std::string_view name, const char* function) {
  fail("INVALID_PARAMETER_VALUE.CHARSET", ErrorKind::kIllegalArgument, {{"functionName", std::string("`") + function + "`"}, {"parameter", "`charset`"}, {"charset", std::string(name)}, {"charsets", "iso-8859-1, us-ascii, utf-16, utf-16be, utf-16le, utf-32, utf-8"}});
}
std::unique_ptr<UConverter, decltype(&ucnv_close)> open(std::string_view name, const char* function) {
  UErrorCode status = U_ZERO_ERROR;
  std::unique_ptr<UConverter, decltype(&ucnv_close)> c(ucnv_open(std::string(name).c_str(), &status), ucnv_close);
  if (U_FAILURE(status) || !c) unknown_charset(name, function);
  return c;
}
std::string convert(UConverter* to, const icu::UnicodeString& text, bool replace, std::string_view name) {
  UErrorCode status = U_ZERO_ERROR;
  if (!replace) ucnv_setFromUCallBack(to, UCNV_FROM_U_CALLBACK_STOP, nullptr, nullptr, nullptr, &status);
  else ucnv_setSubstChars(to, "?", 1, &status);
  std::string out(static_cast<size_t>(text.length()) * 4 + 16, '\0');
  status = U_ZERO_ERROR;
  const int32_t n = ucnv_fromUChars(to, out.data(), static_cast<int32_t>(out.size()), text.getBuffer(), text.length(), &status);
  if (U_FAILURE(status)) fail("MALFORMED_CHARACTER_CODING", ErrorKind::kRuntime, {{"function", "`encode`"}, {"charset", std::string(name)}});
  out.resize(static_cast<size_t>(n));
  return out;
}
// The charsets Spark has by itself; null: another one, which only spark.sql.legacy.javaCharsets allows.
const char* charset(std::string_view name, const char* function, bool any) {
  std::string n = upper(name);
  for (const char* known : {"US-ASCII", "ISO-8859-1", "UTF-8", "UTF-16BE", "UTF-16LE", "UTF-16", "UTF-32"})
    if (n == known) return known;
  if (any) return nullptr;
  unknown_charset(name, function);
}
}  // namespace

std::string encode_text(std::string_view s, std::string_view name, bool any_charset, bool replace) {
  const char* known = charset(name, "encode", any_charset);
  if (!known) {
    std::unique_ptr<UConverter, decltype(&ucnv_close)> to = open(name, "encode");
    icu::UnicodeString text = icu::UnicodeString::fromUTF8(icu::StringPiece(s.data(), static_cast<int32_t>(s.size())));
    return convert(to.get(), text, replace, name);
  }
  std::string_view set = known;
  if (set == "UTF-8") return std::string(s);
  std::string out;
  auto unit = [&](uint32_t v, int bytes, bool little) {
    for (int i = 0; i < bytes; ++i) out += static_cast<char>(v >> (8 * (little ? i : bytes - 1 - i)));
  };
  if (set == "UTF-16") unit(0xFEFF, 2, false);
  for (std::string_view p : utf8::points(s)) {
    uint32_t c = utf8::code(p);
    if (set == "US-ASCII" || set == "ISO-8859-1") {
      if (c > (set == "US-ASCII" ? 0x7Fu : 0xFFu) && replace) c = '?';
      if (c > (set == "US-ASCII" ? 0x7Fu : 0xFFu)) fail("MALFORMED_CHARACTER_CODING", ErrorKind::kRuntime, {{"function", "`encode`"}, {"charset", std::string(set)}});
      out += static_cast<char>(c);
    } else if (set == "UTF-32") {
      unit(c, 4, false);
    } else {
      const bool little = set == "UTF-16LE";
      if (c >= 0x10000) {
        c -= 0x10000;
        unit(0xD800 | (c >> 10), 2, little);
        unit(0xDC00 | (c & 0x3FF), 2, little);
      } else {
        unit(c, 2, little);
      }
    }
  }
  return out;
}
std::string decode_text(std::string_view s, std::string_view name, bool any_charset, bool replace) {
  const char* known = charset(name, "decode", any_charset);
  if (!known) {
    std::unique_ptr<UConverter, decltype(&ucnv_close)> from = open(name, "decode");
    UErrorCode status = U_ZERO_ERROR;
    icu::UnicodeString text(s.data(), static_cast<int32_t>(s.size()), from.get(), status);
    if (U_FAILURE(status)) fail("MALFORMED_CHARACTER_CODING", ErrorKind::kRuntime, {{"function", "`decode`"}, {"charset", std::string(name)}});
    std::string out;
    text.toUTF8String(out);
    return out;
  }
  std::string_view set = known;
  auto malformed = [&]() { fail("MALFORMED_CHARACTER_CODING", ErrorKind::kRuntime, {{"function", "`decode`"}, {"charset", std::string(set)}}); };
  if (set == "UTF-8") {
    if (utf8::is_valid(s)) return std::string(s);
    if (!replace) malformed();
    return utf8::make_valid(s);
  }
  std::string out;
  auto u = [&](size_t i) { return static_cast<uint32_t>(static_cast<unsigned char>(s[i])); };
  if (set == "US-ASCII" || set == "ISO-8859-1") {
    for (size_t i = 0; i < s.size(); ++i) {
      const bool bad = set == "US-ASCII" && u(i) > 0x7F;
      if (bad && !replace) malformed();
      utf8::append(out, bad ? kReplacement : u(i));
    }
    return out;
  }
  if (set == "UTF-32") {
    if (s.size() % 4 && !replace) malformed();
    for (size_t i = 0; i + 4 <= s.size(); i += 4) utf8::append(out, (u(i) << 24) | (u(i + 1) << 16) | (u(i + 2) << 8) | u(i + 3));
    if (s.size() % 4) utf8::append(out, kReplacement);
    return out;
  }
  bool little = set == "UTF-16LE";
  size_t i = 0;
  if (set == "UTF-16" && s.size() >= 2) {
    if (u(0) == 0xFE && u(1) == 0xFF) i = 2;
    else if (u(0) == 0xFF && u(1) == 0xFE) { little = true; i = 2; }
  }
  const bool odd = (s.size() - i) % 2 != 0;
  if (odd && !replace) malformed();
  auto unit = [&](size_t k) { return little ? u(k) | (u(k + 1) << 8) : (u(k) << 8) | u(k + 1); };
  for (; i + 1 < s.size(); i += 2) {
    uint32_t c = unit(i);
    const uint32_t low = i + 3 < s.size() ? unit(i + 2) : 0;
    if (c >= 0xD800 && c < 0xDC00 && low >= 0xDC00 && low <= 0xDFFF) {
      c = 0x10000 + ((c & 0x3FF) << 10) + (low & 0x3FF);
      i += 2;
    } else if (c >= 0xD800 && c <= 0xDFFF) {
      if (!replace) malformed();
      c = kReplacement;
    }
    utf8::append(out, c);
  }
  if (odd) utf8::append(out, kReplacement);
  return out;
}

}  // namespace tarn::engine::kernels
