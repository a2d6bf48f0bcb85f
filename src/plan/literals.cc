// spark.connect literals as typed values. Source: LiteralValueProtoConverter.
#include <cctype>

#include "plan/analyzer_impl.h"

// Clients before 4.0 fill in fields that are deprecated now.
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

namespace tarn::plan {

namespace {

using ProtoLiteral = sc::Expression::Literal;

[[noreturn]] void bad_literal(const std::string& why) { throw internal_error("invalid literal: " + why); }

// "-12.340" -> -12340 and scale 3. Exponents (from BigDecimal.toString) are understood.
Int128 parse_decimal(const std::string& text, int* scale, int* digits) {
  Int128 v = 0;
  bool negative = false, point = false;
  int s = 0, n = 0;
  size_t i = 0;
  if (i < text.size() && (text[i] == '-' || text[i] == '+')) negative = text[i++] == '-';
  for (; i < text.size() && text[i] != 'e' && text[i] != 'E'; ++i) {
    if (text[i] == '.') {
      if (point) bad_literal(text);
      point = true;
      continue;
    }
    if (!std::isdigit(static_cast<unsigned char>(text[i]))) bad_literal(text);
    if (n >= 38) bad_literal("decimal of more than 38 digits");
    v = v * 10 + (text[i] - '0');
    if (v != 0) ++n;
    if (point) ++s;
  }
  if (i < text.size()) s -= std::stoi(text.substr(i + 1));
  while (s < 0) {
    v *= 10;
    if (v != 0) ++n;
    ++s;
    if (n > 38) bad_literal("decimal of more than 38 digits");
  }
  *scale = s;
  *digits = std::max(n, 1);
  return negative ? -v : v;
}

Int128 rescale(Int128 v, int from, int to) {
  for (; from < to; ++from) v *= 10;
  for (; from > to; --from) {
    if (v % 10) bad_literal("decimal with more digits than its scale");
    v /= 10;
  }
  return v;
}

int64_t integral(const Value& v) { return v.get<int64_t>(); }

// Narrow or widen a plain value to what a typed container expects.
Value fit(Value v, const DataType& from, const DataType& to) {
  if (v.is_null() || from == to) return v;
  if (to.id() == TypeId::kDecimal && from.id() == TypeId::kDecimal) return Value{rescale(v.get<Int128>(), from.scale(), to.scale())};
  if (from.is_integral() && (to.id() == TypeId::kFloat || to.id() == TypeId::kDouble)) return Value{static_cast<double>(integral(v))};
  if (from.is_integral() && to.id() == TypeId::kDecimal) return Value{rescale(integral(v), 0, to.scale())};
  return v;
}

// The value of l as one of `want` (null: whatever l says), and its type.
Value value_of(const ProtoLiteral& l, const DataType* want, DataType* type, Analyzer& a) {
  std::optional<DataType> declared;
  if (l.has_data_type()) {
    declared = a.data_type(l.data_type());
    want = &*declared;
  }
  auto is = [&](DataType t, Value v) {
    *type = want && l.literal_type_case() != ProtoLiteral::kDecimal ? *want : t;
    return fit(std::move(v), t, *type);
  };
  switch (l.literal_type_case()) {
    case ProtoLiteral::kNull:
      *type = declared ? *declared : (l.null().kind_case() != sc::DataType::KIND_NOT_SET ? a.data_type(l.null()) : (want ? *want : DataType()));
      return Value{};
    case ProtoLiteral::kBinary: return is(TypeId::kBinary, Value{l.binary()});
    case ProtoLiteral::kBoolean: return is(TypeId::kBoolean, Value{l.boolean()});
    case ProtoLiteral::kByte: return is(TypeId::kByte, Value{static_cast<int64_t>(static_cast<int8_t>(l.byte()))});
    case ProtoLiteral::kShort: return is(TypeId::kShort, Value{static_cast<int64_t>(static_cast<int16_t>(l.short_()))});
    case ProtoLiteral::kInteger: return is(TypeId::kInt, Value{static_cast<int64_t>(l.integer())});
    case ProtoLiteral::kLong: return is(TypeId::kLong, Value{static_cast<int64_t>(l.long_())});
    case ProtoLiteral::kFloat: return is(TypeId::kFloat, Value{static_cast<double>(l.float_())});
    case ProtoLiteral::kDouble: return is(TypeId::kDouble, Value{l.double_()});
    case ProtoLiteral::kDecimal: {
      int scale = 0, digits = 0;
      Int128 v = parse_decimal(l.decimal().value(), &scale, &digits);
      if (want && want->id() == TypeId::kDecimal) {
        *type = *want;
      } else {
        int s = l.decimal().has_scale() ? l.decimal().scale() : scale;
        int p = l.decimal().has_precision() ? l.decimal().precision() : std::max(digits, s);
        *type = DataType::decimal(std::max(p, s), s);
      }
      return Value{rescale(v, scale, type->scale())};
    }
    case ProtoLiteral::kString: return is(TypeId::kString, Value{l.string()});
    case ProtoLiteral::kDate: return is(TypeId::kDate, Value{static_cast<int64_t>(l.date())});
    case ProtoLiteral::kTimestamp: return is(TypeId::kTimestamp, Value{static_cast<int64_t>(l.timestamp())});
    case ProtoLiteral::kTimestampNtz: return is(TypeId::kTimestampNtz, Value{static_cast<int64_t>(l.timestamp_ntz())});
    case ProtoLiteral::kTime: return is(DataType::time(l.time().has_precision() ? l.time().precision() : 6), Value{static_cast<int64_t>(l.time().nano())});
    case ProtoLiteral::kCalendarInterval:
      return is(TypeId::kCalendarInterval,
                Value{IntervalValue{l.calendar_interval().months(), l.calendar_interval().days(), l.calendar_interval().microseconds()}});
    case ProtoLiteral::kYearMonthInterval: return is(TypeId::kYearMonthInterval, Value{static_cast<int64_t>(l.year_month_interval())});
    case ProtoLiteral::kDayTimeInterval: return is(TypeId::kDayTimeInterval, Value{static_cast<int64_t>(l.day_time_interval())});
    case ProtoLiteral::kArray: {
      const auto& in = l.array();
      DataType element;
      if (want && want->id() == TypeId::kArray) element = want->element();
      else if (in.has_element_type()) element = a.data_type(in.element_type());
      else if (in.elements_size() > 0) value_of(in.elements(0), nullptr, &element, a);
      ListValue list;
      for (const auto& x : in.elements()) {
        DataType t;
        Value v = value_of(x, &element, &t, a);
        list.items.push_back(fit(std::move(v), t, element));
      }
      *type = want ? *want : DataType::array(element, true);
      return Value{std::move(list)};
    }
    case ProtoLiteral::kMap: {
      const auto& in = l.map();
      DataType key, value;
      if (want && want->id() == TypeId::kMap) {
        key = want->key();
        value = want->value();
      } else {
        if (in.has_key_type()) key = a.data_type(in.key_type());
        else if (in.keys_size() > 0) value_of(in.keys(0), nullptr, &key, a);
        if (in.has_value_type()) value = a.data_type(in.value_type());
        else if (in.values_size() > 0) value_of(in.values(0), nullptr, &value, a);
      }
      MapValue map;
      for (int i = 0; i < in.keys_size() && i < in.values_size(); ++i) {
        DataType kt, vt;
        Value k = value_of(in.keys(i), &key, &kt, a);
        Value v = value_of(in.values(i), &value, &vt, a);
        map.entries.emplace_back(fit(std::move(k), kt, key), fit(std::move(v), vt, value));
      }
      *type = want ? *want : DataType::map(key, value);
      return Value{std::move(map)};
    }
    case ProtoLiteral::kStruct: {
      const auto& in = l.struct_();
      std::optional<DataType> shape;
      if (want && want->id() == TypeId::kStruct) shape = *want;
      else if (in.has_struct_type()) shape = a.data_type(in.struct_type());
      ListValue list;
      std::vector<StructField> inferred;
      for (int i = 0; i < in.elements_size(); ++i) {
        const DataType* w = shape && static_cast<size_t>(i) < shape->fields().size() ? &shape->fields()[static_cast<size_t>(i)].type() : nullptr;
        DataType t;
        Value v = value_of(in.elements(i), w, &t, a);
        list.items.push_back(w ? fit(std::move(v), t, *w) : std::move(v));
        inferred.push_back(make_field("col" + std::to_string(i + 1), t));
      }
      *type = shape ? *shape : DataType::structure(std::move(inferred));
      return Value{std::move(list)};
    }
    case ProtoLiteral::kSpecializedArray: {
      const auto& in = l.specialized_array();
      ListValue list;
      DataType element;
      auto take = [&](TypeId id, const auto& values, auto convert) {
        element = id;
        for (const auto& v : values) list.items.push_back(Value{convert(v)});
      };
      if (in.has_bools()) take(TypeId::kBoolean, in.bools().values(), [](bool v) { return v; });
      else if (in.has_ints()) take(TypeId::kInt, in.ints().values(), [](int32_t v) { return static_cast<int64_t>(v); });
      else if (in.has_longs()) take(TypeId::kLong, in.longs().values(), [](int64_t v) { return v; });
      else if (in.has_floats()) take(TypeId::kFloat, in.floats().values(), [](float v) { return static_cast<double>(v); });
      else if (in.has_doubles()) take(TypeId::kDouble, in.doubles().values(), [](double v) { return v; });
      else if (in.has_strings()) take(TypeId::kString, in.strings().values(), [](const std::string& v) { return v; });
      else bad_literal("specialized array without values");
      *type = want && want->id() == TypeId::kArray ? *want : DataType::array(element, false);
      return Value{std::move(list)};
    }
    case ProtoLiteral::LITERAL_TYPE_NOT_SET: bad_literal("no value");
  }
  bad_literal("unknown kind");
}

}  // namespace

ExprPtr Analyzer::literal(const ProtoLiteral& l) {
  DataType type;
  Value value = value_of(l, nullptr, &type, *this);
  return make_literal(std::move(type), std::move(value));
}

DataType Analyzer::data_type(const sc::DataType& t) {
  if (t.kind_case() == sc::DataType::kUnparsed) return parse_type(t.unparsed().data_type_string());
  // Unparsed types may stand inside.
  if (t.kind_case() == sc::DataType::kArray)
    return DataType::array(data_type(t.array().element_type()), t.array().contains_null());
  if (t.kind_case() == sc::DataType::kMap)
    return DataType::map(data_type(t.map().key_type()), data_type(t.map().value_type()), t.map().value_contains_null());
  return DataType::from_proto(t);
}

DataType Analyzer::parse_type(const std::string& text) {
  auto first = text.find_first_not_of(" \n\t");
  if (first != std::string::npos && (text[first] == '{' || text[first] == '"')) return DataType::from_json(text);
  return DataType::from_proto(sql::parse_ddl(text, parse_options()));
}

}  // namespace tarn::plan
