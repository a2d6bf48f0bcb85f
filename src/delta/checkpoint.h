#pragma once
// Checkpoints: the state of a version in Parquet (classic, multi-part, V2) or JSON (V2). Source: Delta PROTOCOL.md, "Checkpoints".
#include <functional>
#include <string>
#include <vector>

#include "delta/actions.h"
#include "delta/log_segment.h"

namespace tarn::delta {

class Snapshot;

// Calls visit for every action of a complete checkpoint, sidecars included. Throws IoError or SparkError if any part is missing or damaged.
void read_checkpoint(const std::string& table_path, const std::vector<LogFile>& parts, const std::function<void(Action)>& visit);
// The same for one Parquet file (a checkpoint part or a sidecar).
void read_checkpoint_parquet(const std::string& path, const std::function<void(Action)>& visit);

// Writes the checkpoint of the snapshot's version (V2 with a UUID name if the table's policy is v2, else classic) and then _last_checkpoint.
// Tombstones older than the table's retention are left out. now_ms: the clock.
void write_checkpoint(const Snapshot& snapshot, int64_t now_ms);

}  // namespace tarn::delta
