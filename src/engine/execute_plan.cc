// ExecutePlan: relations, commands, SQL. Source: SparkConnectPlanExecution, SparkConnectPlanner.process.
#include <arrow/record_batch.h>
#include <arrow/table.h>
#include <google/protobuf/any.pb.h>
#include <spark/connect/base.pb.h>
#include <spark/connect/commands.pb.h>
#include <spark/connect/relations.pb.h>
#include <tarn/sql.pb.h>

#include "base/ids.h"
#include "engine/operation.h"
#include "engine/parse_sql.h"
#include "engine/show_string.h"
#include "plan/analyzer.h"
#include "plan/function.h"
#include "plan/parse_options.h"
#include "plan/python_functions.h"
#include "spark/connect/types.pb.h"
#include "sql/parser.h"

// Old clients fill fields that newer ones do not.
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

namespace tarn::engine {

namespace sc = spark::connect;
using plan::PlanPtr;

namespace {

void send_table(const plan::DataType& schema, const std::shared_ptr<arrow::Table>& table, ResultSink& sink) {
  sink.schema(schema, table->schema());
  arrow::TableBatchReader reader(*table);
  std::shared_ptr<arrow::RecordBatch> batch, last = *arrow::RecordBatch::MakeEmpty(table->schema());
  while (reader.ReadNext(&batch).ok() && batch) {
    if (last->num_rows() > 0) sink.batch(last);
    last = batch;
  }
  sink.last_batch(last);
}

void send_rows(const plan::DataType& schema, const std::vector<Row>& rows, Operation& operation, ResultSink& sink) {
  send_table(schema, rows_to_arrow(schema, rows, operation.conf().time_zone()), sink);
}

// The rows of a command's answer.
std::shared_ptr<arrow::Table> answer_table(commands::CommandResult& result, Operation& operation) {
  if (result.query) {
    result.schema = plan::schema_of(*result.query);
    return operation.collect_table(result.query);
  }
  return rows_to_arrow(result.schema, result.rows, operation.conf().time_zone());
}

// ---- df.show()

// Spark's ToPrettyString: as a cast to string, but nulls are NULL at every depth.
const plan::FunctionEntry kToPrettyString{
    .names = "to_pretty_string", .signature = "(any) -> string", .lowering = "coalesce(spark_to_string($1, $json1, $tz, 'pretty'), 'NULL')",
    .flags = plan::kNeverNull | plan::kHidden};

plan::ExprPtr pretty_string(const plan::Attribute& a) {
  auto call = std::make_shared<plan::Call>();
  call->function = &kToPrettyString;
  call->name = "to_pretty_string";
  call->type = plan::TypeId::kString;
  call->nullable = false;
  call->children = {plan::make_ref(a)};
  return call;
}

// Bytes as a cell shows them, by spark.sql.binaryOutputStyle; hexadecimal numbers in brackets by default.
std::string binary_cell(const std::string& bytes, const plan::SessionConf& conf) {
  static const char* kDigits = "0123456789ABCDEF";
  std::string style = conf.find("spark.sql.binaryOutputStyle").value_or("HEX_DISCRETE");
  if (style == "UTF8") return bytes;
  std::string out;
  if (style == "BASE64") {
    static const char* kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < bytes.size(); i += 3) {
      uint32_t v = 0;
      size_t n = std::min<size_t>(3, bytes.size() - i);
      for (size_t k = 0; k < 3; ++k) v = (v << 8) | (k < n ? static_cast<unsigned char>(bytes[i + k]) : 0u);
      for (size_t k = 0; k < 4 && k <= n; ++k) out += kAlphabet[(v >> (18 - 6 * k)) & 63];
    }
    return out;  // Spark's encoder writes no padding here
  }
  for (unsigned char c : bytes) {
    if (style == "BASIC") {
      out += (out.empty() ? "" : ", ") + std::to_string(static_cast<signed char>(c));
    } else {
      if (style == "HEX_DISCRETE" && !out.empty()) out += ' ';
      out += kDigits[c >> 4];
      out += kDigits[c & 15];
    }
  }
  return style == "HEX" ? out : "[" + out + "]";
}

// The header and up to limit rows as strings.
std::vector<std::vector<std::string>> string_rows(const PlanPtr& input, int64_t limit, Operation& operation) {
  std::vector<plan::ExprPtr> cells;
  std::vector<std::vector<std::string>> out(1);
  for (const auto& a : input->output) {
    bool binary = a.type.id() == plan::TypeId::kBinary;
    cells.push_back(plan::make_alias(binary ? plan::make_ref(a) : pretty_string(a), a.name, true, plan::next_expr_id()));
    out[0].push_back(show_cell(a.name));
  }
  auto limited = std::make_shared<plan::Limit>();
  limited->limit = plan::make_long(limit);
  limited->children = {input};
  limited->output = input->output;
  for (auto& row : operation.collect(plan::make_project(limited, cells))) {
    std::vector<std::string> line;
    for (size_t i = 0; i < row.size(); ++i) {
      if (row[i].is_null()) line.push_back("NULL");
      else if (input->output[i].type.id() == plan::TypeId::kBinary) line.push_back(show_cell(binary_cell(row[i].get<std::string>(), operation.conf())));
      else line.push_back(show_cell(row[i].get<std::string>()));
    }
    out.push_back(std::move(line));
  }
  return out;
}

std::string shown(const sc::Relation& relation, Operation& operation) {
  bool html = relation.has_html_string();
  const sc::Relation& input = html ? relation.html_string().input() : relation.show_string().input();
  int asked = html ? relation.html_string().num_rows() : relation.show_string().num_rows();
  int truncate = html ? relation.html_string().truncate() : relation.show_string().truncate();
  int num_rows = std::clamp(asked, 0, 2147483632 - 1);
  auto rows = string_rows(operation.analyze(input), static_cast<int64_t>(num_rows) + 1, operation);
  bool more = rows.size() - 1 > static_cast<size_t>(num_rows);
  if (more) rows.resize(static_cast<size_t>(num_rows) + 1);
  return html ? html_string(std::move(rows), num_rows, truncate, more)
              : show_string(std::move(rows), num_rows, truncate, relation.show_string().vertical(), more);
}

// ---- relations

void execute_relation(const sc::Relation& relation, Operation& operation, ResultSink& sink) {
  if (relation.has_show_string() || relation.has_html_string()) {
    const char* name = relation.has_html_string() ? "html_string" : "show_string";
    auto schema = plan::DataType::structure({plan::make_field(name, plan::TypeId::kString, false)});
    send_rows(schema, {{plan::Value{shown(relation, operation)}}}, operation, sink);
    return;
  }
  if (relation.has_catalog()) {
    auto result = commands::execute_catalog(relation.catalog(), operation);
    auto table = answer_table(result, operation);
    send_table(result.schema, table, sink);
    return;
  }
  operation.stream(operation.analyze(relation), sink);
}

// ---- commands

void answer_with_relation(const sc::Relation& relation, ResultSink& sink) {
  sc::ExecutePlanResponse response;
  *response.mutable_sql_command_result()->mutable_relation() = relation;
  sink.message(response);
}

void answer_command(commands::CommandResult result, Operation& operation, ResultSink& sink) {
  auto table = answer_table(result, operation);
  sc::Relation relation;
  to_local_relation(result.schema, table, relation.mutable_local_relation());
  answer_with_relation(relation, sink);
}

// spark.sql(text): a query stays unexecuted, anything else runs now, once.
void execute_sql(const sc::SqlCommand& command, Operation& operation, ResultSink& sink) {
  sc::Relation query;
  if (command.has_input()) {
    query = command.input();
  } else {
    auto* sql = query.mutable_sql();
    sql->set_query(command.sql());
    *sql->mutable_args() = command.args();
    *sql->mutable_pos_args() = command.pos_args();
    *sql->mutable_named_arguments() = command.named_arguments();
    *sql->mutable_pos_arguments() = command.pos_arguments();
  }
  // sql("… {df} …", df=df) wraps the text: the DataFrames are references of the text's relation.
  const sc::Relation* text = &query;
  if (query.has_with_relations()) text = &query.with_relations().root();
  if (!text->has_sql()) {
    operation.analyze(query);
    answer_with_relation(query, sink);
    return;
  }
  sc::Plan parsed = parse_sql(text->sql(), operation);
  if (parsed.has_root()) {
    // Errors of analysis belong to this call.
    operation.analyze(query);
    answer_with_relation(query, sink);
    return;
  }
  if (!parsed.has_command()) throw internal_error("the parser gave no plan");
  operation.session().changes++;
  answer_command(commands::execute_command(parsed.command(), operation), operation, sink);
  operation.session().changes++;
}

void checkpoint(const sc::CheckpointCommand& command, Operation& operation, ResultSink& sink) {
  PlanPtr plan = operation.analyze(command.relation());
  auto& session = operation.session();
  std::string id = random_uuid();
  StorageLevel level = command.has_storage_level() ? StorageLevel::from_proto(command.storage_level()) : StorageLevel::named("MEMORY_AND_DISK");
  auto kept = std::make_shared<plan::Cached>();
  kept->output = plan->output;
  kept->handle = operation.checkpoint(plan, command.eager(), level);
  {
    std::lock_guard lock(session.relations_mu);
    session.kept_handles.insert(kept->handle);
    session.cached_relations[id] = kept;
  }
  sc::ExecutePlanResponse response;
  response.mutable_checkpoint_command_result()->mutable_relation()->set_relation_id(id);
  sink.message(response);
}

void remove_checkpoint(const std::string& id, Session::Impl& session) {
  std::string handle;
  {
    std::lock_guard lock(session.relations_mu);
    auto it = session.cached_relations.find(id);
    if (it == session.cached_relations.end()) return;
    if (auto* cached = plan::try_as<plan::Cached>(*it->second)) handle = cached->handle;
    session.cached_relations.erase(it);
    session.kept_handles.erase(handle);
  }
  if (!handle.empty()) session.engine->cache.release(handle);
}

// A type of a client's function: a message, or text as the user wrote it ("int", "a INT, b STRING").
plan::DataType stated_type(const sc::DataType& type, const Session::Impl& session) {
  if (!type.has_unparsed()) return plan::DataType::from_proto(type);
  return plan::DataType::from_proto(sql::parse_ddl(type.unparsed().data_type_string(), plan::parser_settings(session.conf)));
}

void register_function(const sc::CommonInlineUserDefinedFunction& f, Session::Impl& session) {
  // There is no Java virtual machine that could have the class.
  if (f.has_java_udf()) {
    throw analysis_error("_LEGACY_ERROR_TEMP_1329", {{"className", f.java_udf().class_name()}});
  }
  if (!f.has_python_udf()) throw not_built("functions in Scala");
  const auto& python = f.python_udf();
  auto function = std::make_shared<plan::UserFunction>();
  function->name = f.function_name();
  function->command = python.command();
  function->python_version = python.python_ver();
  function->eval_type = python.eval_type();
  function->deterministic = f.deterministic();
  function->type = stated_type(python.output_type(), session);
  std::lock_guard lock(session.state.mu);
  session.state.user_functions[catalog::lower(f.function_name())] = function;
}

void register_table_function(const sc::CommonInlineUserDefinedTableFunction& f, Session::Impl& session) {
  const auto& python = f.python_udtf();
  auto function = std::make_shared<plan::UserFunction>();
  function->name = f.function_name();
  function->command = python.command();
  function->python_version = python.python_ver();
  function->eval_type = python.eval_type();
  function->deterministic = f.deterministic();
  if (python.has_return_type()) {  // else the class has analyze()
    function->type = stated_type(python.return_type(), session);
    if (function->type.id() != plan::TypeId::kStruct)
      throw analysis_error("INVALID_SCHEMA_TYPE_NON_STRUCT", {{"dataType", quote_sql(function->type.sql())}});
  }
  std::lock_guard lock(session.state.mu);
  session.state.user_functions[catalog::lower(f.function_name())] = function;
}

void register_data_source(const sc::CommonInlineUserDefinedDataSource& source, Session::Impl& session) {
  std::string name = catalog::lower(source.name());
  // A built-in name stays what it is.
  static const std::set<std::string> kBuiltIn = {"avro", "csv", "delta", "hive", "jdbc", "json", "kafka", "noop", "orc", "parquet", "text", "xml", "rate", "console"};
  if (kBuiltIn.contains(name)) throw analysis_error("DATA_SOURCE_ALREADY_EXISTS", {{"provider", source.name()}});
  std::lock_guard lock(session.python_sources_mu);
  session.python_sources[name] = {source.python_data_source().command(), source.python_data_source().python_ver()};
}

// df.write.format(name).save() into a source that is written in Python.
void write_to_python(const sc::WriteOperation& write, plan::PythonPlanner& sources, Operation& operation) {
  using W = sc::WriteOperation;
  if (write.mode() != W::SAVE_MODE_APPEND && write.mode() != W::SAVE_MODE_OVERWRITE) {
    throw analysis_error("UNSUPPORTED_DATA_SOURCE_SAVE_MODE",
                         {{"source", write.source()}, {"createMode", write.mode() == W::SAVE_MODE_IGNORE ? "\"Ignore\"" : "\"ErrorIfExists\""}});
  }
  if (write.partitioning_columns_size() > 0 || write.clustering_columns_size() > 0 || write.has_bucket_by()) throw not_built("partitions of a Python data source");
  std::vector<std::pair<std::string, std::string>> options(write.options().begin(), write.options().end());
  if (write.has_path() && !write.path().empty()) options.emplace_back("path", write.path());
  sources.write_source(write.source(), options, write.mode() == W::SAVE_MODE_OVERWRITE, operation.analyze(write.input()),
                       [&](const PlanPtr& plan) { return operation.collect(plan); });
}

void execute_command(const sc::Command& command, Operation& operation, ResultSink& sink) {
  switch (command.command_type_case()) {
    case sc::Command::kSqlCommand: execute_sql(command.sql_command(), operation, sink); return;
    case sc::Command::kCheckpointCommand: checkpoint(command.checkpoint_command(), operation, sink); return;
    case sc::Command::kRemoveCachedRemoteRelationCommand:
      remove_checkpoint(command.remove_cached_remote_relation_command().relation().relation_id(), operation.session());
      return;
    case sc::Command::kRegisterFunction:
      operation.session().changes++;
      register_function(command.register_function(), operation.session());
      return;
    case sc::Command::kRegisterTableFunction:
      operation.session().changes++;
      register_table_function(command.register_table_function(), operation.session());
      return;
    case sc::Command::kRegisterDataSource:
      operation.session().changes++;
      register_data_source(command.register_data_source(), operation.session());
      return;
    case sc::Command::kWriteOperation: {
      const auto& write = command.write_operation();
      auto* sources = write.has_source() && !write.has_table() ? plan::python_planner(operation.analyzer().sources) : nullptr;
      if (!sources || !sources->has_source(write.source())) break;
      write_to_python(write, *sources, operation);
      return;
    }
    case sc::Command::kGetResourcesCommand: {
      sc::ExecutePlanResponse response;
      response.mutable_get_resources_command_result();
      sink.message(response);
      return;
    }
    default: break;
  }
  if (!commands::handles_command(command)) {
    std::string name = "this command";
    const auto* field = command.GetReflection()->GetOneofFieldDescriptor(command, command.GetDescriptor()->oneof_decl(0));
    if (field) name = "the command " + field->name();
    throw not_built(name);
  }
  operation.session().changes++;
  auto result = commands::execute_command(command, operation);
  operation.session().changes++;
  // SQL that arrives as a command message answers like spark.sql; the DataFrame commands answer nothing.
  if (command.has_extension() || result.query || !result.schema.fields().empty()) answer_command(std::move(result), operation, sink);
}

}  // namespace

void Session::execute(const sc::Plan& plan, const ExecuteOptions& options, ResultSink& sink, CancelToken& cancel) {
  if (impl_->closed) throw SparkError(ErrorKind::kSpark, "INVALID_HANDLE.SESSION_CLOSED", {{"handle", impl_->id}});
  cancel.throw_if_cancelled();
  Operation operation(*impl_, cancel, options.operation_id);
  if (plan.has_root()) execute_relation(plan.root(), operation, sink);
  else if (plan.has_command()) execute_command(plan.command(), operation, sink);
  else throw SparkError(ErrorKind::kSpark, "CONNECT_INVALID_PLAN.INVALID_ONE_OF_FIELD_NOT_SET", {{"fullName", "spark.connect.Plan"}, {"name", "OPTYPE_NOT_SET"}});
}

}  // namespace tarn::engine
