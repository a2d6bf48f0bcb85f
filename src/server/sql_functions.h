#pragma once
// SQL functions as the catalog keeps them, for the rooms that know no SQL.
#include "unity/families.h"

namespace tarn::server {

class SqlFunctions : public unity::FunctionLanguage {
 public:
  std::string compile(const std::string& statement, const std::vector<std::string>& name) const override;
  unity::FunctionShape describe(const std::string& definition) const override;
};

}  // namespace tarn::server
