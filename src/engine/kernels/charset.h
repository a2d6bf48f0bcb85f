#pragma once
// Texts to bytes of a charset and back, for encode and decode.
#include <string>
#include <string_view>

namespace tarn::engine::kernels {

// any_charset: others than Spark's seven (spark.sql.legacy.javaCharsets). replace: what the charset cannot say becomes its
// replacement instead of an error (spark.sql.legacy.codingErrorAction).
// Throw INVALID_PARAMETER_VALUE.CHARSET, MALFORMED_CHARACTER_CODING.
std::string encode_text(std::string_view text, std::string_view charset, bool any_charset, bool replace);
std::string decode_text(std::string_view bytes, std::string_view charset, bool any_charset, bool replace);

}  // namespace tarn::engine::kernels
