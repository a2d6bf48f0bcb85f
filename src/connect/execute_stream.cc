#include "connect/execute_stream.h"

#include "base/spark_error.h"
#include "connect/error_status.h"
#include "connect/operation.h"

namespace tarn::connect {
namespace {

grpc::Status cursor_error(const char* why) {
  return to_status(std::make_exception_ptr(SparkError(ErrorKind::kSpark, std::string("INVALID_CURSOR.") + why)));
}

}  // namespace

ExecuteStream::ExecuteStream(StreamLimits limits) : limits_(limits) {}

ExecuteStream* ExecuteStream::open(std::shared_ptr<Operation> operation, uint64_t first, StreamLimits limits) {
  auto stream = std::shared_ptr<ExecuteStream>(new ExecuteStream(limits));
  stream->self_ = stream;
  stream->operation_ = std::move(operation);
  stream->next_ = first;
  stream->operation_->attach(stream);
  return stream.get();
}

ExecuteStream* ExecuteStream::fail(grpc::Status status) {
  auto stream = std::shared_ptr<ExecuteStream>(new ExecuteStream({}));
  stream->self_ = stream;
  stream->end(std::move(status));
  return stream.get();
}

void ExecuteStream::pump() {
  std::shared_ptr<const grpc::ByteBuffer> answer;
  {
    std::lock_guard lock(mu_);
    if (writing_ || ending_) return;
    if (operation_->reattachable() && sent_bytes_ > limits_.max_bytes) {
      ending_ = finished_ = true;
    } else {
      auto next = operation_->buffer().take(next_);
      switch (next.kind) {
        case ReplayBuffer::Next::Kind::kWait: return;
        case ReplayBuffer::Next::Kind::kAnswer:
          answer = sending_ = std::move(next.answer);
          sent_bytes_ += next.bytes;
          ++next_;
          writing_ = true;
          break;
        case ReplayBuffer::Next::Kind::kEnd:
          status_ = std::move(next.status);
          ending_ = finished_ = true;
          break;
        case ReplayBuffer::Next::Kind::kLost:
          status_ = cursor_error("DISCONNECTED");
          ending_ = finished_ = true;
          break;
      }
    }
  }
  if (answer) {
    StartWrite(answer.get());  // without a buffer hint: gRPC 1.51 can leave a hinted message lying for a second
  } else {
    Finish(status_);
  }
}

void ExecuteStream::end(grpc::Status status) {
  {
    std::lock_guard lock(mu_);
    if (ending_) return;
    ending_ = true;
    status_ = std::move(status);
    if (writing_) return;  // OnWriteDone finishes
    finished_ = true;
  }
  Finish(status_);
}

void ExecuteStream::disconnect() { end(cursor_error("DISCONNECTED")); }

void ExecuteStream::check_limits(Clock::time_point now) {
  if (operation_->reattachable() && limits_.max_duration.count() > 0 && now - opened_ > limits_.max_duration) end(grpc::Status::OK);
}

void ExecuteStream::OnWriteDone(bool ok) {
  bool finish = false;
  {
    std::lock_guard lock(mu_);
    writing_ = false;
    sending_.reset();
    if (!ok && !ending_) {
      ending_ = true;
      status_ = grpc::Status::CANCELLED;
    }
    if (ending_ && !finished_) finish = finished_ = true;
  }
  if (finish) {
    Finish(status_);
  } else {
    pump();
  }
}

void ExecuteStream::OnCancel() {
  // The client is gone. What cannot be attached to again has no reader any more.
  if (operation_ && !operation_->reattachable()) operation_->interrupt();
  end(grpc::Status::CANCELLED);
}

void ExecuteStream::OnDone() {
  if (operation_) {
    operation_->detach(this);
    if (!operation_->reattachable()) operation_->remove(false);
  }
  self_.reset();  // may delete this
}

}  // namespace tarn::connect
