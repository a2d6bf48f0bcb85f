// Partitions: specifications, ADD/DROP/RENAME PARTITION, MSCK REPAIR, SHOW PARTITIONS. Source: PartitioningUtils, AlterTable…PartitionCommand.
#include "engine/commands/partitions.h"

#include <algorithm>

#include "engine/commands/alter.h"
#include "engine/commands/handlers.h"
#include "engine/commands/support.h"
#include "engine/commands/table_data.h"
#include "engine/commands/table_definition.h"
#include "plan/session_conf.h"
#include "spark/connect/expressions.pb.h"
#include "storage/path.h"
#include "tarn/sql.pb.h"

namespace tarn::engine::commands {

using catalog::lower;

namespace {

// Without the catalog, as session-catalog errors name tables.
std::string short_name(const catalog::TableInfo& table) { return quote_identifier(std::vector<std::string>{table.schema, table.name}); }

std::string spec_text(const catalog::Pairs& spec) {
  std::string out;
  for (auto& [k, v] : spec) out += (out.empty() ? "" : ", ") + quote_identifier(k) + " = " + v;
  return "PARTITION (" + out + ")";
}

void require_partitioned(const catalog::TableInfo& table, const std::string& operation) {
  if (table.partition_columns.empty()) {
    throw analysis_error("NOT_A_PARTITIONED_TABLE", {{"operation", operation}, {"tableIdentWithDB", quote_identifier(table.full_name())}});
  }
}

bool inside(const std::string& location, const std::string& table_location) { return location.starts_with(table_location + "/"); }

}  // namespace

SparkError partitions_not_found(const catalog::TableInfo& table, const catalog::Pairs& spec) {
  return analysis_error("PARTITIONS_NOT_FOUND", {{"partitionList", spec_text(spec)}, {"tableName", short_name(table)}});
}

SparkError partitions_exist(const catalog::TableInfo& table, const catalog::Pairs& spec) {
  return analysis_error("PARTITIONS_ALREADY_EXIST", {{"partitionList", spec_text(spec)}, {"tableName", quote_identifier(table.full_name())}});
}

catalog::Pairs normalize_spec(const sql::PartitionSpec& spec, const catalog::TableInfo& table, CommandHost& host) {
  catalog::Pairs out;
  std::vector<std::string> names;
  auto schema = table_schema(table, host);
  for (auto& entry : spec.entries()) {
    auto it = std::find_if(table.partition_columns.begin(), table.partition_columns.end(),
                           [&](const std::string& c) { return same_name(c, entry.column(), host); });
    if (it == table.partition_columns.end()) {
      throw analysis_error("PARTITIONS_NOT_FOUND",
                           {{"partitionList", quote_identifier(entry.column())}, {"tableName", quote_identifier(table.full_name())}});
    }
    if (!entry.has_value()) {
      throw SparkError(ErrorKind::kParse, "INVALID_SQL_SYNTAX.EMPTY_PARTITION_VALUE", {{"partKey", quote_identifier(entry.column())}});
    }
    std::string value = kNullPartition;
    if (entry.has_text()) {
      // As the column's type prints it: 01 of an INT column is 1.
      value = entry.text();
      auto& type = schema.fields()[*schema.field_index(*it, true)].type();
      if (!type.is_string()) {
        auto cast = plan::make_cast(plan::make_cast(plan::make_string(value), type, plan::EvalMode::kAnsi), plan::TypeId::kString,
                                    plan::EvalMode::kAnsi);
        auto printed = evaluate(cast, host);
        if (!printed.is_null()) value = printed.get<std::string>();
      }
    } else {
      auto& type = schema.fields()[*schema.field_index(*it, true)].type();
      auto typed = plan::make_cast(plan::analyze_constant(entry.value(), host.analyzer()), type, plan::EvalMode::kAnsi);
      auto printed = evaluate(plan::make_cast(typed, plan::TypeId::kString, plan::EvalMode::kAnsi), host);
      if (!printed.is_null()) value = printed.get<std::string>();
    }
    out.emplace_back(*it, std::move(value));
    names.push_back(*it);
  }
  check_duplicate_columns(names, host);
  return out;
}

catalog::Pairs full_spec(const sql::PartitionSpec& spec, const catalog::TableInfo& table, CommandHost& host) {
  auto pairs = normalize_spec(spec, table, host);
  if (pairs.size() != table.partition_columns.size()) {
    std::vector<std::string> keys;
    for (auto& p : pairs) keys.push_back(p.first);
    throw analysis_error("_LEGACY_ERROR_TEMP_1232", {{"specKeys", join(keys, ", ")},
                                                     {"partitionColumnNames", join(table.partition_columns, ", ")},
                                                     {"tableName", quote_identifier(table.full_name())}});
  }
  catalog::Pairs out;
  for (auto& column : table.partition_columns) {
    for (auto& p : pairs) {
      if (p.first == column) out.push_back(p);
    }
  }
  return out;
}

std::vector<catalog::PartitionInfo> matching_partitions(const catalog::TableInfo& table, const catalog::Pairs& spec, CommandHost& host) {
  std::vector<catalog::PartitionInfo> out;
  for (auto& partition : host.analyzer().catalog.list_partitions(table)) {
    bool match = std::all_of(spec.begin(), spec.end(), [&](auto& p) {
      return std::find(partition.spec.begin(), partition.spec.end(), p) != partition.spec.end();
    });
    if (match) out.push_back(std::move(partition));
  }
  return out;
}

catalog::PartitionInfo require_partition(const catalog::TableInfo& table, const catalog::Pairs& spec, CommandHost& host) {
  auto found = matching_partitions(table, spec, host);
  if (found.size() != 1) throw partitions_not_found(table, spec);
  return found[0];
}

CommandResult alter_partitions(const catalog::TableInfo& table, const sql::AlterTable& alter, CommandHost& host) {
  auto& catalog = host.analyzer().catalog;
  switch (alter.action_case()) {
    case sql::AlterTable::kAddPartitions: {
      std::vector<catalog::PartitionInfo> added;
      for (auto& p : alter.add_partitions().partitions()) {
        catalog::PartitionInfo info;
        info.spec = full_spec(p.partition(), table, host);
        info.location = table.location + "/" + partition_path(info.spec);
        if (p.has_location() && make_location(p.location(), host) != info.location) {
          // The scan finds partitions below the table; rows elsewhere would silently be missing.
          throw not_built("ALTER TABLE ADD PARTITION with a LOCATION outside of the table's directory");
        }
        added.push_back(std::move(info));
      }
      catalog.add_partitions(table, added, alter.add_partitions().if_not_exists());
      for (auto& p : added) make_directory(p.location);
      break;
    }
    case sql::AlterTable::kDropPartitions: {
      std::vector<catalog::Pairs> specs;
      for (auto& spec : alter.drop_partitions().partitions()) {
        auto partial = normalize_spec(spec, table, host);
        auto matching = matching_partitions(table, partial, host);
        if (matching.empty() && !alter.drop_partitions().if_exists()) throw partitions_not_found(table, partial);
        for (auto& m : matching) specs.push_back(m.spec);
      }
      if (table.type == catalog::TableType::kExternal && !specs.empty()) {
        throw not_built("ALTER TABLE DROP PARTITION of an external table (its files stay, and the scan would still find them)");
      }
      for (auto& gone : catalog.drop_partitions(table, specs, alter.drop_partitions().if_exists())) {
        if (inside(gone.location, table.location)) remove_data(gone.location);
      }
      break;
    }
    case sql::AlterTable::kRenamePartition: {
      auto from = full_spec(alter.rename_partition().from(), table, host);
      auto to = full_spec(alter.rename_partition().to(), table, host);
      auto old = require_partition(table, from, host);
      catalog::PartitionInfo renamed = old;
      renamed.spec = to;
      renamed.location = table.location + "/" + partition_path(to);
      if (!matching_partitions(table, to, host).empty()) throw partitions_exist(table, to);
      // The files first: whoever is ended in between leaves rows that are read with their new values, and an entry that the same command,
      // given again, takes along. The other way round the entry would name a folder that is not there.
      std::string source = catalog::path_of_location(old.location), target = catalog::path_of_location(renamed.location);
      auto& store = storage::store_for(source);
      if (store.stat(source)) store.rename(source, target);
      catalog.rename_partition(table, from, renamed);
      break;
    }
    case sql::AlterTable::kRecoverPartitions:
      require_partitioned(table, "ALTER TABLE RECOVER PARTITIONS");
      catalog.add_partitions(table, discover_partitions(table), true);
      break;
    default:
      throw internal_error("no partition command");
  }
  data_changed(table, host);
  return {};
}

CommandResult repair_table(const sql::Statement& statement, CommandHost& host) {
  auto& repair = statement.repair_table();
  auto table = require_table(name_parts(repair.name(), host), host, "MSCK REPAIR TABLE");
  require_partitioned(table, "MSCK REPAIR TABLE");
  if (table.is_delta()) throw unsupported_operation(table.full_name(), "MSCK REPAIR TABLE");
  auto found = discover_partitions(table);
  if (repair.drop_partitions()) {
    std::vector<catalog::Pairs> missing;
    for (auto& p : host.analyzer().catalog.list_partitions(table)) {
      std::string path = catalog::path_of_location(p.location);
      if (!storage::store_for(path).stat(path)) missing.push_back(p.spec);
    }
    host.analyzer().catalog.drop_partitions(table, missing, true);
  }
  if (repair.add_partitions() || !repair.drop_partitions()) host.analyzer().catalog.add_partitions(table, found, true);
  data_changed(table, host);
  return {};
}

CommandResult show_partitions(const sql::Statement& statement, CommandHost& host) {
  auto& show = statement.show_partitions();
  auto table = require_table(name_parts(show.name(), host), host, "SHOW PARTITIONS");
  require_partitioned(table, "SHOW PARTITIONS");
  if (table.is_delta()) {
    // Delta answers a row of partition values.
    throw unsupported_operation(table.full_name(), "SHOW PARTITIONS");
  }
  catalog::Pairs spec;
  if (show.has_partition()) spec = normalize_spec(show.partition(), table, host);
  std::vector<std::string> names;
  for (auto& p : matching_partitions(table, spec, host)) names.push_back(partition_path(p.spec));
  std::sort(names.begin(), names.end());
  auto result = answer({{"partition"}});
  for (auto& name : names) result.rows.push_back({text(name)});
  return result;
}

}  // namespace tarn::engine::commands
