#pragma once
// The function registry: one entry per function with its signature, type rule and lowering. Entries stand in tables, a file per
// family in plan/functions/*.cc; the next function is one line there (and, where DuckDB has nothing equal, one kernel in
// engine/kernels). SHOW FUNCTIONS, DESCRIBE FUNCTION and the documentation are made from these tables.
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "plan/expression.h"

namespace tarn::plan {

class SessionConf;

enum class FunctionKind : uint8_t { kScalar, kAggregate, kWindow, kGenerator, kTable };

struct CallContext {
  const SessionConf& conf;
  EvalMode mode;            // of the session, or kTry for try_ functions
  std::string_view name;    // as called
};

struct TypedCall {
  DataType type;
  bool nullable = true;
};

// A custom type rule: may check, cast or replace arguments. Throws SparkError (DATATYPE_MISMATCH.*, WRONG_NUM_ARGS …).
using TypeRule = TypedCall (*)(const CallContext& context, std::vector<ExprPtr>& args);
// A function that is another expression in disguise (nvl2 -> if, ifnull -> coalesce): gives that expression.
using RewriteRule = ExprPtr (*)(const CallContext& context, std::vector<ExprPtr>& args);

enum FunctionFlags : uint32_t {
  kNone = 0,
  kNullable = 1,            // result may be null though no argument is
  kNeverNull = 2,           // result is never null
  kNullTolerant = 4,        // a null argument does not make the result null (default: null in, null out)
  kNondeterministic = 8,    // rand, uuid, monotonically_increasing_id
  kStrict = 16,             // no implicit casts (Spark's ExpectsInputTypes); default casts as ImplicitCastInputTypes does
  kLambda = 32,             // higher-order: some argument is a lambda
  kFoldableConstant = 64,   // current_date and the like: one value per query
  kHidden = 128,            // not listed by SHOW FUNCTIONS
  kOperator = 256,          // printed infix
};

// signature: "(string, int, [int]) -> string", alternatives separated by " | ". Full grammar: plan/function_signature.h.
// lowering: DuckDB SQL of the call. $1…$9 lowered arguments, $* all of them, $2* from the second on, $tz the session zone as a
//   literal, $type the DuckDB type of the result. "@name" calls the C++ lowering of that name in engine/lowering. Empty for
//   rewrites. lowering_legacy/_try: other text when ANSI is off / for EvalMode::kTry; empty = same as lowering.
struct FunctionEntry {
  std::string_view names;               // "upper,ucase": the first is the canonical one
  FunctionKind kind = FunctionKind::kScalar;
  std::string_view signature;
  std::string_view lowering;
  uint32_t flags = kNone;
  TypeRule type_rule = nullptr;         // instead of, or after, the signature
  RewriteRule rewrite = nullptr;
  std::string_view lowering_legacy = {};
  std::string_view lowering_try = {};
  std::string_view group = {};          // string_funcs, math_funcs … as DESCRIBE FUNCTION EXTENDED and docs group them
  std::string_view name() const { return names.substr(0, names.find(',')); }
};

// A family's table; defined in plan/functions/FAMILY.cc, listed in plan/function_registry.cc.
using FunctionTable = std::span<const FunctionEntry>;

// The entry for a name (any case, any alias) or nullptr.
const FunctionEntry* find_function(std::string_view name);
// Canonical names and aliases, sorted.
std::vector<std::string_view> function_names();

// A call of a built-in function on typed arguments: checks the number of arguments, applies implicit casts, computes type and
// nullability, or rewrites. Aggregates give an AggregateCall, the others a Call. Throws SparkError.
ExprPtr resolve_call(const FunctionEntry& function, std::vector<ExprPtr> args, const CallContext& context,
                     std::shared_ptr<const QueryContext> query_context = nullptr);

// ---- coercion: one table of rules (plan/coercion.cc). Source: TypeCoercion, AnsiTypeCoercion.
// The type two operands of comparison, CASE, coalesce, UNION … meet in; nullopt if there is none. ANSI rules or the legacy ones.
std::optional<DataType> common_type(const DataType& a, const DataType& b, bool ansi);
std::optional<DataType> common_type(std::span<const DataType> types, bool ansi);
// Whether Cast(from, to) is allowed: explicit casts, ANSI store assignment (INSERT), and Spark's up-cast.
bool can_cast(const DataType& from, const DataType& to, EvalMode mode);
bool can_store_assign(const DataType& from, const DataType& to, std::string_view policy);  // ANSI, STRICT, LEGACY
bool can_up_cast(const DataType& from, const DataType& to);

}  // namespace tarn::plan
