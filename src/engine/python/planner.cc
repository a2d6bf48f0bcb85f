#include "engine/python/planner.h"

#include "base/spark_error.h"
#include "engine/python/runtime.h"
#include "engine/python/state/value_codec.h"
#include "engine/python/worker_errors.h"
#include "plan/session_conf.h"
#include "python/pickle.h"

namespace tarn::engine::python_functions {

using plan::TypeId;

namespace {

constexpr int32_t kMaxAnswer = 256 << 20;

SparkError python_exception(const std::string& text) { return SparkError::Plain(ErrorKind::kPython, text); }

// The user's message without the frames of the worker above it.
std::string last_message(const std::string& traceback) {
  const std::string mark = "PySparkValueError:";
  auto at = traceback.rfind(mark);
  std::string text = at == std::string::npos ? traceback : traceback.substr(at + mark.size());
  auto from = text.find_first_not_of(" \t\r\n"), to = text.find_last_not_of(" \t\r\n");
  return from == std::string::npos ? "" : text.substr(from, to - from + 1);
}

}  // namespace

Planner::Planner(const std::shared_ptr<Runtime>& runtime, const plan::SessionConf& conf, const std::string& module, const std::string& python_version)
    : runtime_(runtime) {
  add_files(*runtime_);
  python::PlannerHeader header;
  header.module = module;
  header.python_version = python_version;
  header.directory = runtime_->directory;
  header.includes = runtime_->includes;
  header.archives = runtime_->archives;
  header.environment = environment_ = worker_environment(*runtime_, conf);
  header.cpu_seconds = cpu_seconds(conf);
  if (auto profiler = conf.find("spark.sql.pyspark.dataSource.profiler")) header.conf["spark.sql.pyspark.dataSource.profiler"] = *profiler;
  worker_ = runtime_->pool->take(runtime_->environment);
  worker_->interrupted = [runtime] { return runtime->interrupted(); };
  worker_->idle_timeout_ms = idle_timeout_ms_ = idle_timeout_ms(conf);
  worker_->send(header.bytes());
}

Planner::~Planner() = default;

void Planner::run() { worker_->send(request_.take() + python::Frame().int32(python::kEndOfStream).take()); }

void Planner::read(char* to, size_t size) {
  try {
    for (size_t done = 0; done < size;) {
      size_t n = worker_->read(to + done, size - done);
      if (n == 0) throw worker_died(*worker_, environment_);
      done += n;
    }
  } catch (const python::WorkerIdle&) {
    throw worker_idle(idle_timeout_ms_);
  } catch (const python::WorkerInterrupted&) {
    throw SparkError(ErrorKind::kSpark, "OPERATION_CANCELED");
  }
}

int32_t Planner::read_int() {
  unsigned char b[4];
  read(reinterpret_cast<char*>(b), 4);
  return static_cast<int32_t>(uint32_t{b[0]} << 24 | uint32_t{b[1]} << 16 | uint32_t{b[2]} << 8 | b[3]);
}

std::string Planner::read_bytes(int32_t size) {
  if (size < 0 || size > kMaxAnswer) throw python_exception("The Python worker answered with what is no result: " + std::to_string(size) + " bytes.");
  std::string text(static_cast<size_t>(size), '\0');
  read(text.data(), text.size());
  return text;
}

void Planner::finish() {
  int32_t accumulators = read_int();
  if (accumulators < 0) throw python_exception("The Python worker answered with what is no result: accumulators.");
  for (int32_t i = 0; i < accumulators; ++i) runtime_->add_accumulator(read_string());
  if (read_int() == python::kEndOfStream) runtime_->pool->give_back(std::move(worker_));
}

plan::TableFunctionAnalysis analyze_table_function(const std::shared_ptr<Runtime>& runtime, const plan::SessionConf& conf, const plan::UserFunction& function,
                                                   const std::vector<plan::TableFunctionArgument>& arguments) {
  Planner planner(runtime, conf, "pyspark.sql.worker.analyze_udtf", function.python_version);
  auto& request = planner.request();
  request.string(function.name).string(function.command).int32(static_cast<int32_t>(arguments.size()));
  for (const auto& a : arguments) {
    request.string(a.type.json()).byte(a.constant.has_value());
    if (a.constant) {
      python::Pickle value;
      pickle(*a.constant, a.type, value);
      request.string(value.take());
    }
    request.byte(a.table).byte(!a.name.empty());
    if (!a.name.empty()) request.string(a.name);
  }
  planner.run();
  plan::TableFunctionAnalysis out;
  int32_t length = planner.read_length([](const std::string& traceback) {
    throw analysis_error("TABLE_VALUED_FUNCTION_FAILED_TO_ANALYZE_IN_PYTHON", {{"msg", last_message(traceback)}});
  });
  out.schema = plan::DataType::from_json(planner.read_bytes(length));
  out.pickled = planner.read_string();
  out.single_partition = planner.read_int() == 1;
  for (int32_t n = planner.read_int(); n > 0; --n) out.partition_by.push_back(planner.read_string());
  for (int32_t n = planner.read_int(); n > 0; --n) {
    plan::TableFunctionAnalysis::Order order;
    order.sql = planner.read_string();
    order.ascending = planner.read_int() == 1;
    int32_t nulls = planner.read_int();
    if (nulls != 0) order.nulls_first = nulls == 1;
    out.order_by.push_back(std::move(order));
  }
  for (int32_t n = planner.read_int(); n > 0; --n) {
    plan::TableFunctionAnalysis::Selected selected;
    selected.sql = planner.read_string();
    selected.alias = planner.read_string();
    out.select.push_back(std::move(selected));
  }
  planner.finish();
  return out;
}

}  // namespace tarn::engine::python_functions
