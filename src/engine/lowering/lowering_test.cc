// Plans made by hand, lowered and run in DuckDB.
#include <doctest/doctest.h>
#include <pthread.h>

#include "duckdb.hpp"
#include "engine/database.h"
#include "engine/lowering/expression_lowering.h"
#include "engine/lowering/lowering.h"
#include "engine/session.h"
#include "plan/function.h"
#include "plan/session_conf.h"

using namespace tarn;
using namespace tarn::plan;

namespace {

const FunctionEntry kPlus{"+", FunctionKind::kScalar, "", "($1 + $2)"};
const FunctionEntry kAnd{"and", FunctionKind::kScalar, "", "($1 AND $2)"};
const FunctionEntry kGreater{">", FunctionKind::kScalar, "", "($1 > $2)"};
const FunctionEntry kEqual{"=", FunctionKind::kScalar, "", "($1 = $2)"};
const FunctionEntry kSum{"sum", FunctionKind::kAggregate, "", "CAST(#sum($1)# AS BIGINT)"};
const FunctionEntry kCount{"count", FunctionKind::kAggregate, "", "@count"};
const FunctionEntry kRowNumber{"row_number", FunctionKind::kWindow, "", "CAST(#row_number()# AS INTEGER)"};
const FunctionEntry kLag{"lag", FunctionKind::kWindow, "", "#lag($1, $2)#"};
const FunctionEntry kExplode{"explode", FunctionKind::kGenerator, "", ""};
const FunctionEntry kArray{"array", FunctionKind::kScalar, "", "@array"};
const FunctionEntry kGroupingId{"grouping_id", FunctionKind::kScalar, "", "@grouping_id"};

engine::Database& database() {
  // Never destroyed: DuckDB's allocator keeps state per thread, which is gone when statics are destroyed.
  static engine::Database& db = *new engine::Database{engine::EngineOptions{}};
  return db;
}

ExprPtr call(const FunctionEntry& f, std::vector<ExprPtr> args, DataType type) {
  auto c = std::make_shared<Call>();
  c->function = &f;
  c->name = f.name();
  c->children = std::move(args);
  c->type = std::move(type);
  return c;
}
std::shared_ptr<AggregateCall> agg(const FunctionEntry& f, std::vector<ExprPtr> args, DataType type) {
  auto c = std::make_shared<AggregateCall>();
  c->function = &f;
  c->name = f.name();
  c->children = std::move(args);
  c->type = std::move(type);
  return c;
}
ExprPtr as_name(ExprPtr e, const char* name) { return make_alias(std::move(e), name, false, next_expr_id()); }
ExprPtr order(ExprPtr e, bool ascending = true) {
  auto s = std::make_shared<SortOrder>();
  s->type = e->type;
  s->children = {std::move(e)};
  s->ascending = ascending;
  s->nulls_first = ascending;
  return s;
}
PlanPtr numbers(int64_t n) {
  auto r = std::make_shared<plan::Range>();
  r->end = n;
  r->output = {{next_expr_id(), "id", TypeId::kLong, false}};
  return r;
}
ExprPtr column(const PlanPtr& p, size_t i = 0) { return make_ref(p->output.at(i)); }

std::string run(const PlanPtr& plan) {
  SessionConf conf;
  engine::lowering::Context context{conf, database()};
  auto lowered = engine::lowering::lower(plan, context);
  auto connection = database().connect();
  auto result = connection->Query(lowered.sql);
  INFO(lowered.sql);
  REQUIRE_MESSAGE(!result->HasError(), result->GetError());
  std::string out;
  for (duckdb::idx_t r = 0; r < result->RowCount(); ++r) {
    for (duckdb::idx_t c = 0; c < result->ColumnCount(); ++c) out += (c ? "," : "") + result->GetValue(c, r).ToString();
    out += ";";
  }
  return out;
}

}  // namespace

TEST_CASE("neighbouring projections and filters become one SELECT") {
  auto base = numbers(5);
  auto plus = as_name(call(kPlus, {column(base), make_long(1)}, TypeId::kLong), "x");
  auto p = make_project(base, {plus});
  auto f = make_filter(p, call(kGreater, {column(p), make_long(3)}, TypeId::kBoolean));
  SessionConf conf;
  engine::lowering::Context context{conf, database()};
  auto sql = engine::lowering::lower(f, context).sql;
  CHECK(sql.find("SELECT", 1) == std::string::npos);
  CHECK(run(f) == "4;5;");
}

TEST_CASE("expressions of 400 levels are cut into projections and planned quickly") {
  auto base = numbers(2);
  ExprPtr e = column(base);
  for (int i = 0; i < 400; ++i) e = call(kPlus, {e, make_long(1)}, TypeId::kLong);
  auto p = make_project(base, {as_name(e, "x"), column(base)});
  CHECK(run(p) == "400,0;401,1;");
}

namespace {
// Operations run on threads with 64 MB of stack.
template <class F> void on_large_stack(F f) {
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, size_t{64} << 20);
  pthread_t thread;
  REQUIRE(pthread_create(&thread, &attributes, [](void* p) -> void* { (*static_cast<F*>(p))(); return nullptr; }, &f) == 0);
  pthread_join(thread, nullptr);
}
}  // namespace

TEST_CASE("a thousand nested SELECTs are a list of CTEs") {
  PlanPtr p = numbers(3);
  for (int i = 0; i < 1000; ++i) {
    auto d = std::make_shared<Distinct>();
    d->children = {p};
    d->output = p->output;
    p = d;
  }
  std::string rows;
  on_large_stack([&] { rows = run(p); });
  CHECK(rows.size() == 6);
}

TEST_CASE("a column that is selected twice stays one attribute") {
  auto base = numbers(2);
  auto twice = make_project(base, {column(base), column(base)});
  auto d = std::make_shared<Distinct>();
  d->children = {twice};
  d->output = twice->output;
  auto u = std::make_shared<SetOperation>();
  u->children = {d, twice};
  u->output = {{next_expr_id(), "a", TypeId::kLong}, {next_expr_id(), "b", TypeId::kLong}};
  auto s = std::make_shared<Sort>();
  s->children = {u};
  s->output = u->output;
  s->orders = {order(make_ref(u->output[1]))};
  CHECK(run(s) == "0,0;0,0;1,1;1,1;");
}

TEST_CASE("aggregates: grouping expressions, filter, distinct, grouping sets, global") {
  auto base = numbers(6);
  auto parity = call(kGreater, {column(base), make_long(3)}, TypeId::kBoolean);
  auto a = std::make_shared<Aggregate>();
  a->children = {base};
  a->groupings = {parity};
  auto sum = agg(kSum, {column(base)}, TypeId::kLong);
  auto filtered = agg(kCount, {column(base)}, TypeId::kLong);
  filtered->filter = call(kGreater, {column(base), make_long(0)}, TypeId::kBoolean);
  auto distinct = agg(kCount, {column(base), column(base)}, TypeId::kLong);
  distinct->distinct = true;
  a->aggregates = {as_name(call(kGreater, {column(base), make_long(3)}, TypeId::kBoolean), "big"), as_name(sum, "s"), as_name(filtered, "n"), as_name(distinct, "d")};
  for (const auto& e : a->aggregates) a->output.push_back(to_attribute(*e));
  auto s = std::make_shared<Sort>();
  s->children = {a};
  s->output = a->output;
  s->orders = {order(make_ref(a->output[0]))};
  CHECK(run(s) == "false,6,3,4;true,9,2,2;");

  auto g = std::make_shared<Aggregate>();
  g->children = {base};
  g->groupings = {parity};
  g->grouping_sets = {{{0}, {}}};
  g->aggregates = {as_name(call(kGroupingId, {}, TypeId::kLong), "gid"), as_name(sum, "s")};
  for (const auto& e : g->aggregates) g->output.push_back(to_attribute(*e));
  auto sorted = std::make_shared<Sort>();
  sorted->children = {g};
  sorted->output = g->output;
  sorted->orders = {order(make_ref(g->output[1]))};
  CHECK(run(sorted) == "0,6;0,9;1,15;");

  auto none = std::make_shared<Aggregate>();
  none->children = {base};
  none->aggregates = {as_name(make_int(7), "seven")};
  none->output = {to_attribute(*none->aggregates[0])};
  CHECK(run(none) == "7;");
}

TEST_CASE("numbers of rows and null tests that nobody reads are not computed") {
  auto base = numbers(300000);
  auto number = as_name(call(*find_function("monotonically_increasing_id"), {}, TypeId::kLong), "n");
  auto numbered = make_project(base, {column(base), number});
  auto test = call(*find_function("isnull"), {column(numbered)}, TypeId::kBoolean);
  auto filtered = make_filter(numbered, call(kEqual, {test, make_bool(false)}, TypeId::kBoolean));
  auto count = [](const PlanPtr& child, ExprPtr of) {
    auto a = std::make_shared<Aggregate>();
    a->children = {child};
    a->aggregates = {as_name(agg(kCount, {std::move(of)}, TypeId::kLong), "c")};
    a->output = {to_attribute(*a->aggregates[0])};
    return a;
  };
  auto sql = [](const PlanPtr& plan) {
    SessionConf conf;
    engine::lowering::Context context{conf, database()};
    return engine::lowering::lower(plan, context).sql;
  };
  for (auto& of : {make_int(1), column(filtered)}) {
    auto unread = count(filtered, of);
    CHECK(sql(unread).find("row_number") == std::string::npos);
    CHECK(sql(unread).find("IS NULL") == std::string::npos);
    CHECK(run(unread) == "300000;");
  }
  auto read = count(filtered, column(filtered, 1));
  CHECK(sql(read).find("row_number") != std::string::npos);
  CHECK(run(read) == "300000;");
  // Of a side that an outer join fills with nulls the test is asked.
  auto nullable = numbers(3);
  auto join = std::make_shared<Join>();
  join->type = JoinType::kLeftOuter;
  join->children = {numbers(5), nullable};
  join->condition = call(kEqual, {column(join->children[0]), column(nullable)}, TypeId::kBoolean);
  join->output = join->children[0]->output;
  join->output.push_back(nullable->output[0]);
  join->output[1].nullable = true;
  CHECK(run(make_project(make_filter(join, call(*find_function("isnull"), {column(join, 1)}, TypeId::kBoolean)), {column(join)})) == "3;4;");
}

TEST_CASE("a range is read by several threads, in order, up to the ends of its type") {
  auto big = numbers(1000000);
  auto text = run(make_filter(big, call(kEqual, {call(*find_function("%"), {column(big), make_long(250000)}, TypeId::kLong), make_long(7)}, TypeId::kBoolean)));
  CHECK(text == "7;250007;500007;750007;");
  auto extreme = std::make_shared<plan::Range>();
  extreme->start = INT64_MAX;
  extreme->end = INT64_MIN;
  extreme->step = INT64_MIN / 2;
  extreme->output = {{next_expr_id(), "id", TypeId::kLong, false}};
  CHECK(run(extreme) == "9223372036854775807;4611686018427387903;-1;-4611686018427387905;");
}

TEST_CASE("a projection of nothing over a global aggregate keeps its one row") {
  auto base = numbers(6);
  auto a = std::make_shared<Aggregate>();
  a->children = {base};
  a->aggregates = {as_name(agg(kSum, {column(base)}, TypeId::kLong), "s")};
  a->output = {to_attribute(*a->aggregates[0])};
  auto l = std::make_shared<Limit>();
  l->children = {a};
  l->limit = make_int(5);
  l->output = a->output;
  CHECK(run(make_project(l, {as_name(make_int(1), "one")})) == "1;");
}

TEST_CASE("windows: ranking without a frame, lag, a running sum") {
  auto base = numbers(3);
  auto w = std::make_shared<Window>();
  w->children = {base};
  w->output = base->output;
  auto add = [&](ExprPtr function) {
    auto e = std::make_shared<WindowExpr>();
    e->type = function->type;
    e->children = {function};
    e->order_by = {order(column(base), false)};
    e->rows = true;
    e->lower.kind = FrameBound::Kind::kUnbounded;
    e->upper.kind = FrameBound::Kind::kCurrentRow;
    auto alias = as_name(e, "w");
    w->expressions.push_back(alias);
    w->output.push_back(to_attribute(*alias));
  };
  add(call(kRowNumber, {}, TypeId::kInt));
  add(call(kLag, {column(base), make_int(1)}, TypeId::kLong));
  add(agg(kSum, {column(base)}, TypeId::kLong));
  auto s = std::make_shared<Sort>();
  s->children = {w};
  s->output = w->output;
  s->orders = {order(column(base))};
  CHECK(run(s) == "0,3,1,3;1,2,2,3;2,1,NULL,2;");
  auto f = make_filter(w, call(kEqual, {make_ref(w->output[1]), make_int(1)}, TypeId::kBoolean));
  CHECK(run(f) == "2,1,NULL,2;");
}

TEST_CASE("joins keep names apart without qualifying") {
  auto l = numbers(4), r = numbers(3);
  auto j = std::make_shared<Join>();
  j->type = JoinType::kLeftOuter;
  j->children = {l, r};
  j->condition = call(kEqual, {column(l), call(kPlus, {column(r), make_long(1)}, TypeId::kLong)}, TypeId::kBoolean);
  j->output = {l->output[0], r->output[0]};
  auto s = std::make_shared<Sort>();
  s->children = {j};
  s->output = j->output;
  s->orders = {order(column(l))};
  CHECK(run(s) == "0,NULL;1,0;2,1;3,2;");
  auto anti = std::make_shared<Join>(*j);
  anti->type = JoinType::kLeftAnti;
  anti->output = l->output;
  CHECK(run(anti) == "0;");
}

TEST_CASE("a correlated scalar subquery over a computed outer column") {
  auto l = numbers(3);
  auto p = make_project(l, {as_name(call(kPlus, {column(l), make_long(1)}, TypeId::kLong), "x")});
  auto inner = numbers(10);
  auto f = make_filter(inner, call(kEqual, {column(inner), make_ref(p->output[0], true)}, TypeId::kBoolean));
  auto sub = std::make_shared<SubqueryExpr>();
  sub->type = TypeId::kLong;
  sub->plan = f;
  CHECK(run(make_project(p, {column(p), as_name(sub, "s")})) == "1,1;2,2;3,3;");
}

TEST_CASE("generators: explode keeps or drops rows without elements") {
  auto base = numbers(2);
  for (bool outer : {false, true}) {
    auto g = std::make_shared<Generate>();
    g->children = {base};
    g->outer = outer;
    DataType array = DataType::array(TypeId::kLong);
    g->generator = call(kExplode, {call(kArray, {column(base), column(base)}, array)}, TypeId::kLong);
    g->generator_output = {{next_expr_id(), "col", TypeId::kLong}};
    g->output = {base->output[0], g->generator_output[0]};
    CHECK(run(g) == "0,0;0,0;1,1;1,1;");
    auto e = std::make_shared<Generate>(*g);
    e->generator = call(kExplode, {make_null(array)}, TypeId::kLong);
    CHECK(run(e) == (outer ? "0,NULL;1,NULL;" : ""));
  }
}

TEST_CASE("set operations, limit, tail, sample, deduplicate") {
  auto a = numbers(3), b = numbers(2);
  auto u = std::make_shared<SetOperation>();
  u->type = SetOperationType::kExcept;
  u->all = false;
  u->children = {a, b};
  u->output = {{next_expr_id(), "id", TypeId::kLong}};
  CHECK(run(u) == "2;");
  auto t = std::make_shared<Tail>();
  t->children = {a};
  t->output = a->output;
  t->count = 2;
  CHECK(run(t) == "1;2;");
  auto big = numbers(10000);
  auto s = std::make_shared<Sample>();
  s->children = {big};
  s->output = big->output;
  s->upper = 0.3;
  s->seed = 7;
  auto rest = std::make_shared<Sample>(*s);
  rest->lower = 0.3;
  rest->upper = 1;
  auto both = std::make_shared<SetOperation>();
  both->children = {s, rest};
  both->output = {{next_expr_id(), "id", TypeId::kLong}};
  auto count = std::make_shared<Aggregate>();
  count->children = {both};
  count->aggregates = {as_name(agg(kCount, {make_int(1)}, TypeId::kLong), "n")};
  count->output = {to_attribute(*count->aggregates[0])};
  CHECK(run(count) == "10000;");
}

TEST_CASE("recursive CTEs stop at Spark's level") {
  auto anchor = make_project(std::make_shared<OneRow>(), {as_name(make_long(1), "n")});
  auto rec = std::make_shared<RecursiveCte>();
  rec->id = 77;
  rec->output = {{next_expr_id(), "n", TypeId::kLong}};
  auto ref = std::make_shared<CteRef>();
  ref->id = 77;
  ref->output = {{next_expr_id(), "n", TypeId::kLong}};
  ref->source_ids = {rec->output[0].id};
  auto f = make_filter(ref, call(kGreater, {make_long(4), column(ref)}, TypeId::kBoolean));
  auto step = make_project(f, {as_name(call(kPlus, {column(f), make_long(1)}, TypeId::kLong), "n")});
  rec->children = {anchor, step};
  CHECK(run(rec) == "1;2;3;4;");
  rec->max_level = 2;
  SessionConf conf;
  engine::lowering::Context context{conf, database()};
  auto result = database().connect()->Query(engine::lowering::lower(rec, context).sql);
  CHECK(result->HasError());
  CHECK(result->GetError().find("RECURSION_LEVEL_LIMIT_EXCEEDED") != std::string::npos);
}

TEST_CASE("literals keep their values") {
  using engine::lowering::literal_sql;
  auto c = database().connect();
  auto value = [&](const std::string& sql) { return c->Query("SELECT " + sql)->GetValue(0, 0).ToString(); };
  CHECK(value(literal_sql(Value{INT64_MIN}, TypeId::kLong)) == "-9223372036854775808");
  CHECK(value(literal_sql(Value{int64_t{-2147483648}}, TypeId::kInt)) == "-2147483648");
  CHECK(value(literal_sql(Value{Int128{-5}}, DataType::decimal(10, 2))) == "-0.05");
  CHECK(value(literal_sql(Value{std::string("it's")}, TypeId::kString)) == "it's");
  CHECK(value("length(" + literal_sql(Value{std::string("a\0b", 3)}, TypeId::kString) + ")") == "3");
  CHECK(value(literal_sql(Value{int64_t{19782}}, TypeId::kDate)) == "2024-02-29");
  CHECK(value(literal_sql(Value{int64_t{1500000}}, TypeId::kTimestampNtz)) == "1970-01-01 00:00:01.5");
  CHECK(value(literal_sql(Value{0.1}, TypeId::kDouble)) == "0.1");
}

TEST_CASE("clauses go into the marked call of a template") {
  CHECK(engine::lowering::decorate_calls("CAST(sum(x) AS BIGINT)", {"sum"}, "DISTINCT ", "", " FILTER (WHERE y)") == "CAST(sum(DISTINCT x) FILTER (WHERE y) AS BIGINT)");
  CHECK(engine::lowering::atom("c1 + 2") == "(c1 + 2)");
  CHECK(engine::lowering::atom("f(a)(b)") == "(f(a)(b))");
  CHECK(engine::lowering::atom("DATE '2020-01-01'") == "DATE '2020-01-01'");
}
