#pragma once
#include <cstdint>
#include <optional>
#include <string_view>

#include "plan/types.h"

namespace tarn::engine::kernels {

// A text as an ANSI interval of the type, as IntervalUtils.castStringToDTInterval and castStringToYMInterval read it: "1 02:03:04.5", "1-2",
// "INTERVAL '1' DAY", or the number of the only field. Microseconds or months; nothing when it is none.
std::optional<int64_t> interval_of_text(std::string_view text, const plan::DataType& type);

}  // namespace tarn::engine::kernels
