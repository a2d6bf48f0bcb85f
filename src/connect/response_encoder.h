#pragma once
// ExecutePlanResponse messages on the wire, without copying the data of Arrow batches.
#include <grpcpp/support/slice.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace arrow {
class Buffer;
class RecordBatch;
class Schema;
}  // namespace arrow
namespace spark::connect {
class ExecutePlanResponse;
}

namespace tarn::connect {

struct ChunkingOptions {
  bool allowed = false;
  int64_t chunk_bytes = 0;  // spark.connect.session.resultChunking.maxChunkSize, or what the client prefers
};

// Encodes the answers of one operation; the response_id is left to ReplayBuffer. One thread at a time, except message(), which is
// thread-safe.
class ResponseEncoder {
 public:
  static constexpr int64_t kMaxBatchBytes = 90 << 20;  // below Spark's 70 % of 128 MB: no client's message limit is reached

  ResponseEncoder(const std::string& session_id, const std::string& server_side_session_id, const std::string& operation_id,
                  ChunkingOptions chunking, int64_t max_batch_bytes = kMaxBatchBytes);

  std::vector<grpc::Slice> message(const spark::connect::ExecutePlanResponse& response) const;

  // Each message that the batch becomes, in order: one, or more when it is too large for one message (split by rows, then in chunks
  // if the client allows). emit answers false to stop. Every message's data is a complete IPC stream (or a chunk of one).
  // Throws std::runtime_error if Arrow cannot serialise it.
  void batch(const arrow::RecordBatch& batch, const std::function<bool(const std::vector<grpc::Slice>&)>& emit);
  void empty_batch(const std::shared_ptr<arrow::Schema>& schema, const std::function<bool(const std::vector<grpc::Slice>&)>& emit);
  int64_t rows() const { return rows_; }
  int64_t batches() const { return batches_; }

 private:
  bool emit_batch(const arrow::RecordBatch& batch, const std::function<bool(const std::vector<grpc::Slice>&)>& emit);

  const grpc::Slice ids_;  // session_id, server_side_session_id and operation_id, encoded
  const ChunkingOptions chunking_;
  const int64_t max_batch_bytes_;
  int64_t rows_ = 0, batches_ = 0;
  std::shared_ptr<arrow::Schema> schema_;           // whose IPC message is schema_bytes_
  std::shared_ptr<arrow::Buffer> schema_bytes_;
};

}  // namespace tarn::connect
