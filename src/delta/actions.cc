#include "delta/actions.h"

#include <simdjson.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/spark_error.h"
#include "storage/path.h"

namespace tarn::delta {
namespace {

namespace dom = simdjson::dom;
using nlohmann::ordered_json;

// Where in which file a parse went wrong.
struct Position {
  const std::string& path;
  size_t line;
  [[noreturn]] void fail(const std::string& what) const {
    throw internal_error("the Delta log file " + path + " is damaged in line " + std::to_string(line) + ": " + what);
  }
};

std::optional<std::string> get_string(dom::object o, std::string_view key) {
  std::string_view v;
  if (o[key].get(v)) return std::nullopt;
  return std::string(v);
}
std::optional<int64_t> get_int(dom::object o, std::string_view key) {
  dom::element e;
  if (o[key].get(e)) return std::nullopt;
  int64_t v;
  if (!e.get(v)) return v;
  double d;  // some writers store whole numbers as 1.0E3
  if (!e.get(d)) return static_cast<int64_t>(d);
  return std::nullopt;
}
std::optional<bool> get_bool(dom::object o, std::string_view key) {
  bool v;
  if (o[key].get(v)) return std::nullopt;
  return v;
}
std::string need_string(dom::object o, std::string_view key, const Position& at) {
  auto v = get_string(o, key);
  if (!v) at.fail("no \"" + std::string(key) + "\"");
  return *v;
}
int64_t need_int(dom::object o, std::string_view key, const Position& at) {
  auto v = get_int(o, key);
  if (!v) at.fail("no \"" + std::string(key) + "\"");
  return *v;
}

std::map<std::string, std::optional<std::string>> get_map(dom::object o, std::string_view key) {
  std::map<std::string, std::optional<std::string>> out;
  dom::object m;
  if (o[key].get(m)) return out;
  for (auto [k, v] : m) {
    std::string_view text;
    if (!v.get(text)) {
      out[std::string(k)] = std::string(text);
    } else if (v.is_null()) {
      out[std::string(k)] = std::nullopt;
    } else {
      out[std::string(k)] = simdjson::minify(v);
    }
  }
  return out;
}
std::map<std::string, std::string> without_nulls(std::map<std::string, std::optional<std::string>> in) {
  std::map<std::string, std::string> out;
  for (auto& [k, v] : in) {
    if (v) out[k] = std::move(*v);
  }
  return out;
}
std::optional<std::vector<std::string>> get_strings(dom::object o, std::string_view key) {
  dom::array a;
  if (o[key].get(a)) return std::nullopt;
  std::vector<std::string> out;
  for (auto e : a) {
    std::string_view v;
    if (!e.get(v)) out.emplace_back(v);
  }
  return out;
}

std::optional<DeletionVectorDescriptor> get_dv(dom::object o, const Position& at) {
  dom::object d;
  if (o["deletionVector"].get(d)) return std::nullopt;
  DeletionVectorDescriptor v;
  v.storage_type = need_string(d, "storageType", at);
  v.path_or_inline_dv = need_string(d, "pathOrInlineDv", at);
  if (auto offset = get_int(d, "offset")) v.offset = static_cast<int32_t>(*offset);
  v.size_in_bytes = static_cast<int32_t>(need_int(d, "sizeInBytes", at));
  v.cardinality = need_int(d, "cardinality", at);
  return v;
}

AddFile parse_add(dom::object o, const Position& at) {
  AddFile a;
  a.path = need_string(o, "path", at);
  a.partition_values = get_map(o, "partitionValues");
  a.size = get_int(o, "size").value_or(0);
  a.modification_time = get_int(o, "modificationTime").value_or(0);
  a.data_change = get_bool(o, "dataChange").value_or(true);
  a.stats = get_string(o, "stats").value_or("");
  a.tags = get_map(o, "tags");
  a.deletion_vector = get_dv(o, at);
  a.base_row_id = get_int(o, "baseRowId");
  a.default_row_commit_version = get_int(o, "defaultRowCommitVersion");
  a.clustering_provider = get_string(o, "clusteringProvider");
  return a;
}

RemoveFile parse_remove(dom::object o, const Position& at) {
  RemoveFile r;
  r.path = need_string(o, "path", at);
  r.deletion_timestamp = get_int(o, "deletionTimestamp");
  r.data_change = get_bool(o, "dataChange").value_or(true);
  r.extended_file_metadata = get_bool(o, "extendedFileMetadata").value_or(false);
  r.partition_values = get_map(o, "partitionValues");
  r.size = get_int(o, "size");
  r.stats = get_string(o, "stats").value_or("");
  r.tags = get_map(o, "tags");
  r.deletion_vector = get_dv(o, at);
  r.base_row_id = get_int(o, "baseRowId");
  r.default_row_commit_version = get_int(o, "defaultRowCommitVersion");
  return r;
}

Metadata parse_metadata(dom::object o, const Position& at) {
  Metadata m;
  m.id = get_string(o, "id").value_or("");
  if (auto v = get_string(o, "name")) m.name = *v, m.has_name = true;
  if (auto v = get_string(o, "description")) m.description = *v, m.has_description = true;
  dom::object format;
  if (!o["format"].get(format)) {
    m.format_provider = get_string(format, "provider").value_or("parquet");
    m.format_options = without_nulls(get_map(format, "options"));
  }
  m.schema_string = get_string(o, "schemaString").value_or("");
  m.partition_columns = get_strings(o, "partitionColumns").value_or(std::vector<std::string>{});
  m.configuration = without_nulls(get_map(o, "configuration"));
  m.created_time = get_int(o, "createdTime");
  return m;
}

Protocol parse_protocol(dom::object o, const Position& at) {
  Protocol p;
  p.min_reader_version = static_cast<int>(need_int(o, "minReaderVersion", at));
  p.min_writer_version = static_cast<int>(need_int(o, "minWriterVersion", at));
  p.reader_features = get_strings(o, "readerFeatures");
  p.writer_features = get_strings(o, "writerFeatures");
  if (p.reader_features) std::sort(p.reader_features->begin(), p.reader_features->end());
  if (p.writer_features) std::sort(p.writer_features->begin(), p.writer_features->end());
  return p;
}

CommitInfo parse_commit_info(dom::object o) {
  CommitInfo c;
  c.json = simdjson::minify(o);
  c.in_commit_timestamp = get_int(o, "inCommitTimestamp");
  c.timestamp = get_int(o, "timestamp");
  c.is_blind_append = get_bool(o, "isBlindAppend");
  c.operation = get_string(o, "operation").value_or("");
  return c;
}

void parse_line(dom::object line, const Position& at, std::vector<Action>& out) {
  for (auto [key, value] : line) {
    dom::object o;
    if (value.get(o)) continue;  // null: the other columns of an action that was written as a wide row
    if (key == "add") {
      out.emplace_back(parse_add(o, at));
    } else if (key == "remove") {
      out.emplace_back(parse_remove(o, at));
    } else if (key == "metaData") {
      out.emplace_back(parse_metadata(o, at));
    } else if (key == "protocol") {
      out.emplace_back(parse_protocol(o, at));
    } else if (key == "txn") {
      out.emplace_back(SetTransaction{need_string(o, "appId", at), need_int(o, "version", at), get_int(o, "lastUpdated")});
    } else if (key == "domainMetadata") {
      out.emplace_back(DomainMetadata{need_string(o, "domain", at), get_string(o, "configuration").value_or(""),
                                      get_bool(o, "removed").value_or(false)});
    } else if (key == "commitInfo") {
      out.emplace_back(parse_commit_info(o));
    } else if (key == "cdc") {
      out.emplace_back(AddCdcFile{need_string(o, "path", at), get_map(o, "partitionValues"), get_int(o, "size").value_or(0), get_map(o, "tags")});
    } else if (key == "sidecar") {
      out.emplace_back(Sidecar{need_string(o, "path", at), get_int(o, "sizeInBytes").value_or(0), get_int(o, "modificationTime").value_or(0)});
    } else if (key == "checkpointMetadata") {
      out.emplace_back(CheckpointMetadata{get_int(o, "version").value_or(0)});
    }
  }
}

ordered_json json_of(const std::map<std::string, std::optional<std::string>>& m) {
  ordered_json out = ordered_json::object();
  for (const auto& [k, v] : m) out[k] = v ? ordered_json(*v) : ordered_json(nullptr);
  return out;
}
ordered_json json_of(const DeletionVectorDescriptor& d) {
  ordered_json out = {{"storageType", d.storage_type}, {"pathOrInlineDv", d.path_or_inline_dv}};
  if (d.offset) out["offset"] = *d.offset;
  out["sizeInBytes"] = d.size_in_bytes;
  out["cardinality"] = d.cardinality;
  return out;
}

struct JsonOf {
  ordered_json operator()(const AddFile& a) const {
    ordered_json o = {{"path", a.path}, {"partitionValues", json_of(a.partition_values)}, {"size", a.size},
                      {"modificationTime", a.modification_time}, {"dataChange", a.data_change}};
    if (!a.stats.empty()) o["stats"] = a.stats;
    if (!a.tags.empty()) o["tags"] = json_of(a.tags);
    if (a.deletion_vector) o["deletionVector"] = json_of(*a.deletion_vector);
    if (a.base_row_id) o["baseRowId"] = *a.base_row_id;
    if (a.default_row_commit_version) o["defaultRowCommitVersion"] = *a.default_row_commit_version;
    if (a.clustering_provider) o["clusteringProvider"] = *a.clustering_provider;
    return {{"add", o}};
  }
  ordered_json operator()(const RemoveFile& r) const {
    ordered_json o = {{"path", r.path}};
    if (r.deletion_timestamp) o["deletionTimestamp"] = *r.deletion_timestamp;
    o["dataChange"] = r.data_change;
    o["extendedFileMetadata"] = r.extended_file_metadata;
    if (r.extended_file_metadata) {
      o["partitionValues"] = json_of(r.partition_values);
      if (r.size) o["size"] = *r.size;
      if (!r.tags.empty()) o["tags"] = json_of(r.tags);
    }
    if (!r.stats.empty()) o["stats"] = r.stats;
    if (r.deletion_vector) o["deletionVector"] = json_of(*r.deletion_vector);
    if (r.base_row_id) o["baseRowId"] = *r.base_row_id;
    if (r.default_row_commit_version) o["defaultRowCommitVersion"] = *r.default_row_commit_version;
    return {{"remove", o}};
  }
  ordered_json operator()(const AddCdcFile& c) const {
    ordered_json o = {{"path", c.path}, {"partitionValues", json_of(c.partition_values)}, {"size", c.size}, {"dataChange", false}};
    if (!c.tags.empty()) o["tags"] = json_of(c.tags);
    return {{"cdc", o}};
  }
  ordered_json operator()(const Metadata& m) const {
    ordered_json o = {{"id", m.id}};
    if (m.has_name) o["name"] = m.name;
    if (m.has_description) o["description"] = m.description;
    ordered_json options = ordered_json::object(), configuration = ordered_json::object();
    for (const auto& [k, v] : m.format_options) options[k] = v;
    for (const auto& [k, v] : m.configuration) configuration[k] = v;
    o["format"] = {{"provider", m.format_provider}, {"options", options}};
    o["schemaString"] = m.schema_string;
    o["partitionColumns"] = m.partition_columns;
    o["configuration"] = configuration;
    if (m.created_time) o["createdTime"] = *m.created_time;
    return {{"metaData", o}};
  }
  ordered_json operator()(const Protocol& p) const {
    ordered_json o = {{"minReaderVersion", p.min_reader_version}, {"minWriterVersion", p.min_writer_version}};
    if (p.reader_features) o["readerFeatures"] = *p.reader_features;
    if (p.writer_features) o["writerFeatures"] = *p.writer_features;
    return {{"protocol", o}};
  }
  ordered_json operator()(const SetTransaction& t) const {
    ordered_json o = {{"appId", t.app_id}, {"version", t.version}};
    if (t.last_updated) o["lastUpdated"] = *t.last_updated;
    return {{"txn", o}};
  }
  ordered_json operator()(const DomainMetadata& d) const {
    return {{"domainMetadata", {{"domain", d.domain}, {"configuration", d.configuration}, {"removed", d.removed}}}};
  }
  ordered_json operator()(const CommitInfo& c) const { return {{"commitInfo", ordered_json::parse(c.json)}}; }
  ordered_json operator()(const Sidecar& s) const {
    return {{"sidecar", {{"path", s.path}, {"sizeInBytes", s.size_in_bytes}, {"modificationTime", s.modification_time}}}};
  }
  ordered_json operator()(const CheckpointMetadata& c) const { return {{"checkpointMetadata", {{"version", c.version}}}}; }
};

}  // namespace

std::string DeletionVectorDescriptor::unique_id() const {
  return storage_type + path_or_inline_dv + (offset ? "@" + std::to_string(*offset) : "");
}

std::string Metadata::property(const std::string& key, const std::string& otherwise) const {
  auto it = configuration.find(key);
  return it == configuration.end() ? otherwise : it->second;
}

std::vector<Action> parse_actions(std::string_view text, const std::string& path) {
  simdjson::padded_string padded(text);
  dom::parser parser;
  std::vector<Action> out;
  size_t line = 0;
  for (size_t start = 0; start < text.size();) {
    size_t end = std::min(text.find('\n', start), text.size());
    ++line;
    Position at{path, line};
    std::string_view one = text.substr(start, end - start);
    if (one.find_first_not_of(" \t\r") != std::string_view::npos) {
      dom::element e;
      if (auto error = parser.parse(padded.data() + start, end - start, false).get(e)) at.fail(simdjson::error_message(error));
      dom::object o;
      if (e.get(o)) at.fail("not an object");
      parse_line(o, at, out);
    }
    start = end + 1;
  }
  return out;
}

std::string to_json(const Action& action) { return std::visit(JsonOf(), action).dump(); }

std::string resolve_path(const std::string& table_path, const std::string& action_path) {
  std::string decoded = storage::uri_decode(action_path);
  std::string joined = storage::join(table_path, decoded);
  return joined == decoded ? storage::normalize(joined) : joined;
}

std::string file_key(const std::string& action_path, const std::optional<DeletionVectorDescriptor>& dv) {
  std::string path = storage::uri_decode(action_path);
  if (!path.empty() && (path[0] == '/' || !storage::scheme_of(path).empty())) path = storage::normalize(path);
  if (dv) path += '\n' + dv->unique_id();
  return path;
}

RemoveFile remove_of(const AddFile& add, int64_t deletion_timestamp, bool data_change) {
  RemoveFile r;
  r.path = add.path;
  r.deletion_timestamp = deletion_timestamp;
  r.data_change = data_change;
  r.extended_file_metadata = true;
  r.partition_values = add.partition_values;
  r.size = add.size;
  r.stats = add.stats;
  r.tags = add.tags;
  r.deletion_vector = add.deletion_vector;
  r.base_row_id = add.base_row_id;
  r.default_row_commit_version = add.default_row_commit_version;
  return r;
}

}  // namespace tarn::delta
