#pragma once
// JSON text as a tree that keeps numbers as written (Jackson's leniency: single quotes; no trailing text unless asked).
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tarn::engine::kernels {

struct Json {
  enum class Kind : uint8_t { kNull, kTrue, kFalse, kNumber, kString, kArray, kObject } kind = Kind::kNull;
  std::string text;                                   // string value, or a number as written
  std::vector<Json> items;
  std::vector<std::pair<std::string, Json>> fields;   // in order, duplicates kept

  bool is_bool() const { return kind == Kind::kTrue || kind == Kind::kFalse; }
  const Json* field(std::string_view name) const;     // the last of that name
};

struct JsonOptions {
  bool single_quotes = true, unquoted_fields = false, comments = false, leading_zeros = false, non_numeric = true, control_chars = false, backslash_any = false;
};

std::optional<Json> parse_json_text(std::string_view text, const JsonOptions& options = {});
void append_json(const Json& value, std::string& out);            // compact
void append_json_string(std::string_view text, std::string& out); // quoted and escaped

}  // namespace tarn::engine::kernels
