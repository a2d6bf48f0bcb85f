#include "engine/delta_pruning.h"

#include <cctype>
#include <cstring>

#include "delta/statistics.h"
#include "duckdb/execution/expression_executor.hpp"
#include "duckdb/planner/expression/list.hpp"
#include "duckdb/planner/expression_iterator.hpp"

namespace tarn::engine {
namespace {

using duckdb::ExpressionClass;
using duckdb::ExpressionType;
using duckdb::LogicalTypeId;
using duckdb::Value;

bool iequals(std::string_view a, std::string_view b) { return a.size() == b.size() && strncasecmp(a.data(), b.data(), a.size()) == 0; }

// A bound from statistics in the column's type; NULL if it cannot be used.
Value stat_value(duckdb::ClientContext& context, const delta::StatScalar& s, const delta::Type& type) {
  Value out;
  std::string error;
  auto target = duckdb_type(type);
  if (type.kind != delta::Type::Kind::kPrimitive) return Value();
  if (target.id() == LogicalTypeId::VARCHAR) return s.is_string ? Value(s.text) : Value();
  if (target.id() == LogicalTypeId::BLOB || target.id() == LogicalTypeId::BOOLEAN) return Value();
  Value text(s.text);
  if (!text.TryCastAs(context, target, out, &error, true) && !text.TryCastAs(context, target, out, &error, false)) return Value();
  return out;
}

bool compare(ExpressionType type, const Value& a, const Value& b) {
  switch (type) {
    case ExpressionType::COMPARE_EQUAL:
    case ExpressionType::COMPARE_NOT_DISTINCT_FROM: return a == b;
    case ExpressionType::COMPARE_LESSTHAN: return a < b;
    case ExpressionType::COMPARE_LESSTHANOREQUALTO: return a <= b;
    case ExpressionType::COMPARE_GREATERTHAN: return a > b;
    case ExpressionType::COMPARE_GREATERTHANOREQUALTO: return a >= b;
    default: return true;
  }
}

}  // namespace

Value parse_partition_value(duckdb::ClientContext& context, const std::optional<std::string>& text, const delta::Type& type) {
  auto target = duckdb_type(type);
  if (!text || text->empty()) return Value(target);
  if (target.id() == LogicalTypeId::VARCHAR) return Value(*text);
  if (target.id() == LogicalTypeId::BLOB) return Value::BLOB(duckdb::const_data_ptr_cast(text->data()), text->size());
  // With the connection's time zone for timestamps that carry none.
  return Value(*text).CastAs(context, target);
}

struct DeltaPruner::FileView {
  const DeltaScanFile& file;
  const std::set<std::string>& wanted;
  std::optional<std::optional<delta::FileStatistics>> stats;
  const delta::FileStatistics* statistics() {
    if (!stats) stats = delta::FileStatistics::parse(*file.stats, &wanted);
    return *stats ? &**stats : nullptr;
  }
};

DeltaPruner::DeltaPruner(duckdb::ClientContext& context, const DeltaScanSpec& spec, uint64_t table_index, const std::vector<uint64_t>& column_ids)
    : context_(context), spec_(spec), table_index_(table_index), column_ids_(column_ids) {
  for (const auto& f : spec.schema.fields) {
    bool in = false;
    for (const auto& p : spec.partition_columns) in |= iequals(p, f.name);
    is_partition_.push_back(in);
  }
}

const delta::Field* DeltaPruner::field_of(const duckdb::Expression& e) const {
  if (e.GetExpressionClass() != ExpressionClass::BOUND_COLUMN_REF) return nullptr;
  const auto& ref = e.Cast<duckdb::BoundColumnRefExpression>();
  if (ref.binding.table_index != table_index_ || ref.binding.column_index >= column_ids_.size()) return nullptr;
  auto id = column_ids_[ref.binding.column_index];
  return id < spec_.schema.fields.size() ? &spec_.schema.fields[id] : nullptr;
}

std::optional<std::pair<const delta::Field*, std::string>> DeltaPruner::column(const duckdb::Expression& e) const {
  if (const auto* f = field_of(e)) return std::pair{f, f->physical_name()};
  if (e.GetExpressionClass() != ExpressionClass::BOUND_FUNCTION) return std::nullopt;
  const auto& call = e.Cast<duckdb::BoundFunctionExpression>();
  if ((call.function.name != "struct_extract" && call.function.name != "struct_extract_at") || call.children.size() != 2 ||
      call.children[1]->GetExpressionClass() != ExpressionClass::BOUND_CONSTANT) {
    return std::nullopt;
  }
  auto inner = column(*call.children[0]);
  if (!inner || inner->first->type.kind != delta::Type::Kind::kStruct) return std::nullopt;
  const auto& key = call.children[1]->Cast<duckdb::BoundConstantExpression>().value;
  const auto& fields = inner->first->type.fields;
  const delta::Field* found = nullptr;
  if (key.type().id() == LogicalTypeId::VARCHAR) {
    for (const auto& f : fields) {
      if (iequals(f.name, key.ToString())) found = &f;
    }
  } else if (!key.IsNull()) {
    auto i = key.GetValue<int64_t>();
    if (i >= 1 && i <= static_cast<int64_t>(fields.size())) found = &fields[static_cast<size_t>(i - 1)];
  }
  if (!found) return std::nullopt;
  return std::pair{found, inner->second + delta::kPathSeparator + found->physical_name()};
}

bool DeltaPruner::only_partition_columns(const duckdb::Expression& e, bool& any) const {
  if (e.GetExpressionClass() == ExpressionClass::BOUND_COLUMN_REF) {
    const auto* f = field_of(e);
    if (!f || !is_partition_[static_cast<size_t>(f - spec_.schema.fields.data())]) return false;
    any = true;
    return true;
  }
  if (e.IsVolatile() || e.HasSubquery()) return false;
  bool all = true;
  duckdb::ExpressionIterator::EnumerateChildren(e, [&](const duckdb::Expression& child) { all = all && only_partition_columns(child, any); });
  return all;
}

void DeltaPruner::note_columns(const duckdb::Expression& e) {
  noted_.insert(&e);
  if (auto c = column(e)) wanted_.insert(c->second);
  duckdb::ExpressionIterator::EnumerateChildren(e, [&](const duckdb::Expression& child) { note_columns(child); });
}

bool DeltaPruner::may_match(const DeltaScanFile& file, const duckdb::Expression& filter) {
  if (!noted_.count(&filter)) note_columns(filter);
  FileView view{file, wanted_, std::nullopt};
  try {
    return visit(view, filter);
  } catch (const std::exception&) {
    return true;  // an error belongs to the query, not to pruning
  }
}

bool DeltaPruner::partition_matches(const DeltaScanFile& file, const duckdb::Expression& e) {
  auto key = std::pair{&e, *file.partition_values};
  if (auto it = partition_answers_.find(key); it != partition_answers_.end()) return it->second;
  auto copy = e.Copy();
  std::function<void(duckdb::unique_ptr<duckdb::Expression>&)> bind = [&](duckdb::unique_ptr<duckdb::Expression>& x) {
    if (const auto* f = field_of(*x)) {
      auto it = file.partition_values->find(f->physical_name());
      std::optional<std::string> text = it == file.partition_values->end() ? std::nullopt : it->second;
      x = duckdb::make_uniq<duckdb::BoundConstantExpression>(parse_partition_value(context_, text, f->type));
      return;
    }
    duckdb::ExpressionIterator::EnumerateChildren(*x, bind);
  };
  bind(copy);
  Value v = duckdb::ExpressionExecutor::EvaluateScalar(context_, *copy, true);
  bool answer = !v.IsNull() && v.GetValue<bool>();
  if (noted_.count(&e)) partition_answers_[key] = answer;  // not what visit makes up on the way: its address is soon another's
  return answer;
}

bool DeltaPruner::visit(FileView& view, const duckdb::Expression& e) {
  bool any_partition = false;
  if (only_partition_columns(e, any_partition) && any_partition) return partition_matches(view.file, e);
  switch (e.GetExpressionClass()) {
    case ExpressionClass::BOUND_CONJUNCTION: {
      const auto& c = e.Cast<duckdb::BoundConjunctionExpression>();
      bool is_and = e.GetExpressionType() == ExpressionType::CONJUNCTION_AND;
      for (const auto& child : c.children) {
        if (visit(view, *child) != is_and) return !is_and;
      }
      return is_and;
    }
    case ExpressionClass::BOUND_COMPARISON: {
      const auto& c = e.Cast<duckdb::BoundComparisonExpression>();
      const duckdb::Expression *left = c.left.get(), *right = c.right.get();
      auto type = e.GetExpressionType();
      if (left->GetExpressionClass() == ExpressionClass::BOUND_CONSTANT) {
        std::swap(left, right);
        type = duckdb::FlipComparisonExpression(type);
      }
      if (right->GetExpressionClass() != ExpressionClass::BOUND_CONSTANT) return true;
      auto col = column(*left);
      const Value& v = right->Cast<duckdb::BoundConstantExpression>().value;
      if (!col || v.IsNull()) return true;
      const auto* s = view.statistics();
      if (!s) return true;
      auto low = s->min_values.find(col->second), high = s->max_values.find(col->second);
      auto target = duckdb_type(col->first->type);
      if (v.type() != target) return true;
      bool is_float = target.id() == LogicalTypeId::FLOAT || target.id() == LogicalTypeId::DOUBLE;
      if (is_float && Value::IsNan(v.GetValue<double>())) return true;
      switch (type) {
        case ExpressionType::COMPARE_EQUAL:
        case ExpressionType::COMPARE_NOT_DISTINCT_FROM:
        case ExpressionType::COMPARE_LESSTHAN:
        case ExpressionType::COMPARE_LESSTHANOREQUALTO:
          if (low != s->min_values.end()) {
            Value m = stat_value(context_, low->second, col->first->type);
            if (!m.IsNull() && !compare(type == ExpressionType::COMPARE_LESSTHAN ? type : ExpressionType::COMPARE_LESSTHANOREQUALTO, m, v)) return false;
          }
          break;
        default: break;
      }
      switch (type) {
        case ExpressionType::COMPARE_GREATERTHAN:
        case ExpressionType::COMPARE_GREATERTHANOREQUALTO:
          // Writers disagree on whether NaN, which is larger than all, counts in the maximum.
          if (is_float) break;
          [[fallthrough]];
        case ExpressionType::COMPARE_EQUAL:
        case ExpressionType::COMPARE_NOT_DISTINCT_FROM:
          if (high != s->max_values.end()) {
            Value m = stat_value(context_, high->second, col->first->type);
            // Timestamps are cut to milliseconds.
            if (!m.IsNull() && target.id() == LogicalTypeId::TIMESTAMP_TZ) m = Value::TIMESTAMPTZ(duckdb::timestamp_tz_t(m.GetValue<duckdb::timestamp_tz_t>().value + 1000));
            if (!m.IsNull() && target.id() == LogicalTypeId::TIMESTAMP) m = Value::TIMESTAMP(duckdb::timestamp_t(m.GetValue<duckdb::timestamp_t>().value + 1000));
            if (!m.IsNull() && !compare(type == ExpressionType::COMPARE_GREATERTHAN ? type : ExpressionType::COMPARE_GREATERTHANOREQUALTO, m, v)) return false;
          }
          break;
        default: break;
      }
      return true;
    }
    case ExpressionClass::BOUND_BETWEEN: {
      const auto& b = e.Cast<duckdb::BoundBetweenExpression>();
      duckdb::BoundComparisonExpression low(b.LowerComparisonType(), b.input->Copy(), b.lower->Copy());
      duckdb::BoundComparisonExpression high(b.UpperComparisonType(), b.input->Copy(), b.upper->Copy());
      return visit(view, low) && visit(view, high);
    }
    case ExpressionClass::BOUND_OPERATOR: {
      const auto& o = e.Cast<duckdb::BoundOperatorExpression>();
      auto type = e.GetExpressionType();
      if (type == ExpressionType::COMPARE_IN) {
        for (size_t i = 1; i < o.children.size(); ++i) {
          duckdb::BoundComparisonExpression equal(ExpressionType::COMPARE_EQUAL, o.children[0]->Copy(), o.children[i]->Copy());
          if (visit(view, equal)) return true;
        }
        return o.children.size() < 2;
      }
      if (type == ExpressionType::OPERATOR_IS_NULL || type == ExpressionType::OPERATOR_IS_NOT_NULL) {
        auto col = column(*o.children[0]);
        const auto* s = col ? view.statistics() : nullptr;
        if (!s) return true;
        auto it = s->null_count.find(col->second);
        if (it == s->null_count.end()) return true;
        if (type == ExpressionType::OPERATOR_IS_NULL) return it->second > 0 || !s->num_records;
        return !s->num_records || it->second < *s->num_records || *s->num_records == 0;
      }
      return true;
    }
    default: return true;
  }
}

}  // namespace tarn::engine
