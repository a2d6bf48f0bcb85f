#pragma once
// Inside the room: variables of a running script, and assignment to variables of either kind.
#include <google/protobuf/repeated_ptr_field.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "engine/commands/commands.h"
#include "plan/analyzer.h"

namespace spark::connect {
class Expression;
}
namespace tarn::sql {
struct ParseOptions;
}

namespace tarn::engine::commands {

struct Cursor {
  std::string name, text;       // as errors show it; the query
  bool open = false;
  plan::DataType schema;        // of rows
  std::vector<Row> rows;        // of the moment of OPEN
  size_t at = 0;                // the next row
};

// The variables and cursors of the blocks that are open, innermost last. Belongs to the thread that runs the script.
class LocalVariables {
 public:
  struct Scope {
    std::string label;
    std::map<std::string, plan::Variable> variables;
    std::map<std::string, Cursor> cursors;
  };
  std::vector<Scope> scopes;
  // x, or label.x; nullptr if there is none. The pointer lives until its block ends.
  plan::Variable* find(const std::vector<std::string>& parts, CommandHost& host);
  void declare(const std::vector<std::vector<std::string>>& names, const plan::Variable& variable, bool or_replace, CommandHost& host);
};

// Of the script that this thread runs; nullptr outside of scripts and inside EXECUTE IMMEDIATE.
LocalVariables* current_locals();
class UseLocals {
 public:
  explicit UseLocals(LocalVariables* locals);
  ~UseLocals();

 private:
  LocalVariables* before_;
};
class HideLocals {
 public:
  explicit HideLocals(CommandHost& host);
  ~HideLocals();
  void show();

 private:
  CommandHost& host_;
  LocalVariables* before_;
  decltype(plan::AnalyzerContext::local_variable) lookup_;
  bool hidden_ = true;
};

// A variable to be assigned: a local one, or the session's under `key`.
struct VariableTarget {
  std::vector<std::string> parts;
  plan::Variable* local = nullptr;
  std::string key;
  plan::Variable variable;
};
// UNRESOLVED_VARIABLE
VariableTarget find_variable(const std::vector<std::string>& parts, CommandHost& host);
void assign(const VariableTarget& target, plan::Value value, CommandHost& host);
// The one row of the query (none: NULLs), cast to the variables' types. ROW_SUBQUERY_TOO_MANY_ROWS, ASSIGNMENT_ARITY_MISMATCH.
void assign_from(const std::vector<VariableTarget>& targets, const plan::PlanPtr& query, CommandHost& host);

// USING of EXECUTE IMMEDIATE and OPEN: constants for the markers of a query's text.
class QueryArguments {
 public:
  // UNSUPPORTED_EXPR_FOR_PARAMETER, EXEC_IMMEDIATE_DUPLICATE_ARGUMENT_ALIASES
  QueryArguments(const google::protobuf::RepeatedPtrField<spark::connect::Expression>& list, CommandHost& host);
  ~QueryArguments();
  // Hands them to the parser of this text; this object must outlive the parse. ALL_PARAMETERS_MUST_BE_NAMED
  void bind(const std::string& text, sql::ParseOptions& options) const;

 private:
  struct Values;
  std::unique_ptr<Values> values_;
};

}  // namespace tarn::engine::commands
