#pragma once
// Plain values as Python's pickle, protocol 3: what the planner's workers read with pickle.loads.
#include <cstdint>
#include <string>
#include <string_view>

namespace tarn::python {

// Writes one object, parts first: a list is begin_list(), its items, end_list().
class Pickle {
 public:
  Pickle() : bytes_("\x80\x03", 2) {}
  void none() { bytes_ += 'N'; }
  void boolean(bool v) { bytes_ += v ? '\x88' : '\x89'; }
  void integer(int64_t v);
  void real(double v);
  void text(std::string_view utf8);
  void binary(std::string_view bytes);
  void decimal(std::string_view digits);                 // decimal.Decimal("1.50")
  void begin_list() { bytes_ += "]("; }
  void end_list() { bytes_ += 'e'; }
  void begin_dict() { bytes_ += "}("; }                  // keys and values in turn
  void end_dict() { bytes_ += 'u'; }
  void begin_row(std::string_view schema_json);          // pyspark's Row of that struct: the fields follow
  void end_row() { bytes_ += "tR"; }
  // The pickle.
  std::string take();

 private:
  void little(uint64_t v, int bytes);
  std::string bytes_;
};

}  // namespace tarn::python
