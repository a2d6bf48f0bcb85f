#pragma once
// The function registry: one entry per function with its signature, type rule and lowering. Entries stand in tables, a file per
// family in plan/functions/*.cc; the next function is one line there (and, where DuckDB has nothing equal, one kernel in
// engine/kernels). SHOW FUNCTIONS, DESCRIBE FUNCTION and the documentation are made from these tables.
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "plan/expression.h"

namespace tarn::plan {

class SessionConf;

enum class FunctionKind : uint8_t { kScalar, kAggregate, kWindow, kGenerator, kTable };

struct CallContext {
  const SessionConf& conf;
  EvalMode mode;            // of the session (kAnsi or kLegacy); try_ functions become kTry by themselves
  std::string_view name;    // as called
};

struct TypedCall {
  DataType type;
  bool nullable = true;
  const FunctionEntry* variant = nullptr;  // lower by this entry instead (a hidden one for these argument types)
  bool ignore_nulls = false;               // first(x, true): becomes AggregateCall::ignore_nulls
};

// A custom type rule, run after the signature: may check, cast or replace arguments. Throws SparkError (DATATYPE_MISMATCH.* …).
using TypeRule = TypedCall (*)(const CallContext& context, std::vector<ExprPtr>& args);
// A function that is another expression in disguise (nvl2 -> if, ifnull -> coalesce): gives that expression. Null: not this time.
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
  kTryMode = 512,           // its calls have EvalMode::kTry (try_add, try_sum …)
  kAnsiMode = 1024,         // its calls have EvalMode::kAnsi whatever the session's mode
  kNullableUnlessAnsi = 2048,  // kNullable when the call's mode is not kAnsi
  kUpperName = 4096,        // called by its canonical name it prints in upper case ("SQRT(4)")
  kBareInfix = 8192,        // printed infix without parentheses ("a + b")
  kOwnText = 16384,         // what its rewrite gives is printed itself, not the call as written
};

// signature: "(string, int, [int]) -> string", alternatives separated by " | ". Full grammar: plan/function_signature.h.
// lowering: DuckDB SQL of the call. "@name" calls the C++ lowering of that name in engine/lowering. Empty for rewrites. Else a
//   template, several as "1: … ;; 2: …" by the number of arguments ("*: …" for any other); lowering_of picks one. In it:
//     $1…$9  lowered arguments       $*  all of them, comma separated     $2*  from the second on
//     $tz    session zone, a literal $type  DuckDB type of the result     $t1…$t9  DuckDB types of the arguments
//     $p $s  precision and scale of a decimal result                      $p1 $s1  of argument 1, …
//     $json  Spark type of the result as schema JSON, a literal           $json1… of the arguments
//     $mode  'ansi', 'legacy' or 'try', a literal                         $coll  collation of argument 1, a literal
//     $mapdedup  'EXCEPTION' or 'LAST_WIN' (spark.sql.mapKeyDedupPolicy)  $jsons  the arguments' Spark types as JSON literals, comma separated
//     $text  Spark's text of argument 1, a literal                        $mk1 $ks  keys of map argument 1; $k of every argument
//     $k1…   argument 1 as its collation compares it (itself where bytes do)
//   In the template of an aggregate or window function #…# marks the call itself: DISTINCT, ORDER BY, FILTER and OVER belong to it
//   (there may be several); without marks the whole template is the call. ignore_nulls adds FILTER (WHERE $1 IS NOT NULL).
// lowering_legacy/_try: other text when ANSI is off / for EvalMode::kTry; empty = same as lowering.
struct FunctionEntry {
  std::string_view names;               // "upper,ucase": the first is the canonical one
  FunctionKind kind = FunctionKind::kScalar;
  std::string_view signature;
  std::string_view lowering;
  uint32_t flags = kNone;
  TypeRule type_rule = nullptr;
  RewriteRule rewrite = nullptr;        // before the type rule, after the signature
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
// Every entry (also the hidden variants that only type rules give), for tests and documentation.
const std::vector<const FunctionEntry*>& all_function_entries();

// The template of a call (see FunctionEntry::lowering) by its mode and number of arguments; "" if it has none.
std::string_view lowering_of(const FunctionEntry& function, EvalMode mode, size_t arguments);

// Named arguments (f(a, key => b)): puts args into the order of the signature; names[i] is empty for a positional argument. Gaps
// before a later given argument become the signature's defaults. Throws NAMED_PARAMETERS_NOT_SUPPORTED, UNRECOGNIZED_PARAMETER_NAME,
// DUPLICATE_ROUTINE_PARAMETER_ASSIGNMENT.*, REQUIRED_PARAMETER_NOT_FOUND, UNEXPECTED_POSITIONAL_ARGUMENT.
std::vector<ExprPtr> arrange_arguments(const FunctionEntry& function, std::vector<ExprPtr> args,
                                       const std::vector<std::string>& names, std::string_view called_as);

// A call of a built-in function on typed arguments: checks the number of arguments, applies implicit casts, computes type and
// nullability, or rewrites. Aggregates give an AggregateCall, the others a Call. Throws SparkError.
ExprPtr resolve_call(const FunctionEntry& function, std::vector<ExprPtr> args, const CallContext& context,
                     std::shared_ptr<const QueryContext> query_context = nullptr);

// Types and nullability of the parameters of the lambda at args[index], before its body can be typed: args holds the typed other
// arguments and null where a lambda stands; parameters is how many the user wrote. Implicit casts of the other arguments are
// applied to args. Throws INVALID_LAMBDA_FUNCTION_CALL.* and DATATYPE_MISMATCH.*.
std::vector<std::pair<DataType, bool>> lambda_parameters(const FunctionEntry& function, std::vector<ExprPtr>& args, size_t index,
                                                         size_t parameters, const CallContext& context);

// ---- coercion: one table of rules (plan/coercion.cc). Source: TypeCoercion, AnsiTypeCoercion.
// The type two operands of comparison, CASE, coalesce, UNION … meet in; nullopt if there is none. ANSI rules or the legacy ones.
std::optional<DataType> common_type(const DataType& a, const DataType& b, bool ansi);
std::optional<DataType> common_type(std::span<const DataType> types, bool ansi);
// As common_type without turning strings into anything (greatest, least) …
std::optional<DataType> common_type_without_strings(std::span<const DataType> types, bool ansi);
// … and without any loss (findTightestCommonType).
std::optional<DataType> tightest_type(const DataType& a, const DataType& b, bool ansi);
// Equal but for nullability inside: the type with nullability of both; nullopt if they differ otherwise.
std::optional<DataType> merge_nullability(const DataType& a, const DataType& b);
// Whether Cast(from, to) is allowed: explicit casts, ANSI store assignment (INSERT), and Spark's up-cast.
bool can_cast(const DataType& from, const DataType& to, EvalMode mode);
bool can_store_assign(const DataType& from, const DataType& to, std::string_view policy);  // ANSI, STRICT, LEGACY
bool can_up_cast(const DataType& from, const DataType& to);
// Whether a cast of a value that is not null may give null (Spark's Cast.forceNullable; in ANSI mode only for what never fails).
bool cast_force_nullable(const DataType& from, const DataType& to);
// The result of arithmetic on decimals: op is one of + - * / % d (div).
DataType decimal_result(char op, const DataType& a, const DataType& b, bool allow_precision_loss);
// The decimal that holds both (comparison, CASE, UNION).
DataType wider_decimal(const DataType& a, const DataType& b);

}  // namespace tarn::plan
