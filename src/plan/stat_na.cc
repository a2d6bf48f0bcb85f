// df.na and df.stat as ordinary plans. Source: DataFrameNaFunctions, DataFrameStatFunctions, StatFunctions.
#include <algorithm>
#include <cmath>
#include <set>

#include "plan/analyzer_impl.h"

namespace tarn::plan {

ExprPtr Analyzer::plain_column(const PlanPtr& p, const std::string& name) {
  Scope scope = scope_of(p);
  Env env = env_over(scope);
  return column_by_name(name, env);
}

namespace {

enum class ValueKind { kNumber, kString, kBoolean, kOther };

ValueKind kind_of(const DataType& t) {
  if (t.is_numeric()) return ValueKind::kNumber;
  if (t.is_string()) return ValueKind::kString;
  if (t.id() == TypeId::kBoolean) return ValueKind::kBoolean;
  return ValueKind::kOther;
}

bool is_floating(const DataType& t) { return t.id() == TypeId::kFloat || t.id() == TypeId::kDouble; }

}  // namespace

PlanPtr Analyzer::fill_na(const sc::NAFill& f) {
  auto child = relation(f.input());
  if (f.values_size() == 0) throw analysis_error("CONNECT_INVALID_PLAN.NA_FILL_VALUES_EMPTY");
  if (f.values_size() > 1 && f.values_size() != f.cols_size()) throw analysis_error("CONNECT_INVALID_PLAN.NA_FILL_VALUES_LENGTH_MISMATCH");
  std::vector<ExprPtr> values;
  for (const auto& v : f.values()) values.push_back(literal(v));
  // For each column: the value that fills it, or null.
  std::vector<const Expression*> filler(child->output.size());
  auto fits = [&](const DataType& column, const DataType& value) {
    auto k = kind_of(value);
    return k != ValueKind::kOther && kind_of(column) == k;
  };
  if (f.values_size() == 1 && f.cols_size() == 0) {
    for (size_t i = 0; i < filler.size(); ++i)
      if (fits(child->output[i].type, values[0]->type)) filler[i] = values[0].get();
  } else {
    for (int k = 0; k < f.cols_size(); ++k) {
      auto parts = sql::parse_attribute_name(f.cols(k));
      const auto& v = values.size() == 1 ? values[0] : values[static_cast<size_t>(k)];
      bool found = false;
      for (size_t i = 0; i < filler.size(); ++i) {
        if (parts.size() != 1 ? !same_name(child->output[i].name, f.cols(k), case_sensitive_) : !same_name(child->output[i].name, parts[0], case_sensitive_)) continue;
        found = true;
        if (values.size() > 1 || fits(child->output[i].type, v->type)) filler[i] = v.get();
      }
      if (!found) plain_column(child, f.cols(k));  // UNRESOLVED_COLUMN
    }
  }
  std::vector<ExprPtr> list;
  for (size_t i = 0; i < filler.size(); ++i) {
    auto ref = make_ref(child->output[i]);
    if (!filler[i]) {
      list.push_back(ref);
      continue;
    }
    const auto& type = child->output[i].type;
    ExprPtr value = make_cast(make_literal(filler[i]->type, as<Literal>(*filler[i]).value), type, mode());
    ExprPtr current = is_floating(type) ? call("nanvl", {ref, make_null(type)}) : ref;
    list.push_back(make_alias(call("coalesce", {current, value}), child->output[i].name));
  }
  return make_project(child, std::move(list));
}

PlanPtr Analyzer::drop_na(const sc::NADrop& d) {
  auto child = relation(d.input());
  std::vector<ExprPtr> columns;
  if (d.cols_size() == 0)
    for (const auto& a : child->output) columns.push_back(make_ref(a));
  else
    for (const auto& n : d.cols()) columns.push_back(plain_column(child, n));
  size_t need = d.has_min_non_nulls() ? static_cast<size_t>(std::max(0, d.min_non_nulls())) : columns.size();
  // The number of columns that are neither null nor NaN.
  ExprPtr count;
  for (const auto& c : columns) {
    ExprPtr good = call("isnotnull", {c});
    if (is_floating(c->type)) good = call("and", {good, call("not", {call("isnan", {c})})});
    ExprPtr one = call("if", {good, make_int(1), make_int(0)});
    count = count ? call("+", {count, one}) : one;
  }
  if (!count) return child;
  return make_filter(child, call(">=", {count, make_int(static_cast<int32_t>(need))}));
}

PlanPtr Analyzer::replace(const sc::NAReplace& r) {
  auto child = relation(r.input());
  std::set<ExprId> chosen;
  if (r.cols_size() == 0 || (r.cols_size() == 1 && r.cols(0) == "*"))
    for (const auto& a : child->output) chosen.insert(a.id);
  else
    for (const auto& n : r.cols()) {
      auto e = plain_column(child, n);
      if (auto* a = try_as<AttributeRef>(*e)) chosen.insert(a->id);
      else throw analysis_error("UNSUPPORTED_FEATURE.REPLACE_NESTED_COLUMN", {{"colName", name_text({n})}});
    }
  std::vector<std::pair<ExprPtr, ExprPtr>> pairs;
  ValueKind kind = ValueKind::kOther;
  for (const auto& x : r.replacements()) {
    auto from = literal(x.old_value());
    auto to = x.has_new_value() ? literal(x.new_value()) : make_null(from->type);
    if (kind_of(from->type) != ValueKind::kOther) kind = kind_of(from->type);
    else if (kind == ValueKind::kOther) kind = kind_of(to->type);
    pairs.emplace_back(from, to);
  }
  std::vector<ExprPtr> list;
  for (const auto& a : child->output) {
    auto ref = make_ref(a);
    if (!chosen.count(a.id) || kind == ValueKind::kOther || kind_of(a.type) != kind || pairs.empty()) {
      list.push_back(ref);
      continue;
    }
    std::vector<ExprPtr> args;
    for (const auto& [from, to] : pairs) {
      // Numbers are compared as doubles.
      ExprPtr left = ref, right = from;
      if (kind == ValueKind::kNumber) {
        left = make_cast(left, TypeId::kDouble, mode());
        right = make_cast(right, TypeId::kDouble, mode());
      }
      args.push_back(from->type.id() == TypeId::kNull || is_null(*from) ? call("isnull", {ref}) : call("=", {left, right}));
      args.push_back(make_cast(to, a.type, mode()));
    }
    args.push_back(ref);
    list.push_back(make_alias(call("when", std::move(args)), a.name));
  }
  return make_project(child, std::move(list));
}

bool Analyzer::is_null(const Expression& e) {
  auto* l = try_as<Literal>(e);
  return l && l->value.is_null();
}

// One row per statistic: an aggregate over everything, then one output row for each statistic taken out of it.
PlanPtr Analyzer::summary(const sc::Relation& input, std::vector<std::string> statistics, std::optional<std::vector<std::string>> columns) {
  auto child = relation(input);
  if (statistics.empty()) statistics = {"count", "mean", "stddev", "min", "25%", "50%", "75%", "max"};
  std::vector<Attribute> chosen;
  auto usable = [](const Attribute& a) { return a.type.is_numeric() || a.type.is_string(); };
  if (columns && !columns->empty()) {
    std::vector<ExprPtr> list;
    for (const auto& n : *columns) {
      auto e = plain_column(child, n);
      list.push_back(e->kind == ExprKind::kAttribute ? e : make_alias(e, sql::parse_attribute_name(n).back()));
    }
    child = make_project(child, std::move(list));
  }
  for (const auto& a : child->output)
    if (usable(a)) chosen.push_back(a);
  // name of the statistic, per column the aggregate as text
  auto block = std::make_shared<SelectBlock>();
  block->input = child;
  block->aggregated = true;
  std::vector<std::vector<ExprPtr>> cells(statistics.size());
  for (size_t s = 0; s < statistics.size(); ++s) {
    std::string stat = lower_case(statistics[s]);
    double percentile = -1;
    if (stat.ends_with("%")) {
      try {
        percentile = std::stod(stat.substr(0, stat.size() - 1)) / 100;
      } catch (const std::exception&) {
        throw SparkError::Plain(ErrorKind::kIllegalArgument, "Unable to parse " + statistics[s] + " as a percentile");
      }
      if (!(percentile >= 0 && percentile <= 1)) throw SparkError::Plain(ErrorKind::kIllegalArgument, "requirement failed: Percentiles must be in the range [0, 1]");
    }
    for (const auto& a : chosen) {
      auto ref = make_ref(a);
      auto number = [&]() { return a.type.is_string() ? make_cast(ref, TypeId::kDouble, EvalMode::kTry) : ref; };
      ExprPtr v;
      if (percentile >= 0) v = call("percentile_approx", {number(), make_literal(TypeId::kDouble, Value{percentile})});
      else if (stat == "count") v = call("count", {ref});
      else if (stat == "count_distinct") {
        auto c = std::make_shared<AggregateCall>(as<AggregateCall>(*call("count", {ref})));
        c->distinct = true;
        v = c;
      } else if (stat == "approx_count_distinct") v = call("approx_count_distinct", {ref});
      else if (stat == "mean") v = call("avg", {number()});
      else if (stat == "stddev") v = call("stddev_samp", {number()});
      else if (stat == "min") v = call("min", {ref});
      else if (stat == "max") v = call("max", {ref});
      else throw SparkError::Plain(ErrorKind::kIllegalArgument, statistics[s] + " is not a recognised statistic");
      cells[s].push_back(make_alias(make_cast(v, TypeId::kString, mode()), a.name));
      SelectItem item;
      item.expression = cells[s].back();
      block->items.push_back(item);
    }
  }
  if (block->items.empty()) {
    SelectItem item;
    item.expression = make_alias(call("count", {make_int(1)}), "rows");
    block->items.push_back(item);
  }
  auto totals = build(*block);
  // The statistics as rows.
  std::vector<ExprPtr> entries;
  for (size_t s = 0; s < statistics.size(); ++s) {
    std::vector<ExprPtr> args{make_string("summary"), make_string(statistics[s])};
    for (size_t k = 0; k < chosen.size(); ++k) {
      args.push_back(make_string("c" + std::to_string(k)));
      args.push_back(make_ref(to_attribute(*cells[s][k])));
    }
    entries.push_back(call("named_struct", std::move(args)));
  }
  std::vector<std::string> names{"summary"};
  for (const auto& a : chosen) names.push_back(a.name);
  size_t before = totals->output.size();
  auto g = generator_plan(totals, call("inline", {call("array", std::move(entries))}), false, names, {});
  std::vector<ExprPtr> list;
  for (size_t i = before; i < g->output.size(); ++i) list.push_back(make_ref(g->output[i]));
  return make_project(g, std::move(list));
}

PlanPtr Analyzer::cov_corr(const sc::Relation& input, const std::string& a, const std::string& b, bool correlation) {
  auto child = relation(input);
  auto x = plain_column(child, a), y = plain_column(child, b);
  for (const auto& [e, name] : {std::pair{x, a}, std::pair{y, b}})
    if (!e->type.is_numeric())
      throw SparkError::Plain(ErrorKind::kIllegalArgument, std::string("requirement failed: Currently ") + (correlation ? "correlation" : "covariance") +
                                                              " calculation for columns with dataType " + e->type.catalog_string() + " not supported.");
  // Nulls count as zeros, as df.stat does.
  auto zero = [&](const ExprPtr& e) { return call("coalesce", {make_cast(e, TypeId::kDouble, mode()), make_literal(TypeId::kDouble, Value{0.0})}); };
  auto block = std::make_shared<SelectBlock>();
  block->input = child;
  block->aggregated = true;
  SelectItem item;
  ExprPtr value = correlation ? call("corr", {zero(x), zero(y)}) : call("covar_samp", {zero(x), zero(y)});
  item.expression = make_alias(value, correlation ? "corr" : "cov");
  block->items.push_back(item);
  return build(*block);
}

PlanPtr Analyzer::approx_quantile(const sc::StatApproxQuantile& q) {
  auto child = relation(q.input());
  std::vector<ExprPtr> rows;
  ListValue probabilities;
  for (double p : q.probabilities()) {
    if (!(p >= 0 && p <= 1)) throw SparkError::Plain(ErrorKind::kIllegalArgument, "requirement failed: percentile should be in the range [0.0, 1.0], but got " + std::to_string(p));
    probabilities.items.push_back(Value{p});
  }
  if (q.relative_error() < 0) throw SparkError::Plain(ErrorKind::kIllegalArgument, "requirement failed: Relative Error must be non-negative");
  auto wanted = make_literal(DataType::array(TypeId::kDouble, false), Value{probabilities});
  auto accuracy = make_int(q.relative_error() <= 0 ? 2000000000 : static_cast<int32_t>(std::min(2e9, 1 / q.relative_error())));
  for (const auto& c : q.cols()) {
    auto e = plain_column(child, c);
    if (!e->type.is_numeric())
      throw SparkError::Plain(ErrorKind::kIllegalArgument, "requirement failed: Quantile calculation for column " + c + " with data type " + e->type.catalog_string() + " is not supported.");
    auto number = make_cast(e, TypeId::kDouble, mode());
    // NaN is no value here.
    number = call("nanvl", {number, make_null(TypeId::kDouble)});
    rows.push_back(call("coalesce", {call("percentile_approx", {number, wanted, accuracy}), make_cast(call("array", {}), DataType::array(TypeId::kDouble, false), mode())}));
  }
  auto block = std::make_shared<SelectBlock>();
  block->input = child;
  block->aggregated = true;
  SelectItem item;
  item.expression = make_alias(call("array", std::move(rows)), "approx_quantile");
  block->items.push_back(item);
  return build(*block);
}

// A table whose columns are the values of the second column: known only when the query runs.
PlanPtr Analyzer::crosstab(const sc::StatCrosstab& c) {
  // when(isnull(x), "null").otherwise(string of x)
  auto function = [](sc::Expression* out, const char* name) {
    auto* f = out->mutable_unresolved_function();
    f->set_function_name(name);
    return f;
  };
  auto text_of = [&](sc::Expression* out, const std::string& column, bool without_quotes) {
    auto* when = function(out, "when");
    function(when->add_arguments(), "isnull")->add_arguments()->mutable_unresolved_attribute()->set_unparsed_identifier(column);
    when->add_arguments()->mutable_literal()->set_string("null");
    sc::Expression* value = when->add_arguments();
    if (without_quotes) {
      auto* replace = function(value, "regexp_replace");
      value = replace->add_arguments();
      replace->add_arguments()->mutable_literal()->set_string("`");
      replace->add_arguments()->mutable_literal()->set_string("");
    }
    auto* cast = value->mutable_cast();
    cast->mutable_expr()->mutable_unresolved_attribute()->set_unparsed_identifier(column);
    cast->mutable_type()->mutable_string();
  };
  sc::Relation table;
  auto* fill = table.mutable_fill_na();
  fill->add_values()->set_long_(0);
  auto* a = fill->mutable_input()->mutable_aggregate();
  *a->mutable_input() = c.input();
  a->set_group_type(sc::Aggregate::GROUP_TYPE_PIVOT);
  auto* alias = a->add_grouping_expressions()->mutable_alias();
  alias->add_name(c.col1() + "_" + c.col2());
  text_of(alias->mutable_expr(), c.col1(), false);
  text_of(a->mutable_pivot()->mutable_col(), c.col2(), true);
  auto* count = a->add_aggregate_expressions()->mutable_alias();
  count->add_name("count");
  function(count->mutable_expr(), "count")->add_arguments()->mutable_literal()->set_integer(1);
  return relation(table);
}

PlanPtr Analyzer::freq_items(const sc::StatFreqItems& f) {
  auto child = relation(f.input());
  double support = f.has_support() ? f.support() : 0.01;
  if (!(support >= 1e-4 && support <= 1)) throw SparkError::Plain(ErrorKind::kIllegalArgument, "requirement failed: Support must be in [1e-4, 1], but got " + std::to_string(support) + ".");
  // Exact: the values that are in at least this share of the rows. Each column is counted by a sub-select of its own.
  PlanPtr out = std::make_shared<OneRow>();
  std::vector<ExprPtr> list;
  for (const auto& name : f.cols()) {
    auto copy = with_fresh_ids(child);
    auto e = plain_column(copy, name);
    auto groups = std::make_shared<SelectBlock>();
    groups->input = copy;
    groups->aggregated = true;
    groups->groupings = {e};
    SelectItem value, count;
    value.expression = e->kind == ExprKind::kAttribute ? e : make_alias(e, name);
    count.expression = make_alias(call("count", {make_int(1)}), "n");
    groups->items = {value, count};
    auto counted = build(*groups);
    auto total_block = std::make_shared<SelectBlock>();
    total_block->input = with_fresh_ids(child);
    total_block->aggregated = true;
    SelectItem total;
    total.expression = make_alias(call("count", {make_int(1)}), "total");
    total_block->items = {total};
    auto all = std::make_shared<SubqueryExpr>();
    all->plan = build(*total_block);
    all->type = TypeId::kLong;
    auto least = call("*", {make_cast(ExprPtr(all), TypeId::kDouble, mode()), make_literal(TypeId::kDouble, Value{support})});
    auto frequent = make_filter(counted, call(">=", {make_cast(make_ref(counted->output[1]), TypeId::kDouble, mode()), least}));
    auto collected = std::make_shared<SelectBlock>();
    collected->input = frequent;
    collected->aggregated = true;
    SelectItem items;
    items.expression = make_alias(call("collect_list", {make_ref(frequent->output[0])}), name + "_freqItems");
    collected->items = {items};
    auto result = std::make_shared<SubqueryExpr>();
    result->plan = build(*collected);
    result->type = result->plan->output[0].type;
    list.push_back(make_alias(ExprPtr(result), name + "_freqItems"));
  }
  return make_project(out, std::move(list));
}

PlanPtr Analyzer::sample_by(const sc::StatSampleBy& s) {
  auto child = relation(s.input());
  Scope scope = scope_of(child);
  Env env = env_over(scope);
  auto key = expression(s.col(), env);
  if (key->kind == ExprKind::kAlias) key = key->children[0];
  std::vector<ExprPtr> args;
  for (const auto& f : s.fractions()) {
    if (!(f.fraction() >= 0 && f.fraction() <= 1)) throw SparkError::Plain(ErrorKind::kIllegalArgument, "requirement failed: Fractions must be in [0, 1], but got " + std::to_string(f.fraction()) + ".");
    args.push_back(call("=", {key, literal(f.stratum())}));
    args.push_back(make_literal(TypeId::kDouble, Value{f.fraction()}));
  }
  if (args.empty()) return make_filter(child, make_bool(false));
  args.push_back(make_literal(TypeId::kDouble, Value{0.0}));
  auto fraction = call("when", std::move(args));
  auto random = s.has_seed() ? call("rand", {make_long(s.seed())}) : call("rand", {});
  return make_filter(child, call("<", {random, fraction}));
}

}  // namespace tarn::plan
