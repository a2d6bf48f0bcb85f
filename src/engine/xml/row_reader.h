#pragma once
// Reads elements into values of a Spark schema. Source: StaxXmlParser.
#include <optional>
#include <string>
#include <vector>

#include "duckdb/common/types/value.hpp"
#include "engine/xml/events.h"
#include "engine/xml/options.h"
#include "plan/types.h"

namespace tarn::engine::xml {

// A value of the record's own element is none of its type: the record makes no row, but the document goes on.
struct BadRecord {};

// Not thread-safe, but for distinct instances.
class RowReader {
 public:
  // schema: a struct, without the column for corrupt records. Throws SparkError for types that XML cannot hold.
  RowReader(const plan::DataType& schema, const XmlOptions& options);
  ~RowReader();
  RowReader(RowReader&&) noexcept;

  struct Row {
    std::vector<duckdb::Value> values;   // one per field
    bool partial = false;                // some value could not be converted: it and what stood behind it are null
  };
  // The element at the cursor, whose start event is the next one. Throws Malformed, BadRecord.
  Row read(Events& events);

  struct Node;

 private:
  using Attributes = std::vector<std::pair<std::string, std::string>>;
  Row object(Events& events, const Node& node, const Attributes& root_attributes);
  duckdb::Value object_with_attributes(Events& events, const Node& node, const std::string& element, const Attributes& attributes);
  duckdb::Value field(Events& events, const Node& node, const std::string& element, const Attributes& attributes);
  duckdb::Value map(Events& events, const Node& node, const Attributes& attributes);
  duckdb::Value convert(std::string_view text, const Node& node);
  std::vector<std::pair<std::string, std::optional<std::string>>> attribute_values(const Attributes& attributes) const;
  std::optional<size_t> field_index(const Node& node, std::string_view name) const;
  void skip_children(Events& events, std::string_view element);
  void skip_end(Events& events, std::string_view element);
  std::string inside(Events& events, const std::string& element);

  const XmlOptions& o_;
  std::unique_ptr<Node> root_;
};

}  // namespace tarn::engine::xml
