// Queries: CTEs, set operations, SELECT blocks, GROUP BY, WINDOW, ORDER BY and LIMIT.
#include "sql/parser_impl.h"

namespace tarn::sql {

namespace sc = spark::connect;

namespace {
constexpr int kMaxChain = 2000;  // of set operations and pipes: as deep as long
}

struct Parser::Select {
  size_t start = 0;
  bool distinct = false;
  std::vector<std::pair<std::string, ExprList>> hints;
  ExprList expressions;
};

bool Parser::at_query(size_t k) const {
  auto starts_expression = [&](size_t n) {
    return is_identifier(n) || at_string(n) || at(kInteger, n) || at(kDecimal, n) || at(kAsterisk, n) || at(kMinus, n) || at(kLeftParen, n) ||
           type(n) == kDouble || type(n) == kBigint || at_parameter(n);
  };
  switch (type(k)) {
    case kwSELECT: return starts_expression(k + 1) || at(kHintStart, k + 1) || at(kPlus, k + 1) || at(kTilde, k + 1) || at(kBang, k + 1) || at(kExponent, k + 1);
    case kwWITH: return at(kwRECURSIVE, k + 1) || (is_identifier(k + 1) && (at(kwAS, k + 2) || at(kLeftParen, k + 2) || at(kwMAX, k + 2)));
    case kwVALUES: return starts_expression(k + 1) && !at(kMinus, k + 1) && !at(kAsterisk, k + 1) && !at(kwAS, k + 1) && !at(kwFROM, k + 1);
    case kwTABLE: return is_identifier(k + 1) || at_string(k + 1);
    case kwFROM: return is_identifier(k + 1) || at(kLeftParen, k + 1);
    case kwMAP: case kwREDUCE: return starts_expression(k + 1) && !at(kLeftParen, k + 1) && !at(kMinus, k + 1) && !at(kAsterisk, k + 1) && !at(kwFROM, k + 1);
    default: return false;
  }
}

// Looks through the opening parentheses: the innermost must start a query, and each one around it must go on as a query does
// after the inner one closes: ((SELECT 1) UNION (SELECT 2)) is a query, ((SELECT 1) + 1) an expression.
bool Parser::paren_is_query(size_t k) {
  if (!at(kLeftParen, k)) return false;
  size_t first = pos_ + k, inner = first;
  while (inner + 1 < tokens_.size() && tokens_[inner + 1].type == kLeftParen) ++inner;
  if (!at_query(inner + 1 - pos_)) return false;
  for (size_t open = inner; open > first; --open) {
    size_t close = matching_paren(open);
    if (close >= tokens_.size()) return true;
    size_t saved = std::exchange(pos_, close + 1);
    bool goes_on = at_set_operator() || at_query_organization() || at_pipe() || at(kRightParen);
    pos_ = saved;
    if (!goes_on) return false;
  }
  return true;
}

bool Parser::at_window_clause() const {
  if (!at(kwWINDOW) || !is_identifier(1)) return false;
  if (!at_identifier_literal(1)) return at(kwAS, 2);
  size_t k = 3;
  while (at_string(k)) ++k;
  return at(kwAS, k + 1);
}

bool Parser::at_set_operator() const { return at_any(kwUNION, kwEXCEPT, kwINTERSECT, kwSETMINUS); }

bool Parser::at_query_organization() const {
  if (at_any(kwORDER, kwCLUSTER, kwDISTRIBUTE, kwSORT)) return at(kwBY, 1);
  if (at(kwWINDOW)) return at_window_clause();
  return at_any(kwLIMIT, kwOFFSET);
}

RelPtr Parser::query() {
  DepthGuard guard(this);
  size_t start = pos_;
  if (at(kwWITH)) {
    With with;
    ctes(&with);
    auto r = with_ctes(std::move(with), query_body());
    return finish(std::move(r), start);
  }
  return query_body();
}

RelPtr Parser::query_body() {
  size_t mark = subqueries_.size();
  auto r = query_term(0);
  r = query_organization(std::move(r), false);
  return attach_subqueries(std::move(r), mark);
}

RelPtr Parser::attach_subqueries(RelPtr rel, size_t mark) {
  if (subqueries_.size() <= mark) return rel;
  auto with = new_rel();
  *with->mutable_common() = rel->common();
  with->mutable_with_relations()->set_allocated_root(rel.release());
  for (size_t i = mark; i < subqueries_.size(); ++i) with->mutable_with_relations()->mutable_references()->AddAllocated(subqueries_[i].release());
  subqueries_.resize(mark);
  return with;
}

void Parser::ctes(With* out) {
  size_t start = pos_;
  expect(kwWITH);
  out->set_recursive(at(kwRECURSIVE) && is_identifier(1) && accept(kwRECURSIVE));
  std::map<std::string, std::string> seen;
  std::string duplicates;
  do {
    auto* cte = out->add_ctes();
    size_t cte_at = pos_;
    cte->set_name(capturing_identifier());
    if (!seen.emplace(to_lower(cte->name()), "").second) {
      std::string id = quote_identifier(to_lower(cte->name()));
      if (duplicates.find(id) == std::string::npos) duplicates += (duplicates.empty() ? "" : ", ") + id;
    }
    if (at(kLeftParen) && !paren_is_query()) {
      for (auto& c : identifier_list()) cte->add_columns(std::move(c));
    }
    if (at(kwMAX) && at(kwRECURSION, 1)) {
      pos_ += 2;
      expect(kwLEVEL);
      if (!out->recursive())
        defer_to_end("_LEGACY_ERROR_TEMP_0035", {{"message", "Cannot specify MAX RECURSION LEVEL when the CTE is not marked as RECURSIVE"}}, start);
      cte->set_max_recursion_level(static_cast<int32_t>(integer_value()));
    }
    accept(kwAS);
    expect(kLeftParen);
    cte->set_allocated_query(query().release());
    expect(kRightParen);
    set_origin(cte->mutable_origin(), cte_at);
  } while (accept(kComma));
  if (!duplicates.empty()) defer_to_end("DUPLICATED_CTE_NAMES", {{"duplicateNames", duplicates}}, start);
}

RelPtr Parser::with_ctes(With with, RelPtr root) {
  with.set_allocated_root(root.release());
  Rel x;
  *x.mutable_with() = std::move(with);
  return pack(x);
}

RelPtr Parser::query_term(int min_precedence) {
  size_t start = pos_;
  auto left = query_primary();
  for (int length = 0;; ++length) {
    if (length > kMaxChain) throw SparkError(ErrorKind::kParse, "FAILED_TO_PARSE_TOO_COMPLEX", {});
    if (at_set_operator()) {
      TokenType op = type();
      int precedence = options_.legacy_setops_precedence ? 5 : op == kwINTERSECT ? 4 : 3;
      if (precedence < min_precedence) return left;
      ++pos_;
      bool all = accept(kwALL);
      if (!all) accept(kwDISTINCT);
      auto right = query_term(precedence + 1);
      left = set_operation(std::move(left), std::move(right), op, all, start);
    } else if (at_pipe() && min_precedence <= 2) {
      ++pos_;
      left = pipe_operator(std::move(left));
    } else {
      return left;
    }
  }
}

RelPtr Parser::set_operation(RelPtr left, RelPtr right, TokenType op, bool all, size_t start) {
  auto r = new_rel();
  auto* s = r->mutable_set_op();
  s->set_allocated_left_input(left.release());
  s->set_allocated_right_input(right.release());
  s->set_is_all(all);
  s->set_set_op_type(op == kwUNION       ? sc::SetOperation::SET_OP_TYPE_UNION
                     : op == kwINTERSECT ? sc::SetOperation::SET_OP_TYPE_INTERSECT
                                         : sc::SetOperation::SET_OP_TYPE_EXCEPT);
  return finish(std::move(r), start);
}

RelPtr Parser::query_primary() {
  if (at(kLeftParen)) {
    DepthGuard guard(this);
    ++pos_;
    auto r = query();
    expect(kRightParen);
    return r;
  }
  switch (type()) {
    case kwVALUES: return inline_table();
    case kwTABLE: return table_statement();
    case kwFROM: return from_statement();
    case kwSELECT: case kwMAP: case kwREDUCE: return query_specification();
    default: syntax_error();
  }
}

RelPtr Parser::table_statement() {
  size_t start = pos_;
  expect(kwTABLE);
  Name name;
  identifier_reference(&name);
  return finish(named_table(name, {}, false), start);
}

RelPtr Parser::inline_table() {
  size_t start = pos_;
  expect(kwVALUES);
  Rel x;
  auto* table = x.mutable_inline_table();
  do {
    auto e = expression();
    auto* row = table->add_rows();
    if (e->has_unresolved_function() && equals_ignore_case(e->unresolved_function().function_name(), "struct") && !e->unresolved_function().is_distinct()) {
      for (auto& a : *e->mutable_unresolved_function()->mutable_arguments()) {
        // Names inside a row don't count.
        if (a.has_alias()) {
          row->mutable_values()->AddAllocated(a.mutable_alias()->release_expr());
        } else {
          *row->add_values() = std::move(a);
        }
      }
    } else {
      row->mutable_values()->AddAllocated(e.release());
    }
  } while (accept(kComma));
  auto alias = table_alias_name();
  if (alias && at(kLeftParen)) {
    for (auto& n : identifier_list()) table->add_columns(std::move(n));
  } else {
    for (int i = 0; i < table->rows(0).values_size(); ++i) table->add_columns("col" + std::to_string(i + 1));
  }
  for (int i = 0; i < table->rows_size(); ++i) {
    if (table->rows(i).values_size() == table->columns_size()) continue;
    defer("INVALID_INLINE_TABLE.NUM_COLUMNS_MISMATCH",
          {{"expectedNumCols", std::to_string(table->columns_size())}, {"actualNumCols", std::to_string(table->rows(i).values_size())}, {"rowIndex", std::to_string(i)}}, start);
    break;
  }
  auto r = finish(pack(x), start);
  return alias ? finish(alias_rel(std::move(r), *alias), start) : std::move(r);
}

RelPtr Parser::query_specification() {
  auto one_row = [&] {
    Rel x;
    x.mutable_one_row();
    return pack(x);
  };
  size_t start = pos_;
  bool transform = !at(kwSELECT);
  if (at(kwSELECT) && at(kwTRANSFORM, 1) && at(kLeftParen, 2)) {
    size_t close = matching_paren(pos_ + 2);
    TokenType after = close + 1 < tokens_.size() ? tokens_[close + 1].type : kEof;
    transform = after == kwUSING || after == kwROW || after == kwRECORDWRITER;
  }
  if (transform) return transform_body(nullptr, false);
  Select select;
  select_clause(&select);
  RelPtr from = at(kwFROM) ? from_clause() : one_row();
  select.start = start;
  return select_tail(std::move(select), std::move(from), false);
}

RelPtr Parser::from_statement() {
  size_t start = pos_;
  auto from = from_clause();
  RelPtr result;
  while (at_any(kwSELECT, kwMAP, kwREDUCE)) {
    auto body = from_statement_body(*from);
    if (result) {
      result = set_operation(std::move(result), std::move(body), kwUNION, true, start);
    } else {
      result = std::move(body);
    }
  }
  return result ? std::move(result) : std::move(from);
}

RelPtr Parser::from_statement_body(const sc::Relation& from) {
  size_t start = pos_;
  bool transform = !at(kwSELECT);
  if (at(kwSELECT) && at(kwTRANSFORM, 1) && at(kLeftParen, 2)) {
    size_t close = matching_paren(pos_ + 2);
    transform = close + 1 < tokens_.size() && (tokens_[close + 1].type == kwUSING || tokens_[close + 1].type == kwROW);
  }
  auto copy = std::make_unique<sc::Relation>(from);
  RelPtr r;
  if (transform) {
    r = transform_body(std::move(copy), true);
  } else {
    Select select;
    select_clause(&select);
    select.start = start;
    r = select_tail(std::move(select), std::move(copy), false);
  }
  return query_organization(std::move(r), false);
}

void Parser::hints(std::vector<std::pair<std::string, ExprList>>* out) {
  while (accept(kHintStart)) {
    do {
      std::string name = simple_identifier();
      ExprList parameters;
      if (accept(kLeftParen)) {
        do parameters.push_back(postfix_expression());
        while (accept(kComma));
        expect(kRightParen);
      }
      out->emplace_back(std::move(name), std::move(parameters));
      accept(kComma);
    } while (!at(kHintEnd));
    expect(kHintEnd);
  }
}

void Parser::select_clause(Select* out) {
  out->start = pos_;
  expect(kwSELECT);
  hints(&out->hints);
  if (at_any(kwDISTINCT, kwALL) && !at(kComma, 1) && !at(kwFROM, 1) && !at(kEof, 1) && !at(kDot, 1) && !at(kRightParen, 1)) {
    out->distinct = at(kwDISTINCT);
    ++pos_;
  }
  out->expressions = named_expression_seq();
}

RelPtr Parser::where_clause(RelPtr input) {
  size_t start = pos_;
  expect(kwWHERE);
  auto r = new_rel();
  r->mutable_filter()->set_allocated_condition(expression().release());
  r->mutable_filter()->set_allocated_input(input.release());
  return finish(std::move(r), start);
}

// LATERAL VIEW* WHERE? GROUP BY? HAVING? WINDOW? QUALIFY?, then the block's relations in the order that they take effect. As in Spark
// they are placed at the whole block, an aggregate at its GROUP BY and windows at their WINDOW clause.
RelPtr Parser::select_tail(Select select, RelPtr from, bool pipe) {
  size_t start = select.start;
  if (!pipe) lateral_views(&from);
  ExprPtr where, having, qualify;
  if (!pipe && accept(kwWHERE)) where = expression();
  std::optional<SqlAggregate> aggregate;
  size_t group_at = pos_;
  if (at(kwGROUP) && at(kwBY, 1)) {
    aggregate.emplace();
    aggregation_clause(&*aggregate, false);
  }
  size_t group_end = pos_;
  if (!pipe && accept(kwHAVING)) having = expression();
  std::optional<WithWindows> windows;
  size_t window_at = pos_;
  if (at_window_clause()) {
    windows.emplace();
    window_definitions(&*windows);
  }
  size_t window_end = pos_;
  if (!pipe && accept(kwQUALIFY)) qualify = expression();

  RelPtr result = std::move(from);
  if (where) {
    auto r = new_rel();
    r->mutable_filter()->set_allocated_condition(where.release());
    r->mutable_filter()->set_allocated_input(result.release());
    result = finish(std::move(r), start);
  }
  if (aggregate || having) {
    bool grouped = aggregate.has_value();
    if (!grouped) {
      aggregate.emplace();
      aggregate->set_having_without_group_by(true);
    }
    for (auto& e : select.expressions) aggregate->mutable_expressions()->AddAllocated(e.release());
    aggregate->set_allocated_input(result.release());
    Rel x;
    *x.mutable_aggregate() = std::move(*aggregate);
    result = pack(x);
    set_origin(result->mutable_common()->mutable_origin(), grouped ? group_at : start, grouped ? group_end : pos_);
  } else {
    auto r = new_rel();
    r->mutable_project()->set_allocated_input(result.release());
    for (auto& e : select.expressions) {
      bool wrap = pipe && !e->has_unresolved_star() && !e->has_unresolved_attribute();
      r->mutable_project()->mutable_expressions()->AddAllocated((wrap ? pipe_expression(std::move(e), "SELECT", false) : std::move(e)).release());
    }
    result = finish(std::move(r), start);
  }
  if (having) {
    Rel x;
    x.mutable_having()->set_allocated_condition(having.release());
    x.mutable_having()->set_allocated_input(result.release());
    result = finish(pack(x), start);
  }
  if (qualify) {
    Rel x;
    x.mutable_qualify()->set_allocated_condition(qualify.release());
    x.mutable_qualify()->set_allocated_input(result.release());
    result = finish(pack(x), start);
  }
  if (select.distinct) {
    auto r = new_rel();
    r->mutable_deduplicate()->set_allocated_input(result.release());
    r->mutable_deduplicate()->set_all_columns_as_keys(true);
    result = finish(std::move(r), start);
  }
  if (windows) {
    Rel x;
    *x.mutable_with_windows() = std::move(*windows);
    x.mutable_with_windows()->set_allocated_input(result.release());
    result = pack(x);
    set_origin(result->mutable_common()->mutable_origin(), window_at, window_end);
  }
  for (size_t i = select.hints.size(); i-- > 0;) {
    auto r = new_rel();
    r->mutable_hint()->set_allocated_input(result.release());
    r->mutable_hint()->set_name(select.hints[i].first);
    for (auto& p : select.hints[i].second) r->mutable_hint()->mutable_parameters()->AddAllocated(p.release());
    result = finish(std::move(r), start);
  }
  return result;
}

RelPtr Parser::pipe_select(RelPtr left) {
  Select select;
  select_clause(&select);
  return select_tail(std::move(select), std::move(left), true);
}

void Parser::window_definitions(WithWindows* out) {
  size_t start = pos_;
  expect(kwWINDOW);
  std::map<std::string, std::optional<std::string>> names;
  std::string repeated;
  do {
    auto* entry = out->add_windows();
    size_t entry_at = pos_;
    entry->set_name(capturing_identifier());
    expect(kwAS);
    std::optional<std::string> reference;
    window_spec(entry->mutable_window(), &reference);
    set_origin(entry->mutable_origin(), entry_at);
    if (!names.emplace(entry->name(), reference).second && repeated.empty()) repeated = entry->name();
  } while (accept(kComma));
  if (!repeated.empty()) fail("INVALID_SQL_SYNTAX.REPETITIVE_WINDOW_DEFINITION", {{"windowName", quote_identifier(repeated)}}, start);
  for (auto& entry : *out->mutable_windows()) {
    const auto& reference = names[entry.name()];
    if (!reference) continue;
    auto it = names.find(*reference);
    if (it == names.end()) fail("INVALID_SQL_SYNTAX.UNRESOLVED_WINDOW_REFERENCE", {{"windowName", quote_identifier(*reference)}}, start);
    if (it->second) fail("INVALID_SQL_SYNTAX.INVALID_WINDOW_REFERENCE", {{"windowName", quote_identifier(*reference)}}, start);
    for (const auto& other : out->windows())
      if (other.name() == *reference) *entry.mutable_window() = other.window();
  }
}

RelPtr Parser::window_clause(RelPtr input) {
  size_t start = pos_;
  Rel x;
  window_definitions(x.mutable_with_windows());
  x.mutable_with_windows()->set_allocated_input(input.release());
  return finish(pack(x), start);
}

bool Parser::at_grouping_analytics() const {
  return (at_any(kwCUBE, kwROLLUP) && at(kLeftParen, 1)) || (at(kwGROUPING) && at(kwSETS, 1) && at(kLeftParen, 2));
}

void Parser::grouping_set(GroupingAnalytics::Set* out) {
  if (at(kLeftParen)) {
    size_t close = matching_paren(pos_);
    TokenType after = close + 1 < tokens_.size() ? tokens_[close + 1].type : kEof;
    if (after == kComma || after == kRightParen) {
      ++pos_;
      if (!accept(kRightParen)) {
        do out->mutable_expressions()->AddAllocated(expression().release());
        while (accept(kComma));
        expect(kRightParen);
      }
      return;
    }
  }
  out->mutable_expressions()->AddAllocated(expression().release());
}

void Parser::grouping_analytics(GroupingAnalytics* out) {
  DepthGuard guard(this);
  size_t start = pos_;
  bool sets = at(kwGROUPING);
  out->set_kind(sets ? GroupingAnalytics::KIND_GROUPING_SETS : at(kwCUBE) ? GroupingAnalytics::KIND_CUBE : GroupingAnalytics::KIND_ROLLUP);
  pos_ += sets ? 2 : 1;
  expect(kLeftParen);
  do {
    auto* set = out->add_sets();
    if (sets && at_grouping_analytics()) {
      grouping_analytics(set->mutable_nested());
    } else {
      grouping_set(set);
    }
  } while (accept(kComma));
  expect(kRightParen);
  if (sets) return;
  for (const auto& s : out->sets())
    if (s.expressions_size() == 0) fail("_LEGACY_ERROR_TEMP_0051", {{"element", out->kind() == GroupingAnalytics::KIND_CUBE ? "CUBE" : "ROLLUP"}}, std::min(start, grouping_start_));
}

// GROUP BY items [WITH ROLLUP | WITH CUBE | GROUPING SETS (...)]. `named`: items may have aliases (|> AGGREGATE).
void Parser::aggregation_clause(SqlAggregate* out, bool named) {
  grouping_start_ = pos_;
  expect(kwGROUP);
  expect(kwBY);
  do {
    auto* grouping = out->add_groupings();
    if (at_grouping_analytics()) {
      grouping_analytics(grouping->mutable_analytics());
    } else {
      grouping->set_allocated_expression((named ? named_expression() : expression()).release());
    }
  } while (accept(kComma));
  if (out->groupings_size() == 1 && out->groupings(0).has_expression()) {
    auto parts = attribute_parts(out->groupings(0).expression());
    out->set_group_by_all(parts.size() == 1 && equals_ignore_case(parts[0], "ALL"));
  }
  bool rollup = at(kwWITH) && at(kwROLLUP, 1), cube = at(kwWITH) && at(kwCUBE, 1);
  bool sets = at(kwGROUPING) && at(kwSETS, 1) && at(kLeftParen, 2);
  if (!rollup && !cube && !sets) return;
  GroupingAnalytics analytics;
  for (auto& g : *out->mutable_groupings()) {
    if (g.has_analytics()) syntax_error();
    if (sets) {
      *analytics.add_group_by() = std::move(*g.mutable_expression());
    } else {
      *analytics.add_sets()->add_expressions() = std::move(*g.mutable_expression());
    }
  }
  pos_ += 2;
  if (sets) {
    analytics.set_kind(GroupingAnalytics::KIND_GROUPING_SETS);
    expect(kLeftParen);
    do grouping_set(analytics.add_sets());
    while (accept(kComma));
    expect(kRightParen);
  } else {
    analytics.set_kind(rollup ? GroupingAnalytics::KIND_ROLLUP : GroupingAnalytics::KIND_CUBE);
  }
  out->clear_groupings();
  out->set_group_by_all(false);
  *out->add_groupings()->mutable_analytics() = std::move(analytics);
}

// ORDER BY | SORT BY | DISTRIBUTE BY | CLUSTER BY, WINDOW, LIMIT, OFFSET.
RelPtr Parser::query_organization(RelPtr input, bool pipe) {
  if (!at_query_organization()) return input;
  size_t start = pos_;
  std::vector<sc::Expression::SortOrder> order, sort;
  ExprList cluster, distribute;
  auto sort_items = [&](std::vector<sc::Expression::SortOrder>* out) {
    do sort_item(&out->emplace_back());
    while (accept(kComma));
  };
  if (accept(kwORDER, kwBY)) sort_items(&order);
  if (accept(kwCLUSTER, kwBY)) cluster = expression_seq();
  if (accept(kwDISTRIBUTE, kwBY)) distribute = expression_seq();
  if (accept(kwSORT, kwBY)) sort_items(&sort);
  auto with_sort = [&](RelPtr child, std::vector<sc::Expression::SortOrder>& items, bool global) {
    auto r = new_rel();
    for (auto& o : items) *r->mutable_sort()->add_order() = std::move(o);
    r->mutable_sort()->set_is_global(global);
    r->mutable_sort()->set_allocated_input(child.release());
    return finish(std::move(r), start);
  };
  auto repartition = [&](RelPtr child, const ExprList& by) {
    auto r = new_rel();
    for (const auto& e : by) *r->mutable_repartition_by_expression()->add_partition_exprs() = *e;
    r->mutable_repartition_by_expression()->set_allocated_input(child.release());
    return finish(std::move(r), start);
  };
  const char* clause = "";
  if (!order.empty() && sort.empty() && distribute.empty() && cluster.empty()) {
    clause = "ORDER BY";
    input = with_sort(std::move(input), order, true);
  } else if (order.empty() && cluster.empty() && !sort.empty()) {
    clause = distribute.empty() ? "SORT BY" : "SORT BY ... DISTRIBUTE BY ...";
    if (!distribute.empty()) input = repartition(std::move(input), distribute);
    input = with_sort(std::move(input), sort, false);
  } else if (order.empty() && sort.empty() && cluster.empty() && !distribute.empty()) {
    clause = "DISTRIBUTE BY";
    input = repartition(std::move(input), distribute);
  } else if (order.empty() && sort.empty() && distribute.empty() && !cluster.empty()) {
    clause = "CLUSTER BY";
    input = repartition(std::move(input), cluster);
    std::vector<sc::Expression::SortOrder> items;
    for (auto& e : cluster) {
      auto& o = items.emplace_back();
      o.set_direction(sc::Expression::SortOrder::SORT_DIRECTION_ASCENDING);
      o.set_null_ordering(sc::Expression::SortOrder::SORT_NULLS_FIRST);
      o.set_allocated_child(e.release());
    }
    input = with_sort(std::move(input), items, false);
  } else if (!order.empty() || !sort.empty() || !distribute.empty() || !cluster.empty()) {
    fail("UNSUPPORTED_FEATURE.COMBINATION_QUERY_RESULT_CLAUSES", {}, start);
  }
  if (at(kwWINDOW)) {
    input = window_clause(std::move(input));
    if (pipe) fail("UNSUPPORTED_FEATURE.CLAUSE_WITH_PIPE_OPERATORS", {{"clauses", "the WINDOW clause"}}, start);
  }
  ExprPtr limit, offset;
  bool limit_all = false, has_limit = false;
  if (accept(kwLIMIT)) {
    has_limit = true;
    limit_all = at(kwALL) && !at(kDot, 1);
    if (limit_all) {
      ++pos_;
    } else {
      limit = expression();
    }
  }
  if (accept(kwOFFSET)) offset = expression();
  auto small = [](const ExprPtr& e) { return e->has_literal() && e->literal().has_integer() && e->literal().integer() >= 0; };
  auto two_clauses = [&](const char* second) {
    if (pipe && *clause) fail("MULTIPLE_QUERY_RESULT_CLAUSES_WITH_PIPE_OPERATORS", {{"clause1", clause}, {"clause2", second}}, start);
  };
  if (offset) {
    two_clauses("OFFSET");
    RelPtr r;
    if (small(offset)) {
      r = new_rel();
      r->mutable_offset()->set_offset(offset->literal().integer());
      r->mutable_offset()->set_allocated_input(input.release());
    } else {
      Rel x;
      x.mutable_offset()->set_allocated_offset(offset.release());
      x.mutable_offset()->set_allocated_input(input.release());
      r = pack(x);
    }
    input = finish(std::move(r), start);
  }
  if (has_limit) {
    two_clauses("LIMIT");
    RelPtr r;
    if (!limit_all && small(limit)) {
      r = new_rel();
      r->mutable_limit()->set_limit(limit->literal().integer());
      r->mutable_limit()->set_allocated_input(input.release());
    } else {
      Rel x;
      if (limit) x.mutable_limit()->set_allocated_limit(limit.release());
      x.mutable_limit()->set_allocated_input(input.release());
      r = pack(x);
    }
    input = finish(std::move(r), start);
  }
  return input;
}

// SELECT TRANSFORM(...) | MAP ... | REDUCE ... USING 'script'.
RelPtr Parser::transform_body(RelPtr from, bool from_statement) {
  size_t start = pos_;
  Rel x;
  auto* t = x.mutable_script_transform();
  bool paren = at(kwSELECT);
  pos_ += paren ? 3 : 1;
  bool quantifier = at_any(kwDISTINCT, kwALL) && !at(kComma, 1) && !at(kRightParen, 1);
  if (quantifier) ++pos_;
  for (auto& e : expression_seq()) t->mutable_expressions()->AddAllocated(e.release());
  if (paren) expect(kRightParen);
  if (at(kwROW)) row_format(t->mutable_input_format());
  if (accept(kwRECORDWRITER)) t->set_record_writer(string_literal());
  expect(kwUSING);
  t->set_script(string_literal());
  if (accept(kwAS)) {
    bool list = accept(kLeftParen);
    if (is_identifier() && (at(kComma, 1) || at(kRightParen, 1) || !is_identifier(1) || at(kwFROM, 1) || at(kwROW, 1) || at(kwWHERE, 1) || at(kwRECORDREADER, 1))) {
      for (auto& n : identifier_seq()) t->add_output()->add_name(std::move(n));
    } else {
      column_type_defs(t->mutable_output());
    }
    if (list) expect(kRightParen);
  } else {
    t->set_schemaless(true);
  }
  if (at(kwROW)) row_format(t->mutable_output_format());
  if (accept(kwRECORDREADER)) t->set_record_reader(string_literal());
  if (!from && at(kwFROM)) from = from_clause();
  if (!from) {
    Rel one;
    one.mutable_one_row();
    from = pack(one);
  }
  if (!from_statement) lateral_views(&from);
  if (at(kwWHERE)) from = where_clause(std::move(from));
  if (!from_statement && ((at(kwGROUP) && at(kwBY, 1)) || at(kwHAVING))) {
    // The script reads the aggregate's rows.
    Rel a;
    auto* aggregate = a.mutable_aggregate();
    if (at(kwGROUP)) {
      aggregation_clause(aggregate, false);
    } else {
      aggregate->set_having_without_group_by(true);
    }
    *aggregate->mutable_expressions() = std::move(*t->mutable_expressions());
    t->clear_expressions();
    aggregate->set_allocated_input(from.release());
    from = finish(pack(a), start);
    if (accept(kwHAVING)) {
      Rel h;
      h.mutable_having()->set_allocated_condition(expression().release());
      h.mutable_having()->set_allocated_input(from.release());
      from = finish(pack(h), start);
    }
  }
  // Its names are for the expressions: it stands around the whole.
  Rel windows;
  if (!from_statement && at_window_clause()) window_definitions(windows.mutable_with_windows());
  if (quantifier) fail("UNSUPPORTED_FEATURE.TRANSFORM_DISTINCT_ALL", {}, start);
  if (t->has_record_writer() || t->has_record_reader()) fail("_LEGACY_ERROR_TEMP_0048", {}, start);
  for (const RowFormat* f : {&t->input_format(), &t->output_format()}) {
    if (f->has_serde()) fail("UNSUPPORTED_FEATURE.TRANSFORM_NON_HIVE", {}, start);
    if (f->has_lines_terminated_by() && f->lines_terminated_by() != "\n")
      fail("_LEGACY_ERROR_TEMP_0064", {{"msg", "LINES TERMINATED BY only supports newline '\\n' right now: " + f->lines_terminated_by()}}, start);
  }
  t->set_allocated_input(from.release());
  auto made = finish(pack(x), start);
  if (!windows.has_with_windows()) return made;
  windows.mutable_with_windows()->set_allocated_input(made.release());
  return finish(pack(windows), start);
}

}  // namespace tarn::sql
