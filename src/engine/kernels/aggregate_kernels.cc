// Aggregates that DuckDB defines otherwise or not at all: moments and correlations as Spark's CentralMomentAgg, Covariance and Corr
// compute them (updates by difference from the mean, so that large values lose nothing), and a few collecting ones.
#include <algorithm>
#include <cmath>

#include "duckdb/function/aggregate_function.hpp"
#include "engine/kernels/kernel.h"
#include "engine/kernels/kernel_error.h"

namespace tarn::engine::kernels {
namespace {

using duckdb::AggregateFunction;
using duckdb::LogicalType;

struct Moments {
  double n, mean, m2, m3, m4;
};

template <class Finish> struct MomentsOp {
  template <class S> static void Initialize(S& s) { s = {0, 0, 0, 0, 0}; }
  static bool IgnoreNull() { return true; }
  template <class I, class S, class OP> static void Operation(S& s, const I& x, duckdb::AggregateUnaryInput&) {
    const double n = s.n + 1, delta = x - s.mean, dn = delta / n, delta2 = delta * delta, dn2 = dn * dn;
    s.mean += dn;
    s.m2 += delta * (delta - dn);
    s.m3 = s.m3 - 3.0 * dn * s.m2 + delta * (delta2 - dn2);
    s.m4 = s.m4 - 4.0 * dn * s.m3 - 6.0 * dn2 * s.m2 + delta * (delta * delta2 - dn * dn2);
    s.n = n;
  }
  template <class I, class S, class OP> static void ConstantOperation(S& s, const I& x, duckdb::AggregateUnaryInput& u, duckdb::idx_t count) {
    for (duckdb::idx_t i = 0; i < count; ++i) Operation<I, S, OP>(s, x, u);
  }
  template <class S, class OP> static void Combine(const S& a, S& b, duckdb::AggregateInputData&) {
    if (a.n == 0) return;
    if (b.n == 0) { b = a; return; }
    const double n1 = b.n, n2 = a.n, n = n1 + n2, d = a.mean - b.mean, dn = d / n;
    Moments r;
    r.n = n;
    r.mean = b.mean + dn * n2;
    r.m2 = b.m2 + a.m2 + d * dn * n1 * n2;
    r.m3 = b.m3 + a.m3 + dn * dn * d * n1 * n2 * (n1 - n2) + 3 * dn * (n1 * a.m2 - n2 * b.m2);
    r.m4 = b.m4 + a.m4 + dn * dn * dn * d * n1 * n2 * (n1 * n1 - n1 * n2 + n2 * n2) + 6 * dn * dn * (n1 * n1 * a.m2 + n2 * n2 * b.m2) + 4 * dn * (n1 * a.m3 - n2 * b.m3);
    b = r;
  }
  template <class T, class S> static void Finalize(S& s, T& target, duckdb::AggregateFinalizeData& f) {
    auto v = Finish::of(s);
    if (v) target = *v;
    else f.ReturnNull();
  }
};

using Result = std::optional<double>;
struct VarPop { static Result of(const Moments& s) { if (s.n == 0) return {}; return s.m2 / s.n; } };
struct VarSamp { static Result of(const Moments& s) { if (s.n < 2) return {}; return s.m2 / (s.n - 1); } };
struct StdPop { static Result of(const Moments& s) { if (s.n == 0) return {}; return std::sqrt(s.m2 / s.n); } };
struct StdSamp { static Result of(const Moments& s) { if (s.n < 2) return {}; return std::sqrt(s.m2 / (s.n - 1)); } };
struct Skewness { static Result of(const Moments& s) { if (s.n == 0 || s.m2 == 0) return {}; return std::sqrt(s.n) * s.m3 / std::sqrt(s.m2 * s.m2 * s.m2); } };
struct Kurtosis { static Result of(const Moments& s) { if (s.n == 0 || s.m2 == 0) return {}; return s.n * s.m4 / (s.m2 * s.m2) - 3.0; } };

// The pandas functions: nanvar, nanskew and nankurt of pandas, which take moments below 1e-14 for rounding errors.
struct SumOfSquares { static Result of(const Moments& s) { if (s.n == 0) return {}; return s.m2; } };
double without_noise(double x) { return std::fabs(x) < 1e-14 ? 0.0 : x; }
struct PandasSkewness {
  static Result of(const Moments& s) {
    if (s.n < 3) return {};
    const double m2 = without_noise(s.m2), m3 = without_noise(s.m3);
    return m2 == 0 ? 0.0 : std::sqrt(s.n - 1) * (s.n / (s.n - 2)) * m3 / std::sqrt(m2 * m2 * m2);
  }
};
struct PandasKurtosis {
  static Result of(const Moments& s) {
    if (s.n < 4) return {};
    const double n = s.n, correction = ((n - 1) / (n - 2)) * ((n - 1) / (n - 3)) * 3;
    const double above = without_noise(n * (n + 1) * (n - 1) * s.m4), below = without_noise((n - 2) * (n - 3) * s.m2 * s.m2);
    return below == 0 ? 0.0 : above / below - correction;
  }
};

template <class Finish> void moment(Kernels& k, const char* name) {
  auto f = AggregateFunction::UnaryAggregate<Moments, double, double, MomentsOp<Finish>>(LogicalType::DOUBLE, LogicalType::DOUBLE);
  f.name = name;
  k.add(std::move(f));
}

// Pairs (y, x) as regr_… and (x, y) as corr and covar name them: a is the first argument.
struct Pair {
  double n, mean_a, mean_b, c, m2_a, m2_b;
};
template <class Finish> struct PairOp {
  template <class S> static void Initialize(S& s) { s = {0, 0, 0, 0, 0, 0}; }
  static bool IgnoreNull() { return true; }
  template <class A, class B, class S, class OP> static void Operation(S& s, const A& a, const B& b, duckdb::AggregateBinaryInput&) {
    s.n += 1;
    const double da = a - s.mean_a, db = b - s.mean_b;
    s.mean_a += da / s.n;
    s.mean_b += db / s.n;
    s.c += da * (b - s.mean_b);
    s.m2_a += da * (a - s.mean_a);
    s.m2_b += db * (b - s.mean_b);
  }
  template <class S, class OP> static void Combine(const S& x, S& y, duckdb::AggregateInputData&) {
    if (x.n == 0) return;
    if (y.n == 0) { y = x; return; }
    const double n = x.n + y.n, da = x.mean_a - y.mean_a, db = x.mean_b - y.mean_b;
    Pair r;
    r.n = n;
    r.mean_a = y.mean_a + da * x.n / n;
    r.mean_b = y.mean_b + db * x.n / n;
    r.c = y.c + x.c + da * db * y.n * x.n / n;
    r.m2_a = y.m2_a + x.m2_a + da * da * y.n * x.n / n;
    r.m2_b = y.m2_b + x.m2_b + db * db * y.n * x.n / n;
    y = r;
  }
  template <class T, class S> static void Finalize(S& s, T& target, duckdb::AggregateFinalizeData& f) {
    auto v = Finish::of(s);
    if (v) target = *v;
    else f.ReturnNull();
  }
};
struct Corr { static Result of(const Pair& s) { if (s.n < 2 || s.m2_a == 0 || s.m2_b == 0) return {}; return s.c / std::sqrt(s.m2_a * s.m2_b); } };
struct CovPop { static Result of(const Pair& s) { if (s.n == 0) return {}; return s.c / s.n; } };
struct CovSamp { static Result of(const Pair& s) { if (s.n < 2) return {}; return s.c / (s.n - 1); } };
// y is a, x is b.
struct R2 { static Result of(const Pair& s) { if (s.n < 1 || s.m2_b == 0) return {}; if (s.m2_a == 0) return 1.0; return s.c * s.c / (s.m2_a * s.m2_b); } };
struct Sxx { static Result of(const Pair& s) { if (s.n == 0) return {}; return s.m2_b; } };
struct Syy { static Result of(const Pair& s) { if (s.n == 0) return {}; return s.m2_a; } };
struct Sxy { static Result of(const Pair& s) { if (s.n == 0) return {}; return s.c; } };
struct Slope { static Result of(const Pair& s) { if (s.n < 2 || s.m2_b == 0) return {}; return s.c / s.m2_b; } };
struct Intercept { static Result of(const Pair& s) { if (s.n < 2 || s.m2_b == 0) return {}; return s.mean_a - s.c / s.m2_b * s.mean_b; } };

template <class Finish> void pair(Kernels& k, const char* name) {
  auto f = AggregateFunction::BinaryAggregate<Pair, double, double, double, PairOp<Finish>>(LogicalType::DOUBLE, LogicalType::DOUBLE, LogicalType::DOUBLE);
  f.name = name;
  k.add(std::move(f));
}

struct CalendarSum {
  int64_t months, days, micros;
  bool any;
};
struct CalendarSumOp {
  template <class S> static void Initialize(S& s) { s = {0, 0, 0, false}; }
  static bool IgnoreNull() { return true; }
  template <class I, class S, class OP> static void Operation(S& s, const I& x, duckdb::AggregateUnaryInput&) {
    s.months += x.months;
    s.days += x.days;
    if (__builtin_add_overflow(s.micros, x.micros, &s.micros)) fail_interval_overflow();
    s.any = true;
  }
  template <class I, class S, class OP> static void ConstantOperation(S& s, const I& x, duckdb::AggregateUnaryInput& u, duckdb::idx_t count) {
    for (duckdb::idx_t i = 0; i < count; ++i) Operation<I, S, OP>(s, x, u);
  }
  template <class S, class OP> static void Combine(const S& a, S& b, duckdb::AggregateInputData&) {
    b.months += a.months;
    b.days += a.days;
    if (__builtin_add_overflow(b.micros, a.micros, &b.micros)) fail_interval_overflow();
    b.any |= a.any;
  }
  template <class T, class S> static void Finalize(S& s, T& target, duckdb::AggregateFinalizeData& f) {
    if (!s.any) { f.ReturnNull(); return; }
    if (s.months != static_cast<int32_t>(s.months) || s.days != static_cast<int32_t>(s.days)) fail_interval_overflow();
    target = {static_cast<int32_t>(s.months), static_cast<int32_t>(s.days), s.micros};
  }
};

}  // namespace

void register_aggregates(Kernels& k) {
  moment<VarPop>(k, "spark_var_pop");
  moment<VarSamp>(k, "spark_var_samp");
  moment<StdPop>(k, "spark_stddev_pop");
  moment<StdSamp>(k, "spark_stddev_samp");
  moment<Skewness>(k, "spark_skewness");
  moment<Kurtosis>(k, "spark_kurtosis");
  moment<SumOfSquares>(k, "spark_sum_of_squares");
  moment<PandasSkewness>(k, "spark_pandas_skewness");
  moment<PandasKurtosis>(k, "spark_pandas_kurtosis");
  pair<Corr>(k, "spark_corr");
  pair<CovPop>(k, "spark_covar_pop");
  pair<CovSamp>(k, "spark_covar_samp");
  pair<R2>(k, "spark_regr_r2");
  pair<Sxx>(k, "spark_regr_sxx");
  pair<Syy>(k, "spark_regr_syy");
  pair<Sxy>(k, "spark_regr_sxy");
  pair<Slope>(k, "spark_regr_slope");
  pair<Intercept>(k, "spark_regr_intercept");
  {
    auto f = AggregateFunction::UnaryAggregate<CalendarSum, duckdb::interval_t, duckdb::interval_t, CalendarSumOp>(LogicalType::INTERVAL, LogicalType::INTERVAL);
    f.name = "spark_sum_calendar";
    k.add(std::move(f));
  }
  // count(a, b): the row when no argument is null.
  duckdb::ScalarFunction row("spark_row_or_null", {}, LogicalType::STRUCT({{"a", LogicalType::INTEGER}}),
                             [](duckdb::DataChunk& in, duckdb::ExpressionState&, duckdb::Vector& result) {
                               auto& parts = duckdb::StructVector::GetEntries(result);
                               result.SetVectorType(duckdb::VectorType::FLAT_VECTOR);
                               for (size_t a = 0; a < in.ColumnCount(); ++a) {
                                 duckdb::UnifiedVectorFormat f;
                                 in.data[a].ToUnifiedFormat(in.size(), f);
                                 duckdb::VectorOperations::Copy(in.data[a], *parts[a], in.size(), 0, 0);
                                 for (duckdb::idx_t i = 0; i < in.size(); ++i)
                                   if (!f.validity.RowIsValid(f.sel->get_index(i))) duckdb::FlatVector::SetNull(result, i, true);
                               }
                             },
                             [](duckdb::ClientContext&, duckdb::ScalarFunction& f, duckdb::vector<duckdb::unique_ptr<duckdb::Expression>>& args) -> duckdb::unique_ptr<duckdb::FunctionData> {
                               duckdb::child_list_t<LogicalType> fields;
                               for (size_t i = 0; i < args.size(); ++i) fields.emplace_back("f" + std::to_string(i), args[i]->return_type);
                               f.SetReturnType(LogicalType::STRUCT(fields));
                               return nullptr;
                             });
  row.SetVarArgs(LogicalType::ANY);
  row.SetNullHandling(duckdb::FunctionNullHandling::SPECIAL_HANDLING);
  k.add(std::move(row));
}

}  // namespace tarn::engine::kernels
