#pragma once
// Expressions that arrive as SQL text (F.expr, selectExpr). Inside the room.
#include <spark/connect/expressions.pb.h>
#include <spark/connect/relations.pb.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "sql/parser.h"

namespace tarn::plan {

// Parses the text of an expression and calls f with it, while errors refer to that text. What the expression points to is kept.
template <class Options, class Kept, class References, class Text, class F>
auto within_text(const std::string& sql, const Options& options, Kept& kept, References& references, Text& current, F f) {
  std::vector<spark::connect::Relation> subqueries;
  auto parsed = std::make_shared<spark::connect::Expression>(sql::parse_expression(sql, options, &subqueries));
  typename References::value_type refs;
  for (const auto& r : subqueries) {
    auto keep = std::make_shared<spark::connect::Relation>(r);
    refs[keep->common().plan_id()] = keep.get();
    kept.push_back(keep);
  }
  kept.push_back(parsed);
  references.push_back(std::move(refs));
  struct Restore {
    References& references;
    Text& current;
    Text saved;
    ~Restore() {
      current = std::move(saved);
      references.pop_back();
    }
  } restore{references, current, current};
  current = Text{std::make_shared<const std::string>(sql), "", ""};
  return f(*parsed);
}

}  // namespace tarn::plan
