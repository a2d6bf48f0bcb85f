#pragma once
// Which columns a name can mean at one place. Source: AttributeSeq.resolve, ColumnResolutionHelper.
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "plan/logical_plan.h"

namespace tarn::plan {

using Parts = std::vector<std::string>;

// "a.b" as messages write it: each part in backticks.
std::string name_text(const Parts& parts);
bool same_name(std::string_view a, std::string_view b, bool case_sensitive);
std::string lower_case(std::string_view s);
std::string upper_case(std::string_view s);

// The columns of some plans (one, or both sides of a join), and the scope around the query (for correlated references).
class Scope {
 public:
  Scope(std::vector<PlanPtr> plans, const Scope* outer, bool case_sensitive);

  struct Found {
    const Attribute* attribute = nullptr;  // null: no such column
    size_t used = 0;                       // parts that name it; the others are fields inside
  };
  // Throws AMBIGUOUS_REFERENCE.
  Found find(const Parts& parts) const;
  // The column of that name in the plan that carries plan_id. matched: some plan below carries it.
  // Throws AMBIGUOUS_COLUMN_REFERENCE.
  Found find_by_plan_id(const Parts& parts, int64_t plan_id, bool metadata_column, bool* matched) const;
  // All columns of the plan with that id; false if there is none.
  bool columns_of_plan_id(int64_t plan_id, std::vector<Attribute>* out) const;

  const std::vector<PlanPtr>& plans() const { return plans_; }
  const std::vector<Attribute>& columns() const { return columns_; }
  const std::vector<Attribute>& hidden() const { return hidden_; }
  const Scope* outer() const { return outer_; }
  bool case_sensitive() const { return case_sensitive_; }
  bool has(ExprId id) const;
  // The error of a name that nothing answers to, with Spark's order of suggestions.
  SparkError unresolved(const Parts& parts, std::string_view condition = "UNRESOLVED_COLUMN") const;

 private:
  using Index = std::unordered_map<std::string, std::vector<size_t>>;
  Found find_in(const std::vector<Attribute>& list, const Index& index, const Parts& parts) const;
  Index make_index(const std::vector<Attribute>& list) const;

  std::vector<PlanPtr> plans_;
  std::vector<Attribute> columns_, hidden_;
  const Scope* outer_;
  bool case_sensitive_;
  mutable Index index_, hidden_index_;
  mutable bool indexed_ = false;
};

// Spark's StringUtils.orderSuggestedIdentifiersBySimilarity; at most five, quoted.
std::string suggestions(const std::string& base, const std::vector<Parts>& candidates);

}  // namespace tarn::plan
