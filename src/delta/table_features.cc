#include "delta/table_features.h"

#include <algorithm>
#include <set>

#include "base/spark_error.h"
#include "delta/schema.h"
#include "storage/path.h"

namespace tarn::delta {
namespace {

std::string joined(const std::vector<std::string>& names) {
  std::string out;
  for (const auto& n : names) out += (out.empty() ? "" : ", ") + n;
  return out;
}

[[noreturn]] void fail_version(const Protocol& p, const std::string& table_path) {
  throw SparkError(ErrorKind::kSpark, "DELTA_INVALID_PROTOCOL_VERSION",
                   {{"tableNameOrPath", storage::display_uri(table_path)}, {"readerRequired", std::to_string(p.min_reader_version)},
                    {"writerRequired", std::to_string(p.min_writer_version)}, {"deltaVersion", kDeltaVersion},
                    {"supportedReaders", "1, 2, 3"}, {"supportedWriters", "1, 2, 3, 4, 5, 6, 7"}});
}

bool listed(const std::optional<std::vector<std::string>>& features, std::string_view name) {
  return features && std::find(features->begin(), features->end(), name) != features->end();
}

// Features that the metadata makes necessary.
std::set<std::string> needed_features(const Metadata& m) {
  std::set<std::string> out;
  for (const auto& f : table_features()) {
    if (f.property && m.flag(f.property)) out.insert(f.name);
  }
  if (std::string mode = m.property("delta.columnMapping.mode", "none"); mode != "none") out.insert("columnMapping");
  if (m.property("delta.checkpointPolicy") == "v2") out.insert("v2Checkpoint");
  for (const auto& [key, value] : m.configuration) {
    if (key.rfind("delta.constraints.", 0) == 0) out.insert("checkConstraints");
    if (key.rfind("delta.feature.", 0) == 0) {
      std::string name = key.substr(14);
      if (!find_feature(name)) {
        throw analysis_error("DELTA_UNSUPPORTED_FEATURES_IN_CONFIG", {{"deltaVersion", kDeltaVersion}, {"configs", key}});
      }
      out.insert(find_feature(name)->name);
    }
  }
  if (!m.schema_string.empty()) {
    Schema schema = parse_schema(m.schema_string);
    schema.for_each_field([&](const Field& f, const std::vector<std::string>&) {
      if (f.type.contains("timestamp_ntz")) out.insert("timestampNtz");
      if (f.type.contains("variant")) out.insert("variantType");
      if (f.has_metadata("delta.invariants")) out.insert("invariants");
      if (f.has_metadata("delta.generationExpression")) out.insert("generatedColumns");
      if (f.has_metadata("delta.identity.start")) out.insert("identityColumns");
    });
    // A NOT NULL column is an invariant.
    for (const auto& f : schema.fields) {
      if (!f.nullable) out.insert("invariants");
    }
  }
  if (out.count("rowTracking") || out.count("clustering")) out.insert("domainMetadata");
  if (out.count("variantShredding")) out.insert("variantType");
  return out;
}

Protocol protocol_of(std::set<std::string> features, int min_reader, int min_writer) {
  Protocol p;
  p.min_reader_version = std::max(1, min_reader);
  p.min_writer_version = std::max(2, min_writer);
  bool lists = min_writer >= 7 || min_reader >= 3;
  for (const auto& name : features) {
    const TableFeature* f = find_feature(name);
    if (!f || f->legacy_writer == 0) {
      lists = true;
    } else {
      p.min_writer_version = std::max(p.min_writer_version, f->legacy_writer);
      p.min_reader_version = std::max(p.min_reader_version, f->legacy_reader);
    }
  }
  if (!lists) return p;
  // Raising to version 7 lists what lower versions implied.
  int implied = min_writer >= 7 ? 2 : min_writer;
  for (const auto& f : table_features()) {
    if (f.legacy_writer != 0 && f.legacy_writer <= std::max(2, implied)) features.insert(f.name);
  }
  p.min_writer_version = 7;
  p.writer_features.emplace();
  std::vector<std::string> readers;
  bool reader_list = min_reader >= 3;
  for (const auto& name : features) {
    const TableFeature* f = find_feature(name);
    p.writer_features->push_back(name);
    if (f && f->reader_too) readers.push_back(name);
    if (f && f->reader_too && f->legacy_reader == 0) reader_list = true;
  }
  p.min_reader_version = 1;
  if (reader_list || !readers.empty()) {
    p.min_reader_version = 3;
    p.reader_features = readers;
  }
  return p;
}

}  // namespace

const std::vector<TableFeature>& table_features() {
  static const std::vector<TableFeature> kAll = {
      {"allowColumnDefaults", 0, 0, false, true, true, nullptr},
      {"appendOnly", 0, 2, false, true, true, "delta.appendOnly"},
      {"catalogManaged", 0, 0, true, false, false, nullptr},
      {"changeDataFeed", 0, 4, false, true, true, "delta.enableChangeDataFeed"},
      {"checkConstraints", 0, 3, false, true, true, nullptr},
      {"checkpointProtection", 0, 0, false, true, true, nullptr},
      {"clustering", 0, 0, false, true, true, nullptr},
      {"columnMapping", 2, 5, true, true, true, nullptr},
      {"deletionVectors", 0, 0, true, true, true, "delta.enableDeletionVectors"},
      {"domainMetadata", 0, 0, false, true, true, nullptr},
      {"generatedColumns", 0, 4, false, true, true, nullptr},
      {"icebergCompatV1", 0, 0, false, true, false, "delta.enableIcebergCompatV1"},
      {"icebergCompatV2", 0, 0, false, true, false, "delta.enableIcebergCompatV2"},
      {"icebergCompatV3", 0, 0, false, true, false, "delta.enableIcebergCompatV3"},
      {"identityColumns", 0, 6, false, true, true, nullptr},
      {"inCommitTimestamp", 0, 0, false, true, true, "delta.enableInCommitTimestamps"},
      {"invariants", 0, 2, false, true, true, nullptr},
      {"materializePartitionColumns", 0, 0, false, true, false, "delta.enableMaterializePartitionColumnsFeature"},
      {"rowTracking", 0, 0, false, true, true, "delta.enableRowTracking"},
      {"timestampNtz", 0, 0, true, true, true, nullptr},
      {"typeWidening", 0, 0, true, true, true, "delta.enableTypeWidening"},
      {"typeWidening-preview", 0, 0, true, true, true, nullptr},
      {"v2Checkpoint", 0, 0, true, true, true, nullptr},
      {"vacuumProtocolCheck", 0, 0, true, true, true, nullptr},
      {"variantShredding", 0, 0, true, true, true, "delta.enableVariantShredding"},
      {"variantShredding-preview", 0, 0, true, true, true, nullptr},
      {"variantType", 0, 0, true, true, true, nullptr},
      {"variantType-preview", 0, 0, true, true, true, nullptr},
  };
  return kAll;
}

const TableFeature* find_feature(std::string_view name) {
  for (const auto& f : table_features()) {
    if (std::string_view(f.name) == name) return &f;
  }
  return nullptr;
}

bool Protocol::supports(std::string_view feature) const {
  if (listed(writer_features, feature) || listed(reader_features, feature)) return true;
  const TableFeature* f = find_feature(feature);
  return f && f->legacy_writer != 0 && min_writer_version < 7 && min_writer_version >= f->legacy_writer && min_reader_version >= f->legacy_reader;
}

void check_readable(const Protocol& p, const Metadata& metadata, const std::string& table_path) {
  if (p.min_reader_version > 3 || p.min_reader_version < 1) fail_version(p, table_path);
  std::vector<std::string> unsupported;
  if (p.reader_features) {
    bool catalog_managed = listed(p.reader_features, "catalogManaged") || listed(p.reader_features, "catalogOwned-preview");
    if (catalog_managed && !p.supports("vacuumProtocolCheck")) {
      throw SparkError(ErrorKind::kSpark, "DELTA_FEATURES_PROTOCOL_METADATA_MISMATCH", {{"features", "vacuumProtocolCheck"}});
    }
    if (catalog_managed) {
      throw SparkError(ErrorKind::kSpark, "DELTA_PATH_BASED_ACCESS_TO_CATALOG_MANAGED_TABLE_BLOCKED",
                       {{"path", storage::display_uri(table_path) + "/_delta_log"}});
    }
    for (const auto& name : *p.reader_features) {
      const TableFeature* f = find_feature(name);
      if (!f || !f->can_read) unsupported.push_back(name);
    }
  }
  if (!unsupported.empty()) {
    throw SparkError(ErrorKind::kSpark, "DELTA_UNSUPPORTED_FEATURES_FOR_READ",
                     {{"tableNameOrPath", storage::display_uri(table_path)}, {"deltaVersion", kDeltaVersion}, {"unsupported", joined(unsupported)}});
  }
  // A property that needs a reader feature which the protocol lacks: files may be written in ways that the protocol does not announce.
  std::vector<std::string> missing;
  for (const auto& f : table_features()) {
    if (f.reader_too && f.legacy_reader == 0 && f.property && metadata.flag(f.property) && !p.supports(f.name) &&
        !p.supports(std::string(f.name) + "-preview")) {
      missing.push_back(f.name);
    }
  }
  if (metadata.property("delta.checkpointPolicy") == "v2" && !p.supports("v2Checkpoint")) missing.push_back("v2Checkpoint");
  if (metadata.flag("delta.enableInCommitTimestamps") && !p.supports("inCommitTimestamp")) missing.push_back("inCommitTimestamp");
  if (metadata.flag("delta.enableRowTracking") && !p.supports("rowTracking")) missing.push_back("rowTracking");
  if (!missing.empty()) {
    throw SparkError(ErrorKind::kSpark, "DELTA_FEATURES_PROTOCOL_METADATA_MISMATCH", {{"features", joined(missing)}});
  }
}

void check_writable(const Protocol& p, const std::string& table_path) {
  if (p.min_writer_version > 7 || p.min_writer_version < 1) fail_version(p, table_path);
  std::vector<std::string> unsupported;
  if (p.writer_features) {
    for (const auto& name : *p.writer_features) {
      const TableFeature* f = find_feature(name);
      if (!f || !f->can_write) unsupported.push_back(name);
    }
  }
  if (!unsupported.empty()) {
    throw SparkError(ErrorKind::kSpark, "DELTA_UNSUPPORTED_FEATURES_FOR_WRITE",
                     {{"tableNameOrPath", storage::display_uri(table_path)}, {"deltaVersion", kDeltaVersion}, {"unsupported", joined(unsupported)}});
  }
}

Protocol protocol_for(const Metadata& metadata) {
  auto number = [&](const char* key) {
    std::string v = metadata.property(key);
    return v.empty() ? 0 : std::atoi(v.c_str());
  };
  return protocol_of(needed_features(metadata), number("delta.minReaderVersion"), number("delta.minWriterVersion"));
}

Protocol upgraded(const Protocol& old, const Metadata& metadata) {
  std::set<std::string> missing;
  for (const auto& name : needed_features(metadata)) {
    if (!old.supports(name) && !old.supports(name + "-preview")) missing.insert(name);
  }
  if (missing.empty()) return old;
  std::set<std::string> all = missing;
  for (const auto& f : table_features()) {
    if (old.supports(f.name)) all.insert(f.name);
  }
  if (old.writer_features) all.insert(old.writer_features->begin(), old.writer_features->end());
  Protocol p = protocol_of(all, old.min_reader_version, old.min_writer_version);
  // 2/7 with column mapping is lawful; keep such a table at reader version 2 as long as nothing new needs 3.
  p.min_reader_version = std::max(p.min_reader_version, old.min_reader_version);
  return p;
}

bool is_enabled(const Protocol& protocol, const Metadata& metadata, std::string_view feature) {
  const TableFeature* f = find_feature(feature);
  return f && protocol.supports(feature) && (!f->property || metadata.flag(f->property));
}

void check_properties(const std::map<std::string, std::string>& properties) {
  static const std::set<std::string> kKnown = {
      "appendonly", "autooptimize", "autooptimize.autocompact", "autooptimize.optimizewrite", "checkpoint.partsize", "checkpoint.writestatsasjson",
      "checkpoint.writestatsasstruct", "checkpointinterval", "checkpointpolicy", "checkpointretentionduration", "columnmapping.maxcolumnid",
      "columnmapping.mode", "compatibility.symlinkformatmanifest.enabled", "coordinatedcommits.commitcoordinator-preview",
      "coordinatedcommits.commitcoordinatorconf-preview", "coordinatedcommits.tableconf-preview", "dataskippingnumindexedcols",
      "dataskippingstatscolumns", "deletedfileretentionduration", "enablechangedatafeed", "enabledeletionvectors",
      "enableexpiredlogcleanup", "enablefullretentionrollback", "enableicebergcompatv1", "enableicebergcompatv2", "enableicebergcompatv3",
      "enableincommittimestamps", "enablematerializepartitioncolumnsfeature", "enablerowtracking", "enabletypewidening",
      "enablevariantshredding", "incommittimestampenablementtimestamp", "incommittimestampenablementversion", "isolationlevel",
      "logretentionduration", "minreaderversion", "minwriterversion", "parquet.compression.codec", "parquet.format.version",
      "randomizefileprefixes", "randomprefixlength", "redirectreaderwriter-preview", "redirectwriteronly-preview", "ignoreprotocoldefaults",
      "requirecheckpointprotectionbeforeversion", "rowtracking.materializedrowcommitversioncolumnname", "rowtracking.materializedrowidcolumnname",
      "rowtrackingsuspended", "sampleretentionduration", "settransactionretentionduration", "universalformat.enabledformats",
      "identity.allowexplicitinsert", "enableicebergwritercompatv1", "enableicebergwritercompatv3"};
  for (const auto& [key, value] : properties) {
    std::string k = key;
    std::transform(k.begin(), k.end(), k.begin(), [](unsigned char c) { return std::tolower(c); });
    if (k.rfind("delta.", 0) != 0) continue;
    std::string rest = k.substr(6);
    if (rest.rfind("constraints.", 0) == 0 || rest.rfind("feature.", 0) == 0) continue;
    if (!kKnown.count(rest)) {
      throw analysis_error("DELTA_UNKNOWN_CONFIGURATION",
                           {{"config", key}, {"disableCheckConfig", "spark.databricks.delta.allowArbitraryProperties.enabled"}});
    }
  }
}

}  // namespace tarn::delta
