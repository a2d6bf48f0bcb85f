#include "server/result_printer.h"

#include <wchar.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <numeric>

#include "server/command.h"

namespace tarn::server {
namespace {

// The code point at *at, which moves on.
uint32_t next_code_point(const std::string& s, size_t* at) {
  auto byte = [&](size_t i) { return i < s.size() ? static_cast<unsigned char>(s[i]) : 0u; };
  uint32_t c = byte(*at);
  size_t length = c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
  if (length > 1) c &= 0xffu >> (length + 1);
  for (size_t i = 1; i < length; ++i) c = c << 6 | (byte(*at + i) & 0x3f);
  *at = std::min(*at + length, s.size());
  return c;
}

size_t width_of(uint32_t c) {
  if (c >= 0x1f300 && c <= 0x1faff) return 2;
  int w = ::wcwidth(static_cast<wchar_t>(c));
  return w < 0 ? 1 : static_cast<size_t>(w);
}

// Line breaks and tabs would break the table.
std::string visible(const std::string& s) {
  std::string out;
  for (char c : s) {
    if (c == '\n') out += "\\n";
    else if (c == '\t') out += "\\t";
    else if (c == '\r') out += "\\r";
    else out += c;
  }
  return out;
}

// Exactly this many columns: padded, or cut with an ellipsis.
std::string fit(const std::string& text, size_t width, bool right) {
  size_t w = display_width(text);
  if (w <= width) return right ? std::string(width - w, ' ') + text : text + std::string(width - w, ' ');
  std::string out;
  size_t used = 0;
  for (size_t at = 0; at < text.size();) {
    size_t before = at;
    size_t one = width_of(next_code_point(text, &at));
    if (used + one > width - 1) break;
    out += text.substr(before, at - before);
    used += one;
  }
  return out + "…" + std::string(width - used - 1, ' ');
}

class TablePrinter final : public ResultPrinter {
 public:
  TablePrinter(FILE* out, size_t width) : out_(out), terminal_(width) {}
  void columns(const std::vector<ResultColumn>& columns) override { columns_ = columns; }
  void row(const std::vector<Cell>& cells) override {
    ++rows_;
    std::vector<std::string> line;
    for (const auto& c : cells) line.push_back(visible(c.text));
    if (header_done_) return print(line);
    pending_.push_back(std::move(line));
    if (pending_.size() >= 10'000) start();  // wide enough a sample for the widths
  }
  void finish() override {
    if (columns_.empty()) return;
    if (!header_done_) start();
    rule();
  }

 private:
  void start() {
    header_done_ = true;
    std::vector<std::string> names;
    for (const auto& c : columns_) {
      names.push_back(visible(c.name));
      widths_.push_back(std::max<size_t>(display_width(names.back()), 1));
    }
    for (const auto& line : pending_) {
      for (size_t i = 0; i < line.size(); ++i) widths_[i] = std::max(widths_[i], display_width(line[i]));
    }
    shrink();
    rule();
    print(names);
    rule();
    for (const auto& line : pending_) print(line);
    pending_.clear();
  }

  // The widest columns give way until the line fits the terminal.
  void shrink() {
    if (terminal_ == 0) return;
    auto total = [&] { return std::accumulate(widths_.begin(), widths_.end(), size_t{1}) + 3 * widths_.size(); };
    while (total() > terminal_) {
      auto widest = std::max_element(widths_.begin(), widths_.end());
      if (*widest <= 4) return;
      size_t excess = total() - terminal_;
      size_t second = 4;
      for (size_t w : widths_) {
        if (w < *widest) second = std::max(second, w);
      }
      *widest -= std::min(std::max<size_t>(*widest - second, 1), excess);
    }
  }

  void rule() {
    std::string line = "+";
    for (size_t w : widths_) line += std::string(w + 2, '-') + "+";
    std::fprintf(out_, "%s\n", line.c_str());
  }

  void print(const std::vector<std::string>& cells) {
    std::string line = "|";
    for (size_t i = 0; i < cells.size(); ++i) {
      line += " " + fit(cells[i], widths_[i], columns_[i].kind == ResultColumn::Kind::kNumber) + " |";
    }
    std::fprintf(out_, "%s\n", line.c_str());
  }

  FILE* out_;
  const size_t terminal_;
  std::vector<ResultColumn> columns_;
  std::vector<size_t> widths_;
  std::vector<std::vector<std::string>> pending_;
  bool header_done_ = false;
};

class CsvPrinter final : public ResultPrinter {
 public:
  explicit CsvPrinter(FILE* out) : out_(out) {}
  void columns(const std::vector<ResultColumn>& columns) override {
    std::vector<Cell> names;
    for (const auto& c : columns) names.push_back({false, c.name});
    write(names);
  }
  void row(const std::vector<Cell>& cells) override {
    ++rows_;
    write(cells);
  }

 private:
  void write(const std::vector<Cell>& cells) {
    std::string line;
    for (size_t i = 0; i < cells.size(); ++i) {
      if (i) line += ',';
      if (cells[i].null) continue;
      const std::string& text = cells[i].text;
      // An empty string is quoted: it is not NULL.
      if (!text.empty() && text.find_first_of(",\"\r\n") == std::string::npos) {
        line += text;
        continue;
      }
      line += '"';
      for (char c : text) {
        if (c == '"') line += '"';
        line += c;
      }
      line += '"';
    }
    std::fprintf(out_, "%s\n", line.c_str());
  }
  FILE* out_;
};

class JsonPrinter final : public ResultPrinter {
 public:
  explicit JsonPrinter(FILE* out) : out_(out) {}
  void columns(const std::vector<ResultColumn>& columns) override { columns_ = columns; }
  void row(const std::vector<Cell>& cells) override {
    ++rows_;
    std::string line = "{";
    for (size_t i = 0; i < cells.size(); ++i) {
      if (i) line += ",";
      line += quote(columns_[i].name) + ":" + value(cells[i], columns_[i].kind);
    }
    std::fprintf(out_, "%s}\n", line.c_str());
  }

 private:
  static std::string quote(const std::string& s) { return nlohmann::json(s).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace); }
  static std::string value(const Cell& cell, ResultColumn::Kind kind) {
    if (cell.null) return "null";
    if (kind == ResultColumn::Kind::kText) return quote(cell.text);
    // Numbers as they are written; NaN and Infinity are none in JSON.
    return nlohmann::json::accept(cell.text) ? cell.text : quote(cell.text);
  }
  FILE* out_;
  std::vector<ResultColumn> columns_;
};

}  // namespace

size_t display_width(const std::string& text) {
  size_t width = 0;
  for (size_t at = 0; at < text.size();) width += width_of(next_code_point(text, &at));
  return width;
}

std::unique_ptr<ResultPrinter> make_printer(const std::string& format, FILE* out, size_t width) {
  if (format == "table") return std::make_unique<TablePrinter>(out, width);
  if (format == "csv") return std::make_unique<CsvPrinter>(out);
  if (format == "json") return std::make_unique<JsonPrinter>(out);
  throw UsageError("--output is table, csv or json, not " + format);
}

}  // namespace tarn::server
