// The formats of notebooks that are JSON inside: .ipynb, the entries of .dbc, and HTML, which carries such an entry.
#include <algorithm>
#include <cctype>

#include "base/encoding.h"
#include "base/ids.h"
#include "http/rest_error.h"
#include "workspace/notebook.h"

namespace tarn::workspace {
namespace {

constexpr char kNotebookKey[] = "application/vnd.databricks.v1+notebook";
constexpr char kCellKey[] = "application/vnd.databricks.v1+cell";
constexpr char kInlineKey[] = "tarn.inline_magic";   // the text began on the line of %md

Json parse(std::string_view text, const char* what) {
  Json j = Json::parse(text, nullptr, false);
  if (!j.is_object()) throw http::invalid_parameter(std::string("The content is not ") + what + ".");
  return j;
}

std::string text_of(const Json& j, const char* name, const std::string& fallback = "") {
  auto it = j.find(name);
  return it != j.end() && it->is_string() ? it->get<std::string>() : fallback;
}

// A string or a list of lines.
std::string joined(const Json& source) {
  if (source.is_string()) return source.get<std::string>();
  std::string out;
  if (source.is_array()) {
    for (const auto& line : source) {
      if (line.is_string()) out += line.get<std::string>();
    }
  }
  return out;
}

Json lines_of(const std::string& text) {
  Json out = Json::array();
  for (size_t at = 0; at < text.size();) {
    size_t end = text.find('\n', at);
    end = end == std::string::npos ? text.size() : end + 1;
    out.push_back(text.substr(at, end - at));
    at = end;
  }
  return out;
}

std::string escape(const std::string& text) {
  std::string out;
  for (char c : text) {
    switch (c) {
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '&': out += "&amp;"; break;
      case '"': out += "&quot;"; break;
      default: out += c;
    }
  }
  return out;
}

}  // namespace

Notebook read_jupyter(std::string_view text) {
  Json j = parse(text, "a Jupyter notebook");
  if (!j.contains("cells") || !j["cells"].is_array()) throw http::invalid_parameter("The content is not a Jupyter notebook of nbformat 4.");
  Notebook n;
  n.metadata = j.contains("metadata") && j["metadata"].is_object() ? j["metadata"] : Json::object();
  std::string language = "python";
  if (auto it = n.metadata.find("language_info"); it != n.metadata.end() && it->is_object()) language = text_of(*it, "name", language);
  if (auto it = n.metadata.find(kNotebookKey); it != n.metadata.end() && it->is_object()) language = text_of(*it, "language", language);
  n.language = language_by_key(language).value_or(Language::kPython);
  for (const auto& c : j["cells"]) {
    if (!c.is_object()) throw http::invalid_parameter("A cell of the notebook is not an object.");
    Cell cell;
    cell.source = joined(c.contains("source") ? c["source"] : Json());
    if (c.contains("metadata") && c["metadata"].is_object()) cell.metadata = c["metadata"];
    std::string kind = text_of(c, "cell_type", "code");
    if (kind == "markdown") cell.source = (cell.metadata.value(kInlineKey, false) ? "%md " : "%md\n") + cell.source;
    else if (kind == "raw") cell.source = "%raw\n" + cell.source;
    if (c.contains("outputs") && c["outputs"].is_array()) cell.outputs = c["outputs"];
    if (c.contains("execution_count")) cell.execution_count = c["execution_count"];
    if (auto it = cell.metadata.find(kCellKey); it != cell.metadata.end() && it->is_object()) {
      cell.title = text_of(*it, "title");
      cell.show_title = it->value("showTitle", true);
    }
    n.cells.push_back(std::move(cell));
  }
  return n;
}

std::string write_jupyter(const Notebook& n, const std::string& name) {
  Json cells = Json::array();
  for (const auto& c : n.cells) {
    std::string source = c.source;
    bool inline_markdown = source.starts_with("%md ");
    bool markdown = inline_markdown || source.starts_with("%md\n") || source == "%md";
    bool raw = source.starts_with("%raw\n");
    Json metadata = c.metadata;
    Json& ours = metadata[kCellKey];
    if (!ours.is_object()) ours = {{"cellMetadata", Json::object()}, {"inputWidgets", Json::object()}, {"nuid", random_uuid()}};
    ours["title"] = c.title;
    ours["showTitle"] = !c.title.empty() && c.show_title;
    metadata.erase(kInlineKey);
    if (inline_markdown) metadata[kInlineKey] = true;
    if (markdown) source = source.size() > 4 ? source.substr(4) : "";
    if (raw) source = source.substr(5);
    Json cell = {{"cell_type", markdown ? "markdown" : raw ? "raw" : "code"}, {"metadata", metadata}, {"source", lines_of(source)}};
    if (!markdown && !raw) {
      cell["outputs"] = c.outputs;
      cell["execution_count"] = c.execution_count;
    }
    cells.push_back(std::move(cell));
  }
  Json metadata = n.metadata;
  Json& ours = metadata[kNotebookKey];
  if (!ours.is_object()) ours = {{"dashboards", Json::array()}, {"notebookMetadata", {{"pythonIndentUnit", 4}}}, {"widgets", Json::object()}};
  ours["language"] = language_key(n.language);
  ours["notebookName"] = name;
  if (!metadata.contains("language_info")) metadata["language_info"] = {{"name", language_key(n.language)}};
  return Json{{"cells", cells}, {"metadata", metadata}, {"nbformat", 4}, {"nbformat_minor", 0}}.dump(1);
}

Notebook read_dbc_notebook(std::string_view text) {
  Json j = parse(text, "a notebook of a DBC archive");
  Notebook n;
  n.language = language_by_key(text_of(j, "language", "python")).value_or(Language::kPython);
  if (j.contains("inputWidgets") && j["inputWidgets"].is_object()) n.widgets = j["inputWidgets"];
  std::vector<const Json*> commands;
  if (j.contains("commands") && j["commands"].is_array()) {
    for (const auto& c : j["commands"]) {
      // Scripts are what %run and streams left behind, not cells.
      if (c.is_object() && text_of(c, "subtype", "command") != "script") commands.push_back(&c);
    }
  }
  auto position = [](const Json* c) { return c->contains("position") && (*c)["position"].is_number() ? (*c)["position"].get<double>() : 0.0; };
  std::stable_sort(commands.begin(), commands.end(), [&](const Json* a, const Json* b) { return position(a) < position(b); });
  for (const Json* c : commands) {
    Cell cell;
    cell.source = text_of(*c, "command");
    while (cell.source.starts_with('\n')) cell.source.erase(0, 1);
    cell.title = text_of(*c, "commandTitle");
    cell.show_title = c->contains("showCommandTitle") && (*c)["showCommandTitle"].is_boolean() && (*c)["showCommandTitle"].get<bool>();
    if (c->contains("results")) cell.results = (*c)["results"];
    n.cells.push_back(std::move(cell));
  }
  return n;
}

std::string write_dbc_notebook(const Notebook& n, const std::string& name) {
  Json commands = Json::array();
  double position = 0;
  for (const auto& c : n.cells) {
    position += 1;
    commands.push_back({
        {"version", "CommandV1"}, {"origId", 0}, {"guid", random_uuid()}, {"subtype", "command"}, {"commandType", "auto"}, {"position", position},
        {"command", c.source}, {"commandVersion", 0}, {"state", c.results.is_null() ? "input" : "finished"}, {"results", c.results},
        {"resultDbfsErrorMessage", nullptr}, {"errorSummary", nullptr}, {"error", nullptr}, {"errorDetails", nullptr}, {"errorTraceType", nullptr},
        {"workflows", Json::array()}, {"startTime", 0}, {"submitTime", 0}, {"finishTime", 0}, {"collapsed", false}, {"bindings", Json::object()},
        {"inputWidgets", Json::object()}, {"displayType", "table"}, {"width", "auto"}, {"height", "auto"}, {"xColumns", nullptr}, {"yColumns", nullptr},
        {"pivotColumns", nullptr}, {"pivotAggregation", nullptr}, {"useConsistentColors", false}, {"customPlotOptions", Json::object()},
        {"commentThread", Json::array()}, {"commentsVisible", false}, {"parentHierarchy", Json::array()}, {"diffInserts", Json::array()},
        {"diffDeletes", Json::array()}, {"globalVars", Json::object()}, {"latestUser", ""}, {"latestUserId", nullptr}, {"commandTitle", c.title},
        {"showCommandTitle", !c.title.empty() && c.show_title}, {"hideCommandCode", false}, {"hideCommandResult", false}, {"isLockedInExamMode", false},
        {"iPythonMetadata", nullptr}, {"metadata", Json::object()}, {"streamStates", Json::object()}, {"datasetPreviewNameToCmdIdMap", Json::object()},
        {"tableResultIndex", nullptr}, {"listResultMetadata", nullptr}, {"subcommandOptions", nullptr}, {"nuid", random_uuid()}});
  }
  return Json{{"version", "NotebookV1"}, {"origId", 0}, {"name", name}, {"language", language_key(n.language)}, {"commands", commands},
              {"dashboards", Json::array()}, {"guid", random_uuid()}, {"globalVars", Json::object()}, {"iPythonMetadata", nullptr},
              {"inputWidgets", n.widgets}, {"notebookMetadata", {{"pythonIndentUnit", 4}}}}
      .dump();
}

Notebook read_html(std::string_view text) {
  size_t mark = text.find("__DATABRICKS_NOTEBOOK_MODEL");
  size_t open = mark == std::string_view::npos ? mark : text.find('\'', mark);
  size_t close = open == std::string_view::npos ? open : text.find('\'', open + 1);
  if (close == std::string_view::npos) throw http::invalid_parameter("The HTML page carries no notebook.");
  auto packed = base64_decode(text.substr(open + 1, close - open - 1));
  auto json = packed ? percent_decode(*packed, false) : std::nullopt;
  if (!json) throw http::invalid_parameter("The notebook of the HTML page is damaged.");
  return read_dbc_notebook(*json);
}

std::string write_html(const Notebook& n, const std::string& name) {
  std::string packed;
  for (unsigned char c : write_dbc_notebook(n, name)) {  // as encodeURIComponent does
    static constexpr char kHex[] = "0123456789ABCDEF";
    if (std::isalnum(c)) packed += static_cast<char>(c);
    else packed += '%', packed += kHex[c >> 4], packed += kHex[c & 15];
  }
  std::string out = "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<title>" + escape(name) +
                    "</title>\n<style>body{font-family:sans-serif;margin:2em}pre{background:#f6f8fa;padding:1em;overflow:auto}</style>\n</head>\n<body>\n<h1>" +
                    escape(name) + "</h1>\n";
  for (const auto& c : n.cells) {
    if (!c.title.empty()) out += "<h3>" + escape(c.title) + "</h3>\n";
    out += "<pre>" + escape(c.source) + "</pre>\n";
    for (const auto& o : c.outputs) {
      if (o.is_object() && o.contains("text")) out += "<pre class=\"output\">" + escape(joined(o["text"])) + "</pre>\n";
    }
  }
  return out + "<script>var __DATABRICKS_NOTEBOOK_MODEL = '" + base64_encode(packed) + "';</script>\n</body>\n</html>\n";
}

}  // namespace tarn::workspace
