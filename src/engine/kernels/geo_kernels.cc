// Geometries: well-known binary checked and kept in little-endian form, beside its SRID, as STRUCT(srid, wkb).
#include <bit>
#include <cmath>
#include <cstring>

#include "engine/kernels/kernel.h"
#include "engine/kernels/kernel_error.h"

namespace tarn::engine::kernels {
namespace {

using duckdb::DataChunk;
using duckdb::ExpressionState;
using duckdb::FlatVector;
using duckdb::idx_t;
using duckdb::LogicalType;
using duckdb::ScalarFunction;
using duckdb::UnifiedVectorFormat;
using duckdb::Vector;

// Reads WKB of either byte order and writes it in one.
class Wkb {
 public:
  Wkb(std::string_view in, bool big_out, bool geography) : in_(in), big_out_(big_out), geography_(geography) {}
  std::string convert() {
    geometry(0);
    if (at_ != in_.size()) bad("Unexpected data after the geometry", at_);
    return std::move(out_);
  }

 private:
  std::string_view in_;
  std::string out_;
  size_t at_ = 0;
  bool big_out_, geography_;

  [[noreturn]] void bad(const char* what, size_t pos) {
    fail("WKB_PARSE_ERROR", ErrorKind::kIllegalArgument, {{"parseError", what}, {"pos", std::to_string(pos)}});
  }
  template <class T> T read(bool big) {
    if (at_ + sizeof(T) > in_.size()) bad("Unexpected end of WKB buffer", at_);
    unsigned char b[sizeof(T)];
    for (size_t i = 0; i < sizeof(T); ++i) b[i] = static_cast<unsigned char>(in_[at_ + (big ? sizeof(T) - 1 - i : i)]);
    at_ += sizeof(T);
    T v;
    std::memcpy(&v, b, sizeof v);
    return v;
  }
  template <class T> void write(T v) {
    unsigned char b[sizeof(T)];
    std::memcpy(b, &v, sizeof v);
    for (size_t i = 0; i < sizeof(T); ++i) out_ += static_cast<char>(b[big_out_ ? sizeof(T) - 1 - i : i]);
  }
  void point(bool big, int dimensions, bool may_be_empty) {
    size_t start = at_;
    double c[4];
    for (int i = 0; i < dimensions; ++i) c[i] = read<double>(big);
    const bool empty = may_be_empty && std::isnan(c[0]) && std::isnan(c[1]);
    if (!empty && (!std::isfinite(c[0]) || !std::isfinite(c[1]) || (geography_ && (std::fabs(c[0]) > 180 || std::fabs(c[1]) > 90))))
      bad("Invalid coordinate value found", start);
    for (int i = 0; i < dimensions; ++i) write(c[i]);
  }
  uint32_t count(bool big) {
    auto n = read<uint32_t>(big);
    write(n);
    return n;
  }
  void geometry(int depth) {
    if (at_ >= in_.size()) bad("Unexpected end of WKB buffer", at_);
    size_t start = at_;
    auto order = static_cast<unsigned char>(in_[at_++]);
    if (in_.size() - start < 5) bad("Unexpected end of WKB buffer", start);
    if (order > 1) bad("Invalid byte order", start);
    const bool big = order == 0;
    out_ += static_cast<char>(big_out_ ? 0 : 1);
    auto type = read<uint32_t>(big);
    const uint32_t base = type % 1000, extra = type / 1000;
    if (base < 1 || base > 7 || extra > 3 || depth > 32) bad("Invalid or unsupported type", start + 1);
    write(type);
    const int dimensions = extra == 0 ? 2 : extra == 3 ? 4 : 3;
    switch (base) {
      case 1: point(big, dimensions, true); return;
      case 2: for (uint32_t n = count(big); n > 0; --n) point(big, dimensions, false); return;
      case 3:
        for (uint32_t rings = count(big); rings > 0; --rings)
          for (uint32_t n = count(big); n > 0; --n) point(big, dimensions, false);
        return;
      default: for (uint32_t n = count(big); n > 0; --n) geometry(depth + 1);
    }
  }
};

[[noreturn]] void bad_srid(int32_t srid) { fail("ST_INVALID_SRID_VALUE", ErrorKind::kIllegalArgument, {{"srid", std::to_string(srid)}}); }
void check_srid(int32_t srid, bool geography) {
  if (geography ? srid != 4326 : srid != 0 && srid != 3857 && srid != 4326) bad_srid(srid);
}

LogicalType geo_type() { return LogicalType::STRUCT({{"srid", LogicalType::INTEGER}, {"wkb", LogicalType::BLOB}}); }

void add(Kernels& k, const char* name, duckdb::vector<LogicalType> types, LogicalType result, duckdb::scalar_function_t f) {
  ScalarFunction s(name, std::move(types), std::move(result), std::move(f));
  s.SetFallible();
  s.SetNullHandling(duckdb::FunctionNullHandling::SPECIAL_HANDLING);
  k.add(std::move(s));
}

struct Columns {
  std::vector<UnifiedVectorFormat> u;
  explicit Columns(DataChunk& in) : u(in.ColumnCount()) {
    for (size_t a = 0; a < u.size(); ++a) in.data[a].ToUnifiedFormat(in.size(), u[a]);
  }
  bool null(idx_t i) const {
    for (auto& f : u) if (!f.validity.RowIsValid(f.sel->get_index(i))) return true;
    return false;
  }
  template <class T> T value(size_t a, idx_t i) const { return UnifiedVectorFormat::GetData<T>(u[a])[u[a].sel->get_index(i)]; }
  std::string_view text(size_t a, idx_t i) const {
    const auto& s = UnifiedVectorFormat::GetData<duckdb::string_t>(u[a])[u[a].sel->get_index(i)];
    return {s.GetData(), s.GetSize()};
  }
};

}  // namespace

void register_geo(Kernels& k) {
  // (wkb, srid, geography)
  add(k, "spark_geo_from_wkb", {LogicalType::BLOB, LogicalType::INTEGER, LogicalType::BOOLEAN}, geo_type(), [](DataChunk& in, ExpressionState&, Vector& result) {
    Columns c(in);
    result.SetVectorType(duckdb::VectorType::FLAT_VECTOR);
    auto& parts = duckdb::StructVector::GetEntries(result);
    for (idx_t i = 0; i < in.size(); ++i) {
      if (c.null(i)) { FlatVector::SetNull(result, i, true); continue; }
      const bool geography = c.value<bool>(2, i);
      check_srid(c.value<int32_t>(1, i), geography);
      std::string wkb = Wkb(c.text(0, i), false, geography).convert();
      FlatVector::GetData<int32_t>(*parts[0])[i] = c.value<int32_t>(1, i);
      FlatVector::GetData<duckdb::string_t>(*parts[1])[i] = duckdb::StringVector::AddStringOrBlob(*parts[1], wkb);
    }
  });
  add(k, "spark_geo_as_binary", {geo_type(), LogicalType::VARCHAR}, LogicalType::BLOB, [](DataChunk& in, ExpressionState&, Vector& result) {
    Columns c(in);
    Vector geo(in.data[0]);
    geo.Flatten(in.size());
    auto& parts = duckdb::StructVector::GetEntries(geo);
    UnifiedVectorFormat wkb;
    parts[1]->ToUnifiedFormat(in.size(), wkb);
    result.SetVectorType(duckdb::VectorType::FLAT_VECTOR);
    for (idx_t i = 0; i < in.size(); ++i) {
      if (c.null(i)) { FlatVector::SetNull(result, i, true); continue; }
      std::string order;
      for (char ch : c.text(1, i)) order += static_cast<char>(std::toupper(static_cast<unsigned char>(ch)));
      if (order != "NDR" && order != "XDR") fail("ST_INVALID_ENDIANNESS_VALUE", ErrorKind::kIllegalArgument, {{"endianness", std::string(c.text(1, i))}});
      const auto& s = UnifiedVectorFormat::GetData<duckdb::string_t>(wkb)[wkb.sel->get_index(i)];
      FlatVector::GetData<duckdb::string_t>(result)[i] = duckdb::StringVector::AddStringOrBlob(result, Wkb({s.GetData(), s.GetSize()}, order == "XDR", false).convert());
    }
  });
  // (value, srid, geography)
  add(k, "spark_geo_set_srid", {geo_type(), LogicalType::INTEGER, LogicalType::BOOLEAN}, geo_type(), [](DataChunk& in, ExpressionState&, Vector& result) {
    Columns c(in);
    Vector geo(in.data[0]);
    geo.Flatten(in.size());
    result.SetVectorType(duckdb::VectorType::FLAT_VECTOR);
    auto& parts = duckdb::StructVector::GetEntries(result);
    duckdb::VectorOperations::Copy(*duckdb::StructVector::GetEntries(geo)[1], *parts[1], in.size(), 0, 0);
    for (idx_t i = 0; i < in.size(); ++i) {
      if (c.null(i)) { FlatVector::SetNull(result, i, true); continue; }
      check_srid(c.value<int32_t>(1, i), c.value<bool>(2, i));
      FlatVector::GetData<int32_t>(*parts[0])[i] = c.value<int32_t>(1, i);
    }
  });
}

}  // namespace tarn::engine::kernels
