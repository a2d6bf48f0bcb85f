#pragma once
// Data sources that users write in Python: pyspark.sql.datasource.DataSource. Their methods run in workers of the session; rows are read
// and written by functions over Arrow batches, one call a partition. Source: UserDefinedPythonDataSource.
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "engine/session_impl.h"
#include "plan/python_functions.h"

namespace tarn::engine::python_functions {

struct Runtime;

using SourceOptions = std::vector<std::pair<std::string, std::string>>;

// A source that the session has registered.
std::optional<PythonDataSource> find_source(const Session::Impl& session, const std::string& name);

// The sources of one operation, those in Python included, and what else runs in Python while a query is analyzed.
class PythonSourceResolver : public plan::SourceResolver, public plan::PythonPlanner {
 public:
  // The session outlives it.
  PythonSourceResolver(std::unique_ptr<plan::SourceResolver> others, const Session::Impl& session, std::shared_ptr<Runtime> runtime)
      : others_(std::move(others)), session_(session), runtime_(std::move(runtime)) {}
  std::shared_ptr<const plan::Relation> load(const std::string& format, const std::vector<std::string>& paths, const SourceOptions& options,
                                             const std::optional<plan::DataType>& schema) override {
    return others_->load(format, paths, options, schema);
  }
  std::shared_ptr<const plan::Relation> load_table(const catalog::TableInfo& table, const SourceOptions& options) override {
    return others_->load_table(table, options);
  }
  plan::TableFunctionAnalysis analyze_table_function(const plan::UserFunction& f, const std::vector<plan::TableFunctionArgument>& arguments) override;
  plan::PlanPtr read_source(const std::string& format, const std::vector<std::string>& paths, const SourceOptions& options,
                            const std::optional<plan::DataType>& schema) override;
  bool has_source(const std::string& format) const override { return find_source(session_, format).has_value(); }
  void write_source(const std::string& format, const SourceOptions& options, bool overwrite, const plan::PlanPtr& query,
                    const std::function<std::vector<Row>(const plan::PlanPtr&)>& run) override;

 private:
  std::unique_ptr<plan::SourceResolver> others_;
  const Session::Impl& session_;
  std::shared_ptr<Runtime> runtime_;
};

// The rows of a data source before it is known which of them are asked for; plan_reads() makes the read of it. Its function is the pickled
// DataSource and the schema; its child stands for nothing.
struct SourceRead : plan::PythonMap {
  std::shared_ptr<plan::LogicalPlan> clone() const override { return std::make_shared<SourceRead>(*this); }
};

// The rows of a source with these options. Throws PYTHON_DATA_SOURCE_ERROR.
plan::PlanPtr read_source(const std::shared_ptr<Runtime>& runtime, const plan::SessionConf& conf, const std::string& name, const PythonDataSource& source,
                          const SourceOptions& options, const std::optional<plan::DataType>& schema);

// A predicate as source.reader().pushFilters() gets it. Source: UserDefinedPythonDataSourceFilterPushdownRunner.
struct SourceFilter {
  std::string name;                        // of the class in pyspark.sql.datasource: "EqualTo"
  std::vector<std::string> column;         // the path of the column
  std::optional<std::pair<std::string, std::string>> value;   // a VARIANT: value and metadata
  bool negated = false;
  bool operator==(const SourceFilter&) const = default;
};

// The rows of every partition, asked of the reader now: filters it takes hold for them. taken: for each filter whether it has.
// Throws PYTHON_DATA_SOURCE_ERROR.
plan::PlanPtr plan_read(const std::shared_ptr<Runtime>& runtime, const plan::SessionConf& conf, const SourceRead& read,
                        const std::vector<SourceFilter>& filters, std::vector<bool>* taken);

// Writes the rows of a query by source.writer(): write() in workers, then commit(), or abort() if that fails.
// run: runs a plan whose rows are one binary column.
void write_source(const std::shared_ptr<Runtime>& runtime, const plan::SessionConf& conf, const std::string& name, const PythonDataSource& source,
                  const SourceOptions& options, bool overwrite, const plan::PlanPtr& query,
                  const std::function<std::vector<Row>(const plan::PlanPtr&)>& run);

}  // namespace tarn::engine::python_functions
