#include "engine/sources/text_values.h"

#include <unicode/dcfmtsym.h>
#include <unicode/locid.h>

#include "base/spark_error.h"
#include "engine/datetime_format.h"
#include "engine/datetime_parse.h"
#include "engine/sources/java_number.h"
#include "engine/time_zone.h"
#include "plan/session_conf.h"

namespace tarn::engine::sources {
namespace {

std::string without_gmt(std::string_view text) {
  std::string s(text);
  for (size_t i = s.find("GMT"); i != std::string::npos; i = s.find("GMT", i)) s.erase(i, 3);
  return s;
}

}  // namespace

std::optional<int32_t> DateTimeOptions::parse_date(std::string_view text) const {
  if (!date) {
    auto v = string_to_date(text);
    if (v) return v;
  } else if (auto v = date->parse_date(text)) {
    return v;
  }
  return date_fallback ? string_to_date(without_gmt(text)) : std::nullopt;
}

std::optional<int64_t> DateTimeOptions::parse_timestamp(std::string_view text) const {
  if (auto v = timestamp ? timestamp->parse_timestamp(text, *zone) : string_to_timestamp(text, *zone)) return v;
  if (!timestamp_fallback || (!timestamp && text.find("GMT") == std::string_view::npos)) return std::nullopt;
  return string_to_timestamp(without_gmt(text), *zone);
}

std::optional<int64_t> DateTimeOptions::parse_timestamp_ntz(std::string_view text) const {
  return timestamp_ntz ? timestamp_ntz->parse_timestamp_ntz(text, false) : string_to_timestamp_ntz(text, false);
}

std::optional<int64_t> DateTimeOptions::parse_time(std::string_view text) const {
  return time ? time->parse_time(text) : string_to_time(text);
}

bool DateTimeOptions::infers_timestamp(std::string_view text) const {
  return timestamp ? timestamp->parse_timestamp(text, *zone).has_value() : string_to_timestamp(text, *zone).has_value();
}
bool DateTimeOptions::infers_timestamp_ntz(std::string_view text) const { return parse_timestamp_ntz(text).has_value(); }
bool DateTimeOptions::infers_date(std::string_view text) const {
  return date ? date->parse_date(text).has_value() : string_to_date(text).has_value();
}

DateTimeOptions datetime_options(const Options& options, const plan::SessionConf& conf, const std::string& default_date_pattern,
                                 const char* fallback_key) {
  if (lower(conf.text("spark.sql.legacy.timeParserPolicy")) == "legacy") {
    throw not_built("spark.sql.legacy.timeParserPolicy=LEGACY for file sources");
  }
  DateTimeOptions d;
  d.zone = TimeZone::get(options.text("timeZone", conf.time_zone()));
  d.locale = options.text("locale", "en-US");
  auto compile = [&](const std::string& pattern) { return DateTimeFormat::compile(pattern, true, d.locale); };
  auto date_format = options.find("dateFormat");
  if (date_format) d.date = compile(*date_format);
  else if (!default_date_pattern.empty()) d.date = compile(default_date_pattern);
  auto timestamp_format = options.find("timestampFormat");
  if (timestamp_format) d.timestamp = compile(*timestamp_format);
  if (auto f = options.find("timestampNTZFormat")) d.timestamp_ntz = DateTimeFormat::compile(*f, true);
  if (auto f = options.find("timeFormat")) d.time = DateTimeFormat::compile(*f, true);
  std::optional<bool> fallback;
  if (options.has("enableDateTimeParsingFallback")) fallback = options.flag("enableDateTimeParsingFallback", true);
  else if (auto v = conf.find(fallback_key); v && !v->empty()) fallback = lower(*v) == "true";
  d.date_fallback = fallback.value_or(!date_format);
  d.timestamp_fallback = fallback.value_or(!timestamp_format);
  return d;
}

std::optional<__int128> parse_decimal(std::string_view text, int precision, int scale, const std::string& locale) {
  std::string s;
  if (locale == "en-US" || locale.empty()) {
    if (text.find(',') != std::string_view::npos) {
      for (char c : text) {
        if (c != ',') s += c;
      }
      text = s;
    }
  } else {
    // Java's DecimalFormat of the locale: its grouping and decimal signs.
    UErrorCode status = U_ZERO_ERROR;
    icu::DecimalFormatSymbols symbols(icu::Locale::forLanguageTag(locale, status), status);
    if (U_FAILURE(status)) return std::nullopt;
    std::string group, point;
    symbols.getConstSymbol(icu::DecimalFormatSymbols::kGroupingSeparatorSymbol).toUTF8String(group);
    symbols.getConstSymbol(icu::DecimalFormatSymbols::kDecimalSeparatorSymbol).toUTF8String(point);
    for (size_t i = 0; i < text.size();) {
      if (!group.empty() && text.substr(i).starts_with(group)) {
        i += group.size();
      } else if (text.substr(i).starts_with(point)) {
        s += '.';
        i += point.size();
      } else {
        s += text[i++];
      }
    }
    text = s;
  }
  auto d = BigDecimal::parse(text);
  return d ? d->to_int128(precision, scale) : std::nullopt;
}

}  // namespace tarn::engine::sources
