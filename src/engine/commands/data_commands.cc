// INSERT, DELETE, UPDATE, MERGE, ANALYZE. Source: InsertIntoStatement, PreprocessTableInsertion, DeleteFromTable, AnalyzeTableCommand.
#include <algorithm>
#include <cmath>

#include "engine/commands/delta_tables.h"
#include "engine/commands/dml.h"
#include "engine/commands/handlers.h"
#include "engine/commands/parsing.h"
#include "engine/commands/partitions.h"
#include "engine/commands/support.h"
#include "engine/commands/table_data.h"
#include "engine/commands/table_definition.h"
#include "engine/commands/table_writer.h"
#include "plan/function.h"
#include "plan/session_conf.h"
#include "spark/connect/commands.pb.h"
#include "spark/connect/expressions.pb.h"
#include "spark/connect/relations.pb.h"
#include "sql/extension.h"
#include "sql/parser.h"
#include "tarn/sql.pb.h"

namespace tarn::engine::commands {

namespace sc = spark::connect;
using catalog::lower;
using plan::DataType;
using plan::SaveMode;

namespace {

// DEFAULT among the values of an inline table or a SELECT list becomes the column's default before analysis.
// target: the column at each position of the query's output.
sc::Expression default_of(const plan::StructField& field, CommandHost& host) {
  sc::Expression e;
  if (auto value = field_metadata(field, "CURRENT_DEFAULT")) {
    e = sql::parse_expression(*value, parse_options(host.conf()));
    sc::Expression cast;
    *cast.mutable_cast()->mutable_expr() = e;
    field.type().to_proto(cast.mutable_cast()->mutable_type());
    return cast;
  }
  if (!field.nullable) throw analysis_error("NO_DEFAULT_COLUMN_VALUE_AVAILABLE", {{"colName", quote_identifier(field.name)}});
  field.type().to_proto(e.mutable_literal()->mutable_null());
  return e;
}

void fill_defaults(sc::Relation* query, const std::vector<plan::StructField>& target, CommandHost& host) {
  if (sql::Rel rel; sql::unpack(*query, &rel)) {
    if (rel.has_inline_table()) {
      bool changed = false;
      for (auto& row : *rel.mutable_inline_table()->mutable_rows()) {
        for (int i = 0; i < row.values_size() && i < static_cast<int>(target.size()); ++i) {
          if (!is_default_word(row.values(i))) continue;
          *row.mutable_values(i) = default_of(target[static_cast<size_t>(i)], host);
          changed = true;
        }
      }
      if (changed) query->mutable_extension()->PackFrom(rel);
    } else if (rel.has_subquery_column_aliases()) {
      fill_defaults(rel.mutable_subquery_column_aliases()->mutable_input(), target, host);
      query->mutable_extension()->PackFrom(rel);
    }
    return;
  }
  if (query->has_subquery_alias()) {
    fill_defaults(query->mutable_subquery_alias()->mutable_input(), target, host);
  } else if (query->has_with_relations()) {
    fill_defaults(query->mutable_with_relations()->mutable_root(), target, host);
  } else if (query->has_project()) {
    auto* project = query->mutable_project();
    for (int i = 0; i < project->expressions_size() && i < static_cast<int>(target.size()); ++i) {
      if (is_default_word(project->expressions(i))) *project->mutable_expressions(i) = default_of(target[static_cast<size_t>(i)], host);
    }
  } else if (query->has_set_op()) {
    fill_defaults(query->mutable_set_op()->mutable_left_input(), target, host);
    fill_defaults(query->mutable_set_op()->mutable_right_input(), target, host);
  }
}

const plan::StructField& find_column(const DataType& schema, const std::string& name, CommandHost& host, const catalog::TableInfo& table) {
  auto index = schema.field_index(name, host.conf().case_sensitive());
  if (!index) {
    std::vector<std::string> names;
    for (auto& f : schema.fields()) names.push_back(quote_identifier(f.name));
    throw analysis_error("UNRESOLVED_COLUMN.WITH_SUGGESTION", {{"objectName", quote_identifier(name)}, {"proposal", join(names, ", ")}});
  }
  return schema.fields()[*index];
}

std::string quoted_names(const std::vector<plan::StructField>& fields) {
  std::string out;
  for (auto& f : fields) out += (out.empty() ? "" : ", ") + quote_identifier(f.name);
  return out;
}

std::string quoted_names(const std::vector<plan::Attribute>& attributes) {
  std::string out;
  for (auto& a : attributes) out += (out.empty() ? "" : ", ") + quote_identifier(a.name);
  return out;
}

struct Target {
  std::string location;         // of Delta, for path tables
  catalog::TableInfo table;
  bool path_only = false;
};

// The table an INSERT, UPDATE … names; delta.`/path` too.
Target target_of(const sql::Name& name, CommandHost& host, const char* operation) {
  auto parts = name_parts(name, host);
  Target target;
  if (parts.size() == 2 && lower(parts[0]) == "delta" && parts[1].find('/') != std::string::npos && !find_table(parts, host)) {
    target.path_only = true;
    target.table.provider = "delta";
    target.table.catalog = current_catalog(host);
    target.table.schema = "delta";
    target.table.name = parts[1];
    target.table.location = make_location(parts[1], host);
    target.location = target.table.location;
    return target;
  }
  if (auto temp = find_temp_view(parts, host)) {
    if (std::string_view(operation) == "INSERT") {
      throw analysis_error("UNSUPPORTED_INSERT.RDD_BASED", {});
    }
    throw analysis_error("EXPECT_TABLE_NOT_VIEW.NO_ALTERNATIVE", {{"operation", operation}, {"viewName", quote_identifier(parts)}});
  }
  target.table = require_relation(parts, host);
  if (target.table.is_view()) {
    if (std::string_view(operation) == "INSERT") throw analysis_error("VIEW_WRITE_NOT_ALLOWED", {{"name", quote_identifier(target.table.full_name())}});
    throw analysis_error("EXPECT_TABLE_NOT_VIEW.NO_ALTERNATIVE", {{"operation", operation}, {"viewName", quote_identifier(target.table.full_name())}});
  }
  target.location = target.table.location;
  return target;
}

}  // namespace

CommandResult insert_into(const sql::Insert& insert, CommandHost& host) {
  auto target = target_of(insert.name(), host, "INSERT");
  auto& table = target.table;
  std::string quoted = quote_identifier(table.full_name());
  DataType schema = table_schema(table, host);
  if (insert.mode() == sql::Insert::REPLACE_USING || insert.mode() == sql::Insert::REPLACE_ON) {
    throw not_built(insert.mode() == sql::Insert::REPLACE_USING ? "INSERT INTO ... REPLACE USING" : "INSERT INTO ... REPLACE ON");
  }
  if (insert.mode() == sql::Insert::REPLACE_WHERE && !table.is_delta()) {
    throw unsupported_operation(table.full_name(), python_source(table.provider, host) ? "overwrite by filter in batch mode" : "REPLACE WHERE");
  }
  if (insert.if_partition_not_exists() && insert.mode() != sql::Insert::OVERWRITE) {
    throw analysis_error("UNSUPPORTED_FEATURE.INSERT_PARTITION_SPEC_IF_NOT_EXISTS", {{"tableName", quoted}});
  }
  // Static values of PARTITION (…).
  std::vector<std::pair<std::string, sc::Expression>> static_values;
  catalog::Pairs static_partition;
  std::vector<std::string> spec_columns;
  if (insert.has_partition()) {
    auto partition_columns = table.partition_columns;
    if (table.is_delta()) partition_columns = host.analyzer().sources.load_table(table, {})->partition_columns();
    for (auto& entry : insert.partition().entries()) {
      auto it = std::find_if(partition_columns.begin(), partition_columns.end(), [&](auto& c) { return same_name(c, entry.column(), host); });
      if (it == partition_columns.end()) {
        if (partition_columns.empty() && !table.is_delta()) throw analysis_error("NOT_A_PARTITIONED_TABLE", {{"operation", "INSERT INTO ... PARTITION"}, {"tableIdentWithDB", quoted}});
        throw analysis_error("NON_PARTITION_COLUMN", {{"columnName", quote_identifier(entry.column())}});
      }
      spec_columns.push_back(*it);
      if (entry.has_value()) {
        sql::Expr word;
        if (sql::unpack(entry.value(), &word) && word.has_default_value()) {
          static_values.emplace_back(*it, default_of(find_column(schema, *it, host, table), host));
        } else {
          static_values.emplace_back(*it, entry.value());
        }
      }
    }
    check_duplicate_columns(spec_columns, host);
  }
  auto is_static = [&](const std::string& column) {
    return std::any_of(static_values.begin(), static_values.end(), [&](auto& s) { return same_name(s.first, column, host); });
  };
  // The columns that the query's own columns fill, in order.
  std::vector<plan::StructField> wanted;
  if (!insert.columns().empty()) {
    std::vector<std::string> names(insert.columns().begin(), insert.columns().end());
    check_duplicate_columns(names, host);
    for (auto& name : names) {
      if (is_static(name)) throw analysis_error("STATIC_PARTITION_COLUMN_IN_INSERT_COLUMN_LIST", {{"staticName", quote_identifier(name)}});
      wanted.push_back(find_column(schema, name, host, table));
    }
  } else {
    for (auto& f : schema.fields()) {
      if (!is_static(f.name)) wanted.push_back(f);
    }
  }
  sc::Relation query_message = insert.query();
  if (!insert.by_name()) fill_defaults(&query_message, wanted, host);
  auto query = plan::analyze(query_message, host.analyzer());

  if (!insert.by_name() && query->output.size() != wanted.size()) {
    bool fewer = query->output.size() < wanted.size();
    bool may_fill = fewer && insert.columns().empty() && static_values.empty() && host.conf().flag("spark.sql.defaultColumn.useNullsForMissingDefaultValues");
    if (!may_fill) {
      if (!static_values.empty()) {
        std::vector<std::string> statics;
        for (auto& s : static_values) statics.push_back(quote_identifier(s.first));
        throw analysis_error("INSERT_PARTITION_COLUMN_ARITY_MISMATCH",
                             {{"tableName", quoted}, {"tableColumns", quoted_names(schema.fields())},
                              {"staticPartCols", join(statics, ", ")}, {"dataColumns", quoted_names(query->output)},
                              {"reason", fewer ? "not enough data columns" : "too many data columns"}});
      }
      throw analysis_error(fewer ? "INSERT_COLUMN_ARITY_MISMATCH.NOT_ENOUGH_DATA_COLUMNS" : "INSERT_COLUMN_ARITY_MISMATCH.TOO_MANY_DATA_COLUMNS",
                           {{"tableName", quoted}, {"tableColumns", quoted_names(wanted)}, {"dataColumns", quoted_names(query->output)}});
    }
  }
  // Name the query's columns after the columns they fill, and add the static ones: then everything goes by name.
  bool by_name = insert.by_name();
  if (!by_name && (!insert.columns().empty() || !static_values.empty() || query->output.size() < wanted.size())) {
    std::vector<plan::ExprPtr> columns;
    for (size_t i = 0; i < query->output.size(); ++i) columns.push_back(plan::make_alias(plan::make_ref(query->output[i]), wanted[i].name));
    query = plan::make_project(query, std::move(columns));
    by_name = true;
  }
  if (!static_values.empty()) {
    std::vector<plan::ExprPtr> columns;
    for (auto& a : query->output) columns.push_back(plan::make_ref(a));
    for (auto& [name, expression] : static_values) {
      auto& field = find_column(schema, name, host, table);
      auto value = plan::make_cast(plan::analyze_constant(expression, host.analyzer()), field.type(), plan::EvalMode::kAnsi);
      auto shown = value_text(evaluate(value, host), field.type(), host);
      static_partition.emplace_back(field.name, shown.value_or(kNullPartition));
      columns.push_back(plan::make_alias(value, field.name));
    }
    query = plan::make_project(query, std::move(columns));
    by_name = true;
  }
  TableWrite write;
  write.mode = insert.mode() == sql::Insert::OVERWRITE ? SaveMode::kOverwrite : SaveMode::kAppend;
  write.options.assign(insert.options().begin(), insert.options().end());
  if (insert.mode() == sql::Insert::REPLACE_WHERE) {
    write.mode = SaveMode::kOverwrite;
    auto condition = plan::analyze_over(insert.condition(), *plan_of_name(name_parts(insert.name(), host), host), host.analyzer());
    write.options.emplace_back("replaceWhere", plan::expression_sql(*condition));
  }
  if (insert.with_schema_evolution()) {
    if (!table.is_delta()) throw unsupported_operation(table.full_name(), "INSERT WITH SCHEMA EVOLUTION");
    write.options.emplace_back("mergeSchema", "true");
  }
  if (insert.mode() == sql::Insert::OVERWRITE) write.static_partition = static_partition;
  if (insert.if_partition_not_exists()) {
    if (static_partition.size() != table.partition_columns.size()) {
      throw analysis_error("_LEGACY_ERROR_TEMP_0035", {{"message", "IF NOT EXISTS needs a static value for every partition column"}});
    }
    if (!matching_partitions(table, static_partition, host).empty()) return {};
  }
  if (target.path_only) {
    if (!insert.with_schema_evolution()) query = plan::resolve_insert(query, schema, quoted, by_name, host.analyzer());
    DeltaWriteOptions options;
    options.mode = write.mode;
    options.options = write.options;
    options.static_partition = write.static_partition;
    options.by_name = by_name;
    delta_write(target.location, quoted, query, options, host);
    host.invalidate(target.location, false);
    return {};
  }
  if (!table.is_delta() || !insert.with_schema_evolution()) query = resolve_for_table(table, schema, query, by_name, host);
  write.by_name = by_name;
  write_to_table(table, query, write, host);
  return {};
}

CommandResult insert(const sql::Statement& statement, CommandHost& host) { return insert_into(statement.insert(), host); }

namespace {

CommandResult insert_into_directory(const sql::InsertDirectory& insert, CommandHost& host) {
  plan::WriteFilesCommand command;
  command.query = plan::analyze(insert.query(), host.analyzer());
  if (!insert.has_provider()) throw analysis_error("NOT_SUPPORTED_COMMAND_WITHOUT_HIVE_SUPPORT", {{"cmd", "INSERT OVERWRITE DIRECTORY with the Hive format"}});
  command.format = insert.provider();
  command.mode = SaveMode::kOverwrite;
  command.path = insert.path();
  for (auto& o : insert.options()) {
    if (lower(o.key()) == "path") command.path = o.value();
    else command.options.emplace_back(o.key(), o.value());
  }
  write_to_path(command, host);
  return {};
}

}  // namespace

CommandResult insert_directory(const sql::Statement& statement, CommandHost& host) {
  return insert_into_directory(statement.insert_directory(), host);
}

CommandResult multi_insert(const sql::Statement& statement, CommandHost& host) {
  for (auto& entry : statement.multi_insert().inserts()) {
    if (entry.has_insert()) insert_into(entry.insert(), host);
    else insert_into_directory(entry.directory(), host);
  }
  return {};
}

namespace {

void refuse_with(bool has_with, const char* statement) {
  if (has_with) throw not_built(std::string("WITH before ") + statement);
}

// Subqueries of the statement's own expressions are known to the analyzer while this lives.
class WithSubqueries {
 public:
  WithSubqueries(const sql::Statement& statement, CommandHost& host) : context_(host.analyzer()), before_(context_.subqueries) {
    context_.subqueries = &statement.subqueries();
  }
  ~WithSubqueries() { context_.subqueries = before_; }

 private:
  plan::AnalyzerContext& context_;
  decltype(plan::AnalyzerContext::subqueries) before_;
};

}  // namespace

DmlTarget dml_target(const std::vector<std::string>& parts, const std::string& alias, const char* operation, CommandHost& host) {
  sql::Name name;
  for (auto& p : parts) name.add_parts(p);
  auto table = target_of(name, host, operation);
  if (std::string_view(operation) == "DELETE" && python_source(table.table.provider, host))
    throw analysis_error("_LEGACY_ERROR_TEMP_1121", {{"cmd", "deletes"}, {"table", table.table.provider}});
  if (!table.table.is_delta()) throw unsupported_operation(table.table.full_name(), std::string_view(operation) == "DELETE" ? "DELETE" : std::string(operation) + " TABLE");
  DmlTarget target{std::move(table.table), table.path_only, {}};
  sc::Relation* read = &target.relation;
  if (!alias.empty()) {
    read->mutable_subquery_alias()->set_alias(alias);
    read = read->mutable_subquery_alias()->mutable_input();
  }
  read->mutable_read()->mutable_named_table()->set_unparsed_identifier(sql::unparse_identifier(parts));
  return target;
}

namespace {

void after_change(const DmlTarget& target, CommandHost& host) {
  if (target.path_only) host.invalidate(target.table.location, false);
  else data_changed(target.table, host);
}

}  // namespace

CommandResult delete_from_table(const DmlTarget& target, const sc::Expression* condition, CommandHost& host) {
  auto result = delta_delete(target.table.location, plan::analyze_delete(target.relation, condition, host.analyzer()), host);
  after_change(target, host);
  return result;
}

CommandResult update_table(const DmlTarget& target, const sc::Expression* condition,
                           const google::protobuf::RepeatedPtrField<sql::Assignment>& list, CommandHost& host) {
  auto schema = table_schema(target.table, host);
  std::vector<std::pair<sc::Expression, sc::Expression>> assignments;
  for (auto& a : list) {
    auto value = a.value();
    if (is_default_word(value) && a.key().has_unresolved_attribute()) {
      auto parts = sql::parse_attribute_name(a.key().unresolved_attribute().unparsed_identifier());
      value = default_of(find_column(schema, parts.back(), host, target.table), host);
    }
    assignments.emplace_back(a.key(), std::move(value));
  }
  auto result = delta_update(target.table.location, plan::analyze_update(target.relation, condition, assignments, host.analyzer()), host);
  after_change(target, host);
  return result;
}

CommandResult merge_into_table(const DmlTarget& target, const sc::MergeIntoTableCommand& merge, CommandHost& host) {
  auto result = delta_merge(target.table.location, plan::analyze_merge(target.relation, merge, host.analyzer()), host);
  after_change(target, host);
  return result;
}

CommandResult delete_rows(const sql::Statement& statement, CommandHost& host) {
  auto& d = statement.delete_();
  auto target = dml_target(name_parts(d.name(), host), d.alias(), "DELETE", host);
  refuse_with(d.has_with(), "DELETE");
  WithSubqueries subqueries(statement, host);
  return delete_from_table(target, d.has_condition() ? &d.condition() : nullptr, host);
}

CommandResult update_rows(const sql::Statement& statement, CommandHost& host) {
  auto& u = statement.update();
  auto target = dml_target(name_parts(u.name(), host), u.alias(), "UPDATE", host);
  refuse_with(u.has_with(), "UPDATE");
  WithSubqueries subqueries(statement, host);
  return update_table(target, u.has_condition() ? &u.condition() : nullptr, u.assignments(), host);
}

CommandResult merge_rows(const sql::Statement& statement, CommandHost& host) {
  auto& m = statement.merge();
  auto target = dml_target(name_parts(m.name(), host), m.alias(), "MERGE INTO", host);
  refuse_with(m.has_with(), "MERGE");
  WithSubqueries subqueries(statement, host);
  sc::MergeIntoTableCommand message;
  *message.mutable_source_table_plan() = m.source();
  *message.mutable_merge_condition() = m.condition();
  auto copy = [](const google::protobuf::RepeatedPtrField<sc::MergeAction>& from, google::protobuf::RepeatedPtrField<sc::Expression>* to) {
    for (auto& a : from) *to->Add()->mutable_merge_action() = a;
  };
  copy(m.matched(), message.mutable_match_actions());
  copy(m.not_matched(), message.mutable_not_matched_actions());
  copy(m.not_matched_by_source(), message.mutable_not_matched_by_source_actions());
  message.set_with_schema_evolution(m.with_schema_evolution());
  return merge_into_table(target, message, host);
}

// ---- ANALYZE

namespace {

std::string stat_text(const plan::Value& v, const DataType& type, CommandHost& host) { return value_text(v, type, host).value_or("NULL"); }

void analyze_columns(const catalog::TableInfo& table, const plan::PlanPtr& plan, const std::vector<std::string>& names, catalog::TableStats& stats,
                     CommandHost& host) {
  const auto* count = plan::find_function("count");
  const auto* approx = plan::find_function("approx_count_distinct");
  const auto* min = plan::find_function("min");
  const auto* max = plan::find_function("max");
  const auto* length = plan::find_function("octet_length");
  const auto* avg = plan::find_function("avg");
  if (!count || !approx || !min || !max || !length || !avg) throw internal_error("ANALYZE needs count, approx_count_distinct, min, max, avg, octet_length");
  for (auto& name : names) {
    auto it = std::find_if(plan->output.begin(), plan->output.end(), [&](auto& a) { return same_name(a.name, name, host); });
    if (it == plan->output.end()) {
      throw analysis_error("COLUMN_NOT_FOUND", {{"colName", quote_identifier(name)}, {"caseSensitiveConfig", "\"spark.sql.caseSensitive\""}});
    }
    bool sized = it->type.is_string() || it->type.id() == plan::TypeId::kBinary;
    bool ranged = it->type.is_numeric() || it->type.id() == plan::TypeId::kDate || it->type.id() == plan::TypeId::kTimestamp ||
                  it->type.id() == plan::TypeId::kTimestampNtz || it->type.id() == plan::TypeId::kBoolean;
    if (!sized && !ranged) {
      throw analysis_error("UNSUPPORTED_FEATURE.ANALYZE_UNSUPPORTED_COLUMN_TYPE",
                           {{"columnName", quote_identifier(it->name)}, {"columnType", quote_sql(it->type.sql())}, {"tableName", quote_identifier(table.full_name())}});
    }
    auto ref = plan::make_ref(*it);
    auto call = [&](const plan::FunctionEntry& f, plan::ExprPtr arg) {
      plan::CallContext context{host.conf(), plan::EvalMode::kLegacy, f.name()};
      return plan::resolve_call(f, {std::move(arg)}, context);
    };
    auto aggregate = std::make_shared<plan::Aggregate>();
    aggregate->children = {plan};
    std::vector<plan::ExprPtr> list = {call(*count, plan::make_int(1)), call(*count, ref), call(*approx, ref)};
    if (ranged) {
      list.push_back(call(*min, ref));
      list.push_back(call(*max, ref));
    } else {
      list.push_back(call(*avg, call(*length, ref)));
      list.push_back(call(*max, call(*length, ref)));
    }
    for (size_t i = 0; i < list.size(); ++i) {
      aggregate->aggregates.push_back(plan::make_alias(list[i], "s" + std::to_string(i)));
      aggregate->output.push_back(plan::to_attribute(*aggregate->aggregates.back()));
    }
    auto rows = host.collect(aggregate);
    auto& row = rows.at(0);
    catalog::Properties s;
    int64_t all = row[0].get<int64_t>(), present = row[1].get<int64_t>();
    stats.row_count = all;
    s["nullCount"] = std::to_string(all - present);
    s["distinctCount"] = std::to_string(std::min(row[2].get<int64_t>(), present));
    if (ranged) {
      if (!row[3].is_null()) s["min"] = stat_text(row[3], it->type, host);
      if (!row[4].is_null()) s["max"] = stat_text(row[4], it->type, host);
      static constexpr std::pair<plan::TypeId, int> kSizes[] = {
          {plan::TypeId::kBoolean, 1}, {plan::TypeId::kByte, 1}, {plan::TypeId::kShort, 2}, {plan::TypeId::kInt, 4}, {plan::TypeId::kFloat, 4},
          {plan::TypeId::kDate, 4}};
      int size = it->type.id() == plan::TypeId::kDecimal && it->type.precision() > 18 ? 16 : 8;
      for (auto& [id, n] : kSizes) {
        if (it->type.id() == id) size = n;
      }
      s["avgLen"] = s["maxLen"] = std::to_string(size);
    } else {
      s["avgLen"] = row[3].is_null() ? "0" : std::to_string(static_cast<int64_t>(std::ceil(row[3].get<double>())));
      s["maxLen"] = row[4].is_null() ? "0" : std::to_string(row[4].get<int64_t>());
    }
    stats.columns[it->name] = std::move(s);
  }
}

void analyze_one(const catalog::TableInfo& table, const sql::AnalyzeTable& analyze, CommandHost& host) {
  catalog::TableStats stats = table.stats;
  stats.size_in_bytes = data_size(table.location).first;
  std::vector<std::string> columns(analyze.columns().begin(), analyze.columns().end());
  if (analyze.all_columns()) {
    const plan::DataType schema = table_schema(table, host);
    for (auto& f : schema.fields()) columns.push_back(f.name);
  }
  auto plan = analyze.no_scan() ? nullptr : plan_of_name(table.full_name(), host);
  if (!columns.empty()) {
    analyze_columns(table, plan, columns, stats, host);
  } else if (plan) {
    auto count = plan::find_function("count");
    plan::CallContext context{host.conf(), plan::EvalMode::kLegacy, "count"};
    auto aggregate = std::make_shared<plan::Aggregate>();
    aggregate->children = {plan};
    aggregate->aggregates.push_back(plan::make_alias(plan::resolve_call(*count, {plan::make_int(1)}, context), "n"));
    aggregate->output.push_back(plan::to_attribute(*aggregate->aggregates[0]));
    stats.row_count = host.collect(aggregate).at(0).at(0).get<int64_t>();
  }
  host.analyzer().catalog.alter_table(table.catalog, table.schema, table.name, [&](catalog::TableInfo& t) { t.stats = stats; });
}

}  // namespace

CommandResult analyze_table(const sql::Statement& statement, CommandHost& host) {
  auto& analyze = statement.analyze_table();
  auto parts = name_parts(analyze.name(), host);
  if (analyze.all_tables()) {
    auto [catalog_name, schema] = qualify_schema(parts, host);
    for (auto& table : host.analyzer().catalog.list_tables(catalog_name, schema)) {
      if (!table.is_view()) analyze_one(table, analyze, host);
    }
    return {};
  }
  if (find_temp_view(parts, host)) {
    if (analyze.columns().empty() && !analyze.all_columns()) throw analysis_error("UNSUPPORTED_FEATURE.ANALYZE_VIEW", {});
    throw analysis_error("UNSUPPORTED_FEATURE.ANALYZE_UNCACHED_TEMP_VIEW", {{"viewName", quote_identifier(parts)}});
  }
  auto table = require_relation(parts, host);
  if (table.is_view()) throw analysis_error("UNSUPPORTED_FEATURE.ANALYZE_VIEW", {});
  if (analyze.has_partition()) {
    if (table.is_delta()) throw unsupported_operation(table.full_name(), "ANALYZE TABLE ... PARTITION");
    catalog::Pairs spec;
    sql::PartitionSpec with_values;
    for (auto& entry : analyze.partition().entries()) {
      if (entry.has_value()) *with_values.add_entries() = entry;
    }
    spec = normalize_spec(with_values, table, host);
    auto matching = matching_partitions(table, spec, host);
    if (matching.empty() && spec.size() == table.partition_columns.size()) throw partitions_not_found(table, spec);
    throw not_built("ANALYZE TABLE ... PARTITION");
  }
  analyze_one(table, analyze, host);
  return {};
}

}  // namespace tarn::engine::commands
