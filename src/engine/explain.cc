#include "engine/explain.h"

#include <algorithm>
#include <cstdio>

#include "base/spark_error.h"

namespace tarn::engine {

namespace {

// "Statistics(sizeInBytes=1.2 KiB)" of the files below a node.
void sizes(const plan::LogicalPlan& p, uint64_t& bytes, bool& known) {
  if (auto* scan = plan::try_as<plan::Scan>(p)) {
    if (auto size = scan->relation->size_in_bytes()) bytes += *size;
    else known = false;
  }
  for (const auto& c : p.children) sizes(*c, bytes, known);
}

std::string bytes_text(uint64_t bytes) {
  static const char* kUnits[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
  double v = static_cast<double>(bytes);
  int unit = 0;
  while (v >= 1024 && unit < 5) v /= 1024, ++unit;
  char text[64];
  std::snprintf(text, sizeof text, "%.1f %s", v, kUnits[unit]);
  return text;
}

}  // namespace

std::string explain_text(const plan::PlanPtr& plan, const std::string& mode, const std::string& sql,
                         const std::function<std::string(const std::string&)>& duckdb_plan) {
  std::string kind = mode;
  std::transform(kind.begin(), kind.end(), kind.begin(), [](unsigned char c) { return std::tolower(c); });
  std::string logical = plan::tree_string(*plan);
  if (!logical.empty() && logical.back() != '\n') logical += '\n';
  std::string physical = duckdb_plan(sql);
  if (kind == "simple" || kind.empty()) return "== Physical Plan ==\n" + sql + "\n\n" + physical;
  if (kind == "formatted") return "== Physical Plan ==\n" + physical + "\n== SQL ==\n" + sql + "\n";
  if (kind == "codegen") {
    return "Found 0 WholeStageCodegen subtrees.\n\n== Physical Plan ==\n" + sql + "\n\n" + physical;
  }
  if (kind == "extended") {
    return "== Parsed Logical Plan ==\n" + logical + "\n== Analyzed Logical Plan ==\n" + plan::schema_of(*plan).simple_string() + "\n" + logical +
           "\n== Optimized Logical Plan ==\n" + logical + "\n== Physical Plan ==\n" + sql + "\n\n" + physical;
  }
  if (kind == "cost") {
    uint64_t bytes = 0;
    bool known = true;
    sizes(*plan, bytes, known);
    return "== Optimized Logical Plan ==\n" + logical + "Statistics(sizeInBytes=" + (known ? bytes_text(bytes) : "8.0 EiB") + ")\n\n== Physical Plan ==\n" +
           sql + "\n\n" + physical;
  }
  throw SparkError(ErrorKind::kIllegalArgument, "INVALID_EXPLAIN_MODE", {{"mode", mode}});
}

}  // namespace tarn::engine
