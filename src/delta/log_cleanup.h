#pragma once
// Old files of the log: what delta.logRetentionDuration no longer asks to keep is deleted after a checkpoint.
#include <cstdint>

#include "delta/actions.h"

namespace tarn::delta {

class Table;

// Deletes commits and checkpoints of days before the retention that the oldest kept version does not need: the newest checkpoint before that
// day stays, and everything after it. Also what crashed writers left ("….tmp"), when it is a day old. Does nothing if
// delta.enableExpiredLogCleanup is false or the table protects its checkpoints.
void clean_log(Table& table, const Metadata& metadata, const Protocol& protocol, int64_t now_ms);

}  // namespace tarn::delta
