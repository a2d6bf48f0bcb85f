#pragma once
// What the compiler, the parser and the printer of DateTimeFormat share. Private to datetime_format*.cc.
#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "engine/datetime_format.h"

namespace tarn::engine {
namespace datetime_format_detail {

enum class Field : uint8_t {
  kEra, kYear, kYearOfEra, kQuarter, kMonth, kDay, kDayOfYear, kDayOfWeek, kAlignedWeekday, kAmPm, kHour, kClockHour, kHourOfAmPm,
  kClockHourOfAmPm, kMinute, kSecond, kNano, kCount,
};
enum class Sign : uint8_t { kNormal, kNotNegative, kExceedsPad };

struct Element {
  enum Kind : uint8_t { kLiteral, kNumber, kFraction, kText, kZoneId, kZoneText, kOffset, kLocalizedOffset, kOptionalStart, kOptionalEnd };
  Kind kind = kLiteral;
  Field field = Field::kEra;
  Sign sign = Sign::kNormal;
  bool reduced = false;          // two digits of a year from 2000 on
  int min_width = 0, max_width = 0;
  int subsequent_width = 0;      // digits that following fixed-width numbers need; -1: this one is of fixed width
  int style = 0;                 // text: bit 0 full, bit 1 standalone; offset: number of pattern letters
  std::string text;              // literal; offset: what stands for zero
};

// Names in one language, in calendar order. [0] short, [1] full.
struct LocaleTexts {
  std::array<std::vector<std::string>, 2> months, months_standalone, weekdays /* Monday first */, eras, quarters;
  std::vector<std::string> am_pm;
};
const LocaleTexts& locale_texts(std::string_view locale);

// The texts of a text field by style.
const std::vector<std::string>& texts_of(const LocaleTexts& t, Field field, int style);

}  // namespace datetime_format_detail

struct DateTimeFormat::Impl {
  std::vector<datetime_format_detail::Element> elements;
  const datetime_format_detail::LocaleTexts* texts = nullptr;
  std::string locale;
};

}  // namespace tarn::engine
