#pragma once
// Plain values out of Python's pickle, protocols 2 to 5: what PySpark's StructType.toInternal leaves in a row.
#include <cstdint>
#include <deque>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace tarn::python {

struct Pickled {
  // kList: a list, tuple or set. kDict: keys and values in turn. kObject: of a class without a meaning here; text is its name.
  enum class Kind : uint8_t { kNone, kBoolean, kInteger, kBigInteger, kReal, kText, kBinary, kDecimal, kList, kDict, kObject } kind = Kind::kNone;
  bool boolean = false;
  int64_t integer = 0;
  double real = 0;
  std::string text;                     // kText (UTF-8), kBinary, kDecimal (its digits)
  std::vector<const Pickled*> items;
};

// The bytes are no pickle, or hold an object that is made of arguments (but for decimal.Decimal).
struct UnpickleError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// One object and all that it holds. Objects may hold each other: whoever walks them counts how deep.
class Unpickled {
 public:
  explicit Unpickled(std::string_view bytes);   // throws UnpickleError
  const Pickled& value() const { return *value_; }

 private:
  std::deque<Pickled> nodes_;
  const Pickled* value_ = nullptr;
};

}  // namespace tarn::python
