#pragma once
// Aggregates whose state is an object on the heap: sketches.
//
//   struct Build {
//     explicit Build(const SketchConstants& c);                 // the values of the constant arguments
//     void add(const SketchInput& in, duckdb::idx_t row);       // one row; null arguments are the callee's affair
//     void merge(Build& other);                                 // other is not used again
//     std::string result();
//   };
//   add_sketch_aggregate<Build>(k, "spark_theta_build", {BIGINT, INTEGER});
#include <algorithm>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "duckdb/execution/expression_executor.hpp"
#include "duckdb/function/aggregate_function.hpp"
#include "engine/kernels/kernel.h"

namespace tarn::engine::kernels {

// By argument; a NULL value where the argument is no constant.
using SketchConstants = std::vector<duckdb::Value>;

class SketchInput {
 public:
  SketchInput(duckdb::Vector inputs[], duckdb::idx_t arguments, duckdb::idx_t rows) : formats_(arguments) {
    for (duckdb::idx_t i = 0; i < arguments; ++i) inputs[i].ToUnifiedFormat(rows, formats_[i]);
  }
  bool null(size_t argument, duckdb::idx_t row) const {
    const auto& f = formats_[argument];
    return !f.validity.RowIsValid(f.sel->get_index(row));
  }
  template <class T> T get(size_t argument, duckdb::idx_t row) const {
    const auto& f = formats_[argument];
    return duckdb::UnifiedVectorFormat::GetData<T>(f)[f.sel->get_index(row)];
  }
  std::string_view bytes(size_t argument, duckdb::idx_t row) const {
    const auto& f = formats_[argument];
    const auto& s = duckdb::UnifiedVectorFormat::GetData<duckdb::string_t>(f)[f.sel->get_index(row)];
    return {s.GetData(), s.GetSize()};
  }

 private:
  std::vector<duckdb::UnifiedVectorFormat> formats_;
};

namespace detail {

struct SketchConstantsData : duckdb::FunctionData {
  SketchConstants values;
  duckdb::unique_ptr<FunctionData> Copy() const override {
    auto copy = duckdb::make_uniq<SketchConstantsData>();
    copy->values = values;
    return copy;
  }
  // NULL stands for what is no constant, which Value's == does not compare.
  bool Equals(const FunctionData& other) const override {
    const auto& o = other.Cast<SketchConstantsData>().values;
    return std::equal(values.begin(), values.end(), o.begin(), o.end(), [](const duckdb::Value& a, const duckdb::Value& b) {
      return a.type() == b.type() && duckdb::Value::NotDistinctFrom(a, b);
    });
  }
};

template <class A> struct SketchState {
  A* sketch;
  A& get(duckdb::AggregateInputData& data) {
    if (!sketch) sketch = new A(data.bind_data->Cast<SketchConstantsData>().values);
    return *sketch;
  }
};

}  // namespace detail

template <class A> void add_sketch_aggregate(Kernels& k, const char* name, duckdb::vector<duckdb::LogicalType> arguments) {
  using State = detail::SketchState<A>;
  using duckdb::AggregateInputData;
  using duckdb::idx_t;
  using duckdb::Vector;
  duckdb::AggregateFunction f(
      name, arguments, duckdb::LogicalType::BLOB, [](const duckdb::AggregateFunction&) -> idx_t { return sizeof(State); },
      [](const duckdb::AggregateFunction&, duckdb::data_ptr_t state) { reinterpret_cast<State*>(state)->sketch = nullptr; },
      [](Vector inputs[], AggregateInputData& data, idx_t arguments, Vector& states, idx_t count) {
        SketchInput in(inputs, arguments, count);
        duckdb::UnifiedVectorFormat format;
        states.ToUnifiedFormat(count, format);
        auto** at = duckdb::UnifiedVectorFormat::GetDataNoConst<State*>(format);
        for (idx_t i = 0; i < count; ++i) at[format.sel->get_index(i)]->get(data).add(in, i);
      },
      [](Vector& source, Vector& target, AggregateInputData& data, idx_t count) {
        duckdb::UnifiedVectorFormat format;
        source.ToUnifiedFormat(count, format);
        auto** from = duckdb::UnifiedVectorFormat::GetDataNoConst<State*>(format);
        auto** to = duckdb::FlatVector::GetData<State*>(target);
        for (idx_t i = 0; i < count; ++i) {
          State& s = *from[format.sel->get_index(i)];
          if (!s.sketch) continue;
          if (!to[i]->sketch && data.combine_type == duckdb::AggregateCombineType::ALLOW_DESTRUCTIVE) std::swap(to[i]->sketch, s.sketch);
          else to[i]->get(data).merge(*s.sketch);
        }
      },
      [](Vector& states, AggregateInputData& data, Vector& result, idx_t count, idx_t offset) {
        duckdb::UnifiedVectorFormat format;
        states.ToUnifiedFormat(count, format);
        auto** at = duckdb::UnifiedVectorFormat::GetDataNoConst<State*>(format);
        if (states.GetVectorType() == duckdb::VectorType::CONSTANT_VECTOR) {
          result.SetVectorType(duckdb::VectorType::CONSTANT_VECTOR);
          duckdb::ConstantVector::GetData<duckdb::string_t>(result)[0] = duckdb::StringVector::AddStringOrBlob(result, at[0]->get(data).result());
          return;
        }
        result.SetVectorType(duckdb::VectorType::FLAT_VECTOR);
        auto* out = duckdb::FlatVector::GetData<duckdb::string_t>(result);
        for (idx_t i = 0; i < count; ++i) out[i + offset] = duckdb::StringVector::AddStringOrBlob(result, at[format.sel->get_index(i)]->get(data).result());
      },
      duckdb::FunctionNullHandling::SPECIAL_HANDLING,
      [](Vector inputs[], AggregateInputData& data, idx_t arguments, duckdb::data_ptr_t state, idx_t count) {
        SketchInput in(inputs, arguments, count);
        A& sketch = reinterpret_cast<State*>(state)->get(data);
        for (idx_t i = 0; i < count; ++i) sketch.add(in, i);
      },
      [](duckdb::ClientContext& context, duckdb::AggregateFunction&, duckdb::vector<duckdb::unique_ptr<duckdb::Expression>>& args) -> duckdb::unique_ptr<duckdb::FunctionData> {
        auto bound = duckdb::make_uniq<detail::SketchConstantsData>();
        for (auto& a : args) bound->values.push_back(a->IsFoldable() ? duckdb::ExpressionExecutor::EvaluateScalar(context, *a) : duckdb::Value(a->return_type));
        return bound;
      },
      [](Vector& states, AggregateInputData&, idx_t count) {
        auto** at = duckdb::FlatVector::GetData<State*>(states);
        for (idx_t i = 0; i < count; ++i) {
          delete at[i]->sketch;
          at[i]->sketch = nullptr;
        }
      });
  k.add(std::move(f));
}

}  // namespace tarn::engine::kernels
