// DataType <-> spark.connect.DataType. Source: spark/connect/types.proto.
#include <spark/connect/types.pb.h>

#include "base/spark_error.h"
#include "plan/collation.h"
#include "plan/types_internal.h"

namespace tarn::plan {

namespace sc = spark::connect;

void DataType::to_proto(sc::DataType* out) const {
  switch (id_) {
    case TypeId::kNull: out->mutable_null(); break;
    case TypeId::kBoolean: out->mutable_boolean(); break;
    case TypeId::kByte: out->mutable_byte(); break;
    case TypeId::kShort: out->mutable_short_(); break;
    case TypeId::kInt: out->mutable_integer(); break;
    case TypeId::kLong: out->mutable_long_(); break;
    case TypeId::kFloat: out->mutable_float_(); break;
    case TypeId::kDouble: out->mutable_double_(); break;
    case TypeId::kDecimal:
      out->mutable_decimal()->set_precision(precision());
      out->mutable_decimal()->set_scale(scale());
      break;
    case TypeId::kString:
      out->mutable_string();
      if (!is_default_string()) out->mutable_string()->set_collation(collation());
      break;
    case TypeId::kChar: out->mutable_char_()->set_length(length()); break;
    case TypeId::kVarchar: out->mutable_var_char()->set_length(length()); break;
    case TypeId::kBinary: out->mutable_binary(); break;
    case TypeId::kDate: out->mutable_date(); break;
    case TypeId::kTime: out->mutable_time()->set_precision(precision()); break;
    case TypeId::kTimestamp: out->mutable_timestamp(); break;
    case TypeId::kTimestampNtz: out->mutable_timestamp_ntz(); break;
    case TypeId::kYearMonthInterval:
      out->mutable_year_month_interval()->set_start_field(start_field());
      out->mutable_year_month_interval()->set_end_field(end_field());
      break;
    case TypeId::kDayTimeInterval:
      out->mutable_day_time_interval()->set_start_field(start_field());
      out->mutable_day_time_interval()->set_end_field(end_field());
      break;
    case TypeId::kCalendarInterval: out->mutable_calendar_interval(); break;
    case TypeId::kArray:
      element().to_proto(out->mutable_array()->mutable_element_type());
      out->mutable_array()->set_contains_null(contains_null());
      break;
    case TypeId::kMap:
      key().to_proto(out->mutable_map()->mutable_key_type());
      value().to_proto(out->mutable_map()->mutable_value_type());
      out->mutable_map()->set_value_contains_null(contains_null());
      break;
    case TypeId::kStruct: {
      auto* s = out->mutable_struct_();
      for (const auto& f : fields()) {
        auto* field = s->add_fields();
        field->set_name(f.name);
        f.type().to_proto(field->mutable_data_type());
        field->set_nullable(f.nullable);
        if (!f.metadata.empty()) field->set_metadata(f.metadata);
      }
      break;
    }
    case TypeId::kVariant: out->mutable_variant(); break;
    case TypeId::kGeometry: out->mutable_geometry()->set_srid(srid()); break;
    case TypeId::kGeography: out->mutable_geography()->set_srid(srid()); break;
    case TypeId::kUdt: {
      auto* u = out->mutable_udt();
      u->set_type("udt");
      if (!udt_class(0).empty()) u->set_jvm_class(udt_class(0));
      if (!udt_class(1).empty()) u->set_python_class(udt_class(1));
      if (!udt_class(2).empty()) u->set_serialized_python_class(udt_class(2));
      sql_type().to_proto(u->mutable_sql_type());
      break;
    }
  }
}

namespace {

DataType checked_decimal(const sc::DataType::Decimal& d) {
  int precision = d.has_precision() ? d.precision() : 10;
  int scale = d.has_scale() ? d.scale() : (d.has_precision() ? 0 : 0);
  if (precision > 38)
    throw analysis_error("DECIMAL_PRECISION_EXCEEDS_MAX_PRECISION",
                         {{"precision", std::to_string(precision)}, {"maxPrecision", "38"}});
  if (scale < 0) throw analysis_error("NEGATIVE_SCALE_DISALLOWED", {{"scale", "\"" + std::to_string(scale) + "\""}, {"sqlConf", "\"spark.sql.legacy.allowNegativeScaleOfDecimal\""}});
  if (scale > precision)
    throw analysis_error("INVALID_SCALE_EXCEEDS_PRECISION", {{"scale", std::to_string(scale)}, {"precision", std::to_string(precision)}});
  return DataType::decimal(precision, scale);
}

}  // namespace

DataType DataType::from_proto(const sc::DataType& in) {
  switch (in.kind_case()) {
    case sc::DataType::kNull: return TypeId::kNull;
    case sc::DataType::kBinary: return TypeId::kBinary;
    case sc::DataType::kBoolean: return TypeId::kBoolean;
    case sc::DataType::kByte: return TypeId::kByte;
    case sc::DataType::kShort: return TypeId::kShort;
    case sc::DataType::kInteger: return TypeId::kInt;
    case sc::DataType::kLong: return TypeId::kLong;
    case sc::DataType::kFloat: return TypeId::kFloat;
    case sc::DataType::kDouble: return TypeId::kDouble;
    case sc::DataType::kDecimal: return checked_decimal(in.decimal());
    case sc::DataType::kString:
      // Clients fill in UTF8_BINARY for every plain string; the parser writes an explicit one in lower case.
      if (in.string().collation().empty() || in.string().collation() == "UTF8_BINARY") return TypeId::kString;
      return string(canonical_collation(in.string().collation()));
    case sc::DataType::kChar: return character(in.char_().length());
    case sc::DataType::kVarChar: return varchar(in.var_char().length());
    case sc::DataType::kDate: return TypeId::kDate;
    case sc::DataType::kTimestamp: return TypeId::kTimestamp;
    case sc::DataType::kTimestampNtz: return TypeId::kTimestampNtz;
    case sc::DataType::kTime: return time(in.time().has_precision() ? in.time().precision() : 6);
    case sc::DataType::kCalendarInterval: return TypeId::kCalendarInterval;
    case sc::DataType::kYearMonthInterval: {
      const auto& i = in.year_month_interval();
      int start = i.has_start_field() ? i.start_field() : 0;
      int end = i.has_end_field() ? i.end_field() : (i.has_start_field() ? start : 1);
      if (start < 0 || end > 1 || start > end) throw internal_error("invalid year-month interval type");
      return year_month(static_cast<uint8_t>(start), static_cast<uint8_t>(end));
    }
    case sc::DataType::kDayTimeInterval: {
      const auto& i = in.day_time_interval();
      int start = i.has_start_field() ? i.start_field() : 0;
      int end = i.has_end_field() ? i.end_field() : (i.has_start_field() ? start : 3);
      if (start < 0 || end > 3 || start > end) throw internal_error("invalid day-time interval type");
      return day_time(static_cast<uint8_t>(start), static_cast<uint8_t>(end));
    }
    case sc::DataType::kArray: return array(from_proto(in.array().element_type()), in.array().contains_null());
    case sc::DataType::kMap:
      return map(from_proto(in.map().key_type()), from_proto(in.map().value_type()), in.map().value_contains_null());
    case sc::DataType::kStruct: {
      std::vector<StructField> fields;
      for (const auto& f : in.struct_().fields()) {
        std::string metadata = f.has_metadata() ? f.metadata() : "";
        fields.push_back(make_field(f.name(), from_proto(f.data_type()), f.nullable(), metadata));
      }
      return structure(std::move(fields));
    }
    case sc::DataType::kVariant: return TypeId::kVariant;
    case sc::DataType::kGeometry: return geometry(in.geometry().srid());
    case sc::DataType::kGeography: return geography(in.geography().srid());
    case sc::DataType::kUdt:
      return udt(in.udt().jvm_class(), in.udt().python_class(), in.udt().serialized_python_class(), from_proto(in.udt().sql_type()));
    case sc::DataType::kUnparsed: throw internal_error("an unparsed type must go through the SQL parser first");
    case sc::DataType::KIND_NOT_SET: break;
  }
  throw internal_error("a data type without kind");
}

}  // namespace tarn::plan
