#pragma once
// Inside the room: what happens to a table's files and caches beside its catalog entry.
#include <optional>
#include <string>

#include "catalog/catalog.h"
#include "engine/commands/commands.h"

namespace tarn::engine::commands {

// Removes the files of a dropped managed table.
void remove_data(const std::string& location);
// Empties a directory but keeps it.
void empty_directory(const std::string& location);
void make_directory(const std::string& location);
// Whether there is a file, or a directory that is not empty.
bool has_content(const std::string& location);
// Cached plans over the table go (it was dropped or replaced).
void forget_table(const catalog::TableInfo& table, CommandHost& host);
// Cached plans over the table are made anew (its data changed).
void data_changed(const catalog::TableInfo& table, CommandHost& host);
// Delta keeps the comment in its log, others in the catalog.
void set_table_comment(const catalog::TableInfo& table, const std::optional<std::string>& comment, CommandHost& host);
// Hive-style directory of a partition: "a=1/b=x%3Ay".
std::string partition_path(const catalog::Pairs& spec);
// Bytes and files below a location; hidden files (_ and .) are left out.
std::pair<int64_t, int64_t> data_size(const std::string& location);
// The partitions that directories of the location show, in the order of the partition columns.
std::vector<catalog::PartitionInfo> discover_partitions(const catalog::TableInfo& table);

}  // namespace tarn::engine::commands
