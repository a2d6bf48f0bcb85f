// SET, RESET, time zone, EXPLAIN, resources, cache and refresh. Source: SetCommand, ResetCommand, AddJarsCommand, CacheTableExec.
#include <algorithm>

#include "engine/commands/handlers.h"
#include "engine/commands/parsing.h"
#include "engine/commands/support.h"
#include "engine/commands/table_data.h"
#include "engine/storage_level.h"
#include "plan/search_path.h"
#include "plan/session_conf.h"
#include "spark/connect/base.pb.h"
#include "sql/extension.h"
#include "sql/parser.h"
#include "tarn/sql.pb.h"

namespace tarn::engine::commands {

namespace {

CommandResult key_values(std::vector<Row> rows) { return answer({{"key"}, {"value"}}, std::move(rows)); }

bool is_variable(const std::string& key, CommandHost& host, std::vector<std::string>* parts) {
  try {
    *parts = sql::parse_multipart_identifier(key);
  } catch (const SparkError&) {
    return false;
  }
  if (parts->empty() || parts->size() > 3) return false;
  if (parts->size() == 2 && catalog::lower((*parts)[0]) != "session") return false;
  if (parts->size() == 3 && (catalog::lower((*parts)[0]) != "system" || catalog::lower((*parts)[1]) != "session")) return false;
  auto& state = host.analyzer().state;
  std::lock_guard lock(state.mu);
  return state.variables.count(host.conf().case_sensitive() ? parts->back() : catalog::lower(parts->back())) > 0;
}

}  // namespace

CommandResult set_config(const sql::Statement& statement, CommandHost& host) {
  auto& set = statement.set_config();
  if (!set.has_key()) {
    if (set.verbose()) {
      auto result = answer({{"key"}, {"value"}, {"meaning"}, {"Since version"}});
      for (auto* entry : plan::all_conf_entries()) {
        if (!entry->is_public()) continue;
        auto value = host.conf().find(entry->key);
        result.rows.push_back({text(entry->key), text(redact(entry->key, value.value_or("<undefined>"))), text(""), text("<unknown>")});
      }
      return result;
    }
    std::vector<Row> rows;
    for (auto& [key, value] : host.conf().all_set()) rows.push_back({text(key), text(redact(key, value))});
    return key_values(std::move(rows));
  }
  std::string key = set.key();
  if (!set.has_value()) {
    std::string lookup = key == "mapred.reduce.tasks" ? "spark.sql.shuffle.partitions" : key;
    auto value = host.conf().find(lookup);
    return key_values({{text(lookup), text(redact(lookup, value.value_or("<undefined>")))}});
  }
  std::string value = set.value();
  if (key == "mapred.reduce.tasks" || key == "mapreduce.job.reduces") {
    if (std::atoll(value.c_str()) < 1) {
      throw SparkError::Plain(ErrorKind::kIllegalArgument, "Setting negative " + key +
                              " for automatically determining the number of reducers is not supported.");
    }
    key = "spark.sql.shuffle.partitions";
  }
  std::vector<std::string> parts;
  if (is_variable(key, host, &parts)) {
    throw analysis_error("UNSUPPORTED_FEATURE.SET_VARIABLE_USING_SET", {{"variableName", quote_identifier(parts)}});
  }
  if (key == "spark.sql.defaultPath" && value.find_first_not_of(' ') != std::string::npos) {
    bool good = true;
    try {
      auto plan = sql::parse_statement("SET PATH = " + value, parse_options(host.conf()));
      sql::Statement parsed;
      good = plan.has_command() && sql::unpack(plan.command(), &parsed) && parsed.has_set_path();
      for (auto& e : parsed.set_path().elements()) good = good && e.keyword() != "PATH";
    } catch (const SparkError&) {
      good = false;
    }
    if (!good) {
      throw SparkError(ErrorKind::kIllegalArgument, "INVALID_CONF_VALUE.REQUIREMENT",
                       {{"confName", key}, {"confValue", value},
                        {"confRequirement", "The value must be empty or a comma-separated SET PATH element list (same grammar as SET PATH, except PATH is not allowed)."}});
    }
  }
  if (key.starts_with("hivevar:")) {
    host.conf().set(key.substr(8), value);
  } else {
    host.conf().set(key, value);
  }
  return key_values({{text(key), text(value)}});
}

CommandResult reset_config(const sql::Statement& statement, CommandHost& host) {
  if (statement.reset_config().has_key()) host.conf().unset(statement.reset_config().key());
  else host.conf().reset();
  return {};
}

CommandResult set_time_zone(const sql::Statement& statement, CommandHost& host) {
  auto& set = statement.set_time_zone();
  std::string zone;
  switch (set.kind_case()) {
    case sql::SetTimeZone::kZone:
      zone = set.zone();
      break;
    case sql::SetTimeZone::kInterval: {
      auto expression = plan::analyze_constant(set.interval(), host.analyzer());
      auto value = evaluate(expression, host);
      int64_t micros = 0;
      if (auto* interval = std::get_if<plan::IntervalValue>(&value.v)) micros = interval->micros + interval->days * int64_t{86400000000};
      else micros = value.get<int64_t>();
      int64_t seconds = micros / 1000000;
      if (std::abs(seconds) > 18 * 3600 || micros % 1000000 != 0) {
        throw SparkError(ErrorKind::kParse, "INVALID_INTERVAL_FORMAT.TIMEZONE_INTERVAL_OUT_OF_RANGE", {{"input", std::to_string(seconds / 3600)}});
      }
      char buffer[32];
      int64_t a = std::abs(seconds);
      std::snprintf(buffer, sizeof buffer, "%c%02d:%02d", seconds < 0 ? '-' : '+', static_cast<int>(a / 3600), static_cast<int>(a / 60 % 60));
      zone = buffer;
      if (a % 60) {
        std::snprintf(buffer, sizeof buffer, ":%02d", static_cast<int>(a % 60));
        zone += buffer;
      }
      break;
    }
    default:
      zone = plan::system_time_zone();
  }
  host.conf().set("spark.sql.session.timeZone", zone);
  return key_values({{text("spark.sql.session.timeZone"), text(zone)}});
}

CommandResult explain(const sql::Statement& statement, CommandHost& host) {
  auto& e = statement.explain();
  static constexpr const char* kModes[] = {"simple", "extended", "codegen", "cost", "formatted"};
  std::string out;
  if (e.plan().has_root()) {
    out = host.explain(plan::analyze(e.plan().root(), host.analyzer()), kModes[e.mode()]);
  } else {
    out = "== Physical Plan ==\nExecute command\n";
  }
  return answer({{"plan"}}, {{text(std::move(out))}});
}

CommandResult manage_resource(const sql::Statement& statement, CommandHost& host) {
  auto& resource = statement.manage_resource();
  if (resource.list()) return answer({{"Results"}});
  // There is no JVM to load a jar into, and files go to workers as session artifacts.
  std::string kind = resource.kind();
  std::transform(kind.begin(), kind.end(), kind.begin(), [](unsigned char c) { return std::toupper(c); });
  throw not_built("ADD " + kind);
}

CommandResult refresh_table(const sql::Statement& statement, CommandHost& host) {
  auto parts = name_parts(statement.refresh_table().name(), host);
  if (find_temp_view(parts, host)) return {};
  data_changed(require_relation(parts, host), host);
  return {};
}

CommandResult refresh_path(const sql::Statement& statement, CommandHost& host) {
  host.invalidate(make_location(statement.refresh_path().path(), host), false);
  return {};
}

CommandResult cache_table(const sql::Statement& statement, CommandHost& host) {
  auto& cache = statement.cache_table();
  std::string name = host.conf().text("spark.sql.defaultCacheStorageLevel");
  for (auto& option : cache.options()) {
    // Spark knows no other option and warns of one.
    if (catalog::lower(option.key()) == "storagelevel") name = option.value();
  }
  StorageLevel level = StorageLevel::named(name);
  auto parts = name_parts(cache.name(), host);
  if (cache.has_query()) {
    // CACHE TABLE v AS SELECT: a temporary view whose plan is kept.
    if (parts.size() != 1) {
      throw SparkError(ErrorKind::kParse, "_LEGACY_ERROR_TEMP_0037", {{"quoted", quote_identifier(parts[0])}});
    }
    plan::TempView view;
    view.plan = plan::analyze(cache.query().query(), host.analyzer());
    view.sql_text = cache.query().text();
    auto& state = host.analyzer().state;
    {
      std::lock_guard lock(state.mu);
      std::string key = catalog::lower(parts[0]);
      if (state.temp_views.count(key)) {
        throw SparkError(ErrorKind::kTempTableAlreadyExists, "TEMP_TABLE_OR_VIEW_ALREADY_EXISTS", {{"relationName", quote_identifier(parts[0])}});
      }
      state.temp_views[key] = view;
    }
    try {
      host.cache(view.plan, level, cache.lazy());
    } catch (...) {
      std::lock_guard lock(state.mu);
      state.temp_views.erase(catalog::lower(parts[0]));
      throw;
    }
    return {};
  }
  host.cache(plan_of_name(parts, host), level, cache.lazy());
  return {};
}

CommandResult uncache_table(const sql::Statement& statement, CommandHost& host) {
  auto parts = name_parts(statement.uncache_table().name(), host);
  if (!find_temp_view(parts, host) && !find_table(parts, host)) {
    if (statement.uncache_table().if_exists()) return {};
    throw_table_not_found(parts, host);
  }
  host.uncache(plan_of_name(parts, host), !find_temp_view(parts, host));
  return {};
}

CommandResult set_path(const sql::Statement& statement, CommandHost& host) {
  if (!host.conf().flag("spark.sql.path.enabled")) {
    throw analysis_error("UNSUPPORTED_FEATURE.SET_PATH_WHEN_DISABLED", {{"config", "\"spark.sql.path.enabled\""}});
  }
  auto& state = host.analyzer().state;
  std::vector<plan::PathEntry> current, path;
  {
    std::lock_guard lock(state.mu);
    current = state.path ? *state.path : plan::default_search_path(host.conf());
  }
  auto& elements = statement.set_path().elements();
  const bool only_default = elements.size() == 1 && elements[0].has_keyword() && elements[0].keyword() == "DEFAULT_PATH";
  for (auto& e : elements) {
    std::string one = e.has_keyword() ? e.keyword() : std::string();
    for (auto& p : e.schema().parts()) one += (one.empty() ? "" : ".") + quote_identifier(p);
    for (auto& entry : plan::parse_search_path(one, host.conf(), current)) {
      auto same = [&](const plan::PathEntry& other) {
        return std::equal(entry.begin(), entry.end(), other.begin(), other.end(), [](auto& a, auto& b) { return catalog::lower(a) == catalog::lower(b); });
      };
      if (std::any_of(path.begin(), path.end(), same)) throw analysis_error("DUPLICATE_SQL_PATH_ENTRY", {{"pathEntry", plan::path_text({entry})}});
      path.push_back(std::move(entry));
    }
  }
  std::lock_guard lock(state.mu);
  if (only_default) state.path.reset();
  else state.path = std::move(path);
  return {};
}

CommandResult clear_cache(const sql::Statement&, CommandHost& host) {
  host.clear_cache();
  return {};
}

}  // namespace tarn::engine::commands
