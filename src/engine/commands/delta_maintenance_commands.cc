// OPTIMIZE, VACUUM and RESTORE in terms of engine/delta_maintenance.h.
#include <nlohmann/json.hpp>

#include "delta/snapshot.h"
#include "delta/table.h"
#include "engine/commands/delta_support.h"
#include "engine/commands/delta_tables.h"
#include "engine/commands/handlers.h"
#include "engine/commands/support.h"
#include "engine/commands/table_data.h"
#include "engine/delta_maintenance.h"
#include "engine/delta_relation.h"
#include "engine/error_map.h"
#include "plan/session_conf.h"
#include "tarn/sql.pb.h"

namespace tarn::engine::commands {

using plan::DataType;
using plan::TypeId;
using plan::Value;

namespace {

std::string require_path(const DeltaTarget& target, const char* operation) {
  auto path = catalog::path_of_location(target.location);
  if (!delta::Table::exists(path)) throw analysis_error("DELTA_ONLY_OPERATION", {{"operation", operation}});
  return path;
}

}  // namespace

CommandResult optimize(const sql::Statement& statement, CommandHost& host) {
  auto& o = statement.optimize();
  auto target = delta_target(o.target(), host, "OPTIMIZE");
  auto path = require_path(target, "OPTIMIZE");
  std::vector<std::string> zorder;
  for (auto& name : o.zorder_by()) zorder.push_back(join(name_parts(name, host), "."));
  std::string filter, shown;
  if (o.has_where()) {
    shown = o.where().text();
    auto snapshot = delta::Table::at(path)->snapshot();
    filter = lower_over_columns(shown, DataType::from_json(snapshot->metadata().schema_string), DataType(TypeId::kBoolean), host);
  }
  auto r = mapped_errors([&] { return optimize_delta(path, filter, shown, zorder, host.connection()); });
  host.invalidate(target.location, false);
  auto metrics = columns({{"numFilesAdded", TypeId::kLong}, {"numFilesRemoved", TypeId::kLong}, {"totalBytesAdded", TypeId::kLong, true},
                          {"totalBytesRemoved", TypeId::kLong, true}, {"partitionsOptimized", TypeId::kLong}});
  plan::ListValue row{{integer(r.files_added), integer(r.files_removed), integer(r.bytes_added), integer(r.bytes_removed), integer(r.partitions)}};
  return answer({{"path", TypeId::kString, true}, {"metrics", metrics, true}}, {{text(target.location), Value{row}}});
}

CommandResult vacuum(const sql::Statement& statement, CommandHost& host) {
  auto& v = statement.vacuum();
  auto target = delta_target(v.target(), host, "VACUUM");
  auto path = require_path(target, "VACUUM");
  if (v.has_inventory_table() || v.has_inventory_query()) throw not_built("VACUUM ... USING INVENTORY");
  if (v.lite()) throw not_built("VACUUM ... LITE");
  bool check = host.conf().find("spark.databricks.delta.retentionDurationCheck.enabled").value_or("true") != "false";
  std::optional<double> hours;
  if (v.has_retain_hours()) hours = v.retain_hours();
  auto r = mapped_errors([&] { return vacuum_delta(path, hours, v.dry_run(), check); });
  auto result = answer({{"path", TypeId::kString, true}});
  if (v.dry_run()) {
    for (auto& p : r.paths) result.rows.push_back({text(p)});
  } else {
    result.rows.push_back({text(target.location)});
  }
  return result;
}

CommandResult restore(const sql::Statement& statement, CommandHost& host) {
  auto& s = statement.restore();
  auto target = delta_target(s.target(), host, "RESTORE");
  auto path = require_path(target, "RESTORE");
  std::optional<std::string> version, timestamp;
  if (s.has_version()) version = s.version();
  if (s.has_timestamp()) timestamp = s.timestamp();
  auto to = delta_time_travel(*delta::Table::at(path), version, timestamp, host.conf());
  if (!to) throw internal_error("RESTORE without a version");
  auto r = mapped_errors([&] { return restore_delta(path, *to, timestamp); });
  if (target.table) {
    host.analyzer().catalog.alter_table(target.table->catalog, target.table->schema, target.table->name,
                                        [&](catalog::TableInfo& t) { refresh_from_log(t, host); });
  }
  host.invalidate(target.location, false);
  constexpr auto kLong = TypeId::kLong;
  return answer({{"table_size_after_restore", kLong, true}, {"num_of_files_after_restore", kLong, true}, {"num_removed_files", kLong, true},
                 {"num_restored_files", kLong, true}, {"removed_files_size", kLong, true}, {"restored_files_size", kLong, true}},
                {{integer(r.table_size_after_restore), integer(r.num_of_files_after_restore), integer(r.num_removed_files),
                  integer(r.num_restored_files), integer(r.removed_files_size), integer(r.restored_files_size)}});
}

}  // namespace tarn::engine::commands
