#pragma once
// Shared by types.cc, types_json.cc and types_proto.cc, and by those who print names as Spark does.
#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "plan/types.h"

namespace tarn::plan {

struct DataType::Detail {
  std::vector<DataType> parts;       // element | key, value | sql type
  std::vector<StructField> fields;
  std::array<std::string, 3> text;   // collation | jvm class, python class, serialized python class
};

// Spark's DataType.typeName: "integer", "struct", "decimal(10,0)".
std::string type_name(const DataType& t);
// `name` in backticks unless it is a plain identifier (QuotingUtils.quoteIfNeeded).
std::string quote_if_needed(std::string_view part);
// A string entry of a metadata object.
std::optional<std::string> metadata_string(const std::string& metadata, std::string_view key);

}  // namespace tarn::plan
