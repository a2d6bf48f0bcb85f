#include "engine/source_resolver.h"

#include <algorithm>

#include "base/spark_error.h"
#include "catalog/catalog.h"
#include "engine/delta_relation.h"
#include "engine/sources/source.h"
#include "plan/session_conf.h"

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

}  // namespace

void check_no_store_settings(const Options& options) {
  for (const auto& [key, value] : options) {
    std::string k = lower(key);
    if (k.starts_with("fs.") || k.starts_with("spark.hadoop.")) throw not_built("settings of a store as an option (" + key + "): set them with spark.conf.set");
  }
}

namespace {

class Resolver : public plan::SourceResolver {
 public:
  explicit Resolver(const plan::SessionConf& conf) : conf_(conf) {}

  std::shared_ptr<const plan::Relation> load(const std::string& format, const std::vector<std::string>& paths, const Options& options,
                                             const std::optional<plan::DataType>& user_schema) override {
    check_no_store_settings(options);
    std::string name = format.empty() ? conf_.text("spark.sql.sources.default") : format;
    if (lower(name) == "delta") {
      std::vector<std::string> all = paths;
      if (auto path = option(options, "path"); path && all.empty()) all.push_back(*path);
      if (all.empty()) throw analysis_error("DELTA_PATH_DOES_NOT_EXIST", {{"path", ""}});
      if (all.size() > 1) throw analysis_error("DELTA_UNSUPPORTED_MULTI_PATH_READ_FOR_DELTA", {});
      return open_delta(all[0], options, conf_);
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
    if (table.is_delta()) return open_delta(catalog::path_of_location(table.location), options, conf_);
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
  if (auto* delta = as_delta_relation(relation)) return delta->scan_sql(columns);
  if (auto* own = dynamic_cast<const SqlRelation*>(&relation)) return own->scan_sql(columns);
  throw not_built("reading " + relation.format());
}

}  // namespace tarn::engine
