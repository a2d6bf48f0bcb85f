#include "engine/kernels/json_value.h"

#include <cstdio>

#include "engine/kernels/utf8.h"

namespace tarn::engine::kernels {
namespace {

class Reader {
 public:
  Reader(std::string_view s, const JsonOptions& o) : s_(s), o_(o) {}
  bool document(Json& out) {
    skip();
    if (!value(out, 0)) return false;
    skip();
    return i_ == s_.size();
  }

 private:
  std::string_view s_;
  const JsonOptions& o_;
  size_t i_ = 0;

  void skip() {
    for (;;) {
      while (i_ < s_.size() && (s_[i_] == ' ' || s_[i_] == '\t' || s_[i_] == '\n' || s_[i_] == '\r')) ++i_;
      if (!o_.comments || i_ + 1 >= s_.size() || s_[i_] != '/') return;
      size_t end = s_[i_ + 1] == '/' ? s_.find('\n', i_) : s_[i_ + 1] == '*' ? s_.find("*/", i_) : i_;
      if (end == i_) return;
      i_ = end == std::string_view::npos ? s_.size() : end + (s_[i_ + 1] == '*' ? 2 : 1);
    }
  }
  bool word(std::string_view w) {
    if (s_.substr(i_, w.size()) != w) return false;
    i_ += w.size();
    return true;
  }
  bool string(std::string& out) {
    const char quote = s_[i_++];
    while (i_ < s_.size()) {
      char c = s_[i_++];
      if (c == quote) return true;
      if (c != '\\') {
        if (static_cast<unsigned char>(c) < 0x20 && !o_.control_chars) return false;
        out += c;
        continue;
      }
      if (i_ >= s_.size()) return false;
      c = s_[i_++];
      switch (c) {
        case 'n': out += '\n'; break;
        case 't': out += '\t'; break;
        case 'r': out += '\r'; break;
        case 'b': out += '\b'; break;
        case 'f': out += '\f'; break;
        case '"': case '\\': case '/': out += c; break;
        case '\'': if (!o_.single_quotes && !o_.backslash_any) return false; out += c; break;
        case 'u': {
          auto hex = [&](uint32_t& v) {
            if (i_ + 4 > s_.size()) return false;
            v = 0;
            for (int n = 0; n < 4; ++n) {
              char h = s_[i_++];
              int d = h >= '0' && h <= '9' ? h - '0' : h >= 'a' && h <= 'f' ? h - 'a' + 10 : h >= 'A' && h <= 'F' ? h - 'A' + 10 : -1;
              if (d < 0) return false;
              v = v * 16 + static_cast<uint32_t>(d);
            }
            return true;
          };
          uint32_t v, low;
          if (!hex(v)) return false;
          if (v >= 0xD800 && v < 0xDC00 && s_.substr(i_, 2) == "\\u") {
            i_ += 2;
            if (!hex(low)) return false;
            v = 0x10000 + ((v & 0x3FF) << 10) + (low & 0x3FF);
          } else if (v >= 0xD800 && v < 0xE000) {
            v = 0xFFFD;
          }
          utf8::append(out, v);
          break;
        }
        default:
          if (!o_.backslash_any) return false;
          out += c;
      }
    }
    return false;
  }
  bool number(Json& out) {
    size_t b = i_;
    if (s_[i_] == '-') ++i_;
    if (o_.non_numeric && (word("Infinity") || word("INF"))) { out.kind = Json::Kind::kNumber; out.text = s_.substr(b, i_ - b); return true; }
    size_t digits = i_;
    while (i_ < s_.size() && std::isdigit(static_cast<unsigned char>(s_[i_]))) ++i_;
    if (i_ == digits) return false;
    if (s_[digits] == '0' && i_ - digits > 1 && !o_.leading_zeros) return false;
    if (i_ < s_.size() && s_[i_] == '.') {
      size_t f = ++i_;
      while (i_ < s_.size() && std::isdigit(static_cast<unsigned char>(s_[i_]))) ++i_;
      if (i_ == f) return false;
    }
    if (i_ < s_.size() && (s_[i_] == 'e' || s_[i_] == 'E')) {
      ++i_;
      if (i_ < s_.size() && (s_[i_] == '+' || s_[i_] == '-')) ++i_;
      size_t e = i_;
      while (i_ < s_.size() && std::isdigit(static_cast<unsigned char>(s_[i_]))) ++i_;
      if (i_ == e) return false;
    }
    out.kind = Json::Kind::kNumber;
    out.text = s_.substr(b, i_ - b);
    return true;
  }
  bool value(Json& out, int depth) {
    if (depth > 1000 || i_ >= s_.size()) return false;
    char c = s_[i_];
    if (c == '"' || (c == '\'' && o_.single_quotes)) { out.kind = Json::Kind::kString; return string(out.text); }
    if (c == '{') {
      out.kind = Json::Kind::kObject;
      ++i_;
      skip();
      if (i_ < s_.size() && s_[i_] == '}') { ++i_; return true; }
      for (;;) {
        skip();
        if (i_ >= s_.size()) return false;
        std::string name;
        if (s_[i_] == '"' || (s_[i_] == '\'' && o_.single_quotes)) { if (!string(name)) return false; }
        else if (o_.unquoted_fields) { while (i_ < s_.size() && (std::isalnum(static_cast<unsigned char>(s_[i_])) || s_[i_] == '_' || s_[i_] == '$')) name += s_[i_++]; if (name.empty()) return false; }
        else return false;
        skip();
        if (i_ >= s_.size() || s_[i_++] != ':') return false;
        skip();
        out.fields.emplace_back(std::move(name), Json());
        if (!value(out.fields.back().second, depth + 1)) return false;
        skip();
        if (i_ >= s_.size()) return false;
        if (s_[i_] == ',') { ++i_; continue; }
        if (s_[i_] == '}') { ++i_; return true; }
        return false;
      }
    }
    if (c == '[') {
      out.kind = Json::Kind::kArray;
      ++i_;
      skip();
      if (i_ < s_.size() && s_[i_] == ']') { ++i_; return true; }
      for (;;) {
        skip();
        out.items.emplace_back();
        if (!value(out.items.back(), depth + 1)) return false;
        skip();
        if (i_ >= s_.size()) return false;
        if (s_[i_] == ',') { ++i_; continue; }
        if (s_[i_] == ']') { ++i_; return true; }
        return false;
      }
    }
    if (word("null")) return true;
    if (word("true")) { out.kind = Json::Kind::kTrue; return true; }
    if (word("false")) { out.kind = Json::Kind::kFalse; return true; }
    if (o_.non_numeric && (word("NaN") || word("+Infinity") || word("+INF") || word("Infinity") || word("INF"))) {
      out.kind = Json::Kind::kNumber;
      out.text = c == 'N' ? "NaN" : "Infinity";
      return true;
    }
    return number(out);
  }
};

}  // namespace

const Json* Json::field(std::string_view name) const {
  for (auto it = fields.rbegin(); it != fields.rend(); ++it)
    if (it->first == name) return &it->second;
  return nullptr;
}

std::optional<Json> parse_json_text(std::string_view text, const JsonOptions& options) {
  Json j;
  if (!Reader(text, options).document(j)) return {};
  return j;
}

void append_json_string(std::string_view text, std::string& out) {
  out += '"';
  for (char c : text) {
    switch (c) {
      case '"': out += "\\\""; break;
      case '\\': out += "\\\\"; break;
      case '\n': out += "\\n"; break;
      case '\r': out += "\\r"; break;
      case '\t': out += "\\t"; break;
      case '\b': out += "\\b"; break;
      case '\f': out += "\\f"; break;
      default:
        if (static_cast<unsigned char>(c) < 0x20) {
          char b[8];
          std::snprintf(b, sizeof b, "\\u%04X", static_cast<unsigned>(c));
          out += b;
        } else {
          out += c;
        }
    }
  }
  out += '"';
}

void append_json(const Json& v, std::string& out) {
  switch (v.kind) {
    case Json::Kind::kNull: out += "null"; return;
    case Json::Kind::kTrue: out += "true"; return;
    case Json::Kind::kFalse: out += "false"; return;
    case Json::Kind::kNumber: out += v.text; return;
    case Json::Kind::kString: append_json_string(v.text, out); return;
    case Json::Kind::kArray:
      out += '[';
      for (size_t i = 0; i < v.items.size(); ++i) {
        if (i) out += ',';
        append_json(v.items[i], out);
      }
      out += ']';
      return;
    case Json::Kind::kObject:
      out += '{';
      for (size_t i = 0; i < v.fields.size(); ++i) {
        if (i) out += ',';
        append_json_string(v.fields[i].first, out);
        out += ':';
        append_json(v.fields[i].second, out);
      }
      out += '}';
      return;
  }
}

}  // namespace tarn::engine::kernels
