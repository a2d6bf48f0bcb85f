#pragma once
// Collations: their names, and which one the strings of a call are compared by. Source: CollationFactory, CollationTypeCoercion.
#include <string>
#include <string_view>
#include <vector>

#include "plan/expression.h"

namespace tarn::plan {

struct CallContext;
struct FunctionEntry;

// The name of the type two different implicit collations meet in; comparing such strings is an error.
inline constexpr std::string_view kIndeterminateCollation = "null";

// A collation's name as Spark writes it ("unicode_ci" -> "UNICODE_CI", "DE_ai_ci" -> "de_CI_AI"), with or without the prefix
// SYSTEM.BUILTIN. Throws COLLATION_INVALID_NAME with up to three proposals.
std::string canonical_collation(std::string_view name);
// What SHOW COLLATIONS and collations() list.
struct CollationInfo {
  std::string name;
  std::string_view language, country;  // empty: none
  bool accent_sensitive = true, case_sensitive = true, trims = false, icu = false;
};
std::vector<CollationInfo> all_collations();

// Whether the type or a part of it is a string that is not compared by its bytes.
bool has_collation(const DataType& type);

// The type with every string that has no collation of its own in this one (DEFAULT COLLATION of a table or schema).
DataType with_default_collation(const DataType& type, const std::string& collation);

// Gives the strings among a call's arguments the collation that wins by Spark's precedence (explicit, then implicit, then default)
// and checks that the function works with it. Throws COLLATION_MISMATCH.EXPLICIT, INDETERMINATE_COLLATION_IN_EXPRESSION and
// DATATYPE_MISMATCH.UNEXPECTED_INPUT_TYPE. Null arguments (lambdas not typed yet) are skipped.
void coerce_collations(const CallContext& context, const FunctionEntry& function, std::vector<ExprPtr>& args);

}  // namespace tarn::plan
