// `tarn sql`: statements from the command line, a file or a prompt.
#include <readline/history.h>
#include <readline/readline.h>
#include <semaphore.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <clocale>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <sstream>
#include <thread>

#include "server/command.h"
#include "server/result_printer.h"
#include "server/sql_client.h"
#include "sql/parser.h"

namespace tarn::server {
namespace {

// Ctrl-C while a statement runs: the handler may only post, a thread does the rest.
sem_t interrupt_posted;
extern "C" void on_interrupt(int) { ::sem_post(&interrupt_posted); }

class Interrupter {
 public:
  explicit Interrupter(SqlClient& client) : client_(client) {
    ::sem_init(&interrupt_posted, 0, 0);
    struct sigaction action {};
    action.sa_handler = on_interrupt;
    ::sigaction(SIGINT, &action, nullptr);
    thread_ = std::thread([this] {
      for (;;) {
        ::sem_wait(&interrupt_posted);
        if (ended_) return;
        client_.cancel();
      }
    });
  }
  ~Interrupter() {
    ended_ = true;
    ::sem_post(&interrupt_posted);
    thread_.join();
    ::signal(SIGINT, SIG_DFL);
  }

 private:
  SqlClient& client_;
  std::atomic<bool> ended_{false};
  std::thread thread_;
};

size_t terminal_width() {
  winsize size{};
  if (::isatty(STDOUT_FILENO) && ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0) return size.ws_col;
  return 0;
}

struct Shell {
  SqlClient client;
  std::string format;
  bool interactive = false;

  void run(const std::string& sql) {
    auto begin = std::chrono::steady_clock::now();
    auto printer = make_printer(format, stdout, terminal_width());
    client.run(sql, format == "json", *printer);
    printer->finish();
    std::fflush(stdout);
    if (!interactive) return;
    double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    std::printf("%lld row%s (%.3f s)\n", static_cast<long long>(printer->rows()), printer->rows() == 1 ? "" : "s", seconds);
  }

  void run_all(const std::string& script) {
    for (const auto& statement : sql::split_statements(script)) run(std::string(statement.text));
  }
};

// Words for the Tab key: the language's, and the tables of the current schema (asked for again after a few seconds).
class Completer {
 public:
  explicit Completer(Shell& shell) : shell_(shell) {
    current_ = this;
    rl_attempted_completion_function = [](const char* text, int, int) -> char** {
      rl_attempted_completion_over = 1;
      return rl_completion_matches(text, [](const char* prefix, int state) { return current_->match(prefix, state); });
    };
  }
  ~Completer() { current_ = nullptr; }

 private:
  char* match(const std::string& prefix, int state) {
    if (state == 0) {
      matches_.clear();
      refresh();
      bool lower = !prefix.empty() && std::islower(static_cast<unsigned char>(prefix[0]));
      for (const auto& k : sql::keywords()) {
        std::string word(k.word);
        if (lower) std::transform(word.begin(), word.end(), word.begin(), [](unsigned char c) { return std::tolower(c); });
        if (word.starts_with(prefix)) matches_.push_back(word);
      }
      for (const auto& t : tables_) {
        if (t.starts_with(prefix)) matches_.push_back(t);
      }
      next_ = 0;
    }
    return next_ < matches_.size() ? ::strdup(matches_[next_++].c_str()) : nullptr;
  }

  void refresh() {
    auto now = std::chrono::steady_clock::now();
    if (now - asked_ < std::chrono::seconds(5)) return;
    struct Names final : SqlClient::Rows {
      std::vector<std::string> names;
      size_t column = 0;
      void columns(const std::vector<ResultColumn>& columns) override {
        for (size_t i = 0; i < columns.size(); ++i) {
          if (columns[i].name == "tableName") column = i;
        }
      }
      void row(const std::vector<Cell>& cells) override { names.push_back(cells[column].text); }
    } names;
    try {
      shell_.client.run("SHOW TABLES", false, names);
      tables_ = std::move(names.names);
    } catch (const std::exception&) {
      // the Tab key is no place for errors
    }
    asked_ = std::chrono::steady_clock::now();
  }

  static inline Completer* current_ = nullptr;
  Shell& shell_;
  std::vector<std::string> tables_, matches_;
  size_t next_ = 0;
  std::chrono::steady_clock::time_point asked_{};
};

int prompt(Shell& shell, const std::string& home) {
  shell.interactive = true;
  std::setlocale(LC_ALL, "");
  Completer completer(shell);
  std::string history = home + "/sql_history";
  ::using_history();
  ::read_history(history.c_str());
  ::stifle_history(10'000);
  std::printf("tarn sql: statements end with ';', Ctrl-C ends a running one, Ctrl-D leaves\n");
  std::string script;
  for (;;) {
    char* line = ::readline(script.empty() ? "tarn> " : "   -> ");
    if (!line) break;
    std::string text(line);
    std::free(line);
    std::string word = text.substr(0, text.find_last_not_of(" ;") + 1);
    if (script.empty() && (word == "quit" || word == "exit" || word == "\\q")) break;
    if (script.empty() && word.empty()) continue;
    script += text + "\n";
    auto statements = sql::split_statements(script);
    if (!statements.empty() && !statements.back().terminated) continue;
    std::string entry = script.substr(0, script.find_last_not_of('\n') + 1);
    std::replace(entry.begin(), entry.end(), '\n', ' ');
    ::add_history(entry.c_str());
    for (const auto& statement : statements) {
      try {
        shell.run(std::string(statement.text));
      } catch (const SqlError& e) {
        std::fprintf(stderr, "%s\n", e.what());
        break;
      }
    }
    script.clear();
  }
  std::error_code ec;
  std::filesystem::create_directories(home, ec);
  ::write_history(history.c_str());
  return 0;
}

std::string read_script(const std::string& file) {
  std::ostringstream text;
  if (file == "-") {
    text << std::cin.rdbuf();
    return text.str();
  }
  std::ifstream in(file);
  if (!in) throw CommandError("cannot read " + file);
  text << in.rdbuf();
  return text.str();
}

}  // namespace

int run_sql(const Arguments& arguments) {
  const Settings& settings = arguments.settings;
  make_printer(settings.get("output"), stdout, 0);  // a wrong format is a wrong usage, not an error after the query
  if (settings.given("command") && settings.given("file")) throw UsageError("give -c or -f, not both");
  Shell shell{SqlClient(settings.get("remote")), settings.get("output")};
  Interrupter interrupter(shell.client);
  try {
    if (settings.given("command")) shell.run_all(settings.get("command"));
    else if (settings.given("file")) shell.run_all(read_script(settings.get("file")));
    else if (!::isatty(STDIN_FILENO)) shell.run_all(read_script("-"));
    else return prompt(shell, home_of(settings));
  } catch (const SqlError& e) {
    throw CommandError(e.what());
  }
  return 0;
}

}  // namespace tarn::server
