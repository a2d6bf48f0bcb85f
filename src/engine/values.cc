#include "engine/values.h"

#include <arrow/array.h>
#include <arrow/builder.h>
#include <arrow/io/memory.h>
#include <arrow/ipc/writer.h>
#include <arrow/table.h>
#include <spark/connect/expressions.pb.h>
#include <spark/connect/relations.pb.h>

#include "base/spark_error.h"
#include "duckdb.hpp"
#include "engine/type_mapping.h"

// Clients before 4.1 read these fields only.
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

namespace tarn::engine {

namespace {

using plan::DataType;
using plan::TypeId;
using plan::Value;

void check(const arrow::Status& status) {
  if (!status.ok()) throw internal_error("Arrow: " + status.ToString());
}

plan::Int128 to_int128(const duckdb::hugeint_t& h) { return (static_cast<plan::Int128>(h.upper) << 64) | static_cast<plan::Int128>(h.lower); }

void append(arrow::ArrayBuilder& builder, const Value& value, const DataType& type) {
  if (value.is_null()) {
    check(builder.AppendNull());
    return;
  }
  switch (type.id()) {
    case TypeId::kNull: check(builder.AppendNull()); return;
    case TypeId::kBoolean: check(static_cast<arrow::BooleanBuilder&>(builder).Append(value.get<bool>())); return;
    case TypeId::kByte: check(static_cast<arrow::Int8Builder&>(builder).Append(static_cast<int8_t>(value.get<int64_t>()))); return;
    case TypeId::kShort: check(static_cast<arrow::Int16Builder&>(builder).Append(static_cast<int16_t>(value.get<int64_t>()))); return;
    case TypeId::kInt: check(static_cast<arrow::Int32Builder&>(builder).Append(static_cast<int32_t>(value.get<int64_t>()))); return;
    case TypeId::kLong: check(static_cast<arrow::Int64Builder&>(builder).Append(value.get<int64_t>())); return;
    case TypeId::kFloat: check(static_cast<arrow::FloatBuilder&>(builder).Append(static_cast<float>(value.get<double>()))); return;
    case TypeId::kDouble: check(static_cast<arrow::DoubleBuilder&>(builder).Append(value.get<double>())); return;
    case TypeId::kDecimal: {
      plan::Int128 v = value.get<plan::Int128>();
      arrow::Decimal128 d(static_cast<int64_t>(v >> 64), static_cast<uint64_t>(v));
      check(static_cast<arrow::Decimal128Builder&>(builder).Append(d));
      return;
    }
    case TypeId::kString:
    case TypeId::kChar:
    case TypeId::kVarchar: check(static_cast<arrow::StringBuilder&>(builder).Append(value.get<std::string>())); return;
    case TypeId::kBinary: check(static_cast<arrow::BinaryBuilder&>(builder).Append(value.get<std::string>())); return;
    case TypeId::kDate: check(static_cast<arrow::Date32Builder&>(builder).Append(static_cast<int32_t>(value.get<int64_t>()))); return;
    case TypeId::kTime: check(static_cast<arrow::Time64Builder&>(builder).Append(value.get<int64_t>())); return;
    case TypeId::kTimestamp:
    case TypeId::kTimestampNtz: check(static_cast<arrow::TimestampBuilder&>(builder).Append(value.get<int64_t>())); return;
    case TypeId::kYearMonthInterval:
      check(static_cast<arrow::MonthIntervalBuilder&>(builder).Append(static_cast<int32_t>(value.get<int64_t>())));
      return;
    case TypeId::kDayTimeInterval: check(static_cast<arrow::DurationBuilder&>(builder).Append(value.get<int64_t>())); return;
    case TypeId::kCalendarInterval: {
      const auto& i = value.get<plan::IntervalValue>();
      check(static_cast<arrow::MonthDayNanoIntervalBuilder&>(builder).Append({i.months, i.days, i.micros * 1000}));
      return;
    }
    case TypeId::kArray: {
      auto& list = static_cast<arrow::ListBuilder&>(builder);
      check(list.Append());
      for (const auto& item : value.get<plan::ListValue>().items) append(*list.value_builder(), item, type.element());
      return;
    }
    case TypeId::kMap: {
      auto& map = static_cast<arrow::MapBuilder&>(builder);
      check(map.Append());
      for (const auto& [k, v] : value.get<plan::MapValue>().entries) {
        append(*map.key_builder(), k, type.key());
        append(*map.item_builder(), v, type.value());
      }
      return;
    }
    case TypeId::kStruct: {
      auto& structure = static_cast<arrow::StructBuilder&>(builder);
      check(structure.Append());
      const auto& items = value.get<plan::ListValue>().items;
      for (size_t i = 0; i < items.size(); ++i) append(*structure.field_builder(static_cast<int>(i)), items[i], type.fields()[i].type());
      return;
    }
    case TypeId::kUdt: append(builder, value, type.sql_type()); return;
    case TypeId::kVariant:
    case TypeId::kGeometry:
    case TypeId::kGeography: {
      auto& structure = static_cast<arrow::StructBuilder&>(builder);
      check(structure.Append());
      const auto& items = value.get<plan::ListValue>().items;
      append(*structure.field_builder(0), items.at(0), type.id() == TypeId::kVariant ? TypeId::kBinary : TypeId::kInt);
      append(*structure.field_builder(1), items.at(1), TypeId::kBinary);
      return;
    }
  }
}

}  // namespace

Value from_duckdb_value(const duckdb::Value& v, const DataType& type) {
  if (v.IsNull() || type.id() == TypeId::kNull) return {};
  switch (type.id()) {
    case TypeId::kBoolean: return {v.GetValue<bool>()};
    case TypeId::kByte:
    case TypeId::kShort:
    case TypeId::kInt:
    case TypeId::kLong:
    case TypeId::kTime:
    case TypeId::kYearMonthInterval:
    case TypeId::kDayTimeInterval: return {v.GetValue<int64_t>()};
    case TypeId::kFloat: return {static_cast<double>(v.GetValue<float>())};
    case TypeId::kDouble: return {v.GetValue<double>()};
    case TypeId::kDecimal: {
      // The unscaled value, whatever width DuckDB keeps it in.
      switch (v.type().InternalType()) {
        case duckdb::PhysicalType::INT16: return {static_cast<plan::Int128>(duckdb::SmallIntValue::Get(duckdb::Value::SMALLINT(v.GetValueUnsafe<int16_t>())))};
        case duckdb::PhysicalType::INT32: return {static_cast<plan::Int128>(v.GetValueUnsafe<int32_t>())};
        case duckdb::PhysicalType::INT64: return {static_cast<plan::Int128>(v.GetValueUnsafe<int64_t>())};
        default: return {to_int128(v.GetValueUnsafe<duckdb::hugeint_t>())};
      }
    }
    case TypeId::kString:
    case TypeId::kChar:
    case TypeId::kVarchar:
    case TypeId::kBinary: return {std::string(duckdb::StringValue::Get(v))};
    case TypeId::kDate: return {static_cast<int64_t>(v.GetValueUnsafe<int32_t>())};
    case TypeId::kTimestamp:
    case TypeId::kTimestampNtz: return {v.GetValueUnsafe<int64_t>()};
    case TypeId::kCalendarInterval: {
      auto i = duckdb::IntervalValue::Get(v);
      return {plan::IntervalValue{i.months, i.days, i.micros}};
    }
    case TypeId::kArray: {
      plan::ListValue list;
      for (const auto& child : duckdb::ListValue::GetChildren(v)) list.items.push_back(from_duckdb_value(child, type.element()));
      return {std::move(list)};
    }
    case TypeId::kMap: {
      plan::MapValue map;
      for (const auto& entry : duckdb::MapValue::GetChildren(v)) {
        const auto& pair = duckdb::StructValue::GetChildren(entry);
        map.entries.emplace_back(from_duckdb_value(pair[0], type.key()), from_duckdb_value(pair[1], type.value()));
      }
      return {std::move(map)};
    }
    case TypeId::kStruct: {
      plan::ListValue list;
      const auto& children = duckdb::StructValue::GetChildren(v);
      for (size_t i = 0; i < type.fields().size(); ++i) list.items.push_back(from_duckdb_value(children[i], type.fields()[i].type()));
      return {std::move(list)};
    }
    case TypeId::kUdt: return from_duckdb_value(v, type.sql_type());
    case TypeId::kVariant:
    case TypeId::kGeometry:
    case TypeId::kGeography: {
      const auto& children = duckdb::StructValue::GetChildren(v);
      return {plan::ListValue{{from_duckdb_value(children[0], type.id() == TypeId::kVariant ? TypeId::kBinary : TypeId::kInt),
                               from_duckdb_value(children[1], TypeId::kBinary)}}};
    }
    case TypeId::kNull: return {};
  }
  throw internal_error("no value of type " + type.sql());
}

std::shared_ptr<arrow::Table> rows_to_arrow(const DataType& schema, const std::vector<Row>& rows, const std::string& zone) {
  auto arrow_schema = to_arrow_schema(schema, zone);
  arrow::ArrayVector columns;
  for (int c = 0; c < arrow_schema->num_fields(); ++c) {
    std::unique_ptr<arrow::ArrayBuilder> builder;
    check(arrow::MakeBuilder(arrow::default_memory_pool(), arrow_schema->field(c)->type(), &builder));
    for (const auto& row : rows) append(*builder, row.at(static_cast<size_t>(c)), schema.fields()[static_cast<size_t>(c)].type());
    std::shared_ptr<arrow::Array> array;
    check(builder->Finish(&array));
    columns.push_back(std::move(array));
  }
  return arrow::Table::Make(arrow_schema, std::move(columns), static_cast<int64_t>(rows.size()));
}

void to_local_relation(const DataType& schema, const std::shared_ptr<arrow::Table>& table, spark::connect::LocalRelation* out) {
  auto sink = arrow::io::BufferOutputStream::Create().ValueOrDie();
  auto writer = arrow::ipc::MakeStreamWriter(sink, table->schema()).ValueOrDie();
  check(writer->WriteTable(*table));
  check(writer->Close());
  auto buffer = sink->Finish().ValueOrDie();
  out->set_data(buffer->ToString());
  out->set_schema(schema.json());
}

void to_proto_literal(const Value& value, const DataType& type, spark::connect::Expression_Literal* out) {
  if (value.is_null()) {
    type.to_proto(out->mutable_null());
    return;
  }
  auto decimal_text = [](plan::Int128 v, int scale) {
    bool negative = v < 0;
    unsigned __int128 u = negative ? -static_cast<unsigned __int128>(v) : static_cast<unsigned __int128>(v);
    std::string digits;
    do {
      digits.insert(digits.begin(), static_cast<char>('0' + static_cast<int>(u % 10)));
      u /= 10;
    } while (u > 0);
    if (scale > 0) {
      if (static_cast<int>(digits.size()) <= scale) digits.insert(0, static_cast<size_t>(scale) + 1 - digits.size(), '0');
      digits.insert(digits.size() - static_cast<size_t>(scale), ".");
    }
    return negative ? "-" + digits : digits;
  };
  switch (type.id()) {
    case TypeId::kBoolean: out->set_boolean(value.get<bool>()); return;
    case TypeId::kByte: out->set_byte(static_cast<int32_t>(value.get<int64_t>())); return;
    case TypeId::kShort: out->set_short_(static_cast<int32_t>(value.get<int64_t>())); return;
    case TypeId::kInt: out->set_integer(static_cast<int32_t>(value.get<int64_t>())); return;
    case TypeId::kLong: out->set_long_(value.get<int64_t>()); return;
    case TypeId::kFloat: out->set_float_(static_cast<float>(value.get<double>())); return;
    case TypeId::kDouble: out->set_double_(value.get<double>()); return;
    case TypeId::kDecimal:
      out->mutable_decimal()->set_value(decimal_text(value.get<plan::Int128>(), type.scale()));
      out->mutable_decimal()->set_precision(type.precision());
      out->mutable_decimal()->set_scale(type.scale());
      return;
    case TypeId::kString:
    case TypeId::kChar:
    case TypeId::kVarchar: out->set_string(value.get<std::string>()); return;
    case TypeId::kBinary: out->set_binary(value.get<std::string>()); return;
    case TypeId::kDate: out->set_date(static_cast<int32_t>(value.get<int64_t>())); return;
    case TypeId::kTimestamp: out->set_timestamp(value.get<int64_t>()); return;
    case TypeId::kTimestampNtz: out->set_timestamp_ntz(value.get<int64_t>()); return;
    case TypeId::kTime:
      out->mutable_time()->set_nano(value.get<int64_t>());
      out->mutable_time()->set_precision(type.precision());
      return;
    case TypeId::kYearMonthInterval: out->set_year_month_interval(static_cast<int32_t>(value.get<int64_t>())); return;
    case TypeId::kDayTimeInterval: out->set_day_time_interval(value.get<int64_t>()); return;
    case TypeId::kCalendarInterval: {
      const auto& i = value.get<plan::IntervalValue>();
      out->mutable_calendar_interval()->set_months(i.months);
      out->mutable_calendar_interval()->set_days(i.days);
      out->mutable_calendar_interval()->set_microseconds(i.micros);
      return;
    }
    case TypeId::kArray: {
      auto* array = out->mutable_array();
      type.element().to_proto(array->mutable_element_type());
      for (const auto& item : value.get<plan::ListValue>().items) to_proto_literal(item, type.element(), array->add_elements());
      return;
    }
    case TypeId::kMap: {
      auto* map = out->mutable_map();
      type.key().to_proto(map->mutable_key_type());
      type.value().to_proto(map->mutable_value_type());
      for (const auto& [k, v] : value.get<plan::MapValue>().entries) {
        to_proto_literal(k, type.key(), map->add_keys());
        to_proto_literal(v, type.value(), map->add_values());
      }
      return;
    }
    case TypeId::kStruct: {
      auto* structure = out->mutable_struct_();
      type.to_proto(structure->mutable_struct_type());
      const auto& items = value.get<plan::ListValue>().items;
      for (size_t i = 0; i < items.size(); ++i) to_proto_literal(items[i], type.fields()[i].type(), structure->add_elements());
      return;
    }
    default: throw internal_error("no literal of type " + type.sql() + " in the protocol");
  }
}

}  // namespace tarn::engine
