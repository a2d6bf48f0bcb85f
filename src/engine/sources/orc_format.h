#pragma once
// Reading ORC files, stripe by stripe. Source: OrcFileFormat, OrcUtils, OrcDeserializer.
#include <memory>
#include <optional>
#include <vector>

#include "engine/sources/scan.h"

namespace tarn::engine::sources {

// schema: of the data that is read; names are found in each file by OrcUtils.requestedColumnIds. positional: the option
// orc.force.positional.evolution.
std::shared_ptr<const RowFormat> make_orc_format(plan::DataType schema, bool case_sensitive, bool positional);

// The schema of the first file that has columns, or of all merged. nullopt: there is none. Throws FAILED_READ_FILE.CANNOT_READ_FILE_FOOTER.
std::optional<plan::DataType> infer_orc_schema(const std::vector<DataFile>& files, bool merge, const ScanSettings& settings, bool case_sensitive);

}  // namespace tarn::engine::sources
