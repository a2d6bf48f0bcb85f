#include "engine/sources/file_index.h"

#include <algorithm>
#include <map>
#include <set>

#include "base/io_error.h"
#include "base/spark_error.h"
#include "duckdb/common/types/value.hpp"
#include "engine/datetime_format.h"
#include "engine/datetime_parse.h"
#include "engine/type_mapping.h"
#include "engine/sources/java_number.h"
#include "engine/time_zone.h"
#include "plan/session_conf.h"
#include "storage/path.h"

namespace tarn::engine::sources {
namespace {

using plan::DataType;
using plan::TypeId;

constexpr const char* kNullPartition = "__HIVE_DEFAULT_PARTITION__";

SparkError path_not_found(const std::string& path) {
  return analysis_error("PATH_NOT_FOUND", {{"path", storage::display_uri(path)}});
}

// One name of a place: an absolute path of the local disk, or a URI. Throws for schemes that nothing is known of.
std::string place(const std::string& path) {
  storage::store_for(path);
  return storage::normalize(path);
}

struct PathFilter {
  std::optional<std::string> glob;
  std::optional<int64_t> before, after;  // microseconds

  bool accepts(const DataFile& f) const {
    if (glob && !storage::glob_match(*glob, storage::file_name(f.path))) return false;
    if (before && f.modified_ms * 1000 >= *before) return false;
    if (after && f.modified_ms * 1000 <= *after) return false;
    return true;
  }
};

PathFilter make_filter(const Options& options, const std::string& zone) {
  PathFilter f;
  f.glob = options.find("pathGlobFilter");
  auto instant = [&](const char* name) -> std::optional<int64_t> {
    auto v = options.find(name);
    if (!v) return std::nullopt;
    auto t = string_to_timestamp(*v, *TimeZone::get(zone));
    if (!t) {
      throw analysis_error("_LEGACY_ERROR_TEMP_1294", {{"strategy", name}, {"timeString", *v}});
    }
    return t;
  };
  f.before = instant("modifiedBefore");
  f.after = instant("modifiedAfter");
  return f;
}

// ---- partition discovery

using Pairs = std::vector<std::pair<std::string, std::string>>;  // column name, raw (escaped) value

// The k=v components of a directory below one of the base paths, outermost first, and where they start.
std::pair<Pairs, std::string> partition_pairs(const std::string& directory, const std::set<std::string>& base_paths) {
  Pairs out;
  std::string current = directory;
  while (!base_paths.contains(current) && current.size() > 1) {
    std::string name = storage::file_name(current);
    size_t eq = name.find('=');
    if (eq == std::string::npos) {
      if (!out.empty()) break;
    } else {
      std::string column = storage::hive_unescape(name.substr(0, eq));
      if (column.empty()) throw SparkError(ErrorKind::kRuntime, "EMPTY_PARTITION_COLUMN_NAME", {{"columnSpec", name}});
      if (eq + 1 == name.size()) throw SparkError(ErrorKind::kRuntime, "EMPTY_PARTITION_COLUMN_VALUE", {{"columnSpec", name}});
      out.emplace_back(std::move(column), name.substr(eq + 1));
    }
    std::string up = storage::parent(current);
    if (up == current || up.empty()) break;
    current = up;
  }
  std::reverse(out.begin(), out.end());
  return {std::move(out), current};
}

// Spark's inferPartitionColumnValue; kNull for the null partition.
DataType infer_value(const std::string& raw, bool infer, const TimeZone& zone, bool ntz) {
  if (raw == kNullPartition) return TypeId::kNull;
  if (!infer) return TypeId::kString;
  if (parse_java_int(raw)) return TypeId::kInt;
  if (parse_java_long(raw)) return TypeId::kLong;
  if (auto d = BigDecimal::parse(raw); d && d->scale <= 0) {
    int precision = d->precision() - d->scale;
    if (precision <= 38) return DataType::decimal(std::max(precision, 1), 0);
  }
  if (parse_java_double(raw)) return TypeId::kDouble;
  static const auto kTimestamp = DateTimeFormat::compile("yyyy-MM-dd HH:mm:ss[.S]", true);
  static const auto kDate = DateTimeFormat::compile("yyyy-MM-dd", true);
  static const auto kTime = DateTimeFormat::compile("HH:mm:ss[.SSSSSS]", true);
  std::string text = storage::hive_unescape(raw);
  if (ntz ? kTimestamp->parse_timestamp_ntz(text, true) && string_to_timestamp_ntz(text)
          : kTimestamp->parse_timestamp(text, zone) && string_to_timestamp(text, zone)) {
    return ntz ? TypeId::kTimestampNtz : TypeId::kTimestamp;
  }
  if (kDate->parse_date(raw) && string_to_date(raw)) return TypeId::kDate;
  if (kTime->parse_time(text) && string_to_time(text)) return TypeId::kTime;
  return TypeId::kString;
}

// Spark's findWiderTypeForPartitionColumn.
DataType wider(const DataType& a, const DataType& b) {
  if (a.same_type(b)) return a;
  if (a.id() == TypeId::kNull) return b;
  if (b.id() == TypeId::kNull) return a;
  auto pair = [&](TypeId x, TypeId y) { return (a.id() == x && b.id() == y) || (a.id() == y && b.id() == x); };
  if (pair(TypeId::kInt, TypeId::kLong)) return TypeId::kLong;
  if (pair(TypeId::kInt, TypeId::kDouble)) return TypeId::kDouble;
  if (pair(TypeId::kDate, TypeId::kTimestamp)) return TypeId::kTimestamp;
  if (pair(TypeId::kDate, TypeId::kTimestampNtz)) return TypeId::kTimestampNtz;
  auto as_decimal = [](const DataType& t) -> std::optional<DataType> {
    if (t.id() == TypeId::kDecimal) return t;
    if (t.id() == TypeId::kInt || t.id() == TypeId::kLong) return plan::decimal_for(t.id());
    return std::nullopt;
  };
  if (a.id() == TypeId::kDecimal || b.id() == TypeId::kDecimal) {
    auto x = as_decimal(a), y = as_decimal(b);
    if (x && y) return DataType::decimal(std::max(x->precision(), y->precision()), 0);
  }
  return TypeId::kString;
}

void discover_partitions(FileIndex& index, const std::set<std::string>& base_paths, const std::optional<DataType>& user_schema,
                         const std::optional<std::vector<std::string>>& known, bool ignore_invalid, const std::string& zone_id,
                         const plan::SessionConf& conf) {
  bool case_sensitive = conf.case_sensitive();
  auto same = [&](const std::string& a, const std::string& b) { return case_sensitive ? a == b : equal_ignore_case(a, b); };
  std::map<std::string, size_t> by_directory;
  std::vector<Pairs> found;
  std::vector<std::string> directories, starts;
  bool any = false, all = true;
  for (DataFile& f : index.files) {
    std::string dir = storage::parent(f.path);
    auto [it, fresh] = by_directory.emplace(dir, found.size());
    f.partition = it->second;
    if (!fresh) continue;
    auto [pairs, start] = partition_pairs(dir, base_paths);
    if (known) {
      std::erase_if(pairs, [&](const auto& p) {
        return std::none_of(known->begin(), known->end(), [&](const std::string& k) { return same(k, p.first); });
      });
    }
    any = any || !pairs.empty();
    all = all && !pairs.empty();
    starts.push_back(pairs.empty() ? dir : start);
    directories.push_back(dir);
    found.push_back(std::move(pairs));
  }
  if (!any) {
    for (DataFile& f : index.files) f.partition = 0;
    return;
  }
  std::set<std::string> distinct;
  for (const auto& s : starts) distinct.insert(lower(storage::display_uri(s)));
  if (distinct.size() != 1 && !ignore_invalid) {
    std::string list = "\n\t";
    for (const auto& s : distinct) list += (list.size() > 2 ? "\n\t" : "") + s;
    throw SparkError(ErrorKind::kRuntime, "CONFLICTING_DIRECTORY_STRUCTURES", {{"discoveredBasePaths", list + "\n"}});
  }
  if (!all) {  // paths without partition values are left out
    std::erase_if(index.files, [&](const DataFile& f) { return found[f.partition].empty(); });
  }
  const Pairs* first = nullptr;
  for (const Pairs& p : found) {
    if (p.empty()) continue;
    if (!first) first = &p;
    bool equal = p.size() == first->size();
    for (size_t i = 0; equal && i < p.size(); ++i) equal = same(p[i].first, (*first)[i].first);
    if (equal) continue;
    auto names = [](const Pairs& q) {
      std::string s;
      for (const auto& [n, v] : q) s += (s.empty() ? "" : ", ") + n;
      return s;
    };
    std::vector<std::string> lists;
    std::string paths;
    for (size_t i = 0; i < found.size(); ++i) {
      if (found[i].empty()) continue;
      if (std::find(lists.begin(), lists.end(), names(found[i])) == lists.end()) lists.push_back(names(found[i]));
      paths += "\n\t" + storage::display_uri(directories[i]);
    }
    std::string text;
    for (size_t i = 0; i < lists.size(); ++i) text += "\n\tPartition column name list #" + std::to_string(i) + ": " + lists[i];
    throw SparkError(ErrorKind::kRuntime, "CONFLICTING_PARTITION_COLUMN_NAMES",
                     {{"distinctPartColLists", text + "\n"}, {"suspiciousPaths", paths}});
  }
  auto zone = TimeZone::get(zone_id);
  bool infer = conf.flag("spark.sql.sources.partitionColumnTypeInference.enabled");
  bool ntz = lower(conf.text("spark.sql.timestampType")) == "timestamp_ntz";
  for (size_t c = 0; c < first->size(); ++c) {
    std::string name = (*first)[c].first;
    std::optional<DataType> type;
    if (user_schema) {
      for (const auto& f : user_schema->fields()) {
        if (same(f.name, name)) {
          type = f.type();
          if (!case_sensitive) name = f.name;
          break;
        }
      }
    }
    if (!type) {
      DataType t;
      for (const Pairs& p : found) {
        if (!p.empty()) t = wider(t, infer_value(p[c].second, infer, *zone, ntz));
      }
      type = t;
    }
    index.partition_fields.push_back(plan::make_field(name, *type));
  }
  for (const Pairs& p : found) {
    std::vector<std::optional<std::string>> row;
    for (size_t c = 0; c < p.size(); ++c) {
      if (p[c].second == kNullPartition) row.emplace_back(std::nullopt);
      else row.emplace_back(storage::hive_unescape(p[c].second));
    }
    index.partitions.push_back(std::move(row));
  }
}

}  // namespace

std::string DataFile::display() const { return storage::display_uri(path); }
std::string DataFile::url() const {
  std::string text = storage::uri_encode_path(path);
  return text.starts_with('/') ? "file://" + text : text;
}
std::string DataFile::encoded() const { return storage::display_uri(storage::uri_encode_path(path)); }

uint64_t FileIndex::total_size() const {
  uint64_t n = 0;
  for (const auto& f : files) n += static_cast<uint64_t>(f.size);
  return n;
}

FileIndex list_files(const std::vector<std::string>& paths, const Options& options, const std::optional<DataType>& user_schema,
                     const std::optional<std::vector<std::string>>& partition_columns, const plan::SessionConf& conf) {
  std::string zone = options.text("timeZone", conf.time_zone());
  PathFilter filter = make_filter(options, zone);
  bool recursive = options.flag("recursiveFileLookup", false);
  bool globbing = lower(options.text("__globPaths__", "true")) == "true";
  std::set<std::string> base_paths;
  FileIndex index;
  std::vector<std::string> roots;
  for (const std::string& given : paths) {
    if (given.empty()) throw SparkError::Plain(ErrorKind::kIllegalArgument, "Can not create a Path from an empty string");
    std::string path = place(given);
    if (globbing && storage::has_glob(path)) {
      auto found = storage::glob(path);
      if (found.empty()) throw path_not_found(path);
      for (const auto& f : found) roots.push_back(storage::normalize(f.path));
    } else {
      roots.push_back(path);
    }
  }
  for (const std::string& root : roots) {
    auto info = storage::store_for(root).stat(root);
    if (!info) throw path_not_found(root);
    bool directory = info->is_directory;
    base_paths.insert(directory ? root : storage::parent(root));
    auto add = [&](const storage::FileInfo& f) {
      DataFile d;
      d.path = storage::normalize(f.path);
      d.size = static_cast<int64_t>(f.size);
      d.modified_ms = f.modified_ms;
      d.tag = f.tag;
      if (!storage::is_hidden_name(storage::file_name(d.path)) && filter.accepts(d)) index.files.push_back(std::move(d));
    };
    try {
      for (const auto& f : storage::list_data_files(root, *info, recursive)) add(f);
    } catch (const IoError& e) {
      if (e.kind() == IoError::Kind::kNotFound) throw path_not_found(root);
      throw;
    }
  }
  if (auto base = options.find("basePath")) {
    std::string b = place(*base);
    auto info = storage::store_for(b).stat(b);
    if (!info) throw SparkError::Plain(ErrorKind::kIllegalArgument, "Option 'basePath' not found");
    if (!info->is_directory) throw SparkError::Plain(ErrorKind::kIllegalArgument, "Option 'basePath' must be a directory");
    for (const std::string& root : roots) {
      if (!root.starts_with(b)) {
        throw SparkError::Plain(ErrorKind::kIllegalArgument,
                                "Wrong basePath " + *base + " for the root path: " + storage::display_uri(root));
      }
    }
    base_paths = {b};
  }
  if (!recursive) {
    discover_partitions(index, base_paths, user_schema, partition_columns, options.flag("ignoreInvalidPartitionPaths", false), zone, conf);
  }
  return index;
}

duckdb::Value partition_value(const plan::StructField& field, const std::optional<std::string>& text, const plan::SessionConf& conf,
                              const std::string& zone_id) {
  using duckdb::Value;
  const DataType& type = field.type();
  duckdb::LogicalType logical = to_duckdb(type);
  if (!text) return Value(logical);
  auto bad = [&]() -> Value {
    if (!conf.flag("spark.sql.sources.validatePartitionColumns")) return Value(logical);
    throw SparkError(ErrorKind::kRuntime, "INVALID_PARTITION_VALUE",
                     {{"value", "'" + *text + "'"}, {"dataType", quote_sql(type.sql())}, {"columnName", quote_identifier(field.name)}});
  };
  auto zone = TimeZone::get(zone_id);
  switch (type.id()) {
    case TypeId::kNull: return Value(logical);
    case TypeId::kString:
    case TypeId::kChar:
    case TypeId::kVarchar: return Value(*text);
    case TypeId::kBinary: return Value::BLOB_RAW(*text);
    case TypeId::kByte:
    case TypeId::kShort:
    case TypeId::kInt: {
      auto v = parse_java_int(*text);
      if (!v) return bad();
      if (type.id() == TypeId::kByte) return Value::TINYINT(static_cast<int8_t>(*v));
      if (type.id() == TypeId::kShort) return Value::SMALLINT(static_cast<int16_t>(*v));
      return Value::INTEGER(*v);
    }
    case TypeId::kLong: {
      auto v = parse_java_long(*text);
      return v ? Value::BIGINT(*v) : bad();
    }
    case TypeId::kFloat: {
      auto v = parse_java_double(*text);
      return v ? Value::FLOAT(static_cast<float>(*v)) : bad();
    }
    case TypeId::kDouble: {
      auto v = parse_java_double(*text);
      return v ? Value::DOUBLE(*v) : bad();
    }
    case TypeId::kBoolean: {
      std::string s = lower(*text);
      return s == "true" ? Value::BOOLEAN(true) : s == "false" ? Value::BOOLEAN(false) : bad();
    }
    case TypeId::kDecimal: {
      auto d = BigDecimal::parse(*text);
      if (!d) return bad();
      auto v = d->to_int128(type.precision(), type.scale());
      if (!v) return bad();
      auto width = static_cast<uint8_t>(type.precision()), scale = static_cast<uint8_t>(type.scale());
      if (width <= 4) return Value::DECIMAL(static_cast<int16_t>(*v), width, scale);
      if (width <= 9) return Value::DECIMAL(static_cast<int32_t>(*v), width, scale);
      if (width <= 18) return Value::DECIMAL(static_cast<int64_t>(*v), width, scale);
      return Value::DECIMAL(duckdb::hugeint_t(static_cast<int64_t>(*v >> 64), static_cast<uint64_t>(*v)), width, scale);
    }
    case TypeId::kDate: {
      auto v = string_to_date(*text);
      return v ? Value::DATE(duckdb::date_t(*v)) : bad();
    }
    case TypeId::kTimestamp: {
      auto v = string_to_timestamp(*text, *zone);
      return v ? Value::TIMESTAMPTZ(duckdb::timestamp_tz_t(*v)) : bad();
    }
    case TypeId::kTimestampNtz: {
      auto v = string_to_timestamp_ntz(*text);
      return v ? Value::TIMESTAMP(duckdb::timestamp_t(*v)) : bad();
    }
    case TypeId::kTime: {
      auto v = string_to_time(*text);
      return v ? Value::BIGINT(*v) : bad();
    }
    default: throw analysis_error("INVALID_PARTITION_COLUMN_DATA_TYPE", {{"type", quote_sql(type.sql())}});
  }
}

}  // namespace tarn::engine::sources
