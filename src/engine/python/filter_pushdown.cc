#include "engine/python/filter_pushdown.h"

#include <algorithm>
#include <map>
#include <set>

#include "base/spark_error.h"
#include "duckdb.hpp"
#include "engine/database.h"
#include "engine/error_map.h"
#include "engine/lowering/lowering.h"
#include "engine/python/data_source.h"
#include "engine/python/extract.h"
#include "plan/function.h"
#include "plan/internal_functions.h"
#include "plan/session_conf.h"

namespace tarn::engine::python_functions {

using plan::DataType;
using plan::ExprKind;
using plan::ExprPtr;
using plan::PlanKind;
using plan::PlanPtr;
using plan::TypeId;

namespace {

using Conditions = std::vector<ExprPtr>;

const SourceRead* as_read(const plan::LogicalPlan& p) { return p.kind == PlanKind::kPythonMap ? dynamic_cast<const SourceRead*>(&p) : nullptr; }

bool has_reads(const PlanPtr& plan) {
  bool found = false;
  plan::visit_plan(plan, [&](const PlanPtr& p) {
    found = found || as_read(*p);
    return !found;
  });
  return found;
}

// What may be computed earlier than written.
bool movable(const plan::Expression& e) {
  return plan::is_deterministic(e) &&
         !plan::any_of(e, [](const plan::Expression& x) { return x.kind == ExprKind::kUserFunction || x.kind == ExprKind::kSubquery; });
}

// The function's own name: a variant for some types may go by another.
std::string_view function_name(const plan::Expression& e) {
  auto* call = plan::try_as<plan::Call>(e);
  if (!call || !call->function) return {};
  auto* entry = plan::find_function(call->name);
  return (entry ? entry : call->function)->name();
}

const plan::Expression& without_cast(const plan::Expression& e) { return e.kind == ExprKind::kCast ? without_cast(*e.children[0]) : e; }

// ---- one read

// A literal of a predicate as the reader gets it.
struct Constant {
  bool null = false;
  bool fits = true;                                    // the column's type holds exactly this value
  std::pair<std::string, std::string> variant;
};

class ReadPlanner {
 public:
  ReadPlanner(const SourceRead& read, const lowering::Context& context) : read_(read), context_(context) {}

  // The rows of the read for which the conditions hold.
  PlanPtr rows(const Conditions& conditions) {
    if (context_.conf.flag("spark.sql.python.filterPushdown.enabled")) {
      for (const auto& c : conditions) not_null(*c);
      for (const auto& c : conditions) {
        condition_ = c.get();
        parts_.emplace(condition_, 0);
        translate(c, false);
      }
    }
    if (never_) return nothing();
    std::vector<SourceFilter> filters;
    for (const auto& o : offers_) filters.push_back(o.filter);
    std::vector<bool> taken;
    PlanPtr out = plan_read(context_.python, context_.conf, read_, filters, &taken);
    if (std::any_of(taken.begin(), taken.end(), [](bool t) { return t; })) {
      // What follows from the conditions does not follow from what is left of them.
      for (size_t i = 0; i < offers_.size(); ++i) {
        if (offers_[i].column && !taken[i]) out = plan::make_filter(out, builtin("isnotnull", {offers_[i].column}));
      }
    }
    for (const auto& c : conditions) {
      auto part = parts_.find(c.get());
      bool done = part != parts_.end() && part->second == 0;
      for (size_t i = 0; i < offers_.size(); ++i) done = done && (taken[i] || !offers_[i].conditions.contains(c.get()));
      if (!done) out = plan::make_filter(out, c);
    }
    return out;
  }

 private:
  struct Offer {
    SourceFilter filter;
    std::set<const plan::Expression*> conditions;      // that it is part of
    ExprPtr column;                                    // it follows from a condition that this one is not null; else null
  };

  PlanPtr nothing() const {
    auto values = std::make_shared<plan::Values>();
    values->output = read_.output;
    return values;
  }

  // The path of a column or of a field in one; empty: it is something else.
  std::vector<std::string> path(const plan::Expression& e) const {
    if (auto* ref = plan::try_as<plan::AttributeRef>(e)) {
      for (size_t i = 0; i < read_.output.size(); ++i) {
        if (read_.output[i].id == ref->id && !ref->outer) return {read_.function->type.fields()[i].name};
      }
      return {};
    }
    auto* call = plan::try_as<plan::Call>(e);
    if (!call || call->function != &plan::kGetStructField) return {};
    auto out = path(*call->children[0]);
    auto* ordinal = plan::try_as<plan::Literal>(*call->children[1]);
    if (out.empty() || !ordinal) return {};
    out.push_back(call->children[0]->type.fields().at(static_cast<size_t>(ordinal->value.get<int64_t>())).name);
    return out;
  }

  static bool as_variant(const DataType& t) {
    switch (t.id()) {
      case TypeId::kBoolean:
      case TypeId::kByte:
      case TypeId::kShort:
      case TypeId::kInt:
      case TypeId::kLong:
      case TypeId::kFloat:
      case TypeId::kDouble:
      case TypeId::kDecimal:
      case TypeId::kBinary:
      case TypeId::kDate:
      case TypeId::kTimestamp:
      case TypeId::kTimestampNtz:
      case TypeId::kVariant: return true;
      case TypeId::kString: return t.is_default_string();
      case TypeId::kArray: return as_variant(t.element());
      case TypeId::kMap: return t.key().is_string() && as_variant(t.value());
      case TypeId::kStruct: return std::all_of(t.fields().begin(), t.fields().end(), [](const auto& f) { return as_variant(f.type()); });
      default: return false;
    }
  }

  ExprPtr builtin(const char* name, std::vector<ExprPtr> arguments) const {
    return plan::resolve_call(*plan::find_function(name), std::move(arguments), plan::CallContext{context_.conf, plan::EvalMode::kAnsi, name});
  }

  duckdb::Value evaluate(const ExprPtr& e) const {
    auto query = lowering::lower_constant(e, context_);
    auto connection = context_.database.connect();
    auto result = connection->Query(query.sql);
    if (result->HasError()) throw to_spark_error(result->GetErrorObject(), query.sql);
    return result->GetValue(0, 0);
  }

  // The constant as a value of the column's type; literals: several, as one array. Nothing: it is no constant that a reader could get.
  std::optional<Constant> constant(const ExprPtr& e, const DataType& column) const {
    if (!plan::is_foldable(*e) || !movable(*e) || !as_variant(column)) return std::nullopt;
    Constant out;
    try {
      if (evaluate(e).IsNull()) {
        out.null = true;
        return out;
      }
      auto narrow = plan::make_cast(e, column, plan::EvalMode::kTry);
      if (!e->type.same_type(column)) {
        // Both sides were brought to a type that holds more than the column's. Without the cast it is the same comparison if the
        // column's type holds the constant.
        auto back = builtin("<=>", {plan::make_cast(narrow, e->type, plan::EvalMode::kAnsi), e});
        out.fits = evaluate(back).GetValue<bool>();
        if (!out.fits) return out;
      }
      out.variant = variant(narrow);
    } catch (const SparkError&) {
      return std::nullopt;  // computed where it stands, if ever
    }
    return out;
  }

  std::pair<std::string, std::string> variant(const ExprPtr& e) const {
    auto value = evaluate(plan::make_cast(e, TypeId::kVariant, plan::EvalMode::kAnsi));
    const auto& parts = duckdb::StructValue::GetChildren(value);
    return {duckdb::StringValue::Get(parts.at(0)), duckdb::StringValue::Get(parts.at(1))};
  }

  // A column, maybe as a wider type, for comparison with a constant.
  static bool comparable(const plan::Expression& side) {
    if (side.kind != ExprKind::kCast) return true;
    const auto& from = side.children[0]->type;
    if (from.same_type(side.type)) return true;
    return side.children[0]->kind != ExprKind::kCast && from.is_numeric() && side.type.is_numeric() && plan::can_up_cast(from, side.type) &&
           !(from.id() == TypeId::kLong && (side.type.id() == TypeId::kFloat || side.type.id() == TypeId::kDouble)) &&
           !(from.id() == TypeId::kInt && side.type.id() == TypeId::kFloat);
  }

  void offer(std::string name, std::vector<std::string> column, bool negated, std::optional<std::pair<std::string, std::string>> value = std::nullopt) {
    SourceFilter filter{std::move(name), std::move(column), std::move(value), negated};
    auto known = std::find_if(offers_.begin(), offers_.end(), [&](const Offer& o) { return o.filter == filter; });
    if (known != offers_.end()) known->conditions.insert(condition_);
    else offers_.push_back({std::move(filter), {condition_}, nullptr});
  }
  // Part of the condition is not offered: it stays.
  void keep() { ++parts_[condition_]; }

  // ---- conditions

  // Columns that cannot be null where the condition is true are offered as IsNotNull, first of all.
  void not_null(const plan::Expression& e, bool negated = false) {
    const auto name = function_name(e);
    if (name == "not") return not_null(*e.children[0], !negated);
    if (name == (negated ? "or" : "and")) {
      for (const auto& c : e.children) not_null(*c, negated);
      return;
    }
    strict(e);
  }
  // Columns whose null makes the expression null.
  void strict(const plan::Expression& e) {
    if (e.kind == ExprKind::kAttribute) {
      auto column = path(e);
      if (column.empty()) return;
      for (const auto& o : offers_) {
        if (o.filter.name == "IsNotNull" && o.filter.column == column) return;
      }
      auto copy = std::make_shared<plan::AttributeRef>(plan::as<plan::AttributeRef>(e));
      offers_.push_back({{"IsNotNull", std::move(column), std::nullopt, false}, {}, std::move(copy)});
      return;
    }
    static const std::set<std::string_view> kStrict = {"=", "<", ">", "<=", ">=", "!=", "<>", "not", "like", "startswith", "endswith", "contains",
                                                       "+", "-", "*", "/", "%", "rlike"};
    auto* call = plan::try_as<plan::Call>(e);
    if (e.kind == ExprKind::kCast || kStrict.contains(function_name(e)) || (call && call->function == &plan::kGetStructField)) {
      for (const auto& c : e.children) strict(*c);
    }
  }

  void translate(const ExprPtr& e, bool negated) {
    const auto name = function_name(*e);
    if (name == "not") return translate(e->children[0], !negated);
    if (name == (negated ? "or" : "and")) {
      for (const auto& c : e->children) translate(c, negated);
      return;
    }
    if (plan::is_foldable(*e) && movable(*e)) return always(e, negated);
    if (e->type.id() == TypeId::kBoolean) {
      if (auto column = path(*e); !column.empty()) return offer("EqualTo", std::move(column), negated, variant(plan::make_bool(true)));
    }
    static const std::set<std::string_view> kComparisons = {"=", "<=>", "<", ">", "<=", ">=", "!=", "<>"};
    if (kComparisons.contains(name) && e->children.size() == 2) return comparison(name, *e, negated);
    if (name == "isnull" || name == "isnotnull") {
      auto column = path(*e->children[0]);
      if (column.empty()) return keep();
      return offer((name == "isnull") != negated ? "IsNull" : "IsNotNull", std::move(column), false);
    }
    if (name == "in") return in(*e, negated);
    if (name == "like" || name == "startswith" || name == "endswith" || name == "contains") return search(name, *e, negated);
    keep();
  }

  void always(const ExprPtr& e, bool negated) {
    try {
      auto value = evaluate(e);
      if (value.IsNull() || value.GetValue<bool>() == negated) never_ = true;
    } catch (const SparkError&) {
      keep();  // rows have to ask for it
    }
  }

  void comparison(std::string_view name, const plan::Expression& e, bool negated) {
    size_t side = plan::is_foldable(*e.children[0]) ? 1 : 0;
    const auto& column_side = *e.children[side];
    const auto& bare = without_cast(column_side);
    auto column = path(bare);
    const bool collated = std::any_of(e.children.begin(), e.children.end(), [](const ExprPtr& c) { return c->type.is_string() && !c->type.is_default_string(); });
    if (column.empty() || collated || !comparable(column_side)) return keep();
    auto value = constant(e.children[1 - side], bare.type);
    if (!value) return keep();
    std::string op(name == "<>" || name == "!=" ? "=" : name);
    if (name == "<>" || name == "!=") negated = !negated;
    if (side == 1) op = op == "<" ? ">" : op == ">" ? "<" : op == "<=" ? ">=" : op == ">=" ? "<=" : op;
    if (value->null) {
      if (op == "<=>") return offer(negated ? "IsNotNull" : "IsNull", std::move(column), false);
      never_ = true;
      return;
    }
    if (!value->fits) {
      if (op != "=" || negated) return keep();
      never_ = true;  // no value of the column is this one
      return;
    }
    if (negated && op != "=" && op != "<=>") {
      op = op == "<" ? ">=" : op == ">" ? "<=" : op == "<=" ? ">" : "<";
      negated = false;
    }
    const char* filter = op == "=" ? "EqualTo" : op == "<=>" ? "EqualNullSafe" : op == "<" ? "LessThan" : op == ">" ? "GreaterThan" : op == "<=" ? "LessThanOrEqual" : "GreaterThanOrEqual";
    offer(filter, std::move(column), negated, std::move(value->variant));
  }

  void in(const plan::Expression& e, bool negated) {
    const auto& bare = without_cast(*e.children[0]);
    auto column = path(bare);
    if (column.empty() || !comparable(*e.children[0])) return keep();
    std::vector<ExprPtr> values;
    std::set<std::pair<std::string, std::string>> seen;
    for (size_t i = 1; i < e.children.size(); ++i) {
      auto value = constant(e.children[i], bare.type);
      if (!value || value->null) return keep();
      if (value->fits && seen.insert(value->variant).second) values.push_back(plan::make_cast(e.children[i], bare.type, plan::EvalMode::kAnsi));
    }
    if (values.empty()) {
      if (negated) return keep();  // true unless the column is null
      never_ = true;
      return;
    }
    if (values.size() == 1) return offer("EqualTo", std::move(column), negated, *seen.begin());
    offer("In", std::move(column), negated, variant(builtin("array", std::move(values))));
  }

  void search(std::string_view name, const plan::Expression& e, bool negated) {
    auto column = path(*e.children[0]);
    auto* pattern = plan::try_as<plan::Literal>(*e.children[1]);
    if (column.empty() || e.children.size() != 2 || !e.children[0]->type.is_default_string() || !pattern || !pattern->type.is_default_string()) return keep();
    if (pattern->value.is_null()) {
      never_ = true;
      return;
    }
    std::string text = pattern->value.get<std::string>();
    auto text_value = [&](const std::string& s) { return variant(plan::make_string(s)); };
    if (name != "like") {
      return offer(name == "startswith" ? "StringStartsWith" : name == "endswith" ? "StringEndsWith" : "StringContains", std::move(column), negated, text_value(text));
    }
    // As LikeSimplification has it.
    if (text.find_first_of("\\_") != std::string::npos) return keep();
    const auto first = text.find('%'), last = text.rfind('%');
    if (first == std::string::npos) return offer("EqualTo", std::move(column), negated, text_value(text));
    if (text.size() == 1) return keep();
    if (first == last && last + 1 == text.size()) return offer("StringStartsWith", std::move(column), negated, text_value(text.substr(0, first)));
    if (first == last && first == 0) return offer("StringEndsWith", std::move(column), negated, text_value(text.substr(1)));
    if (first == last && !negated) {
      keep();  // it is also long enough for both
      offer("StringStartsWith", column, false, text_value(text.substr(0, first)));
      return offer("StringEndsWith", std::move(column), false, text_value(text.substr(first + 1)));
    }
    if (first == 0 && last + 1 == text.size() && text.size() > 2 && text.find('%', 1) == last)
      return offer("StringContains", std::move(column), negated, text_value(text.substr(1, last - 1)));
    keep();
  }

  const SourceRead& read_;
  const lowering::Context& context_;
  const plan::Expression* condition_ = nullptr;        // that is being translated
  std::vector<Offer> offers_;
  std::map<const plan::Expression*, int> parts_;       // of each condition: how many parts are not offered
  bool never_ = false;                                 // no row can meet the conditions
};

// ---- predicates on their way down

class Pushdown {
 public:
  explicit Pushdown(const lowering::Context& context) : context_(context) {}

  // The rows of p for which the conditions hold, tested as near to the reads as can be.
  PlanPtr rows(const PlanPtr& p, Conditions conditions) {
    if (!has_reads(p)) return filtered(p, conditions);
    if (auto* read = as_read(*p)) return ReadPlanner(*read, context_).rows(conditions);
    switch (p->kind) {
      case PlanKind::kFilter: {
        Conditions own;
        conjuncts(plan::as<plan::Filter>(*p).condition, own);
        const bool all = std::all_of(own.begin(), own.end(), [](const ExprPtr& c) { return plan::is_deterministic(*c); });
        if (!all) return filtered(with_inputs(p), conditions);
        Conditions below, here;
        for (const auto& c : own) (movable(*c) ? below : here).push_back(with_subqueries(c));
        below.insert(below.end(), conditions.begin(), conditions.end());
        return filtered(rows(p->children[0], std::move(below)), here);
      }
      case PlanKind::kProject: {
        const auto& list = plan::as<plan::Project>(*p).expressions;
        if (!std::all_of(list.begin(), list.end(), [](const ExprPtr& e) { return plan::is_deterministic(*e); })) break;
        return through(p, std::move(conditions), [&](const ExprPtr& c) { return replaced(c, list); });
      }
      case PlanKind::kSort:
      case PlanKind::kRepartition:
      case PlanKind::kDistinct: return through(p, std::move(conditions), [](const ExprPtr& c) { return c; });
      case PlanKind::kAggregate: {
        const auto& a = plan::as<plan::Aggregate>(*p);
        if (a.grouping_sets || a.groupings.empty()) break;
        Conditions keys;
        for (const auto& e : a.aggregates) {
          const auto& value = e->kind == ExprKind::kAlias ? e->children[0] : e;
          if (std::any_of(a.groupings.begin(), a.groupings.end(), [&](const ExprPtr& g) { return plan::semantic_equals(*g, *value); })) keys.push_back(e);
        }
        return through(p, std::move(conditions), [&](const ExprPtr& c) { return within(references(*c), ids_of(keys)) ? replaced(c, keys) : nullptr; });
      }
      case PlanKind::kSetOperation: {
        if (plan::as<plan::SetOperation>(*p).type != plan::SetOperationType::kUnion) break;
        std::vector<PlanPtr> branches;
        for (const auto& branch : p->children) {
          Conditions list;
          for (size_t i = 0; i < p->output.size(); ++i) list.push_back(plan::make_alias(plan::make_ref(branch->output[i]), p->output[i].name, true, p->output[i].id));
          Conditions below;
          for (const auto& c : conditions) below.push_back(replaced(c, list));
          branches.push_back(rows(branch, std::move(below)));
        }
        return plan::with_plan_children(p, std::move(branches));
      }
      case PlanKind::kJoin: return join(plan::as<plan::Join>(*p), p, std::move(conditions));
      default: break;
    }
    return filtered(with_inputs(p), conditions);
  }

 private:
  static PlanPtr filtered(PlanPtr p, const Conditions& conditions) {
    for (const auto& c : conditions) p = plan::make_filter(std::move(p), c);
    return p;
  }

  static std::set<plan::ExprId> ids_of(const Conditions& named) {
    std::set<plan::ExprId> ids;
    for (const auto& e : named) ids.insert(plan::to_attribute(*e).id);
    return ids;
  }

  // The condition over what the named expressions are made of; null if it may not be computed there.
  static ExprPtr replaced(const ExprPtr& condition, const Conditions& named) {
    auto out = plan::transform(condition, [&](const ExprPtr& x) -> ExprPtr {
      auto* ref = plan::try_as<plan::AttributeRef>(*x);
      if (!ref || ref->outer) return nullptr;
      for (const auto& e : named) {
        auto* alias = plan::try_as<plan::Alias>(*e);
        if (alias && alias->id == ref->id) return alias->children[0];
      }
      return nullptr;
    });
    return movable(*out) ? out : nullptr;
  }

  // Conditions below a node with one child, where below() says what they are there (null: they stay above).
  template <class F> PlanPtr through(const PlanPtr& p, Conditions conditions, F&& below) {
    Conditions moved, here;
    for (const auto& c : conditions) {
      ExprPtr m = below(c);
      if (m) moved.push_back(std::move(m));
      else here.push_back(c);
    }
    auto node = plan::with_plan_children(p, {rows(p->children[0], std::move(moved))});
    return filtered(with_own_subqueries(node), here);
  }

  PlanPtr join(const plan::Join& j, const PlanPtr& p, Conditions conditions) {
    using plan::JoinType;
    if (j.lateral) return filtered(with_inputs(p), conditions);
    const std::set<plan::ExprId> sides[2] = {output_ids(*j.children[0]), output_ids(*j.children[1])};
    const bool inner = j.type == JoinType::kInner || j.type == JoinType::kCross, semi = j.type == JoinType::kLeftSemi;
    // Whose rows are gone if a condition above the join, or the join's own, does not hold for them.
    const bool above[2] = {inner || semi || j.type == JoinType::kLeftAnti || j.type == JoinType::kLeftOuter, inner || j.type == JoinType::kRightOuter};
    const bool on[2] = {inner || semi || j.type == JoinType::kRightOuter, inner || semi || j.type == JoinType::kLeftOuter || j.type == JoinType::kLeftAnti};
    Conditions below[2], here, own;
    for (const auto& c : conditions) {
      const auto used = references(*c);
      bool moved = false;
      for (size_t side = 0; side < 2 && !moved; ++side) {
        if (!above[side] || !within(used, sides[side])) continue;
        below[side].push_back(c);
        moved = true;
      }
      if (!moved) here.push_back(c);
    }
    if (j.condition) conjuncts(j.condition, own);
    for (const auto& c : own) {
      if (!movable(*c)) continue;
      const auto used = references(*c);
      for (size_t side = 0; side < 2; ++side) {
        if (on[side] && !used.empty() && within(used, sides[side])) below[side].push_back(c);
      }
      // Keys that are null meet nothing.
      if (function_name(*c) != "=") continue;
      for (const auto& key : c->children) {
        auto* ref = plan::try_as<plan::AttributeRef>(*key);
        for (size_t side = 0; ref && side < 2; ++side) {
          if (on[side] && sides[side].contains(ref->id)) below[side].push_back(builtin("isnotnull", {key}));
        }
      }
    }
    auto node = plan::with_plan_children(p, {rows(j.children[0], std::move(below[0])), rows(j.children[1], std::move(below[1]))});
    return filtered(with_own_subqueries(node), here);
  }

  ExprPtr builtin(const char* name, std::vector<ExprPtr> arguments) const {
    return plan::resolve_call(*plan::find_function(name), std::move(arguments), plan::CallContext{context_.conf, plan::EvalMode::kAnsi, name});
  }

  // The node over its inputs with their reads planned.
  PlanPtr with_inputs(const PlanPtr& p) {
    auto node = p->clone();
    for (auto& c : node->children) c = rows(c, {});
    if (node->kind == PlanKind::kCteScope) {
      for (auto& d : static_cast<plan::CteScope&>(*node).definitions) d.plan = rows(d.plan, {});
    }
    return with_own_subqueries(node);
  }

  PlanPtr with_own_subqueries(const PlanPtr& p) {
    auto node = p->clone();
    plan::for_each_expression(*node, [&](ExprPtr& e) {
      if (e) e = with_subqueries(e);
    });
    return node;
  }

  ExprPtr with_subqueries(const ExprPtr& e) {
    return plan::transform(e, [&](const ExprPtr& x) -> ExprPtr {
      auto* s = plan::try_as<plan::SubqueryExpr>(*x);
      if (!s || !has_reads(s->plan)) return nullptr;
      auto copy = std::make_shared<plan::SubqueryExpr>(*s);
      copy->plan = rows(s->plan, {});
      return copy;
    });
  }

  const lowering::Context& context_;
};

}  // namespace

PlanPtr plan_reads(const PlanPtr& plan, const lowering::Context& context) { return has_reads(plan) ? Pushdown(context).rows(plan, {}) : plan; }

}  // namespace tarn::engine::python_functions
