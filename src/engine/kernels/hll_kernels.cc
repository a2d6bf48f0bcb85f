// HyperLogLog sketches by Apache DataSketches: the bytes are those that Spark writes. Source: HllSketchAgg, HllUnionAgg, datasketchesExpressions.
#include <cmath>

#include <hll.hpp>

#include "engine/kernels/kernel.h"
#include "engine/kernels/kernel_error.h"
#include "engine/kernels/sketch_aggregate.h"

namespace tarn::engine::kernels {
namespace {

using datasketches::hll_sketch;
using datasketches::hll_union;
using duckdb::idx_t;
using duckdb::LogicalType;

constexpr int kMinLgK = 4, kMaxLgK = 21, kDefaultLgK = 12;

std::string in_backticks(std::string_view name) { return "`" + std::string(name) + "`"; }

hll_sketch read_sketch(std::string_view bytes, std::string_view function) {
  try {
    return hll_sketch::deserialize(bytes.data(), bytes.size());
  } catch (const std::exception&) {
    fail("HLL_INVALID_INPUT_SKETCH_BUFFER", ErrorKind::kRuntime, {{"function", in_backticks(function)}});
  }
}

template <class S> std::string bytes_of(const S& sketch) {
  auto bytes = sketch.serialize_updatable();
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

[[noreturn]] void different_sizes(int left, int right, std::string_view function) {
  fail("HLL_UNION_DIFFERENT_LG_K", ErrorKind::kRuntime,
       {{"left", std::to_string(left)}, {"right", std::to_string(right)}, {"function", in_backticks(function)}});
}

int checked_lg_k(const SketchConstants& c) {
  const int k = c.size() < 2 ? kDefaultLgK : c[1].IsNull() ? 0 : c[1].GetValue<int32_t>();
  if (k < kMinLgK || k > kMaxLgK)
    fail("HLL_INVALID_LG_K", ErrorKind::kRuntime,
         {{"function", "`hll_sketch_agg`"}, {"min", std::to_string(kMinLgK)}, {"max", std::to_string(kMaxLgK)}, {"value", std::to_string(k)}});
  return k;
}

// (value, log2 of the number of buckets); Text: an empty string counts as nothing.
template <class Value> struct HllBuild {
  explicit HllBuild(const SketchConstants& c) : lg_k(checked_lg_k(c)), sketch(static_cast<uint8_t>(lg_k), datasketches::HLL_8) {}
  void add(const SketchInput& in, idx_t row) {
    if (in.null(0, row)) return;
    if constexpr (std::is_same_v<Value, int64_t>) {
      sketch.update(in.get<int64_t>(0, row));
    } else if (auto bytes = in.bytes(0, row); !bytes.empty()) {
      sketch.update(bytes.data(), bytes.size());
    }
  }
  void merge(HllBuild& other) {
    hll_union both(static_cast<uint8_t>(lg_k));
    both.update(sketch);
    both.update(other.sketch);
    sketch = both.get_result(datasketches::HLL_8);
  }
  // Spark merges every result into an empty sketch.
  std::string result() {
    hll_union last(static_cast<uint8_t>(lg_k));
    last.update(sketch);
    return bytes_of(last.get_result(datasketches::HLL_8));
  }
  int lg_k;
  hll_sketch sketch;
};

// (sketch, whether sizes may differ): has the size of the first one.
struct HllUnionOf {
  static constexpr const char* kName = "hll_union_agg";
  explicit HllUnionOf(const SketchConstants& c) : any_size(c.size() > 1 && !c[1].IsNull() && c[1].GetValue<bool>()) {}
  void add(const SketchInput& in, idx_t row) {
    if (in.null(0, row)) return;
    take(read_sketch(in.bytes(0, row), kName));
  }
  void merge(HllUnionOf& other) {
    if (!other.all) return;
    if (!all) {
      std::swap(all, other.all);
      lg_k = other.lg_k;
      return;
    }
    if (!any_size && lg_k != other.lg_k) different_sizes(lg_k, other.lg_k, kName);
    all->update(other.all->get_result(datasketches::HLL_8));
  }
  void take(const hll_sketch& s) {
    const int k = s.get_lg_config_k();
    if (!all) {
      lg_k = k;
      all.emplace(static_cast<uint8_t>(k));
    }
    if (!any_size && k != lg_k) different_sizes(lg_k, k, kName);
    all->update(s);
  }
  std::string result() {
    if (!all) all.emplace(static_cast<uint8_t>(kDefaultLgK));
    return bytes_of(all->get_result(datasketches::HLL_8));
  }
  bool any_size;
  int lg_k = 0;
  std::optional<hll_union> all;
};

}  // namespace

void register_hll(Kernels& k) {
  add_sketch_aggregate<HllBuild<int64_t>>(k, "spark_hll_build", {LogicalType::BIGINT, LogicalType::INTEGER});
  add_sketch_aggregate<HllBuild<std::string_view>>(k, "spark_hll_build", {LogicalType::VARCHAR, LogicalType::INTEGER});
  add_sketch_aggregate<HllBuild<std::string_view>>(k, "spark_hll_build", {LogicalType::BLOB, LogicalType::INTEGER});
  add_sketch_aggregate<HllUnionOf>(k, "spark_hll_union_agg", {LogicalType::BLOB, LogicalType::BOOLEAN});
  k.scalar<int64_t(Bytes)>("spark_hll_estimate", [](std::string_view s) { return static_cast<int64_t>(std::floor(read_sketch(s, "hll_sketch_estimate").get_estimate() + 0.5)); });
  k.scalar<Bytes(Bytes, Bytes, bool)>("spark_hll_union", [](std::string_view a, std::string_view b, bool any_size) {
    auto left = read_sketch(a, "hll_union"), right = read_sketch(b, "hll_union");
    const int l = left.get_lg_config_k(), r = right.get_lg_config_k();
    if (!any_size && l != r) different_sizes(l, r, "hll_union");
    hll_union both(static_cast<uint8_t>(std::min(l, r)));
    both.update(left);
    both.update(right);
    return bytes_of(both.get_result(datasketches::HLL_8));
  });
}

}  // namespace tarn::engine::kernels
