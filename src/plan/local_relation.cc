// Rows that the client sends: Arrow IPC streams, inline or as cached artifacts. Source: SparkConnectPlanner.transformLocalRelation.
#include <arrow/buffer.h>
#include <arrow/array.h>
#include <arrow/io/memory.h>
#include <arrow/ipc/reader.h>
#include <arrow/table.h>
#include <arrow/type.h>
#include <arrow/util/key_value_metadata.h>

#include "plan/analyzer_impl.h"

namespace tarn::plan {

namespace {

[[noreturn]] void unsupported(const arrow::DataType& t) { throw analysis_error("UNSUPPORTED_ARROWTYPE", {{"typeName", t.ToString()}}); }

DataType from_arrow(const arrow::DataType& t);

StructField field_from_arrow(const arrow::Field& f) { return make_field(f.name(), from_arrow(*f.type()), f.nullable()); }

DataType from_arrow(const arrow::DataType& t) {
  using A = arrow::Type;
  switch (t.id()) {
    case A::NA: return TypeId::kNull;
    case A::BOOL: return TypeId::kBoolean;
    case A::INT8: return TypeId::kByte;
    case A::INT16: return TypeId::kShort;
    case A::INT32: return TypeId::kInt;
    case A::INT64: return TypeId::kLong;
    case A::HALF_FLOAT:
    case A::FLOAT: return TypeId::kFloat;
    case A::DOUBLE: return TypeId::kDouble;
    case A::STRING:
    case A::LARGE_STRING:
    case A::STRING_VIEW: return TypeId::kString;
    case A::BINARY:
    case A::LARGE_BINARY:
    case A::BINARY_VIEW:
    case A::FIXED_SIZE_BINARY: return TypeId::kBinary;
    case A::DATE32:
    case A::DATE64: return TypeId::kDate;
    case A::TIMESTAMP:
      return static_cast<const arrow::TimestampType&>(t).timezone().empty() ? TypeId::kTimestampNtz : TypeId::kTimestamp;
    case A::TIME64: return DataType::time(6);
    case A::DURATION: return TypeId::kDayTimeInterval;
    case A::INTERVAL_MONTHS: return TypeId::kYearMonthInterval;
    case A::INTERVAL_MONTH_DAY_NANO: return TypeId::kCalendarInterval;
    case A::DECIMAL128: {
      const auto& d = static_cast<const arrow::Decimal128Type&>(t);
      return DataType::decimal(d.precision(), d.scale());
    }
    case A::LIST:
    case A::LARGE_LIST:
    case A::LIST_VIEW:
    case A::FIXED_SIZE_LIST: {
      const auto& l = static_cast<const arrow::BaseListType&>(t);
      return DataType::array(from_arrow(*l.value_type()), l.value_field()->nullable());
    }
    case A::MAP: {
      const auto& m = static_cast<const arrow::MapType&>(t);
      return DataType::map(from_arrow(*m.key_type()), from_arrow(*m.item_type()), m.item_field()->nullable());
    }
    case A::STRUCT: {
      std::vector<StructField> fields;
      for (const auto& f : t.fields()) fields.push_back(field_from_arrow(*f));
      // VARIANT travels as struct<value, metadata> whose metadata field says so.
      if (t.num_fields() == 2)
        for (const auto& f : t.fields())
          if (f->HasMetadata() && f->metadata()->Contains("variant")) return TypeId::kVariant;
      // GEOMETRY and GEOGRAPHY as struct<srid, wkb>, marked in the same way.
      if (t.num_fields() == 2 && t.field(1)->HasMetadata()) {
        const auto& mark = *t.field(1)->metadata();
        auto srid = mark.Get("srid");
        int id = srid.ok() && *srid != "ANY" && *srid != "-1" ? std::atoi(srid->c_str()) : -1;
        if (mark.Contains("geometry")) return DataType::geometry(id);
        if (mark.Contains("geography")) return DataType::geography(id);
      }
      return DataType::structure(std::move(fields));
    }
    case A::DICTIONARY: return from_arrow(*static_cast<const arrow::DictionaryType&>(t).value_type());
    default: unsupported(t);
  }
}

template <class T>
T must(arrow::Result<T> r) {
  if (!r.ok()) throw SparkError::Plain(ErrorKind::kSpark, "Arrow data cannot be read: " + r.status().ToString());
  return std::move(r).ValueOrDie();
}

std::shared_ptr<arrow::Table> read_stream(std::shared_ptr<arrow::Buffer> data) {
  auto reader = must(arrow::ipc::RecordBatchStreamReader::Open(std::make_shared<arrow::io::BufferReader>(std::move(data))));
  return must(reader->ToTable());
}

// Equal once user-defined types are what they are stored as.
DataType storage_type(const DataType& t) {
  switch (t.id()) {
    case TypeId::kUdt: return storage_type(t.sql_type());
    case TypeId::kArray: return DataType::array(storage_type(t.element()), t.contains_null());
    case TypeId::kMap: return DataType::map(storage_type(t.key()), storage_type(t.value()), t.contains_null());
    case TypeId::kStruct: {
      std::vector<StructField> fields;
      for (const auto& f : t.fields()) fields.push_back(make_field(f.name, storage_type(f.type()), f.nullable));
      return DataType::structure(std::move(fields));
    }
    default: return t;
  }
}

bool has_udt(const DataType& t) { return !(storage_type(t).structurally_equal(t)); }

// Values of GEOMETRY and GEOGRAPHY carry an SRID each: it must be the type's, or a known one if the type is mixed.
void check_srids(const arrow::Array& array, const DataType& type) {
  switch (type.id()) {
    case TypeId::kArray:
      if (array.type_id() == arrow::Type::LIST) check_srids(*static_cast<const arrow::ListArray&>(array).values(), type.element());
      return;
    case TypeId::kMap:
      if (array.type_id() == arrow::Type::MAP) check_srids(*static_cast<const arrow::MapArray&>(array).items(), type.value());
      return;
    case TypeId::kStruct:
      if (array.type_id() == arrow::Type::STRUCT)
        for (size_t i = 0; i < type.fields().size(); ++i) check_srids(*static_cast<const arrow::StructArray&>(array).field(static_cast<int>(i)), type.fields()[i].type());
      return;
    case TypeId::kGeometry:
    case TypeId::kGeography: break;
    default: return;
  }
  if (array.type_id() != arrow::Type::STRUCT) return;
  const bool geography = type.id() == TypeId::kGeography;
  auto srids = static_cast<const arrow::StructArray&>(array).field(0);
  if (srids->type_id() != arrow::Type::INT32) return;
  for (int64_t i = 0; i < array.length(); ++i) {
    if (array.IsNull(i)) continue;
    int32_t srid = static_cast<const arrow::Int32Array&>(*srids).Value(i);
    if (type.srid() >= 0 && srid != type.srid())
      throw SparkError(ErrorKind::kRuntime, "GEO_ENCODER_SRID_MISMATCH_ERROR",
                       {{"type", geography ? "GEOGRAPHY" : "GEOMETRY"}, {"valueSrid", std::to_string(srid)}, {"typeSrid", std::to_string(type.srid())}});
    if (srid != 4326 && (geography || (srid != 0 && srid != 3857)))
      throw SparkError(ErrorKind::kIllegalArgument, "ST_INVALID_SRID_VALUE", {{"srid", std::to_string(srid)}});
  }
}

}  // namespace

PlanPtr Analyzer::local_table(std::shared_ptr<arrow::Table> table, std::optional<DataType> schema) {
  auto p = std::make_shared<LocalData>();
  if (schema && schema->id() != TypeId::kStruct) schema = DataType::structure({make_field("value", *schema)});
  if (!table) {
    if (!schema) throw analysis_error("CONNECT_INVALID_PLAN.SCHEMA_REQUIRED_FOR_LOCAL_RELATION");
    for (const auto& f : schema->fields()) p->output.push_back({next_expr_id(), f.name, without_char_varchar(f.type()), f.nullable, f.metadata, {}});
    return p;
  }
  const auto& arrow_fields = table->schema()->fields();
  bool rename = schema && schema->fields().size() == arrow_fields.size();
  if (schema && !rename)
    throw analysis_error("ASSIGNMENT_ARITY_MISMATCH", {{"numExpr", std::to_string(arrow_fields.size())}, {"numTarget", std::to_string(schema->fields().size())}});
  bool project = false;
  for (size_t i = 0; i < arrow_fields.size(); ++i) {
    Attribute a;
    a.id = next_expr_id();
    a.name = arrow_fields[i]->name();
    a.type = from_arrow(*arrow_fields[i]->type());
    a.nullable = arrow_fields[i]->nullable();
    for (const auto& chunk : table->column(static_cast<int>(i))->chunks()) check_srids(*chunk, a.type);
    if (rename) {
      const auto& f = schema->fields()[i];
      a.name = f.name;
      a.nullable = f.nullable;
      a.metadata = f.metadata;
      DataType want = without_char_varchar(f.type());
      // Differences in names inside and in nullability are only how Arrow says it.
      if (a.type.structurally_equal(want) || (has_udt(want) && a.type.structurally_equal(storage_type(want)))) a.type = want;
      else project = true;
    }
    p->output.push_back(std::move(a));
  }
  p->table = std::move(table);
  if (!project) return p;
  std::vector<ExprPtr> list;
  for (size_t i = 0; i < p->output.size(); ++i) {
    const auto& a = p->output[i];
    DataType want = without_char_varchar(schema->fields()[i].type());
    auto ref = make_ref(a);
    if (a.type.structurally_equal(want)) {
      list.push_back(ref);
      continue;
    }
    if (!can_cast(a.type, storage_type(want), EvalMode::kAnsi))
      throw analysis_error("INVALID_COLUMN_OR_FIELD_DATA_TYPE", {{"name", name_text({a.name})}, {"type", quote_sql(a.type.sql())}, {"expectedType", quote_sql(want.sql())}});
    auto alias = std::make_shared<Alias>(as<Alias>(*make_alias(make_cast(ref, want, EvalMode::kAnsi), a.name)));
    alias->metadata = a.metadata;
    list.push_back(alias);
  }
  return make_project(p, std::move(list));
}

PlanPtr Analyzer::local_relation(const std::string* data, const std::string* schema) {
  std::optional<DataType> type;
  if (schema) type = parse_type(*schema);
  std::shared_ptr<arrow::Table> table;
  // A copy: the message does not live as long as the plan.
  if (data && !data->empty()) table = read_stream(arrow::Buffer::FromString(*data));
  return local_table(std::move(table), std::move(type));
}

PlanPtr Analyzer::cached_local(const std::string& hash) {
  sc::LocalRelation r;
  if (!r.ParseFromString(context_.artifact("cache/" + hash))) throw internal_error("the cached local relation " + hash + " cannot be read");
  return local_relation(r.has_data() ? &r.data() : nullptr, r.has_schema() && !r.schema().empty() ? &r.schema() : nullptr);
}

PlanPtr Analyzer::chunked_local(const sc::ChunkedCachedLocalRelation& c) {
  std::optional<DataType> type;
  if (c.has_schemahash()) type = parse_type(context_.artifact("cache/" + c.schemahash()));
  std::vector<std::shared_ptr<arrow::Table>> tables;
  for (const auto& hash : c.datahashes()) tables.push_back(read_stream(arrow::Buffer::FromString(context_.artifact("cache/" + hash))));
  if (tables.empty()) return local_table(nullptr, std::move(type));
  auto table = tables.size() == 1 ? tables[0] : must(arrow::ConcatenateTables(tables));
  return local_table(std::move(table), std::move(type));
}

}  // namespace tarn::plan
