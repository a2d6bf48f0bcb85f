// The public functions of parser.h, and what every rule of the parser uses: tokens, errors, origins.
#include "sql/parser.h"

#include <algorithm>

#include "sql/parser_impl.h"

namespace tarn::sql {

namespace sc = spark::connect;

DepthGuard::DepthGuard(Parser* p) : parser(p) {
  if (++p->depth_ > p->options_.max_depth) {
    --p->depth_;
    throw SparkError(ErrorKind::kParse, "FAILED_TO_PARSE_TOO_COMPLEX", {});
  }
}

Parser::Parser(std::string_view text, const ParseOptions& options) : text_(text), options_(options) {
  LexResult r = lex(text_);
  tokens_ = std::move(r.tokens);
  unclosed_comment_ = r.unclosed_comment;
}

// ------------------------------------------------------------------------------------------------------------- tokens

bool Parser::at_word(std::string_view word, size_t k) const {
  return (at(kIdentifier, k) || keyword_classes(type(k))) && equals_ignore_case(text(k), word);
}

bool Parser::accept_word(std::string_view word) {
  if (!at_word(word)) return false;
  ++pos_;
  return true;
}

std::string Parser::source(size_t start, size_t end) const {
  if (start >= end) return {};
  return text_.substr(tokens_[start].start, tokens_[end - 1].end - tokens_[start].start);
}

size_t Parser::matching_paren(size_t open) {
  if (paren_match_.empty()) {
    paren_match_.assign(tokens_.size(), tokens_.size());
    std::vector<size_t> stack;
    for (size_t i = 0; i < tokens_.size(); ++i) {
      if (tokens_[i].type == kLeftParen) {
        stack.push_back(i);
      } else if (tokens_[i].type == kRightParen && !stack.empty()) {
        paren_match_[stack.back()] = i;
        stack.pop_back();
      }
    }
  }
  return paren_match_[open];
}

// ------------------------------------------------------------------------------------------------------------- errors

void Parser::syntax_error(size_t token, std::string hint) const {
  const Token& t = tokens_[std::min(token, tokens_.size() - 1)];
  QueryContext c;
  c.line = t.line;
  c.column = t.column;
  c.fragment = text_;
  if (text_.find_first_not_of(" \t\r\n\f\v") == std::string::npos) throw SparkError(ErrorKind::kParse, "PARSE_EMPTY_STATEMENT", {}, c);
  std::string shown = "end of input";
  if (t.type != kEof) {
    shown = "'";
    for (char ch : text(t)) {
      if (ch == '\n') shown += "\\n";
      else if (ch == '\r') shown += "\\r";
      else if (ch == '\t') shown += "\\t";
      else shown += ch;
    }
    shown += "'";
  }
  throw SparkError(ErrorKind::kParse, "PARSE_SYNTAX_ERROR", {{"error", shown}, {"hint", std::move(hint)}}, c);
}

QueryContext Parser::context(size_t start, size_t end) const {
  QueryContext c;
  size_t last = tokens_.size() - 1;
  const Token& a = tokens_[std::min(start, last)];
  const Token& b = tokens_[end > start ? std::min(end - 1, last) : std::min(start, last)];
  c.start_index = a.start_char;
  c.stop_index = std::max(a.start_char, b.stop_char);
  c.fragment = text_.substr(a.start, std::max(a.end, b.end) - a.start);
  c.line = a.line;
  c.column = a.column;
  return c;
}

void Parser::defer(std::string condition, ErrorParams params, size_t start) {
  if (!deferred_) deferred_ = SparkError(ErrorKind::kParse, std::move(condition), std::move(params), context(start, pos_));
}

void Parser::defer_to_end(std::string condition, ErrorParams params, size_t start) {
  if (deferred_) return;
  deferred_ = SparkError(ErrorKind::kParse, std::move(condition), std::move(params));
  deferred_start_ = start;
}

void Parser::throw_deferred() const {
  if (!deferred_) return;
  if (!deferred_start_) throw *deferred_;
  size_t end = pos_;
  while (end > *deferred_start_ + 1 && (tokens_[end - 1].type == kSemicolon || tokens_[end - 1].type == kEof)) --end;
  throw deferred_->with_context(context(*deferred_start_, end));
}

void Parser::fail(std::string condition, ErrorParams params, size_t start, size_t end) const {
  throw_deferred();
  throw SparkError(ErrorKind::kParse, std::move(condition), std::move(params), context(start, end));
}

void Parser::operation_not_allowed(const std::string& message, size_t start) const {
  fail("_LEGACY_ERROR_TEMP_0035", {{"message", message}}, start);
}

void Parser::invalid_statement(const std::string& operation, size_t start) const {
  fail("INVALID_STATEMENT_OR_CLAUSE", {{"operation", operation}}, start);
}

void Parser::check_comment_closed() const {
  if (!unclosed_comment_) return;
  QueryContext c;
  c.line = tokens_.back().line;
  c.column = tokens_.back().column;
  c.fragment = text_;
  throw SparkError(ErrorKind::kParse, "UNCLOSED_BRACKETED_COMMENT", {}, c);
}

// The end is next: one token too many is called extra input, as ANTLR's recovery does.
void Parser::unexpected_end_token() const {
  if (at(kEof, 1) && !at(kEof)) syntax_error(pos_, ": extra input '" + std::string(text()) + "'");
  syntax_error();
}

void Parser::expect_end() {
  if (!at(kEof)) unexpected_end_token();
  check_comment_closed();
  throw_deferred();
}

// ------------------------------------------------------------------------------------------------------------ origins

void Parser::set_origin(sc::Origin* out, size_t start, size_t end) const {
  size_t last = tokens_.size() - 1;
  const Token& a = tokens_[std::min(start, last)];
  const Token& b = tokens_[end > start ? end - 1 : start];
  auto* o = out->mutable_jvm_origin();
  o->set_line(a.line);
  o->set_start_position(a.column);
  o->set_start_index(a.start_char);
  o->set_stop_index(b.stop_char);
}

ExprPtr Parser::finish(ExprPtr e, size_t start) const {
  set_origin(e->mutable_common()->mutable_origin(), start);
  return e;
}

RelPtr Parser::finish(RelPtr r, size_t start) const {
  set_origin(r->mutable_common()->mutable_origin(), start);
  return r;
}

// ------------------------------------------------------------------------------------------------------- entry points

ExprPtr Parser::single_expression(std::vector<sc::Relation>* subqueries) {
  auto e = named_expression();
  expect_end();
  if (!subqueries_.empty() && !subqueries) fail("UNSUPPORTED_SUBQUERY_EXPRESSION_CATEGORY.UNSUPPORTED_IN_EXISTS_SUBQUERY", {{"treeNode", text_}}, 0);
  for (auto& r : subqueries_) subqueries->push_back(std::move(*r));
  subqueries_.clear();
  return e;
}

RelPtr Parser::single_query() {
  auto r = query();
  expect_end();
  return r;
}

void Parser::single_data_type(sc::DataType* out) {
  data_type(out);
  expect_end();
}

void Parser::single_table_schema(sc::DataType* out) {
  column_type_list(out->mutable_struct_());
  expect_end();
}

std::vector<std::string> Parser::single_multipart() {
  auto parts = multipart_identifier();
  expect_end();
  return parts;
}

std::vector<std::string> Parser::single_table_identifier() {
  std::vector<std::string> parts{capturing_identifier()};
  if (accept(kDot)) parts.push_back(capturing_identifier());
  expect_end();
  return parts;
}

namespace {
void set_text(sc::Origin* origin, std::string_view sql) { origin->mutable_jvm_origin()->set_sql_text(std::string(sql)); }
}  // namespace

sc::Plan parse_statement(std::string_view sql, const ParseOptions& options) {
  Parser p(sql, options);
  sc::Plan plan = p.single_statement();
  if (plan.has_root()) set_text(plan.mutable_root()->mutable_common()->mutable_origin(), sql);  // a command has its own
  return plan;
}

sc::Relation parse_query(std::string_view sql, const ParseOptions& options) {
  Parser p(sql, options);
  auto r = p.single_query();
  set_text(r->mutable_common()->mutable_origin(), sql);
  return std::move(*r);
}

sc::Expression parse_expression(std::string_view sql, const ParseOptions& options, std::vector<sc::Relation>* subqueries) {
  Parser p(sql, options);
  auto e = p.single_expression(subqueries);
  set_text(e->mutable_common()->mutable_origin(), sql);
  return std::move(*e);
}

sc::DataType parse_data_type(std::string_view sql, const ParseOptions& options) {
  sc::DataType t;
  Parser(sql, options).single_data_type(&t);
  return t;
}

sc::DataType parse_table_schema(std::string_view sql, const ParseOptions& options) {
  sc::DataType t;
  Parser(sql, options).single_table_schema(&t);
  return t;
}

sc::DataType parse_ddl(std::string_view sql, const ParseOptions& options) {
  // Spark tries the schema first and, when that fails, the type; an error is that of the type.
  try {
    return parse_table_schema(sql, options);
  } catch (const SparkError&) {
  }
  try {
    return parse_data_type(sql, options);
  } catch (const SparkError&) {
  }
  return parse_data_type("struct<" + std::string(sql) + ">", options);
}

std::vector<std::string> parse_multipart_identifier(std::string_view text, const ParseOptions& options) { return Parser(text, options).single_multipart(); }

std::vector<std::string> parse_table_identifier(std::string_view text, const ParseOptions& options) {
  return Parser(text, options).single_table_identifier();
}

std::vector<std::string> parse_attribute_name(std::string_view name) {
  auto fail = [&]() -> SparkError {
    return SparkError(ErrorKind::kAnalysis, "INVALID_ATTRIBUTE_NAME_SYNTAX", {{"name", std::string(name)}});
  };
  std::vector<std::string> parts;
  std::string part;
  bool in_quotes = false;
  size_t i = 0;
  while (i < name.size()) {
    char c = name[i];
    if (in_quotes) {
      if (c == '`') {
        if (i + 1 < name.size() && name[i + 1] == '`') {
          part += '`';
          ++i;
        } else {
          in_quotes = false;
          if (i + 1 < name.size() && name[i + 1] != '.') throw fail();
        }
      } else {
        part += c;
      }
    } else if (c == '`') {
      if (!part.empty()) throw fail();
      in_quotes = true;
    } else if (c == '.') {
      if (i == 0 || name[i - 1] == '.' || i + 1 == name.size()) throw fail();
      parts.push_back(std::move(part));
      part.clear();
    } else {
      part += c;
    }
    ++i;
  }
  if (in_quotes) throw fail();
  parts.push_back(std::move(part));
  return parts;
}

std::string unparse_identifier(const std::vector<std::string>& parts) {
  std::string out;
  for (const auto& p : parts) {
    if (!out.empty() || &p != &parts[0]) out += '.';
    bool plain = !p.empty() && !(p[0] >= '0' && p[0] <= '9') && std::all_of(p.begin(), p.end(), [](char c) {
      return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
    });
    out += plain ? p : quote_identifier(p);
  }
  return out;
}

std::optional<QueryContext> query_context(const sc::Origin& origin, std::string_view sql, std::string_view object_type, std::string_view object_name) {
  if (!origin.has_jvm_origin() || !origin.jvm_origin().has_start_index()) return std::nullopt;
  const auto& o = origin.jvm_origin();
  QueryContext c;
  c.object_type = object_type;
  c.object_name = object_name;
  c.start_index = o.start_index();
  c.stop_index = o.stop_index();
  c.line = o.line();
  c.column = o.start_position();
  // Indexes count characters: find their bytes.
  int chars = 0;
  size_t begin = sql.size(), end = sql.size();
  for (size_t i = 0; i < sql.size(); ++i) {
    if ((static_cast<unsigned char>(sql[i]) & 0xC0) == 0x80) continue;
    if (chars == c.start_index) begin = i;
    if (chars == c.stop_index + 1) {
      end = i;
      break;
    }
    ++chars;
  }
  if (begin > end || c.stop_index < c.start_index) return std::nullopt;
  c.fragment = sql.substr(begin, end - begin);
  return c;
}

const std::vector<Keyword>& keywords() {
  static const auto* kList = [] {
    auto* v = new std::vector<Keyword>();
    for (int t = kFirstKeyword + 1; t < kTokenTypes; ++t) {
      auto type = static_cast<TokenType>(t);
      v->push_back({keyword_text(type), (keyword_classes(type) & kAnsi) == 0});
    }
    return v;
  }();
  return *kList;
}

}  // namespace tarn::sql
