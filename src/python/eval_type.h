#pragma once
// PySpark's PythonEvalType: what kind of function a worker is asked to run. Source: pyspark.util.PythonEvalType of 4.2.
namespace tarn::python::eval_type {

constexpr int kPickled = 100, kArrowBatched = 101, kScalarPandas = 200, kGroupedMapPandas = 201, kGroupedAggPandas = 202, kWindowAggPandas = 203,
              kScalarPandasIter = 204, kMapPandasIter = 205, kCogroupedMapPandas = 206, kMapArrowIter = 207, kGroupedMapPandasWithState = 208, kGroupedMapArrow = 209,
              kCogroupedMapArrow = 210, kStatefulPandas = 211, kStatefulPandasInitial = 212, kStatefulRow = 213, kStatefulRowInitial = 214, kGroupedMapArrowIter = 215, kGroupedMapPandasIter = 216, kGroupedAggPandasIter = 217, kScalarArrow = 250,
              kScalarArrowIter = 251, kGroupedAggArrow = 252, kWindowAggArrow = 253, kGroupedAggArrowIter = 254, kTablePickled = 300,
              kTableArrowBatched = 301, kTableArrow = 302;

constexpr bool is_scalar(int t) {
  return t == kPickled || t == kArrowBatched || t == kScalarPandas || t == kScalarPandasIter || t == kScalarArrow || t == kScalarArrowIter;
}
// One call sees all batches: results come when it likes.
constexpr bool is_iterator(int t) { return t == kScalarPandasIter || t == kScalarArrowIter || t == kMapPandasIter || t == kMapArrowIter; }
constexpr bool is_grouped_aggregate(int t) {
  return t == kGroupedAggPandas || t == kGroupedAggPandasIter || t == kGroupedAggArrow || t == kGroupedAggArrowIter;
}
constexpr bool is_table(int t) { return t == kTablePickled || t == kTableArrowBatched || t == kTableArrow; }
// A stateful processor; with the rows of an initial state before those of the input or without.
constexpr bool is_stateful(int t) { return t >= kStatefulPandas && t <= kStatefulRowInitial; }
constexpr bool has_initial_state(int t) { return t == kStatefulPandasInitial || t == kStatefulRowInitial; }
// The rows travel as one struct column.
constexpr bool is_wrapped(int t) {
  return t == kMapPandasIter || t == kMapArrowIter || t == kGroupedMapArrow || t == kGroupedMapArrowIter;
}
// The result is one struct column whose fields are the columns.
constexpr bool is_struct_result(int t) {
  return t == kMapPandasIter || t == kMapArrowIter || t == kGroupedMapPandas || t == kGroupedMapPandasIter || t == kGroupedMapArrow ||
         t == kGroupedMapArrowIter || t == kCogroupedMapPandas || t == kCogroupedMapArrow || is_stateful(t) || is_table(t);
}
// A grouped aggregate function over a window.
constexpr int in_window(int t) { return t == kGroupedAggPandas ? kWindowAggPandas : t == kGroupedAggArrow ? kWindowAggArrow : t; }

}  // namespace tarn::python::eval_type
