// Literals that need a zone or the clock: TIMESTAMP '… Europe/Paris', DATE 'today'.
#include <unicode/basictz.h>
#include <unicode/timezone.h>

#include <memory>

#include "plan/analyzer_impl.h"
#include "plan/expression_text.h"

namespace tarn::plan {

namespace {

constexpr int64_t kDayMicros = 86400000000;

std::unique_ptr<icu::TimeZone> zone_of(std::string id) {
  if (id == "Z") id = "UTC";
  if (!id.empty() && (id[0] == '+' || id[0] == '-')) id = "GMT" + id;
  if (id.starts_with("UTC") && id.size() > 3) id = "GMT" + id.substr(3);
  return std::unique_ptr<icu::TimeZone>(icu::TimeZone::createTimeZone(icu::UnicodeString::fromUTF8(id)));
}

int64_t floor_div(int64_t a, int64_t b) { return a / b - (a % b < 0); }

int64_t to_utc(int64_t local, const std::string& zone) {
  auto tz = zone_of(zone);
  int32_t raw = 0, dst = 0;
  UErrorCode status = U_ZERO_ERROR;
  auto* basic = dynamic_cast<icu::BasicTimeZone*>(tz.get());
  auto millis = static_cast<double>(floor_div(local, 1000));
  if (basic) basic->getOffsetFromLocal(millis, UCAL_TZ_LOCAL_FORMER, UCAL_TZ_LOCAL_FORMER, raw, dst, status);
  else tz->getOffset(millis, true, raw, dst, status);
  return local - (static_cast<int64_t>(raw) + dst) * 1000;
}

int64_t to_local(int64_t utc, const std::string& zone) {
  auto tz = zone_of(zone);
  int32_t raw = 0, dst = 0;
  UErrorCode status = U_ZERO_ERROR;
  tz->getOffset(static_cast<double>(floor_div(utc, 1000)), false, raw, dst, status);
  return utc + (static_cast<int64_t>(raw) + dst) * 1000;
}

}  // namespace

ExprPtr Analyzer::zoned_timestamp(const tarn::sql::ZonedTimestamp& t) {
  std::string zone = t.zone().empty() ? conf_.time_zone() : t.zone();
  auto tz = zone_of(zone);
  if (*tz == icu::TimeZone::getUnknown())
    throw SparkError(ErrorKind::kParse, "INVALID_TYPED_LITERAL", {{"valueType", quote_sql(t.type_name().empty() ? "TIMESTAMP" : t.type_name())}, {"value", "'" + t.value() + "'"}});
  int64_t local = t.local_microseconds();
  if (t.time_only()) local += floor_div(to_local(context_.now_micros, zone), kDayMicros) * kDayMicros;
  return make_literal(TypeId::kTimestamp, Value{to_utc(local, zone)});
}

ExprPtr Analyzer::special_datetime(const tarn::sql::SpecialDatetime& d) {
  using S = tarn::sql::SpecialDatetime;
  std::string zone = d.zone().empty() ? conf_.time_zone() : d.zone();
  int64_t now = context_.now_micros;
  int64_t local = to_local(now, zone);
  int64_t today = floor_div(local, kDayMicros);
  if (d.value() == S::YESTERDAY) --today;
  if (d.value() == S::TOMORROW) ++today;
  DataType type = data_type(d.type());
  bool is_now = d.value() == S::NOW;
  switch (type.id()) {
    case TypeId::kDate: return make_literal(type, Value{today});
    case TypeId::kTimestampNtz: return make_literal(type, Value{is_now ? local : today * kDayMicros});
    default: return make_literal(type, Value{is_now ? now : to_utc(today * kDayMicros, zone)});
  }
}

std::string Analyzer::timestamp_option(const Literal& l) {
  int64_t v = l.value.get<int64_t>();
  if (l.type.id() == TypeId::kDate) return date_text(v);
  return local_timestamp_text(to_local(v, conf_.time_zone()));
}

}  // namespace tarn::plan
