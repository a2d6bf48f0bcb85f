#include "engine/operation.h"

#include <arrow/record_batch.h>
#include <arrow/table.h>
#include <spark/connect/relations.pb.h>

#include <fstream>
#include <sstream>

#include "base/log.h"
#include "duckdb.hpp"
#include "engine/arrow_export.h"
#include "engine/commands/delta_connect.h"
#include "engine/error_context.h"
#include "engine/error_map.h"
#include "engine/explain.h"
#include "engine/lowering/lowering.h"
#include "engine/plan_fingerprint.h"
#include "engine/python/data_source.h"
#include "engine/python/planner.h"
#include "engine/python/python_scan.h"
#include "engine/python/runtime.h"
#include "engine/source_resolver.h"
#include "engine/storage_bridge.h"
#include "engine/type_mapping.h"
#include "plan/search_path.h"

#include "plan/cross_join_check.h"

namespace tarn::engine {

using plan::PlanPtr;

namespace {

int64_t now_micros() {
  return std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::system_clock::now().time_since_epoch()).count();
}

// The layout of two DuckDB types is the same: struct fields may be called differently.
bool same_layout(const duckdb::LogicalType& a, const duckdb::LogicalType& b) {
  using duckdb::LogicalTypeId;
  if (a.id() != b.id()) return false;
  switch (a.id()) {
    case LogicalTypeId::DECIMAL: return a == b;
    case LogicalTypeId::LIST: return same_layout(duckdb::ListType::GetChildType(a), duckdb::ListType::GetChildType(b));
    case LogicalTypeId::MAP:
      return same_layout(duckdb::MapType::KeyType(a), duckdb::MapType::KeyType(b)) && same_layout(duckdb::MapType::ValueType(a), duckdb::MapType::ValueType(b));
    case LogicalTypeId::STRUCT: {
      const auto& x = duckdb::StructType::GetChildTypes(a);
      const auto& y = duckdb::StructType::GetChildTypes(b);
      if (x.size() != y.size()) return false;
      for (size_t i = 0; i < x.size(); ++i) {
        if (!same_layout(x[i].second, y[i].second)) return false;
      }
      return true;
    }
    default: return true;
  }
}

}  // namespace

Operation::Operation(Session::Impl& session, CancelToken& cancel, std::string operation_id)
    : session_(session), storage_(settings_of(session.conf, session.engine->catalog)), cancel_(cancel), operation_id_(std::move(operation_id)) {
  connection_ = session_.engine->database.connect();
  python_ = python_functions::make_runtime(session_);
  sources_ = std::make_unique<python_functions::PythonSourceResolver>(make_source_resolver(session_.conf), session_, python_);
  analyzer_.reset(new plan::AnalyzerContext{session_.conf, session_.state, session_.engine->global_views, session_.engine->catalog, *sources_, {}, {}, session_.user, now_micros()});
  analyzer_->artifact = [this](const std::string& name) {
    std::ifstream file(session_.artifacts.path(name), std::ios::binary);
    std::ostringstream content;
    content << file.rdbuf();
    if (!file) throw internal_error("the artifact " + name + " cannot be read");
    return std::move(content).str();
  };
  analyzer_->cached_relation = [this](const std::string& id) {
    std::lock_guard lock(session_.relations_mu);
    auto it = session_.cached_relations.find(id);
    if (it == session_.cached_relations.end()) throw SparkError(ErrorKind::kSpark, "INTERNAL_ERROR", {{"message", "No DataFrame with id " + id + " is found in the session " + session_.id}});
    return it->second;
  };
  analyzer_->collect = [this](const PlanPtr& plan) { return collect(plan); };
  cancel_callback_ = cancel_.on_cancel([this] {
    python_->interrupt();
    connection_->Interrupt();
  });
  if (!operation_id_.empty()) {
    std::lock_guard lock(session_.operations_mu);
    auto& state = session_.operations[operation_id_];
    state.connection = connection_.get();
    state.sequence = session_.next_operation++;
    if (session_.operations.size() > 100) {
      auto oldest = session_.operations.end();
      for (auto it = session_.operations.begin(); it != session_.operations.end(); ++it) {
        if (!it->second.connection && (oldest == session_.operations.end() || it->second.sequence < oldest->second.sequence)) oldest = it;
      }
      if (oldest != session_.operations.end()) session_.operations.erase(oldest);
    }
  }
}

Operation::~Operation() {
  cancel_.remove(cancel_callback_);
  if (!operation_id_.empty()) {
    std::lock_guard lock(session_.operations_mu);
    auto it = session_.operations.find(operation_id_);
    if (it != session_.operations.end() && it->second.connection == connection_.get()) it->second.connection = nullptr;
    if (auto updates = python_->take_accumulators(); it != session_.operations.end() && !updates.empty()) {
      // Under this name clients expect them.
      ObservedMetric metric;
      metric.name = "__python_accumulator__";
      std::vector<plan::StructField> fields;
      for (auto& u : updates) {
        fields.push_back(plan::make_field("", plan::TypeId::kBinary));
        metric.values.push_back(plan::Value{std::move(u)});
      }
      metric.schema = plan::DataType::structure(std::move(fields));
      it->second.metrics.push_back(std::move(metric));
    }
  }
  connection_.reset();  // before what its query may still use
}

// ---- analysis

namespace {

// The catalog relations inside a plan, which the analyzer does not know: their answers take their place.
// Relations whose rows the server makes itself: spark.catalog.* and Delta's messages. They are executed and replaced before analysis.
bool has_server_relation(const google::protobuf::Message& m) {
  if (m.GetDescriptor() == spark::connect::Relation::descriptor()) {
    const auto& relation = static_cast<const spark::connect::Relation&>(m);
    if (relation.has_catalog() || commands::is_delta_relation(relation)) return true;
  }
  const auto* reflection = m.GetReflection();
  std::vector<const google::protobuf::FieldDescriptor*> fields;
  reflection->ListFields(m, &fields);
  for (const auto* f : fields) {
    if (f->cpp_type() != google::protobuf::FieldDescriptor::CPPTYPE_MESSAGE || f->is_map()) continue;
    if (f->is_repeated()) {
      for (int i = 0; i < reflection->FieldSize(m, f); ++i) {
        if (has_server_relation(reflection->GetRepeatedMessage(m, f, i))) return true;
      }
    } else if (has_server_relation(reflection->GetMessage(m, f))) {
      return true;
    }
  }
  return false;
}

void replace_server_relations(google::protobuf::Message* m, Operation& operation) {
  if (m->GetDescriptor() == spark::connect::Relation::descriptor()) {
    auto* relation = static_cast<spark::connect::Relation*>(m);
    bool catalog = relation->has_catalog();
    if (catalog || (commands::is_delta_relation(*relation) && !commands::replace_delta_scan(relation))) {
      auto result = catalog ? commands::execute_catalog(relation->catalog(), operation) : commands::execute_delta_relation(*relation, operation);
      if (result.query) throw internal_error("a relation of the server answered with a query");
      auto table = rows_to_arrow(result.schema, result.rows, operation.conf().time_zone());
      to_local_relation(result.schema, table, relation->mutable_local_relation());
      return;
    }
  }
  const auto* reflection = m->GetReflection();
  std::vector<const google::protobuf::FieldDescriptor*> fields;
  reflection->ListFields(*m, &fields);
  for (const auto* f : fields) {
    if (f->cpp_type() != google::protobuf::FieldDescriptor::CPPTYPE_MESSAGE || f->is_map()) continue;
    if (f->is_repeated()) {
      for (int i = 0; i < reflection->FieldSize(*m, f); ++i) replace_server_relations(reflection->MutableRepeatedMessage(m, f, i), operation);
    } else {
      replace_server_relations(reflection->MutableMessage(m, f), operation);
    }
  }
}

}  // namespace

PlanPtr Operation::analyze(const spark::connect::Relation& relation) {
  if (has_server_relation(relation)) {
    spark::connect::Relation copy = relation;
    replace_server_relations(&copy, *this);
    return plan::analyze(copy, *analyzer_);
  }
  return plan::analyze(relation, *analyzer_);
}

// ---- cached data

FingerprintContext Operation::fingerprint_context() const { return {session_.conf.time_zone(), session_.id}; }

PlanPtr Operation::with_cached_data(const PlanPtr& plan) { return session_.engine->cache.empty() ? plan : with_cached_data_inner(plan); }

PlanPtr Operation::with_cached_data_inner(const PlanPtr& plan) {
  auto& store = session_.engine->cache;
  if (auto* kept = plan::try_as<plan::Cached>(*plan)) {
    auto checkpoint = store.checkpoint(kept->handle);
    if (!checkpoint) return plan;
    std::lock_guard lock(checkpoint->filling);
    if (checkpoint->plan) {
      fill(*checkpoint->table, with_cached_data_inner(checkpoint->plan));
      checkpoint->plan = nullptr;
    }
    return plan;
  }
  auto entry = store.find(*plan, fingerprint_context());
  if (!entry) return with_cached_inputs(plan);
  std::string exact = plan_fingerprint(*plan);
  std::shared_ptr<KeptTable> table;
  {
    std::lock_guard lock(entry->filling);
    if (!entry->table || entry->filled_with != exact) {
      // What the rows were made of has changed: the old ones go first, there may not be room for both.
      entry->table = nullptr;
      entry->filled_with.clear();
      auto fresh = store.new_table(entry->level);
      // Its inputs: not what is below an idle projection, which is the entry itself.
      fill(*fresh, with_cached_inputs(without_idle_projections(plan)));
      entry->table = std::move(fresh);
      entry->filled_with = std::move(exact);
    }
    table = entry->table;
  }
  auto cached = std::make_shared<plan::Cached>();
  cached->output = plan->output;
  cached->handle = table->name();
  pinned_.push_back(table);
  return cached;
}

// The same below this node: its children, definitions and subqueries.
PlanPtr Operation::with_cached_inputs(const PlanPtr& plan) {
  auto node = plan->clone();
  bool changed = false;
  auto replace = [&](PlanPtr& p) {
    PlanPtr replaced = with_cached_data_inner(p);
    changed = changed || replaced != p;
    p = std::move(replaced);
  };
  for (auto& c : node->children) replace(c);
  if (node->kind == plan::PlanKind::kCteScope) {
    for (auto& d : static_cast<plan::CteScope&>(*node).definitions) replace(d.plan);
  }
  plan::for_each_expression(*node, [&](plan::ExprPtr& e) {
    if (!e || !plan::any_of(*e, [](const plan::Expression& x) { return x.kind == plan::ExprKind::kSubquery; })) return;
    e = plan::transform(e, [&](const plan::ExprPtr& x) -> plan::ExprPtr {
      auto* subquery = plan::try_as<plan::SubqueryExpr>(*x);
      if (!subquery) return nullptr;
      auto copy = std::make_shared<plan::SubqueryExpr>(*subquery);
      replace(copy->plan);
      return copy;
    });
  });
  return changed ? node : plan;
}

void Operation::fill(const KeptTable& table, const PlanPtr& plan) {
  auto query = lower_prepared(plan);
  std::string columns, names;
  for (size_t i = 0; i < plan->output.size(); ++i) {
    std::string name = "c" + std::to_string(i);
    columns += (i ? ", " : "") + ("CAST(" + name + " AS " + duckdb_type_sql(plan->output[i].type) + ") AS " + name);
    names += (i ? ", " : "") + name;
  }
  if (columns.empty()) columns = names = "c0";
  run("CREATE TABLE " + table.name() + " AS SELECT " + columns + " FROM (" + query.sql + ") AS q(" + names + ")");
}

std::string Operation::checkpoint(const PlanPtr& plan, bool eager, const StorageLevel& level) {
  auto checkpoint = std::make_shared<Checkpoint>();
  checkpoint->table = session_.engine->cache.new_table(level);
  if (eager) fill(*checkpoint->table, with_cached_data(plan));
  else checkpoint->plan = plan;
  return session_.engine->cache.keep(checkpoint);
}

void Operation::cache(const PlanPtr& plan, const StorageLevel& level, bool lazy) {
  session_.engine->cache.add(plan, level, fingerprint_context());
  if (lazy) return;
  try {
    with_cached_data(plan);
  } catch (...) {
    session_.engine->cache.remove(plan, false, fingerprint_context());
    throw;
  }
}
bool Operation::uncache(const PlanPtr& plan, bool cascade) { return session_.engine->cache.remove(plan, cascade, fingerprint_context()); }
bool Operation::is_cached(const PlanPtr& plan) { return session_.engine->cache.find(*plan, fingerprint_context()) != nullptr; }
void Operation::clear_cache() { session_.engine->cache.clear(); }
void Operation::invalidate(const std::string& location, bool uncached) {
  std::string path = catalog::path_of_location(location);
  if (uncached) session_.engine->cache.forget(path);
  else session_.engine->cache.refresh(path);
}

// ---- running

void Operation::observe(const PlanPtr& plan) {
  for (const auto& c : plan->children) observe(c);
  auto* node = plan::try_as<plan::CollectMetrics>(*plan);
  if (!node || observed_.contains(node)) return;
  // The rows are computed once, for the query and for its metrics.
  auto table = session_.engine->cache.new_table({});
  fill(*table, plan->children[0]);
  pinned_.push_back(table);
  observed_[node] = table->name();
  auto aggregate = std::make_shared<plan::Aggregate>();
  aggregate->children = {plan};
  std::vector<plan::StructField> fields;
  for (const auto& m : node->metrics) {
    auto a = plan::to_attribute(*m);
    aggregate->aggregates.push_back(m);
    aggregate->output.push_back(a);
    fields.push_back(plan::make_field(a.name, a.type, a.nullable));
  }
  ObservedMetric metric;
  metric.name = node->name;
  metric.plan_id = node->plan_id;
  metric.schema = plan::DataType::structure(std::move(fields));
  auto query = lower_prepared(aggregate);
  run_query(query, metric.schema, [&](duckdb::DataChunk& chunk) {
    for (size_t c = 0; c < chunk.ColumnCount(); ++c) metric.values.push_back(from_duckdb_value(chunk.GetValue(c, 0), metric.schema.fields()[c].type()));
  });
  std::lock_guard lock(session_.operations_mu);
  session_.operations[operation_id_].metrics.push_back(std::move(metric));
}

commands::LoweredSql Operation::lower(const PlanPtr& plan) {
  if (!session_.conf.flag("spark.sql.crossJoin.enabled")) plan::check_cross_joins(plan);
  PlanPtr prepared = with_cached_data(plan);
  observe(prepared);
  return lower_prepared(prepared);
}

std::string Operation::lower_expression(const plan::ExprPtr& expression) {
  lowering::Context context{session_.conf, session_.engine->database, analyzer_->now_micros, session_.user};
  {
    std::lock_guard lock(session_.state.mu);
    context.current_catalog = session_.state.current_catalog;
    context.current_namespace = session_.state.current_namespace;
    context.current_path = plan::path_text(plan::search_path(session_.state, session_.conf));
  }
  context.python = python_;
  return lowering::lower_expression(expression, context, &expression_handles_);
}

commands::LoweredSql Operation::lower_prepared(const PlanPtr& plan) {
  lowering::Context context{session_.conf, session_.engine->database, analyzer_->now_micros, session_.user};
  {
    std::lock_guard lock(session_.state.mu);
    context.current_catalog = session_.state.current_catalog;
    context.current_namespace = session_.state.current_namespace;
    context.current_path = plan::path_text(plan::search_path(session_.state, session_.conf));
  }
  std::vector<std::shared_ptr<const void>> handles;
  context.cached_table = [&](const std::string& handle) {
    if (auto checkpoint = session_.engine->cache.checkpoint(handle)) handles.push_back(checkpoint->table);
    return handle;
  };
  context.observed_table = [&](const plan::CollectMetrics& node) {
    auto it = observed_.find(&node);
    return it == observed_.end() ? std::string() : it->second;
  };
  context.python = python_;
  auto lowered = lowering::lower(plan, context);
  commands::LoweredSql out{std::move(lowered.sql), std::move(lowered.handles)};
  out.handles.insert(out.handles.end(), handles.begin(), handles.end());
  return out;
}

void Operation::run(const std::string& sql) {
  cancel_.throw_if_cancelled();
  auto result = connection_->Query(sql);
  if (cancel_.cancelled()) cancel_.throw_if_cancelled();
  if (result->HasError()) throw to_spark_error(result->GetErrorObject(), sql);
}

void Operation::run_query(const commands::LoweredSql& query, const plan::DataType& type, const std::function<void(duckdb::DataChunk&)>& on_chunk) {
  const std::string* sql = &query.sql;
  std::string cast;
  try {
    cancel_.throw_if_cancelled();
    auto pending = connection_->PendingQuery(*sql, true);
    if (pending->HasError()) throw to_spark_error(pending->GetErrorObject(), *sql);
    const auto& fields = type.fields();
    bool fits = fields.empty() || pending->types.size() == fields.size();
    for (size_t i = 0; fits && i < fields.size(); ++i) fits = same_layout(pending->types[i], to_duckdb(fields[i].type()));
    if (!fits) {
      // A template gave another type than the analyzer promised: the client gets what it was promised.
      std::string columns, types;
      for (size_t i = 0; i < fields.size(); ++i) {
        columns += (i ? ", " : "") + ("CAST(c" + std::to_string(i) + " AS " + duckdb_type_sql(fields[i].type()) + ")");
        types += (i ? ", c" : "c") + std::to_string(i);
        if (!same_layout(pending->types[i], to_duckdb(fields[i].type()))) {
          log::debug("lowering.type_differs", {{"column", fields[i].name}, {"duckdb", pending->types[i].ToString()}, {"spark", fields[i].type().sql()}});
        }
      }
      pending.reset();
      cast = "SELECT " + columns + " FROM (" + query.sql + ") AS q(" + types + ")";
      sql = &cast;
      pending = connection_->PendingQuery(*sql, true);
      if (pending->HasError()) throw to_spark_error(pending->GetErrorObject(), *sql);
    }
    // An interrupt before PendingQuery was lost; from here on it counts.
    cancel_.throw_if_cancelled();
    auto result = pending->Execute();
    if (result->HasError()) throw to_spark_error(result->GetErrorObject(), *sql);
    while (auto chunk = result->Fetch()) {
      cancel_.throw_if_cancelled();
      if (chunk->size() == 0) break;
      on_chunk(*chunk);
    }
    if (result->HasError()) throw to_spark_error(result->GetErrorObject(), *sql);
  } catch (const SparkError&) {
    cancel_.throw_if_cancelled();
    throw;
  } catch (const std::exception& e) {
    cancel_.throw_if_cancelled();
    throw to_spark_error(e, *sql);
  }
}

void Operation::run_query(const PlanPtr& plan, const commands::LoweredSql& query, const plan::DataType& type, const std::function<void(duckdb::DataChunk&)>& on_chunk) {
  try {
    run_query(query, type, on_chunk);
  } catch (const SparkError& error) {
    SparkError told = with_error_context(error, plan, [&](const PlanPtr& part) {
      auto lowered = lower_prepared(part);
      run_query(lowered, plan::schema_of(*part), [](duckdb::DataChunk&) {});
    });
    if (!told.context() || error.context()) throw;  // as it came, with its cause
    throw told;
  }
}

void Operation::stream(const PlanPtr& plan, ResultSink& sink) {
  auto query = lower(plan);
  plan::DataType type = plan::schema_of(*plan);
  ArrowExport exporter(type, session_.conf.time_zone(), session_.conf.flag("spark.sql.execution.arrow.useLargeVarTypes"), *connection_->context);
  sink.schema(type, exporter.schema());
  // Spark's default of 10,000 rows is a bound for the JVM's memory; ours is by size unless the user sets one.
  auto set = session_.conf.all_set();
  int64_t max_rows = 131072;
  if (set.contains("spark.sql.execution.arrow.maxRecordsPerBatch")) {
    max_rows = session_.conf.integer("spark.sql.execution.arrow.maxRecordsPerBatch");
    if (max_rows <= 0) max_rows = INT64_MAX;
  }
  constexpr int64_t kMaxBytes = 16 << 20;
  bool any = false;
  run_query(plan, query, type, [&](duckdb::DataChunk& chunk) {
    if (exporter.rows() > 0 && exporter.rows() + static_cast<int64_t>(chunk.size()) > max_rows) {
      sink.batch(exporter.take());
      any = true;
    }
    if (static_cast<int64_t>(chunk.size()) > max_rows) {
      for (duckdb::idx_t from = 0; from < chunk.size(); from += static_cast<duckdb::idx_t>(max_rows)) {
        exporter.append(chunk, from, std::min<duckdb::idx_t>(chunk.size(), from + static_cast<duckdb::idx_t>(max_rows)));
        sink.batch(exporter.take());
        any = true;
      }
      return;
    }
    exporter.append(chunk, 0, chunk.size());
    if (exporter.rows() >= max_rows || exporter.approximate_bytes() >= kMaxBytes) {
      sink.batch(exporter.take());
      any = true;
    }
  });
  // At least one batch, also without rows: clients want a table.
  if (!any || exporter.rows() > 0) sink.last_batch(exporter.take());
}

std::vector<Row> Operation::collect(const PlanPtr& plan) {
  auto query = lower(plan);
  plan::DataType type = plan::schema_of(*plan);
  std::vector<Row> rows;
  run_query(plan, query, type, [&](duckdb::DataChunk& chunk) {
    for (size_t r = 0; r < chunk.size(); ++r) {
      Row row;
      for (size_t c = 0; c < type.fields().size(); ++c) row.push_back(from_duckdb_value(chunk.GetValue(c, r), type.fields()[c].type()));
      rows.push_back(std::move(row));
    }
  });
  return rows;
}

std::shared_ptr<arrow::Table> Operation::collect_table(const PlanPtr& plan) {
  auto query = lower(plan);
  plan::DataType type = plan::schema_of(*plan);
  ArrowExport exporter(type, session_.conf.time_zone(), false, *connection_->context);
  std::vector<std::shared_ptr<arrow::RecordBatch>> batches;
  run_query(plan, query, type, [&](duckdb::DataChunk& chunk) {
    exporter.append(chunk, 0, chunk.size());
    if (exporter.rows() >= 131072) batches.push_back(exporter.take());
  });
  if (exporter.rows() > 0 || batches.empty()) batches.push_back(exporter.take());
  auto table = arrow::Table::FromRecordBatches(exporter.schema(), batches);
  if (!table.ok()) throw internal_error("Arrow: " + table.status().ToString());
  return *table;
}

std::string Operation::explain(const PlanPtr& plan, const std::string& mode) {
  commands::LoweredSql lowered = lower(plan);  // its handles must live until DuckDB has planned it
  std::string text = explain_text(plan, mode, lowered.sql, [&](const std::string& sql) {
    auto result = connection_->Query("EXPLAIN " + sql);
    if (result->HasError()) throw to_spark_error(result->GetErrorObject(), sql);
    std::string text;
    for (duckdb::idx_t r = 0; r < result->RowCount(); ++r) text += result->GetValue(1, r).ToString() + "\n";
    return text;
  });
  // Which parts are read from kept rows, as Spark says it.
  std::string kept;
  if (!session_.engine->cache.empty()) {
    plan::visit_plan(plan, [&](const PlanPtr& p) {
      auto entry = session_.engine->cache.find(*p, fingerprint_context());
      if (!entry) return true;
      std::string columns;
      for (const auto& a : p->output) columns += (columns.empty() ? "" : ", ") + a.name + "#" + std::to_string(a.id);
      kept += "InMemoryTableScan [" + columns + "]\n   +- InMemoryRelation [" + columns + "], " + entry->level.text() + "\n";
      return false;
    });
  }
  const std::string heading = "== Physical Plan ==\n";
  if (auto at = text.rfind(heading); !kept.empty() && at != std::string::npos) text.insert(at + heading.size(), kept + "\n");
  return text;
}

}  // namespace tarn::engine
