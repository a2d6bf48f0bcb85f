#pragma once
// The statistics of a data file (add.stats), and how values are written into them. Source: Delta PROTOCOL.md, "Per-file Statistics".
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "delta/schema.h"

namespace tarn::delta {

// A scalar as it stands in the JSON: strings unescaped, numbers as their digits (so that decimals keep all of theirs).
struct StatScalar {
  std::string text;
  bool is_string = false;
};

struct FileStatistics {
  std::optional<int64_t> num_records;  // physical rows, deleted ones included
  bool tight_bounds = true;
  // Keyed by physical names joined with U+001F (kPathSeparator).
  std::map<std::string, StatScalar> min_values, max_values;
  std::map<std::string, int64_t> null_count;
  // Nothing if the text is empty or no statistics (which must not hurt a read). wanted: only these keys are kept; null = all.
  static std::optional<FileStatistics> parse(std::string_view json, const std::set<std::string>* wanted = nullptr);
  // Number of records only: cheaper.
  static std::optional<int64_t> records_of(std::string_view json);
};
inline constexpr char kPathSeparator = '\x1f';

// The leaves that get statistics: delta.dataSkippingStatsColumns, else the first delta.dataSkippingNumIndexedCols (32; -1 all) of the
// non-partition columns. A leaf below arrays or maps counts as one column without minimum and maximum.
struct StatColumn {
  std::vector<std::string> logical, physical;  // names from the root
  Type type;
  bool has_bounds = false;                     // not for boolean, binary, array, map, variant
};
std::vector<StatColumn> stat_columns(const Metadata& metadata, const Schema& schema);

// Strings are cut: a minimum at 32 characters; a maximum at 32 UTF-16 units and then made larger than all that it stands for; nothing if
// that is not possible.
std::string truncate_min(std::string_view text);
std::optional<std::string> truncate_max(std::string_view text);

}  // namespace tarn::delta
