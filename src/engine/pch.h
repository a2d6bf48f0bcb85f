#pragma once
// Precompiled for the engine room only: the DuckDB headers that most of its files use.
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "duckdb.hpp"
