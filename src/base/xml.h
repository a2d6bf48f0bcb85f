#pragma once
// The little XML that object stores speak: elements with text, found by name. Not a validating parser; no DTDs, hence no entities of the
// document's own; attributes are read over.
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tarn {

struct XmlElement {
  std::string name;  // without a namespace prefix
  std::string text;  // what stands directly in it, references replaced
  std::vector<XmlElement> children;

  const XmlElement* find(std::string_view child) const;
  std::string text_of(std::string_view child) const;  // "" if there is none
};

// The root element; nothing if the text is not well-formed UTF-8, is nested deeper than 64 or has more elements than that.
std::optional<XmlElement> parse_xml(std::string_view text, size_t max_elements = 1'000'000);
// For text between tags and in attributes.
std::string xml_escape(std::string_view text);
// "<name>escaped text</name>".
std::string xml_element(std::string_view name, std::string_view text);
// False if the text has characters that XML 1.0 cannot hold even escaped.
bool fits_xml(std::string_view text);

}  // namespace tarn
