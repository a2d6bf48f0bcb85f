#pragma once
// Inside the room: partition specifications of statements against the partitions of a table.
#include <vector>

#include "base/spark_error.h"
#include "catalog/catalog.h"
#include "engine/commands/commands.h"

namespace tarn::sql {
class PartitionSpec;
}

namespace tarn::engine::commands {

// The spec with the table's spelling of the columns and values in the text form of paths. PARTITIONS_NOT_FOUND for a column that is
// no partition column; EMPTY_PARTITION_VALUE for one without a value.
catalog::Pairs normalize_spec(const sql::PartitionSpec& spec, const catalog::TableInfo& table, CommandHost& host);
// The same, with a value for every partition column (_LEGACY_ERROR_TEMP_1232), in the table's order.
catalog::Pairs full_spec(const sql::PartitionSpec& spec, const catalog::TableInfo& table, CommandHost& host);
std::vector<catalog::PartitionInfo> matching_partitions(const catalog::TableInfo& table, const catalog::Pairs& spec, CommandHost& host);
SparkError partitions_not_found(const catalog::TableInfo& table, const catalog::Pairs& spec);
catalog::PartitionInfo require_partition(const catalog::TableInfo& table, const catalog::Pairs& spec, CommandHost& host);

inline constexpr char kNullPartition[] = "__HIVE_DEFAULT_PARTITION__";

}  // namespace tarn::engine::commands
