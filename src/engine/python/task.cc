#include "engine/python/task.h"

#include <arrow/buffer.h>
#include <arrow/io/interfaces.h>
#include <arrow/ipc/reader.h>
#include <arrow/ipc/writer.h>
#include <arrow/record_batch.h>

#include "base/spark_error.h"
#include "engine/python/python_scan.h"
#include "engine/python/state/state_server.h"
#include "engine/python/worker_errors.h"

namespace tarn::engine::python_functions {

namespace {

constexpr int32_t kMaxTraceback = 64 << 20;

SparkError python_exception(const std::string& text) { return SparkError::Plain(ErrorKind::kPython, text); }

struct WorkerDead {};

}  // namespace

// What Arrow reads.
class Task::Input : public arrow::io::InputStream {
 public:
  explicit Input(python::Worker& worker) : worker_(&worker) { set_mode(arrow::io::FileMode::READ); }
  arrow::Status Close() override { return arrow::Status::OK(); }
  bool closed() const override { return false; }
  arrow::Result<int64_t> Tell() const override { return position_; }
  arrow::Result<int64_t> Read(int64_t size, void* out) override {
    int64_t done = 0;
    try {
      while (done < size) {
        size_t n = worker_->read(static_cast<char*>(out) + done, static_cast<size_t>(size - done));
        if (n == 0) throw WorkerDead();
        done += static_cast<int64_t>(n);
      }
    } catch (...) {
      failure_ = std::current_exception();  // Arrow knows no exceptions: check() goes on with it
      return arrow::Status::IOError("the worker");
    }
    position_ += done;
    return done;
  }
  void check() const {
    if (failure_) std::rethrow_exception(failure_);
  }
  void read_all(void* to, int64_t size) {
    (void)Read(size, to);
    check();
  }
  arrow::Result<std::shared_ptr<arrow::Buffer>> Read(int64_t size) override {
    ARROW_ASSIGN_OR_RAISE(auto buffer, arrow::AllocateResizableBuffer(size));
    ARROW_RETURN_NOT_OK(Read(size, buffer->mutable_data()).status());
    return std::shared_ptr<arrow::Buffer>(std::move(buffer));
  }

 private:
  python::Worker* worker_;
  int64_t position_ = 0;
  std::exception_ptr failure_;
};

// What Arrow writes, gathered until it is handed to the worker.
class Task::Output : public arrow::io::OutputStream {
 public:
  Output() { set_mode(arrow::io::FileMode::WRITE); }
  arrow::Status Close() override { return arrow::Status::OK(); }
  bool closed() const override { return false; }
  arrow::Result<int64_t> Tell() const override { return position_; }
  arrow::Status Write(const void* data, int64_t size) override {
    bytes.append(static_cast<const char*>(data), static_cast<size_t>(size));
    position_ += size;
    return arrow::Status::OK();
  }
  std::string take() { return std::exchange(bytes, {}); }
  std::string bytes;

 private:
  int64_t position_ = 0;
};

namespace {

void check(const arrow::Status& status) {
  if (!status.ok()) throw internal_error("Arrow: " + status.ToString());
}

}  // namespace

template <class F> auto Task::guarded(F&& f) {
  try {
    return f();
  } catch (const WorkerDead&) {
    fail_dead();
  } catch (const python::WorkerIdle&) {
    throw worker_idle(scan_.idle_timeout_ms);
  }
}

Task::Task(const PythonScan& scan, int partition, std::function<bool()> interrupted) : scan_(scan) {
  worker_ = scan.runtime->pool->take(scan.runtime->environment);
  worker_->interrupted = std::move(interrupted);
  worker_->idle_timeout_ms = scan.idle_timeout_ms;
  input_ = std::make_shared<Input>(*worker_);
  output_ = std::make_shared<Output>();
  python::TaskHeader header = scan.header;
  header.partition = partition;
  header.table_function = scan.table_function.get();
  if (scan.stateful) {
    state_ = std::make_unique<StateServer>(*scan.stateful, std::make_unique<MemoryStateStore>(), worker_->pid());
    header.eval_conf["state_server_socket_port"] = state_->address();
  }
  worker_->send(header.bytes());
}

Task::~Task() = default;

void Task::send(const std::shared_ptr<arrow::RecordBatch>& batch) {
  if (!writer_) {
    auto made = arrow::ipc::MakeStreamWriter(output_.get(), batch->schema());
    check(made.status());
    writer_ = *made;
  }
  check(writer_->WriteRecordBatch(*batch));
  worker_->send(output_->take());
}

void Task::send_group(const std::vector<std::vector<std::shared_ptr<arrow::RecordBatch>>>& sides, const std::vector<std::shared_ptr<arrow::Schema>>& schemas) {
  output_->bytes += python::Frame().int32(static_cast<int32_t>(sides.size())).take();
  for (size_t i = 0; i < sides.size(); ++i) {
    Output stream;  // offsets inside a stream count from its start
    auto made = arrow::ipc::MakeStreamWriter(&stream, schemas[i]);
    check(made.status());
    for (const auto& batch : sides[i]) check((*made)->WriteRecordBatch(*batch));
    if (sides[i].empty()) {
      // A side without rows still has its columns.
      auto empty = arrow::RecordBatch::MakeEmpty(schemas[i]);
      check(empty.status());
      check((*made)->WriteRecordBatch(**empty));
    }
    check((*made)->Close());
    output_->bytes += stream.bytes;
  }
  worker_->send(output_->take());
}

void Task::finish(const std::shared_ptr<arrow::Schema>& schema) {
  if (schema) {
    if (!writer_) {
      auto made = arrow::ipc::MakeStreamWriter(output_.get(), schema);
      check(made.status());
      writer_ = *made;
    }
    check(writer_->Close());
  } else {
    output_->bytes += python::Frame().int32(0).take();  // no more groups
  }
  worker_->send(output_->take() + python::Frame().int32(python::kEndOfStream).take());
}

void Task::wait() {
  guarded([&] { worker_->wait(); return 0; });
}

int32_t Task::read_int() {
  unsigned char b[4];
  input_->read_all(b, 4);
  return static_cast<int32_t>(uint32_t{b[0]} << 24 | uint32_t{b[1]} << 16 | uint32_t{b[2]} << 8 | b[3]);
}

std::string Task::read_string() {
  int32_t size = read_int();
  if (size < 0 || size > kMaxTraceback) fail_garbage("a text of " + std::to_string(size) + " bytes");
  std::string text(static_cast<size_t>(size), '\0');
  if (size > 0) input_->read_all(text.data(), size);
  return text;
}

void Task::fail_with_exception() {
  std::string traceback = read_string();
  ended_ = true;
  throw worker_exception(traceback);
}

void Task::fail_dead() { throw worker_died(*worker_, scan_.header.environment); }

void Task::fail_garbage(const std::string& why) { throw python_exception("The Python worker answered with what is no result: " + why + "."); }

std::shared_ptr<arrow::RecordBatch> Task::next() {
  return guarded([&]() -> std::shared_ptr<arrow::RecordBatch> {
    if (ended_) return nullptr;
    for (;;) {
      if (reader_) {
        std::shared_ptr<arrow::RecordBatch> batch;
        auto status = reader_->ReadNext(&batch);
        input_->check();
        if (status.ok() && batch) status = batch->Validate();
        if (!status.ok()) fail_garbage(status.message());
        if (batch) return batch;
        reader_.reset();
      }
      int32_t mark = read_int();
      switch (mark) {
        case python::kStartArrow: {
          auto opened = arrow::ipc::RecordBatchStreamReader::Open(input_);
          input_->check();
          if (!opened.ok()) fail_garbage(opened.status().message());
          reader_ = *opened;
          break;
        }
        case python::kException: fail_with_exception();
        case python::kTiming: {
          char times[32], spilled[16];
          input_->read_all(times, sizeof times);
          input_->read_all(spilled, sizeof spilled);
          break;
        }
        case python::kEndOfData: end(); return nullptr;
        default: fail_garbage("the mark " + std::to_string(mark));
      }
    }
  });
}

void Task::end() {
  int32_t accumulators = read_int();
  if (accumulators < 0) fail_garbage("accumulators");
  for (int32_t i = 0; i < accumulators; ++i) scan_.runtime->add_accumulator(read_string());
  ended_ = true;
  if (read_int() == python::kEndOfStream) scan_.runtime->pool->give_back(std::move(worker_));
}

}  // namespace tarn::engine::python_functions
