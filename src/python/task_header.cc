#include "python/task_header.h"

#include <nlohmann/json.hpp>

namespace tarn::python {

Frame& Frame::int32(int32_t v) {
  for (int shift = 24; shift >= 0; shift -= 8) bytes_ += static_cast<char>(static_cast<uint32_t>(v) >> shift);
  return *this;
}
Frame& Frame::int64(int64_t v) {
  for (int shift = 56; shift >= 0; shift -= 8) bytes_ += static_cast<char>(static_cast<uint64_t>(v) >> shift);
  return *this;
}
Frame& Frame::byte(bool v) {
  bytes_ += static_cast<char>(v);
  return *this;
}
Frame& Frame::string(std::string_view v) {
  int32(static_cast<int32_t>(v.size()));
  bytes_ += v;
  return *this;
}

namespace {

void write_arguments(const std::vector<Argument>& arguments, Frame& out) {
  out.int32(static_cast<int32_t>(arguments.size()));
  for (const auto& a : arguments) {
    out.int32(a.column).byte(!a.name.empty());
    if (!a.name.empty()) out.string(a.name);
  }
}

void write_map(const std::map<std::string, std::string>& values, Frame& out) {
  out.int32(static_cast<int32_t>(values.size()));
  for (const auto& [key, value] : values) out.string(key).string(value);
}

}  // namespace

std::string PlannerHeader::bytes() const {
  Frame out;
  nlohmann::json prelude = {{"env", environment}, {"module", module}};
  if (!directory.empty()) prelude["directory"] = directory;
  if (!archives.empty()) prelude["archives"] = archives;
  if (cpu_seconds > 0) prelude["cpu_seconds"] = cpu_seconds;
  out.string(prelude.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
  out.string(python_version).string(directory).int32(static_cast<int32_t>(includes.size()));
  for (const auto& i : includes) out.string(i);
  out.byte(false).int32(0);  // broadcast variables
  write_map(conf, out);
  return out.take();
}

std::string TaskHeader::bytes() const {
  Frame out;
  // The part that worker_main.py reads itself.
  nlohmann::json prelude = {{"env", environment}};
  if (!input_type.empty()) {
    auto as_bytes = runner_conf.find("spark.sql.execution.pyspark.binaryAsBytes");
    prelude["types"] = {{"input", input_type}, {"output", output_types}, {"table", table_function != nullptr},
                        {"bytes", as_bytes != runner_conf.end() && as_bytes->second == "true"}};
  }
  if (!directory.empty()) prelude["directory"] = directory;
  if (!archives.empty()) prelude["archives"] = archives;
  if (cpu_seconds > 0) prelude["cpu_seconds"] = cpu_seconds;
  out.string(prelude.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
  nlohmann::json task = {{"isBarrier", barrier},       {"stageId", 0}, {"partitionId", partition}, {"attemptNumber", 0},
                         {"taskAttemptId", partition}, {"cpus", 1},  {"resources", nlohmann::json::object()}, {"localProperties", nlohmann::json::object()}};
  if (barrier) {
    task["localProperties"]["addresses"] = "127.0.0.1";
    task["connInfo"] = "";  // nobody has to be asked, see worker_main.py
    task["secret"] = "";
  }
  out.int32(partition).string(python_version).string(task.dump());
  out.string(directory).int32(static_cast<int32_t>(includes.size()));
  for (const auto& i : includes) out.string(i);
  out.byte(false).int32(0);  // broadcast variables
  out.int32(eval_type);
  write_map(runner_conf, out);
  write_map(eval_conf, out);
  if (table_function) {
    write_arguments(table_function->arguments, out);
    out.int32(static_cast<int32_t>(table_function->partition_columns.size()));
    for (int c : table_function->partition_columns) out.int32(c);
    out.byte(!table_function->analyze_result.empty());
    if (!table_function->analyze_result.empty()) out.string(table_function->analyze_result);
    out.string(table_function->command).string(table_function->return_type).string(table_function->name);
    return out.take();
  }
  out.int32(static_cast<int32_t>(functions.size()));
  for (const auto& f : functions) {
    write_arguments(f.arguments, out);
    out.int32(static_cast<int32_t>(f.commands.size()));
    for (const auto& c : f.commands) out.string(c);
    out.int64(f.result_id);
  }
  return out.take();
}

}  // namespace tarn::python
