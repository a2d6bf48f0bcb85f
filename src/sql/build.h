#pragma once
// Small makers of spark.connect nodes. None of them sets an origin.
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "sql/extension.h"
#include "sql/pch.h"

namespace tarn::sql {

using ExprPtr = std::unique_ptr<spark::connect::Expression>;
using RelPtr = std::unique_ptr<spark::connect::Relation>;
using ExprList = std::vector<ExprPtr>;

inline ExprPtr new_expr() { return std::make_unique<spark::connect::Expression>(); }
inline RelPtr new_rel() { return std::make_unique<spark::connect::Relation>(); }

ExprPtr string_expr(std::string value);
ExprPtr int_expr(int32_t value);
ExprPtr bool_expr(bool value);
ExprPtr function_expr(std::string name, ExprList arguments);
template <class... A>
ExprPtr function_of(std::string name, A... arguments) {
  ExprList list;
  (list.push_back(std::move(arguments)), ...);
  return function_expr(std::move(name), std::move(list));
}
ExprPtr attribute_expr(const std::vector<std::string>& parts);
ExprPtr alias_expr(ExprPtr child, std::string name);

ExprPtr pack(const Expr& extension);
RelPtr pack(const Rel& extension);
RelPtr alias_rel(RelPtr input, std::string name);

// The oneof's string / int literal, nullptr if the expression is another thing.
const std::string* as_string_literal(const spark::connect::Expression& e);
bool is_null_literal(const spark::connect::Expression& e);
// Spark's `resolved && foldable` right after parsing: literals, and operators and casts over them (no calls by name).
bool is_literal_like(const spark::connect::Expression& e);
// Name parts of a bare column reference; empty if it is another thing.
std::vector<std::string> attribute_parts(const spark::connect::Expression& e);

// Calls f for the expression and everything below it (not into extensions' relations).
void walk(const spark::connect::Expression& e, const std::function<void(const spark::connect::Expression&)>& f);

}  // namespace tarn::sql
