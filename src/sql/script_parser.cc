// BEGIN ... END scripts: blocks, declarations, handlers, control flow. Rules about labels and the order of declarations are checked here.
#include "sql/parser_impl.h"

namespace tarn::sql {

namespace sc = spark::connect;

// What is known while one script is read.
struct Parser::ScriptScope {
  struct Label {
    std::string name;  // lower case
    bool loop;         // ITERATE may name it
  };
  std::vector<Label> labels;                 // enclosing, innermost last
  std::set<std::string> seen;                // labels and FOR variables in use
  std::map<std::string, std::string> conditions;  // upper case -> SQLSTATE

  bool has(const std::string& label) const {
    for (const auto& l : labels)
      if (l.name == label) return true;
    return false;
  }
};

namespace {
bool is_forbidden_label(const std::string& lower) { return lower == "builtin" || lower == "session" || lower.compare(0, 3, "sys") == 0; }
}  // namespace

void Parser::script_error(const char* condition, ErrorParams params, size_t start, size_t end) const {
  throw SparkError(ErrorKind::kScripting, condition, std::move(params), context(start, end));
}

void Parser::script(Statement* out) {
  ScriptScope scope;
  in_script_ = true;
  expect(kwBEGIN);
  auto* c = out->mutable_compound();
  if (at(kwNOT) && at(kwATOMIC, 1)) {
    pos_ += 2;
    c->set_not_atomic(true);
  }
  compound_body(c, &scope, true);
  expect(kwEND);
  in_script_ = false;
}

bool Parser::at_body_end() const {
  return at(kwEND) || (at(kwELSE) && !at(kSemicolon, 1)) || at(kwELSEIF) || (at(kwUNTIL) && !at(kSemicolon, 1)) || (at(kwWHEN) && !at(kSemicolon, 1)) || at(kEof);
}

// (statement ;)*, up to the word that ends the body. Declarations come in the order variables and conditions, cursors, handlers.
void Parser::compound_body(Compound* out, ScriptScope* scope, bool scoped) {
  DepthGuard guard(this);
  enum State { kInit, kVariable, kCondition, kCursor, kHandler, kStatement } state = kInit;
  std::vector<std::string> own_conditions;
  while (!at_body_end()) {
    size_t start = pos_;
    auto* item = out->add_items();
    compound_statement(item, scope);
    size_t end = pos_;
    set_origin(item->mutable_origin(), start, end);
    expect(kSemicolon);
    State next = kStatement;
    std::string name;
    if (item->has_condition()) {
      next = kCondition;
      name = item->condition().name();
    } else if (item->has_handler()) {
      next = kHandler;
    } else if (item->has_statement()) {
      Statement s;
      if (unpack(item->statement().plan().command(), &s)) {
        if (s.has_declare_variable()) {
          next = kVariable;
          for (const auto& p : s.declare_variable().names(0).parts()) name += (name.empty() ? "" : ".") + quote_identifier(p);
        } else if (s.has_declare_cursor()) {
          next = kCursor;
        }
      }
    }
    if (next == kVariable && !scoped) script_error("INVALID_VARIABLE_DECLARATION.NOT_ALLOWED_IN_SCOPE", {{"varName", name}}, start, end);
    if (next == kCondition && !scoped)
      script_error("INVALID_ERROR_CONDITION_DECLARATION.NOT_AT_START_OF_COMPOUND_STATEMENT", {{"conditionName", quote_identifier(name)}}, start, end);
    if (next == kVariable && state >= kCursor) script_error("INVALID_VARIABLE_DECLARATION.ONLY_AT_BEGINNING", {{"varName", name}}, start, end);
    if (next == kCondition && state >= kCursor)
      script_error("INVALID_ERROR_CONDITION_DECLARATION.NOT_AT_START_OF_COMPOUND_STATEMENT", {{"conditionName", quote_identifier(name)}}, start, end);
    if (next == kCursor && state >= kHandler) script_error("INVALID_CURSOR_DECLARATION", {}, start, end);
    if (next == kHandler && state == kStatement) script_error("INVALID_HANDLER_DECLARATION.WRONG_PLACE_OF_DECLARATION", {}, start, end);
    state = next;
    if (item->has_condition()) {
      if (scope->conditions.count(name)) script_error("DUPLICATE_CONDITION_IN_SCOPE", {{"condition", quote_identifier(name)}}, start, end);
      scope->conditions[name] = item->condition().sqlstate();
      own_conditions.push_back(name);
    }
    if (item->has_handler()) {
      for (const auto& c : item->handler().conditions())
        if (!find_error_condition(c) && !scope->conditions.count(c)) script_error("INVALID_HANDLER_DECLARATION.CONDITION_NOT_FOUND", {{"condition", c}}, start, end);
    }
  }
  for (const auto& c : own_conditions) scope->conditions.erase(c);
}

// Enters the label written at token `at_label` (npos: none). Returns its lower-case name.
std::string Parser::enter_label(ScriptScope* scope, const std::optional<std::string>& label, bool loop, size_t at_label) {
  if (!label) return {};
  std::string name = to_lower(*label);
  if (scope->seen.count(name)) script_error("LABEL_OR_FOR_VARIABLE_ALREADY_EXISTS", {{"label", quote_identifier(name)}}, at_label, at_label + 2);
  if (is_forbidden_label(name)) script_error("LABEL_OR_FOR_VARIABLE_NAME_FORBIDDEN", {{"label", quote_identifier(name)}}, at_label, at_label + 2);
  scope->seen.insert(name);
  scope->labels.push_back({name, loop});
  return name;
}

void Parser::leave_label(ScriptScope* scope, const std::string& name) {
  if (name.empty()) return;
  scope->seen.erase(name);
  scope->labels.pop_back();
}

// The optional label after END.
void Parser::end_label(const std::optional<std::string>& begin, size_t at_label) {
  if (!is_strict_identifier() || at(kSemicolon)) return;
  size_t at_end = pos_;
  std::string end = strict_identifier();
  if (!begin) script_error("END_LABEL_WITHOUT_BEGIN_LABEL", {{"endLabel", quote_identifier(end)}}, at_end, at_end + 1);
  if (!equals_ignore_case(*begin, end))
    script_error("LABELS_MISMATCH", {{"beginLabel", quote_identifier(*begin)}, {"endLabel", quote_identifier(end)}}, at_label, at_label + 2);
}

void Parser::compound_statement(ScriptItem* out, ScriptScope* scope) {
  size_t start = pos_;
  std::optional<std::string> label;
  if (is_strict_identifier() && at(kColon, 1)) {
    label = strict_identifier();
    ++pos_;
    if (!at_any(kwBEGIN, kwWHILE, kwREPEAT, kwLOOP, kwFOR)) syntax_error();
  }
  bool keyword_use = !at(kSemicolon, 1) && !at(kEq, 1) && !at(kDot, 1);
  switch (keyword_use ? type() : kEof) {
    case kwBEGIN: {
      auto* block = out->mutable_block();
      std::string name = enter_label(scope, label, false, start);
      if (label) block->set_label(name);
      begin_end(block, scope);
      end_label(label, start);
      leave_label(scope, name);
      return;
    }
    case kwWHILE: case kwREPEAT: case kwLOOP: case kwFOR: {
      auto* loop = out->mutable_loop();
      std::string name = enter_label(scope, label, true, start);
      if (label) loop->set_label(name);
      loop_statement(loop, scope);
      end_label(label, start);
      leave_label(scope, name);
      return;
    }
    case kwIF: return if_statement(out->mutable_if_(), scope);
    case kwCASE: return case_statement(out->mutable_case_(), scope);
    case kwLEAVE: case kwITERATE: {
      bool leave = at(kwLEAVE);
      ++pos_;
      std::string name = to_lower(strict_identifier());
      bool found = false;
      for (auto l = scope->labels.rbegin(); l != scope->labels.rend() && !found; ++l) {
        if (l->name != name) continue;
        found = true;
        if (!leave && !l->loop) script_error("INVALID_LABEL_USAGE.ITERATE_IN_COMPOUND", {{"labelName", to_upper(name)}}, start, pos_);
      }
      if (!found) script_error("INVALID_LABEL_USAGE.DOES_NOT_EXIST", {{"labelName", to_upper(name)}, {"statementType", leave ? "LEAVE" : "ITERATE"}}, start, pos_);
      if (leave) {
        out->set_leave(name);
      } else {
        out->set_iterate(name);
      }
      return;
    }
    case kwDECLARE:
      if (is_strict_identifier(1) && at(kwCONDITION, 2)) return condition(out->mutable_condition());
      if (at_any(kwDECLARE) && (at(kwCONTINUE, 1) || at(kwEXIT, 1)) && at(kwHANDLER, 2)) return handler(out->mutable_handler(), scope);
      if (at(kwCONDITION, 2) || (at(kDot, 2) && declares_qualified_condition())) {
        ++pos_;
        std::string name;
        for (const auto& p : multipart_identifier()) name += (name.empty() ? "" : ".") + p;
        script_error("INVALID_ERROR_CONDITION_DECLARATION.QUALIFIED_CONDITION_NAME", {{"conditionName", to_upper(name)}}, start, pos_);
      }
      break;
    default: break;
  }
  script_statement(out->mutable_statement());
}

bool Parser::declares_qualified_condition() const {
  size_t k = 1;
  while (is_identifier(k) && at(kDot, k + 1)) k += 2;
  return is_identifier(k) && at(kwCONDITION, k + 1);
}

void Parser::script_statement(ScriptItem::Statement* out) {
  size_t start = pos_;
  statement(out->mutable_plan());
  out->set_text(source_from(start));
}

void Parser::begin_end(Compound* out, ScriptScope* scope) {
  expect(kwBEGIN);
  if (at(kwNOT) && at(kwATOMIC, 1)) {
    pos_ += 2;
    out->set_not_atomic(true);
  }
  compound_body(out, scope, true);
  expect(kwEND);
}

void Parser::script_expression(ScriptExpression* out) {
  size_t start = pos_, mark = subqueries_.size();
  out->set_allocated_expression(expression().release());
  out->set_text(source_from(start));
  for (size_t i = mark; i < subqueries_.size(); ++i) *out->add_subqueries() = std::move(*subqueries_[i]);
  subqueries_.resize(mark);
  set_origin(out->mutable_origin(), start);
}

namespace {
bool valid_sqlstate(const std::string& s) {
  if (s.size() != 5) return false;
  for (char c : s)
    if (!isalnum(static_cast<unsigned char>(c))) return false;
  return s.compare(0, 2, "00") != 0 && s.compare(0, 2, "01") != 0 && s.compare(0, 2, "XX") != 0;
}
}  // namespace

// DECLARE name CONDITION [FOR SQLSTATE [VALUE] 'xxxxx']
void Parser::condition(ScriptItem::Condition* out) {
  size_t start = pos_;
  ++pos_;
  std::string name = strict_identifier();
  expect(kwCONDITION);
  std::string state = "45000";
  if (accept(kwFOR)) {
    expect(kwSQLSTATE);
    accept(kwVALUE);
    state = string_literal();
  }
  if (!valid_sqlstate(state)) script_error("INVALID_SQLSTATE", {{"sqlState", state}}, start, pos_);
  for (char c : name)
    if (!(isalnum(static_cast<unsigned char>(c)) || c == '_'))
      script_error("INVALID_ERROR_CONDITION_DECLARATION.SPECIAL_CHARACTER_FOUND", {{"conditionName", quote_identifier(name)}}, start, pos_);
  out->set_name(to_upper(name));
  out->set_sqlstate(to_upper(state));
}

// DECLARE {CONTINUE | EXIT} HANDLER FOR conditions {BEGIN ... END | statement}
void Parser::handler(ScriptItem::Handler* out, ScriptScope* scope) {
  size_t start = pos_;
  ++pos_;
  out->set_exit(at(kwEXIT));
  pos_ += 2;
  expect(kwFOR);
  do {
    if (accept(kwSQLSTATE)) {
      accept(kwVALUE);
      std::string state = string_literal();
      if (!valid_sqlstate(state)) script_error("INVALID_SQLSTATE", {{"sqlState", state}}, start, pos_);
      state = to_upper(state);
      for (const auto& s : out->sqlstates())
        if (s == state) script_error("INVALID_HANDLER_DECLARATION.DUPLICATE_SQLSTATE_IN_HANDLER_DECLARATION", {{"sqlState", state}}, start, pos_);
      out->add_sqlstates(state);
    } else if (accept(kwSQLEXCEPTION)) {
      if (out->sql_exception()) script_error("INVALID_HANDLER_DECLARATION.DUPLICATE_CONDITION_IN_HANDLER_DECLARATION", {{"condition", "SQLEXCEPTION"}}, start, pos_);
      out->set_sql_exception(true);
    } else if (accept(kwNOT)) {
      expect(kwFOUND);
      if (out->not_found()) script_error("INVALID_HANDLER_DECLARATION.DUPLICATE_CONDITION_IN_HANDLER_DECLARATION", {{"condition", "NOT FOUND"}}, start, pos_);
      out->set_not_found(true);
    } else {
      auto parts = multipart_identifier();
      std::string name;
      for (const auto& p : parts) name += (name.empty() ? "" : ".") + to_upper(p);
      if (parts.size() > 1 && !find_error_condition(name)) script_error("INVALID_HANDLER_DECLARATION.CONDITION_NOT_FOUND", {{"condition", name}}, start, pos_);
      for (const auto& c : out->conditions())
        if (c == name) script_error("INVALID_HANDLER_DECLARATION.DUPLICATE_CONDITION_IN_HANDLER_DECLARATION", {{"condition", name}}, start, pos_);
      out->add_conditions(name);
    }
  } while (accept(kComma));
  if ((out->sql_exception() || out->not_found()) && (out->conditions_size() || out->sqlstates_size()))
    script_error("INVALID_HANDLER_DECLARATION.INVALID_CONDITION_COMBINATION", {}, start, pos_);
  if (!out->exit() && !options_.script_continue_handler) script_error("UNSUPPORTED_FEATURE.CONTINUE_EXCEPTION_HANDLER", {}, start, pos_);
  bool labelled = is_strict_identifier() && at(kColon, 1) && at(kwBEGIN, 2);
  if (at(kwBEGIN) || labelled) {
    size_t label_at = pos_;
    std::optional<std::string> label;
    if (labelled) {
      label = strict_identifier();
      ++pos_;
    }
    std::string name = enter_label(scope, label, false, label_at);
    if (label) out->mutable_body()->set_label(name);
    begin_end(out->mutable_body(), scope);
    end_label(label, label_at);
    leave_label(scope, name);
    return;
  }
  auto* item = out->mutable_body()->add_items();
  size_t body_at = pos_;
  script_statement(item->mutable_statement());
  set_origin(item->mutable_origin(), body_at);
}

void Parser::if_statement(ScriptItem::If* out, ScriptScope* scope) {
  expect(kwIF);
  do {
    auto* branch = out->add_branches();
    script_expression(branch->mutable_condition());
    expect(kwTHEN);
    non_empty_body(branch->mutable_body(), scope);
  } while (accept(kwELSEIF));
  if (accept(kwELSE)) non_empty_body(out->mutable_otherwise(), scope);
  expect(kwEND);
  expect(kwIF);
}

void Parser::non_empty_body(Compound* out, ScriptScope* scope) {
  if (at_body_end()) syntax_error();
  compound_body(out, scope, false);
}

void Parser::case_statement(ScriptItem::Case* out, ScriptScope* scope) {
  expect(kwCASE);
  if (!at(kwWHEN)) script_expression(out->mutable_operand());
  if (!at(kwWHEN)) syntax_error();
  while (accept(kwWHEN)) {
    auto* branch = out->add_branches();
    script_expression(branch->mutable_condition());
    expect(kwTHEN);
    non_empty_body(branch->mutable_body(), scope);
  }
  if (accept(kwELSE)) non_empty_body(out->mutable_otherwise(), scope);
  expect(kwEND);
  expect(kwCASE);
}

void Parser::loop_statement(ScriptItem::Loop* out, ScriptScope* scope) {
  TokenType word = type();
  ++pos_;
  switch (word) {
    case kwWHILE:
      out->set_kind(ScriptItem::Loop::WHILE);
      script_expression(out->mutable_condition());
      expect(kwDO);
      non_empty_body(out->mutable_body(), scope);
      break;
    case kwREPEAT:
      out->set_kind(ScriptItem::Loop::REPEAT);
      non_empty_body(out->mutable_body(), scope);
      expect(kwUNTIL);
      script_expression(out->mutable_condition());
      break;
    case kwFOR: {
      out->set_kind(ScriptItem::Loop::FOR);
      std::string variable;
      size_t variable_at = pos_;
      if (is_strict_identifier() && at(kwAS, 1)) {
        out->set_variable(strict_identifier());
        variable = to_lower(out->variable());
        ++pos_;
      }
      query_text(out->mutable_query());
      if (!variable.empty()) {
        if (!scope->seen.insert(variable).second)
          script_error("LABEL_OR_FOR_VARIABLE_ALREADY_EXISTS", {{"label", quote_identifier(variable)}}, variable_at, variable_at + 1);
        if (is_forbidden_label(variable))
          script_error("LABEL_OR_FOR_VARIABLE_NAME_FORBIDDEN", {{"label", quote_identifier(variable)}}, variable_at, variable_at + 1);
      }
      expect(kwDO);
      non_empty_body(out->mutable_body(), scope);
      if (!variable.empty()) scope->seen.erase(variable);
      break;
    }
    default:
      out->set_kind(ScriptItem::Loop::LOOP);
      non_empty_body(out->mutable_body(), scope);
  }
  expect(kwEND);
  expect(word);
}

}  // namespace tarn::sql
