// Arrays of any type: one implementation serves every element type (list_vector.h).
#include <algorithm>
#include <cmath>
#include <random>
#include <unordered_set>

#include "duckdb/execution/expression_executor.hpp"
#include "duckdb/planner/expression/bound_function_expression.hpp"
#include "engine/datetime_parse.h"
#include "engine/kernels/decimal_vector.h"
#include "engine/kernels/kernel_error.h"
#include "engine/kernels/list_vector.h"
#include "engine/kernels/zones.h"

namespace tarn::engine::kernels {
namespace {

using duckdb::DataChunk;
using duckdb::ExpressionState;
using duckdb::ScalarFunction;

duckdb::unique_ptr<duckdb::FunctionData> bind_same(duckdb::ClientContext&, ScalarFunction& f, duckdb::vector<duckdb::unique_ptr<duckdb::Expression>>& args) {
  f.arguments[0] = args[0]->return_type;
  f.SetReturnType(args[0]->return_type);
  return nullptr;
}
duckdb::unique_ptr<duckdb::FunctionData> bind_element(duckdb::ClientContext&, ScalarFunction& f, duckdb::vector<duckdb::unique_ptr<duckdb::Expression>>& args) {
  f.SetReturnType(duckdb::ListType::GetChildType(args[0]->return_type));
  return nullptr;
}
duckdb::unique_ptr<duckdb::FunctionData> bind_repeat(duckdb::ClientContext&, ScalarFunction& f, duckdb::vector<duckdb::unique_ptr<duckdb::Expression>>& args) {
  f.SetReturnType(LogicalType::LIST(args[0]->return_type));
  return nullptr;
}

void add(Kernels& k, const char* name, duckdb::vector<LogicalType> types, LogicalType result, duckdb::scalar_function_t f, duckdb::bind_scalar_function_t bind = nullptr, bool varargs = false) {
  ScalarFunction s(name, std::move(types), std::move(result), std::move(f), bind);
  if (varargs) s.SetVarArgs(LogicalType::ANY);
  s.SetFallible();
  s.SetNullHandling(duckdb::FunctionNullHandling::SPECIAL_HANDLING);
  k.add(std::move(s));
}

const LogicalType kAny = LogicalType::ANY;

// f(lists, values, row) -> optional of R, for (array, value).
template <class R, class F> void search(Kernels& k, const char* name, F f) {
  add(k, name, {kAny, kAny}, TypeOf<R>::logical(), [f](DataChunk& in, ExpressionState&, Vector& result) {
    Lists a(in.data[0], in.size(), true);
    Values b(in.data[1], in.size());
    const bool constant = a.constant && b.constant;
    result.SetVectorType(duckdb::VectorType::FLAT_VECTOR);
    for (idx_t i = 0; i < (constant ? 1 : in.size()); ++i) {
      std::optional<R> r;
      if (a.valid(i) && b.valid(i)) r = f(a, b, i);
      if (r) FlatVector::GetData<R>(result)[i] = *r;
      else FlatVector::SetNull(result, i, true);
    }
    if (constant) result.SetVectorType(duckdb::VectorType::CONSTANT_VECTOR);
  });
}

// f(lists, row, builder): a list made of the first argument's elements.
template <class F> void remake(Kernels& k, const char* name, duckdb::vector<LogicalType> types, bool keys, F f) {
  add(k, name, std::move(types), LogicalType::LIST(LogicalType::INTEGER), [f, keys](DataChunk& in, ExpressionState&, Vector& result) {
    Lists a(in.data[0], in.size(), keys);
    std::vector<UnifiedVectorFormat> more(in.ColumnCount());
    bool constant = a.constant;
    for (size_t n = 1; n < in.ColumnCount(); ++n) {
      in.data[n].ToUnifiedFormat(in.size(), more[n]);
      constant &= in.data[n].GetVectorType() == duckdb::VectorType::CONSTANT_VECTOR;
    }
    ListBuilder out(result, in.size());
    for (idx_t i = 0; i < (constant ? 1 : in.size()); ++i) {
      bool null = !a.valid(i);
      for (size_t n = 1; n < in.ColumnCount(); ++n) null |= !more[n].validity.RowIsValid(more[n].sel->get_index(i));
      if (null) {
        out.null_row(i);
        continue;
      }
      f(a, a.entry(i), [&](size_t n) { return more[n].sel->get_index(i); }, more, out);
      out.end_row(i);
    }
    out.finish({{&ListVector::GetEntry(in.data[0]), a.elements}}, constant);
  }, bind_same);
}

// f(first, second, row, builder): a list out of two.
template <class F> void combine(Kernels& k, const char* name, F f) {
  add(k, name, {kAny, kAny}, LogicalType::LIST(LogicalType::INTEGER), [f](DataChunk& in, ExpressionState&, Vector& result) {
    Lists a(in.data[0], in.size(), true), b(in.data[1], in.size(), true);
    const bool constant = a.constant && b.constant;
    ListBuilder out(result, in.size());
    for (idx_t i = 0; i < (constant ? 1 : in.size()); ++i) {
      if (!a.valid(i) || !b.valid(i)) {
        out.null_row(i);
        continue;
      }
      f(a, a.entry(i), b, b.entry(i), out);
      out.end_row(i);
    }
    out.finish({{&ListVector::GetEntry(in.data[0]), a.elements}, {&ListVector::GetEntry(in.data[1]), b.elements}}, constant);
  }, bind_same);
}

using KeySet = std::unordered_set<std::string_view>;

std::vector<idx_t> sorted(const Lists& a, list_entry_t e, bool ascending, bool nulls_first) {
  std::vector<idx_t> order(e.length);
  for (idx_t n = 0; n < e.length; ++n) order[n] = e.offset + n;
  std::stable_sort(order.begin(), order.end(), [&](idx_t x, idx_t y) {
    bool nx = a.null_at(x), ny = a.null_at(y);
    if (nx || ny) return nx != ny && (nulls_first ? nx : ny);
    return ascending ? a.key(x) < a.key(y) : a.key(y) < a.key(x);
  });
  return order;
}

// The element at a 0-based position, or null.
template <class F> void element(Kernels& k, const char* name, LogicalType index, F position) {
  add(k, name, {kAny, std::move(index)}, LogicalType::INTEGER, [position](DataChunk& in, ExpressionState&, Vector& result) {
    Lists a(in.data[0], in.size(), false);
    UnifiedVectorFormat b;
    in.data[1].ToUnifiedFormat(in.size(), b);
    const bool constant = a.constant && in.data[1].GetVectorType() == duckdb::VectorType::CONSTANT_VECTOR;
    const idx_t count = constant ? 1 : in.size();
    SelectionVector sel(std::max<idx_t>(count, 1));
    std::vector<idx_t> nulls;
    for (idx_t i = 0; i < count; ++i) {
      sel.set_index(i, 0);
      auto at = b.sel->get_index(i);
      if (!a.valid(i) || !b.validity.RowIsValid(at)) {
        nulls.push_back(i);
        continue;
      }
      int64_t index_value = in.data[1].GetType().InternalType() == duckdb::PhysicalType::INT32 ? UnifiedVectorFormat::GetData<int32_t>(b)[at] : UnifiedVectorFormat::GetData<int64_t>(b)[at];
      auto e = a.entry(i);
      int64_t p = position(index_value, static_cast<int64_t>(e.length));
      if (p < 0) nulls.push_back(i);
      else sel.set_index(i, e.offset + static_cast<idx_t>(p));
    }
    result.SetVectorType(duckdb::VectorType::FLAT_VECTOR);
    if (a.elements > 0) duckdb::VectorOperations::Copy(ListVector::GetEntry(in.data[0]), result, sel, count, 0, 0);
    else for (idx_t i = 0; i < count; ++i) FlatVector::SetNull(result, i, true);
    for (idx_t i : nulls) FlatVector::SetNull(result, i, true);
    if (constant) result.SetVectorType(duckdb::VectorType::CONSTANT_VECTOR);
  }, bind_element);
}

[[noreturn]] void bad_index(const char* condition, int64_t index, int64_t size) {
  fail(condition, ErrorKind::kArrayIndex, {{"indexValue", std::to_string(index)}, {"arraySize", std::to_string(size)}, {"ansiConfig", "\"spark.sql.ansi.enabled\""}});
}

int64_t from_one(int64_t index, int64_t size, bool fails) {
  if (index == 0) fail("INVALID_INDEX_OF_ZERO", ErrorKind::kRuntime, {});
  if (std::abs(index) > size) {
    if (fails) bad_index("INVALID_ARRAY_INDEX_IN_ELEMENT_AT", index, size);
    return -1;
  }
  return index > 0 ? index - 1 : size + index;
}

template <class T> void sequence(Kernels& k) {
  for (bool stepped : {false, true}) {
    duckdb::vector<LogicalType> types = {TypeOf<T>::logical(), TypeOf<T>::logical()};
    if (stepped) types.push_back(TypeOf<T>::logical());
    add(k, "spark_sequence", std::move(types), LogicalType::LIST(TypeOf<T>::logical()), [stepped](DataChunk& in, ExpressionState&, Vector& result) {
      std::vector<UnifiedVectorFormat> u(in.ColumnCount());
      bool constant = true;
      for (size_t a = 0; a < u.size(); ++a) {
        in.data[a].ToUnifiedFormat(in.size(), u[a]);
        constant &= in.data[a].GetVectorType() == duckdb::VectorType::CONSTANT_VECTOR;
      }
      result.SetVectorType(duckdb::VectorType::FLAT_VECTOR);
      auto* entries = FlatVector::GetData<list_entry_t>(result);
      idx_t total = 0;
      for (idx_t i = 0; i < (constant ? 1 : in.size()); ++i) {
        bool null = false;
        for (auto& x : u) null |= !x.validity.RowIsValid(x.sel->get_index(i));
        entries[i] = {total, 0};
        if (null) {
          FlatVector::SetNull(result, i, true);
          continue;
        }
        auto get = [&](size_t a) { return static_cast<Int128>(UnifiedVectorFormat::GetData<T>(u[a])[u[a].sel->get_index(i)]); };
        Int128 from = get(0), to = get(1), step = stepped ? get(2) : from <= to ? 1 : -1;
        if ((step == 0 && from != to) || (step > 0 && from > to) || (step < 0 && from < to))
          fail("ILLEGAL_SEQUENCE_BOUNDARIES", ErrorKind::kRuntime, {{"start", decimal_string(from, 0)}, {"stop", decimal_string(to, 0)}, {"step", decimal_string(step, 0)}, {"message", "Illegal sequence boundaries: " + decimal_string(from, 0) + " to " + decimal_string(to, 0) + " by " + decimal_string(step, 0)}});
        Int128 n = step == 0 ? 1 : (to - from) / step + 1;
        if (n > 2147483632)
          fail("COLLECTION_SIZE_LIMIT_EXCEEDED.PARAMETER", ErrorKind::kRuntime, {{"numberOfElements", decimal_string(n, 0)}, {"functionName", "`sequence`"}, {"maxRoundedArrayLength", "2147483632"}, {"parameter", "`count`"}});
        ListVector::Reserve(result, total + static_cast<idx_t>(n));
        auto* out = FlatVector::GetData<T>(ListVector::GetEntry(result));
        for (Int128 x = 0; x < n; ++x) out[total + static_cast<idx_t>(x)] = static_cast<T>(from + x * step);
        entries[i].length = static_cast<idx_t>(n);
        total += static_cast<idx_t>(n);
      }
      ListVector::SetListSize(result, total);
      if (constant) result.SetVectorType(duckdb::VectorType::CONSTANT_VECTOR);
    });
  }
}

// sequence of dates or timestamps by an interval.
void time_sequence(Kernels& k, LogicalType type, int kind) {  // 0 date, 1 timestamp, 2 without zone
  add(k, "spark_sequence_time", {type, type, LogicalType::INTERVAL, LogicalType::VARCHAR}, LogicalType::LIST(type), [kind](DataChunk& in, ExpressionState&, Vector& result) {
    constexpr int64_t day = 86'400'000'000;
    UnifiedVectorFormat a, b, s;
    in.data[0].ToUnifiedFormat(in.size(), a);
    in.data[1].ToUnifiedFormat(in.size(), b);
    in.data[2].ToUnifiedFormat(in.size(), s);
    const TimeZone& zone = zone_of(constant_text(in.data[3]));
    bool constant = true;
    for (size_t n = 0; n < 3; ++n) constant &= in.data[n].GetVectorType() == duckdb::VectorType::CONSTANT_VECTOR;
    result.SetVectorType(duckdb::VectorType::FLAT_VECTOR);
    auto* entries = FlatVector::GetData<list_entry_t>(result);
    idx_t total = 0;
    auto get = [&](UnifiedVectorFormat& f, idx_t i) -> int64_t {
      auto at = f.sel->get_index(i);
      if (kind == 0) return UnifiedVectorFormat::GetData<int32_t>(f)[at] * day;
      int64_t t = UnifiedVectorFormat::GetData<int64_t>(f)[at];
      return kind == 1 ? zone.utc_to_local_micros(t) : t;
    };
    for (idx_t i = 0; i < (constant ? 1 : in.size()); ++i) {
      entries[i] = {total, 0};
      if (!a.validity.RowIsValid(a.sel->get_index(i)) || !b.validity.RowIsValid(b.sel->get_index(i)) || !s.validity.RowIsValid(s.sel->get_index(i))) {
        FlatVector::SetNull(result, i, true);
        continue;
      }
      int64_t from = get(a, i), to = get(b, i);
      auto step = UnifiedVectorFormat::GetData<duckdb::interval_t>(s)[s.sel->get_index(i)];
      int64_t months = step.months, micros = step.days * day + step.micros;
      const int64_t direction = months ? months : micros;
      if (direction == 0 ? from != to : direction > 0 ? from > to : from < to)
        fail("ILLEGAL_SEQUENCE_BOUNDARIES", ErrorKind::kRuntime, {{"start", std::to_string(from)}, {"stop", std::to_string(to)}, {"step", std::to_string(direction)}, {"message", "Illegal sequence boundaries: " + std::to_string(from) + " to " + std::to_string(to) + " by " + std::to_string(direction)}});
      std::vector<int64_t> items;
      for (int64_t n = 0;; ++n) {
        int64_t t = from + n * micros;
        if (months) {
          int64_t days = t >= 0 ? t / day : -((-t + day - 1) / day);
          CivilDate d = civil_from_days(days);
          int64_t m = d.year * 12 + d.month - 1 + n * months;
          int64_t y = m >= 0 ? m / 12 : -((-m + 11) / 12);
          int mo = static_cast<int>(m - y * 12) + 1;
          t = days_from_civil(y, mo, std::min(d.day, days_in_month(y, mo))) * day + (t - days * day);
        }
        if (direction >= 0 ? t > to : t < to) break;
        items.push_back(t);
        if (direction == 0) break;
        if (items.size() > 100'000'000) fail("COLLECTION_SIZE_LIMIT_EXCEEDED.PARAMETER", ErrorKind::kRuntime, {{"numberOfElements", std::to_string(items.size())}, {"functionName", "`sequence`"}, {"maxRoundedArrayLength", "2147483632"}, {"parameter", "`count`"}});
      }
      ListVector::Reserve(result, total + items.size());
      Vector& child = ListVector::GetEntry(result);
      for (size_t n = 0; n < items.size(); ++n) {
        if (kind == 0) FlatVector::GetData<int32_t>(child)[total + n] = static_cast<int32_t>(items[n] >= 0 ? items[n] / day : -((-items[n] + day - 1) / day));
        else FlatVector::GetData<int64_t>(child)[total + n] = kind == 1 ? zone.local_to_utc_micros(items[n]) : items[n];
      }
      entries[i].length = items.size();
      total += items.size();
    }
    ListVector::SetListSize(result, total);
    if (constant) result.SetVectorType(duckdb::VectorType::CONSTANT_VECTOR);
  });
}

}  // namespace

void register_lists(Kernels& k) {
  search<bool>(k, "spark_array_contains", [](const Lists& a, const Values& b, idx_t i) -> std::optional<bool> {
    auto e = a.entry(i);
    bool null = false;
    for (idx_t n = e.offset; n < e.offset + e.length; ++n) {
      if (a.null_at(n)) null = true;
      else if (a.key(n) == b.key(i)) return true;
    }
    if (null) return {};
    return false;
  });
  search<int64_t>(k, "spark_array_position", [](const Lists& a, const Values& b, idx_t i) -> std::optional<int64_t> {
    auto e = a.entry(i);
    for (idx_t n = 0; n < e.length; ++n)
      if (!a.null_at(e.offset + n) && a.key(e.offset + n) == b.key(i)) return static_cast<int64_t>(n) + 1;
    return 0;
  });
  add(k, "spark_array_remove", {kAny, kAny}, kAny, [](DataChunk& in, ExpressionState&, Vector& result) {
    Lists a(in.data[0], in.size(), true);
    Values b(in.data[1], in.size());
    const bool constant = a.constant && b.constant;
    ListBuilder out(result, in.size());
    for (idx_t i = 0; i < (constant ? 1 : in.size()); ++i) {
      if (!a.valid(i) || !b.valid(i)) { out.null_row(i); continue; }
      auto e = a.entry(i);
      for (idx_t n = e.offset; n < e.offset + e.length; ++n)
        if (a.null_at(n) || a.key(n) != b.key(i)) out.add(0, n);
      out.end_row(i);
    }
    out.finish({{&ListVector::GetEntry(in.data[0]), a.elements}}, constant);
  }, bind_same);
  // Appending and inserting: the value is a second source.
  for (bool front : {false, true}) {
    add(k, front ? "spark_array_prepend" : "spark_array_append", {kAny, kAny}, kAny, [front](DataChunk& in, ExpressionState&, Vector& result) {
      Lists a(in.data[0], in.size(), false);
      const bool constant = a.constant && in.data[1].GetVectorType() == duckdb::VectorType::CONSTANT_VECTOR;
      ListBuilder out(result, in.size());
      Vector value(in.data[1]);
      value.Flatten(in.size());
      for (idx_t i = 0; i < (constant ? 1 : in.size()); ++i) {
        if (!a.valid(i)) { out.null_row(i); continue; }
        auto e = a.entry(i);
        if (front) out.add(1, i);
        for (idx_t n = 0; n < e.length; ++n) out.add(0, e.offset + n);
        if (!front) out.add(1, i);
        out.end_row(i);
      }
      out.finish({{&ListVector::GetEntry(in.data[0]), a.elements}, {&value, in.size()}}, constant);
    }, bind_same);
  }
  add(k, "spark_array_insert", {kAny, LogicalType::INTEGER, kAny}, kAny, [](DataChunk& in, ExpressionState&, Vector& result) {
    Lists a(in.data[0], in.size(), false);
    UnifiedVectorFormat p;
    in.data[1].ToUnifiedFormat(in.size(), p);
    // Source 1: the values, then one null.
    Vector value(in.data[2].GetType(), in.size() + 1);
    duckdb::VectorOperations::Copy(in.data[2], value, in.size(), 0, 0);
    FlatVector::SetNull(value, in.size(), true);
    ListBuilder out(result, in.size());
    for (idx_t i = 0; i < in.size(); ++i) {
      auto at = p.sel->get_index(i);
      if (!a.valid(i) || !p.validity.RowIsValid(at)) { out.null_row(i); continue; }
      auto e = a.entry(i);
      int64_t pos = UnifiedVectorFormat::GetData<int32_t>(p)[at], size = static_cast<int64_t>(e.length);
      if (pos == 0) fail("INVALID_INDEX_OF_ZERO", ErrorKind::kRuntime, {});
      // -1 inserts at the end (not the legacy meaning).
      int64_t where = pos > 0 ? pos - 1 : size + pos + 1;
      const int64_t gap_before = where < 0 ? -where : 0;
      if (std::max(size, where) + gap_before > 2147483632)
        fail("COLLECTION_SIZE_LIMIT_EXCEEDED.FUNCTION", ErrorKind::kRuntime, {{"numberOfElements", std::to_string(std::max(size, where) + gap_before)}, {"maxRoundedArrayLength", "2147483632"}, {"functionName", "`array_insert`"}});
      if (where < 0) {
        out.add(1, i);
        for (int64_t n = 0; n < gap_before; ++n) out.add(1, in.size());
        where = -1;
      }
      for (int64_t n = 0; n < size; ++n) {
        if (n == where) out.add(1, i);
        out.add(0, e.offset + static_cast<idx_t>(n));
      }
      if (where >= size) {
        for (int64_t n = size; n < where; ++n) out.add(1, in.size());
        out.add(1, i);
      }
      out.end_row(i);
    }
    out.finish({{&ListVector::GetEntry(in.data[0]), a.elements}, {&value, in.size() + 1}}, false);
  }, bind_same);

  combine(k, "spark_array_union", [](const Lists& a, list_entry_t x, const Lists& b, list_entry_t y, ListBuilder& out) {
    KeySet seen;
    for (idx_t n = x.offset; n < x.offset + x.length; ++n) if (seen.insert(a.key(n)).second) out.add(0, n);
    for (idx_t n = y.offset; n < y.offset + y.length; ++n) if (seen.insert(b.key(n)).second) out.add(1, n);
  });
  combine(k, "spark_array_intersect", [](const Lists& a, list_entry_t x, const Lists& b, list_entry_t y, ListBuilder& out) {
    KeySet other, seen;
    for (idx_t n = y.offset; n < y.offset + y.length; ++n) other.insert(b.key(n));
    for (idx_t n = x.offset; n < x.offset + x.length; ++n) if (other.contains(a.key(n)) && seen.insert(a.key(n)).second) out.add(0, n);
  });
  combine(k, "spark_array_except", [](const Lists& a, list_entry_t x, const Lists& b, list_entry_t y, ListBuilder& out) {
    KeySet seen;
    for (idx_t n = y.offset; n < y.offset + y.length; ++n) seen.insert(b.key(n));
    for (idx_t n = x.offset; n < x.offset + x.length; ++n) if (seen.insert(a.key(n)).second) out.add(0, n);
  });
  add(k, "spark_arrays_overlap", {kAny, kAny}, LogicalType::BOOLEAN, [](DataChunk& in, ExpressionState&, Vector& result) {
    Lists a(in.data[0], in.size(), true), b(in.data[1], in.size(), true);
    result.SetVectorType(duckdb::VectorType::FLAT_VECTOR);
    const bool constant = a.constant && b.constant;
    for (idx_t i = 0; i < (constant ? 1 : in.size()); ++i) {
      if (!a.valid(i) || !b.valid(i)) { FlatVector::SetNull(result, i, true); continue; }
      auto x = a.entry(i), y = b.entry(i);
      KeySet set;
      bool null = false, found = false;
      for (idx_t n = x.offset; n < x.offset + x.length; ++n) a.null_at(n) ? void(null = true) : void(set.insert(a.key(n)));
      for (idx_t n = y.offset; n < y.offset + y.length; ++n) b.null_at(n) ? void(null = true) : void(found |= set.contains(b.key(n)));
      if (!found && null && x.length && y.length) FlatVector::SetNull(result, i, true);
      else FlatVector::GetData<bool>(result)[i] = found;
    }
    if (constant) result.SetVectorType(duckdb::VectorType::CONSTANT_VECTOR);
  });

  remake(k, "spark_array_distinct", {kAny}, true, [](const Lists& a, list_entry_t e, auto, auto&, ListBuilder& out) {
    KeySet seen;
    for (idx_t n = e.offset; n < e.offset + e.length; ++n) if (seen.insert(a.key(n)).second) out.add(0, n);
  });
  remake(k, "spark_sort_array", {kAny, LogicalType::BOOLEAN}, true, [](const Lists& a, list_entry_t e, auto at, auto& more, ListBuilder& out) {
    bool ascending = UnifiedVectorFormat::GetData<bool>(more[1])[at(1)];
    for (idx_t n : sorted(a, e, ascending, ascending)) out.add(0, n);
  });
  remake(k, "spark_array_sort", {kAny}, true, [](const Lists& a, list_entry_t e, auto, auto&, ListBuilder& out) {
    for (idx_t n : sorted(a, e, true, false)) out.add(0, n);
  });
  // (array, matrix): matrix[i][j] is the comparator's answer for elements i and j.
  add(k, "spark_array_sort_by", {kAny, LogicalType::LIST(LogicalType::LIST(LogicalType::INTEGER))}, kAny, [](DataChunk& in, ExpressionState&, Vector& result) {
    Lists a(in.data[0], in.size(), false), m(in.data[1], in.size(), false);
    Vector& inner = ListVector::GetEntry(in.data[1]);
    UnifiedVectorFormat rows, cells;
    inner.ToUnifiedFormat(m.elements, rows);
    ListVector::GetEntry(inner).ToUnifiedFormat(ListVector::GetListSize(inner), cells);
    const bool constant = a.constant && m.constant;
    ListBuilder out(result, in.size());
    for (idx_t i = 0; i < (constant ? 1 : in.size()); ++i) {
      if (!a.valid(i)) { out.null_row(i); continue; }
      auto e = a.entry(i), me = m.entry(i);
      std::vector<idx_t> order(e.length);
      for (idx_t n = 0; n < e.length; ++n) order[n] = n;
      // Merge sort asks only for pairs, whatever the comparator answers.
      std::stable_sort(order.begin(), order.end(), [&](idx_t x, idx_t y) {
        auto row = UnifiedVectorFormat::GetData<list_entry_t>(rows)[rows.sel->get_index(me.offset + x)];
        auto cell = cells.sel->get_index(row.offset + y);
        if (!cells.validity.RowIsValid(cell)) fail("COMPARATOR_RETURNS_NULL", ErrorKind::kRuntime, {{"firstValue", "left"}, {"secondValue", "right"}});
        return UnifiedVectorFormat::GetData<int32_t>(cells)[cell] < 0;
      });
      for (idx_t n : order) out.add(0, e.offset + n);
      out.end_row(i);
    }
    out.finish({{&ListVector::GetEntry(in.data[0]), a.elements}}, constant);
  }, bind_same);
  remake(k, "spark_slice", {kAny, LogicalType::INTEGER, LogicalType::INTEGER}, false, [](const Lists&, list_entry_t e, auto at, auto& more, ListBuilder& out) {
    int64_t start = UnifiedVectorFormat::GetData<int32_t>(more[1])[at(1)], length = UnifiedVectorFormat::GetData<int32_t>(more[2])[at(2)], size = static_cast<int64_t>(e.length);
    if (start == 0) fail("INVALID_PARAMETER_VALUE.START", ErrorKind::kRuntime, {{"parameter", "`start`"}, {"functionName", "`slice`"}});
    if (length < 0) fail("INVALID_PARAMETER_VALUE.LENGTH", ErrorKind::kRuntime, {{"parameter", "`length`"}, {"length", std::to_string(length)}, {"functionName", "`slice`"}});
    int64_t from = start > 0 ? start - 1 : size + start;
    if (from < 0) return;
    for (int64_t n = from; n < std::min(size, from + length); ++n) out.add(0, e.offset + static_cast<idx_t>(n));
  });
  remake(k, "spark_shuffle", {kAny, LogicalType::BIGINT}, false, [](const Lists&, list_entry_t e, auto at, auto& more, ListBuilder& out) {
    std::mt19937_64 g(static_cast<uint64_t>(UnifiedVectorFormat::GetData<int64_t>(more[1])[at(1)]));
    std::vector<idx_t> order(e.length);
    for (idx_t n = 0; n < e.length; ++n) order[n] = e.offset + n;
    std::shuffle(order.begin(), order.end(), g);
    for (idx_t n : order) out.add(0, n);
  });
  add(k, "spark_array_repeat", {kAny, LogicalType::INTEGER}, kAny, [](DataChunk& in, ExpressionState&, Vector& result) {
    UnifiedVectorFormat n;
    in.data[1].ToUnifiedFormat(in.size(), n);
    Vector value(in.data[0]);
    value.Flatten(in.size());
    ListBuilder out(result, in.size());
    for (idx_t i = 0; i < in.size(); ++i) {
      auto at = n.sel->get_index(i);
      if (!n.validity.RowIsValid(at)) { out.null_row(i); continue; }
      for (int32_t c = 0; c < UnifiedVectorFormat::GetData<int32_t>(n)[at]; ++c) out.add(0, i);
      out.end_row(i);
    }
    out.finish({{&value, in.size()}}, false);
  }, bind_repeat);
  add(k, "spark_array_concat", {kAny}, kAny, [](DataChunk& in, ExpressionState&, Vector& result) {
    std::vector<duckdb::unique_ptr<Lists>> lists;
    std::vector<std::pair<Vector*, idx_t>> sources;
    bool constant = true;
    for (auto& v : in.data) {
      lists.push_back(duckdb::make_uniq<Lists>(v, in.size(), false));
      sources.emplace_back(&ListVector::GetEntry(v), lists.back()->elements);
      constant &= lists.back()->constant;
    }
    ListBuilder out(result, in.size());
    for (idx_t i = 0; i < (constant ? 1 : in.size()); ++i) {
      if (!std::all_of(lists.begin(), lists.end(), [&](auto& l) { return l->valid(i); })) { out.null_row(i); continue; }
      for (size_t s = 0; s < lists.size(); ++s) {
        auto e = lists[s]->entry(i);
        for (idx_t n = 0; n < e.length; ++n) out.add(s, e.offset + n);
      }
      out.end_row(i);
    }
    out.finish(std::move(sources), constant);
  }, bind_same, true);
  add(k, "spark_flatten", {kAny}, kAny, [](DataChunk& in, ExpressionState&, Vector& result) {
    Lists a(in.data[0], in.size(), false);
    Vector& inner = ListVector::GetEntry(in.data[0]);
    ListBuilder out(result, in.size());
    for (idx_t i = 0; i < (a.constant ? 1 : in.size()); ++i) {
      bool null = !a.valid(i);
      if (!null) {
        auto e = a.entry(i);
        for (idx_t n = e.offset; n < e.offset + e.length; ++n) null |= a.null_at(n);
      }
      if (null) { out.null_row(i); continue; }
      auto e = a.entry(i);
      for (idx_t n = e.offset; n < e.offset + e.length; ++n) {
        auto x = UnifiedVectorFormat::GetData<list_entry_t>(a.child)[a.child.sel->get_index(n)];
        for (idx_t m = 0; m < x.length; ++m) out.add(0, x.offset + m);
      }
      out.end_row(i);
    }
    out.finish({{&ListVector::GetEntry(inner), ListVector::GetListSize(inner)}}, a.constant);
  }, bind_element);

  // Structs of the n-th elements; shorter arrays are filled with null.
  // (a NULL of the result type, array, array …): the names of the fields come with the type.
  add(k, "spark_arrays_zip", {kAny, kAny}, kAny, [](DataChunk& in, ExpressionState&, Vector& result) {
    std::vector<duckdb::unique_ptr<Lists>> lists;
    for (size_t a = 1; a < in.data.size(); ++a) lists.push_back(duckdb::make_uniq<Lists>(in.data[a], in.size(), false));
    result.SetVectorType(duckdb::VectorType::FLAT_VECTOR);
    auto* entries = FlatVector::GetData<list_entry_t>(result);
    idx_t total = 0;
    for (idx_t i = 0; i < in.size(); ++i) {
      entries[i] = {total, 0};
      if (!std::all_of(lists.begin(), lists.end(), [&](auto& l) { return l->valid(i); })) {
        FlatVector::SetNull(result, i, true);
        continue;
      }
      idx_t n = 0;
      for (auto& l : lists) n = std::max<idx_t>(n, l->entry(i).length);
      ListVector::Reserve(result, total + n);
      auto& parts = duckdb::StructVector::GetEntries(ListVector::GetEntry(result));
      for (size_t s = 0; s < lists.size(); ++s) {
        auto e = lists[s]->entry(i);
        if (e.length > 0) {
          SelectionVector sel(e.length);
          for (idx_t x = 0; x < e.length; ++x) sel.set_index(x, e.offset + x);
          duckdb::VectorOperations::Copy(ListVector::GetEntry(in.data[s + 1]), *parts[s], sel, e.length, 0, total);
        }
        for (idx_t x = e.length; x < n; ++x) FlatVector::SetNull(*parts[s], total + x, true);
      }
      entries[i].length = n;
      total += n;
      ListVector::SetListSize(result, total);
    }
  }, [](duckdb::ClientContext&, ScalarFunction& f, duckdb::vector<duckdb::unique_ptr<duckdb::Expression>>& args) -> duckdb::unique_ptr<duckdb::FunctionData> {
    f.SetReturnType(args[0]->return_type);
    return nullptr;
  }, true);
  // percentile(x, p, frequency) over the collected values and frequencies of a group.
  for (bool many : {false, true}) {
    add(k, "spark_percentile_of", {LogicalType::LIST(LogicalType::DOUBLE), LogicalType::LIST(LogicalType::BIGINT), many ? LogicalType::LIST(LogicalType::DOUBLE) : LogicalType::DOUBLE}, many ? LogicalType::LIST(LogicalType::DOUBLE) : LogicalType::DOUBLE, [many](DataChunk& in, ExpressionState&, Vector& result) {
      Lists a(in.data[0], in.size(), false), b(in.data[1], in.size(), false);
      for (idx_t i = 0; i < in.size(); ++i) {
        duckdb::Value out(result.GetType());
        if (a.valid(i) && b.valid(i)) {
          std::vector<std::pair<double, int64_t>> v;
          int64_t total = 0;
          auto e = a.entry(i), f = b.entry(i);
          for (idx_t n = 0; n < e.length; ++n) {
            if (a.null_at(e.offset + n) || b.null_at(f.offset + n)) continue;
            int64_t c = UnifiedVectorFormat::GetData<int64_t>(b.child)[b.child.sel->get_index(f.offset + n)];
            if (c < 0) fail("_LEGACY_ERROR_TEMP_2013", ErrorKind::kSpark, {{"frequencyExpression", "frequency"}});
            if (c == 0) continue;
            v.emplace_back(UnifiedVectorFormat::GetData<double>(a.child)[a.child.sel->get_index(e.offset + n)], c);
            total += c;
          }
          std::sort(v.begin(), v.end());
          auto at = [&](int64_t rank) { for (auto& [x, c] : v) { if (rank < c) return x; rank -= c; } return v.back().first; };
          auto percentile = [&](double p) {
            double position = static_cast<double>(total - 1) * p;
            int64_t low = static_cast<int64_t>(std::floor(position)), high = static_cast<int64_t>(std::ceil(position));
            double x = at(low), y = at(high);
            return x == y || low == high ? x : (static_cast<double>(high) - position) * x + (position - static_cast<double>(low)) * y;
          };
          if (!v.empty()) {
            duckdb::Value p = in.data[2].GetValue(i);
            if (!many) out = duckdb::Value::DOUBLE(percentile(p.GetValue<double>()));
            else {
              duckdb::vector<duckdb::Value> items;
              for (auto& x : duckdb::ListValue::GetChildren(p)) items.push_back(duckdb::Value::DOUBLE(percentile(x.GetValue<double>())));
              out = duckdb::Value::LIST(LogicalType::DOUBLE, std::move(items));
            }
          }
        }
        result.SetValue(i, out);
      }
    });
  }
  for (bool largest : {false, true}) {
    add(k, largest ? "spark_array_max" : "spark_array_min", {kAny}, kAny, [largest](DataChunk& in, ExpressionState&, Vector& result) {
      Lists a(in.data[0], in.size(), true);
      const idx_t count = a.constant ? 1 : in.size();
      SelectionVector sel(std::max<idx_t>(count, 1));
      std::vector<idx_t> nulls;
      for (idx_t i = 0; i < count; ++i) {
        sel.set_index(i, 0);
        bool found = false;
        if (a.valid(i)) {
          auto e = a.entry(i);
          idx_t best = 0;
          for (idx_t n = e.offset; n < e.offset + e.length; ++n) {
            if (a.null_at(n)) continue;
            if (!found || (largest ? a.key(best) < a.key(n) : a.key(n) < a.key(best))) best = n;
            found = true;
          }
          if (found) sel.set_index(i, best);
        }
        if (!found) nulls.push_back(i);
      }
      result.SetVectorType(duckdb::VectorType::FLAT_VECTOR);
      if (a.elements > 0) duckdb::VectorOperations::Copy(ListVector::GetEntry(in.data[0]), result, sel, count, 0, 0);
      for (idx_t i : nulls) FlatVector::SetNull(result, i, true);
      if (a.constant) result.SetVectorType(duckdb::VectorType::CONSTANT_VECTOR);
    }, bind_element);
  }
  // Position in a sorted array, else -(where it would be) - 1: the steps of Java's Arrays.binarySearch, duplicates included.
  search<int32_t>(k, "spark_array_binary_search", [](Lists& a, Values& b, idx_t i) {
    auto e = a.entry(i);
    int64_t low = 0, high = static_cast<int64_t>(e.length) - 1;
    while (low <= high) {
      int64_t middle = (low + high) / 2;
      int order = a.key(e.offset + static_cast<idx_t>(middle)).compare(b.key(i));
      if (order == 0) return static_cast<int32_t>(middle);
      if (order < 0) low = middle + 1;
      else high = middle - 1;
    }
    return static_cast<int32_t>(-(low + 1));
  });
  // All of the most frequent elements, in ascending order; nulls count as one value.
  add(k, "spark_most_frequent", {kAny}, kAny, [](DataChunk& in, ExpressionState&, Vector& result) {
    Lists a(in.data[0], in.size(), true);
    ListBuilder out(result, in.size());
    for (idx_t i = 0; i < (a.constant ? 1 : in.size()); ++i) {
      if (!a.valid(i)) {
        out.null_row(i);
        continue;
      }
      std::map<std::string_view, std::pair<idx_t, idx_t>> counts;  // key -> how often, the first place
      auto e = a.entry(i);
      idx_t most = 0;
      for (idx_t n = e.offset; n < e.offset + e.length; ++n) {
        auto& c = counts.try_emplace(a.key(n), 0, n).first->second;
        most = std::max(most, ++c.first);
      }
      for (auto& [key, c] : counts)
        if (c.first == most) out.add(0, c.second);
      out.end_row(i);
    }
    out.finish({{&ListVector::GetEntry(in.data[0]), a.elements}}, a.constant);
  }, bind_same);
  // mode(x, true): the smallest of the most frequent.
  add(k, "spark_mode_lowest", {kAny}, kAny, [](DataChunk& in, ExpressionState&, Vector& result) {
    Lists a(in.data[0], in.size(), true);
    const idx_t count = a.constant ? 1 : in.size();
    SelectionVector sel(std::max<idx_t>(count, 1));
    std::vector<idx_t> nulls;
    for (idx_t i = 0; i < count; ++i) {
      sel.set_index(i, 0);
      std::map<std::string_view, std::pair<idx_t, idx_t>> counts;
      if (a.valid(i)) {
        auto e = a.entry(i);
        for (idx_t n = e.offset; n < e.offset + e.length; ++n)
          if (!a.null_at(n)) { auto& c = counts[a.key(n)]; ++c.first; c.second = n; }
      }
      idx_t most = 0;
      for (auto& [key, c] : counts) if (c.first > most) { most = c.first; sel.set_index(i, c.second); }
      if (!most) nulls.push_back(i);
    }
    result.SetVectorType(duckdb::VectorType::FLAT_VECTOR);
    if (a.elements > 0) duckdb::VectorOperations::Copy(ListVector::GetEntry(in.data[0]), result, sel, count, 0, 0);
    for (idx_t i : nulls) FlatVector::SetNull(result, i, true);
    if (a.constant) result.SetVectorType(duckdb::VectorType::CONSTANT_VECTOR);
  }, bind_element);

  for (auto type : {LogicalType::INTEGER, LogicalType::BIGINT}) {
    element(k, "spark_get", type, [](int64_t i, int64_t size) { return i < 0 || i >= size ? int64_t(-1) : i; });
    element(k, "spark_get_array_item", type, [](int64_t i, int64_t size) {
      if (i < 0 || i >= size) bad_index("INVALID_ARRAY_INDEX", i, size);
      return i;
    });
    element(k, "spark_element_at", type, [](int64_t i, int64_t size) { return from_one(i, size, true); });
    element(k, "spark_try_element_at", type, [](int64_t i, int64_t size) { return from_one(i, size, false); });
  }

  // Answers of a predicate for every element, to one answer with three values.
  for (bool all : {false, true}) {
    add(k, all ? "spark_forall" : "spark_exists", {LogicalType::LIST(LogicalType::BOOLEAN)}, LogicalType::BOOLEAN, [all](DataChunk& in, ExpressionState&, Vector& result) {
      Lists a(in.data[0], in.size(), false);
      result.SetVectorType(duckdb::VectorType::FLAT_VECTOR);
      for (idx_t i = 0; i < (a.constant ? 1 : in.size()); ++i) {
        bool null = false, decided = false;
        if (a.valid(i)) {
          auto e = a.entry(i);
          for (idx_t n = e.offset; n < e.offset + e.length && !decided; ++n) {
            if (a.null_at(n)) null = true;
            else decided = UnifiedVectorFormat::GetData<bool>(a.child)[a.child.sel->get_index(n)] != all;
          }
        }
        if (!a.valid(i) || (null && !decided)) FlatVector::SetNull(result, i, true);
        else FlatVector::GetData<bool>(result)[i] = decided != all;
      }
      if (a.constant) result.SetVectorType(duckdb::VectorType::CONSTANT_VECTOR);
    });
  }
  for (bool with_null : {false, true}) {
    duckdb::vector<LogicalType> types = {LogicalType::LIST(LogicalType::VARCHAR), LogicalType::VARCHAR};
    if (with_null) types.push_back(LogicalType::VARCHAR);
    add(k, "spark_array_join", types, LogicalType::VARCHAR, [with_null](DataChunk& in, ExpressionState&, Vector& result) {
      Lists a(in.data[0], in.size(), false);
      std::vector<UnifiedVectorFormat> u(in.ColumnCount());
      for (size_t n = 1; n < u.size(); ++n) in.data[n].ToUnifiedFormat(in.size(), u[n]);
      result.SetVectorType(duckdb::VectorType::FLAT_VECTOR);
      std::string out;
      for (idx_t i = 0; i < in.size(); ++i) {
        bool null = !a.valid(i);
        for (size_t n = 1; n < u.size(); ++n) null |= !u[n].validity.RowIsValid(u[n].sel->get_index(i));
        if (null) { FlatVector::SetNull(result, i, true); continue; }
        auto text = [&](UnifiedVectorFormat& f, idx_t at) {
          const auto& s = UnifiedVectorFormat::GetData<duckdb::string_t>(f)[at];
          return std::string_view(s.GetData(), s.GetSize());
        };
        out.clear();
        bool first = true;
        auto e = a.entry(i);
        for (idx_t n = e.offset; n < e.offset + e.length; ++n) {
          const bool none = a.null_at(n);
          if (none && !with_null) continue;
          if (!first) out += text(u[1], u[1].sel->get_index(i));
          first = false;
          out += none ? text(u[2], u[2].sel->get_index(i)) : text(a.child, a.child.sel->get_index(n));
        }
        FlatVector::GetData<duckdb::string_t>(result)[i] = duckdb::StringVector::AddString(result, out);
      }
    });
  }
  sequence<int8_t>(k);
  sequence<int16_t>(k);
  sequence<int32_t>(k);
  sequence<int64_t>(k);
  time_sequence(k, LogicalType::DATE, 0);
  time_sequence(k, LogicalType::TIMESTAMP_TZ, 1);
  time_sequence(k, LogicalType::TIMESTAMP, 2);
}

}  // namespace tarn::engine::kernels
