#pragma once
// Rows of state: as PySpark pickles them, as typed values, and as the bytes that a store keeps.
#include <string>
#include <string_view>

#include "plan/types.h"
#include "plan/value.h"

namespace tarn::python {
class Pickle;
}

namespace tarn::engine::python_functions {

// A value as PySpark's types hold it inside: dates as days, timestamps as microseconds. Source: EvaluatePython.toJava.
void pickle(const plan::Value& value, const plan::DataType& type, python::Pickle& out);
// A pickled row as a value of the struct type: a value of another type than declared is null, numbers are narrowed as Java does.
// Throws SparkError (what no row of this type is). Source: EvaluatePython.makeFromJava.
plan::Value unpickled_row(std::string_view bytes, const plan::DataType& type);

// Bytes of a value; the same value has the same bytes, and no value's bytes begin another's. They sort as values do that are numbers, texts
// and structs of such.
std::string encode(const plan::Value& value, const plan::DataType& type);
// What was encoded. Throws INTERNAL_ERROR for other bytes.
plan::Value decode(std::string_view bytes, const plan::DataType& type);

}  // namespace tarn::engine::python_functions
