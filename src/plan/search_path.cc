#include "plan/search_path.h"

#include <algorithm>
#include <cctype>

#include "base/spark_error.h"
#include "plan/analyzer.h"
#include "plan/parse_options.h"
#include "plan/session_conf.h"
#include "plan/types_internal.h"
#include "spark/connect/base.pb.h"
#include "sql/extension.h"
#include "sql/parser.h"
#include "tarn/sql.pb.h"

namespace tarn::plan {
namespace {

const PathEntry kBuiltin = {"system", "builtin"}, kSession = {"system", "session"}, kCurrentSchema = {"current_schema"};

bool same(const std::string& a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](unsigned char x, unsigned char y) { return std::tolower(x) == std::tolower(y); });
}

std::vector<PathEntry> built_in_order(const SessionConf& conf) {
  const std::string order = conf.text("spark.sql.functionResolution.sessionOrder");
  if (order == "first") return {kSession, kBuiltin, kCurrentSchema};
  if (order == "last") return {kBuiltin, kCurrentSchema, kSession};
  return {kBuiltin, kSession, kCurrentSchema};
}

}  // namespace

std::vector<PathEntry> parse_search_path(const std::string& text, const SessionConf& conf, const std::vector<PathEntry>& current) {
  auto plan = sql::parse_statement("SET PATH = " + text, parser_settings(conf));
  sql::Statement statement;
  if (!plan.has_command() || !sql::unpack(plan.command(), &statement) || !statement.has_set_path())
    throw SparkError(ErrorKind::kParse, "PARSE_SYNTAX_ERROR", {{"error", "'" + text + "'"}, {"hint", ""}});
  std::vector<PathEntry> out;
  for (const auto& e : statement.set_path().elements()) {
    if (!e.has_keyword()) {
      out.emplace_back(e.schema().parts().begin(), e.schema().parts().end());
      continue;
    }
    std::vector<PathEntry> more;
    if (e.keyword() == "DEFAULT_PATH") more = default_search_path(conf);
    else if (e.keyword() == "SYSTEM_PATH") more = {kBuiltin};
    else if (e.keyword() == "PATH") more = current;
    else more = {kCurrentSchema};
    out.insert(out.end(), more.begin(), more.end());
  }
  return out;
}

std::vector<PathEntry> default_search_path(const SessionConf& conf) {
  const std::string text = conf.text("spark.sql.defaultPath");
  if (text.find_first_not_of(' ') == std::string::npos) return built_in_order(conf);
  SessionConf plain(conf);
  plain.unset("spark.sql.defaultPath");  // a DEFAULT_PATH in it is the built-in order
  return parse_search_path(text, plain, {});
}

bool has_own_search_path(const SessionState& state, const SessionConf& conf) {
  return state.path || !conf.text("spark.sql.defaultPath").empty() || conf.text("spark.sql.functionResolution.sessionOrder") != "second";
}

std::vector<PathEntry> search_path(const SessionState& state, const SessionConf& conf) {
  std::vector<PathEntry> out = state.path ? *state.path : default_search_path(conf);
  for (PathEntry& e : out) {
    if (e != kCurrentSchema) continue;
    e = {state.current_catalog};
    e.insert(e.end(), state.current_namespace.begin(), state.current_namespace.end());
  }
  return out;
}

bool is_system_entry(const PathEntry& e, const char* schema) { return e.size() == 2 && same(e[0], "system") && same(e[1], schema); }

std::string path_text(const std::vector<PathEntry>& path) {
  std::string out;
  for (const PathEntry& e : path) {
    if (!out.empty()) out += ",";
    for (size_t i = 0; i < e.size(); ++i) out += (i ? "." : "") + quote_if_needed(e[i]);
  }
  return out;
}

std::string path_message(const std::vector<PathEntry>& path) {
  std::string out = "[";
  for (const PathEntry& e : path) {
    if (out.size() > 1) out += ", ";
    for (size_t i = 0; i < e.size(); ++i) out += (i ? "." : "") + quote_identifier(e[i]);
  }
  return out + "]";
}

}  // namespace tarn::plan
