#include "engine/python/state/value_codec.h"

#include <algorithm>
#include <bit>

#include "base/spark_error.h"
#include "plan/expression_text.h"
#include "python/pickle.h"
#include "python/unpickle.h"

namespace tarn::engine::python_functions {

using plan::DataType;
using plan::Int128;
using plan::TypeId;
using plan::Value;
using python::Pickled;

void pickle(const plan::Value& value, const plan::DataType& type, python::Pickle& out) {
  if (value.is_null()) return out.none();
  switch (type.id()) {
    case TypeId::kNull: return out.none();
    case TypeId::kBoolean: return out.boolean(value.get<bool>());
    case TypeId::kByte:
    case TypeId::kShort:
    case TypeId::kInt:
    case TypeId::kLong:
    case TypeId::kDate:
    case TypeId::kTime:
    case TypeId::kTimestamp:
    case TypeId::kTimestampNtz:
    case TypeId::kYearMonthInterval:
    case TypeId::kDayTimeInterval: return out.integer(value.get<int64_t>());
    case TypeId::kFloat:
    case TypeId::kDouble: return out.real(value.get<double>());
    case TypeId::kDecimal: return out.decimal(plan::decimal_text(value.get<plan::Int128>(), type.scale()));
    case TypeId::kString:
    case TypeId::kChar:
    case TypeId::kVarchar: return out.text(value.get<std::string>());
    case TypeId::kBinary: return out.binary(value.get<std::string>());
    case TypeId::kArray:
      out.begin_list();
      for (const auto& item : value.get<plan::ListValue>().items) pickle(item, type.element(), out);
      return out.end_list();
    case TypeId::kMap:
      out.begin_dict();
      for (const auto& [key, item] : value.get<plan::MapValue>().entries) {
        pickle(key, type.key(), out);
        pickle(item, type.value(), out);
      }
      return out.end_dict();
    case TypeId::kStruct: {
      out.begin_row(type.json());
      const auto& items = value.get<plan::ListValue>().items;
      for (size_t i = 0; i < items.size(); ++i) pickle(items[i], type.fields()[i].type(), out);
      return out.end_row();
    }
    case TypeId::kUdt: return pickle(value, type.sql_type(), out);
    default: throw not_built("a value of type " + type.sql() + " in the hands of a Python function that runs ahead of rows, or as its state");
  }
}

// ---- out of pickles

namespace {

SparkError no_row(const std::string& why) { return SparkError::Plain(ErrorKind::kIllegalArgument, why); }

Value decimal_value(const std::string& digits, const DataType& type) {
  // [sign] digits [. digits] [E exponent], as str(Decimal) writes it; anything else is NaN or an infinity.
  bool negative = false;
  size_t i = 0;
  if (i < digits.size() && (digits[i] == '-' || digits[i] == '+')) negative = digits[i++] == '-';
  std::string mantissa;
  int64_t exponent = 0;
  bool point = false;
  for (; i < digits.size() && (std::isdigit(static_cast<unsigned char>(digits[i])) || digits[i] == '.'); ++i) {
    if (digits[i] == '.') point = true;
    else mantissa += digits[i], exponent -= point ? 1 : 0;
  }
  if (i < digits.size() && (digits[i] == 'E' || digits[i] == 'e')) exponent += std::atoll(digits.c_str() + i + 1);
  else if (i < digits.size() || mantissa.empty()) return {};
  auto out_of_range = [&] {
    return SparkError(ErrorKind::kArithmetic, "NUMERIC_VALUE_OUT_OF_RANGE.WITHOUT_SUGGESTION",
                      {{"roundedValue", digits}, {"originalValue", digits}, {"precision", std::to_string(type.precision())}, {"scale", std::to_string(type.scale())}});
  };
  mantissa.erase(0, std::min(mantissa.find_first_not_of('0'), mantissa.size()));
  int64_t shift = exponent + type.scale();  // digits to append, or to round away
  bool up = false;
  if (shift < 0) {
    const auto drop = static_cast<uint64_t>(-shift);
    up = drop <= mantissa.size() && mantissa[mantissa.size() - drop] >= '5';
    mantissa.resize(drop >= mantissa.size() ? 0 : mantissa.size() - drop);
  } else if (!mantissa.empty()) {
    if (static_cast<int64_t>(mantissa.size()) + shift > type.precision()) throw out_of_range();
    mantissa.append(static_cast<size_t>(shift), '0');
  }
  if (mantissa.size() > 38) throw out_of_range();
  Int128 v = 0, limit = 1;
  for (char c : mantissa) v = v * 10 + (c - '0');
  v += up ? 1 : 0;
  for (int d = 0; d < type.precision(); ++d) limit *= 10;
  if (v >= limit) throw out_of_range();
  return Value{negative ? -v : v};
}

// As Java prints the object.
std::string text_of(const Pickled& p) {
  using Kind = Pickled::Kind;
  switch (p.kind) {
    case Kind::kBoolean: return p.boolean ? "true" : "false";
    case Kind::kInteger: return std::to_string(p.integer);
    case Kind::kText:
    case Kind::kDecimal: return p.text;
    default: throw no_row("a value that is no text, number or boolean cannot be kept as a string");
  }
}

class Reader {
 public:
  Value read(const Pickled& p, const DataType& type, int depth = 0) {
    using Kind = Pickled::Kind;
    if (depth > 200 || --budget_ < 0) throw no_row("a value is nested too deeply or holds too much to be kept as state");
    if (p.kind == Kind::kNone) return {};
    switch (type.id()) {
      case TypeId::kBoolean: return p.kind == Kind::kBoolean ? Value{p.boolean} : Value{};
      case TypeId::kByte: return integer<int8_t>(p);
      case TypeId::kShort: return integer<int16_t>(p);
      case TypeId::kInt:
      case TypeId::kDate:
      case TypeId::kYearMonthInterval: return integer<int32_t>(p);
      case TypeId::kLong:
      case TypeId::kTime:
      case TypeId::kTimestamp:
      case TypeId::kTimestampNtz:
      case TypeId::kDayTimeInterval: return integer<int64_t>(p);
      case TypeId::kFloat: return p.kind == Kind::kReal ? Value{static_cast<double>(static_cast<float>(p.real))} : Value{};
      case TypeId::kDouble: return p.kind == Kind::kReal ? Value{p.real} : Value{};
      case TypeId::kDecimal: return p.kind == Kind::kDecimal ? decimal_value(p.text, type) : Value{};
      case TypeId::kString:
      case TypeId::kChar:
      case TypeId::kVarchar: return Value{text_of(p)};
      case TypeId::kBinary: return p.kind == Kind::kText || p.kind == Kind::kBinary ? Value{p.text} : Value{};
      case TypeId::kArray: {
        if (p.kind != Kind::kList) return {};
        plan::ListValue list;
        for (const auto* item : p.items) list.items.push_back(read(*item, type.element(), depth + 1));
        return Value{std::move(list)};
      }
      case TypeId::kMap: {
        if (p.kind != Kind::kDict) return {};
        plan::MapValue map;
        for (size_t i = 0; i + 1 < p.items.size(); i += 2) map.entries.emplace_back(read(*p.items[i], type.key(), depth + 1), read(*p.items[i + 1], type.value(), depth + 1));
        return Value{std::move(map)};
      }
      case TypeId::kStruct: {
        if (p.kind != Kind::kList) return {};
        if (p.items.size() != type.fields().size())
          throw SparkError(ErrorKind::kIllegalArgument, "STRUCT_ARRAY_LENGTH_MISMATCH",
                           {{"expected", std::to_string(type.fields().size())}, {"actual", std::to_string(p.items.size())}});
        plan::ListValue list;
        for (size_t i = 0; i < p.items.size(); ++i) list.items.push_back(read(*p.items[i], type.fields()[i].type(), depth + 1));
        return Value{std::move(list)};
      }
      case TypeId::kUdt: return read(p, type.sql_type(), depth + 1);
      case TypeId::kNull: return {};
      default: throw not_built("state of type " + type.sql());
    }
  }

 private:
  template <class T> static Value integer(const Pickled& p) {
    return p.kind == Pickled::Kind::kInteger ? Value{static_cast<int64_t>(static_cast<T>(p.integer))} : Value{};
  }
  int64_t budget_ = 16 << 20;           // values that a row may hold
};

}  // namespace

Value unpickled_row(std::string_view bytes, const DataType& type) {
  try {
    python::Unpickled row(bytes);
    auto value = Reader().read(row.value(), type);
    if (value.is_null()) throw no_row("what was sent is no row of " + type.sql());
    return value;
  } catch (const python::UnpickleError& e) {
    throw SparkError::Plain(ErrorKind::kSpark, std::string("net.razorvine.pickle.PickleException: ") + e.what());
  }
}

// ---- bytes that sort. A value is 0, or 1 and its bytes; integers have their sign turned and come highest byte first, texts end with
// 0 1 and write 0 as 0 255, lists write 1 before each item and end with 0.

namespace {

void put(std::string& out, uint64_t v) {
  for (int shift = 56; shift >= 0; shift -= 8) out += static_cast<char>(v >> shift);
}

class Decoder {
 public:
  explicit Decoder(std::string_view in) : in_(in) {}
  Value value(const DataType& type) {
    if (type.id() == TypeId::kUdt) return value(type.sql_type());
    if (byte() == 0) return {};
    switch (type.id()) {
      case TypeId::kBoolean: return Value{byte() != 0};
      case TypeId::kFloat:
      case TypeId::kDouble: {
        const uint64_t bits = number();
        return Value{std::bit_cast<double>(bits >> 63 ? bits ^ (uint64_t{1} << 63) : ~bits)};
      }
      case TypeId::kDecimal: {
        const auto high = static_cast<unsigned __int128>(number() ^ (uint64_t{1} << 63));
        return Value{static_cast<Int128>(high << 64 | number())};
      }
      case TypeId::kString:
      case TypeId::kChar:
      case TypeId::kVarchar:
      case TypeId::kBinary: {
        std::string text;
        for (;;) {
          const char c = byte();
          if (c != 0) text += c;
          else if (byte() == 1) return Value{std::move(text)};
          else text += c;
        }
      }
      case TypeId::kArray: {
        plan::ListValue list;
        while (byte() != 0) list.items.push_back(value(type.element()));
        return Value{std::move(list)};
      }
      case TypeId::kMap: {
        plan::MapValue map;
        while (byte() != 0) {
          auto key = value(type.key());
          map.entries.emplace_back(std::move(key), value(type.value()));
        }
        return Value{std::move(map)};
      }
      case TypeId::kStruct: {
        plan::ListValue list;
        for (const auto& f : type.fields()) list.items.push_back(value(f.type()));
        return Value{std::move(list)};
      }
      default: return Value{static_cast<int64_t>(number() ^ (uint64_t{1} << 63))};
    }
  }

 private:
  char byte() {
    if (in_.empty()) throw internal_error("state that ends early");
    const char c = in_.front();
    in_.remove_prefix(1);
    return c;
  }
  uint64_t number() {
    uint64_t v = 0;
    for (int i = 0; i < 8; ++i) v = v << 8 | static_cast<unsigned char>(byte());
    return v;
  }
  std::string_view in_;
};

void encode(const Value& value, const DataType& type, std::string& out) {
  if (type.id() == TypeId::kUdt) return encode(value, type.sql_type(), out);
  if (value.is_null() || type.id() == TypeId::kNull) {
    out += '\0';
    return;
  }
  out += '\1';
  switch (type.id()) {
    case TypeId::kBoolean: out += value.get<bool>() ? '\1' : '\0'; break;
    case TypeId::kFloat:
    case TypeId::kDouble: {
      const auto bits = std::bit_cast<uint64_t>(value.get<double>());
      put(out, bits >> 63 ? ~bits : bits ^ (uint64_t{1} << 63));
      break;
    }
    case TypeId::kDecimal: {
      const auto v = static_cast<unsigned __int128>(value.get<Int128>());
      put(out, static_cast<uint64_t>(v >> 64) ^ (uint64_t{1} << 63));
      put(out, static_cast<uint64_t>(v));
      break;
    }
    case TypeId::kString:
    case TypeId::kChar:
    case TypeId::kVarchar:
    case TypeId::kBinary:
      for (char c : value.get<std::string>()) {
        out += c;
        if (c == 0) out += '\xff';
      }
      out += std::string_view("\0\1", 2);
      break;
    case TypeId::kArray:
      for (const auto& item : value.get<plan::ListValue>().items) {
        out += '\1';
        encode(item, type.element(), out);
      }
      out += '\0';
      break;
    case TypeId::kMap:
      for (const auto& [key, item] : value.get<plan::MapValue>().entries) {
        out += '\1';
        encode(key, type.key(), out);
        encode(item, type.value(), out);
      }
      out += '\0';
      break;
    case TypeId::kStruct: {
      const auto& items = value.get<plan::ListValue>().items;
      for (size_t i = 0; i < items.size(); ++i) encode(items[i], type.fields()[i].type(), out);
      break;
    }
    default: put(out, static_cast<uint64_t>(value.get<int64_t>()) ^ (uint64_t{1} << 63)); break;
  }
}

}  // namespace

std::string encode(const Value& value, const DataType& type) {
  std::string out;
  encode(value, type, out);
  return out;
}

Value decode(std::string_view bytes, const DataType& type) { return Decoder(bytes).value(type); }

}  // namespace tarn::engine::python_functions
