// Expressions by precedence: OR, AND, NOT, predicates, then the binary operators of valueExpression, unary, postfix, primary.
#include "sql/parser_impl.h"
#include <utility>

namespace tarn::sql {

namespace sc = spark::connect;

namespace {

// valueExpression's operators, loosest first, all left-associative. PySpark's function names.
struct BinaryOperator {
  TokenType token;
  int precedence;
  const char* function;
};
constexpr BinaryOperator kBinaryOperators[] = {
    {kEq, 1, "=="},       {kNseq, 1, "<=>"},   {kNeq, 1, "!="},      {kNeqj, 1, "!="},        {kLt, 1, "<"},       {kLte, 1, "<="},
    {kGt, 1, ">"},        {kGte, 1, ">="},     {kPipe, 2, "|"},      {kHat, 3, "^"},          {kAmpersand, 4, "&"}, {kShiftLeft, 5, "<<"},
    {kPlus, 6, "+"},      {kMinus, 6, "-"},    {kConcatPipe, 6, "concat"}, {kAsterisk, 7, "*"}, {kSlash, 7, "/"},   {kPercent, 7, "%"},
    {kwDIV, 7, "div"},
};
constexpr int kUnaryPrecedence = 8;

const BinaryOperator* find_operator(TokenType t) {
  for (const auto& o : kBinaryOperators)
    if (o.token == t) return &o;
  return nullptr;
}

// Longest left-associative chain (a + b + c ...): such a tree is as deep as it is long.
constexpr int kMaxChain = 2000;

}  // namespace

ExprPtr Parser::expression() {
  DepthGuard guard(this);
  return or_expression();
}

// AND and OR chains become balanced trees, all with the chain's origin, as Spark builds them.
static ExprPtr balance(ExprList terms, const char* function, const std::function<ExprPtr(ExprPtr)>& finish) {
  std::function<ExprPtr(size_t, size_t)> build = [&](size_t low, size_t high) -> ExprPtr {
    if (low == high) return std::move(terms[low]);
    if (high - low == 1) return finish(function_of(function, std::move(terms[low]), std::move(terms[high])));
    size_t mid = low + (high - low) / 2;
    auto left = build(low, mid);
    auto right = build(mid + 1, high);
    return finish(function_of(function, std::move(left), std::move(right)));
  };
  return build(0, terms.size() - 1);
}

static ExprPtr chain(const std::function<ExprPtr()>& next, const char* function, const std::function<bool()>& more,
                     const std::function<ExprPtr(ExprPtr)>& finish) {
  ExprPtr first = next();
  if (!more()) return first;
  ExprList terms;
  terms.push_back(std::move(first));
  do terms.push_back(next());
  while (more());
  return balance(std::move(terms), function, finish);
}

ExprPtr Parser::or_expression() {
  size_t start = pos_;
  return chain([&] { return and_expression(); }, "or", [&] { return accept(kwOR); }, [&](ExprPtr e) { return finish(std::move(e), start); });
}

ExprPtr Parser::and_expression() {
  size_t start = pos_;
  return chain([&] { return not_expression(); }, "and", [&] { return accept(kwAND); }, [&](ExprPtr e) { return finish(std::move(e), start); });
}

ExprPtr Parser::not_expression() {
  size_t start = pos_;
  bool is_not = at(kBang) || (at(kwNOT) && !at_any(kEof) && !at(kRightParen, 1) && !at(kComma, 1) && !at(kDot, 1) && !at(kEof, 1));
  if (is_not) {
    DepthGuard guard(this);
    ++pos_;
    auto child = not_expression();
    return finish(function_of("not", std::move(child)), start);
  }
  if (at(kwEXISTS) && at(kLeftParen, 1) && paren_is_query(1)) {
    pos_ += 2;
    auto plan = query();
    expect(kRightParen);
    return finish(subquery_expression(std::move(plan), sc::SubqueryExpression::SUBQUERY_TYPE_EXISTS), start);
  }
  return predicated();
}

ExprPtr Parser::predicated() {
  size_t start = pos_;
  auto left = value_expression();
  size_t n = at_any(kwNOT, kBang) ? 1 : 0;
  switch (type(n)) {
    case kwBETWEEN: case kwRLIKE: case kwLIKE: case kwILIKE: return predicate(std::move(left), start);
    case kwIN: return no_in_ || !at(kLeftParen, n + 1) ? std::move(left) : predicate(std::move(left), start);
    case kwIS: return n == 0 ? predicate(std::move(left), start) : std::move(left);
    default: return left;
  }
}

// What follows the left operand; its nodes' origin is that of the predicate without the operand, as Spark's.
ExprPtr Parser::predicate(ExprPtr left, size_t) {
  size_t start = pos_;
  bool negated = accept_not();
  auto negate = [&](ExprPtr e) {
    e = finish(std::move(e), start);
    return negated ? finish(function_of("not", std::move(e)), start) : std::move(e);
  };
  if (accept(kwBETWEEN)) {
    auto lower = value_expression();
    expect(kwAND);
    auto upper = value_expression();
    return negate(function_of("between", std::move(left), std::move(lower), std::move(upper)));
  }
  if (accept(kwIN)) {
    if (paren_is_query()) {
      ++pos_;
      auto plan = query();
      expect(kRightParen);
      auto e = subquery_expression(std::move(plan), sc::SubqueryExpression::SUBQUERY_TYPE_IN);
      auto* values = e->mutable_subquery_expression()->mutable_in_subquery_values();
      // (a, b) IN (SELECT ...): the row's values are compared one by one.
      if (left->has_unresolved_function() && equals_ignore_case(left->unresolved_function().function_name(), "struct")) {
        auto* arguments = left->mutable_unresolved_function()->mutable_arguments();
        for (auto& a : *arguments) *values->Add() = std::move(a);
      } else {
        values->AddAllocated(left.release());
      }
      return negate(std::move(e));
    }
    expect(kLeftParen);
    if (accept(kRightParen)) fail("INVALID_SQL_SYNTAX.EMPTY_IN_PREDICATE", {}, start);
    ExprList args;
    args.push_back(std::move(left));
    do args.push_back(expression());
    while (accept(kComma));
    expect(kRightParen);
    return negate(function_expr("in", std::move(args)));
  }
  if (accept(kwRLIKE)) {
    auto pattern = value_expression();
    return negate(function_of("rlike", std::move(left), std::move(pattern)));
  }
  if (at_any(kwLIKE, kwILIKE)) {
    bool ilike = at(kwILIKE);
    ++pos_;
    if (at_any(kwANY, kwSOME, kwALL) && at(kLeftParen, 1)) return like_quantified(std::move(left), start, negated, ilike);
    ExprList args;
    args.push_back(std::move(left));
    args.push_back(value_expression());
    if (accept(kwESCAPE)) {
      size_t at_escape = pos_;
      std::string escape = string_literal();
      size_t chars = 0;
      for (char c : escape) chars += (static_cast<unsigned char>(c) & 0xC0) != 0x80;
      if (chars != 1) fail("INVALID_ESC", {{"invalidEscape", "'" + escape + "'"}}, start);
      args.push_back(finish(string_expr(escape), at_escape));
    }
    return negate(function_expr(ilike ? "ilike" : "like", std::move(args)));
  }
  expect(kwIS);
  negated = accept_not();
  if (accept(kwNULL)) return finish(function_of(negated ? "isnotnull" : "isnull", std::move(left)), start);
  if (at_any(kwTRUE, kwFALSE)) {
    auto value = finish(bool_expr(at(kwTRUE)), start);
    ++pos_;
    return negate(function_of("<=>", std::move(left), std::move(value)));
  }
  if (accept(kwUNKNOWN)) {
    // IsUnknown / IsNotUnknown: the null test of a boolean.
    return finish(function_of(negated ? "is_not_unknown" : "is_unknown", std::move(left)), start);
  }
  expect(kwDISTINCT);
  expect(kwFROM);
  auto right = value_expression();
  auto same = finish(function_of("<=>", std::move(left), std::move(right)), start);
  return negated ? std::move(same) : finish(function_of("not", std::move(same)), start);
}

// LIKE ANY | SOME | ALL (patterns): a balanced chain of LIKEs.
ExprPtr Parser::like_quantified(ExprPtr left, size_t start, bool negated, bool ilike) {
  bool all = at(kwALL);
  ++pos_;
  expect(kLeftParen);
  if (accept(kRightParen)) fail("_LEGACY_ERROR_TEMP_0064", {{"msg", "Expected something between '(' and ')'."}}, start);
  ExprList terms;
  do {
    auto e = function_of(ilike ? "ilike" : "like", std::make_unique<sc::Expression>(*left), expression());
    terms.push_back(finish(std::move(e), start));
  } while (accept(kComma));
  expect(kRightParen);
  for (auto& e : terms) {
    set_origin(e->mutable_common()->mutable_origin(), start);
    if (negated) e = finish(function_of("not", std::move(e)), start);
  }
  return balance(std::move(terms), all ? "and" : "or", [&](ExprPtr e) { return finish(std::move(e), start); });
}

ExprPtr Parser::value_expression(int min_precedence) {
  size_t start = pos_;
  auto left = unary_expression();
  for (int length = 0;; ++length) {
    if (length > kMaxChain) throw SparkError(ErrorKind::kParse, "FAILED_TO_PARSE_TOO_COMPLEX", {});
    const BinaryOperator* op = find_operator(type());
    // >> and >>> are adjacent > tokens.
    size_t tokens = 1;
    BinaryOperator shift{kGt, 5, ">>"};
    if (at(kGt) && at(kGt, 1) && peek(1).start == peek().end) {
      tokens = 2;
      if (at(kGt, 2) && peek(2).start == peek(1).end) {
        tokens = 3;
        shift.function = ">>>";
      }
      op = &shift;
    }
    if (!op || op->precedence < min_precedence) return left;
    if (op->token == kPipe && at_pipe()) return left;
    if (op->token == kwDIV && (at(kEof, 1) || at(kComma, 1) || at(kRightParen, 1) || at(kwFROM, 1))) return left;
    pos_ += tokens;
    auto right = value_expression(op->precedence + 1);
    if (std::string_view(op->function) == "!=") {
      left = finish(function_of("==", std::move(left), std::move(right)), start);
      left = finish(function_of("not", std::move(left)), start);
    } else {
      left = finish(function_of(op->function, std::move(left), std::move(right)), start);
    }
  }
}

ExprPtr Parser::unary_expression() {
  size_t start = pos_;
  if (at_any(kPlus, kTilde) || (at(kMinus) && !at_number(1))) {
    DepthGuard guard(this);
    const char* function = at(kPlus) ? "positive" : at(kMinus) ? "negative" : "~";
    ++pos_;
    auto child = value_expression(kUnaryPrecedence);
    return finish(function_of(function, std::move(child)), start);
  }
  return postfix_expression();
}

ExprPtr Parser::postfix_expression() {
  size_t start = pos_;
  auto e = primary_expression();
  for (;;) {
    if (at(kwCOLLATE) && is_identifier(1)) {
      ++pos_;
      size_t name_at = pos_;
      std::string name;
      for (const auto& p : multipart_identifier()) name += (name.empty() ? "" : ".") + p;
      auto collation = finish(string_expr(name), name_at);
      e = finish(function_of("collate", std::move(e), std::move(collation)), start);
    } else if (accept(kDoubleColon)) {
      auto cast = new_expr();
      data_type(cast->mutable_cast()->mutable_type());
      cast->mutable_cast()->set_allocated_expr(e.release());
      e = finish(std::move(cast), start);
    } else if (at(kColon) && (is_identifier(1) || at(kLeftBracket, 1))) {
      e = semi_structured(std::move(e), start);
    } else if (accept(kLeftBracket)) {
      DepthGuard guard(this);
      auto index = value_expression();
      expect(kRightBracket);
      auto extract = new_expr();
      extract->mutable_unresolved_extract_value()->set_allocated_child(e.release());
      extract->mutable_unresolved_extract_value()->set_allocated_extraction(index.release());
      e = finish(std::move(extract), start);
    } else if (at(kDot) && is_identifier(1)) {
      ++pos_;
      std::string field = identifier();
      if (e->has_unresolved_attribute()) {
        auto parts = attribute_parts(*e);
        parts.push_back(field);
        e = finish(attribute_expr(parts), start);
      } else if (e->has_unresolved_named_lambda_variable()) {
        e->mutable_unresolved_named_lambda_variable()->add_name_parts(field);
        e = finish(std::move(e), start);
      } else {
        auto extract = new_expr();
        extract->mutable_unresolved_extract_value()->set_allocated_child(e.release());
        extract->mutable_unresolved_extract_value()->set_allocated_extraction(finish(string_expr(field), start).release());
        e = finish(std::move(extract), start);
      }
    } else {
      return e;
    }
  }
}

// column:path.to[0]['x'] of VARIANT. An unaliased path is named after its last field.
ExprPtr Parser::semi_structured(ExprPtr child, size_t start) {
  expect(kColon);
  std::string path, last;
  auto segment = [&] {
    if (accept(kLeftBracket)) {
      path += '[';
      if (at_string()) {
        last = string_literal();
        path += "'" + last + "'";
      } else if (at(kInteger)) {
        path += text();
        ++pos_;
      } else if (is_identifier()) {
        path += identifier();
      } else {
        syntax_error();
      }
      expect(kRightBracket);
      path += ']';
    } else {
      bool quoted = at(kBackquoted);
      last = identifier();
      path += quoted ? "['" + last + "']" : "." + last;
    }
  };
  path = "$";
  segment();
  while (at(kLeftBracket) || (at(kDot) && is_identifier(1))) {
    accept(kDot);
    segment();
  }
  Expr x;
  x.mutable_semi_structured_extract()->set_allocated_child(child.release());
  x.mutable_semi_structured_extract()->set_path(path);
  auto e = finish(pack(x), start);
  return last.empty() ? std::move(e) : finish(alias_expr(std::move(e), last), start);
}

ExprPtr Parser::subquery_expression(RelPtr plan, sc::SubqueryExpression::SubqueryType type) {
  auto e = new_expr();
  auto* s = e->mutable_subquery_expression();
  s->set_plan_id(next_plan_id_);
  s->set_subquery_type(type);
  plan->mutable_common()->set_plan_id(next_plan_id_--);
  subqueries_.push_back(std::move(plan));
  return e;
}

ExprPtr Parser::parameter_marker() {
  size_t start = pos_, n = 0;
  if (const sc::Expression* value = parameter_value(&n)) {
    // :a 'b' is one string, as 'a' 'b' is.
    if (as_string_literal(*value) && at_string(n)) return finish(string_expr(string_literal()), start);
    pos_ += n;
    return finish(std::make_unique<sc::Expression>(*value), start);
  }
  Expr x;
  if (at(kQuestion)) {
    x.mutable_parameter_marker()->set_position(peek().ordinal);
  } else {
    x.mutable_parameter_marker()->set_name(identifier_token_text(pos_ + 1));
  }
  pos_ += n;
  return finish(pack(x), start);
}

ExprPtr Parser::primary_expression() {
  size_t start = pos_;
  if (at_parameter()) return parameter_marker();
  if (at_typed_literal()) return typed_literal();
  if (at_interval()) return interval();
  if (at_number()) return number();
  if (at_string()) return finish(string_expr(string_literal()), start);
  switch (type()) {
    case kLeftParen: return parenthesized();
    case kAsterisk: ++pos_; return star(start, {});
    case kwNULL: {
      ++pos_;
      auto e = new_expr();
      e->mutable_literal()->mutable_null()->mutable_null();
      return finish(std::move(e), start);
    }
    case kwTRUE: case kwFALSE: {
      auto e = bool_expr(at(kwTRUE));
      ++pos_;
      return finish(std::move(e), start);
    }
    case kwCASE:
      if (!at(kRightParen, 1) && !at(kComma, 1) && !at(kDot, 1) && !at(kEof, 1) && !at(kwFROM, 1)) return case_expression();
      break;
    default: break;
  }
  return column_or_call();
}

ExprPtr Parser::parenthesized() {
  DepthGuard guard(this);
  size_t start = pos_;
  // (x, y) -> body
  if (is_identifier(1) && at(kComma, 2)) {
    size_t close = matching_paren(pos_);
    if (close + 1 < tokens_.size() && tokens_[close + 1].type == kArrow) {
      ++pos_;
      std::vector<std::string> names{identifier()};
      while (accept(kComma)) names.push_back(identifier());
      expect(kRightParen);
      return lambda(start, std::move(names));
    }
  }
  if (paren_is_query()) {
    ++pos_;
    auto plan = query();
    expect(kRightParen);
    return finish(subquery_expression(std::move(plan), sc::SubqueryExpression::SUBQUERY_TYPE_SCALAR), start);
  }
  ++pos_;
  bool saved = std::exchange(no_in_, false);
  size_t inner = pos_;
  auto first = expression();
  if (accept(kRightParen)) {
    no_in_ = saved;
    return first;
  }
  first = with_alias(std::move(first), inner);
  if (!at(kComma)) syntax_error();
  ExprList values;
  values.push_back(std::move(first));
  while (accept(kComma)) values.push_back(named_expression());
  expect(kRightParen);
  no_in_ = saved;
  auto row = function_expr("struct", std::move(values));
  row->mutable_unresolved_function()->set_is_internal(true);  // written as (a, b): its text is named_struct(…)
  return finish(std::move(row), start);
}

ExprPtr Parser::case_expression() {
  DepthGuard guard(this);
  size_t start = pos_;
  expect(kwCASE);
  ExprPtr value;
  if (!at(kwWHEN)) value = expression();
  ExprList args;
  if (!at(kwWHEN)) syntax_error();
  while (accept(kwWHEN)) {
    auto condition = expression();
    if (value) condition = finish(function_of("==", std::make_unique<sc::Expression>(*value), std::move(condition)), start);
    expect(kwTHEN);
    args.push_back(std::move(condition));
    args.push_back(expression());
  }
  if (accept(kwELSE)) args.push_back(expression());
  expect(kwEND);
  return finish(function_expr("when", std::move(args)), start);
}

// The arrow is next. Inside the body, names bound by an enclosing arrow are lambda variables.
ExprPtr Parser::lambda(size_t start, std::vector<std::string> names) {
  DepthGuard guard(this);
  expect(kArrow);
  auto e = new_expr();
  auto* f = e->mutable_lambda_function();
  for (const auto& n : names) f->add_arguments()->add_name_parts(n);
  lambdas_.push_back(std::move(names));
  auto body = expression();
  lambdas_.pop_back();
  f->set_allocated_function(body.release());
  return finish(std::move(e), start);
}

// * has been read. EXCEPT (columns) belongs to it unless a query follows (a set operation).
ExprPtr Parser::star(size_t start, std::vector<std::string> target) {
  if (at(kwEXCEPT) && at(kLeftParen, 1) && !paren_is_query(1)) {
    Expr x;
    auto* s = x.mutable_star_except();
    for (const auto& t : target) s->add_target(t);
    pos_ += 2;
    for (const auto& parts : multipart_identifier_list()) {
      auto* c = s->add_except();
      for (const auto& p : parts) c->add_parts(p);
    }
    expect(kRightParen);
    return finish(pack(x), start);
  }
  auto e = new_expr();
  e->mutable_unresolved_star();
  // Connect's form of a target: the parts and a final star.
  if (!target.empty()) e->mutable_unresolved_star()->set_unparsed_target(unparse_identifier(target) + ".*");
  return finish(std::move(e), start);
}

ExprPtr Parser::named_expression() {
  size_t start = pos_;
  bool saved = std::exchange(regex_names_, true);
  auto e = expression();
  regex_names_ = saved;
  return with_alias(std::move(e), start);
}

ExprPtr Parser::with_alias(ExprPtr e, size_t start) {
  bool as = accept(kwAS);
  if (at(kLeftParen) && as) {
    auto names = identifier_list();
    auto alias = new_expr();
    alias->mutable_alias()->set_allocated_expr(e.release());
    for (auto& n : names) alias->mutable_alias()->add_name(std::move(n));
    return finish(std::move(alias), start);
  }
  if (as || can_alias(false)) {
    std::string name = capturing_identifier();
    return finish(alias_expr(std::move(e), std::move(name)), start);
  }
  if (at(kLeftParen) && is_identifier(1)) {  // expr (a, b): an alias list without AS
    size_t close = matching_paren(pos_);
    bool list = close < tokens_.size();
    for (size_t i = pos_ + 1; i < close && list; ++i) list = (i - pos_) % 2 ? is_identifier_token(tokens_[i], false) : tokens_[i].type == kComma;
    if (list) {
      auto names = identifier_list();
      auto alias = new_expr();
      alias->mutable_alias()->set_allocated_expr(e.release());
      for (auto& n : names) alias->mutable_alias()->add_name(std::move(n));
      return finish(std::move(alias), start);
    }
  }
  return e;
}

ExprList Parser::named_expression_seq() {
  ExprList out;
  do out.push_back(named_expression());
  while (accept(kComma));
  return out;
}

ExprList Parser::expression_seq() {
  ExprList out;
  do out.push_back(expression());
  while (accept(kComma));
  return out;
}

void Parser::sort_item(sc::Expression::SortOrder* out) {
  auto e = expression();
  bool descending = false;
  if (accept(kwDESC)) {
    descending = true;
  } else {
    accept(kwASC);
  }
  out->set_direction(descending ? sc::Expression::SortOrder::SORT_DIRECTION_DESCENDING : sc::Expression::SortOrder::SORT_DIRECTION_ASCENDING);
  bool first = !descending;
  if (at(kwNULLS) && (at(kwFIRST, 1) || at(kwLAST, 1))) {
    first = at(kwFIRST, 1);
    pos_ += 2;
  }
  out->set_null_ordering(first ? sc::Expression::SortOrder::SORT_NULLS_FIRST : sc::Expression::SortOrder::SORT_NULLS_LAST);
  out->set_allocated_child(e.release());
}

}  // namespace tarn::sql
