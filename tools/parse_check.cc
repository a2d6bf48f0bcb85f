// Parses statements from standard input and says what became of each: used by tools/parse_golden.py.
// Input: records ended by NUL; a record is "flags US statement" (US = 0x1F). Output: a line each, OK or the error condition.
#include <chrono>
#include <iostream>
#include <iterator>
#include <string>

#include "base/spark_error.h"
#include "spark/connect/base.pb.h"
#include "spark/connect/commands.pb.h"
#include "sql/extension.h"
#include "sql/parser.h"
#include "tarn/sql.pb.h"

int main(int argc, char** argv) {
  bool print = argc > 1 && std::string(argv[1]) == "--print";
  std::string all((std::istreambuf_iterator<char>(std::cin)), std::istreambuf_iterator<char>());
  size_t pos = 0, count = 0;
  auto begin = std::chrono::steady_clock::now();
  while (pos < all.size()) {
    size_t end = std::min(all.find('\0', pos), all.size());
    std::string record = all.substr(pos, end - pos);
    pos = end + 1;
    size_t us = record.find('\x1f');
    std::string flags = us == std::string::npos ? "" : record.substr(0, us);
    std::string sql = us == std::string::npos ? record : record.substr(us + 1);
    auto has = [&](char c) { return flags.find(c) != std::string::npos; };
    tarn::sql::ParseOptions options;
    options.ansi = !has('n');
    options.enforce_reserved_keywords = has('r');
    options.double_quoted_identifiers = has('d');
    options.ansi_relation_precedence = has('p');
    options.timestamp_ntz = has('z');
    options.legacy_interval = has('i');
    options.legacy_exponent_as_decimal = has('e');
    options.legacy_setops_precedence = has('s');
    options.legacy_escaped_literals = has('b');
    options.quoted_regex_column_names = has('x');
    options.legacy_char_as_string = has('c');
    options.legacy_identifier_clause = has('l');
    options.legacy_bang_not = has('!');
    options.view_schema_binding = !has('v');
    options.single_character_pipe = !has('k');
    options.script_continue_handler = options.script_cursors = true;  // as Spark's own tests set them
    ++count;
    try {
      auto plan = tarn::sql::parse_statement(sql, options);
      std::cout << "OK\n";
      if (print) {
        tarn::sql::Statement s;
        if (tarn::sql::unpack(plan.command(), &s)) std::cout << s.DebugString() << "\n";
        else std::cout << plan.DebugString() << "\n";
      }
    } catch (const tarn::SparkError& e) {
      std::cout << e.condition();
      if (e.context() && e.context()->start_index >= 0) std::cout << " " << e.context()->start_index + 1 << " " << e.context()->stop_index + 1;
      if (e.condition() == "PARSE_SYNTAX_ERROR") std::cout << " " << e.params().at("error") << "|" << e.params().at("hint");
      std::cout << "\n";
      if (print) std::cout << e.what() << "\n";
    }
  }
  double ms = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin).count();
  std::cerr << count << " statements in " << ms << " ms\n";
}
