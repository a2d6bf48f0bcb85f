#pragma once
// The text of df.show(): rows of strings in a box. Source: Dataset.showString, Dataset.htmlString.
#include <string>
#include <vector>

namespace tarn::engine {

// rows[0] is the header. truncate: longest cell in characters, 0 = no limit (and left-aligned); more: there are rows beyond these.
std::string show_string(std::vector<std::vector<std::string>> rows, int num_rows, int truncate, bool vertical, bool more);
std::string html_string(std::vector<std::vector<std::string>> rows, int num_rows, int truncate, bool more);
// A string as a cell shows it: control characters escaped.
std::string show_cell(const std::string& text);

}  // namespace tarn::engine
