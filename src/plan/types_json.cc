// Spark's schema JSON. Source: DataType.parseDataType, StructField.jsonValue.
#include <cctype>
#include <map>
#include <nlohmann/json.hpp>

#include "base/spark_error.h"
#include "plan/types_internal.h"

namespace tarn::plan {

using Json = nlohmann::ordered_json;

namespace {

const char* const kCollationsKey = "__COLLATIONS";

[[noreturn]] void invalid(const std::string& what) {
  throw SparkError(ErrorKind::kIllegalArgument, "INVALID_JSON_DATA_TYPE", {{"invalidType", what}});
}

bool is_collated(const DataType& t) { return t.id() == TypeId::kString && t.collation() != "UTF8_BINARY"; }

std::string schema_collation(const DataType& t) {
  const auto& name = t.collation();
  return (name.starts_with("UTF8_") ? "spark." : "icu.") + name;
}

std::string geo_crs(const DataType& t) {
  switch (t.srid()) {
    case -1: return "SRID:ANY";
    case 0: return "SRID:0";
    case 4326: return "OGC:CRS84";
    default: return "EPSG:" + std::to_string(t.srid());
  }
}

void collect_collations(const DataType& t, const std::string& path, Json& out) {
  switch (t.id()) {
    case TypeId::kString:
      if (is_collated(t)) out[path] = schema_collation(t);
      break;
    case TypeId::kArray: collect_collations(t.element(), path + ".element", out); break;
    case TypeId::kMap:
      collect_collations(t.key(), path + ".key", out);
      collect_collations(t.value(), path + ".value", out);
      break;
    default: break;  // fields of a nested struct carry their own
  }
}

Json to_json(const DataType& t, bool keep_collations);

Json field_json(const StructField& f) {
  Json collations = Json::object();
  collect_collations(f.type(), f.name, collations);
  Json metadata = f.metadata.empty() ? Json::object() : Json::parse(f.metadata);
  if (!collations.empty()) metadata[kCollationsKey] = collations;
  Json out;
  out["name"] = f.name;
  out["type"] = to_json(f.type(), collations.empty());
  out["nullable"] = f.nullable;
  out["metadata"] = std::move(metadata);
  return out;
}

Json to_json(const DataType& t, bool keep_collations) {
  switch (t.id()) {
    case TypeId::kString:
      if (!keep_collations) return "string";
      break;
    case TypeId::kArray: {
      Json out;
      out["type"] = "array";
      out["elementType"] = to_json(t.element(), keep_collations);
      out["containsNull"] = t.contains_null();
      return out;
    }
    case TypeId::kMap: {
      Json out;
      out["type"] = "map";
      out["keyType"] = to_json(t.key(), keep_collations);
      out["valueType"] = to_json(t.value(), keep_collations);
      out["valueContainsNull"] = t.contains_null();
      return out;
    }
    case TypeId::kStruct: {
      Json fields = Json::array();
      for (const auto& f : t.fields()) fields.push_back(field_json(f));
      Json out;
      out["type"] = "struct";
      out["fields"] = std::move(fields);
      return out;
    }
    case TypeId::kGeometry: return "geometry(" + geo_crs(t) + ")";
    case TypeId::kGeography: return "geography(" + geo_crs(t) + ", SPHERICAL)";
    case TypeId::kUdt: {
      Json out;
      out["type"] = "udt";
      if (!t.udt_class(0).empty()) {
        out["class"] = t.udt_class(0);
        out["pyClass"] = t.udt_class(1).empty() ? Json() : Json(t.udt_class(1));
      } else {
        out["pyClass"] = t.udt_class(1);
        out["serializedClass"] = t.udt_class(2);
      }
      out["sqlType"] = to_json(t.sql_type(), true);
      return out;
    }
    default: break;
  }
  return type_name(t);
}

// "name(12, 3)" -> name and its arguments, trimmed.
bool split_call(const std::string& text, std::string& name, std::vector<std::string>& args) {
  auto open = text.find('(');
  if (open == std::string::npos || text.back() != ')') return false;
  name = text.substr(0, open);
  std::string arg;
  for (size_t i = open + 1; i + 1 <= text.size(); ++i) {
    char c = text[i];
    if (c == ',' || c == ')') {
      args.push_back(arg);
      arg.clear();
    } else if (c != ' ') {
      arg += c;
    }
  }
  return true;
}

std::optional<int> to_int(const std::string& s) {
  if (s.empty() || s.size() > 9) return std::nullopt;
  for (char c : s)
    if (!std::isdigit(static_cast<unsigned char>(c))) return std::nullopt;
  return std::stoi(s);
}

int crs_srid(const std::string& crs, const std::string& whole) {
  if (crs == "OGC:CRS84" || crs == "EPSG:4326") return 4326;
  if (crs == "SRID:0") return 0;
  if (crs == "SRID:ANY") return -1;
  if (crs.starts_with("EPSG:") || crs.starts_with("SRID:"))
    if (auto n = to_int(crs.substr(5))) return *n;
  invalid(whole);
}

DataType simple_from_name(const std::string& name) {
  static const std::map<std::string, DataType> table = [] {
    std::map<std::string, DataType> m;
    for (TypeId id : {TypeId::kNull, TypeId::kBoolean, TypeId::kByte, TypeId::kShort, TypeId::kInt, TypeId::kLong, TypeId::kFloat,
                      TypeId::kDouble, TypeId::kString, TypeId::kBinary, TypeId::kDate, TypeId::kTimestamp, TypeId::kTimestampNtz,
                      TypeId::kCalendarInterval, TypeId::kVariant})
      m[type_name(DataType(id))] = DataType(id);
    for (uint8_t a = 0; a < 4; ++a)
      for (uint8_t b = a; b < 4; ++b) m[type_name(DataType::day_time(a, b))] = DataType::day_time(a, b);
    for (uint8_t a = 0; a < 2; ++a)
      for (uint8_t b = a; b < 2; ++b) m[type_name(DataType::year_month(a, b))] = DataType::year_month(a, b);
    for (int p = 0; p <= 6; ++p) m[type_name(DataType::time(p))] = DataType::time(p);
    m["null"] = DataType();
    m["timestamp_ltz"] = DataType(TypeId::kTimestamp);
    m["decimal"] = DataType::decimal(10, 0);
    m["geometry"] = DataType::geometry(4326);
    m["geography"] = DataType::geography(4326);
    return m;
  }();
  if (auto it = table.find(name); it != table.end()) return it->second;
  if (name.starts_with("string")) {
    auto collate = name.find("collate");
    if (collate != std::string::npos) {
      auto start = name.find_first_not_of(' ', collate + 7);
      if (start != std::string::npos) return DataType::string(name.substr(start));
    }
  }
  std::string head;
  std::vector<std::string> args;
  if (!name.empty() && split_call(name, head, args)) {
    auto first = args.empty() ? std::nullopt : to_int(args[0]);
    if (head == "decimal" && args.size() == 2 && first) {
      auto scale = to_int(args[1]);
      if (scale && *first <= 38 && *scale <= *first) return DataType::decimal(*first, *scale);
      if (scale && *first > 38)
        throw SparkError(ErrorKind::kAnalysis, "DECIMAL_PRECISION_EXCEEDS_MAX_PRECISION",
                         {{"precision", std::to_string(*first)}, {"maxPrecision", "38"}});
    }
    if (head == "char" && args.size() == 1 && first) return DataType::character(*first);
    if (head == "varchar" && args.size() == 1 && first) return DataType::varchar(*first);
    if (head == "geometry" && args.size() == 1) return DataType::geometry(crs_srid(args[0], name));
    if (head == "geography" && !args.empty())
      return DataType::geography(args[0].find(':') == std::string::npos ? 4326 : crs_srid(args[0], name));
  }
  invalid(name);
}

using Collations = std::map<std::string, std::string>;

DataType from(const Json& j, const std::string& path, const Collations& collations);

StructField field_from(const Json& j) {
  if (!j.is_object() || !j.contains("name") || !j["name"].is_string() || !j.contains("type")) invalid(j.dump());
  if (j.contains("nullable") && !j["nullable"].is_boolean()) invalid(j.dump());
  std::string name = j["name"];
  Collations collations;
  std::string metadata;
  if (j.contains("metadata") && j["metadata"].is_object()) {
    Json m = j["metadata"];
    if (m.contains(kCollationsKey)) {
      for (const auto& [path, value] : m[kCollationsKey].items()) {
        std::string full = value.is_string() ? value.get<std::string>() : "";
        auto dot = full.find('.');
        if (dot != std::string::npos) collations[path] = full.substr(dot + 1);
      }
      m.erase(kCollationsKey);
    }
    if (!m.empty()) metadata = m.dump();
  }
  return make_field(name, from(j["type"], name, collations), j.value("nullable", true), metadata);
}

DataType from(const Json& j, const std::string& path, const Collations& collations) {
  auto append = [&](const char* field) { return path.empty() ? std::string(field) : path + "." + field; };
  if (j.is_string()) {
    std::string name = j;
    if (auto it = collations.find(path); it != collations.end()) {
      if (name != "string")
        throw SparkError(ErrorKind::kIllegalArgument, "INVALID_JSON_DATA_TYPE_FOR_COLLATIONS", {{"jsonType", name}});
      return DataType::string(it->second);
    }
    return simple_from_name(name);
  }
  if (!j.is_object() || !j.contains("type") || !j["type"].is_string()) invalid(j.dump());
  std::string type = j["type"];
  if (type == "array" && j.contains("elementType"))
    return DataType::array(from(j["elementType"], append("element"), collations), j.value("containsNull", true));
  if (type == "map" && j.contains("keyType") && j.contains("valueType"))
    return DataType::map(from(j["keyType"], append("key"), collations), from(j["valueType"], append("value"), collations),
                         j.value("valueContainsNull", true));
  if (type == "struct" && j.contains("fields") && j["fields"].is_array()) {
    std::vector<StructField> fields;
    for (const auto& f : j["fields"]) fields.push_back(field_from(f));
    return DataType::structure(std::move(fields));
  }
  if (type == "udt" && j.contains("sqlType")) {
    auto text = [&](const char* key) { return j.contains(key) && j[key].is_string() ? j[key].get<std::string>() : std::string(); };
    return DataType::udt(text("class"), text("pyClass"), text("serializedClass"), from(j["sqlType"], "", {}));
  }
  invalid(j.dump());
}

}  // namespace

std::optional<std::string> metadata_string(const std::string& metadata, std::string_view key) {
  if (metadata.empty()) return std::nullopt;
  Json m = Json::parse(metadata, nullptr, false);
  if (!m.is_object()) return std::nullopt;
  auto it = m.find(key);
  if (it == m.end() || !it->is_string()) return std::nullopt;
  return it->get<std::string>();
}

std::string DataType::json() const { return to_json(*this, true).dump(-1, ' ', false, Json::error_handler_t::replace); }

DataType DataType::from_json(std::string_view json) {
  Json j = Json::parse(json, nullptr, false);
  if (j.is_discarded()) invalid(std::string(json));
  return from(j, "", {});
}

}  // namespace tarn::plan
