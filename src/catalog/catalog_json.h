#pragma once
// The documents in which the catalog file keeps what has no column of its own. Unknown members are ignored, missing ones get their default.
#include <string>

#include "catalog/catalog.h"

namespace tarn::catalog {

std::string table_to_json(const TableInfo& table);
void table_from_json(const std::string& text, TableInfo* table);
std::string properties_to_json(const Properties& properties);
Properties properties_from_json(const std::string& text);
std::string pairs_to_json(const Pairs& pairs);
Pairs pairs_from_json(const std::string& text);
std::string function_to_json(const FunctionInfo& function);
void function_from_json(const std::string& text, FunctionInfo* function);

}  // namespace tarn::catalog
