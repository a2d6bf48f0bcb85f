#pragma once
// The options of from_xml, to_xml, schema_of_xml and the data source xml. Source: XmlOptions.
#include <optional>
#include <string>

#include "engine/sources/options.h"
#include "engine/sources/text_values.h"

namespace tarn::engine::xml {

// What the session says where an option doesn't.
struct Defaults {
  std::string zone = "UTC", corrupt_column = "_corrupt_record";
  bool case_sensitive = false, timestamp_ntz = false;
};

struct XmlOptions {
  std::string row_tag = "ROW", root_tag = "ROWS", declaration = "version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"", array_element = "item";
  std::string attribute_prefix = "_", value_tag = "_VALUE", wildcard = "xs_any", indent = "    ", corrupt_column, charset = "UTF-8";
  std::optional<std::string> null_value;
  bool charset_given = false, exclude_attributes = false, ignore_spaces = true, ignore_namespace = false, infer_schema = true, prefers_decimal = false;
  bool validate_name = true, case_sensitive = false, timestamp_ntz = false;
  double sampling_ratio = 1;
  sources::ParseMode mode = sources::ParseMode::kPermissive;
  std::string mode_name = "PERMISSIVE";
  sources::DateTimeOptions datetime;   // for reading; for writing `written`
  std::shared_ptr<const DateTimeFormat> written_date, written_timestamp, written_timestamp_ntz, written_time;  // time: null = Spark's text

  // Throws SparkError; what cannot be done here (XSD validation, variants, other locales) is refused by name.
  static XmlOptions read(const sources::Options& options, const Defaults& defaults, bool row_tag_required = false);
  // A name without its namespace's prefix, if that is ignored.
  std::string_view local(std::string_view name) const;
};

}  // namespace tarn::engine::xml
