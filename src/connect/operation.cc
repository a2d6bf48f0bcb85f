#include "connect/operation.h"

#include <arrow/record_batch.h>
#include <spark/connect/base.pb.h>

#include "base/log.h"
#include "base/spark_error.h"
#include "connect/error_status.h"
#include "connect/execute_stream.h"
#include "connect/fair_scheduler.h"
#include "connect/plan_decoder.h"
#include "plan/session_conf.h"
#include "plan/types.h"

namespace sc = spark::connect;

namespace tarn::connect {
namespace {

constexpr std::string_view kProgressKey = "spark.connect.progress.reportInterval";

SparkError cancelled() { return SparkError(ErrorKind::kSpark, "OPERATION_CANCELED"); }

// Equal for equal plans. A large plan counts by its size alone: it would have to be written out to be compared.
size_t digest(const sc::Plan& plan) {
  size_t size = plan.ByteSizeLong();
  return size > (4 << 20) ? size : std::hash<std::string>()(plan.SerializeAsString());
}

// The client-side name of a metric.
void set_metric(sc::ExecutePlanResponse_Metrics_MetricObject* object, const char* key, const char* name, int64_t value) {
  auto& metric = (*object->mutable_execution_metrics())[key];
  metric.set_name(name);
  metric.set_value(value);
  metric.set_metric_type("sum");
}

}  // namespace

// Puts what the engine answers into the replay buffer. A client acknowledges every message with a call of its own, so what belongs together
// travels together: the schema with the first batch, the last batch with the metrics.
class Operation::Sink final : public engine::ResultSink {
 public:
  explicit Sink(Operation& operation) : op_(operation) {}

  void schema(const plan::DataType& type, const std::shared_ptr<arrow::Schema>& arrow) override {
    schema_ = arrow;
    sc::ExecutePlanResponse response;
    type.to_proto(response.mutable_schema());
    waiting_ = op_.encoder_.message(response);
  }

  void batch(const std::shared_ptr<arrow::RecordBatch>& batch) override {
    if (batch->num_rows() == 0) return;
    op_.encoder_.batch(*batch, [&](const std::vector<grpc::Slice>& message) {
      put(message);
      return true;
    });
  }

  void last_batch(const std::shared_ptr<arrow::RecordBatch>& batch) override {
    if (batch->num_rows() == 0) return;
    op_.encoder_.batch(*batch, hold_last());
  }

  void message(const sc::ExecutePlanResponse& response) override { put(op_.encoder_.message(response)); }

  // After the last answer of the engine.
  void complete() {
    if (schema_) {
      if (op_.encoder_.batches() == 0) op_.encoder_.empty_batch(schema_, hold_last());
      sc::ExecutePlanResponse metrics;
      auto* result = metrics.mutable_metrics()->add_metrics();
      result->set_name("Result");
      set_metric(result, "numOutputRows", "number of output rows", op_.encoder_.rows());
      join(op_.encoder_.message(metrics));
      op_.counters_.rows_sent += static_cast<uint64_t>(op_.encoder_.rows());
    }
    sc::ExecutePlanResponse observed;
    op_.session_->session().observed_metrics(op_.id(), &observed);
    if (observed.observed_metrics_size() > 0) join(op_.encoder_.message(observed));
    op_.cancel_.throw_if_cancelled();  // who was told that it is interrupted must not see it succeed
    if (!waiting_.empty()) put({});
    if (op_.reattachable()) {
      sc::ExecutePlanResponse complete;
      complete.mutable_result_complete();
      put(op_.encoder_.message(complete));
    }
  }

 private:
  // Fields of two messages one after the other are the fields of one message.
  void join(const std::vector<grpc::Slice>& message) {
    // All begin with the ids, which are wanted once.
    waiting_.insert(waiting_.end(), message.begin() + (waiting_.empty() ? 0 : 1), message.end());
  }
  void put(const std::vector<grpc::Slice>& message) {
    if (!message.empty()) join(message);
    if (!op_.buffer_.push(waiting_, op_.cancel_)) throw cancelled();
    waiting_.clear();
  }
  // Passes all messages on but the last, which waits for what is joined to it.
  std::function<bool(const std::vector<grpc::Slice>&)> hold_last() {
    return [this, batches = 0](const std::vector<grpc::Slice>& message) mutable {
      if (batches++ > 0) put({});
      join(message);
      return true;
    };
  }
  Operation& op_;
  std::shared_ptr<arrow::Schema> schema_;
  std::vector<grpc::Slice> waiting_;  // a message that is not sent yet
};

Operation::Operation(std::shared_ptr<SessionState> session, OperationSpec spec, std::unique_ptr<sc::Plan> plan, ServiceCounters& counters)
    : session_(std::move(session)),
      spec_(std::move(spec)),
      plan_digest_(digest(*plan)),
      plan_(std::move(plan)),
      counters_(counters),
      buffer_(spec_.limits),
      encoder_(session_->id(), session_->server_side_id(), spec_.id, spec_.chunking),
      detached_since_(Clock::now()),
      last_progress_(Clock::now()) {
  cancel_.on_cancel([this] { buffer_.wake(); });
}

Operation::~Operation() = default;

bool Operation::same_plan(const sc::Plan& plan) const { return digest(plan) == plan_digest_; }

void Operation::start(FairScheduler& scheduler) {
  ++counters_.operations_started;
  scheduler_ = &scheduler;
  task_ = scheduler.submit(session_->user() + "\n" + session_->id(), [self = shared_from_this()] { self->run(); });
}

void Operation::run() {
  started_ = true;
  auto begin = Clock::now();
  try {
    cancel_.throw_if_cancelled();
    execute();
    buffer_.finish(grpc::Status::OK);
  } catch (...) {
    end_with(std::current_exception());
  }
  plan_.reset();
  auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - begin).count();
  log::debug("operation_ended", {{"operation", id()}, {"session", session_->id()}, {"ms", std::to_string(ms)}});
}

void Operation::execute() {
  Sink sink(*this);
  decompress_plan(plan_.get());
  require_operation(*plan_);
  session_->session().execute(*plan_, {spec_.id, spec_.tags}, sink, cancel_);
  sink.complete();
}

void Operation::end_with(std::exception_ptr error) {
  if (interrupted_) error = std::make_exception_ptr(cancelled());
  failed_ = true;
  ++(interrupted_ ? counters_.operations_cancelled : counters_.operations_failed);
  log::info(interrupted_ ? "operation_cancelled" : "operation_failed",
            {{"operation", id()}, {"session", session_->id()}, {"condition", error_condition(error)}});
  buffer_.finish(to_status(error, session_->keep_error(error)));
}

bool Operation::interrupt() {
  if (buffer_.finished() || interrupted_.exchange(true)) return false;
  // One that still waits for its turn ends at once.
  if (scheduler_ && scheduler_->remove(task_)) {
    end_with(nullptr);
  } else {
    cancel_.cancel();
  }
  return true;
}

void Operation::remove(bool abandoned) {
  auto self = shared_from_this();
  interrupt();
  session_->remove(id(), state() == OperationState::kTerminating ? (interrupted_  ? OperationState::kCancelled
                                                                    : failed_ ? OperationState::kFailed
                                                                              : OperationState::kSucceeded)
                                                                 : OperationState::kCancelled,
                   abandoned);
  std::shared_ptr<ExecuteStream> stream;
  {
    std::lock_guard lock(mu_);
    stream.swap(stream_);
    detached_since_ = Clock::now();
  }
  buffer_.set_listener(nullptr);
  buffer_.close();
  if (stream) stream->disconnect();
}

void Operation::attach(const std::shared_ptr<ExecuteStream>& stream) {
  std::shared_ptr<ExecuteStream> before;
  {
    std::lock_guard lock(mu_);
    before.swap(stream_);
    stream_ = stream;
    detached_since_ = Clock::time_point::max();
  }
  ++counters_.streams_opened;
  if (before) before->disconnect();
  buffer_.set_listener([weak = std::weak_ptr(stream)] {
    if (auto s = weak.lock()) s->pump();
  });
  stream->pump();
}

void Operation::detach(const ExecuteStream* stream) {
  std::shared_ptr<ExecuteStream> dropped;
  std::lock_guard lock(mu_);
  if (stream_.get() != stream) return;
  dropped.swap(stream_);
  detached_since_ = Clock::now();
}

OperationState Operation::state() const { return buffer_.finished() ? OperationState::kTerminating : OperationState::kRunning; }

Clock::time_point Operation::detached_since() const {
  std::lock_guard lock(mu_);
  return detached_since_;
}

void Operation::tick(Clock::time_point now) {
  std::shared_ptr<ExecuteStream> stream;
  bool progress_due = false;
  {
    std::lock_guard lock(mu_);
    stream = stream_;
    if (stream && !buffer_.finished()) {
      int64_t interval = 0;
      try {
        interval = session_->session().conf().integer(kProgressKey);
      } catch (const std::exception&) {  // set to something that is no time: no progress
      }
      progress_due = interval > 0 && now - last_progress_ >= std::chrono::milliseconds(interval);
      if (progress_due) last_progress_ = now;
    }
  }
  if (!stream) return;
  stream->check_limits(now);
  if (!progress_due) return;
  engine::Progress p;
  if (started_) p = session_->session().progress(id());
  sc::ExecutePlanResponse response;
  auto* progress = response.mutable_execution_progress();
  progress->set_num_inflight_tasks(p.running_tasks);
  if (p.total_tasks > 0 || p.fraction >= 0) {
    auto* stage = progress->add_stages();
    stage->set_stage_id(0);
    // An engine that only knows a fraction counts in percent.
    stage->set_num_tasks(p.total_tasks > 0 ? p.total_tasks : 100);
    stage->set_num_completed_tasks(p.total_tasks > 0 ? p.completed_tasks : static_cast<int64_t>(p.fraction * 100));
    stage->set_input_bytes_read(p.input_bytes);
    stage->set_done(stage->num_tasks() == stage->num_completed_tasks());
  }
  buffer_.try_push(encoder_.message(response));
}

}  // namespace tarn::connect
