// Plan nodes that run Python functions: table functions over queries of their own.
#include <algorithm>

#include "base/spark_error.h"
#include "engine/lowering/plan_lowering.h"
#include "engine/python/python_scan.h"
#include "engine/python/row_call.h"
#include "engine/python/runtime.h"
#include "engine/python/state/stateful_processor.h"
#include "engine/python/worker_errors.h"
#include "engine/type_mapping.h"
#include "plan/python_functions.h"
#include "plan/session_conf.h"
#include "python/eval_type.h"

namespace tarn::engine::lowering {

using plan::ExprPtr;
using plan::PythonEval;
using plan::UserFunction;
using python_functions::PythonScan;
namespace eval = python::eval_type;

namespace {

// What the worker reads of the session's configuration. Source: ArrowPythonRunner.getPythonRunnerConfMap.
constexpr const char* kRunnerKeys[] = {
    "spark.sql.session.timeZone", "spark.sql.legacy.execution.pandas.groupedMap.assignColumnsByName", "spark.sql.execution.pandas.convertToArrowArraySafely",
    "spark.sql.execution.arrow.useLargeVarTypes", "spark.sql.legacy.execution.pythonUDTF.pandas.conversion.enabled",
    "spark.sql.legacy.execution.pythonUDF.pandas.conversion.enabled", "spark.sql.execution.pythonUDF.pandas.intToDecimalCoercionEnabled",
    "spark.sql.execution.pythonUDF.pandas.preferIntExtensionDtype", "spark.sql.execution.pyspark.binaryAsBytes",
    "spark.sql.execution.pythonUDF.arrow.concurrency.level", "spark.sql.pyspark.udf.profiler", "spark.sql.pyspark.dataSource.profiler"};

std::shared_ptr<PythonScan> make_scan(const Context& context, int eval_type) {
  if (!context.python) throw not_built("Python functions in this place");
  auto s = std::make_shared<PythonScan>();
  s->runtime = context.python;
  s->zone = context.conf.time_zone();
  s->large_types = context.conf.flag("spark.sql.execution.arrow.useLargeVarTypes");
  int64_t rows = context.conf.integer("spark.sql.execution.arrow.maxRecordsPerBatch");
  s->max_rows = rows > 0 ? rows : INT32_MAX;
  s->idle_timeout_ms = python_functions::idle_timeout_ms(context.conf);
  s->header.cpu_seconds = python_functions::cpu_seconds(context.conf);
  s->iterator = eval::is_iterator(eval_type);
  s->header.eval_type = eval_type;
  for (const char* key : kRunnerKeys) {
    if (auto value = context.conf.find(key)) s->header.runner_conf[key] = *value;
  }
  s->header.environment = python_functions::worker_environment(*context.python, context.conf);
  python_functions::add_files(*context.python);
  s->header.directory = context.python->directory;
  s->header.includes = context.python->includes;
  s->header.archives = context.python->archives;
  return s;
}

bool any_outer(const plan::LogicalPlan& plan) { return !plan::outer_references(plan).empty(); }

// A function and the functions whose results it takes, innermost first.
void chain_of(const UserFunction& f, std::vector<const UserFunction*>& out) {
  if (f.children.size() == 1) {
    if (auto* inner = plan::try_as<UserFunction>(*f.children[0])) chain_of(*inner, out);
  }
  out.push_back(&f);
}

// What a function's profile is called. The same each time a DataFrame runs, so that profiles add up, unless Spark would forget its plan.
int64_t result_id(const Context& context, const std::string& command, size_t position) {
  if (!context.conf.flag("spark.connect.session.planCache.enabled")) return static_cast<int64_t>(plan::next_expr_id());
  return static_cast<int64_t>((std::hash<std::string>()(command) + position) % 1000000007);
}

std::string input_json(const std::vector<python_functions::Column>& sent) {
  std::vector<plan::StructField> fields;
  for (const auto& c : sent) fields.push_back(plan::make_field(c.name, c.type, true));
  return plan::DataType::structure(std::move(fields)).json();
}

}  // namespace

std::string PlanLowering::detached(const plan::PlanPtr& plan) {
  if (any_outer(*plan)) throw not_built("a Python function over groups, windows or tables in a correlated subquery");
  plan::visit_plan(plan, [&](const plan::PlanPtr& p) {
    auto* ref = plan::try_as<plan::CteRef>(*p);
    if (ref && recursive_columns_.contains(ref->id)) throw not_built("a Python function over groups, windows or tables of a recursive query");
    return true;
  });
  with_.push_back({});
  for (size_t i = 0; i + 1 < with_.size(); ++i) with_.back().insert(with_.back().end(), with_[i].begin(), with_[i].end());
  bool hoist = std::exchange(hoist_, true);
  std::string text = query(plan);
  hoist_ = hoist;
  with_.pop_back();
  return text;
}

std::string ExpressionLowering::lower_python(const UserFunction& f) {
  if (!handles_ || !eval::is_scalar(f.eval_type)) throw not_built("the Python function " + f.name + " in this place");
  auto scan = make_scan(context_, f.eval_type);
  scan->results = {f.type};
  scan->header.python_version = f.python_version;
  scan->header.output_types = {f.type.json()};
  python::Function function;
  function.commands = {f.command};
  function.result_id = result_id(context_, f.command, 0);
  std::vector<std::string> arguments;
  for (size_t i = 0; i < f.children.size(); ++i) {
    arguments.push_back(lower(f.children[i]));
    scan->sent.push_back({"", "_" + std::to_string(i), f.children[i]->type});
    function.arguments.push_back({static_cast<int>(i), i < f.argument_names.size() ? f.argument_names[i] : ""});
  }
  scan->header.functions.push_back(std::move(function));
  if (f.eval_type == eval::kArrowBatched) scan->header.eval_conf["input_type"] = input_json(scan->sent);
  if (f.eval_type == eval::kPickled) scan->header.input_type = input_json(scan->sent);
  auto handle = std::make_shared<python_functions::RowCallHandle>(scan, f.deterministic);
  handles_->push_back(handle);
  return handle->sql(arguments);
}

// The parts of range(start, end, step, numPartitions) that the rows come from; nothing: they come from elsewhere.
static std::optional<PythonScan::Parts> parts_of(const plan::LogicalPlan& p) {
  if (p.kind == plan::PlanKind::kProject) return parts_of(p.child());
  auto* r = plan::try_as<plan::Range>(p);
  if (!r || r->num_partitions <= 1 || r->step == 0) return std::nullopt;
  const __int128 step = r->step > 0 ? static_cast<__int128>(r->step) : -static_cast<__int128>(r->step);
  const __int128 span = r->step > 0 ? static_cast<__int128>(r->end) - r->start : static_cast<__int128>(r->start) - r->end;
  const __int128 rows = span > 0 ? (span + step - 1) / step : 0;
  return PythonScan::Parts{static_cast<int64_t>(std::min<__int128>(rows, INT64_MAX)), r->num_partitions};
}

Block PlanLowering::python_eval(const PythonEval& e) {
  auto scan = make_scan(context_, e.eval_type);
  using Over = PythonEval::Over;
  const auto parts = parts_of(e.child());
  if (parts && e.over == Over::kRows) {
    const int64_t part = std::max<int64_t>(1, (parts->rows - 1) / parts->count + 1);
    scan->task_per_batch = scan->iterator && part <= scan->max_rows;
    scan->max_rows = std::min(scan->max_rows, part);
  }
  using Shape = PythonScan::Shape;
  scan->shape = e.over == Over::kRows ? Shape::kRows : e.over == Over::kGroups ? Shape::kGroups : e.over == Over::kWindow ? Shape::kWindow : Shape::kTable;
  scan->sql = detached(e.children[0]);
  std::vector<plan::Attribute> output;
  std::set<plan::ExprId> seen;
  const size_t results = e.over == Over::kTable ? e.output.size() - e.child().output.size() : e.functions.size();
  for (size_t i = 0; i < e.output.size(); ++i) {
    if (!seen.insert(e.output[i].id).second) continue;
    output.push_back(e.output[i]);
    if (i + results < e.output.size()) scan->pass.push_back({column_name(e.output[i].id), e.output[i].name, e.output[i].type});
    else scan->results.push_back(e.output[i].type);
  }
  Scope scope;
  auto lowering = expressions(scope);
  auto column = [&](const ExprPtr& x) {
    std::string sql = lowering.lower(x);
    // The same column is sent once.
    for (size_t i = 0; i < scan->sent.size(); ++i) {
      if (scan->sent[i].sql == sql) return static_cast<int>(i);
    }
    scan->sent.push_back({sql, "_" + std::to_string(scan->sent.size()), x->type});
    return static_cast<int>(scan->sent.size()) - 1;
  };
  std::string bounds;
  for (size_t i = 0; i < e.functions.size(); ++i) {
    std::vector<const UserFunction*> chain;
    chain_of(plan::as<UserFunction>(*e.functions[i]->children[0]), chain);
    const auto& first = *chain.front();
    scan->header.python_version = first.python_version;
    python::Function f;
    for (size_t a = 0; a < first.children.size(); ++a) {
      f.arguments.push_back({column(first.children[a]), a < first.argument_names.size() ? first.argument_names[a] : ""});
    }
    for (const auto* c : chain) f.commands.push_back(c->command);
    f.result_id = result_id(context_, chain.back()->command, i);
    if (e.over != Over::kTable) scan->header.output_types.push_back(e.functions[i]->type.json());
    scan->header.functions.push_back(std::move(f));
    if (e.over == Over::kWindow) bounds += (i ? "," : "") + std::string(e.bounded[i] ? "bounded" : "unbounded");
  }
  if (e.over == Over::kWindow) scan->header.runner_conf["window_bound_types"] = bounds;
  if (e.eval_type == eval::kArrowBatched) scan->header.eval_conf["input_type"] = input_json(scan->sent);
  if (e.eval_type == eval::kPickled) scan->header.input_type = input_json(scan->sent);
  for (const auto& k : e.keys) scan->keys.push_back(lowering.comparison_key(*k));
  for (const auto& o : e.order) scan->order.push_back(lowering.sort_order(*o));
  if (e.over == Over::kTable) {
    const auto& f = plan::as<UserFunction>(*e.functions[0]->children[0]);
    auto table = std::make_shared<python::TableFunction>();
    table->arguments = scan->header.functions[0].arguments;
    table->command = f.command;
    table->return_type = f.type.json();
    table->name = f.name;
    scan->table_function = table;
    scan->outer = e.outer;
    scan->marked = e.outer && results == f.type.fields().size() + 1;
    scan->max_workers = 1;  // terminate() is called once, after the last row of a part
    scan->parts = parts;
    if (e.eval_type == eval::kTableArrowBatched) scan->header.eval_conf["input_type"] = input_json(scan->sent);
    std::string offsets;
    if (auto* call = dynamic_cast<const plan::TableFunctionCall*>(&f)) {
      for (size_t a : call->table_arguments) offsets += (offsets.empty() ? "" : ",") + std::to_string(table->arguments[a].column);
      table->partition_columns = call->partition_columns;
      table->analyze_result = call->analyze_result;
    }
    if (e.eval_type == eval::kTableArrow) scan->header.eval_conf["table_arg_offsets"] = offsets;
    if (e.eval_type == eval::kTablePickled) {
      scan->header.input_type = input_json(scan->sent);
      scan->header.output_types = {f.type.json()};
    }
  }
  auto handle = std::make_shared<python_functions::PythonScanHandle>(scan);
  handles_.push_back(handle);
  return source(handle->sql() + " AS " + fresh_alias() + column_list(output), output);
}

Block PlanLowering::python_map(const plan::PythonMap& m) {
  const auto& f = *m.function;
  auto scan = make_scan(context_, f.eval_type);
  using Shape = PythonScan::Shape;
  for (const auto& a : m.output) scan->results.push_back(a.type);
  Scope scope;
  auto lowering = expressions(scope);
  python::Function function;
  function.commands = {f.command};
  scan->header.python_version = f.python_version;
  auto metadata = [&](const ExprPtr& e) {
    auto* ref = plan::try_as<plan::AttributeRef>(*e);
    for (const auto& child : m.children) {
      for (const auto& a : child->output) {
        if (ref && a.id == ref->id) return a.metadata;
      }
    }
    return std::string();
  };
  auto add = [&](const ExprPtr& e, const std::string& name) {
    scan->sent.push_back({lowering.lower(e), name, e->type, metadata(e)});
    return static_cast<int>(scan->sent.size()) - 1;
  };
  auto argument = [&](int v) { function.arguments.push_back({v, ""}); };
  // Keys and values of one side: how many offsets, how many keys, the keys, the values (BasePandasGroupExec.resolveArgOffsets).
  auto side = [&](const std::vector<ExprPtr>& keys, const std::vector<ExprPtr>& values, int base) {
    std::vector<int> key_columns, value_columns;
    std::vector<size_t> extra;
    for (size_t k = 0; k < keys.size(); ++k) {
      auto same = std::find_if(values.begin(), values.end(), [&](const ExprPtr& v) { return plan::semantic_equals(*v, *keys[k]); });
      key_columns.push_back(same == values.end() ? -1 : static_cast<int>(same - values.begin()));
      if (same == values.end()) extra.push_back(k);
    }
    for (size_t k : extra) key_columns[k] = add(keys[k], plan::pretty_sql(*keys[k])) - base;
    for (size_t k = 0; k < keys.size(); ++k) {
      if (std::find(extra.begin(), extra.end(), k) == extra.end()) key_columns[k] += static_cast<int>(extra.size());
    }
    for (const auto& v : values) {
      auto* ref = plan::try_as<plan::AttributeRef>(*v);
      value_columns.push_back(add(v, ref ? ref->name : plan::pretty_sql(*v)) - base);
    }
    argument(static_cast<int>(keys.size() + values.size() + 1));
    argument(static_cast<int>(keys.size()));
    for (int c : key_columns) argument(c);
    for (int c : value_columns) argument(c);
  };
  auto all = [](const plan::LogicalPlan& p) {
    std::vector<ExprPtr> refs;
    for (const auto& a : p.output) refs.push_back(plan::make_ref(a));
    return refs;
  };
  auto grouping = [&](size_t i) { return i < m.groupings.size() ? m.groupings[i] : std::vector<ExprPtr>(); };
  if (f.eval_type == eval::kGroupedMapPandasWithState) throw SparkError(ErrorKind::kUnsupported, "_LEGACY_ERROR_TEMP_3176");
  if (eval::is_stateful(f.eval_type)) {
    const auto& map = dynamic_cast<const plan::StatefulMap&>(m);
    scan->shape = Shape::kStateful;
    if (grouping(0).empty())
      throw SparkError::Plain(ErrorKind::kIllegalArgument,
                              "requirement failed: The expressions for hash of a StatefulOpClusteredDistribution should not be Nil. An AllTuples should "
                              "be used to represent a distribution that only has a single partition.");
    side(grouping(0), all(m.child(0)), 0);
    std::vector<plan::StructField> keys;
    for (const auto& k : grouping(0)) keys.push_back(plan::make_field(plan::pretty_sql(*k), k->type, k->nullable));
    auto op = std::make_shared<python_functions::StatefulOperator>();
    op->key = plan::DataType::structure(std::move(keys));
    op->time_mode = map.time_mode == "processingtime" ? python_functions::TimeMode::kProcessingTime
                    : map.time_mode == "eventtime"    ? python_functions::TimeMode::kEventTime
                                                      : python_functions::TimeMode::kNone;
    op->batch_timestamp_ms = context_.now_micros / 1000;
    op->max_records = std::max<int64_t>(1, context_.conf.integer("spark.sql.execution.arrow.transformWithStateInPySpark.maxStateRecordsPerBatch"));
    scan->header.eval_conf["grouping_key_schema"] = op->key.json();
    for (const char* key : {"spark.sql.execution.arrow.maxRecordsPerBatch", "spark.sql.execution.arrow.maxBytesPerBatch"}) {
      scan->header.runner_conf[key] = std::to_string(context_.conf.integer(key));
    }
    scan->stateful = std::move(op);
    std::string rows = detached(m.children[0]);
    if (m.children.size() == 2) {
      // One stream for both: the rows of the initial state, a struct each, then those of the input.
      const size_t left = scan->sent.size();
      side(grouping(1), all(m.child(1)), static_cast<int>(left));
      std::string select[2];
      std::vector<python_functions::Column> both;
      for (size_t s = 0; s < 2; ++s) {
        std::vector<plan::StructField> fields;
        const size_t from = s == 0 ? 0 : left, to = s == 0 ? left : scan->sent.size();
        for (size_t i = from; i < to; ++i) fields.push_back(plan::make_field(scan->sent[i].name, scan->sent[i].type, true, scan->sent[i].metadata));
        auto type = plan::DataType::structure(std::move(fields));
        const auto names = duckdb_field_names(type);
        std::string packed, keys_text;
        for (size_t i = from; i < to; ++i) packed += (i > from ? ", " : "") + quote_duckdb_identifier(names[i - from]) + " := " + scan->sent[i].sql;
        for (size_t k = 0; k < grouping(s).size(); ++k) keys_text += ", " + lowering.comparison_key(*grouping(s)[k]) + " AS k" + std::to_string(k);
        packed = "CAST(struct_pack(" + packed + ") AS " + duckdb_type_sql(type) + ")";
        select[s] = std::string("SELECT ") + (s == 0 ? "1" : "0") + " AS phase" + keys_text;
        both.push_back({s == 0 ? "d" : "i", s == 0 ? "inputData" : "initState", type});
        select[s] += s == 0 ? ", " + packed + " AS d, NULL AS i" : ", NULL AS d, " + packed + " AS i";
      }
      scan->sent = std::move(both);
      scan->keys = {"phase"};
      for (size_t k = 0; k < grouping(0).size(); ++k) scan->keys.push_back("k" + std::to_string(k));
      scan->phased = true;
      scan->max_workers = 1;  // a key's initial state is where its rows are
      rows = select[1] + " FROM (" + detached(m.children[1]) + ") AS r UNION ALL " + select[0] + " FROM (" + rows + ") AS l";
    } else {
      for (const auto& k : grouping(0)) scan->keys.push_back(lowering.comparison_key(*k));
    }
    scan->sql = std::move(rows);
  } else if (m.children.size() == 2) {
    scan->shape = Shape::kCogroups;
    side(grouping(0), all(m.child(0)), 0);
    scan->left = scan->sent.size();
    side(grouping(1), all(m.child(1)), static_cast<int>(scan->left));
    // One query for both sides: rows of a group lie together, those of the left side first.
    std::string left = "0 AS side", right = "1 AS side";
    for (size_t k = 0; k < grouping(0).size(); ++k) {
      std::string name = "k" + std::to_string(k);
      left += ", " + lowering.comparison_key(*grouping(0)[k]) + " AS " + name;
      right += ", " + lowering.comparison_key(*grouping(1)[k]) + " AS " + name;
      scan->keys.push_back(name);
    }
    for (size_t i = 0; i < scan->sent.size(); ++i) {
      auto& c = scan->sent[i];
      std::string name = "v" + std::to_string(i), null = "NULL::" + duckdb_type_sql(c.type), value = "CAST(" + c.sql + " AS " + duckdb_type_sql(c.type) + ")";
      left += ", " + (i < scan->left ? value : null) + " AS " + name;
      right += ", " + (i < scan->left ? null : value) + " AS " + name;
      c.sql = name;
    }
    scan->side = "side";
    scan->sql = "SELECT " + left + " FROM (" + detached(m.children[0]) + ") AS l UNION ALL SELECT " + right + " FROM (" + detached(m.children[1]) + ") AS r";
  } else {
    scan->sql = detached(m.children[0]);
    if (eval::is_iterator(f.eval_type)) {
      scan->shape = Shape::kMap;
      for (const auto& a : m.child().output) add(plan::make_ref(a), a.name);
      argument(0);
      if (dynamic_cast<const plan::BarrierMap*>(&m)) {
        // All tasks of a barrier stage run at once: here it is one.
        scan->max_workers = 1;
        scan->header.barrier = true;
      }
      if (context_.conf.flag("spark.sql.execution.arrow.pyspark.validateSchema.enabled")) scan->promised = f.type;
      // Without a list of groupings for its child every row is a partition of its own (of a Python data source).
      if (m.groupings.empty()) {
        scan->task_per_batch = true;
        scan->max_rows = 1;
      }
    } else {
      scan->shape = Shape::kGroupMap;
      side(grouping(0), f.children.empty() ? all(m.child()) : f.children, 0);
      for (const auto& k : grouping(0)) scan->keys.push_back(lowering.comparison_key(*k));
    }
  }
  scan->header.functions.push_back(std::move(function));
  auto handle = std::make_shared<python_functions::PythonScanHandle>(scan);
  handles_.push_back(handle);
  return source(handle->sql() + " AS " + fresh_alias() + column_list(m.output), m.output);
}

}  // namespace tarn::engine::lowering
