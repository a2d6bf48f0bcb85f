// Aggregates over rows in their order, for running windows: every state is a stretch of rows, and two neighbouring stretches make one.
// Source: Product.scala, EWM and NullIndex in windowExpressions.scala.
#include "engine/kernels/running_kernels.h"

#include <cmath>

#include "duckdb/function/aggregate_function.hpp"
#include "engine/kernels/kernel.h"
#include "engine/kernels/kernel_error.h"

namespace tarn::engine::kernels {
namespace {

using duckdb::AggregateFunction;
using duckdb::LogicalType;

// Of whole numbers.
template <bool kChecked> struct LongProductOp {
  template <class S> static void Initialize(S& s) { s = 1; }
  static bool IgnoreNull() { return true; }
  template <class S> static void times(S& s, int64_t x) {
    if (__builtin_mul_overflow(s, x, &s) && kChecked) fail_overflow("long overflow", "try_multiply");
  }
  template <class I, class S, class OP> static void Operation(S& s, const I& x, duckdb::AggregateUnaryInput&) { times(s, x); }
  template <class I, class S, class OP> static void ConstantOperation(S& s, const I& x, duckdb::AggregateUnaryInput&, duckdb::idx_t count) {
    for (duckdb::idx_t i = 0; i < count; ++i) times(s, x);
  }
  template <class S, class OP> static void Combine(const S& a, S& b, duckdb::AggregateInputData&) { times(b, a); }
  template <class T, class S> static void Finalize(S& s, T& target, duckdb::AggregateFinalizeData&) { target = s; }
};

// Of fractions: the sum of logarithms neither overflows nor vanishes on the way.
struct LogProduct {
  double log_sum;
  bool positive, zero;
};
struct LogProductOp {
  template <class S> static void Initialize(S& s) { s = {0, true, false}; }
  static bool IgnoreNull() { return true; }
  template <class I, class S, class OP> static void Operation(S& s, const I& x, duckdb::AggregateUnaryInput&) {
    if (x == 0) s.zero = true;
    if (s.zero) return;
    s.log_sum += std::log(std::fabs(x));
    if (x < 0) s.positive = !s.positive;
  }
  template <class I, class S, class OP> static void ConstantOperation(S& s, const I& x, duckdb::AggregateUnaryInput& u, duckdb::idx_t count) {
    for (duckdb::idx_t i = 0; i < count; ++i) Operation<I, S, OP>(s, x, u);
  }
  template <class S, class OP> static void Combine(const S& a, S& b, duckdb::AggregateInputData&) {
    b.log_sum += a.log_sum;
    b.positive = a.positive == b.positive;
    b.zero |= a.zero;
  }
  template <class T, class S> static void Finalize(S& s, T& target, duckdb::AggregateFinalizeData&) {
    target = s.zero ? 0.0 : s.positive ? std::exp(s.log_sum) : -std::exp(s.log_sum);
  }
};

// Sums up to the last value that is not null; what lies before the stretch fades by `through` until there and by `after` from there on.
struct Weighted {
  double numerator, denominator, through, after;
  bool any;
};
template <bool kIgnoreNulls> struct WeightedOp {
  template <class S> static void Initialize(S& s) { s = {0, 0, 1, 1, false}; }
  static bool IgnoreNull() { return false; }
  template <class A, class B, class S, class OP> static void Operation(S& s, const A& x, const B& beta, duckdb::AggregateBinaryInput& in) {
    if (!in.left_mask.RowIsValid(in.lidx)) {
      if (!kIgnoreNulls) s.after *= beta;
      return;
    }
    const double fade = s.after * beta;
    s = {s.numerator * fade + x, s.denominator * fade + 1, s.through * fade, 1, true};
  }
  template <class S, class OP> static void Combine(const S& later, S& s, duckdb::AggregateInputData&) {
    if (!later.any) {
      s.after *= later.after;
      return;
    }
    const double fade = s.after * later.through;
    s = {s.numerator * fade + later.numerator, s.denominator * fade + later.denominator, s.through * fade, later.after, true};
  }
  template <class T, class S> static void Finalize(S& s, T& target, duckdb::AggregateFinalizeData& f) {
    if (s.any) target = s.numerator / s.denominator;
    else f.ReturnNull();
  }
};

// Marks (true for null) at the end of a stretch, and whether it has no others.
struct Run {
  int32_t length;
  bool whole;
};
struct RunOp {
  template <class S> static void Initialize(S& s) { s = {0, true}; }
  static bool IgnoreNull() { return true; }
  template <class I, class S, class OP> static void Operation(S& s, const I& mark, duckdb::AggregateUnaryInput&) {
    if (mark) ++s.length;
    else s = {0, false};
  }
  template <class I, class S, class OP> static void ConstantOperation(S& s, const I& mark, duckdb::AggregateUnaryInput& u, duckdb::idx_t count) {
    for (duckdb::idx_t i = 0; i < count; ++i) Operation<I, S, OP>(s, mark, u);
  }
  template <class S, class OP> static void Combine(const S& later, S& s, duckdb::AggregateInputData&) {
    s = later.whole ? S{s.length + later.length, s.whole} : later;
  }
  template <class T, class S> static void Finalize(S& s, T& target, duckdb::AggregateFinalizeData&) { target = s.length; }
};

void add(Kernels& k, const char* name, AggregateFunction f) {
  f.name = name;
  k.add(std::move(f));
}

}  // namespace

void register_running(Kernels& k) {
  add(k, "spark_product_long", AggregateFunction::UnaryAggregate<int64_t, int64_t, int64_t, LongProductOp<true>>(LogicalType::BIGINT, LogicalType::BIGINT));
  add(k, "spark_product_long_wrapping", AggregateFunction::UnaryAggregate<int64_t, int64_t, int64_t, LongProductOp<false>>(LogicalType::BIGINT, LogicalType::BIGINT));
  add(k, "spark_product_log", AggregateFunction::UnaryAggregate<LogProduct, double, double, LogProductOp>(LogicalType::DOUBLE, LogicalType::DOUBLE));
  auto weighted = [&](const char* name, AggregateFunction f) {
    f.SetNullHandling(duckdb::FunctionNullHandling::SPECIAL_HANDLING);
    add(k, name, std::move(f));
  };
  weighted("spark_ewm", AggregateFunction::BinaryAggregate<Weighted, double, double, double, WeightedOp<false>>(LogicalType::DOUBLE, LogicalType::DOUBLE, LogicalType::DOUBLE));
  weighted("spark_ewm_ignore_nulls",
           AggregateFunction::BinaryAggregate<Weighted, double, double, double, WeightedOp<true>>(LogicalType::DOUBLE, LogicalType::DOUBLE, LogicalType::DOUBLE));
  add(k, "spark_run_length", AggregateFunction::UnaryAggregate<Run, bool, int32_t, RunOp>(LogicalType::BOOLEAN, LogicalType::INTEGER));
}

}  // namespace tarn::engine::kernels
