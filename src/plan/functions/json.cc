// JSON, CSV and XML.
#include <algorithm>

#include "plan/functions/entry.h"
#include "plan/functions/families.h"
#include "spark/connect/types.pb.h"
#include "sql/parser.h"

namespace tarn::plan {
namespace {

DataType as_nullable(const DataType& t) {
  switch (t.id()) {
    case TypeId::kArray: return DataType::array(as_nullable(t.element()), true);
    case TypeId::kMap: return DataType::map(as_nullable(t.key()), as_nullable(t.value()), true);
    case TypeId::kStruct: {
      std::vector<StructField> f;
      for (const StructField& x : t.fields()) f.push_back(make_field(x.name, as_nullable(x.type()), true, x.metadata));
      return DataType::structure(std::move(f));
    }
    default: return t;
  }
}

// A schema argument: DDL or JSON text, or a constant schema_of_json(…) that the engine has folded to text.
DataType schema_argument(const CallContext&, const ExprPtr& e) {
  auto text = constant_string(*e);
  if (!text) throw analysis_error("INVALID_SCHEMA.NON_STRING_LITERAL", {{"inputSchema", quote_sql(pretty_sql(*e))}});
  if (!text->empty() && (*text)[0] == '{') return DataType::from_json(*text);
  try {
    return DataType::from_proto(sql::parse_data_type(*text));
  } catch (const SparkError& first) {
    // If it is no list of columns either, the first error tells.
    try {
      return DataType::from_proto(sql::parse_ddl(*text));
    } catch (const SparkError&) {
      if (!text->empty() && (*text)[0] == '"') return DataType::from_json(*text);
      throw first;
    }
  }
}

// The options of a constant map(k, v, …) as JSON text.
void check_options(const CallContext&, const ExprPtr& e) {
  const Expression* m = e.get();
  while (m->kind == ExprKind::kCast) m = m->children[0].get();
  const auto* c = try_as<Call>(*m);
  if (!c || !c->function || c->function->name() != "map") throw analysis_error("INVALID_OPTIONS.NON_MAP_FUNCTION", {});
  if (e->type.id() != TypeId::kMap || !e->type.key().is_string() || !e->type.value().is_string())
    throw analysis_error("INVALID_OPTIONS.NON_STRING_TYPE", {{"mapType", quoted(e->type)}});
}

bool map_with_other_keys(const DataType& t) {
  switch (t.id()) {
    case TypeId::kMap: return !t.key().is_string() || map_with_other_keys(t.value());
    case TypeId::kArray: return map_with_other_keys(t.element());
    case TypeId::kStruct: return std::any_of(t.fields().begin(), t.fields().end(), [](const StructField& f) { return map_with_other_keys(f.type()); });
    default: return false;
  }
}

// What the session says about JSON and CSV, where it is not the default: "key=value" by line.
std::string reader_settings(const CallContext& c) {
  std::string out;
  for (const char* key : {"spark.sql.columnNameOfCorruptRecord", "spark.sql.json.enablePartialResults", "spark.sql.legacy.json.allowEmptyString.enabled",
                          "spark.sql.legacy.json.enableDateTimeParsingFallback", "spark.sql.legacy.csv.enableDateTimeParsingFallback", "spark.sql.legacy.timeParserPolicy"}) {
    static const SessionConf defaults;
    auto value = c.conf.find(key);
    if (value && value != defaults.find(key)) out += std::string(out.empty() ? "" : "\n") + key + "=" + *value;
  }
  return out;
}

TypedCall from_json_rule(const CallContext& c, std::vector<ExprPtr>& args) {
  if (args.size() > 2) check_options(c, args[2]);
  DataType t = as_nullable(schema_argument(c, args[1]));
  if (!t.is_nested() && t.id() != TypeId::kVariant) mismatch(c, args, "INVALID_JSON_SCHEMA", {{"schema", quoted(t)}});
  if (map_with_other_keys(t)) mismatch(c, args, "INVALID_JSON_MAP_KEY_TYPE", {{"schema", quoted(t)}});
  args.push_back(make_string(reader_settings(c)));
  static const FunctionEntry variant{"from_json", FunctionKind::kScalar, "", "spark_parse_json($1, false)", kHidden | kFirstText};
  return {t, true, t.id() == TypeId::kVariant ? &variant : nullptr};
}

TypedCall to_json_rule(const CallContext& c, std::vector<ExprPtr>& args) {
  if (args.size() > 1) check_options(c, args[1]);
  if (args[0]->type.id() == TypeId::kNull) cast_to(c, args[0], DataType::array(TypeId::kNull, true));
  const DataType& t = args[0]->type;
  if (!t.is_nested() && t.id() != TypeId::kVariant) mismatch(c, args, "INVALID_JSON_SCHEMA", {{"schema", quoted(t)}});
  return {TypeId::kString, true};
}

TypedCall schema_of_rule(const CallContext& c, std::vector<ExprPtr>& args) {
  if (args.size() > 1) check_options(c, args[1]);
  if (!is_foldable(*args[0])) expect_foldable(c, args, 0, c.name == "schema_of_csv" ? "csv" : "json", TypeId::kString);
  if (is_null_literal(*args[0])) mismatch(c, args, "UNEXPECTED_NULL", {{"exprName", c.name == "schema_of_csv" ? "csv" : "json"}});
  return {TypeId::kString, false};
}

TypedCall from_csv_rule(const CallContext& c, std::vector<ExprPtr>& args) {
  if (args.size() > 2) check_options(c, args[2]);
  DataType t = as_nullable(schema_argument(c, args[1]));
  if (t.id() != TypeId::kStruct) throw analysis_error("INVALID_SCHEMA.NON_STRUCT_TYPE", {{"inputSchema", quote_sql(pretty_sql(*args[1]))}, {"dataType", quoted(t)}});
  args.push_back(make_string(reader_settings(c)));
  return {t, true};
}

TypedCall to_csv_rule(const CallContext& c, std::vector<ExprPtr>& args) {
  if (args.size() > 1) check_options(c, args[1]);
  if (args[0]->type.id() != TypeId::kStruct) unexpected_input(c, args, 0, "\"STRUCT\"");
  return {TypeId::kString, true};
}

// ---- XML. The kernels take what the session says where an option doesn't.
void add_xml_defaults(const CallContext& c, std::vector<ExprPtr>& args) {
  if (auto style = c.conf.find("spark.sql.binaryOutputStyle"); style && !style->empty()) throw not_built("XML functions with spark.sql.binaryOutputStyle");
  args.push_back(make_string(std::string(c.conf.text("spark.sql.columnNameOfCorruptRecord"))));
  args.push_back(make_bool(c.conf.case_sensitive()));
  args.push_back(make_bool(c.conf.text("spark.sql.timestampType") == "TIMESTAMP_NTZ"));
}

TypedCall from_xml_rule(const CallContext& c, std::vector<ExprPtr>& args) {
  if (args.size() > 2) check_options(c, args[2]);
  DataType t = as_nullable(schema_argument(c, args[1]));
  if (t.id() != TypeId::kStruct && t.id() != TypeId::kVariant) mismatch(c, args, "INVALID_XML_SCHEMA", {{"schema", quoted(t)}});
  if (map_with_other_keys(t)) mismatch(c, args, "INVALID_XML_MAP_KEY_TYPE", {{"schema", quoted(t)}});
  if (t.id() == TypeId::kVariant) throw not_built("from_xml() with the schema VARIANT");
  add_xml_defaults(c, args);
  return {t, true};
}

TypedCall to_xml_rule(const CallContext& c, std::vector<ExprPtr>& args) {
  if (args.size() > 1) check_options(c, args[1]);
  if (args[0]->type.id() == TypeId::kVariant) throw not_built("to_xml() of VARIANT");
  if (args[0]->type.id() != TypeId::kStruct) unexpected_input(c, args, 0, "\"STRUCT\"");
  add_xml_defaults(c, args);
  return {TypeId::kString, true};
}

TypedCall schema_of_xml_rule(const CallContext& c, std::vector<ExprPtr>& args) {
  if (args.size() > 1) check_options(c, args[1]);
  if (!is_foldable(*args[0])) expect_foldable(c, args, 0, "xml", args[0]->type);
  if (is_null_literal(*args[0])) mismatch(c, args, "UNEXPECTED_NULL", {{"exprName", "xml"}});
  if (!args[0]->type.is_string()) unexpected_input(c, args, 0, "\"STRING\"");
  add_xml_defaults(c, args);
  return {TypeId::kString, false};
}

template <TypeId Result> TypedCall xpath_rule(const CallContext& c, std::vector<ExprPtr>& args) {
  expect_foldable(c, args, 1, "path", TypeId::kString);
  return {Result == TypeId::kArray ? DataType::array(TypeId::kString, true) : DataType(Result), true};
}

// variant_get(v, path[, type]): the type becomes the call's, a VARIANT without it.
bool variant_get_type(const DataType& t) {
  switch (t.id()) {
    case TypeId::kArray: return variant_get_type(t.element());
    case TypeId::kMap: return t.key().is_string() && variant_get_type(t.value());
    case TypeId::kStruct: return std::all_of(t.fields().begin(), t.fields().end(), [](const StructField& f) { return variant_get_type(f.type()); });
    case TypeId::kChar: case TypeId::kVarchar: case TypeId::kNull: case TypeId::kCalendarInterval: case TypeId::kYearMonthInterval:
    case TypeId::kDayTimeInterval: case TypeId::kGeometry: case TypeId::kGeography: case TypeId::kUdt: return false;
    default: return true;
  }
}
TypedCall variant_get_rule(const CallContext& c, std::vector<ExprPtr>& args) {
  DataType t = TypeId::kVariant;
  if (args.size() == 3) {
    auto text = constant_string(*args[2]);
    if (!text) throw analysis_error("INVALID_SCHEMA.NON_STRING_LITERAL", {{"inputSchema", quote_sql(pretty_sql(*args[2]))}});
    t = as_nullable(DataType::from_proto(sql::parse_data_type(*text)));
    args.pop_back();
  }
  if (!variant_get_type(t)) mismatch(c, args, "CAST_WITHOUT_SUGGESTION", {{"srcType", "\"VARIANT\""}, {"targetType", quoted(t)}});
  return {t, true};
}
TypedCall to_variant_rule(const CallContext& c, std::vector<ExprPtr>& args) {
  if (!args[0]->type.is_nested() || !variant_get_type(args[0]->type))
    mismatch(c, args, "CAST_WITHOUT_SUGGESTION", {{"srcType", quoted(args[0]->type)}, {"targetType", "\"VARIANT\""}});
  return {TypeId::kVariant, args[0]->nullable};
}

#define VARIANT_PARTS "struct_extract_at($1, 1), struct_extract_at($1, 2)"

const FunctionEntry kTable[] = {
    scalar("parse_json", "(string) -> variant", "spark_parse_json($1, true)"),
    scalar("try_parse_json", "(string) -> variant", "spark_parse_json($1, false)", kNullable),
    scalar("is_variant_null", "(variant) -> boolean", "coalesce(spark_is_variant_null(struct_extract_at($1, 1)), false)", kNeverNull | kNullTolerant),
    scalar("is_valid_variant", "(variant) -> boolean", "spark_is_valid_variant(" VARIANT_PARTS ")"),
    scalar("variant_get", "(variant, string, [any]) -> @", "@variant_get", kNullable, variant_get_rule),
    scalar("try_variant_get", "(variant, string, [any]) -> @", "@variant_get", kNullable | kTryMode, variant_get_rule),
    scalar("to_variant_object", "(any) -> @", "spark_to_variant($1, $json1)", kNone, to_variant_rule),
    scalar("schema_of_variant", "(variant) -> string", "spark_schema_of_variant(" VARIANT_PARTS ")"),
    aggregate("schema_of_variant_agg", "(variant) -> string", "decode(#spark_schema_of_variant_agg(" VARIANT_PARTS ")#)", kNeverNull),
    scalar("get_json_object", "(string, string) -> string", "spark_get_json_object($1, $2)", kNullable | kStrict),
    scalar("from_json", "(string, any, [any]) -> @", "3: spark_from_json($1, $json, MAP {}, $tz, $3) ;; 4: spark_from_json($1, $json, $3, $tz, $4)", kNullable | kStrict | kFirstText, from_json_rule),
    scalar("to_json", "(any, [any]) -> @", "1: spark_to_json($1, $json1, MAP {}, $tz) ;; 2: spark_to_json($1, $json1, $2, $tz)", kFirstText, to_json_rule),
    scalar("schema_of_json", "(string, [any]) -> @", "1: spark_schema_of_json($1, MAP {}) ;; 2: spark_schema_of_json($1, $2)", kStrict | kFirstText, schema_of_rule),
    scalar("json_array_length", "(string) -> int", "spark_json_array_length($1)", kNullable | kStrict),
    scalar("json_object_keys", "(string) -> array<string>", "spark_json_object_keys($1)", kNullable | kStrict),
    scalar("from_csv", "(string, any, [any]) -> @", "3: spark_from_csv($1, $json, MAP {}, $tz, $3) ;; 4: spark_from_csv($1, $json, $3, $tz, $4)", kNullable | kStrict | kFirstText, from_csv_rule),
    scalar("to_csv", "(any, [any]) -> @", "1: spark_to_csv($1, $json1, MAP {}, $tz) ;; 2: spark_to_csv($1, $json1, $2, $tz)", kFirstText, to_csv_rule),
    scalar("from_xml", "(string, any, [any]) -> @",
           "5: spark_from_xml($1, $json, MAP {}, $tz, $3, $4, $5) ;; 6: spark_from_xml($1, $json, $3, $tz, $4, $5, $6)", kNullable | kStrict | kFirstText, from_xml_rule),
    scalar("to_xml", "(any, [any]) -> @", "4: spark_to_xml($1, $json1, MAP {}, $tz, $2, $3, $4) ;; 5: spark_to_xml($1, $json1, $2, $tz, $3, $4, $5)",
           kFirstText, to_xml_rule),
    scalar("schema_of_xml", "(any, [any]) -> @", "4: spark_schema_of_xml($1, MAP {}, 'UTC', $2, $3, $4) ;; 5: spark_schema_of_xml($1, $2, 'UTC', $3, $4, $5)",
           kFirstText, schema_of_xml_rule),
    scalar("xpath", "(string, string) -> @", "spark_xpath($1, $2)", kStrict, xpath_rule<TypeId::kArray>),
    scalar("xpath_boolean", "(string, string) -> @", "spark_xpath_boolean($1, $2)", kStrict, xpath_rule<TypeId::kBoolean>),
    scalar("xpath_double,xpath_number", "(string, string) -> @", "spark_xpath_double($1, $2)", kStrict, xpath_rule<TypeId::kDouble>),
    scalar("xpath_float", "(string, string) -> @", "spark_xpath_float($1, $2)", kStrict, xpath_rule<TypeId::kFloat>),
    scalar("xpath_int", "(string, string) -> @", "spark_xpath_int($1, $2)", kStrict, xpath_rule<TypeId::kInt>),
    scalar("xpath_long", "(string, string) -> @", "spark_xpath_long($1, $2)", kStrict, xpath_rule<TypeId::kLong>),
    scalar("xpath_short", "(string, string) -> @", "spark_xpath_short($1, $2)", kStrict, xpath_rule<TypeId::kShort>),
    scalar("xpath_string", "(string, string) -> @", "spark_xpath_string($1, $2)", kStrict, xpath_rule<TypeId::kString>),
    scalar("schema_of_csv", "(string, [any]) -> @", "1: spark_schema_of_csv($1, MAP {}) ;; 2: spark_schema_of_csv($1, $2)", kStrict | kFirstText, schema_of_rule),
};

}  // namespace

FunctionTable json_functions() { return kTable; }

}  // namespace tarn::plan
