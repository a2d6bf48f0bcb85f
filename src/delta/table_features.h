#pragma once
// Table features: what a protocol asks of readers and writers, and what this program can do. Source: Delta PROTOCOL.md, "Table Features".
#include <string>
#include <string_view>
#include <vector>

#include "delta/actions.h"

namespace tarn::delta {

inline constexpr const char* kDeltaVersion = "4.4.0";  // the Delta Lake release whose behaviour this room follows; shown in errors

struct TableFeature {
  const char* name;
  int legacy_reader;   // protocol version that implies it, 0 if none
  int legacy_writer;
  bool reader_too;     // a reader-writer feature
  bool can_read;
  bool can_write;      // what it asks of writers is done, or a write that cannot do it is refused by name
  const char* property;  // table property "true" that needs the feature; nullptr if it hangs on something else
};
// All features known by name, ordered by name.
const std::vector<TableFeature>& table_features();
const TableFeature* find_feature(std::string_view name);

// Throws DELTA_INVALID_PROTOCOL_VERSION, DELTA_UNSUPPORTED_FEATURES_FOR_READ, DELTA_FEATURES_PROTOCOL_METADATA_MISMATCH and, unless
// through_catalog, DELTA_PATH_BASED_ACCESS_TO_CATALOG_MANAGED_TABLE_BLOCKED.
void check_readable(const Protocol& protocol, const Metadata& metadata, const std::string& table_path);
// Throws DELTA_UNSUPPORTED_FEATURES_FOR_WRITE or DELTA_INVALID_PROTOCOL_VERSION. Constraints and generated columns are the writer's work (schema.h).
void check_writable(const Protocol& protocol, const std::string& table_path);

// The smallest protocol for a new table with these properties and schema: legacy versions while they suffice, else 3/7 with lists.
// Properties delta.minReaderVersion, delta.minWriterVersion and delta.feature.NAME=supported are obeyed (and belong not in the metadata).
// Throws DELTA_UNSUPPORTED_FEATURES_IN_CONFIG for an unknown delta.feature.NAME.
Protocol protocol_for(const Metadata& metadata);
// `old` raised so that it has the features that `metadata` needs; equal to old if nothing is missing.
Protocol upgraded(const Protocol& old, const Metadata& metadata);
// True if `feature` is supported and its property is set, as for deletion vectors: whether writers should use it.
bool is_enabled(const Protocol& protocol, const Metadata& metadata, std::string_view feature);
// Throws DELTA_UNKNOWN_CONFIGURATION for a "delta.…" property that Delta does not have, and for a bad value (DELTA_VIOLATE_TABLE_PROPERTY_VALIDATION…).
void check_properties(const std::map<std::string, std::string>& properties);

}  // namespace tarn::delta
