// UNION, INTERSECT, EXCEPT. Source: TypeCoercion.WidenSetOperationTypes, ResolveUnion, CheckAnalysis.
#include <algorithm>

#include "plan/analyzer_impl.h"

namespace tarn::plan {

namespace {

std::string ordinal_number(size_t i) {
  static const char* const words[] = {"first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth"};
  return i < 10 ? words[i] : std::to_string(i + 1) + "th";
}

}  // namespace

PlanPtr Analyzer::make_set_operation(SetOperationType type, bool all, std::vector<PlanPtr> children, const char* word) {
  size_t width = children[0]->output.size();
  for (size_t i = 1; i < children.size(); ++i)
    if (children[i]->output.size() != width)
      throw analysis_error("NUM_COLUMNS_MISMATCH",
                           {{"operator", word}, {"firstNumColumns", std::to_string(width)}, {"invalidOrdinalNum", ordinal_number(i)}, {"invalidNumColumns", std::to_string(children[i]->output.size())}});
  if (!(type == SetOperationType::kUnion && all))
    for (const auto& c : children)
      for (const auto& a : c->output) {
        std::function<bool(const DataType&, TypeId)> has = [&](const DataType& t, TypeId id) -> bool {
          if (t.id() == id) return true;
          if (t.id() == TypeId::kArray) return has(t.element(), id);
          if (t.id() == TypeId::kStruct) return std::any_of(t.fields().begin(), t.fields().end(), [&](const StructField& f) { return has(f.type(), id); });
          return false;
        };
        for (auto [id, condition] : {std::pair{TypeId::kMap, "UNSUPPORTED_FEATURE.SET_OPERATION_ON_MAP_TYPE"}, std::pair{TypeId::kVariant, "UNSUPPORTED_FEATURE.SET_OPERATION_ON_VARIANT_TYPE"}})
          if (has(a.type, id)) throw analysis_error(condition, {{"colName", name_text({a.name})}, {"dataType", quote_sql(a.type.sql())}});
      }
  auto s = std::make_shared<SetOperation>();
  s->type = type;
  s->all = all;
  std::vector<std::vector<ExprPtr>> lists(children.size());
  std::vector<bool> changed(children.size());
  for (size_t k = 0; k < width; ++k) {
    std::vector<DataType> types;
    for (const auto& c : children) types.push_back(c->output[k].type);
    auto t = common_type(types, conf_.ansi());
    if (!t) {
      size_t bad = 1;
      while (bad + 1 < children.size() && common_type(types[0], types[bad], conf_.ansi())) ++bad;
      throw analysis_error("INCOMPATIBLE_COLUMN_TYPE",
                           {{"operator", word}, {"columnOrdinalNumber", ordinal_number(k)}, {"tableOrdinalNumber", ordinal_number(bad)},
                            {"dataType1", quote_sql(types[bad].sql())}, {"dataType2", quote_sql(types[0].sql())}, {"hint", ""}});
    }
    bool nullable = type == SetOperationType::kExcept ? children[0]->output[k].nullable
                    : type == SetOperationType::kIntersect
                        ? std::all_of(children.begin(), children.end(), [&](const PlanPtr& c) { return c->output[k].nullable; })
                        : std::any_of(children.begin(), children.end(), [&](const PlanPtr& c) { return c->output[k].nullable; });
    for (size_t i = 0; i < children.size(); ++i) {
      auto ref = make_ref(children[i]->output[k]);
      if (!types[i].structurally_equal(*t)) {
        changed[i] = true;
        ref = make_alias(make_cast(ref, *t, mode()), children[i]->output[k].name);
        if (ref->nullable && !(type == SetOperationType::kExcept && i > 0)) nullable = nullable || type == SetOperationType::kUnion;
      }
      lists[i].push_back(std::move(ref));
    }
    Attribute a = to_attribute(*lists[0].back());   // a cast column has no metadata
    a.id = next_expr_id();
    a.duplicate_of = 0;
    a.type = *t;
    // The first input's column, where all agree on what it carries.
    a.nullable = nullable;
    s->output.push_back(std::move(a));
  }
  for (size_t i = 0; i < children.size(); ++i)
    s->children.push_back(changed[i] ? make_project(children[i], std::move(lists[i])) : children[i]);
  // The same input twice needs ids of its own.
  for (size_t i = 1; i < s->children.size(); ++i)
    for (size_t j = 0; j < i; ++j)
      if (s->children[i] == s->children[j]) s->children[i] = with_fresh_ids(s->children[i]);
  return s;
}

PlanPtr Analyzer::union_by_name(PlanPtr left, PlanPtr right, bool allow_missing) {
  auto check = [&](const PlanPtr& p) {
    for (size_t i = 0; i < p->output.size(); ++i)
      for (size_t j = 0; j < i; ++j)
        if (same_name(p->output[i].name, p->output[j].name, case_sensitive_))
          throw analysis_error("COLUMN_ALREADY_EXISTS", {{"columnName", name_text({case_sensitive_ ? p->output[i].name : lower_case(p->output[i].name)})}});
  };
  check(left);
  check(right);
  auto find = [&](const PlanPtr& p, const std::string& name) -> const Attribute* {
    for (const auto& a : p->output)
      if (same_name(a.name, name, case_sensitive_)) return &a;
    return nullptr;
  };
  std::vector<ExprPtr> right_list, left_list;
  bool left_changed = false;
  for (const auto& a : left->output) {
    if (const auto* b = find(right, a.name)) {
      ExprPtr r = make_ref(*b);
      ExprPtr l = make_ref(a);
      if (allow_missing && a.type.id() == TypeId::kStruct && b->type.id() == TypeId::kStruct && !a.type.same_type(b->type)) {
        DataType merged = merge_structs(a.type, b->type);
        auto to = [&](const ExprPtr& e) { return make_alias(fill_struct(e, merged), a.name); };
        if (!b->type.same_type(merged)) r = to(r);
        if (!a.type.same_type(merged)) {
          l = to(l);
          left_changed = true;
        }
      }
      right_list.push_back(r);
      left_list.push_back(l);
    } else if (allow_missing) {
      right_list.push_back(make_alias(make_null(a.type), a.name));
      left_list.push_back(make_ref(a));
    } else {
      std::vector<Parts> candidates;
      std::string all;
      for (const auto& x : right->output) all += (all.empty() ? "" : ", ") + x.name;
      throw analysis_error("UNRESOLVED_COLUMN_AMONG_FIELD_NAMES", {{"colName", a.name}, {"fieldNames", all}});
    }
  }
  if (allow_missing)
    for (const auto& b : right->output)
      if (!find(left, b.name)) {
        right_list.push_back(make_ref(b));
        left_list.push_back(make_alias(make_null(b.type), b.name));
        left_changed = true;
      }
  auto l = left_changed ? make_project(left, std::move(left_list)) : left;
  return make_set_operation(SetOperationType::kUnion, true, {l, make_project(right, std::move(right_list))}, "UNION");
}

DataType Analyzer::merge_structs(const DataType& a, const DataType& b) {
  std::vector<StructField> fields;
  for (const auto& f : a.fields()) {
    auto i = b.field_index(f.name, case_sensitive_);
    if (!i) fields.push_back(make_field(f.name, f.type(), true, f.metadata));
    else if (f.type().id() == TypeId::kStruct && b.fields()[*i].type().id() == TypeId::kStruct)
      fields.push_back(make_field(f.name, merge_structs(f.type(), b.fields()[*i].type()), f.nullable || b.fields()[*i].nullable, f.metadata));
    else fields.push_back(make_field(f.name, f.type(), f.nullable || b.fields()[*i].nullable, f.metadata));
  }
  for (const auto& f : b.fields())
    if (!a.field_index(f.name, case_sensitive_)) fields.push_back(make_field(f.name, f.type(), true, f.metadata));
  return DataType::structure(std::move(fields));
}

// The struct with the fields of `to`, null where it has none.
ExprPtr Analyzer::fill_struct(const ExprPtr& e, const DataType& to) {
  std::vector<ExprPtr> args;
  for (const auto& f : to.fields()) {
    args.push_back(make_string(f.name));
    auto i = e->type.field_index(f.name, case_sensitive_);
    if (!i) {
      args.push_back(make_null(f.type()));
      continue;
    }
    ExprPtr v = fields(e, {"", e->type.fields()[*i].name}, 1);
    if (f.type().id() == TypeId::kStruct && v->type.id() == TypeId::kStruct && !v->type.same_type(f.type())) v = fill_struct(v, f.type());
    args.push_back(v);
  }
  auto made = call("named_struct", std::move(args));
  return e->nullable ? call("if", {call("isnull", {e}), make_null(made->type), made}) : made;
}

PlanPtr Analyzer::set_operation(const sc::SetOperation& s) {
  auto type = s.set_op_type();
  bool all = s.is_all();
  if (type == sc::SetOperation::SET_OP_TYPE_UNION && !s.by_name()) {
    // A long chain of unions is one node with many inputs.
    std::vector<const sc::Relation*> inputs;
    bool flat = all;
    std::function<void(const sc::Relation&)> collect = [&](const sc::Relation& r) {
      if (flat && r.has_set_op() && r.set_op().set_op_type() == sc::SetOperation::SET_OP_TYPE_UNION && r.set_op().is_all() && !r.set_op().by_name()) {
        collect(r.set_op().left_input());
        collect(r.set_op().right_input());
      } else {
        inputs.push_back(&r);
      }
    };
    collect(s.left_input());
    collect(s.right_input());
    std::vector<PlanPtr> children;
    for (const auto* r : inputs) children.push_back(relation(*r));
    auto u = make_set_operation(SetOperationType::kUnion, true, std::move(children), "UNION");
    return all ? u : distinct(u);
  }
  auto left = relation(s.left_input());
  auto right = relation(s.right_input());
  switch (type) {
    case sc::SetOperation::SET_OP_TYPE_UNION: {
      auto u = union_by_name(left, right, s.allow_missing_columns());
      return all ? u : distinct(u);
    }
    case sc::SetOperation::SET_OP_TYPE_INTERSECT:
      return make_set_operation(SetOperationType::kIntersect, all, {left, right}, all ? "INTERSECT ALL" : "INTERSECT");
    case sc::SetOperation::SET_OP_TYPE_EXCEPT:
      return make_set_operation(SetOperationType::kExcept, all, {left, right}, all ? "EXCEPT ALL" : "EXCEPT");
    default: throw analysis_error("CONNECT_INVALID_PLAN.INVALID_ENUM", {{"fullName", "spark.connect.SetOperation.SetOpType"}});
  }
}

}  // namespace tarn::plan
