#pragma once
// Opens data sources for the analyzer and says how they are read in SQL.
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "plan/logical_plan.h"

namespace tarn::plan {
class SessionConf;
}

namespace tarn::engine {

// Dispatches by format: file sources, Delta tables. One per operation; not thread-safe.
std::unique_ptr<plan::SourceResolver> make_source_resolver(const plan::SessionConf& conf);

// Credentials and endpoints are the session's. As options of one read or write they would be ignored: an error says so.
void check_no_store_settings(const std::vector<std::pair<std::string, std::string>>& options);

// A relation that an engine source gives as a SELECT of these columns, in this order (plan::Scan says what an index means); with
// no columns one INTEGER column and the right number of rows. The relation must outlive the query.
class SqlRelation : public plan::Relation {
 public:
  virtual std::string scan_sql(const std::vector<size_t>& columns) const = 0;
};

std::string scan_sql(const plan::Relation& relation, const std::vector<size_t>& columns);

}  // namespace tarn::engine
