#pragma once
// The schema of XML records. Source: XmlInferSchema.
#include "engine/xml/events.h"
#include "engine/xml/options.h"
#include "plan/types.h"

namespace tarn::engine::xml {

// The type of the element whose start event is the next one; fields sorted by name, VOID where nothing is known. Throws Malformed.
plan::DataType infer(Events& events, const XmlOptions& options);
// The type that holds values of both.
plan::DataType compatible_type(const plan::DataType& a, const plan::DataType& b, const XmlOptions& options);
// VOID becomes STRING, structs without fields go; nullopt: nothing is left.
std::optional<plan::DataType> canonical(const plan::DataType& type);
// What a malformed record adds to the schema: the column for such records, or nothing. FAILFAST: throws SparkError.
std::optional<plan::DataType> malformed_type(const XmlOptions& options);

}  // namespace tarn::engine::xml
