#include "engine/sources/options.h"

#include <algorithm>
#include <charconv>

#include "base/log.h"
#include "base/spark_error.h"

namespace tarn::engine::sources {

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
  }
  return out;
}

bool equal_ignore_case(std::string_view a, std::string_view b) { return a.size() == b.size() && lower(a) == lower(b); }

Options::Options(const std::vector<std::pair<std::string, std::string>>& pairs) {
  for (const auto& [name, value] : pairs) values_[lower(name)] = value;
}

std::optional<std::string> Options::find(std::string_view name) const {
  auto it = values_.find(lower(name));
  return it == values_.end() ? std::nullopt : std::optional<std::string>(it->second);
}

std::vector<std::pair<std::string, std::string>> Options::starting_with(std::string_view prefix) const {
  std::vector<std::pair<std::string, std::string>> out;
  for (auto it = values_.lower_bound(lower(prefix)); it != values_.end() && it->first.starts_with(lower(prefix)); ++it) out.push_back(*it);
  return out;
}

std::string Options::text(std::string_view name, std::string_view otherwise) const {
  auto v = find(name);
  return v ? *v : std::string(otherwise);
}

bool Options::flag(std::string_view name, bool otherwise) const {
  auto v = find(name);
  if (!v) return otherwise;
  std::string s = lower(*v);
  if (s == "true") return true;
  if (s == "false") return false;
  throw SparkError::Plain(ErrorKind::kIllegalArgument, "For input string: \"" + *v + "\"");
}

int64_t Options::integer(std::string_view name, int64_t otherwise) const {
  auto v = find(name);
  if (!v) return otherwise;
  int64_t out = 0;
  const char* begin = v->data() + (!v->empty() && v->front() == '+');
  auto [end, error] = std::from_chars(begin, v->data() + v->size(), out);
  if (error != std::errc() || end != v->data() + v->size() || v->empty()) {
    throw SparkError::Plain(ErrorKind::kNumberFormat, "For input string: \"" + *v + "\"");
  }
  return out;
}

double Options::real(std::string_view name, double otherwise) const {
  auto v = find(name);
  if (!v) return otherwise;
  double out = 0;
  auto [end, error] = std::from_chars(v->data(), v->data() + v->size(), out);
  if (error != std::errc() || end != v->data() + v->size() || v->empty()) {
    throw SparkError::Plain(ErrorKind::kNumberFormat, "For input string: \"" + *v + "\"");
  }
  return out;
}

char Options::character(std::string_view name, char otherwise) const {
  auto v = find(name);
  if (!v) return otherwise;
  if (v->empty()) return '\0';
  if (v->size() == 1) return v->front();
  throw SparkError(ErrorKind::kRuntime, "OPTION_VALUE_EXCEEDS_ONE_CHARACTER",
                   {{"paramName", std::string(name)}, {"actualValue", *v}});
}

bool Options::csv_flag(std::string_view name, bool otherwise) const {
  auto v = find(name);
  if (!v) return otherwise;
  std::string s = lower(*v);
  if (s == "true") return true;
  if (s == "false") return false;
  throw SparkError(ErrorKind::kSpark, "_LEGACY_ERROR_TEMP_2147", {{"paramName", std::string(name)}});
}

int Options::csv_integer(std::string_view name, int otherwise) const {
  auto v = find(name);
  if (!v) return otherwise;
  int out = 0;
  auto [end, error] = std::from_chars(v->data(), v->data() + v->size(), out);
  if (error != std::errc() || end != v->data() + v->size() || v->empty()) {
    throw SparkError(ErrorKind::kRuntime, "_LEGACY_ERROR_TEMP_2146", {{"paramName", std::string(name)}, {"value", *v}});
  }
  return out;
}

ParseMode parse_mode(const Options& options) {
  std::string m = lower(options.text("mode", "permissive"));
  if (m == "dropmalformed") return ParseMode::kDropMalformed;
  if (m == "failfast") return ParseMode::kFailFast;
  if (m != "permissive") log::warn("unknown_parse_mode", {{"mode", m}});
  return ParseMode::kPermissive;
}

std::string checked_charset(const std::string& name, const char* caller, bool legacy) {
  static const char* const kValid[] = {"iso-8859-1", "us-ascii", "utf-16", "utf-16be", "utf-16le", "utf-32", "utf-8"};
  std::string n = lower(name);
  bool known = std::any_of(std::begin(kValid), std::end(kValid), [&](const char* v) { return n == v; });
  if (!known && !legacy) {
    throw SparkError(ErrorKind::kIllegalArgument, "INVALID_PARAMETER_VALUE.CHARSET",
                     {{"functionName", quote_identifier(caller)},
                      {"parameter", "`charset`"},
                      {"charset", name},
                      {"charsets", "iso-8859-1, us-ascii, utf-16, utf-16be, utf-16le, utf-32, utf-8"}});
  }
  std::transform(n.begin(), n.end(), n.begin(), [](unsigned char c) { return static_cast<char>(toupper(c)); });
  return n;
}

}  // namespace tarn::engine::sources
