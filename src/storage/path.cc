#include "storage/path.h"

#include <unistd.h>

#include <algorithm>
#include <cctype>

#include "base/io_error.h"

namespace tarn::storage {
namespace {

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// Length of "scheme://authority" or "scheme:"; 0 for plain paths.
size_t prefix_length(std::string_view path) {
  size_t colon = scheme_of(path).size();
  if (colon == 0) return 0;
  ++colon;
  if (path.substr(colon, 2) != "//") return colon;
  size_t slash = path.find('/', colon + 2);
  return slash == std::string_view::npos ? path.size() : slash;
}

void append_percent(std::string& out, unsigned char c) {
  static constexpr char kHex[] = "0123456789ABCDEF";
  out += '%';
  out += kHex[c >> 4];
  out += kHex[c & 15];
}

std::string percent_decode(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    int high, low;
    if (text[i] == '%' && i + 2 < text.size() && (high = hex_digit(text[i + 1])) >= 0 && (low = hex_digit(text[i + 2])) >= 0) {
      out += static_cast<char>(high * 16 + low);
      i += 2;
    } else {
      out += text[i];
    }
  }
  return out;
}

}  // namespace

std::string scheme_of(std::string_view path) {
  size_t i = 0;
  while (i < path.size() && (std::isalnum(static_cast<unsigned char>(path[i])) || path[i] == '+' || path[i] == '-' || path[i] == '.')) ++i;
  // A letter first, and no slash before the colon.
  if (i == 0 || i >= path.size() || path[i] != ':' || !std::isalpha(static_cast<unsigned char>(path[0]))) return {};
  std::string out(path.substr(0, i));
  std::transform(out.begin(), out.end(), out.begin(), [](unsigned char c) { return std::tolower(c); });
  return out;
}

std::optional<std::string> local_path(std::string_view path) {
  std::string scheme = scheme_of(path);
  if (scheme.empty()) return std::string(path);
  if (scheme != "file") return std::nullopt;
  path.remove_prefix(5);
  if (path.substr(0, 2) == "//") {  // file://host/x: the host is ours
    size_t slash = path.find('/', 2);
    return std::string(slash == std::string_view::npos ? "/" : path.substr(slash));
  }
  return std::string(path);
}

std::string normalize(std::string_view path) {
  std::string prefix, rest;
  if (auto local = local_path(path)) {
    rest = *local;
    if (rest.empty() || rest[0] != '/') {
      std::string cwd(4096, '\0');
      if (!::getcwd(cwd.data(), cwd.size())) throw IoError("cannot tell the working directory", ".");
      cwd.resize(cwd.find('\0'));
      rest = cwd + "/" + rest;
    }
  } else {
    size_t n = prefix_length(path);
    prefix = path.substr(0, n);
    rest = path.substr(n);
  }
  std::vector<std::string_view> parts;
  for (size_t i = 0; i < rest.size();) {
    size_t end = std::min(rest.find('/', i), rest.size());
    std::string_view part = std::string_view(rest).substr(i, end - i);
    if (part == "..") {
      if (!parts.empty()) parts.pop_back();
    } else if (!part.empty() && part != ".") {
      parts.push_back(part);
    }
    i = end + 1;
  }
  std::string out = prefix;
  for (auto part : parts) out.append("/").append(part);
  if (parts.empty()) return out + "/";
  return prefix.empty() && scheme_of(path).empty() && is_mounted(out) ? "dbfs:" + out : out;
}

std::string join(std::string_view base, std::string_view relative) {
  if (!relative.empty() && (relative[0] == '/' || !scheme_of(relative).empty())) return std::string(relative);
  std::string out(base);
  if (!out.empty() && out.back() != '/') out += '/';
  return out.append(relative);
}

std::string parent(std::string_view path) {
  size_t prefix = prefix_length(path);
  while (path.size() > prefix + 1 && path.back() == '/') path.remove_suffix(1);
  size_t slash = path.rfind('/');
  if (slash == std::string_view::npos || slash < prefix) return std::string(path.substr(0, prefix));
  return std::string(path.substr(0, std::max(slash, prefix + 1)));
}

std::string file_name(std::string_view path) {
  size_t slash = path.rfind('/');
  return std::string(slash == std::string_view::npos ? path : path.substr(slash + 1));
}

std::string display_uri(std::string_view path) {
  return !path.empty() && path[0] == '/' ? "file:" + std::string(path) : std::string(path);
}

std::string uri_decode(std::string_view text) { return percent_decode(text); }

std::string uri_encode_path(std::string_view text) {
  static constexpr std::string_view kAllowed = "-_.~!*'();/?:@&=+$,[]";
  std::string out;
  for (char c : text) {
    auto u = static_cast<unsigned char>(c);
    bool plain = u >= 0x80 || std::isalnum(u) || (kAllowed.find(c) != std::string_view::npos && c != '?' && c != '[' && c != ']');
    if (plain) {
      out += c;
    } else {
      append_percent(out, u);
    }
  }
  return out;
}

std::string hive_escape(std::string_view value) {
  static constexpr std::string_view kEscaped = "\"#%'*/:=?\\{[]^\x7f";
  std::string out;
  for (char c : value) {
    auto u = static_cast<unsigned char>(c);
    if (u < 0x20 || kEscaped.find(c) != std::string_view::npos) {
      append_percent(out, u);
    } else {
      out += c;
    }
  }
  return out;
}

std::string hive_unescape(std::string_view value) { return percent_decode(value); }

bool is_hidden_name(std::string_view name) {
  if (name.empty()) return true;
  if (name.ends_with("._COPYING_")) return true;
  return name[0] == '.' || (name[0] == '_' && name.find('=') == std::string_view::npos);
}

}  // namespace tarn::storage
