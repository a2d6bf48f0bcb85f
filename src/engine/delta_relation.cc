#include "engine/delta_relation.h"

#include <algorithm>
#include <chrono>
#include <cctype>
#include <map>

#include "base/spark_error.h"
#include "delta/retention.h"
#include "delta/snapshot.h"
#include "delta/table.h"
#include "engine/datetime_parse.h"
#include "engine/delta_changes.h"
#include "engine/delta_scan.h"
#include "engine/time_zone.h"
#include "plan/session_conf.h"
#include "storage/path.h"

namespace tarn::engine {
namespace {

using Options = std::map<std::string, std::string>;

Options lowered(const std::vector<std::pair<std::string, std::string>>& options) {
  Options out;
  for (const auto& [k, v] : options) {
    std::string key = k;
    std::transform(key.begin(), key.end(), key.begin(), [](unsigned char c) { return std::tolower(c); });
    out[key] = v;
  }
  return out;
}
std::optional<std::string> option(const Options& o, const char* key) {
  auto it = o.find(key);
  return it == o.end() ? std::nullopt : std::optional(it->second);
}

bool flag(const Options& o, const char* key) {
  auto v = option(o, key);
  if (!v) return false;
  std::string text = *v;
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return std::tolower(c); });
  if (text == "true") return true;
  if (text == "false") return false;
  throw SparkError(ErrorKind::kIllegalArgument, "DELTA_ILLEGAL_OPTION", {{"name", key}, {"input", *v}, {"explain", "must be 'true' or 'false'"}});
}

int64_t parse_version(const std::string& key, const std::string& text) {
  char* end = nullptr;
  long long v = std::strtoll(text.c_str(), &end, 10);
  if (text.empty() || *end != '\0' || v < 0) {
    throw SparkError(ErrorKind::kIllegalArgument, "DELTA_TIME_TRAVEL_INVALID_BEGIN_VALUE", {{"timeTravelKey", key}});
  }
  return v;
}

// "/data/t@v5" or "/data/t@20260102030405678": the path without the suffix, and what it asks for.
struct TravelPath {
  std::string path;
  std::optional<std::string> version, timestamp;
};
TravelPath split_travel(const std::string& path) {
  TravelPath out{path, {}, {}};
  size_t at = path.rfind('@');
  if (at == std::string::npos || path.find('/', at) != std::string::npos) return out;
  std::string suffix = path.substr(at + 1);
  auto digits = [](std::string_view s) { return !s.empty() && std::all_of(s.begin(), s.end(), [](unsigned char c) { return std::isdigit(c); }); };
  if (suffix.size() > 1 && (suffix[0] == 'v' || suffix[0] == 'V') && digits(std::string_view(suffix).substr(1))) {
    out.version = suffix.substr(1);
  } else if (suffix.size() == 17 && digits(suffix)) {
    const std::string& s = suffix;
    out.timestamp = s.substr(0, 4) + "-" + s.substr(4, 2) + "-" + s.substr(6, 2) + " " + s.substr(8, 2) + ":" + s.substr(10, 2) + ":" + s.substr(12, 2) + "." + s.substr(14);
  } else {
    return out;
  }
  if (storage::store_for(path).stat(storage::normalize(path))) return {path, {}, {}};
  out.path = path.substr(0, at);
  return out;
}

void check_retention(const delta::Snapshot& wanted, const delta::Snapshot& latest, const plan::SessionConf& conf) {
  if (wanted.version() == latest.version()) return;
  if (conf.find("spark.databricks.delta.vacuum.enforceTimeTravelWithinDeletedFileRetentionDuration").value_or("true") == "false") return;
  int64_t keep = delta::retention_ms(latest.metadata(), "delta.deletedFileRetentionDuration", 7 * delta::kDayMs);
  int64_t now = std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch()).count();
  if (wanted.timestamp_ms() < now - keep) {
    throw SparkError(ErrorKind::kIllegalArgument, "DELTA_UNSUPPORTED_TIME_TRAVEL_BEYOND_DELETED_FILE_RETENTION_DURATION",
                     {{"deletedFileRetention", std::to_string(keep / 3'600'000)}});
  }
}

plan::DataType metadata_type() {
  using plan::DataType;
  using plan::TypeId;
  return DataType::structure({plan::make_field("file_path", TypeId::kString, false), plan::make_field("file_name", TypeId::kString, false),
                              plan::make_field("file_size", TypeId::kLong, false), plan::make_field("file_block_start", TypeId::kLong, false),
                              plan::make_field("file_block_length", TypeId::kLong, false),
                              plan::make_field("file_modification_time", TypeId::kTimestamp, false),
                              plan::make_field("row_index", TypeId::kLong, true)});
}

// Columns of the scan that metadata needs besides the path.
DeltaScanSpec with_file_metadata(const delta::Snapshot& snapshot) {
  DeltaScanSpec spec = DeltaScanSpec::of(snapshot);
  spec.constant_columns = {{"__tarn_size", "BIGINT"}, {"__tarn_modified", "TIMESTAMP WITH TIME ZONE"}};
  for (size_t i = 0; i < spec.files.size(); ++i) {
    const auto& f = *snapshot.files()[i];
    spec.files[i].constants = {std::to_string(f.size), delta::format_timestamp(f.modification_time) + "+00"};
  }
  return spec;
}

}  // namespace

std::string sql_identifier(const std::string& name) {
  std::string out = "\"";
  for (char c : name) {
    if (c == '"') out += '"';
    out += c;
  }
  return out + "\"";
}

std::string sql_string(const std::string& text) {
  std::string out = "'";
  for (char c : text) {
    if (c == '\'') out += '\'';
    out += c;
  }
  return out + "'";
}

DeltaRelation::~DeltaRelation() = default;

std::vector<plan::StructField> DeltaRelation::metadata_columns() const {
  if (is_change_feed()) return {};
  return {plan::make_field("_metadata", metadata_type(), false)};
}

std::vector<std::string> DeltaRelation::input_files() const {
  std::vector<std::string> out;
  for (const auto& f : snapshot_->files()) out.push_back(storage::display_uri(storage::uri_encode_path(delta::resolve_path(snapshot_->table_path(), f->path))));
  return out;
}

std::vector<std::string> DeltaRelation::partition_columns() const { return snapshot_->metadata().partition_columns; }

std::optional<uint64_t> DeltaRelation::size_in_bytes() const { return static_cast<uint64_t>(snapshot_->size_in_bytes()); }

std::string DeltaRelation::fingerprint() const {
  return "delta:" + snapshot_->table_path() + "@" + std::to_string(snapshot_->version()) + ":" + snapshot_->metadata().id + change_range_;
}

std::string DeltaRelation::identity() const {
  return "delta:" + snapshot_->table_path() + (travelled_ ? "@" + std::to_string(snapshot_->version()) : "") + change_range_;
}

const DeltaScan& DeltaRelation::scan(bool with_metadata) const {
  std::lock_guard lock(mu_);
  auto& scan = with_metadata ? metadata_scan_ : scan_;
  if (!scan) scan = std::make_unique<DeltaScan>(with_metadata ? with_file_metadata(*snapshot_) : DeltaScanSpec::of(*snapshot_));
  return *scan;
}

std::string DeltaRelation::scan_sql(const std::vector<size_t>& columns) const {
  size_t count = schema_.fields().size();
  bool with_metadata = std::any_of(columns.begin(), columns.end(), [&](size_t c) { return c >= count; });
  std::string list;
  for (size_t c : columns) {
    if (!list.empty()) list += ", ";
    if (c < count) {
      list += sql_identifier(schema_.fields()[c].name);
    } else {
      list += std::string("struct_pack(file_path := CASE WHEN ") + kDeltaPathColumn + "[1] = '/' THEN 'file://' ELSE '' END || " + kDeltaPathColumn + ", file_name := parse_filename(" + kDeltaPathColumn +
              "), file_size := __tarn_size, file_block_start := 0::BIGINT, file_block_length := __tarn_size, file_modification_time := __tarn_modified, row_index := " +
              kDeltaRowColumn + ")";
    }
  }
  if (list.empty()) list = "1";
  if (!is_change_feed()) return "SELECT " + list + " FROM " + scan(with_metadata).sql();
  std::string out;
  for (const auto& s : change_scans_) out += (out.empty() ? "" : " UNION ALL ") + ("SELECT " + list + " FROM " + s->sql());
  return out;
}

const DeltaRelation* as_delta_relation(const plan::Relation& relation) { return dynamic_cast<const DeltaRelation*>(&relation); }

std::shared_ptr<const DeltaRelation> delta_relation_of(std::shared_ptr<const delta::Snapshot> snapshot) {
  std::shared_ptr<DeltaRelation> r(new DeltaRelation);
  r->snapshot_ = std::move(snapshot);
  r->schema_ = r->snapshot_->metadata().schema_string.empty() ? plan::DataType::structure({}) : plan::DataType::from_json(r->snapshot_->metadata().schema_string);
  return r;
}

int64_t parse_session_timestamp_ms(const std::string& text, const plan::SessionConf& conf) {
  auto zone = TimeZone::get(conf.find("spark.sql.session.timeZone").value_or("UTC"));
  auto micros = string_to_timestamp(text, *zone);
  if (!micros) throw analysis_error("DELTA_TIMESTAMP_INVALID", {{"expr", quote_sql(text)}});
  // Towards minus infinity, as java.sql.Timestamp.getTime.
  return *micros >= 0 ? *micros / 1000 : (*micros - 999) / 1000;
}

std::optional<int64_t> delta_time_travel(delta::Table& table, const std::optional<std::string>& version, const std::optional<std::string>& timestamp,
                                         const plan::SessionConf& conf) {
  if (version && timestamp) throw analysis_error("DELTA_UNSUPPORTED_TIME_TRAVEL_MULTIPLE_FORMATS");
  if (version) return parse_version("versionAsOf", *version);
  if (timestamp) return table.version_at(parse_session_timestamp_ms(*timestamp, conf), *timestamp);
  return std::nullopt;
}

std::shared_ptr<const DeltaRelation> open_delta(const std::string& path, const std::vector<std::pair<std::string, std::string>>& option_pairs,
                                                const plan::SessionConf& conf) {
  Options options = lowered(option_pairs);
  auto version = option(options, "versionasof"), timestamp = option(options, "timestampasof");
  TravelPath travel = split_travel(path);
  if ((version || timestamp) && (travel.version || travel.timestamp)) throw analysis_error("DELTA_UNSUPPORTED_TIME_TRAVEL_MULTIPLE_FORMATS");
  if (!version && !timestamp) version = travel.version, timestamp = travel.timestamp;
  auto table = delta::Table::at(travel.path);
  auto latest = table->snapshot();
  if (flag(options, "readchangefeed") || flag(options, "readchangedata")) {
    auto boundary = [&](const char* what) -> std::optional<int64_t> {
      auto v = option(options, (std::string(what) + "ingversion").c_str()), t = option(options, (std::string(what) + "ingtimestamp").c_str());
      if (v && t) throw analysis_error("DELTA_MULTIPLE_CDC_BOUNDARY", {{"startingOrEnding", std::string(what) + "ing"}});
      if (v) return parse_version(std::string(what) + "ingVersion", *v);
      if (!t) return std::nullopt;
      int64_t ms = parse_session_timestamp_ms(*t, conf);
      if (std::string_view(what) == "end") return table->version_at(ms, *t, true);
      // The first commit at or after the time.
      if (ms <= 0) return table->earliest_version();
      try {
        int64_t before = table->version_at(ms - 1, *t);
        return before + 1;
      } catch (const SparkError& e) {
        if (e.condition() != "DELTA_TIMESTAMP_EARLIER_THAN_COMMIT_RETENTION") throw;
        return table->earliest_version();
      }
    };
    auto from = boundary("start"), to = boundary("end");
    if (!from) throw analysis_error("DELTA_NO_START_FOR_CDC_READ");
    if (*from > latest->version()) {
      throw SparkError(ErrorKind::kIllegalArgument, "DELTA_CDC_START_VERSION_AFTER_LATEST",
                       {{"start", std::to_string(*from)}, {"latest", std::to_string(latest->version())}});
    }
    if (to && *to < *from) {
      throw SparkError(ErrorKind::kIllegalArgument, "DELTA_INVALID_CDC_RANGE", {{"start", std::to_string(*from)}, {"end", std::to_string(*to)}});
    }
    int64_t end = std::min(to.value_or(latest->version()), latest->version());
    // With column mapping names may have changed since: the schema of the end of the range is the one that fits.
    auto shaped = latest->column_mapping() == delta::ColumnMapping::kNone ? latest : table->snapshot_at(end);
    std::shared_ptr<DeltaRelation> r(new DeltaRelation);
    r->snapshot_ = shaped;
    r->change_range_ = ":changes " + std::to_string(*from) + "-" + std::to_string(end);
    auto fields = plan::DataType::from_json(shaped->metadata().schema_string).fields();
    fields.push_back(plan::make_field("_change_type", plan::TypeId::kString));
    fields.push_back(plan::make_field("_commit_version", plan::TypeId::kLong));
    fields.push_back(plan::make_field("_commit_timestamp", plan::TypeId::kTimestamp));
    r->schema_ = plan::DataType::structure(std::move(fields));
    for (auto& spec : delta_changes(*table, *shaped, *from, end)) r->change_scans_.push_back(std::make_unique<DeltaScan>(std::move(spec)));
    return r;
  }
  auto snapshot = latest;
  auto wanted = delta_time_travel(*table, version, timestamp, conf);
  if (wanted) {
    snapshot = table->snapshot_at(*wanted);
    check_retention(*snapshot, *latest, conf);
  }
  if (snapshot->schema().fields.empty()) {
    throw analysis_error("DELTA_READ_TABLE_WITHOUT_COLUMNS", {{"tableName", "`delta`." + quote_identifier(snapshot->table_path())}});
  }
  std::shared_ptr<DeltaRelation> r(new DeltaRelation);
  r->snapshot_ = snapshot;
  r->schema_ = plan::DataType::from_json(snapshot->metadata().schema_string);
  r->travelled_ = wanted.has_value();
  return r;
}

}  // namespace tarn::engine
