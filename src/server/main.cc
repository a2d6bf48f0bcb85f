// The program: finds the command, reads its options, turns what it throws into an exit status.
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <string>

#include "base/spark_error.h"
#include "server/command.h"

namespace tarn::server {
namespace {

std::string one_line(const char* text) {
  std::string s(text);
  return s.substr(0, s.find('\n'));
}

void print_help() {
  std::puts("Usage: tarn COMMAND [OPTIONS]\n\nTarn is a lakehouse in one program: Spark Connect, Delta Lake and the tools around them.\n\nCommands:");
  for (const auto& c : commands()) std::printf("  %-10s %s\n", std::string(c.name).c_str(), std::string(c.summary).c_str());
  std::puts("\n`tarn COMMAND --help` explains a command.");
}

void print_help(const Command& command) {
  std::printf("Usage: tarn %s [OPTIONS] %s\n\n%s\n\nOptions:\n", std::string(command.name).c_str(), std::string(command.words).c_str(),
              std::string(command.summary).c_str());
  for (const auto& o : command.options) {
    std::string left = o.letter ? std::string("-") + o.letter + ", --" : "--";
    left += std::string(o.name) + (o.value.empty() ? "" : " " + std::string(o.value));
    std::string right(o.help);
    if (!o.default_value.empty()) right += " (default " + std::string(o.default_value) + ")";
    if (o.setting) right += " [" + environment_name(command.name, o.name) + "]";
    std::printf("  %-28s %s\n", left.c_str(), right.c_str());
  }
}

const Option* find_option(const Command& command, const std::string& name, char letter) {
  for (const auto& o : command.options) {
    if (letter ? o.letter == letter : o.name == name) return &o;
  }
  return nullptr;
}

// False if help was asked for.
bool parse(const Command& command, int argc, char** argv, Arguments* out) {
  bool words_only = false;
  for (int i = 2; i < argc; ++i) {
    std::string arg = argv[i];
    if (words_only || arg.size() < 2 || arg[0] != '-') {
      out->words.push_back(arg);
      continue;
    }
    if (arg == "--") {
      words_only = true;
      continue;
    }
    if (arg == "--help" || arg == "-h") return false;
    bool is_long = arg.starts_with("--");
    size_t equals = is_long ? arg.find('=') : std::string::npos;
    std::string name = is_long ? arg.substr(2, equals == std::string::npos ? equals : equals - 2) : "";
    const Option* option = is_long ? find_option(command, name, 0) : arg.size() == 2 ? find_option(command, "", arg[1]) : nullptr;
    if (!option) throw UsageError("unknown option " + arg.substr(0, equals) + " of tarn " + std::string(command.name) + " (see --help)");
    std::string value = "true";
    if (option->value.empty()) {
      if (equals != std::string::npos) throw UsageError("--" + name + " takes no value");
    } else if (equals != std::string::npos) {
      value = arg.substr(equals + 1);
    } else if (++i < argc) {
      value = argv[i];
    } else {
      throw UsageError(arg + " wants a value: " + std::string(option->value));
    }
    if (option->repeated) out->repeated.emplace(option->name, value);
    else if (out->settings.given(option->name)) throw UsageError("--" + std::string(option->name) + " is given twice");
    else out->settings.set(option->name, {value, "flag"});
  }
  if (!out->words.empty() && command.words.empty()) throw UsageError("unexpected word " + out->words[0] + " (see --help)");
  return true;
}

std::string program_path(const char* argv0) {
  char path[4096];
  ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
  return n > 0 ? std::string(path, static_cast<size_t>(n)) : argv0;
}

int run(int argc, char** argv) {
  std::string name = argc > 1 ? argv[1] : "";
  if (name == "--help" || name == "-h" || name == "help") return print_help(), 0;
  if (name == "--version") name = "version";
  if (name.empty()) return print_help(), 2;
  const Command* command = find_command(name);
  if (!command) throw UsageError("unknown command " + name + " (see tarn --help)");
  Arguments arguments;
  arguments.program = program_path(argv[0]);
  if (!parse(*command, argc, argv, &arguments)) return print_help(*command), 0;
  complete(*command, &arguments.settings);
  return command->run(arguments);
}

}  // namespace
}  // namespace tarn::server

int main(int argc, char** argv) {
  using namespace tarn;
  try {
    return server::run(argc, argv);
  } catch (const server::UsageError& e) {
    std::fprintf(stderr, "tarn: %s\n", server::one_line(e.what()).c_str());
    return 2;
  } catch (const std::exception& e) {
    std::fprintf(stderr, "tarn: %s\n", server::one_line(e.what()).c_str());
    return 1;
  }
}
