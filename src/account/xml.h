#pragma once
// The little XML that the blob service speaks: writing answers, and reading block lists, access policies and key requests.
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tarn::account {

std::string xml_escaped(std::string_view text);
// "<name>escaped text</name>".
std::string xml_element(std::string_view name, std::string_view text);
// False if the text has characters that XML 1.0 cannot hold even escaped.
bool fits_xml(std::string_view text);

struct XmlNode {
  std::string name, text;             // text: what stands directly in it, without the space around
  std::vector<XmlNode> children;      // in their order
  const XmlNode* child(std::string_view name) const;
  std::string text_of(std::string_view name) const;   // "" if missing
};

// Elements, text, the five entities, character references, comments and a declaration. No DTD, hence no entities of the document's own;
// at most 16 levels. StorageError InvalidXmlDocument.
XmlNode parse_xml(std::string_view text);

}  // namespace tarn::account
