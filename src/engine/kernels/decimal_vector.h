#pragma once
// Reading and writing DECIMAL vectors of any width (and integers, as decimals of scale 0).
#include "engine/kernels/kernel.h"
#include "engine/kernels/number.h"

namespace tarn::engine::kernels {

inline Int128 to_int128(const duckdb::hugeint_t& v) { return (static_cast<Int128>(v.upper) << 64) | v.lower; }
inline duckdb::hugeint_t to_hugeint(Int128 v) { return duckdb::hugeint_t(static_cast<int64_t>(v >> 64), static_cast<uint64_t>(v)); }

struct DecimalReader {
  duckdb::UnifiedVectorFormat format;
  duckdb::PhysicalType physical;
  int precision = 38, scale = 0;
  bool constant;

  DecimalReader(duckdb::Vector& v, duckdb::idx_t count) : physical(v.GetType().InternalType()) {
    v.ToUnifiedFormat(count, format);
    constant = v.GetVectorType() == duckdb::VectorType::CONSTANT_VECTOR;
    if (v.GetType().id() == duckdb::LogicalTypeId::DECIMAL) {
      scale = duckdb::DecimalType::GetScale(v.GetType());
      precision = duckdb::DecimalType::GetWidth(v.GetType());
    }
  }
  bool valid(duckdb::idx_t row) const { return format.validity.RowIsValid(format.sel->get_index(row)); }
  Int128 get(duckdb::idx_t row) const {
    auto i = format.sel->get_index(row);
    switch (physical) {
      case duckdb::PhysicalType::INT8: return duckdb::UnifiedVectorFormat::GetData<int8_t>(format)[i];
      case duckdb::PhysicalType::INT16: return duckdb::UnifiedVectorFormat::GetData<int16_t>(format)[i];
      case duckdb::PhysicalType::INT32: return duckdb::UnifiedVectorFormat::GetData<int32_t>(format)[i];
      case duckdb::PhysicalType::INT64: return duckdb::UnifiedVectorFormat::GetData<int64_t>(format)[i];
      default: return to_int128(duckdb::UnifiedVectorFormat::GetData<duckdb::hugeint_t>(format)[i]);
    }
  }
};

struct DecimalWriter {
  duckdb::Vector& vector;
  duckdb::PhysicalType physical;
  int precision, scale;
  explicit DecimalWriter(duckdb::Vector& v)
      : vector(v), physical(v.GetType().InternalType()), precision(duckdb::DecimalType::GetWidth(v.GetType())), scale(duckdb::DecimalType::GetScale(v.GetType())) {
    v.SetVectorType(duckdb::VectorType::FLAT_VECTOR);
  }
  void set(duckdb::idx_t row, Int128 v) {
    switch (physical) {
      case duckdb::PhysicalType::INT16: duckdb::FlatVector::GetData<int16_t>(vector)[row] = static_cast<int16_t>(v); break;
      case duckdb::PhysicalType::INT32: duckdb::FlatVector::GetData<int32_t>(vector)[row] = static_cast<int32_t>(v); break;
      case duckdb::PhysicalType::INT64: duckdb::FlatVector::GetData<int64_t>(vector)[row] = static_cast<int64_t>(v); break;
      default: duckdb::FlatVector::GetData<duckdb::hugeint_t>(vector)[row] = to_hugeint(v);
    }
  }
  void null(duckdb::idx_t row) { duckdb::FlatVector::SetNull(vector, row, true); }
};

// For a decimal argument declared without width and scale: it keeps those it comes with.
template <size_t I>
duckdb::unique_ptr<duckdb::FunctionData> bind_decimal_argument(duckdb::ClientContext&, duckdb::ScalarFunction& f,
                                                               duckdb::vector<duckdb::unique_ptr<duckdb::Expression>>& args) {
  f.arguments[I] = args[I]->return_type;
  return nullptr;
}

// A constant argument at bind time.
inline duckdb::Value constant_argument(duckdb::ClientContext& context, duckdb::Expression& e) {
  if (!e.IsFoldable()) throw duckdb::BinderException("this argument must be a constant");
  return duckdb::ExpressionExecutor::EvaluateScalar(context, e);
}
// Bind: the result is DECIMAL(arguments[P], arguments[P + 1]).
template <size_t P>
duckdb::unique_ptr<duckdb::FunctionData> bind_decimal_result(duckdb::ClientContext& context, duckdb::ScalarFunction& f,
                                                             duckdb::vector<duckdb::unique_ptr<duckdb::Expression>>& args) {
  auto p = constant_argument(context, *args[P]).GetValue<int32_t>(), s = constant_argument(context, *args[P + 1]).GetValue<int32_t>();
  f.SetReturnType(duckdb::LogicalType::DECIMAL(static_cast<uint8_t>(p), static_cast<uint8_t>(s)));
  return nullptr;
}
// A constant string argument of the chunk, as kernels see it.
inline std::string_view constant_text(duckdb::Vector& v) {
  duckdb::UnifiedVectorFormat f;
  v.ToUnifiedFormat(1, f);
  if (!f.validity.RowIsValid(f.sel->get_index(0))) return {};
  const auto& s = duckdb::UnifiedVectorFormat::GetData<duckdb::string_t>(f)[f.sel->get_index(0)];
  return {s.GetData(), s.GetSize()};
}

}  // namespace tarn::engine::kernels
