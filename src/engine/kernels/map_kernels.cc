// Maps: built with Spark's checks of null and duplicate keys. A map is DuckDB's list of key-value structs.
#include <algorithm>
#include <unordered_map>

#include "duckdb/function/create_sort_key.hpp"
#include "engine/kernels/decimal_vector.h"
#include "engine/kernels/kernel_error.h"

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
using duckdb::SelectionVector;
using duckdb::StructVector;
using duckdb::UnifiedVectorFormat;
using duckdb::Vector;

// A column that keys or values are picked from.
struct Source {
  Vector* vector;
  idx_t size;
  UnifiedVectorFormat format;
  duckdb::unique_ptr<Vector> keys;
  Source(Vector& v, idx_t n, bool with_keys) : vector(&v), size(n) {
    v.ToUnifiedFormat(n, format);
    if (with_keys && n > 0) {
      keys = duckdb::make_uniq<Vector>(LogicalType::BLOB, n);
      duckdb::CreateSortKeyHelpers::CreateSortKey(v, n, duckdb::OrderModifiers(duckdb::OrderType::ASCENDING, duckdb::OrderByNullType::NULLS_FIRST), *keys);
      keys->Flatten(n);
    }
  }
  bool null(idx_t i) const { return !format.validity.RowIsValid(format.sel->get_index(i)); }
  std::string_view key(idx_t i) const {
    const auto& s = FlatVector::GetData<duckdb::string_t>(*keys)[i];
    return {s.GetData(), s.GetSize()};
  }
};

class MapBuilder {
 public:
  MapBuilder(Vector& result, std::vector<Source>& keys, std::vector<Source>& values, std::string_view policy)
      : result_(result), keys_(keys), values_(values), last_wins_(policy == "LAST_WIN") {
    result.SetVectorType(duckdb::VectorType::FLAT_VECTOR);
    entries_ = FlatVector::GetData<list_entry_t>(result);
  }
  void add(size_t ks, idx_t k, size_t vs, idx_t v) {
    if (keys_[ks].null(k)) fail("NULL_MAP_KEY", ErrorKind::kRuntime, {});
    auto [it, fresh] = seen_.try_emplace(keys_[ks].key(k), picked_keys_.size());
    if (fresh) {
      picked_keys_.emplace_back(ks, k);
      picked_values_.emplace_back(vs, v);
      return;
    }
    if (!last_wins_) fail("DUPLICATED_MAP_KEY", ErrorKind::kRuntime, {{"key", keys_[ks].vector->GetValue(k).ToString()}, {"mapKeyDedupPolicy", "\"spark.sql.mapKeyDedupPolicy\""}});
    picked_values_[it->second] = {vs, v};
  }
  void end_row(idx_t row) {
    entries_[row] = {begin_, picked_keys_.size() - begin_};
    begin_ = picked_keys_.size();
    seen_.clear();
  }
  void null_row(idx_t row) {
    FlatVector::SetNull(result_, row, true);
    entries_[row] = {begin_, 0};
  }
  void finish(bool constant) {
    ListVector::Reserve(result_, picked_keys_.size());
    auto& parts = StructVector::GetEntries(ListVector::GetEntry(result_));
    copy(keys_, picked_keys_, *parts[0]);
    copy(values_, picked_values_, *parts[1]);
    ListVector::SetListSize(result_, picked_keys_.size());
    if (constant) result_.SetVectorType(duckdb::VectorType::CONSTANT_VECTOR);
  }

 private:
  using Picks = std::vector<std::pair<size_t, idx_t>>;
  static void copy(std::vector<Source>& sources, const Picks& picks, Vector& to) {
    for (size_t i = 0; i < picks.size();) {
      size_t e = i;
      while (e < picks.size() && picks[e].first == picks[i].first) ++e;
      SelectionVector sel(e - i);
      for (size_t n = i; n < e; ++n) sel.set_index(n - i, picks[n].second);
      duckdb::VectorOperations::Copy(*sources[picks[i].first].vector, to, sel, e - i, 0, i);
      i = e;
    }
  }
  Vector& result_;
  std::vector<Source>&keys_, &values_;
  bool last_wins_;
  list_entry_t* entries_;
  std::unordered_map<std::string_view, size_t> seen_;
  Picks picked_keys_, picked_values_;
  idx_t begin_ = 0;
};

LogicalType child_of(const LogicalType& list) { return duckdb::ListType::GetChildType(list); }

void add(Kernels& k, const char* name, duckdb::vector<LogicalType> types, duckdb::scalar_function_t f, duckdb::bind_scalar_function_t bind, bool varargs = false) {
  ScalarFunction s(name, std::move(types), LogicalType::MAP(LogicalType::INTEGER, LogicalType::INTEGER), std::move(f), bind);
  if (varargs) s.SetVarArgs(LogicalType::ANY);
  s.SetFallible();
  s.SetNullHandling(duckdb::FunctionNullHandling::SPECIAL_HANDLING);
  k.add(std::move(s));
}

using Args = duckdb::vector<duckdb::unique_ptr<duckdb::Expression>>;

}  // namespace

void register_maps(Kernels& k) {
  const LogicalType any = LogicalType::ANY, text = LogicalType::VARCHAR;
  // (policy, key, value, key, value …)
  add(k, "spark_map", {text}, [](DataChunk& in, ExpressionState&, Vector& result) {
    std::vector<Source> keys, values;
    bool constant = true;
    for (size_t a = 1; a < in.ColumnCount(); ++a) {
      constant &= in.data[a].GetVectorType() == duckdb::VectorType::CONSTANT_VECTOR;
      (a % 2 ? keys : values).emplace_back(in.data[a], in.size(), a % 2 == 1);
    }
    MapBuilder out(result, keys, values, constant_text(in.data[0]));
    for (idx_t i = 0; i < (constant ? 1 : in.size()); ++i) {
      for (size_t n = 0; n < keys.size(); ++n) out.add(n, i, n, i);
      out.end_row(i);
    }
    out.finish(constant);
  }, [](duckdb::ClientContext&, ScalarFunction& f, Args& args) -> duckdb::unique_ptr<duckdb::FunctionData> {
    f.SetReturnType(LogicalType::MAP(args[1]->return_type, args[2]->return_type));
    return nullptr;
  }, true);
  add(k, "spark_map_from_arrays", {any, any, text}, [](DataChunk& in, ExpressionState&, Vector& result) {
    UnifiedVectorFormat a, b;
    in.data[0].ToUnifiedFormat(in.size(), a);
    in.data[1].ToUnifiedFormat(in.size(), b);
    std::vector<Source> keys, values;
    keys.emplace_back(ListVector::GetEntry(in.data[0]), ListVector::GetListSize(in.data[0]), true);
    values.emplace_back(ListVector::GetEntry(in.data[1]), ListVector::GetListSize(in.data[1]), false);
    MapBuilder out(result, keys, values, constant_text(in.data[2]));
    for (idx_t i = 0; i < in.size(); ++i) {
      auto x = a.sel->get_index(i), y = b.sel->get_index(i);
      if (!a.validity.RowIsValid(x) || !b.validity.RowIsValid(y)) { out.null_row(i); continue; }
      auto ke = UnifiedVectorFormat::GetData<list_entry_t>(a)[x], ve = UnifiedVectorFormat::GetData<list_entry_t>(b)[y];
      if (ke.length != ve.length) fail("INVALID_PARAMETER_VALUE.LENGTH", ErrorKind::kRuntime, {{"parameter", "`keys`"}, {"length", std::to_string(ke.length)}, {"functionName", "`map_from_arrays`"}});
      for (idx_t n = 0; n < ke.length; ++n) out.add(0, ke.offset + n, 0, ve.offset + n);
      out.end_row(i);
    }
    out.finish(false);
  }, [](duckdb::ClientContext&, ScalarFunction& f, Args& args) -> duckdb::unique_ptr<duckdb::FunctionData> {
    f.SetReturnType(LogicalType::MAP(child_of(args[0]->return_type), child_of(args[1]->return_type)));
    return nullptr;
  });
  add(k, "spark_map_from_entries", {any, text}, [](DataChunk& in, ExpressionState&, Vector& result) {
    UnifiedVectorFormat a, entry;
    in.data[0].ToUnifiedFormat(in.size(), a);
    const idx_t size = ListVector::GetListSize(in.data[0]);
    Vector child(ListVector::GetEntry(in.data[0]));
    child.Flatten(size);
    child.ToUnifiedFormat(size, entry);
    auto& parts = StructVector::GetEntries(child);
    std::vector<Source> keys, values;
    keys.emplace_back(*parts[0], size, true);
    values.emplace_back(*parts[1], size, false);
    MapBuilder out(result, keys, values, constant_text(in.data[1]));
    for (idx_t i = 0; i < in.size(); ++i) {
      auto x = a.sel->get_index(i);
      bool null = !a.validity.RowIsValid(x);
      list_entry_t e{0, 0};
      if (!null) {
        e = UnifiedVectorFormat::GetData<list_entry_t>(a)[x];
        for (idx_t n = e.offset; n < e.offset + e.length; ++n) null |= !entry.validity.RowIsValid(entry.sel->get_index(n));
      }
      if (null) { out.null_row(i); continue; }
      for (idx_t n = e.offset; n < e.offset + e.length; ++n) out.add(0, n, 0, n);
      out.end_row(i);
    }
    out.finish(false);
  }, [](duckdb::ClientContext&, ScalarFunction& f, Args& args) -> duckdb::unique_ptr<duckdb::FunctionData> {
    LogicalType pair = child_of(args[0]->return_type);
    f.SetReturnType(LogicalType::MAP(duckdb::StructType::GetChildType(pair, 0), duckdb::StructType::GetChildType(pair, 1)));
    return nullptr;
  });
  // (policy, map, map …)
  add(k, "spark_map_concat", {text}, [](DataChunk& in, ExpressionState&, Vector& result) {
    std::vector<Source> keys, values;
    std::vector<UnifiedVectorFormat> u(in.ColumnCount());
    for (size_t a = 1; a < in.ColumnCount(); ++a) {
      in.data[a].ToUnifiedFormat(in.size(), u[a]);
      const idx_t size = ListVector::GetListSize(in.data[a]);
      Vector& child = ListVector::GetEntry(in.data[a]);
      child.Flatten(size);
      auto& parts = StructVector::GetEntries(child);
      keys.emplace_back(*parts[0], size, true);
      values.emplace_back(*parts[1], size, false);
    }
    MapBuilder out(result, keys, values, constant_text(in.data[0]));
    for (idx_t i = 0; i < in.size(); ++i) {
      bool null = false;
      for (size_t a = 1; a < u.size(); ++a) null |= !u[a].validity.RowIsValid(u[a].sel->get_index(i));
      if (null) { out.null_row(i); continue; }
      for (size_t a = 1; a < u.size(); ++a) {
        auto e = UnifiedVectorFormat::GetData<list_entry_t>(u[a])[u[a].sel->get_index(i)];
        for (idx_t n = e.offset; n < e.offset + e.length; ++n) out.add(a - 1, n, a - 1, n);
      }
      out.end_row(i);
    }
    out.finish(false);
  }, [](duckdb::ClientContext&, ScalarFunction& f, Args& args) -> duckdb::unique_ptr<duckdb::FunctionData> {
    f.SetReturnType(args[1]->return_type);
    return nullptr;
  }, true);
}

}  // namespace tarn::engine::kernels
