#pragma once
// Writes JSON values into DuckDB vectors by a Spark schema, with Spark's partial results. Source: JacksonParser.
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "duckdb/common/types/vector.hpp"
#include "engine/sources/json_format.h"

namespace tarn::engine::sources {

// kPartial: written, but some part of it could not be converted and is null. kFailed: nothing written.
enum class JsonResult { kOk, kPartial, kFailed };

// One per thread.
class JsonConverter {
 public:
  // Throws SparkError for types that cannot be read from JSON here.
  JsonConverter(const plan::DataType& type, const JsonOptions& options);
  ~JsonConverter();
  JsonConverter(JsonConverter&&) noexcept;

  // Reads the value at the cursor into row `row`; null and kFailed leave a null. Bytes of strings stay where they are if stable.
  JsonResult read(JsonCursor& cursor, duckdb::Vector& vector, size_t row, bool stable) { return value(*root_, cursor, vector, row, stable); }
  // A struct that is a whole record, at its '{': what could be read of it is always kept.
  JsonResult read_record(JsonCursor& cursor, duckdb::Vector& vector, size_t row, bool stable) { return object(*root_, cursor, vector, row, stable, true); }

  struct Node;

 private:
  JsonResult value(Node& node, JsonCursor& cursor, duckdb::Vector& vector, size_t row, bool stable);
  JsonResult text(Node& node, std::string_view text, bool in_place, duckdb::Vector& vector, size_t row);
  JsonResult number(Node& node, std::string_view text, JsonCursor::Number kind, duckdb::Vector& vector, size_t row);
  JsonResult object(Node& node, JsonCursor& cursor, duckdb::Vector& vector, size_t row, bool stable, bool keep_partial);
  JsonResult map(Node& node, JsonCursor& cursor, duckdb::Vector& vector, size_t row, bool stable);
  JsonResult array(Node& node, JsonCursor& cursor, duckdb::Vector& vector, size_t row, bool stable);

  const JsonOptions& options_;
  std::unique_ptr<Node> root_;
};

// The fields of an object by name, guessing that they come in the same order each time.
class FieldFinder {
 public:
  void add(const std::string& name) {
    names_.push_back(name);
    index_.emplace(names_.back(), names_.size() - 1);
  }
  size_t size() const { return names_.size(); }
  // -1: no such field.
  int find(std::string_view name) {
    if (next_ < names_.size() && names_[next_] == name) return static_cast<int>(next_++);
    auto it = index_.find(name);
    if (it == index_.end()) return -1;
    next_ = it->second + 1;
    return static_cast<int>(it->second);
  }
  void restart() { next_ = 0; }

 private:
  struct Hash {
    using is_transparent = void;
    size_t operator()(std::string_view s) const { return std::hash<std::string_view>()(s); }
  };
  std::vector<std::string> names_;
  std::unordered_map<std::string, size_t, Hash, std::equal_to<>> index_;
  size_t next_ = 0;
};

}  // namespace tarn::engine::sources
