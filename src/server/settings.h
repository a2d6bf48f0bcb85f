#pragma once
// The value of every option and where it came from.
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace tarn::server {

struct Setting {
  std::string value;
  std::string origin;  // "flag", "environment TARN_CLUSTER_LISTEN", "/home/x/.tarn/tarn.toml:3", "default"
};

class Settings {
 public:
  const std::string& get(std::string_view name) const;  // of an option that the command has
  bool on(std::string_view name) const;                  // a switch
  bool given(std::string_view name) const;               // not the default
  const std::map<std::string, Setting, std::less<>>& all() const { return values_; }
  void set(std::string_view name, Setting setting);

 private:
  std::map<std::string, Setting, std::less<>> values_;
};

// A subset of TOML: [section], key = "string" | 'string' | integer | true | false, # comments. Keys come out as "section.key".
// CommandError with file and line for anything else.
std::map<std::string, Setting> read_toml(const std::string& path);

struct Command;
// The environment variable of a setting: TARN_HOME, TARN_CLUSTER_LISTEN.
std::string environment_name(std::string_view command, std::string_view option);
// Flags first, then the environment, DIR/tarn.toml and the defaults. home and log-level have no section; the others have the command's
// name. CommandError for a key in tarn.toml that no command knows.
void complete(const Command& command, Settings* settings);
// Where the home is: --home, TARN_HOME or ~/.tarn; absolute.
std::string home_of(const Settings& settings);

}  // namespace tarn::server
