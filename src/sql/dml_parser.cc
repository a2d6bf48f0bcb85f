// INSERT, DELETE, UPDATE, MERGE.
#include "sql/parser_impl.h"

namespace tarn::sql {

namespace sc = spark::connect;

void Parser::dml(Statement* out, With* with) {
  switch (type()) {
    case kwINSERT: return insert(out, with);
    case kwDELETE: return delete_from(out, with);
    case kwUPDATE: return update(out, with);
    default: return merge(out, with);
  }
}

// Everything of an INSERT before its query.
void Parser::insert_into(Insert* out, InsertDirectory* directory, bool* is_directory, size_t* start_out) {
  size_t start = pos_;
  *start_out = start;
  expect(kwINSERT);
  if (at(kwWITH)) {
    ++pos_;
    expect(kwSCHEMA);
    expect(kwEVOLUTION);
    out->set_with_schema_evolution(true);
  }
  bool overwrite = at(kwOVERWRITE);
  if (!overwrite && !at(kwINTO)) syntax_error();
  ++pos_;
  if (overwrite && (at(kwDIRECTORY) || (at(kwLOCAL) && at(kwDIRECTORY, 1))) && !out->with_schema_evolution()) {
    *is_directory = true;
    directory->set_local(accept(kwLOCAL));
    expect(kwDIRECTORY);
    if (at_string()) directory->set_path(string_literal());
    if (accept(kwUSING)) {
      std::string provider;
      for (const auto& p : multipart_identifier()) provider += (provider.empty() ? "" : ".") + p;
      directory->set_provider(provider);
      if (accept(kwOPTIONS)) property_key_values(directory->mutable_options());
      bool option_path = false;
      for (const auto& p : directory->options()) option_path = option_path || equals_ignore_case(p.key(), "path");
      bool path = directory->has_path() && !directory->path().empty();
      if (path == option_path) fail("_LEGACY_ERROR_TEMP_0049", {}, start);
      if (directory->local()) {
        size_t scheme = directory->path().find(':');
        if (scheme != std::string::npos && scheme > 0 && directory->path().substr(0, scheme) != "file")
          fail("LOCAL_MUST_WITH_SCHEMA_FILE", {{"actualSchema", directory->path().substr(0, scheme)}}, start);
      }
      return;
    }
    if (!directory->has_path()) syntax_error();
    if (at(kwROW)) row_format(directory->mutable_row_format());
    if (at(kwSTORED)) file_format(directory->mutable_file_format());
    if (directory->path().empty()) operation_not_allowed("INSERT OVERWRITE DIRECTORY must be accompanied by path", start);
    return;
  }
  out->set_mode(overwrite ? Insert::OVERWRITE : Insert::INTO);
  if (at(kwTABLE) && is_identifier(1)) ++pos_;
  identifier_reference(out->mutable_name());
  auto options = [&] {
    for (auto& [k, v] : options_clause()) (*out->mutable_options())[k] = v;
  };
  // INTO t [alias] [WITH (...)] [BY NAME] REPLACE {WHERE | ON | USING}
  bool replace = false;
  if (!overwrite) {
    for (size_t i = pos_, depth = 0; i + 1 < tokens_.size() && depth < 1; ++i) {
      TokenType t = tokens_[i].type, next = tokens_[i + 1].type;
      if (t == kLeftParen) {
        i = matching_paren(i);
        continue;
      }
      if (t == kwREPLACE && (next == kwWHERE || next == kwON || next == kwUSING)) {
        replace = true;
        break;
      }
      if (t == kwSELECT || t == kwVALUES || t == kwTABLE || t == kwFROM || t == kwWITH || t == kSemicolon || t == kwPARTITION) {
        if (t == kwWITH && next == kLeftParen) continue;
        break;
      }
    }
  }
  if (replace) {
    size_t alias_at = pos_;
    bool has_alias = at(kwAS) || (can_alias(true) && !at(kwREPLACE) && !(at(kwBY) && at(kwNAME, 1)));
    std::vector<std::string> alias_columns;
    if (has_alias) {
      accept(kwAS);
      out->set_alias(strict_identifier());
      if (at(kLeftParen)) alias_columns = identifier_list();
    }
    size_t alias_end = pos_;
    options();
    if (accept(kwBY, kwNAME)) out->set_by_name(true);
    expect(kwREPLACE);
    if (accept(kwWHERE)) {
      out->set_mode(Insert::REPLACE_WHERE);
      out->set_allocated_condition(expression().release());
      if (has_alias) fail("INSERT_REPLACE_WHERE_TABLE_ALIAS_NOT_ALLOWED", {}, alias_at, alias_end);
    } else if (accept(kwON)) {
      out->set_mode(Insert::REPLACE_ON);
      out->set_allocated_condition(expression().release());
      if (!alias_columns.empty()) fail("COLUMN_ALIASES_NOT_ALLOWED", {{"op", "INSERT REPLACE ON"}}, alias_at, alias_end);
    } else {
      expect(kwUSING);
      out->set_mode(Insert::REPLACE_USING);
      for (auto& c : identifier_list()) out->add_using_columns(std::move(c));
    }
    return;
  }
  options();
  bool if_absent = false;
  if (at(kwPARTITION)) partition_spec(out->mutable_partition(), false);
  if (at(kwIF)) if_absent = if_not_exists();
  if (at(kwBY) && at(kwNAME, 1)) {
    pos_ += 2;
    out->set_by_name(true);
  } else if (at(kLeftParen) && !paren_is_query()) {
    for (auto& c : identifier_list()) out->add_columns(std::move(c));
  }
  if (!if_absent) return;
  if (!overwrite) invalid_statement("INSERT INTO ... IF NOT EXISTS", start);
  out->set_if_partition_not_exists(true);
  std::string dynamic;
  for (const auto& e : out->partition().entries())
    if (!e.has_value()) dynamic += (dynamic.empty() ? "" : ", ") + e.column();
  if (!dynamic.empty()) operation_not_allowed("IF NOT EXISTS with dynamic partitions: " + dynamic, start);
}

void Parser::insert(Statement* out, With* with) {
  Insert i;
  InsertDirectory directory;
  bool is_directory = false;
  size_t start = pos_;
  insert_into(&i, &directory, &is_directory, &start);
  size_t query_at = pos_;
  RelPtr q = query();
  // REPLACE ON: the source may have a name, (query) AS s.
  if (!is_directory && tokens_[query_at].type == kLeftParen && (at(kwAS) || can_alias(true))) {
    size_t alias_at = pos_;
    accept(kwAS);
    i.set_query_alias(strict_identifier());
    if (at(kLeftParen)) {
      for (auto& c : identifier_list()) i.add_query_alias_columns(std::move(c));
      if (i.mode() == Insert::REPLACE_ON) fail("COLUMN_ALIASES_NOT_ALLOWED", {{"op", "INSERT REPLACE ON"}}, alias_at);
    }
  }
  if (with) q = finish(with_ctes(std::move(*with), std::move(q)), start);
  if (is_directory) {
    directory.set_allocated_query(q.release());
    *out->mutable_insert_directory() = std::move(directory);
  } else {
    i.set_allocated_query(q.release());
    *out->mutable_insert() = std::move(i);
  }
}

// FROM t INSERT INTO a SELECT ... INSERT INTO b SELECT ...
void Parser::multi_insert(Statement* out, With* with) {
  auto from = from_clause();
  auto* m = out->mutable_multi_insert();
  while (at(kwINSERT)) {
    auto* entry = m->add_inserts();
    bool is_directory = false;
    size_t start = pos_, mark = subqueries_.size();
    Insert i;
    InsertDirectory directory;
    insert_into(&i, &directory, &is_directory, &start);
    if (!at_any(kwSELECT, kwMAP, kwREDUCE)) syntax_error();
    auto q = attach_subqueries(from_statement_body(*from), mark);
    if (with) q = finish(with_ctes(*with, std::move(q)), start);
    if (is_directory) {
      directory.set_allocated_query(q.release());
      *entry->mutable_directory() = std::move(directory);
    } else {
      i.set_allocated_query(q.release());
      *entry->mutable_insert() = std::move(i);
    }
  }
}

std::optional<std::string> Parser::alias_without_columns(const char* operation) {
  std::optional<std::string> alias;
  if (accept(kwAS)) {
    alias = strict_identifier();
  } else if (can_alias(true)) {
    alias = strict_identifier();
  }
  if (alias && at(kLeftParen)) {
    size_t start = pos_;
    identifier_list();
    fail("COLUMN_ALIASES_NOT_ALLOWED", {{"op", operation}}, start);
  }
  return alias;
}

void Parser::delete_from(Statement* out, With* with) {
  pos_ += 2;
  auto* d = out->mutable_delete_();
  identifier_reference(d->mutable_name());
  if (auto a = alias_without_columns("DELETE")) d->set_alias(*a);
  if (accept(kwWHERE)) d->set_allocated_condition(expression().release());
  if (with) *d->mutable_with() = std::move(*with);
}

void Parser::update(Statement* out, With* with) {
  expect(kwUPDATE);
  auto* u = out->mutable_update();
  identifier_reference(u->mutable_name());
  if (auto a = alias_without_columns("UPDATE")) u->set_alias(*a);
  expect(kwSET);
  assignment_list(u->mutable_assignments());
  if (accept(kwWHERE)) u->set_allocated_condition(expression().release());
  if (with) *u->mutable_with() = std::move(*with);
}

void Parser::merge(Statement* out, With* with) {
  size_t start = pos_;
  expect(kwMERGE);
  auto* m = out->mutable_merge();
  if (accept(kwWITH)) {
    expect(kwSCHEMA);
    expect(kwEVOLUTION);
    m->set_with_schema_evolution(true);
  }
  expect(kwINTO);
  identifier_reference(m->mutable_name());
  if (auto a = alias_without_columns("MERGE")) m->set_alias(*a);
  expect(kwUSING);
  size_t source_at = pos_;
  RelPtr source;
  if (at(kLeftParen)) {
    ++pos_;
    source = query();
    expect(kRightParen);
  } else {
    Name name;
    identifier_reference(&name);
    source = finish(named_table(name, {}, false), source_at);
  }
  if (auto a = alias_without_columns("MERGE")) source = finish(alias_rel(std::move(source), *a), source_at);
  m->set_allocated_source(source.release());
  expect(kwON);
  m->set_allocated_condition(expression().release());
  merge_clauses(m, start);
  if (with) *m->mutable_with() = std::move(*with);
}

void Parser::merge_clauses(Merge* out, size_t start) {
  using Action = sc::MergeAction;
  int stage = 0;  // matched, not matched, not matched by source: in this order
  while (at(kwWHEN)) {
    size_t when = pos_;
    ++pos_;
    bool negated = at_any(kwNOT, kBang) && accept_not();
    expect(kwMATCHED);
    bool by_source = false;
    if (negated && accept(kwBY)) {
      by_source = at(kwSOURCE);
      if (!at_any(kwSOURCE, kwTARGET)) syntax_error();
      ++pos_;
    }
    int this_stage = !negated ? 0 : by_source ? 2 : 1;
    if (this_stage < stage) syntax_error(when);
    stage = this_stage;
    Action* action = !negated ? out->add_matched() : by_source ? out->add_not_matched_by_source() : out->add_not_matched();
    if (accept(kwAND)) action->set_allocated_condition(expression().release());
    expect(kwTHEN);
    size_t action_at = pos_;
    if (this_stage != 1 && accept(kwDELETE)) {
      action->set_action_type(Action::ACTION_TYPE_DELETE);
    } else if (this_stage != 1) {
      expect(kwUPDATE);
      expect(kwSET);
      if (this_stage == 0 && accept(kAsterisk)) {
        action->set_action_type(Action::ACTION_TYPE_UPDATE_STAR);
        continue;
      }
      action->set_action_type(Action::ACTION_TYPE_UPDATE);
      google::protobuf::RepeatedPtrField<Assignment> list;
      assignment_list(&list);
      for (auto& a : list) {
        auto* to = action->add_assignments();
        to->set_allocated_key(a.release_key());
        to->set_allocated_value(a.release_value());
      }
    } else {
      expect(kwINSERT);
      if (accept(kAsterisk)) {
        action->set_action_type(Action::ACTION_TYPE_INSERT_STAR);
        continue;
      }
      action->set_action_type(Action::ACTION_TYPE_INSERT);
      expect(kLeftParen);
      ExprList columns;
      do {
        size_t at_column = pos_;
        auto e = attribute_expr(multipart_identifier());
        columns.push_back(finish(std::move(e), at_column));
      } while (accept(kComma));
      expect(kRightParen);
      expect(kwVALUES);
      expect(kLeftParen);
      ExprList values = expression_seq();
      expect(kRightParen);
      if (columns.size() != values.size())
        fail("MERGE_INSERT_VALUE_COUNT_MISMATCH", {{"expectedCount", std::to_string(columns.size())}, {"actualCount", std::to_string(values.size())}}, action_at);
      for (size_t i = 0; i < columns.size(); ++i) {
        auto* to = action->add_assignments();
        to->set_allocated_key(columns[i].release());
        to->set_allocated_value(values[i].release());
      }
    }
  }
  if (out->matched_size() + out->not_matched_size() + out->not_matched_by_source_size() == 0) fail("MERGE_WITHOUT_WHEN", {}, start);
  auto conditions = [&](const auto& actions, const char* condition) {
    for (int i = 0; i + 1 < actions.size(); ++i)
      if (!actions.Get(i).has_condition()) fail(condition, {}, start);
  };
  conditions(out->matched(), "NON_LAST_MATCHED_CLAUSE_OMIT_CONDITION");
  conditions(out->not_matched(), "NON_LAST_NOT_MATCHED_BY_TARGET_CLAUSE_OMIT_CONDITION");
  conditions(out->not_matched_by_source(), "NON_LAST_NOT_MATCHED_BY_SOURCE_CLAUSE_OMIT_CONDITION");
}

}  // namespace tarn::sql
