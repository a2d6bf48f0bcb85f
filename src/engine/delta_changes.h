#pragma once
// The change feed of a Delta table: what each commit of a range did to rows. Source: Delta PROTOCOL.md, "Change Data Files"; CDCReader.
#include <cstdint>
#include <memory>
#include <vector>

#include "engine/delta_scan.h"

namespace tarn::delta {
class Snapshot;
class Table;
}

namespace tarn::engine {

// Scans whose union is the feed of versions [from, to] (inclusive). Each has the columns of `schema_of` and then _change_type (VARCHAR),
// _commit_version (BIGINT), _commit_timestamp (TIMESTAMP WITH TIME ZONE). Throws DELTA_MISSING_CHANGE_DATA for a version without a feed.
std::vector<DeltaScanSpec> delta_changes(delta::Table& table, const delta::Snapshot& schema_of, int64_t from, int64_t to);

}  // namespace tarn::engine
