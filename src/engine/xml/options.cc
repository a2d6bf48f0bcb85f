#include "engine/xml/options.h"

#include "base/spark_error.h"
#include "engine/datetime_format.h"
#include "engine/time_zone.h"
#include "engine/xml/events.h"

namespace tarn::engine::xml {

namespace {

void require(bool holds, const std::string& text) {
  if (!holds) throw SparkError::Plain(ErrorKind::kIllegalArgument, "requirement failed: " + text);
}

}  // namespace

XmlOptions XmlOptions::read(const sources::Options& o, const Defaults& defaults, bool row_tag_required) {
  auto flag = [&](const char* name, bool otherwise) {
    auto v = o.find(name);
    if (!v) return otherwise;
    if (sources::equal_ignore_case(*v, "true")) return true;
    if (sources::equal_ignore_case(*v, "false")) return false;
    throw SparkError(ErrorKind::kSpark, "_LEGACY_ERROR_TEMP_2147", {{"paramName", name}});
  };
  auto brackets = [](const std::string& s) { return s.starts_with("<") || s.ends_with(">"); };
  XmlOptions x;
  auto tag = o.find("rowTag");
  if (row_tag_required && !tag) throw analysis_error("XML_ROW_TAG_MISSING", {{"rowTag", "`rowTag`"}});
  if (tag) x.row_tag = std::string(trim(*tag));
  require(!x.row_tag.empty(), "'rowTag' option should not be an empty string.");
  require(!brackets(x.row_tag), "'rowTag' should not include angle brackets");
  x.root_tag = o.text("rootTag", x.root_tag);
  require(!brackets(x.root_tag), "'rootTag' should not include angle brackets");
  x.declaration = o.text("declaration", x.declaration);
  require(!brackets(x.declaration), "'declaration' should not include angle brackets");
  x.array_element = o.text("arrayElementName", x.array_element);
  x.sampling_ratio = o.real("samplingRatio", 1);
  require(x.sampling_ratio > 0, "samplingRatio (" + std::to_string(x.sampling_ratio) + ") should be greater than 0");
  x.exclude_attributes = flag("excludeAttribute", false);
  x.attribute_prefix = o.text("attributePrefix", x.attribute_prefix);
  x.value_tag = o.text("valueTag", x.value_tag);
  require(!x.value_tag.empty(), "'valueTag' option should not be empty string.");
  require(x.value_tag != x.attribute_prefix, "'valueTag' and 'attributePrefix' options should not be the same.");
  x.null_value = o.find("nullValue");
  x.corrupt_column = o.text("columnNameOfCorruptRecord", defaults.corrupt_column);
  x.ignore_spaces = flag("ignoreSurroundingSpaces", true);
  x.mode = sources::parse_mode(o);
  x.mode_name = x.mode == sources::ParseMode::kPermissive ? "PERMISSIVE" : x.mode == sources::ParseMode::kFailFast ? "FAILFAST" : "DROPMALFORMED";
  x.infer_schema = flag("inferSchema", true);
  x.wildcard = o.text("wildcardColName", x.wildcard);
  x.ignore_namespace = flag("ignoreNamespace", false);
  x.prefers_decimal = o.flag("prefersDecimal", false);
  x.indent = o.text("indent", x.indent);
  x.validate_name = flag("validateName", true);
  x.case_sensitive = defaults.case_sensitive;
  x.timestamp_ntz = defaults.timestamp_ntz;
  if (auto c = o.find("encoding") ? o.find("encoding") : o.find("charset")) {
    x.charset = *c;
    x.charset_given = true;
  }
  if (o.has("rowValidationXSDPath")) throw not_built("the option rowValidationXSDPath of xml");
  if (o.has("singleVariantColumn")) throw not_built("the option singleVariantColumn of xml");
  const std::string locale = o.text("locale", "en-US");
  auto compile = [&](const std::string& pattern, bool parsing) { return DateTimeFormat::compile(pattern, parsing, locale); };
  auto& d = x.datetime;
  d.zone = TimeZone::get(o.text("timeZone", defaults.zone));
  d.locale = locale;
  d.date_fallback = d.timestamp_fallback = false;
  const bool prefer_date = flag("preferDate", true);
  const auto date = o.find("dateFormat");
  if (date) d.date = compile(*date, true);
  else if (prefer_date) d.date = compile("yyyy-MM-dd", true);
  if (auto f = o.find("timestampFormat")) d.timestamp = compile(*f, true);
  if (auto f = o.find("timestampNTZFormat")) d.timestamp_ntz = compile(*f, true);
  if (auto f = o.find("timeFormat")) d.time = compile(*f, true);
  x.written_date = compile(date.value_or("yyyy-MM-dd"), false);
  x.written_timestamp = compile(o.text("timestampFormat", "yyyy-MM-dd'T'HH:mm:ss[.SSS][XXX]"), false);
  x.written_timestamp_ntz = compile(o.text("timestampNTZFormat", "yyyy-MM-dd'T'HH:mm:ss[.SSS]"), false);
  if (auto f = o.find("timeFormat")) x.written_time = compile(*f, false);
  return x;
}

std::string_view XmlOptions::local(std::string_view name) const {
  if (!ignore_namespace) return name;
  auto colon = name.rfind(':');
  return colon == std::string_view::npos ? name : name.substr(colon + 1);
}

}  // namespace tarn::engine::xml
