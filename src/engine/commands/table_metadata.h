#pragma once
// Inside the room: a table as DESCRIBE, SHOW TABLE EXTENDED and AS JSON print it. Source: CatalogTable.toJsonLinkedHashMap.
#include <string>
#include <utility>
#include <vector>

#include "catalog/catalog.h"
#include "engine/commands/commands.h"
#include "plan/analyzer.h"
#include "plan/types.h"

namespace tarn::engine::commands {

using Lines = std::vector<std::pair<std::string, std::string>>;

// "Catalog" … "Partition Provider" in Spark's order; "Partition Columns" and "Schema" only with full.
Lines table_lines(const catalog::TableInfo& table, const plan::DataType& schema, bool full, CommandHost& host);
Lines storage_lines(const catalog::TableInfo& table, const std::string& location);
Lines bucket_lines(const catalog::TableInfo& table);
Lines partition_lines(const catalog::TableInfo& table, const catalog::PartitionInfo& partition, CommandHost& host);
// A temporary view in SHOW TABLE EXTENDED.
Lines temp_view_lines(const std::string& database, const std::string& name, const plan::TempView& view, CommandHost& host);
std::string simple_string(const Lines& lines);
// The columns of a view or table, for persistent views from their text at the time of creation.
plan::DataType relation_schema(const catalog::TableInfo& table, CommandHost& host);

}  // namespace tarn::engine::commands
