// ALTER TABLE of Delta tables: commits of changed metadata. Source: alterDeltaTableCommands of Delta on Spark.
#include <algorithm>

#include <nlohmann/json.hpp>

#include "delta/schema.h"
#include "delta/snapshot.h"
#include "delta/table.h"
#include "delta/transaction.h"
#include "engine/commands/delta_tables.h"
#include "engine/commands/parsing.h"
#include "engine/commands/support.h"
#include "engine/commands/table_data.h"
#include "engine/commands/table_definition.h"
#include "engine/delta_write.h"
#include "plan/function.h"
#include "plan/session_conf.h"
#include "spark/connect/expressions.pb.h"
#include "sql/parser.h"
#include "tarn/sql.pb.h"

namespace tarn::engine::commands {

using catalog::lower;
using nlohmann::json;
using plan::DataType;
using plan::StructField;
using plan::TypeId;

namespace {

using Fields = std::vector<StructField>;
using Parts = std::vector<std::string>;

std::string path_of(const catalog::TableInfo& table) { return catalog::path_of_location(table.location); }

void commit(const catalog::TableInfo& table, const delta::Operation& operation, const std::function<void(delta::Metadata&)>& change, CommandHost& host) {
  update_delta_metadata(path_of(table), operation.name, operation.parameters, [&](delta::Metadata& m) {
    change(m);
    if (delta::column_mapping(m) != delta::ColumnMapping::kNone) delta::assign_column_mapping(m, false);
  });
  host.analyzer().catalog.alter_table(table.catalog, table.schema, table.name, [&](catalog::TableInfo& t) { refresh_from_log(t, host); });
  data_changed(table, host);
}

delta::Operation operation(const char* name) {
  delta::Operation op;
  op.name = name;
  return op;
}

DataType schema_of(const delta::Metadata& m) { return DataType::from_json(m.schema_string); }

SparkError no_column(const Parts& path, const DataType& schema) {
  std::vector<std::string> names;
  for (auto& f : schema.fields()) names.push_back(quote_identifier(f.name));
  return analysis_error("UNRESOLVED_COLUMN.WITH_SUGGESTION", {{"objectName", quote_identifier(path)}, {"proposal", join(names, ", ")}});
}

// Rebuilds the struct along `path` (element, key and value step into arrays and maps); `change` sees the fields that hold the last part.
DataType change_at(const DataType& type, const Parts& path, size_t at, const DataType& root, const std::function<void(Fields&, size_t)>& change) {
  if (type.id() == TypeId::kArray && lower(path[at]) == "element") {
    return DataType::array(change_at(type.element(), path, at + 1, root, change), type.contains_null());
  }
  if (type.id() == TypeId::kMap && (lower(path[at]) == "value" || lower(path[at]) == "key")) {
    bool key = lower(path[at]) == "key";
    return DataType::map(key ? change_at(type.key(), path, at + 1, root, change) : type.key(),
                         key ? type.value() : change_at(type.value(), path, at + 1, root, change), type.contains_null());
  }
  if (type.id() != TypeId::kStruct) throw no_column(path, root);
  Fields fields = type.fields();
  auto index = type.field_index(path[at], false);
  if (!index) throw no_column(path, root);
  if (at + 1 == path.size()) {
    change(fields, *index);
  } else {
    auto& f = fields[*index];
    f = plan::make_field(f.name, change_at(f.type(), path, at + 1, root, change), f.nullable, f.metadata);
  }
  return DataType::structure(std::move(fields));
}

void move_field(Fields& fields, size_t from, const sql::ColumnPosition& position) {
  StructField moved = fields[from];
  fields.erase(fields.begin() + static_cast<long>(from));
  size_t to = 0;
  if (!position.first()) {
    auto it = std::find_if(fields.begin(), fields.end(), [&](auto& f) { return lower(f.name) == lower(position.after()); });
    if (it == fields.end()) throw no_column({position.after()}, DataType::structure(fields));
    to = static_cast<size_t>(it - fields.begin()) + 1;
  }
  fields.insert(fields.begin() + static_cast<long>(to), std::move(moved));
}

void require_column_mapping(const delta::Metadata& m, const char* condition) {
  if (delta::column_mapping(m) == delta::ColumnMapping::kNone) throw analysis_error(condition, {{"advice", ""}});
}

CommandResult set_properties(const catalog::TableInfo& table, const sql::AlterTable::Properties& list, CommandHost& host) {
  auto op = operation("SET TBLPROPERTIES");
  std::map<std::string, std::string> given;
  for (auto& p : list.properties()) {
    std::string key = lower(p.key());
    if (key.starts_with("delta.constraints.")) throw analysis_error("DELTA_ADD_CONSTRAINTS", {});
    if (key == "location") throw analysis_error("DELTA_CANNOT_CHANGE_LOCATION", {});
    if (key == "provider") throw analysis_error("DELTA_CANNOT_CHANGE_PROVIDER", {});
    given[p.key()] = p.value();
  }
  op.parameter_map("properties", given);
  commit(table, op, [&](delta::Metadata& m) {
    bool mapped = delta::column_mapping(m) != delta::ColumnMapping::kNone;
    for (auto& [k, v] : given) {
      if (k == "comment") {
        m.description = v;
        m.has_description = true;
      } else {
        m.configuration[k] = v;
      }
    }
    // Existing columns keep the names that their files have.
    if (!mapped && delta::column_mapping(m) != delta::ColumnMapping::kNone) delta::assign_column_mapping(m, true);
  }, host);
  return {};
}

CommandResult unset_properties(const catalog::TableInfo& table, const sql::AlterTable::UnsetProperties& list, CommandHost& host) {
  auto op = operation("UNSET TBLPROPERTIES");
  op.parameter_list("properties", {list.keys().begin(), list.keys().end()});
  op.parameter_bool("ifExists", list.if_exists());
  commit(table, op, [&](delta::Metadata& m) {
    for (auto& key : list.keys()) {
      if (key == "comment") {
        m.description.clear();
        m.has_description = false;
      } else if (m.configuration.erase(key) == 0 && !list.if_exists()) {
        throw analysis_error("DELTA_UNSET_NON_EXISTENT_PROPERTY", {{"property", key}, {"tableName", quote_if_needed(table.full_name())}});
      }
    }
  }, host);
  return {};
}

CommandResult add_columns(const catalog::TableInfo& table, const sql::AlterTable::Columns& list, CommandHost& host) {
  auto op = operation("ADD COLUMNS");
  json log = json::array();
  for (auto& column : list.columns()) {
    json c = {{"name", join({column.name().begin(), column.name().end()}, ".")},
              {"type", json::parse(DataType::from_proto(column.type()).json(), nullptr, false)}, {"nullable", true}, {"metadata", json::object()}};
    log.push_back({{"column", c}});
  }
  op.parameter("columns", log.dump());
  commit(table, op, [&](delta::Metadata& m) {
    DataType schema = schema_of(m);
    for (auto& column : list.columns()) {
      if (column.not_null()) throw analysis_error("DELTA_OPERATION_NOT_ALLOWED", {{"operation", "NOT NULL in ALTER TABLE ADD COLUMNS"}});
      if (column.has_generated() || column.has_identity()) throw analysis_error("DELTA_OPERATION_NOT_ALLOWED", {{"operation", "generated columns in ALTER TABLE ADD COLUMNS"}});
      if (column.has_default_value()) throw analysis_error("WRONG_COLUMN_DEFAULTS_FOR_DELTA_ALTER_TABLE_ADD_COLUMN_NOT_SUPPORTED", {});
      Parts path(column.name().begin(), column.name().end());
      StructField field = field_of(column, "ALTER TABLE ADD COLUMNS", "delta", host);
      auto add = [&](Fields& fields) {
        for (auto& f : fields) {
          if (lower(f.name) == lower(field.name)) throw analysis_error("FIELD_ALREADY_EXISTS", {{"op", "add"}, {"fieldNames", quote_identifier(path)}, {"struct", quote_sql(schema.sql())}});
        }
        fields.push_back(field);
        if (column.has_position()) move_field(fields, fields.size() - 1, column.position());
      };
      if (path.size() == 1) {
        Fields fields = schema.fields();
        add(fields);
        schema = DataType::structure(std::move(fields));
      } else {
        Parts parent(path.begin(), path.end() - 1);
        schema = change_at(schema, parent, 0, schema, [&](Fields& fields, size_t i) {
          if (fields[i].type().id() != TypeId::kStruct) throw no_column(parent, schema);
          Fields inner = fields[i].type().fields();
          add(inner);
          fields[i] = plan::make_field(fields[i].name, DataType::structure(std::move(inner)), fields[i].nullable, fields[i].metadata);
        });
      }
    }
    m.schema_string = schema.json();
  }, host);
  return {};
}

// Names in partitioning, constraints and generation expressions that a dropped or renamed column must not break.
void check_unused(const delta::Metadata& m, const Parts& path, const char* operation_name) {
  for (auto& p : m.partition_columns) {
    if (path.size() == 1 && lower(p) == lower(path[0])) throw analysis_error("DELTA_UNSUPPORTED_DROP_PARTITION_COLUMN", {{"columnList", path[0]}});
  }
  auto mentions = [&](const std::string& text) {
    std::string t = lower(text), name = lower(path.back());
    for (size_t at = t.find(name); at != std::string::npos; at = t.find(name, at + 1)) {
      auto word = [&](size_t i) { return i < t.size() && (std::isalnum(static_cast<unsigned char>(t[i])) || t[i] == '_'); };
      if ((at == 0 || !word(at - 1)) && !word(at + name.size())) return true;
    }
    return false;
  };
  for (auto& [key, value] : m.configuration) {
    if (key.starts_with("delta.constraints.") && mentions(value)) {
      throw analysis_error("DELTA_CONSTRAINT_DEPENDENT_COLUMN_CHANGE", {{"operation", operation_name}, {"columnName", join(path, ".")}, {"constraints", key.substr(18) + " -> " + value}});
    }
  }
  for (auto& g : delta::generated_columns(delta::parse_schema(m.schema_string))) {
    if (mentions(g.expression)) {
      throw analysis_error("DELTA_GENERATED_COLUMNS_DEPENDENT_COLUMN_CHANGE", {{"operation", operation_name}, {"columnName", join(path, ".")}, {"generatedColumns", g.column + " -> " + g.expression}});
    }
  }
}

CommandResult drop_columns(const catalog::TableInfo& table, const sql::AlterTable::Names& list, CommandHost& host) {
  auto op = operation("DROP COLUMNS");
  std::vector<Parts> paths;
  std::vector<std::string> shown;
  for (auto& name : list.columns()) {
    paths.push_back(name_parts(name, host));
    shown.push_back(join(paths.back(), "."));
  }
  op.parameter("columns", json(shown).dump());
  commit(table, op, [&](delta::Metadata& m) {
    require_column_mapping(m, "DELTA_UNSUPPORTED_DROP_COLUMN");
    DataType schema = schema_of(m);
    for (auto& path : paths) {
      check_unused(m, path, "drop");
      try {
        schema = change_at(schema, path, 0, schema, [&](Fields& fields, size_t i) {
          if (fields.size() == 1) throw analysis_error("DELTA_DROP_COLUMN_ON_SINGLE_FIELD_SCHEMA", {{"struct", schema.sql()}});
          fields.erase(fields.begin() + static_cast<long>(i));
        });
      } catch (const SparkError& e) {
        if (!list.if_exists() || !e.condition().starts_with("UNRESOLVED_COLUMN")) throw;
      }
    }
    m.schema_string = schema.json();
  }, host);
  return {};
}

CommandResult rename_column(const catalog::TableInfo& table, const sql::AlterTable::RenameColumn& rename, CommandHost& host) {
  auto path = name_parts(rename.column(), host);
  Parts to(path.begin(), path.end() - 1);
  to.push_back(rename.to());
  auto op = operation("RENAME COLUMN");
  op.parameter("oldColumnPath", join(path, "."));
  op.parameter("newColumnPath", join(to, "."));
  commit(table, op, [&](delta::Metadata& m) {
    require_column_mapping(m, "DELTA_UNSUPPORTED_RENAME_COLUMN");
    bool partition = path.size() == 1 && std::any_of(m.partition_columns.begin(), m.partition_columns.end(), [&](auto& p) { return lower(p) == lower(path[0]); });
    if (!partition) check_unused(m, path, "rename");
    DataType schema = schema_of(m);
    schema = change_at(schema, path, 0, schema, [&](Fields& fields, size_t i) {
      for (size_t k = 0; k < fields.size(); ++k) {
        if (k != i && lower(fields[k].name) == lower(rename.to())) {
          throw analysis_error("FIELD_ALREADY_EXISTS", {{"op", "rename"}, {"fieldNames", quote_identifier(to)}, {"struct", quote_sql(schema.sql())}});
        }
      }
      fields[i].name = rename.to();
    });
    for (auto& p : m.partition_columns) {
      if (path.size() == 1 && lower(p) == lower(path[0])) p = rename.to();
    }
    m.schema_string = schema.json();
  }, host);
  return {};
}

CommandResult alter_columns(const catalog::TableInfo& table, const sql::AlterTable::AlterColumns& list, CommandHost& host) {
  auto op = operation("CHANGE COLUMN");
  op.parameter("column", join(name_parts(list.columns(0).column(), host), "."));
  commit(table, op, [&](delta::Metadata& m) {
    DataType schema = schema_of(m);
    for (auto& spec : list.columns()) {
      auto path = name_parts(spec.column(), host);
      if (spec.sync_identity()) throw not_built("ALTER COLUMN ... SYNC IDENTITY");
      schema = change_at(schema, path, 0, schema, [&](Fields& fields, size_t i) {
        auto field = fields[i];
        auto refused = [&](const std::string& to) {
          return analysis_error("DELTA_ALTER_TABLE_CHANGE_COL_NOT_SUPPORTED", {{"fieldPath", join(path, ".")}, {"oldField", field.type().sql() + (field.nullable ? "" : " NOT NULL")}, {"newField", to}});
        };
        if (spec.has_type()) {
          auto type = DataType::from_proto(spec.type());
          if (!type.same_type(field.type())) {
            if (m.flag("delta.enableTypeWidening")) throw not_built("ALTER COLUMN ... TYPE with type widening");
            throw refused(type.sql());
          }
        }
        if (spec.has_set_not_null()) {
          if (spec.set_not_null() && field.nullable) throw refused(field.type().sql() + " NOT NULL");
          field.nullable = !spec.set_not_null();
        }
        if (spec.has_comment()) field.metadata = with_metadata(field.metadata, "comment", spec.comment());
        if (spec.drop_default()) field.metadata = with_metadata(field.metadata, "CURRENT_DEFAULT", std::nullopt);
        if (spec.has_default_value()) {
          sql::ColumnDef column;
          column.add_name(field.name);
          *column.mutable_default_value() = spec.default_value();
          folded_default(column, field.type(), "ALTER TABLE ALTER COLUMN", host);
          if (delta::Table::at(path_of(table))->snapshot()->protocol().supports("allowColumnDefaults") == false) {
            throw analysis_error("WRONG_COLUMN_DEFAULTS_FOR_DELTA_FEATURE_NOT_ENABLED", {{"commandType", "ALTER TABLE"}});
          }
          field.metadata = with_metadata(field.metadata, "CURRENT_DEFAULT", spec.default_value().text());
        }
        fields[i] = field;
        if (spec.has_position()) move_field(fields, i, spec.position());
      });
    }
    m.schema_string = schema.json();
  }, host);
  return {};
}

CommandResult add_constraint(const catalog::TableInfo& table, const sql::Constraint& constraint, CommandHost& host) {
  if (constraint.kind() != sql::Constraint::CHECK) throw unsupported_operation(table.full_name(), "PRIMARY KEY, UNIQUE and FOREIGN KEY constraints");
  if (!constraint.has_name()) throw unsupported_operation(table.full_name(), "CHECK constraints without a name");
  std::string key = "delta.constraints." + lower(constraint.name());
  auto target = plan_of_name(table.full_name(), host);
  auto condition = plan::analyze_over(constraint.check().expression(), *target, host.analyzer());
  if (condition->type.id() != TypeId::kBoolean) {
    throw analysis_error("DELTA_NON_BOOLEAN_CHECK_CONSTRAINT", {{"name", constraint.name()}, {"expr", constraint.check().text()}});
  }
  // Every row that is there must meet it; a NULL does not.
  auto* coalesce = plan::find_function("coalesce");
  auto* negate = plan::find_function("not");
  if (!coalesce || !negate) throw internal_error("ADD CONSTRAINT needs coalesce and not");
  plan::CallContext context{host.conf(), plan::EvalMode::kAnsi, "not"};
  auto met = plan::resolve_call(*coalesce, {condition, plan::make_bool(false)}, context);
  auto violating = plan::make_filter(target, plan::resolve_call(*negate, {met}, context));
  auto* count = plan::find_function("count");
  auto aggregate = std::make_shared<plan::Aggregate>();
  aggregate->children = {violating};
  aggregate->aggregates.push_back(plan::make_alias(plan::resolve_call(*count, {plan::make_int(1)}, context), "n"));
  aggregate->output.push_back(plan::to_attribute(*aggregate->aggregates[0]));
  int64_t bad = host.collect(aggregate).at(0).at(0).get<int64_t>();
  if (bad > 0) {
    throw analysis_error("DELTA_NEW_CHECK_CONSTRAINT_VIOLATION",
                         {{"numRows", std::to_string(bad)}, {"tableName", quote_if_needed(table.full_name())}, {"checkConstraint", constraint.check().text()}});
  }
  auto op = operation("ADD CONSTRAINT");
  op.parameter("name", constraint.name());
  op.parameter("expr", constraint.check().text());
  commit(table, op, [&](delta::Metadata& m) {
    auto it = m.configuration.find(key);
    if (it != m.configuration.end()) throw analysis_error("DELTA_CONSTRAINT_ALREADY_EXISTS", {{"constraintName", constraint.name()}, {"oldConstraint", it->second}});
    m.configuration[key] = constraint.check().text();
  }, host);
  return {};
}

CommandResult drop_constraint(const catalog::TableInfo& table, const sql::AlterTable::DropConstraint& drop, CommandHost& host) {
  std::string key = "delta.constraints." + lower(drop.name());
  auto metadata = delta::Table::at(path_of(table))->snapshot()->metadata();
  if (!metadata.configuration.count(key)) {
    if (drop.if_exists()) return {};
    throw analysis_error("DELTA_CONSTRAINT_DOES_NOT_EXIST", {{"constraintName", drop.name()}, {"tableName", quote_if_needed(table.full_name())}, {"config", "spark.databricks.delta.constraints.assumesDropIfExists.enabled"}, {"confValue", "true"}});
  }
  auto op = operation("DROP CONSTRAINT");
  op.parameter("name", drop.name());
  commit(table, op, [&](delta::Metadata& m) { m.configuration.erase(key); }, host);
  return {};
}

}  // namespace

void delta_set_comment(const catalog::TableInfo& table, const std::optional<std::string>& comment, CommandHost& host) {
  auto op = operation("SET TBLPROPERTIES");
  op.parameter_map("properties", {{"comment", comment.value_or("")}});
  commit(table, op, [&](delta::Metadata& m) {
    m.description = comment.value_or("");
    m.has_description = comment.has_value();
  }, host);
}

CommandResult delta_alter(const catalog::TableInfo& table, const sql::AlterTable& alter, CommandHost& host) {
  switch (alter.action_case()) {
    case sql::AlterTable::kSetProperties: return set_properties(table, alter.set_properties(), host);
    case sql::AlterTable::kUnsetProperties: return unset_properties(table, alter.unset_properties(), host);
    case sql::AlterTable::kAddColumns: return add_columns(table, alter.add_columns(), host);
    case sql::AlterTable::kDropColumns: return drop_columns(table, alter.drop_columns(), host);
    case sql::AlterTable::kRenameColumn: return rename_column(table, alter.rename_column(), host);
    case sql::AlterTable::kAlterColumns: return alter_columns(table, alter.alter_columns(), host);
    case sql::AlterTable::kAddConstraint: return add_constraint(table, alter.add_constraint(), host);
    case sql::AlterTable::kDropConstraint: return drop_constraint(table, alter.drop_constraint(), host);
    case sql::AlterTable::kReplaceColumns: throw not_built("ALTER TABLE ... REPLACE COLUMNS of a Delta table");
    case sql::AlterTable::kClusterBy: throw not_built("ALTER TABLE ... CLUSTER BY of a Delta table");
    case sql::AlterTable::kSetLocation: throw not_built("ALTER TABLE ... SET LOCATION of a Delta table");
    case sql::AlterTable::kDropFeature: throw not_built("ALTER TABLE ... DROP FEATURE");
    case sql::AlterTable::kCollation: throw not_built("ALTER TABLE ... DEFAULT COLLATION of a Delta table");
    default: throw unsupported_operation(table.full_name(), "ALTER TABLE ... PARTITION or SERDE");
  }
}

}  // namespace tarn::engine::commands
