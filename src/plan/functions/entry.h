#pragma once
// Short constructors for the lines of a family's table.
#include "plan/function.h"
#include "plan/function_signature.h"
#include "plan/session_conf.h"

namespace tarn::plan {

// A flag beside those of FunctionFlags: printed with its first argument only, because the others (a schema, options) are constants
// and not children in Spark.
inline constexpr uint32_t kFirstText = 32768;

constexpr FunctionEntry scalar(std::string_view names, std::string_view signature, std::string_view lowering, uint32_t flags = kNone,
                               TypeRule rule = nullptr) {
  return {names, FunctionKind::kScalar, signature, lowering, flags, rule};
}
// Other text where ANSI is off (and for try): the kernel that gives null instead of an error.
constexpr FunctionEntry scalar_modes(std::string_view names, std::string_view signature, std::string_view ansi, std::string_view legacy,
                                     uint32_t flags = kNullableUnlessAnsi, TypeRule rule = nullptr) {
  return {names, FunctionKind::kScalar, signature, ansi, flags, rule, nullptr, legacy, legacy};
}
constexpr FunctionEntry rewrite(std::string_view names, std::string_view signature, RewriteRule rule, uint32_t flags = kNone) {
  return {names, FunctionKind::kScalar, signature, "", flags, nullptr, rule};
}
constexpr FunctionEntry aggregate(std::string_view names, std::string_view signature, std::string_view lowering, uint32_t flags = kNone,
                                  TypeRule rule = nullptr) {
  return {names, FunctionKind::kAggregate, signature, lowering, flags, rule};
}
constexpr FunctionEntry window(std::string_view names, std::string_view signature, std::string_view lowering, uint32_t flags = kNone,
                               TypeRule rule = nullptr) {
  return {names, FunctionKind::kWindow, signature, lowering, flags, rule};
}
constexpr FunctionEntry generator(std::string_view names, std::string_view signature, std::string_view lowering, uint32_t flags = kNone,
                                  TypeRule rule = nullptr) {
  return {names, FunctionKind::kGenerator, signature, lowering, flags, rule};
}

// The value of a constant integer or string argument (through casts and negation); nullopt if it is none or null.
std::optional<int64_t> constant_integer(const Expression& e);
std::optional<std::string> constant_string(const Expression& e);
std::optional<bool> constant_boolean(const Expression& e);
bool is_null_literal(const Expression& e);
// The expression, printed in generated names and messages as this text.
ExprPtr printed_as(const ExprPtr& e, std::string text);
bool is_collated(const DataType& t);   // has_collation (plan/collation.h)

}  // namespace tarn::plan
