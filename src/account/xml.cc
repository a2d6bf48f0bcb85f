#include "account/xml.h"

#include <charconv>

#include "account/error.h"
#include "base/encoding.h"

namespace tarn::account {
namespace {

constexpr int kMaxDepth = 16;
constexpr size_t kMaxNodes = 200'000;

class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text) {}

  XmlNode document() {
    if (text_.starts_with("\xEF\xBB\xBF")) at_ = 3;
    misc();
    XmlNode root = element(0);
    misc();
    if (at_ != text_.size()) fail();
    return root;
  }

 private:
  [[noreturn]] void fail() { throw StorageError("InvalidXmlDocument"); }
  bool starts(std::string_view s) const { return text_.substr(at_).starts_with(s); }
  void space() {
    while (at_ < text_.size() && std::string_view(" \t\r\n").find(text_[at_]) != std::string_view::npos) ++at_;
  }
  void skip_to(std::string_view end) {
    size_t found = text_.find(end, at_);
    if (found == std::string_view::npos) fail();
    at_ = found + end.size();
  }
  void misc() {
    for (;;) {
      space();
      if (starts("<?")) skip_to("?>");
      else if (starts("<!--")) skip_to("-->");
      else return;
    }
  }
  std::string name() {
    size_t from = at_;
    while (at_ < text_.size() && (std::isalnum(static_cast<unsigned char>(text_[at_])) || std::string_view("_-.:").find(text_[at_]) != std::string_view::npos)) ++at_;
    if (at_ == from) fail();
    return std::string(text_.substr(from, at_ - from));
  }
  void reference(std::string* out) {
    size_t end = text_.find(';', at_);
    if (end == std::string_view::npos || end - at_ > 10) fail();
    std::string_view entity = text_.substr(at_ + 1, end - at_ - 1);
    at_ = end + 1;
    if (entity == "amp") *out += '&';
    else if (entity == "lt") *out += '<';
    else if (entity == "gt") *out += '>';
    else if (entity == "quot") *out += '"';
    else if (entity == "apos") *out += '\'';
    else if (entity.starts_with("#")) {
      bool hex = entity.size() > 1 && entity[1] == 'x';
      std::string_view digits = entity.substr(hex ? 2 : 1);
      unsigned code = 0;
      auto [stop, ec] = std::from_chars(digits.data(), digits.data() + digits.size(), code, hex ? 16 : 10);
      if (ec != std::errc() || stop != digits.data() + digits.size() || code == 0 || code > 0x10FFFF || (code >= 0xD800 && code < 0xE000)) fail();
      if (code < 0x80) *out += static_cast<char>(code);
      else if (code < 0x800) *out += {static_cast<char>(0xC0 | code >> 6), static_cast<char>(0x80 | (code & 63))};
      else if (code < 0x10000) *out += {static_cast<char>(0xE0 | code >> 12), static_cast<char>(0x80 | (code >> 6 & 63)), static_cast<char>(0x80 | (code & 63))};
      else *out += {static_cast<char>(0xF0 | code >> 18), static_cast<char>(0x80 | (code >> 12 & 63)), static_cast<char>(0x80 | (code >> 6 & 63)), static_cast<char>(0x80 | (code & 63))};
    } else {
      fail();
    }
  }
  XmlNode element(int depth) {
    if (depth > kMaxDepth || ++nodes_ > kMaxNodes || !starts("<")) fail();
    ++at_;
    XmlNode node;
    node.name = name();
    for (;;) {  // attributes are read over: nothing that we take has any that matters
      space();
      if (starts("/>")) {
        at_ += 2;
        return node;
      }
      if (starts(">")) break;
      name();
      space();
      if (!starts("=")) fail();
      ++at_;
      space();
      if (!starts("\"") && !starts("'")) fail();
      char quote = text_[at_++];
      skip_to(std::string_view(&quote, 1));
    }
    ++at_;
    std::string raw;
    for (;;) {
      if (at_ >= text_.size()) fail();
      if (starts("</")) break;
      if (starts("<!--")) skip_to("-->");
      else if (starts("<![CDATA[")) {
        at_ += 9;
        size_t end = text_.find("]]>", at_);
        if (end == std::string_view::npos) fail();
        raw += text_.substr(at_, end - at_);
        at_ = end + 3;
      } else if (text_[at_] == '<') node.children.push_back(element(depth + 1));
      else if (text_[at_] == '&') reference(&raw);
      else raw += text_[at_++];
    }
    at_ += 2;
    if (name() != node.name) fail();
    space();
    if (!starts(">")) fail();
    ++at_;
    size_t a = raw.find_first_not_of(" \t\r\n"), b = raw.find_last_not_of(" \t\r\n");
    if (a != std::string::npos) node.text = raw.substr(a, b - a + 1);
    return node;
  }

  std::string_view text_;
  size_t at_ = 0, nodes_ = 0;
};

}  // namespace

std::string xml_escaped(std::string_view text) {
  std::string out;
  for (char c : text) {
    switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&quot;"; break;
      case '\r': out += "&#xD;"; break;
      case '\n': out += "&#xA;"; break;
      case '\t': out += "&#x9;"; break;
      default: out += c;
    }
  }
  return out;
}

std::string xml_element(std::string_view name, std::string_view text) {
  std::string n(name);
  return "<" + n + ">" + xml_escaped(text) + "</" + n + ">";
}

bool fits_xml(std::string_view text) {
  for (size_t i = 0; i < text.size(); ++i) {
    unsigned char c = static_cast<unsigned char>(text[i]);
    if (c < 0x20 && c != '\t' && c != '\n' && c != '\r') return false;
    if (c == 0xEF && i + 2 < text.size() && static_cast<unsigned char>(text[i + 1]) == 0xBF && static_cast<unsigned char>(text[i + 2]) >= 0xBE) return false;
  }
  return true;
}

const XmlNode* XmlNode::child(std::string_view wanted) const {
  for (const auto& c : children) {
    if (c.name == wanted) return &c;
  }
  return nullptr;
}

std::string XmlNode::text_of(std::string_view wanted) const {
  const XmlNode* c = child(wanted);
  return c ? c->text : "";
}

XmlNode parse_xml(std::string_view text) {
  if (!is_utf8(text)) throw StorageError("InvalidXmlDocument");
  return Reader(text).document();
}

}  // namespace tarn::account
