#include "catalog/catalog_json.h"

#include <nlohmann/json.hpp>

namespace tarn::catalog {

namespace {

using nlohmann::json;

json pairs_json(const Pairs& pairs) {
  json out = json::array();
  for (auto& [k, v] : pairs) out.push_back(json::array({k, v}));
  return out;
}

Pairs pairs_of(const json& j) {
  Pairs out;
  for (auto& item : j) out.emplace_back(item.at(0).get<std::string>(), item.at(1).get<std::string>());
  return out;
}

json optional_json(const std::optional<std::string>& text) { return text ? json(*text) : json(nullptr); }

std::optional<std::string> optional_of(const json& j, const char* key) {
  auto it = j.find(key);
  if (it == j.end() || it->is_null()) return std::nullopt;
  return it->get<std::string>();
}

template <class T> T value_of(const json& j, const char* key) {
  auto it = j.find(key);
  return it == j.end() || it->is_null() ? T{} : it->get<T>();
}

// The text may hold bytes that are not UTF-8 (a user's property value); those are replaced rather than refused.
std::string dump(const json& j) { return j.dump(-1, ' ', false, json::error_handler_t::replace); }

}  // namespace

std::string table_to_json(const TableInfo& t) {
  json j;
  j["schema"] = t.schema_json;
  j["partitionColumns"] = t.partition_columns;
  j["clusteringColumns"] = t.clustering_columns;
  if (t.bucket) j["bucket"] = {{"buckets", t.bucket->buckets}, {"columns", t.bucket->columns}, {"sortColumns", t.bucket->sort_columns}};
  j["properties"] = t.properties;
  j["options"] = pairs_json(t.options);
  j["comment"] = optional_json(t.comment);
  j["collation"] = optional_json(t.collation);
  j["createdBy"] = t.created_by;
  if (t.stats.size_in_bytes) j["sizeInBytes"] = *t.stats.size_in_bytes;
  if (t.stats.row_count) j["rowCount"] = *t.stats.row_count;
  if (!t.stats.columns.empty()) j["columnStats"] = t.stats.columns;
  for (auto& c : t.constraints) j["constraints"].push_back({{"name", c.name}, {"kind", c.kind}, {"definition", c.definition}});
  j["tracksPartitions"] = t.tracks_partitions;
  if (t.is_view()) {
    j["view"] = {{"text", t.view_text},
                 {"catalog", t.view_catalog},
                 {"namespace", t.view_namespace},
                 {"configs", t.view_configs},
                 {"queryColumns", t.view_query_columns},
                 {"schemaMode", t.view_schema_mode},
                 {"referredTempNames", t.view_referred_temp_names}};
  }
  return dump(j);
}

void table_from_json(const std::string& text, TableInfo* t) {
  json j = json::parse(text);
  t->schema_json = value_of<std::string>(j, "schema");
  t->partition_columns = value_of<std::vector<std::string>>(j, "partitionColumns");
  t->clustering_columns = value_of<std::vector<std::string>>(j, "clusteringColumns");
  if (auto it = j.find("bucket"); it != j.end()) {
    t->bucket = BucketSpec{value_of<int>(*it, "buckets"), value_of<std::vector<std::string>>(*it, "columns"),
                           value_of<std::vector<std::string>>(*it, "sortColumns")};
  }
  t->properties = value_of<Properties>(j, "properties");
  if (auto it = j.find("options"); it != j.end()) t->options = pairs_of(*it);
  t->comment = optional_of(j, "comment");
  t->collation = optional_of(j, "collation");
  t->created_by = value_of<std::string>(j, "createdBy");
  if (j.contains("sizeInBytes")) t->stats.size_in_bytes = j["sizeInBytes"].get<int64_t>();
  if (j.contains("rowCount")) t->stats.row_count = j["rowCount"].get<int64_t>();
  t->stats.columns = value_of<std::map<std::string, Properties>>(j, "columnStats");
  if (auto it = j.find("constraints"); it != j.end()) {
    for (auto& c : *it) {
      t->constraints.push_back({value_of<std::string>(c, "name"), value_of<std::string>(c, "kind"), value_of<std::string>(c, "definition")});
    }
  }
  t->tracks_partitions = value_of<bool>(j, "tracksPartitions");
  if (auto it = j.find("view"); it != j.end()) {
    t->view_text = value_of<std::string>(*it, "text");
    t->view_catalog = value_of<std::string>(*it, "catalog");
    t->view_namespace = value_of<std::vector<std::string>>(*it, "namespace");
    t->view_configs = value_of<Properties>(*it, "configs");
    t->view_query_columns = value_of<std::vector<std::string>>(*it, "queryColumns");
    t->view_schema_mode = value_of<std::string>(*it, "schemaMode");
    t->view_referred_temp_names = value_of<std::vector<std::vector<std::string>>>(*it, "referredTempNames");
  }
}

std::string properties_to_json(const Properties& properties) { return dump(json(properties)); }
Properties properties_from_json(const std::string& text) { return text.empty() ? Properties{} : json::parse(text).get<Properties>(); }
std::string pairs_to_json(const Pairs& pairs) { return dump(pairs_json(pairs)); }
Pairs pairs_from_json(const std::string& text) { return text.empty() ? Pairs{} : pairs_of(json::parse(text)); }

std::string function_to_json(const FunctionInfo& f) {
  return dump({{"configs", f.configs}, {"currentCatalog", f.current_catalog}, {"currentNamespace", f.current_namespace}});
}

void function_from_json(const std::string& text, FunctionInfo* f) {
  json j = json::parse(text);
  f->configs = value_of<Properties>(j, "configs");
  f->current_catalog = value_of<std::string>(j, "currentCatalog");
  f->current_namespace = value_of<std::vector<std::string>>(j, "currentNamespace");
}

}  // namespace tarn::catalog
