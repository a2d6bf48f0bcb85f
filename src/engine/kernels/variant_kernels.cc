// VARIANT: from JSON and from other types, its parts, its schema. Casts from it are put together in cast_table.cc out of these.
// Source: variantExpressions, VariantExpressionEvalUtils.
#include <cmath>

#include "engine/kernels/json_value.h"
#include "engine/kernels/kernel.h"
#include "engine/kernels/kernel_error.h"
#include "engine/kernels/sketch_aggregate.h"
#include "engine/kernels/value_text.h"
#include "engine/kernels/variant.h"
#include "plan/expression_text.h"
#include "plan/function.h"
#include "plan/types_internal.h"

namespace tarn::engine::kernels {
namespace {

using duckdb::DataChunk;
using duckdb::ExpressionState;
using duckdb::FlatVector;
using duckdb::idx_t;
using duckdb::LogicalType;
using duckdb::UnifiedVectorFormat;
using duckdb::Vector;
using plan::DataType;
using plan::TypeId;

LogicalType variant_type() { return LogicalType::STRUCT({{"value", LogicalType::BLOB}, {"metadata", LogicalType::BLOB}}); }

[[noreturn]] void malformed() { fail("MALFORMED_VARIANT", ErrorKind::kRuntime, {}); }

// Runs f over a variant that may be malformed.
template <class F> auto reading(std::string_view value, std::string_view metadata, F f) {
  try {
    return f(Variant(value, metadata));
  } catch (const MalformedVariant&) {
    malformed();
  }
}

// ---- building

void build_json(const Json& j, VariantBuilder& out) {
  switch (j.kind) {
    case Json::Kind::kNull: out.null(); return;
    case Json::Kind::kTrue: out.boolean(true); return;
    case Json::Kind::kFalse: out.boolean(false); return;
    case Json::Kind::kNumber: out.json_number(j.text); return;
    case Json::Kind::kString: out.string(j.text); return;
    case Json::Kind::kArray: {
      size_t start = out.at();
      std::vector<size_t> offsets;
      for (const auto& e : j.items) {
        offsets.push_back(out.at() - start);
        build_json(e, out);
      }
      out.finish_array(start, offsets);
      return;
    }
    case Json::Kind::kObject: {
      size_t start = out.at();
      std::vector<VariantBuilder::Field> fields;
      for (const auto& [key, value] : j.fields) {
        fields.push_back({key, out.key(key), out.at() - start});
        build_json(value, out);
      }
      out.finish_object(start, std::move(fields));
      return;
    }
  }
}

void build_value(const DataType& t, const duckdb::RecursiveUnifiedVectorFormat& d, idx_t row, VariantBuilder& out) {
  if (is_null(d, row)) {
    out.null();
    return;
  }
  switch (t.id()) {
    case TypeId::kBoolean: out.boolean(value<bool>(d, row)); return;
    case TypeId::kByte: out.integer(value<int8_t>(d, row)); return;
    case TypeId::kShort: out.integer(value<int16_t>(d, row)); return;
    case TypeId::kInt: out.integer(value<int32_t>(d, row)); return;
    case TypeId::kLong: out.integer(value<int64_t>(d, row)); return;
    case TypeId::kFloat: out.single(value<float>(d, row)); return;
    case TypeId::kDouble: out.real(value<double>(d, row)); return;
    case TypeId::kDecimal: out.decimal(decimal_value(d, row), t.scale()); return;
    case TypeId::kDate: out.date(value<int32_t>(d, row)); return;
    case TypeId::kTimestamp: out.timestamp(value<int64_t>(d, row)); return;
    case TypeId::kTimestampNtz: out.timestamp_ntz(value<int64_t>(d, row)); return;
    case TypeId::kString:
    case TypeId::kChar:
    case TypeId::kVarchar:
    case TypeId::kBinary: {
      const auto& s = value<duckdb::string_t>(d, row);
      std::string_view text(s.GetData(), s.GetSize());
      if (t.id() == TypeId::kBinary) out.binary(text);
      else out.string(text);
      return;
    }
    case TypeId::kVariant: {
      idx_t r = at(d, row);
      const auto &v = value<duckdb::string_t>(d.children[0], r), &m = value<duckdb::string_t>(d.children[1], r);
      Variant({v.GetData(), v.GetSize()}, {m.GetData(), m.GetSize()}).copy_to(out);
      return;
    }
    case TypeId::kArray: {
      const auto& list = value<duckdb::list_entry_t>(d, row);
      size_t start = out.at();
      std::vector<size_t> offsets;
      for (idx_t i = 0; i < list.length; ++i) {
        offsets.push_back(out.at() - start);
        build_value(t.element(), d.children[0], list.offset + i, out);
      }
      out.finish_array(start, offsets);
      return;
    }
    case TypeId::kMap: {
      const auto& list = value<duckdb::list_entry_t>(d, row);
      const auto& entry = d.children[0];
      size_t start = out.at();
      std::vector<VariantBuilder::Field> fields;
      for (idx_t i = 0; i < list.length; ++i) {
        idx_t e = at(entry, list.offset + i);
        const auto& k = value<duckdb::string_t>(entry.children[0], e);
        std::string key(k.GetData(), k.GetSize());
        fields.push_back({key, out.key(key), out.at() - start});
        build_value(t.value(), entry.children[1], e, out);
      }
      out.finish_object(start, std::move(fields));
      return;
    }
    case TypeId::kStruct: {
      idx_t r = at(d, row);
      size_t start = out.at();
      std::vector<VariantBuilder::Field> fields;
      for (size_t i = 0; i < t.fields().size(); ++i) {
        const auto& f = t.fields()[i];
        fields.push_back({f.name, out.key(f.name), out.at() - start});
        build_value(f.type(), d.children[i], r, out);
      }
      out.finish_object(start, std::move(fields));
      return;
    }
    default: out.null(); return;
  }
}

// Writes a built variant, or NULL, at a row of a STRUCT(value, metadata) vector.
void store_variant(Vector& result, idx_t row, const VariantBuilder* v) {
  if (!v) {
    FlatVector::SetNull(result, row, true);
    return;
  }
  auto& parts = duckdb::StructVector::GetEntries(result);
  FlatVector::GetData<duckdb::string_t>(*parts[0])[row] = duckdb::StringVector::AddStringOrBlob(*parts[0], v->value());
  FlatVector::GetData<duckdb::string_t>(*parts[1])[row] = duckdb::StringVector::AddStringOrBlob(*parts[1], v->metadata());
}

// A kernel of (…) whose result is a variant: make(row) gives it, or nothing for NULL.
template <class Make> void add_variant(Kernels& k, const char* name, duckdb::vector<LogicalType> arguments, Make make) {
  duckdb::ScalarFunction f(name, std::move(arguments), variant_type(), [make](DataChunk& in, ExpressionState&, Vector& result) {
    const bool constant = in.AllConstant();
    result.SetVectorType(duckdb::VectorType::FLAT_VECTOR);
    std::vector<UnifiedVectorFormat> formats(in.ColumnCount());
    for (size_t i = 0; i < in.ColumnCount(); ++i) in.data[i].ToUnifiedFormat(in.size(), formats[i]);
    for (idx_t row = 0; row < (constant ? 1 : in.size()); ++row) {
      bool null = false;
      for (auto& f : formats) null = null || !f.validity.RowIsValid(f.sel->get_index(row));
      std::optional<VariantBuilder> v;
      if (!null) v = make(formats, row);
      store_variant(result, row, v ? &*v : nullptr);
    }
    if (constant) result.SetVectorType(duckdb::VectorType::CONSTANT_VECTOR);
  });
  f.SetFallible();
  f.SetNullHandling(duckdb::FunctionNullHandling::SPECIAL_HANDLING);
  k.add(std::move(f));
}

std::string_view text_at(const UnifiedVectorFormat& f, idx_t row) {
  const auto& s = UnifiedVectorFormat::GetData<duckdb::string_t>(f)[f.sel->get_index(row)];
  return {s.GetData(), s.GetSize()};
}

// ---- schemas

int decimal_digits(__int128 v) {
  unsigned __int128 u = v < 0 ? -static_cast<unsigned __int128>(v) : static_cast<unsigned __int128>(v);
  int n = 0;
  do ++n, u /= 10;
  while (u);
  return n;
}

// JsonInferSchema.compatibleType with VARIANT where nothing fits.
DataType merge_schema(const DataType& a, const DataType& b) {
  if (a == b) return a;
  if (a.id() == TypeId::kNull) return b;
  if (b.id() == TypeId::kNull) return a;
  if (a.id() == TypeId::kStruct && b.id() == TypeId::kStruct) {
    std::vector<plan::StructField> fields;
    size_t i = 0, j = 0;
    const auto &x = a.fields(), &y = b.fields();
    while (i < x.size() || j < y.size()) {
      if (j == y.size() || (i < x.size() && x[i].name < y[j].name)) fields.push_back(x[i++]);
      else if (i == x.size() || y[j].name < x[i].name) fields.push_back(y[j++]);
      else {
        fields.push_back(plan::make_field(x[i].name, merge_schema(x[i].type(), y[j].type())));
        ++i, ++j;
      }
    }
    return DataType::structure(std::move(fields));
  }
  if (a.id() == TypeId::kArray && b.id() == TypeId::kArray) return DataType::array(merge_schema(a.element(), b.element()));
  auto is_double = [](const DataType& t) { return t.id() == TypeId::kDouble; };
  auto is_decimal = [](const DataType& t) { return t.id() == TypeId::kDecimal; };
  if ((is_double(a) && is_decimal(b)) || (is_decimal(a) && is_double(b))) return TypeId::kDouble;
  auto as_decimal = [](const DataType& t) { return t.id() == TypeId::kLong ? DataType::decimal(20, 0) : t; };
  DataType x = as_decimal(a), y = as_decimal(b);
  if (is_decimal(x) && is_decimal(y)) {
    int scale = std::max(x.scale(), y.scale()), whole = std::max(x.precision() - x.scale(), y.precision() - y.scale());
    if (scale + whole > 38) return TypeId::kDouble;
    return DataType::decimal(scale + whole, scale);
  }
  if (auto t = plan::tightest_type(a, b, false)) return *t;
  return TypeId::kVariant;
}

DataType schema_of(const Variant& v) {
  switch (v.type()) {
    case VariantType::kObject: {
      std::vector<plan::StructField> fields;
      for (size_t i = 0, n = v.size(); i < n; ++i) {
        auto [key, value] = v.field(i);
        if (i && fields.back().name >= key) throw MalformedVariant{};
        fields.push_back(plan::make_field(std::string(key), schema_of(value)));
      }
      return DataType::structure(std::move(fields));
    }
    case VariantType::kArray: {
      DataType element = TypeId::kNull;
      for (size_t i = 0, n = v.size(); i < n; ++i) element = merge_schema(element, schema_of(v.element(i)));
      return DataType::array(element);
    }
    case VariantType::kNull: return TypeId::kNull;
    case VariantType::kBoolean: return TypeId::kBoolean;
    case VariantType::kLong: return TypeId::kLong;
    case VariantType::kString: return TypeId::kString;
    case VariantType::kDouble: return TypeId::kDouble;
    case VariantType::kDecimal: {
      auto [u, scale] = v.decimal();
      return DataType::decimal(std::max(decimal_digits(u), scale), scale);
    }
    case VariantType::kDate: return TypeId::kDate;
    case VariantType::kTimestamp: return TypeId::kTimestamp;
    case VariantType::kTimestampNtz: return TypeId::kTimestampNtz;
    case VariantType::kFloat: return TypeId::kFloat;
    case VariantType::kBinary: return TypeId::kBinary;
    // Spark has no type of that name; this one carries it to the text.
    case VariantType::kUuid: return DataType::udt("uuid", "uuid", "", TypeId::kBinary);
  }
  return TypeId::kNull;
}

std::string schema_text(const DataType& t) {
  if (t.id() == TypeId::kStruct) {
    std::string out = "OBJECT<";
    for (size_t i = 0; i < t.fields().size(); ++i) {
      if (i) out += ", ";
      out += plan::quote_if_needed(t.fields()[i].name) + ": " + schema_text(t.fields()[i].type());
    }
    return out + ">";
  }
  if (t.id() == TypeId::kArray) return "ARRAY<" + schema_text(t.element()) + ">";
  if (t.id() == TypeId::kUdt) return "UUID";
  return t.sql();
}

// (value, metadata)
struct SchemaOf {
  explicit SchemaOf(const SketchConstants&) {}
  void add(const SketchInput& in, idx_t row) {
    if (in.null(0, row) || in.null(1, row)) return;
    type = reading(in.bytes(0, row), in.bytes(1, row), [&](const Variant& v) { return merge_schema(type, schema_of(v)); });
  }
  void merge(SchemaOf& other) { type = merge_schema(type, other.type); }
  std::string result() { return schema_text(type); }
  DataType type = TypeId::kNull;
};

const char* kind_name(VariantType t) {
  static const char* const kNames[] = {"null", "boolean", "long", "double", "decimal", "float", "string", "binary", "date", "timestamp", "timestamp_ntz", "uuid", "array", "object"};
  return kNames[static_cast<int>(t)];
}

std::string json_of(std::string_view value, std::string_view metadata, std::string_view zone) {
  return reading(value, metadata, [&](const Variant& v) {
    std::string out;
    v.append_json(out, *TimeZone::get(zone));
    return out;
  });
}

bool is_valid(const Variant& v) {
  switch (v.type()) {
    case VariantType::kArray:
      for (size_t i = 0, n = v.size(); i < n; ++i)
        if (!is_valid(v.element(i))) return false;
      return true;
    case VariantType::kObject:
      for (size_t i = 0, n = v.size(); i < n; ++i)
        if (!is_valid(v.field(i).second)) return false;
      return true;
    case VariantType::kDecimal: v.decimal(); return true;
    case VariantType::kString:
    case VariantType::kBinary: v.text(); return true;
    case VariantType::kDouble: v.real(); return true;
    case VariantType::kFloat: v.single(); return true;
    case VariantType::kUuid: v.uuid(); return true;
    case VariantType::kNull:
    case VariantType::kBoolean: return true;
    default: v.integer(); return true;
  }
}

}  // namespace

void register_variant(Kernels& k) {
  // (text, whether bad text is an error)
  add_variant(k, "spark_parse_json", {LogicalType::VARCHAR, LogicalType::BOOLEAN}, [](std::vector<UnifiedVectorFormat>& in, idx_t row) -> std::optional<VariantBuilder> {
    JsonOptions strict;
    strict.single_quotes = strict.non_numeric = false;
    auto text = text_at(in[0], row);
    try {
      if (auto j = parse_json_text(text, strict)) {
        VariantBuilder v;
        build_json(*j, v);
        return v;
      }
    } catch (const DuplicateVariantKey&) {
    }
    if (!UnifiedVectorFormat::GetData<bool>(in[1])[in[1].sel->get_index(row)]) return std::nullopt;
    fail("MALFORMED_RECORD_IN_PARSING.WITHOUT_SUGGESTION", ErrorKind::kRuntime, {{"badRecord", std::string(text)}, {"failFastMode", "FAILFAST"}});
  });
  // (value, type JSON)
  {
    duckdb::ScalarFunction f("spark_to_variant", {LogicalType::ANY, LogicalType::VARCHAR}, variant_type(), [](DataChunk& in, ExpressionState&, Vector& result) {
      UnifiedVectorFormat json;
      in.data[1].ToUnifiedFormat(in.size(), json);
      const DataType type = type_of_json(text_at(json, 0));
      duckdb::RecursiveUnifiedVectorFormat d;
      Vector::RecursiveToUnifiedFormat(in.data[0], in.size(), d);
      const bool constant = in.AllConstant();
      result.SetVectorType(duckdb::VectorType::FLAT_VECTOR);
      for (idx_t row = 0; row < (constant ? 1 : in.size()); ++row) {
        if (is_null(d, row)) {
          store_variant(result, row, nullptr);
          continue;
        }
        VariantBuilder v;
        try {
          build_value(type, d, row, v);
        } catch (const DuplicateVariantKey& e) {
          fail("VARIANT_DUPLICATE_KEY", ErrorKind::kRuntime, {{"key", e.key}});
        } catch (const MalformedVariant&) {
          malformed();
        }
        store_variant(result, row, &v);
      }
      if (constant) result.SetVectorType(duckdb::VectorType::CONSTANT_VECTOR);
    });
    f.SetFallible();
    f.SetNullHandling(duckdb::FunctionNullHandling::SPECIAL_HANDLING);
    k.add(std::move(f));
  }
  // (value, metadata, path, function): what the path leads to, as a variant of its own.
  add_variant(k, "spark_variant_path", {LogicalType::BLOB, LogicalType::BLOB, LogicalType::VARCHAR, LogicalType::VARCHAR},
              [](std::vector<UnifiedVectorFormat>& in, idx_t row) -> std::optional<VariantBuilder> {
                static thread_local Compiled<std::optional<std::vector<VariantStep>>> paths;
                auto text = text_at(in[2], row);
                const auto& path = paths.get(text, [](std::string_view p) { return std::make_shared<const std::optional<std::vector<VariantStep>>>(parse_variant_path(p)); });
                if (!path)
                  fail("INVALID_VARIANT_GET_PATH", ErrorKind::kRuntime, {{"path", std::string(text)}, {"functionName", "`" + std::string(text_at(in[3], row)) + "`"}});
                return reading(text_at(in[0], row), text_at(in[1], row), [&](const Variant& v) -> std::optional<VariantBuilder> {
                  auto found = follow(v, *path);
                  if (!found) return std::nullopt;
                  VariantBuilder out;
                  found->copy_to(out);
                  return out;
                });
              });
  // (value, metadata, key): a field of an object.
  add_variant(k, "spark_variant_field", {LogicalType::BLOB, LogicalType::BLOB, LogicalType::VARCHAR}, [](std::vector<UnifiedVectorFormat>& in, idx_t row) {
    return reading(text_at(in[0], row), text_at(in[1], row), [&](const Variant& v) -> std::optional<VariantBuilder> {
      auto found = v.field(text_at(in[2], row));
      if (!found) return std::nullopt;
      VariantBuilder out;
      found->copy_to(out);
      return out;
    });
  });
  // (value, metadata): the elements of an array; the values and the keys of an object.
  for (int what = 0; what < 2; ++what) {
    duckdb::ScalarFunction f(what ? "spark_variant_keys" : "spark_variant_elements", {LogicalType::BLOB, LogicalType::BLOB},
                             LogicalType::LIST(what ? LogicalType(LogicalType::VARCHAR) : variant_type()), [what](DataChunk& in, ExpressionState&, Vector& result) {
                               UnifiedVectorFormat a, b;
                               in.data[0].ToUnifiedFormat(in.size(), a);
                               in.data[1].ToUnifiedFormat(in.size(), b);
                               result.SetVectorType(duckdb::VectorType::FLAT_VECTOR);
                               auto* entries = FlatVector::GetData<duckdb::list_entry_t>(result);
                               idx_t total = 0;
                               for (idx_t row = 0; row < in.size(); ++row) {
                                 entries[row] = {total, 0};
                                 if (!a.validity.RowIsValid(a.sel->get_index(row)) || !b.validity.RowIsValid(b.sel->get_index(row))) {
                                   FlatVector::SetNull(result, row, true);
                                   continue;
                                 }
                                 reading(text_at(a, row), text_at(b, row), [&](const Variant& v) {
                                   const bool object = v.type() == VariantType::kObject;
                                   const size_t n = object || v.type() == VariantType::kArray ? v.size() : 0;
                                   duckdb::ListVector::Reserve(result, total + n);
                                   auto& child = duckdb::ListVector::GetEntry(result);
                                   for (size_t i = 0; i < n; ++i) {
                                     if (what) {
                                       auto key = object ? v.field(i).first : std::string_view();
                                       FlatVector::GetData<duckdb::string_t>(child)[total + i] = duckdb::StringVector::AddString(child, key.data(), key.size());
                                     } else {
                                       VariantBuilder out;
                                       v.element(i).copy_to(out);
                                       store_variant(child, total + i, &out);
                                     }
                                   }
                                   entries[row].length = n;
                                   total += n;
                                   duckdb::ListVector::SetListSize(result, total);
                                   return 0;
                                 });
                               }
                               if (in.AllConstant()) result.SetVectorType(duckdb::VectorType::CONSTANT_VECTOR);
                             });
    f.SetFallible();
    f.SetNullHandling(duckdb::FunctionNullHandling::SPECIAL_HANDLING);
    k.add(std::move(f));
  }
  k.scalar<bool(Bytes)>("spark_is_variant_null", [](std::string_view value) {
    if (value.empty()) malformed();
    return value[0] == 0;
  });
  k.scalar<bool(Bytes, Bytes)>("spark_is_valid_variant", [](std::string_view value, std::string_view metadata) {
    try {
      return is_valid(Variant(value, metadata));
    } catch (const MalformedVariant&) {
      return false;
    }
  });
  k.scalar<Text(Bytes, Bytes)>("spark_variant_kind", [](std::string_view v, std::string_view m) { return reading(v, m, [](const Variant& x) { return std::string(kind_name(x.type())); }); });
  k.scalar<bool(Bytes, Bytes)>("spark_variant_boolean", [](std::string_view v, std::string_view m) { return reading(v, m, [](const Variant& x) { return x.boolean(); }); });
  k.scalar<int64_t(Bytes, Bytes)>("spark_variant_long", [](std::string_view v, std::string_view m) { return reading(v, m, [](const Variant& x) { return x.integer(); }); });
  k.scalar<double(Bytes, Bytes)>("spark_variant_double", [](std::string_view v, std::string_view m) { return reading(v, m, [](const Variant& x) { return x.real(); }); });
  k.scalar<float(Bytes, Bytes)>("spark_variant_float", [](std::string_view v, std::string_view m) { return reading(v, m, [](const Variant& x) { return x.single(); }); });
  k.scalar<Date(Bytes, Bytes)>("spark_variant_date", [](std::string_view v, std::string_view m) { return reading(v, m, [](const Variant& x) { return static_cast<int32_t>(x.integer()); }); });
  k.scalar<Timestamp(Bytes, Bytes)>("spark_variant_timestamp", [](std::string_view v, std::string_view m) { return reading(v, m, [](const Variant& x) { return x.integer(); }); });
  k.scalar<TimestampNtz(Bytes, Bytes)>("spark_variant_timestamp_ntz", [](std::string_view v, std::string_view m) { return reading(v, m, [](const Variant& x) { return x.integer(); }); });
  k.scalar<Text(Bytes, Bytes)>("spark_variant_string", [](std::string_view v, std::string_view m) { return reading(v, m, [](const Variant& x) { return std::string(x.text()); }); });
  k.scalar<Bytes(Bytes, Bytes)>("spark_variant_binary", [](std::string_view v, std::string_view m) { return reading(v, m, [](const Variant& x) { return std::string(x.text()); }); });
  k.scalar<Text(Bytes, Bytes)>("spark_variant_uuid", [](std::string_view v, std::string_view m) { return reading(v, m, [](const Variant& x) { return x.uuid(); }); });
  // The digits before the point of a decimal.
  k.scalar<Text(Bytes, Bytes)>("spark_variant_whole", [](std::string_view v, std::string_view m) {
    std::string text = json_of(v, m, "UTC");
    return text.substr(0, text.find('.'));
  });
  k.scalar<Text(Bytes, Bytes, Text)>("spark_variant_json", json_of);
  k.scalar<Text(Bytes, Bytes)>("spark_schema_of_variant", [](std::string_view v, std::string_view m) { return reading(v, m, [](const Variant& x) { return schema_text(schema_of(x)); }); });
  add_sketch_aggregate<SchemaOf>(k, "spark_schema_of_variant_agg", {LogicalType::BLOB, LogicalType::BLOB});
  // (value, metadata, SQL of the type, mode, zone): a cast that has no value. NULL for try, else the error.
  k.scalar<Text(Bytes, Bytes, Text, Text, Text)>("spark_variant_bad_cast", [](std::string_view v, std::string_view m, std::string_view type, std::string_view mode, std::string_view zone) -> std::optional<std::string> {
    if (mode_of(mode) == Mode::kTry) return std::nullopt;
    fail("INVALID_VARIANT_CAST", ErrorKind::kRuntime, {{"value", json_of(v, m, zone)}, {"dataType", "\"" + std::string(type) + "\""}});
  });
}

}  // namespace tarn::engine::kernels
