// Column references, stars, function calls with their clauses, and the calls that have a syntax of their own (CAST, TRIM ...).
#include "sql/parser_impl.h"
#include <algorithm>

namespace tarn::sql {

namespace sc = spark::connect;

namespace {
bool is_datetime_unit(TokenType t) {
  switch (t) {
    case kwDAY: case kwDAYOFYEAR: case kwHOUR: case kwMICROSECOND: case kwMILLISECOND: case kwMINUTE: case kwMONTH: case kwQUARTER:
    case kwSECOND: case kwWEEK: case kwYEAR:
      return true;
    default: return false;
  }
}
bool is_add(TokenType t) { return t == kwDATEADD || t == kwDATE_ADD || t == kwTIMESTAMPADD; }
bool is_diff(TokenType t) { return t == kwDATEDIFF || t == kwDATE_DIFF || t == kwTIMEDIFF || t == kwTIMESTAMPDIFF; }
}  // namespace

ExprPtr Parser::column_or_call() {
  size_t start = pos_;
  if (at(kLeftParen, 1)) {
    switch (type()) {
      case kwCAST: case kwTRY_CAST: return cast_call();
      case kwEXTRACT:
        if (is_identifier(2) && at(kwFROM, 3)) return special_call();
        break;
      case kwTRIM: return trim_call();
      case kwPOSITION: case kwSUBSTR: case kwSUBSTRING: case kwOVERLAY: return special_call();
      default: break;
    }
    // Reserved words that are functions nevertheless.
    if (at_any(kwLEFT, kwRIGHT, kwFILTER) && !is_identifier()) {
      FunctionName fn;
      fn.start = pos_++;
      name_from({std::string(text(tokens_[fn.start]))}, fn.start, &fn.name);
      return function_call(std::move(fn));
    }
  } else if (at_any(kwCURRENT_DATE, kwCURRENT_PATH, kwCURRENT_TIME, kwCURRENT_TIMESTAMP, kwCURRENT_USER, kwSESSION_USER, kwUSER) && !at(kDot, 1) &&
             !at(kArrow, 1)) {
    return current_like(start);
  }
  if (at_identifier_clause() && !at_identifier_literal()) {
    FunctionName fn;
    fn.start = start;
    identifier_reference(&fn.name);
    if (at(kLeftParen)) return function_call(std::move(fn));
    if (!fn.name.has_expression()) return finish(attribute_expr({fn.name.parts().begin(), fn.name.parts().end()}), start);
    Expr x;
    *x.mutable_identifier()->mutable_name() = std::move(fn.name);
    return finish(pack(x), start);
  }
  if (!is_identifier()) syntax_error();
  if (at(kArrow, 1)) {
    std::string name = identifier();
    return lambda(start, {std::move(name)});
  }
  // qualifiedName '(' is a call, qualifiedName '.' '*' a star.
  size_t k = 0;
  auto skip_part = [&] {
    if (at_identifier_literal(k)) {
      k += 2;
      while (at_string(k)) ++k;
      ++k;
    } else {
      ++k;
    }
  };
  skip_part();
  while (at(kDot, k) && is_identifier(k + 1)) {
    ++k;
    skip_part();
  }
  if (at(kLeftParen, k)) {
    FunctionName fn;
    fn.start = start;
    name_from(qualified_name(), start, &fn.name);
    return function_call(std::move(fn));
  }
  if (at(kDot, k) && at(kAsterisk, k + 1)) {
    auto target = qualified_name();
    pos_ += 2;
    return star(start, std::move(target));
  }
  auto plain_name = [](std::string_view name) {
    return std::all_of(name.begin(), name.end(), [](unsigned char c) { return isalnum(c) || c == '_'; });
  };
  if (options_.quoted_regex_column_names && regex_names_ && at(kDot, 1) && at(kBackquoted, 2) && !at(kDot, 3) && !at(kLeftParen, 3)) {
    // table.`regex`
    size_t before = pos_;
    auto table = identifier_parts(false);
    ++pos_;
    auto pattern = identifier_parts(false);
    if (plain_name(table[0]) && !plain_name(pattern[0])) {
      auto e = new_expr();
      e->mutable_unresolved_regex()->set_col_name(table[0] + ".`" + pattern[0] + "`");
      return finish(std::move(e), start);
    }
    pos_ = before;
  }
  bool regex = options_.quoted_regex_column_names && regex_names_ && at(kBackquoted);
  auto parts = identifier_parts(false);
  if (regex && !at(kDot)) {
    if (!plain_name(parts[0])) {
      auto e = new_expr();
      e->mutable_unresolved_regex()->set_col_name("`" + parts[0] + "`");
      return finish(std::move(e), start);
    }
  }
  for (auto names = lambdas_.rbegin(); names != lambdas_.rend(); ++names) {
    for (const auto& n : *names) {
      if (!equals_ignore_case(n, parts[0])) continue;
      auto e = new_expr();
      for (const auto& p : parts) e->mutable_unresolved_named_lambda_variable()->add_name_parts(p);
      return finish(std::move(e), start);
    }
  }
  return finish(attribute_expr(parts), start);
}

// current_date and its kin without parentheses: a column first, a function if there is none (the analyzer decides), unless
// reserved words are enforced.
ExprPtr Parser::current_like(size_t start) {
  TokenType t = type();
  std::string name(text());
  ++pos_;
  if ((options_.enforce_reserved_keywords && options_.ansi) || t == kwCURRENT_PATH) {
    if (t == kwUSER || t == kwSESSION_USER) name = "current_user";
    return finish(function_expr(to_lower(name), {}), start);
  }
  return finish(attribute_expr({name}), start);
}

ExprPtr Parser::cast_call() {
  DepthGuard guard(this);
  size_t start = pos_;
  bool is_try = at(kwTRY_CAST);
  pos_ += 2;
  auto child = expression();
  expect(kwAS);
  auto e = new_expr();
  auto* cast = e->mutable_cast();
  data_type(cast->mutable_type());
  expect(kRightParen);
  cast->set_allocated_expr(child.release());
  if (is_try) cast->set_eval_mode(sc::Expression::Cast::EVAL_MODE_TRY);
  return finish(std::move(e), start);
}

// TRIM([BOTH | LEADING | TRAILING] [characters] FROM text), else an ordinary call.
ExprPtr Parser::trim_call() {
  size_t start = pos_;
  FunctionName fn;
  fn.start = start;
  name_from({std::string(text())}, start, &fn.name);
  set_origin(fn.name.mutable_origin(), start, start + 1);
  const char* function = "trim";
  size_t k = 2;
  if ((at(kwBOTH, 2) || at(kwLEADING, 2) || at(kwTRAILING, 2)) && !at(kComma, 3) && !at(kRightParen, 3) && !at(kDot, 3)) {
    function = at(kwLEADING, 2) ? "ltrim" : at(kwTRAILING, 2) ? "rtrim" : "trim";
    k = 3;
  }
  if (k == 2 && !(at(kwFROM, 2) && !at(kRightParen, 3) && !at(kComma, 3))) {
    // TRIM(x) or TRIM(x FROM y): one expression decides.
    if (at(kRightParen, 2)) {
      ++pos_;
      return function_call(std::move(fn));
    }
    pos_ += 2;
    auto first = function_argument();
    if (!at(kwFROM)) {
      ExprList args;
      args.push_back(std::move(first));
      while (accept(kComma)) args.push_back(function_argument());
      expect(kRightParen);
      return finish_call(std::move(fn), std::move(args), false);
    }
    ++pos_;
    auto source = value_expression();
    expect(kRightParen);
    return finish(function_of(function, std::move(first), std::move(source)), start);
  }
  pos_ += k;
  ExprPtr characters;
  if (!at(kwFROM)) characters = value_expression();
  expect(kwFROM);
  auto source = value_expression();
  expect(kRightParen);
  ExprList args;
  if (characters) args.push_back(std::move(characters));
  args.push_back(std::move(source));
  return finish(function_expr(function, std::move(args)), start);
}

// EXTRACT(field FROM x), POSITION(a IN b), SUBSTRING(x FROM a FOR b), OVERLAY(x PLACING y FROM a FOR b); with commas they are
// ordinary calls.
ExprPtr Parser::special_call() {
  DepthGuard guard(this);
  size_t start = pos_;
  TokenType which = type();
  FunctionName fn;
  fn.start = start;
  ++pos_;
  name_from({std::string(text(tokens_[start]))}, start, &fn.name);
  if (which == kwEXTRACT) {
    ++pos_;
    auto field = string_expr(std::string(text()));
    size_t field_at = pos_++;
    field = finish(std::move(field), field_at);
    expect(kwFROM);
    auto source = value_expression();
    expect(kRightParen);
    return finish(function_of("extract", std::move(field), std::move(source)), start);
  }
  if (at(kRightParen, 1) || at(kwDISTINCT, 1) || at(kwALL, 1)) return function_call(std::move(fn));
  expect(kLeftParen);
  bool saved = std::exchange(no_in_, which == kwPOSITION);
  auto first = function_argument();
  no_in_ = saved;
  ExprList args;
  args.push_back(std::move(first));
  if (which == kwPOSITION && accept(kwIN)) {
    args.push_back(value_expression());
    expect(kRightParen);
    return finish(function_expr("locate", std::move(args)), start);
  }
  if ((which == kwSUBSTR || which == kwSUBSTRING) && accept(kwFROM)) {
    args.push_back(value_expression());
    if (accept(kwFOR)) args.push_back(value_expression());
    expect(kRightParen);
    return finish(function_expr("substring", std::move(args)), start);
  }
  if (which == kwOVERLAY && accept(kwPLACING)) {
    args.push_back(value_expression());
    expect(kwFROM);
    args.push_back(value_expression());
    if (accept(kwFOR)) args.push_back(value_expression());
    expect(kRightParen);
    return finish(function_expr("overlay", std::move(args)), start);
  }
  while (accept(kComma)) args.push_back(function_argument());
  expect(kRightParen);
  return finish_call(std::move(fn), std::move(args), false);
}

ExprPtr Parser::function_argument() {
  if (is_identifier() && at(kFatArrow, 1)) {
    size_t start = pos_;
    std::string key = identifier();
    ++pos_;
    auto value = expression();
    auto e = new_expr();
    e->mutable_named_argument_expression()->set_key(key);
    e->mutable_named_argument_expression()->set_allocated_value(value.release());
    return finish(std::move(e), start);
  }
  return expression();
}

// The name has been read, '(' is next.
ExprPtr Parser::function_call(FunctionName fn) {
  DepthGuard guard(this);
  size_t open = pos_;
  TokenType word = open > 0 && open - fn.start == 1 ? tokens_[fn.start].type : kEof;
  bool saved = std::exchange(no_in_, false);
  expect(kLeftParen);
  bool distinct = false, quantifier = false, ignore_nulls = false;
  ExprList args;
  // STRUCT(a AS x): named expressions.
  bool named = word == kwSTRUCT;
  TokenType unit = type();
  bool unit_then_comma = at(kComma, 1);
  if (!at(kRightParen)) {
    if (at_any(kwDISTINCT, kwALL) && !at(kRightParen, 1) && !at(kComma, 1) && !at(kDot, 1) && !at(kFatArrow, 1)) {
      quantifier = true;
      distinct = at(kwDISTINCT);
      ++pos_;
    }
    do args.push_back(named ? (at(kFatArrow, 1) ? function_argument() : named_expression()) : function_argument());
    while (accept(kComma));
  }
  if ((word == kwFIRST || word == kwLAST || word == kwANY_VALUE) && args.size() == 1 && accept(kwIGNORE, kwNULLS)) ignore_nulls = true;
  expect(kRightParen);
  no_in_ = saved;
  if (args.size() == 3 && !quantifier && unit_then_comma && (is_add(word) || is_diff(word))) {
    const sc::Expression& first = *args[0];
    if (is_datetime_unit(unit)) {
      size_t unit_at = open + 1;
      args[0] = string_expr(std::string(text(tokens_[unit_at])));
      set_origin(args[0]->mutable_common()->mutable_origin(), unit_at, unit_at + 1);
      return finish(function_expr(is_add(word) ? "timestampadd" : "timestampdiff", std::move(args)), fn.start);
    }
    if (as_string_literal(first)) {
      fail("INVALID_PARAMETER_VALUE.DATETIME_UNIT",
           {{"functionName", quote_identifier(fn.name.parts(0))}, {"parameter", "`unit`"}, {"invalidValue", std::string(text(tokens_[open + 1]))}}, fn.start);
    }
  }
  if (ignore_nulls) {
    Expr x;
    auto* call = x.mutable_function_call();
    *call->mutable_name() = std::move(fn.name);
    for (auto& a : args) call->mutable_arguments()->AddAllocated(a.release());
    call->set_nulls(FunctionCall::NULLS_IGNORE);
    if (!at_any(kwOVER)) return finish(pack(x), fn.start);
    syntax_error();
  }
  return finish_call(std::move(fn), std::move(args), distinct);
}

ExprPtr Parser::make_call(const Name& name, ExprList args, bool distinct) {
  if (!name.has_expression() && name.parts_size() == 1) {
    auto e = function_expr(name.parts(0), std::move(args));
    if (distinct) e->mutable_unresolved_function()->set_is_distinct(true);
    return e;
  }
  if (!name.has_expression() && !distinct) {
    auto e = new_expr();
    e->mutable_call_function()->set_function_name(unparse_identifier({name.parts().begin(), name.parts().end()}));
    for (auto& a : args) e->mutable_call_function()->mutable_arguments()->AddAllocated(a.release());
    return e;
  }
  Expr x;
  *x.mutable_function_call()->mutable_name() = name;
  x.mutable_function_call()->set_is_distinct(distinct);
  for (auto& a : args) x.mutable_function_call()->mutable_arguments()->AddAllocated(a.release());
  return pack(x);
}

// The ')' has been read: WITHIN GROUP, FILTER, IGNORE | RESPECT NULLS, OVER.
ExprPtr Parser::finish_call(FunctionName fn, ExprList args, bool distinct) {
  size_t start = fn.start;
  // COUNT(*) is COUNT(1).
  if (args.size() == 1 && !distinct && fn.name.parts_size() == 1 && equals_ignore_case(fn.name.parts(0), "count") && args[0]->has_unresolved_star() &&
      !args[0]->unresolved_star().has_unparsed_target()) {
    auto one = int_expr(1);
    *one->mutable_common() = args[0]->common();
    args[0] = std::move(one);
  }
  FunctionCall extra;
  bool has_extra = false;
  if (at(kwWITHIN) && at(kwGROUP, 1)) {
    pos_ += 2;
    expect(kLeftParen);
    expect(kwORDER);
    expect(kwBY);
    do sort_item(extra.add_within_group());
    while (accept(kComma));
    expect(kRightParen);
    has_extra = true;
  }
  if (at(kwFILTER) && at(kLeftParen, 1) && at(kwWHERE, 2)) {
    pos_ += 3;
    extra.set_allocated_filter(expression().release());
    expect(kRightParen);
    has_extra = true;
  }
  if ((at(kwIGNORE) || at(kwRESPECT)) && at(kwNULLS, 1)) {
    extra.set_nulls(at(kwIGNORE) ? FunctionCall::NULLS_IGNORE : FunctionCall::NULLS_RESPECT);
    pos_ += 2;
    has_extra = true;
  }
  bool over = at(kwOVER) && (at(kLeftParen, 1) || is_identifier(1)) && !at(kwFROM, 1) && !at(kwAS, 1);
  ExprPtr call;
  if (has_extra) {
    *extra.mutable_name() = fn.name;
    extra.set_is_distinct(distinct);
    for (auto& a : args) extra.mutable_arguments()->AddAllocated(a.release());
    Expr x;
    *x.mutable_function_call() = std::move(extra);
    call = pack(x);
  } else {
    call = make_call(fn.name, std::move(args), distinct);
  }
  if (!over) return finish(std::move(call), start);
  ++pos_;
  sc::Expression::Window window;
  std::optional<std::string> reference;
  window_spec(&window, &reference);
  call = finish(std::move(call), start);
  if (reference) {
    Expr x;
    x.mutable_window_reference()->set_allocated_function(call.release());
    x.mutable_window_reference()->set_name(*reference);
    return finish(pack(x), start);
  }
  window.set_allocated_window_function(call.release());
  auto e = new_expr();
  *e->mutable_window() = std::move(window);
  return finish(std::move(e), start);
}

// name | (name) | ([PARTITION BY ...] [ORDER BY ...] [frame])
void Parser::window_spec(sc::Expression::Window* out, std::optional<std::string>* reference) {
  if (!at(kLeftParen)) {
    *reference = capturing_identifier();
    return;
  }
  expect(kLeftParen);
  if (is_identifier() && at(kRightParen, 1)) {
    *reference = capturing_identifier();
    expect(kRightParen);
    return;
  }
  auto partition = [&] {
    do out->mutable_partition_spec()->AddAllocated(expression().release());
    while (accept(kComma));
  };
  if (accept(kwCLUSTER, kwBY)) {
    partition();
  } else {
    if (at_any(kwPARTITION, kwDISTRIBUTE)) {
      ++pos_;
      expect(kwBY);
      partition();
    }
    if (at_any(kwORDER, kwSORT)) {
      ++pos_;
      expect(kwBY);
      do sort_item(out->add_order_spec());
      while (accept(kComma));
    }
  }
  if (at_any(kwRANGE, kwROWS)) {
    auto* frame = out->mutable_frame_spec();
    frame->set_frame_type(at(kwRANGE) ? sc::Expression::Window::WindowFrame::FRAME_TYPE_RANGE : sc::Expression::Window::WindowFrame::FRAME_TYPE_ROW);
    ++pos_;
    if (accept(kwBETWEEN)) {
      frame_bound(frame->mutable_lower(), kwPRECEDING);
      expect(kwAND);
      frame_bound(frame->mutable_upper(), kwFOLLOWING);
    } else {
      frame_bound(frame->mutable_lower(), kwPRECEDING);
      frame->mutable_upper()->set_current_row(true);
    }
  }
  expect(kRightParen);
}

// unbounded = false says UNBOUNDED away from the bound's own side (a lower bound of UNBOUNDED FOLLOWING), which the analyzer refuses.
void Parser::frame_bound(sc::Expression::Window::WindowFrame::FrameBoundary* out, TokenType side) {
  size_t start = pos_;
  if (at(kwUNBOUNDED) && (at(kwPRECEDING, 1) || at(kwFOLLOWING, 1))) {
    out->set_unbounded(at(side, 1));
    pos_ += 2;
    return;
  }
  if (accept(kwCURRENT, kwROW)) {
    out->set_current_row(true);
    return;
  }
  auto e = value_expression();
  bool preceding = at(kwPRECEDING);
  if (!at_any(kwPRECEDING, kwFOLLOWING)) syntax_error();
  ++pos_;
  if (!is_literal_like(*e)) fail("_LEGACY_ERROR_TEMP_0064", {{"msg", "Frame bound value must be a literal."}}, start);
  if (preceding) e = finish(function_of("negative", std::move(e)), start);
  out->set_allocated_value(e.release());
}

}  // namespace tarn::sql
