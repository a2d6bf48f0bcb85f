// The main function of every unit test program.
#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>

#include <cstdio>
#include <cstdlib>

int main(int argc, char** argv) {
  doctest::Context context(argc, argv);
  int status = context.run();
  std::fflush(nullptr);
  // Without destructors of statics: a database that tests share must not end after DuckDB's per-thread state and threads are gone.
  std::_Exit(status);
}
