#include "connect/response_encoder.h"

#include <arrow/api.h>
#include <arrow/io/interfaces.h>
#include <arrow/ipc/dictionary.h>
#include <arrow/ipc/options.h>
#include <arrow/ipc/writer.h>
#include <google/protobuf/io/coded_stream.h>
#include <spark/connect/base.pb.h>

#include <stdexcept>

namespace sc = spark::connect;

namespace tarn::connect {
namespace {

using Buffers = std::vector<std::shared_ptr<arrow::Buffer>>;
constexpr int64_t kCopyBelow = 2048;  // smaller pieces are cheaper to copy than to reference

void check(const arrow::Status& status) {
  if (!status.ok()) throw std::runtime_error("Arrow: " + status.ToString());
}

// Collects what is written as a list of buffers: large ones by reference, small ones gathered.
class BufferList final : public arrow::io::OutputStream {
 public:
  arrow::Status Write(const void* data, int64_t n) override {
    small_.append(static_cast<const char*>(data), static_cast<size_t>(n));
    position_ += n;
    return arrow::Status::OK();
  }
  arrow::Status Write(const std::shared_ptr<arrow::Buffer>& data) override {
    if (data->size() < kCopyBelow) return Write(data->data(), data->size());
    flush();
    buffers_.push_back(data);
    position_ += data->size();
    return arrow::Status::OK();
  }
  using OutputStream::Write;
  arrow::Status Close() override { return arrow::Status::OK(); }
  bool closed() const override { return false; }
  arrow::Result<int64_t> Tell() const override { return position_; }
  void flush() {
    if (!small_.empty()) buffers_.push_back(arrow::Buffer::FromString(std::move(small_)));
    small_.clear();
  }
  Buffers take() {
    flush();
    return std::move(buffers_);
  }
  int64_t size() const { return position_; }

 private:
  Buffers buffers_;
  std::string small_;
  int64_t position_ = 0;
};

grpc::Slice as_slice(const std::shared_ptr<arrow::Buffer>& buffer) {
  if (buffer->size() < kCopyBelow) return grpc::Slice(buffer->data(), static_cast<size_t>(buffer->size()));
  auto* keep = new std::shared_ptr<arrow::Buffer>(buffer);
  return grpc::Slice(const_cast<uint8_t*>(buffer->data()), static_cast<size_t>(buffer->size()),
                     [](void* p) { delete static_cast<std::shared_ptr<arrow::Buffer>*>(p); }, keep);
}

void put_varint(std::string* out, uint64_t v) {
  while (v >= 0x80) {
    *out += static_cast<char>(v | 0x80);
    v >>= 7;
  }
  *out += static_cast<char>(v);
}

void put_int(std::string* out, int field, int64_t v) {
  put_varint(out, static_cast<uint64_t>(field) << 3);
  put_varint(out, static_cast<uint64_t>(v));
}

std::string encoded_ids(const std::string& session, const std::string& server_side, const std::string& operation) {
  sc::ExecutePlanResponse r;
  r.set_session_id(session);
  r.set_server_side_session_id(server_side);
  r.set_operation_id(operation);
  return r.SerializeAsString();
}

struct Chunk {
  int64_t rows = 0, start_offset = 0, index = -1, count = 0;
};

// Fields of ExecutePlanResponse.arrow_batch (2): row_count 1, data 2, start_offset 3, chunk_index 4, num_chunks_in_batch 5.
std::vector<grpc::Slice> arrow_batch(const grpc::Slice& ids, const Buffers& data, const Chunk& chunk) {
  int64_t bytes = 0;
  for (const auto& b : data) bytes += b->size();
  std::string fields;
  put_int(&fields, 1, chunk.rows);
  put_int(&fields, 3, chunk.start_offset);
  if (chunk.index >= 0) {
    put_int(&fields, 4, chunk.index);
    put_int(&fields, 5, chunk.count);
  }
  put_varint(&fields, 2 << 3 | 2);
  put_varint(&fields, static_cast<uint64_t>(bytes));
  std::string head;
  put_varint(&head, 2 << 3 | 2);
  put_varint(&head, fields.size() + static_cast<uint64_t>(bytes));
  head += fields;
  std::vector<grpc::Slice> out{ids, grpc::Slice(head)};
  for (const auto& b : data) out.push_back(as_slice(b));
  return out;
}

// The bytes [from, from + length) of the list.
Buffers part_of(const Buffers& list, int64_t from, int64_t length) {
  Buffers out;
  for (const auto& b : list) {
    if (length == 0) break;
    if (from >= b->size()) {
      from -= b->size();
      continue;
    }
    int64_t n = std::min(b->size() - from, length);
    out.push_back(arrow::SliceBuffer(b, from, n));
    from = 0;
    length -= n;
  }
  return out;
}

const arrow::ipc::IpcWriteOptions& options() {
  static const auto* kOptions = [] {
    auto* o = new arrow::ipc::IpcWriteOptions(arrow::ipc::IpcWriteOptions::Defaults());
    o->use_threads = false;
    o->allow_64bit = true;
    return o;
  }();
  return *kOptions;
}

}  // namespace

ResponseEncoder::ResponseEncoder(const std::string& session_id, const std::string& server_side_session_id, const std::string& operation_id,
                                 ChunkingOptions chunking, int64_t max_batch_bytes)
    : ids_(encoded_ids(session_id, server_side_session_id, operation_id)), chunking_(chunking), max_batch_bytes_(max_batch_bytes) {}

std::vector<grpc::Slice> ResponseEncoder::message(const sc::ExecutePlanResponse& response) const {
  return {ids_, grpc::Slice(response.SerializeAsString())};
}

void ResponseEncoder::batch(const arrow::RecordBatch& batch, const std::function<bool(const std::vector<grpc::Slice>&)>& emit) {
  emit_batch(batch, emit);
}

bool ResponseEncoder::emit_batch(const arrow::RecordBatch& batch, const std::function<bool(const std::vector<grpc::Slice>&)>& emit) {
  if (batch.schema() != schema_) {
    schema_ = batch.schema();
    arrow::ipc::DictionaryFieldMapper mapper(*schema_);
    arrow::ipc::IpcPayload payload;
    check(arrow::ipc::GetSchemaPayload(*schema_, options(), mapper, &payload));
    BufferList list;
    int32_t ignored;
    check(arrow::ipc::WriteIpcPayload(payload, options(), &list, &ignored));
    schema_bytes_ = arrow::ConcatenateBuffers(list.take()).ValueOrDie();
  }
  arrow::ipc::IpcPayload payload;
  check(arrow::ipc::GetRecordBatchPayload(batch, options(), &payload));
  if (payload.body_length > max_batch_bytes_ && batch.num_rows() > 1) {
    int64_t half = batch.num_rows() / 2;
    return emit_batch(*batch.Slice(0, half), emit) && emit_batch(*batch.Slice(half), emit);
  }
  BufferList list;
  check(list.Write(schema_bytes_));
  int32_t ignored;
  check(arrow::ipc::WriteIpcPayload(payload, options(), &list, &ignored));
  static constexpr uint8_t kEndOfStream[8] = {0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0};
  check(list.Write(kEndOfStream, sizeof kEndOfStream));
  int64_t bytes = list.size();
  Buffers data = list.take();

  Chunk chunk{batch.num_rows(), rows_};
  rows_ += batch.num_rows();
  ++batches_;
  if (!chunking_.allowed || chunking_.chunk_bytes <= 0) return emit(arrow_batch(ids_, data, chunk));
  chunk.count = (bytes + chunking_.chunk_bytes - 1) / chunking_.chunk_bytes;
  for (chunk.index = 0; chunk.index < chunk.count; ++chunk.index) {
    int64_t from = chunk.index * chunking_.chunk_bytes;
    int64_t length = std::min(chunking_.chunk_bytes, bytes - from);
    if (!emit(arrow_batch(ids_, chunk.count == 1 ? data : part_of(data, from, length), chunk))) return false;
  }
  return true;
}

void ResponseEncoder::empty_batch(const std::shared_ptr<arrow::Schema>& schema,
                                  const std::function<bool(const std::vector<grpc::Slice>&)>& emit) {
  auto made = arrow::RecordBatch::MakeEmpty(schema);
  check(made.status());
  emit_batch(**made, emit);
}

}  // namespace tarn::connect
