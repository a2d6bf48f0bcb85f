// Apache DataSketches: theta and tuple sketches count distinct keys, KLL sketches give quantiles. Source: thetasketches*, tuple*, kll* of
// Catalyst; the bytes are those of DataSketches.
#include <cmath>
#include <limits>

#include "engine/kernels/kernel.h"
#include "engine/kernels/kernel_error.h"
#include "engine/kernels/key_sketch.h"
#include "engine/kernels/kll_sketch.h"
#include "engine/kernels/sketch_aggregate.h"
#include "plan/expression_text.h"

namespace tarn::engine::kernels {

uint32_t kll_level_capacity(int k, int levels, int height) {
  // k * (2/3)^depth, rounded, in integers.
  auto part = [](uint64_t size, int depth) {
    uint64_t power = 1;
    for (int i = 0; i < depth; ++i) power *= 3;
    return ((size << 1 << depth) / power + 1) >> 1;
  };
  int depth = levels - height - 1;
  uint64_t cap = depth <= 30 ? part(static_cast<uint64_t>(k), depth) : part(part(static_cast<uint64_t>(k), depth / 2), depth - depth / 2);
  return static_cast<uint32_t>(std::max<uint64_t>(kKllM, cap));
}

double kll_rank_error(int k, bool mass) { return mass ? 2.446 / std::pow(k, 0.9433) : 2.296 / std::pow(k, 0.9723); }

namespace {

using duckdb::DataChunk;
using duckdb::ExpressionState;
using duckdb::FlatVector;
using duckdb::idx_t;
using duckdb::LogicalType;
using duckdb::UnifiedVectorFormat;
using duckdb::Vector;

std::string in_backticks(std::string_view name) { return "`" + std::string(name) + "`"; }

// ---- theta and tuple

[[noreturn]] void bad_key_sketch(std::string_view bytes, SketchFamily want, std::string_view function) {
  const std::string kind = want == SketchFamily::kTheta ? "THETA" : "TUPLE";
  auto family = sketch_family_name(bytes);
  const std::string expected = want == SketchFamily::kTheta ? "COMPACT" : "TUPLE";
  if (family && *family != expected)
    fail((kind + "_INVALID_INPUT_SKETCH_BUFFER_FAMILY").c_str(), ErrorKind::kRuntime,
         {{"function", in_backticks(function)}, {"expectedFamily", expected}, {"actualFamily", *family}});
  fail((kind + "_INVALID_INPUT_SKETCH_BUFFER").c_str(), ErrorKind::kRuntime, {{"function", in_backticks(function)}});
}

using Theta = CompactSketch<NoSummary>;
template <class T> using Tuple = CompactSketch<Summary<T>>;

Theta theta_of(std::string_view bytes, std::string_view function) {
  auto s = read_theta(bytes);
  if (!s) bad_key_sketch(bytes, SketchFamily::kTheta, function);
  return std::move(*s);
}
template <class T> Tuple<T> tuple_of(std::string_view bytes, std::string_view function) {
  auto s = read_tuple<T>(bytes);
  if (!s) bad_key_sketch(bytes, SketchFamily::kTuple, function);
  return std::move(*s);
}
NoSummary no_join(NoSummary, NoSummary) { return {}; }

SummaryMode mode_named(std::string_view name, std::string_view function) {
  auto mode = summary_mode(name);
  if (!mode)
    fail("TUPLE_INVALID_SKETCH_MODE", ErrorKind::kRuntime, {{"function", in_backticks(function)}, {"mode", std::string(name)}, {"validModes", "sum, min, max, alwaysone"}});
  return *mode;
}

template <class T> T plus(T a, T b) {
  if constexpr (std::is_integral_v<T>) return static_cast<T>(static_cast<std::make_unsigned_t<T>>(a) + static_cast<std::make_unsigned_t<T>>(b));  // wraps, as Java's
  else return a + b;
}
template <class T> T combine(SummaryMode mode, T a, T b) {
  switch (mode) {
    case SummaryMode::kSum: return plus(a, b);
    case SummaryMode::kMin: return std::min(a, b);
    case SummaryMode::kMax: return std::max(a, b);
    case SummaryMode::kAlwaysOne: return 1;
  }
  return a;
}
// The summary of a key without a value.
template <class T> Summary<T> default_summary(SummaryMode mode) {
  using Limits = std::numeric_limits<T>;
  switch (mode) {
    case SummaryMode::kSum: return {0, mode};
    case SummaryMode::kMin: return {Limits::has_infinity ? Limits::infinity() : Limits::max(), mode};
    case SummaryMode::kMax: return {Limits::has_infinity ? -Limits::infinity() : Limits::min(), mode};
    case SummaryMode::kAlwaysOne: return {1, mode};
  }
  return {0, mode};
}
template <class T> auto joiner(SummaryMode mode) {
  return [mode](const Summary<T>& a, const Summary<T>& b) { return Summary<T>{combine(mode, a.value, b.value), mode}; };
}
template <class T> Tuple<T> with_defaults(const Theta& s, SummaryMode mode) {
  Tuple<T> out;
  out.empty = s.empty;
  out.theta = s.theta;
  for (const auto& [hash, none] : s.entries) out.entries.emplace_back(hash, default_summary<T>(mode));
  return out;
}

int constant_int(const SketchConstants& c, size_t i, int otherwise) { return i < c.size() && !c[i].IsNull() ? c[i].GetValue<int32_t>() : otherwise; }
SummaryMode constant_mode(const SketchConstants& c, size_t i) {
  return i < c.size() && !c[i].IsNull() ? summary_mode(c[i].GetValue<std::string>()).value_or(SummaryMode::kSum) : SummaryMode::kSum;
}

// (hash, size)
struct ThetaBuild {
  explicit ThetaBuild(const SketchConstants& c) : sketch(constant_int(c, 1, 12)) {}
  void add(const SketchInput& in, idx_t row) {
    if (!in.null(0, row)) sketch.add(static_cast<uint64_t>(in.get<int64_t>(0, row)), [] { return NoSummary{}; }, [](NoSummary&) {});
  }
  void merge(ThetaBuild& other) { sketch.merge(other.sketch.result(), no_join); }
  std::string result() { return write_theta(sketch.result()); }
  KeySketch<NoSummary> sketch;
};

// (sketch, size)
struct ThetaUnion {
  explicit ThetaUnion(const SketchConstants& c) : sketch(constant_int(c, 1, 12)) {}
  void add(const SketchInput& in, idx_t row) {
    if (!in.null(0, row)) sketch.merge(theta_of(in.bytes(0, row), "theta_union_agg"), no_join);
  }
  void merge(ThetaUnion& other) { sketch.merge(other.sketch.result(), no_join); }
  std::string result() { return write_theta(sketch.result()); }
  KeySketch<NoSummary> sketch;
};

// (sketch)
struct ThetaIntersection {
  explicit ThetaIntersection(const SketchConstants&) {}
  void add(const SketchInput& in, idx_t row) {
    if (!in.null(0, row)) take(theta_of(in.bytes(0, row), "theta_intersection_agg"));
  }
  void merge(ThetaIntersection& other) {
    if (other.sketch) take(std::move(*other.sketch));
  }
  void take(Theta s) { sketch = sketch ? intersect(*sketch, s, no_join) : std::move(s); }
  std::string result() { return write_theta(sketch.value_or(Theta{})); }
  std::optional<Theta> sketch;
};

// (hash, value, size, mode)
template <class T> struct TupleBuild {
  explicit TupleBuild(const SketchConstants& c) : lg(constant_int(c, 2, 12)), mode(constant_mode(c, 3)), sketch(lg) {}
  void add(const SketchInput& in, idx_t row) {
    if (in.null(0, row) || in.null(1, row)) return;
    T value = in.get<T>(1, row);
    sketch.add(static_cast<uint64_t>(in.get<int64_t>(0, row)), [&] { return Summary<T>{combine(mode, default_summary<T>(mode).value, value), mode}; },
               [&](Summary<T>& s) { s.value = combine(mode, s.value, value); });
  }
  void merge(TupleBuild& other) { sketch.merge(other.sketch.result(), joiner<T>(mode)); }
  std::string result() {
    // Spark passes every result through a union, which orders the entries.
    KeySketch<Summary<T>> last(lg);
    last.merge(sketch.result(), joiner<T>(mode));
    return write_tuple(last.result());
  }
  int lg;
  SummaryMode mode;
  KeySketch<Summary<T>> sketch;
};

template <class T> constexpr const char* kTupleSuffix = std::is_integral_v<T> ? "_integer" : "_double";

// (sketch, size, mode)
template <class T> struct TupleUnion {
  explicit TupleUnion(const SketchConstants& c) : mode(constant_mode(c, 2)), sketch(constant_int(c, 1, 12)) {}
  void add(const SketchInput& in, idx_t row) {
    if (!in.null(0, row)) sketch.merge(tuple_of<T>(in.bytes(0, row), std::string("tuple_union_agg") + kTupleSuffix<T>), joiner<T>(mode));
  }
  void merge(TupleUnion& other) { sketch.merge(other.sketch.result(), joiner<T>(mode)); }
  std::string result() { return write_tuple(sketch.result()); }
  SummaryMode mode;
  KeySketch<Summary<T>> sketch;
};

// (sketch, mode)
template <class T> struct TupleIntersection {
  explicit TupleIntersection(const SketchConstants& c) : mode(constant_mode(c, 1)) {}
  void add(const SketchInput& in, idx_t row) {
    if (!in.null(0, row)) take(tuple_of<T>(in.bytes(0, row), std::string("tuple_intersection_agg") + kTupleSuffix<T>));
  }
  void merge(TupleIntersection& other) {
    if (other.sketch) take(std::move(*other.sketch));
  }
  void take(Tuple<T> s) { sketch = sketch ? intersect(*sketch, s, joiner<T>(mode)) : std::move(s); }
  std::string result() {
    auto s = sketch.value_or(Tuple<T>{});
    order_as_table(s);
    return write_tuple(s);
  }
  SummaryMode mode;
  std::optional<Tuple<T>> sketch;
};

// The last argument of these kernels is the name of the function, for errors.
template <class T> void register_tuple(Kernels& k) {
  const std::string suffix = kTupleSuffix<T>;
  auto name = [&](const char* base) { return base + suffix; };
  const LogicalType number = std::is_integral_v<T> ? LogicalType::INTEGER : LogicalType::DOUBLE;
  add_sketch_aggregate<TupleBuild<T>>(k, name("spark_tuple_build").c_str(), {LogicalType::BIGINT, number, LogicalType::INTEGER, LogicalType::VARCHAR});
  add_sketch_aggregate<TupleUnion<T>>(k, name("spark_tuple_union_agg").c_str(), {LogicalType::BLOB, LogicalType::INTEGER, LogicalType::VARCHAR});
  add_sketch_aggregate<TupleIntersection<T>>(k, name("spark_tuple_intersection_agg").c_str(), {LogicalType::BLOB, LogicalType::VARCHAR});
  k.scalar<double(Bytes, Text)>(name("spark_tuple_estimate").c_str(), [](std::string_view s, std::string_view f) { return tuple_of<T>(s, f).estimate(); });
  k.scalar<double(Bytes, Text)>(name("spark_tuple_theta").c_str(), [](std::string_view s, std::string_view f) {
    auto sketch = tuple_of<T>(s, f);
    return sketch.empty ? 1.0 : sketch.theta_fraction();
  });
  using Total = std::conditional_t<std::is_integral_v<T>, int64_t, double>;
  k.scalar<Total(Bytes, Text, Text)>(name("spark_tuple_summary").c_str(), [](std::string_view s, std::string_view mode_name, std::string_view f) {
    SummaryMode mode = mode_named(mode_name, f);
    auto sketch = tuple_of<T>(s, f);
    std::optional<Total> total;
    for (const auto& [hash, summary] : sketch.entries) {
      Total v = mode == SummaryMode::kAlwaysOne ? 1 : static_cast<Total>(summary.value);
      SummaryMode how = mode == SummaryMode::kAlwaysOne ? SummaryMode::kSum : mode;
      total = total ? combine<Total>(how, *total, v) : v;
    }
    return total.value_or(0);
  });
  for (bool theta : {false, true}) {
    auto second = [theta](std::string_view b, SummaryMode mode, std::string_view f) { return theta ? with_defaults<T>(theta_of(b, f), mode) : tuple_of<T>(b, f); };
    k.scalar<Bytes(Bytes, Bytes, int32_t, Text, Text)>(name(theta ? "spark_tuple_union_theta" : "spark_tuple_union").c_str(),
                                                       [second](std::string_view a, std::string_view b, int32_t lg, std::string_view mode_name, std::string_view f) {
                                                         SummaryMode mode = mode_named(mode_name, f);
                                                         KeySketch<Summary<T>> u(lg);
                                                         u.merge(tuple_of<T>(a, f), joiner<T>(mode));
                                                         u.merge(second(b, mode, f), joiner<T>(mode));
                                                         return write_tuple(u.result());
                                                       });
    k.scalar<Bytes(Bytes, Bytes, Text, Text)>(name(theta ? "spark_tuple_intersection_theta" : "spark_tuple_intersection").c_str(),
                                              [second](std::string_view a, std::string_view b, std::string_view mode_name, std::string_view f) {
                                                SummaryMode mode = mode_named(mode_name, f);
                                                auto left = tuple_of<T>(a, f);   // what is wrong with the first is said first
                                                auto s = intersect(left, second(b, mode, f), joiner<T>(mode));
                                                order_as_table(s);
                                                return write_tuple(s);
                                              });
    k.scalar<Bytes(Bytes, Bytes, Text)>(name(theta ? "spark_tuple_difference_theta" : "spark_tuple_difference").c_str(),
                                        [second](std::string_view a, std::string_view b, std::string_view f) {
                                          auto left = tuple_of<T>(a, f);
                                          return write_tuple(subtract(left, second(b, SummaryMode::kSum, f)));
                                        });
  }
}

void register_theta(Kernels& k) {
  // The hash of a key; NULL where a sketch takes no notice of it.
  using Hash = std::optional<int64_t>;
  auto of = [](std::string_view bytes) -> Hash {
    if (bytes.empty()) return std::nullopt;
    return static_cast<int64_t>(sketch_hash(bytes));
  };
  k.scalar<int64_t(int64_t)>("spark_sketch_key", [of](int64_t v) { return of({reinterpret_cast<const char*>(&v), 8}); });
  k.scalar<int64_t(double)>("spark_sketch_key", [of](double v) {
    if (v == 0) v = 0;  // one zero, one NaN
    if (std::isnan(v)) v = std::numeric_limits<double>::quiet_NaN();
    return of({reinterpret_cast<const char*>(&v), 8});
  });
  k.scalar<int64_t(Text)>("spark_sketch_key", [of](std::string_view v) { return of(v); });
  k.scalar<int64_t(Bytes)>("spark_sketch_key", [of](std::string_view v) { return of(v); });
  for (const auto& type : {LogicalType(LogicalType::INTEGER), LogicalType(LogicalType::BIGINT)}) {
    const size_t width = type.id() == duckdb::LogicalTypeId::INTEGER ? 4 : 8;
    duckdb::ScalarFunction f("spark_sketch_key", {LogicalType::LIST(type)}, LogicalType::BIGINT, [width](DataChunk& in, ExpressionState&, Vector& result) {
      UnifiedVectorFormat lists, items;
      in.data[0].ToUnifiedFormat(in.size(), lists);
      auto& child = duckdb::ListVector::GetEntry(in.data[0]);
      child.ToUnifiedFormat(duckdb::ListVector::GetListSize(in.data[0]), items);
      result.SetVectorType(duckdb::VectorType::FLAT_VECTOR);
      for (idx_t i = 0; i < in.size(); ++i) {
        auto at = lists.sel->get_index(i);
        std::string bytes;
        if (lists.validity.RowIsValid(at)) {
          auto entry = UnifiedVectorFormat::GetData<duckdb::list_entry_t>(lists)[at];
          for (idx_t e = entry.offset; e < entry.offset + entry.length; ++e) {
            auto x = items.sel->get_index(e);
            // A null element counts as zero, as in Spark's primitive arrays.
            if (items.validity.RowIsValid(x)) bytes.append(reinterpret_cast<const char*>(items.data) + x * width, width);
            else bytes.append(width, '\0');
          }
        }
        if (bytes.empty()) FlatVector::SetNull(result, i, true);
        else FlatVector::GetData<int64_t>(result)[i] = static_cast<int64_t>(sketch_hash(bytes));
      }
    });
    f.SetNullHandling(duckdb::FunctionNullHandling::SPECIAL_HANDLING);
    k.add(std::move(f));
  }
  add_sketch_aggregate<ThetaBuild>(k, "spark_theta_build", {LogicalType::BIGINT, LogicalType::INTEGER});
  add_sketch_aggregate<ThetaUnion>(k, "spark_theta_union_agg", {LogicalType::BLOB, LogicalType::INTEGER});
  add_sketch_aggregate<ThetaIntersection>(k, "spark_theta_intersection_agg", {LogicalType::BLOB});
  k.scalar<int64_t(Bytes)>("spark_theta_estimate", [](std::string_view s) { return std::llround(theta_of(s, "theta_sketch_estimate").estimate()); });
  k.scalar<Bytes(Bytes, Bytes, int32_t)>("spark_theta_union", [](std::string_view a, std::string_view b, int32_t lg) {
    KeySketch<NoSummary> u(lg);
    u.merge(theta_of(a, "theta_union"), no_join);
    u.merge(theta_of(b, "theta_union"), no_join);
    return write_theta(u.result());
  });
  k.scalar<Bytes(Bytes, Bytes)>("spark_theta_intersection", [](std::string_view a, std::string_view b) {
    return write_theta(intersect(theta_of(a, "theta_intersection"), theta_of(b, "theta_intersection"), no_join));
  });
  k.scalar<Bytes(Bytes, Bytes)>("spark_theta_difference", [](std::string_view a, std::string_view b) {
    return write_theta(subtract(theta_of(a, "theta_difference"), theta_of(b, "theta_difference")));
  });
}

// ---- KLL

template <class T> constexpr const char* kKllSuffix = std::is_same_v<T, int64_t> ? "_bigint" : std::is_same_v<T, float> ? "_float" : "_double";

[[noreturn]] void bad_kll(std::string_view function) { fail("KLL_INVALID_INPUT_SKETCH_BUFFER", ErrorKind::kRuntime, {{"function", in_backticks(function)}}); }

template <class T> KllSketch<T> kll_of(std::string_view bytes, std::string_view function) {
  auto s = KllSketch<T>::read(bytes);
  if (!s) bad_kll(function);
  return std::move(*s);
}

// (value, k)
template <class T> struct KllBuild {
  explicit KllBuild(const SketchConstants& c) : sketch(constant_int(c, 1, 200)) {}
  void add(const SketchInput& in, idx_t row) {
    if (!in.null(0, row)) sketch.add(in.get<T>(0, row));
  }
  void merge(KllBuild& other) { sketch.merge(other.sketch); }
  std::string result() {
    // As Spark, whose final aggregation merges into an empty sketch.
    KllSketch<T> last(sketch.k());
    last.merge(sketch);
    return last.write();
  }
  KllSketch<T> sketch;
};

// (sketch, k): k 0 is that of the first sketch.
template <class T> struct KllMerge {
  explicit KllMerge(const SketchConstants& c) : k(constant_int(c, 1, 0)) {}
  void add(const SketchInput& in, idx_t row) {
    if (in.null(0, row)) return;
    auto s = kll_of<T>(in.bytes(0, row), std::string("kll_merge_agg") + kKllSuffix<T>);
    if (!sketch && k == 0) {
      sketch.emplace(std::move(s));
      return;
    }
    if (!sketch) sketch.emplace(k);
    sketch->merge(s);
  }
  void merge(KllMerge& other) {
    if (!other.sketch) return;
    if (!sketch) sketch = other.sketch;
    else sketch->merge(*other.sketch);
  }
  std::string result() {
    if (!sketch) return KllSketch<T>(k ? k : 200).write();
    KllSketch<T> last(sketch->k());
    last.merge(*sketch);
    return last.write();
  }
  int k;
  std::optional<KllSketch<T>> sketch;
};

template <class T> std::string kll_text(const KllSketch<T>& s) {
  const bool estimates = s.levels() > 1;
  const char* kind = std::is_same_v<T, int64_t> ? "Longs" : std::is_same_v<T, float> ? "Floats" : "Doubles";
  auto number = [](T v) -> std::string {
    if constexpr (std::is_integral_v<T>) return std::to_string(v);
    else if constexpr (std::is_same_v<T, float>) return plan::java_float(v);
    else return plan::java_double(v);
  };
  auto percent = [](double v) {
    char text[32];
    std::snprintf(text, sizeof text, "%.3f%%", v * 100);
    return std::string(text);
  };
  std::string out = std::string("\n### KllKll") + kind + "Sketch Summary:\n";
  auto line = [&](std::string name, const std::string& value) {
    name.resize(23, ' ');
    out += "   " + name + ": " + value + "\n";
  };
  auto flag = [](bool b) { return std::string(b ? "true" : "false"); };
  const size_t updatable = 20 + 4 * (s.levels() + 1) + (2 + s.capacity()) * sizeof(T);
  const size_t compact = s.n() == 0 ? 8 : s.n() == 1 ? 8 + sizeof(T) : 20 + 4 * s.levels() + (2 + s.retained()) * sizeof(T);
  line("K", std::to_string(s.k()));
  line("Dynamic min K", std::to_string(s.min_k()));
  line("M", std::to_string(kKllM));
  line("N", std::to_string(s.n()));
  line("Epsilon", percent(kll_rank_error(s.min_k(), false)));
  line("Epsilon PMF", percent(kll_rank_error(s.min_k(), true)));
  line("Empty", flag(s.n() == 0));
  line("Estimation Mode", flag(estimates));
  line("Levels", std::to_string(s.levels()));
  line("Level 0 Sorted", flag(s.level_zero_sorted()));
  line("Capacity Items", std::to_string(s.capacity()));
  line("Retained Items", std::to_string(s.retained()));
  line("Free Space", std::to_string(s.free_space()));
  line("ReadOnly", "false");
  line("Updatable Storage Bytes", std::to_string(updatable));
  line("Compact Storage Bytes", std::to_string(compact));
  if (s.n() > 0) {
    line("Min Item", number(s.min()));
    line("Max Item", number(s.max()));
  }
  return out + "### End sketch summary\n";
}

template <class T> void register_kll(Kernels& k, const LogicalType& type) {
  const std::string suffix = kKllSuffix<T>;
  auto name = [&](const char* base) { return base + suffix; };
  add_sketch_aggregate<KllBuild<T>>(k, name("spark_kll_build").c_str(), {type, LogicalType::INTEGER});
  add_sketch_aggregate<KllMerge<T>>(k, name("spark_kll_merge_agg").c_str(), {LogicalType::BLOB, LogicalType::INTEGER});
  k.scalar<int64_t(Bytes, Text)>(name("spark_kll_n").c_str(), [](std::string_view s, std::string_view f) { return static_cast<int64_t>(kll_of<T>(s, f).n()); });
  k.scalar<Text(Bytes, Text)>(name("spark_kll_text").c_str(), [](std::string_view s, std::string_view f) { return kll_text(kll_of<T>(s, f)); });
  k.scalar<Bytes(Bytes, Bytes, Text)>(name("spark_kll_merge").c_str(), [](std::string_view a, std::string_view b, std::string_view f) {
    auto s = kll_of<T>(a, f);
    s.merge(kll_of<T>(b, f));
    return s.write();
  });
  k.scalar<T(Bytes, double, Text)>(name("spark_kll_quantile").c_str(), [](std::string_view s, double rank, std::string_view f) {
    auto sketch = kll_of<T>(s, f);
    if (sketch.n() == 0) bad_kll(f);
    if (!(rank >= 0 && rank <= 1)) fail("KLL_SKETCH_INVALID_QUANTILE_RANGE", ErrorKind::kRuntime, {{"functionName", in_backticks(f)}});
    return sketch.quantile(rank);
  });
  k.scalar<double(Bytes, T, Text)>(name("spark_kll_rank").c_str(), [](std::string_view s, T x, std::string_view f) {
    auto sketch = kll_of<T>(s, f);
    if (sketch.n() == 0) bad_kll(f);
    return sketch.rank(x);
  });
}

}  // namespace

void register_sketches(Kernels& k) {
  register_theta(k);
  register_tuple<double>(k);
  register_tuple<int32_t>(k);
  register_kll<int64_t>(k, LogicalType::BIGINT);
  register_kll<float>(k, LogicalType::FLOAT);
  register_kll<double>(k, LogicalType::DOUBLE);
}

}  // namespace tarn::engine::kernels
