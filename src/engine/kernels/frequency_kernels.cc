// approx_top_k and its parts. Source: ApproxTopKAggregates, ApproxTopKExpressions.
#include <stdexcept>

#include "engine/kernels/decimal_vector.h"
#include "engine/kernels/frequency_sketch.h"
#include "engine/kernels/kernel_error.h"
#include "engine/kernels/sketch_aggregate.h"
#include "engine/kernels/value_text.h"

namespace tarn::engine::kernels {
namespace {

using duckdb::idx_t;
using duckdb::LogicalType;
using duckdb::LogicalTypeId;
using duckdb::Value;

std::string spark_name(const LogicalType& t) {
  switch (t.id()) {
    case LogicalTypeId::INTEGER: return "INT";
    case LogicalTypeId::VARCHAR: return "STRING";
    case LogicalTypeId::TIMESTAMP_TZ: return "TIMESTAMP";
    case LogicalTypeId::TIMESTAMP: return "TIMESTAMP_NTZ";
    case LogicalTypeId::DECIMAL: return "DECIMAL(" + std::to_string(duckdb::DecimalType::GetWidth(t)) + "," + std::to_string(duckdb::DecimalType::GetScale(t)) + ")";
    default: return t.ToString();
  }
}

ItemKind kind_of(std::string_view type) {
  auto kind = ItemKind::of(type);
  if (!kind) throw duckdb::InvalidInputException("approx_top_k of %s", std::string(type));
  return *kind;
}

FrequencySketch read_sketch(const ItemKind& kind, std::string_view bytes) {
  try {
    return FrequencySketch(kind, bytes);
  } catch (const std::invalid_argument& e) {
    fail(SparkError::Plain(ErrorKind::kSpark, std::string("Possible Corruption: ") + e.what()));
    throw;
  }
}

// A partial result as Spark's final aggregation takes it: written, read and merged into an empty sketch, which settles how ties are ordered.
std::string finished(const ItemKind& kind, int64_t tracked, const FrequencySketch& partial) {
  FrequencySketch out(kind, tracked);
  out.merge(FrequencySketch(kind, partial.bytes()));
  return out.bytes();
}

template <class T> std::string as_bytes(T v) { return {reinterpret_cast<const char*>(&v), sizeof v}; }

// As short as two's complement allows, the highest byte first.
std::string big_endian(Int128 v) {
  std::string out;
  do {
    out.insert(out.begin(), static_cast<char>(v));
    v >>= 8;
  } while (!((v == 0 && !(out[0] & 0x80)) || (v == -1 && (out[0] & 0x80))));
  return out;
}

Int128 from_big_endian(std::string_view bytes) {
  Int128 v = !bytes.empty() && (bytes[0] & 0x80) ? -1 : 0;
  for (char c : bytes) v = static_cast<Int128>((static_cast<UInt128>(v) << 8) | static_cast<unsigned char>(c));
  return v;
}

// A value's bytes: in the form in which the sketch keeps it, which for decimals goes by their digits.
std::string item_at(const LogicalType& type, const ItemKind& kind, const SketchInput& in, idx_t row) {
  auto decimal = [&](Int128 v) {
    return kind.form == ItemKind::Form::kNumber ? as_bytes(static_cast<int32_t>(v)) : kind.form == ItemKind::Form::kLong ? as_bytes(static_cast<int64_t>(v)) : big_endian(v);
  };
  const bool is_decimal = type.id() == LogicalTypeId::DECIMAL;
  switch (type.InternalType()) {
    case duckdb::PhysicalType::BOOL: return std::string(1, in.get<bool>(0, row) ? '\1' : '\0');
    case duckdb::PhysicalType::INT8: return as_bytes(in.get<int8_t>(0, row));
    case duckdb::PhysicalType::INT16: return is_decimal ? decimal(in.get<int16_t>(0, row)) : as_bytes(in.get<int16_t>(0, row));
    case duckdb::PhysicalType::INT32: return is_decimal ? decimal(in.get<int32_t>(0, row)) : as_bytes(in.get<int32_t>(0, row));
    case duckdb::PhysicalType::INT64: return is_decimal ? decimal(in.get<int64_t>(0, row)) : as_bytes(in.get<int64_t>(0, row));
    case duckdb::PhysicalType::INT128: return decimal(to_int128(in.get<duckdb::hugeint_t>(0, row)));
    case duckdb::PhysicalType::FLOAT: {
      const auto v = in.get<float>(0, row);  // Float.equals: all NaNs are one, 0.0 and -0.0 are two
      return as_bytes(v == v ? v : std::numeric_limits<float>::quiet_NaN());
    }
    case duckdb::PhysicalType::DOUBLE: {
      const auto v = in.get<double>(0, row);
      return as_bytes(v == v ? v : std::numeric_limits<double>::quiet_NaN());
    }
    default: return std::string(in.bytes(0, row));
  }
}

template <class T> T from_bytes(std::string_view bytes) {
  T v{};
  std::memcpy(&v, bytes.data(), std::min(sizeof v, bytes.size()));
  return v;
}

Value value_of(const LogicalType& type, const ItemKind& kind, std::string_view item) {
  switch (type.id()) {
    case LogicalTypeId::BOOLEAN: return Value::BOOLEAN(item[0] != '\0');
    case LogicalTypeId::TINYINT: return Value::TINYINT(from_bytes<int8_t>(item));
    case LogicalTypeId::SMALLINT: return Value::SMALLINT(from_bytes<int16_t>(item));
    case LogicalTypeId::INTEGER: return Value::INTEGER(from_bytes<int32_t>(item));
    case LogicalTypeId::DATE: return Value::DATE(duckdb::date_t(from_bytes<int32_t>(item)));
    case LogicalTypeId::BIGINT: return Value::BIGINT(from_bytes<int64_t>(item));
    case LogicalTypeId::TIMESTAMP_TZ: return Value::TIMESTAMPTZ(duckdb::timestamp_tz_t(from_bytes<int64_t>(item)));
    case LogicalTypeId::TIMESTAMP: return Value::TIMESTAMP(duckdb::timestamp_t(from_bytes<int64_t>(item)));
    case LogicalTypeId::FLOAT: return Value::FLOAT(from_bytes<float>(item));
    case LogicalTypeId::DOUBLE: return Value::DOUBLE(from_bytes<double>(item));
    case LogicalTypeId::DECIMAL: {
      const Int128 v = kind.form == ItemKind::Form::kNumber ? from_bytes<int32_t>(item) : kind.form == ItemKind::Form::kLong ? from_bytes<int64_t>(item) : from_big_endian(item);
      const auto width = duckdb::DecimalType::GetWidth(type), scale = duckdb::DecimalType::GetScale(type);
      return width <= 18 ? Value::DECIMAL(static_cast<int64_t>(v), width, scale) : Value::DECIMAL(to_hugeint(v), width, scale);
    }
    default: return Value(std::string(item));
  }
}

// (item, number of items tracked)
struct FrequencyBuild {
  explicit FrequencyBuild(const SketchConstants& c) : type(c[0].type()), kind(kind_of(spark_name(type))), tracked(c[1].GetValue<int32_t>()), sketch(kind, tracked) {}
  void add(const SketchInput& in, idx_t row) {
    if (in.null(0, row)) sketch.add_nulls(1);
    else sketch.add(item_at(type, kind, in, row));
  }
  void merge(FrequencyBuild& other) {
    if (sketch.empty()) std::swap(sketch, other.sketch);
    else sketch.merge(other.sketch);
  }
  std::string result() const { return finished(kind, tracked, sketch); }

  LogicalType type;
  ItemKind kind;
  int64_t tracked;
  FrequencySketch sketch;
};

// (sketch, its number of items tracked, its item as DDL, the number of items wanted or -1). The result: that number (4 bytes), the
// length of the DDL (4 bytes), the DDL, the sketch.
struct FrequencyCombine {
  explicit FrequencyCombine(const SketchConstants& c) : wanted(c[3].GetValue<int32_t>()), size(wanted) {}
  void add(const SketchInput& in, idx_t row) {
    if (in.null(0, row)) return;
    take(in.get<int32_t>(1, row), in.bytes(2, row));
    sketch->merge(read_sketch(*kind, in.bytes(0, row)));
  }
  void merge(FrequencyCombine& other) {
    if (!other.sketch) return;
    if (!sketch) {
      std::swap(*this, other);
      return;
    }
    take(other.size, other.ddl);
    sketch->merge(*other.sketch);
  }
  std::string result() const {
    if (!sketch) return {};
    return as_bytes(size) + as_bytes(static_cast<uint32_t>(ddl.size())) + ddl + finished(*kind, wanted == -1 ? kMostItems : wanted, *sketch);
  }

 private:
  static std::string item_type(std::string_view ddl) {
    ddl.remove_prefix(std::min(ddl.size(), ddl.find(' ') + 1));
    return std::string(ddl.substr(0, ddl.size() - std::min(ddl.size(), std::string_view(" NOT NULL").size())));
  }
  void take(int32_t other_size, std::string_view other_ddl) {
    if (wanted == -1) {
      if (size == -1) size = other_size;
      else if (size != other_size)
        fail("APPROX_TOP_K_SKETCH_SIZE_NOT_MATCH", ErrorKind::kRuntime, {{"size1", std::to_string(size)}, {"size2", std::to_string(other_size)}});
    }
    if (sketch) {
      if (ddl != other_ddl)
        fail("APPROX_TOP_K_SKETCH_TYPE_NOT_MATCH", ErrorKind::kRuntime, {{"type1", quoted_type(ddl)}, {"type2", quoted_type(other_ddl)}});
      return;
    }
    ddl = other_ddl;
    kind = kind_of(item_type(ddl));
    sketch.emplace(*kind, wanted == -1 ? kMostItems : wanted);
  }
  static std::string quoted_type(std::string_view ddl) {
    std::string t = item_type(ddl);
    for (char& c : t) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    return "\"" + t + "\"";
  }
  static constexpr int64_t kMostItems = 1000000;

  int32_t wanted, size;
  std::string ddl;
  std::optional<ItemKind> kind;
  std::optional<FrequencySketch> sketch;
};

// (sketch, k, number of items tracked, a null of the item's type) -> the most frequent items.
void top(duckdb::DataChunk& in, duckdb::ExpressionState&, duckdb::Vector& result) {
  const LogicalType& type = in.data[3].GetType();
  const ItemKind kind = kind_of(spark_name(type));
  duckdb::UnifiedVectorFormat f[3];
  for (idx_t i = 0; i < 3; ++i) in.data[i].ToUnifiedFormat(in.size(), f[i]);
  result.SetVectorType(duckdb::VectorType::FLAT_VECTOR);
  auto* entries = duckdb::FlatVector::GetData<duckdb::list_entry_t>(result);
  idx_t total = 0;
  for (idx_t row = 0; row < in.size(); ++row) {
    entries[row] = {total, 0};
    const auto at = f[0].sel->get_index(row);
    if (!f[0].validity.RowIsValid(at)) {
      duckdb::FlatVector::SetNull(result, row, true);
      continue;
    }
    const auto k = duckdb::UnifiedVectorFormat::GetData<int32_t>(f[1])[f[1].sel->get_index(row)];
    const auto tracked = duckdb::UnifiedVectorFormat::GetData<int32_t>(f[2])[f[2].sel->get_index(row)];
    if (tracked < k)
      fail("APPROX_TOP_K_MAX_ITEMS_TRACKED_LESS_THAN_K", ErrorKind::kRuntime, {{"maxItemsTracked", std::to_string(tracked)}, {"k", std::to_string(k)}});
    const auto& bytes = duckdb::UnifiedVectorFormat::GetData<duckdb::string_t>(f[0])[at];
    auto rows = read_sketch(kind, {bytes.GetData(), bytes.GetSize()}).top(static_cast<size_t>(k));
    duckdb::ListVector::Reserve(result, total + rows.size());
    auto& fields = duckdb::StructVector::GetEntries(duckdb::ListVector::GetEntry(result));
    for (const auto& [item, count] : rows) {
      fields[0]->SetValue(total, item ? value_of(type, kind, *item) : Value(type));
      duckdb::FlatVector::GetData<int64_t>(*fields[1])[total++] = count;
    }
    entries[row].length = rows.size();
  }
  duckdb::ListVector::SetListSize(result, total);
}

duckdb::unique_ptr<duckdb::FunctionData> bind_top(duckdb::ClientContext&, duckdb::ScalarFunction& f, duckdb::vector<duckdb::unique_ptr<duckdb::Expression>>& args) {
  f.arguments[3] = args[3]->return_type;
  f.SetReturnType(LogicalType::LIST(LogicalType::STRUCT({{"item", args[3]->return_type}, {"count", LogicalType::BIGINT}})));
  return nullptr;
}

}  // namespace

void register_frequencies(Kernels& k) {
  const LogicalType integer = LogicalType::INTEGER;
  add_sketch_aggregate<FrequencyBuild>(k, "spark_top_k_build", {LogicalType::ANY, integer});
  add_sketch_aggregate<FrequencyCombine>(k, "spark_top_k_combine", {LogicalType::BLOB, integer, LogicalType::VARCHAR, integer});
  duckdb::ScalarFunction s("spark_top_k", {LogicalType::BLOB, integer, integer, LogicalType::ANY}, LogicalType::LIST(LogicalType::ANY), top, bind_top);
  s.SetFallible();
  s.SetNullHandling(duckdb::FunctionNullHandling::SPECIAL_HANDLING);
  k.add(std::move(s));
  // The parts of what spark_top_k_combine gives.
  using P = std::string_view;
  k.scalar<Bytes(Bytes)>("spark_top_k_sketch", [](P b) { return b.size() < 8 ? std::string() : std::string(b.substr(8 + from_bytes<uint32_t>(b.substr(4)))); });
  k.scalar<Text(Bytes)>("spark_top_k_ddl", [](P b) { return b.size() < 8 ? std::string() : std::string(b.substr(8, from_bytes<uint32_t>(b.substr(4)))); });
  k.scalar<int32_t(Bytes)>("spark_top_k_size", [](P b) { return from_bytes<int32_t>(b); });
  // A type's JSON as the DDL that a state carries.
  k.scalar<Text(Text)>("spark_top_k_item_ddl", [](P json) {
    const plan::DataType& type = type_of_json(json);
    if (type.is_string()) return std::string("item string not null");
    return plan::DataType::structure({plan::make_field("item", type, false)}).ddl();
  });
}

}  // namespace tarn::engine::kernels
