#include "delta/schema.h"

#include <algorithm>
#include <cctype>
#include <nlohmann/json.hpp>
#include <set>

#include "base/ids.h"
#include "base/spark_error.h"

namespace tarn::delta {
namespace {

using nlohmann::ordered_json;

std::string lower(std::string_view s) {
  std::string out(s);
  std::transform(out.begin(), out.end(), out.begin(), [](unsigned char c) { return std::tolower(c); });
  return out;
}

std::vector<Field> fields_of(const ordered_json& j);

Type type_of(const ordered_json& j) {
  Type t;
  if (j.is_string()) {
    t.name = j.get<std::string>();
    return t;
  }
  const auto& kind = j.at("type").get_ref<const std::string&>();
  if (kind == "struct") {
    t.kind = Type::Kind::kStruct;
    t.fields = fields_of(j);
  } else if (kind == "array") {
    t.kind = Type::Kind::kArray;
    t.element = std::make_shared<Type>(type_of(j.at("elementType")));
    t.contains_null = j.value("containsNull", true);
  } else if (kind == "map") {
    t.kind = Type::Kind::kMap;
    t.key = std::make_shared<Type>(type_of(j.at("keyType")));
    t.value = std::make_shared<Type>(type_of(j.at("valueType")));
    t.contains_null = j.value("valueContainsNull", true);
  } else if (kind == "udt") {
    return type_of(j.at("sqlType"));
  } else {
    throw internal_error("unknown type in a Delta schema: " + kind);
  }
  return t;
}

std::vector<Field> fields_of(const ordered_json& j) {
  std::vector<Field> out;
  for (const auto& f : j.at("fields")) {
    Field field;
    field.name = f.at("name").get<std::string>();
    field.type = type_of(f.at("type"));
    field.nullable = f.value("nullable", true);
    if (auto m = f.find("metadata"); m != f.end() && m->is_object()) {
      field.metadata = m->dump();
      if (auto p = m->find("delta.columnMapping.physicalName"); p != m->end() && p->is_string()) field.physical_name_ = p->get<std::string>();
      if (auto p = m->find("delta.columnMapping.id"); p != m->end() && p->is_number_integer()) field.column_id_ = p->get<int64_t>();
    }
    out.push_back(std::move(field));
  }
  return out;
}

void visit_fields(const std::vector<Field>& fields, std::vector<std::string>& path,
                  const std::function<void(const Field&, const std::vector<std::string>&)>& visit);

void visit_type(const Type& t, std::vector<std::string>& path, const std::function<void(const Field&, const std::vector<std::string>&)>& visit) {
  auto below = [&](const Type& inner, const char* step) {
    path.emplace_back(step);
    visit_type(inner, path, visit);
    path.pop_back();
  };
  if (t.kind == Type::Kind::kStruct) visit_fields(t.fields, path, visit);
  if (t.kind == Type::Kind::kArray) below(*t.element, "element");
  if (t.kind == Type::Kind::kMap) below(*t.key, "key"), below(*t.value, "value");
}

void visit_fields(const std::vector<Field>& fields, std::vector<std::string>& path,
                  const std::function<void(const Field&, const std::vector<std::string>&)>& visit) {
  for (const auto& f : fields) {
    path.push_back(f.name);
    visit(f, path);
    visit_type(f.type, path, visit);
    path.pop_back();
  }
}

// Calls visit on the JSON object of every field, parents first.
void visit_json(ordered_json& type, const std::function<void(ordered_json&)>& visit) {
  if (!type.is_object()) return;
  const std::string kind = type.value("type", "");
  if (kind == "struct") {
    for (auto& f : type["fields"]) {
      visit(f);
      visit_json(f["type"], visit);
    }
  } else if (kind == "array") {
    visit_json(type["elementType"], visit);
  } else if (kind == "map") {
    visit_json(type["keyType"], visit);
    visit_json(type["valueType"], visit);
  }
}

void collect_not_null(const std::vector<Field>& fields, std::vector<std::string>& path, std::vector<std::vector<std::string>>& out) {
  for (const auto& f : fields) {
    path.push_back(f.name);
    if (!f.nullable) out.push_back(path);
    if (f.type.kind == Type::Kind::kStruct) collect_not_null(f.type.fields, path, out);
    path.pop_back();
  }
}

ordered_json json_of(const Type& t);
ordered_json json_of(const std::vector<Field>& fields) {
  ordered_json list = ordered_json::array();
  for (const auto& f : fields) {
    list.push_back({{"name", f.name}, {"type", json_of(f.type)}, {"nullable", f.nullable}, {"metadata", ordered_json::parse(f.metadata)}});
  }
  return {{"type", "struct"}, {"fields", list}};
}
ordered_json json_of(const Type& t) {
  switch (t.kind) {
    case Type::Kind::kPrimitive: return t.name;
    case Type::Kind::kStruct: return json_of(t.fields);
    case Type::Kind::kArray: return {{"type", "array"}, {"elementType", json_of(*t.element)}, {"containsNull", t.contains_null}};
    case Type::Kind::kMap:
      return {{"type", "map"}, {"keyType", json_of(*t.key)}, {"valueType", json_of(*t.value)}, {"valueContainsNull", t.contains_null}};
  }
  return {};
}

}  // namespace

bool Type::contains(std::string_view primitive) const {
  switch (kind) {
    case Kind::kPrimitive: return name == primitive;
    case Kind::kStruct: return false;
    case Kind::kArray: return element->contains(primitive);
    case Kind::kMap: return key->contains(primitive) || value->contains(primitive);
  }
  return false;
}

bool Field::has_metadata(std::string_view key) const { return metadata_value(key).has_value(); }

std::optional<std::string> Field::metadata_value(std::string_view key) const {
  if (metadata.find(key) == std::string::npos) return std::nullopt;
  auto j = ordered_json::parse(metadata);
  auto it = j.find(std::string(key));
  if (it == j.end()) return std::nullopt;
  return it->is_string() ? it->get<std::string>() : it->dump();
}

const Field* Schema::find(std::string_view name) const {
  std::string wanted = lower(name);
  for (const auto& f : fields) {
    if (lower(f.name) == wanted) return &f;
  }
  return nullptr;
}

void Schema::for_each_field(const std::function<void(const Field&, const std::vector<std::string>&)>& visit) const {
  std::vector<std::string> path;
  visit_fields(fields, path, visit);
}

Schema parse_schema(std::string_view json) {
  Schema s;
  if (json.empty()) return s;
  try {
    s.fields = fields_of(ordered_json::parse(json));
  } catch (const nlohmann::json::exception& e) {
    throw internal_error(std::string("the schema in a Delta log cannot be read: ") + e.what());
  }
  return s;
}

std::string to_json(const Schema& schema) { return json_of(schema.fields).dump(); }

ColumnMapping column_mapping(const Metadata& metadata) {
  std::string mode = metadata.property("delta.columnMapping.mode", "none");
  if (mode == "none") return ColumnMapping::kNone;
  if (mode == "name") return ColumnMapping::kName;
  if (mode == "id") return ColumnMapping::kId;
  throw SparkError(ErrorKind::kIllegalArgument, "DELTA_MODE_NOT_SUPPORTED", {{"mode", mode}, {"supportedModes", "id, name, none"}});
}

void assign_column_mapping(Metadata& metadata, bool keep_names) {
  if (column_mapping(metadata) == ColumnMapping::kNone) return;
  auto schema = ordered_json::parse(metadata.schema_string);
  int64_t max_id = std::atoll(metadata.property("delta.columnMapping.maxColumnId", "0").c_str());
  visit_json(schema, [&](ordered_json& f) {
    auto& m = f["metadata"];
    if (m.is_object() && m.contains("delta.columnMapping.id")) max_id = std::max(max_id, m["delta.columnMapping.id"].get<int64_t>());
  });
  visit_json(schema, [&](ordered_json& f) {
    if (!f.contains("metadata") || !f["metadata"].is_object()) f["metadata"] = ordered_json::object();
    auto& m = f["metadata"];
    if (!m.contains("delta.columnMapping.id")) m["delta.columnMapping.id"] = ++max_id;
    if (!m.contains("delta.columnMapping.physicalName")) {
      m["delta.columnMapping.physicalName"] = keep_names ? f["name"].get<std::string>() : "col-" + random_uuid();
    }
  });
  metadata.schema_string = schema.dump();
  metadata.configuration["delta.columnMapping.maxColumnId"] = std::to_string(max_id);
}

std::vector<Constraint> constraints(const Metadata& metadata, const Schema& schema) {
  std::vector<Constraint> out;
  for (const auto& [key, value] : metadata.configuration) {
    if (key.rfind("delta.constraints.", 0) == 0) out.push_back({key.substr(18), value});
  }
  schema.for_each_field([&](const Field& f, const std::vector<std::string>&) {
    if (auto text = f.metadata_value("delta.invariants")) {
      try {
        out.push_back({"", ordered_json::parse(*text).at("expression").at("expression").get<std::string>()});
      } catch (const nlohmann::json::exception&) {
        throw SparkError(ErrorKind::kUnsupported, "DELTA_UNRECOGNIZED_INVARIANT");
      }
    }
  });
  return out;
}

std::vector<std::vector<std::string>> not_null_columns(const Schema& schema) {
  std::vector<std::vector<std::string>> out;
  std::vector<std::string> path;
  collect_not_null(schema.fields, path, out);
  return out;
}

std::vector<GeneratedColumn> generated_columns(const Schema& schema) {
  std::vector<GeneratedColumn> out;
  for (const auto& f : schema.fields) {
    if (auto e = f.metadata_value("delta.generationExpression")) out.push_back({f.name, *e});
  }
  return out;
}

bool has_identity_columns(const Schema& schema) {
  return std::any_of(schema.fields.begin(), schema.fields.end(), [](const Field& f) { return f.has_metadata("delta.identity.start"); });
}

void check_schema(const Metadata& metadata) {
  Schema schema = parse_schema(metadata.schema_string);
  std::set<std::string> seen;
  std::string duplicates, invalid;
  schema.for_each_field([&](const Field& f, const std::vector<std::string>& path) {
    std::string full;
    for (const auto& p : path) full += (full.empty() ? "" : ".") + quote_identifier(p);
    if (!seen.insert(lower(full)).second) duplicates += (duplicates.empty() ? "" : ", ") + full;
    if (f.name.find_first_of(" ,;{}()\n\t=") != std::string::npos) invalid += (invalid.empty() ? "" : ", ") + f.name;
  });
  if (!duplicates.empty()) throw analysis_error("DELTA_DUPLICATE_COLUMNS_FOUND.METADATA_UPDATE", {{"duplicateCols", duplicates}});
  if (!invalid.empty() && column_mapping(metadata) == ColumnMapping::kNone) {
    throw analysis_error("DELTA_INVALID_CHARACTERS_IN_COLUMN_NAMES", {{"invalidColumnNames", invalid}});
  }
  for (const auto& column : metadata.partition_columns) {
    const Field* f = schema.find(column);
    if (!f) {
      std::string all;
      for (const auto& field : schema.fields) all += (all.empty() ? "" : ", ") + field.name;
      throw analysis_error("DELTA_PARTITION_COLUMN_NOT_FOUND", {{"columnName", quote_identifier(column)}, {"schemaMap", all}});
    }
    if (f->type.kind != Type::Kind::kPrimitive || f->type.name == "variant") {
      throw analysis_error("DELTA_INVALID_PARTITION_COLUMN_TYPE", {{"name", f->name}, {"dataType", to_json(Schema{{*f}})}});
    }
  }
  if (!schema.fields.empty() && metadata.partition_columns.size() == schema.fields.size()) {
    throw analysis_error("DELTA_CANNOT_USE_ALL_COLUMNS_FOR_PARTITION");
  }
}

}  // namespace tarn::delta
