#include "engine/python/data_source.h"

#include <spark/connect/types.pb.h>

#include <nlohmann/json.hpp>

#include "base/encoding.h"
#include "base/spark_error.h"
#include "engine/python/planner.h"
#include "plan/parse_options.h"
#include "plan/session_conf.h"
#include "python/eval_type.h"
#include "sql/parser.h"

namespace tarn::engine::python_functions {

using plan::DataType;
using plan::PlanPtr;
using plan::TypeId;

namespace {

auto failed(const char* action, const char* type) {
  return [action, type](const std::string& traceback) {
    throw analysis_error("PYTHON_DATA_SOURCE_ERROR", {{"action", action}, {"type", type}, {"msg", traceback}});
  };
}

void put_options(const SourceOptions& options, python::Frame& out) {
  out.int32(static_cast<int32_t>(options.size()));
  for (const auto& [key, value] : options) out.string(key).string(value);
}

int32_t batch_rows(const plan::SessionConf& conf) {
  int64_t rows = conf.integer("spark.sql.execution.arrow.maxRecordsPerBatch");
  return rows > 0 && rows < INT32_MAX ? static_cast<int32_t>(rows) : INT32_MAX;
}

// A plan that hands the child's rows to a function over Arrow batches.
std::shared_ptr<plan::PythonMap> map_over(PlanPtr child, const char* name, std::string command, const std::string& python_version, const DataType& type) {
  auto f = std::make_shared<plan::UserFunction>();
  f->name = name;
  f->command = std::move(command);
  f->python_version = python_version;
  f->eval_type = python::eval_type::kMapArrowIter;
  f->deterministic = false;
  f->type = type;
  auto p = std::make_shared<plan::PythonMap>();
  for (const auto& field : type.fields()) {
    plan::Attribute a;
    a.id = plan::next_expr_id();
    a.name = field.name;
    a.type = field.type();
    a.nullable = field.nullable;
    a.metadata = field.metadata;
    p->output.push_back(std::move(a));
  }
  p->function = std::move(f);
  p->children = {std::move(child)};
  p->groupings.resize(1);
  return p;
}

struct Created {
  std::string pickled;
  DataType schema;
};

Created create(const std::shared_ptr<Runtime>& runtime, const plan::SessionConf& conf, const std::string& name, const PythonDataSource& source,
               const SourceOptions& options, const std::optional<DataType>& schema) {
  Planner planner(runtime, conf, "pyspark.sql.worker.create_data_source", source.python_version);
  auto& request = planner.request();
  request.string(source.command).string(name).byte(schema.has_value());
  if (schema) request.string(schema->json());
  put_options(options, request);
  planner.run();
  Created out;
  int32_t length = planner.read_length(failed("create", "instance"));
  out.pickled = planner.read_bytes(length);
  bool ddl = planner.read_int() == 1;
  std::string text = planner.read_string();
  planner.finish();
  out.schema = ddl ? DataType::from_proto(sql::parse_ddl(text, plan::parser_settings(conf))) : DataType::from_json(text);
  if (out.schema.id() != TypeId::kStruct)
    throw analysis_error("INVALID_SCHEMA.NON_STRUCT_TYPE", {{"inputSchema", quote_sql(text)}, {"dataType", quote_sql(out.schema.sql())}});
  return out;
}

}  // namespace

std::optional<PythonDataSource> find_source(const Session::Impl& session, const std::string& name) {
  std::lock_guard lock(session.python_sources_mu);
  auto it = session.python_sources.find(catalog::lower(name));
  if (it == session.python_sources.end()) return std::nullopt;
  return it->second;
}

plan::TableFunctionAnalysis PythonSourceResolver::analyze_table_function(const plan::UserFunction& f, const std::vector<plan::TableFunctionArgument>& arguments) {
  return python_functions::analyze_table_function(runtime_, session_.conf, f, arguments);
}

PlanPtr PythonSourceResolver::read_source(const std::string& format, const std::vector<std::string>& paths, const SourceOptions& options,
                                          const std::optional<DataType>& schema) {
  auto source = find_source(session_, format);
  if (!source) return nullptr;
  auto all = options;
  if (paths.size() == 1) all.emplace_back("path", paths[0]);
  else if (!paths.empty()) all.emplace_back("paths", nlohmann::json(paths).dump());
  return python_functions::read_source(runtime_, session_.conf, format, *source, all, schema);
}

void PythonSourceResolver::write_source(const std::string& format, const SourceOptions& options, bool overwrite, const PlanPtr& query,
                                        const std::function<std::vector<Row>(const PlanPtr&)>& run) {
  auto source = find_source(session_, format);
  if (!source) throw SparkError(ErrorKind::kSpark, "DATA_SOURCE_NOT_FOUND", {{"provider", format}});
  python_functions::write_source(runtime_, session_.conf, format, *source, options, overwrite, query, run);
}

PlanPtr read_source(const std::shared_ptr<Runtime>& runtime, const plan::SessionConf& conf, const std::string& name, const PythonDataSource& source,
                    const SourceOptions& options, const std::optional<DataType>& schema) {
  auto created = create(runtime, conf, name, source, options, schema);
  auto mapped = map_over(std::make_shared<plan::OneRow>(), "read_from_data_source", std::move(created.pickled), source.python_version, created.schema);
  auto read = std::make_shared<SourceRead>();
  read->function = mapped->function;
  read->children = mapped->children;
  read->output = mapped->output;
  return read;
}

PlanPtr plan_read(const std::shared_ptr<Runtime>& runtime, const plan::SessionConf& conf, const SourceRead& read, const std::vector<SourceFilter>& filters,
                  std::vector<bool>* taken) {
  const auto& source = *read.function;
  const bool binary_as_bytes = conf.flag("spark.sql.execution.pyspark.binaryAsBytes");
  Planner planner(runtime, conf, filters.empty() ? "pyspark.sql.worker.plan_data_source_read" : "pyspark.sql.worker.data_source_pushdown_filters",
                  source.python_version);
  auto& request = planner.request();
  request.string(source.command);
  if (filters.empty()) {
    request.string(DataType::structure({plan::make_field("partition", TypeId::kBinary)}).json())
        .string(source.type.json())
        .int32(batch_rows(conf))
        .byte(conf.flag("spark.sql.python.filterPushdown.enabled"))
        .byte(false)
        .byte(binary_as_bytes);
  } else {
    auto list = nlohmann::json::array();
    for (const auto& f : filters) {
      nlohmann::json item = {{"name", f.name}, {"columnPath", f.column}, {"isNegated", f.negated}};
      if (f.value) item["value"] = {{"value", base64_encode(f.value->first)}, {"metadata", base64_encode(f.value->second)}};
      list.push_back(std::move(item));
    }
    request.string(source.type.json()).string(list.dump()).int32(batch_rows(conf)).byte(binary_as_bytes);
  }
  planner.run();
  int32_t length = planner.read_length(failed("initialize", "reader"));
  std::string function = planner.read_bytes(length);
  int32_t count = planner.read_length(failed("generate", "read partitions"));
  auto partitions = std::make_shared<plan::Values>();
  for (int32_t i = 0; i < count; ++i) partitions->rows.push_back({plan::make_literal(TypeId::kBinary, plan::Value{planner.read_string()})});
  taken->assign(filters.size(), false);
  if (!filters.empty()) {
    for (int32_t n = planner.read_int(); n > 0; --n) {
      const auto i = static_cast<size_t>(planner.read_int());
      if (i >= filters.size()) throw SparkError::Plain(ErrorKind::kPython, "The Python worker answered with what is no result: a filter that it was not given.");
      (*taken)[i] = true;
    }
  }
  planner.finish();
  plan::Attribute a;
  a.id = plan::next_expr_id();
  a.name = "partition";
  a.type = TypeId::kBinary;
  partitions->output.push_back(std::move(a));
  auto rows = map_over(partitions, "read_from_data_source", std::move(function), source.python_version, source.type);
  rows->groupings.clear();  // a call for each partition
  rows->output = read.output;
  return rows;
}

void write_source(const std::shared_ptr<Runtime>& runtime, const plan::SessionConf& conf, const std::string& name, const PythonDataSource& source,
                  const SourceOptions& options, bool overwrite, const PlanPtr& query,
                  const std::function<std::vector<Row>(const PlanPtr&)>& run) {
  const auto message_type = DataType::structure({plan::make_field("message", TypeId::kBinary)});
  std::string function, writer;
  {
    Planner planner(runtime, conf, "pyspark.sql.worker.write_into_data_source", source.python_version);
    auto& request = planner.request();
    request.string(source.command).string(name).string(plan::schema_of(*query).json()).string(message_type.json());
    put_options(options, request);
    request.byte(overwrite).byte(false).byte(conf.flag("spark.sql.execution.pyspark.binaryAsBytes"));
    planner.run();
    int32_t length = planner.read_length(failed("initialize", "writer"));
    function = planner.read_bytes(length);
    writer = planner.read_string();
    planner.finish();
  }
  auto commit = [&](const std::vector<std::string>& messages, bool abort) {
    Planner planner(runtime, conf, "pyspark.sql.worker.commit_data_source_write", source.python_version);
    auto& request = planner.request();
    request.string(writer).int32(static_cast<int32_t>(messages.size()));
    for (const auto& m : messages) request.string(m);
    request.byte(abort);
    planner.run();
    planner.read_length(failed("commit or abort", "write"));
    planner.finish();
  };
  std::vector<std::string> messages;
  try {
    for (const auto& row : run(map_over(query, "write_to_data_source", std::move(function), source.python_version, message_type)))
      messages.push_back(row.at(0).is_null() ? "" : row[0].get<std::string>());
    commit(messages, false);
  } catch (...) {
    auto first = std::current_exception();
    try {
      commit(messages, true);
    } catch (const std::exception&) {
      // What made it fail says more.
    }
    std::rethrow_exception(first);
  }
}

}  // namespace tarn::engine::python_functions
