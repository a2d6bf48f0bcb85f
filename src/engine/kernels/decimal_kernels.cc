// Decimal arithmetic with Spark's result types: exact in between, rounded half up once, checked against the result's precision.
#include "duckdb/execution/expression_executor.hpp"
#include "engine/kernels/decimal_vector.h"
#include "engine/kernels/kernel_error.h"

namespace tarn::engine::kernels {
namespace {

using duckdb::DataChunk;
using duckdb::ExpressionState;
using duckdb::LogicalType;
using duckdb::ScalarFunction;
using duckdb::Vector;

// What is reported of a result that does not fit: its exact text is not kept once it passed 38 digits.
void overflow(std::optional<Int128> v, int precision, int scale) {
  fail_decimal(v ? decimal_string(*v, scale) : "the result", precision, scale);
}

// f(a, b) -> optional<Int128> at the result's scale.
template <class F> void binary(DataChunk& in, Vector& result, Mode mode, F f) {
  DecimalReader a(in.data[0], in.size()), b(in.data[1], in.size());
  DecimalWriter out(result);
  const bool constant = a.constant && b.constant;
  const duckdb::idx_t count = constant ? 1 : in.size();
  for (duckdb::idx_t i = 0; i < count; ++i) {
    if (!a.valid(i) || !b.valid(i)) {
      out.null(i);
      continue;
    }
    std::optional<Int128> v = f(a, a.get(i), b, b.get(i), out.scale);
    if (v && fits(*v, out.precision)) out.set(i, *v);
    else if (mode == Mode::kAnsi) overflow(v, out.precision, out.scale);
    else out.null(i);
  }
  if (constant) result.SetVectorType(duckdb::VectorType::CONSTANT_VECTOR);
}

template <class F> void arithmetic(Kernels& k, const char* name, F f) {
  ScalarFunction s(name, {LogicalType::ANY, LogicalType::ANY, LogicalType::INTEGER, LogicalType::INTEGER, LogicalType::VARCHAR}, LogicalType::DECIMAL(38, 0),
                   [f](DataChunk& in, ExpressionState&, Vector& result) { binary(in, result, mode_of(constant_text(in.data[4])), f); },
                   bind_decimal_result<2>);
  s.SetFallible();
  s.SetNullHandling(duckdb::FunctionNullHandling::SPECIAL_HANDLING);
  k.add(std::move(s));
}

// Zero divisors: an error in ANSI mode, else null.
template <class F> void dividing(Kernels& k, const char* name, bool remainder, F f) {
  ScalarFunction s(name, {LogicalType::ANY, LogicalType::ANY, LogicalType::INTEGER, LogicalType::INTEGER, LogicalType::VARCHAR}, LogicalType::DECIMAL(38, 0),
                   [f, remainder](DataChunk& in, ExpressionState&, Vector& result) {
                     const Mode mode = mode_of(constant_text(in.data[4]));
                     DecimalReader a(in.data[0], in.size()), b(in.data[1], in.size());
                     DecimalWriter out(result);
                     const bool constant = a.constant && b.constant;
                     const duckdb::idx_t count = constant ? 1 : in.size();
                     for (duckdb::idx_t i = 0; i < count; ++i) {
                       if (!a.valid(i) || !b.valid(i)) {
                         out.null(i);
                         continue;
                       }
                       Int128 y = b.get(i);
                       if (y == 0) {
                         if (mode == Mode::kAnsi) remainder ? fail_remainder_by_zero() : fail_divide_by_zero();
                         out.null(i);
                         continue;
                       }
                       std::optional<Int128> v = f(a, a.get(i), b, y, out.scale);
                       if (v && fits(*v, out.precision)) out.set(i, *v);
                       else if (mode == Mode::kAnsi) overflow(v, out.precision, out.scale);
                       else out.null(i);
                     }
                     if (constant) result.SetVectorType(duckdb::VectorType::CONSTANT_VECTOR);
                   },
                   bind_decimal_result<2>);
  s.SetFallible();
  s.SetNullHandling(duckdb::FunctionNullHandling::SPECIAL_HANDLING);
  k.add(std::move(s));
}

std::optional<Int128> rescaled(std::optional<Int128> v, int from, int to) { return v ? rescale(*v, from, to) : v; }

// One decimal argument and constants: (x, …) -> DECIMAL(args[P], args[P+1]).
template <size_t P, class F> void unary(Kernels& k, const char* name, duckdb::vector<LogicalType> types, F f) {
  ScalarFunction s(name, std::move(types), LogicalType::DECIMAL(38, 0),
                   [f](DataChunk& in, ExpressionState&, Vector& result) {
                     DecimalReader a(in.data[0], in.size());
                     DecimalWriter out(result);
                     const duckdb::idx_t count = a.constant ? 1 : in.size();
                     const Mode mode = mode_of(constant_text(in.data[in.ColumnCount() - 1]));
                     for (duckdb::idx_t i = 0; i < count; ++i) {
                       if (!a.valid(i)) {
                         out.null(i);
                         continue;
                       }
                       std::optional<Int128> v = f(in, a, a.get(i), out);
                       if (v && fits(*v, out.precision)) out.set(i, *v);
                       else if (mode == Mode::kAnsi) fail_decimal(decimal_string(a.get(i), a.scale), out.precision, out.scale);
                       else out.null(i);
                     }
                     if (a.constant) result.SetVectorType(duckdb::VectorType::CONSTANT_VECTOR);
                   },
                   bind_decimal_result<P>);
  s.SetFallible();
  s.SetNullHandling(duckdb::FunctionNullHandling::SPECIAL_HANDLING);
  k.add(std::move(s));
}

}  // namespace

void register_decimals(Kernels& k) {
  using R = const DecimalReader&;
  arithmetic(k, "spark_decimal_add", [](R a, Int128 x, R b, Int128 y, int to) { return add(x, a.scale, y, b.scale, to, false); });
  arithmetic(k, "spark_decimal_subtract", [](R a, Int128 x, R b, Int128 y, int to) { return add(x, a.scale, y, b.scale, to, true); });
  arithmetic(k, "spark_decimal_multiply", [](R a, Int128 x, R b, Int128 y, int to) { return multiply(x, a.scale, y, b.scale, to); });
  dividing(k, "spark_decimal_divide", false, [](R a, Int128 x, R b, Int128 y, int to) { return divide(x, a.scale, y, b.scale, to); });
  dividing(k, "spark_decimal_remainder", true, [](R a, Int128 x, R b, Int128 y, int to) {
    return rescaled(remainder(x, a.scale, y, b.scale), std::max(a.scale, b.scale), to);
  });
  dividing(k, "spark_decimal_pmod", true, [](R a, Int128 x, R b, Int128 y, int to) -> std::optional<Int128> {
    const int s = std::max(a.scale, b.scale);
    auto r = remainder(x, a.scale, y, b.scale);
    if (r && *r < 0) {
      auto sum = add(*r, s, y, b.scale, s, false);
      r = sum ? remainder(*sum, s, y, b.scale) : sum;
    }
    return rescaled(r, s, to);
  });
  {
    ScalarFunction s("spark_decimal_div", {LogicalType::ANY, LogicalType::ANY, LogicalType::VARCHAR}, LogicalType::BIGINT,
                     [](DataChunk& in, ExpressionState&, Vector& result) {
                       const Mode mode = mode_of(constant_text(in.data[2]));
                       DecimalReader a(in.data[0], in.size()), b(in.data[1], in.size());
                       result.SetVectorType(duckdb::VectorType::FLAT_VECTOR);
                       auto* out = duckdb::FlatVector::GetData<int64_t>(result);
                       const bool constant = a.constant && b.constant;
                       for (duckdb::idx_t i = 0; i < (constant ? 1 : in.size()); ++i) {
                         Int128 y = a.valid(i) && b.valid(i) ? b.get(i) : 0;
                         if (!a.valid(i) || !b.valid(i) || y == 0) {
                           if (a.valid(i) && b.valid(i) && mode == Mode::kAnsi) fail_divide_by_zero();
                           duckdb::FlatVector::SetNull(result, i, true);
                           continue;
                         }
                         auto q = quotient(a.get(i), a.scale, y, b.scale);
                         if (!q) {
                           if (mode == Mode::kAnsi) fail_decimal(decimal_string(a.get(i), a.scale), 38, 0);
                           duckdb::FlatVector::SetNull(result, i, true);
                           continue;
                         }
                         out[i] = static_cast<int64_t>(*q);
                       }
                       if (constant) result.SetVectorType(duckdb::VectorType::CONSTANT_VECTOR);
                     });
    s.SetFallible();
    s.SetNullHandling(duckdb::FunctionNullHandling::SPECIAL_HANDLING);
    k.add(std::move(s));
  }
  // A decimal brought to another precision and scale.
  unary<1>(k, "spark_to_decimal", {LogicalType::ANY, LogicalType::INTEGER, LogicalType::INTEGER, LogicalType::VARCHAR},
           [](DataChunk&, R a, Int128 x, DecimalWriter& out) { return rescale(x, a.scale, out.scale); });
  // (x, scale, p, s, rounding, mode): rounds at `scale`, which may be negative, then to the result's scale.
  unary<2>(k, "spark_round_decimal", {LogicalType::ANY, LogicalType::INTEGER, LogicalType::INTEGER, LogicalType::INTEGER, LogicalType::VARCHAR, LogicalType::VARCHAR},
           [](DataChunk& in, R a, Int128 x, DecimalWriter& out) -> std::optional<Int128> {
             duckdb::UnifiedVectorFormat f;
             in.data[1].ToUnifiedFormat(in.size(), f);
             const int at = duckdb::UnifiedVectorFormat::GetData<int32_t>(f)[f.sel->get_index(0)];
             const Rounding mode = rounding_of(constant_text(in.data[4]));
             if (at >= a.scale) return rescale(x, a.scale, out.scale);
             if (at >= 0) {
               auto r = rescale(x, a.scale, at, mode);
               return rescaled(r, at, out.scale);
             }
             if (at < -38) return Int128(0);
             // Negative: to whole tens, hundreds …
             auto r = rescale(x, a.scale, at, mode);
             if (!r) return r;
             Int128 v;
             if (__builtin_mul_overflow(*r, pow10(-at), &v)) return std::nullopt;
             return v;
           });
  // Sums: DuckDB has added exactly in 128 bits.
  unary<1>(k, "spark_sum_decimal", {LogicalType::ANY, LogicalType::INTEGER, LogicalType::INTEGER, LogicalType::VARCHAR},
           [](DataChunk& in, R a, Int128 x, DecimalWriter& out) -> std::optional<Int128> {
             auto v = rescale(x, a.scale, out.scale);
             if ((!v || !fits(*v, out.precision)) && mode_of(constant_text(in.data[3])) == Mode::kAnsi)
               fail("ARITHMETIC_OVERFLOW", ErrorKind::kArithmetic, {{"message", "Overflow in sum of decimals"}, {"alternative", " Use 'try_sum' to tolerate overflow and return NULL instead."}, {"config", "\"spark.sql.ansi.enabled\""}});
             return v;
           });
  {
    ScalarFunction s("spark_avg_decimal", {LogicalType::ANY, LogicalType::BIGINT, LogicalType::INTEGER, LogicalType::INTEGER, LogicalType::VARCHAR}, LogicalType::DECIMAL(38, 0),
                     [](DataChunk& in, ExpressionState&, Vector& result) {
                       binary(in, result, mode_of(constant_text(in.data[4])), [](R a, Int128 x, R, Int128 n, int to) -> std::optional<Int128> {
                         return divide(x, a.scale, n == 0 ? 1 : n, 0, to);
                       });
                     },
                     bind_decimal_result<2>);
    s.SetFallible();
    s.SetNullHandling(duckdb::FunctionNullHandling::SPECIAL_HANDLING);
    k.add(std::move(s));
  }
  // Microseconds as DECIMAL(8,6) seconds.
  {
    ScalarFunction s("spark_micros_to_seconds", {LogicalType::BIGINT}, LogicalType::DECIMAL(8, 6), [](DataChunk& in, ExpressionState&, Vector& result) {
      DecimalReader a(in.data[0], in.size());
      DecimalWriter out(result);
      for (duckdb::idx_t i = 0; i < (a.constant ? 1 : in.size()); ++i) {
        if (a.valid(i)) out.set(i, a.get(i));
        else out.null(i);
      }
      if (a.constant) result.SetVectorType(duckdb::VectorType::CONSTANT_VECTOR);
    });
    k.add(std::move(s));
  }
}

}  // namespace tarn::engine::kernels
