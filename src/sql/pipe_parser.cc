// The right sides of |>.
#include "sql/parser_impl.h"

namespace tarn::sql {

namespace sc = spark::connect;

bool Parser::at_pipe() const {
  if (at(kOperatorPipe)) return true;
  if (!at(kPipe) || !options_.single_character_pipe) return false;
  switch (type(1)) {
    case kwSELECT: case kwEXTEND: case kwSET: case kwDROP: case kwAS: case kwWHERE: case kwPIVOT: case kwUNPIVOT: case kwTABLESAMPLE:
    case kwINNER: case kwCROSS: case kwLEFT: case kwRIGHT: case kwFULL: case kwNATURAL: case kwSEMI: case kwANTI: case kwJOIN:
    case kwUNION: case kwEXCEPT: case kwSETMINUS: case kwINTERSECT: case kwORDER: case kwCLUSTER: case kwDISTRIBUTE: case kwSORT:
    case kwLIMIT: case kwOFFSET: case kwAGGREGATE: case kwWINDOW: case kwLATERAL:
      return true;
    default: return false;
  }
}

namespace {
RelPtr boundary(RelPtr left) {
  Rel x;
  x.mutable_pipe_operator()->set_allocated_input(left.release());
  return pack(x);
}
}  // namespace

ExprPtr pipe_expression(ExprPtr e, const char* clause, bool aggregate) {
  Expr x;
  auto* p = x.mutable_pipe_expression();
  p->set_clause(clause);
  p->set_is_aggregate(aggregate);
  if (e->has_alias()) {
    p->set_allocated_child(e->mutable_alias()->release_expr());
    auto inner = pack(x);
    *inner->mutable_common() = e->common();
    e->mutable_alias()->set_allocated_expr(inner.release());
    return e;
  }
  auto common = e->common();
  p->set_allocated_child(e.release());
  auto out = pack(x);
  *out->mutable_common() = common;
  return out;
}

RelPtr Parser::pipe_operator(RelPtr left) {
  size_t start = pos_;
  if (!options_.operator_pipe) operation_not_allowed("Operator pipe SQL syntax using |>", start);
  if (at(kwSELECT)) return pipe_select(std::move(left));
  if (accept(kwEXTEND)) {
    auto r = new_rel();
    auto all = new_expr();
    all->mutable_unresolved_star();
    r->mutable_project()->mutable_expressions()->AddAllocated(finish(std::move(all), start).release());
    for (auto& e : named_expression_seq())
      r->mutable_project()->mutable_expressions()->AddAllocated(pipe_expression(std::move(e), "EXTEND", false).release());
    r->mutable_project()->set_allocated_input(left.release());
    return finish(std::move(r), start);
  }
  if (accept(kwSET)) {
    Rel x;
    auto* set = x.mutable_pipe_set();
    bool dotted = false, aliased = false;
    do {
      size_t at_assignment = pos_;
      auto* a = set->add_assignments();
      auto parts = multipart_identifier();
      dotted = dotted || parts.size() > 1;
      for (auto& p : parts) a->add_column(std::move(p));
      expect(kEq);
      auto value = expression();
      aliased = aliased || value->has_alias();
      a->set_allocated_value(value.release());
      set_origin(a->mutable_origin(), at_assignment);
    } while (accept(kComma));
    if (dotted) operation_not_allowed("SQL pipe syntax |> SET operator with multi-part assignment key (only single-part keys are allowed)", start);
    if (aliased) operation_not_allowed("SQL pipe syntax |> SET operator with an alias assigned with [AS] aliasName", start);
    set->set_allocated_input(left.release());
    return finish(pack(x), start);
  }
  if (accept(kwDROP)) {
    Rel x;
    do {
      size_t at_column = pos_;
      auto e = attribute_expr(multipart_identifier());
      x.mutable_pipe_drop()->mutable_columns()->AddAllocated(finish(std::move(e), at_column).release());
    } while (accept(kComma));
    x.mutable_pipe_drop()->set_allocated_input(left.release());
    return finish(pack(x), start);
  }
  if (accept(kwAS)) {
    std::string alias = capturing_identifier();
    return finish(alias_rel(std::move(left), alias), start);
  }
  if (at(kwWHERE)) {
    auto r = where_clause(boundary(std::move(left)));
    if (at_window_clause()) {
      WithWindows windows;
      window_definitions(&windows);
      fail("NOT_ALLOWED_IN_PIPE_OPERATOR_WHERE.WINDOW_CLAUSE", {}, 0);
    }
    return r;
  }
  if (at_any(kwPIVOT, kwUNPIVOT)) {
    bool pivot = at(kwPIVOT);
    auto r = pivot ? pivot_clause(std::move(left)) : unpivot_clause(std::move(left));
    if (pivot ? at(kwUNPIVOT) : at(kwPIVOT)) {
      if (pivot) {
        unpivot_clause(new_rel());
      } else {
        pivot_clause(new_rel());
      }
      fail("NOT_ALLOWED_IN_FROM.UNPIVOT_WITH_PIVOT", {}, 0);
    }
    return r;
  }
  if (at(kwTABLESAMPLE)) return sample(std::move(left));
  if (at_join()) return join_relation(std::move(left));
  if (at_set_operator()) {
    TokenType op = type();
    ++pos_;
    bool all = accept(kwALL);
    if (!all) accept(kwDISTINCT);
    auto right = query_primary();
    return set_operation(std::move(left), std::move(right), op, all, start);
  }
  if (at(kwAGGREGATE)) return pipe_aggregate(std::move(left), start);
  if (at_query_organization()) return query_organization(boundary(std::move(left)), true);
  syntax_error();
}

// |> AGGREGATE [expressions] [GROUP BY ...]: rows of the grouping expressions followed by the aggregates.
RelPtr Parser::pipe_aggregate(RelPtr left, size_t start) {
  expect(kwAGGREGATE);
  Rel x;
  auto* aggregate = x.mutable_aggregate();
  aggregate->set_pipe(true);
  bool group = at(kwGROUP) && at(kwBY, 1) && !at(kEof, 2);
  bool ends = at(kEof) || at(kRightParen) || at(kSemicolon) || at_pipe() || at_set_operator();
  if (!group && ends) {
    operation_not_allowed("The AGGREGATE clause requires a list of aggregate expressions or a list of grouping expressions, or both", start);
  }
  if (!group) {
    for (auto& e : named_expression_seq()) aggregate->mutable_expressions()->AddAllocated(pipe_expression(std::move(e), "AGGREGATE", true).release());
  }
  if (at(kwGROUP) && at(kwBY, 1)) {
    size_t statement_at = 0;
    aggregation_clause(aggregate, true);
    auto unsupported = [&](const std::string& what) { fail("UNSUPPORTED_FEATURE.PIPE_OPERATOR_AGGREGATE_UNSUPPORTED_CASE", {{"case", what}}, statement_at); };
    if (aggregate->group_by_all()) unsupported("GROUP BY ALL");
    auto check = [&](const sc::Expression& e) {
      walk(e, [&](const sc::Expression& n) {
        if (n.has_unresolved_function() && n.unresolved_function().arguments_size() == 1) {
          std::string name = to_upper(n.unresolved_function().function_name());
          if (name == "GROUPING" || name == "GROUPING_ID") unsupported(name);
        }
        Expr ext;
        if (n.has_window() || (unpack(n, &ext) && ext.has_window_reference()))
          unsupported("window functions; please update the query to move the window functions to a subsequent |> SELECT operator instead");
      });
    };
    for (const auto& g : aggregate->groupings()) {
      if (g.has_analytics()) {
        unsupported(g.analytics().kind() == GroupingAnalytics::KIND_CUBE     ? "GROUP BY CUBE"
                    : g.analytics().kind() == GroupingAnalytics::KIND_ROLLUP ? "GROUP BY ROLLUP"
                                                                             : "GROUPING SETS");
      }
      check(g.expression());
    }
    for (const auto& e : aggregate->expressions()) check(e);
  }
  aggregate->set_allocated_input(left.release());
  return finish(pack(x), start);
}

}  // namespace tarn::sql
