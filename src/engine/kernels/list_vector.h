#pragma once
// List columns as kernels read and build them. Elements are compared through DuckDB's sort keys: bytes that order as Spark orders
// values (nulls first, NaN equal to itself and above all, -0.0 equal to 0.0), so one implementation serves every element type.
#include <algorithm>
#include <string_view>
#include <utility>
#include <vector>

#include "duckdb.hpp"
#include "duckdb/function/create_sort_key.hpp"

namespace tarn::engine::kernels {

using duckdb::FlatVector;
using duckdb::idx_t;
using duckdb::list_entry_t;
using duckdb::ListVector;
using duckdb::LogicalType;
using duckdb::SelectionVector;
using duckdb::UnifiedVectorFormat;
using duckdb::Vector;

// A list column's rows and the sort keys of all its elements.
struct Lists {
  Vector& vector;
  UnifiedVectorFormat rows;
  idx_t elements;
  bool constant;
  UnifiedVectorFormat child;
  duckdb::unique_ptr<Vector> keys;

  Lists(Vector& v, idx_t count, bool with_keys) : vector(v) {
    constant = v.GetVectorType() == duckdb::VectorType::CONSTANT_VECTOR;
    v.ToUnifiedFormat(count, rows);
    elements = ListVector::GetListSize(v);
    Vector& c = ListVector::GetEntry(v);
    c.ToUnifiedFormat(elements, child);
    if (with_keys) keys = make_keys(c, elements);
  }
  static duckdb::unique_ptr<Vector> make_keys(Vector& v, idx_t n) {
    auto k = duckdb::make_uniq<Vector>(LogicalType::BLOB, std::max<idx_t>(n, 1));
    if (n > 0) {
      duckdb::CreateSortKeyHelpers::CreateSortKey(v, n, duckdb::OrderModifiers(duckdb::OrderType::ASCENDING, duckdb::OrderByNullType::NULLS_FIRST), *k);
      k->Flatten(n);
    }
    return k;
  }
  bool valid(idx_t i) const { return rows.validity.RowIsValid(rows.sel->get_index(i)); }
  list_entry_t entry(idx_t i) const { return UnifiedVectorFormat::GetData<list_entry_t>(rows)[rows.sel->get_index(i)]; }
  bool null_at(idx_t e) const { return !child.validity.RowIsValid(child.sel->get_index(e)); }
  std::string_view key(idx_t e) const {
    const auto& s = FlatVector::GetData<duckdb::string_t>(*keys)[e];
    return {s.GetData(), s.GetSize()};
  }
};

// A value column's rows and their keys.
struct Values {
  UnifiedVectorFormat rows;
  duckdb::unique_ptr<Vector> keys;
  bool constant;
  Values(Vector& v, idx_t count) {
    constant = v.GetVectorType() == duckdb::VectorType::CONSTANT_VECTOR;
    v.ToUnifiedFormat(count, rows);
    Vector copy(v);
    keys = Lists::make_keys(copy, count);
  }
  bool valid(idx_t i) const { return rows.validity.RowIsValid(rows.sel->get_index(i)); }
  std::string_view key(idx_t i) const {
    const auto& s = FlatVector::GetData<duckdb::string_t>(*keys)[i];
    return {s.GetData(), s.GetSize()};
  }
};

// Builds a list column out of elements of one or two source vectors.
class ListBuilder {
 public:
  ListBuilder(Vector& result, idx_t rows) : result_(result) {
    result.SetVectorType(duckdb::VectorType::FLAT_VECTOR);
    entries_ = FlatVector::GetData<list_entry_t>(result);
    (void)rows;
  }
  void add(size_t source, idx_t element) { picks_.push_back({source, element}); }
  void end_row(idx_t row) {
    entries_[row] = {begin_, picks_.size() - begin_};
    begin_ = picks_.size();
  }
  void null_row(idx_t row) {
    FlatVector::SetNull(result_, row, true);
    entries_[row] = {begin_, 0};
  }
  // sources: the vectors elements were picked from and their sizes.
  void finish(std::vector<std::pair<Vector*, idx_t>> sources, bool constant) {
    ListVector::Reserve(result_, picks_.size());
    Vector& child = ListVector::GetEntry(result_);
    // Runs of one source are copied together.
    for (size_t i = 0; i < picks_.size();) {
      size_t e = i;
      while (e < picks_.size() && picks_[e].first == picks_[i].first) ++e;
      SelectionVector sel(e - i);
      for (size_t n = i; n < e; ++n) sel.set_index(n - i, picks_[n].second);
      duckdb::VectorOperations::Copy(*sources[picks_[i].first].first, child, sel, e - i, 0, i);
      i = e;
    }
    ListVector::SetListSize(result_, picks_.size());
    if (constant) result_.SetVectorType(duckdb::VectorType::CONSTANT_VECTOR);
  }

 private:
  Vector& result_;
  list_entry_t* entries_;
  std::vector<std::pair<size_t, idx_t>> picks_;
  idx_t begin_ = 0;
};

}  // namespace tarn::engine::kernels
