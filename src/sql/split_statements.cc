// Cuts a script file into statements, as the shell and `tarn sql -f` read them.
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

}  // namespace tarn::sql
