#include "engine/source_resolver.h"

#include <algorithm>
#include <charconv>

#include "base/spark_error.h"
#include "catalog/catalog.h"
#include "delta/snapshot.h"
#include "delta/table.h"
#include "engine/datetime_parse.h"
#include "engine/sources/source.h"
#include "engine/time_zone.h"
#include "engine/type_mapping.h"
#include "plan/session_conf.h"
#include "storage/path.h"
#if __has_include("engine/delta_scan.h")
#include "engine/delta_scan.h"
#define TARN_HAVE_DELTA
#endif
#if __has_include("engine/delta_relation.h")
#include "engine/delta_relation.h"
#define TARN_HAVE_DELTA_RELATION
#endif

namespace tarn::engine {

namespace {

using Options = std::vector<std::pair<std::string, std::string>>;

std::string lower(std::string s) {
  std::transform(s.begin(), s.end(), s.begin(), [](unsigned char c) { return std::tolower(c); });
  return s;
}

// The last option of that name, whatever its case.
std::optional<std::string> option(const Options& options, const char* name) {
  std::optional<std::string> found;
  for (const auto& [key, value] : options) {
    if (lower(key) == name) found = value;
  }
  return found;
}

#if defined(TARN_HAVE_DELTA) && !defined(TARN_HAVE_DELTA_RELATION)

// A snapshot of a Delta table. The files are those of the snapshot, whatever is committed later.
class DeltaRelation : public SqlRelation {
 public:
  explicit DeltaRelation(std::shared_ptr<const delta::Snapshot> snapshot)
      : snapshot_(std::move(snapshot)), schema_(plan::DataType::from_json(snapshot_->metadata().schema_string)) {}

  const plan::DataType& schema() const override { return schema_; }
  std::string format() const override { return "delta"; }
  std::vector<std::string> partition_columns() const override { return snapshot_->metadata().partition_columns; }
  std::optional<uint64_t> size_in_bytes() const override { return static_cast<uint64_t>(snapshot_->size_in_bytes()); }
  std::vector<std::string> input_files() const override {
    std::vector<std::string> out;
    for (const auto& f : snapshot_->files()) out.push_back(storage::display_uri(delta::resolve_path(snapshot_->table_path(), f->path)));
    return out;
  }
  std::string fingerprint() const override { return "delta:" + snapshot_->table_path() + "@" + std::to_string(snapshot_->version()); }

  std::string scan_sql(const std::vector<size_t>& columns) const override {
    std::call_once(once_, [&] { scan_ = std::make_unique<DeltaScan>(DeltaScanSpec::of(*snapshot_)); });
    std::string list;
    for (size_t c : columns) list += (list.empty() ? "" : ", ") + quote_duckdb_identifier(schema_.fields().at(c).name);
    if (list.empty()) list = "1";
    return "SELECT " + list + " FROM " + scan_->sql();
  }

 private:
  std::shared_ptr<const delta::Snapshot> snapshot_;
  plan::DataType schema_;
  mutable std::once_flag once_;
  mutable std::unique_ptr<DeltaScan> scan_;
};

std::shared_ptr<const plan::Relation> load_delta(const std::string& location, const Options& options, const plan::SessionConf& conf) {
  std::string path = storage::normalize(location);
  auto table = delta::Table::at(path);
  auto version = option(options, "versionasof");
  auto timestamp = option(options, "timestampasof");
  if (option(options, "readchangefeed") || option(options, "readchangedata")) throw not_built("reading the change data feed");
  // path@v12 and path@yyyyMMddHHmmssSSS
  if (!delta::Table::exists(path)) {
    size_t at = path.rfind('@');
    if (at != std::string::npos && at + 1 < path.size()) {
      std::string suffix = path.substr(at + 1);
      if (suffix[0] == 'v' && std::all_of(suffix.begin() + 1, suffix.end(), [](char c) { return c >= '0' && c <= '9'; })) {
        table = delta::Table::at(path.substr(0, at));
        version = suffix.substr(1);
      }
    }
  }
  if (version && timestamp) throw analysis_error("INVALID_TIME_TRAVEL_SPEC", {});
  if (version) {
    int64_t number = 0;
    auto [end, error] = std::from_chars(version->data(), version->data() + version->size(), number);
    if (error != std::errc() || end != version->data() + version->size()) {
      throw SparkError(ErrorKind::kIllegalArgument, "DELTA_INVALID_VERSION", {{"version", *version}});
    }
    return std::make_shared<DeltaRelation>(table->snapshot_at(number));
  }
  if (timestamp) {
    auto micros = string_to_timestamp(*timestamp, *TimeZone::get(conf.time_zone()));
    if (!micros) throw analysis_error("DELTA_TIMESTAMP_INVALID", {{"expr", "'" + *timestamp + "'"}});
    int64_t ms = *micros >= 0 ? *micros / 1000 : (*micros - 999) / 1000;
    return std::make_shared<DeltaRelation>(table->snapshot_at(table->version_at(ms, *timestamp)));
  }
  return std::make_shared<DeltaRelation>(table->snapshot());
}

#elif !defined(TARN_HAVE_DELTA_RELATION)
std::shared_ptr<const plan::Relation> load_delta(const std::string&, const Options&, const plan::SessionConf&) { throw not_built("Delta tables"); }
#endif

class Resolver : public plan::SourceResolver {
 public:
  explicit Resolver(const plan::SessionConf& conf) : conf_(conf) {}

  std::shared_ptr<const plan::Relation> load(const std::string& format, const std::vector<std::string>& paths, const Options& options,
                                             const std::optional<plan::DataType>& user_schema) override {
    std::string name = format.empty() ? conf_.text("spark.sql.sources.default") : format;
    if (lower(name) == "delta") {
      std::vector<std::string> all = paths;
      if (auto path = option(options, "path"); path && all.empty()) all.push_back(*path);
      if (all.empty()) throw analysis_error("DELTA_PATH_DOES_NOT_EXIST", {{"path", ""}});
      if (all.size() > 1) throw analysis_error("DELTA_UNSUPPORTED_MULTI_PATH_READ_FOR_DELTA", {});
      return load_delta(all[0], options, conf_);
    }
    if (!sources::is_file_format(name)) {
      throw SparkError(ErrorKind::kSpark, "DATA_SOURCE_NOT_FOUND", {{"provider", name}});
    }
    sources::SourceRequest request;
    request.format = name;
    request.paths = paths;
    request.options = options;
    request.user_schema = user_schema;
    return sources::load_files(request, conf_);
  }

  std::shared_ptr<const plan::Relation> load_table(const catalog::TableInfo& table, const Options& options) override {
    if (table.is_delta()) return load_delta(catalog::path_of_location(table.location), options, conf_);
    sources::SourceRequest request;
    request.format = table.provider;
    request.paths = {table.location};
    request.options.assign(table.options.begin(), table.options.end());
    request.options.insert(request.options.end(), options.begin(), options.end());
    if (!table.schema_json.empty()) request.user_schema = plan::DataType::from_json(table.schema_json);
    request.partition_columns = table.partition_columns;
    return sources::load_files(request, conf_);
  }

 private:
  const plan::SessionConf& conf_;
};

}  // namespace

std::unique_ptr<plan::SourceResolver> make_source_resolver(const plan::SessionConf& conf) { return std::make_unique<Resolver>(conf); }

std::string scan_sql(const plan::Relation& relation, const std::vector<size_t>& columns) {
  if (auto* files = sources::as_file_relation(relation)) return files->scan_sql(columns);
  if (auto* own = dynamic_cast<const SqlRelation*>(&relation)) return own->scan_sql(columns);
  throw not_built("reading " + relation.format());
}

}  // namespace tarn::engine
