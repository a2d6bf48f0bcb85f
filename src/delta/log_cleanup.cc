#include "delta/log_cleanup.h"

#include <optional>

#include "delta/log_segment.h"
#include "delta/retention.h"
#include "delta/table.h"
#include "storage/path.h"

namespace tarn::delta {

void clean_log(Table& table, const Metadata& metadata, const Protocol& protocol, int64_t now_ms) {
  if (metadata.property("delta.enableExpiredLogCleanup", "true") == "false") return;
  if (protocol.supports("checkpointProtection")) return;
  auto& store = storage::store_for(table.path());
  for (const auto& f : store.list(log_directory(table.path()))) {
    std::string name = storage::file_name(f.path);
    bool left_over = name[0] == '.' && name.size() > 4 && name.compare(name.size() - 4, 4, ".tmp") == 0;
    if (left_over && f.modified_ms < now_ms - kDayMs) store.remove(f.path);
  }
  int64_t keep_from = (now_ms - retention_ms(metadata, "delta.logRetentionDuration", 30 * kDayMs)) / kDayMs * kDayMs;
  auto files = list_log(table.path());
  // The version from which on everything stays: the newest complete checkpoint of the time before.
  std::optional<int64_t> last_old;
  for (const auto& f : files) {
    if (f.kind == LogFile::Kind::kCommit && f.modified_ms < keep_from) last_old = f.version;
  }
  if (!last_old) return;
  auto segment = find_segment(table.path(), *last_old);
  if (!segment.checkpoint_version) return;
  for (const auto& f : files) {
    if (f.version < *segment.checkpoint_version && f.modified_ms < keep_from) store.remove(f.path);
  }
}

}  // namespace tarn::delta
