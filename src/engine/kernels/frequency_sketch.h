#pragma once
// Apache DataSketches' frequent items sketch (Misra and Gries, with purges by the median), with the count of nulls that Spark's
// approx_top_k keeps beside it. Layout, growth, purges and order of iteration are those of ItemsSketch, because the order of items
// that are equally frequent, and the bytes, depend on them.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tarn::engine::kernels {

// What the items are: how they are hashed in Java and written.
struct ItemKind {
  enum class Form : uint8_t { kBoolean, kNumber, kLong, kDouble, kText, kDecimal };
  Form form = Form::kLong;
  uint8_t tag = 0;      // kNumber, decimals of up to 9 digits: which Java number it is written as
  bool decimal = false; // its hash is java.math.BigDecimal's
  int scale = 0;
  bool operator==(const ItemKind&) const = default;

  static constexpr uint8_t kByte = 2, kShort = 3, kFloat = 6, kInteger = 9;
  // Of an item's type as Spark's DDL names it: "INT", "DECIMAL(10,2)" …; nothing for a type that is not supported.
  static std::optional<ItemKind> of(std::string_view type);
};

class FrequencySketch {
 public:
  // max_items: as in approx_top_k(…, maxItemsTracked).
  FrequencySketch(ItemKind kind, int64_t max_items);
  // Throws std::invalid_argument for bytes that are no such sketch.
  FrequencySketch(ItemKind kind, std::string_view bytes);

  // Items are their values in little endian (a boolean: one byte; a decimal of more than 18 digits: big endian, as short as can be).
  void add(const std::string& item, int64_t count = 1);
  void add_nulls(int64_t count) { nulls_ += count; }
  void merge(const FrequencySketch& other);
  bool empty() const { return active_ == 0 && nulls_ == 0; }
  // The k most frequent items, null among them (an empty optional), most frequent first.
  std::vector<std::pair<std::optional<std::string>, int64_t>> top(size_t k) const;
  std::string bytes() const;

 private:
  struct Cell {
    std::string item;
    int64_t count = 0;
    int16_t drift = 0;  // 1 + the distance from where its hash points; 0: empty
  };
  void put(const std::string& item, int64_t count);
  void erase(size_t cell);
  int64_t purge();
  template <class F> void each(F f) const;  // in strides of the golden ratio
  size_t capacity() const { return cells_.size() * 3 / 4; }

  ItemKind kind_;
  int lg_max_ = 3;
  std::vector<Cell> cells_;
  size_t active_ = 0;
  int64_t offset_ = 0, weight_ = 0, nulls_ = 0;
};

}  // namespace tarn::engine::kernels
