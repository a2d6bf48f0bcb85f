// window(), session_window() and window_time(): windows of time as a column of the rows below the clause that names them.
// Source: TimeWindowing, SessionWindowing, ResolveWindowTime, MergingSessionsIterator.
//
// A clause may use one window. Its rows get the column "window" (or "session_window") first, so that the clause can also say
// window.start; a sliding window makes a row for each window that holds it. GROUP BY a session merges the sessions of a group that
// touch: three window functions over (other keys, start of session).
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cctype>
#include <set>

#include "plan/analyzer_impl.h"

namespace tarn::plan {

namespace {

constexpr const char* kTimeMarker = "spark.timeWindow";
constexpr const char* kSessionMarker = "spark.sessionWindow";

bool is_window_name(const std::string& name) { return same_name(name, "window", false) || same_name(name, "session_window", false); }

const Call* window_call(const Expression& e) {
  auto* c = try_as<Call>(e);
  return c && c->function && is_window_name(std::string(c->function->name())) ? c : nullptr;
}

// A name stands literally in a text and in the bytes of a message: most name no window and need no second look.
bool may_name_window(std::string_view bytes) {
  constexpr std::string_view kWord = "window";
  return std::search(bytes.begin(), bytes.end(), kWord.begin(), kWord.end(),
                     [](char a, char b) { return std::tolower(static_cast<unsigned char>(a)) == b; }) != bytes.end();
}

// Calls written anywhere in the message, outermost last.
void find_written(const google::protobuf::Message& m, const sql::ParseOptions& options, std::vector<sc::Expression>& out) {
  if (m.GetDescriptor() == sc::Expression::descriptor()) {
    const auto& e = static_cast<const sc::Expression&>(m);
    bool is_call = false;
    if (e.has_unresolved_function()) is_call = is_window_name(e.unresolved_function().function_name()) && !e.unresolved_function().is_user_defined_function();
    else if (e.has_call_function()) is_call = is_window_name(e.call_function().function_name());
    if (is_call) {
      out.push_back(e);
      return;
    }
    if (e.has_expression_string()) {
      if (!may_name_window(e.expression_string().expression())) return;
      // What cannot be parsed fails where it is analyzed.
      try {
        find_written(sql::parse_expression(e.expression_string().expression(), options), options, out);
      } catch (const SparkError&) {
      }
      return;
    }
    if (e.has_extension()) {
      if (!may_name_window(e.extension().value())) return;
      tarn::sql::Expr x;
      if (e.extension().UnpackTo(&x)) find_written(x, options, out);
      return;
    }
  }
  const auto* reflection = m.GetReflection();
  std::vector<const google::protobuf::FieldDescriptor*> fields;
  reflection->ListFields(m, &fields);
  for (const auto* f : fields) {
    if (f->cpp_type() != google::protobuf::FieldDescriptor::CPPTYPE_MESSAGE) continue;
    if (!f->is_repeated()) {
      find_written(reflection->GetMessage(m, f), options, out);
      continue;
    }
    for (int i = 0; i < reflection->FieldSize(m, f); ++i) find_written(reflection->GetRepeatedMessage(m, f, i), options, out);
  }
}

std::string marked(const Expression& time, const char* marker) {
  auto* a = try_as<AttributeRef>(time);
  auto j = a && !a->metadata.empty() ? nlohmann::json::parse(a->metadata, nullptr, false) : nlohmann::json::object();
  if (!j.is_object()) j = nlohmann::json::object();
  j[marker] = true;
  return j.dump();
}

DataType window_type(const DataType& time) { return DataType::structure({make_field("start", time), make_field("end", time)}); }

// The value with this type: its fields may be null for whoever reads the schema, as Spark declares them.
ExprPtr typed(const ExprPtr& value, const DataType& type) {
  auto n = std::const_pointer_cast<Expression>(with_children(value, value->children));
  n->type = type;
  return n;
}

}  // namespace

ExprPtr Analyzer::time_window_column(ExprPtr value) {
  auto* c = window_call(*value);
  if (!c || finding_windows_) return value;
  if (time_window_ && semantic_equals(*time_window_->call, *c)) return make_ref(time_window_->column);
  throw not_built("the function " + c->name + "() in this clause");
}

PlanPtr Analyzer::add_time_window(PlanPtr input, const std::vector<const google::protobuf::Message*>& written, const char* clause) {
  std::vector<sc::Expression> protos;
  for (const auto* m : written) find_written(*m, parse_options(), protos);
  if (protos.empty()) return input;
  ExprPtr found;
  {
    Scope scope = scope_of(input);
    finding_windows_ = true;
    struct Done {
      bool& flag;
      ~Done() { flag = false; }
    } done{finding_windows_};
    for (const auto& p : protos) {
      Env env = env_over(scope, clause);
      ExprPtr e;
      try {
        e = expression(p, env);
      } catch (const SparkError& error) {
        if (error.condition().starts_with("UNRESOLVED_COLUMN")) continue;  // told where the clause itself is read
        throw;
      }
      if (e->kind == ExprKind::kAlias) e = e->children[0];
      if (!window_call(*e)) continue;
      if (found && !semantic_equals(*found, *e)) throw analysis_error("_LEGACY_ERROR_TEMP_1039");
      found = e;
    }
  }
  if (!found) return input;

  const Call& c = *window_call(*found);
  const bool session = same_name(c.name, "session_window", false);
  const ExprPtr& time = c.children[0];
  const DataType type = window_type(time->type);
  auto filtered = [&](PlanPtr p, ExprPtr condition) { return make_filter(std::move(p), std::move(condition)); };
  auto with_column = [&](PlanPtr p, ExprPtr value) {
    std::vector<ExprPtr> list;
    for (const auto& a : p->output) list.push_back(make_ref(a));
    auto alias = std::make_shared<Alias>(as<Alias>(*make_alias(std::move(value), session ? "session_window" : "window")));
    alias->metadata = marked(*time, session ? kSessionMarker : kTimeMarker);
    list.push_back(alias);
    return make_project(std::move(p), std::move(list));
  };
  const auto columns = input->output;
  auto hidden = input->hidden;
  const auto ids = input->plan_ids;
  PlanPtr p = provide(input, {time});
  if (session) {
    const ExprPtr end = call("+", {time, c.children[1]});
    auto value = typed(call("named_struct", {make_string("start"), time, make_string("end"), end}), type);
    p = with_column(filtered(std::move(p), call("isnotnull", {time})), value);
    // A gap of nothing or less makes no session.
    auto column = make_ref(p->output.back());
    p = filtered(p, call(">", {field_of(column, 1), field_of(column, 0)}));
  } else if (semantic_equals(*c.children[1], *c.children[2])) {
    auto value = typed(call("internal:time_window", {time, c.children[1], c.children[3]}), type);
    p = with_column(filtered(std::move(p), call("isnotnull", {time})), value);
  } else {
    auto list = typed(call("internal:time_windows", {time, c.children[1], c.children[2], c.children[3]}), DataType::array(type, false));
    Attribute column;
    column.id = next_expr_id();
    column.name = "window";
    column.type = type;
    column.metadata = marked(*time, kTimeMarker);
    p = generator_plan(std::move(p), call("explode", {list}), false, {column});
  }
  time_window_ = TimeWindow{found, p->output.back(), session};
  // The list's stars mean the columns of the input alone; the window is found by its name.
  auto out = std::const_pointer_cast<LogicalPlan>(restore(p, columns));
  out->hidden = std::move(hidden);
  out->hidden.push_back(time_window_->column);
  out->plan_ids = ids;
  return out;
}

PlanPtr Analyzer::merge_sessions(PlanPtr input, std::vector<ExprPtr>& groupings, std::vector<SelectItem>& items) {
  if (!time_window_ || !time_window_->session) return input;
  const ExprId id = time_window_->column.id;
  const ExprPtr session = make_ref(time_window_->column);
  if (std::none_of(groupings.begin(), groupings.end(), [&](const ExprPtr& g) { return semantic_equals(*g, *session); })) return input;

  std::vector<ExprPtr> keys;
  for (const auto& g : groupings)
    if (!is_foldable(*g) && !semantic_equals(*g, *session)) keys.push_back(g);
  std::vector<ExprPtr> used = keys;
  used.push_back(session);
  auto p = provide(std::move(input), used);
  auto refs = [](const PlanPtr& plan) {
    std::vector<ExprPtr> list;
    for (const auto& a : plan->output) list.push_back(make_ref(a));
    return list;
  };
  auto ordered = [](ExprPtr value, bool ascending) {
    auto o = std::make_shared<SortOrder>();
    o->type = value->type;
    o->ascending = o->nulls_first = ascending;
    o->children.push_back(std::move(value));
    return ExprPtr(o);
  };
  // function OVER (PARTITION BY keys… ORDER BY … ROWS UNBOUNDED PRECEDING AND CURRENT ROW | 1 PRECEDING)
  auto over = [&](const ExprPtr& function, std::vector<ExprPtr> partition, std::vector<ExprPtr> order, bool before) {
    auto w = std::make_shared<WindowExpr>();
    w->type = function->type;
    w->nullable = true;
    w->children = {function};
    w->partition_by = std::move(partition);
    w->rows = !order.empty();
    w->order_by = std::move(order);
    w->upper.following = w->order_by.empty();
    if (before) {
      w->upper.kind = FrameBound::Kind::kOffset;
      w->upper.offset = make_int(1);
    } else if (!w->order_by.empty()) {
      w->upper.kind = FrameBound::Kind::kCurrentRow;
    }
    return ExprPtr(w);
  };
  auto add_windows = [&](PlanPtr child, const std::vector<ExprPtr>& list) {
    auto w = std::make_shared<Window>();
    w->output = child->output;
    for (const auto& e : list) w->output.push_back(to_attribute(*e));
    w->expressions = list;
    w->children.push_back(std::move(child));
    return PlanPtr(w);
  };
  const ExprPtr start = field_of(session, 0), end = field_of(session, 1);
  const auto columns = p->output;
  // 1. The latest end of the sessions that start earlier.
  auto reach = make_alias(over(call("max", {end}), keys, {ordered(start, true)}, true), "reach");
  p = add_windows(std::move(p), {reach});
  // 2. A session that starts after it is a new one.
  auto reached = make_ref(to_attribute(*reach));
  auto opens = make_alias(call("if", {call("or", {call("isnull", {reached}), call(">", {start, reached})}), make_long(1), make_long(0)}), "opens");
  auto list = refs(p);
  list.push_back(opens);
  p = make_project(std::move(p), std::move(list));
  // 3. How many have opened so far numbers it; of equal starts the one that opens comes first.
  auto opening = make_ref(to_attribute(*opens));
  auto number = make_alias(over(call("sum", {opening}), keys, {ordered(start, true), ordered(opening, false)}, false), "number");
  p = add_windows(std::move(p), {number});
  auto partition = keys;
  partition.push_back(make_ref(to_attribute(*number)));
  auto first = make_alias(over(call("min", {start}), partition, {}, false), "first");
  auto last = make_alias(over(call("max", {end}), partition, {}, false), "last");
  p = add_windows(std::move(p), {first, last});

  auto whole = typed(call("named_struct", {make_string("start"), make_ref(to_attribute(*first)), make_string("end"), make_ref(to_attribute(*last))}), session->type);
  auto merged = std::make_shared<Alias>(as<Alias>(*make_alias(whole, time_window_->column.name)));
  merged->metadata = time_window_->column.metadata;
  list.clear();
  for (const auto& a : columns)
    if (a.id != id) list.push_back(make_ref(a));
  list.push_back(merged);
  p = make_project(std::move(p), std::move(list));
  time_window_->column = p->output.back();
  const ExprPtr column = make_ref(time_window_->column);
  auto rebind = [&](const ExprPtr& e) {
    return transform(e, [&](const ExprPtr& x) -> ExprPtr {
      auto* a = try_as<AttributeRef>(*x);
      return a && a->id == id ? column : nullptr;
    });
  };
  for (auto& g : groupings) g = rebind(g);
  for (auto& i : items) i.expression = rebind(i.expression);
  return p;
}

}  // namespace tarn::plan
