#pragma once
// Options of readers and writers: names without case, values checked as Spark checks them.
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tarn::engine::sources {

class Options {
 public:
  Options() = default;
  explicit Options(const std::vector<std::pair<std::string, std::string>>& pairs);

  bool has(std::string_view name) const { return find(name).has_value(); }
  std::optional<std::string> find(std::string_view name) const;
  // Those whose names begin so, in lower case.
  std::vector<std::pair<std::string, std::string>> starting_with(std::string_view prefix) const;
  std::string text(std::string_view name, std::string_view otherwise) const;
  // Scala's toBoolean: "true"/"false" in any case, anything else is an error.
  bool flag(std::string_view name, bool otherwise) const;
  int64_t integer(std::string_view name, int64_t otherwise) const;
  double real(std::string_view name, double otherwise) const;
  // One character (a byte here: Spark's char options beyond ASCII are refused); "" is NUL. OPTION_VALUE_EXCEEDS_ONE_CHARACTER.
  char character(std::string_view name, char otherwise) const;
  // CSV's own check of flags, with Spark's message for it.
  bool csv_flag(std::string_view name, bool otherwise) const;
  int csv_integer(std::string_view name, int otherwise) const;

 private:
  std::map<std::string, std::string> values_;  // lower-case name
};

std::string lower(std::string_view text);
bool equal_ignore_case(std::string_view a, std::string_view b);

enum class ParseMode { kPermissive, kDropMalformed, kFailFast };
// An unknown mode is PERMISSIVE, as in Spark (it logs a warning).
ParseMode parse_mode(const Options& options);

// Checks the name of a character set; upper-case canonical name ("UTF-8"). INVALID_PARAMETER_VALUE.CHARSET.
std::string checked_charset(const std::string& name, const char* caller, bool legacy);

}  // namespace tarn::engine::sources
