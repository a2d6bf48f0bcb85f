// `tarn user password NAME`: for whoever owns the home, whether the workspace runs or not.
#include <termios.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <iostream>

#include "identity/families.h"
#include "server/command.h"
#include "server/database_option.h"

namespace tarn::server {
namespace {

// The terminal does not show what is typed while this lives.
class HiddenInput {
 public:
  HiddenInput() {
    if (::tcgetattr(STDIN_FILENO, &before_) != 0) return;
    termios hidden = before_;
    hidden.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    changed_ = ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &hidden) == 0;
  }
  ~HiddenInput() {
    if (changed_) ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &before_);
  }

 private:
  termios before_{};
  bool changed_ = false;
};

std::string ask(const char* prompt) {
  HiddenInput hidden;   // before the prompt: it throws away what was typed before
  std::fputs(prompt, stderr);
  std::fflush(stderr);
  std::string line;
  std::getline(std::cin, line);
  std::fputs("\n", stderr);
  return line;
}

std::string read_password() {
  if (::isatty(STDIN_FILENO)) {
    std::string first = ask("New password: ");
    if (ask("Again: ") != first) throw CommandError("the two passwords differ");
    return first;
  }
  std::string line;
  if (!std::getline(std::cin, line)) throw CommandError("no password on standard input");
  if (line.ends_with('\r')) line.pop_back();
  return line;
}

}  // namespace

int run_user(const Arguments& arguments) {
  const auto& words = arguments.words;
  if (words.empty() || words[0] != "password") throw UsageError("expected: tarn user password NAME");
  if (words.size() != 2) throw UsageError(words.size() < 2 ? "whose password? tarn user password NAME" : "the password is read from the terminal or standard input, never from the command line");
  const std::string home = home_of(arguments.settings);
  Settings server;   // what the workspace of this home is started with, flags aside
  server.set("home", {home, "flag"});
  complete(*find_command("server"), &server);
  const std::string database = database_of(server, home);
  if (!is_database_url(database) && !std::filesystem::exists(database)) throw CommandError("there is no workspace in this home yet: `tarn server` makes it");
  Metadata metadata(database);
  identity::Directory directory(metadata);
  identity::Passwords passwords(metadata);
  identity::WebSessions sessions(metadata, {});
  auto user = directory.find(identity::Kind::kUser, words[1]);
  if (!user) throw CommandError("there is no user " + words[1]);
  std::string password = read_password();
  if (auto why = identity::Passwords::objection(password, user->name)) throw CommandError(*why);
  passwords.set(user->id, password);
  int64_t ended = sessions.end_all(user->id);
  std::printf("the password of %s is set; %lld sessions ended\n", user->name.c_str(), static_cast<long long>(ended));
  return 0;
}

}  // namespace tarn::server
