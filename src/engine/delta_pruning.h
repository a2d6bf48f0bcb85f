#pragma once
// Which files of a Delta scan can hold rows that meet a filter. Decides by partition values and statistics; when in doubt a file stays.
// One pruner serves one pass over the files; its filters must live as long.
#include <map>
#include <set>
#include <vector>

#include "engine/delta_scan.h"

namespace duckdb {
class ClientContext;
class Expression;
class Value;
struct LogicalType;
}  // namespace duckdb

namespace tarn::engine {

// A value of the log (partition value or statistic) in the column's type. Throws duckdb::Exception if the text does not fit.
duckdb::Value parse_partition_value(duckdb::ClientContext& context, const std::optional<std::string>& text, const delta::Type& type);

class DeltaPruner {
 public:
  // column_ids: what column_index of a bound reference to table_index stands for (an index into spec.schema.fields).
  DeltaPruner(duckdb::ClientContext& context, const DeltaScanSpec& spec, uint64_t table_index, const std::vector<uint64_t>& column_ids);
  // False only if no row of the file can meet the filter.
  bool may_match(const DeltaScanFile& file, const duckdb::Expression& filter);

 private:
  struct FileView;
  bool visit(FileView& file, const duckdb::Expression& e);
  bool partition_matches(const DeltaScanFile& file, const duckdb::Expression& e);
  // Notes the statistics that a filter asks for.
  void note_columns(const duckdb::Expression& e);
  // The field that a bound reference or a chain of struct_extract over one names; its physical path. Empty if it is something else.
  std::optional<std::pair<const delta::Field*, std::string>> column(const duckdb::Expression& e) const;
  bool only_partition_columns(const duckdb::Expression& e, bool& any) const;
  const delta::Field* field_of(const duckdb::Expression& e) const;

  duckdb::ClientContext& context_;
  const DeltaScanSpec& spec_;
  uint64_t table_index_;
  const std::vector<uint64_t>& column_ids_;
  std::vector<bool> is_partition_;  // by field
  std::set<std::string> wanted_;    // keys of statistics that the filters seen so far ask for
  std::set<const duckdb::Expression*> noted_;  // the filters and all their parts
  // Files of one partition get one answer.
  std::map<std::pair<const duckdb::Expression*, delta::PartitionValues>, bool> partition_answers_;
};

}  // namespace tarn::engine
