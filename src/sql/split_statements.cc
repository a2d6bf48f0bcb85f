// Before parsing: cuts a script file into statements, as the shell and `tarn sql -f` read them; ${variables}.
#include "base/spark_error.h"
#include "sql/lexer.h"
#include "sql/parser.h"

namespace tarn::sql {

std::vector<StatementText> split_statements(std::string_view script) {
  LexResult lexed = lex(script);
  const auto& tokens = lexed.tokens;
  std::vector<StatementText> out;
  size_t first = 0;  // token that starts the current statement
  int depth = 0;     // of BEGIN / CASE / IF / LOOP ... inside a script
  bool compound = false;
  auto cut = [&](size_t end, bool terminated) {
    if (end > first) {
      StatementText s;
      s.offset = static_cast<size_t>(tokens[first].start);
      s.text = script.substr(s.offset, static_cast<size_t>(tokens[end - 1].end) - s.offset);
      s.terminated = terminated;
      out.push_back(s);
    }
    first = end + 1;
    depth = 0;
    compound = false;
  };
  for (size_t i = 0; i < tokens.size(); ++i) {
    TokenType t = tokens[i].type;
    if (t == kEof) {
      cut(i, false);
      break;
    }
    if (i == first) compound = t == kwBEGIN;
    if (compound) {
      bool after_end = i > first && tokens[i - 1].type == kwEND;
      // Control words open a block where a statement can start; CASE also inside expressions, where END closes it, too.
      bool starts = i == first || tokens[i - 1].type == kSemicolon || tokens[i - 1].type == kColon || tokens[i - 1].type == kwTHEN ||
                    tokens[i - 1].type == kwELSE || tokens[i - 1].type == kwDO || tokens[i - 1].type == kwLOOP || tokens[i - 1].type == kwREPEAT ||
                    tokens[i - 1].type == kwBEGIN || tokens[i - 1].type == kwATOMIC;
      if (t == kwEND) {
        --depth;
      } else if (after_end && (t == kwIF || t == kwCASE || t == kwWHILE || t == kwLOOP || t == kwREPEAT || t == kwFOR)) {
        // belongs to END
      } else if (t == kwBEGIN || t == kwCASE || (starts && (t == kwIF || t == kwWHILE || t == kwLOOP || t == kwREPEAT || t == kwFOR))) {
        ++depth;
      }
      if (t == kSemicolon && depth > 0) continue;
    }
    if (t == kSemicolon) cut(i, true);
  }
  return out;
}

std::string substitute_variables(std::string_view sql, const std::function<std::optional<std::string>(const std::string&)>& setting) {
  std::function<std::string(std::string_view, std::vector<std::string>)> replace = [&](std::string_view s, std::vector<std::string> used) {
    std::string out;
    for (size_t i = 0; i < s.size();) {
      size_t end = s.compare(i, 2, "${") == 0 ? s.find('}', i) : std::string_view::npos;
      std::string_view body = end == std::string_view::npos ? std::string_view() : s.substr(i + 2, end - i - 2);
      if (body.empty() || body.find_first_of(" \t\r\n") != std::string_view::npos) {
        out += s[i++];
        continue;
      }
      std::string name(body);
      size_t colon = name.find(':');
      std::string prefix = colon == std::string::npos ? "spark" : name.substr(0, colon);
      if (prefix != "spark" && prefix != "sparkconf" && prefix != "hivevar" && prefix != "hiveconf") {
        out += s.substr(i, end + 1 - i);
      } else {
        if (colon != std::string::npos) name.erase(0, colon + 1);
        for (const auto& u : used)
          if (u == name) throw SparkError::Plain(ErrorKind::kIllegalArgument, "Circular reference in " + std::string(sql) + ": " + name);
        auto inner = used;
        inner.push_back(name);
        out += replace(setting(name).value_or(""), inner);
      }
      i = end + 1;
    }
    return out;
  };
  return replace(sql, {});
}

}  // namespace tarn::sql
