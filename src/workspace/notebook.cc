#include "workspace/notebook.h"

#include "base/encoding.h"
#include "http/rest_error.h"

namespace tarn::workspace {
namespace {

struct LanguageNames {
  const char *name, *key, *extension, *comment;
};
constexpr LanguageNames kLanguages[] = {{"PYTHON", "python", "py", "#"}, {"SQL", "sql", "sql", "--"}, {"SCALA", "scala", "scala", "//"}, {"R", "r", "r", "#"}};
const LanguageNames& names(Language l) { return kLanguages[static_cast<int>(l)]; }

template <class F>
std::optional<Language> find(F&& matches) {
  for (int i = 0; i < 4; ++i) {
    if (matches(kLanguages[i])) return static_cast<Language>(i);
  }
  return std::nullopt;
}

std::string_view without_bom(std::string_view text) { return text.starts_with("\xef\xbb\xbf") ? text.substr(3) : text; }

bool is_magic(const std::string& source) {
  size_t first = source.find_first_not_of(" \t\r\n");
  return first != std::string::npos && source[first] == '%';
}

// Lines of a cell without the blank ones around them.
Cell read_cell(std::vector<std::string_view> lines, const std::string& comment) {
  auto blank = [](std::string_view l) { return l.find_first_not_of(" \t") == std::string_view::npos; };
  Cell cell;
  while (!lines.empty() && blank(lines.front())) lines.erase(lines.begin());
  while (!lines.empty() && blank(lines.back())) lines.pop_back();
  std::string title = comment + " DBTITLE ";
  if (!lines.empty() && lines[0].starts_with(title) && lines[0].size() > title.size() + 1 && lines[0][title.size() + 1] == ',') {
    cell.show_title = lines[0][title.size()] == '1';
    cell.title = std::string(lines[0].substr(title.size() + 2));
    lines.erase(lines.begin());
  }
  std::string magic = comment + " MAGIC";
  bool prefixed = !lines.empty();
  for (auto l : lines) prefixed = prefixed && l.starts_with(magic) && (l.size() == magic.size() || l[magic.size()] == ' ');
  for (size_t i = 0; i < lines.size(); ++i) {
    std::string_view l = lines[i];
    if (prefixed) l = l.substr(std::min(l.size(), magic.size() + 1));
    if (i) cell.source += '\n';
    cell.source += l;
  }
  return cell;
}

}  // namespace

const char* language_name(Language l) { return names(l).name; }
const char* language_key(Language l) { return names(l).key; }
const char* language_extension(Language l) { return names(l).extension; }
std::optional<Language> language_by_name(std::string_view name) { return find([&](const auto& l) { return name == l.name; }); }
std::optional<Language> language_by_key(std::string_view key) { return find([k = lower_ascii(key)](const auto& l) { return k == l.key; }); }
std::optional<Language> language_by_extension(std::string_view e) { return find([x = lower_ascii(e)](const auto& l) { return x == l.extension; }); }

bool has_source_header(std::string_view text, Language language) {
  text = without_bom(text);
  std::string header = std::string(names(language).comment) + " Databricks notebook source";
  if (!text.starts_with(header)) return false;
  return text.size() == header.size() || text[header.size()] == '\n' || text[header.size()] == '\r';
}

Notebook read_source(std::string_view text, Language language) {
  if (!is_utf8(text)) throw http::invalid_parameter("The content is not UTF-8 text.");
  text = without_bom(text);
  Notebook notebook;
  notebook.language = language;
  std::string comment = names(language).comment, separator = comment + " COMMAND ----------";
  std::vector<std::vector<std::string_view>> cells(1);
  bool first = true;
  for (size_t at = 0; at <= text.size();) {
    size_t end = std::min(text.find('\n', at), text.size());
    std::string_view line = text.substr(at, end - at);
    at = end + 1;
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (first) {
      first = false;
      if (line == comment + " Databricks notebook source") continue;
    }
    std::string_view bare = line.substr(0, line.find_last_not_of(" \t") + 1);
    if (bare == separator) cells.emplace_back();
    else cells.back().push_back(line);
  }
  for (auto& lines : cells) notebook.cells.push_back(read_cell(std::move(lines), comment));
  if (notebook.cells.size() == 1 && notebook.cells[0].source.empty()) notebook.cells.clear();
  return notebook;
}

std::string write_source(const Notebook& notebook) {
  std::string comment = names(notebook.language).comment;
  std::string out = comment + " Databricks notebook source\n";
  for (size_t i = 0; i < notebook.cells.size(); ++i) {
    const Cell& cell = notebook.cells[i];
    if (i) out += "\n\n" + comment + " COMMAND ----------\n\n";
    if (!cell.title.empty()) out += comment + " DBTITLE " + (cell.show_title ? "1," : "0,") + cell.title + "\n";
    if (!is_magic(cell.source)) {
      out += cell.source;
      continue;
    }
    for (size_t at = 0; at <= cell.source.size();) {
      size_t end = std::min(cell.source.find('\n', at), cell.source.size());
      if (at) out += '\n';
      out += comment + " MAGIC";
      if (end > at) out += " " + cell.source.substr(at, end - at);
      at = end + 1;
    }
  }
  return out;
}

std::string store(const Notebook& n) {
  Json cells = Json::array();
  for (const auto& c : n.cells) {
    cells.push_back({{"source", c.source}, {"title", c.title}, {"show_title", c.show_title}, {"outputs", c.outputs}, {"results", c.results},
                     {"execution_count", c.execution_count}, {"metadata", c.metadata}});
  }
  return Json{{"language", language_key(n.language)}, {"cells", cells}, {"metadata", n.metadata}, {"widgets", n.widgets}}.dump();
}

Notebook restore(std::string_view stored) {
  Json j = Json::parse(stored);
  Notebook n;
  n.language = language_by_key(j["language"].get<std::string>()).value_or(Language::kPython);
  n.metadata = j["metadata"];
  n.widgets = j["widgets"];
  for (auto& c : j["cells"]) {
    n.cells.push_back({c["source"].get<std::string>(), c["title"].get<std::string>(), c["show_title"].get<bool>(), c["outputs"], c["results"],
                       c["execution_count"], c["metadata"]});
  }
  return n;
}

}  // namespace tarn::workspace
