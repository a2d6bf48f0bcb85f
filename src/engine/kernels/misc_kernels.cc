// What belongs to no family: errors on purpose, random texts, vectors, bitmaps, texts to maps.
#include <algorithm>
#include <bit>
#include <cmath>
#include <random>

#include "engine/kernels/decimal_vector.h"
#include "engine/kernels/kernel_error.h"
#include "engine/kernels/utf8.h"

namespace tarn::engine::kernels {
namespace {

using duckdb::DataChunk;
using duckdb::ExpressionState;
using duckdb::FlatVector;
using duckdb::idx_t;
using duckdb::list_entry_t;
using duckdb::ListVector;
using duckdb::LogicalType;
using duckdb::ScalarFunction;
using duckdb::UnifiedVectorFormat;
using duckdb::Vector;

void add(Kernels& k, ScalarFunction s) {
  s.SetFallible();
  s.SetNullHandling(duckdb::FunctionNullHandling::SPECIAL_HANDLING);
  k.add(std::move(s));
}

std::string_view text_at(const UnifiedVectorFormat& f, idx_t at) {
  const auto& s = UnifiedVectorFormat::GetData<duckdb::string_t>(f)[at];
  return {s.GetData(), s.GetSize()};
}

// Pieces of a text by a literal or regular delimiter, for str_to_map (plain delimiters; Spark's default ones are plain).
std::vector<std::string_view> pieces(std::string_view s, std::string_view d, size_t most = SIZE_MAX) {
  std::vector<std::string_view> out;
  if (d.empty()) {
    out = utf8::points(s);
    return out;
  }
  size_t i = 0;
  for (size_t at; out.size() + 1 < most && (at = s.find(d, i)) != std::string_view::npos; i = at + d.size()) out.push_back(s.substr(i, at - i));
  out.push_back(s.substr(i));
  return out;
}

// Float arrays of one row; f gets both, or one.
template <class F> void vectors(Kernels& k, const char* name, size_t arrays, bool with_number, LogicalType result_type, F f) {
  duckdb::vector<LogicalType> types(arrays, LogicalType::LIST(LogicalType::FLOAT));
  if (with_number) types.push_back(LogicalType::FLOAT);
  add(k, ScalarFunction(name, std::move(types), std::move(result_type), [f, arrays](DataChunk& in, ExpressionState&, Vector& result) {
    std::vector<UnifiedVectorFormat> u(in.ColumnCount()), child(arrays);
    for (size_t a = 0; a < u.size(); ++a) in.data[a].ToUnifiedFormat(in.size(), u[a]);
    for (size_t a = 0; a < arrays; ++a) ListVector::GetEntry(in.data[a]).ToUnifiedFormat(ListVector::GetListSize(in.data[a]), child[a]);
    result.SetVectorType(duckdb::VectorType::FLAT_VECTOR);
    idx_t total = 0;
    for (idx_t i = 0; i < in.size(); ++i) {
      bool null = false;
      std::vector<std::vector<float>> rows(arrays);
      for (size_t a = 0; a < u.size(); ++a) null |= !u[a].validity.RowIsValid(u[a].sel->get_index(i));
      for (size_t a = 0; a < arrays && !null; ++a) {
        auto e = UnifiedVectorFormat::GetData<list_entry_t>(u[a])[u[a].sel->get_index(i)];
        for (idx_t n = 0; n < e.length; ++n) {
          auto at = child[a].sel->get_index(e.offset + n);
          if (!child[a].validity.RowIsValid(at)) { null = true; break; }
          rows[a].push_back(UnifiedVectorFormat::GetData<float>(child[a])[at]);
        }
      }
      float number = !null && u.size() > arrays ? UnifiedVectorFormat::GetData<float>(u[arrays])[u[arrays].sel->get_index(i)] : 0;
      if (null || !f(rows, number, result, i, total)) FlatVector::SetNull(result, i, true);
    }
    if (result.GetType().id() == duckdb::LogicalTypeId::LIST) ListVector::SetListSize(result, total);
  }));
}

void same_dimensions(const std::vector<std::vector<float>>& v, const char* name) {
  if (v[0].size() != v[1].size())
    fail("VECTOR_DIMENSION_MISMATCH", ErrorKind::kRuntime, {{"functionName", std::string("`") + name + "`"}, {"leftDim", std::to_string(v[0].size())}, {"rightDim", std::to_string(v[1].size())}});
}
float norm(const std::vector<float>& v, float degree, const char* name) {
  double s = 0;
  if (degree == 1.0f) { for (float x : v) s += std::fabs(x); return static_cast<float>(s); }
  if (degree == 2.0f) { for (float x : v) s += static_cast<double>(x) * x; return static_cast<float>(std::sqrt(s)); }
  if (std::isinf(degree) && degree > 0) { for (float x : v) s = std::max(s, static_cast<double>(std::fabs(x))); return static_cast<float>(s); }
  fail("INVALID_VECTOR_NORM_DEGREE", ErrorKind::kRuntime, {{"functionName", std::string("`") + name + "`"}, {"degree", std::to_string(degree)}});
}

}  // namespace

void register_misc(Kernels& k) {
  // VOID is an INTEGER that is always null.
  k.nullable<int32_t(bool, Text)>("spark_assert_true", [](std::optional<bool> ok, std::optional<std::string_view> text) -> std::optional<int32_t> {
    if (!ok.value_or(false)) fail("USER_RAISED_EXCEPTION", ErrorKind::kRuntime, {{"errorMessage", "'" + std::string(text.value_or("")) + "' is not true!"}});
    return {};
  });
  k.nullable<int32_t(bool, Text)>("spark_assert_true_message", [](std::optional<bool> ok, std::optional<std::string_view> message) -> std::optional<int32_t> {
    if (!ok.value_or(false)) fail("USER_RAISED_EXCEPTION", ErrorKind::kRuntime, {{"errorMessage", std::string(message.value_or("null"))}});
    return {};
  });
  k.nullable<int32_t(Text)>("spark_raise_error", [](std::optional<std::string_view> message) -> std::optional<int32_t> {
    fail("USER_RAISED_EXCEPTION", ErrorKind::kRuntime, {{"errorMessage", std::string(message.value_or("null"))}});
  });
  add(k, ScalarFunction("spark_raise_error", {LogicalType::VARCHAR, LogicalType::MAP(LogicalType::VARCHAR, LogicalType::VARCHAR)}, LogicalType::INTEGER, [](DataChunk& in, ExpressionState&, Vector&) {
    if (in.size() == 0) return;
    duckdb::Value name = in.data[0].GetValue(0), params = in.data[1].GetValue(0);
    ErrorParams p;
    if (!params.IsNull())
      for (auto& e : duckdb::ListValue::GetChildren(params)) {
        auto& kv = duckdb::StructValue::GetChildren(e);
        p[kv[0].ToString()] = kv[1].IsNull() ? "null" : kv[1].ToString();
      }
    std::string condition = name.IsNull() ? "null" : name.ToString();
    if (!find_error_condition(condition)) fail("USER_RAISED_EXCEPTION_UNKNOWN_ERROR_CLASS", ErrorKind::kRuntime, {{"errorClass", "'" + condition + "'"}});
    fail(condition.c_str(), ErrorKind::kRuntime, p);
  }));
  k.random<Text(int64_t)>("spark_uuid", [](int64_t seed) {
    static thread_local std::unordered_map<int64_t, std::mt19937_64> streams;
    auto& g = streams.try_emplace(seed, static_cast<uint64_t>(seed)).first->second;
    uint64_t a = (g() & ~0xF000ull) | 0x4000, b = (g() & 0x3FFFFFFFFFFFFFFFull) | 0x8000000000000000ull;
    char out[40];
    std::snprintf(out, sizeof out, "%08x-%04x-%04x-%04x-%012llx", static_cast<unsigned>(a >> 32), static_cast<unsigned>((a >> 16) & 0xFFFF), static_cast<unsigned>(a & 0xFFFF), static_cast<unsigned>(b >> 48), static_cast<unsigned long long>(b & 0xFFFFFFFFFFFFull));
    return std::string(out);
  });

  add(k, ScalarFunction("spark_binary_join", {LogicalType::LIST(LogicalType::BLOB), LogicalType::BLOB}, LogicalType::BLOB, [](DataChunk& in, ExpressionState&, Vector& result) {
    UnifiedVectorFormat l, d, c;
    in.data[0].ToUnifiedFormat(in.size(), l);
    in.data[1].ToUnifiedFormat(in.size(), d);
    ListVector::GetEntry(in.data[0]).ToUnifiedFormat(ListVector::GetListSize(in.data[0]), c);
    result.SetVectorType(duckdb::VectorType::FLAT_VECTOR);
    for (idx_t i = 0; i < in.size(); ++i) {
      bool any = false;
      std::string out;
      if (l.validity.RowIsValid(l.sel->get_index(i))) {
        auto e = UnifiedVectorFormat::GetData<list_entry_t>(l)[l.sel->get_index(i)];
        for (idx_t n = 0; n < e.length; ++n) {
          auto at = c.sel->get_index(e.offset + n);
          if (!c.validity.RowIsValid(at)) continue;
          if (any) out += text_at(d, d.sel->get_index(i));
          any = true;
          out += text_at(c, at);
        }
      }
      if (any) FlatVector::GetData<duckdb::string_t>(result)[i] = duckdb::StringVector::AddStringOrBlob(result, out);
      else FlatVector::SetNull(result, i, true);
    }
  }));

  add(k, ScalarFunction("spark_str_to_map", {LogicalType::VARCHAR, LogicalType::VARCHAR, LogicalType::VARCHAR}, LogicalType::MAP(LogicalType::VARCHAR, LogicalType::VARCHAR), [](DataChunk& in, ExpressionState&, Vector& result) {
    std::vector<UnifiedVectorFormat> u(3);
    for (size_t a = 0; a < 3; ++a) in.data[a].ToUnifiedFormat(in.size(), u[a]);
    result.SetVectorType(duckdb::VectorType::FLAT_VECTOR);
    auto* entries = FlatVector::GetData<list_entry_t>(result);
    idx_t total = 0;
    for (idx_t i = 0; i < in.size(); ++i) {
      entries[i] = {total, 0};
      bool null = false;
      for (auto& f : u) null |= !f.validity.RowIsValid(f.sel->get_index(i));
      if (null) { FlatVector::SetNull(result, i, true); continue; }
      auto text = [&](size_t a) { return text_at(u[a], u[a].sel->get_index(i)); };
      std::vector<std::pair<std::string_view, std::optional<std::string_view>>> pairs;
      for (std::string_view p : pieces(text(0), text(1))) {
        auto kv = pieces(p, text(2), 2);
        for (auto& [key, v] : pairs)
          if (key == kv[0]) fail("DUPLICATED_MAP_KEY", ErrorKind::kRuntime, {{"key", std::string(key)}, {"mapKeyDedupPolicy", "\"spark.sql.mapKeyDedupPolicy\""}});
        pairs.emplace_back(kv[0], kv.size() > 1 ? std::optional(kv[1]) : std::nullopt);
      }
      ListVector::Reserve(result, total + pairs.size());
      auto& parts = duckdb::StructVector::GetEntries(ListVector::GetEntry(result));
      for (auto& [key, v] : pairs) {
        FlatVector::GetData<duckdb::string_t>(*parts[0])[total] = duckdb::StringVector::AddString(*parts[0], key.data(), key.size());
        if (v) FlatVector::GetData<duckdb::string_t>(*parts[1])[total] = duckdb::StringVector::AddString(*parts[1], v->data(), v->size());
        else FlatVector::SetNull(*parts[1], total, true);
        ++total;
      }
      entries[i].length = pairs.size();
      ListVector::SetListSize(result, total);
    }
  }));

  vectors(k, "spark_vector_inner_product", 2, false, LogicalType::FLOAT, [](auto& v, float, Vector& r, idx_t i, idx_t&) {
    same_dimensions(v, "vector_inner_product");
    double s = 0;
    for (size_t n = 0; n < v[0].size(); ++n) s += static_cast<double>(v[0][n]) * v[1][n];
    FlatVector::GetData<float>(r)[i] = static_cast<float>(s);
    return true;
  });
  vectors(k, "spark_vector_l2_distance", 2, false, LogicalType::FLOAT, [](auto& v, float, Vector& r, idx_t i, idx_t&) {
    same_dimensions(v, "vector_l2_distance");
    double s = 0;
    for (size_t n = 0; n < v[0].size(); ++n) s += (static_cast<double>(v[0][n]) - v[1][n]) * (static_cast<double>(v[0][n]) - v[1][n]);
    FlatVector::GetData<float>(r)[i] = static_cast<float>(std::sqrt(s));
    return true;
  });
  vectors(k, "spark_vector_cosine_similarity", 2, false, LogicalType::FLOAT, [](auto& v, float, Vector& r, idx_t i, idx_t&) {
    same_dimensions(v, "vector_cosine_similarity");
    double dot = 0, a = 0, b = 0;
    for (size_t n = 0; n < v[0].size(); ++n) {
      dot += static_cast<double>(v[0][n]) * v[1][n];
      a += static_cast<double>(v[0][n]) * v[0][n];
      b += static_cast<double>(v[1][n]) * v[1][n];
    }
    if (a == 0 || b == 0) return false;
    FlatVector::GetData<float>(r)[i] = static_cast<float>(dot / (std::sqrt(a) * std::sqrt(b)));
    return true;
  });
  vectors(k, "spark_vector_norm", 1, true, LogicalType::FLOAT, [](auto& v, float degree, Vector& r, idx_t i, idx_t&) {
    FlatVector::GetData<float>(r)[i] = norm(v[0], degree, "vector_norm");
    return true;
  });
  vectors(k, "spark_vector_normalize", 1, true, LogicalType::LIST(LogicalType::FLOAT), [](auto& v, float degree, Vector& r, idx_t i, idx_t& total) {
    float n = norm(v[0], degree, "vector_normalize");
    FlatVector::GetData<list_entry_t>(r)[i] = {total, 0};
    if (n == 0 && !v[0].empty()) return false;
    ListVector::Reserve(r, total + v[0].size());
    FlatVector::GetData<list_entry_t>(r)[i] = {total, v[0].size()};
    for (float x : v[0]) FlatVector::GetData<float>(ListVector::GetEntry(r))[total++] = x / n;
    return true;
  });

  constexpr int64_t bits = 32768;
  k.scalar<int64_t(int64_t)>("spark_bitmap_bucket_number", [](int64_t v) { return v > 0 ? 1 + (v - 1) / bits : v / bits; });
  k.scalar<int64_t(int64_t)>("spark_bitmap_bit_position", [](int64_t v) { return v > 0 ? (v - 1) % bits : (-v) % bits; });
  k.scalar<int64_t(Bytes)>("spark_bitmap_count", [](std::string_view s) {
    int64_t n = 0;
    for (char c : s) n += std::popcount(static_cast<unsigned char>(c));
    return n;
  });
}

}  // namespace tarn::engine::kernels
