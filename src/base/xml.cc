#include "base/xml.h"

#include <charconv>
#include <cstdint>

#include "base/encoding.h"

namespace tarn {
namespace {

constexpr int kMaxDepth = 64;

void append_utf8(std::string& out, uint32_t c) {
  if (c < 0x80) {
    out += static_cast<char>(c);
  } else if (c < 0x800) {
    out += static_cast<char>(0xC0 | c >> 6);
    out += static_cast<char>(0x80 | (c & 63));
  } else if (c < 0x10000) {
    out += static_cast<char>(0xE0 | c >> 12);
    out += static_cast<char>(0x80 | (c >> 6 & 63));
    out += static_cast<char>(0x80 | (c & 63));
  } else {
    out += static_cast<char>(0xF0 | c >> 18);
    out += static_cast<char>(0x80 | (c >> 12 & 63));
    out += static_cast<char>(0x80 | (c >> 6 & 63));
    out += static_cast<char>(0x80 | (c & 63));
  }
}

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }
bool ends_name(char c) { return is_space(c) || std::string_view("<>/=&'\"").find(c) != std::string_view::npos; }

class Parser {
 public:
  Parser(std::string_view text, size_t max_elements) : s_(text), left_(max_elements) {}

  bool document(XmlElement& root) {
    if (s_.starts_with("\xEF\xBB\xBF")) at_ = 3;
    return misc() && looking_at("<") && element(root, 0) && misc() && at_ == s_.size();
  }

 private:
  bool looking_at(std::string_view t) const { return s_.substr(at_).starts_with(t); }
  bool skip_past(std::string_view t) {
    size_t i = s_.find(t, at_);
    if (i == std::string_view::npos) return false;
    at_ = i + t.size();
    return true;
  }
  void space() {
    while (at_ < s_.size() && is_space(s_[at_])) ++at_;
  }
  // White space, declarations and comments between elements.
  bool misc() {
    for (;;) {
      space();
      if (looking_at("<?")) {
        if (!skip_past("?>")) return false;
      } else if (looking_at("<!--")) {
        if (!skip_past("-->")) return false;
      } else {
        return true;
      }
    }
  }
  std::string_view name() {
    size_t from = at_;
    while (at_ < s_.size() && !ends_name(s_[at_])) ++at_;
    return s_.substr(from, at_ - from);
  }

  bool reference(std::string& out) {
    size_t end = s_.find(';', at_);
    if (end == std::string_view::npos || end - at_ > 12) return false;
    std::string_view name = s_.substr(at_ + 1, end - at_ - 1);
    at_ = end + 1;
    if (name == "amp") out += '&';
    else if (name == "lt") out += '<';
    else if (name == "gt") out += '>';
    else if (name == "quot") out += '"';
    else if (name == "apos") out += '\'';
    else if (name.starts_with('#')) {
      bool hex = name.size() > 1 && name[1] == 'x';
      auto digits = name.substr(hex ? 2 : 1);
      uint32_t c = 0;
      auto [p, error] = std::from_chars(digits.data(), digits.data() + digits.size(), c, hex ? 16 : 10);
      if (error != std::errc() || p != digits.data() + digits.size() || c == 0 || c > 0x10FFFF || (c >= 0xD800 && c < 0xE000)) return false;
      append_utf8(out, c);
    } else {
      return false;
    }
    return true;
  }

  // At "<".
  bool element(XmlElement& e, int depth) {
    if (depth > kMaxDepth || left_-- == 0) return false;
    ++at_;
    std::string_view full = name();
    if (full.empty()) return false;
    e.name = std::string(full.substr(full.find(':') + 1));  // npos + 1 is 0
    for (;;) {
      space();
      if (looking_at("/>")) {
        at_ += 2;
        return true;
      }
      if (looking_at(">")) break;
      if (name().empty()) return false;
      space();
      if (!looking_at("=")) return false;
      ++at_;
      space();
      if (!looking_at("\"") && !looking_at("'")) return false;
      char quote = s_[at_++];
      if (!skip_past(std::string_view(&quote, 1))) return false;
    }
    ++at_;
    for (;;) {
      if (at_ >= s_.size()) return false;
      if (looking_at("</")) break;
      if (s_[at_] == '&') {
        if (!reference(e.text)) return false;
      } else if (s_[at_] != '<') {
        e.text += s_[at_++];
      } else if (looking_at("<![CDATA[")) {
        at_ += 9;
        size_t end = s_.find("]]>", at_);
        if (end == std::string_view::npos) return false;
        e.text.append(s_.substr(at_, end - at_));
        at_ = end + 3;
      } else if (looking_at("<!--")) {
        if (!skip_past("-->")) return false;
      } else {
        e.children.emplace_back();
        if (!element(e.children.back(), depth + 1)) return false;
      }
    }
    at_ += 2;
    if (name() != full) return false;
    space();
    if (!looking_at(">")) return false;
    ++at_;
    return true;
  }

  std::string_view s_;
  size_t at_ = 0, left_;
};

}  // namespace

const XmlElement* XmlElement::find(std::string_view child) const {
  for (const auto& c : children) {
    if (c.name == child) return &c;
  }
  return nullptr;
}

std::string XmlElement::text_of(std::string_view child) const {
  auto* c = find(child);
  return c ? c->text : "";
}

std::optional<XmlElement> parse_xml(std::string_view text, size_t max_elements) {
  XmlElement root;
  if (!is_utf8(text) || !Parser(text, max_elements).document(root)) return std::nullopt;
  return root;
}

std::string xml_escape(std::string_view text) {
  std::string out;
  for (char c : text) {
    switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&quot;"; break;
      default:
        // Line ends too: written plainly they would be read as another one.
        if (static_cast<unsigned char>(c) < 0x20) out += "&#" + std::to_string(static_cast<int>(c)) + ";";
        else out += c;
    }
  }
  return out;
}

std::string xml_element(std::string_view name, std::string_view text) {
  std::string n(name);
  return "<" + n + ">" + xml_escape(text) + "</" + n + ">";
}

bool fits_xml(std::string_view text) {
  for (size_t i = 0; i < text.size(); ++i) {
    auto c = static_cast<unsigned char>(text[i]);
    if (c < 0x20 && c != '\t' && c != '\n' && c != '\r') return false;
    if (c == 0xEF && i + 2 < text.size() && static_cast<unsigned char>(text[i + 1]) == 0xBF && static_cast<unsigned char>(text[i + 2]) >= 0xBE) return false;
  }
  return true;
}

}  // namespace tarn
