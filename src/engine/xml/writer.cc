#include "engine/xml/writer.h"

#include <libxml/tree.h>

#include "base/spark_error.h"
#include "engine/datetime_format.h"
#include "engine/datetime_parse.h"
#include "engine/kernels/value_text.h"
#include "engine/time_zone.h"

namespace tarn::engine::xml {

using kernels::is_null;
using kernels::value;
using plan::DataType;
using plan::TypeId;

Writer::Writer(const XmlOptions& options) : o_(options) {
  if (o_.attribute_prefix.empty())
    throw SparkError::Plain(ErrorKind::kIllegalArgument, "requirement failed: 'attributePrefix' option should not be empty string.");
}

void Writer::close_tag() {
  if (tag_open_) *out_ += '>';
  tag_open_ = false;
}

void Writer::indent() {
  close_tag();
  for (int i = 0; i < depth_; ++i) *out_ += o_.indent;
}

void Writer::check_name(std::string_view name) {
  if (o_.validate_name && xmlValidateNameValue(reinterpret_cast<const xmlChar*>(std::string(name).c_str())) == 0)
    throw SparkError::Plain(ErrorKind::kSpark, "Illegal name in XML output: '" + std::string(name) + "'");
}

void Writer::start(std::string_view name) {
  if (!o_.indent.empty()) {
    if (depth_ > 0) characters("\n");
    inside_with_child_ = false;
    indent();
    ++depth_;
  }
  close_tag();
  check_name(name);
  *out_ += '<';
  *out_ += name;
  tag_open_ = true;
}

void Writer::end(std::string_view name) {
  if (!o_.indent.empty()) {
    --depth_;
    if (inside_with_child_) {
      characters("\n");
      indent();
    }
    inside_with_child_ = true;
  }
  if (tag_open_) {
    *out_ += "/>";
    tag_open_ = false;
    return;
  }
  *out_ += "</";
  *out_ += name;
  *out_ += '>';
}

void Writer::attribute(std::string_view name, std::string_view v) {
  check_name(name);
  *out_ += ' ';
  *out_ += name;
  *out_ += "=\"";
  for (char c : v) {
    switch (c) {
      case '<': *out_ += "&lt;"; break;
      case '&': *out_ += "&amp;"; break;
      case '"': *out_ += "&quot;"; break;
      case '\n': *out_ += "&#xa;"; break;
      case '\t': *out_ += "&#x9;"; break;
      case '\r': *out_ += "&#xd;"; break;
      default: *out_ += c;
    }
  }
  *out_ += '"';
}

void Writer::characters(std::string_view v) {
  close_tag();
  for (size_t i = 0; i < v.size(); ++i) {
    switch (v[i]) {
      case '<': *out_ += "&lt;"; break;
      case '&': *out_ += "&amp;"; break;
      case '\r': *out_ += "&#xd;"; break;
      // Only what could end a CDATA section.
      case '>': *out_ += i == 0 || v[i - 1] == ']' ? "&gt;" : ">"; break;
      default: *out_ += v[i];
    }
  }
}

void Writer::begin_document() {
  if (!o_.declaration.empty()) {
    *out_ += "<?xml " + o_.declaration + "?>";
    characters("\n");
  }
  // The root tag may carry attributes: rows foo='bar'.
  std::string_view rest = o_.root_tag;
  auto word = [&]() {
    auto space = rest.find(' ');
    auto w = rest.substr(0, space);
    rest.remove_prefix(space == std::string_view::npos ? rest.size() : space + 1);
    return w;
  };
  start(word());
  while (!rest.empty()) {
    auto kv = word();
    auto eq = kv.find('=');
    if (eq == std::string_view::npos) throw SparkError::Plain(ErrorKind::kIllegalArgument, "the attribute " + std::string(kv) + " of 'rootTag' has no value");
    std::string v(kv.substr(eq + 1));
    std::erase(v, '\'');
    std::erase(v, '"');
    attribute(kv.substr(0, eq), v);
  }
  if (o_.indent.empty()) characters("\n");
}

void Writer::end_document() {
  auto space = o_.root_tag.find(' ');
  end(std::string_view(o_.root_tag).substr(0, space));
}

void Writer::end_row() {
  if (o_.indent.empty()) characters("\n");
  close_tag();
}

void Writer::row(const DataType& type, const Data& data, Row row) {
  child_element(o_.row_tag, type, data, row);
  end_row();
}

void Writer::row(const DataType& type, const std::vector<const Data*>& columns, Row row) {
  start(o_.row_tag);
  fields(type, columns, row);
  end(o_.row_tag);
  end_row();
}

// Attributes come before anything else.
void Writer::fields(const DataType& type, const std::vector<const Data*>& columns, Row row) {
  for (bool attributes : {true, false})
    for (size_t i = 0; i < columns.size(); ++i) {
      const auto& f = type.fields()[i];
      if (is_attribute(f.name) == attributes) child(f.name, f.type(), *columns[i], row);
    }
}

void Writer::child_element(std::string_view name, const DataType& type, const Data& data, Row row) {
  const bool null = is_null(data, row) || type.id() == TypeId::kNull;
  if (null && !o_.null_value) return;
  if (name == o_.value_tag) {
    element(type, data, row);
    return;
  }
  start(name);
  element(type, data, row);
  end(name);
}

void Writer::child(std::string_view name, const DataType& type, const Data& data, Row row) {
  const bool null = is_null(data, row) || type.id() == TypeId::kNull;
  if (is_attribute(name)) {
    const auto bare = name.substr(o_.attribute_prefix.size());
    if (!null) attribute(bare, text(type, data, row));
    else if (o_.null_value) attribute(bare, *o_.null_value);
    return;
  }
  if (type.id() == TypeId::kArray && !null) {
    const auto& e = value<duckdb::list_entry_t>(data, row);
    for (Row i = 0; i < e.length; ++i) child_element(name, type.element(), data.children[0], e.offset + i);
    return;
  }
  child_element(name, type, data, row);
}

void Writer::element(const DataType& type, const Data& data, Row row) {
  if (is_null(data, row) || type.id() == TypeId::kNull) {
    characters(o_.null_value.value_or(""));
    return;
  }
  switch (type.id()) {
    case TypeId::kArray: {
      const auto& e = value<duckdb::list_entry_t>(data, row);
      for (Row i = 0; i < e.length; ++i) child(o_.array_element, type.element(), data.children[0], e.offset + i);
      return;
    }
    case TypeId::kMap: {
      const auto& e = value<duckdb::list_entry_t>(data, row);
      const auto& entry = data.children[0];
      for (bool attributes : {true, false})
        for (Row i = 0; i < e.length; ++i) {
          const Row r = kernels::at(entry, e.offset + i);
          std::string key = text(type.key(), entry.children[0], r);
          if (is_attribute(key) == attributes) child(key, type.value(), entry.children[1], r);
        }
      return;
    }
    case TypeId::kStruct: {
      std::vector<const Data*> columns;
      for (const auto& c : data.children) columns.push_back(&c);
      fields(type, columns, kernels::at(data, row));
      return;
    }
    case TypeId::kUdt: element(type.sql_type(), data, row); return;
    default: characters(text(type, data, row));
  }
}

std::string Writer::text(const DataType& type, const Data& data, Row row) const {
  std::string s;
  switch (type.id()) {
    case TypeId::kTimestamp: o_.written_timestamp->format_timestamp(value<int64_t>(data, row), *o_.datetime.zone, s); break;
    case TypeId::kTimestampNtz: o_.written_timestamp_ntz->format_timestamp_ntz(value<int64_t>(data, row), s); break;
    case TypeId::kDate: o_.written_date->format_date(value<int32_t>(data, row), s); break;
    case TypeId::kTime:
      if (o_.written_time) o_.written_time->format_time(value<int64_t>(data, row), s);
      else append_time(value<int64_t>(data, row), s);
      break;
    case TypeId::kBinary: {
      // As Spark shows binary where nothing else is set: [41 42 43].
      const auto& bytes = value<duckdb::string_t>(data, row);
      static constexpr char kHex[] = "0123456789ABCDEF";
      s = "[";
      for (duckdb::idx_t i = 0; i < bytes.GetSize(); ++i) {
        const auto b = static_cast<unsigned char>(bytes.GetData()[i]);
        if (i) s += ' ';
        s += kHex[b >> 4];
        s += kHex[b & 15];
      }
      s += "]";
      break;
    }
    case TypeId::kVariant: throw not_built("writing VARIANT as XML");
    default: kernels::append_text(type, data, row, kernels::TextStyle{o_.datetime.zone}, s);
  }
  return s;
}

}  // namespace tarn::engine::xml
