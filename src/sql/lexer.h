#pragma once
// Text -> tokens, as SqlBaseLexer.g4 cuts it. Never throws: what it cannot read is a kUnrecognized token, which no rule accepts.
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace tarn::sql {

// Where a keyword may stand as an identifier.
enum KeywordClass : uint8_t { kAnsi = 1, kStrict = 2, kNon = 4 };

enum TokenType : uint16_t {
  kEof,
  kSemicolon, kLeftParen, kRightParen, kComma, kDot, kLeftBracket, kRightBracket, kBang,
  kEq, kNseq, kNeq, kNeqj, kLt, kLte, kGt, kGte, kShiftLeft,
  kPlus, kMinus, kAsterisk, kSlash, kPercent, kTilde, kAmpersand, kPipe, kConcatPipe, kOperatorPipe, kHat,
  kColon, kDoubleColon, kArrow, kFatArrow, kHintStart, kHintEnd, kQuestion,
  kString, kDoubleQuoted, kDollarQuoted,
  kBigint, kSmallint, kTinyint, kInteger, kExponent, kDecimal, kFloat, kDouble, kBigDecimal,
  kIdentifier, kBackquoted, kUnrecognized,
  kFirstKeyword,
#define TARN_SQL_KEYWORD(name, text, classes) kw##name,
#include "sql/keywords.inc"
#undef TARN_SQL_KEYWORD
  kTokenTypes,
};

// `>>` and `>>>` are lexed as single `>`: only the parser knows whether they close types.
struct Token {
  TokenType type = kEof;
  int start = 0;   // byte offsets, end exclusive
  int end = 0;
  int start_char = 0;  // offset of the first character, in code points
  int stop_char = -1;  // of the last one, inclusive
  int line = 1;        // 1-based
  int column = 0;      // 0-based, in code points
  int ordinal = 0;     // of a ?, from 0
};

struct LexResult {
  std::vector<Token> tokens;  // ends with kEof
  bool unclosed_comment = false;
};
LexResult lex(std::string_view text);

// kFirstKeyword..: the keyword's class bits; 0 for anything else.
uint8_t keyword_classes(TokenType type);
// In upper case; nullptr for anything else.
const char* keyword_text(TokenType type);
// The keyword a word is, in any case; kIdentifier if none.
TokenType find_keyword(std::string_view word);

// ASCII only: SQL words are.
bool equals_ignore_case(std::string_view a, std::string_view b);
std::string to_lower(std::string_view s);
std::string to_upper(std::string_view s);

}  // namespace tarn::sql
