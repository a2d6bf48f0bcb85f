#pragma once
// Writes values as XML, as Woodstox does for Spark. Source: StaxXmlGenerator, IndentingXMLStreamWriter.
#include <string>
#include <string_view>
#include <vector>

#include "duckdb/common/types/vector.hpp"
#include "engine/xml/options.h"
#include "plan/types.h"

namespace tarn::engine::xml {

class Writer {
 public:
  // Throws SparkError for names that XML does not allow (validateName) and options that cannot be. options must outlive this.
  explicit Writer(const XmlOptions& options);
  // Where all that follows is appended.
  void to(std::string& out) { out_ = &out; }
  // Declaration and root element of a file; what follows are its rows.
  void begin_document();
  void end_document();
  // A value of a struct type: <rowTag>…</rowTag>. Or its fields, each a column.
  void row(const plan::DataType& type, const duckdb::RecursiveUnifiedVectorFormat& data, duckdb::idx_t row);
  void row(const plan::DataType& type, const std::vector<const duckdb::RecursiveUnifiedVectorFormat*>& fields, duckdb::idx_t row);

 private:
  using Data = duckdb::RecursiveUnifiedVectorFormat;
  using Row = duckdb::idx_t;
  void start(std::string_view name);
  void end(std::string_view name);
  void attribute(std::string_view name, std::string_view value);
  void characters(std::string_view text);
  void close_tag();
  void indent();
  void check_name(std::string_view name);
  bool is_attribute(std::string_view name) const { return name.starts_with(o_.attribute_prefix) && name != o_.value_tag; }
  void child(std::string_view name, const plan::DataType& type, const Data& data, Row row);
  void child_element(std::string_view name, const plan::DataType& type, const Data& data, Row row);
  void element(const plan::DataType& type, const Data& data, Row row);
  void fields(const plan::DataType& type, const std::vector<const Data*>& fields, Row row);
  void end_row();
  std::string text(const plan::DataType& type, const Data& data, Row row) const;

  const XmlOptions& o_;
  std::string* out_ = nullptr;
  int depth_ = 0;
  bool tag_open_ = false;            // "<a" waits for attributes, ">" or "/>"
  bool inside_with_child_ = false;   // IndentingXMLStreamWriter's: the element that ends has elements in it
};

}  // namespace tarn::engine::xml
