#pragma once
// Structured log lines: one JSON object a line on standard error and, once opened, in a file. Thread-safe.
// Secrets never go in: callers pass names, counts and ids, not values.
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

namespace tarn::log {

enum class Level { kDebug, kInfo, kWarn, kError };
using Field = std::pair<std::string_view, std::string>;

// Appends to DIR/NAME.log from now on, besides standard error. Throws IoError if the file cannot be opened.
void open_file(const std::string& path);
void set_level(Level level);
void write(Level level, std::string_view event, std::initializer_list<Field> fields = {});

inline void info(std::string_view event, std::initializer_list<Field> fields = {}) { write(Level::kInfo, event, fields); }
inline void warn(std::string_view event, std::initializer_list<Field> fields = {}) { write(Level::kWarn, event, fields); }
inline void error(std::string_view event, std::initializer_list<Field> fields = {}) { write(Level::kError, event, fields); }
inline void debug(std::string_view event, std::initializer_list<Field> fields = {}) { write(Level::kDebug, event, fields); }

}  // namespace tarn::log
