#include "engine/delta_files.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <map>
#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>
#include <set>

#include "base/encoding.h"
#include "base/ids.h"
#include "base/spark_error.h"
#include "delta/statistics.h"
#include "duckdb.hpp"
#include "engine/delta_relation.h"
#include "engine/delta_scan.h"
#include "engine/storage_bridge.h"
#include "storage/path.h"

namespace tarn::engine {
namespace {

using delta::ColumnMapping;
using delta::Type;
using nlohmann::ordered_json;

std::string lower(std::string s) {
  std::transform(s.begin(), s.end(), s.begin(), [](unsigned char c) { return std::tolower(c); });
  return s;
}

bool has_void(const Type& t) {
  switch (t.kind) {
    case Type::Kind::kPrimitive: return t.name == "void";
    case Type::Kind::kStruct: return std::any_of(t.fields.begin(), t.fields.end(), [](const delta::Field& f) { return has_void(f.type); });
    case Type::Kind::kArray: return has_void(*t.element);
    case Type::Kind::kMap: return has_void(*t.key) || has_void(*t.value);
  }
  return false;
}

bool needs_renaming(const Type& t) {
  switch (t.kind) {
    case Type::Kind::kPrimitive: return false;
    case Type::Kind::kStruct: return std::any_of(t.fields.begin(), t.fields.end(), [](const delta::Field& f) {
        return f.physical_name() != f.name || needs_renaming(f.type) || f.type.name == "void";
      });
    case Type::Kind::kArray: return needs_renaming(*t.element);
    case Type::Kind::kMap: return needs_renaming(*t.key) || needs_renaming(*t.value);
  }
  return false;
}

std::string lambda_variable() {
  static thread_local int n = 0;
  return "tarn_l" + std::to_string(n++ % 1000000);
}

// The value with the names that its fields have in files.
std::string physical_sql(const std::string& e, const Type& t) {
  if (!needs_renaming(t)) return e;
  switch (t.kind) {
    case Type::Kind::kStruct: {
      std::string parts;
      for (const auto& f : t.fields) {
        if (f.type.name == "void") continue;
        parts += (parts.empty() ? "" : ", ") + sql_identifier(f.physical_name()) + " := " +
                 physical_sql("struct_extract(" + e + ", " + sql_string(f.name) + ")", f.type);
      }
      if (parts.empty()) throw analysis_error("DELTA_CANNOT_WRITE_EMPTY_SCHEMA.STRUCT_ALL_VOID_FIELDS", {{"columnPath", e}});
      return "CASE WHEN " + e + " IS NULL THEN NULL ELSE struct_pack(" + parts + ") END";
    }
    case Type::Kind::kArray: {
      std::string x = lambda_variable();
      return "list_transform(" + e + ", lambda " + x + ": " + physical_sql(x, *t.element) + ")";
    }
    case Type::Kind::kMap: {
      std::string x = lambda_variable();
      return "CASE WHEN " + e + " IS NULL THEN NULL ELSE map_from_entries(list_transform(map_entries(" + e + "), lambda " + x + ": struct_pack(k := " +
             physical_sql(x + ".key", *t.key) + ", v := " + physical_sql(x + ".value", *t.value) + "))) END";
    }
    case Type::Kind::kPrimitive: break;
  }
  return e;
}

// COPY's FIELD_IDS entry of a field's inner part; empty if there are no ids.
std::string field_ids(const Type& t) {
  switch (t.kind) {
    case Type::Kind::kStruct: {
      std::string out;
      for (const auto& f : t.fields) {
        if (f.type.name == "void" || !f.column_id()) continue;
        std::string inner = field_ids(f.type), id = std::to_string(*f.column_id());
        out += ", " + sql_identifier(f.physical_name()) + ": " + (inner.empty() ? id : "{__duckdb_field_id: " + id + inner + "}");
      }
      return out;
    }
    case Type::Kind::kArray: {
      std::string inner = field_ids(*t.element);
      return inner.empty() ? "" : ", element: {" + inner.substr(2) + "}";
    }
    case Type::Kind::kMap: {
      std::string out, key = field_ids(*t.key), value = field_ids(*t.value);
      if (!key.empty()) out += ", key: {" + key.substr(2) + "}";
      if (!value.empty()) out += ", value: {" + value.substr(2) + "}";
      return out;
    }
    case Type::Kind::kPrimitive: return "";
  }
  return "";
}

// The text of a partition value. An empty string cannot be told from NULL in a partition, so it is NULL (as in Spark).
std::string partition_sql(const std::string& e, const Type& t) {
  if (t.name == "timestamp") return "strftime(" + e + " AT TIME ZONE 'UTC', '%Y-%m-%dT%H:%M:%S.%fZ')";
  if (t.name == "binary") return "nullif(decode(" + e + "), '')";
  if (t.name == "float" || t.name == "double") {
    return "CASE WHEN isinf(" + e + ") THEN CASE WHEN " + e + " > 0 THEN 'Infinity' ELSE '-Infinity' END WHEN isnan(" + e + ") THEN 'NaN' ELSE CAST(" + e +
           " AS VARCHAR) END";
  }
  return "nullif(CAST(" + e + " AS VARCHAR), '')";
}

struct Codec {
  std::string duckdb, suffix;
};
Codec codec_of(const delta::Metadata& m) {
  std::string name = lower(m.property("delta.parquet.compression.codec", "snappy"));
  if (name == "zstd") return {"zstd", ".zstd"};
  if (name == "gzip") return {"gzip", ".gz"};
  if (name == "none" || name == "uncompressed") return {"uncompressed", ""};
  if (name == "lz4_raw" || name == "lz4raw") return {"lz4_raw", ".lz4raw"};
  if (name == "brotli") return {"brotli", ".br"};
  return {"snappy", ".snappy"};
}

// One column's statistic as JSON; nothing if it cannot be written.
std::optional<ordered_json> stat_json(const std::string& text, const Type& t, bool is_max) {
  const std::string& n = t.name;
  if (n == "string" || n.rfind("string ", 0) == 0 || n.rfind("char", 0) == 0 || n.rfind("varchar", 0) == 0) {
    if (!is_max) return delta::truncate_min(text);
    auto cut = delta::truncate_max(text);
    return cut ? std::optional<ordered_json>(*cut) : std::nullopt;
  }
  if (n == "date") return text.size() == 10 ? std::optional<ordered_json>(text) : std::nullopt;
  if (n == "timestamp" || n == "timestamp_ntz") {
    // "2020-01-01 00:00:00[.ffffff][+00]" -> "2020-01-01T00:00:00.fff[Z]", cut to milliseconds.
    if (text.size() < 19 || text[4] != '-' || text[10] != ' ') return std::nullopt;
    std::string fraction = "000";
    size_t i = 19;
    if (i < text.size() && text[i] == '.') {
      for (size_t k = 0; k < 3 && i + 1 + k < text.size() && std::isdigit(static_cast<unsigned char>(text[i + 1 + k])); ++k) fraction[k] = text[i + 1 + k];
    }
    return text.substr(0, 10) + "T" + text.substr(11, 8) + "." + fraction + (n == "timestamp" ? "Z" : "");
  }
  if (n == "float" || n == "double") {
    double v = std::strtod(text.c_str(), nullptr);
    return std::isfinite(v) ? std::optional<ordered_json>(v) : std::nullopt;
  }
  if (n.rfind("decimal", 0) == 0) return ordered_json(text);  // written bare below
  char* end = nullptr;
  long long v = std::strtoll(text.c_str(), &end, 10);
  return *end == '\0' && !text.empty() ? std::optional<ordered_json>(v) : std::nullopt;
}

// Decimals go into JSON with all their digits, which no number type of the JSON library can hold: they pass through it under a mark.
const char kBare[] = "\x01" "decimal:";
std::string with_bare_decimals(const std::string& json) {
  std::string mark = "\"\\u0001decimal:", out;
  for (size_t i = 0;;) {
    size_t at = json.find(mark, i);
    if (at == std::string::npos) return out + json.substr(i);
    size_t end = json.find('"', at + mark.size());
    out += json.substr(i, at - i) + json.substr(at + mark.size(), end - at - mark.size());
    i = end + 1;
  }
}

void put(ordered_json& object, const std::vector<std::string>& path, ordered_json value) {
  ordered_json* at = &object;
  for (size_t i = 0; i + 1 < path.size(); ++i) at = &(*at)[path[i]];
  (*at)[path.back()] = std::move(value);
}

// RETURN_STATS names a column by its quoted parts: "a"."b".
std::string stats_key(const std::vector<std::string>& physical) {
  std::string out;
  for (const auto& p : physical) out += (out.empty() ? "" : ".") + sql_identifier(p);
  return out;
}

using ColumnStats = std::map<std::string, std::map<std::string, std::string>>;

std::string stats_text(int64_t rows, const std::vector<delta::StatColumn>& columns, const ColumnStats& stats) {
  ordered_json low = ordered_json::object(), high = ordered_json::object(), nulls = ordered_json::object();
  for (const auto& c : columns) {
    auto it = stats.find(stats_key(c.physical));
    if (it == stats.end()) continue;
    auto value = [&](const char* key) -> std::optional<std::string> {
      auto v = it->second.find(key);
      return v == it->second.end() ? std::nullopt : std::optional(v->second);
    };
    // Minimum and maximum do not speak for NaN.
    if (c.has_bounds && value("has_nan").value_or("false") != "true") {
      bool decimal = c.type.name.rfind("decimal", 0) == 0;
      for (bool is_max : {false, true}) {
        auto text = value(is_max ? "max" : "min");
        auto json = text ? stat_json(*text, c.type, is_max) : std::nullopt;
        if (!json) continue;
        if (decimal) json = kBare + json->get<std::string>();
        put(is_max ? high : low, c.physical, std::move(*json));
      }
    }
    if (auto n = value("null_count")) put(nulls, c.physical, std::atoll(n->c_str()));
  }
  ordered_json out = {{"numRecords", rows}, {"minValues", low}, {"maxValues", high}, {"nullCount", nulls}};
  return with_bare_decimals(out.dump(-1, ' ', false, ordered_json::error_handler_t::replace));
}

}  // namespace

std::string spark_error_sql(const std::string& condition, const std::string& kind, const std::vector<std::pair<std::string, std::string>>& parameters) {
  std::string names;
  for (const auto& [name, sql] : parameters) names += (names.empty() ? "" : ", ") + sql_string(name) + ", " + sql;
  return "'SPARKERR:' || CAST(json_object('condition', " + sql_string(condition) + ", 'kind', " + sql_string(kind) + ", 'params', json_object(" + names +
         ")) AS VARCHAR)";
}

std::string adapt_sql(const std::string& e, const Type& from, const Type& to) {
  if (from.kind != to.kind || from.kind == Type::Kind::kPrimitive) {
    auto target = duckdb_type(to);
    return duckdb_type(from) == target ? e : "CAST(" + e + " AS " + target.ToString() + ")";
  }
  if (duckdb_type(from) == duckdb_type(to)) return e;
  switch (from.kind) {
    case Type::Kind::kStruct: {
      std::string parts;
      for (const auto& f : to.fields) {
        const delta::Field* source = nullptr;
        for (const auto& s : from.fields) {
          if (lower(s.name) == lower(f.name)) source = &s;
        }
        std::string value = source ? adapt_sql("struct_extract(" + e + ", " + sql_string(source->name) + ")", source->type, f.type)
                                   : "CAST(NULL AS " + duckdb_type(f.type).ToString() + ")";
        parts += (parts.empty() ? "" : ", ") + sql_identifier(f.name) + " := " + value;
      }
      return "CASE WHEN " + e + " IS NULL THEN NULL ELSE struct_pack(" + parts + ") END";
    }
    case Type::Kind::kArray: {
      std::string x = lambda_variable();
      return "list_transform(" + e + ", lambda " + x + ": " + adapt_sql(x, *from.element, *to.element) + ")";
    }
    case Type::Kind::kMap: {
      std::string x = lambda_variable();
      return "CASE WHEN " + e + " IS NULL THEN NULL ELSE map_from_entries(list_transform(map_entries(" + e + "), lambda " + x + ": struct_pack(k := " +
             adapt_sql(x + ".key", *from.key, *to.key) + ", v := " + adapt_sql(x + ".value", *from.value, *to.value) + "))) END";
    }
    case Type::Kind::kPrimitive: break;
  }
  return e;
}

DataFiles write_data_files(duckdb::Connection& connection, const std::string& table_path, const delta::Metadata& metadata, const std::string& query,
                           const std::vector<RowCheck>& checks, const std::string& subdirectory) {
  delta::Schema schema = delta::parse_schema(metadata.schema_string);
  bool change_files = !subdirectory.empty();
  if (change_files) {
    delta::Field kind;
    kind.name = "_change_type";
    kind.type.name = "string";
    schema.fields.push_back(kind);
  }
  std::vector<const delta::Field*> partition;
  for (const auto& name : metadata.partition_columns) {
    const delta::Field* f = schema.find(name);
    if (!f) throw internal_error("partition column " + name + " is not in the schema");
    partition.push_back(f);
  }
  auto is_partition = [&](const delta::Field& f) { return std::find(partition.begin(), partition.end(), &f) != partition.end(); };

  // The rows with the columns as files have them, then the partition values as text.
  std::string names, select, ids, partition_by;
  bool mapped = delta::column_mapping(metadata) != ColumnMapping::kNone;
  for (const auto& f : schema.fields) {
    names += (names.empty() ? "" : ", ") + sql_identifier(f.name);
    if (f.type.name == "void" || is_partition(f)) continue;
    if (f.type.kind != Type::Kind::kStruct && has_void(f.type)) {
      throw SparkError(ErrorKind::kAnalysis, "DELTA_COMPLEX_TYPE_COLUMN_CONTAINS_NULL_TYPE", {{"columName", f.name}, {"dataType", f.type.kind == Type::Kind::kMap ? "MapType" : "ArrayType"}});
    }
    select += (select.empty() ? "" : ", ") + physical_sql(sql_identifier(f.name), f.type) + " AS " + sql_identifier(f.physical_name());
    if (mapped && f.column_id()) {
      std::string inner = field_ids(f.type), id = std::to_string(*f.column_id());
      ids += (ids.empty() ? "" : ", ") + sql_identifier(f.physical_name()) + ": " + (inner.empty() ? id : "{__duckdb_field_id: " + id + inner + "}");
    }
  }
  if (select.empty()) throw analysis_error("DELTA_CANNOT_WRITE_EMPTY_SCHEMA.TABLE_NO_COLUMNS");
  for (size_t i = 0; i < partition.size(); ++i) {
    std::string alias = "__tarn_partition_" + std::to_string(i);
    select += ", " + partition_sql(sql_identifier(partition[i]->name), partition[i]->type) + " AS " + alias;
    partition_by += (partition_by.empty() ? "" : ", ") + alias;
  }
  std::string from = "(" + query + ") AS tarn_rows(" + names + ")";
  for (const auto& c : checks) {
    from = "(SELECT * FROM " + from + " WHERE CASE WHEN (" + c.condition + ") THEN true ELSE error(" + c.error + ") END) AS tarn_rows(" + names + ")";
  }

  auto& store = storage::store_for(table_path);
  std::string write_id = random_uuid();
  Codec codec = codec_of(metadata);
  // Where a file belongs, by its partition's directory.
  int number = 0;
  auto place = [&](const std::string& directory) {
    char prefix[32];
    std::snprintf(prefix, sizeof prefix, change_files ? "cdc-%05d-" : "part-%05d-", number++);
    return (change_files ? subdirectory + "/" : "") + directory + prefix + write_id + "-c000" + codec.suffix + ".parquet";
  };
  auto partition_directory = [&](size_t i, const std::optional<std::string>& value) {
    return storage::hive_escape(partition[i]->physical_name()) + "=" + (value ? storage::hive_escape(*value) : "__HIVE_DEFAULT_PARTITION__") + "/";
  };
  // On the local disk files are written aside and renamed: they are synced there. Elsewhere each is written where it stays, since a rename is
  // a copy or a journey. Not hidden: what a crash leaves behind is found by VACUUM like any file that no commit names.
  std::string staging;
  std::unique_ptr<StagedFiles> staged;
  std::mutex placed_mu;
  std::map<std::string, std::string> placed;  // what DuckDB calls a file -> its path below the table; guarded by placed_mu
  if (store.is_local()) {
    staging = duckdb_path(storage::join(table_path, "tarn-staging-" + write_id));
    store.make_directories(table_path);
  } else {
    staged = std::make_unique<StagedFiles>(
        [&](const std::string& name) {
          std::lock_guard lock(placed_mu);
          auto [it, fresh] = placed.try_emplace(name);
          if (fresh) {
            // DuckDB's directories are "__tarn_partition_0=<escaped>/…".
            std::string directory;
            size_t at = 0;
            for (size_t i = 0; i < partition.size(); ++i) {
              size_t eq = name.find('=', at), slash = name.find('/', at);
              if (eq == std::string::npos || slash == std::string::npos) throw internal_error("a file outside its partition: " + name);
              std::string value = name.substr(eq + 1, slash - eq - 1);
              directory += partition_directory(i, value == "__HIVE_DEFAULT_PARTITION__" ? std::nullopt : std::optional(storage::hive_unescape(value)));
              at = slash + 1;
            }
            it->second = place(directory);
          }
          return storage::join(table_path, it->second);
        },
        true);
    staging = staged->directory();
  }
  std::string copy = "COPY (SELECT " + select + " FROM " + from + ") TO " + sql_string(staging) +
                     " (FORMAT parquet, RETURN_STATS true, COMPRESSION " + codec.duckdb + ", FILENAME_PATTERN 'part-{i}'";
  copy += partition_by.empty() ? ", FILE_SIZE_BYTES '512MB'" : ", PARTITION_BY (" + partition_by + "), WRITE_PARTITION_COLUMNS false";
  if (!ids.empty()) copy += ", FIELD_IDS {" + ids + "}";
  copy += ")";

  DataFiles out;
  try {
    auto result = connection.Query(copy);
    if (result->HasError()) result->ThrowError();
    auto columns = delta::stat_columns(metadata, schema);
    std::vector<std::string> empty;  // files without rows that have appeared
    for (duckdb::idx_t row = 0; row < result->RowCount(); ++row) {
      std::string file = result->GetValue(0, row).ToString();
      int64_t rows = result->GetValue(1, row).GetValue<int64_t>();
      if (rows == 0) {
        if (staged) empty.push_back(storage::join(table_path, placed.at(file.substr(staging.size() + 1))));
        continue;
      }
      delta::AddFile add;
      std::string directory;
      auto keys = result->GetValue(5, row);
      std::map<std::string, duckdb::Value> values;
      if (!keys.IsNull()) {
        for (const auto& entry : duckdb::MapValue::GetChildren(keys)) {
          const auto& kv = duckdb::StructValue::GetChildren(entry);
          values[kv[0].ToString()] = kv[1];
        }
      }
      for (size_t i = 0; i < partition.size(); ++i) {
        auto v = values.find("__tarn_partition_" + std::to_string(i));
        bool null = v == values.end() || v->second.IsNull();
        std::string name = partition[i]->physical_name();
        auto& value = add.partition_values[name] = null ? std::nullopt : std::optional(v->second.ToString());
        directory += partition_directory(i, value);
      }
      ColumnStats stats;
      auto column_stats = result->GetValue(4, row);
      if (!column_stats.IsNull()) {
        for (const auto& entry : duckdb::MapValue::GetChildren(column_stats)) {
          const auto& kv = duckdb::StructValue::GetChildren(entry);
          auto& one = stats[kv[0].ToString()];
          for (const auto& item : duckdb::MapValue::GetChildren(kv[1])) {
            const auto& pair = duckdb::StructValue::GetChildren(item);
            one[pair[0].ToString()] = pair[1].ToString();
          }
        }
      }
      std::string relative;
      if (staged) {
        std::string name = file.substr(staging.size() + 1);
        relative = placed.at(name);
        auto written = std::find_if(staged->files().begin(), staged->files().end(), [&](const auto& f) { return f.relative == name; });
        if (written == staged->files().end()) throw internal_error("DuckDB has not completed " + name);
        add.size = static_cast<int64_t>(written->size);
        add.modification_time = now_ms();
      } else {
        relative = place(directory);
        std::string final_path = storage::join(table_path, relative);
        store.make_directories(storage::parent(final_path));
        store.rename(file, final_path);
        store.sync(final_path);
        auto info = store.stat(final_path);
        add.size = static_cast<int64_t>(info->size);
        add.modification_time = info->modified_ms;
      }
      add.path = storage::uri_encode_path(relative);
      add.data_change = !change_files;
      if (!change_files) add.stats = stats_text(rows, columns, stats);
      out.rows += rows;
      out.bytes += add.size;
      out.files.push_back(std::move(add));
    }
    store.remove_files(empty);
  } catch (...) {
    try {
      if (staged) {
        std::vector<std::string> written;
        for (const auto& f : staged->files()) written.push_back(f.path);
        store.remove_files(written);
      } else {
        store.remove_recursive(staging);
      }
      for (const auto& f : out.files) store.remove(delta::resolve_path(table_path, f.path));
    } catch (const std::exception&) {
      // What stays behind is named by no commit.
    }
    throw;
  }
  if (!staged) store.remove_recursive(staging);
  return out;
}

}  // namespace tarn::engine
