// The text side of lowering: templates of plan/function.h, parentheses, and clauses put into calls.
#include <algorithm>
#include <cctype>

#include "base/spark_error.h"
#include "engine/lowering/expression_lowering.h"
#include "engine/lowering/lowering.h"
#include "engine/type_mapping.h"
#include "plan/function.h"
#include "plan/session_conf.h"

namespace tarn::engine::lowering {

namespace {

bool word_char(char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_'; }

// The position after the quoted text that starts at `at`.
size_t skip_quoted(std::string_view s, size_t at) {
  char quote = s[at];
  for (size_t i = at + 1; i < s.size(); ++i) {
    if (s[i] != quote) continue;
    if (i + 1 < s.size() && s[i + 1] == quote) {
      ++i;
      continue;
    }
    return i + 1;
  }
  return s.size();
}

// The position after the bracket that closes the one at `at`.
size_t skip_brackets(std::string_view s, size_t at) {
  int depth = 0;
  for (size_t i = at; i < s.size();) {
    char c = s[i];
    if (c == '\'' || c == '"') {
      i = skip_quoted(s, i);
      continue;
    }
    if (c == '(' || c == '[' || c == '{') ++depth;
    if ((c == ')' || c == ']' || c == '}') && --depth == 0) return i + 1;
    ++i;
  }
  return s.size();
}

std::string join(const std::vector<std::string>& parts, size_t from) {
  std::string out;
  for (size_t i = from; i < parts.size(); ++i) {
    if (i > from) out += ", ";
    out += parts[i];
  }
  return out;
}

}  // namespace

std::string atom(std::string text) {
  if (text.empty()) return text;
  size_t i = 0;
  if (text[0] == '\'' || text[0] == '"') {
    i = skip_quoted(text, 0);
  } else {
    while (i < text.size() && (word_char(text[i]) || text[i] == '.')) ++i;
    if (i + 1 < text.size() && text[i] == ' ' && text[i + 1] == '\'' && std::isupper(static_cast<unsigned char>(text[0]))) {
      i = skip_quoted(text, i + 1);  // DATE '2020-01-01'
    } else if (i < text.size() && (text[i] == '(' || (text[i] == '[' && i == 0))) {
      i = skip_brackets(text, i);
    }
  }
  if (i == text.size()) return text;
  if (text.starts_with("CASE ") && text.ends_with(" END") && text.find(" CASE ") == std::string::npos) return text;
  if (text.starts_with("lambda ")) return text;
  return "(" + text + ")";
}

std::string ExpressionLowering::zone() const { return duckdb_string(context_.conf.time_zone()); }

std::string ExpressionLowering::expand(std::string_view text, const std::vector<std::string>& args, const plan::Expression& call) {
  // Types of Spark: number 0 is the result, the others are arguments.
  auto type_at = [&](size_t n) -> const plan::DataType& { return n == 0 || n > call.children.size() ? call.type : call.children[n - 1]->type; };
  auto mode = [&] {
    plan::EvalMode m = plan::EvalMode::kAnsi;
    if (auto* c = plan::try_as<plan::Call>(call)) m = c->mode;
    if (auto* a = plan::try_as<plan::AggregateCall>(call)) m = a->mode;
    return m == plan::EvalMode::kAnsi ? "'ansi'" : m == plan::EvalMode::kTry ? "'try'" : "'legacy'";
  };
  std::string out;
  for (size_t i = 0; i < text.size();) {
    if (text[i] == '\'') {
      size_t end = skip_quoted(text, i);
      out += text.substr(i, end - i);
      i = end;
      continue;
    }
    if (text[i] != '$') {
      out += text[i++];
      continue;
    }
    size_t j = i + 1;
    // An argument that was not given goes with the comma before it.
    auto drop_comma = [&] {
      while (!out.empty() && out.back() == ' ') out.pop_back();
      if (!out.empty() && out.back() == ',') out.pop_back();
    };
    if (j < text.size() && text[j] == '$') {
      out += '$';
      i = j + 1;
      continue;
    }
    if (j < text.size() && text[j] == '*') {
      if (args.empty()) drop_comma();
      out += join(args, 0);
      i = j + 1;
      continue;
    }
    auto digits = [&] {
      size_t n = 0;
      while (j < text.size() && std::isdigit(static_cast<unsigned char>(text[j]))) n = n * 10 + static_cast<size_t>(text[j++] - '0');
      return n;
    };
    if (j < text.size() && std::isdigit(static_cast<unsigned char>(text[j]))) {
      size_t n = digits();
      if (j < text.size() && text[j] == '*') {
        ++j;
        if (args.size() < n) drop_comma();
        out += join(args, n - 1);
      } else if (n <= args.size()) {
        out += args[n - 1];
      } else {
        drop_comma();
      }
      i = j;
      continue;
    }
    size_t word = j;
    while (j < text.size() && std::islower(static_cast<unsigned char>(text[j]))) ++j;
    std::string_view name = text.substr(word, j - word);
    size_t n = digits();
    if (name == "tz") out += zone();
    else if (name == "type" || name == "t") out += duckdb_type_sql(type_at(n));
    else if (name == "p") out += std::to_string(type_at(n).precision());
    else if (name == "s") out += std::to_string(type_at(n).scale());
    else if (name == "json") out += duckdb_string(type_at(n).json());
    else if (name == "mode") out += mode();
    else if (name == "mapdedup") out += duckdb_string(context_.conf.text("spark.sql.mapKeyDedupPolicy"));
    else if (name == "text") out += duckdb_string(plan::pretty_sql(*call.children.at(0)));
    else if (name == "jsons") {
      for (size_t k = 1; k <= call.children.size(); ++k) out += (k > 1 ? ", " : "") + duckdb_string(type_at(k).json());
      if (call.children.empty()) drop_comma();
    }
    else if (name == "k" && n > 0) out += collation_key_sql(args.at(n - 1), type_at(n));
    else if (name == "ks") {
      for (size_t k = 1; k <= args.size(); ++k) out += (k > 1 ? ", " : "") + collation_key_sql(args[k - 1], type_at(k));
    }
    else if (name == "mk") out += collation_key_sql("map_keys(" + args.at(n - 1) + ")", plan::DataType::array(type_at(n).key()));
    else if (name == "coll") out += duckdb_string(type_at(std::max<size_t>(n, 1)).id() == plan::TypeId::kString ? type_at(std::max<size_t>(n, 1)).collation() : "UTF8_BINARY");
    else throw internal_error("unknown placeholder $" + std::string(name) + " in the template " + std::string(text));
    i = j;
  }
  return out;
}

std::string ExpressionLowering::expand_marked(std::string_view text, const std::vector<std::string>& args, const plan::Expression& call,
                                              const std::unordered_set<std::string>& names, const CallClauses& clauses) {
  std::string out;
  size_t begin = 0;
  bool marked = false, inside = false;
  auto piece = [&](std::string_view part) {
    std::string sql = expand(part, args, call);
    if (!inside) {
      out += sql;
      return;
    }
    // name(arguments): the clauses go into its own parentheses.
    size_t open = sql.find('(');
    size_t close = open == std::string::npos ? open : skip_brackets(sql, open);
    if (open == std::string::npos) throw internal_error("no call between the marks of the template " + std::string(text));
    out += sql.substr(0, open + 1) + clauses.first + sql.substr(open + 1, close - open - 2) + clauses.last + ")" + clauses.after + sql.substr(close);
  };
  for (size_t i = 0; i < text.size();) {
    if (text[i] == '\'') {
      i = skip_quoted(text, i);
    } else if (text[i] == '#') {
      piece(text.substr(begin, i - begin));
      inside = !inside;
      marked = true;
      begin = ++i;
    } else {
      ++i;
    }
  }
  piece(text.substr(begin));
  if (marked || (clauses.first.empty() && clauses.last.empty() && clauses.after.empty())) return out;
  std::string decorated = decorate_calls(out, names, clauses.first, clauses.last, clauses.after);
  if (decorated != out) return decorated;
  // A kernel that is no known name: the whole text is the call.
  size_t open = out.find('(');
  if (open == std::string::npos || skip_brackets(out, open) != out.size()) throw internal_error("no aggregate call in " + out);
  return out.substr(0, open + 1) + clauses.first + out.substr(open + 1, out.size() - open - 2) + clauses.last + ")" + clauses.after;
}

std::string decorate_calls(const std::string& text, const std::unordered_set<std::string>& names, const std::string& inside_first,
                           const std::string& inside_last, const std::string& after) {
  std::string out;
  for (size_t i = 0; i < text.size();) {
    char c = text[i];
    if (c == '\'' || c == '"') {
      size_t end = skip_quoted(text, i);
      out += text.substr(i, end - i);
      i = end;
      continue;
    }
    if (!word_char(c)) {
      out += c;
      ++i;
      continue;
    }
    size_t begin = i;
    while (i < text.size() && word_char(text[i])) ++i;
    std::string word = text.substr(begin, i - begin);
    out += word;
    std::string lower = word;
    std::transform(lower.begin(), lower.end(), lower.begin(), [](unsigned char x) { return std::tolower(x); });
    if (i >= text.size() || text[i] != '(' || !names.contains(lower)) continue;
    size_t end = skip_brackets(text, i);
    std::string args = text.substr(i + 1, end - i - 2);
    // Arguments are not searched: aggregates do not nest.
    out += "(" + inside_first + args + inside_last + ")" + after;
    i = end;
  }
  return out;
}

bool has_aggregate(const plan::Expression& e) {
  if (e.kind == plan::ExprKind::kAggregate) return true;
  if (e.kind == plan::ExprKind::kWindow) return false;
  return std::any_of(e.children.begin(), e.children.end(), [](const auto& c) { return has_aggregate(*c); });
}

int sql_depth(const plan::Expression& e) {
  int deepest = 0;
  const plan::FunctionEntry* function = nullptr;
  if (auto* call = plan::try_as<plan::Call>(e)) function = call->function;
  for (const auto& child : e.children) {
    int d = sql_depth(*child);
    // Chains of AND and OR are flat.
    if (function && (function->name() == "and" || function->name() == "or")) {
      auto* inner = plan::try_as<plan::Call>(*child);
      if (inner && inner->function == function) --d;
    }
    deepest = std::max(deepest, d);
  }
  int weight = 1;
  switch (e.kind) {
    case plan::ExprKind::kLiteral:
    case plan::ExprKind::kAttribute: return 0;
    case plan::ExprKind::kAlias: weight = 0; break;
    case plan::ExprKind::kCall: {
      // A template that repeats an argument doubles the text with every level.
      auto text = function ? function->lowering : std::string_view();
      for (char n = '1'; n <= '4'; ++n) {
        std::string mark = {'$', n};
        size_t first = text.find(mark);
        if (first != std::string_view::npos && text.find(mark, first + 2) != std::string_view::npos) weight = 8;
      }
      break;
    }
    default: break;
  }
  return deepest + weight;
}

}  // namespace tarn::engine::lowering
