// DESCRIBE HISTORY and DETAIL. Columns: Delta's DescribeDeltaHistoryCommand, TableDetail.
#include <nlohmann/json.hpp>

#include "delta/schema.h"
#include "delta/snapshot.h"
#include "delta/table.h"
#include "engine/commands/delta_support.h"
#include "engine/commands/handlers.h"
#include "engine/commands/support.h"
#include "tarn/sql.pb.h"

namespace tarn::engine::commands {

using catalog::lower;
using nlohmann::json;
using plan::DataType;
using plan::TypeId;
using plan::Value;

namespace {

std::optional<std::string> text_of(const json& j, const char* key) {
  auto it = j.find(key);
  if (it == j.end() || it->is_null()) return std::nullopt;
  return it->is_string() ? it->get<std::string>() : it->dump();
}

Value map_of(const json& j, const char* key) {
  auto it = j.find(key);
  if (it == j.end() || !it->is_object()) return {};
  plan::MapValue map;
  for (auto& [k, v] : it->items()) map.entries.emplace_back(text(k), v.is_null() ? Value{} : text(v.is_string() ? v.get<std::string>() : v.dump()));
  return Value{std::move(map)};
}

Value struct_of(const json& j, const char* key, std::initializer_list<const char*> fields) {
  auto it = j.find(key);
  if (it == j.end() || !it->is_object()) return {};
  plan::ListValue list;
  for (auto* f : fields) list.items.push_back(optional_text(text_of(*it, f)));
  return Value{std::move(list)};
}

DataType text_struct(std::initializer_list<const char*> names) {
  std::vector<plan::StructField> fields;
  for (auto* n : names) fields.push_back(plan::make_field(n, TypeId::kString));
  return DataType::structure(std::move(fields));
}

Value texts(const std::vector<std::string>& items) {
  plan::ListValue list;
  for (auto& i : items) list.items.push_back(text(i));
  return Value{std::move(list)};
}

Value text_map(const std::map<std::string, std::string>& map) {
  plan::MapValue out;
  for (auto& [k, v] : map) out.entries.emplace_back(text(k), text(v));
  return Value{std::move(out)};
}

}  // namespace

DeltaTarget delta_target(const sql::Target& target, CommandHost& host, const char* operation) {
  if (target.has_path()) return {make_location(target.path(), host), std::nullopt};
  auto parts = name_parts(target.name(), host);
  if (auto table = find_table(parts, host)) {
    if (table->is_view()) {
      throw analysis_error("EXPECT_TABLE_NOT_VIEW.NO_ALTERNATIVE", {{"operation", operation}, {"viewName", quote_identifier(table->full_name())}});
    }
    return {table->location, table};
  }
  if (parts.size() == 2 && lower(parts[0]) == "delta") return {make_location(parts[1], host), std::nullopt};
  throw_table_not_found(parts, host);
}

std::vector<std::string> clustering_columns(const delta::Snapshot& snapshot) {
  std::vector<std::string> out;
  auto domain = snapshot.domain("delta.clustering");
  if (!domain) return out;
  auto j = json::parse(*domain, nullptr, false);
  if (!j.is_object() || !j.contains("clusteringColumns")) return out;
  for (auto& column : j["clusteringColumns"]) {
    // Physical names, outermost first.
    std::vector<std::string> logical;
    const std::vector<delta::Field>* fields = &snapshot.schema().fields;
    for (auto& part : column) {
      std::string name = part.get<std::string>();
      const delta::Field* found = nullptr;
      for (auto& f : *fields) {
        if (f.physical_name() == name) found = &f;
      }
      logical.push_back(found ? found->name : name);
      if (found) fields = &found->type.fields;
    }
    out.push_back(quote_if_needed(logical));
  }
  return out;
}

CommandResult describe_history(const sql::Statement& statement, CommandHost& host) {
  auto& describe = statement.describe_history();
  auto target = delta_target(describe.target(), host, "DESCRIBE HISTORY");
  auto path = catalog::path_of_location(target.location);
  if (!delta::Table::exists(path)) {
    throw analysis_error("DELTA_ONLY_OPERATION", {{"operation", "DESCRIBE HISTORY"}});
  }
  auto map = DataType::map(TypeId::kString, TypeId::kString);
  constexpr auto n = true;
  auto result = answer({{"version", TypeId::kLong, n}, {"timestamp", TypeId::kTimestamp, n}, {"userId", TypeId::kString, n}, {"userName", TypeId::kString, n},
                        {"operation", TypeId::kString, n}, {"operationParameters", map, n},
                        {"job", text_struct({"jobId", "jobName", "jobRunId", "runId", "jobOwnerId", "triggerType"}), n}, {"notebook", text_struct({"notebookId"}), n},
                        {"clusterId", TypeId::kString, n}, {"readVersion", TypeId::kLong, n}, {"isolationLevel", TypeId::kString, n},
                        {"isBlindAppend", TypeId::kBoolean, n}, {"operationMetrics", map, n}, {"userMetadata", TypeId::kString, n}, {"engineInfo", TypeId::kString, n}});
  for (auto& entry : delta::Table::at(path)->history(describe.has_limit() ? static_cast<size_t>(describe.limit()) : 0)) {
    json info = entry.info.json.empty() ? json::object() : json::parse(entry.info.json, nullptr, false);
    if (!info.is_object()) info = json::object();
    if (info.contains("commitInfo")) info = info["commitInfo"];
    auto read = info.find("readVersion");
    auto blind = info.find("isBlindAppend");
    result.rows.push_back({integer(entry.version), integer(entry.timestamp_ms * 1000), optional_text(text_of(info, "userId")),
                           optional_text(text_of(info, "userName")), optional_text(text_of(info, "operation")), map_of(info, "operationParameters"),
                           struct_of(info, "job", {"jobId", "jobName", "jobRunId", "runId", "jobOwnerId", "triggerType"}),
                           struct_of(info, "notebook", {"notebookId"}), optional_text(text_of(info, "clusterId")),
                           read != info.end() && read->is_number() ? integer(read->get<int64_t>()) : Value{}, optional_text(text_of(info, "isolationLevel")),
                           blind != info.end() && blind->is_boolean() ? boolean(blind->get<bool>()) : Value{}, map_of(info, "operationMetrics"),
                           optional_text(text_of(info, "userMetadata")), optional_text(text_of(info, "engineInfo"))});
  }
  return result;
}

CommandResult describe_detail(const sql::Statement& statement, CommandHost& host) {
  auto target = delta_target(statement.describe_detail().target(), host, "DESCRIBE DETAIL");
  auto path = catalog::path_of_location(target.location);
  auto list = DataType::array(TypeId::kString);
  constexpr auto n = true;
  auto result = answer({{"format", TypeId::kString, n}, {"id", TypeId::kString, n}, {"name", TypeId::kString, n}, {"description", TypeId::kString, n},
                        {"location", TypeId::kString, n}, {"createdAt", TypeId::kTimestamp, n}, {"lastModified", TypeId::kTimestamp, n},
                        {"partitionColumns", list, n}, {"clusteringColumns", list, n}, {"numFiles", TypeId::kLong, n}, {"sizeInBytes", TypeId::kLong, n},
                        {"properties", DataType::map(TypeId::kString, TypeId::kString), n}, {"minReaderVersion", TypeId::kInt, n},
                        {"minWriterVersion", TypeId::kInt, n}, {"tableFeatures", list, n}});
  Value name = target.table ? text(quote_if_needed(target.table->full_name())) : Value{};
  if (!delta::Table::exists(path)) {
    if (!target.table) throw analysis_error("DELTA_TABLE_NOT_FOUND", {{"tableName", path}});
    auto& t = *target.table;
    result.rows.push_back({text(t.provider), Value{}, name, optional_text(t.comment), text(t.location), integer(t.created_ms * 1000), Value{},
                           texts(t.partition_columns), texts({}), Value{}, Value{}, text_map(t.properties), Value{}, Value{}, Value{}});
    return result;
  }
  auto snapshot = delta::Table::at(path)->snapshot();
  auto& metadata = snapshot->metadata();
  auto& protocol = snapshot->protocol();
  std::vector<std::string> features;
  for (auto* set : {&protocol.reader_features, &protocol.writer_features}) {
    if (*set) features.insert(features.end(), (*set)->begin(), (*set)->end());
  }
  std::sort(features.begin(), features.end());
  features.erase(std::unique(features.begin(), features.end()), features.end());
  if (features.empty()) {
    for (auto* f : {"appendOnly", "changeDataFeed", "checkConstraints", "columnMapping", "generatedColumns", "identityColumns", "invariants"}) {
      if (protocol.supports(f)) features.push_back(f);
    }
  }
  result.rows.push_back({text("delta"), text(metadata.id), name, metadata.has_description ? text(metadata.description) : Value{}, text(target.location),
                         metadata.created_time ? integer(*metadata.created_time * 1000) : Value{}, integer(snapshot->timestamp_ms() * 1000),
                         texts(metadata.partition_columns), texts(clustering_columns(*snapshot)), integer(static_cast<int64_t>(snapshot->files().size())),
                         integer(snapshot->size_in_bytes()), text_map(metadata.configuration), integer(protocol.min_reader_version),
                         integer(protocol.min_writer_version), texts(features)});
  return result;
}

}  // namespace tarn::engine::commands
