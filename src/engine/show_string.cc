#include "engine/show_string.h"

#include <algorithm>
#include <cstdint>

namespace tarn::engine {

namespace {

// Java counts UTF-16 units; wide East Asian characters take two columns. Source: Utils.stringHalfWidth.
struct Char { uint32_t code; size_t begin, end; };

std::vector<Char> characters(const std::string& s) {
  std::vector<Char> out;
  for (size_t i = 0; i < s.size();) {
    unsigned char c = static_cast<unsigned char>(s[i]);
    size_t length = c < 0x80 ? 1 : c < 0xE0 ? 2 : c < 0xF0 ? 3 : 4;
    length = std::min(length, s.size() - i);
    uint32_t code = length == 1 ? c : length == 2 ? c & 0x1Fu : length == 3 ? c & 0x0Fu : c & 0x07u;
    for (size_t k = 1; k < length; ++k) code = (code << 6) | (static_cast<unsigned char>(s[i + k]) & 0x3Fu);
    out.push_back({code, i, i + length});
    i += length;
  }
  return out;
}

bool full_width(uint32_t c) {
  return (c >= 0x1100 && c <= 0x115F) || (c >= 0x2E80 && c <= 0x303E) || (c >= 0x3040 && c <= 0xA4CF) || (c >= 0xAC00 && c <= 0xD7A3) ||
         (c >= 0xF900 && c <= 0xFAFF) || (c >= 0xFE30 && c <= 0xFE6F) || (c >= 0xFF00 && c <= 0xFF60) || (c >= 0xFFE0 && c <= 0xFFE6);
}

size_t utf16_length(const std::string& s) {
  size_t n = 0;
  for (const auto& c : characters(s)) n += c.code > 0xFFFF ? 2 : 1;
  return n;
}

size_t half_width(const std::string& s) {
  size_t n = 0;
  for (const auto& c : characters(s)) n += (c.code > 0xFFFF ? 2u : 1u) + (full_width(c.code) ? 1u : 0u);
  return n;
}

std::string prefix(const std::string& s, size_t units) {
  size_t n = 0;
  for (const auto& c : characters(s)) {
    n += c.code > 0xFFFF ? 2 : 1;
    if (n > units) return s.substr(0, c.begin);
  }
  return s;
}

std::string cut(const std::string& cell, int truncate) {
  if (truncate <= 0 || utf16_length(cell) <= static_cast<size_t>(truncate)) return cell;
  // Too narrow for dots.
  if (truncate < 4) return prefix(cell, static_cast<size_t>(truncate));
  return prefix(cell, static_cast<size_t>(truncate) - 3) + "...";
}

std::string spaces(size_t n) { return std::string(n, ' '); }

std::string row_or_rows(int n) { return n == 1 ? "row" : "rows"; }

}  // namespace

std::string show_cell(const std::string& text) {
  std::string out;
  for (char c : text) {
    switch (c) {
      case '\n': out += "\\n"; break;
      case '\r': out += "\\r"; break;
      case '\t': out += "\\t"; break;
      case '\f': out += "\\f"; break;
      case '\b': out += "\\b"; break;
      case '\v': out += "\\v"; break;
      case '\a': out += "\\a"; break;
      default: out += c;
    }
  }
  return out;
}

std::string show_string(std::vector<std::vector<std::string>> rows, int num_rows, int truncate, bool vertical, bool more) {
  // The names of the columns are never cut.
  for (size_t r = 1; r < rows.size(); ++r) {
    for (auto& cell : rows[r]) cell = cut(cell, truncate);
  }
  std::string out;
  const size_t columns = rows.empty() ? 0 : rows[0].size();
  constexpr size_t kMinimum = 3;
  if (!vertical) {
    std::vector<size_t> widths(columns, kMinimum);
    for (const auto& row : rows) {
      for (size_t i = 0; i < columns; ++i) widths[i] = std::max(widths[i], half_width(row[i]));
    }
    std::string separator = "+";
    for (size_t i = 0; i < columns; ++i) separator += (i ? "+" : "") + std::string(widths[i], '-');
    separator += "+\n";
    out += separator;
    for (size_t r = 0; r < rows.size(); ++r) {
      out += "|";
      for (size_t i = 0; i < columns; ++i) {
        if (i) out += "|";
        std::string pad = spaces(widths[i] - half_width(rows[r][i]));
        out += truncate > 0 ? pad + rows[r][i] : rows[r][i] + pad;
      }
      out += "|\n";
      if (r == 0) out += separator;
    }
    out += separator;
  } else {
    size_t name_width = kMinimum, value_width = kMinimum;
    for (size_t r = 0; r < rows.size(); ++r) {
      for (const auto& cell : rows[r]) (r == 0 ? name_width : value_width) = std::max(r == 0 ? name_width : value_width, half_width(cell));
    }
    for (size_t r = 1; r < rows.size(); ++r) {
      // The header names the record and is as wide as its lines.
      std::string header = "-RECORD " + std::to_string(r - 1);
      size_t width = name_width + value_width + 5;
      if (header.size() < width) header += std::string(width - header.size(), '-');
      out += header + "\n";
      for (size_t i = 0; i < columns; ++i) {
        out += " " + rows[0][i] + spaces(name_width - half_width(rows[0][i])) + " | " + rows[r][i] + spaces(value_width - half_width(rows[r][i])) + " \n";
      }
    }
  }
  if (vertical && rows.size() <= 1) {
    out += "(0 rows)";
  } else if (more) {
    out += "only showing top " + std::to_string(num_rows) + " " + row_or_rows(num_rows);
  }
  return out;
}

std::string html_string(std::vector<std::vector<std::string>> rows, int num_rows, int truncate, bool more) {
  auto escape = [](const std::string& s) {
    std::string out;
    for (char c : s) {
      switch (c) {
        case '&': out += "&amp;"; break;
        case '<': out += "&lt;"; break;
        case '>': out += "&gt;"; break;
        case '"': out += "&quot;"; break;
        case '\'': out += "&#39;"; break;
        default: out += c;
      }
    }
    return out;
  };
  std::string out = "<table border='1'>\n";
  for (size_t r = 0; r < rows.size(); ++r) {
    const char* tag = r == 0 ? "th" : "td";
    out += "<tr>";
    for (auto& cell : rows[r]) out += std::string("<") + tag + ">" + escape(r == 0 ? cell : cut(cell, truncate)) + "</" + tag + ">";
    out += "</tr>\n";
  }
  out += "</table>\n";
  if (more) out += "only showing top " + std::to_string(num_rows) + " " + row_or_rows(num_rows) + "\n";
  return out;
}

}  // namespace tarn::engine
