// The analyzer's doors, and the walk over relations.
#include "plan/analyzer.h"

#include <pthread.h>
#include <unicode/regex.h>
#include <unicode/unistr.h>

#include <algorithm>
#include <exception>

#include "plan/analyzer_impl.h"
#include "plan/expression_text.h"
#include "plan/parse_options.h"
#include "plan/types_internal.h"
#include "storage/settings.h"

namespace tarn::plan {

namespace {

constexpr size_t kStackBytes = 64u << 20;
constexpr int kMaxRelationDepth = 5000;
thread_local bool deep_stack = false;

struct Task {
  const std::function<void()>* f;
  std::shared_ptr<const storage::Settings> settings;  // of the thread that waits: sources are looked at with them
  std::exception_ptr error;
};

void* run_task(void* p) {
  auto* task = static_cast<Task*>(p);
  deep_stack = true;
  storage::SettingsScope scope(task->settings);
  try {
    (*task->f)();
  } catch (...) {
    task->error = std::current_exception();
  }
  return nullptr;
}

}  // namespace

void with_deep_stack(const std::function<void()>& f) {
  if (deep_stack) {
    f();
    return;
  }
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, kStackBytes);
  Task task{&f, storage::current_settings(), nullptr};
  pthread_t thread;
  int rc = pthread_create(&thread, &attributes, run_task, &task);
  pthread_attr_destroy(&attributes);
  if (rc != 0) throw internal_error("cannot start a thread for the analysis");
  pthread_join(thread, nullptr);
  if (task.error) std::rethrow_exception(task.error);
}

bool matches_regex(const std::string& text, const std::string& pattern) {
  // ICU's syntax is Java's, possessive quantifiers included.
  UErrorCode status = U_ZERO_ERROR;
  icu::RegexMatcher matcher(icu::UnicodeString::fromUTF8(pattern), UREGEX_CASE_INSENSITIVE, status);
  if (U_FAILURE(status))
    throw analysis_error("INVALID_PARAMETER_VALUE.PATTERN", {{"functionName", "`colRegex`"}, {"parameter", "`regexp`"}, {"value", quote_sql(pattern)}});
  auto subject = icu::UnicodeString::fromUTF8(text);
  matcher.reset(subject);
  return matcher.matches(status) && U_SUCCESS(status);
}

DataType without_char_varchar(const DataType& t) {
  switch (t.id()) {
    case TypeId::kChar:
    case TypeId::kVarchar: return TypeId::kString;
    case TypeId::kArray: return DataType::array(without_char_varchar(t.element()), t.contains_null());
    case TypeId::kMap: return DataType::map(without_char_varchar(t.key()), without_char_varchar(t.value()), t.contains_null());
    case TypeId::kStruct: {
      std::vector<StructField> fields;
      for (const auto& f : t.fields()) fields.push_back(make_field(f.name, without_char_varchar(f.type()), f.nullable, f.metadata));
      return DataType::structure(std::move(fields));
    }
    default: return t;
  }
}

Analyzer::Analyzer(AnalyzerContext& context) : context_(context), conf_(context.conf), case_sensitive_(context.conf.case_sensitive()) {
  if (!context.subqueries) return;
  std::unordered_map<int64_t, const sc::Relation*> refs;
  for (const auto& r : *context.subqueries) refs[r.common().plan_id()] = &r;
  references_.push_back(std::move(refs));
}

sql::ParseOptions Analyzer::parse_options() const { return plan::parser_settings(conf_); }

PlanPtr Analyzer::relation_in(const sc::Relation& r, const Scope* around, std::vector<ExprPtr>* outer_aggregates) {
  struct Back {
    Analyzer& a;
    const Scope* around;
    std::vector<ExprPtr>* aggregates;
    ~Back() {
      a.around_ = around;
      a.outer_aggregates_ = aggregates;
    }
  } back{*this, around_, outer_aggregates_};
  around_ = around;
  outer_aggregates_ = outer_aggregates;
  return relation(r);
}

PlanPtr Analyzer::relation(const sc::Relation& r) {
  struct Leave {
    int& depth;
    ~Leave() { --depth; }
  };
  ++relation_depth_;
  Leave leave{relation_depth_};
  if (relation_depth_ > kMaxRelationDepth) throw SparkError(ErrorKind::kAnalysis, "FAILED_TO_PARSE_TOO_COMPLEX");
  std::optional<Text> saved;
  if (r.has_common() && r.common().has_origin() && r.common().origin().jvm_origin().has_sql_text()) {
    saved = text_;
    take_text(r.common().origin());
  }
  PlanPtr plan;
  try {
    plan = relation_node(r);
  } catch (const SparkError& error) {
    std::shared_ptr<const QueryContext> where;
    if (!error.context() && !error.condition().empty() && error.condition() != "INTERNAL_ERROR" && r.has_common() && r.common().has_origin())
      where = context_of(r.common().origin());
    if (saved) text_ = *saved;
    if (where) throw error.with_context(*where);
    throw;
  }
  if (saved) text_ = *saved;
  // Negative ids are the SQL parser's own.
  if (r.has_common() && r.common().has_plan_id() && r.common().plan_id() >= 0) {
    int64_t id = r.common().plan_id();
    if (std::find(plan->plan_ids.begin(), plan->plan_ids.end(), id) == plan->plan_ids.end()) {
      auto n = plan->clone();
      n->plan_ids.push_back(id);
      if (auto b = block_of(plan)) remember_block(n, b);
      plan = n;
    }
  }
  return plan;
}

PlanPtr analyze(const sc::Relation& relation, AnalyzerContext& context) {
  PlanPtr out;
  with_deep_stack([&] {
    TextZone zone(context.conf.time_zone());
    out = Analyzer(context).relation(relation);
  });
  return out;
}

ExprPtr analyze_constant(const sc::Expression& expression, AnalyzerContext& context) {
  ExprPtr out;
  with_deep_stack([&] {
    TextZone zone(context.conf.time_zone());
    Analyzer a(context);
    Scope scope({}, nullptr, context.conf.case_sensitive());
    Env env = a.env_over(scope);
    out = a.expression(expression, env);
    if (out->kind == ExprKind::kAlias) out = out->children[0];
  });
  return out;
}

ExprPtr analyze_over(const sc::Expression& expression, const LogicalPlan& input, AnalyzerContext& context) {
  ExprPtr out;
  with_deep_stack([&] {
    TextZone zone(context.conf.time_zone());
    Analyzer a(context);
    PlanPtr plan = input.clone();
    Scope scope({plan}, nullptr, context.conf.case_sensitive());
    Env env = a.env_over(scope);
    out = a.expression(expression, env);
    if (out->kind == ExprKind::kAlias) out = out->children[0];
  });
  return out;
}

// A few constants the analyzer must know: LIMIT, frames, pivot values. Literals through casts and negation.
std::optional<Value> Analyzer::constant_value(const ExprPtr& e) {
  if (auto* l = try_as<Literal>(e)) return l->value;
  if (e->kind == ExprKind::kAlias) return constant_value(e->children[0]);
  if (e->kind == ExprKind::kCast) {
    auto v = constant_value(e->children[0]);
    if (!v || v->is_null()) return v;
    const auto& from = e->children[0]->type;
    if (from.same_type(e->type)) return v;
    if (from.is_integral() && e->type.is_integral()) return v;
    if (from.is_integral() && (e->type.id() == TypeId::kDouble || e->type.id() == TypeId::kFloat)) return Value{static_cast<double>(v->get<int64_t>())};
    if (from.is_integral() && e->type.id() == TypeId::kDecimal) {
      Int128 x = v->get<int64_t>();
      for (int i = 0; i < e->type.scale(); ++i) x *= 10;
      return Value{x};
    }
    if (from.id() == TypeId::kDecimal && e->type.is_integral()) {
      Int128 x = v->get<Int128>();
      for (int i = 0; i < from.scale(); ++i) x /= 10;
      return Value{static_cast<int64_t>(x)};
    }
    if (from.id() == TypeId::kString && e->type.is_integral()) {
      try {
        size_t used = 0;
        int64_t n = std::stoll(v->get<std::string>(), &used);
        if (used == v->get<std::string>().size()) return Value{n};
      } catch (const std::exception&) {
      }
    }
    return std::nullopt;
  }
  auto* c = try_as<Call>(e);
  if (!c) return std::nullopt;
  if (c->children.size() == 1 && (c->name == "-" || c->name == "negative")) {
    auto v = constant_value(c->children[0]);
    if (!v || v->is_null()) return v;
    if (auto* i = std::get_if<int64_t>(&v->v)) return Value{-*i};
    if (auto* d = std::get_if<double>(&v->v)) return Value{-*d};
    if (auto* x = std::get_if<Int128>(&v->v)) return Value{-*x};
    if (auto* i = std::get_if<IntervalValue>(&v->v)) return Value{IntervalValue{-i->months, -i->days, -i->micros}};
    return std::nullopt;
  }
  if (c->children.size() == 2 && c->type.is_integral()) {
    auto a = constant_value(c->children[0]), b = constant_value(c->children[1]);
    if (!a || !b || a->is_null() || b->is_null()) return std::nullopt;
    auto *x = std::get_if<int64_t>(&a->v), *y = std::get_if<int64_t>(&b->v);
    if (!x || !y) return std::nullopt;
    int64_t r = 0;
    if (c->name == "+" && !__builtin_add_overflow(*x, *y, &r)) return Value{r};
    if (c->name == "-" && !__builtin_sub_overflow(*x, *y, &r)) return Value{r};
    if (c->name == "*" && !__builtin_mul_overflow(*x, *y, &r)) return Value{r};
  }
  return std::nullopt;
}

}  // namespace tarn::plan
