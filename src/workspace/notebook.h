#pragma once
// A notebook as all its file formats see it. Each format is one pair of functions over this model.
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tarn::workspace {

using Json = nlohmann::json;

enum class Language { kPython, kSql, kScala, kR };

struct Cell {
  std::string source;               // a cell of another language begins with its magic, "%md\n# Title"
  std::string title;                // shown above the cell if not empty
  bool show_title = true;
  Json outputs = Json::array();     // as in .ipynb
  Json results;                     // as in .dbc; null if there are none
  Json execution_count;
  Json metadata = Json::object();   // of the .ipynb cell, as it came
};

struct Notebook {
  Language language = Language::kPython;
  std::vector<Cell> cells;
  Json metadata = Json::object();   // of the .ipynb file, as it came
  Json widgets = Json::object();    // inputWidgets of .dbc
};

// "PYTHON", and "python" as .dbc, "py" as file names have it.
const char* language_name(Language language);
const char* language_key(Language language);
const char* language_extension(Language language);
std::optional<Language> language_by_name(std::string_view name);           // "PYTHON"
std::optional<Language> language_by_key(std::string_view key);             // "python", without regard to case
std::optional<Language> language_by_extension(std::string_view extension); // "py"

// SOURCE: a text file with separators. read: RestError if it is not UTF-8.
bool has_source_header(std::string_view text, Language language);
Notebook read_source(std::string_view text, Language language);
std::string write_source(const Notebook& notebook);

// JUPYTER (nbformat 4).
Notebook read_jupyter(std::string_view text);
std::string write_jupyter(const Notebook& notebook, const std::string& name);

// One NotebookV1 of a .dbc archive.
Notebook read_dbc_notebook(std::string_view json);
std::string write_dbc_notebook(const Notebook& notebook, const std::string& name);

// HTML: a page to read that carries the notebook for import.
Notebook read_html(std::string_view text);
std::string write_html(const Notebook& notebook, const std::string& name);

// How the server keeps it.
std::string store(const Notebook& notebook);
Notebook restore(std::string_view stored);

}  // namespace tarn::workspace
