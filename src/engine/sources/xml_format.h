#pragma once
// Reading XML files: every element named rowTag is a record. Source: XmlDataSource, StaxXMLRecordReader.
#include <memory>
#include <optional>
#include <vector>

#include "engine/sources/scan.h"
#include "engine/xml/options.h"

namespace tarn::engine::sources {

// Throws XML_ROW_TAG_MISSING (a reader needs the tag) and what XmlOptions refuses.
std::shared_ptr<const xml::XmlOptions> read_xml_options(const Options& options, const plan::SessionConf& conf, bool row_tag_required = true);

// schema: of the files, with the corrupt record column if the user named it or inference found one.
std::shared_ptr<const RowFormat> make_xml_format(std::shared_ptr<const xml::XmlOptions> options, plan::DataType schema);

// nullopt: there is no file.
std::optional<plan::DataType> infer_xml_schema(const std::vector<DataFile>& files, const xml::XmlOptions& options, const ScanSettings& settings);

}  // namespace tarn::engine::sources
