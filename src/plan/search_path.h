#pragma once
// The SQL path: where names without a qualifier are looked for, in order. Source: CatalogManager, SetPathCommand.
#include <string>
#include <vector>

namespace tarn::plan {

class SessionConf;
struct SessionState;

// {system, builtin}, {system, session} or {catalog, schema}; {current_schema} is whatever schema is current at the time.
using PathEntry = std::vector<std::string>;

// The key under which a view or function keeps the path that was set when it was made.
inline constexpr const char* kStoredPath = "sqlPath";

// What DEFAULT_PATH means: spark.sql.defaultPath, else the built-in order.
std::vector<PathEntry> default_search_path(const SessionConf& conf);
// The elements of SET PATH's grammar as entries; PATH stands for `current`. Throws PARSE_SYNTAX_ERROR and
// INVALID_SQL_PATH_SCHEMA_REFERENCE.
std::vector<PathEntry> parse_search_path(const std::string& text, const SessionConf& conf, const std::vector<PathEntry>& current);
// The session's path with the current schema filled in. state.mu must be held.
std::vector<PathEntry> search_path(const SessionState& state, const SessionConf& conf);
// Whether it is another one than "temporary objects and built-ins first, then the current schema". state.mu must be held.
bool has_own_search_path(const SessionState& state, const SessionConf& conf);
bool is_system_entry(const PathEntry& entry, const char* schema);
// "system.builtin,spark_catalog.`a.b`" as current_path() gives it, and "[`a`.`b`, …]" as messages do.
std::string path_text(const std::vector<PathEntry>& path);
std::string path_message(const std::vector<PathEntry>& path);

}  // namespace tarn::plan
