#pragma once
// The signature language of the function tables, and what Spark's implicit casts make of a call's arguments.
//
//   signature   = alternative { " | " alternative }                  chosen by the number of arguments
//   alternative = "(" [ parameter { "," parameter } ] ")" "->" result
//   parameter   = "[" parameter [ "=" default ] "]" | "[" parameter "," parameter "]"   optional (alone, or only together)
//               | [ name ":" ] [ "const" ] type [ "..." | "+" ]       const: must be foldable; ...: any number, +: at least one
//   type        = any | boolean | byte | short | int | long | float | double | decimal | string | binary | date | timestamp |
//                 timestamp_ntz | time | interval | variant | numeric | integral | anytimestamp | ansi_interval | daytime |
//                 yearmonth | array | map | struct | geometry | geography | orderable | void
//               | array<type> | map<type,type> | T [ = type ]         T: any one capital letter, the same type everywhere
//               | "{" type { "|" type } "}"                            any of these, the first preferred
//               | fn "(" type[?] {, type[?] } ")" ":" type             a lambda; [type] an optional parameter, ? always nullable
//   result      = type | argN | "@"                                   argN: type of argument N; @: the type rule says
//   default     = null | true | false | integer | 'text'
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "plan/function.h"

namespace tarn::plan {

struct TypeSpec {
  enum class Kind : uint8_t {
    kAny, kOrderable, kConcrete, kDecimal, kNumeric, kIntegral, kAnyTimestamp, kTime, kAnsiInterval, kDayTime, kYearMonth,
    kAnyArray, kAnyMap, kAnyStruct, kGeometry, kGeography, kArray, kMap, kUnion, kVariable, kLambda, kArgument, kRule,
  };
  Kind kind = Kind::kAny;
  DataType type;                  // kConcrete
  char variable = 0;              // kVariable
  int argument = 0;               // kArgument, 1-based
  bool nullable = false;          // "?" on a lambda parameter
  bool optional = false;          // "[…]" on a lambda parameter
  std::vector<TypeSpec> parts;    // element; key, value; alternatives; a variable's bound; lambda parameters and then its result
};

struct Parameter {
  std::string name;
  TypeSpec type;
  bool optional = false;
  bool foldable = false;
  bool has_default = false;
  std::string default_text;
};

struct Alternative {
  std::vector<Parameter> parameters;
  bool variadic = false;          // the last parameter repeats
  size_t minimum = 0;
  std::vector<size_t> counts;     // accepted numbers of arguments, ascending; of a variadic one only the least
  TypeSpec result;
  const Parameter* parameter(size_t i) const;
  bool accepts(size_t count) const;
};

struct Signature {
  std::vector<Alternative> alternatives;
  bool named() const;             // takes named arguments
};

// Throws std::logic_error for a table's mistake (a unit test parses all of them).
Signature parse_signature(std::string_view text);
const Signature& signature_of(const FunctionEntry& function);

// Spark's AbstractDataType: acceptsType, defaultConcreteType, toSQLType and implicitCast (ANSI or legacy). Variables count as their bound.
bool accepts(const TypeSpec& spec, const DataType& type);
DataType default_concrete(const TypeSpec& spec);
std::string sql_name(const TypeSpec& spec);
std::optional<DataType> implicit_cast(const DataType& from, const TypeSpec& spec, bool ansi);

// ---- what type rules are made of
// Throws DATATYPE_MISMATCH.<sub> for a call named as in the query; parameters besides sqlExpr.
[[noreturn]] void mismatch(const CallContext& context, const std::vector<ExprPtr>& args, const char* sub, ErrorParams params);
[[noreturn]] void unexpected_input(const CallContext& context, const std::vector<ExprPtr>& args, size_t index, std::string required);
// "WRONG_NUM_ARGS.WITHOUT_SUGGESTION"; expected as Spark writes it: "2", "[1, 2]", "> 0".
[[noreturn]] void wrong_number_of_arguments(std::string_view function, const std::string& expected, size_t actual);
// The SQL text of the call as messages quote it, in double quotes.
std::string call_sql(const CallContext& context, const std::vector<ExprPtr>& args);
std::string quoted(const DataType& type);                       // "INT"
std::string ordinal(size_t index);                              // first, second, third, 4th
// Casts implicitly (the session's mode); no node when the types are equal.
void cast_to(const CallContext& context, ExprPtr& arg, const DataType& type);
// Casts all of args[from…] to their common type; throws DATA_DIFF_TYPES. Gives that type.
DataType unify(const CallContext& context, std::vector<ExprPtr>& args, size_t from = 0, bool strings = true);
// Implicit cast of one argument to a spec of the signature language ("int", "{string|binary}"); throws UNEXPECTED_INPUT_TYPE.
void expect(const CallContext& context, std::vector<ExprPtr>& args, size_t index, std::string_view spec);
void expect_foldable(const CallContext& context, const std::vector<ExprPtr>& args, size_t index, const char* name, const DataType& type);
// Throws INVALID_ORDERING_TYPE unless the type can be compared.
void expect_orderable(const CallContext& context, const std::vector<ExprPtr>& args, const DataType& type);
bool any_nullable(const std::vector<ExprPtr>& args);
bool all_nullable(const std::vector<ExprPtr>& args);
// A call of another entry with arguments that are already right (for rewrites); its signature is applied.
ExprPtr call(const CallContext& context, std::string_view function, std::vector<ExprPtr> args, std::string_view printed_as = {});

}  // namespace tarn::plan
