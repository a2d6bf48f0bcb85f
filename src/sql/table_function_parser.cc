// Table functions and their TABLE arguments, and streams.
#include "sql/parser_impl.h"

namespace tarn::sql {

namespace sc = spark::connect;

ExprPtr Parser::table_function_argument() {
  if (is_identifier() && at(kFatArrow, 1) && at(kwTABLE, 2) && (is_identifier(3) || at(kLeftParen, 3))) {
    size_t start = pos_;
    std::string key = identifier();
    ++pos_;
    auto value = table_subquery_argument();
    auto e = new_expr();
    e->mutable_named_argument_expression()->set_key(key);
    e->mutable_named_argument_expression()->set_allocated_value(value.release());
    return finish(std::move(e), start);
  }
  if (at(kwTABLE) && (is_identifier(1) || at(kLeftParen, 1))) return table_subquery_argument();
  return function_argument();
}

// TABLE (t) | TABLE (query) [WITH SINGLE PARTITION | PARTITION BY ...] [ORDER BY ...]
ExprPtr Parser::table_subquery_argument() {
  size_t start = pos_;
  expect(kwTABLE);
  RelPtr plan;
  std::string bare;
  if (at(kLeftParen) && paren_is_query()) {
    ++pos_;
    plan = query();
    expect(kRightParen);
  } else {
    bool paren = accept(kLeftParen);
    size_t name_at = pos_;
    Name name;
    identifier_reference(&name);
    if (!paren) bare = source_from(name_at);
    plan = finish(named_table(name, {}, false), name_at);
    if (paren) expect(kRightParen);
  }
  sc::SubqueryExpression::TableArgOptions options;
  bool any = false, single = false;
  size_t partitioning_at = pos_;
  auto invalid = [&](const std::string& message) { fail("_LEGACY_ERROR_TEMP_0064", {{"msg", message}}, partitioning_at); };
  auto without_parentheses = [&](const char* clause) {
    invalid(std::string("The table function call includes a table argument with an invalid partitioning/ordering specification: the ") + clause +
            " clause included multiple expressions without parentheses surrounding them; please add parentheses around these expressions and then retry "
            "the query again");
  };
  bool multi_partition = false, multi_order = false;
  if (at(kwWITH) && at(kwSINGLE, 1) && at(kwPARTITION, 2)) {
    pos_ += 3;
    any = single = true;
  } else if (at_any(kwPARTITION, kwDISTRIBUTE) && at(kwBY, 1)) {
    pos_ += 2;
    any = true;
    ExprList list;
    size_t close = at(kLeftParen) ? matching_paren(pos_) : 0;
    bool paren = close && close + 1 < tokens_.size() &&
                 (tokens_[close + 1].type == kComma || tokens_[close + 1].type == kRightParen || tokens_[close + 1].type == kwORDER ||
                  tokens_[close + 1].type == kwSORT);
    if (paren) {
      ++pos_;
      list = expression_seq();
      expect(kRightParen);
    } else {
      list.push_back(expression());
      // f(TABLE (t) PARTITION BY a, b): more expressions or more arguments? Spark reads them as expressions.
      while (at(kComma) && !at(kwTABLE, 1) && !at(kFatArrow, 2)) {
        ++pos_;
        list.push_back(expression());
        multi_partition = true;
      }
    }
    for (auto& e : list) options.mutable_partition_spec()->AddAllocated(e.release());
  }
  if (at_any(kwORDER, kwSORT) && at(kwBY, 1)) {
    pos_ += 2;
    bool order_without = !any;
    any = true;
    size_t close = at(kLeftParen) ? matching_paren(pos_) : 0;
    bool paren = close && close + 1 < tokens_.size() && (tokens_[close + 1].type == kComma || tokens_[close + 1].type == kRightParen);
    if (paren) {
      ++pos_;
      do sort_item(options.add_order_spec());
      while (accept(kComma));
      expect(kRightParen);
    } else {
      sort_item(options.add_order_spec());
      while (at(kComma) && !at(kwTABLE, 1) && !at(kFatArrow, 2)) {
        ++pos_;
        sort_item(options.add_order_spec());
        multi_order = true;
      }
    }
    if (order_without) invalid("ORDER BY cannot be specified unless either PARTITION BY or WITH SINGLE PARTITION is also present");
  } else if (single && at_any(kwPARTITION, kwDISTRIBUTE) && at(kwBY, 1)) {
    syntax_error();
  }
  if (!bare.empty())
    fail("INVALID_SQL_SYNTAX.INVALID_TABLE_FUNCTION_IDENTIFIER_ARGUMENT_MISSING_PARENTHESES", {{"argumentName", quote_identifier(bare)}}, start);
  if (multi_partition) without_parentheses("PARTITION BY");
  if (multi_order) without_parentheses("ORDER BY");
  auto e = subquery_expression(std::move(plan), sc::SubqueryExpression::SUBQUERY_TYPE_TABLE_ARG);
  if (any) {
    if (single) options.set_with_single_partition(true);
    *e->mutable_subquery_expression()->mutable_table_arg_options() = std::move(options);
  }
  return finish(std::move(e), start);
}

RelPtr Parser::table_function(bool streaming) {
  size_t start = pos_;
  Name name;
  if (at_identifier_clause() && !at_identifier_literal()) {
    identifier_reference(&name);
  } else if (!is_identifier() && at_any(kwLEFT, kwRIGHT, kwFILTER)) {
    ++pos_;
    name_from({std::string(text(tokens_[start]))}, start, &name);
  } else {
    name_from(qualified_name(), start, &name);
  }
  expect(kLeftParen);
  ExprList args;
  if (!at(kRightParen)) {
    do args.push_back(table_function_argument());
    while (accept(kComma));
  }
  expect(kRightParen);
  size_t end = pos_;
  RelPtr r;
  if (!name.has_expression() && name.parts_size() == 1 && !streaming) {
    r = new_rel();
    r->mutable_unresolved_table_valued_function()->set_function_name(name.parts(0));
    for (auto& a : args) r->mutable_unresolved_table_valued_function()->mutable_arguments()->AddAllocated(a.release());
  } else {
    Rel x;
    *x.mutable_table_function()->mutable_name() = std::move(name);
    x.mutable_table_function()->set_is_streaming(streaming);
    for (auto& a : args) x.mutable_table_function()->mutable_arguments()->AddAllocated(a.release());
    r = pack(x);
  }
  set_origin(r->mutable_common()->mutable_origin(), start, end);
  if (at(kwIDENTIFIED) && at(kwBY, 1)) {
    pos_ += 2;
    std::string source_name = capturing_identifier();
    if (!streaming) operation_not_allowed("IDENTIFIED BY clause is only supported for streaming sources", start);
    Rel x;
    x.mutable_stream_name()->set_name(source_name);
    x.mutable_stream_name()->set_allocated_input(r.release());
    r = finish(pack(x), start);
  }
  if (at(kwWATERMARK) && !at(kRightParen, 1) && !at(kComma, 1) && !at(kEof, 1)) r = watermark_clause(std::move(r));
  return table_alias(std::move(r), start);
}

// STREAM t | STREAM (t) | STREAM f(...) | STREAM (f(...))
RelPtr Parser::stream_relation() {
  size_t start = pos_;
  expect(kwSTREAM);
  bool paren = accept(kLeftParen);
  RelPtr r;
  bool function = at_table_function();
  if (function && !paren) {
    r = table_function(true);
    primary_allows_lateral_ = false;
    return r;
  }
  if (function) {
    r = table_function(true);
  } else {
    size_t name_at = pos_;
    Name name;
    multipart_name(&name);
    if (!paren && at(kwCHANGES)) {
      Rel x;
      auto* c = x.mutable_changes();
      changes_clause(c, true);
      *c->mutable_name() = name;
      for (auto& [k, v] : options_clause()) (*c->mutable_options())[k] = v;
      r = finish(pack(x), name_at);
    } else {
      size_t end = pos_;
      if (paren) expect(kRightParen);
      r = named_table(name, options_clause(), true);
      set_origin(r->mutable_common()->mutable_origin(), name_at, end);
      paren = false;
    }
  }
  if (paren) expect(kRightParen);
  if (accept(kwIDENTIFIED, kwBY)) {
    Rel x;
    x.mutable_stream_name()->set_name(capturing_identifier());
    x.mutable_stream_name()->set_allocated_input(r.release());
    r = finish(pack(x), start);
  }
  RelPtr watermark;
  if (at(kwWATERMARK) && !at(kRightParen, 1) && !at(kComma, 1) && !at(kEof, 1)) watermark = watermark_clause(new_rel());
  r = table_alias(std::move(r), start);
  return watermark ? put_input(std::move(watermark), std::move(r)) : std::move(r);
}

}  // namespace tarn::sql
