// Identifiers, names, aliases, string and integer tokens, parameter markers in literal position.
#include "sql/parser_impl.h"

namespace tarn::sql {

namespace sc = spark::connect;

bool Parser::is_identifier_token(const Token& t, bool strict) const {
  if (t.type == kIdentifier || t.type == kBackquoted) return true;
  if (t.type == kDoubleQuoted) return options_.double_quoted_identifiers && options_.ansi;
  uint8_t c = keyword_classes(t.type);
  if (options_.enforce_reserved_keywords && options_.ansi) return (c & kAnsi) != 0;
  return (c & kNon) != 0 || (!strict && (c & kStrict) != 0);
}

bool Parser::is_identifier(size_t k) const { return is_identifier_token(peek(k), false); }
bool Parser::is_strict_identifier(size_t k) const { return is_identifier_token(peek(k), true); }

bool Parser::at_identifier_literal(size_t k) const {
  if (options_.legacy_identifier_clause || !at_identifier_clause(k)) return false;
  size_t i = k + 2;
  if (!at_string(i)) return false;
  while (at_string(i)) ++i;
  return at(kRightParen, i);
}

std::string Parser::identifier_token_text(size_t index) const {
  const Token& t = tokens_[index];
  std::string_view s = text(t);
  if (t.type == kBackquoted || t.type == kDoubleQuoted) {
    char q = s[0];
    std::string out;
    for (size_t i = 1; i + 1 < s.size(); ++i) {
      out += s[i];
      if (s[i] == q && s[i + 1] == q) ++i;
    }
    return out;
  }
  if (t.type == kIdentifier) {
    for (char c : s) {
      if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_'))
        fail("INVALID_IDENTIFIER", {{"ident", std::string(s)}}, index, index + 1);
    }
  }
  return std::string(s);
}

std::vector<std::string> Parser::identifier_parts(bool strict) {
  if (at_identifier_literal()) {
    pos_ += 2;
    std::string value = string_literal();
    expect(kRightParen);
    return parse_multipart_identifier(value, options_);
  }
  if (!is_identifier_token(peek(), strict)) syntax_error();
  ++pos_;
  return {identifier_token_text(pos_ - 1)};
}

std::string Parser::identifier() {
  size_t start = pos_;
  auto parts = identifier_parts(false);
  if (parts.size() > 1) fail("IDENTIFIER_TOO_MANY_NAME_PARTS", {{"identifier", quote_identifier(parts)}, {"limit", "1"}}, start);
  return parts[0];
}

std::string Parser::strict_identifier() {
  size_t start = pos_;
  auto parts = identifier_parts(true);
  if (parts.size() > 1) fail("IDENTIFIER_TOO_MANY_NAME_PARTS", {{"identifier", quote_identifier(parts)}, {"limit", "1"}}, start);
  return parts[0];
}

std::string Parser::simple_identifier() {
  if (!is_identifier()) syntax_error();
  ++pos_;
  return identifier_token_text(pos_ - 1);
}

std::string Parser::capturing_identifier() {
  size_t start = pos_;
  std::string id = identifier();
  if (at(kMinus) && is_identifier(1)) {
    while (at(kMinus) && is_identifier(1)) pos_ += 2;
    std::string ident;
    for (size_t i = start; i < pos_; ++i) ident += text(tokens_[i]);
    fail("INVALID_IDENTIFIER", {{"ident", ident}}, start);
  }
  return id;
}

std::vector<std::string> Parser::multipart_identifier() {
  size_t start = pos_;
  std::vector<std::string> parts = identifier_parts(false);
  auto minus = [&] {
    if (at(kMinus) && is_identifier(1)) {
      size_t first = pos_ - 1;
      while (at(kMinus) && is_identifier(1)) pos_ += 2;
      std::string ident;
      for (size_t i = first; i < pos_; ++i) ident += text(tokens_[i]);
      fail("INVALID_IDENTIFIER", {{"ident", ident}}, start);
    }
  };
  minus();
  while (accept(kDot)) {
    auto more = identifier_parts(false);
    parts.insert(parts.end(), more.begin(), more.end());
    minus();
  }
  return parts;
}

std::vector<std::string> Parser::qualified_name() {
  std::vector<std::string> parts = identifier_parts(false);
  while (at(kDot) && is_identifier(1)) {
    ++pos_;
    auto more = identifier_parts(false);
    parts.insert(parts.end(), more.begin(), more.end());
  }
  return parts;
}

std::vector<std::string> Parser::identifier_seq() {
  std::vector<std::string> out{capturing_identifier()};
  while (accept(kComma)) out.push_back(capturing_identifier());
  return out;
}

std::vector<std::string> Parser::identifier_list() {
  expect(kLeftParen);
  auto out = identifier_seq();
  expect(kRightParen);
  return out;
}

std::vector<std::vector<std::string>> Parser::multipart_identifier_list() {
  std::vector<std::vector<std::string>> out{multipart_identifier()};
  while (accept(kComma)) out.push_back(multipart_identifier());
  return out;
}

void Parser::name_from(const std::vector<std::string>& parts, size_t start, Name* out) const {
  for (const auto& p : parts) out->add_parts(p);
  set_origin(out->mutable_origin(), start);
}

void Parser::multipart_name(Name* out) {
  size_t start = pos_;
  name_from(multipart_identifier(), start, out);
}

// IDENTIFIER(expression) or a dotted name. A literal argument is split here; anything else is for the analyzer.
void Parser::identifier_reference(Name* out) {
  size_t start = pos_;
  if (!at_identifier_clause() || at_identifier_literal()) return multipart_name(out);
  pos_ += 2;
  auto e = expression();
  expect(kRightParen);
  if (const std::string* s = as_string_literal(*e)) {
    name_from(parse_multipart_identifier(*s, options_), start, out);
    return;
  }
  out->set_allocated_expression(e.release());
  set_origin(out->mutable_origin(), start);
}

// Without AS almost any word may be an alias, so the words that start the next clause are told apart by what follows them.
bool Parser::can_alias(bool strict) const {
  if (!is_identifier_token(peek(), strict)) return false;
  if (!keyword_classes(type())) return true;
  auto ends = [](TokenType t) { return t == kEof || t == kRightParen || t == kComma || t == kSemicolon; };
  TokenType next = type(1);
  switch (type()) {
    case kwEND: case kwTHEN: case kwWHEN: case kwELSE:
      return false;
    case kwASC: case kwDESC: return next == kEof;
    case kwFROM: case kwWHERE: case kwGROUP: case kwHAVING: case kwORDER: case kwLIMIT: case kwOFFSET: case kwUNION: case kwEXCEPT:
    case kwINTERSECT: case kwSETMINUS: case kwQUALIFY: case kwLATERAL: case kwSORT: case kwCLUSTER: case kwDISTRIBUTE:
    case kwJOIN: case kwCROSS: case kwINNER: case kwLEFT: case kwRIGHT: case kwFULL: case kwNATURAL: case kwSEMI: case kwANTI:
    case kwON: case kwUSING: case kwPIVOT: case kwUNPIVOT: case kwTABLESAMPLE: case kwAND: case kwOR: case kwAS: case kwIS: case kwIN:
    case kwLIKE: case kwILIKE: case kwRLIKE: case kwBETWEEN: case kwNOT: case kwINTO: case kwSELECT: case kwVALUES: case kwINSERT:
      return ends(next) || (next == kwFROM && type() != kwFROM);
    case kwWINDOW: return !at_window_clause();
    case kwGROUPING: return next != kwSETS;
    case kwFOR: return ends(next);
    case kwSET: return ends(next);
    case kwWITH: case kwDO: return false;
    case kwMATCHED: return true;
    case kwWATERMARK: return ends(next) || next == kLeftParen;
    case kwREPLACE: return next != kwWHERE && next != kwON && next != kwUSING;
    case kwCHANGES: return next != kwFROM;
    case kwIDENTIFIED: return next != kwBY;
    case kwVERSION: case kwTIMESTAMP: case kwSYSTEM_VERSION: case kwSYSTEM_TIME: return !(next == kwAS && at(kwOF, 2));
    case kwBY: return next != kwNAME;
    case kwAPPROX: case kwEXACT: return next != kwNEAREST;
    default: return true;
  }
}

std::optional<std::string> Parser::optional_alias(bool strict) {
  if (accept(kwAS)) return strict ? strict_identifier() : capturing_identifier();
  if (can_alias(strict)) return strict ? strict_identifier() : capturing_identifier();
  return std::nullopt;
}

bool Parser::accept_not() {
  if (accept(kwNOT)) return true;
  if (!at(kBang)) return false;
  ++pos_;
  if (options_.legacy_bang_not) return true;
  fail("SYNTAX_DISCONTINUED.BANG_EQUALS_NOT", {{"clause", "!"}}, pos_ - 1);
}

bool Parser::if_not_exists() {
  if (!(at(kwIF) && (at(kwNOT, 1) || at(kBang, 1)) && at(kwEXISTS, 2))) return false;
  ++pos_;
  accept_not();
  expect(kwEXISTS);
  return true;
}

bool Parser::if_exists() { return accept(kwIF, kwEXISTS); }

bool Parser::at_parameter(size_t k) const { return at(kQuestion, k) || (at(kColon, k) && is_identifier(k + 1)); }

// The value bound to the marker k tokens ahead, or nullptr; *length is how many tokens the marker has.
const sc::Expression* Parser::parameter_value(size_t* length, size_t k) const {
  if (at(kQuestion, k)) {
    *length = 1;
    if (!options_.positional_arguments) return nullptr;
    auto ordinal = static_cast<size_t>(peek(k).ordinal);
    return ordinal < options_.positional_arguments->size() ? &(*options_.positional_arguments)[ordinal] : nullptr;
  }
  *length = 2;
  if (!options_.named_arguments) return nullptr;
  auto it = options_.named_arguments->find(identifier_token_text(pos_ + k + 1));
  return it == options_.named_arguments->end() ? nullptr : &it->second;
}

bool Parser::at_string(size_t k) const {
  if (at(kString, k)) return true;
  if (at(kDoubleQuoted, k)) return !(options_.double_quoted_identifiers && options_.ansi);
  size_t n = 0;
  if (!at_parameter(k)) return false;
  const sc::Expression* v = parameter_value(&n, k);
  return v && as_string_literal(*v);
}

std::string Parser::single_string() {
  if (at_parameter()) {
    size_t n = 0;
    const sc::Expression* v = parameter_value(&n);
    if (v && as_string_literal(*v)) {
      pos_ += n;
      return *as_string_literal(*v);
    }
    if (!v) {
      pos_ += n;
      fail("UNBOUND_SQL_PARAMETER", {{"name", source_from(pos_ - n)}}, pos_ - n);
    }
    syntax_error();
  }
  if (!at_string()) syntax_error();
  ++pos_;
  return unescape_string(text(tokens_[pos_ - 1]), options_.legacy_escaped_literals);
}

std::string Parser::string_literal() {
  std::string s = single_string();
  while (at_string()) s += single_string();
  return s;
}

bool Parser::at_integer(size_t k) const {
  if (at(kInteger, k)) return true;
  if (!at_parameter(k)) return false;
  size_t n = 0;
  const sc::Expression* v = parameter_value(&n, k);
  return v && v->has_literal() && (v->literal().has_integer() || v->literal().has_long_());
}

int64_t Parser::integer_value() {
  size_t start = pos_;
  if (at_parameter()) {
    size_t n = 0;
    const sc::Expression* v = parameter_value(&n);
    if (v && v->has_literal() && v->literal().has_integer()) return pos_ += n, v->literal().integer();
    if (v && v->has_literal() && v->literal().has_long_()) return pos_ += n, v->literal().long_();
    if (!v) {
      pos_ += n;
      fail("UNBOUND_SQL_PARAMETER", {{"name", source_from(start)}}, start);
    }
  }
  if (!at(kInteger)) syntax_error();
  std::string digits(text());
  ++pos_;
  try {
    return std::stoll(digits);
  } catch (const std::out_of_range&) {
    fail("INVALID_NUMERIC_LITERAL_RANGE",
         {{"rawStrippedQualifier", digits}, {"minValue", "-2147483648"}, {"maxValue", "2147483647"}, {"typeName", "int"}}, start);
  }
}

}  // namespace tarn::sql
