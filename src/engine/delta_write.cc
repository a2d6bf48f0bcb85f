#include "engine/delta_write.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "base/spark_error.h"
#include "delta/snapshot.h"
#include "delta/table.h"
#include "delta/table_features.h"
#include "delta/transaction.h"
#include "duckdb.hpp"
#include "engine/delta_relation.h"
#include "engine/delta_scan.h"
#include "storage/path.h"

namespace tarn::engine {
namespace {

using plan::DataType;
using plan::StructField;
using plan::TypeId;

bool iequals(std::string_view a, std::string_view b) {
  return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(), [](unsigned char x, unsigned char y) { return std::tolower(x) == std::tolower(y); });
}

DataType as_nullable(const DataType& t) {
  switch (t.id()) {
    case TypeId::kStruct: {
      std::vector<StructField> fields;
      for (const auto& f : t.fields()) fields.push_back(plan::make_field(f.name, as_nullable(f.type()), true, f.metadata));
      return DataType::structure(std::move(fields));
    }
    case TypeId::kArray: return DataType::array(as_nullable(t.element()), true);
    case TypeId::kMap: return DataType::map(as_nullable(t.key()), as_nullable(t.value()), true);
    default: return t;
  }
}

// Types that Delta cannot store.
void check_types(const DataType& t, const std::string& path, std::string& unsupported) {
  switch (t.id()) {
    case TypeId::kStruct:
      for (const auto& f : t.fields()) check_types(f.type(), path.empty() ? f.name : path + "." + f.name, unsupported);
      return;
    case TypeId::kArray: return check_types(t.element(), path + ".element", unsupported);
    case TypeId::kMap:
      check_types(t.key(), path + ".key", unsupported);
      return check_types(t.value(), path + ".value", unsupported);
    case TypeId::kTime:
    case TypeId::kYearMonthInterval:
    case TypeId::kDayTimeInterval:
    case TypeId::kCalendarInterval:
    case TypeId::kGeometry:
    case TypeId::kGeography: unsupported += (unsupported.empty() ? "" : ", ") + path + ": " + t.catalog_string(); return;
    default: return;
  }
}

void check_storable(const DataType& schema) {
  std::string unsupported;
  check_types(schema, "", unsupported);
  if (!unsupported.empty()) {
    throw analysis_error("DELTA_UNSUPPORTED_DATA_TYPES", {{"dataTypeList", "[" + unsupported + "]"}, {"config", "spark.databricks.delta.schema.typeCheck.enabled"}});
  }
  std::set<std::string> seen;
  std::string duplicates;
  for (const auto& f : schema.fields()) {
    std::string lower = f.name;
    std::transform(lower.begin(), lower.end(), lower.begin(), [](unsigned char c) { return std::tolower(c); });
    if (!seen.insert(lower).second) duplicates += (duplicates.empty() ? "" : ", ") + lower;
  }
  if (!duplicates.empty()) throw analysis_error("DELTA_DUPLICATE_COLUMNS_FOUND.DATA", {{"duplicateCols", duplicates}});
}

SparkError schema_mismatch(const DataType& table, const DataType& data, const std::string& id) {
  return analysis_error("DELTA_METADATA_MISMATCH.SCHEMA_MISMATCH", {{"id", id}, {"tableSchema", table.tree_string()}, {"dataSchema", data.tree_string()}});
}

int integral_rank(const DataType& t) { return t.id() >= TypeId::kByte && t.id() <= TypeId::kInt ? static_cast<int>(t.id()) : 0; }

// Char and varchar are strings with a length in the field's metadata; both sides may come either way.
bool both_strings(const DataType& a, const DataType& b) { return a.is_string() && b.is_string(); }

struct Merger {
  bool add_columns;
  bool extra = false;  // the data had columns that may not be added

  DataType merge(const DataType& table, const DataType& data, const std::string& name) {
    if (table.same_type(data) || both_strings(table, data)) {
      if (table.id() != TypeId::kStruct) return table;
    }
    if (data.id() == TypeId::kNull) return table;
    if (table.id() == TypeId::kNull) return data;
    if (table.id() == TypeId::kStruct && data.id() == TypeId::kStruct) return merge_struct(table, data);
    if (table.id() == TypeId::kArray && data.id() == TypeId::kArray) {
      return DataType::array(merge(table.element(), data.element(), name), table.contains_null());
    }
    if (table.id() == TypeId::kMap && data.id() == TypeId::kMap) {
      return DataType::map(merge(table.key(), data.key(), name), merge(table.value(), data.value(), name), table.contains_null());
    }
    // Bytes and shorts are stored as 32-bit integers in Parquet: they may go into a wider column.
    if (integral_rank(table) && integral_rank(data) && integral_rank(data) <= integral_rank(table)) return table;
    throw analysis_error("DELTA_FAILED_TO_MERGE_FIELDS", {{"currentField", name}, {"updateField", name}});
  }

  DataType merge_struct(const DataType& table, const DataType& data) {
    std::vector<StructField> fields;
    for (const auto& f : table.fields()) {
      auto i = data.field_index(f.name, false);
      fields.push_back(i ? plan::make_field(f.name, merge(f.type(), data.fields()[*i].type(), f.name), f.nullable, f.metadata) : f);
    }
    for (const auto& f : data.fields()) {
      if (table.field_index(f.name, false)) continue;
      if (!add_columns) extra = true;
      fields.push_back(plan::make_field(f.name, as_nullable(f.type()), true, f.metadata));
    }
    return DataType::structure(std::move(fields));
  }
};

std::vector<std::string> sorted_lower(std::vector<std::string> v) {
  for (auto& s : v) std::transform(s.begin(), s.end(), s.begin(), [](unsigned char c) { return std::tolower(c); });
  return v;
}

std::string list_text(const std::vector<std::string>& v) {
  std::string out;
  for (const auto& s : v) out += (out.empty() ? "" : ", ") + quote_identifier(s);
  return out;
}

const char* mode_name(plan::SaveMode m) {
  switch (m) {
    case plan::SaveMode::kAppend: return "Append";
    case plan::SaveMode::kOverwrite: return "Overwrite";
    case plan::SaveMode::kIgnore: return "Ignore";
    case plan::SaveMode::kErrorIfExists: break;
  }
  return "ErrorIfExists";
}

// The query's rows in the table's columns: matched by name, missing ones NULL.
std::string project(const std::string& query, const DataType& data, const DataType& table) {
  auto from = delta::parse_schema(data.json()), to = delta::parse_schema(table.json());
  std::string names, select;
  for (const auto& f : from.fields) names += (names.empty() ? "" : ", ") + sql_identifier(f.name);
  for (const auto& f : to.fields) {
    const delta::Field* source = from.find(f.name);
    std::string value = source ? adapt_sql(sql_identifier(source->name), source->type, f.type) : "CAST(NULL AS " + duckdb_type(f.type).ToString() + ")";
    select += (select.empty() ? "" : ", ") + value + " AS " + sql_identifier(f.name);
  }
  return "SELECT " + select + " FROM (" + query + ") AS tarn_data(" + names + ")";
}

delta::DomainMetadata clustering_domain(const std::vector<std::string>& columns, const delta::Schema& schema) {
  auto list = nlohmann::json::array();
  for (const auto& c : columns) {
    // Names of nested columns are joined with dots; each part is stored by its physical name.
    auto parts = nlohmann::json::array();
    const std::vector<delta::Field>* level = &schema.fields;
    for (size_t i = 0; i <= c.size();) {
      size_t end = level ? c.find('.', i) : std::string::npos;
      const delta::Field* found = nullptr;
      auto find = [&](const std::string& name) {
        for (const auto& f : *level) {
          if (iequals(f.name, name)) found = &f;
        }
      };
      find(c.substr(i));
      if (found) {
        end = std::string::npos;
      } else if (end != std::string::npos) {
        find(c.substr(i, end - i));
      }
      if (!found) throw analysis_error("DELTA_COLUMN_NOT_FOUND_IN_SCHEMA", {{"columnName", quote_identifier(c)}, {"tableSchema", delta::to_json(schema)}});
      parts.push_back(found->physical_name());
      if (end == std::string::npos) break;
      level = &found->type.fields;
      i = end + 1;
    }
    list.push_back(parts);
  }
  return {"delta.clustering", nlohmann::json{{"clusteringColumns", list}, {"domainName", "delta.clustering"}}.dump(), false};
}

void set_text(delta::Metadata& m, const std::string& name, const std::string& comment) {
  if (!name.empty()) m.name = name, m.has_name = true;
  if (!comment.empty()) m.description = comment, m.has_description = true;
}

void create_parameters(delta::Operation& op, bool is_managed, const delta::Metadata& m, const std::vector<std::string>& cluster_by) {
  op.parameter_list("partitionBy", m.partition_columns);
  op.parameter_list("clusterBy", cluster_by);
  if (m.has_description) {
    op.parameter("description", m.description);
  } else {
    op.parameters.emplace_back("description", "null");
  }
  op.parameter_bool("isManaged", is_managed);
  op.parameter_map("properties", m.configuration);
}

}  // namespace

DataType merge_delta_schema(const DataType& table, const DataType& data, bool add_columns, const std::string& table_id) {
  Merger m{add_columns};
  DataType merged = m.merge_struct(table, data);
  if (m.extra) throw schema_mismatch(table, data, table_id);
  return merged;
}

std::vector<TableRule> table_rules(const delta::Metadata& metadata) {
  std::vector<TableRule> out;
  auto schema = delta::parse_schema(metadata.schema_string);
  for (auto& c : delta::constraints(metadata, schema)) {
    out.push_back({c.name.empty() ? TableRule::Kind::kInvariant : TableRule::Kind::kCheck, c.name, c.expression});
  }
  for (auto& g : delta::generated_columns(schema)) out.push_back({TableRule::Kind::kGenerated, g.column, g.expression});
  return out;
}

std::vector<RowCheck> row_checks(const delta::Metadata& metadata, const RuleLowering& lower) {
  std::vector<RowCheck> out;
  auto schema = delta::parse_schema(metadata.schema_string);
  for (const auto& path : delta::not_null_columns(schema)) {
    // A nested column is checked only where its parent is there.
    std::string value = sql_identifier(path[0]), shown = path[0], condition;
    for (size_t i = 1; i < path.size(); ++i) {
      condition += value + " IS NULL OR ";
      value = "struct_extract(" + value + ", " + sql_string(path[i]) + ")";
      shown += "." + path[i];
    }
    out.push_back({condition + value + " IS NOT NULL", spark_error_sql("DELTA_NOT_NULL_CONSTRAINT_VIOLATED", "kSpark", {{"columnName", sql_string(shown)}})});
  }
  auto rules = table_rules(metadata);
  if (!rules.empty() && !lower) {
    const char* feature = rules[0].kind == TableRule::Kind::kGenerated ? "generatedColumns" : rules[0].kind == TableRule::Kind::kCheck ? "checkConstraints" : "invariants";
    throw SparkError(ErrorKind::kSpark, "DELTA_UNSUPPORTED_FEATURES_FOR_WRITE",
                     {{"tableNameOrPath", metadata.id}, {"deltaVersion", "4.4.0"}, {"unsupported", feature}});
  }
  if (delta::has_identity_columns(schema)) {
    throw SparkError(ErrorKind::kSpark, "DELTA_UNSUPPORTED_FEATURES_FOR_WRITE",
                     {{"tableNameOrPath", metadata.id}, {"deltaVersion", "4.4.0"}, {"unsupported", "identityColumns"}});
  }
  if (rules.empty()) return out;
  std::string values;
  for (const auto& f : schema.fields) {
    if (f.type.kind != delta::Type::Kind::kPrimitive) continue;
    values += (values.empty() ? "" : " || chr(10) || ") + sql_string(" - " + f.name + " : ") + " || coalesce(CAST(" + sql_identifier(f.name) + " AS VARCHAR), 'null')";
  }
  if (values.empty()) values = "''";
  auto table_schema = DataType::from_json(metadata.schema_string);
  for (const auto& r : rules) {
    std::string sql = lower(r, table_schema);
    std::string name = r.name, expression = r.expression;
    if (r.kind == TableRule::Kind::kGenerated) {
      sql = sql_identifier(r.name) + " IS NOT DISTINCT FROM (" + sql + ")";
      name = "Generated Column";
      expression = quote_identifier(r.name) + " <=> " + r.expression;
    } else if (r.kind == TableRule::Kind::kInvariant) {
      name = "EXPRESSION(" + r.expression + ")";
    }
    out.push_back({sql, spark_error_sql("DELTA_VIOLATE_CONSTRAINT_WITH_VALUES", "kSpark",
                                        {{"constraintName", sql_string(name)}, {"expression", sql_string("(" + expression + ")")}, {"values", values}})});
  }
  return out;
}

std::string with_generated_columns(const std::string& query, const delta::Metadata& metadata, const RuleLowering& lower, const std::set<std::string>& given,
                                   const std::vector<std::string>& extra) {
  auto schema = delta::parse_schema(metadata.schema_string);
  std::map<std::string, std::string> computed;
  for (const auto& g : delta::generated_columns(schema)) {
    if (!given.count(g.column) && lower) {
      computed[g.column] = lower({TableRule::Kind::kGenerated, g.column, g.expression}, DataType::from_json(metadata.schema_string));
    }
  }
  if (computed.empty()) return query;
  std::string select, names;
  auto put = [&](const std::string& value, const std::string& name) {
    select += (select.empty() ? "" : ", ") + value + " AS " + sql_identifier(name);
    names += (names.empty() ? "" : ", ") + sql_identifier(name);
  };
  for (const auto& f : schema.fields) {
    auto it = computed.find(f.name);
    put(it == computed.end() ? sql_identifier(f.name) : "CAST((" + it->second + ") AS " + duckdb_type(f.type).ToString() + ")", f.name);
  }
  for (const auto& e : extra) put(sql_identifier(e), e);
  return "SELECT " + select + " FROM (" + query + ") AS tarn_generated(" + names + ")";
}

DeltaWriteResult write_delta(const DeltaWriteRequest& r, duckdb::Connection& connection) {
  check_storable(r.schema);
  auto table = delta::Table::at(r.path);
  auto txn = delta::Transaction::begin(table);
  auto snapshot = txn.read_snapshot();
  bool overwrite = r.mode == plan::SaveMode::kOverwrite;
  if (snapshot && r.mode == plan::SaveMode::kErrorIfExists && r.operation.empty()) throw analysis_error("DELTA_PATH_EXISTS", {{"path", storage::display_uri(table->path())}});
  if (snapshot && r.mode == plan::SaveMode::kIgnore) return {};
  if (r.replace_where && !overwrite) throw analysis_error("DELTA_REPLACE_WHERE_IN_OVERWRITE");
  if (r.replace_where && r.dynamic_partition_overwrite) throw analysis_error("DELTA_REPLACE_WHERE_WITH_DYNAMIC_PARTITION_OVERWRITE");
  if (r.overwrite_schema && r.dynamic_partition_overwrite) throw analysis_error("DELTA_OVERWRITE_SCHEMA_WITH_DYNAMIC_PARTITION_OVERWRITE");
  if (r.application_version && snapshot) {
    auto it = snapshot->transactions().find(r.application_version->first);
    if (it != snapshot->transactions().end() && it->second.version >= r.application_version->second) return {};
  }

  // ---- metadata
  bool set_metadata = false;
  delta::Metadata metadata = txn.metadata();
  DataType table_schema;
  bool no_schema_yet = snapshot && snapshot->schema().fields.empty();
  if (!snapshot || (overwrite && r.overwrite_schema && !r.replace_where) || no_schema_yet) {
    if (r.schema.fields().empty()) throw analysis_error("DELTA_EMPTY_DATA");
    table_schema = r.keep_nullability ? r.schema : as_nullable(r.schema);
    metadata.schema_string = table_schema.json();
    if (!snapshot || r.overwrite_schema) metadata.partition_columns = r.partition_by.value_or(snapshot ? metadata.partition_columns : std::vector<std::string>{});
    if (!snapshot || !r.operation.empty()) {
      metadata.configuration = r.properties;
      metadata.has_description = false;
      set_text(metadata, r.name, r.comment);
    } else {
      for (const auto& [k, v] : r.properties) metadata.configuration[k] = v;
    }
    // Physical names and ids belong to the old columns.
    if (snapshot) metadata.configuration.erase("delta.columnMapping.maxColumnId");
    if (!r.cluster_by.empty()) metadata.configuration["delta.feature.clustering"] = "supported";
    for (auto& p : metadata.partition_columns) {
      auto i = table_schema.field_index(p, false);
      if (i) p = table_schema.fields()[*i].name;
    }
    set_metadata = true;
  } else {
    table_schema = DataType::from_json(metadata.schema_string);
    if (r.partition_by && sorted_lower(*r.partition_by) != sorted_lower(metadata.partition_columns)) {
      throw analysis_error("DELTA_METADATA_MISMATCH.PARTITIONING_MISMATCH",
                           {{"provided", list_text(*r.partition_by)}, {"original", list_text(metadata.partition_columns)}});
    }
    DataType merged = merge_delta_schema(table_schema, r.schema, r.merge_schema, metadata.id);
    if (merged != table_schema) {
      table_schema = merged;
      metadata.schema_string = merged.json();
      set_metadata = true;
    }
  }
  if (set_metadata) {
    txn.set_metadata(metadata);
    metadata = txn.metadata();
    table_schema = DataType::from_json(metadata.schema_string);
  }
  auto clustering_needed = !r.cluster_by.empty() && set_metadata;
  if (clustering_needed) txn.set_domain(clustering_domain(r.cluster_by, delta::parse_schema(metadata.schema_string)));

  // ---- rows
  auto checks = row_checks(metadata, r.lower);
  if (r.replace_where && snapshot) {
    checks.push_back({*r.replace_where_sql, spark_error_sql("DELTA_REPLACE_WHERE_MISMATCH", "kAnalysis",
                                                            {{"replaceWhere", sql_string(*r.replace_where)}, {"message", sql_string("A row does not meet it.")}})});
  }
  for (const auto& f : table_schema.fields()) {
    if (!f.nullable && !r.schema.field_index(f.name, false)) throw SparkError(ErrorKind::kSpark, "DELTA_NOT_NULL_CONSTRAINT_VIOLATED", {{"columnName", f.name}});
  }
  auto written = write_data_files(connection, table->path(), metadata, project(r.query, r.schema, table_schema), checks);

  // ---- what goes
  delta::Operation op;
  op.name = r.operation.empty() ? "WRITE" : r.operation;
  int64_t removed_files = 0, removed_bytes = 0, copied_rows = 0;
  auto remove = [&](const delta::AddFile& f) {
    txn.remove(f, r.data_change);
    ++removed_files;
    removed_bytes += f.size;
  };
  if (overwrite && snapshot) {
    if (r.replace_where) {
      // Files whose rows all go are removed; of the others the rows that stay are written again.
      DeltaScan scan(DeltaScanSpec::of(*snapshot));
      std::string condition = "(" + *r.replace_where_sql + ")";
      auto touched = connection.Query("SELECT " + std::string(kDeltaFileColumn) + ", count(*) FILTER (WHERE " + condition + "), count(*) FROM " + scan.sql() + " GROUP BY 1");
      if (touched->HasError()) touched->ThrowError();
      DeltaScanSpec partly = DeltaScanSpec::of(*snapshot);
      std::vector<DeltaScanFile> kept, gone;
      txn.read_whole_table();
      for (duckdb::idx_t i = 0; i < touched->RowCount(); ++i) {
        auto hits = touched->GetValue(1, i).GetValue<int64_t>(), all = touched->GetValue(2, i).GetValue<int64_t>();
        if (hits == 0) continue;
        auto file = touched->GetValue(0, i).GetValue<uint64_t>();
        if (hits < all) kept.push_back(partly.files[file]);
        gone.push_back(partly.files[file]);
        remove(*snapshot->files()[file]);
      }
      bool feed = delta::is_enabled(txn.protocol(), metadata, "changeDataFeed");
      if (!kept.empty()) {
        DeltaScanSpec fresh_spec = partly, gone_spec = partly;
        partly.files = std::move(kept);
        DeltaScan rest(std::move(partly));
        std::string columns;
        for (const auto& f : snapshot->schema().fields) columns += (columns.empty() ? "" : ", ") + sql_identifier(f.name);
        auto copied = write_data_files(connection, table->path(), metadata,
                                       project("SELECT " + columns + " FROM " + rest.sql() + " WHERE " + condition + " IS NOT TRUE",
                                               DataType::from_json(snapshot->metadata().schema_string), table_schema));
        copied_rows = copied.rows;
        if (feed) {
          // Rows that are only copied are no change: the files alone would say that they are.
          gone_spec.files = std::move(gone);
          fresh_spec.schema = delta::parse_schema(metadata.schema_string);
          fresh_spec.files.clear();
          for (const auto& f : written.files) fresh_spec.files.push_back(DeltaScanFile::of(table->path(), std::make_shared<const delta::AddFile>(f)));
          DeltaScan before(std::move(gone_spec)), after(std::move(fresh_spec));
          std::string all;
          for (const auto& f : table_schema.fields()) all += (all.empty() ? "" : ", ") + sql_identifier(f.name);
          std::string deleted = project("SELECT " + columns + " FROM " + before.sql() + " WHERE " + condition, DataType::from_json(snapshot->metadata().schema_string), table_schema);
          auto changes = write_data_files(connection, table->path(), metadata,
                                          "SELECT *, 'delete' FROM (" + deleted + ") UNION ALL SELECT " + all + ", 'insert' FROM " + after.sql(), {}, "_change_data");
          for (auto& f : changes.files) txn.add_cdc({f.path, f.partition_values, f.size, {}});
        }
        for (auto& f : copied.files) written.files.push_back(std::move(f));
        written.bytes += copied.bytes;
      }
      op.parameter("mode", mode_name(r.mode));
      op.parameter("predicate", *r.replace_where);
    } else if (r.dynamic_partition_overwrite && !metadata.partition_columns.empty()) {
      std::set<delta::PartitionValues> partitions;
      for (const auto& f : written.files) partitions.insert(f.partition_values);
      txn.read_matching([partitions](const delta::AddFile& f) { return partitions.count(f.partition_values) > 0; });
      for (const auto& f : snapshot->files()) {
        if (!partitions.count(f->partition_values)) continue;
        txn.read_file(*f);
        remove(*f);
      }
    } else {
      txn.read_whole_table();
      for (const auto& f : snapshot->files()) remove(*f);
    }
  }
  for (auto& f : written.files) {
    f.data_change = r.data_change;
    txn.add(std::move(f));
  }
  if (r.application_version) txn.set_transaction({r.application_version->first, r.application_version->second, std::nullopt});

  if (r.operation.empty()) {
    if (op.parameters.empty()) op.parameter("mode", mode_name(r.mode));
    op.parameter_list("partitionBy", metadata.partition_columns);
  } else {
    create_parameters(op, r.is_managed, metadata, r.cluster_by);
  }
  op.user_metadata = r.user_metadata;
  DeltaWriteResult result;
  result.rows = written.rows;
  result.files = static_cast<int64_t>(txn.staged_files());
  result.bytes = written.bytes;
  op.metric("numFiles", result.files);
  op.metric("numOutputRows", result.rows + copied_rows);
  op.metric("numOutputBytes", result.bytes);
  if (overwrite && snapshot) {
    op.metric("numRemovedFiles", removed_files);
    op.metric("numRemovedBytes", removed_bytes);
    if (r.replace_where) op.metric("numCopiedRows", copied_rows);
  }
  result.version = txn.commit(op);
  return result;
}

int64_t create_delta(const DeltaCreateRequest& r) {
  check_storable(r.schema);
  auto table = delta::Table::at(r.path);
  auto txn = delta::Transaction::begin(table);
  auto snapshot = txn.read_snapshot();
  if (snapshot && !r.replace) {
    auto existing = DataType::from_json(snapshot->metadata().schema_string.empty() ? "{\"type\":\"struct\",\"fields\":[]}" : snapshot->metadata().schema_string);
    if (!r.schema.fields().empty() && !as_nullable(existing).same_type(as_nullable(r.schema))) {
      throw analysis_error("DELTA_CREATE_TABLE_SCHEME_MISMATCH", {{"path", storage::display_uri(table->path())}, {"specifiedSchema", r.schema.tree_string()},
                                                                  {"existingSchema", existing.tree_string()}, {"schemaDifferences", ""}});
    }
    if (!r.schema.fields().empty() && sorted_lower(r.partition_by) != sorted_lower(snapshot->metadata().partition_columns)) {
      throw analysis_error("DELTA_CREATE_TABLE_WITH_DIFFERENT_PARTITIONING",
                           {{"path", storage::display_uri(table->path())}, {"specifiedColumns", list_text(r.partition_by)},
                            {"existingColumns", list_text(snapshot->metadata().partition_columns)}});
    }
    for (const auto& [k, v] : r.properties) {
      if (k.rfind("delta.feature.", 0) == 0) continue;
      if (snapshot->metadata().property(k) == v) continue;
      auto show = [](const std::map<std::string, std::string>& p) {
        std::string out;
        for (const auto& [a, b] : p) out += (out.empty() ? "" : "\n") + a + "=" + b;
        return out;
      };
      throw analysis_error("DELTA_CREATE_TABLE_WITH_DIFFERENT_PROPERTY", {{"path", storage::display_uri(table->path())}, {"specifiedProperties", show(r.properties)},
                                                                          {"existingProperties", show(snapshot->metadata().configuration)}});
    }
    return snapshot->version();
  }
  delta::Metadata m = txn.metadata();
  m.schema_string = r.schema.json();
  m.partition_columns = r.partition_by;
  for (auto& p : m.partition_columns) {
    auto i = r.schema.field_index(p, false);
    if (i) p = r.schema.fields()[*i].name;
  }
  m.configuration = r.properties;
  m.has_description = false;
  set_text(m, r.name, r.comment);
  if (!r.cluster_by.empty()) m.configuration["delta.feature.clustering"] = "supported";
  txn.set_metadata(m);
  if (!r.cluster_by.empty()) txn.set_domain(clustering_domain(r.cluster_by, delta::parse_schema(txn.metadata().schema_string)));
  if (snapshot) {
    txn.read_whole_table();
    for (const auto& f : snapshot->files()) txn.remove(*f);
  }
  delta::Operation op;
  op.name = r.or_replace ? "CREATE OR REPLACE TABLE" : r.replace ? "REPLACE TABLE" : "CREATE TABLE";
  create_parameters(op, r.is_managed, txn.metadata(), r.cluster_by);
  return txn.commit(op);
}

int64_t update_delta_metadata(const std::string& path, const std::string& operation, const std::vector<std::pair<std::string, std::string>>& parameters,
                              const std::function<void(delta::Metadata&)>& change) {
  auto table = delta::Table::at(path);
  table->snapshot();  // the error for a table that is not there
  auto txn = delta::Transaction::begin(table);
  delta::Metadata m = txn.metadata();
  change(m);
  txn.set_metadata(m);
  delta::Operation op;
  op.name = operation;
  op.parameters = parameters;
  return txn.commit(op);
}

}  // namespace tarn::engine
