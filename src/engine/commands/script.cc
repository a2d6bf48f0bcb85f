// BEGIN … END: variables, conditions, handlers, loops. Source: SqlScriptingInterpreter, SqlScriptingExecution, SQL/PSM.
#include "engine/commands/script.h"

#include <algorithm>

#include "engine/commands/handlers.h"
#include "engine/commands/parsing.h"
#include "engine/commands/support.h"
#include "plan/session_conf.h"
#include "spark/connect/base.pb.h"
#include "spark/connect/expressions.pb.h"
#include "spark/connect/relations.pb.h"
#include "tarn/sql.pb.h"

namespace tarn::engine::commands {

namespace sc = spark::connect;
using catalog::lower;

namespace {

thread_local LocalVariables* locals_of_thread = nullptr;

std::string key_of(const std::string& name, CommandHost& host) { return host.conf().case_sensitive() ? name : lower(name); }

}  // namespace

LocalVariables* current_locals() { return locals_of_thread; }
UseLocals::UseLocals(LocalVariables* locals) : before_(locals_of_thread) { locals_of_thread = locals; }
UseLocals::~UseLocals() { locals_of_thread = before_; }
HideLocals::HideLocals(CommandHost& host) : host_(host), before_(locals_of_thread) {
  locals_of_thread = nullptr;
  lookup_.swap(host_.analyzer().local_variable);
}
HideLocals::~HideLocals() { show(); }
void HideLocals::show() {
  if (!hidden_) return;
  locals_of_thread = before_;
  lookup_.swap(host_.analyzer().local_variable);
  hidden_ = false;
}

plan::Variable* LocalVariables::find(const std::vector<std::string>& parts, CommandHost& host) {
  if (parts.size() > 2) return nullptr;
  for (auto scope = scopes.rbegin(); scope != scopes.rend(); ++scope) {
    if (parts.size() == 2 && lower(scope->label) != lower(parts[0])) continue;
    auto it = scope->variables.find(key_of(parts.back(), host));
    if (it != scope->variables.end()) return &it->second;
  }
  return nullptr;
}

void LocalVariables::declare(const std::vector<std::vector<std::string>>& names, const plan::Variable& variable, bool or_replace,
                             CommandHost& host) {
  if (scopes.empty()) throw internal_error("a variable is declared outside of every block");
  auto& scope = scopes.back();
  std::vector<std::string> keys;
  for (auto& parts : names) {
    if (parts.size() > 1) {
      throw analysis_error("INVALID_VARIABLE_DECLARATION.QUALIFIED_LOCAL_VARIABLE", {{"varName", quote_identifier(parts)}});
    }
    if (or_replace) throw analysis_error("INVALID_VARIABLE_DECLARATION.REPLACE_LOCAL_VARIABLE", {{"varName", quote_identifier(parts)}});
    std::string key = key_of(parts[0], host);
    if (std::find(keys.begin(), keys.end(), key) != keys.end()) {
      throw analysis_error("DUPLICATE_VARIABLE_NAME_INSIDE_DECLARE", {{"variableName", quote_identifier(key)}});
    }
    if (scope.variables.count(key)) {
      throw analysis_error("VARIABLE_ALREADY_EXISTS", {{"variableName", quote_identifier(std::vector<std::string>{scope.label, key})}});
    }
    keys.push_back(key);
  }
  for (auto& key : keys) scope.variables[key] = variable;
}

namespace {

class Script {
 public:
  explicit Script(CommandHost& host) : host_(host) {}

  CommandResult run(const sql::Compound& body) {
    UseLocals use(&locals_);
    auto& context = host_.analyzer();
    auto before = context.local_variable;
    context.local_variable = [this](const std::vector<std::string>& parts) -> std::optional<plan::Variable> {
      // Analysis may run on another thread (with a larger stack) while this one waits.
      auto* found = locals_.find(parts, host_);
      return found ? std::optional<plan::Variable>(*found) : std::nullopt;
    };
    try {
      block(body);
    } catch (...) {
      context.local_variable = before;
      throw;
    }
    context.local_variable = before;
    return std::move(last_);
  }

 private:
  // What happens after a statement: the next one, or a jump to the statement with this label. A handler of EXIT leaves its block.
  struct Flow {
    enum Kind { kNext, kLeave, kIterate, kExit } kind = kNext;
    std::string label;
    size_t depth = 0;  // kExit: the number of open blocks that stay, that is the index of the one that ends
  };
  struct Frame {
    size_t scopes_before;  // number of open scopes when the block began
    std::vector<const sql::ScriptItem::Handler*> handlers;
    std::map<std::string, std::string> conditions;  // declared: name -> SQLSTATE
  };

  void check_cancelled() {
    if (host_.cancelled()) throw SparkError(ErrorKind::kSpark, "OPERATION_CANCELED", {});
  }

  Flow block(const sql::Compound& body) {
    size_t scopes = locals_.scopes.size(), depth = frames_.size();
    locals_.scopes.push_back({body.label(), {}});
    frames_.push_back({scopes, {}, {}});
    Flow flow;
    try {
      for (auto& item : body.items()) {
        flow = guarded(item);
        if (flow.kind != Flow::kNext) break;
      }
    } catch (...) {
      frames_.resize(depth);
      locals_.scopes.resize(scopes);
      throw;
    }
    frames_.resize(depth);
    locals_.scopes.resize(scopes);
    if (flow.kind == Flow::kExit && flow.depth == depth) return {};
    if (flow.kind == Flow::kLeave && !body.label().empty() && lower(flow.label) == lower(body.label())) return {};
    return flow;
  }

  // One item; an error in it goes to the nearest handler that takes it. Blocks inside the item have closed when it is caught.
  Flow guarded(const sql::ScriptItem& item) {
    try {
      return execute(item);
    } catch (const SparkError& error) {
      if (error.condition() == "OPERATION_CANCELED") throw;
      auto found = find_handler(error);
      if (!found && error.sqlstate().starts_with("02")) return {};  // "no data" is a completion, not a failure
      if (!found) throw;
      auto [handler, frame] = *found;
      // The handler's body sees the variables of the block that declares it, and its errors are not for the handlers of that block.
      size_t visible = frames_[frame].scopes_before + 1;
      std::vector<LocalVariables::Scope> inner(locals_.scopes.begin() + static_cast<long>(visible), locals_.scopes.end());
      std::vector<Frame> inner_frames(frames_.begin() + static_cast<long>(frame) + 1, frames_.end());
      locals_.scopes.resize(visible);
      frames_.resize(frame + 1);
      auto handlers = std::move(frames_[frame].handlers);
      frames_[frame].handlers.clear();
      Flow flow = block(handler->body());
      frames_[frame].handlers = std::move(handlers);
      locals_.scopes.insert(locals_.scopes.end(), inner.begin(), inner.end());
      frames_.insert(frames_.end(), inner_frames.begin(), inner_frames.end());
      if (flow.kind != Flow::kNext) return flow;
      if (handler->exit()) return {Flow::kExit, "", frame};
      return {};
    }
  }

  std::optional<std::pair<const sql::ScriptItem::Handler*, size_t>> find_handler(const SparkError& error) {
    std::string condition = error.condition();
    std::string top = condition.substr(0, condition.find('.'));
    std::string state = error.sqlstate();
    auto upper = [](std::string s) {
      std::transform(s.begin(), s.end(), s.begin(), [](unsigned char c) { return std::toupper(c); });
      return s;
    };
    for (size_t i = frames_.size(); i-- > 0;) {
      const sql::ScriptItem::Handler* by_state = nullptr;
      const sql::ScriptItem::Handler* by_class = nullptr;
      const sql::ScriptItem::Handler* by_top = nullptr;
      for (auto* h : frames_[i].handlers) {
        for (auto& name : h->conditions()) {
          if (upper(name) == condition) return std::make_pair(h, i);
          if (upper(name) == top) by_top = h;
          // A condition that the script declares stands for its SQLSTATE.
          for (auto& frame : frames_) {
            auto it = frame.conditions.find(upper(name));
            if (it != frame.conditions.end() && !it->second.empty() && it->second == state) by_state = h;
          }
        }
        for (auto& s : h->sqlstates()) {
          if (s == state) by_state = h;
        }
        if (h->not_found() && state.starts_with("02")) by_class = h;
        if (h->sql_exception() && !state.starts_with("02") && !state.starts_with("00") && !state.starts_with("01")) {
          if (!by_class) by_class = h;
        }
      }
      if (by_top) return std::make_pair(by_top, i);
      if (by_state) return std::make_pair(by_state, i);
      if (by_class) return std::make_pair(by_class, i);
    }
    return std::nullopt;
  }

  Flow execute(const sql::ScriptItem& item) {
    check_cancelled();
    switch (item.kind_case()) {
      case sql::ScriptItem::kStatement:
        statement(item.statement());
        return {};
      case sql::ScriptItem::kBlock:
        return block(item.block());
      case sql::ScriptItem::kCondition: {
        std::string name = item.condition().name();
        std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return std::toupper(c); });
        frames_.back().conditions[name] = item.condition().has_sqlstate() ? item.condition().sqlstate() : "45000";
        return {};
      }
      case sql::ScriptItem::kHandler:
        frames_.back().handlers.push_back(&item.handler());
        return {};
      case sql::ScriptItem::kIf: {
        for (auto& branch : item.if_().branches()) {
          if (truth(branch.condition())) return block(branch.body());
        }
        if (item.if_().has_otherwise()) return block(item.if_().otherwise());
        return {};
      }
      case sql::ScriptItem::kCase: {
        auto& c = item.case_();
        for (auto& branch : c.branches()) {
          if (c.has_operand() ? equal(c.operand(), branch.condition()) : truth(branch.condition())) return block(branch.body());
        }
        if (c.has_otherwise()) return block(c.otherwise());
        return {};
      }
      case sql::ScriptItem::kLoop:
        return loop(item.loop());
      case sql::ScriptItem::kLeave:
        return {Flow::kLeave, item.leave(), 0};
      case sql::ScriptItem::kIterate:
        return {Flow::kIterate, item.iterate(), 0};
      default:
        throw internal_error("an item of a script has no kind");
    }
  }

  void statement(const sql::ScriptItem::Statement& s) {
    // The rows of a query that is not the last one are computed and dropped: it may fail.
    auto result = execute_parsed(s.plan(), host_);
    if (result.query) {
      plan::DataType schema;
      auto rows = rows_of(result, host_, &schema);
      last_ = {};
      last_.schema = schema;
      last_.rows = std::move(rows);
    } else if (!result.schema.fields().empty()) {
      last_ = std::move(result);
    } else {
      last_ = {};
    }
  }

  std::vector<Row> select(const std::vector<const sc::Expression*>& expressions, const google::protobuf::RepeatedPtrField<sc::Relation>& subqueries,
                          plan::DataType* schema = nullptr) {
    auto plan = plan_of_expressions(expressions, subqueries, host_);
    if (schema) *schema = plan::schema_of(*plan);
    return host_.collect(plan);
  }

  bool truth(const sql::ScriptExpression& condition) {
    plan::DataType schema;
    auto rows = select({&condition.expression()}, condition.subqueries(), &schema);
    if (schema.fields().at(0).type().id() != plan::TypeId::kBoolean && schema.fields()[0].type().id() != plan::TypeId::kNull) {
      throw SparkError(ErrorKind::kSpark, "INVALID_BOOLEAN_STATEMENT", {{"invalidStatement", condition.text()}});
    }
    if (rows.empty()) return false;
    if (rows.size() > 1) throw SparkError(ErrorKind::kSpark, "SCALAR_SUBQUERY_TOO_MANY_ROWS", {});
    return !rows[0][0].is_null() && rows[0][0].get<bool>();
  }

  bool equal(const sql::ScriptExpression& operand, const sql::ScriptExpression& value) {
    sc::Expression e;
    auto* f = e.mutable_unresolved_function();
    f->set_function_name("==");
    *f->add_arguments() = operand.expression();
    *f->add_arguments() = value.expression();
    google::protobuf::RepeatedPtrField<sc::Relation> subqueries = operand.subqueries();
    subqueries.MergeFrom(value.subqueries());
    auto rows = select({&e}, subqueries);
    return !rows.at(0)[0].is_null() && rows[0][0].get<bool>();
  }

  // True if the loop goes on with its next round; otherwise *flow says what comes after it.
  bool goes_on(Flow* flow, const std::string& label) {
    bool mine = !label.empty() && lower(flow->label) == lower(label);
    if (flow->kind == Flow::kNext) return true;
    if (flow->kind == Flow::kIterate && mine) {
      *flow = {};
      return true;
    }
    if (flow->kind == Flow::kLeave && mine) *flow = {};
    return false;
  }

  Flow loop(const sql::ScriptItem::Loop& l) {
    const std::string& label = l.label();
    switch (l.kind()) {
      case sql::ScriptItem::Loop::WHILE:
        while (truth(l.condition())) {
          check_cancelled();
          Flow flow = block(l.body());
          if (!goes_on(&flow, label)) return flow;
        }
        return {};
      case sql::ScriptItem::Loop::REPEAT:
        do {
          check_cancelled();
          Flow flow = block(l.body());
          if (!goes_on(&flow, label)) return flow;
        } while (!truth(l.condition()));
        return {};
      case sql::ScriptItem::Loop::LOOP:
        for (;;) {
          check_cancelled();
          Flow flow = block(l.body());
          if (!goes_on(&flow, label)) return flow;
        }
      default:
        return for_loop(l);
    }
  }

  Flow for_loop(const sql::ScriptItem::Loop& l) {
    auto plan = plan::analyze(l.query().query(), host_.analyzer());
    auto schema = plan::schema_of(*plan);
    auto rows = host_.collect(plan);
    for (auto& row : rows) {
      check_cancelled();
      // x.column and column are variables of their own, x is the row.
      LocalVariables::Scope scope;
      scope.label = l.has_variable() ? l.variable() : "";
      for (size_t i = 0; i < row.size(); ++i) {
        scope.variables[key_of(schema.fields()[i].name, host_)] = {schema.fields()[i].type(), row[i], "null"};
      }
      if (l.has_variable()) scope.variables.emplace(key_of(l.variable(), host_), plan::Variable{schema, plan::Value{plan::ListValue{row}}, "null"});
      locals_.scopes.push_back(std::move(scope));
      Flow flow;
      try {
        flow = block(l.body());
      } catch (...) {
        locals_.scopes.pop_back();
        throw;
      }
      locals_.scopes.pop_back();
      if (!goes_on(&flow, l.label())) return flow;
    }
    return {};
  }

  CommandHost& host_;
  LocalVariables locals_;
  std::vector<Frame> frames_;
  CommandResult last_;
};

}  // namespace

CommandResult run_script(const sql::Statement& statement, CommandHost& host) { return Script(host).run(statement.compound()); }

}  // namespace tarn::engine::commands
