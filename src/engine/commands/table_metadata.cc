#include "engine/commands/table_metadata.h"

#include <algorithm>

#include "engine/commands/support.h"
#include "plan/session_conf.h"

namespace tarn::engine::commands {

namespace {

std::string bracketed(const catalog::Pairs& pairs) {
  std::string out;
  for (auto& [k, v] : pairs) out += (out.empty() ? "" : ", ") + k + "=" + redact(k, v);
  return "[" + out + "]";
}

std::string quoted_list(const std::vector<std::string>& names) {
  std::string out;
  for (auto& n : names) out += (out.empty() ? "" : ", ") + quote_identifier(n);
  return "[" + out + "]";
}

}  // namespace

Lines bucket_lines(const catalog::TableInfo& table) {
  if (!table.bucket) return {};
  return {{"Num Buckets", std::to_string(table.bucket->buckets)},
          {"Bucket Columns", quoted_list(table.bucket->columns)},
          {"Sort Columns", quoted_list(table.bucket->sort_columns)}};
}

Lines storage_lines(const catalog::TableInfo& table, const std::string& location) {
  Lines lines;
  if (!location.empty()) lines.emplace_back("Location", location);
  if (!table.options.empty()) lines.emplace_back("Storage Properties", bracketed(table.options));
  return lines;
}

plan::DataType relation_schema(const catalog::TableInfo& table, CommandHost& host) {
  if (table.is_view()) return plan::DataType::from_json(table.schema_json);
  return table_schema(table, host);
}

Lines table_lines(const catalog::TableInfo& table, const plan::DataType& schema, bool full, CommandHost& host) {
  Lines lines = {{"Catalog", table.catalog}, {"Database", table.schema}, {"Table", table.name}};
  // The session catalog of Spark knows no owners.
  if (!table.owner.empty() && table.catalog != catalog::kSessionCatalog) lines.emplace_back("Owner", table.owner);
  lines.emplace_back("Created Time", java_date(table.created_ms, host));
  lines.emplace_back("Last Access", "UNKNOWN");
  lines.emplace_back("Created By", table.created_by);
  lines.emplace_back("Type", table.is_view() ? "VIEW" : table.type == catalog::TableType::kExternal ? "EXTERNAL" : "MANAGED");
  if (!table.provider.empty()) lines.emplace_back("Provider", table.provider);
  for (auto& line : bucket_lines(table)) lines.push_back(line);
  if (table.comment) lines.emplace_back("Comment", *table.comment);
  if (table.collation) lines.emplace_back("Collation", *table.collation);
  if (table.is_view()) {
    lines.emplace_back("View Text", table.view_text);
    lines.emplace_back("View Original Text", table.view_text);
    const bool modes = host.conf().flag("spark.sql.legacy.viewSchemaBindingMode");
    if (modes) lines.emplace_back("View Schema Mode", table.view_schema_mode.empty() ? "BINDING" : table.view_schema_mode);
    std::vector<std::string> home = {table.view_catalog};
    home.insert(home.end(), table.view_namespace.begin(), table.view_namespace.end());
    lines.emplace_back("View Catalog and Namespace", quote_if_needed(home));
    if (modes && table.view_schema_mode == "EVOLUTION") {
      std::vector<std::string> names;
      for (auto& f : schema.fields()) names.push_back(f.name);
      lines.emplace_back("View Query Output Columns", quoted_list(names));
    } else if (!table.view_query_columns.empty()) {
      lines.emplace_back("View Query Output Columns", quoted_list(table.view_query_columns));
    }
  }
  catalog::Pairs properties;
  for (auto& [k, v] : table.properties) {
    if (!k.starts_with("view.") && !v.empty()) properties.emplace_back(k, v);
  }
  if (!properties.empty()) lines.emplace_back("Table Properties", bracketed(properties));
  if (table.stats.size_in_bytes) {
    std::string s = std::to_string(*table.stats.size_in_bytes) + " bytes";
    if (table.stats.row_count) s += ", " + std::to_string(*table.stats.row_count) + " rows";
    lines.emplace_back("Statistics", s);
  }
  for (auto& line : storage_lines(table, table.location)) lines.push_back(line);
  if (table.tracks_partitions) lines.emplace_back("Partition Provider", "Catalog");
  if (full) {
    if (!table.partition_columns.empty()) lines.emplace_back("Partition Columns", quoted_list(table.partition_columns));
    if (!schema.fields().empty()) lines.emplace_back("Schema", schema.tree_string());
  }
  return lines;
}

Lines partition_lines(const catalog::TableInfo& table, const catalog::PartitionInfo& partition, CommandHost& host) {
  Lines lines = {{"Partition Values", bracketed(partition.spec)}};
  for (auto& line : storage_lines(table, partition.location)) lines.push_back(line);
  if (!partition.parameters.empty()) {
    catalog::Pairs pairs(partition.parameters.begin(), partition.parameters.end());
    lines.emplace_back("Partition Parameters", bracketed(pairs));
  }
  lines.emplace_back("Created Time", java_date(partition.created_ms, host));
  lines.emplace_back("Last Access", "UNKNOWN");
  return lines;
}

Lines temp_view_lines(const std::string& database, const std::string& name, const plan::TempView& view, CommandHost& host) {
  Lines lines;
  if (!database.empty()) lines.emplace_back("Database", database);
  lines.emplace_back("Table", name);
  lines.emplace_back("Created Time", java_date(host.analyzer().now_micros / 1000, host));
  lines.emplace_back("Last Access", "UNKNOWN");
  lines.emplace_back("Created By", "Spark 4.2.0");
  lines.emplace_back("Type", "VIEW");
  if (!view.sql_text.empty()) lines.emplace_back("View Text", view.sql_text);
  if (host.conf().flag("spark.sql.legacy.viewSchemaBindingMode")) lines.emplace_back("View Schema Mode", "BINDING");
  // Where its text is read, and what its query was called: kept as properties.
  auto kept = [&](const std::string& prefix) {
    std::vector<std::string> out;
    for (size_t i = 0;; ++i) {
      const std::string key = prefix + std::to_string(i);
      auto it = std::find_if(view.properties.begin(), view.properties.end(), [&](const auto& p) { return p.first == key; });
      if (it == view.properties.end()) return out;
      out.push_back(it->second);
    }
  };
  if (auto home = kept("view.catalogAndNamespace.part."); !home.empty()) lines.emplace_back("View Catalog and Namespace", quote_if_needed(home));
  if (auto columns = kept("view.query.out.col."); !columns.empty()) lines.emplace_back("View Query Output Columns", quoted_list(columns));
  lines.emplace_back("Schema", plan::schema_of(*view.plan).tree_string());
  return lines;
}

std::string simple_string(const Lines& lines) {
  std::string out;
  for (auto& [k, v] : lines) {
    if (!out.empty()) out += "\n";
    out += v.empty() ? k : k + ": " + v;
  }
  return out;
}

}  // namespace tarn::engine::commands
