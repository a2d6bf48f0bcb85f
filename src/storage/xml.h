#pragma once
// What object stores answer in XML: elements with text, found by name. Not a validating parser; no DTDs, no external entities.
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tarn::storage {

struct XmlElement {
  std::string name;  // without a namespace prefix
  std::string text;  // of the element itself, entities replaced
  std::vector<XmlElement> children;

  const XmlElement* find(std::string_view child) const;
  std::string text_of(std::string_view child) const;  // "" if there is none
};

// The root element; nothing if the text is not well-formed or nested deeper than 64.
std::optional<XmlElement> parse_xml(std::string_view text);
// For text between tags.
std::string xml_escape(std::string_view text);

}  // namespace tarn::storage
