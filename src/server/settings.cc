#include "server/settings.h"

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "server/command.h"

namespace fs = std::filesystem;

namespace tarn::server {
namespace {

std::string trim(const std::string& s) {
  size_t a = s.find_first_not_of(" \t\r"), b = s.find_last_not_of(" \t\r");
  return a == std::string::npos ? "" : s.substr(a, b - a + 1);
}

bool is_key(const std::string& s) {
  if (s.empty()) return false;
  for (char c : s) {
    if (!std::isalnum(static_cast<unsigned char>(c)) && c != '-' && c != '_') return false;
  }
  return true;
}

// The value at the start of the text; *rest is what follows it.
bool parse_value(const std::string& text, std::string* value, std::string* rest) {
  if (text.empty()) return false;
  if (text[0] == '"' || text[0] == '\'') {
    for (size_t i = 1; i < text.size(); ++i) {
      if (text[i] == text[0]) {
        *rest = text.substr(i + 1);
        return true;
      }
      if (text[i] == '\\' && text[0] == '"') {
        if (++i == text.size()) return false;
        switch (text[i]) {
          case 'n': *value += '\n'; break;
          case 't': *value += '\t'; break;
          case '"': case '\\': *value += text[i]; break;
          default: return false;
        }
      } else {
        *value += text[i];
      }
    }
    return false;
  }
  size_t end = text.find_first_of(" \t#");
  *value = text.substr(0, end);
  *rest = end == std::string::npos ? "" : text.substr(end);
  if (*value == "true" || *value == "false") return true;
  for (size_t i = value->starts_with('-') ? 1 : 0; i < value->size(); ++i) {
    if (!std::isdigit(static_cast<unsigned char>((*value)[i]))) return false;
  }
  return !value->empty();
}

// The key in tarn.toml.
std::string file_key(std::string_view command, std::string_view option) {
  if (option == "home" || option == "log-level") return std::string(option);
  return std::string(command) + "." + std::string(option);
}

const char* environment(const std::string& name) {
  const char* v = std::getenv(name.c_str());
  return v && *v ? v : nullptr;
}

}  // namespace

const std::string& Settings::get(std::string_view name) const {
  static const std::string* kNothing = new std::string();
  auto it = values_.find(name);
  return it == values_.end() ? *kNothing : it->second.value;
}

bool Settings::on(std::string_view name) const { return get(name) == "true"; }

bool Settings::given(std::string_view name) const {
  auto it = values_.find(name);
  return it != values_.end() && it->second.origin != "default";
}

void Settings::set(std::string_view name, Setting setting) { values_[std::string(name)] = std::move(setting); }

std::map<std::string, Setting> read_toml(const std::string& path) {
  std::map<std::string, Setting> out;
  std::ifstream file(path);
  std::string section;
  int number = 0;
  for (std::string raw; std::getline(file, raw);) {
    std::string where = path + ":" + std::to_string(++number);
    std::string line = trim(raw);
    if (line.empty() || line[0] == '#') continue;
    if (line[0] == '[') {
      size_t close = line.find(']');
      std::string rest = close == std::string::npos ? "?" : trim(line.substr(close + 1));
      section = close == std::string::npos ? "" : trim(line.substr(1, close - 1));
      if (!is_key(section) || (!rest.empty() && rest[0] != '#')) throw CommandError(where + ": expected [section]");
      continue;
    }
    size_t equals = line.find('=');
    std::string key = equals == std::string::npos ? "" : trim(line.substr(0, equals));
    std::string value, rest;
    if (!is_key(key)) throw CommandError(where + ": expected key = value");
    if (!parse_value(trim(line.substr(equals + 1)), &value, &rest) || (!trim(rest).empty() && trim(rest)[0] != '#')) {
      throw CommandError(where + ": the value of " + key + " must be a \"string\", an integer, true or false");
    }
    std::string full = section.empty() ? key : section + "." + key;
    if (!out.emplace(full, Setting{value, where}).second) throw CommandError(where + ": " + full + " is given twice");
  }
  return out;
}

std::string environment_name(std::string_view command, std::string_view option) {
  std::string out = "TARN_" + file_key(command, option);
  for (char& c : out) c = c == '.' || c == '-' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return out;
}

std::string home_of(const Settings& settings) {
  std::string home = settings.get("home");
  if (home.empty()) {
    const char* user = environment("HOME");
    home = std::string(user ? user : "/tmp") + "/.tarn";
  }
  std::string path = fs::absolute(home).lexically_normal().string();
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  return path;
}

void complete(const Command& command, Settings* settings) {
  auto from_environment = [&](std::string_view option) {
    std::string name = environment_name(command.name, option);
    const char* value = settings->given(option) ? nullptr : environment(name);
    if (value) settings->set(option, {value, "environment " + name});
  };
  for (const auto& option : command.options) {
    if (option.setting) from_environment(option.name);
  }
  bool has_home = false;
  for (const auto& option : command.options) has_home |= option.name == "home";
  if (has_home) {
    // The home decides where the file is, so the file cannot move it.
    std::string path = home_of(*settings) + "/tarn.toml";
    auto file = read_toml(path);
    for (const auto& [key, setting] : file) {
      bool known = false;
      for (const auto& c : commands()) {
        for (const auto& o : c.options) known |= o.setting && o.name != "home" && file_key(c.name, o.name) == key;
      }
      if (!known) throw CommandError(setting.origin + ": unknown key " + key);
    }
    for (const auto& option : command.options) {
      auto it = file.find(file_key(command.name, option.name));
      if (option.setting && !settings->given(option.name) && it != file.end()) settings->set(option.name, it->second);
    }
  }
  for (const auto& option : command.options) {
    if (!settings->given(option.name)) settings->set(option.name, {std::string(option.default_value), "default"});
  }
  if (has_home && settings->get("home").empty()) settings->set("home", {home_of(*settings), "default"});
}

}  // namespace tarn::server
