#include <cstdio>
#include "duckdb/main/database.hpp"
int main() { std::puts(duckdb::DuckDB::LibraryVersion()); }
