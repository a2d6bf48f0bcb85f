// Decimal arithmetic with Spark's result types: exact in between, rounded half up once, checked against the result's precision.
#include "duckdb/execution/expression_executor.hpp"
#include "duckdb/planner/expression/bound_cast_expression.hpp"
#include "engine/kernels/decimal_exact.h"
#include "engine/kernels/decimal_vector.h"
#include "engine/kernels/kernel_error.h"

namespace tarn::engine::kernels {
namespace {

using duckdb::DataChunk;
using duckdb::ExpressionState;
using duckdb::LogicalType;
using duckdb::ScalarFunction;
using duckdb::Vector;

constexpr uint8_t kWidthOfInt32 = 9;  // digits of a decimal that lies in 32 bits

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

// (a, b, p, s, mode) -> DECIMAL(p, s). Types that need neither rounding nor a check get a loop of their own, which cannot fail.
template <char Op>
duckdb::unique_ptr<duckdb::FunctionData> bind_arithmetic(duckdb::ClientContext& context, ScalarFunction& f, duckdb::vector<duckdb::unique_ptr<duckdb::Expression>>& args) {
  bind_decimal_result<2>(context, f, args);
  const LogicalType to = f.GetReturnType();
  const LogicalType types[] = {args[0]->return_type, args[1]->return_type};
  // Constants come in a layout that has a loop.
  for (size_t i = 0; i < 2; ++i) {
    if (types[i].id() != duckdb::LogicalTypeId::DECIMAL || types[i].InternalType() != duckdb::PhysicalType::INT16 || !args[i]->IsFoldable()) continue;
    args[i] = duckdb::BoundCastExpression::AddCastToType(context, std::move(args[i]), LogicalType::DECIMAL(kWidthOfInt32, duckdb::DecimalType::GetScale(types[i])));
  }
  auto exact = exact_decimal(Op, types[0], args[0]->return_type.InternalType(), types[1], args[1]->return_type.InternalType(),
                             duckdb::DecimalType::GetWidth(to), duckdb::DecimalType::GetScale(to));
  if (!exact.function) return nullptr;
  f.SetFunctionCallback(std::move(exact.function));
  f.SetNullHandling(duckdb::FunctionNullHandling::DEFAULT_NULL_HANDLING);
  // The constants behind the operands stay: DuckDB binds again when it copies a plan.
  if (!exact.may_overflow) f.SetErrorMode(duckdb::FunctionErrors::CANNOT_ERROR);
  return nullptr;
}

template <char Op, class F> void arithmetic(Kernels& k, const char* name, F f) {
  ScalarFunction s(name, {LogicalType::ANY, LogicalType::ANY, LogicalType::INTEGER, LogicalType::INTEGER, LogicalType::VARCHAR}, LogicalType::DECIMAL(38, 0),
                   [f](DataChunk& in, ExpressionState&, Vector& result) { binary(in, result, mode_of(constant_text(in.data[4])), f); },
                   bind_arithmetic<Op>);
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

template <class R> void decimal_sum(DataChunk& in, ExpressionState&, Vector& result) {
  const Mode mode = mode_of(constant_text(in.data[3]));
  const int precision = duckdb::DecimalType::GetWidth(result.GetType());
  const Int128 bound = pow10(precision);
  duckdb::UnaryExecutor::ExecuteWithNulls<duckdb::hugeint_t, R>(in.data[0], result, in.size(), [&](duckdb::hugeint_t sum, duckdb::ValidityMask& mask, duckdb::idx_t row) {
    const Int128 v = to_int128(sum);
    if (v >= bound || v <= -bound) {
      if (mode == Mode::kAnsi) {
        fail("ARITHMETIC_OVERFLOW", ErrorKind::kArithmetic, {{"message", "Overflow in sum of decimals"}, {"alternative", " Use 'try_sum' to tolerate overflow and return NULL instead."}, {"config", "\"spark.sql.ansi.enabled\""}});
      }
      mask.SetInvalid(row);
      return R(0);
    }
    if constexpr (std::is_same_v<R, duckdb::hugeint_t>) return sum;
    else return static_cast<R>(v);
  });
}

constexpr Int128 kHalf = Int128(10000000000000000000u);  // 10^19: any number of what a decimal has above or below it fits into 128 bits

template <bool High> void add_half(Kernels& k, const char* name) {
  ScalarFunction s(name, {LogicalType(duckdb::LogicalTypeId::DECIMAL)}, LogicalType::HUGEINT, [](DataChunk& in, ExpressionState&, Vector& result) {
    DecimalReader a(in.data[0], in.size());
    result.SetVectorType(duckdb::VectorType::FLAT_VECTOR);
    for (duckdb::idx_t i = 0; i < (a.constant ? 1 : in.size()); ++i) {
      if (!a.valid(i)) duckdb::FlatVector::SetNull(result, i, true);
      else duckdb::FlatVector::GetData<duckdb::hugeint_t>(result)[i] = to_hugeint(High ? a.get(i) / kHalf : a.get(i) % kHalf);
    }
    if (a.constant) result.SetVectorType(duckdb::VectorType::CONSTANT_VECTOR);
  }, bind_decimal_argument<0>);
  s.SetNullHandling(duckdb::FunctionNullHandling::SPECIAL_HANDLING);
  k.add(std::move(s));
}

duckdb::unique_ptr<duckdb::FunctionData> bind_decimal_sum(duckdb::ClientContext& context, ScalarFunction& f, duckdb::vector<duckdb::unique_ptr<duckdb::Expression>>& args) {
  bind_decimal_result<1>(context, f, args);
  const LogicalType to = f.GetReturnType();
  f.arguments[0] = LogicalType::DECIMAL(duckdb::DecimalType::MaxWidth(), duckdb::DecimalType::GetScale(to));
  switch (to.InternalType()) {
    case duckdb::PhysicalType::INT16: f.SetFunctionCallback(decimal_sum<int16_t>); break;
    case duckdb::PhysicalType::INT32: f.SetFunctionCallback(decimal_sum<int32_t>); break;
    case duckdb::PhysicalType::INT64: f.SetFunctionCallback(decimal_sum<int64_t>); break;
    default: break;
  }
  return nullptr;
}

}  // namespace

void register_decimals(Kernels& k) {
  using R = const DecimalReader&;
  arithmetic<'+'>(k, "spark_decimal_add", [](R a, Int128 x, R b, Int128 y, int to) { return add(x, a.scale, y, b.scale, to, false); });
  arithmetic<'-'>(k, "spark_decimal_subtract", [](R a, Int128 x, R b, Int128 y, int to) { return add(x, a.scale, y, b.scale, to, true); });
  arithmetic<'*'>(k, "spark_decimal_multiply", [](R a, Int128 x, R b, Int128 y, int to) { return multiply(x, a.scale, y, b.scale, to); });
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
             if (!__builtin_mul_overflow(*r, pow10(-at), &v) && fits(v, out.precision)) return v;
             // Without ANSI it is an error, too: the result is made by Decimal.set.
             std::string text = decimal_string(*r, 0) + (*r == 0 ? "" : std::string(static_cast<size_t>(-at), '0'));
             fail("NUMERIC_VALUE_OUT_OF_RANGE.WITHOUT_SUGGESTION", ErrorKind::kArithmetic,
                  {{"roundedValue", text}, {"originalValue", text}, {"precision", std::to_string(out.precision)}, {"scale", std::to_string(out.scale)}});
           });
  // Sums: DuckDB has added exactly in 128 bits, at the scale of the result.
  {
    ScalarFunction s("spark_sum_decimal", {LogicalType::ANY, LogicalType::INTEGER, LogicalType::INTEGER, LogicalType::VARCHAR}, LogicalType::DECIMAL(38, 0),
                     decimal_sum<duckdb::hugeint_t>, bind_decimal_sum);
    s.SetFallible();
    k.add(std::move(s));
  }
  // The sums of both halves as one; null (or an error) beyond the result's precision.
  add_half<true>(k, "spark_decimal_high");
  add_half<false>(k, "spark_decimal_low");
  {
    ScalarFunction s("spark_sum_decimal_halves", {LogicalType::HUGEINT, LogicalType::HUGEINT, LogicalType::INTEGER, LogicalType::INTEGER, LogicalType::VARCHAR}, LogicalType::DECIMAL(38, 0),
                     [](DataChunk& in, ExpressionState&, Vector& result) {
                       binary(in, result, mode_of(constant_text(in.data[4])), [](R, Int128 high, R, Int128 low, int) -> std::optional<Int128> {
                         high += low / kHalf;
                         if (high > kHalf || high < -kHalf) return std::nullopt;
                         return high * kHalf + low % kHalf;
                       });
                     },
                     bind_decimal_result<2>);
    s.SetFallible();
    s.SetNullHandling(duckdb::FunctionNullHandling::SPECIAL_HANDLING);
    k.add(std::move(s));
  }
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
