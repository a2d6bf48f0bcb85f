#pragma once
// text (lines or whole files) and binaryFile.
#include <memory>

#include "engine/sources/scan.h"

namespace tarn::engine::sources {

// Options wholetext, lineSep, encoding. schema: of the files, one string column.
std::shared_ptr<const RowFormat> make_text_format(const Options& options, const plan::SessionConf& conf);
std::shared_ptr<const RowFormat> make_binary_format();
plan::DataType binary_file_schema();

}  // namespace tarn::engine::sources
