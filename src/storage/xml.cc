#include "storage/xml.h"

#include <charconv>

namespace tarn::storage {
namespace {

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
  } else if (c < 0x110000) {
    out += static_cast<char>(0xF0 | c >> 18);
    out += static_cast<char>(0x80 | (c >> 12 & 63));
    out += static_cast<char>(0x80 | (c >> 6 & 63));
    out += static_cast<char>(0x80 | (c & 63));
  }
}

class Parser {
 public:
  explicit Parser(std::string_view text) : s_(text) {}

  std::optional<XmlElement> document() {
    if (s_.starts_with("\xEF\xBB\xBF")) at_ = 3;
    if (!skip_misc() || !looking_at("<")) return std::nullopt;
    XmlElement root;
    if (!element(root, 0)) return std::nullopt;
    return root;
  }

 private:
  bool looking_at(std::string_view t) const { return s_.substr(at_).starts_with(t); }
  bool skip_past(std::string_view t) {
    size_t i = s_.find(t, at_);
    if (i == std::string_view::npos) return false;
    at_ = i + t.size();
    return true;
  }
  // White space, declarations and comments between elements.
  bool skip_misc() {
    for (;;) {
      while (at_ < s_.size() && static_cast<unsigned char>(s_[at_]) <= ' ') ++at_;
      if (looking_at("<?")) {
        if (!skip_past("?>")) return false;
      } else if (looking_at("<!--")) {
        if (!skip_past("-->")) return false;
      } else {
        return true;
      }
    }
  }

  bool entity(std::string& out) {
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
      bool hex = name.size() > 1 && (name[1] == 'x' || name[1] == 'X');
      auto digits = name.substr(hex ? 2 : 1);
      uint32_t c = 0;
      auto [p, error] = std::from_chars(digits.data(), digits.data() + digits.size(), c, hex ? 16 : 10);
      if (error != std::errc() || p != digits.data() + digits.size()) return false;
      append_utf8(out, c);
    } else {
      return false;
    }
    return true;
  }

  bool element(XmlElement& e, int depth) {
    if (depth > 64) return false;
    ++at_;
    size_t start = at_;
    while (at_ < s_.size() && s_[at_] != '>' && s_[at_] != '/' && static_cast<unsigned char>(s_[at_]) > ' ') ++at_;
    std::string_view full = s_.substr(start, at_ - start);
    size_t colon = full.find(':');
    e.name = std::string(colon == std::string_view::npos ? full : full.substr(colon + 1));
    // Attributes carry nothing we need, but may hold '>'.
    char quote = 0;
    while (at_ < s_.size() && (quote || s_[at_] != '>')) {
      char c = s_[at_++];
      if (quote) quote = c == quote ? 0 : quote;
      else if (c == '"' || c == '\'') quote = c;
    }
    if (at_ >= s_.size()) return false;
    bool empty = s_[at_ - 1] == '/';
    ++at_;
    if (empty) return true;
    for (;;) {
      if (at_ >= s_.size()) return false;
      if (s_[at_] == '&') {
        if (!entity(e.text)) return false;
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
      } else if (looking_at("</")) {
        return skip_past(">");
      } else {
        e.children.emplace_back();
        if (!element(e.children.back(), depth + 1)) return false;
      }
    }
  }

  std::string_view s_;
  size_t at_ = 0;
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

std::optional<XmlElement> parse_xml(std::string_view text) { return Parser(text).document(); }

std::string xml_escape(std::string_view text) {
  std::string out;
  for (char c : text) {
    switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&quot;"; break;
      default:
        if (static_cast<unsigned char>(c) < 0x20) out += "&#" + std::to_string(static_cast<int>(c)) + ";";
        else out += c;
    }
  }
  return out;
}

}  // namespace tarn::storage
