#pragma once
// What a command of the program is.
#include <map>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "server/settings.h"

namespace tarn::server {

// Wrong usage: one line, exit status 2.
class UsageError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};
// It failed: one line that says why and what to do, exit status 1.
class CommandError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

struct Option {
  std::string_view name;         // "listen": --listen VALUE or --listen=VALUE
  std::string_view value;        // "HOST:PORT", shown in the help; empty: a switch
  std::string_view default_value;
  std::string_view help;
  bool setting = false;          // may also come from the environment and tarn.toml
  char letter = 0;               // a short form, -c
  bool repeated = false;
  bool secret = false;           // its value may have a password: not shown
};

struct Arguments {
  Settings settings;                         // every option, from wherever it came
  std::vector<std::string> words;            // what is no option
  std::multimap<std::string, std::string> repeated;
  std::string program;                       // the path of this executable
};

struct Command {
  std::string_view name;
  std::string_view summary;                  // one line, for `tarn --help`
  std::string_view words;                    // usage of the words after the options, "[cluster|server]"
  std::vector<Option> options;
  int (*run)(const Arguments&);              // the exit status; may throw UsageError, CommandError, std::exception
};

const std::vector<Command>& commands();
const Command* find_command(std::string_view name);

// The options that several commands share.
Option home_option();
Option log_level_option();

// One file each.
int run_cluster(const Arguments&);
int run_server(const Arguments&);
int run_start(const Arguments&);
int run_stop(const Arguments&);
int run_status(const Arguments&);
int run_logs(const Arguments&);
int run_config(const Arguments&);
int run_sql(const Arguments&);
int run_storage(const Arguments&);
int run_user(const Arguments&);
int run_version(const Arguments&);

}  // namespace tarn::server
