#pragma once
// How kernels are written: a C++ function of plain values and its types; this file makes a vectorized DuckDB function of it.
//
//   k.scalar<Date(Date, int32_t)>("spark_add_months", [](int32_t days, int32_t months) -> int32_t { … });
//
// A null argument gives null without a call (scalar), or reaches the function as an empty std::optional (nullable). The function
// returns the value, or std::optional of it; text as std::string, std::string_view of an argument, or optional of these.
// Functions may throw through kernel_error.h. Several registrations of one name are overloads.
#include <array>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <unordered_map>
#include <utility>

#include "duckdb.hpp"
#include "duckdb/common/types/vector.hpp"
#include "duckdb/common/vector_operations/unary_executor.hpp"
#include "duckdb/function/function_set.hpp"
#include "duckdb/function/scalar_function.hpp"
#include "duckdb/main/extension/extension_loader.hpp"

namespace tarn::engine::kernels {

// Tags of DuckDB types whose physical type is not enough.
struct Text;       // VARCHAR, std::string_view
struct Bytes;      // BLOB, std::string_view
struct Date;       // DATE, int32_t days
struct Timestamp;  // TIMESTAMP WITH TIME ZONE, int64_t UTC microseconds
struct TimestampNtz;  // TIMESTAMP, int64_t local microseconds
using Interval = duckdb::interval_t;
using Hugeint = duckdb::hugeint_t;

template <class T> struct TypeOf;
#define TARN_KERNEL_TYPE(Tag, Physical, Value_, Logical)                      \
  template <> struct TypeOf<Tag> {                                           \
    using physical = Physical;                                               \
    using value = Value_;                                                    \
    static duckdb::LogicalType logical() { return duckdb::LogicalType::Logical; } \
    static value get(const physical& p) { return p; }                        \
  };
TARN_KERNEL_TYPE(bool, bool, bool, BOOLEAN)
TARN_KERNEL_TYPE(int8_t, int8_t, int8_t, TINYINT)
TARN_KERNEL_TYPE(int16_t, int16_t, int16_t, SMALLINT)
TARN_KERNEL_TYPE(int32_t, int32_t, int32_t, INTEGER)
TARN_KERNEL_TYPE(int64_t, int64_t, int64_t, BIGINT)
TARN_KERNEL_TYPE(float, float, float, FLOAT)
TARN_KERNEL_TYPE(double, double, double, DOUBLE)
TARN_KERNEL_TYPE(Hugeint, Hugeint, Hugeint, HUGEINT)
TARN_KERNEL_TYPE(Interval, Interval, Interval, INTERVAL)
TARN_KERNEL_TYPE(Date, int32_t, int32_t, DATE)
TARN_KERNEL_TYPE(Timestamp, int64_t, int64_t, TIMESTAMP_TZ)
TARN_KERNEL_TYPE(TimestampNtz, int64_t, int64_t, TIMESTAMP)
#undef TARN_KERNEL_TYPE
#define TARN_KERNEL_TEXT(Tag, Logical)                                       \
  template <> struct TypeOf<Tag> {                                           \
    using physical = duckdb::string_t;                                       \
    using value = std::string_view;                                          \
    static duckdb::LogicalType logical() { return duckdb::LogicalType::Logical; } \
    static value get(const physical& p) { return {p.GetData(), p.GetSize()}; } \
  };
TARN_KERNEL_TEXT(Text, VARCHAR)
TARN_KERNEL_TEXT(Bytes, BLOB)
#undef TARN_KERNEL_TEXT

namespace detail {

template <class T> struct Unwrap { using type = T; static constexpr bool optional = false; };
template <class T> struct Unwrap<std::optional<T>> { using type = T; static constexpr bool optional = true; };

template <class R, class V> void store(duckdb::Vector& result, typename TypeOf<R>::physical* data, duckdb::idx_t i, const V& v) {
  if constexpr (std::is_same_v<typename TypeOf<R>::physical, duckdb::string_t>) {
    data[i] = duckdb::StringVector::AddStringOrBlob(result, v.data(), v.size());
  } else {
    data[i] = static_cast<typename TypeOf<R>::physical>(v);
  }
}

template <class R, class V> void put(duckdb::Vector& result, typename TypeOf<R>::physical* data, duckdb::ValidityMask& mask, duckdb::idx_t i, V&& v) {
  if constexpr (Unwrap<std::decay_t<V>>::optional) {
    if (v) store<R>(result, data, i, *v);
    else mask.SetInvalid(i);
  } else {
    store<R>(result, data, i, v);
  }
}

template <bool Nullable, class R, class... A, class F, size_t... I>
void run(const F& f, duckdb::DataChunk& input, duckdb::Vector& result, std::index_sequence<I...>) {
  std::array<duckdb::UnifiedVectorFormat, sizeof...(A) + 1> in;
  bool constant = sizeof...(A) > 0 || true;
  bool valid = true;
  const duckdb::idx_t rows = input.size();
  for (size_t a = 0; a < sizeof...(A); ++a) {
    constant &= input.data[a].GetVectorType() == duckdb::VectorType::CONSTANT_VECTOR;
    input.data[a].ToUnifiedFormat(rows, in[a]);
    valid &= in[a].validity.AllValid();
  }
  const duckdb::idx_t count = constant && sizeof...(A) > 0 ? 1 : rows;
  result.SetVectorType(duckdb::VectorType::FLAT_VECTOR);
  auto* data = duckdb::FlatVector::GetData<typename TypeOf<R>::physical>(result);
  auto& mask = duckdb::FlatVector::Validity(result);
  std::tuple<const typename TypeOf<A>::physical*...> at{duckdb::UnifiedVectorFormat::GetData<typename TypeOf<A>::physical>(in[I])...};
  (void)at;
  for (duckdb::idx_t i = 0; i < count; ++i) {
    if constexpr (Nullable) {
      auto arg = [&](auto index) {
        constexpr size_t n = decltype(index)::value;
        using T = std::tuple_element_t<n, std::tuple<A...>>;
        auto s = in[n].sel->get_index(i);
        return in[n].validity.RowIsValid(s) ? std::optional<typename TypeOf<T>::value>(TypeOf<T>::get(std::get<n>(at)[s])) : std::nullopt;
      };
      put<R>(result, data, mask, i, f(arg(std::integral_constant<size_t, I>())...));
    } else {
      if (!valid && !(in[I].validity.RowIsValid(in[I].sel->get_index(i)) && ...)) {
        mask.SetInvalid(i);
        continue;
      }
      put<R>(result, data, mask, i, f(TypeOf<A>::get(std::get<I>(at)[in[I].sel->get_index(i)])...));
    }
  }
  if (constant && sizeof...(A) > 0) result.SetVectorType(duckdb::VectorType::CONSTANT_VECTOR);
}

template <class Sig> struct Maker;
template <class R, class... A> struct Maker<R(A...)> {
  template <bool Nullable, class F> static duckdb::ScalarFunction make(const char* name, F f) {
    duckdb::ScalarFunction s(name, {TypeOf<A>::logical()...}, TypeOf<R>::logical(),
                             [f](duckdb::DataChunk& in, duckdb::ExpressionState&, duckdb::Vector& out) {
                               run<Nullable, R, A...>(f, in, out, std::index_sequence_for<A...>());
                             });
    if (Nullable) s.SetNullHandling(duckdb::FunctionNullHandling::SPECIAL_HANDLING);
    s.SetFallible();
    return s;
  }
};

}  // namespace detail

class Kernels {
 public:
  explicit Kernels(duckdb::DatabaseInstance& db) : loader_(db, "tarn") {}
  // Registers everything that was collected.
  void finish() {
    for (auto& [name, set] : scalars_) loader_.RegisterFunction(set);
    for (auto& [name, set] : aggregates_) loader_.RegisterFunction(set);
  }

  template <class Sig, class F> void scalar(const char* name, F f) { add(detail::Maker<Sig>::template make<false>(name, f)); }
  template <class Sig, class F> void nullable(const char* name, F f) { add(detail::Maker<Sig>::template make<true>(name, f)); }
  // Its result is not determined by its arguments.
  template <class Sig, class F> void random(const char* name, F f) {
    auto s = detail::Maker<Sig>::template make<false>(name, f);
    s.SetVolatile();
    add(std::move(s));
  }
  void add(duckdb::ScalarFunction f) {
    auto it = scalars_.try_emplace(f.name, f.name).first;
    it->second.AddFunction(std::move(f));
  }
  void add(duckdb::AggregateFunction f) {
    auto it = aggregates_.try_emplace(f.name, f.name).first;
    it->second.AddFunction(std::move(f));
  }

 private:
  duckdb::ExtensionLoader loader_;
  std::map<std::string, duckdb::ScalarFunctionSet> scalars_;
  std::map<std::string, duckdb::AggregateFunctionSet> aggregates_;
};

// "ansi", "legacy" or "try", as templates pass $mode.
enum class Mode : uint8_t { kAnsi, kLegacy, kTry };
inline Mode mode_of(std::string_view text) { return text[0] == 'a' ? Mode::kAnsi : text[0] == 'l' ? Mode::kLegacy : Mode::kTry; }

// What a kernel compiles from a constant argument (a pattern, a format, a zone), kept per thread by its text.
template <class T> class Compiled {
 public:
  template <class Make> const T& get(std::string_view key, Make make) {
    if (last_ && key == last_key_) return *last_;
    auto it = cache_.find(std::string(key));
    if (it == cache_.end()) {
      if (cache_.size() >= 256) cache_.clear();
      it = cache_.emplace(std::string(key), make(key)).first;
    }
    last_key_ = it->first;
    last_ = it->second;
    return *last_;
  }

 private:
  std::unordered_map<std::string, std::shared_ptr<const T>> cache_;
  std::string last_key_;
  std::shared_ptr<const T> last_;
};

// The families, one file each.
void register_arithmetic(Kernels& k);
void register_decimals(Kernels& k);
void register_casts(Kernels& k);
void register_math(Kernels& k);
void register_sketches(Kernels& k);
void register_strings(Kernels& k);
void register_collations(Kernels& k);
void register_text(Kernels& k);
void register_patterns(Kernels& k);
void register_datetimes(Kernels& k);
void register_datetime_formats(Kernels& k);
void register_intervals(Kernels& k);
void register_lists(Kernels& k);
void register_maps(Kernels& k);
void register_aggregates(Kernels& k);
void register_hashes(Kernels& k);
void register_crypto(Kernels& k);
void register_geo(Kernels& k);
void register_json(Kernels& k);
void register_from_text(Kernels& k);
void register_misc(Kernels& k);

}  // namespace tarn::engine::kernels
