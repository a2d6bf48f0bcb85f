#pragma once
// For tests: trees as one short line, without origins.
#include <string>

#include "sql/extension.h"
#include "sql/pch.h"

namespace tarn::sql::testing {

std::string show(const spark::connect::Expression& e);
std::string show(const spark::connect::Relation& r);
std::string show(const spark::connect::DataType& t);

}  // namespace tarn::sql::testing
